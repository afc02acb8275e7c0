//! What a build without the feature `fleet` has in its place: nothing that could be made.

use std::convert::Infallible;
use std::io;
use std::path::Path;
use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::{Confirming, Entering, FleetError, LookingUp, Settings, Telling};
use crate::clock::Clock;
use crate::engine::births::{Birth, Births, CredentialId};
use crate::engine::ledger::{Claim, Confirmation, Ledger};
use crate::engine::secret::HashKey;
use crate::engine::time::Now;

/// Never there.
pub struct Fleet(Infallible);

/// Never there.
pub struct Claimant(Infallible);

#[expect(
    clippy::missing_errors_doc,
    clippy::unused_async,
    reason = "the twin says what each does"
)]
impl Fleet {
    /// Refuses: there is none in this build.
    pub fn new(
        _settings: Settings,
        _read: &dyn Fn(&Path) -> io::Result<Vec<u8>>,
        _shared: (Arc<Ledger>, Arc<Births>),
        _clock: Clock,
        _secret: &HashKey,
        _exact_elements_max: usize,
    ) -> Result<Arc<Self>, FleetError> {
        Err(FleetError::Settings("this build has no fleet".to_owned()))
    }

    /// As its twin.
    pub fn check(_settings: &Settings, _read: &dyn Fn(&Path) -> io::Result<Vec<u8>>) -> Result<(), FleetError> {
        Err(FleetError::Settings("this build has no fleet".to_owned()))
    }

    /// As its twin.
    pub async fn may_join(&self) -> Result<(), FleetError> {
        match self.0 {}
    }

    /// As its twin.
    pub async fn run(self: Arc<Self>, _stop: CancellationToken) {
        match self.0 {}
    }

    /// As its twin.
    pub fn is_up(&self) -> bool {
        match self.0 {}
    }

    /// As its twin.
    pub fn divided(&self) -> Option<u32> {
        match self.0 {}
    }

    /// As its twin.
    pub fn look_up(self: &Arc<Self>, _id: CredentialId) -> LookingUp {
        match self.0 {}
    }

    /// As its twin.
    pub fn tell_births(self: &Arc<Self>, _births: Vec<(CredentialId, Birth)>) -> Telling {
        match self.0 {}
    }

    /// As its twin.
    pub fn claimant(self: &Arc<Self>) -> Claimant {
        match self.0 {}
    }
}

impl Claimant {
    /// As its twin.
    pub fn ask(&mut self, _claims: &[Claim]) -> Confirming {
        match self.0 {}
    }

    /// As its twin.
    pub fn came(&mut self, _confirmation: &Confirmation) {
        match self.0 {}
    }

    /// As its twin.
    pub fn shown(&mut self, _subjects: &[u64], _now: Now) -> Option<Entering> {
        match self.0 {}
    }
}
