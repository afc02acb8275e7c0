//! Which telephone numbers are in use in which country, from the table that `numbering.py` makes of libphonenumber's
//! metadata: fixed lines, mobiles and other numbers of people, without toll-free, premium and shared-cost ones.

use std::sync::LazyLock;

/// `code lengths prefixes`, one entry a line; see `numbering.py`.
const TABLE: &str = include_str!("numbering.txt");
/// Country codes have one to three digits (ITU-T E.164, 6.2.1).
const CODES: usize = 1000;

static PLANS: LazyLock<Plans> = LazyLock::new(|| Plans::read(TABLE));

/// The plans of all countries: a tree of digits for each. A slot is 0 where nothing is in use, the number of a node, or
/// [`LEAF`] with the lengths that are in use whatever the digits behind: most nodes would hold nothing else.
struct Plans {
    /// Of each country code.
    roots: Vec<Root>,
    nodes: Vec<Node>,
}

/// Of a country code: the root of its tree, and the lengths that any of its numbers has.
#[derive(Clone, Copy, Default)]
struct Root {
    node: u16,
    lengths: u16,
}

/// Marks a slot that holds lengths: bit n - 1 stands for n digits.
const LEAF: u16 = 1 << 15;

/// The numbers that begin with the digits on the way to the node.
#[derive(Clone, Copy, Default)]
struct Node {
    /// The slot of each next digit.
    next: [u16; 10],
    /// The lengths that are in use here, as in a leaf.
    lengths: u16,
}

impl Plans {
    fn read(table: &str) -> Self {
        let mut plans = Self {
            roots: vec![Root::default(); CODES],
            nodes: vec![Node::default()],
        };
        for line in table.lines().filter(|line| !line.starts_with('#')) {
            let mut fields = line.split(' ');
            let code = fields.next().and_then(|code| code.parse::<usize>().ok());
            let lengths = fields.next().unwrap_or_default().split(',');
            let lengths = lengths.filter_map(|length| length.parse::<u32>().ok());
            let lengths = lengths.fold(0, |mask, length| mask | (1 << ((length - 1) % 15)));
            let Some(root) = code.and_then(|code| plans.root(code, lengths)) else {
                continue;
            };
            for prefix in fields {
                plans.insert(root, prefix.as_bytes(), lengths);
            }
        }
        plans
    }

    /// The root of a country code, of which numbers of these lengths come too.
    fn root(&mut self, code: usize, lengths: u16) -> Option<u16> {
        let known = *self.roots.get(code)?;
        let node = if known.node == 0 { self.add() } else { known.node };
        let lengths = known.lengths | lengths;
        *self.roots.get_mut(code)? = Root { node, lengths };
        Some(node)
    }

    fn add(&mut self) -> u16 {
        let number = u16::try_from(self.nodes.len()).ok().filter(|number| *number < LEAF);
        let number = number.expect("a test reads the table: its nodes can be numbered");
        self.nodes.push(Node::default());
        number
    }

    /// Adds a prefix such as `20[1-9].`: a digit, a set of digits or any digit at each place.
    fn insert(&mut self, node: u16, prefix: &[u8], lengths: u16) {
        let (digits, rest) = match prefix {
            [] => return,
            [b'[', rest @ ..] => {
                let end = rest.iter().position(|byte| *byte == b']').unwrap_or(rest.len());
                let (set, rest) = rest.split_at(end);
                (members(set), rest.get(1..).unwrap_or_default())
            }
            [b'.', rest @ ..] => (0x3ff, rest),
            [digit, rest @ ..] => (members(&[*digit]), rest),
        };
        for digit in (0..10).filter(|digit| digits >> digit & 1 == 1) {
            if rest.is_empty() {
                self.end(node, digit, lengths);
            } else {
                let next = self.child(node, digit);
                self.insert(next, rest, lengths);
            }
        }
    }

    /// A prefix ends with `digit` behind `node`.
    fn end(&mut self, node: u16, digit: usize, lengths: u16) {
        let known = self.step(node, digit);
        if known == 0 || known & LEAF != 0 {
            self.put(node, digit, known | LEAF | lengths);
        } else if let Some(node) = self.nodes.get_mut(usize::from(known)) {
            node.lengths |= lengths;
        }
    }

    /// The node of `digit` behind `node`; made, or made of a leaf, where there is none.
    fn child(&mut self, node: u16, digit: usize) -> u16 {
        let known = self.step(node, digit);
        if known != 0 && known & LEAF == 0 {
            return known;
        }
        let child = self.add();
        if let Some(child) = self.nodes.get_mut(usize::from(child)) {
            child.lengths = known & !LEAF;
        }
        self.put(node, digit, child);
        child
    }

    fn put(&mut self, node: u16, digit: usize, slot: u16) {
        let node = self.nodes.get_mut(usize::from(node));
        if let Some(place) = node.and_then(|node| node.next.get_mut(digit)) {
            *place = slot;
        }
    }

    fn step(&self, node: u16, digit: usize) -> u16 {
        let node = self.nodes.get(usize::from(node));
        node.and_then(|node| node.next.get(digit)).copied().unwrap_or(0)
    }
}

/// The digits of a set such as `0-35`, as bits.
fn members(set: &[u8]) -> u16 {
    let (mut bits, mut last, mut range) = (0, 0, false);
    for byte in set {
        if *byte == b'-' {
            range = true;
            continue;
        }
        let digit = byte.wrapping_sub(b'0');
        let from = if range { last } else { digit };
        bits |= (from..=digit).fold(0, |bits, digit| bits | 1u16 << (digit % 16));
        (last, range) = (digit, false);
    }
    bits
}

/// The country code at the beginning of international `digits`.
pub(super) fn country(digits: &[u8]) -> Option<&[u8]> {
    // No code is the beginning of another (ITU-T E.164, 6.2.1), so the first that fits is the one.
    (1..=3).find_map(|len| digits.get(..len).filter(|code| root(code).node != 0))
}

/// The lengths that numbers under `code` have: bit n - 1 stands for n digits, without trunk prefix.
pub(super) fn lengths(code: &[u8]) -> u16 {
    root(code).lengths
}

/// Whether `national` digits, without trunk prefix, are a person's number under `code`.
pub(super) fn in_use(code: &[u8], national: &[u8]) -> bool {
    let plans = &*PLANS;
    let Some(length) = national.len().checked_sub(1).filter(|length| *length < 15) else {
        return false;
    };
    let root = root(code);
    if root.lengths >> length & 1 == 0 {
        return false;
    }
    let mut slot = root.node;
    for digit in national {
        slot = plans.step(slot, usize::from(digit.wrapping_sub(b'0')));
        let lengths = match slot {
            0 => return false,
            LEAF.. => return slot >> length & 1 == 1,
            node => plans.nodes.get(usize::from(node)).map_or(0, |node| node.lengths),
        };
        if lengths >> length & 1 == 1 {
            return true;
        }
    }
    false
}

fn root(code: &[u8]) -> Root {
    let number = code
        .iter()
        .fold(0, |value, digit| value * 10 + usize::from(digit.wrapping_sub(b'0')));
    let spelled = code.first().is_some_and(|first| *first != b'0');
    PLANS.roots.get(number).copied().filter(|_| spelled).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn countries() {
        let rows = [
            ("821012345678", Some("82")),
            ("12125550123", Some("1")),
            ("358401234567", Some("358")),
            ("2101234567", None),
            ("0821012345678", None),
            ("", None),
        ];
        for (digits, expected) in rows {
            assert_eq!(country(digits.as_bytes()), expected.map(str::as_bytes), "{digits}");
        }
    }

    #[test]
    fn the_table_fits() {
        assert!(
            (1000..usize::from(LEAF)).contains(&PLANS.nodes.len()),
            "{}",
            PLANS.nodes.len()
        );
    }

    #[test]
    fn sets_of_digits() {
        assert_eq!((members(b"7"), members(b"0-35"), members(b"2468")), (0x80, 0x2f, 0x154));
    }

    #[test]
    fn numbers_of_people_and_no_others() {
        // Numbers set aside for fiction, and the examples of the plans' own metadata.
        let rows = [
            ("82", "1000001234", true),
            ("82", "25550123", true),
            ("82", "15880000", false),
            ("1", "2125550123", true),
            ("1", "8005550199", false),
            ("1", "1125550123", false),
            ("44", "2079460123", true),
            ("44", "7400123456", true),
            ("44", "8081570123", false),
            ("33", "199001234", true),
            ("33", "612345678", true),
            ("49", "3023125000", true),
            ("81", "9012345678", true),
            ("86", "13800000000", true),
            ("886", "912000000", true),
            ("34", "612345678", true),
            ("55", "11900000000", true),
            ("91", "9000000000", true),
            ("91", "1000000000", false),
        ];
        for (code, national, expected) in rows {
            assert_eq!(
                in_use(code.as_bytes(), national.as_bytes()),
                expected,
                "+{code} {national}"
            );
        }
    }
}
