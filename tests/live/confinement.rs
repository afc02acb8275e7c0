//! The gateway gives up what it does not need before it serves anybody: calls of the system, places to write, programs to start,
//! and any picture of its memory.

use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use tempfile::TempDir;

use super::process::{Tidegate, command, command_of, eventually, output, write_config};
use super::tools::text;
use crate::support::client::get;
use crate::support::origin::{Answer, Origin};

/// A program that restricts itself by Landlock as often as a kernel allows (16 times), so that the next one cannot.
const USED_UP: &str = "import ctypes, os, sys\n\
    libc = ctypes.CDLL(None)\n\
    libc.prctl(38, 1, 0, 0, 0)\n\
    makes_links = ctypes.c_uint64(1 << 12)\n\
    for _ in range(16):\n    \
        rules = libc.syscall(444, ctypes.byref(makes_links), 8, 0)\n    \
        assert libc.syscall(446, rules, 0) == 0\n\
    os.execv(sys.argv[1], sys.argv[1:])\n";

/// An origin of one file that a reader apart reads, and a gateway before it with an audit file, both in `dir`.
async fn way(dir: &Path) -> Origin {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/containers/lines.pdf");
    let file = std::fs::read(path).expect("a file of ours");
    let origin = Origin::serve(move |_| Answer::new("application/pdf", file.clone())).await;
    write_config(
        dir,
        &format!(
            "[listen.http]\naddress = \"127.0.0.1:0\"\n[[route]]\nmatch = \"*/\"\nupstream = [\"http://{}\"]\nfail = \"closed\"\n\
             [[budget]]\nname = \"bulk\"\nper = \"exchange\"\npeople = 60\naction = \"block\"\nmode = \"enforce\"\n\
             [audit]\nfile = \"audit.jsonl\"\n",
            origin.address
        ),
    );
    origin
}

async fn start(command: Command, dir: &Arc<TempDir>, how: &str) -> Tidegate {
    let arguments = ["run", "--config", "tidegate.toml", "--confine", how];
    Tidegate::launch_by(command, Arc::clone(dir), &arguments, "trace").await
}

fn directory() -> Arc<TempDir> {
    Arc::new(tempfile::tempdir().expect("a directory"))
}

/// What a file of `/proc` says on the line that begins so.
fn said(path: &str, line: &str) -> String {
    let text = std::fs::read_to_string(path).expect("it runs");
    let found = text.lines().find_map(|said| said.strip_prefix(line));
    found
        .expect("the line")
        .split_whitespace()
        .next()
        .expect("a word")
        .to_owned()
}

/// It told how far it is confined.
fn has_told(gateway: &Tidegate, files: &str, calls: &str) {
    let lines = gateway.lines();
    let told = lines
        .iter()
        .find(|line| line["message"] == "confined")
        .expect("it is told");
    assert_eq!(
        (&told["files"], &told["calls"]),
        (&files.into(), &calls.into()),
        "{told}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_thread_and_every_reader_has_given_up_what_it_does_not_need() {
    let dir = directory();
    let _origin = way(dir.path()).await;
    let gateway = start(command(dir.path()), &dir, "required").await;
    let reply = get(gateway.address("http"), "/", "").await;
    assert!(
        reply.is_whole && reply.status == 200,
        "its readers work: {}",
        reply.head
    );
    let threads = std::fs::read_dir(format!("/proc/{}/task", gateway.id())).expect("it runs");
    let threads: Vec<_> = threads
        .flatten()
        .map(|thread| thread.path().display().to_string())
        .collect();
    assert!(threads.len() > 1, "{threads:?}");
    let children = |thread: &String| std::fs::read_to_string(format!("{thread}/children")).expect("it runs");
    let readers: Vec<String> = threads.iter().map(children).collect();
    let readers: Vec<_> = readers.iter().flat_map(|line| line.split_whitespace()).collect();
    assert_eq!(readers.len(), 1, "one reads, or has read");
    for process in threads
        .iter()
        .cloned()
        .chain(readers.iter().map(|id| format!("/proc/{id}")))
    {
        assert_eq!(said(&format!("{process}/status"), "Seccomp:"), "2", "{process}");
        assert_eq!(said(&format!("{process}/status"), "NoNewPrivs:"), "1", "{process}");
        assert_eq!(
            said(&format!("{process}/limits"), "Max core file size"),
            "0",
            "{process}"
        );
    }
    has_told(&gateway, "full", "full");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_written_outside_its_places() {
    for how in ["best-effort", "off"] {
        let (dir, elsewhere) = (directory(), directory());
        let _origin = way(dir.path()).await;
        let gateway = start(command(dir.path()), &dir, how).await;
        let stolen = elsewhere.path().join("stolen");
        // Whoever can have its file lead elsewhere, and opened anew.
        std::fs::remove_file(gateway.file("audit.jsonl")).expect("the directory is ours");
        symlink(&stolen, gateway.file("audit.jsonl")).expect("the directory is ours");
        gateway.signal("USR1").await;
        let lost = "tidegate_audit_dropped_total{reason=\"disk\"}";
        eventually("a line has been tried", async || {
            gateway.signal("HUP").await;
            (stolen.exists() || gateway.metric(lost).await > 0.0).then_some(())
        })
        .await;
        assert_eq!(stolen.exists(), how == "off", "{how}");
        if how == "off" {
            assert!(!gateway.has_said("audit line lost"));
        } else {
            eventually("it is said", async || gateway.has_said("audit line lost").then_some(())).await;
        }
    }
}

/// What tells of a process of which no picture may be made belongs to root in `/proc`, whoever runs it (proc(5)).
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_picture_of_its_memory_may_be_made() {
    for how in ["best-effort", "off"] {
        let dir = directory();
        let _origin = way(dir.path()).await;
        let program = dir.path().join("program");
        std::fs::copy(command(dir.path()).get_program(), &program).expect("the directory is ours");
        let is_root = std::fs::metadata(dir.path()).expect("it is there").uid() == 0;
        let plain = if is_root {
            let open = std::fs::Permissions::from_mode(0o777);
            std::fs::set_permissions(dir.path(), open).expect("the directory is ours");
            let mut other = command_of("setpriv", dir.path());
            other
                .args(["--reuid=65534", "--regid=65534", "--clear-groups"])
                .arg(&program);
            other
        } else {
            command_of(&program, dir.path())
        };
        let gateway = start(plain, &dir, how).await;
        let process = format!("/proc/{}", gateway.id());
        assert_ne!(said(&format!("{process}/status"), "Uid:"), "0");
        let owner = std::fs::metadata(format!("{process}/maps")).expect("it runs").uid();
        assert_eq!(owner == 0, how != "off", "{how}");
        let reply = get(gateway.address("http"), "/", "").await;
        assert!(reply.is_whole && reply.status == 200, "{how}: {}", reply.head);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_system_that_cannot_confine_it_is_told_of_or_refused() {
    let dir = directory();
    let _origin = way(dir.path()).await;
    let used_up = || {
        let mut python = command_of("python3", dir.path());
        python.args(["-c", USED_UP]).arg(command(dir.path()).get_program());
        python
    };
    let gateway = start(used_up(), &dir, "best-effort").await;
    has_told(&gateway, "none", "full");
    drop(gateway);
    let mut required = used_up();
    required.args(["run", "--config", "tidegate.toml", "--confine", "required"]);
    let refused = output(required).await;
    assert_eq!(refused.status.code(), Some(69), "{refused:?}");
    let told = String::from_utf8_lossy(&refused.stderr);
    assert!(
        told.contains("this system cannot confine the process (files: none, calls: full, memory: full)"),
        "{told}"
    );
    assert!(text(&refused).is_empty());
}
