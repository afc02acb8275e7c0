//! A proxy as a process of its own: started on a free port, measured from outside, ended.

use std::error::Error;
use std::fs;
use std::io::Read as _;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;

type Fault = Box<dyn Error + Send + Sync>;

/// The first argument that makes this program the minimal proxy.
pub(crate) const MINIMAL_ROLE: &str = "minimal-proxy";
/// How often a starting proxy is tried, every 50 ms: it is slow under callgrind.
const START_TRIES_MAX: usize = 1_200;

/// Which proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// `minproxy.rs`.
    Minimal,
    /// Tidegate with scanning off: the route is not inspected.
    Unread,
    /// Tidegate with budgets that only tell.
    Watching,
    /// Tidegate with a budget that would refuse, so that bytes wait for their records.
    Enforcing,
}

/// A running proxy; dropped, it ends.
pub(crate) struct Proxy {
    /// Where it listens.
    pub(crate) address: SocketAddr,
    child: Child,
    _folder: TempDir,
}

impl Proxy {
    /// Starts a proxy before `upstream` and waits until it listens.
    pub(crate) async fn start(kind: Kind, upstream: SocketAddr, counted: bool) -> Result<Self, Fault> {
        let (address, admin, folder) = (free_port()?, free_port()?, tempfile::tempdir()?);
        let program = match kind {
            Kind::Minimal => {
                let this = std::env::current_exe()?.into_os_string();
                vec![
                    this,
                    MINIMAL_ROLE.into(),
                    address.to_string().into(),
                    upstream.to_string().into(),
                ]
            }
            Kind::Unread | Kind::Watching | Kind::Enforcing => {
                let file = folder.path().join("tidegate.toml");
                fs::write(&file, configuration(kind, address, admin, upstream))?;
                vec![
                    env!("CARGO_BIN_EXE_tidegate").into(),
                    "run".into(),
                    "--config".into(),
                    file.into_os_string(),
                ]
            }
        };
        let mut command = Command::new("valgrind");
        if counted {
            command
                .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
                .args(&program);
        } else {
            let (first, rest) = program.split_first().ok_or("a program has a name")?;
            command = Command::new(first);
            command.args(rest);
        }
        let errors = if counted { Stdio::piped() } else { Stdio::null() };
        // With one worker each, what is measured does not depend on which thread took which task.
        let child = command
            .env("TOKIO_WORKER_THREADS", "1")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(errors)
            .spawn()?;
        let mut proxy = Self {
            address,
            child,
            _folder: folder,
        };
        for _ in 0..START_TRIES_MAX {
            if TcpStream::connect(address).is_ok() {
                return Ok(proxy);
            }
            if let Some(status) = proxy.child.try_wait()? {
                return Err(format!("{kind:?} ended with {status}").into());
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Err(format!("{kind:?} does not listen").into())
    }

    /// Processor time of all its threads so far (`schedstat`, Linux `Documentation/scheduler/sched-stats.rst`).
    pub(crate) fn processor_nanos(&self) -> Result<u64, Fault> {
        let mut nanos = 0;
        for task in fs::read_dir(format!("/proc/{}/task", self.child.id()))? {
            let text = fs::read_to_string(task?.path().join("schedstat"))?;
            nanos += text.split(' ').next().unwrap_or_default().parse::<u64>()?;
        }
        Ok(nanos)
    }

    /// Ends a proxy that runs under callgrind; returns the instructions that it took.
    pub(crate) fn end_and_count(mut self) -> Result<u64, Fault> {
        Command::new("kill")
            .args(["-TERM", &self.child.id().to_string()])
            .status()?;
        let mut text = String::new();
        if let Some(errors) = &mut self.child.stderr {
            errors.read_to_string(&mut text)?;
        }
        self.child.wait()?;
        let collected = text
            .rsplit("Collected :")
            .next()
            .and_then(|rest| rest.split_whitespace().next());
        Ok(collected.ok_or("callgrind counted nothing")?.parse()?)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Whether valgrind can be run.
pub(crate) fn has_valgrind() -> bool {
    let version = Command::new("valgrind")
        .arg("--version")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    version.is_ok_and(|status| status.success())
}

fn free_port() -> Result<SocketAddr, Fault> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?)
}

fn configuration(kind: Kind, listen: SocketAddr, admin: SocketAddr, upstream: SocketAddr) -> String {
    let inspect = kind != Kind::Unread;
    let action = if kind == Kind::Enforcing {
        "action = \"block\"\nmode = \"enforce\""
    } else {
        "action = \"alert\""
    };
    format!(
        "[listen.http]\naddress = \"{listen}\"\n[admin]\naddress = \"{admin}\"\n[state]\ndir = \"state\"\n\
         [[route]]\nmatch = \"*/\"\nupstream = [\"http://{upstream}\"]\ninspect = {inspect}\n\
         [[budget]]\nname = \"exchange\"\nper = \"exchange\"\npeople = 60\n{action}\n"
    )
}
