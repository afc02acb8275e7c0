//! Archives that are packed in a way that is not read: none of them is a text in which nobody is.

use tidegate::engine::inspect::Failure;

use super::containers::{WATCH, file, inspect};

/// How each begins, with its name.
const MAGICS: [(&str, &[u8]); 11] = [
    ("7z", b"7z\xbc\xaf\x27\x1c\0\x04"),
    ("RAR 4", b"Rar!\x1a\x07\0"),
    ("RAR 5", b"Rar!\x1a\x07\x01\0"),
    ("CAB", b"MSCF\0\0\0\0"),
    ("Snappy", b"\xff\x06\0\0sNaPpY"),
    ("compress", b"\x1f\x9d\x90"),
    ("lzip", b"LZIP\x01"),
    ("lzop", b"\x89LZO\0\r\n\x1a\n"),
    ("bzip2", b"BZh1\x31\x41\x59\x26\x53\x59"),
    ("LZMA", b"\x5d\0\0\x80\0\xff\xff\xff\xff\xff\xff\xff\xff\0"),
    ("bzip2 of nothing", b"BZh9\x17\x72\x45\x38\x50\x90"),
];
/// Methods of ZIP (APPNOTE 6.3.10, section 4.4.5) other than what is stored or deflated: shrunk to imploded, deflate64, bzip2, LZMA,
/// zstd, MP3, XZ, JPEG, `WavPack`, `PPMd`, and one that nobody has.
const METHODS: [u8; 16] = [1, 2, 3, 4, 5, 6, 9, 12, 14, 93, 94, 95, 96, 97, 98, 200];

fn noise(bytes: usize) -> Vec<u8> {
    let mut noise = vec![0; bytes];
    blake3::Hasher::new().finalize_xof().fill(&mut noise);
    noise
}

#[test]
fn archives_that_are_not_read_say_so() {
    let magics = MAGICS.map(|(name, magic)| (name.to_owned(), [magic, &noise(600)].concat()));
    let methods = METHODS.map(|method| {
        let head = [
            &b"PK\x03\x04\x14\0\0\0"[..],
            &[method],
            &[0; 9],
            &[9, 0, 0, 0, 9, 0, 0, 0, 1, 0, 0, 0, b'x'],
        ];
        (format!("method {method}"), [&head.concat(), &noise(9)[..]].concat())
    });
    for (name, body) in magics.into_iter().chain(methods) {
        for chunk in [1, 3, 10, body.len()] {
            let found = inspect(WATCH, &body, chunk);
            assert_eq!(found.failure, Some(Failure::Unreadable), "{name}, {chunk}");
            assert!(found.released == body, "{name}, {chunk}: watching changes nothing");
        }
    }
}

/// What only begins as they do is a text, and so is what stands behind the head of a frame that zstd skips.
#[test]
fn what_begins_like_an_archive_is_read() {
    let person = "kim@mail.example\n";
    let skipped = [&b"\x50\x2a\x4d\x18\x11\0\0\0"[..], person.as_bytes()].concat();
    let wide: Vec<u8> = format!("][{person}")
        .chars()
        .flat_map(|letter| u32::from(letter).to_le_bytes())
        .collect();
    let texts = ["BZh9 ", "BZ", "7z, ", "Rar! ", "MSCF ", "LZIP ", "Z*M ", "]"]
        .map(|text| format!("{text}{person}").into_bytes());
    for body in texts.into_iter().chain([skipped, wide]) {
        for chunk in [1, 2, 5, body.len()] {
            let found = inspect(WATCH, &body, chunk);
            assert_eq!(
                (found.people.len(), found.failure),
                (1, None),
                "{:?}, {chunk}",
                body.get(..6)
            );
        }
    }
    for name in ["people.csv.bz2", "people.csv.xz"] {
        let inside = super::containers::gzip(&file(name));
        assert_eq!(
            inspect(WATCH, &inside, 50).failure,
            Some(Failure::Unreadable),
            "{name} in gzip"
        );
    }
}
