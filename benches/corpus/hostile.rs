//! What someone would send who wants the gateway to be slow: bytes that wake every search, and hold little or nothing.

use bytes::Bytes;
use tidegate::engine::structure::Declared;

use super::Numbers;
use super::planted::{CARD, EMAIL, PHONE_KR, address, identifier, name};

/// One hostile body.
pub(crate) struct Hostile {
    pub(crate) name: String,
    pub(crate) declared: Declared,
    pub(crate) bytes: Bytes,
}

/// All of them, `bytes` bytes each, each as the structures that make it worst.
pub(crate) fn all(bytes: usize) -> Vec<Hostile> {
    let mut numbers = Numbers(21);
    let soups = [
        ("digits", soup(b"0123456789", bytes, &mut numbers)),
        ("digits, blanks", soup(b"0123456789 ", bytes, &mut numbers)),
        ("@", soup(b"@a@1.", bytes, &mut numbers)),
        ("only @", vec![b'@'; bytes]),
        ("local parts", repeated(b"a.a.a.a.a.a.a.a.a@", bytes)),
        ("phone-like", soup(b"0123456789()+-. ", bytes, &mut numbers)),
        ("separators", soup(b",;:\"\t|{}[]\n\\", bytes, &mut numbers)),
        ("capitals, digits", soup(b"DEGBFR0123456789 ", bytes, &mut numbers)),
        ("tags", repeated(b"<a b=\"1\"><i>1 a</i><p c='@'>", bytes)),
        ("quotes", soup(b"\"',\n1", bytes, &mut numbers)),
        ("open tags", repeated(b"<a><b 1=", bytes)),
        ("references", repeated(b"&#64;&#x40;&commat;1", bytes)),
        ("escapes", repeated(b"\\u0040\\u0031", bytes)),
        ("beginnings of streets", repeated(b"St 1 12345 ", bytes)),
        ("codes and streets", repeated(b"12345 St K1A 0A9 5 Rue ", bytes)),
        ("beginnings of IBANs", repeated(b"GB29 NWBK 6016 1331 9268 1 ", bytes)),
    ];
    let as_all = soups.into_iter().flat_map(|(name, text)| {
        let quoted = [b"[\"", &text[..], b"\"]"].concat();
        let bytes = (Bytes::from(text), Bytes::from(quoted));
        let structures = Declared::ALL
            .into_iter()
            .filter(|declared| *declared != Declared::Unknown);
        structures.map(move |declared| Hostile {
            name: format!("{name}, as {declared:?}"),
            declared,
            bytes: if declared == Declared::Json {
                bytes.1.clone()
            } else {
                bytes.0.clone()
            },
        })
    });
    let mut all: Vec<Hostile> = as_all.collect();
    all.extend(structured(bytes, &mut numbers));
    all
}

/// JSON of which every part is meant to cost.
fn structured(bytes: usize, numbers: &mut Numbers) -> Vec<Hostile> {
    let addresses = list(bytes, |n| {
        format!("{{\"address\":\"{}\"}}", address(n % 2 == 0, numbers))
    });
    let bare = list(bytes, |n| format!("\"{}\"", address(n % 2 == 0, numbers)));
    let names = list(bytes, |n| format!("{{\"name\":\"{}\"}}", name(n % 2 == 0, numbers)));
    let mails = list(bytes, |n| format!("\"{}\"", identifier(EMAIL, n, numbers)));
    let phones = list(bytes, |n| format!("\"{}\"", identifier(PHONE_KR, n, numbers)));
    let cards = list(bytes, |n| format!("\"{}\"", identifier(CARD, n, numbers)));
    let fresh = list(bytes, |n| {
        format!("{{\"phone_{n}\":\"{}\"}}", identifier(PHONE_KR, n, numbers))
    });
    let keyed = list(bytes, |n| {
        format!("{{\"{}\":{{\"phone\":{n}}}}}", identifier(EMAIL, n, numbers))
    });
    let depth = 900;
    let nest = [
        b"[{\"a\":".repeat(depth),
        b"1".to_vec(),
        b"}]".repeat(depth),
        b",".to_vec(),
    ]
    .concat();
    let deep = [b"[".to_vec(), repeated(&nest, bytes), b"1]".to_vec()].concat();
    let open = repeated(b"[{\"a\":", bytes);
    let json = |name: &str, text: Vec<u8>| Hostile {
        name: name.to_owned(),
        declared: Declared::Json,
        bytes: Bytes::from(text),
    };
    vec![
        json("addresses under their name", addresses),
        json("addresses only", bare),
        json("names only", names),
        json("e-mails only", mails),
        json("phones only", phones),
        json("cards only", cards),
        json("a fresh name each", fresh),
        json("people as names", keyed),
        json("deeply nested", deep),
        json("ever deeper", open),
    ]
}

fn list(bytes: usize, mut item: impl FnMut(usize) -> String) -> Vec<u8> {
    let mut text = String::from("[");
    for n in 0.. {
        if text.len() >= bytes {
            break;
        }
        text.push_str(if n > 0 { "," } else { "" });
        text.push_str(&item(n));
    }
    text.push(']');
    text.into_bytes()
}

/// Bytes of `letters`, each as likely.
fn soup(letters: &[u8], bytes: usize, numbers: &mut Numbers) -> Vec<u8> {
    let letter = |_| {
        let at = numbers.below(letters.len() as u64) as usize;
        letters.get(at).copied().unwrap_or_default()
    };
    (0..bytes).map(letter).collect()
}

fn repeated(text: &[u8], bytes: usize) -> Vec<u8> {
    text.iter().copied().cycle().take(bytes).collect()
}
