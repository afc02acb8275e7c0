//! What crossed the gateway, in either direction: people, and bytes that were searched or were not.

use super::names::NameTables;
use crate::engine::policy::Direction;

/// A fact about what crossed on one route.
#[derive(Clone, Copy, Debug)]
pub struct Crossing<'a> {
    /// The route's name.
    pub route: &'a str,
    /// Which way it went.
    pub direction: Direction,
    /// What it was.
    pub what: Crossed,
}

/// What crossed.
#[derive(Clone, Copy, Debug)]
pub enum Crossed {
    /// Bytes that were decoded, searched and settled, as they came.
    Inspected(u64),
    /// Bytes that were searched, and not by all that should or not counted under all keys.
    Partly {
        /// Why, from a fixed set.
        reason: &'static str,
        /// How many.
        bytes: u64,
    },
    /// Bytes that left while a bypass suspended the budgets, as they came.
    Bypassed(u64),
    /// Bytes that were let through unread, as they came.
    Uninspected {
        /// Why, from a fixed set.
        reason: &'static str,
        /// How many.
        bytes: u64,
    },
    /// Subjects that were new to a key were handed over.
    People(u64),
}

/// Moves the metrics of one fact.
pub(super) fn count(names: &NameTables, crossing: Crossing<'_>) {
    let meters = names.route(crossing.route).crossing(crossing.direction);
    match crossing.what {
        Crossed::Inspected(bytes) => meters.inspected.increment(bytes),
        Crossed::Partly { reason, bytes } => meters.partly.add(reason, bytes),
        Crossed::Bypassed(bytes) => meters.bypassed.increment(bytes),
        Crossed::Uninspected { reason, bytes } => meters.uninspected.add(reason, bytes),
        Crossed::People(count) => meters.people.increment(count),
    }
}

/// One fact of each kind and direction.
#[cfg(test)]
pub(super) fn facts() -> impl Iterator<Item = super::Event<'static>> {
    let reason = "coding";
    let whats = [
        Crossed::Inspected(10),
        Crossed::Partly { reason, bytes: 4 },
        Crossed::Bypassed(5),
        Crossed::Uninspected { reason, bytes: 3 },
        Crossed::People(49),
    ];
    Direction::ALL.into_iter().flat_map(move |direction| {
        whats.map(|what| {
            super::Event::Crossed(Crossing {
                route: "shop",
                direction,
                what,
            })
        })
    })
}
