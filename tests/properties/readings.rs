//! Texts that can be read in two ways, and who is in either: zeros strewn into a text, UTF-7 and EBCDIC, escapes, and each of them inside
//! containers.

use tidegate::engine::decode::Coding;
use tidegate::engine::inspect::{Bounds, Content, Failure, Resolution};

use super::charsets::{counted_and_cut, different, shifted, wide_phone};
use super::containers::{self, gzip};
use super::{Limit, inspect};

const PEOPLE: usize = 20;
const GRANTED: usize = 7;

fn row(n: usize) -> String {
    format!("x,p{n}@mail.example,S{n:02}x\n")
}

fn rows() -> String {
    (0..PEOPLE).map(row).collect()
}

/// A text of ASCII that looks like UTF-16: here and there a zero stands behind a letter.
fn strewn(mark: &[u8]) -> Vec<u8> {
    let rows = (0..PEOPLE).map(row).map(|row| {
        if row.len().is_multiple_of(2) {
            row
        } else {
            format!(",{row}")
        }
    });
    let strewn = rows.flat_map(|row| [b"a\0b\0c\0d\0", row.as_bytes()].concat());
    [mark.to_vec(), strewn.collect()].concat()
}

/// The letters that these tests need, as all pages of EBCDIC write them.
fn ebcdic(text: &str) -> Vec<u8> {
    let byte = |letter: u8| match letter {
        b'a'..=b'i' => letter - b'a' + 0x81,
        b'j'..=b'r' => letter - b'j' + 0x91,
        b's'..=b'z' => letter - b's' + 0xa2,
        b'S' => 0xe2,
        b'0'..=b'9' => letter - b'0' + 0xf0,
        b'@' => 0x7c,
        b'.' => 0x4b,
        b',' => 0x6b,
        b'-' => 0x60,
        b'\n' => 0x15,
        other => panic!("{other}"),
    };
    text.bytes().map(byte).collect()
}

/// Texts that nothing but their bytes tells.
fn texts() -> Vec<(&'static str, Vec<u8>)> {
    let wide: String = (0..PEOPLE)
        .map(|n| format!("山田,{},S{n:02}x\n", wide_phone(n)))
        .collect();
    let hidden = (0..PEOPLE).flat_map(|n| format!("\x1b$Bx,p{n}@mail.example,S{n:02}x\n").into_bytes());
    let strays = [&b"no,phone,serial\n"[..], &b"\x81\x8d\x81\x8d,".repeat(120), b"\n"].concat();
    vec![
        ("zeros strewn into a text", strewn(b"")),
        ("zeros strewn behind a mark", strewn(b"\xff\xfe")),
        ("ISO-2022-JP", encoding_rs::ISO_2022_JP.encode(&wide).0.into_owned()),
        (
            "ISO-2022-KR",
            shifted(&encoding_rs::EUC_KR.encode(&wide.replace("山田", "김")).0),
        ),
        ("ASCII behind an escape", hidden.collect()),
        (
            "what is no UTF-8 first, and then UTF-8",
            [strays, wide.into_bytes()].concat(),
        ),
    ]
}

#[test]
fn people_are_counted_in_a_text_that_others_read_in_another_way() {
    let korean: String = (0..PEOPLE)
        .map(|n| format!("김,{},S{n:02}x\n", wide_phone(n)))
        .collect();
    let korean = encoding_rs::EUC_KR.encode(&korean).0.into_owned();
    let seven = rows().replace('@', "+AEA-").replace(",S", ",+AFM-");
    let declared = [
        (
            "EUC-KR behind an escape",
            "euc-kr",
            [b"\x1b$B\x1b(B,\n".to_vec(), korean].concat(),
        ),
        ("UTF-7", "utf-7", seven.into_bytes()),
        ("ASCII that is said to be UTF-7", "\"UTF-7\"", rows().into_bytes()),
        ("EBCDIC", "ibm037", ebcdic(&rows())),
        ("EBCDIC in its international page", "cp500", ebcdic(&rows())),
        ("EBCDIC of open systems", "IBM1047", ebcdic(&rows())),
        ("ASCII that is said to be EBCDIC", "ibm01140", rows().into_bytes()),
    ];
    let declared = declared.map(|(name, set, body)| (name, format!("text/csv; charset={set}"), body));
    let told = texts()
        .into_iter()
        .map(|(name, body)| (name, "text/csv".to_owned(), body));
    for (name, declared, body) in declared.into_iter().chain(told) {
        let content = Content::new(Some(Coding::Identity), declared.as_bytes());
        for chunk in [1, 2, 3, 100, body.len()] {
            let cut = counted_and_cut(&format!("{name}, {chunk}"), (&body, chunk), content, PEOPLE);
            assert!(different(&cut) <= GRANTED, "{name}, {chunk}");
        }
    }
}

/// An archive with this file, which is not packed (APPNOTE 6.3.10, section 4.3.7).
fn stored(file: &[u8]) -> Vec<u8> {
    let size = u32::try_from(file.len()).expect("a small file").to_le_bytes();
    let head = [
        b"PK\x03\x04\x14\0\0\0\0\0\0\0\0\0\0\0\0\0",
        &size[..],
        &size,
        b"\x05\0\0\0x.csv",
    ];
    [&head.concat(), file].concat()
}

#[test]
fn texts_inside_containers_are_read_in_each_way_too() {
    let content = Content::new(Some(Coding::Identity), b"application/octet-stream");
    let limit = Limit {
        people: GRANTED,
        then: Resolution::Cut,
    };
    for (name, text) in texts() {
        let second = [stored(b"nobody\n"), stored(&text), stored(b"nobody,either\n")].concat();
        for (form, body) in [("gzip", gzip(&text)), ("ZIP", stored(&text)), ("second", second)] {
            for chunk in [1, 7, 100, body.len()] {
                let all = inspect(&body, chunk, content, Bounds::default(), None);
                let found = (different(&all), all.released == body);
                assert_eq!(found, (PEOPLE, true), "{name}, {form}, {chunk}");
                let cut = inspect(&body, chunk, content, Bounds::default(), Some(limit));
                assert!(cut.stopped && different(&cut) <= GRANTED, "{name}, {form}, {chunk}");
            }
        }
    }
}

#[test]
fn who_is_in_both_readings_of_a_text_in_a_container_is_one_record() {
    let rows: String = (0..PEOPLE)
        .map(|n| format!("김철수{n},p{n}@mail.example,서울\n"))
        .collect();
    let text = encoding_rs::EUC_KR.encode(&rows).0.into_owned();
    let content = Content::new(Some(Coding::Identity), b"application/octet-stream");
    for (form, body) in [("gzip", gzip(&text)), ("ZIP", stored(&text))] {
        for chunk in [1, 7, 100, body.len()] {
            let all = inspect(&body, chunk, content, Bounds::default(), None);
            assert_eq!((different(&all), all.asked.len()), (PEOPLE, PEOPLE), "{form}, {chunk}");
        }
    }
}

#[test]
fn who_stands_before_a_break_is_counted_in_a_text_that_is_read_in_two_ways() {
    let rows: String = (0..PEOPLE)
        .map(|n| format!("김철수{n},p{n}@mail.example,서울\n"))
        .collect();
    let whole = gzip(&encoding_rs::EUC_KR.encode(&rows).0);
    for chunk in [1, 7, 100, whole.len()] {
        let found = containers::inspect(containers::WATCH, &whole[..whole.len() - 9], chunk);
        assert_eq!(found.failure, Some(Failure::Unreadable), "{chunk}");
        assert!(found.people.len() + 1 >= PEOPLE, "{chunk}: {}", found.people.len());
    }
}
