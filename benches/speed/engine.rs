//! The engine as `tidegate scan` runs it, the search alone, and the engine before a ledger.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use bytes::Bytes;
use smallvec::smallvec;
use tidegate::engine::decode::Unescaped;
use tidegate::engine::detect::{ClassId, Context, Finding, Key, RuleSet};
use tidegate::engine::inspect::{Bounds, Content, Inspector, Mode, Resolution, Step};
use tidegate::engine::ledger::{
    Ask, BudgetId, Dimension, Elements, Excess, KeyId, KeyUse, Ledger, Limit, Next, Settings,
};
use tidegate::engine::secret::HashKey;
use tidegate::engine::structure::{Cell, CellSettings, Container, Declared, Sink, Structure};
use tidegate::engine::time::Now;

/// What `tidegate scan` reads at once.
pub(crate) const SCAN_CHUNK_BYTES: usize = 64 << 10;
/// What hyper hands over at once, about.
pub(crate) const SMALL_CHUNK_BYTES: usize = 16 << 10;

/// Keys that every person of an exchange counts under.
const KEYS: usize = 12;

/// A body in chunks, and how to read it.
pub(crate) struct Body {
    pub(crate) chunks: Vec<Bytes>,
    pub(crate) declared: Declared,
    pub(crate) rules: Arc<RuleSet>,
}

impl Body {
    pub(crate) fn new(bytes: &Bytes, chunk_bytes: usize, declared: Declared, rules: &Arc<RuleSet>) -> Self {
        let starts = (0..bytes.len()).step_by(chunk_bytes);
        Self {
            chunks: starts
                .map(|start| bytes.slice(start..bytes.len().min(start + chunk_bytes)))
                .collect(),
            declared,
            rules: Arc::clone(rules),
        }
    }

    /// Reads the body to its end as `tidegate scan` does: how many identifiers, and how many people were told, some twice.
    pub(crate) fn scan(&self) -> (u64, usize) {
        let mut people = 0;
        let inspector = self.inspect(Mode::Watch, |asks| {
            people += asks.iter().map(|ask| ask.people.len()).sum::<usize>();
        });
        (identifiers(&inspector), people)
    }

    /// The same, in more words: identifiers by class, and how many different people.
    pub(crate) fn tell(&self) -> (BTreeMap<String, u64>, usize) {
        let mut people = HashSet::new();
        let inspector = self.inspect(Mode::Watch, |asks| {
            people.extend(asks.iter().flat_map(|ask| &ask.people).copied());
        });
        let findings = inspector.tally().findings.iter();
        let named =
            findings.map(|(class, count)| (self.rules.class_name(ClassId(*class)).to_owned(), u64::from(*count)));
        (named.collect(), people.len())
    }

    fn inspect(&self, mode: Mode, mut settle: impl FnMut(&[Ask])) -> Inspector {
        let mut inspector = self.inspector(mode);
        let mut chunks = self.chunks.iter();
        let mut step = Step::More;
        loop {
            step = match step {
                Step::More => match chunks.next() {
                    Some(chunk) => inspector.push(chunk),
                    None => inspector.finish(),
                },
                Step::Settle => {
                    settle(inspector.asks());
                    inspector.resolve(usize::MAX, Resolution::Granted)
                }
                Step::Release { .. } => inspector.step(),
                Step::Fail(_) | Step::Stopped | Step::Done => return inspector,
            };
        }
    }

    fn inspector(&self, mode: Mode) -> Inspector {
        let (rules, secret) = (Arc::clone(&self.rules), HashKey::new([7; 32]));
        Inspector::new(mode, Bounds::default(), Content::from(self.declared), rules, secret)
    }

    /// Searches every cell, and makes no records of what it finds: how many identifiers.
    pub(crate) fn search(&self) -> u64 {
        let mut structure = Structure::new(self.declared, CellSettings::default());
        let mut search = Search::new(Arc::clone(&self.rules));
        self.chunks.iter().for_each(|chunk| structure.push(chunk, &mut search));
        structure.finish(&mut search);
        search.count
    }

    /// Reads the body as an enforcing exchange does: everyone is reserved under every key, held, and handed over when the
    /// bytes leave. How many identifiers, and how many people the exchange was granted.
    pub(crate) fn reserve(&self, ledger: &Arc<Ledger>) -> (u64, usize) {
        let now = Now::from_millis(1_800_000_000_000);
        let mut account = ledger.open(keys(), None, now);
        let mut inspector = self.inspector(Mode::Guard);
        let mut chunks = self.chunks.iter();
        let mut step = Step::More;
        loop {
            step = match step {
                Step::More => match chunks.next() {
                    Some(chunk) => inspector.push(chunk),
                    None => inspector.finish(),
                },
                Step::Settle => {
                    let answer = account.reserve(inspector.asks(), now);
                    assert_eq!(answer.next, Next::Done, "no limit is reached");
                    inspector.resolve(answer.granted, Resolution::Granted)
                }
                Step::Release { asks, .. } => {
                    account.hand_over(asks, now);
                    inspector.step()
                }
                Step::Fail(_) | Step::Stopped | Step::Done => break,
            };
        }
        (identifiers(&inspector), account.people())
    }
}

fn identifiers(inspector: &Inspector) -> u64 {
    let findings = inspector.tally().findings.iter();
    findings.map(|(_, count)| u64::from(*count)).sum()
}

/// A ledger in which nobody is.
pub(crate) fn ledger() -> Arc<Ledger> {
    Arc::new(Ledger::new(Settings::default()))
}

/// The exchange's own key and eleven that others share, each with a budget that would refuse.
fn keys() -> Vec<KeyUse> {
    let secret = HashKey::new([9; 32]);
    let dimensions = [
        Dimension::Exchange,
        Dimension::Session,
        Dimension::Principal,
        Dimension::Address,
        Dimension::Network,
        Dimension::Route,
        Dimension::Global,
        Dimension::Session,
        Dimension::Principal,
        Dimension::Address,
        Dimension::Network,
        Dimension::Route,
    ];
    let limit = Limit {
        budget: BudgetId::of("day", None),
        people: 90_000,
        window: 86_400,
        excess: Excess::Refused,
        strict: false,
    };
    let used = |(number, dimension): (usize, Dimension)| KeyUse {
        key: KeyId::new(&secret, dimension, &number.to_le_bytes(), b"default/response//people"),
        dimension,
        elements: Elements::People,
        fallback: None,
        limits: smallvec![limit],
    };
    let keys: Vec<KeyUse> = dimensions.into_iter().enumerate().map(used).collect();
    assert_eq!(keys.len(), KEYS);
    keys
}

/// Who only searches: a sink that knows the field under way and nothing of records.
struct Search {
    rules: Arc<RuleSet>,
    names: HashMap<Vec<u8>, Arc<Key>>,
    /// The field under way of each open container.
    fields: Vec<Option<Arc<Key>>>,
    found: Vec<Finding>,
    unescaped: Unescaped,
    count: u64,
}

impl Search {
    fn new(rules: Arc<RuleSet>) -> Self {
        Self {
            rules,
            names: HashMap::new(),
            fields: Vec::new(),
            found: Vec::new(),
            unescaped: Unescaped::default(),
            count: 0,
        }
    }

    fn field(&mut self, name: &[u8]) -> Arc<Key> {
        if let Some(key) = self.names.get(name) {
            return Arc::clone(key);
        }
        let key = self.rules.key(name);
        self.names.insert(name.to_vec(), Arc::clone(&key));
        key
    }
}

impl Sink for Search {
    fn open(&mut self, container: Container, _: u64) {
        let around = self.fields.last().cloned().flatten();
        self.fields.push(around.filter(|_| container == Container::Array));
    }

    fn close(&mut self, _: u64) {
        self.fields.pop();
    }

    fn key(&mut self, key: &Cell<'_>) -> bool {
        let field = self.field(key.raw);
        let wanted = field.wakes() || field.names_person();
        if let Some(last) = self.fields.last_mut() {
            *last = Some(field);
        }
        wanted
    }

    fn plain(&mut self, name: &[u8]) -> Option<u64> {
        let is_plain = |key: &Arc<Key>| !key.wakes() && !key.is_known();
        self.names.get(name).is_some_and(is_plain).then_some(1)
    }

    fn passed(&mut self, _: u64, _: u32) {}

    fn is_map(&self) -> bool {
        false
    }

    fn cell(&mut self, cell: &Cell<'_>) {
        let field = self.fields.last().and_then(Option::as_deref);
        let context = Context {
            key: field.unwrap_or(Key::NONE),
            number: cell.is_number(),
            column: field.is_some(),
        };
        if cell.is_escaped() {
            cell.unescape(&mut self.unescaped);
            let within = self.unescaped.from_raw(cell.within.0)..self.unescaped.from_raw(cell.within.1);
            self.rules.scan(&self.unescaped.text, within, context, &mut self.found);
        } else {
            self.rules.scan(cell.raw, cell.within(), context, &mut self.found);
        }
        self.count += self.found.iter().filter(|finding| !finding.tentative).count() as u64;
        self.found.clear();
    }

    fn skipped(&mut self, _: u64) {}

    fn line(&mut self, _: u64) {}
}
