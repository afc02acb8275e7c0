//! The field section of a head or trailer: every line judged once, and what framing needs remembered.

use super::{Fault, HeadLimits, line};

/// What the fields of one head say about framing and routing.
#[derive(Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "independent facts of one head")]
pub struct Fields {
    /// The only Content-Length.
    pub(super) length: Option<u64>,
    /// Whether a Transfer-Encoding says `chunked`.
    pub(super) chunked: bool,
    /// Whether there is a Host, which then is the only one.
    pub(super) host: bool,
    /// Whether Connection names `upgrade`.
    pub(super) connection_upgrade: bool,
    /// Whether Upgrade names a protocol other than `h2c`, which is never offered to an origin.
    pub(super) upgrade: bool,
}

/// A head or trailer section in progress.
#[derive(Debug, Default)]
pub(super) struct Section {
    /// Whether the start line has been read.
    pub(super) started: bool,
    /// Where the start line stands: 2 after a leading empty line.
    pub(super) head_at: usize,
    /// Bytes judged, at most `header_bytes_max`.
    pub(super) read: usize,
    count: usize,
    pub(super) fields: Fields,
}

impl Section {
    /// Bytes that this section may still have.
    pub(super) fn room(&self, limits: &HeadLimits) -> usize {
        limits.header_bytes_max.saturating_sub(self.read)
    }

    /// The next whole line of a head of which `bytes` is the front; it is counted as read.
    pub(super) fn next_line<'a>(&mut self, bytes: &'a [u8], limits: &HeadLimits) -> Result<Option<&'a [u8]>, Fault> {
        let rest = bytes.get(self.read..).unwrap_or_default();
        let line = line::whole(rest, self.room(limits), Fault::HeadTooLarge)?;
        self.read += line.map_or(0, |line| line.len() + line::END);
        Ok(line)
    }

    /// One empty line before a start line is ignored (RFC 9112 section 2.2); a second is not a client's slip.
    pub(super) fn skip_leading_empty_line(&mut self) -> Result<(), Fault> {
        if self.head_at > 0 {
            return Err(Fault::EmptyLines);
        }
        self.head_at = self.read;
        Ok(())
    }

    /// Judges one field line of a head; it ends where `read` stands.
    pub(super) fn field(&mut self, field: &[u8], limits: &HeadLimits) -> Result<(), Fault> {
        let (name, value) = self.split(field, limits.headers_max, Fault::TooManyFields)?;
        match name.len() {
            4 if name.eq_ignore_ascii_case(b"host") => self.host(value),
            7 if name.eq_ignore_ascii_case(b"upgrade") => {
                let is_h2c = |item: &[u8]| line::trim(item).eq_ignore_ascii_case(b"h2c");
                self.fields.upgrade |= !value.split(|byte| *byte == b',').all(is_h2c);
                Ok(())
            }
            10 if name.eq_ignore_ascii_case(b"connection") => {
                self.fields.connection_upgrade |= line::has_token(value, b"upgrade");
                Ok(())
            }
            14 | 17 => self.framing(name, value),
            _ => Ok(()),
        }
    }

    /// Judges one field line of a trailer section.
    pub(super) fn trailer(&mut self, field: &[u8], limits: &HeadLimits) -> Result<(), Fault> {
        self.read += field.len() + line::END;
        let (name, _) = self.split(field, limits.headers_max, Fault::TrailersTooLarge)?;
        line::control_in(field).map_or(Ok(()), Err)?;
        let forbidden: [&[u8]; 5] = [
            b"content-length",
            b"transfer-encoding",
            b"host",
            b"trailer",
            b"authorization",
        ];
        if forbidden.iter().any(|other| name.eq_ignore_ascii_case(other)) {
            return Err(Fault::TrailerField);
        }
        Ok(())
    }

    fn split<'a>(&mut self, field: &'a [u8], max: usize, too_many: Fault) -> Result<(&'a [u8], &'a [u8]), Fault> {
        self.count += 1;
        if self.count > max {
            return Err(too_many);
        }
        if matches!(field.first(), Some(b' ' | b'\t')) {
            return Err(Fault::ObsFold);
        }
        // One pass over the name: it ends at its colon, or at the byte that makes it none.
        let end = field.iter().position(|byte| !line::is_token_byte(*byte));
        let (name, rest) = field
            .split_at_checked(end.unwrap_or(field.len()))
            .ok_or(Fault::FieldName)?;
        match rest {
            [b':', value @ ..] if !name.is_empty() => Ok((name, line::trim(value))),
            [b' ' | b'\t', ..] if line::trim(rest).starts_with(b":") => Err(Fault::SpaceBeforeColon),
            _ => Err(Fault::FieldName),
        }
    }

    /// At the end of a head: the line ends are its only control characters, or this is the fault.
    pub(super) fn stray_control(&self, head: &[u8]) -> Option<Fault> {
        // Start line, fields, empty line.
        let ends = (self.count + 2) * line::END;
        if line::controls(head) == ends {
            return None;
        }
        let mut lines = head.split(|byte| *byte == b'\n');
        lines.find_map(|line| line::control_in(line.strip_suffix(b"\r").unwrap_or(line)))
    }

    fn host(&mut self, value: &[u8]) -> Result<(), Fault> {
        if std::mem::replace(&mut self.fields.host, true) {
            return Err(Fault::HostTwice);
        }
        if value.is_empty() || !value.iter().all(|byte| is_authority_byte(*byte)) {
            return Err(Fault::Host);
        }
        Ok(())
    }

    fn framing(&mut self, name: &[u8], value: &[u8]) -> Result<(), Fault> {
        if name.eq_ignore_ascii_case(b"content-length") {
            let length = line::decimal(value).ok_or(Fault::ContentLength)?;
            if self.fields.length.replace(length).is_some() {
                return Err(Fault::ContentLengthTwice);
            }
        } else if name.eq_ignore_ascii_case(b"transfer-encoding") {
            if self.fields.chunked || !value.eq_ignore_ascii_case(b"chunked") {
                return Err(Fault::TransferEncoding);
            }
            self.fields.chunked = true;
        } else if name.eq_ignore_ascii_case(b"content_length") || name.eq_ignore_ascii_case(b"transfer_encoding") {
            return Err(Fault::LookalikeName);
        }
        Ok(())
    }
}

/// What may stand in an authority without user information (RFC 3986 section 3.2.2, with its port).
pub(in crate::proxy) fn is_authority_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(
            byte,
            b'-' | b'.'
                | b'_'
                | b'~'
                | b'%'
                | b'!'
                | b'$'
                | b'&'
                | b'\''
                | b'('
                | b')'
                | b'*'
                | b'+'
                | b';'
                | b'='
                | b':'
                | b'['
                | b']'
        )
}
