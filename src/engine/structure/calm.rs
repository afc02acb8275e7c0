//! Calm containers of JSON: all their names are plain and nothing in them wakes a search, so that the sink would hear nothing
//! of them. One that ends soon is passed over whole, without a look at its levels and members.
//!
//! A try costs a second reading where it fails. So after a failure some containers that begin alike are read without one: twice as
//! many after each, up to [`WAIT_MAX`]. Objects of one kind begin with the same name, and others have their own failures.

use std::ops::Range;

use super::Sink;
use super::json::{KEY_BYTES_MAX, may_be_somebodys, may_be_told};
use super::marks::Marks;
use super::plain_names::PlainNames;
use crate::engine::detect::is_carrier;

/// Blocks within which a container must end, 4 KiB of them.
const BLOCKS_MAX: u32 = 64;
/// Containers inside it.
const DEPTH_MAX: u32 = 63;
/// Containers of one kind that are read without a try, at most.
const WAIT_MAX: u8 = 64;
/// Kinds that are told apart, a power of two.
const KINDS: usize = 16;
/// First bytes that tell them, a quote and those of a name.
const KIND_BYTES: usize = 8;

/// What kinds of objects are worth a try.
#[derive(Default)]
pub(super) struct Tries([Kind; KINDS]);

/// Whether an object of one kind is worth a try.
#[derive(Clone, Copy, Default)]
struct Kind {
    /// Containers to come without one.
    wait: u8,
    /// So many were waited for last time.
    waited: u8,
}

impl Tries {
    /// Whether the object whose members begin with these bytes is worth one.
    #[inline]
    pub(super) fn is_due(&mut self, members: &[u8]) -> bool {
        self.kind(members).is_none_or(Kind::is_due)
    }

    /// One of that object ended so.
    pub(super) fn ended(&mut self, members: &[u8], well: bool) {
        if let Some(kind) = self.kind(members) {
            kind.ended(well);
        }
    }

    fn kind(&mut self, members: &[u8]) -> Option<&mut Kind> {
        let name = members.trim_ascii_start().first_chunk::<KIND_BYTES>();
        let first = name.map_or(0, |bytes| u64::from_le_bytes(*bytes));
        let mixed = first.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        self.0.get_mut((mixed >> 32) as usize % KINDS)
    }
}

impl Kind {
    fn is_due(&mut self) -> bool {
        let is_due = self.wait == 0;
        self.wait = self.wait.saturating_sub(1);
        is_due
    }

    fn ended(&mut self, well: bool) {
        self.waited = if well { 0 } else { (2 * self.waited + 1).min(WAIT_MAX) };
        self.wait = self.waited;
    }
}

/// The containers around a mark.
struct Around {
    /// The innermost in the lowest bit: set for an object.
    objects: u64,
    depth: u32,
    /// Whether the name that the object stands under may be that of its values: then some of its own names say nothing else.
    wanted: bool,
}

impl Around {
    /// Whether the next member may be the value of the name around the object.
    const fn may_carry(&self) -> bool {
        self.wanted && self.depth == 1
    }
}

/// Passes over the object that begins at the last of `marks`, if it is calm: then they stand at its end. Else where they stand
/// says nothing. `wanted`: values under the name around it are told.
#[inline]
pub(super) fn pass(
    marks: &mut Marks<'_>,
    chunk: &[u8],
    wanted: bool,
    names: &mut PlainNames,
    sink: &mut impl Sink,
) -> bool {
    let mut around = Around {
        objects: 1,
        depth: 1,
        wanted,
    };
    for _ in 0..BLOCKS_MAX {
        if let Some(is_calm) = pass_block(marks, chunk, &mut around, names, sink) {
            return is_calm;
        }
        if marks.enter().is_none() {
            return false;
        }
    }
    false
}

/// The same within one block; `None` if the object goes on behind it.
#[inline]
fn pass_block(
    marks: &mut Marks<'_>,
    chunk: &[u8],
    around: &mut Around,
    names: &mut PlainNames,
    sink: &mut impl Sink,
) -> Option<bool> {
    let block = marks.looks();
    let mut left = block.ahead;
    while left != 0 {
        let (at, bit) = (block.at + left.trailing_zeros() as usize, left & left.wrapping_neg());
        left ^= bit;
        let (is_name, is_waking) = (
            around.objects & 1 == 1 && block.names & bit != 0,
            block.waking & bit != 0,
        );
        if is_name && !is_waking && !around.may_carry() && names.goes_on(chunk, at) {
            continue;
        }
        if is_name || is_waking {
            marks.look_at(bit);
            let is_calm = if is_name {
                let name = marks.start()..at;
                let carries = around.may_carry() && chunk.get(name.clone()).is_some_and(is_carrier);
                !carries && is_plain(name, chunk, names, sink)
            } else {
                is_calm(marks, at, chunk)
            };
            if !is_calm {
                return Some(false);
            }
        }
        match chunk.get(at) {
            // An array in an array may be the header of a table.
            Some(b'[') if around.objects & 1 == 0 => return Some(false),
            Some(b'{' | b'[') if around.depth == DEPTH_MAX => return Some(false),
            Some(byte @ (b'{' | b'[')) => {
                around.depth += 1;
                around.objects = around.objects << 1 | u64::from(*byte == b'{');
            }
            Some(b'}' | b']') if around.depth == 1 => {
                marks.look_at(bit);
                return Some(true);
            }
            Some(b'}' | b']') => {
                around.depth -= 1;
                around.objects >>= 1;
            }
            _ => {}
        }
    }
    None
}

fn is_plain(name: Range<usize>, chunk: &[u8], names: &mut PlainNames, sink: &mut impl Sink) -> bool {
    name.len() <= KEY_BYTES_MAX && names.find(chunk, &name, sink).is_some()
}

/// Whether a value that may wake a search, which ends at the last mark given, is none that is told.
fn is_calm(marks: &Marks<'_>, end: usize, chunk: &[u8]) -> bool {
    let text = chunk.get(marks.start()..end).unwrap_or_default();
    if marks.is_string() {
        !may_be_somebodys(marks, text)
    } else {
        !(marks.wakes(text.len()) || marks.is_veiled()) || !may_be_told(text)
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::Listener;
    use super::*;

    /// What of `text`, which begins with an object, stands behind it if that is calm.
    fn behind(text: &str, wanted: bool) -> Option<&str> {
        let mut marks = Marks::new(text.as_bytes(), true);
        assert_eq!(marks.next(false), Some(0));
        let names = &mut PlainNames::default();
        let passed = pass(&mut marks, text.as_bytes(), wanted, names, &mut Listener);
        passed.then(|| marks.next(true).map_or("", |at| text.split_at(at).1))
    }

    #[test]
    fn only_calm_objects_are_passed_over() {
        for (text, expected) in [
            (r#"{"id":17,"tags":["x",{"a":"2024-01-02"}]},1"#, true),
            (r#"{"id":17,"at":1700000000000,"of":[1234567890]},1"#, true),
            (r#"{"id":"0f8fad5b-1234-5678-a165-70867728950e"},1"#, true),
            (r#"{"id":17,"xname":"x"},1"#, false),
            (r#"{"id":17,"a\"id":"x","b\"id":"y"},1"#, true),
            (r#"{"id":17,"x\"id":"x"},1"#, false),
            (r#"{"tags":["xname","x"]},1"#, true),
            (r#"{"id":17,"of":{"tel":"010-0000-1234"}},1"#, false),
            (r#"{"id":010-0000-1234},1"#, true),
            (r#"{"id":tel010-0000-1234},1"#, false),
            (r#"{"id":17"#, false),
        ] {
            assert_eq!(behind(text, false), expected.then_some(",1"), "{text}");
        }
    }

    #[test]
    fn what_carries_the_value_of_the_name_around_is_read() {
        for (text, wanted, expected) in [
            (r#"{"id":17,"value":"Kim"},1"#, false, true),
            (r#"{"id":17,"value":"Kim"},1"#, true, false),
            (r#"{"id":17,"of":{"value":"Kim"}},1"#, true, true),
        ] {
            assert_eq!(behind(text, wanted), expected.then_some(",1"), "{text}");
        }
    }

    #[test]
    fn what_does_not_end_soon_is_read() {
        let long = format!("{{\"a\":\"{}\"}}", "x".repeat(64 * BLOCKS_MAX as usize));
        let deep = format!("{{\"a\":{}{}}}", "[".repeat(70), "]".repeat(70));
        assert_eq!([behind(&long, false), behind(&deep, false)], [None, None]);
    }

    #[test]
    fn failures_make_tries_of_their_kind_rare_and_a_success_makes_them_common() {
        let mut tries = Tries::default();
        let mut count = 0;
        for _ in 0..1_000 {
            if tries.is_due(b" \"event\":1") {
                count += 1;
                tries.ended(b"\"event\":2", false);
            }
            assert!(tries.is_due(b"\"id\":1"));
        }
        assert!(count < 25, "{count}");
        tries.ended(b"\"event\":1", true);
        assert!(tries.is_due(b"\"event\":1"));
    }
}
