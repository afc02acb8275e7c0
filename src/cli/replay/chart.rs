//! The curve in the terminal: for each limit, how many people are exposed and how many honest principals pay for it.

use std::io::{self, Write};

use super::table::{honest, name};
use crate::cli::report::grouped;
use crate::simulate::replay::{Ready, Report};

/// The longest bar, in letters.
const BAR_MAX: usize = 30;

/// Prints two bars a row: a tenfold number is one step more.
pub(super) fn print(ready: &Ready, report: &Report, out: &mut dyn Write) -> io::Result<()> {
    let rows = report.outcomes.iter().map(|outcome| {
        let refused = honest(report, &outcome.counts);
        (name(ready, outcome.means), outcome.counts.exposed, refused)
    });
    let rows: Vec<_> = rows.collect();
    let most = rows
        .iter()
        .map(|(_, exposed, refused)| *exposed.max(refused))
        .max()
        .unwrap_or(1);
    writeln!(
        out,
        "Exposed (#) and honest principals refused or challenged (o); each further tenth of a bar is many times more:"
    )?;
    for (name, exposed, refused) in rows {
        for (label, sign, number) in [(name.as_str(), '#', exposed), ("", 'o', refused)] {
            let bar: String = std::iter::repeat_n(sign, length(number, most)).collect();
            writeln!(out, "  {label:<26} {bar:<BAR_MAX$} {}", grouped(number))?;
        }
    }
    writeln!(out)
}

/// Letters for a number, by its logarithm.
fn length(number: u64, most: u64) -> usize {
    if number == 0 {
        return 0;
    }
    let logarithm = |number: u64| (number as f64).log10();
    let whole = logarithm(most.max(2));
    // A letter is so many parts of the whole.
    let letters =
        (1..BAR_MAX).filter(|letter| logarithm(number) * (BAR_MAX - 1) as f64 >= (*letter as f64 - 0.5) * whole);
    1 + letters.count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_are_longer_for_more_and_none_for_nothing() {
        let lengths = [0, 1, 10, 1_000, 1_000_000].map(|number| length(number, 1_000_000));
        assert_eq!(lengths, [0, 1, 6, 16, BAR_MAX]);
        assert_eq!(length(1, 0), 1);
    }
}
