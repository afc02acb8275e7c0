//! A proxy as a process of its own: started on a free port, measured from outside, ended.

use std::error::Error;
use std::ffi::OsString;
use std::fs;
use std::io::Read as _;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;

type Fault = Box<dyn Error + Send + Sync>;

/// The first argument that makes this program the minimal proxy.
pub(crate) const MINIMAL_ROLE: &str = "minimal-proxy";
/// Where Debian installs it, which is not on everybody's path.
const NGINX: &str = "/usr/sbin/nginx";
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
    /// The same, and it counts each session over a day.
    Counting,
    /// nginx, `proxy_pass` over kept connections and its defaults.
    Nginx,
    /// nginx with buffers that hold the largest page, and so without a temporary file.
    TunedNginx,
}

/// A running proxy; dropped, it ends.
pub(crate) struct Proxy {
    /// Where it listens.
    pub(crate) address: SocketAddr,
    child: Child,
    _folder: TempDir,
}

impl Proxy {
    /// Starts a proxy before `upstream` on this core, if one is given, and waits until it listens.
    pub(crate) async fn start(
        kind: Kind,
        upstream: SocketAddr,
        core: Option<usize>,
        counted: bool,
    ) -> Result<Self, Fault> {
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
            Kind::Nginx | Kind::TunedNginx => {
                let file = folder.path().join("nginx.conf");
                fs::write(&file, nginx_configuration(kind, address, upstream, folder.path()))?;
                vec![NGINX.into(), "-c".into(), file.into_os_string()]
            }
            Kind::Unread | Kind::Watching | Kind::Enforcing | Kind::Counting => {
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
        let mut words: Vec<OsString> = Vec::new();
        if let Some(core) = core {
            words.extend(["taskset".into(), "--cpu-list".into(), core.to_string().into()]);
        }
        if counted {
            words.extend(["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null"].map(OsString::from));
        }
        words.extend(program);
        let (first, rest) = words.split_first().ok_or("a program has a name")?;
        let mut command = Command::new(first);
        command.args(rest);
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
    tells_version("valgrind", "--version")
}

/// Whether nginx can be run.
pub(crate) fn has_nginx() -> bool {
    tells_version(NGINX, "-v")
}

fn tells_version(program: &str, option: &str) -> bool {
    let mut command = Command::new(program);
    command.arg(option).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

fn free_port() -> Result<SocketAddr, Fault> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?)
}

fn configuration(kind: Kind, listen: SocketAddr, admin: SocketAddr, upstream: SocketAddr) -> String {
    let inspect = kind != Kind::Unread;
    let enforces = matches!(kind, Kind::Enforcing | Kind::Counting);
    let action = if enforces {
        "action = \"block\"\nmode = \"enforce\""
    } else {
        "action = \"alert\""
    };
    let session = if kind == Kind::Counting {
        format!("[[budget]]\nname = \"session\"\nper = \"session\"\npeople = 10000\nwindow = \"1d\"\n{action}\n")
    } else {
        String::new()
    };
    format!(
        "[listen.http]\naddress = \"{listen}\"\n[admin]\naddress = \"{admin}\"\n[state]\ndir = \"state\"\n\
         [[route]]\nmatch = \"*/\"\nupstream = [\"http://{upstream}\"]\ninspect = {inspect}\n\
         [[budget]]\nname = \"exchange\"\nper = \"exchange\"\npeople = 1000\n{action}\n{session}"
    )
}

/// One process, so that its processor time is all there is.
fn nginx_configuration(kind: Kind, listen: SocketAddr, upstream: SocketAddr, folder: &Path) -> String {
    let folder = folder.display();
    let tuned = if kind == Kind::TunedNginx {
        "proxy_max_temp_file_size 0; proxy_buffer_size 32k; proxy_buffers 8 32k; proxy_busy_buffers_size 64k;"
    } else {
        ""
    };
    format!(
        "daemon off; master_process off; worker_processes 1; pid {folder}/pid; error_log {folder}/error crit;\n\
         events {{ worker_connections 1024; }}\n\
         http {{ access_log off; tcp_nodelay on; keepalive_requests 1000000000; keepalive_timeout 600s;\n\
         client_body_temp_path {folder}/a; proxy_temp_path {folder}/b; fastcgi_temp_path {folder}/c;\n\
         uwsgi_temp_path {folder}/d; scgi_temp_path {folder}/e;\n\
         upstream origin {{ server {upstream}; keepalive 128; keepalive_requests 1000000000; keepalive_timeout 600s; }}\n\
         server {{ listen {listen}; location / {{ proxy_pass http://origin; proxy_http_version 1.1;\n\
         proxy_set_header Connection \"\"; proxy_set_header Host $host; {tuned} }} }} }}\n"
    )
}
