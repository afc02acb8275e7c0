//! Keys that are the same whoever asks.

use super::plan::SCOPE;
use crate::engine::ledger::{Dimension, KeyId};
use crate::engine::secret::HashKey;

/// The keys whose values do not depend on who asks, hashed once.
pub(super) struct FixedKeys {
    exchange: KeyId,
    global: KeyId,
    /// By the number of the route.
    pub(super) routes: Vec<KeyId>,
}

impl FixedKeys {
    pub(super) fn new<'a>(secret: &HashKey, route_names: impl Iterator<Item = &'a str>) -> Self {
        let key = |dimension, value: &str| KeyId::new(secret, dimension, value.as_bytes(), SCOPE);
        Self {
            exchange: key(Dimension::Exchange, ""),
            global: key(Dimension::Global, ""),
            routes: route_names.map(|name| key(Dimension::Route, name)).collect(),
        }
    }

    pub(super) fn get(&self, dimension: Dimension, route: usize) -> Option<KeyId> {
        if dimension == Dimension::Route {
            return self.routes.get(route).copied();
        }
        let known = [(Dimension::Exchange, self.exchange), (Dimension::Global, self.global)];
        known
            .into_iter()
            .find_map(|(fixed, key)| (fixed == dimension).then_some(key))
    }
}
