//! A `redis-server`, or `valkey-server` where that is what there is, that is killed with its owner, and a wire to it that can be cut or tell another time.

use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddr, TcpListener as StdListener};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{FromRedisValue, cmd};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// How long a condition is waited for; a test that gets here has failed.
const CONDITION_TIME_MAX: Duration = Duration::from_secs(20);

/// A running server.
pub(crate) struct Server {
    child: Child,
    pub(crate) port: u16,
    arguments: Vec<String>,
    dir: TempDir,
}

impl Server {
    pub(crate) async fn start(arguments: &[&str]) -> Self {
        let port = free_port();
        let dir = tempfile::tempdir().expect("a directory");
        let arguments: Vec<String> = arguments.iter().map(|argument| (*argument).to_owned()).collect();
        let child = spawn(port, &dir, &arguments);
        let server = Self {
            child,
            port,
            arguments,
            dir,
        };
        if !server.arguments.iter().any(|argument| argument == "--tls-port") {
            server.answers().await;
        }
        server
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// SIGKILL.
    pub(crate) fn kill(&mut self) {
        self.child.kill().expect("our child");
        self.child.wait().expect("it ends");
    }

    /// Empty, on the same port.
    pub(crate) async fn restart(&mut self) {
        self.child = spawn(self.port, &self.dir, &self.arguments);
        self.answers().await;
    }

    async fn answers(&self) {
        let client = redis::Client::open(self.url()).expect("a URL");
        until("the server answers", async || {
            let Ok(mut connection) = client.get_multiplexed_async_connection().await else {
                return false;
            };
            let asked = cmd("PING").query_async::<String>(&mut connection).await;
            // One with passwords answers as well.
            asked.is_ok_and(|pong| pong == "PONG")
        })
        .await;
    }

    pub(crate) async fn connection(&self) -> MultiplexedConnection {
        let client = redis::Client::open(self.url()).expect("a URL");
        client.get_multiplexed_async_connection().await.expect("it answers")
    }

    /// One command, its words apart by blanks.
    pub(crate) async fn ask<T: FromRedisValue>(&self, command: &str) -> T {
        let mut words = command.split(' ');
        let mut asked = cmd(words.next().expect("a word"));
        for word in words {
            asked.arg(word);
        }
        let mut connection = self.connection().await;
        asked
            .query_async(&mut connection)
            .await
            .unwrap_or_else(|error| panic!("{command}: {error}"))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

fn spawn(port: u16, dir: &TempDir, arguments: &[String]) -> Child {
    let port = port.to_string();
    let spawn = |program: &str| {
        let mut command = Command::new(program);
        if !arguments.iter().any(|argument| argument == "--port") {
            command.args(["--port", &port]);
        }
        command
            .args(["--bind", "127.0.0.1", "--save", "", "--appendonly", "no"])
            .args(arguments)
            .current_dir(dir.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
    };
    let child = spawn("redis-server").or_else(|error| {
        if error.kind() == ErrorKind::NotFound {
            spawn("valkey-server")
        } else {
            Err(error)
        }
    });
    child.expect("redis-server or valkey-server is installed: `make test` does it")
}

/// A port that is free now, and whose cluster bus is a port too.
pub(crate) fn free_port() -> u16 {
    loop {
        let listener = StdListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a loopback port");
        let port = listener.local_addr().expect("an address").port();
        if port < 55_000 {
            return port;
        }
    }
}

/// Waits until `condition` holds.
pub(crate) async fn until(what: &str, mut condition: impl AsyncFnMut() -> bool) {
    let look = async {
        while !condition().await {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let seen = tokio::time::timeout(CONDITION_TIME_MAX, look).await;
    assert!(seen.is_ok(), "{what}: not within {CONDITION_TIME_MAX:?}");
}

/// A wire between gateways and a server.
pub(crate) struct Wire {
    pub(crate) address: SocketAddr,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    is_cut: AtomicBool,
    /// Seconds that are added to what `TIME` tells.
    skew: AtomicI64,
}

impl Wire {
    pub(crate) async fn to(port: u16) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .await
            .expect("a loopback port");
        let address = listener.local_addr().expect("an address");
        let state = Arc::new(State::default());
        let shared = Arc::clone(&state);
        tokio::spawn(async move {
            while let Ok((downstream, _)) = listener.accept().await {
                tokio::spawn(carry(downstream, port, Arc::clone(&shared)));
            }
        });
        Self { address, state }
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://{}", self.address)
    }

    pub(crate) fn cut(&self, is_cut: bool) {
        self.state.is_cut.store(is_cut, Ordering::SeqCst);
    }

    pub(crate) fn skew(&self, seconds: i64) {
        self.state.skew.store(seconds, Ordering::SeqCst);
    }
}

/// Carries bytes both ways; while the wire is cut none arrive, and none are refused.
async fn carry(mut downstream: TcpStream, port: u16, state: Arc<State>) {
    let Ok(mut upstream) = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await else {
        return;
    };
    let (mut asked, mut told) = (vec![0; 65_536], vec![0; 65_536]);
    loop {
        let is_cut = || state.is_cut.load(Ordering::SeqCst);
        tokio::select! {
            read = downstream.read(&mut asked) => {
                let Ok(count @ 1..) = read else { return };
                while is_cut() {
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
                if upstream.write_all(&asked[..count]).await.is_err() { return }
            }
            read = upstream.read(&mut told) => {
                let Ok(count @ 1..) = read else { return };
                while is_cut() {
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
                retime(&mut told[..count], state.skew.load(Ordering::SeqCst));
                if downstream.write_all(&told[..count]).await.is_err() { return }
            }
        }
    }
}

/// The answer to `TIME` begins with ten digits.
fn retime(bytes: &mut [u8], skew: i64) {
    const HEAD: &[u8] = b"*2\r\n$10\r\n";
    let Some(at) = memchr::memmem::find(bytes, HEAD).filter(|_| skew != 0) else {
        return;
    };
    let digits = &mut bytes[at + HEAD.len()..][..10];
    let seconds: i64 = std::str::from_utf8(digits).unwrap().parse().unwrap();
    digits.copy_from_slice(format!("{:010}", seconds + skew).as_bytes());
}
