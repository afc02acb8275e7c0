//! What the gateway does on the wire, seen by real clients and a scripted origin.

#![allow(
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::panic,
    clippy::unwrap_used,
    clippy::excessive_nesting,
    clippy::format_push_string,
    clippy::format_collect,
    clippy::too_many_lines,
    clippy::similar_names,
    reason = "a test says what went wrong where it went wrong, helpers included"
)]

mod authority_pages;
mod bad_credentials;
mod baselines;
mod bounded_leak;
mod certificates;
mod classes;
mod containers;
mod customer_file;
mod enforcement;
mod evasions;
mod events;
mod ext_proc;
mod fail_modes;
mod fields;
mod fingerprints;
mod forward;
mod fronts;
mod full_ledger;
mod grpc;
mod heads;
mod holds;
mod hops;
mod hosts;
mod icap;
mod idle;
mod isolation;
mod journal;
mod key_sets;
mod masking;
mod monitor;
mod newcomers;
mod parents;
mod pinned;
mod provenance;
mod proxy_protocol;
mod public;
mod refusals;
mod reloads;
mod revocations;
mod rules;
mod signals;
mod sources;
mod step_up;
mod stolen;
mod sums;
#[path = "../support/mod.rs"]
mod support;
mod support_itself;
mod tenants;
mod tunnels;
mod tunnels_out;
mod unsafe_methods;
mod uploads;
mod websockets;
mod websockets_http2;
#[path = "../support/forms.rs"]
mod written;
