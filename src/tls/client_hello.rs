//! The `ClientHello` that a TLS connection begins with (RFC 8446, sections 4.1.2 and 5.1): the parts that a fingerprint is
//! made of, read without TLS and without I/O.
//!
//! ```text
//!  record     [ 22 ][ version ][ length ][ a piece of the message      ] [ 22 ][ version ][ length ][ the next piece
//!  message                               [ 1 ][ length ][ version ][ random ][ session ][ ciphers ][ ... ][ extensions ]
//! ```

use std::fmt;

/// Bytes from the front of a connection that are looked at. Hellos of browsers with a post-quantum key share take about 1,800;
/// rustls takes up to four times as much as this, which nobody needs, and which each stranger could have us remember.
pub const HELLO_BYTES_MAX: usize = 16_384;

/// Bytes of one record (RFC 8446, section 5.1).
const RECORD_BYTES_MAX: usize = 1 << 14;
/// The type of a record with a handshake message in it.
const HANDSHAKE: u8 = 22;
/// The type of the message.
const CLIENT_HELLO: u8 = 1;

/// Extensions that are looked into, by number.
pub(super) const SERVER_NAME: u16 = 0x0000;
const SIGNATURE_ALGORITHMS: u16 = 0x000d;
pub(super) const ALPN: u16 = 0x0010;
const SUPPORTED_VERSIONS: u16 = 0x002b;
const ENCRYPTED_CLIENT_HELLO: u16 = 0xfe0d;

/// What there is of a hello.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Peek {
    /// It is not whole yet.
    More,
    /// It is whole.
    Hello(ClientHello),
}

/// Why a connection begins with no hello that can be read; more bytes change nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HelloFault {
    /// It is no TLS, or another message.
    NoHello,
    /// It, with the records around it, is longer than [`HELLO_BYTES_MAX`].
    TooLong,
    /// A length in it leads out of what is around it, or stands for half a number.
    Malformed,
}

impl HelloFault {
    /// The value of the label `reason`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::NoHello => "no_hello",
            Self::TooLong => "too_long",
            Self::Malformed => "malformed",
        }
    }
}

impl fmt::Display for HelloFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl std::error::Error for HelloFault {}

/// What a client says of itself. Values that are reserved so that nobody relies on their absence (GREASE, RFC 8701) are left
/// out of every list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClientHello {
    /// The highest version that it offers, where it has a list of them, else the one of the message.
    pub version: u16,
    /// Cipher suites in the order of the message, those that only signal something among them.
    pub ciphers: Vec<u16>,
    /// The numbers of its extensions, in the order of the message.
    pub extensions: Vec<u16>,
    /// The first protocol of ALPN (RFC 7301); empty where none is offered.
    pub first_protocol: Vec<u8>,
    /// Signature algorithms, in order of preference.
    pub signature_algorithms: Vec<u16>,
    /// The name that it asks for (RFC 6066, section 3), in lower case; none where it asks for none, or for what is no name.
    pub server_name: Option<String>,
}

/// Reads the hello at the front of `bytes`. The answer does not change with what stands behind it, and only that it is not
/// whole yet changes with more bytes.
///
/// # Errors
///
/// Why there will be none.
pub fn peek(bytes: &[u8]) -> Result<Peek, HelloFault> {
    let seen = bytes.get(..HELLO_BYTES_MAX).unwrap_or(bytes);
    match message(&mut Reader(seen))? {
        Some(message) => ClientHello::read(&message).map(Peek::Hello),
        None if seen.len() == HELLO_BYTES_MAX => Err(HelloFault::TooLong),
        None => Ok(Peek::More),
    }
}

/// The content of the message, out of its records; none if it is not whole yet.
fn message(records: &mut Reader<'_>) -> Result<Option<Vec<u8>>, HelloFault> {
    let mut message = Vec::new();
    loop {
        if let Some((header, content)) = message.split_first_chunk::<4>() {
            let [kind, high, middle, low] = *header;
            let length = u32::from_be_bytes([0, high, middle, low]) as usize;
            match kind {
                CLIENT_HELLO if length > HELLO_BYTES_MAX => return Err(HelloFault::TooLong),
                CLIENT_HELLO => {}
                _ => return Err(HelloFault::NoHello),
            }
            if let Some(content) = content.get(..length) {
                return Ok(Some(content.to_vec()));
            }
        }
        let Some(piece) = record(records)? else { return Ok(None) };
        message.extend_from_slice(piece);
    }
}

/// What there is of the content of the next record; none at the end of what there is.
fn record<'a>(records: &mut Reader<'a>) -> Result<Option<&'a [u8]>, HelloFault> {
    if records.0.first().is_some_and(|kind| *kind != HANDSHAKE) {
        return Err(HelloFault::NoHello);
    }
    let Some((header, rest)) = records.0.split_first_chunk::<5>() else {
        return Ok(None);
    };
    let [_, major, _, high, low] = *header;
    if major != 3 {
        return Err(HelloFault::NoHello);
    }
    let length = usize::from(u16::from_be_bytes([high, low]));
    if length == 0 || length > RECORD_BYTES_MAX {
        return Err(HelloFault::Malformed);
    }
    let (piece, rest) = rest.split_at_checked(length).unwrap_or((rest, &[]));
    records.0 = rest;
    Ok((!piece.is_empty()).then_some(piece))
}

impl ClientHello {
    /// Whether it says that another hello is hidden in it (ECH, RFC 9849). Clients that have nothing to hide say so too, so that
    /// nobody tells them from those that have.
    pub fn hides_another(&self) -> bool {
        self.extensions.contains(&ENCRYPTED_CLIENT_HELLO)
    }

    /// Reads the content of the message.
    fn read(message: &[u8]) -> Result<Self, HelloFault> {
        let mut hello = Self::default();
        hello.fill(&mut Reader(message)).ok_or(HelloFault::Malformed)?;
        Ok(hello)
    }

    fn fill(&mut self, message: &mut Reader<'_>) -> Option<()> {
        const RANDOM_BYTES: usize = 32;
        self.version = message.u16()?;
        message.take(RANDOM_BYTES)?;
        let _session = message.short()?;
        self.ciphers = numbers(&message.long()?)?;
        let _compressions = message.short()?;
        if message.0.is_empty() {
            // Before TLS 1.2 there need be none.
            return Some(());
        }
        let mut extensions = message.long()?;
        while !extensions.0.is_empty() {
            let number = extensions.u16()?;
            self.extension(number, extensions.long()?)?;
        }
        message.0.is_empty().then_some(())
    }

    fn extension(&mut self, number: u16, mut content: Reader<'_>) -> Option<()> {
        if !is_grease(number) {
            self.extensions.push(number);
        }
        match number {
            SERVER_NAME => name(&mut content.long()?, &mut self.server_name)?,
            ALPN => {
                let mut protocols = content.long()?;
                if !protocols.0.is_empty() {
                    self.first_protocol = protocols.short()?.0.to_vec();
                }
            }
            SIGNATURE_ALGORITHMS => self.signature_algorithms = numbers(&content.long()?)?,
            SUPPORTED_VERSIONS => self.version = numbers(&content.short()?)?.into_iter().max().unwrap_or(0),
            _ => {}
        }
        Some(())
    }
}

/// The first host name of a list; every entry is looked at, so that none hides behind another.
fn name(list: &mut Reader<'_>, found: &mut Option<String>) -> Option<()> {
    const HOST_NAME: u8 = 0;
    while !list.0.is_empty() {
        let (kind, name) = (list.take(1)?, list.long()?);
        if kind == [HOST_NAME] && found.is_none() {
            *found = Some(std::str::from_utf8(name.0).ok()?.to_ascii_lowercase());
        }
    }
    Some(())
}

/// Numbers of two bytes, without those that mean nothing.
fn numbers(list: &Reader<'_>) -> Option<Vec<u16>> {
    let (pairs, []) = list.0.as_chunks::<2>() else {
        return None;
    };
    let numbers = pairs.iter().map(|pair| u16::from_be_bytes(*pair));
    Some(numbers.filter(|number| !is_grease(*number)).collect())
}

/// Both bytes are the same and end in `a` (RFC 8701, section 2).
fn is_grease(number: u16) -> bool {
    let [high, low] = number.to_be_bytes();
    high == low && low & 0x0f == 0x0a
}

/// What is left to read.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    fn u16(&mut self) -> Option<u16> {
        let (number, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(u16::from_be_bytes(*number))
    }

    /// What a length of one byte stands before.
    fn short(&mut self) -> Option<Self> {
        let (length, rest) = self.0.split_first()?;
        self.0 = rest;
        self.take(usize::from(*length)).map(Self)
    }

    /// What a length of two bytes stands before.
    fn long(&mut self) -> Option<Self> {
        let length = self.u16()?;
        self.take(usize::from(length)).map(Self)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A hello as it stands on the wire, in records of at most `piece` bytes.
    pub(in crate::tls) fn wire(version: u16, ciphers: &[u16], extensions: &[(u16, Vec<u8>)], piece: usize) -> Vec<u8> {
        let ciphers: Vec<u8> = ciphers.iter().flat_map(|number| number.to_be_bytes()).collect();
        let extensions: Vec<u8> = extensions
            .iter()
            .flat_map(|(number, content)| [&number.to_be_bytes()[..], &long(content)].concat())
            .collect();
        let body = [
            &version.to_be_bytes()[..],
            &[7; 32],
            &[1, 9],
            &long(&ciphers),
            &[1, 0],
            &long(&extensions),
        ]
        .concat();
        let length = u32::try_from(body.len()).unwrap().to_be_bytes();
        let message = [&[CLIENT_HELLO], &length[1..], &body].concat();
        let record = |piece: &[u8]| [&[HANDSHAKE, 3, 1][..], &long(piece)].concat();
        message.chunks(piece).flat_map(record).collect()
    }

    pub(in crate::tls) fn long(content: &[u8]) -> Vec<u8> {
        [&u16::try_from(content.len()).unwrap().to_be_bytes()[..], content].concat()
    }

    pub(in crate::tls) fn short(content: &[u8]) -> Vec<u8> {
        [&[u8::try_from(content.len()).unwrap()], content].concat()
    }

    pub(in crate::tls) fn list(numbers: &[u16]) -> Vec<u8> {
        numbers.iter().flat_map(|number| number.to_be_bytes()).collect()
    }

    fn example(piece: usize) -> Vec<u8> {
        let extensions = [
            (0x2a2a, Vec::new()),
            (SERVER_NAME, long(b"\0\0\x01A")),
            (ALPN, long(&[short(b"h2"), short(b"http/1.1")].concat())),
            (SIGNATURE_ALGORITHMS, long(&list(&[0x0403, 0xdada, 0x0804]))),
            (SUPPORTED_VERSIONS, short(&list(&[0xaaaa, 0x0303, 0x0304]))),
            (0xff01, vec![0]),
        ];
        wire(0x0303, &[0x1a1a, 0x1301, 0x00ff], &extensions, piece)
    }

    #[test]
    fn a_hello_is_read_whole_cut_and_in_any_records() {
        let hello = ClientHello {
            version: 0x0304,
            ciphers: vec![0x1301, 0x00ff],
            extensions: vec![SERVER_NAME, ALPN, SIGNATURE_ALGORITHMS, SUPPORTED_VERSIONS, 0xff01],
            first_protocol: b"h2".to_vec(),
            signature_algorithms: vec![0x0403, 0x0804],
            server_name: Some("a".to_owned()),
        };
        for piece in [1, 3, 4, 50, 4_096] {
            let wire = example(piece);
            for end in 0..wire.len() {
                assert_eq!(peek(&wire[..end]), Ok(Peek::More), "{piece}, {end}");
            }
            assert_eq!(peek(&wire), Ok(Peek::Hello(hello.clone())), "{piece}");
            let more = [&wire[..], b"\x17\x03\x03 what comes next"].concat();
            assert_eq!(peek(&more), Ok(Peek::Hello(hello.clone())), "{piece}");
        }
    }

    #[test]
    fn a_hello_without_extensions_is_one() {
        let bare = wire(0x0301, &[0x0005], &[], 4_096);
        let cut = {
            // As before TLS 1.2: not even their length.
            let mut cut = bare[..bare.len() - 2].to_vec();
            cut[4] -= 2;
            cut[8] -= 2;
            cut
        };
        for wire in [bare, cut] {
            let Ok(Peek::Hello(hello)) = peek(&wire) else {
                panic!("{wire:?}")
            };
            assert_eq!((hello.version, &*hello.ciphers), (0x0301, &[0x0005][..]));
            assert!(hello.extensions.is_empty());
        }
    }

    #[test]
    fn what_is_no_hello_says_so_at_once() {
        let good = example(4_096);
        let with = |at: usize, byte: u8| {
            let mut bytes = good.clone();
            bytes[at] = byte;
            bytes
        };
        let extension = |number, content: &[u8]| wire(0x0303, &[0x1301], &[(number, content.to_vec())], 4_096);
        let cases = [
            (b"GET / HTTP/1.1".to_vec(), HelloFault::NoHello),
            (vec![0x80], HelloFault::NoHello),
            (with(1, 2), HelloFault::NoHello),
            (with(5, 2), HelloFault::NoHello),
            (vec![22, 3, 1, 0, 0], HelloFault::Malformed),
            (vec![22, 3, 1, 0x40, 1], HelloFault::Malformed),
            (with(6, 1), HelloFault::TooLong),
            (with(43, 255), HelloFault::Malformed),
            // It ends in the middle of its random bytes.
            (vec![22, 3, 1, 0, 8, 1, 0, 0, 4, 3, 3, 9, 9], HelloFault::Malformed),
            (extension(ALPN, &[0, 2, 2, b'h']), HelloFault::Malformed),
            (extension(SERVER_NAME, &[0, 4, 0, 0, 2, b'a']), HelloFault::Malformed),
            (extension(SERVER_NAME, &[0, 4, 0, 0, 1, 0xff]), HelloFault::Malformed),
            (extension(SIGNATURE_ALGORITHMS, &[0, 3, 4, 3, 8]), HelloFault::Malformed),
            (extension(SUPPORTED_VERSIONS, &[]), HelloFault::Malformed),
        ];
        for (bytes, fault) in cases {
            assert_eq!(peek(&bytes), Err(fault), "{bytes:?}");
        }
    }

    #[test]
    fn no_more_is_looked_at_than_the_bound() {
        let padding = |bytes: usize| wire(0x0303, &[0x1301], &[(21, vec![0; bytes])], 1_000);
        let room = HELLO_BYTES_MAX - padding(0).len() - 16 * 5;
        assert!(matches!(peek(&padding(room - 500)), Ok(Peek::Hello(_))));
        assert_eq!(peek(&padding(room + 500)), Err(HelloFault::TooLong));
        let drip = wire(0x0303, &[0x1301], &[(21, vec![0; 4_000])], 1);
        assert_eq!(peek(&drip[..HELLO_BYTES_MAX - 1]), Ok(Peek::More));
        assert_eq!(peek(&drip), Err(HelloFault::TooLong), "records of one byte");
    }
}
