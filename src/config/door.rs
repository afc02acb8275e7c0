//! From `[listen.NAME]` as written to a listener that can be opened.

use std::net::SocketAddr;

use http::HeaderName;
use ipnet::IpNet;
use toml::Spanned;

use super::compile::Reader;
use super::syntax::ListenSyntax;
use crate::engine::policy::Text;
use crate::proxy::Door;
use crate::tls::{Acceptor, CertificateFiles, ClientFiles, TlsFiles};

/// A listener to be.
pub struct OpenDoor {
    /// What it says about its clients.
    pub door: Door,
    /// Where it listens.
    pub address: SocketAddr,
    /// The files of TLS; none for plain HTTP.
    pub tls: Option<TlsFiles>,
}

impl Reader<'_> {
    pub(super) fn door(&mut self, name: &str, listen: &ListenSyntax) -> Option<OpenDoor> {
        let trusted = self.trusted(listen);
        let [address_header, ja4_header] =
            [&listen.address_header, &listen.ja4_header].map(|name| self.header(name.as_ref()));
        let tls = self.tls(listen);
        let address = self.address(name, listen)?;
        let door = Door {
            name: name.to_owned(),
            trusted,
            address_header,
            ja4_header,
            tls: tls.is_some(),
            client_certificates: tls.as_ref().is_some_and(|tls| tls.clients.is_some()),
            proxy_protocol: listen.proxy_protocol.as_ref().is_some_and(|is_on| *is_on.get_ref()),
            is_forward: listen.forward.is_some(),
            is_icap: listen.icap.is_some(),
            transparent: self.transparent(listen, tls.is_some()),
            is_ext_proc: listen.ext_proc.is_some(),
        };
        Some(OpenDoor { door, address, tls })
    }

    /// The networks of the proxies that are believed; some, where anything is to be believed.
    fn trusted(&mut self, listen: &ListenSyntax) -> Vec<IpNet> {
        let networks = self.networks(&listen.trusted);
        let proxy_protocol = listen.proxy_protocol.as_ref().filter(|is_on| *is_on.get_ref());
        let headers = [&listen.address_header, &listen.ja4_header].into_iter().flatten();
        let mut believed = proxy_protocol
            .map(Spanned::span)
            .into_iter()
            .chain(headers.map(Spanned::span));
        if let Some(span) = believed.next().filter(|_| listen.trusted.is_empty()) {
            let message = "nobody is trusted to say who the client is";
            self.error("C004", span, message, Some("trusted = [\"10.0.0.0/8\"]"));
        }
        networks
    }

    pub(super) fn header(&mut self, name: Option<&Text>) -> Option<HeaderName> {
        let name = name?;
        let header = name.get_ref().parse();
        if header.is_err() {
            let help = Some("cf-connecting-ip");
            self.error("C004", name.span(), "this is no name of a header", help);
        }
        header.ok()
    }

    fn tls(&mut self, listen: &ListenSyntax) -> Option<TlsFiles> {
        let certificates = self.certificates(listen);
        let clients = listen.client_certificates.as_ref().map(|clients| ClientFiles {
            ca: self.path(clients.ca.get_ref()),
            crls: clients.crls.iter().map(|crl| self.path(crl.get_ref())).collect(),
            required: clients.required,
        });
        if let Some((files, written)) = clients.as_ref().zip(listen.client_certificates.as_ref()) {
            if certificates.is_empty() {
                let (message, help) = (
                    "without `tls` no client shows a certificate",
                    Some("tls = { cert, key }"),
                );
                self.error("C014", written.ca.span(), message, help);
            }
            if let Err(error) = files.check() {
                self.error("C014", written.ca.span(), &error.to_string(), None);
            }
        }
        (!certificates.is_empty()).then_some(TlsFiles { certificates, clients })
    }

    /// The certificates, each of which is right by itself.
    fn certificates(&mut self, listen: &ListenSyntax) -> Vec<CertificateFiles> {
        let written = listen.tls.iter().chain(&listen.certificates);
        let mut certificates = Vec::new();
        for tls in written {
            let files = CertificateFiles {
                cert: self.path(tls.cert.get_ref()),
                key: self.path(tls.key.get_ref()),
            };
            if let Err(error) = Acceptor::new(vec![files.clone()]) {
                let help = "tidegate authority new; tidegate authority leaf NAME";
                self.error("C014", tls.cert.span(), &error.to_string(), Some(help));
            }
            certificates.push(files);
        }
        certificates
    }
}
