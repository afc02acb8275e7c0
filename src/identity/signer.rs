//! Somebody who signs statements for this gateway: a transmitter of events, a workflow of approvals.

use std::sync::Arc;

use jsonwebtoken::{Algorithm, Header};
use serde_json::{Map, Value};

use super::remote::RemoteKeys;
use super::token::{SigningKey, claim_is, claims_of};

/// Who signs, and how.
pub(super) struct Signer {
    /// The claims `iss` and `aud` of its tokens.
    pub(super) iss: String,
    pub(super) aud: String,
    /// The algorithms it may sign with, and its keys.
    pub(super) algorithms: Vec<Algorithm>,
    pub(super) keys: Vec<SigningKey>,
    /// Where these are fetched from, if they are not in a file.
    pub(super) remote: Option<Arc<RemoteKeys>>,
    /// How far its clock and ours may differ, in seconds.
    pub(super) leeway_s: u32,
}

impl Signer {
    /// What a token says, if it is signed as agreed. By a key that is not there yet: the set is fetched again.
    pub(super) fn claims(&self, token: &[u8], header: &Header) -> Option<Map<String, Value>> {
        if !self.algorithms.contains(&header.alg) {
            return None;
        }
        let claims = claims_of(token, header, &self.keys);
        if let (None, Some(remote)) = (&claims, &self.remote) {
            remote.want();
        }
        claims
    }

    /// Whether a token is for this gateway.
    pub(super) fn is_for_us(&self, claims: &Map<String, Value>) -> bool {
        claim_is(claims, "aud", &self.aud)
    }
}
