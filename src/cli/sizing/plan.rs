//! The arithmetic of `tidegate sizing`: traffic and keys to cores, memory, disk and Redis. Every constant says where it is from.

use crate::engine::ledger::Dimension;

/// A constant, and where it is from.
pub(super) struct Given {
    /// What it is.
    pub(super) what: &'static str,
    /// The number.
    pub(super) value: u64,
    /// In what.
    pub(super) unit: &'static str,
    /// Where it was measured; `None` for a guess.
    pub(super) measured: Option<&'static str>,
}

const fn measured(what: &'static str, value: u64, unit: &'static str, place: &'static str) -> Given {
    Given {
        what,
        value,
        unit,
        measured: Some(place),
    }
}

const fn guess(what: &'static str, value: u64, unit: &'static str) -> Given {
    Given {
        what,
        value,
        unit,
        measured: None,
    }
}

const PROXY: &str = "benches/proxy: least of its rounds, HTTP/1.1 without TLS, pages of 10 KB";
/// A test holds them against what the ledger counts.
const COUNTED: &str = "the ledger's own count, of 3 to 50,000 people";
const REDIS: &str = "benches/redis.py: Redis 7.0.15";
const CLEAN_NS: Given = measured("an exchange in which nobody is", 36_000, "ns of a core", PROXY);
const DENSE_NS: Given = measured("an exchange full of people", 248_400, "ns of a core", PROXY);
const COUNT_NS: Given = measured(
    "a person new under twelve keys",
    2_100,
    "ns of a core",
    "benches/ledger, on a quiet machine",
);
const BASE_BYTES: Given = measured("the process at rest", 16_000_000, "bytes", "benches/memory.py");
const CONNECTION_BYTES: Given = measured("a connection", 22_100, "bytes", "benches/memory.py");
const KEY_BYTES: Given = measured("a key in memory", 88, "bytes", COUNTED);
const SMALL_PERSON_BYTES: Given = measured("a person under a key of at most sixteen", 18, "bytes", COUNTED);
const PERSON_BYTES: Given = measured("a person under a larger key", 28, "bytes", COUNTED);
const SKETCH_BYTES: Given = measured(
    "a key of millions, which is estimated",
    100_000,
    "bytes",
    "benches/ledger",
);
const ROW_BYTES: Given = measured(
    "a key on disk",
    88,
    "bytes",
    "benches/store: 1,000,000 keys of 3 people",
);
const STORED_PERSON_BYTES: Given = measured("a person under it", 16, "bytes", "benches/store");
const SIGHTING_BYTES: Given = measured("a sighting in the journal", 24, "bytes", "benches/journal");
const REDIS_KEY_BYTES: Given = measured("a key in Redis", 163, "bytes", REDIS);
const REDIS_SMALL_PERSON_BYTES: Given = measured("a person under a key of at most 128 there", 18, "bytes", REDIS);
const REDIS_PERSON_BYTES: Given = measured("a person under a larger one", 110, "bytes", REDIS);
const FULL_PERCENT: Given = guess("exchanges that show people", 20, "%");
const PEOPLE_PERCENT: Given = guess("people shown by a hundred exchanges", 30, "");
const BUSY_PERCENT: Given = guess("of a core that is used when there is most to do", 50, "%");
const MEAN_PERCENT: Given = guess("of the most exchanges, the mean of a month", 33, "%");
const CONNECTIONS: Given = guess("connections for each exchange a second", 5, "");
const DAILY_PERCENT: Given = guess("of a month's people who come on a day", 20, "%");
const PAGES_FACTOR: Given = guess("a ledger on disk before it is compacted", 2, "times");
const FEW: Given = guess("values of a dimension that few have", 100, "");

/// All of them, in the order in which they are told.
pub(super) const GIVEN: [&Given; 23] = [
    &CLEAN_NS,
    &DENSE_NS,
    &COUNT_NS,
    &BASE_BYTES,
    &CONNECTION_BYTES,
    &KEY_BYTES,
    &SMALL_PERSON_BYTES,
    &PERSON_BYTES,
    &SKETCH_BYTES,
    &ROW_BYTES,
    &STORED_PERSON_BYTES,
    &SIGHTING_BYTES,
    &REDIS_KEY_BYTES,
    &REDIS_SMALL_PERSON_BYTES,
    &REDIS_PERSON_BYTES,
    &FULL_PERCENT,
    &PEOPLE_PERCENT,
    &BUSY_PERCENT,
    &MEAN_PERCENT,
    &CONNECTIONS,
    &DAILY_PERCENT,
    &PAGES_FACTOR,
    &FEW,
];
/// The largest key whose people are packed closely.
const SMALL_PEOPLE_MAX: u64 = 16;
/// The largest sorted set that Redis packs closely, as it comes.
const REDIS_SMALL_PEOPLE_MAX: u64 = 128;
/// People of a key that are known one by one at least, and pairs of a sketch that stand for all others, at most.
const EXACT_PEOPLE_MIN: u64 = 1_024;
const SKETCH_PAIRS_MAX: u64 = 14_000;
const DAY_S: u64 = 86_400;

/// Keys of one kind: of a dimension, under one condition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Family {
    /// As the budgets that count under it name it.
    pub(super) name: String,
    pub(super) dimension: Dimension,
    /// The longest of their windows, in seconds.
    pub(super) window_s: u32,
    /// The largest limit that can refuse, whose people are known one by one.
    pub(super) exact_people: u32,
}

/// What is sized.
pub(super) struct Asked {
    /// Exchanges a second, when there are most.
    pub(super) rps: u64,
    /// People of a month.
    pub(super) mau: u64,
    pub(super) routes: u64,
    /// How long the journal goes back.
    pub(super) journal_days: u64,
    pub(super) families: Vec<Family>,
}

/// Keys of one kind, and what they take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Keys {
    pub(super) name: String,
    pub(super) count: u64,
    /// Under each.
    pub(super) people: u64,
    /// Rows or members of each outside of memory.
    elements: u64,
    pub(super) bytes: u64,
}

/// What it takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Sizing {
    pub(super) cores: u64,
    pub(super) memory_bytes: u64,
    pub(super) ledger_bytes: u64,
    pub(super) store_bytes: u64,
    pub(super) journal_bytes: u64,
    pub(super) redis_bytes: u64,
    pub(super) keys: Vec<Keys>,
}

/// Cores, memory, disk and Redis for what is asked.
pub(super) fn plan(asked: &Asked) -> Sizing {
    let keys: Vec<Keys> = asked.families.iter().map(|family| keys(asked, family)).collect();
    let sum = |of: &dyn Fn(&Keys) -> u64| keys.iter().map(of).fold(0, u64::saturating_add);
    let ledger_bytes = sum(&|keys| keys.bytes);
    let stored = |each: &dyn Fn(u64) -> u64| sum(&|keys| keys.count.saturating_mul(each(keys.elements)));
    let connections = asked.rps.saturating_mul(CONNECTIONS.value);
    let sightings = percent(percent(asked.rps.saturating_mul(DAY_S), &MEAN_PERCENT), &PEOPLE_PERCENT);
    Sizing {
        cores: cores(asked.rps),
        memory_bytes: (BASE_BYTES.value + ledger_bytes)
            .saturating_add(connections.saturating_mul(CONNECTION_BYTES.value)),
        ledger_bytes,
        store_bytes: stored(&|elements| ROW_BYTES.value + elements * STORED_PERSON_BYTES.value)
            .saturating_mul(PAGES_FACTOR.value),
        journal_bytes: sightings
            .saturating_mul(asked.journal_days)
            .saturating_mul(SIGHTING_BYTES.value),
        redis_bytes: stored(&redis_key_bytes),
        keys,
    }
}

fn percent(of: u64, share: &Given) -> u64 {
    of.saturating_mul(share.value) / 100
}

/// Cores that are busy at most by the share that is meant.
fn cores(rps: u64) -> u64 {
    let full = FULL_PERCENT.value * DENSE_NS.value + (100 - FULL_PERCENT.value) * CLEAN_NS.value;
    let exchange_ns = (full + PEOPLE_PERCENT.value * COUNT_NS.value) / 100;
    let busy_ns = 10_000_000 * BUSY_PERCENT.value;
    rps.saturating_mul(exchange_ns).div_ceil(busy_ns).max(1)
}

fn keys(asked: &Asked, family: &Family) -> Keys {
    let days = u64::from(family.window_s).div_ceil(DAY_S).max(1);
    let (count, people) = count(asked, family.dimension, days);
    let exact = u64::from(family.exact_people);
    let each = key_bytes(people, exact);
    Keys {
        name: family.name.clone(),
        count,
        people,
        elements: elements(people, exact),
        bytes: count.saturating_mul(each),
    }
}

/// How many keys of a dimension there are within some days, and how many people are shown to each: guesses.
fn count(asked: &Asked, dimension: Dimension, days: u64) -> (u64, u64) {
    let visits = percent(asked.mau, &DAILY_PERCENT).saturating_mul(days).max(1);
    let some = visits.min(asked.mau);
    let (keys, people) = match dimension {
        // It ends with its exchange.
        Dimension::Exchange => (0, 0),
        Dimension::Session => (visits, 2),
        Dimension::Principal | Dimension::Certificate => (some, 3),
        Dimension::Address => (visits.min(asked.mau.saturating_mul(3)), 5),
        Dimension::Network => ((some / 10).max(1), 50),
        Dimension::Anonymous
        | Dimension::Place
        | Dimension::Kid
        | Dimension::Issuer
        | Dimension::Ja4
        | Dimension::Headers
        | Dimension::Http2
        | Dimension::Category => (FEW.value, some),
        Dimension::Service | Dimension::Destination | Dimension::Domain | Dimension::Workspace | Dimension::Route => {
            (asked.routes.max(1), some)
        }
        Dimension::Global => (1, some),
        Dimension::Combined(parts) => {
            let counts = parts.dimensions().map(|part| count(asked, part, days));
            // As many as of the part that has most, with the people of the part that has fewest.
            counts.fold((0, u64::MAX), |(keys, people), (more, fewer)| {
                (keys.max(more), people.min(fewer))
            })
        }
    };
    (keys, people.min(some.max(1)))
}

/// What stands for so many people of a key outside of memory, of whom `exact` must be known one by one: those, and, where there
/// are more, a sketch of all.
fn elements(people: u64, exact: u64) -> u64 {
    people.min(exact.max(EXACT_PEOPLE_MIN) + SKETCH_PAIRS_MAX)
}

/// Bytes of a key with so many people in Redis.
fn redis_key_bytes(people: u64) -> u64 {
    let person = if people <= REDIS_SMALL_PEOPLE_MAX {
        &REDIS_SMALL_PERSON_BYTES
    } else {
        &REDIS_PERSON_BYTES
    };
    REDIS_KEY_BYTES.value + people * person.value
}

/// Bytes of a key with so many people in memory, of which `exact` are known one by one where that is asked.
fn key_bytes(people: u64, exact: u64) -> u64 {
    if people <= SMALL_PEOPLE_MAX {
        return KEY_BYTES.value + people * SMALL_PERSON_BYTES.value;
    }
    let known = people.min(exact) * PERSON_BYTES.value;
    KEY_BYTES.value
        + people
            .saturating_mul(PERSON_BYTES.value)
            .min(SKETCH_BYTES.value.max(known))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use smallvec::smallvec;

    use super::*;
    use crate::engine::ledger::{Ask, BudgetId, Elements, Excess, KeyId, KeyUse, Ledger, Limit, Settings};
    use crate::engine::secret::Subject;
    use crate::engine::time::Now;

    fn family(dimension: Dimension, window_s: u32, exact_people: u32) -> Family {
        Family {
            name: dimension.name().to_string(),
            dimension,
            window_s,
            exact_people,
        }
    }

    fn sized(rps: u64, mau: u64, family: Family) -> Sizing {
        plan(&Asked {
            rps,
            mau,
            routes: 3,
            journal_days: 35,
            families: vec![family],
        })
    }

    #[test]
    fn keys_are_those_of_the_dimension_and_the_window() {
        let day = 86_400;
        for (dimension, window_s, keys, people) in [
            (Dimension::Exchange, 0, 0, 0),
            (Dimension::Session, day, 200_000, 2),
            (Dimension::Session, 60, 200_000, 2),
            (Dimension::Session, 30 * day, 6_000_000, 2),
            (Dimension::Principal, day, 200_000, 3),
            (Dimension::Principal, 30 * day, 1_000_000, 3),
            (Dimension::Address, 30 * day, 3_000_000, 5),
            (Dimension::Network, day, 20_000, 50),
            (Dimension::Route, day, 3, 200_000),
            (Dimension::Global, 30 * day, 1, 1_000_000),
            (Dimension::parse("kid+network").unwrap(), day, 20_000, 50),
        ] {
            let sizing = sized(1, 1_000_000, family(dimension, window_s, 0));
            let found = sizing.keys.first().map(|keys| (keys.count, keys.people));
            assert_eq!(found, Some((keys, people)), "{}", dimension.name());
        }
    }

    #[test]
    fn a_key_takes_what_the_ledger_counts() {
        let now = Now::from_millis(1_800_000_000_000);
        for people in [3_u32, 10, 16, 30, 100, 1_000, 10_000, 50_000] {
            let ledger = Arc::new(Ledger::new(Settings::default()));
            let used = KeyUse {
                key: KeyId([1; 12]),
                dimension: Dimension::Session,
                elements: Elements::People,
                fallback: None,
                limits: smallvec![Limit {
                    budget: BudgetId(1),
                    people,
                    window: 60,
                    excess: Excess::Refused,
                    strict: false,
                }],
            };
            let mut account = ledger.open(vec![used], None, now);
            let asks: Vec<Ask> = (0..people).map(|one| Ask::from(Subject(one.into()))).collect();
            assert_eq!(account.reserve(&asks, now).granted, asks.len());
            account.hand_over(people.into(), now);
            let (said, counted) = (key_bytes(people.into(), people.into()), ledger.bytes() as u64);
            assert!(
                said.abs_diff(counted) <= counted / 4,
                "{people} people: {said} of {counted} bytes"
            );
        }
        assert_eq!(key_bytes(33_700_000, 0), 100_088);
        assert_eq!(key_bytes(33_700_000, 100_000), 2_800_088);
    }

    #[test]
    fn a_key_of_millions_is_its_newest_people_and_a_sketch() {
        for (people, exact, elements) in [
            (3, 0, 3),
            (15_000, 0, 15_000),
            (33_700_000, 0, 15_024),
            (33_700_000, 100_000, 114_000),
            (110_000, 100_000, 110_000),
        ] {
            assert_eq!(super::elements(people, exact), elements, "{people}");
        }
    }

    #[test]
    fn more_traffic_takes_more_and_the_largest_numbers_are_numbers() {
        for (rps, cores) in [(1, 1), (1_000, 1), (10_000, 2), (100_000, 16)] {
            assert_eq!(super::cores(rps), cores, "{rps}");
        }
        let small = sized(100, 1_000, family(Dimension::Session, 86_400, 100));
        let large = sized(200, 1_000_000, family(Dimension::Session, 86_400, 100));
        assert_eq!(small.memory_bytes, 16_000_000 + 200 * 124 + 500 * 22_100);
        assert_eq!(small.store_bytes, 2 * 200 * (88 + 2 * 16));
        assert!(large.memory_bytes > small.memory_bytes && large.journal_bytes > small.journal_bytes);
        let most = sized(10_000_000, 10_000_000_000, family(Dimension::Session, 2_592_000, 100));
        assert!(most.redis_bytes > most.ledger_bytes && most.cores < 10_000);
        let redis = [1, 3, 10, 1_000].map(redis_key_bytes);
        assert_eq!(
            redis,
            [181, 217, 343, 110_163],
            "within a twentieth of what was measured"
        );
    }
}
