//! Listeners at which other proxies ask: from what was written to who may.

use std::ops::Range;
use std::sync::Arc;

use http::HeaderName;
use ipnet::IpNet;
use toml::Spanned;

use super::compile::Reader;
use super::forward::is_local;
use super::syntax::ListenSyntax;
use crate::engine::policy::Text;
use crate::ext_proc::ExtProcSyntax;
use crate::icap::IcapSyntax;
use crate::proxy::{Adaptation, Fail, FailModes, Leads, Route, UserField};

/// Where proxies name a user that are not told otherwise.
const USER: HeaderName = HeaderName::from_static("x-authenticated-user");

impl Reader<'_> {
    /// The route of an ICAP listener.
    pub(super) fn icap(
        &mut self,
        name: &Spanned<String>,
        listen: &ListenSyntax,
        icap: &Spanned<IcapSyntax>,
    ) -> Option<Route> {
        let written = icap.get_ref();
        let is_alone = listen.forward.is_none();
        let clients = self.askers(listen, (icap.span(), is_alone), &written.clients)?;
        let meant = Adaptation {
            listener: name.get_ref().clone(),
            clients,
            user: Some(UserField {
                name: self.header(written.user_header.as_ref()).unwrap_or(USER),
                is_coded: written.user_is_coded,
            }),
        };
        Some(route(
            Adaptation::route_name(name.get_ref()),
            meant,
            (written.fail, written.fail_on),
        ))
    }

    /// The route of a listener at which a mesh asks.
    pub(super) fn ext_proc(
        &mut self,
        name: &Spanned<String>,
        listen: &ListenSyntax,
        ext_proc: &Spanned<ExtProcSyntax>,
    ) -> Option<Route> {
        let written = ext_proc.get_ref();
        let is_alone = listen.forward.is_none() && listen.icap.is_none();
        let clients = self.askers(listen, (ext_proc.span(), is_alone), &written.clients)?;
        let meant = Adaptation {
            listener: name.get_ref().clone(),
            clients,
            user: None,
        };
        let name = Adaptation::mesh_route_name(name.get_ref());
        Some(route(name, meant, (written.fail, written.fail_on)))
    }

    /// The proxies that may ask at a listener, which is for nothing else; off loopback they must be named.
    fn askers(
        &mut self,
        listen: &ListenSyntax,
        (span, is_alone): (Range<usize>, bool),
        clients: &[Text],
    ) -> Option<Vec<IpNet>> {
        if !is_alone {
            let message = "a listener takes clients that go out, or proxies that ask";
            self.error("C030", span.clone(), message, Some("a listener of its own"));
        }
        if !is_local(listen)? && clients.is_empty() {
            let message = "no proxy that reaches this address may ask there";
            self.error("C030", span, message, Some("clients = [\"10.0.0.5\"]"));
        }
        Some(self.networks(clients))
    }
}

fn route(name: String, meant: Adaptation, (fail, fail_on): (Fail, FailModes)) -> Route {
    Route {
        name,
        pattern: None,
        leads: Leads::Back(Arc::new(meant)),
        reads: Vec::new(),
        inspect: true,
        fail,
        fail_on,
        lenient: false,
        recode: None,
        tells_coverage: false,
    }
}
