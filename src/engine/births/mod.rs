//! Which credentials were ever issued: what was seen of each, in bounded memory, and what store and fleet are to be told.
//!
//! [`Births`] is shared by all exchanges and outlives reloads. It knows credentials by keyed hashes only. A credential that is
//! not found was never issued, unless there is a [`Doubt`].

mod birth;
mod doubt;
mod memory;
#[cfg(test)]
mod tests;

pub use birth::{Birth, CredentialId, Tag};
pub use doubt::Doubt;
pub use memory::{Births, Look};
