//! Tidegate: a proxy that counts how many people's data each actor is given, and stops a spill.
//!
//! It takes care of finding personal data in what crosses the gateway, of counting the different people behind it under
//! every key of the actor, and of refusing what would exceed a budget before the bytes leave. It does not see tunnels
//! that avoid the gateway, nor data encrypted before it leaves.
//!
//! # Layout
//!
//! Floors, from the bottom; a file names modules of its own folder and of lower floors only (`tests/floors/`).
//!
//! - [`engine`]: decode, detect, assemble, count, decide, redact. Pure: bytes and `now` in, steps out.
//! - [`confinement`]: what the process gives up. [`clock`]: the one clock. [`events`]: the closed list of facts the process reports; the only file with log and metric macros.
//! - [`tls`], [`identity`], [`audit`], [`store`], [`fleet`], [`isolation`]: one outside thing each.
//! - [`proxy`], [`admin`]: the protocols a client speaks to us. [`simulate`]: what the engine would have done.
//! - [`icap`], [`ext_proc`]: protocols in which other proxies ask for what [`proxy`] decides.
//! - [`config`], [`run`], [`cli`]: what the operator wrote, and the wiring.
//!
//! Read first: [`engine::inspect`], then `proxy/body.rs`.

#[cfg(not(target_pointer_width = "64"))]
compile_error!("Tidegate counts bytes in 64 bits and runs on 64-bit servers only");

pub mod admin;
pub mod audit;
pub mod cli;
pub mod clock;
pub mod config;
pub mod confinement;
pub mod engine;
pub mod events;
pub mod ext_proc;
pub mod fleet;
pub mod icap;
pub mod identity;
pub mod isolation;
pub mod proxy;
pub mod run;
pub mod simulate;
pub mod store;
pub mod tls;
