//! Containers that were written to hide people or to cost much: they are read, or refused with a reason.

use std::io::Write as _;

use tidegate::engine::decode::Coding;
use tidegate::engine::inspect::{Bounds, Failure, Mode};

use super::containers::{Outcome, Plan, WATCH, gzip, inspect};

fn zlib(text: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(text).expect("memory");
    encoder.finish().expect("memory")
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What is found, which is the same however `body` is cut.
fn found(body: &[u8]) -> (usize, Option<Failure>) {
    let seen = |outcome: &Outcome| (outcome.people.len(), outcome.failure);
    let whole = seen(&inspect(WATCH, body, body.len()));
    for chunk in [1, 7, 100] {
        assert_eq!(seen(&inspect(WATCH, body, chunk)), whole, "in chunks of {chunk}");
    }
    whole
}

#[test]
fn what_comes_of_all_values_of_a_body_together_has_a_limit() {
    let bounds = Bounds {
        decoded_ratio_max: 50,
        ..WATCH.bounds
    };
    let value = hex(&zlib(&vec![b' '; 600 << 10]));
    let inner = format!("{{\"x\":\"{value}\"}}");
    let nested = hex(&zlib(format!("[{}]", vec![inner.as_str(); 20].join(",")).as_bytes()));
    for (values, failure) in [
        (vec![value.as_str(); 1], None),
        (vec![value.as_str(); 8], Some(Failure::ContainerLimit)),
        (vec![nested.as_str(); 4], Some(Failure::ContainerLimit)),
    ] {
        let values: Vec<String> = values.iter().map(|value| format!("{{\"x\":\"{value}\"}}")).collect();
        let body = format!("[{}]", values.join(",")).into_bytes();
        for chunk in [1_000, body.len()] {
            let outcome = inspect(Plan { bounds, ..WATCH }, &body, chunk);
            assert_eq!(outcome.failure, failure, "{} values, {chunk}", values.len());
        }
    }
}

#[test]
fn pixels_count_for_the_ratio_of_their_body() {
    let pixels: u32 = 4 << 20;
    let mut png = b"\x89PNG\r\n\x1a\n".to_vec();
    png.extend(pixels.to_be_bytes());
    png.extend(b"IDAT");
    png.resize(png.len() + pixels as usize, 0);
    let coded = Plan {
        coding: Coding::Gzip,
        ..WATCH
    };
    let body = gzip(&png);
    for chunk in [100, body.len()] {
        let failure = inspect(coded, &body, chunk).failure;
        let is_refused = matches!(failure, Some(Failure::Ratio | Failure::ContainerLimit));
        assert!(is_refused, "{failure:?}, {chunk}");
    }
}

#[test]
fn what_waits_to_be_rewritten_has_a_limit() {
    let mut header = header("a", 0, 0, 0);
    header[26..28].copy_from_slice(&60_000_u16.to_le_bytes());
    header.resize(50_000, b'a');
    let plan = Plan {
        mode: Mode::Rewrite,
        coding: Coding::Gzip,
        bounds: Bounds {
            held_decoded_bytes_max: 10_000,
            ..WATCH.bounds
        },
        ..WATCH
    };
    let body = gzip(&header);
    assert_eq!(inspect(plan, &body, body.len()).failure, Some(Failure::HoldBack));
}

/// The local header of an entry of a ZIP archive.
fn header(name: &str, flags: u16, method: u16, packed_bytes: u32) -> Vec<u8> {
    let mut out = b"PK\x03\x04\x14\0".to_vec();
    out.extend(flags.to_le_bytes());
    out.extend(method.to_le_bytes());
    out.extend([0; 8]);
    out.extend(packed_bytes.to_le_bytes());
    out.extend(packed_bytes.to_le_bytes());
    out.extend((name.len() as u16).to_le_bytes());
    out.extend([0; 2]);
    out.extend(name.as_bytes());
    out
}

fn deflate(text: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(text).expect("memory");
    encoder.finish().expect("memory")
}

/// An entry whose bytes are stored.
fn stored(name: &str, data: &[u8]) -> Vec<u8> {
    [&header(name, 0, 0, data.len() as u32), data].concat()
}

#[test]
fn what_follows_a_stream_that_ends_early_is_read() {
    let packed = deflate(b"kim@mail.example\n");
    let first = [&header("a.txt", 0, 8, packed.len() as u32 + 40), &packed[..], &[7; 40]].concat();
    let archive = [first, stored("b.txt", b"lee@mail.example\n")].concat();
    assert_eq!(found(&archive), (2, None));
}

#[test]
fn an_entry_without_a_size_is_read_or_refused() {
    let lee = stored("b.txt", b"lee@mail.example\n");
    let packed = gzip(b"kim@mail.example\n");
    let descriptor = [&b"PK\x07\x08"[..], &[0; 12]].concat();
    let rows = [
        (
            "data",
            [&header("a.txt", 0, 8, 0), &deflate(b"kim@mail.example")[..], &lee].concat(),
            Err(()),
        ),
        ("none", [&header("a/", 0, 0, 0)[..], &lee].concat(), Ok(1)),
        (
            "unsized",
            [&header("a.gz", 8, 0, 0), &packed[..], &descriptor, &lee].concat(),
            Ok(2),
        ),
        (
            "unsigned",
            [&header("a.gz", 8, 0, 0), &packed[..], &[7; 12], &lee].concat(),
            Err(()),
        ),
        (
            "P",
            [
                &header("a", 8, 0, 0),
                &b"PPK kim@mail.example\nP"[..],
                &descriptor,
                &lee,
            ]
            .concat(),
            Ok(2),
        ),
    ];
    for (name, archive, expected) in rows {
        let (people, failure) = found(&archive);
        match expected {
            Ok(count) => assert_eq!((people, failure), (count, None), "{name}"),
            Err(()) => assert_eq!(failure, Some(Failure::Unreadable), "{name}"),
        }
    }
}

#[test]
fn texts_outside_the_known_elements_of_a_part_are_read() {
    let long = "x".repeat(300);
    for (part, text) in [
        (
            "word/document.xml",
            "<w:p><w:t>a</w:t><x>kim@mail.example</x></w:p>".to_owned(),
        ),
        (
            "word/document.xml",
            "<w:p a='1' title=\"kim@mail.example\"/>".to_owned(),
        ),
        (
            "word/document.xml",
            format!("<w:p a='{long}' title='kim@mail.example'/>"),
        ),
        (
            "xl/worksheets/sheet1.xml",
            "<row><c r='A1'/></row><hyperlink display='kim@mail.example'/>".to_owned(),
        ),
        (
            "xl/sharedStrings.xml",
            "<sst><si><x>kim@mail.example</x></si></sst>".to_owned(),
        ),
        ("xl/sharedStrings.xml", " \nkim@mail.example".to_owned()),
        ("word/document.xml", "kim@mail.example".to_owned()),
    ] {
        assert_eq!(found(&stored(part, text.as_bytes())), (1, None), "{text}");
    }
    let packed = stored("word/document.xml", &gzip(b"kim@mail.example"));
    assert_eq!(found(&packed), (1, None), "a part that is none");
}

#[test]
fn a_stream_of_a_page_is_unpacked_or_refused() {
    let packed = zlib(b"BT (kim@mail.example) Tj ET");
    for (dictionary, data, expected) in [
        ("/Filter /FlateDecode", &packed[..], Ok(1)),
        ("/Filter[/Fl]", &packed, Ok(1)),
        ("/#46ilter /Fl#61teDecode", &packed, Ok(1)),
        ("/Length 16", b"kim@mail.example", Ok(1)),
        ("/Subtype /Image /Filter /DCTDecode", b"x", Ok(0)),
        ("/Subtype/Image/Filter[/FlateDecode/DCTDecode]", b"x", Ok(0)),
        ("/Filter /DCTDecode", b"x", Err(())),
        ("/Filter /AHx", b"6b696d", Err(())),
        ("/Filter /A85", b"x", Err(())),
        ("/Filter /LZW#44ecode", b"x", Err(())),
        ("/#46ilter [/LZWDecode]", b"x", Err(())),
        ("/Filter [/FlateDecode /FlateDecode]", &packed, Err(())),
        ("/Filter 9 0 R", b"x", Err(())),
        ("/Image 1 /Filter /RunLengthDecode", b"x", Err(())),
    ] {
        let head = format!("%PDF-1.7\n1 0 obj\n<</Length 9 {dictionary}>>\nstream\n");
        let body = [head.as_bytes(), data, b"\nendstream\nendobj\n"].concat();
        let (people, failure) = found(&body);
        match expected {
            Ok(count) => assert_eq!((people, failure), (count, None), "{dictionary}"),
            Err(()) => assert_eq!(failure, Some(Failure::Unreadable), "{dictionary}"),
        }
    }
    let long = format!(
        "%PDF-1.7\n1 0 obj\n<</Filter/A85 /X({})>>\nstream\nx",
        " ".repeat(9_000)
    );
    assert_eq!(
        found(long.as_bytes()).1,
        Some(Failure::Unreadable),
        "too long to be known"
    );
}

#[test]
fn a_text_among_pixels_is_read() {
    let chunk = |name: &[u8], data: &[u8]| [&(data.len() as u32).to_be_bytes()[..], name, data, &[0; 4]].concat();
    let text = b"\nkim@mail.example\n";
    let png = [b"\x89PNG\r\n\x1a\n".to_vec(), chunk(b"IDAT", text), chunk(b"IEND", b"")];
    assert_eq!(found(&png.concat()), (1, None));
    let pixels = [&b"\xff\xd8\xff\xda"[..], text, b"\xff\xd9"].concat();
    assert_eq!(found(&pixels), (1, None));
    let table = [&b"\xff\xd8\xff\xdb\0\x14"[..], text, b"\xff\xd9"].concat();
    assert_eq!(found(&table), (1, None));
}
