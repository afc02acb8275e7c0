//! A support desk over five weeks, and days that are not as usual.

use super::*;

/// A Monday.
const START: u64 = 1_800_230_400_000;
const AGENTS: u8 = 20;
const WEEK: u64 = 168;

fn key(number: u8) -> KeyId {
    KeyId([number; 12])
}

fn at(hour: u64) -> Now {
    Now::from_millis(START + hour * 3_600_000)
}

/// About forty people on a working day, ten on others; no two weeks, agents and hours are the same.
fn people(agent: u8, hour: u64) -> u32 {
    let day = hour / 24 % 7;
    let noise = (u64::from(agent) * 7 + hour * 13 + hour / WEEK * 5) % 11;
    (if day < 5 { 36 + noise } else { 8 + noise / 3 }) as u32
}

/// Lives through the hours, with `changed` for who is not as usual.
fn live(
    baselines: &Baselines,
    hours: std::ops::Range<u64>,
    changed: &dyn Fn(u8, u64) -> Option<u32>,
) -> Vec<Deviation> {
    let look = |hour: u64| {
        let shown = |key: KeyId| changed(key.0[0], hour).unwrap_or_else(|| people(key.0[0], hour));
        baselines.look(at(hour), &shown)
    };
    hours.flat_map(look).collect()
}

/// A desk that was followed for five weeks.
fn desk() -> Baselines {
    let baselines = Baselines::default();
    for agent in 0..AGENTS {
        assert!(baselines.follow(key(agent), "agent"));
    }
    assert_eq!(live(&baselines, 0..5 * WEEK, &|_, _| None), [], "nothing was unusual");
    baselines
}

#[test]
fn a_tenfold_day_is_told_with_its_numbers_and_one_and_a_half_is_not() {
    let baselines = desk();
    let day = 5 * WEEK + 24..5 * WEEK + 48;
    let busy = |agent, hour| match agent {
        3 => Some(people(3, hour) * 10),
        4 => Some(people(4, hour) * 3 / 2),
        _ => None,
    };
    let found = live(&baselines, day, &busy);
    assert_eq!(found.len(), 24, "each hour of it: {found:?}");
    assert!(found.iter().all(|found| found.key == key(3)));
    assert_eq!(found.iter().filter(|found| found.is_news).count(), 1, "it begins once");
    let first = &found[0];
    assert_eq!((&*first.group, first.is_of_group), ("agent", false));
    assert_eq!(first.people, people(3, 5 * WEEK + 24) * 10);
    assert!((34..=48).contains(&first.usual.median), "{first:?}");
    assert!(first.usual.deviation <= 6 && first.usual.limit() < 120, "{first:?}");
}

#[test]
fn a_new_account_is_compared_with_its_group() {
    let baselines = desk();
    for agent in [50, 51] {
        assert!(baselines.follow(key(agent), "agent"));
    }
    assert!(baselines.follow(key(52), "partner"));
    let new = |agent, hour| match agent {
        50 | 52 => Some(400),
        51 => Some(people(51, hour) * 3 / 2),
        _ => None,
    };
    let found = live(&baselines, 5 * WEEK + 24..5 * WEEK + 26, &new);
    let told: Vec<_> = found
        .iter()
        .map(|found| (found.key, found.is_of_group, found.people))
        .collect();
    assert_eq!(
        told,
        [(key(50), true, 400), (key(50), true, 400)],
        "of `partner` nothing is known"
    );
}

#[test]
fn who_stays_above_what_is_usual_raises_it_slowly() {
    let baselines = desk();
    let greedy = |agent, _| (agent == 3).then_some(4_000);
    let found = live(&baselines, 5 * WEEK..7 * WEEK, &greedy);
    let days = found.iter().filter(|found| found.key == key(3)).count() as u64 / 24;
    assert_eq!(days, 14, "it is told on each of its days");
}

#[test]
fn a_limit_is_proposed_for_each_group_and_for_who_is_shown_more() {
    let baselines = Baselines::default();
    for agent in 0..AGENTS {
        baselines.follow(key(agent), "agent");
    }
    let lead = |agent, hour| (agent == 7).then(|| people(7, hour) * 20);
    live(&baselines, 0..5 * WEEK, &lead);
    let proposals = baselines.proposals();
    let [agents] = &proposals[..] else {
        panic!("{proposals:?}")
    };
    assert_eq!(
        (&*agents.group, agents.accounts, agents.people_per_day),
        ("agent", 20, 100)
    );
    let exceptions: Vec<_> = agents.exceptions.iter().map(|(key, _)| *key).collect();
    assert_eq!(exceptions, [key(7)]);
    assert_eq!(Baselines::default().proposals(), []);
}

#[test]
fn what_is_usual_outlives_a_restart() {
    let baselines = desk();
    let text = serde_json::to_string(&baselines.save()).unwrap();
    let saved: Saved = serde_json::from_str(&text).unwrap();
    let again = Baselines::load(&saved).unwrap();
    assert_eq!(again.proposals(), baselines.proposals());
    let busy = |agent, hour| (agent == 3).then(|| people(3, hour) * 10);
    let day = 5 * WEEK + 24..5 * WEEK + 48;
    assert_eq!(live(&again, day, &busy).len(), 24);

    for (from, to, error) in [
        ("\"version\":1", "\"version\":2", SavedError::Version(2)),
        ("\"group\":0", "\"group\":1", SavedError::Content),
        ("\"medians\":\"", "\"medians\":\"x", SavedError::Content),
        ("\"key\":\"", "\"key\":\"0", SavedError::Content),
    ] {
        let wrong: Saved = serde_json::from_str(&text.replacen(from, to, 1)).unwrap();
        assert_eq!(Baselines::load(&wrong).err(), Some(error), "{to}");
    }
}

#[test]
fn accounts_are_bounded_and_those_that_are_shown_nobody_go() {
    let baselines = Baselines::default();
    let many = |number: u32| {
        let [a, b, c, d] = number.to_be_bytes();
        KeyId([d, c, b, a, 0, 0, 0, 0, 0, 0, 0, 0])
    };
    let followed = (0..2 * KEYS_MAX as u32).filter(|number| baselines.follow(many(*number), "agent"));
    assert_eq!(followed.count(), KEYS_MAX);
    baselines.look(at(0), &|_| 0);
    assert!(
        baselines.follow(many(KEYS_MAX as u32 * 2), "agent"),
        "there is room again"
    );
}
