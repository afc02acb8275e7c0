//! A bar in the terminal, for what takes its time: nothing where standard error is a file.

use std::io::{self, IsTerminal as _};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

/// How often the bar moves, in milliseconds.
const BAR_MS: u64 = 100;

/// A bar of this length; hidden where the length is not known, or nobody looks. `told` stands behind it.
pub(super) fn bar(length: Option<u64>, told: &str) -> ProgressBar {
    let Some(length) = length.filter(|_| io::stderr().is_terminal()) else {
        return ProgressBar::hidden();
    };
    let bar = ProgressBar::new(length);
    match ProgressStyle::with_template(&format!("{{bar:40}} {told}")) {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

/// Runs `work` while `bar` shows how far it is.
pub(super) fn watched<T: Send>(bar: &ProgressBar, position: impl Fn() -> u64, work: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| {
        let worker = scope.spawn(work);
        while !worker.is_finished() {
            bar.set_position(position());
            // What is done at once ends at once.
            std::thread::sleep(Duration::from_millis(BAR_MS.min(1 + bar.elapsed().as_millis() as u64)));
        }
        bar.finish_and_clear();
        worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}
