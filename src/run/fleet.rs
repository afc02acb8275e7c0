//! Counting together with other gateways: joined at the start, told everything at the end.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::StartError;
use crate::fleet::{Fleet, Settings};
use crate::proxy::Gateway;

/// The last round with other gateways takes at most so long.
const END_MS_MAX: Duration = Duration::from_secs(3);

/// What exchanges with other gateways, and how it is told to end.
pub(super) struct Exchanging {
    running: JoinHandle<()>,
    stop: CancellationToken,
}

/// Joins the gateways that count together, if there are any. While their store is down this one counts for itself.
pub(super) async fn join(
    settings: Settings,
    exact_elements_max: usize,
    gateway: &mut Gateway,
) -> Result<Option<Exchanging>, StartError> {
    if !settings.is_shared() {
        return Ok(None);
    }
    let read = |path: &Path| std::fs::read(path);
    let births = Arc::clone(gateway.set().identity.births());
    let shared = (Arc::clone(&gateway.ledger), births);
    let (clock, secret) = (gateway.clock, &gateway.secret);
    let fleet = Fleet::new(settings, &read, shared, clock, secret, exact_elements_max);
    let fleet = fleet.map_err(StartError::Fleet)?;
    fleet.may_join().await.map_err(StartError::Fleet)?;
    gateway.fleet = Some(Arc::clone(&fleet));
    let stop = CancellationToken::new();
    let running = tokio::spawn(fleet.run(stop.clone()));
    Ok(Some(Exchanging { running, stop }))
}

impl Exchanging {
    /// What the last exchanges showed is told before the end.
    pub(super) async fn end(self) {
        self.stop.cancel();
        drop(tokio::time::timeout(END_MS_MAX, self.running).await);
    }
}
