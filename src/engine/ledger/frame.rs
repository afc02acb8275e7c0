//! What is known of one key, as the store keeps it and gateways tell one another.
//!
//! Everything in a frame merges by maximum, so that it may be repeated, reordered or interleaved.
//!
//! ```text
//!  0        1      2..6       6..18  18..22      22..26    26..30     30..34  ..
//!  version  flags  dimension  key    window_max  elements  registers  sums    [mark] elements registers sums crc32
//! ```

use std::fmt;

use hashbrown::HashMap;

use super::{BudgetId, Dimension, KeyId, Kind, RevokedBy};

/// The version of the encoding; another is refused.
const VERSION: u8 = 1;
/// Bytes before the mark.
const HEAD_BYTES: usize = 34;
/// Bytes of an element: subject, second.
const ELEMENT_BYTES: usize = 12;
/// Bytes of a register: number, rank, second.
const REGISTER_BYTES: usize = 7;
/// Bytes of a sum: node, bucket, amount.
const SUM_BYTES: usize = 20;
/// Bytes of the checksum.
const CRC_BYTES: usize = 4;

const ENFORCED: u8 = 1;
const MARKED: u8 = 2;
const MADE_UP: u8 = 4;
const OF_ACTORS: u8 = 8;
const BESIDE: u8 = 16;

/// What was last decided about a key. The later second wins; in one second, a release over a hold, a revocation over its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mark {
    /// The second it was decided in, or one more than that of the mark it replaced.
    pub second: u32,
    /// What was decided.
    pub tag: Tag,
}

/// The larger wins in one second.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Tag {
    /// Every exchange under the key is refused.
    Held {
        /// Until this unix second.
        until: u32,
        /// By this budget; `None`: by a person.
        cause: Option<BudgetId>,
    },
    /// Forgiven: so many people more than every limit.
    Released {
        /// Until this unix second.
        until: u32,
        /// People.
        people: u32,
    },
    /// May be used again.
    Reinstated,
    /// May not be used any more.
    Revoked {
        /// Until this unix second; `u32::MAX`: without an end.
        until: u32,
        /// Who said so.
        by: RevokedBy,
    },
}

/// That a credential may be used again is known for so long, in seconds, if nothing else is: a security event that was sent before
/// may come again for a week.
const REINSTATED_S: u32 = 8 * 86_400;

impl Mark {
    /// Whether anything is different for it at `second`.
    pub const fn matters(self, second: u32) -> bool {
        match self.tag {
            Tag::Held { until, .. } | Tag::Revoked { until, .. } => until > second,
            Tag::Released { until, .. } => until >= second,
            Tag::Reinstated => self.second.saturating_add(REINSTATED_S) > second,
        }
    }
}

impl Tag {
    /// The unix second in which what was decided ends; 0 where it only ended something else.
    pub const fn until(self) -> u32 {
        match self {
            Self::Held { until, .. } | Self::Released { until, .. } | Self::Revoked { until, .. } => until,
            Self::Reinstated => 0,
        }
    }

    /// Whether it says if a credential may be used.
    pub const fn is_of_credential(self) -> bool {
        match self {
            Self::Reinstated | Self::Revoked { .. } => true,
            Self::Held { .. } | Self::Released { .. } => false,
        }
    }
}

/// A part of a monotone counter: what one start of one gateway counted in one bucket of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Sum {
    /// The start of the gateway that counted.
    pub node: u64,
    /// The unix second in which the bucket begins.
    pub bucket: u32,
    /// What was counted in it.
    pub amount: u64,
}

/// What is known of one key, or what changed of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyFrame {
    /// The key.
    pub key: KeyId,
    /// Its dimension.
    pub dimension: Dimension,
    /// Whether a refusing budget counts under it.
    pub enforced: bool,
    /// Whether the client may have made the key up.
    pub may_be_made_up: bool,
    /// What its elements are.
    pub kind: Kind,
    /// The longest window in seconds that a budget asked of it.
    pub window_max: u32,
    /// The hold or release in force, or the last one.
    pub mark: Option<Mark>,
    /// Subject and last-seen second.
    pub elements: Vec<(u64, u32)>,
    /// Register, rank and last-seen second of the sketch.
    pub registers: Vec<(u16, u8, u32)>,
    /// Bytes, records or answers.
    pub sums: Vec<Sum>,
}

/// Why bytes are no frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrameError {
    /// They end before the frame does, or go on behind it.
    Length,
    /// A version that is not known here.
    Version(u8),
    /// Some byte is not what was written.
    Checksum,
    /// Checksum and version are right, but what it says cannot be.
    Content,
}

impl fmt::Display for FrameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Length => f.write_str("the frame is cut short or too long"),
            Self::Version(version) => write!(f, "version {version} of frames is not known; this is {VERSION}"),
            Self::Checksum => f.write_str("the checksum is wrong"),
            Self::Content => f.write_str("what it says is not possible"),
        }
    }
}

impl std::error::Error for FrameError {}

impl KeyFrame {
    /// A frame that knows nothing yet.
    pub fn new(key: KeyId, dimension: Dimension) -> Self {
        Self {
            key,
            dimension,
            enforced: false,
            may_be_made_up: false,
            kind: Kind::People,
            window_max: 0,
            mark: None,
            elements: Vec::new(),
            registers: Vec::new(),
            sums: Vec::new(),
        }
    }

    /// The second of its newest sighting of somebody; 0 without one.
    pub fn newest(&self) -> u32 {
        let elements = self.elements.iter().map(|(_, second)| *second);
        let registers = self.registers.iter().map(|(_, _, second)| *second);
        elements.chain(registers).max().unwrap_or(0)
    }

    /// Appends the bytes of the frame.
    pub fn encode(&self, into: &mut Vec<u8>) {
        let start = into.len();
        let flag = |is_set: bool, flag: u8| if is_set { flag } else { 0 };
        let flags = flag(self.enforced, ENFORCED)
            | flag(self.mark.is_some(), MARKED)
            | flag(self.may_be_made_up, MADE_UP)
            | flag(self.kind == Kind::Actors, OF_ACTORS)
            | flag(self.kind == Kind::Beside, BESIDE);
        into.extend([VERSION, flags]);
        into.extend(self.dimension.code().to_le_bytes());
        into.extend(self.key.0);
        let counts = [self.elements.len(), self.registers.len(), self.sums.len()];
        into.extend(self.window_max.to_le_bytes());
        for count in counts {
            into.extend((count as u32).to_le_bytes());
        }
        if let Some(mark) = self.mark {
            encode_mark(mark, into);
        }
        for (element, second) in &self.elements {
            into.extend(element.to_le_bytes());
            into.extend(second.to_le_bytes());
        }
        for (register, rank, second) in &self.registers {
            into.extend(register.to_le_bytes());
            into.push(*rank);
            into.extend(second.to_le_bytes());
        }
        for sum in &self.sums {
            into.extend(sum.node.to_le_bytes());
            into.extend(sum.bucket.to_le_bytes());
            into.extend(sum.amount.to_le_bytes());
        }
        let crc = crc32fast::hash(into.get(start..).unwrap_or_default());
        into.extend(crc.to_le_bytes());
    }

    /// Reads what [`KeyFrame::encode`] wrote; nothing is taken from bytes that are not whole.
    ///
    /// # Errors
    /// When the bytes are not exactly one frame.
    pub fn decode(bytes: &[u8]) -> Result<Self, FrameError> {
        let version = *bytes.first().ok_or(FrameError::Length)?;
        if version != VERSION {
            return Err(FrameError::Version(version));
        }
        let end = bytes.len().checked_sub(CRC_BYTES).ok_or(FrameError::Length)?;
        let (content, crc) = bytes.split_at_checked(end).ok_or(FrameError::Length)?;
        if content.len() < HEAD_BYTES {
            return Err(FrameError::Length);
        }
        if crc32fast::hash(content).to_le_bytes() != crc {
            return Err(FrameError::Checksum);
        }
        let mut reader = Reader(content.get(1..).unwrap_or_default());
        let frame = Self::read(&mut reader)?;
        if reader.0.is_empty() {
            Ok(frame)
        } else {
            Err(FrameError::Length)
        }
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, FrameError> {
        let [flags] = reader.take()?;
        let dimension = Dimension::from_code(u32::from_le_bytes(reader.take()?)).ok_or(FrameError::Content)?;
        let key = KeyId(reader.take()?);
        let mut number = || reader.take().map(u32::from_le_bytes);
        let window_max = number()?;
        let [elements, registers, sums] = [number()?, number()?, number()?].map(|count| count as usize);
        let mark = (flags & MARKED != 0).then(|| decode_mark(reader)).transpose()?;
        // A count is believed only as far as the bytes are there.
        let wanted = elements * ELEMENT_BYTES + registers * REGISTER_BYTES + sums * SUM_BYTES;
        if flags > ENFORCED | MARKED | MADE_UP | OF_ACTORS | BESIDE || wanted != reader.0.len() {
            return Err(FrameError::Length);
        }
        let mut frame = Self::new(key, dimension);
        (frame.enforced, frame.window_max, frame.mark) = (flags & ENFORCED != 0, window_max, mark);
        frame.may_be_made_up = flags & MADE_UP != 0;
        frame.kind = match (flags & OF_ACTORS != 0, flags & BESIDE != 0) {
            (false, false) => Kind::People,
            (true, false) => Kind::Actors,
            (false, true) => Kind::Beside,
            (true, true) => return Err(FrameError::Content),
        };
        for _ in 0..elements {
            frame.elements.push((reader.long()?, reader.short()?));
        }
        for _ in 0..registers {
            let register = u16::from_le_bytes(reader.take()?);
            let [rank] = reader.take()?;
            frame.registers.push((register, rank, reader.short()?));
        }
        for _ in 0..sums {
            let (node, bucket, amount) = (reader.long()?, reader.short()?, reader.long()?);
            frame.sums.push(Sum { node, bucket, amount });
        }
        Ok(frame)
    }

    /// Takes in what `other` knows of the same key.
    pub fn join(&mut self, other: &Self) {
        self.enforced |= other.enforced;
        self.may_be_made_up |= other.may_be_made_up;
        self.kind = self.kind.max(other.kind);
        self.window_max = self.window_max.max(other.window_max);
        self.mark = self.mark.max(other.mark);
        join(&mut self.elements, &other.elements, |(element, second)| {
            (*element, *second)
        });
        join(&mut self.registers, &other.registers, |(register, rank, second)| {
            ((*register, *rank), *second)
        });
        join(&mut self.sums, &other.sums, |sum| ((sum.node, sum.bucket), sum.amount));
    }

    /// Drops what no window reaches any more at the second `now`.
    pub fn forget(&mut self, now: u32) {
        let from = now.saturating_sub(self.window_max);
        self.elements.retain(|(_, second)| *second >= from);
        self.registers.retain(|(_, _, second)| *second >= from);
        // A bucket reaches on from where it begins.
        self.sums
            .retain(|sum| sum.bucket.saturating_add(super::BUCKET_SECONDS_MAX) >= from);
    }
}

/// Element-wise maximum of two lists: of each name the larger value stays.
fn join<T: Clone, N: std::hash::Hash + Eq, V: Ord>(list: &mut Vec<T>, other: &[T], read: impl Fn(&T) -> (N, V)) {
    let mut places: HashMap<N, usize> = list.iter().enumerate().map(|(at, item)| (read(item).0, at)).collect();
    for item in other {
        let (name, value) = read(item);
        match places.get(&name).and_then(|at| list.get_mut(*at)) {
            Some(known) if read(known).1 < value => *known = item.clone(),
            Some(_) => {}
            None => {
                places.insert(name, list.len());
                list.push(item.clone());
            }
        }
    }
}

fn encode_mark(mark: Mark, into: &mut Vec<u8>) {
    let (kind, until, number) = match mark.tag {
        Tag::Held { until, cause: None } => (0, until, 0),
        Tag::Held {
            until,
            cause: Some(budget),
        } => (1, until, budget.0),
        Tag::Released { until, people } => (2, until, u64::from(people)),
        Tag::Reinstated => (3, 0, 0),
        Tag::Revoked { until, by } => (4, until, by as u64),
    };
    into.push(kind);
    into.extend(mark.second.to_le_bytes());
    into.extend(until.to_le_bytes());
    into.extend(u64::to_le_bytes(number));
}

fn decode_mark(reader: &mut Reader<'_>) -> Result<Mark, FrameError> {
    let [kind] = reader.take()?;
    let (second, until, number) = (reader.short()?, reader.short()?, reader.long()?);
    let tag = match kind {
        0 if number == 0 => Tag::Held { until, cause: None },
        1 => Tag::Held {
            until,
            cause: Some(BudgetId(number)),
        },
        2 => Tag::Released {
            until,
            people: u32::try_from(number).map_err(|_| FrameError::Content)?,
        },
        3 if number == 0 && until == 0 => Tag::Reinstated,
        4 => {
            let by = usize::try_from(number).ok().and_then(|at| RevokedBy::ALL.get(at));
            let by = *by.ok_or(FrameError::Content)?;
            Tag::Revoked { until, by }
        }
        _ => return Err(FrameError::Content),
    };
    Ok(Mark { second, tag })
}

/// Bytes that are still to be read.
struct Reader<'b>(&'b [u8]);

impl Reader<'_> {
    fn take<const N: usize>(&mut self) -> Result<[u8; N], FrameError> {
        let (bytes, rest) = self.0.split_first_chunk::<N>().ok_or(FrameError::Length)?;
        self.0 = rest;
        Ok(*bytes)
    }

    fn short(&mut self) -> Result<u32, FrameError> {
        self.take().map(u32::from_le_bytes)
    }

    fn long(&mut self) -> Result<u64, FrameError> {
        self.take().map(u64::from_le_bytes)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn frames() -> impl Strategy<Value = KeyFrame> {
        let mark = (0_u8..6, any::<u32>(), any::<u32>(), any::<u32>()).prop_map(|(kind, second, until, number)| {
            let tag = match kind {
                0 => return None,
                1 => Tag::Held { until, cause: None },
                2 => Tag::Held {
                    until,
                    cause: Some(BudgetId(u64::from(number))),
                },
                3 => Tag::Released { until, people: number },
                4 => Tag::Reinstated,
                _ => {
                    let by = RevokedBy::ALL[number as usize % RevokedBy::ALL.len()];
                    Tag::Revoked { until, by }
                }
            };
            Some(Mark { second, tag })
        });
        let elements = prop::collection::btree_map(0_u64..40, any::<u32>(), 0..20);
        let registers = prop::collection::btree_map((0_u16..20, 0_u8..4), any::<u32>(), 0..20);
        let sums = prop::collection::btree_map((0_u64..3, 0_u32..9), any::<u64>(), 0..9);
        (
            mark,
            elements,
            registers,
            sums,
            (any::<bool>(), any::<bool>(), 0..3_usize),
            any::<u32>(),
        )
            .prop_map(
                |(mark, elements, registers, sums, (enforced, may_be_made_up, kind), window_max)| KeyFrame {
                    enforced,
                    may_be_made_up,
                    kind: [Kind::People, Kind::Actors, Kind::Beside][kind],
                    window_max,
                    mark,
                    elements: elements.into_iter().collect(),
                    registers: registers
                        .into_iter()
                        .map(|((at, rank), second)| (at, rank, second))
                        .collect(),
                    sums: sums
                        .into_iter()
                        .map(|((node, bucket), amount)| Sum { node, bucket, amount })
                        .collect(),
                    ..KeyFrame::new(KeyId([7; 12]), Dimension::Session)
                },
            )
    }

    fn joined(one: &KeyFrame, other: &KeyFrame) -> KeyFrame {
        let mut joined = one.clone();
        joined.join(other);
        joined.elements.sort_unstable();
        joined.registers.sort_unstable();
        joined.sums.sort_unstable();
        joined
    }

    proptest! {
        #[test]
        fn a_frame_is_read_as_it_was_written(frame in frames()) {
            let mut bytes = Vec::new();
            frame.encode(&mut bytes);
            prop_assert_eq!(KeyFrame::decode(&bytes), Ok(frame));
        }

        #[test]
        fn frames_merge_by_maximum(one in frames(), two in frames(), three in frames()) {
            prop_assert_eq!(joined(&one, &two), joined(&two, &one));
            prop_assert_eq!(joined(&joined(&one, &two), &three), joined(&one, &joined(&two, &three)));
            prop_assert_eq!(joined(&one, &one), joined(&one, &KeyFrame::new(one.key, one.dimension)));
        }

        #[test]
        fn a_frame_that_is_not_whole_is_refused(frame in frames(), at in any::<prop::sample::Index>(), bit in 0_u8..8) {
            let mut bytes = Vec::new();
            frame.encode(&mut bytes);
            let at = at.index(bytes.len());
            prop_assert!(KeyFrame::decode(&bytes[..at]).is_err());
            bytes[at] ^= 1 << bit;
            prop_assert!(KeyFrame::decode(&bytes).is_err());
        }

        #[test]
        fn any_bytes_are_refused_or_read(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _read = KeyFrame::decode(&bytes).is_ok();
        }
    }
}
