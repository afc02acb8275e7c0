//! The fingerprint JA4 of a `ClientHello`, as its authors describe it (`technical_details/JA4.md`): many clients share one, so
//! that it is a key to count by and names nobody.

use super::client_hello::{ALPN, ClientHello, SERVER_NAME};
use super::provider::sha256;

/// Hexadecimal digits that are kept of each hash.
const HASH_DIGITS: usize = 12;
/// What stands in the place of the hash of nothing.
const NOTHING: &str = "000000000000";
/// A number of two digits is never larger.
const COUNT_MAX: usize = 99;

/// What carried the hello.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// TLS over TCP.
    Tcp,
    /// QUIC, as a proxy before us may speak it.
    Quic,
}

/// The fingerprint of `hello`, in 36 characters: `t13d1516h2_8daaf6152771_e5627efa2ab1`.
pub fn ja4(hello: &ClientHello, transport: Transport) -> String {
    let count = |list: &[u16]| list.len().min(COUNT_MAX);
    let mut ciphers = hello.ciphers.clone();
    ciphers.sort_unstable();
    let has = |extension| hello.extensions.contains(&extension);
    // The first part tells of these two, and they change with where the client goes.
    let mut extensions = hello.extensions.clone();
    extensions.retain(|number| ![SERVER_NAME, ALPN].contains(number));
    extensions.sort_unstable();
    let mut described = listed(&extensions);
    if !hello.signature_algorithms.is_empty() {
        described = format!("{described}_{}", listed(&hello.signature_algorithms));
    }
    format!(
        "{}{}{}{:02}{:02}{}_{}_{}",
        match transport {
            Transport::Tcp => 't',
            Transport::Quic => 'q',
        },
        version(hello.version),
        if has(SERVER_NAME) { 'd' } else { 'i' },
        count(&hello.ciphers),
        count(&hello.extensions),
        protocol(&hello.first_protocol),
        hash(&ciphers, &listed(&ciphers)),
        hash(&extensions, &described),
    )
}

fn version(number: u16) -> &'static str {
    match number {
        0x0304 => "13",
        0x0303 => "12",
        0x0302 => "11",
        0x0301 => "10",
        0x0300 => "s3",
        0x0002 => "s2",
        _ => "00",
    }
}

/// The first and the last letter of a protocol; of one that does not begin and end with letters or digits, those of its bytes
/// as hexadecimal digits.
fn protocol(name: &[u8]) -> String {
    let (Some(first), Some(last)) = (name.first(), name.last()) else {
        return "00".to_owned();
    };
    if first.is_ascii_alphanumeric() && last.is_ascii_alphanumeric() {
        return [*first, *last].map(char::from).iter().collect();
    }
    format!("{:x}{:x}", first >> 4, last & 0x0f)
}

/// Numbers of four digits with commas between.
fn listed(numbers: &[u16]) -> String {
    let numbers: Vec<String> = numbers.iter().map(|number| format!("{number:04x}")).collect();
    numbers.join(",")
}

/// The beginning of the SHA-256 of `text`, which tells of `numbers`.
fn hash(numbers: &[u16], text: &str) -> String {
    if numbers.is_empty() {
        return NOTHING.to_owned();
    }
    let mut digits = sha256(text.as_bytes());
    digits.truncate(HASH_DIGITS);
    digits
}

#[cfg(test)]
mod tests {
    use super::super::client_hello::tests::{list, long, short, wire};
    use super::super::client_hello::{Peek, peek};
    use super::*;

    fn numbers(text: &str) -> Vec<u16> {
        let numbers = text.split(',').filter(|number| !number.is_empty());
        numbers.map(|number| u16::from_str_radix(number, 16).unwrap()).collect()
    }

    /// A hello of which this was published: version, ciphers, extensions and signature algorithms as they are listed there.
    fn hello(version: u16, ciphers: &str, extensions: &str, signatures: &str, protocol: &[u8]) -> ClientHello {
        let extensions = numbers(extensions).into_iter().map(|number| {
            let content = match number {
                0x000d => long(&list(&numbers(signatures))),
                0x0010 => long(&short(protocol)),
                0x002b => short(&list(&[0x8a8a, version, 0x0302])),
                _ => vec![0; 3],
            };
            (number, content)
        });
        let grease = (0x3a3a, Vec::new());
        let extensions: Vec<_> = std::iter::once(grease).chain(extensions).collect();
        let ciphers: Vec<u16> = [vec![0xbaba], numbers(ciphers)].concat();
        match peek(&wire(version.min(0x0303), &ciphers, &extensions, 300)) {
            Ok(Peek::Hello(hello)) => hello,
            other => panic!("{other:?}"),
        }
    }

    /// Those of Chrome, in the order of the example in `technical_details/JA4.md`.
    const CHROME: &str = "1301,1302,1303,c02b,c02f,c02c,c030,cca9,cca8,c013,c014,009c,009d,002f,0035";
    const CHROME_SIGNATURES: &str = "0403,0804,0401,0503,0805,0501,0806,0601";

    /// Version, ciphers, extensions, signature algorithms, first protocol, and the fingerprint that was published of them.
    type Published = (
        u16,
        &'static str,
        &'static str,
        &'static str,
        &'static [u8],
        &'static str,
    );

    /// Those of the examples in `technical_details/JA4.md` and of captures beside it.
    const PUBLISHED: [Published; 9] = [
        (
            0x0304,
            CHROME,
            "001b,0000,0033,0010,4469,0017,002d,000d,0005,0023,0012,002b,ff01,000b,000a,0015",
            CHROME_SIGNATURES,
            b"h2",
            "t13d1516h2_8daaf6152771_e5627efa2ab1",
        ),
        (
            0x0304,
            CHROME,
            "001b,0000,0033,0010,4469,0017,002d,000d,0005,0023,0012,002b,ff01,000b,000a,0029",
            CHROME_SIGNATURES,
            b"h2",
            "t13d1516h2_8daaf6152771_9b887d9acb53",
        ),
        (
            0x0304,
            CHROME,
            "0000,0005,000a,000b,000d,0012,0015,0017,001b,0023,002b,002d,0033,ff01",
            CHROME_SIGNATURES,
            b"",
            "t13d151400_8daaf6152771_de4a06bb82e3",
        ),
        (
            0x0304,
            "1301,1303,1302,c02b,c02f,cca9,cca8,c02c,c030,c00a,c009,c013,c014,009c,009d,002f,0035",
            "0000,0017,ff01,000a,000b,0023,0010,0005,0022,0033,002b,000d,002d,001c,0015",
            "0403,0503,0603,0804,0805,0806,0401,0501,0601,0203,0201",
            b"h2",
            "t13d1715h2_5b57614c22b0_3d5424432f57",
        ),
        (
            0x0304,
            "1301,1302,1303,c02c,c02b,cca9,c030,c02f,cca8,c024,c023,c00a,c009,c028,c027,c014,c013,009d,009c,003d,\
             003c,0035,002f,c008,c012,000a",
            "0000,0017,ff01,000a,000b,0010,0005,000d,0012,0033,002d,002b,0015",
            "0403,0804,0401,0503,0203,0805,0805,0501,0806,0601,0201",
            b"h2",
            "t13d2613h2_2802a3db6c62_845d286b0d67",
        ),
        (
            0x0303,
            "c02c,c02b,c030,c02f,c024,c023,c028,c027,c00a,c009,c014,c013,009d,009c,003d,003c,0035,002f,000a",
            "0000,0005,000a,000b,000d,0023,0017,ff01",
            "0804,0805,0806,0401,0501,0201,0403,0503,0203,0202,0601,0603",
            b"",
            "t12d190800_d83cc789557e_7af1ed941c26",
        ),
        (
            0x0303,
            "0004,0005,000a,0016,002f,0033,0035,0039,003c,003d,0041,0045,0067,006b,0081,0084,0088,009c,009d,009e,\
             009f,00ba,00be,00c0,00c4,00ff,c007,c008,c009,c00a,c011,c012,c013,c014,c023,c024,c027,c028,c02b,c02c,\
             c02f,c030,cca8,cca9,ccaa,ff85",
            "0000,000b,000a,000d,0010",
            "0601,0603,efef,0501,0503,0401,0403,eeee,eded,0301,0303,0201,0203",
            b"h2",
            "t12d4605h2_85626a9a5f7f_aaf95bb78ec9",
        ),
        (
            0x0301,
            "0039,0038,0035,0016,0013,000a,0033,0032,002f,009a,0099,0096,0005,0004,0015,0012,0009,0014,0011,0008,\
             0006,0003,00ff",
            "0000",
            "",
            b"",
            "t10d230100_6a57a6f57151_000000000000",
        ),
        (
            0x0304,
            "1301,1302,1303,c02b,c02f,c02c,c030,cca9,cca8,c013,c014,009c,009d,002f,0035,000a",
            "0000,0017,ff01,000a,000b,0023,0010,0005,000d,0012,0033,002d,002b,001b,0015",
            "0403,0804,0401,0503,0805,0501,0806,0601,0201",
            b"h2",
            "t13d1615h2_46e7e9700bed_45f260be83e2",
        ),
    ];

    #[test]
    fn published_fingerprints_are_met() {
        for (version, ciphers, extensions, signatures, protocol, published) in PUBLISHED {
            let hello = hello(version, ciphers, extensions, signatures, protocol);
            assert_eq!(ja4(&hello, Transport::Tcp), published);
        }
    }

    #[test]
    fn quic_and_addresses_are_marked() {
        let quic = hello(
            0x0304,
            "1301,1302,1303",
            "0000,000a,000d,0010,001b,002b,002d,0033,0039,4469",
            "0403,0804,0401,0503,0805,0501,0806,0601,0201",
            b"h3",
        );
        assert_eq!(ja4(&quic, Transport::Quic), "q13d0310h3_55b375c5d22e_cd85d2d88918");
        let nameless = hello(0x0303, "002f", "000d", "0403", b"");
        assert!(ja4(&nameless, Transport::Tcp).starts_with("t12i010100_"));
    }

    #[test]
    fn without_signature_algorithms_there_is_no_underscore_and_of_nothing_no_hash() {
        let chrome = "001b,0000,0033,0010,4469,0017,002d,000d,0005,0023,0012,002b,ff01,000b,000a,0015";
        let unsigned = ClientHello {
            signature_algorithms: Vec::new(),
            ..hello(0x0304, CHROME, chrome, CHROME_SIGNATURES, b"h2")
        };
        assert_eq!(ja4(&unsigned, Transport::Tcp), "t13d1516h2_8daaf6152771_6d807ffa2a79");
        let nothing = ClientHello::default();
        assert_eq!(ja4(&nothing, Transport::Tcp), "t00i000000_000000000000_000000000000");
    }

    #[test]
    fn a_protocol_is_its_first_and_last_letter_or_digits() {
        let cases: [(&[u8], &str); 13] = [
            (b"", "00"),
            (b"h2", "h2"),
            (b"http/1.1", "h1"),
            (b"x", "xx"),
            (b"H3", "H3"),
            (&[0xab], "ab"),
            (&[0x20], "20"),
            (&[0xab, 0xcd], "ad"),
            (&[0x20, 0x61], "21"),
            (&[0x30, 0xab], "3b"),
            (&[0x61, 0x20], "60"),
            (&[0x30, 0x31, 0xab, 0xcd], "3d"),
            (&[0x30, 0xab, 0xcd, 0x31], "01"),
        ];
        for (name, letters) in cases {
            assert_eq!(protocol(name), letters, "{name:?}");
        }
    }

    #[test]
    fn no_list_is_longer_than_99() {
        let many = ClientHello {
            ciphers: (0..300).collect(),
            extensions: (0..100).collect(),
            ..ClientHello::default()
        };
        assert!(ja4(&many, Transport::Tcp).starts_with("t00d999900_"));
    }
}
