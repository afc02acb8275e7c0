//! One round of exchange after another: what changed here goes to the store, and what others changed comes from it.

use std::sync::Arc;
use std::time::Duration;

use hashbrown::HashMap;
use redis::{Value, cmd};
use tokio::time::Instant;

use super::births::tell_over;
use super::gateways::{Fleet, warn};
use super::in_use::{InUse, WHOLE_SECONDS, is_due};
use super::join::{Joined, SKEW_MS_MAX, server_millis};
use super::link::{Commands, Fault, Link};
use super::pull::{OVERLAP_SECONDS, pull, read};
use super::reply::{ignored, number};
use super::{marks, people, push};
use crate::engine::ledger::{Carrier, Dimension, KeyFrame, KeyId, Kind, PARTS};
use crate::engine::time::Now;
use crate::events::{Event, Fact, report};

/// Keys of one round trip at most, and elements of them.
const BATCH_KEYS_MAX: usize = 500;
const BATCH_ELEMENTS_MAX: usize = 50_000;
/// One round trip of a round takes at most so long: a long answer is no failure.
pub(super) const ROUND_MS_MAX: Duration = Duration::from_secs(2);
/// A key is in use for so many seconds after the last sighting here.
const IN_USE_SECONDS: u32 = 2 * WHOLE_SECONDS;
/// Keys in use at once; what others know of more is not taken in, and counted.
const IN_USE_KEYS_MAX: usize = 1_000_000;
/// Keys without a change that one round pulls.
const WHOLE_KEYS_MAX: usize = 2_000;
/// A gateway counts as there for so many seconds after its last round.
pub(super) const GATEWAY_SECONDS: u64 = 15;

/// What is known from one round to the next.
pub(super) struct Round {
    fleet: Arc<Fleet>,
    in_use: HashMap<KeyId, InUse>,
    /// The longest window in seconds and the most people known one by one, of keys of a dimension.
    widest: HashMap<Dimension, (u32, u32)>,
    /// The name of the store that has all that is known here.
    born: Vec<u8>,
    /// The part of the ledger that is told again next, and from which second on.
    again: Option<(usize, u32)>,
    /// The second up to which all was told, and the one up to which all marks are known.
    told: u32,
    marks: u32,
    last: Option<Instant>,
    is_skewed: bool,
    chance: u64,
}

impl Round {
    pub(super) fn new(fleet: Arc<Fleet>) -> Self {
        Self {
            chance: fleet.id,
            fleet,
            in_use: HashMap::new(),
            widest: HashMap::new(),
            born: Vec::new(),
            again: None,
            told: 0,
            marks: 0,
            last: None,
            is_skewed: false,
        }
    }

    /// The store is back, or was reached for the first time.
    pub(super) fn joined(&mut self, joined: &Joined) {
        // A server that crashed may have lost what it had just confirmed.
        self.tell_again(self.told.saturating_sub(OVERLAP_SECONDS));
        self.is_of(&joined.born);
        self.marks = 0;
        self.in_use
            .values_mut()
            .for_each(|key| (key.pulled, key.whole) = (0, 0));
    }

    /// The store has this name: one with another has nothing of what was told.
    fn is_of(&mut self, born: &[u8]) {
        if self.born != born {
            let (births, now) = (&self.fleet.births, self.fleet.clock.now());
            births.drain_all(Carrier::Fleet);
            if !self.born.is_empty() {
                // Until all gateways have told it again nobody can say.
                births.out(now);
                births.back(now);
            }
            self.born = born.to_vec();
            self.tell_again(0);
        }
    }

    /// Tells of births again, as they may not have arrived when they were seen, and of all where the store is new.
    async fn tell_births(&self, link: &Link) -> Result<(), Fault> {
        let births = self.fleet.births.drain(Carrier::Fleet);
        for some in births.chunks(BATCH_ELEMENTS_MAX) {
            if let Err(fault) = tell_over(&self.fleet, link, some, ROUND_MS_MAX).await {
                self.fleet.births.drain_again(Carrier::Fleet, &births);
                return Err(fault);
            }
        }
        Ok(())
    }

    fn tell_again(&mut self, from: u32) {
        let from = self.again.map_or(from, |(_, earlier)| earlier.min(from));
        self.again = Some((0, from));
    }

    /// Until the next round: gateways that began together do not stay so.
    pub(super) fn pause(&mut self) -> Duration {
        self.chance = self
            .chance
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        let flush_ms = self.fleet.settings.flush_ms;
        let fifth = flush_ms / 5;
        Duration::from_millis(flush_ms - fifth + (self.chance >> 33) % (2 * fifth + 1))
    }

    pub(super) fn tell_staleness(&self) {
        let seconds = self.last.map_or(0.0, |last| last.elapsed().as_secs_f64());
        report(&Event::Fleet(Fact::Staleness { seconds }));
        let keys = self.fleet.ledger.undrained(Carrier::Fleet) as u64;
        report(&Event::Fleet(Fact::DirtyKeys(keys)));
    }

    /// One round.
    pub(super) async fn go(&mut self, link: &Link) -> Result<(), Fault> {
        let started = Instant::now();
        let done = self.exchange(link).await;
        self.tell_staleness();
        done?;
        self.last = Some(started);
        let seconds = started.elapsed().as_secs_f64();
        report(&Event::Fleet(Fact::Flushed { seconds }));
        Ok(())
    }

    async fn exchange(&mut self, link: &Link) -> Result<(), Fault> {
        let fleet = Arc::clone(&self.fleet);
        let now = fleet.clock.now();
        self.greet(link, now).await?;
        if let Some((part, from)) = self.again {
            fleet.ledger.drain_from(Carrier::Fleet, from, part);
        }
        let mut frames = Vec::new();
        fleet.ledger.drain(Carrier::Fleet, &mut frames);
        self.note(&frames, now);
        self.complete(&mut frames);
        let told = self.tell(link, &frames, now).await;
        if let Err((fault, from)) = told {
            let lost = frames.iter().skip(from);
            fleet.ledger.drain_again(Carrier::Fleet, lost);
            return Err(fault);
        }
        // Only now: a part that did not arrive comes again.
        self.again = match self.again {
            Some((part, from)) if part + 1 < PARTS => Some((part + 1, from)),
            Some(_) | None => None,
        };
        self.told = now.second();
        self.tell_births(link).await?;
        self.pull_whole(link, now).await
    }

    /// Says that this gateway is there; learns how many are, what the time is, and whether the store is the same.
    async fn greet(&mut self, link: &Link, now: Now) -> Result<(), Fault> {
        let fleet = Arc::clone(&self.fleet);
        let (nodes, second) = (fleet.names.nodes(), u64::from(now.second()));
        let old = second.saturating_sub(GATEWAY_SECONDS);
        let there = vec![
            cmd("ZADD")
                .arg(&nodes)
                .arg(second)
                .arg(fleet.written.member(fleet.id))
                .clone(),
            cmd("ZREMRANGEBYSCORE")
                .arg(&nodes)
                .arg("-inf")
                .arg(format!("({old}"))
                .clone(),
            cmd("ZCARD").arg(&nodes).clone(),
        ];
        let born = vec![cmd("HGET").arg(fleet.names.meta()).arg("born").clone()];
        let time = vec![cmd("TIME")];
        let sent = fleet.clock.now().millis();
        let mut groups = vec![there, born, time];
        groups.extend(people::asked(&fleet));
        let answers = link.ask(groups, ROUND_MS_MAX).await;
        let middle = u64::midpoint(sent, fleet.clock.now().millis());
        let mut answers = answers.into_iter();
        let mut next = || answers.next().unwrap_or(Err(Fault::Late));
        let (there, born, time) = (next()?, next()?, next()?);
        fleet.counted(there.last().and_then(number).unwrap_or(1));
        match born.first() {
            Some(Value::BulkString(born)) => self.is_of(born),
            // It was emptied under us: joining anew makes it a name.
            _ => return Err(Fault::Down("the store is empty".to_owned())),
        }
        people::heard(&fleet, answers, now)?;
        if let Some(server) = server_millis(time.first()) {
            self.tell_skew(i64::try_from(middle).unwrap_or_default() - i64::try_from(server).unwrap_or_default());
        }
        Ok(())
    }

    /// Says that this gateway is there no more; one that is gone without a word counts as there for a while.
    pub(super) async fn leave(&self, link: &Link) {
        let (names, fleet) = (&self.fleet.names, &self.fleet);
        let gone = cmd("ZREM")
            .arg(names.nodes())
            .arg(fleet.written.member(fleet.id))
            .clone();
        drop(link.ask(vec![vec![gone]], ROUND_MS_MAX).await);
    }

    fn tell_skew(&mut self, millis: i64) {
        report(&Event::Fleet(Fact::Skew { millis }));
        let is_skewed = millis.abs() > SKEW_MS_MAX;
        if is_skewed && !std::mem::replace(&mut self.is_skewed, is_skewed) {
            let message =
                format!("this gateway's clock is {millis} ms off that of the store: windows end wrong by as much");
            warn("F002", &message);
        }
        self.is_skewed = is_skewed;
    }

    /// Remembers that these keys are in use.
    fn note(&mut self, frames: &[KeyFrame], now: Now) {
        let second = now.second();
        let fleet = Arc::clone(&self.fleet);
        let told = frames.iter().map(|frame| {
            let exact = fleet.ledger.exact_people(frame.key).unwrap_or_default();
            (frame.key, frame.dimension, frame.window_max, exact, frame.kind)
        });
        let touched = fleet.take_touched();
        let touched = touched
            .into_iter()
            .map(|(key, dimension, window)| (key, dimension, window, 0, Kind::People));
        for (key, dimension, window, exact, kind) in told.chain(touched) {
            // Actors are remembered for longer than any window of the people of their dimension.
            if kind != Kind::Actors {
                let widest = self.widest.entry(dimension).or_default();
                *widest = (widest.0.max(window), widest.1.max(exact));
            }
            if self.in_use.len() < IN_USE_KEYS_MAX || self.in_use.contains_key(&key) {
                let known = self.in_use.entry(key).or_insert(InUse {
                    dimension,
                    enforced: false,
                    kind,
                    window: 0,
                    has_sums: false,
                    pulled: 0,
                    whole: 0,
                    changed: 0,
                });
                (known.window, known.changed) = (known.window.max(window), second);
            }
        }
        for frame in frames {
            if let Some(known) = self.in_use.get_mut(&frame.key) {
                known.enforced |= frame.enforced;
                known.kind = known.kind.max(frame.kind);
                known.has_sums |= !frame.sums.is_empty();
            }
        }
        self.in_use
            .retain(|_, key| second.saturating_sub(key.changed) <= IN_USE_SECONDS);
    }

    /// The store may have lost what a key knew that was at rest since: the first time all of it is told.
    fn complete(&self, frames: &mut [KeyFrame]) {
        let is_first = |key: &KeyId| self.in_use.get(key).is_none_or(|key| key.whole == 0);
        for frame in frames.iter_mut().filter(|frame| is_first(&frame.key)) {
            if let Some(whole) = self.fleet.ledger.frame(frame.key) {
                *frame = whole;
            }
        }
    }

    /// Tells what changed, and pulls the same keys; else the fault, and the number of the first frame that did not arrive.
    async fn tell(&mut self, link: &Link, frames: &[KeyFrame], now: Now) -> Result<(), (Fault, usize)> {
        // First, since a batch that fails takes only what follows it along: a held key changes no more.
        let marks = self.marks(link, frames, now).await;
        marks.map_err(|fault| (fault, 0))?;
        let mut start = 0;
        for batch in batches(frames) {
            let told = self.batch(link, batch, now).await;
            told.map_err(|fault| (fault, start))?;
            start += batch.len();
        }
        Ok(())
    }

    async fn batch(&mut self, link: &Link, frames: &[KeyFrame], now: Now) -> Result<(), Fault> {
        let groups = frames.iter().map(|frame| {
            let mut commands = Commands::new();
            let window = if frame.kind == Kind::Actors {
                frame.window_max
            } else {
                self.window_of(frame.dimension)
            };
            push::push(&self.fleet.names, frame, window, &mut commands);
            self.pull(frame.key, now, &mut commands);
            commands
        });
        let groups = groups.collect();
        let keys: Vec<KeyId> = frames.iter().map(|frame| frame.key).collect();
        let answers = link.ask(groups, ROUND_MS_MAX).await;
        self.take_in(link, &keys, answers, now).await
    }

    /// Asks for what is new under a key since the last pull, or for all if that was long ago.
    fn pull(&self, key: KeyId, now: Now, commands: &mut Commands) {
        // Of one too many nothing is taken in.
        let Some(known) = self.in_use.get(&key) else { return };
        let is_whole = is_due(known, now.second());
        let from = known.pulled.saturating_sub(OVERLAP_SECONDS);
        let place = known.place(&self.fleet.names, key);
        if is_whole {
            let window = self.window_of(known.dimension).max(known.window);
            push::forget(&self.fleet.names, place, window, now.second(), commands);
        }
        let sums = known.has_sums.then_some(key);
        pull(
            &self.fleet.names,
            place,
            if is_whole { 0 } else { from },
            sums,
            commands,
        );
    }

    /// Takes in what the store knows of `keys`.
    async fn take_in(
        &mut self,
        link: &Link,
        keys: &[KeyId],
        answers: Vec<Result<Vec<Value>, Fault>>,
        now: Now,
    ) -> Result<(), Fault> {
        let (mut fault, mut more) = (None, Vec::new());
        for (key, answer) in keys.iter().zip(answers) {
            match answer {
                Ok(values) => more.extend(self.merge(*key, &values, now)),
                Err(Fault::Foreign) => ignored("foreign", 1),
                Err(other) => fault = Some(other),
            }
        }
        if let Some(fault) = fault {
            return Err(fault);
        }
        if !more.is_empty() {
            let done = link.ask(more, ROUND_MS_MAX).await;
            if let Some(fault) = done.into_iter().filter_map(Result::err).find(Fault::is_of_link) {
                return Err(fault);
            }
        }
        Ok(())
    }

    /// Merges the answers for one key; what is then to be done in the store.
    fn merge(&mut self, key: KeyId, values: &[Value], now: Now) -> Option<Commands> {
        let (ledger, names) = (&self.fleet.ledger, &self.fleet.names);
        let Some(known) = self.in_use.get(&key).copied() else {
            ignored("keys_max", 1);
            return None;
        };
        let frame = KeyFrame {
            enforced: known.enforced,
            kind: known.kind,
            window_max: known.window,
            ..KeyFrame::new(key, known.dimension)
        };
        let pulled = read(values, frame, known.has_sums, now.second());
        ledger.merge(&pulled.frame, Carrier::Fleet, now);
        let is_whole = is_due(&known, now.second());
        if let Some(known) = self.in_use.get_mut(&key) {
            known.pulled = now.second();
            if is_whole {
                known.whole = now.second();
            }
        }
        let (window, exact) = self.widest.get(&known.dimension).copied().unwrap_or_default();
        let is_estimated = exact > 0 && pulled.frame.elements.len() > exact as usize;
        let mut commands = Commands::new();
        if is_whole && is_estimated {
            let frame = ledger.frame(key).filter(|frame| !frame.registers.is_empty());
            commands.extend(
                frame
                    .iter()
                    .flat_map(|frame| push::promote(names, frame, exact, window)),
            );
        }
        if is_whole {
            commands.extend(push::drop_dominated(names, known.place(names, key), &pulled.pairs));
        }
        (!commands.is_empty()).then_some(commands)
    }

    /// Tells of holds, revocations and what ends them, and takes in those of others.
    async fn marks(&mut self, link: &Link, frames: &[KeyFrame], now: Now) -> Result<(), Fault> {
        let fleet = Arc::clone(&self.fleet);
        let since = self.again.map_or(self.told, |(_, from)| from.min(self.told));
        let told = since.saturating_sub(OVERLAP_SECONDS);
        let lists = marks::exchange(&fleet.names, frames, told, self.marks);
        let mut is_whole = true;
        for answer in link.ask(lists, ROUND_MS_MAX).await {
            let values = match answer {
                Ok(values) => values,
                Err(Fault::Foreign) => {
                    ignored("foreign", 1);
                    is_whole = false;
                    continue;
                }
                Err(fault) => return Err(fault),
            };
            for frame in marks::read(values.last(), &fleet.ledger, now.second()) {
                fleet.ledger.merge(&frame, Carrier::Fleet, now);
            }
        }
        if is_whole {
            self.marks = now.second();
        }
        Ok(())
    }

    /// Pulls keys in use that did not change here, and of which all was last asked long ago.
    async fn pull_whole(&mut self, link: &Link, now: Now) -> Result<(), Fault> {
        let due = self.in_use.iter().filter(|(_, key)| is_due(key, now.second()));
        let keys: Vec<KeyId> = due.map(|(key, _)| *key).take(WHOLE_KEYS_MAX).collect();
        for keys in keys.chunks(BATCH_KEYS_MAX) {
            let groups = keys.iter().map(|key| {
                let mut commands = Commands::new();
                self.pull(*key, now, &mut commands);
                commands
            });
            let groups = groups.collect();
            let answers = link.ask(groups, ROUND_MS_MAX).await;
            self.take_in(link, keys, answers, now).await?;
        }
        Ok(())
    }

    fn window_of(&self, dimension: Dimension) -> u32 {
        self.widest.get(&dimension).map_or(0, |(window, _)| *window)
    }
}

/// Frames in parts of a bounded size.
fn batches(frames: &[KeyFrame]) -> impl Iterator<Item = &[KeyFrame]> {
    let mut rest = frames;
    std::iter::from_fn(move || {
        let mut elements = 0;
        let fits = |frame: &&KeyFrame| {
            let before = elements;
            elements += frame.elements.len() + frame.registers.len();
            before < BATCH_ELEMENTS_MAX
        };
        let count = rest.iter().take(BATCH_KEYS_MAX).take_while(fits).count();
        let (batch, others) = rest.split_at_checked(count)?;
        rest = others;
        (!batch.is_empty()).then_some(batch)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_are_bounded_in_keys_and_elements_and_hold_all() {
        let frame = |elements: u64| {
            let mut frame = KeyFrame::new(KeyId([1; 12]), Dimension::Session);
            frame.elements = (0..elements).map(|subject| (subject, 1)).collect();
            frame
        };
        let small = vec![frame(1); 1_200];
        let sizes: Vec<usize> = batches(&small).map(<[_]>::len).collect();
        assert_eq!(sizes, [500, 500, 200]);
        let large = vec![frame(30_000); 5];
        let sizes: Vec<usize> = batches(&large).map(<[_]>::len).collect();
        assert_eq!(sizes, [2, 2, 1]);
        assert_eq!(batches(&[]).count(), 0);
    }
}
