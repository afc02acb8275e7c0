//! The fingerprint of how a client opens HTTP/2: a library opens every connection alike, so that it is a key to count by and
//! names nobody.
//!
//! What is looked at are the first two parts of the published description, "Passive Fingerprinting of HTTP/2 Clients" (Akamai,
//! Black Hat EU 2017): `SETTINGS` in their order with their values, and the increment of the first `WINDOW_UPDATE` of the
//! connection. Its other two, priorities and the order of pseudo-header fields, are not: RFC 9113 gave the first up, and the
//! second needs the header block undone.

use std::fmt::Write as _;
use std::sync::Arc;

/// What a client sends first (RFC 9113 section 3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// So much of a connection is looked at; what is behind it says nothing.
pub const OPENING_BYTES_MAX: usize = 1_024;
/// Length, kind, flags and stream of a frame (RFC 9113 section 4.1).
const FRAME_HEAD_BYTES: usize = 9;
/// Where its kind stands, behind its length.
const KIND_AT: usize = 3;
const SETTING_BYTES: usize = 6;
/// A number of two digits is never larger.
const COUNT_MAX: u8 = 99;
/// The settings that are registered (RFC 9113 section 6.5.2, RFC 8441, RFC 9218): another number is one that its client
/// ought to make up anew each time.
const LAST_SETTING: u32 = 9;

const HEADERS: u8 = 1;
const SETTINGS: u8 = 4;
const WINDOW_UPDATE: u8 = 8;
const ACK: u8 = 1;

/// The first bytes of one connection, until its first request is there.
#[derive(Debug, Default)]
pub struct Opening {
    /// At most [`OPENING_BYTES_MAX`].
    read: Vec<u8>,
}

impl Opening {
    /// Takes what was read next, and gives the fingerprint as soon as it is known, however the bytes were cut; after that it
    /// stays the same.
    pub fn push(&mut self, bytes: &[u8]) -> Option<Arc<str>> {
        let room = OPENING_BYTES_MAX.saturating_sub(self.read.len());
        self.read.extend_from_slice(bytes.get(..room).unwrap_or(bytes));
        settings_print(&self.read)
    }
}

/// The fingerprint of a connection that begins with these bytes, in 18 characters, `s2_03_1f2e3d4c5b6a`: how many settings, and
/// the first 12 hexadecimal digits of the BLAKE3 hash of `1:65536;4:6291456|15663105`. None as long as more is needed.
fn settings_print(bytes: &[u8]) -> Option<Arc<str>> {
    let mut said = Said::default();
    let Some(mut rest) = bytes.strip_prefix(PREFACE) else {
        return (!PREFACE.starts_with(bytes)).then(|| said.print());
    };
    loop {
        if rest.get(KIND_AT) == Some(&HEADERS) {
            return Some(said.print());
        }
        let Some((frame, next)) = Frame::read(rest) else {
            return (bytes.len() >= OPENING_BYTES_MAX).then(|| said.print());
        };
        said.hear(&frame);
        rest = next;
    }
}

/// A frame that is whole.
struct Frame<'a> {
    kind: u8,
    flags: u8,
    is_of_connection: bool,
    payload: &'a [u8],
}

impl<'a> Frame<'a> {
    /// The first of `bytes`, and what is behind it.
    fn read(bytes: &'a [u8]) -> Option<(Self, &'a [u8])> {
        let (head, behind) = bytes.split_first_chunk::<FRAME_HEAD_BYTES>()?;
        let (length, rest) = head.split_first_chunk::<KIND_AT>()?;
        let (&[kind, flags], stream) = rest.split_first_chunk()?;
        let length = length.iter().fold(0, |length, byte| length << 8 | usize::from(*byte));
        let (payload, next) = behind.split_at_checked(length)?;
        let frame = Self {
            kind,
            flags,
            is_of_connection: stream == [0; 4],
            payload,
        };
        Some((frame, next))
    }
}

/// What a client said of itself so far.
#[derive(Default)]
struct Said {
    settings: String,
    count: u8,
    increment: u32,
}

impl Said {
    fn hear(&mut self, frame: &Frame<'_>) {
        match frame.kind {
            SETTINGS if frame.is_of_connection && frame.flags & ACK == 0 => {
                self.set(frame.payload);
            }
            WINDOW_UPDATE if frame.is_of_connection && self.increment == 0 => {
                let increment = frame.payload.first_chunk().copied().map_or(0, u32::from_be_bytes);
                self.increment = increment & (u32::MAX >> 1);
            }
            _ => {}
        }
    }

    /// Settings; those that are not registered say nothing.
    fn set(&mut self, settings: &[u8]) {
        let number = |bytes: &[u8]| bytes.iter().fold(0_u32, |number, byte| number << 8 | u32::from(*byte));
        let settings = settings.as_chunks::<SETTING_BYTES>().0.iter();
        let settings = settings.map(|setting| setting.split_at(2));
        let settings = settings.map(|(id, value)| (number(id), number(value)));
        for (id, value) in settings.filter(|(id, _)| (1..=LAST_SETTING).contains(id)) {
            let between = if self.count == 0 { "" } else { ";" };
            // A write to a string does not fail.
            write!(self.settings, "{between}{id}:{value}").ok();
            self.count = self.count.saturating_add(1);
        }
    }

    fn print(&self) -> Arc<str> {
        let Self {
            settings,
            count,
            increment,
        } = self;
        let hash = blake3::hash(format!("{settings}|{increment:02}").as_bytes()).to_hex();
        format!("s2_{:02}_{hash:.12}", count.min(&COUNT_MAX)).into()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
        let [_, a, b, c] = u32::try_from(payload.len()).unwrap().to_be_bytes();
        let stream = stream.to_be_bytes();
        [&[a, b, c, kind, flags][..], &stream, payload].concat()
    }

    fn settings(values: &[(u16, u32)]) -> Vec<u8> {
        let payload = values
            .iter()
            .flat_map(|(id, value)| [&id.to_be_bytes()[..], &value.to_be_bytes()].concat());
        frame(SETTINGS, 0, 0, &payload.collect::<Vec<u8>>())
    }

    fn update(stream: u32, increment: u32) -> Vec<u8> {
        frame(WINDOW_UPDATE, 0, stream, &increment.to_be_bytes())
    }

    fn request() -> Vec<u8> {
        frame(HEADERS, 5, 1, &[0x82, 0x84, 0x87])
    }

    fn opened(frames: &[Vec<u8>]) -> Option<Arc<str>> {
        Opening::default().push(&[PREFACE.to_vec(), frames.concat()].concat())
    }

    const BROWSER: [(u16, u32); 4] = [(1, 65_536), (2, 0), (4, 6_291_456), (6, 262_144)];

    #[test]
    fn settings_and_the_window_of_the_connection_are_the_fingerprint() {
        let print = opened(&[settings(&BROWSER), update(0, 15_663_105), request()]).unwrap();
        let hash = blake3::hash(b"1:65536;2:0;4:6291456;6:262144|15663105").to_hex();
        assert_eq!(&*print, format!("s2_04_{hash:.12}"));

        let mut made_up = BROWSER.to_vec();
        made_up.insert(1, (0x1a1a, 4_711));
        for same in [
            vec![settings(&made_up), update(0, 15_663_105), request()],
            vec![
                settings(&BROWSER),
                update(0, 15_663_105),
                request(),
                update(0, 9),
                settings(&[(1, 9)]),
            ],
            vec![
                settings(&BROWSER),
                frame(2, 0, 3, &[0, 0, 0, 0, 9]),
                update(0, 15_663_105),
                update(0, 7),
                request(),
            ],
            vec![
                settings(&BROWSER),
                frame(SETTINGS, ACK, 0, &[]),
                update(3, 5),
                update(0, 15_663_105),
                request(),
            ],
        ] {
            assert_eq!(opened(&same).as_ref(), Some(&print), "{same:?}");
        }
        let mut turned = BROWSER;
        turned.reverse();
        for other in [
            vec![settings(&turned), update(0, 15_663_105), request()],
            vec![settings(&BROWSER), request()],
            vec![settings(&BROWSER[..3]), update(0, 15_663_105), request()],
            vec![settings(&[]), request()],
        ] {
            assert_ne!(opened(&other).unwrap(), print, "{other:?}");
        }
        assert_eq!(opened(&[settings(&BROWSER), update(0, 1)]), None, "no request yet");
    }

    #[test]
    fn an_opening_is_read_whole_cut_and_byte_by_byte() {
        let long = vec![(3, 100); 200];
        for frames in [
            vec![settings(&BROWSER), update(0, 15_663_105), request()],
            vec![settings(&long), update(0, 1), request()],
            vec![
                frame(0x2f, 0, 0, &[7; 700]),
                settings(&BROWSER),
                frame(0x2f, 0, 0, &[7; 700]),
            ],
        ] {
            let whole = [PREFACE.to_vec(), frames.concat()].concat();
            let expected = Opening::default().push(&whole);
            assert!(expected.is_some());
            for cut in 0..whole.len() {
                let mut opening = Opening::default();
                let (front, back) = whole.split_at(cut);
                let given = opening.push(front).or_else(|| opening.push(back));
                assert_eq!(given, expected, "at {cut}");
            }
            let mut opening = Opening::default();
            let given = whole.chunks(1).find_map(|byte| opening.push(byte));
            assert_eq!(given, expected);
        }
        assert!(Opening::default().push(b"GET / HTTP/1.1").is_some(), "there is an end");
    }

    proptest! {
        #[test]
        fn any_frames_in_any_split_have_one_fingerprint(
            frames in prop::collection::vec((0_u8..10, any::<u8>(), 0_u32..3, prop::collection::vec(any::<u8>(), 0..80)), 0..20),
            step in 1_usize..50,
        ) {
            let frames = frames.iter().flat_map(|(kind, flags, stream, payload)| frame(*kind, *flags, *stream, payload));
            let whole: Vec<u8> = PREFACE.iter().copied().chain(frames).collect();
            let expected = Opening::default().push(&whole);
            let mut opening = Opening::default();
            prop_assert_eq!(&whole.chunks(step).find_map(|chunk| opening.push(chunk)), &expected);
            prop_assert_eq!(opening.push(&[0; 40]), Opening::default().push(&[&whole[..], &[0; 40]].concat()));
            prop_assert!(opening.read.len() <= OPENING_BYTES_MAX);
            prop_assert!(expected.is_some() || whole.len() < OPENING_BYTES_MAX);
        }
    }
}
