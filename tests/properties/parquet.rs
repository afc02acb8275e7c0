//! Files of Parquet, page by page.

use tidegate::engine::inspect::{Failure, Mode};

use super::containers::{Plan, WATCH, inspect};

/// A Parquet file of one column, whose pages hold `bytes` each in this encoding, as its number.
fn parquet(encoding: u8, pages: usize, bytes: usize) -> Vec<u8> {
    // Numbers of Thrift's compact protocol: doubled where they have a sign, seven bits a byte.
    let number = |value: usize| {
        let value = value * 2;
        [
            value as u8 & 0x7f | 0x80,
            (value >> 7) as u8 & 0x7f | 0x80,
            (value >> 14) as u8,
        ]
    };
    let mut file = b"PAR1".to_vec();
    for _ in 0..pages {
        file.extend_from_slice(b"\x15\x00\x15");
        file.extend_from_slice(&number(bytes));
        file.push(0x15);
        file.extend_from_slice(&number(bytes));
        file.extend_from_slice(&[0x2c, 0x15, 2, 0x15, encoding * 2, 0, 0]);
        file.resize(file.len() + bytes, b'x');
    }
    file.extend_from_slice(b"\x15\x02\x19\x0c\x00PAR1");
    file
}

#[test]
fn a_page_of_parquet_in_an_encoding_that_is_not_known_is_unreadable() {
    for encoding in 0..=10 {
        let outcome = inspect(WATCH, &parquet(encoding, 2, 600), 700);
        let is_known = matches!(encoding, 0 | 2 | 3 | 4 | 5 | 8);
        let expected = (!is_known).then_some(Failure::Unreadable);
        assert_eq!(outcome.failure, expected, "{encoding}");
    }
}

/// Whatever its first page begins with, and if all of it is encrypted; a text that begins so is one.
#[test]
fn a_file_of_parquet_is_one_whatever_stands_behind_its_first_letters() {
    let person = b",name\n1,kim@mail.example\n";
    for (body, expected) in [
        (
            [&b"PAR1\0\0\0\0"[..], &parquet(0, 1, 600)[4..]].concat(),
            Some(Failure::Unreadable),
        ),
        (b"PARE\x40\0\0\0encrypted".to_vec(), Some(Failure::Encrypted)),
        ([&b"PAR1"[..], person].concat(), None),
        (b"PAR1,a".to_vec(), None),
    ] {
        for chunk in [1, 5, body.len()] {
            let outcome = inspect(WATCH, &body, chunk);
            assert_eq!(outcome.failure, expected, "{body:?}, {chunk}");
            assert_eq!(
                outcome.people.len(),
                usize::from(body.ends_with(person)),
                "{body:?}, {chunk}"
            );
        }
    }
}

/// Far more than may wait, and no page or block of it is.
#[test]
fn a_long_file_leaves_page_by_page() {
    let text: String = (0..400_000_u32)
        .map(|n| format!("{}\n", n.wrapping_mul(2_654_435_761)))
        .collect();
    let zstd = zstd::stream::encode_all(text.as_bytes(), 3).expect("bytes in memory");
    for (name, body) in [("parquet", parquet(0, 80, 10_007)), ("zstd", zstd)] {
        assert!(body.len() > WATCH.bounds.held_coded_bytes_max as usize * 2, "{name}");
        for chunk in [1_000, 16_384, body.len()] {
            let plan = Plan {
                mode: Mode::Guard,
                ..WATCH
            };
            let outcome = inspect(plan, &body, chunk);
            assert_eq!(outcome.failure, None, "{name}, {chunk}");
            assert!(outcome.released == body, "{name}, {chunk}");
        }
    }
}
