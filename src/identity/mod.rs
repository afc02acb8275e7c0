//! Who is asking: a request head becomes an [`Actor`], seen through several keys at once.

mod actor;

pub use actor::{Actor, Provenance};
