//! What is usual for accounts: looked at once an hour, and kept in a file of the state directory.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;
use tokio_util::sync::CancellationToken;

use super::state::write_whole;
use crate::audit::Sighting;
use crate::engine::baseline::{Baselines, Deviation, WINDOW_SECONDS};
use crate::engine::ledger::Dimension;
use crate::events::{BaselineFact, Event, report};
use crate::proxy::Gateway;

/// The file; of all accounts that can be followed it has 23 MB.
const FILE: &str = "baselines.json";
/// A larger file is none of ours.
const FILE_BYTES_MAX: u64 = 32 << 20;
/// How often it is looked whether an hour is over.
const LOOK: Duration = Duration::from_secs(5);
/// What incidents call it.
const NAME: &str = "baseline";

/// What was known at the last stop. A file that cannot be read is set aside, and all begins anew.
pub(super) fn recall(dir: &Path) -> Baselines {
    match read(dir) {
        Ok(baselines) => baselines,
        Err(error) if error.kind() == io::ErrorKind::NotFound => Baselines::default(),
        Err(error) => {
            unsaved(&error);
            let aside = fs::rename(dir.join(FILE), dir.join(format!("{FILE}.unread")));
            aside.unwrap_or_else(|error| unsaved(&error));
            Baselines::default()
        }
    }
}

fn read(dir: &Path) -> io::Result<Baselines> {
    let path = dir.join(FILE);
    if fs::metadata(&path)?.len() > FILE_BYTES_MAX {
        return Err(io::Error::other(format!(
            "{FILE} is larger than {FILE_BYTES_MAX} bytes"
        )));
    }
    let saved = serde_json::from_slice(&fs::read(&path)?)?;
    Baselines::load(&saved).map_err(|error| io::Error::other(format!("{FILE}: {error}")))
}

fn unsaved(error: &io::Error) {
    let reason = &*error.to_string();
    report(&Event::Baseline(BaselineFact::Unsaved { reason }));
}

/// Looks at what is usual each hour until `stop`, and keeps it.
pub(super) async fn run(gateway: Arc<Gateway>, dir: PathBuf, stop: CancellationToken) {
    let mut look = tokio::time::interval(LOOK);
    let mut hour = hour_of(&gateway);
    loop {
        let is_over = tokio::select! {
            () = stop.cancelled() => true,
            _ = look.tick() => false,
        };
        let is_due = std::mem::replace(&mut hour, hour_of(&gateway)) != hour;
        if is_due || is_over {
            let (gateway, dir) = (Arc::clone(&gateway), dir.clone());
            // It takes a moment for each of thousands of accounts.
            let kept = tokio::task::spawn_blocking(move || keep(&gateway, &dir, is_due)).await;
            kept.unwrap_or_else(|error| unsaved(&io::Error::other(error)));
        }
        if is_over {
            return;
        }
    }
}

/// Keeps what is usual, where an hour `is_over` after a look at it.
fn keep(gateway: &Gateway, dir: &Path, is_over: bool) {
    if is_over {
        for found in gateway.look_at_baselines() {
            tell(gateway, &found);
        }
    }
    save(&gateway.baselines, dir).unwrap_or_else(|error| unsaved(&error));
}

fn hour_of(gateway: &Gateway) -> u32 {
    gateway.clock.now().second() / 3_600
}

fn save(baselines: &Baselines, dir: &Path) -> io::Result<()> {
    let saved = baselines.save();
    if saved.is_empty() {
        return Ok(());
    }
    write_whole(dir, FILE, &serde_json::to_vec(&saved)?)
}

/// Tells of what stands out: each hour it does in the incident, and once in the log.
fn tell(gateway: &Gateway, found: &Deviation) {
    let limit = found.usual.limit();
    gateway.audit.sighted(
        &Sighting {
            key: found.key,
            dimension: Dimension::Principal,
            budget: NAME,
            // It was all that the account did.
            route: "*",
            action: "alert",
            enforced: false,
            unit: "people",
            people: u64::from(found.people),
            limit: u64::from(limit),
            window_s: WINDOW_SECONDS,
            classes: &[],
            network: IpNet::default(),
        },
        gateway.clock.now(),
    );
    if found.is_news {
        report(&Event::Baseline(BaselineFact::Deviated {
            key: &found.key.to_string(),
            group: &found.group,
            people: found.people,
            median: found.usual.median,
            deviation: found.usual.deviation,
            limit,
            baseline: if found.is_of_group { "group" } else { "account" },
        }));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::ledger::KeyId;
    use crate::engine::time::Now;

    #[test]
    fn what_was_usual_is_known_after_a_restart_and_a_file_that_is_none_is_set_aside() {
        let dir = tempfile::tempdir().unwrap();
        assert!(recall(dir.path()).save().is_empty(), "there is no file yet");
        let baselines = Baselines::default();
        let key = KeyId([7; 12]);
        baselines.follow(key, "agent");
        baselines.look(Now::from_millis(1_800_000_000_000), &|_| 40);
        save(&baselines, dir.path()).unwrap();
        let again = serde_json::to_string(&recall(dir.path()).save()).unwrap();
        assert_eq!(again, serde_json::to_string(&baselines.save()).unwrap());

        fs::write(dir.path().join(FILE), &again.as_bytes()[..again.len() / 2]).unwrap();
        assert!(recall(dir.path()).save().is_empty());
        let aside = fs::read(dir.path().join(format!("{FILE}.unread"))).unwrap();
        assert_eq!(aside.len(), again.len() / 2, "nothing of it is lost");
    }
}
