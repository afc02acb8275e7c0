//! The proxy, reverse and forward: listen, check, identify, forward, inspect, answer.

pub mod egress;
pub(crate) mod fetch;
pub mod framing;
pub mod headers;
pub mod limits;
pub mod respond;
pub mod tunnel;
pub mod upstream;
pub mod websocket;

mod adapt;
mod answer;
mod aside;
mod asked;
mod authority;
mod backlog;
mod births;
mod body;
mod checked_io;
mod confirm;
mod connection;
mod content;
mod coverage;
mod driver;
mod ending;
mod exchange;
mod fail;
mod fields;
mod flush;
mod foretold;
mod forward;
mod front;
mod fuse;
mod gateway;
mod held;
mod introspection;
mod leaving;
mod listen;
mod outcome;
mod outlet;
mod pace;
mod provenance;
mod proxy_header;
mod recode;
mod revoked;
mod route;
mod shadow;
mod switch;
mod terms;
mod tokens;
mod transparent;
mod unidentified;
mod unread;
mod upload;
mod vigil;
mod wire;
mod witness;

#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;

pub use adapt::{Adaptation, UserField};
pub(crate) use adapt::{Asking, Client, Passed};
pub use answer::Answer;
pub use body::InspectedBody;
pub(crate) use checked_io::{Abort, Place};
pub use connection::{BoxError, ConnState, Handler, Led, Stop};
pub use egress::{
    Chained, Ech, Forward, ForwardSyntax, HostAction, HostException, HostExceptionSyntax, HostPolicy, HostRule,
    HostRuleSyntax, Hosts, PacSyntax, ParentSyntax, pac,
};
pub use exchange::Exchanges;
pub use fail::{Fail, FailModes};
pub use flush::FlushTicket;
pub use foretold::Foretold;
pub use forward::ForwardBody;
pub use gateway::{Bypass, Door, Gateway, Set};
pub use limits::Limits;
pub(crate) use limits::ms;
pub use listen::Listener;
pub(crate) use listen::{Accepted, Speak};
pub use proxy_header::read as read_proxy_header;
pub use recode::{Recode, Recoded};
pub use route::{Leads, Pattern, ReadPattern, Route, find};
pub use shadow::{Shadow, try_in_shadow};
pub use terms::HeldTotal;
pub use transparent::Transparent;
pub use upstream::{EndpointUrl, Parent, Reach};

/// The upstream of a route.
pub type Upstream = upstream::Upstream<ForwardBody>;
