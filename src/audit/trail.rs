//! The audit trail as the other rooms use it: sightings and changes in, lines in a file out.

use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use super::incident::Incidents;
use super::writer::{Message, Writer};
use super::{Change, OnFull, Settings, Sighting};
use crate::engine::time::Now;

/// The audit trail; a clone is the same trail. None of its calls waits for the disk but [`Audit::stop`].
#[derive(Clone)]
pub struct Audit(Option<Arc<Trail>>);

struct Trail {
    incidents: Mutex<Incidents>,
    writer: Writer,
}

impl Audit {
    /// A trail that keeps nothing, for a gateway without an audit file.
    pub const fn off() -> Self {
        Self(None)
    }

    /// Starts the trail that the settings describe; without a file it keeps nothing.
    ///
    /// # Errors
    ///
    /// The file cannot be opened for appending, a limit is 0, or `on_audit_full = "block"`, which is not in this
    /// version.
    pub fn start(settings: &Settings) -> io::Result<Self> {
        let invalid = |message| Err(io::Error::new(io::ErrorKind::InvalidInput, message));
        let Some(path) = &settings.file else {
            return Ok(Self::off());
        };
        if settings.on_audit_full == OnFull::Block {
            return invalid("`on_audit_full = \"block\"` is not in this version");
        }
        if settings.queue_lines_max == 0 || settings.incidents_max == 0 {
            return invalid("`queue_lines_max` and `incidents_max` must be at least 1");
        }
        Ok(Self(Some(Arc::new(Trail {
            incidents: Mutex::new(Incidents::new(settings)),
            writer: Writer::start(PathBuf::clone(path), settings.queue_lines_max)?,
        }))))
    }

    /// Takes in one refusal, would-be refusal or alert. Cheap: most add to an incident that is known already.
    pub fn sighted(&self, sighting: &Sighting<'_>, now: Now) {
        let Some(trail) = &self.0 else { return };
        let report = trail
            .incidents
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .record(sighting, now);
        if let Some(report) = report {
            trail.writer.send(Message::Incident(Box::new(report)));
        }
    }

    /// Reports incidents that grew and closes those that are quiet. To be called about once a second.
    pub fn tick(&self, now: Now) {
        let Some(trail) = &self.0 else { return };
        let reports = trail.incidents.lock().unwrap_or_else(PoisonError::into_inner).tick(now);
        for report in reports {
            trail.writer.send(Message::Incident(Box::new(report)));
        }
    }

    /// Records an administrative change.
    pub fn changed(&self, change: Change, now: Now) {
        if let Some(trail) = &self.0 {
            trail.writer.send(Message::Change(Box::new(change), now));
        }
    }

    /// Opens the file anew before the next line, after it was rotated (SIGUSR1).
    pub fn reopen(&self) {
        if let Some(trail) = &self.0 {
            trail.writer.reopen();
        }
    }

    /// Lines lost since the start.
    pub fn lost(&self) -> u64 {
        self.0.as_ref().map_or(0, |trail| trail.writer.dropped())
    }

    /// Whether the last line could not be written; `/readyz` says so.
    pub fn is_failing(&self) -> bool {
        self.0.as_ref().is_some_and(|trail| trail.writer.is_failing())
    }

    /// Writes all that is queued and ends. Blocks for the disk: call it off the runtime, at the end of the process.
    pub fn stop(&self) {
        if let Some(trail) = &self.0 {
            trail.writer.stop();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    use serde_json::Value;

    use super::super::Operation;
    use super::super::incident::tests::sighting;
    use super::*;

    fn settings(file: PathBuf) -> Settings {
        Settings {
            file: Some(file),
            ..Settings::default()
        }
    }

    fn change(reason: &str) -> Change {
        Change {
            operation: Operation::Drain,
            succeeded: true,
            who: "kim".into(),
            role: "policy",
            reason: reason.into(),
            target: None,
            until: 0,
            people: 0,
            network: None,
        }
    }

    fn lines(path: &PathBuf) -> Vec<Value> {
        let text = fs::read_to_string(path).expect("the file is there");
        text.lines()
            .filter(|line| !line.is_empty())
            .map(|line| serde_json::from_str(line).expect("JSON"))
            .collect()
    }

    #[test]
    fn lines_are_appended_and_survive_a_rotation() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("audit.jsonl");
        let audit = Audit::start(&settings(path.clone())).expect("it starts");
        let now = Now::from_millis(1_700_000_000_000);
        (0..1000).for_each(|_| audit.sighted(&sighting(1), now));
        audit.changed(change("before"), now);
        audit.stop();
        let mode = fs::metadata(&path).expect("the file is there").permissions().mode();
        assert_eq!(mode & 0o777 & !0o640, 0, "nobody else reads or writes");
        let first = lines(&path);
        assert_eq!(first.len(), 11, "one creation, nine updates, one change");

        let audit = Audit::start(&settings(path.clone())).expect("it starts again");
        let rotated = folder.path().join("audit.jsonl.1");
        fs::rename(&path, &rotated).expect("it can be renamed");
        audit.reopen();
        audit.changed(change("after"), now);
        audit.stop();
        assert_eq!(lines(&rotated).len(), 11);
        assert_eq!(lines(&path)[0]["message"], "after");
        assert_eq!(audit.lost(), 0);
    }

    #[test]
    fn a_disk_that_fails_is_counted_and_tried_again() {
        let folder = tempfile::tempdir().expect("a folder");
        let inner = folder.path().join("inner");
        fs::create_dir(&inner).expect("a folder");
        let path = inner.join("audit.jsonl");
        let audit = Audit::start(&settings(path.clone())).expect("it starts");
        fs::remove_dir_all(&inner).expect("it can be removed");
        audit.reopen();
        audit.changed(change("lost"), Now::default());
        while !audit.is_failing() {
            std::thread::yield_now();
        }
        fs::create_dir(&inner).expect("a folder");
        audit.changed(change("kept"), Now::default());
        audit.stop();
        assert_eq!(audit.lost(), 1);
        assert!(!audit.is_failing(), "it works again");
        assert_eq!(lines(&path)[0]["message"], "kept");
        audit.changed(change("too late"), Now::default());
        assert_eq!(audit.lost(), 2, "what no writer takes is counted as well");
    }

    #[test]
    fn what_is_not_there_is_refused_at_the_start() {
        let folder = tempfile::tempdir().expect("a folder");
        assert!(Audit::start(&settings(folder.path().join("none/audit.jsonl"))).is_err());
        let block = Settings {
            on_audit_full: OnFull::Block,
            ..settings(folder.path().join("a"))
        };
        let message = Audit::start(&block).err().expect("it is refused").to_string();
        assert!(message.contains("not in this version"));
        assert_eq!(Audit::off().lost(), 0);
    }
}
