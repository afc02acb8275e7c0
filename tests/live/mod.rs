//! The real binary against real clients, hostile origins and hostile clients.

mod bad_client;
mod bad_origin;
mod certificates;
mod clients;
mod commands;
mod confinement;
mod envoy;
mod example;
mod forward;
mod honest;
mod lifecycle;
mod memory;
mod namespaces;
mod process;
mod programs;
mod provenance;
mod readme;
mod restart;
mod rotation;
mod spill;
mod squid;
mod tools;
mod transparent;
mod upgrade;
