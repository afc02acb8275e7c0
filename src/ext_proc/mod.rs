//! Envoy's external processing (`ext_proc`): a mesh asks what becomes of what it carries. The protocol alone; decisions are those
//! of `proxy`.

mod body;
mod exchange;
mod grpc;
pub mod messages;
mod service;
mod settings;

pub use grpc::{MESSAGE_BYTES_MAX, Status, Stream, message, read};
pub use service::Processor;
pub use settings::ExtProcSyntax;
