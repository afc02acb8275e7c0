//! What bodies are read as, whole and cut.

use super::*;

/// Reads `bytes` to their end.
fn put(reader: &mut Reader, mut bytes: &[u8], last: bool, text: &mut Vec<u8>) {
    let mut out = [0; 16];
    let mut done = false;
    while !done {
        let (read, written, all) = reader.read(bytes, &mut out, last);
        text.extend_from_slice(&out[..written]);
        bytes = &bytes[read..];
        done = all;
    }
}

fn read(declared: Charset, body: &[u8], chunk: usize) -> Result<String, Unreadable> {
    read_by(Reader::new(declared), body, chunk)
}

fn read_by(mut reader: Reader, body: &[u8], chunk: usize) -> Result<String, Unreadable> {
    let mut text = Vec::new();
    for part in body.chunks(chunk) {
        match reader.next(part)? {
            Text::Same => text.extend_from_slice(part),
            Text::Behind(kept) => text.extend(kept.iter().chain(part)),
            Text::Kept => {}
            Text::Other(kept) => {
                put(&mut reader, &kept, false, &mut text);
                put(&mut reader, part, false, &mut text);
            }
        }
    }
    text.extend(reader.end()?);
    put(&mut reader, &[], true, &mut text);
    Ok(String::from_utf8_lossy(&text).into_owned())
}

#[test]
fn a_text_is_read_in_its_character_set_however_it_is_cut() {
    let utf16 = |text: &str| text.encode_utf16().collect::<Vec<_>>();
    let little: Vec<u8> = utf16("\u{feff}이름 😀")
        .iter()
        .flat_map(|unit| unit.to_le_bytes())
        .collect();
    let big: Vec<u8> = utf16("\u{feff}이름 😀")
        .iter()
        .flat_map(|unit| unit.to_be_bytes())
        .collect();
    let declared = |label: &str| Charset::from_content_type(format!("text/csv; charset={label}").as_bytes());
    let ascii = [&[0xff, 0xfe][..], b"abcdefghijklmnopqrstuvwxyz0123456789"].concat();
    let rows: [(Charset, &[u8], Result<&str, Unreadable>); 22] = [
        (declared("iso-8859-1"), "\u{feff}é".as_bytes(), Ok("\u{feff}é")),
        (declared("utf-16"), b"a\0b\0", Ok("ab")),
        (declared("utf-16"), b"{\"a\":1}", Ok("{\"a\":1}")),
        (declared("utf-16"), b"{}", Ok("{}")),
        (declared("utf-16"), &little, Ok("이름 😀")),
        (declared("utf-8"), &big, Ok("이름 😀")),
        (declared("\"EUC-KR\""), b"\xb1\xe8,1", Ok("김,1")),
        (declared("Shift_JIS"), b"\x8e\x52;2", Ok("山;2")),
        (declared("iso-8859-1"), b"Ren\xe9", Ok("René")),
        (declared("nonsense"), "é".as_bytes(), Ok("é")),
        (Charset::Utf8, b"\xff", Ok("\u{fffd}")),
        (Charset::Utf8, b"\xff\xfe\0\0a\0\0\0\x40\xc7\0\0", Ok("a은")),
        (Charset::Utf8, b"\0\0\xfe\xff\0\0\0a\0\0\xc7\x40", Ok("a은")),
        // Nothing but zeros tells.
        (Charset::Utf8, b"a\0,\0\x40\xc7", Ok("a,은")),
        (Charset::Utf8, b"\0a\0,\xc7\x40", Ok("a,은")),
        (declared("euc-kr"), b"\0a\0,", Ok("a,")),
        (Charset::Utf8, b"a\0\0\0b\0\0\0\x40\xc7\0\0", Ok("ab은")),
        (Charset::Utf8, b"\0\0\0a\0\0\0b", Ok("ab")),
        (Charset::Utf8, b"\0\0\0 ftyp", Ok("\0\0\0 ftyp")),
        (Charset::Utf8, b"a\0bc", Ok("a\0bc")),
        (Charset::Utf8, b"a\0", Ok("a\0")),
        // A lie: whoever reads it as it is finds it.
        (Charset::Utf8, &ascii, Err(Unreadable)),
    ];
    for (charset, body, expected) in rows {
        for chunk in 1..=body.len() {
            let expected = expected.map(str::to_owned);
            assert_eq!(read(charset, body, chunk), expected, "{charset:?}, {chunk}");
        }
    }
}

/// A text of UTF-8 that pretends to be in UTF-16 is none, and what is in UTF-16 is read, whatever its letters look like.
#[test]
fn what_only_pretends_to_be_in_utf_16_is_unreadable() {
    let rows = |count: usize| -> String {
        let rows = (0..count).map(|n| format!("김민준,kim{n}@example.com,010-1234-{:04}\n", n * 7 % 10_000));
        rows.collect()
    };
    let marks = [&b"a\0b\0"[..], b"\0a\0b", b"\xff\xfe", b"\xfe\xff", b"a\0\0\0b\0\0\0"];
    let bodies = [1, 3, 200].into_iter().flat_map(|count| {
        let text = rows(count);
        let euc = encoding_rs::EUC_KR.encode(&text).0.into_owned();
        marks.map(|mark| [[mark, text.as_bytes()].concat(), [mark, &euc].concat()])
    });
    for body in bodies.flatten() {
        for chunk in [1, 7, 512, body.len()] {
            let text = read(Charset::Utf8, &body, chunk);
            assert_eq!(text, Err(Unreadable), "{:?}, {}, {chunk}", body.get(..4), body.len());
        }
    }
    let korean = "모든국민은인간으로서의존엄과가치를가지며행복을추구할권리를가진다국가는개인이가지는불가침의기본적인권을확인하고이를보장할의무를진다".repeat(20);
    let japanese = "吾輩は猫である。名前はまだ無い。どこで生れたかとんと見当がつかぬ。何でも薄暗いじめじめした所でニャーニャー泣いていた事だけは記憶している。".repeat(20);
    let chinese = "人人生而自由，在尊严和权利上一律平等。他们赋有理性和良心，并应以兄弟关系的精神相对待。".repeat(20);
    let texts = [
        "…".repeat(30),
        "═".repeat(30),
        "═".repeat(3_000),
        rows(200),
        korean,
        japanese,
        chinese,
    ];
    for text in texts {
        let marked = format!("\u{feff}{text}");
        let little: Vec<u8> = marked.encode_utf16().flat_map(u16::to_le_bytes).collect();
        let big: Vec<u8> = marked.encode_utf16().flat_map(u16::to_be_bytes).collect();
        let long: Vec<u8> = marked
            .chars()
            .flat_map(|letter| u32::from(letter).to_le_bytes())
            .collect();
        let start: String = text.chars().take(20).collect();
        for (body, chunk) in [little, big, long]
            .iter()
            .flat_map(|body| [1, 513, body.len()].map(|chunk| (body, chunk)))
        {
            let read = read(Charset::Utf8, body, chunk);
            assert!(read == Ok(text.clone()), "{start}, {:?}, {chunk}", body.get(..4));
        }
    }
}

/// Letters of Japanese alone look like pairs of ASCII.
#[test]
fn japanese_without_any_separator_is_taken_for_a_pretence() {
    let text = "\u{feff}わがはいはねこであるなまえはまだないどこでうまれたかとんとけんとうがつかぬ";
    let body: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
    assert_eq!(read(Charset::Utf8, &body, 7), Err(Unreadable));
}

#[test]
fn a_document_is_heard_where_nothing_else_says_it() {
    let rows: [(&[u8], &str); 16] = [
        (b"<?xml version='1.0' encoding='EUC-KR'?><a>\xb1\xe8</a>", "\u{ae40}"),
        (
            b" <html><meta name=a><META Charset = \"euc-kr\">\xb1\xe8</html>",
            "\u{ae40}",
        ),
        (
            b"<meta http-equiv=x content='text/html; charset=euc-kr'>\xb1\xe8",
            "\u{ae40}",
        ),
        (
            b"<html><meta content='a' charset/ charset='euc-kr'>\xb1\xe8",
            "\u{fffd}",
        ),
        (
            b"<!-- <meta charset=big5> --><meta name='a' charset='euc-kr'/>\xb1\xe8",
            "\u{ae40}",
        ),
        (b"<!-- <meta charset=euc-kr> --></head>\xea\xb9\x80", "\u{ae40}"),
        (b"<meta data-charset=euc-kr></head>\xea\xb9\x80", "\u{ae40}"),
        (b"<meta name=a content='charset=euc-kr'></head>\xea\xb9\x80", "\u{ae40}"),
        (
            b"<meta charset=iso-2022-jp>kim\x1b$B@example.com",
            "kim\x1b$B@example.com",
        ),
        (
            b"<?xml version='1.0' x-encoding='EUC-KR'?><a>\xea\xb9\x80</a>",
            "\u{ae40}",
        ),
        (b"<html><body><meta charset=euc-kr>\xb1\xe8", "\u{fffd}"),
        (b"<meta charset=utf-16>\xea\xb9\x80", "\u{ae40}"),
        (b"<meta charset=nonsense></head>\xea\xb9\x80", "\u{ae40}"),
        (b"<p>\xea\xb9\x80", "\u{ae40}"),
        (b"name\n<meta charset=euc-kr>\xea\xb9\x80", "\u{ae40}"),
        (b"\xef\xbb\xbf<meta charset=euc-kr>\xea\xb9\x80", "\u{ae40}"),
    ];
    for (body, expected) in rows {
        for chunk in 1..=body.len() {
            let reader = Reader::new(Charset::Utf8).hearing(true);
            let text = read_by(reader, body, chunk).unwrap();
            assert!(text.contains(expected), "{chunk}: {text}");
        }
    }
    let deaf = read(Charset::Utf8, rows[0].0, 7).unwrap();
    assert!(
        !deaf.contains("\u{ae40}"),
        "where a head says it, the document is not asked"
    );
}

#[test]
fn characters_end_where_the_last_byte_says_so() {
    let declared = |label: &str| Charset::from_content_type(format!("a/b; charset={label}").as_bytes());
    for (charset, body, expected) in [
        (declared("euc-kr"), &b"\xb1\xe8,"[..], true),
        (declared("euc-kr"), b"a\xb1", false),
        (declared("gb18030"), b"\x810", false),
        (declared("iso-2022-jp"), b"a,", false),
        (declared("utf-16le"), b"a\0b\0c", false),
        (declared("utf-16le"), b"a\0=\xd8", false),
        (declared("utf-16le"), b"a\0b\0", true),
        (declared("windows-1252"), b"\xe9", true),
    ] {
        let mut reader = Reader::new(charset);
        let kept = match reader.next(body) {
            Ok(Text::Other(kept)) => kept,
            _ => SmallVec::new(),
        };
        assert!(kept.is_empty());
        reader.read(body, &mut [0; 32], false);
        assert_eq!(reader.is_between_characters(), expected, "{charset:?}");
    }
}
