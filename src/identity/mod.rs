//! Who is asking: a request head becomes an [`Actor`], seen through several keys at once.
//!
//! The keys that a list of partners holds are made by `listed_key_hash`, under the hash key of this gateway; a file of
//! them is worth nothing to a thief, and nothing to another gateway.

mod actor;
mod address;
mod approval;
mod basic;
mod certificate;
mod compile;
mod evidence;
mod group;
mod header_order;
mod http2_settings;
mod identify;
mod introspection;
mod key_memory;
mod leavers;
mod memory;
mod peer;
mod peer_issuer;
mod places;
mod provenance;
mod provisioning;
mod remote;
mod revocation;
mod settings;
mod signal;
mod signer;
mod signers;
mod source;
mod token;
mod user;
mod users;

#[cfg(test)]
mod tests;

pub use actor::{Actor, Other, Provenance};
pub use address::{AddressKey, address_key, is_trusted, network_key, network_of};
pub use approval::Approval;
pub use basic::{encode_base64, encode_basic};
pub use certificate::Certificate;
pub use compile::ReadFile;
pub use group::Group;
pub use http2_settings::{OPENING_BYTES_MAX, Opening};
pub use identify::{Identity, Pace, listed_key_hash, session_of};
pub use introspection::{ANSWER_BYTES_MAX, Introspection, Unanswered};
pub use key_memory::{KnownKey, OldestKey};
pub use peer::Peer;
pub use provenance::{ISSUED_MAX, Shown};
pub use provisioning::{Person, PersonKeys, filtered, patch, person, person_id, read_person_id};
pub use remote::{RemoteKeys, check_key_set, key_set_file, key_set_url};
pub use revocation::{Listed, NO_END, Named, Revocable, What, principal_of};
pub use settings::{
    ApprovalSettings, GroupSettings, IntrospectionSettings, IssuerSettings, PeerSettings, Settings, TransmitterSettings,
};
pub use signal::{Act, Order, Poll, Signal, SignalError};
pub use token::kid_of;
pub use user::proxy_principal;
pub use users::{Checked, Users, password_hash};

use identify::RouteMatch;
