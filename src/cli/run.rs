//! `tidegate run`: the gateway until a signal.

use std::path::Path;

use tokio::signal::unix::{SignalKind, signal};

use super::args::{Confine, RunArgs};
use super::{Exit, Failed, check};
use crate::confinement;
use crate::events::{self, Event, report};
use crate::run::{Origin, StartError, places, start};

/// Runs until SIGTERM, SIGINT or a drain by the admin API; a second signal ends at once.
///
/// # Errors
/// What kept it from starting.
pub(super) fn execute(args: &RunArgs, metrics: events::Handle) -> Result<(), Failed> {
    let origin = origin(args);
    confine(args.confine, &origin)?;
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    if let Some(threads) = args.threads {
        runtime.worker_threads(threads.clamp(1, 1024));
    }
    let runtime = runtime.enable_all().build()?;
    runtime.block_on(async {
        // Before the first client can come: whom a signal meets is drained.
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let running = start(origin, metrics).await.map_err(told)?;
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
            () = running.asked_to_drain() => {}
        }
        tokio::select! {
            () = running.drain() => {}
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        Ok(())
    })
}

/// Before there is a second thread, which would keep its rights.
fn confine(how: Confine, origin: &Origin) -> Result<(), Failed> {
    if how == Confine::Off {
        return Ok(());
    }
    let confined = confinement::gateway(&places(origin));
    let confinement::Confined { files, calls, memory } = confined;
    report(&Event::Confined { files, calls, memory });
    if how == Confine::Required && !confined.is_enforced() {
        let message =
            format!("this system cannot confine the process (files: {files}, calls: {calls}, memory: {memory})");
        return Err(Failed::new(Exit::Unavailable, message));
    }
    Ok(())
}

/// The file, or safe defaults around an upstream: everything is watched, nothing enforced.
fn origin(args: &RunArgs) -> Origin {
    let text = args.upstream.as_ref().map(|upstream| {
        let quoted = |text: &str| toml::Value::String(text.to_owned()).to_string();
        format!(
            "[listen.http]\naddress = {}\n[admin]\naddress = {}\n[[route]]\nmatch = \"*/\"\nupstream = [{}]\n\
             [[budget]]\nname = \"exchange\"\nper = \"exchange\"\npeople = 60\naction = \"alert\"\n\
             [[budget]]\nname = \"address-day\"\nper = \"address\"\npeople = 100\nwindow = \"1d\"\naction = \"alert\"\n",
            quoted(&args.listen.to_string()),
            quoted(&args.admin.to_string()),
            quoted(upstream)
        )
    });
    Origin {
        path: args.config.clone(),
        text: text.unwrap_or_default(),
        variables: variables(),
        reader: None,
    }
}

/// The configuration in this file, with the variables that lie over it.
pub(super) fn origin_of(path: &Path) -> Origin {
    Origin {
        path: Some(path.to_owned()),
        text: String::new(),
        variables: variables(),
        reader: None,
    }
}

/// The variables of the environment; what is no UTF-8 is none of ours.
pub(super) fn environment() -> impl Iterator<Item = (String, String)> {
    std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
}

/// `TIDEGATE__SECTION__KEY` variables.
pub(super) fn variables() -> Vec<(String, String)> {
    environment()
        .filter_map(|(name, value)| Some((name.strip_prefix("TIDEGATE__")?.to_owned(), value)))
        .collect()
}

fn told(error: StartError) -> Failed {
    match error {
        StartError::Load(error) => check::refused(error, "nothing was started", &mut std::io::stderr()),
        StartError::Bind(address, error) => {
            Failed::new(Exit::Unavailable, format!("cannot listen on {address}: {error}"))
        }
        StartError::Audit(error) => Failed::new(Exit::Io, format!("cannot open the audit file: {error}")),
        StartError::Store(error) => super::ledger::refused(&error),
        StartError::Journal(error) => Failed::new(Exit::Io, format!("cannot go on with the journal: {error}")),
        StartError::Tls(error) => Failed::new(Exit::Config, error),
        error @ StartError::Fleet(_) => Failed::new(Exit::Config, error),
        error @ (StartError::Signals(_) | StartError::Thread(_) | StartError::Random(_)) => {
            Failed::new(Exit::Failure, error)
        }
    }
}
