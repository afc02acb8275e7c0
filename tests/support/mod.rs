//! What integration tests share: an origin that does as it is told, clients that keep every byte they were given,
//! independent decoders, and synthetic people.

pub(crate) mod client;
pub(crate) mod coding;
pub(crate) mod origin;
pub(crate) mod people;
