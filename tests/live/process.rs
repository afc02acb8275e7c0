//! The real binary as a child process: started on ports of the system's choice, read through its log lines, ended with its owner.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::io::Read;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tempfile::TempDir;

use crate::support::client::{self, RawReply};
use crate::support::people::count_serials;

/// How long a condition is waited for; a test that gets here has failed.
pub(crate) const CONDITION_TIME_MAX: Duration = Duration::from_secs(30);
/// The same of a command, which may move large bodies on a machine that compiles meanwhile.
const COMMAND_TIME_MAX: Duration = Duration::from_mins(5);
/// Between two looks at a condition.
const LOOK_EVERY: Duration = Duration::from_millis(10);
/// The binary that Cargo built for this test.
const BINARY: &str = env!("CARGO_BIN_EXE_tidegate");

/// Looks until there is something, at most [`CONDITION_TIME_MAX`].
pub(crate) async fn eventually<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let looking = async {
        loop {
            if let Some(found) = look().await {
                return found;
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    };
    tokio::time::timeout(CONDITION_TIME_MAX, looking)
        .await
        .unwrap_or_else(|_| panic!("never: {what}"))
}

/// Whether the binary is optimised; the harness never is.
pub(crate) fn is_optimised() -> bool {
    !Path::new(BINARY).components().any(|part| part.as_os_str() == "debug")
}

/// The binary, to be run in this directory.
pub(crate) fn command(dir: &Path) -> Command {
    command_of(BINARY, dir)
}

/// A program with no variable of ours in its environment, in this directory.
pub(crate) fn command_of(program: impl AsRef<OsStr>, dir: &Path) -> Command {
    let mut command = Command::new(program);
    for (name, _) in std::env::vars_os() {
        let is_ours = name.to_string_lossy().starts_with("TIDEGATE");
        if is_ours || name == "STATE_DIRECTORY" {
            command.env_remove(name);
        }
    }
    command.current_dir(dir);
    command
}

/// The command under a shell that has a write beyond the process's bound fail, in place of ending the process.
pub(crate) fn bounded_command(dir: &Path) -> Command {
    let mut bounded = command_of("sh", dir);
    bounded.args(["-c", "trap '' XFSZ; exec \"$0\" \"$@\"", BINARY]);
    bounded
}

/// Bounds the size of files that the process writes, in bytes, from now on.
pub(crate) async fn bound_files(child: u32, bytes: &str) {
    let mut prlimit = Command::new("prlimit");
    prlimit.args(["--pid", &child.to_string(), &format!("--fsize={bytes}:unlimited")]);
    assert!(output(prlimit).await.status.success(), "the bound is set");
}

/// Runs a command to its end.
pub(crate) async fn output(mut command: Command) -> Output {
    let run = tokio::task::spawn_blocking(move || command.stdin(Stdio::null()).output());
    let output = tokio::time::timeout(COMMAND_TIME_MAX, run)
        .await
        .expect("the command ends");
    output.expect("no panic in it").expect("the command runs")
}

/// Sends a signal by its name.
pub(crate) async fn send(signal: &str, child: &Child) {
    let mut kill = Command::new("sh");
    kill.args(["-c", &format!("kill -{signal} {}", child.id())]);
    assert!(output(kill).await.status.success(), "the signal arrives");
}

/// A running gateway; it is killed when dropped.
pub(crate) struct Tidegate {
    child: Child,
    /// Where its configuration is.
    pub(crate) dir: Arc<TempDir>,
    written: Arc<Mutex<Vec<u8>>>,
    addresses: HashMap<String, SocketAddr>,
}

impl Tidegate {
    /// Starts with this `tidegate.toml` in a directory of its own; `[admin]` is added.
    pub(crate) async fn start(config: &str) -> Self {
        Self::start_in(Arc::new(tempfile::tempdir().expect("a directory")), config).await
    }

    /// The same in a directory where other files may be already.
    pub(crate) async fn start_in(dir: Arc<TempDir>, config: &str) -> Self {
        write_config(dir.path(), config);
        Self::launch(dir, &["run", "--config", "tidegate.toml"], "trace").await
    }

    /// Starts with these arguments and this log filter, and waits until the last listener, that of the admin API, is open.
    pub(crate) async fn launch(dir: Arc<TempDir>, arguments: &[&str], log: &str) -> Self {
        Self::launch_by(command(dir.path()), dir, arguments, log).await
    }

    /// Starts with the `tidegate.toml` that is in `dir`, by a command that runs what follows it.
    pub(crate) async fn launch_under(mut command: Command, dir: Arc<TempDir>) -> Self {
        command.arg(BINARY);
        Self::launch_by(command, dir, &["run", "--config", "tidegate.toml"], "trace").await
    }

    /// The same by a command of the test's own, which takes the arguments of the binary.
    pub(crate) async fn launch_by(mut command: Command, dir: Arc<TempDir>, arguments: &[&str], log: &str) -> Self {
        let mut child = command
            .args(["--log", log, "--log-format", "json"])
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary starts");
        let written = Arc::default();
        collect(child.stdout.take().expect("piped"), Arc::clone(&written));
        collect(child.stderr.take().expect("piped"), Arc::clone(&written));
        let mut gateway = Self {
            child,
            dir,
            written,
            addresses: HashMap::new(),
        };
        let addresses = eventually("every listener is open", async || {
            if let Some(status) = gateway.child.try_wait().expect("our child") {
                panic!("it ended with {status}:\n{}", gateway.written());
            }
            let addresses = gateway.listening();
            addresses.contains_key("admin").then_some(addresses)
        });
        gateway.addresses = addresses.await;
        gateway
    }

    fn listening(&self) -> HashMap<String, SocketAddr> {
        let lines = self.lines();
        let listening = lines.iter().filter(|line| line["message"] == "listening");
        listening
            .map(|line| {
                let text = |field: &str| line[field].as_str().expect("a text").to_owned();
                (text("listener"), text("address").parse().expect("an address"))
            })
            .collect()
    }

    /// The number of its process.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// The address of a listener by its name.
    pub(crate) fn address(&self, listener: &str) -> SocketAddr {
        self.addresses[listener]
    }

    /// Its log lines so far; what is no JSON is left out.
    pub(crate) fn lines(&self) -> Vec<serde_json::Value> {
        let written = self.written();
        written
            .lines()
            .filter_map(|line| serde_json::from_str(line).ok())
            .collect()
    }

    /// Everything that it wrote to its standard output and error so far.
    pub(crate) fn written(&self) -> String {
        let written = self.written.lock().expect("no reader panics");
        String::from_utf8_lossy(&written).into_owned()
    }

    /// Whether a log line has this message.
    pub(crate) fn has_said(&self, message: &str) -> bool {
        self.lines().iter().any(|line| line["message"] == message)
    }

    /// `GET` of the admin API.
    pub(crate) async fn admin(&self, path: &str) -> RawReply {
        let address = self.address("admin");
        let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
        client::http1(address, request.as_bytes()).await
    }

    /// The value of a metric by its name and labels as they are rendered; 0 if it is not there.
    pub(crate) async fn metric(&self, name_and_labels: &str) -> f64 {
        let text = String::from_utf8(self.admin("/metrics").await.body).expect("text");
        let line = text.lines().find_map(|line| line.strip_prefix(name_and_labels));
        line.map_or(0.0, |value| value.trim().parse().expect("a number"))
    }

    /// Waits until a metric has this value.
    pub(crate) async fn metric_is(&self, name_and_labels: &str, value: f64) {
        let what = format!("{name_and_labels} {value}");
        eventually(&what, async || {
            let is_there = (self.metric(name_and_labels).await - value).abs() < f64::EPSILON;
            is_there.then_some(())
        })
        .await;
    }

    /// Waits until a metric has grown from this value.
    pub(crate) async fn metric_grows(&self, name_and_labels: &str, from: f64) {
        let what = format!("{name_and_labels} over {from}");
        eventually(&what, async || {
            (self.metric(name_and_labels).await > from).then_some(())
        })
        .await;
    }

    /// Whichever suite it served: no person of the suites is in a line that it wrote or in a file that it left.
    fn has_told_nobody(&self) {
        let entries = std::fs::read_dir(self.dir.path()).into_iter().flatten().flatten();
        let audit = entries.filter(|entry| entry.file_name().to_string_lossy().ends_with(".jsonl"));
        let audit = audit.filter_map(|entry| std::fs::read_to_string(entry.path()).ok());
        for text in std::iter::once(self.written()).chain(audit) {
            let has_person = text.contains("mail.example") || !count_serials(text.as_bytes()).is_empty();
            assert!(!has_person, "a person of the suite was told on");
        }
    }

    /// Sends a signal by its name.
    pub(crate) async fn signal(&self, name: &str) {
        send(name, &self.child).await;
    }

    /// Waits for its end and says how.
    pub(crate) async fn ended(&mut self) -> std::process::ExitStatus {
        eventually("it ends", async || self.child.try_wait().expect("our child")).await
    }

    /// A file beside the configuration.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Writes another configuration as editors do: beside it, then in its place.
    pub(crate) fn rewrite(&self, config: &str) {
        write_config(self.dir.path(), config);
    }
}

impl Drop for Tidegate {
    fn drop(&mut self) {
        // It may have ended already.
        drop(self.child.kill());
        drop(self.child.wait());
        if !std::thread::panicking() {
            self.has_told_nobody();
        }
    }
}

/// Writes `tidegate.toml`; `[admin]` is added.
pub(crate) fn write_config(dir: &Path, config: &str) {
    let text = format!("{config}\n[admin]\naddress = \"127.0.0.1:0\"\n");
    let beside = dir.join(".tidegate.toml.new");
    std::fs::write(&beside, text).expect("the directory is ours");
    std::fs::rename(&beside, dir.join("tidegate.toml")).expect("the directory is ours");
}

fn collect(mut from: impl Read + Send + 'static, into: Arc<Mutex<Vec<u8>>>) {
    std::thread::spawn(move || {
        let mut chunk = [0; 4_096];
        while let Ok(length @ 1..) = from.read(&mut chunk) {
            into.lock().expect("no owner panics with it").extend(&chunk[..length]);
        }
    });
}
