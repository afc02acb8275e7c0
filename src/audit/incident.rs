//! One incident per key and budget: made at the first sighting, updated while it grows, closed when it is quiet. Pure.

use hashbrown::HashMap;
use ipnet::IpNet;
use smallvec::SmallVec;

use super::Settings;
use crate::engine::ledger::{Dimension, KeyId};
use crate::engine::time::Now;

/// Classes and routes that one incident names; more are not listed.
const NAMES_MAX: usize = 16;

/// Reports made by one tick; the others wait for the next.
const TICK_REPORTS_MAX: usize = 256;

/// A budget refused, or would have, or alerts.
#[derive(Clone, Copy, Debug)]
pub struct Sighting<'a> {
    /// The key that is over.
    pub key: KeyId,
    /// Its dimension.
    pub dimension: Dimension,
    /// The budget's name.
    pub budget: &'a str,
    /// The route's name.
    pub route: &'a str,
    /// What was done: `alert`, `redact`, `throttle`, `reauth`, `block`, `hold`.
    pub action: &'static str,
    /// Whether it was really done; `false` in monitor.
    pub enforced: bool,
    /// What is counted: `people`, or `bytes`, `uninspected`, `records`, `not_found`.
    pub unit: &'static str,
    /// So many of them are under the key in the window: distinct subjects, bytes, records, answers in a hundred.
    pub people: u64,
    /// How many the budget allows.
    pub limit: u64,
    /// The budget's window in seconds; 0 for one exchange.
    pub window_s: u32,
    /// The classes that were found, by name.
    pub classes: &'a [&'a str],
    /// The client's network. Its address is personal data, and is not kept.
    pub network: IpNet,
}

/// Where an incident is in its life; the numbers are the activities of OCSF findings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// The first sighting.
    Create = 1,
    /// It goes on.
    Update = 2,
    /// Nothing new for a while.
    Close = 3,
}

/// The state of one incident, as it is reported.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Incident {
    /// The key; `None` for the rest that found no room of its own.
    pub(super) key: Option<KeyId>,
    pub(super) dimension: Dimension,
    pub(super) budget: Box<str>,
    pub(super) routes: SmallVec<[Box<str>; 1]>,
    pub(super) classes: SmallVec<[Box<str>; 2]>,
    pub(super) action: &'static str,
    pub(super) enforced: bool,
    pub(super) unit: &'static str,
    /// The largest number of subjects, or of what else is counted.
    pub(super) people: u64,
    pub(super) limit: u64,
    pub(super) window_s: u32,
    pub(super) network: IpNet,
    pub(super) sightings: u64,
    pub(super) first: Now,
    pub(super) last: Now,
    /// Sightings and time at the last report.
    reported: (u64, Now),
}

/// One line to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Report {
    pub(super) stage: Stage,
    pub(super) time: Now,
    pub(super) incident: Incident,
}

/// All open incidents.
pub(super) struct Incidents {
    open: HashMap<KeyId, SmallVec<[Incident; 1]>>,
    /// One a budget, for keys that found no room.
    rest: Vec<Incident>,
    /// Invariant: the number of incidents in `open`, `<= count_max`.
    count: usize,
    count_max: usize,
    update_ms: u64,
    quiet_ms: u64,
}

impl Incidents {
    pub(super) fn new(settings: &Settings) -> Self {
        Self {
            open: HashMap::new(),
            rest: Vec::new(),
            count: 0,
            count_max: settings.incidents_max,
            update_ms: u64::from(settings.update_s) * 1000,
            quiet_ms: u64::from(settings.quiet_s) * 1000,
        }
    }

    /// Takes in one sighting; gives a report if it is the first, or if one is due.
    pub(super) fn record(&mut self, sighting: &Sighting<'_>, now: Now) -> Option<Report> {
        let known = self
            .open
            .get_mut(&sighting.key)
            .and_then(|list| find(list, sighting.budget));
        if let Some(incident) = known {
            return incident.grow(sighting, now, self.update_ms);
        }
        if self.count >= self.count_max {
            if let Some(rest) = find(&mut self.rest, sighting.budget) {
                return rest.grow(sighting, now, self.update_ms);
            }
            let incident = Incident {
                key: None,
                ..Incident::new(sighting, now)
            };
            self.rest.push(incident.clone());
            return Some(Report {
                stage: Stage::Create,
                time: now,
                incident,
            });
        }
        let incident = Incident::new(sighting, now);
        self.open.entry(sighting.key).or_default().push(incident.clone());
        self.count += 1;
        Some(Report {
            stage: Stage::Create,
            time: now,
            incident,
        })
    }

    /// Reports what is due without a new sighting: growth not yet reported, and the end of what is quiet. To be called
    /// about once a second.
    pub(super) fn tick(&mut self, now: Now) -> Vec<Report> {
        let mut reports = Vec::new();
        let (update_ms, quiet_ms) = (self.update_ms, self.quiet_ms);
        let mut stays = |incident: &mut Incident| {
            if reports.len() >= TICK_REPORTS_MAX {
                return true;
            }
            let is_quiet = now >= incident.last.after(quiet_ms);
            if is_quiet {
                reports.push(Report {
                    stage: Stage::Close,
                    time: now,
                    incident: incident.clone(),
                });
            } else if incident.sightings > incident.reported.0 && now >= incident.reported.1.after(update_ms) {
                reports.push(incident.report(Stage::Update, now));
            }
            !is_quiet
        };
        self.rest.retain_mut(&mut stays);
        let mut count = 0;
        self.open.retain(|_, list| {
            list.retain(&mut stays);
            count += list.len();
            !list.is_empty()
        });
        self.count = count;
        reports
    }
}

fn find<'a>(list: &'a mut [Incident], budget: &str) -> Option<&'a mut Incident> {
    list.iter_mut().find(|incident| *incident.budget == *budget)
}

impl Incident {
    fn new(sighting: &Sighting<'_>, now: Now) -> Self {
        Self {
            key: Some(sighting.key),
            dimension: sighting.dimension,
            budget: sighting.budget.into(),
            routes: SmallVec::from_iter([sighting.route.into()]),
            classes: sighting
                .classes
                .iter()
                .take(NAMES_MAX)
                .map(|class| (*class).into())
                .collect(),
            action: sighting.action,
            enforced: sighting.enforced,
            unit: sighting.unit,
            people: sighting.people,
            limit: sighting.limit,
            window_s: sighting.window_s,
            network: sighting.network,
            sightings: 1,
            first: now,
            last: now,
            reported: (1, now),
        }
    }

    /// Adds a sighting; gives a report if the count has doubled since the last one, or `update_ms` have passed.
    fn grow(&mut self, sighting: &Sighting<'_>, now: Now, update_ms: u64) -> Option<Report> {
        self.sightings += 1;
        self.people = self.people.max(sighting.people);
        self.limit = sighting.limit;
        self.enforced |= sighting.enforced;
        self.action = sighting.action;
        self.last = self.last.max(now);
        add_name(&mut self.routes, sighting.route);
        sighting
            .classes
            .iter()
            .for_each(|class| add_name(&mut self.classes, class));
        let is_due = self.sightings >= self.reported.0 * 2 || now >= self.reported.1.after(update_ms);
        is_due.then(|| self.report(Stage::Update, now))
    }

    fn report(&mut self, stage: Stage, now: Now) -> Report {
        self.reported = (self.sightings, now);
        Report {
            stage,
            time: now,
            incident: self.clone(),
        }
    }
}

fn add_name<const N: usize>(names: &mut SmallVec<[Box<str>; N]>, name: &str)
where
    [Box<str>; N]: smallvec::Array<Item = Box<str>>,
{
    if names.len() < NAMES_MAX && !names.iter().any(|known| **known == *name) {
        names.push(name.into());
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A sighting of key `n` under the budget `bulk`.
    pub(in crate::audit) fn sighting(n: u8) -> Sighting<'static> {
        Sighting {
            key: KeyId([n; 12]),
            dimension: Dimension::Session,
            budget: "bulk",
            route: "profile",
            action: "block",
            enforced: true,
            unit: "people",
            people: 100,
            limit: 100,
            window_s: 86_400,
            classes: &["email", "phone-kr"],
            network: "192.0.2.0/24".parse().expect("a network"),
        }
    }

    fn at(second: u64) -> Now {
        Now::from_millis(second * 1000)
    }

    fn incidents(incidents_max: usize) -> Incidents {
        Incidents::new(&Settings {
            incidents_max,
            ..Settings::default()
        })
    }

    #[test]
    fn a_thousand_refusals_are_one_incident_with_few_updates() {
        let mut incidents = incidents(10);
        let stages: Vec<_> = (0..1000)
            .filter_map(|n| incidents.record(&sighting(1), at(n / 100)))
            .map(|report| report.stage)
            .collect();
        assert_eq!(stages.first(), Some(&Stage::Create));
        assert_eq!(stages.len(), 10, "one creation and nine doublings up to 512");
        assert!(incidents.tick(at(20)).is_empty(), "too early for the rest");
        let [update] = incidents.tick(at(70)).try_into().expect("one update");
        assert_eq!((update.stage, update.incident.sightings), (Stage::Update, 1000));
        assert!(incidents.tick(at(140)).is_empty(), "nothing new");
        let [close] = incidents.tick(at(3_609)).try_into().expect("one close");
        assert_eq!((close.stage, close.incident.people), (Stage::Close, 100));
        assert!(incidents.tick(at(9_999)).is_empty() && incidents.open.is_empty() && incidents.count == 0);
        assert_eq!(
            incidents.record(&sighting(1), at(10_000)).map(|report| report.stage),
            Some(Stage::Create)
        );
    }

    #[test]
    fn keys_and_budgets_are_kept_apart_and_names_are_gathered() {
        let mut incidents = incidents(10);
        for (key, budget) in [(1, "bulk"), (2, "bulk"), (1, "crawl")] {
            let report = incidents
                .record(
                    &Sighting {
                        budget,
                        ..sighting(key)
                    },
                    at(0),
                )
                .expect("the first");
            assert_eq!(report.stage, Stage::Create);
        }
        let other = Sighting {
            route: "search",
            classes: &["email", "card"],
            people: 130,
            ..sighting(1)
        };
        let update = incidents.record(&other, at(1)).expect("the count has doubled").incident;
        let names = |list: &[Box<str>]| list.join(",");
        assert_eq!(
            (names(&update.routes), names(&update.classes)),
            ("profile,search".into(), "email,phone-kr,card".into())
        );
        assert_eq!((update.people, update.first, update.last), (130, at(0), at(1)));
    }

    #[test]
    fn past_the_limit_the_rest_is_one_incident_a_budget() {
        let mut incidents = incidents(2);
        let reports: Vec<_> = (0..100)
            .filter_map(|key| incidents.record(&sighting(key), at(0)))
            .collect();
        assert_eq!(incidents.count, 2);
        assert_eq!(incidents.rest.len(), 1);
        assert_eq!(incidents.rest[0].sightings, 98);
        assert_eq!(reports.iter().filter(|report| report.stage == Stage::Create).count(), 3);
        assert_eq!(incidents.tick(at(4_000)).len(), 3);
    }

    #[test]
    fn one_tick_makes_a_bounded_number_of_reports() {
        let mut incidents = incidents(1_000);
        for n in 0..600_u16 {
            let [high, low] = n.to_be_bytes();
            let mut key = [0; 12];
            key[..2].copy_from_slice(&[high, low]);
            assert!(
                incidents
                    .record(
                        &Sighting {
                            key: KeyId(key),
                            ..sighting(0)
                        },
                        at(0)
                    )
                    .is_some()
            );
        }
        let closed: Vec<_> = (0..4).map(|second| incidents.tick(at(4_000 + second)).len()).collect();
        assert_eq!(closed, [256, 256, 88, 0]);
    }
}
