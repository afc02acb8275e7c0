//! What integration tests share: an origin that does as it is told, clients that keep every byte they were given,
//! independent decoders, synthetic people, and the gateway itself.

pub(crate) mod certificates;
pub(crate) mod client;
pub(crate) mod coding;
pub(crate) mod export;
pub(crate) mod gateway;
pub(crate) mod icap;
pub(crate) mod origin;
pub(crate) mod origin_certificates;
pub(crate) mod people;
pub(crate) mod shop;
pub(crate) mod token;
