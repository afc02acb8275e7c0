//! The frames of WebSocket (RFC 6455, section 5): bytes in, pieces of messages and control frames out; and frames written. Pure.
//!
//! Messages are framed anew on the way, as an intermediary may (section 5.4): so a cut stands between two frames, and a close
//! frame can follow it.

use bytes::{Buf as _, Bytes, BytesMut};
use flate2::{Decompress, FlushDecompress, Status};
use smallvec::SmallVec;

use super::opcode::Opcode;
use crate::proxy::framing::Fault;

/// Bytes of a control frame's payload (section 5.5).
pub(super) const CONTROL_BYTES_MAX: usize = 125;
/// Instead of a length in seven bits: it stands in the two bytes that follow, or in eight (section 5.2).
const LENGTH_OF_TWO: u8 = 0x7e;
const LENGTH_OF_EIGHT: u8 = 0x7f;
/// The bit before it.
const MASKED: u8 = 0x80;
/// Bytes of the longest head: two, a length of eight, a mask of four.
const HEAD_BYTES_MAX: usize = 14;
/// What a sender leaves off the end of a deflated message (RFC 7692, section 7.2.1).
const DEFLATE_TAIL: [u8; 4] = [0, 0, 0xff, 0xff];
/// Bytes inflated at one step.
const INFLATED_BYTES: usize = 16 << 10;
/// Inflated bytes for one deflated byte of a message, beyond the first MiB, as of bodies. Against: decompression bombs.
const RATIO_MAX: u64 = 250;
const RATIO_FREE_BYTES: u64 = 1 << 20;

/// What comes next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A piece of a message: text or binary. A piece may be empty.
    Data {
        /// What the message is.
        opcode: Opcode,
        /// The piece.
        bytes: Bytes,
        /// Whether the message ends with it.
        last: bool,
    },
    /// A control frame, which may stand between two pieces of a message.
    Control {
        /// Which one.
        opcode: Opcode,
        /// What it carries, at most 125 bytes.
        payload: Bytes,
    },
}

/// Who sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum From {
    /// Its frames are masked.
    Client,
    /// Its are not.
    Server,
}

/// The frame under way.
#[derive(Clone, Copy)]
struct Payload {
    left: u64,
    mask: Option<[u8; 4]>,
    last: bool,
}

/// Reads the frames of one direction.
pub struct FrameReader {
    from: From,
    payload: Option<Payload>,
    /// What the message under way is, and whether it is deflated.
    message: Option<(Opcode, bool)>,
    closed: bool,
    inflater: Option<Box<Inflater>>,
}

impl FrameReader {
    /// A reader of what `from` sends; `deflates` if permessage-deflate (RFC 7692) was agreed on.
    pub fn new(from: From, deflates: bool) -> Self {
        Self {
            from,
            payload: None,
            message: None,
            closed: false,
            inflater: deflates.then(Box::default),
        }
    }

    /// The next event in `buffer`, of which it takes what it has read; `None` asks for more bytes.
    ///
    /// # Errors
    ///
    /// A frame that breaks the protocol; nothing after it can be trusted.
    pub fn next(&mut self, buffer: &mut BytesMut) -> Result<Option<Event>, Fault> {
        loop {
            let Some(mut payload) = self.payload else {
                match self.head(buffer)? {
                    Head::Incomplete => return Ok(None),
                    Head::Control(event) => return Ok(Some(event)),
                    Head::Data => continue,
                }
            };
            let length = usize::try_from(payload.left).unwrap_or(usize::MAX).min(buffer.len());
            if length == 0 && payload.left > 0 {
                return Ok(None);
            }
            let mut bytes = buffer.split_to(length);
            if let Some(mask) = &mut payload.mask {
                unmask(&mut bytes, mask);
            }
            payload.left -= length as u64;
            let ended = payload.left == 0;
            self.payload = (!ended).then_some(payload);
            let last = ended && payload.last;
            let Some((opcode, deflated)) = self.message else {
                return Err(Fault::WebsocketFrame);
            };
            if last {
                self.message = None;
            }
            let bytes = match &mut self.inflater {
                Some(inflater) if deflated => inflater.inflate(&bytes, last)?,
                _ => bytes.freeze(),
            };
            if last || !bytes.is_empty() {
                return Ok(Some(Event::Data { opcode, bytes, last }));
            }
        }
    }

    /// Reads the head of a frame, and a control frame whole.
    fn head(&mut self, buffer: &mut BytesMut) -> Result<Head, Fault> {
        let bad = Fault::WebsocketFrame;
        let [first, second, rest @ ..] = &buffer[..] else {
            return Ok(Head::Incomplete);
        };
        if self.closed {
            return Err(bad);
        }
        let (last, reserved) = (first & 0x80 != 0, first & 0x70);
        let opcode = Opcode::of(first & 0x0f).ok_or(bad)?;
        let is_masked = second & MASKED != 0;
        let short = second & !MASKED;
        let length_bytes = match short {
            LENGTH_OF_TWO => 2,
            LENGTH_OF_EIGHT => 8,
            _ => 0,
        };
        let head = 2 + length_bytes + if is_masked { 4 } else { 0 };
        if is_masked != (self.from == From::Client) || (opcode.is_control() && (!last || length_bytes > 0)) {
            return Err(bad);
        }
        if buffer.len() < head {
            return Ok(Head::Incomplete);
        }
        let long = rest
            .iter()
            .take(length_bytes)
            .fold(0_u64, |sum, byte| sum << 8 | u64::from(*byte));
        // The shortest form is a must, and the first bit of eight bytes is none of the length.
        let is_shortest = match length_bytes {
            2 => long > 125,
            8 => (0x1_0000..1 << 63).contains(&long),
            _ => true,
        };
        let mask = rest
            .get(length_bytes..)
            .and_then(|rest| rest.first_chunk::<4>().copied());
        let mask = mask.filter(|_| is_masked);
        if !is_shortest {
            return Err(bad);
        }
        let length = if length_bytes > 0 { long } else { u64::from(short) };
        if opcode.is_control() {
            if reserved != 0 {
                return Err(bad);
            }
            return self.control(buffer, opcode, head, (length as usize, mask));
        }
        self.begin(opcode, reserved)?;
        buffer.advance(head);
        self.payload = Some(Payload {
            left: length,
            mask,
            last,
        });
        Ok(Head::Data)
    }

    /// A data frame begins: of a new message, or of the one under way.
    fn begin(&mut self, opcode: Opcode, reserved: u8) -> Result<(), Fault> {
        let is_first = opcode != Opcode::Continuation;
        let deflated = reserved == 0x40 && is_first && self.inflater.is_some();
        if is_first == self.message.is_some() || (reserved != 0 && !deflated) {
            return Err(Fault::WebsocketFrame);
        }
        if is_first {
            self.message = Some((opcode, deflated));
        }
        Ok(())
    }

    fn control(
        &mut self,
        buffer: &mut BytesMut,
        opcode: Opcode,
        head: usize,
        (length, mask): (usize, Option<[u8; 4]>),
    ) -> Result<Head, Fault> {
        if buffer.len() < head + length {
            return Ok(Head::Incomplete);
        }
        buffer.advance(head);
        let mut payload = buffer.split_to(length);
        if let Some(mut mask) = mask {
            unmask(&mut payload, &mut mask);
        }
        if opcode == Opcode::Close {
            self.closed = true;
            let is_said = payload.len() != 1 && payload.get(2..).is_none_or(|why| std::str::from_utf8(why).is_ok());
            if !is_said {
                return Err(Fault::WebsocketFrame);
            }
        }
        let payload = payload.freeze();
        Ok(Head::Control(Event::Control { opcode, payload }))
    }
}

enum Head {
    Incomplete,
    Control(Event),
    Data,
}

/// Undoes or puts on a mask, which is left as it stands behind `bytes`.
fn unmask(bytes: &mut [u8], mask: &mut [u8; 4]) {
    for (byte, key) in bytes.iter_mut().zip(mask.iter().cycle()) {
        *byte ^= key;
    }
    mask.rotate_left(bytes.len() % 4);
}

/// Inflates the messages of one direction, each behind the ones before it: their window may be used again.
struct Inflater {
    stream: Decompress,
    /// Of the message under way.
    read: u64,
    written: u64,
}

impl Default for Inflater {
    fn default() -> Self {
        Self {
            stream: Decompress::new(false),
            read: 0,
            written: 0,
        }
    }
}

impl Inflater {
    fn inflate(&mut self, deflated: &[u8], last: bool) -> Result<Bytes, Fault> {
        let mut text = Vec::new();
        self.read += deflated.len() as u64;
        self.step(deflated, &mut text)?;
        if last {
            self.step(&DEFLATE_TAIL, &mut text)?;
            (self.read, self.written) = (0, 0);
        }
        Ok(text.into())
    }

    fn step(&mut self, mut input: &[u8], text: &mut Vec<u8>) -> Result<(), Fault> {
        loop {
            let (read, length) = (self.stream.total_in(), text.len());
            text.reserve(INFLATED_BYTES);
            let status = self.stream.decompress_vec(input, text, FlushDecompress::Sync);
            let status = status.map_err(|_| Fault::WebsocketFrame)?;
            input = input
                .get((self.stream.total_in() - read) as usize..)
                .unwrap_or_default();
            self.written += (text.len() - length) as u64;
            if self.written > RATIO_FREE_BYTES && self.written / self.read.max(1) > RATIO_MAX {
                return Err(Fault::WebsocketFrame);
            }
            if status == Status::StreamEnd {
                // A last block ends the stream, not the message (RFC 7692, section 7.2.3.4).
                self.stream = Decompress::new(false);
            }
            if input.is_empty() && text.len() < text.capacity() || status == Status::BufError {
                return Ok(());
            }
        }
    }
}

/// The head of a frame, and its payload, which is masked in place if there is a mask.
pub(super) fn write(out: &mut Vec<u8>, opcode: Opcode, last: bool, payload: &[u8], mask: Option<[u8; 4]>) {
    let mut head = SmallVec::<[u8; HEAD_BYTES_MAX]>::new();
    head.push(opcode.number() | if last { 0x80 } else { 0 });
    let bit = if mask.is_some() { MASKED } else { 0 };
    match payload.len() {
        short @ 0..=125 => head.push(bit | short as u8),
        middle @ 126..=0xffff => {
            head.push(bit | LENGTH_OF_TWO);
            head.extend_from_slice(&(middle as u16).to_be_bytes());
        }
        long => {
            head.push(bit | LENGTH_OF_EIGHT);
            head.extend_from_slice(&(long as u64).to_be_bytes());
        }
    }
    head.extend(mask.into_iter().flatten());
    out.extend_from_slice(&head);
    let at = out.len();
    out.extend_from_slice(payload);
    if let (Some(mut mask), Some(written)) = (mask, out.get_mut(at..)) {
        unmask(written, &mut mask);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(from: From, deflates: bool, bytes: &[u8], cut: usize) -> (Vec<Event>, Option<Fault>) {
        let (mut reader, mut buffer) = (FrameReader::new(from, deflates), BytesMut::new());
        let mut events: Vec<Event> = Vec::new();
        for part in bytes.chunks(cut.max(1)) {
            buffer.extend_from_slice(part);
            loop {
                match reader.next(&mut buffer) {
                    Ok(Some(event)) => push(&mut events, event),
                    Ok(None) => break,
                    Err(fault) => return (events, Some(fault)),
                }
            }
        }
        (events, None)
    }

    /// Pieces of one message are joined, so that how it was cut does not show.
    fn push(events: &mut Vec<Event>, event: Event) {
        if let (
            Some(Event::Data { bytes, last, .. }),
            Event::Data {
                bytes: more,
                last: ends,
                ..
            },
        ) = (events.last_mut(), &event)
            && !*last
        {
            *bytes = [&bytes[..], &more[..]].concat().into();
            *last = *ends;
            return;
        }
        events.push(event);
    }

    fn data(text: &str) -> Event {
        Event::Data {
            opcode: Opcode::Text,
            bytes: Bytes::copy_from_slice(text.as_bytes()),
            last: true,
        }
    }

    #[test]
    fn messages_are_read_however_they_are_framed_and_cut() {
        let text = "x".repeat(70_000);
        for mask in [None, Some([1, 2, 3, 4])] {
            let from = if mask.is_some() { From::Client } else { From::Server };
            let mut wire = Vec::new();
            write(&mut wire, Opcode::Text, false, b"Hel", mask);
            write(&mut wire, Opcode::Ping, true, b"between", mask);
            write(&mut wire, Opcode::Continuation, false, b"", mask);
            write(&mut wire, Opcode::Continuation, true, b"lo", mask);
            write(&mut wire, Opcode::Text, true, text.as_bytes(), mask);
            write(&mut wire, Opcode::Text, true, &text.as_bytes()[..300], mask);
            write(&mut wire, Opcode::Text, true, b"", mask);
            write(&mut wire, Opcode::Close, true, &[3, 232], mask);
            for cut in [1, 2, 7, wire.len()] {
                let (events, fault) = read(from, false, &wire, cut);
                assert_eq!(fault, None);
                let whole: Vec<_> = events
                    .iter()
                    .filter(|event| matches!(event, Event::Control { .. }))
                    .collect();
                assert_eq!(whole.len(), 2);
                let messages: Vec<_> = events
                    .iter()
                    .filter(|event| matches!(event, Event::Data { last: true, .. }))
                    .collect();
                assert_eq!(messages.len(), 4, "cut {cut}");
                assert_eq!(messages[1], &data(&text));
                assert_eq!(messages[3], &data(""));
            }
        }
    }

    #[test]
    fn what_breaks_the_protocol_is_refused() {
        let cases: [(&str, From, &[u8]); 14] = [
            ("reserved bit", From::Server, &[0xc1, 0]),
            ("unknown opcode", From::Server, &[0x83, 0]),
            ("unknown control", From::Server, &[0x8b, 0]),
            ("masked by the server", From::Server, &[0x81, 0x80, 0, 0, 0, 0]),
            ("bare from the client", From::Client, &[0x81, 0]),
            ("nothing to continue", From::Server, &[0x80, 0]),
            ("two at once", From::Server, &[0x01, 0, 0x81, 0]),
            ("a ping in pieces", From::Server, &[0x09, 0]),
            ("a long ping", From::Server, &[0x89, 126, 0, 126]),
            ("not the shortest", From::Server, &[0x81, 126, 0, 5]),
            (
                "not the shortest of eight",
                From::Server,
                &[0x81, 127, 0, 0, 0, 0, 0, 0, 1, 0],
            ),
            (
                "a negative length",
                From::Server,
                &[0x81, 127, 0x80, 0, 0, 0, 0, 0, 0, 0],
            ),
            ("a close of one byte", From::Server, &[0x88, 1, 3]),
            ("after the close", From::Server, &[0x88, 0, 0x81, 0]),
        ];
        for (what, from, wire) in cases {
            for cut in [1, wire.len()] {
                assert_eq!(read(from, false, wire, cut).1, Some(Fault::WebsocketFrame), "{what}");
            }
        }
    }

    /// Two messages, the second of which refers to the first (RFC 7692, section 7.2.3.2).
    #[test]
    fn deflated_messages_are_read_with_their_context() {
        let wire = [
            &[0xc1, 0x07, 0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00][..],
            &[0xc1, 0x05, 0xf2, 0x00, 0x11, 0x00, 0x00],
        ]
        .concat();
        for cut in [1, 3, wire.len()] {
            let (events, fault) = read(From::Server, true, &wire, cut);
            assert_eq!((events, fault), (vec![data("Hello"), data("Hello")], None), "{cut}");
        }
        assert_eq!(
            read(From::Server, false, &wire, 1).1,
            Some(Fault::WebsocketFrame),
            "nothing was agreed on"
        );
    }

    #[test]
    fn any_bytes_are_read_or_refused() {
        for seed in 0..2_000_u32 {
            let mut state = seed;
            let bytes: Vec<u8> = (0..64)
                .map(|_| {
                    state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    (state >> 24) as u8
                })
                .collect();
            let whole = read(From::Server, true, &bytes, bytes.len());
            let cut = read(From::Server, true, &bytes, 1);
            assert_eq!(cut.1, whole.1, "{seed}");
        }
    }
}
