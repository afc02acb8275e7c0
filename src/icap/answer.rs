//! Answers as bytes (RFC 3507 section 4.3.3).

use super::fault::IcapFault;
use super::head::Service;

/// What asks for the rest of a body after its preview.
pub(super) const CONTINUE: &[u8] = b"ICAP/1.0 100 Continue\r\n\r\n";
/// The end of a body.
pub(super) const LAST_CHUNK: &[u8] = b"0\r\n\r\n";
/// The end of a body that goes on with the client's copy from its beginning (draft-icap-ext-partial-content).
pub(super) const ORIGINAL_BODY: &[u8] = b"0; use-original-body=0\r\n\r\n";

/// Bytes of a body that we ask to see before its rest.
const PREVIEW_BYTES: u32 = 4_096;
/// How long what a service can do may be remembered, in seconds: a reload is seen by the tag of each answer.
const OPTIONS_S: u32 = 300;

/// What all answers of one connection tell.
#[derive(Clone, Copy)]
pub(super) struct Teller {
    /// Another one makes what was answered before out of date.
    pub(super) rules: [u8; 32],
    /// Whether the connection ends with the answer.
    pub(super) closes: bool,
}

/// Which head stands in an answer.
#[derive(Clone, Copy)]
pub(super) enum Part {
    Request,
    Response,
}

impl Teller {
    /// An answer that has nothing in it.
    pub(super) fn bare(self, status: &str) -> Vec<u8> {
        self.head(status, "Encapsulated: null-body=0\r\n")
    }

    /// An answer to what broke a rule.
    pub(super) fn refusal(self, fault: IcapFault) -> Vec<u8> {
        Self { closes: true, ..self }.bare(fault.status())
    }

    /// What a service can do (section 4.10.2).
    pub(super) fn options(self, service: Service, connections_max: u32) -> Vec<u8> {
        let (method, version) = (service.method(), env!("CARGO_PKG_VERSION"));
        let fields = format!(
            "Methods: {method}\r\nService: Tidegate {version}\r\nMax-Connections: {connections_max}\r\n\
             Options-TTL: {OPTIONS_S}\r\nAllow: 204, 206\r\nPreview: {PREVIEW_BYTES}\r\nTransfer-Preview: *\r\n\
             Encapsulated: null-body=0\r\n"
        );
        self.head("200 OK", &fields)
    }

    /// An answer with this head, and a body behind it if there is one.
    pub(super) fn encapsulates(self, status: &str, part: Part, head: &[u8], has_body: bool) -> Vec<u8> {
        let name = match part {
            Part::Request => "req",
            Part::Response => "res",
        };
        let body = if has_body { name } else { "null" };
        let list = format!("Encapsulated: {name}-hdr=0, {body}-body={}\r\n", head.len());
        let mut answer = self.head(status, &list);
        answer.extend_from_slice(head);
        answer
    }

    fn head(self, status: &str, fields: &str) -> Vec<u8> {
        // A tag has at most 32 letters (section 4.7).
        let tag = u128::from_be_bytes(self.rules.first_chunk().copied().unwrap_or_default());
        let closes = if self.closes { "Connection: close\r\n" } else { "" };
        format!("ICAP/1.0 {status}\r\nISTag: \"{tag:032x}\"\r\n{closes}{fields}\r\n").into_bytes()
    }
}
