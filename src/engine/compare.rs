//! Two rule sets over one body: what only one of them finds, and whom only one of them counts. It decides nothing.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use hashbrown::HashMap;

use super::detect::{ClassId, RuleSet, Span};
use super::inspect::{Bounds, Content, Failure, Inspector, Mode, Resolution, Step};
use super::record::{Crowd, Record};
use super::secret::{HashKey, Subject};

/// Findings of one set that wait for those of the other, 40 bytes each. Both sets read the same 4 KiB before either goes on, and
/// what may wait in a hold-back fits many times: beyond it the first one is a difference.
const UNMATCHED_MAX: usize = 1 << 16;
/// Bytes that one set reads before the other does.
pub const TURN_BYTES: usize = 4096;
/// People of one body that are told apart; later ones are not counted.
const PEOPLE_MAX: usize = 1 << 20;
/// Places that are listed; all are counted.
const PLACES_MAX: usize = 1_000;

/// One of the two sets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Side {
    /// The set in force.
    Old,
    /// The set that is tried.
    New,
}

/// Two numbers, one of each set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Both<T> {
    /// Of the set in force.
    pub old: T,
    /// Of the set that is tried.
    pub new: T,
}

impl<T> Both<T> {
    /// The one of this side.
    pub const fn of(&mut self, side: Side) -> &mut T {
        match side {
            Side::Old => &mut self.old,
            Side::New => &mut self.new,
        }
    }
}

impl<T: PartialEq> Both<T> {
    /// Whether both sets say the same.
    pub fn is_same(&self) -> bool {
        self.old == self.new
    }
}

impl std::ops::AddAssign for Both<u64> {
    fn add_assign(&mut self, other: Self) {
        self.old += other.old;
        self.new += other.new;
    }
}

/// How often something was found or counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// By each set.
    pub all: Both<u64>,
    /// By one of them and not by the other.
    pub only: Both<u64>,
}

impl std::ops::AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.all += other.all;
        self.only += other.only;
    }
}

/// A finding that only one of the sets makes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OnlyPlace {
    /// Which set makes it.
    pub side: Side,
    /// As what.
    pub class: String,
    /// Where, in the decoded body.
    pub span: Span,
}

/// What two sets made of one body.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Difference {
    /// Findings by class.
    pub classes: BTreeMap<String, Counts>,
    /// People.
    pub people: Counts,
    /// Records with someone in them.
    pub records: Both<u64>,
    /// People who have no buyer in common: see [`Crowd::without_common_buyer`].
    pub crowd: Both<usize>,
    /// Why the rest of the body was not read.
    pub failure: Both<Option<Failure>>,
    /// The first findings that only one set makes.
    pub places: Vec<OnlyPlace>,
}

impl Difference {
    /// Whether both sets find, count and say the same.
    pub fn is_same(&self) -> bool {
        let same = |counts: &Counts| counts.only == Both::default();
        let classes = self.classes.values().all(same);
        classes && same(&self.people) && self.records.is_same() && self.crowd.is_same() && self.failure.is_same()
    }
}

/// Two rule sets that read one body.
pub struct Comparison {
    readers: [Reader; 2],
    /// The classes of both sets by name; a set's class is numbered by its place here.
    names: Vec<String>,
    matching: Matching,
}

impl Comparison {
    /// Of a body with this content. Its people are hashed with `secret` by both sets.
    pub fn new(old: &Arc<RuleSet>, new: &Arc<RuleSet>, content: Content, secret: &HashKey) -> Self {
        let mut names = Vec::new();
        let readers = [
            Reader::new(Side::Old, old, content, secret, &mut names),
            Reader::new(Side::New, new, content, secret, &mut names),
        ];
        Self {
            readers,
            names,
            matching: Matching::default(),
        }
    }

    /// The next chunk of the body as it came.
    pub fn push(&mut self, chunk: &Bytes) {
        let mut rest = chunk.clone();
        while !rest.is_empty() {
            let turn = rest.split_to(rest.len().min(TURN_BYTES));
            self.read(|inspector| inspector.push(&turn));
        }
    }

    /// The body ended: what the sets made of it.
    pub fn finish(mut self) -> Difference {
        self.read(Inspector::finish);
        let Self {
            readers,
            names,
            mut matching,
        } = self;
        matching.settle_down_to(0);
        let mut difference = Difference::default();
        for ((span, class), side) in matching.places {
            let class = names.get(class).cloned().unwrap_or_default();
            difference.places.push(OnlyPlace { side, class, span });
        }
        for (class, only) in matching.only {
            difference
                .classes
                .entry(names.get(class).cloned().unwrap_or_default())
                .or_default()
                .only = only;
        }
        for named in matching.people.values() {
            difference.people.only.old += u64::from(named.old && !named.new);
            difference.people.only.new += u64::from(named.new && !named.old);
        }
        for reader in &readers {
            let (side, tally) = (reader.side, reader.inspector.tally());
            *difference.records.of(side) = tally.records;
            *difference.crowd.of(side) = reader.crowd.without_common_buyer(tally.is_own_history());
            *difference.people.all.of(side) = reader.crowd.people() as u64;
            *difference.failure.of(side) = reader.failure;
            for (class, count) in &tally.findings {
                let name = names.get(reader.number(ClassId(*class))).cloned().unwrap_or_default();
                *difference.classes.entry(name).or_default().all.of(side) += u64::from(*count);
            }
        }
        difference
    }

    /// Both sets take a step, and all that follows from it.
    fn read(&mut self, step: impl Fn(&mut Inspector) -> Step) {
        for reader in &mut self.readers {
            let first = step(&mut reader.inspector);
            for record in reader.settled(first) {
                self.matching.add(reader, &record);
            }
        }
    }
}

/// One set, and what it made of the body so far.
struct Reader {
    side: Side,
    inspector: Inspector,
    /// For each class of the set the number of its name.
    numbers: Vec<usize>,
    crowd: Crowd,
    failure: Option<Failure>,
}

impl Reader {
    fn new(side: Side, rules: &Arc<RuleSet>, content: Content, secret: &HashKey, names: &mut Vec<String>) -> Self {
        let numbers = rules.classes().map(|(_, name, _)| {
            let known = names.iter().position(|known| known == name);
            known.unwrap_or_else(|| {
                names.push(name.to_owned());
                names.len() - 1
            })
        });
        // Nothing waits for it: what a set may search is bounded by the body.
        let bounds = Bounds {
            rule_searched_bytes_max: u64::MAX,
            ..Bounds::default()
        };
        Self {
            side,
            numbers: numbers.collect(),
            inspector: Inspector::new(Mode::Watch, bounds, content, Arc::clone(rules), secret.clone()),
            crowd: Crowd::default(),
            failure: None,
        }
    }

    fn number(&self, class: ClassId) -> usize {
        self.numbers.get(usize::from(class.0)).copied().unwrap_or(usize::MAX)
    }

    /// Everything that follows from one step, and the records that it settled.
    fn settled(&mut self, mut step: Step) -> Vec<Record> {
        let mut records = Vec::new();
        loop {
            step = match step {
                Step::Settle => {
                    records.extend_from_slice(self.inspector.records());
                    self.inspector.resolve(usize::MAX, Resolution::Granted)
                }
                Step::Release { .. } => self.inspector.step(),
                Step::Fail(failure) => {
                    self.failure = Some(failure);
                    self.inspector.pass_blind()
                }
                Step::More | Step::Stopped | Step::Done => return records,
            };
        }
    }
}

/// A place and the number of its class's name.
type Found = (Span, usize);

/// What one set found and the other did not, or not yet.
#[derive(Default)]
struct Matching {
    unmatched: BTreeMap<Found, Side>,
    people: HashMap<Subject, Both<bool>>,
    only: BTreeMap<usize, Both<u64>>,
    places: Vec<(Found, Side)>,
}

impl Matching {
    fn add(&mut self, reader: &mut Reader, record: &Record) {
        reader.crowd.add(record);
        for person in &record.subjects {
            let has_room = self.people.len() < PEOPLE_MAX || self.people.contains_key(person);
            if has_room {
                *self.people.entry(*person).or_default().of(reader.side) = true;
            }
        }
        for place in &record.places {
            let found = (place.span, reader.number(place.class));
            // The same place and class of the other set: no difference.
            match self.unmatched.insert(found, reader.side) {
                Some(side) if side != reader.side => drop(self.unmatched.remove(&found)),
                Some(_) | None => {}
            }
        }
        self.settle_down_to(UNMATCHED_MAX);
    }

    /// What waits for the other set is a difference, from the front, until no more than `count` wait.
    fn settle_down_to(&mut self, count: usize) {
        while self.unmatched.len() > count {
            let Some((found, side)) = self.unmatched.pop_first() else {
                return;
            };
            *self.only.entry(found.1).or_default().of(side) += 1;
            if self.places.len() < PLACES_MAX {
                self.places.push((found, side));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::detect::{Layer, RuleSource, builtin_sources};
    use super::super::structure::Declared;
    use super::*;

    fn set(rule: &str) -> Arc<RuleSet> {
        let mut sources = builtin_sources();
        sources.push(RuleSource {
            name: "x.toml".to_owned(),
            text: rule.to_owned(),
            layer: Layer::Overlay,
        });
        let loaded = RuleSet::load(&sources);
        Arc::new(loaded.unwrap_or_else(|problems| panic!("{problems:?}")).0)
    }

    fn staff(digits: &str) -> Arc<RuleSet> {
        set(&format!(
            "[[rule]]\nname = 'staff'\nclass = 'staff'\ncategory = 'account'\nregex = 'EMP-[0-9]{{{digits}}}(?-u:\\b)'\nkeywords = ['EMP-']\n"
        ))
    }

    fn compare(old: &Arc<RuleSet>, new: &Arc<RuleSet>, body: &str, chunk: usize) -> Difference {
        let content = Content::from(Declared::Json);
        let mut comparison = Comparison::new(old, new, content, &HashKey::new([7; 32]));
        for chunk in body.as_bytes().chunks(chunk) {
            comparison.push(&Bytes::copy_from_slice(chunk));
        }
        comparison.finish()
    }

    #[test]
    fn equal_sets_differ_in_nothing() {
        let body = "[{\"email\":\"a@example.com\"},{\"email\":\"b@example.com\",\"badge\":\"EMP-123456\"}]";
        let difference = compare(&staff("6"), &staff("6"), body, 5);
        assert!(difference.is_same(), "{difference:?}");
        assert_eq!((difference.people.all.old, difference.people.all.new), (2, 2));
        assert!(difference.places.is_empty());
        let names: Vec<_> = difference.classes.keys().map(String::as_str).collect();
        assert_eq!(names, ["email", "staff"]);
    }

    #[test]
    fn what_one_set_finds_and_the_other_does_not_is_counted_on_its_side_whatever_the_chunks_are() {
        let line = |n: u32| {
            format!("{{\"badge\":\"EMP-{n:06}\"}}\n{{\"badge\":\"EMP-{n:04}\"}}\n{{\"to\":\"p{n}@example.com\"}}\n")
        };
        let body: String = (0..50).map(line).collect();
        let (old, new) = (staff("6"), staff("4"));
        let whole = compare(&old, &new, &body, usize::MAX);
        let staff = whole.classes["staff"];
        // As many, but not the same ones.
        assert_eq!(staff.all, Both { old: 50, new: 50 });
        assert_eq!(staff.only, Both { old: 50, new: 50 });
        assert_eq!(whole.classes["email"].only, Both::default());
        assert_eq!(whole.people.all, Both { old: 100, new: 100 });
        assert_eq!(whole.people.only, Both { old: 50, new: 50 });
        assert_eq!((whole.crowd, whole.is_same()), (Both { old: 100, new: 100 }, false));
        let first = whole.places.first().expect("a place");
        assert_eq!(
            body.get(first.span.start as usize..first.span.end as usize),
            Some("EMP-000000")
        );
        assert_eq!(
            (first.side, first.class.as_str(), whole.places.len()),
            (Side::Old, "staff", 100)
        );
        for chunk in [1, 7, 4_000] {
            assert_eq!(compare(&old, &new, &body, chunk), whole, "{chunk}");
        }
    }

    #[test]
    fn a_body_of_differences_takes_no_more_room_than_it_may() {
        let mut matching = Matching::default();
        let mut names = Vec::new();
        let content = Content::from(Declared::Json);
        let mut reader = Reader::new(Side::New, &staff("6"), content, &HashKey::new([7; 32]), &mut names);
        for start in 0..UNMATCHED_MAX as u64 + 500 {
            let span = Span { start, end: start + 1 };
            let place = super::super::record::Place {
                span,
                class: ClassId(0),
                number: false,
                value: 0,
            };
            let record = Record {
                start,
                end: start + 1,
                subjects: smallvec::SmallVec::new(),
                places: smallvec::smallvec![place],
                values: Vec::new(),
                beside: None,
                buyer: None,
                named: super::super::record::Named::Alone,
                is_elsewhere: false,
                is_rough: false,
            };
            matching.add(&mut reader, &record);
        }
        assert_eq!((matching.unmatched.len(), matching.places.len()), (UNMATCHED_MAX, 500));
        assert_eq!(matching.only[&0], Both { old: 0, new: 500 });
    }
}
