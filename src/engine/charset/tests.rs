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
        push(&mut reader, part, &mut text)?;
    }
    loop {
        let end = reader.end()?;
        let is_all = !matches!(end, Text::Again(_));
        take(&mut reader, end, &[], &mut text)?;
        if is_all {
            break;
        }
    }
    put(&mut reader, &[], true, &mut text);
    Ok(String::from_utf8_lossy(&text).into_owned())
}

fn push(reader: &mut Reader, mut bytes: &[u8], text: &mut Vec<u8>) -> Result<(), Unreadable> {
    while !bytes.is_empty() {
        let (seen, length) = reader.next(bytes)?;
        take(reader, seen, &bytes[..length], text)?;
        bytes = &bytes[length..];
    }
    Ok(())
}

fn take(reader: &mut Reader, seen: Text, part: &[u8], text: &mut Vec<u8>) -> Result<(), Unreadable> {
    match seen {
        Text::Same(kept) => text.extend(kept.iter().chain(part)),
        Text::Again(kept) => push(reader, &kept, text)?,
        Text::Kept | Text::Beside(_) => {}
        Text::Other(kept) => {
            put(reader, &kept, false, text);
            put(reader, part, false, text);
        }
    }
    Ok(())
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
        (declared("windows-1252"), b"caf\xe9", true),
    ] {
        let mut reader = Reader::new(charset);
        push(&mut reader, body, &mut Vec::new()).unwrap();
        assert_eq!(reader.is_between_characters(), expected, "{charset:?}");
    }
}

/// A text in one set that is said to be in another, or in none.
#[test]
#[expect(clippy::too_many_lines, reason = "a table")]
fn what_a_text_is_in_is_told_by_its_bytes() {
    use encoding_rs::{BIG5, EUC_KR, GBK, SHIFT_JIS, WINDOWS_1252};
    let korean = "이름,전화번호,주소\n김민수,010-1234-5678,서울특별시 강남구 테헤란로 1\n";
    let japanese = "氏名,電話番号,住所\n山田太郎,03-1234-5678,東京都千代田区丸の内1\n";
    let simplified = "姓名,手机号,地址\n张伟,13800000000,北京市朝阳区建国路1号\n";
    let traditional = "姓名,電話,地址\n陳大文,0912345678,臺北市信義區市府路1號\n";
    let german = "Name;Straße\nMüller;Königsallee 1, Düsseldorf\nJürgen;Möllendorffstraße 2, Köln\n";
    let in_set = |set: &'static Encoding, text: &str| set.encode(text).0.into_owned();
    let korean_set = Charset::Other(EUC_KR);
    let late = format!("{}{korean}", "a,b\n".repeat(700));
    let too_late = [vec![b'a'; 64 << 10], in_set(EUC_KR, korean)].concat();
    let stray = [b"a,\xb0\xa1,", "a".repeat(600).as_bytes(), korean.repeat(9).as_bytes()].concat();
    let binary = [
        b"\x00\xff",
        "a".repeat(600).as_bytes(),
        &in_set(EUC_KR, &korean.repeat(9)),
    ]
    .concat();
    let rows: [(&str, Charset, Vec<u8>, String); 18] = [
        ("EUC-KR", Charset::Utf8, in_set(EUC_KR, korean), korean.into()),
        ("Shift_JIS", Charset::Utf8, in_set(SHIFT_JIS, japanese), japanese.into()),
        ("GBK", Charset::Utf8, in_set(GBK, simplified), simplified.into()),
        ("Big5", Charset::Utf8, in_set(BIG5, traditional), traditional.into()),
        ("Latin-1", Charset::Utf8, in_set(WINDOWS_1252, german), german.into()),
        (
            "EUC-KR behind ASCII",
            Charset::Utf8,
            in_set(EUC_KR, &late),
            late.clone(),
        ),
        (
            "EUC-KR behind too much",
            Charset::Utf8,
            too_late.clone(),
            String::from_utf8_lossy(&too_late).into_owned(),
        ),
        ("as it is said", korean_set, in_set(EUC_KR, korean), korean.into()),
        (
            "UTF-8 that is said to be EUC-KR",
            korean_set,
            korean.into(),
            korean.into(),
        ),
        (
            "a letter of EUC-KR that UTF-8 has too",
            korean_set,
            in_set(EUC_KR, "치"),
            "치".into(),
        ),
        (
            "as it is said, with a control character",
            korean_set,
            in_set(EUC_KR, &format!("{korean}\u{b}{korean}")),
            format!("{korean}\u{b}{korean}"),
        ),
        (
            "UTF-8 behind a stray letter",
            Charset::Utf8,
            stray.clone(),
            String::from_utf8_lossy(&stray).into_owned(),
        ),
        (
            "strays behind a letter",
            Charset::Utf8,
            ["a\u{e9}".as_bytes(), &in_set(EUC_KR, &format!("가,{korean}"))].concat(),
            format!("a\u{e9}가,{korean}"),
        ),
        (
            "EUC-KR behind bytes",
            Charset::Utf8,
            binary,
            format!("\0\u{fffd}{}{}", "a".repeat(600), korean.repeat(9)),
        ),
        (
            "UTF-8 that is said to be Latin-1",
            Charset::Other(WINDOWS_1252),
            japanese.into(),
            japanese.into(),
        ),
        (
            "a broken letter",
            Charset::Utf8,
            [korean.as_bytes(), b"\xff\xec\x9d", korean.as_bytes()].concat(),
            format!("{korean}\u{fffd}\u{fffd}{korean}"),
        ),
        (
            "bytes",
            Charset::Utf8,
            b"\x80\x00\x01kim@mail.example".to_vec(),
            "\u{fffd}\0\u{1}kim@mail.example".into(),
        ),
        (
            "a letter that is cut",
            Charset::Utf8,
            b"a\xec\x9d".to_vec(),
            "a\u{fffd}".into(),
        ),
    ];
    for (name, charset, body, expected) in &rows {
        for chunk in [1, 2, 3, 7, 511, 512, 513, body.len()] {
            let text = read_by(Reader::new(*charset).watching(true).rough(), body, chunk).unwrap();
            assert!(
                text == *expected,
                "{name}, {chunk}: {}",
                text.get(..60).unwrap_or(&text)
            );
        }
    }
}
