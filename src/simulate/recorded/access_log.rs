//! An access log of somebody else's: fields of a line under the names that the operator gives them.

use std::io::BufRead;
use std::net::IpAddr;

use smallvec::SmallVec;

use super::clock_text::Moments;
use super::lines::Lines;
use super::{Sighting, Skip, Skipped, Source, SourceError, Value};
use crate::engine::ledger::Dimension;
use crate::engine::secret::{HashKey, Subject};
use crate::identity::{address_key, network_key};

/// Fields of a line at most.
const FIELDS_MAX: usize = 64;

/// If none of so many lines can be read, the columns are not what was said.
const FIRST_LINES: u64 = 100;

/// What a field is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Column {
    /// When.
    Time,
    /// The session: a cookie's value, a session id.
    Session,
    /// Who is logged in.
    Principal,
    /// The client's address.
    Address,
    /// The path, or what else names a route.
    Route,
    /// The person whose data was shown, by whatever id the log has; empty or `-` for nobody.
    Subject,
    /// Nothing that is asked for.
    Ignored,
}

/// The columns that may be named, by their names.
pub const COLUMNS: [(&str, Column); 7] = [
    ("time", Column::Time),
    ("session", Column::Session),
    ("principal", Column::Principal),
    ("address", Column::Address),
    ("route", Column::Route),
    ("subject", Column::Subject),
    ("-", Column::Ignored),
];

/// What the fields of a line are, in their order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Columns(Vec<Column>);

impl Columns {
    /// Reads `time,session,-,subject`.
    ///
    /// # Errors
    /// What is wrong with it, for people.
    pub fn parse(text: &str) -> Result<Self, String> {
        let names = || COLUMNS.map(|(name, _)| name).join(", ");
        let mut columns = Vec::new();
        for name in text.split(',').map(str::trim) {
            let found = COLUMNS.iter().find(|(known, _)| *known == name);
            let Some((_, column)) = found else {
                return Err(format!("there is no column `{name}`: one of {}", names()));
            };
            if *column != Column::Ignored && columns.contains(column) {
                return Err(format!("the column `{name}` is named twice"));
            }
            columns.push(*column);
        }
        if columns.len() > FIELDS_MAX {
            return Err(format!("{} columns: at most {FIELDS_MAX}", columns.len()));
        }
        for (name, column) in [("time", Column::Time), ("subject", Column::Subject)] {
            if !columns.contains(&column) {
                return Err(format!(
                    "the column `{name}` is missing: without it nobody can be counted"
                ));
            }
        }
        let actors = [Column::Session, Column::Principal, Column::Address];
        if !actors.iter().any(|column| columns.contains(column)) {
            return Err("a column that tells who asks is missing: session, principal or address".to_owned());
        }
        Ok(Self(columns))
    }
}

/// Reads a log.
pub struct AccessLog<R> {
    lines: Lines<R>,
    columns: Columns,
    separator: Option<Separator>,
    moments: Moments,
    secret: HashKey,
    /// The paths of the policy's routes, longest first, with their numbers.
    routes: Vec<(String, usize)>,
    skipped: Skipped,
    read: u64,
}

/// What stands between two fields.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Separator {
    Byte(u8),
    /// Blanks, but not those within quotes or brackets.
    Blanks,
}

impl<R: BufRead> AccessLog<R> {
    /// Reads `from`; `route_names` are the `match` of the policy's routes, `secret` hashes people.
    pub fn new<'a>(from: R, columns: Columns, route_names: impl Iterator<Item = &'a str>, secret: HashKey) -> Self {
        let paths = route_names.zip(0..).map(|(name, number)| {
            let path = name.find('/').and_then(|at| name.get(at..)).unwrap_or("/");
            (path.to_owned(), number)
        });
        let mut routes: Vec<(String, usize)> = paths.collect();
        routes.sort_by_key(|(path, _)| std::cmp::Reverse(path.len()));
        Self {
            lines: Lines::new(from),
            columns,
            separator: None,
            moments: Moments::default(),
            secret,
            routes,
            skipped: Skipped::default(),
            read: 0,
        }
    }
}

impl<R: BufRead> Source for AccessLog<R> {
    fn next(&mut self) -> Result<Option<Sighting>, SourceError> {
        loop {
            let Some(read) = self.line().map_err(SourceError::Io)? else {
                return self.end();
            };
            let line = self.lines.number;
            match read {
                Ok(sighting) => {
                    self.read += 1;
                    return Ok(Some(Sighting { line, ..sighting }));
                }
                Err(why) => self.skipped.add(why, line),
            }
            if self.read == 0 && self.skipped.count() >= FIRST_LINES {
                return Err(self.wrong());
            }
        }
    }

    fn bytes(&self) -> u64 {
        self.lines.bytes
    }

    fn skipped(&self) -> Skipped {
        self.skipped
    }
}

impl<R: BufRead> AccessLog<R> {
    /// The next line that is not empty; `None` behind the last.
    fn line(&mut self) -> std::io::Result<Option<Result<Sighting, Skip>>> {
        loop {
            let Some((line, is_long)) = self.lines.next()? else {
                return Ok(None);
            };
            if is_long {
                return Ok(Some(Err(Skip::Long)));
            }
            if line.is_empty() {
                continue;
            }
            let separator = *self.separator.get_or_insert_with(|| separator_of(line));
            let mut fields = SmallVec::new();
            split(line, separator, &mut fields);
            let read = sighting(&self.columns, &fields, &mut self.moments, &self.secret, &self.routes);
            return Ok(Some(read));
        }
    }

    /// A log of which nothing could be read is another kind of file.
    fn end(&self) -> Result<Option<Sighting>, SourceError> {
        if self.read == 0 && self.skipped.count() > 0 {
            return Err(self.wrong());
        }
        Ok(None)
    }

    fn wrong(&self) -> SourceError {
        let most = self.skipped.each().max_by_key(|(_, count, _)| *count);
        let (why, count, line) = most.unwrap_or((Skip::Short, 0, 1));
        let columns = &self.columns.0;
        let place = |wanted: Column| {
            columns
                .iter()
                .position(|column| *column == wanted)
                .map_or(0, |at| at + 1)
        };
        let message = match why {
            Skip::Short => format!("it has fewer fields than the {} of --columns", columns.len()),
            Skip::Time => format!(
                "field {} is no time: unix seconds or milliseconds, 2025-04-14T09:00:00Z, or [14/Apr/2025:09:00:00 +0900]",
                place(Column::Time)
            ),
            Skip::Address => format!("field {} is no address", place(Column::Address)),
            Skip::Long | Skip::Json | Skip::Other | Skip::Masked => why.name().replace('_', " "),
        };
        SourceError::Wrong {
            line,
            message: format!("{message}; none of the first {count} lines can be read: are the columns in their order?"),
        }
    }
}

/// Tabs if there is one outside of quotes, else commas, else blanks.
fn separator_of(line: &[u8]) -> Separator {
    let parts: SmallVec<[&[u8]; 16]> = line.split(|byte| *byte == b'"').collect();
    let last = parts.len() - 1;
    let is_quoted = |at: usize| at % 2 == 1 && at < last;
    let has = |byte| {
        let mut parts = parts.iter().enumerate();
        parts.any(|(at, part)| !is_quoted(at) && memchr::memchr(byte, part).is_some())
    };
    match (has(b'\t'), has(b',')) {
        (true, _) => Separator::Byte(b'\t'),
        (false, true) => Separator::Byte(b','),
        (false, false) => Separator::Blanks,
    }
}

/// The fields of a line, quotes and brackets taken off; past [`FIELDS_MAX`] none.
fn split<'l>(line: &'l [u8], separator: Separator, fields: &mut SmallVec<[&'l [u8]; 16]>) {
    let mut rest = line;
    while fields.len() < FIELDS_MAX {
        if separator == Separator::Blanks {
            rest = rest.trim_ascii_start();
        }
        let close = match rest.first() {
            Some(b'"') => Some(b'"'),
            Some(b'[') if separator == Separator::Blanks => Some(b']'),
            Some(_) => None,
            None if separator == Separator::Blanks => return,
            None => {
                fields.push(rest);
                return;
            }
        };
        let quoted = close.and_then(|close| {
            let inner = rest.get(1..)?;
            let end = memchr::memchr(close, inner)?;
            Some((inner.get(..end)?, inner.get(end + 1..)?))
        });
        let byte = match separator {
            Separator::Byte(byte) => byte,
            Separator::Blanks => b' ',
        };
        let (field, after) = match quoted {
            Some((field, after)) => (field, after),
            None => match memchr::memchr(byte, rest) {
                Some(end) => rest.split_at_checked(end).unwrap_or((rest, &[])),
                None => (rest, &[][..]),
            },
        };
        fields.push(field);
        // What follows a closing quote up to the next separator belongs to nothing.
        let Some(next) = memchr::memchr(byte, after) else {
            return;
        };
        rest = after.get(next + 1..).unwrap_or_default();
    }
}

fn sighting(
    columns: &Columns,
    fields: &[&[u8]],
    moments: &mut Moments,
    secret: &HashKey,
    routes: &[(String, usize)],
) -> Result<Sighting, Skip> {
    if fields.len() < columns.0.len() {
        return Err(Skip::Short);
    }
    let mut sighting = Sighting {
        entries: 1,
        route: routes.len(),
        ..Sighting::default()
    };
    for (column, field) in columns.0.iter().zip(fields) {
        let is_empty = field.is_empty() || *field == b"-";
        match column {
            Column::Time => sighting.at_ms = moments.read(field).ok_or(Skip::Time)?,
            Column::Subject if !is_empty => {
                let subject = Subject(secret.hash64("tidegate simulated subject 1", &[field]));
                sighting.people.push(subject);
            }
            Column::Address => {
                let address = std::str::from_utf8(field)
                    .ok()
                    .and_then(|text| text.parse::<IpAddr>().ok());
                let address = address.ok_or(Skip::Address)?;
                sighting
                    .values
                    .push((Dimension::Address, Value::from_slice(&address_key(address))));
                sighting
                    .values
                    .push((Dimension::Network, Value::from_slice(&network_key(address))));
            }
            Column::Session if !is_empty => sighting.values.push((Dimension::Session, Value::from_slice(field))),
            Column::Principal if !is_empty => {
                sighting.values.push((Dimension::Principal, Value::from_slice(field)));
                sighting.is_known = true;
            }
            Column::Route => {
                let path = memchr::memchr(b'/', field)
                    .and_then(|at| field.get(at..))
                    .unwrap_or(field);
                let mut known = routes.iter();
                let found = known.find(|(prefix, _)| path.starts_with(prefix.as_bytes()));
                sighting.route = found.map_or(routes.len(), |(_, number)| *number);
            }
            Column::Subject | Column::Session | Column::Principal | Column::Ignored => {}
        }
    }
    Ok(sighting)
}
