//! Which customers were shown: hashes what stands in their rows as the gateway hashes what it sees, and looks for it.

use std::fs::{File, OpenOptions};
use std::io::{self, BufReader, BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::sync::Arc;

use super::csv::Rows;
use super::{Exit, ExposureArgs, Failed};
use crate::engine::detect::{Key, RuleSet};
use crate::engine::record::subjects_of;
use crate::engine::secret::HashKey;

/// What came of it.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Joined {
    /// Rows that were read.
    pub(super) rows: u64,
    /// Rows with an identifier that was shown and that no other row has.
    pub(super) sure: u64,
    /// Rows that others share all of their shown identifiers with.
    pub(super) shared: u64,
    /// People who were shown and whom no row is about.
    pub(super) unknown: u64,
    /// Rows without one of the columns.
    pub(super) short: u64,
}

impl Joined {
    /// Everybody who may have been shown.
    pub(super) fn at_most(&self) -> u64 {
        self.sure + self.shared + self.unknown
    }
}

/// Joins the rows of `customers` with the people in `shown`, and writes the list. Reads the file twice: that an identifier is of one
/// row alone is known at its end.
pub(super) fn join(
    customers: &Path,
    args: &ExposureArgs,
    shown: &[u64],
    (secret, rules): (&HashKey, &RuleSet),
) -> Result<Joined, Failed> {
    let unread = |error: io::Error| Failed::new(Exit::Io, format!("{}: {error}", customers.display()));
    let read = || -> io::Result<(Rows<_>, Vec<Vec<u8>>)> { Rows::new(BufReader::new(File::open(customers)?)) };
    let (mut rows, names) = read().map_err(unread)?;
    let columns = Columns::of(&names, args, rules)?;
    let finder = Finder {
        columns: &columns,
        rules,
        secret,
        shown,
    };
    let mut owners = vec![0_u8; shown.len()];
    while let Some(cells) = rows.next().map_err(unread)? {
        for place in finder.places(&cells) {
            if let Some(owners) = owners.get_mut(place) {
                *owners = owners.saturating_add(1);
            }
        }
    }
    let mut joined = Joined {
        unknown: memchr::memchr_iter(0, &owners).count() as u64,
        ..Joined::default()
    };
    let (mut rows, _) = read().map_err(unread)?;
    let out = args.out.as_deref().unwrap_or_else(|| Path::new("customers.list"));
    let told = |error: io::Error| Failed::new(Exit::Io, format!("{}: {error}", out.display()));
    let mut options = OpenOptions::new();
    let list = options
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(out)
        .map_err(told)?;
    let mut list = BufWriter::new(list);
    writeln!(list, "id,shown").map_err(told)?;
    while let Some(cells) = rows.next().map_err(unread)? {
        joined.rows += 1;
        joined.short += u64::from(cells.len() < names.len());
        let places = finder.places(&cells);
        let is_sure = places.iter().any(|place| owners.get(*place) == Some(&1));
        let certainty = match (places.is_empty(), is_sure) {
            (true, _) => continue,
            (false, true) => "sure",
            (false, false) => "shared",
        };
        let count = if is_sure { &mut joined.sure } else { &mut joined.shared };
        *count += 1;
        let id = cells.get(columns.id).map(Vec::as_slice).unwrap_or_default();
        write_cell(&mut list, id).map_err(told)?;
        writeln!(list, ",{certainty}").map_err(told)?;
    }
    list.into_inner()
        .map_err(|error| told(error.into_error()))?
        .sync_all()
        .map_err(told)?;
    Ok(joined)
}

/// The columns that are looked at.
struct Columns {
    id: usize,
    identifiers: Vec<(usize, Arc<Key>)>,
}

impl Columns {
    fn of(names: &[Vec<u8>], args: &ExposureArgs, rules: &RuleSet) -> Result<Self, Failed> {
        let find = |name: &str| {
            let place = names.iter().position(|known| known == name.as_bytes());
            place.ok_or_else(|| {
                let known: Vec<_> = names.iter().map(|known| String::from_utf8_lossy(known)).collect();
                let message = format!("there is no column `{name}`; there is: `{}`", known.join("`, `"));
                Failed::new(Exit::Usage, message)
            })
        };
        let identifiers = args
            .column
            .iter()
            .map(|name| Ok((find(name)?, rules.key(name.as_bytes()))));
        Ok(Self {
            id: args.id.as_deref().map_or(Ok(0), find)?,
            identifiers: identifiers.collect::<Result<_, Failed>>()?,
        })
    }
}

/// Finds the people of a row among those who were shown.
struct Finder<'a> {
    columns: &'a Columns,
    rules: &'a RuleSet,
    secret: &'a HashKey,
    /// In order.
    shown: &'a [u64],
}

impl Finder<'_> {
    /// Their places in `shown`, each once.
    fn places(&self, cells: &[Vec<u8>]) -> Vec<usize> {
        let mut places = Vec::new();
        for (column, name) in &self.columns.identifiers {
            let text = cells.get(*column).map(Vec::as_slice).unwrap_or_default();
            let subjects = subjects_of(text, name, self.rules, self.secret);
            places.extend(
                subjects
                    .iter()
                    .filter_map(|subject| self.shown.binary_search(&subject.0).ok()),
            );
        }
        places.sort_unstable();
        places.dedup();
        places
    }
}

/// Writes a cell, quoted where it must be.
fn write_cell(out: &mut dyn Write, cell: &[u8]) -> io::Result<()> {
    if !cell.iter().any(|byte| matches!(byte, b',' | b'"' | b'\n' | b'\r')) {
        return out.write_all(cell);
    }
    let doubled = cell
        .iter()
        .flat_map(|byte| std::iter::repeat_n(*byte, if *byte == b'"' { 2 } else { 1 }));
    let quoted: Vec<u8> = std::iter::once(b'"')
        .chain(doubled)
        .chain(std::iter::once(b'"'))
        .collect();
    out.write_all(&quoted)
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::cli::args::{Cli, Command};

    #[test]
    fn rows_are_found_by_what_they_have_and_bounded_both_ways() {
        let (rules, secret) = (RuleSet::builtin(), HashKey::new([5; 32]));
        let hash = |name: &[u8], text: &[u8]| {
            let subjects = subjects_of(text, &rules.key(name), &rules, &secret);
            assert_eq!(subjects.len(), 1, "{}", String::from_utf8_lossy(text));
            subjects[0].0
        };
        let mut shown = vec![
            hash(b"email", b"Ann@mail.example"),
            hash(b"phone", b"+1 212 555 0123"),
            hash(b"email", b"nobody@mail.example"),
        ];
        shown.sort_unstable();
        let dir = tempfile::tempdir().unwrap();
        let (customers, list) = (dir.path().join("customers.csv"), dir.path().join("list"));
        let text = "email,phone,number\n\
            ann@mail.example,,\"A,1\"\n\
            bob@mail.example,(212) 555-0123,B2\n\
            cid@mail.example,212-555-0123,C3\n\
            dan@mail.example,212-555-0199,D4\n\
            eve@mail.example\n";
        std::fs::write(&customers, text).unwrap();
        let typed = |out: &Path| {
            let words = ["tidegate", "exposure", "--key", "global=", "--join"].map(str::to_owned);
            let paths = [
                customers.display().to_string(),
                "--out".to_owned(),
                out.display().to_string(),
            ];
            let columns = ["--column", "email", "--column", "phone", "--id", "number"].map(str::to_owned);
            let cli = Cli::parse_from(words.into_iter().chain(paths).chain(columns));
            let Command::Exposure(args) = cli.command else {
                panic!("it is an exposure")
            };
            args
        };
        let joined = join(&customers, &typed(&list), &shown, (&secret, &rules)).unwrap();
        let expected = Joined {
            rows: 5,
            sure: 1,
            shared: 2,
            unknown: 1,
            short: 1,
        };
        assert_eq!((&joined, joined.at_most()), (&expected, 4));
        let written = std::fs::read_to_string(&list).unwrap();
        assert_eq!(written, "id,shown\n\"A,1\",sure\nB2,shared\nC3,shared\n");
        let mode = std::os::unix::fs::MetadataExt::mode(&std::fs::metadata(&list).unwrap());
        assert_eq!(mode & 0o777, 0o600);
        // A list that is there is not written over.
        assert!(join(&customers, &typed(&list), &shown, (&secret, &rules)).is_err());
    }
}
