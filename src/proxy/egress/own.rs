//! What a forward listener serves itself: the file by which clients find it, and the authority that they are to trust.

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_TYPE};
use http::uri::{Authority, Scheme};
use http::{HeaderValue, Method, Response, request};
use http_body_util::Full;

use super::Forward;
use super::pac::MEDIA_TYPE;
use crate::proxy::answer::Answer;
use crate::proxy::connection::ConnState;
use crate::proxy::exchange::{Exchanges, Told};
use crate::proxy::respond::{Refusal, Style};
use crate::tls::Installed;

/// The host whose pages the listener has for clients that ask through it. `internal` is nobody's (ICANN, 2024).
const RESERVED: &str = "tidegate.internal";

/// What certificates are installed as.
const CERTIFICATE: &str = "application/x-x509-ca-cert";
const PEM: &str = "application/x-pem-file";
const HTML: &str = "text/html; charset=utf-8";

/// Something that is served.
struct Own {
    media_type: &'static str,
    bytes: Vec<u8>,
    /// Under which it is saved, where it is no page.
    name: Option<&'static str>,
}

impl Exchanges {
    /// What is asked of the listener itself, where it has that: by a request in origin form, which is for nobody else, or for its
    /// reserved host.
    pub(in crate::proxy) fn own(
        &self,
        head: &request::Parts,
        connection: &ConnState,
    ) -> Option<Told<Response<Answer>>> {
        let is_read = matches!(head.method, Method::GET | Method::HEAD);
        let is_reserved = |authority: &Authority| {
            let is_clear = head.uri.scheme() == Some(&Scheme::HTTP);
            is_clear
                && authority.host().eq_ignore_ascii_case(RESERVED)
                && matches!(authority.port_u16(), None | Some(80))
        };
        let is_own = head.uri.authority().is_none_or(is_reserved);
        if !(is_read && is_own && self.seat.takes_tunnels()) {
            return None;
        }
        let (_, forward) = self.gateway.set().forward(&self.door.name)?;
        let own = forward.own(head.uri.path())?;
        if !forward.is_open_to(connection.peer.ip()) {
            return Some(Err((Refusal::NotAdmitted, Style::of(&head.headers))));
        }
        let mut response = Response::new(Answer::Own(Full::new(Bytes::from(own.bytes))));
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(own.media_type));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        let saved = own.name.map(|name| format!("attachment; filename=\"{name}\""));
        if let Some(saved) = saved.and_then(|saved| HeaderValue::try_from(saved).ok()) {
            headers.insert(CONTENT_DISPOSITION, saved);
        }
        Some(Ok(response))
    }
}

impl Forward {
    fn own(&self, path: &str) -> Option<Own> {
        if matches!(path, "/proxy.pac" | "/wpad.dat") {
            return Some(Own {
                media_type: MEDIA_TYPE,
                bytes: self.pac.clone()?.into_bytes(),
                name: None,
            });
        }
        let (now, next) = self.minter.as_ref()?.installed();
        let (media_type, bytes, name) = match path {
            "/" => (HTML, page(now, next).into_bytes(), None),
            "/authority.crt" => (CERTIFICATE, now.der.clone(), Some("authority.crt")),
            "/authority.pem" => (PEM, now.pem.clone().into_bytes(), Some("authority.pem")),
            "/next.crt" => (CERTIFICATE, next?.der.clone(), Some("next.crt")),
            "/next.pem" => (PEM, next?.pem.clone().into_bytes(), Some("next.pem")),
            _ => return None,
        };
        Some(Own {
            media_type,
            bytes,
            name,
        })
    }
}

/// How each platform comes to trust it.
fn page(now: &Installed, next: Option<&Installed>) -> String {
    const STEPS: [(&str, &str); 7] = [
        (
            "Windows",
            "<code>certutil -addstore -f Root authority.crt</code> as administrator, or by group policy under Trusted Root \
             Certification Authorities",
        ),
        (
            "macOS",
            "<code>sudo security add-trusted-cert -d -r trustRoot -k /Library/Keychains/System.keychain authority.crt</code>, or by \
             a profile of your device management",
        ),
        (
            "Debian, Ubuntu",
            "<code>sudo cp authority.pem /usr/local/share/ca-certificates/tidegate.crt &amp;&amp; sudo update-ca-certificates</code>",
        ),
        (
            "Fedora, RHEL",
            "<code>sudo cp authority.pem /etc/pki/ca-trust/source/anchors/tidegate.pem &amp;&amp; sudo update-ca-trust</code>",
        ),
        (
            "iOS, Android",
            "open authority.crt and follow the settings; on iOS then General, About, Certificate Trust Settings. Applications for \
             Android trust it only if they say so",
        ),
        (
            "Firefox",
            "by policy: <code>ImportEnterpriseRoots</code>, or Settings, Privacy, View Certificates, Authorities, Import",
        ),
        (
            "Java, Node, Python",
            "<code>keytool -importcert -cacerts -alias tidegate -file authority.pem</code>; \
             <code>NODE_EXTRA_CA_CERTS=authority.pem</code>; <code>REQUESTS_CA_BUNDLE</code> and <code>SSL_CERT_FILE</code>",
        ),
    ];
    let steps: String = STEPS
        .iter()
        .flat_map(|(platform, how)| ["<dt>", platform, "<dd>", how])
        .collect();
    let next = next.map_or_else(String::new, |next| {
        format!(
            "<h2>The next one</h2><p><a href=\"/next.crt\">next.crt</a>, <a href=\"/next.pem\">next.pem</a>: install it in the same \
             way, beside the other. SHA-256 <code>{}</code></p>",
            next.sha256
        )
    });
    format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>Authority of this proxy</title>\
         <style>body{{font:16px system-ui;margin:5vh auto;max-width:48em;padding:0 1em}}code{{overflow-wrap:anywhere}}</style>\
         <h1>The authority of this proxy</h1><p><a href=\"/authority.crt\">authority.crt</a> (DER), \
         <a href=\"/authority.pem\">authority.pem</a>. SHA-256 <code>{}</code></p><p>This page came over a connection that nobody \
         vouches for: compare the SHA-256 with the one that you were told otherwise before you install it.</p><dl>{steps}</dl>{next}</html>",
        now.sha256
    )
}
