//! Responses: what a status line may be, and what a response head promises to the request that asked for it.

use super::fields::Fields;
use super::request::{content, is_http10};
use super::{Body, Fault, Role, line};

/// Interim responses that one request may meet.
const INTERIM_MAX: u8 = 16;

/// What was asked, as far as the framing of the answer depends on it (RFC 9112 section 6.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// An ordinary request.
    Content,
    /// HEAD: the answer has no content, whatever it says.
    Head,
    /// A request that offered to switch protocols.
    Upgrade,
    /// CONNECT: success is a tunnel.
    Connect,
}

/// The upstream direction.
#[derive(Debug, Default)]
pub struct Response {
    asked: Option<Asked>,
    http10: bool,
    status: u16,
    interim: u8,
}

impl Response {
    /// Tells what the request that is about to be sent asks. There is one at a time: we never pipeline.
    pub fn ask(&mut self, asked: Asked) {
        self.asked = Some(asked);
        self.interim = 0;
    }

    /// Whether a final answer is still to come.
    pub fn is_awaited(&self) -> bool {
        self.asked.is_some()
    }
}

impl Role for Response {
    /// What comes while nothing is awaited is left from the answer before, and would become part of the next.
    fn begin(&self) -> Result<(), Fault> {
        self.asked.map(drop).ok_or(Fault::UnaskedResponse)
    }

    fn start_line(&mut self, start: &[u8]) -> Result<(), Fault> {
        let (version, rest) = start.split_at_checked(8).ok_or(Fault::StartLine)?;
        self.http10 = is_http10(version)?;
        let Some(([b' ', status @ ..], reason)) = rest.split_at_checked(4) else {
            return Err(Fault::StartLine);
        };
        self.status = line::decimal(status)
            .and_then(|status| u16::try_from(status).ok())
            .ok_or(Fault::Status)?;
        if self.status < 100 {
            return Err(Fault::Status);
        }
        if !matches!(reason.first(), None | Some(b' ')) {
            return Err(Fault::StartLine);
        }
        Ok(())
    }

    fn end_of_head(&mut self, _head: &[u8], fields: &Fields) -> Result<Body, Fault> {
        let body = content(fields, self.http10)?;
        let asked = self.asked.ok_or(Fault::UnaskedResponse)?;
        let announces_content = !matches!(body, None | Some(Body::Counted(0)));
        match self.status {
            101 if asked != Asked::Upgrade || !fields.upgrade => Err(Fault::UnaskedUpgrade),
            100..=199 | 204 if announces_content => Err(Fault::BodyForbidden),
            101 => Ok(self.answered(Body::Tunnel)),
            100..=199 => {
                self.interim += 1;
                if self.interim > INTERIM_MAX {
                    Err(Fault::UnaskedResponse)
                } else {
                    Ok(Body::None)
                }
            }
            200..=299 if asked == Asked::Connect => Ok(self.answered(Body::Tunnel)),
            204 | 304 => Ok(self.answered(Body::None)),
            _ if asked == Asked::Head => Ok(self.answered(Body::None)),
            _ => Ok(self.answered(body.unwrap_or(Body::UntilClose))),
        }
    }
}

impl Response {
    fn answered(&mut self, body: Body) -> Body {
        self.asked = None;
        body
    }
}
