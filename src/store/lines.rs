//! A ledger as lines of JSON, for backups and for another version: numbers stand as hexadecimal digits where they are names.

use std::fmt;
use std::io::{self, BufRead, Read as _, Write};

use serde::{Deserialize, Serialize};

use super::error::StoreError;
use super::file::KeyMark;
use crate::engine::ledger::{BudgetId, Dimension, KeyFrame, KeyId, Kind, Mark, RevokedBy, Sum, Tag};
use crate::engine::secret::{DEFAULT_TENANT, PeopleMark};

/// The version of the lines.
const FORMAT: u32 = 1;
/// Elements of each kind in one line; a larger key is several lines, which merge.
const LINE_ELEMENTS_MAX: usize = 1_000;
/// A line is at most so long: a thousand of everything is less than a tenth.
const LINE_BYTES_MAX: u64 = 1 << 20;

/// The first line.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Head {
    tidegate_ledger: u32,
    hash_key: String,
    /// Whose data it counts.
    #[serde(default = "default_tenant")]
    tenants: Vec<String>,
}

fn default_tenant() -> Vec<String> {
    vec![DEFAULT_TENANT.to_owned()]
}

/// Some of what is known of a key.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(clippy::struct_excessive_bools, reason = "the names in the lines")]
struct Line {
    key: String,
    dimension: String,
    enforced: bool,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    may_be_made_up: bool,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    of_actors: bool,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    beside: bool,
    window_max: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    mark: Option<MarkLine>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    elements: Vec<(String, u32)>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    registers: Vec<(u16, u8, u32)>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    sums: Vec<(String, u32, u64)>,
}

/// What was decided about a key.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case", deny_unknown_fields)]
enum MarkLine {
    Held {
        second: u32,
        until: u32,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        cause: Option<String>,
    },
    Released {
        second: u32,
        until: u32,
        people: u32,
    },
    Reinstated {
        second: u32,
    },
    Revoked {
        second: u32,
        until: u32,
        by: String,
    },
}

/// Why lines cannot be imported.
#[derive(Debug)]
pub enum LinesError {
    /// They cannot be read.
    Io(io::Error),
    /// This line, from 1, is none of ours.
    Line(u64, String),
    /// They are of a ledger under another hash key.
    OtherKey,
    /// They count the data of this tenant, and the ledger that they go into does not.
    OtherTenant(String),
    /// The ledger that they go into cannot be written.
    Store(StoreError),
}

impl fmt::Display for LinesError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(error) => write!(f, "the lines cannot be read: {error}"),
            Self::Line(number, why) => write!(f, "line {number}: {why}; nothing was imported"),
            Self::OtherKey => f.write_str(
                "these lines were exported under another hash key: nobody in them would be known again; nothing was imported",
            ),
            Self::OtherTenant(tenant) => write!(
                f,
                "these lines count the data of the tenant `{tenant}`, whose this ledger is not; nothing was imported"
            ),
            Self::Store(error) => write!(f, "{error}"),
        }
    }
}

impl std::error::Error for LinesError {}

impl From<StoreError> for LinesError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// Writes the first line.
///
/// # Errors
/// Those of `out`.
pub fn write_head(mark: KeyMark, tenants: Vec<String>, out: &mut dyn Write) -> io::Result<()> {
    let head = Head {
        tidegate_ledger: FORMAT,
        hash_key: hex(mark),
        tenants,
    };
    write_line(&head, out)
}

/// Writes the lines of one frame.
///
/// # Errors
/// Those of `out`.
pub fn write_frame(frame: &KeyFrame, out: &mut dyn Write) -> io::Result<()> {
    let (mut elements, mut registers, mut sums) = (
        frame.elements.chunks(LINE_ELEMENTS_MAX),
        frame.registers.chunks(LINE_ELEMENTS_MAX),
        frame.sums.chunks(LINE_ELEMENTS_MAX),
    );
    let count = elements.len().max(registers.len()).max(sums.len()).max(1);
    for _ in 0..count {
        let some = |(element, second): &(u64, u32)| (format!("{element:016x}"), *second);
        let sum = |sum: &Sum| (format!("{:016x}", sum.node), sum.bucket, sum.amount);
        let line = Line {
            key: frame.key.to_string(),
            dimension: frame.dimension.name().into_owned(),
            enforced: frame.enforced,
            may_be_made_up: frame.may_be_made_up,
            of_actors: frame.kind == Kind::Actors,
            beside: frame.kind == Kind::Beside,
            window_max: frame.window_max,
            mark: frame.mark.map(mark_line),
            elements: elements.next().unwrap_or_default().iter().map(some).collect(),
            registers: registers.next().unwrap_or_default().to_vec(),
            sums: sums.next().unwrap_or_default().iter().map(sum).collect(),
        };
        write_line(&line, out)?;
    }
    Ok(())
}

fn write_line(line: &impl Serialize, out: &mut dyn Write) -> io::Result<()> {
    serde_json::to_writer(&mut *out, line).map_err(io::Error::from)?;
    out.write_all(b"\n")
}

/// The frames of the lines that [`write_head`] and [`write_frame`] wrote.
pub struct Lines<R> {
    from: R,
    number: u64,
    tenants: Vec<String>,
    is_before: bool,
}

impl<R: BufRead> Lines<R> {
    /// Reads the first line, which must be of a ledger under this hash key.
    ///
    /// # Errors
    /// When it is none, or of another hash key or version.
    pub fn new(from: R, mark: KeyMark) -> Result<Self, LinesError> {
        let mut lines = Self {
            from,
            number: 0,
            tenants: Vec::new(),
            is_before: false,
        };
        let head = lines.line()?.unwrap_or_default();
        let head: Head = serde_json::from_slice(&head).map_err(|_| lines.wrong("no export of a ledger begins so"))?;
        if head.tidegate_ledger != FORMAT {
            return Err(lines.wrong("another version of Tidegate exported it"));
        }
        let key = hex(mark);
        // What was exported before another key of people came beside theirs has none that is hashed with it.
        let before = hex(KeyMark { beside: None, ..mark });
        if head.hash_key != key && head.hash_key != before {
            return Err(LinesError::OtherKey);
        }
        lines.is_before = head.hash_key != key;
        lines.tenants = head.tenants;
        Ok(lines)
    }

    /// Whose data they count, all of whom are among `known`, whose the ledger is that they go into; that may be nobody's yet.
    ///
    /// # Errors
    /// When they count someone else's.
    pub fn tenants(&self, known: &[String]) -> Result<Vec<String>, LinesError> {
        match self.tenants.iter().find(|tenant| !known.contains(tenant)) {
            Some(other) if !known.is_empty() => Err(LinesError::OtherTenant(other.clone())),
            _ if known.is_empty() => Ok(self.tenants.clone()),
            _ => Ok(known.to_vec()),
        }
    }

    /// Whether they were exported before people were hashed with a second key, as they are now.
    pub fn is_before(&self) -> bool {
        self.is_before
    }

    /// How many lines were read.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// The next line without its end; `None` after the last.
    fn line(&mut self) -> Result<Option<Vec<u8>>, LinesError> {
        let mut line = Vec::new();
        let mut limited = (&mut self.from).take(LINE_BYTES_MAX);
        limited.read_until(b'\n', &mut line).map_err(LinesError::Io)?;
        if line.is_empty() {
            return Ok(None);
        }
        self.number += 1;
        if line.pop_if(|last| *last == b'\n').is_none() {
            return Err(self.wrong("it is cut short or too long"));
        }
        Ok(Some(line))
    }

    fn wrong(&self, why: &str) -> LinesError {
        LinesError::Line(self.number, why.to_owned())
    }

    fn frame(&mut self) -> Result<Option<KeyFrame>, LinesError> {
        let Some(line) = self.line()? else {
            return Ok(None);
        };
        let line: Line = serde_json::from_slice(&line).map_err(|error| {
            // serde quotes no more than names of fields and kinds of values.
            self.wrong(&format!("column {}: it is no key of a ledger", error.column()))
        })?;
        let frame = read(line).ok_or_else(|| self.wrong("a name in it is none"))?;
        Ok(Some(frame))
    }
}

impl<R: BufRead> Iterator for Lines<R> {
    type Item = Result<KeyFrame, LinesError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.frame().transpose()
    }
}

fn mark_line(mark: Mark) -> MarkLine {
    let second = mark.second;
    match mark.tag {
        Tag::Held { until, cause } => MarkLine::Held {
            second,
            until,
            cause: cause.map(|budget| format!("{:016x}", budget.0)),
        },
        Tag::Released { until, people } => MarkLine::Released { second, until, people },
        Tag::Reinstated => MarkLine::Reinstated { second },
        Tag::Revoked { until, by } => MarkLine::Revoked {
            second,
            until,
            by: by.name().to_owned(),
        },
    }
}

fn read_mark(line: MarkLine) -> Option<Mark> {
    Some(match line {
        MarkLine::Held { second, until, cause } => {
            let cause = cause.map(|cause| number(&cause).map(BudgetId));
            let cause = match cause {
                Some(cause) => Some(cause?),
                None => None,
            };
            Mark {
                second,
                tag: Tag::Held { until, cause },
            }
        }
        MarkLine::Released { second, until, people } => Mark {
            second,
            tag: Tag::Released { until, people },
        },
        MarkLine::Reinstated { second } => Mark {
            second,
            tag: Tag::Reinstated,
        },
        MarkLine::Revoked { second, until, by } => {
            let by = RevokedBy::parse(&by)?;
            Mark {
                second,
                tag: Tag::Revoked { until, by },
            }
        }
    })
}

/// What a line means; `None` where something in it is no name.
fn read(line: Line) -> Option<KeyFrame> {
    let dimension = Dimension::parse(&line.dimension)?;
    let mut frame = KeyFrame::new(KeyId::parse(&line.key)?, dimension);
    (frame.enforced, frame.window_max) = (line.enforced, line.window_max);
    frame.may_be_made_up = line.may_be_made_up;
    frame.kind = match (line.of_actors, line.beside) {
        (false, false) => Kind::People,
        (true, false) => Kind::Actors,
        (false, true) => Kind::Beside,
        (true, true) => return None,
    };
    if let Some(mark) = line.mark {
        frame.mark = Some(read_mark(mark)?);
    }
    for (element, second) in line.elements {
        frame.elements.push((number(&element)?, second));
    }
    frame.registers = line.registers;
    for (node, bucket, amount) in line.sums {
        let node = number(&node)?;
        frame.sums.push(Sum { node, bucket, amount });
    }
    Some(frame)
}

/// The hash key; behind it, where they are others, those of people.
fn hex(mark: KeyMark) -> String {
    let mut text = format!("{:032x}", u128::from_be_bytes(mark.key));
    if mark.people != PeopleMark::default() || mark.beside.is_some() {
        for people in std::iter::once(mark.people).chain(mark.beside) {
            text = format!("{text} {}", KeyId(people.0));
        }
    }
    text
}

/// Sixteen hexadecimal digits.
fn number(text: &str) -> Option<u64> {
    let is_one = text.len() == 16 && text.bytes().all(|digit| digit.is_ascii_hexdigit());
    is_one.then(|| u64::from_str_radix(text, 16).ok())?
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::clock::Clock;
    use crate::store::file::StoreFile;

    const MARK: KeyMark = KeyMark {
        key: [9; 16],
        people: PeopleMark([0; 12]),
        beside: None,
    };

    fn written(frame: &KeyFrame) -> Vec<u8> {
        let mut text = Vec::new();
        write_head(MARK, default_tenant(), &mut text).unwrap();
        write_frame(frame, &mut text).unwrap();
        text
    }

    fn read_back(text: &[u8]) -> Result<Vec<KeyFrame>, LinesError> {
        Lines::new(text, MARK)?.collect()
    }

    #[test]
    fn a_large_key_is_several_lines_that_merge() {
        let mut frame = KeyFrame::new(KeyId([3; 12]), Dimension::Global);
        frame.elements = (0..2_500).map(|element| (element, 7)).collect();
        frame.registers = vec![(4_095, 9, 8)];
        let read = read_back(&written(&frame)).unwrap();
        assert_eq!(read.len(), 3);
        let mut joined = KeyFrame::new(frame.key, frame.dimension);
        for part in &read {
            joined.join(part);
        }
        joined.elements.sort_unstable();
        assert_eq!(joined, frame);
    }

    #[test]
    fn lines_of_another_key_or_version_are_refused() {
        let text = written(&KeyFrame::new(KeyId([3; 12]), Dimension::Global));
        assert!(matches!(
            Lines::new(&text[..], KeyMark { key: [8; 16], ..MARK }),
            Err(LinesError::OtherKey)
        ));
        let other = String::from_utf8(text).unwrap().replace("ledger\":1", "ledger\":2");
        assert!(matches!(read_back(other.as_bytes()), Err(LinesError::Line(1, _))));
        assert!(matches!(read_back(b""), Err(LinesError::Line(..))));
    }

    proptest! {
        #[test]
        fn lines_are_read_as_they_were_written(
            key in any::<[u8; 12]>(),
            elements in prop::collection::vec(any::<(u64, u32)>(), 0..9),
            registers in prop::collection::vec(any::<(u16, u8, u32)>(), 0..9),
            sums in prop::collection::vec(any::<(u64, u32, u64)>(), 0..9),
            mark in any::<(u8, u32, u32, u32, u64)>(),
        ) {
            let mut frame = KeyFrame::new(KeyId(key), Dimension::Principal);
            (frame.elements, frame.registers) = (elements, registers);
            frame.sums = sums.into_iter().map(|(node, bucket, amount)| Sum { node, bucket, amount }).collect();
            let (kind, second, until, people, budget) = mark;
            let held = |cause| Tag::Held { until, cause };
            let tag = match kind % 6 {
                0 => None,
                1 => Some(held(None)),
                2 => Some(held(Some(BudgetId(budget)))),
                3 => Some(Tag::Released { until, people }),
                4 => Some(Tag::Reinstated),
                _ => Some(Tag::Revoked { until, by: RevokedBy::Directory }),
            };
            frame.mark = tag.map(|tag| Mark { second, tag });
            frame.may_be_made_up = kind >= 128;
            frame.kind = [Kind::People, Kind::Actors, Kind::Beside][usize::from(kind % 3)];
            prop_assert_eq!(read_back(&written(&frame)).unwrap(), vec![frame]);
        }

        #[test]
        fn any_line_is_refused_or_read(line in "\\PC{0,80}") {
            let mut text = written(&KeyFrame::new(KeyId([3; 12]), Dimension::Global));
            text.extend(line.as_bytes());
            let _read = read_back(&text).is_ok();
        }
    }

    #[test]
    fn another_tenants_ledger_and_export_are_refused() {
        let names = |names: &[&str]| -> Vec<String> { names.iter().map(|name| (*name).to_owned()).collect() };
        let (dir, now) = (tempfile::tempdir().unwrap(), Clock::start().now());
        let open = || StoreFile::open_or_create(dir.path(), MARK, now).unwrap();
        open().admit(&names(&["acme"])).unwrap();
        open().admit(&names(&["default", "acme"])).unwrap();
        let refused = open().admit(&names(&["default"])).unwrap_err();
        assert!(
            matches!(&refused, StoreError::OtherTenant(_, tenant) if tenant == "acme"),
            "{refused}"
        );
        assert!(
            refused.to_string().contains("ledger.redb") && refused.to_string().contains("name it"),
            "{refused}"
        );
        let tenants = open().tenants().unwrap();
        assert_eq!(tenants, ["default", "acme"], "a refusal changes nothing");

        let mut text = Vec::new();
        write_head(MARK, tenants, &mut text).unwrap();
        let lines = Lines::new(&text[..], MARK).unwrap();
        assert_eq!(
            lines.tenants(&[]).unwrap(),
            names(&["default", "acme"]),
            "into a new ledger"
        );
        let known = names(&["default", "acme", "other"]);
        assert_eq!(lines.tenants(&known).unwrap(), known);
        let refused = lines.tenants(&names(&["default"])).unwrap_err().to_string();
        assert!(
            refused.contains("`acme`") && refused.contains("nothing was imported"),
            "{refused}"
        );
    }
}
