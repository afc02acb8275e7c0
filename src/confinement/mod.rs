//! What the process gives up before it has a second thread: places to write, programs to start, calls of the system, and any
//! picture of its memory. Whoever takes it over has no more than that.
//!
//! It holds for the thread that asks and all that it starts from then on, and cannot be taken back.

mod calls;
mod files;

use std::path::PathBuf;

use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit};

/// Where a gateway goes on writing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Places {
    /// Directories that are its own: files in them are made, written, renamed and removed.
    pub own: Vec<PathBuf>,
    /// Directories in which files are made and written, but neither emptied nor removed.
    pub evidence: Vec<PathBuf>,
}

/// How much the system enforces: `full`, `partial` (an older kernel), or `none`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Confined {
    /// Landlock, of files.
    pub files: &'static str,
    /// Seccomp, of system calls.
    pub calls: &'static str,
    /// No picture of the memory: `full` or `none`.
    pub memory: &'static str,
}

impl Confined {
    /// Whether all of it holds, as far as this kernel has it.
    pub fn is_enforced(self) -> bool {
        [self.files, self.calls, self.memory]
            .iter()
            .all(|enforced| *enforced != NONE)
    }
}

const FULL: &str = "full";
const PARTIAL: &str = "partial";
const NONE: &str = "none";

/// A gateway: it writes in `places` alone, starts nothing but itself, and makes no call that only administers a machine.
pub fn gateway(places: &Places) -> Confined {
    Confined {
        files: files::of_gateway(places),
        memory: leave_no_picture(),
        calls: calls::refuse(),
    }
}

/// A reader of fragile files: it opens no file and no connection, and starts nothing. What it reads and tells goes through pipes
/// that it has already.
pub fn reader() -> Confined {
    Confined {
        files: files::of_reader(),
        memory: leave_no_picture(),
        calls: calls::keep(),
    }
}

/// No file of the memory when the process crashes, and nobody of its own user looks into it (prctl(2), `PR_SET_DUMPABLE`).
fn leave_no_picture() -> &'static str {
    let nothing = Rlimit {
        current: Some(0),
        maximum: Some(0),
    };
    let done = setrlimit(Resource::Core, nothing).and_then(|()| set_dumpable_behavior(DumpableBehavior::NotDumpable));
    if done.is_ok() { FULL } else { NONE }
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File, OpenOptions};
    use std::net::{TcpListener, TcpStream};
    use std::os::fd::AsFd as _;
    use std::process::{Command, Stdio};
    use std::thread;

    use rustix::io;
    use rustix::process::{getppid, getrlimit, prlimit};
    use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

    use super::*;

    /// On a thread of its own: what is given up is given up for good.
    fn on_a_thread(test: impl FnOnce() + Send) {
        let ended = thread::scope(|scope| scope.spawn(test).join());
        ended.expect("the thread did as it should");
    }

    fn appended(path: &std::path::Path) -> bool {
        OpenOptions::new().append(true).create(true).open(path).is_ok()
    }

    #[test]
    fn a_gateway_writes_in_its_places_and_starts_itself_alone() {
        let dir = tempfile::tempdir().unwrap();
        let place = |name: &str| dir.path().join(name);
        for name in ["own", "evidence", "other"] {
            fs::create_dir(place(name)).unwrap();
        }
        on_a_thread(|| {
            let places = Places {
                own: vec![place("own")],
                evidence: vec![place("evidence")],
            };
            let confined = gateway(&places);
            assert!(confined.is_enforced(), "{confined:?}");
            assert!(appended(&place("own/a")) && appended(&place("evidence/a")));
            assert!(!appended(&place("other/a")), "elsewhere nothing is written");
            assert!(fs::rename(place("own/a"), place("own/b")).is_ok() && fs::remove_file(place("own/b")).is_ok());
            assert!(fs::remove_file(place("evidence/a")).is_err(), "evidence stays");
            assert!(File::create(place("evidence/a")).is_err(), "and is not emptied");
            assert!(fs::read_dir(place("other")).is_ok(), "it reads as before");
            assert!(Command::new("/bin/sh").arg("-c").arg(":").status().is_err());
            let own = Command::new("/proc/self/exe")
                .arg("--list")
                .stdout(Stdio::null())
                .status();
            assert!(own.unwrap().success(), "itself, with its libraries");
            let network = File::open("/proc/self/ns/net").unwrap();
            let entered = move_into_link_name_space(network.as_fd(), Some(LinkNameSpaceType::Network));
            assert_eq!(
                entered,
                Err(io::Errno::PERM),
                "not even the namespace in which it is, though it be root"
            );
            assert!(TcpListener::bind("127.0.0.1:0").is_ok(), "it serves");
            assert!(thread::spawn(|| {}).join().is_ok(), "it has threads");
        });
    }

    #[test]
    fn a_reader_opens_nothing() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let parent = getppid().unwrap();
        on_a_thread(move || {
            let confined = reader();
            assert!(confined.is_enforced(), "{confined:?}");
            let text = vec![b'x'; 8 << 20];
            assert_eq!(text.len(), 8 << 20, "it has memory");
            assert!(File::open("/proc/self/status").is_err() && File::open("/etc/passwd").is_err());
            assert!(TcpStream::connect(address).is_err());
            assert!(TcpListener::bind("127.0.0.1:0").is_err());
            assert!(Command::new("/proc/self/exe").status().is_err());
            let limit = getrlimit(Resource::Nofile);
            assert!(prlimit(None, Resource::Nofile, limit).is_ok(), "its own limits");
            assert_eq!(prlimit(Some(parent), Resource::Nofile, limit), Err(io::Errno::PERM));
        });
    }
}
