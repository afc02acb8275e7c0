//! The name that a mail address is shown with: `"Kim Minsu" <kim@mail.example>` (RFC 5322, section 3.4); and that of whoever a text
//! speaks to: `김민수님`, `山田太郎様`, `Bonjour Élise Lebreton,`.

use std::sync::LazyLock;

use memchr::memmem::Finder;

use super::super::Candidate;
use super::NameKey;
use super::asian::{is_han, is_hangul, is_kana};

/// Bytes before an address in which its name is looked for.
const BEFORE_BYTES_MAX: usize = 104;

/// The name before the address that begins at `mail`, if it is one that is known for a person's.
pub(in crate::engine::detect) fn find(haystack: &[u8], mail: usize) -> Option<Candidate> {
    let from = mail.saturating_sub(BEFORE_BYTES_MAX);
    let text = haystack.get(from..mail)?.strip_suffix(b"<")?.trim_ascii_end();
    let name = if let Some(quoted) = text.strip_suffix(b"\"") {
        quoted.get(memchr::memrchr(b'"', quoted)? + 1..)?
    } else {
        let is_mark = |byte: &u8| b":,;\"=<>".contains(byte) || byte.is_ascii_control();
        let mark = text.iter().rposition(is_mark);
        // What may be cut is no name.
        let begin = match mark {
            Some(mark) => mark + 1,
            None if from == 0 => 0,
            None => return None,
        };
        text.get(begin..)?
    };
    let behind = text.len() - usize::from(text.ends_with(b"\""));
    let (end, name) = (from + behind, name.trim_ascii_start());
    Some(Candidate {
        start: end - name.len(),
        end,
        normal: super::normal(NameKey::Bare, name)?,
        weak: false,
    })
}

/// What stands behind the name of whoever is spoken to.
static HONORIFICS: LazyLock<[Finder<'static>; 3]> = LazyLock::new(|| ["님", "様", "您好"].map(Finder::new));

/// Letters of a name before an honorific, and bytes that are looked at for them.
const LETTERS_MAX: usize = 6;
const NAME_BYTES_MAX: usize = 32;

/// How texts begin that speak to somebody.
const GREETINGS: [&str; 18] = [
    "Hi",
    "Hello",
    "Dear",
    "Bonjour",
    "Cher",
    "Chère",
    "Guten Tag",
    "Hallo",
    "Liebe",
    "Lieber",
    "Sehr geehrter Herr",
    "Sehr geehrte Frau",
    "Hola",
    "Estimado",
    "Estimada",
    "Olá",
    "Prezado",
    "Prezada",
];
/// Bytes of a name behind a greeting.
const GREETED_BYTES_MAX: usize = 64;

/// People who are spoken to by what they are, and not by a name: their first letters are surnames.
const PEOPLE: [&str; 42] = [
    "이용자",
    "사용자",
    "주문자",
    "구매자",
    "신청자",
    "수신자",
    "지원자",
    "구독자",
    "방문자",
    "여행자",
    "유권자",
    "보호자",
    "소유자",
    "임차인",
    "임대인",
    "조합원",
    "정회원",
    "연구원",
    "공무원",
    "변호사",
    "이사장",
    "전문가",
    "고양이",
    "강아지",
    "한국인",
    "정치인",
    "방송인",
    "신고자",
    "제보자",
    "채권자",
    "문의자",
    "강연자",
    "전도사",
    "주치의",
    "한의사",
    "조리사",
    "노조원",
    "이동자",
    "우승자",
    "기부자",
    "후원자",
    "조교수",
];

/// The names of those who are spoken to, as far as they are known for people's.
pub(in crate::engine::detect) fn honoured(haystack: &[u8]) -> impl Iterator<Item = Candidate> {
    HONORIFICS.iter().flat_map(move |finder| {
        // What is said to anybody in Chinese stands behind words of two letters too, and of four.
        let is_greeting = finder.needle() == "您好".as_bytes();
        let names = finder.find_iter(haystack).filter_map(move |at| before(haystack, at));
        names.filter(move |name| !is_greeting || name.end - name.start == 3 * '您'.len_utf8())
    })
}

/// The name that ends before the honorific `at`, with or without a blank between them, and in it.
fn before(haystack: &[u8], at: usize) -> Option<Candidate> {
    let bytes = haystack.get(at.saturating_sub(NAME_BYTES_MAX)..at)?;
    let text = bytes
        .utf8_chunks()
        .last()
        .filter(|last| last.invalid().is_empty())?
        .valid();
    let text = text.trim_end_matches(' ');
    let end = at - (bytes.len() - bytes.trim_ascii_end().len());
    let given = last_word(text)?;
    let rest = text.get(..text.len() - given.len())?;
    let surname = rest.strip_suffix([' ', '\u{3000}']).and_then(last_word);
    // Whoever was spoken to before is somebody else.
    let surname = surname.filter(|surname| !surname.ends_with(['님', '様', '好']));
    let both = surname.and_then(|surname| text.get(rest.trim_end().len() - surname.len()..));
    both.into_iter().chain([given]).find_map(|name| {
        Some(Candidate {
            start: end - name.len(),
            end,
            normal: super::normal(NameKey::Bare, name.as_bytes()).filter(|_| !PEOPLE.contains(&name))?,
            weak: false,
        })
    })
}

/// The word of Asian letters that `text` ends with, if it is short.
fn last_word(text: &str) -> Option<&str> {
    let is_letter = |letter: &char| is_hangul(*letter) || is_han(*letter) || is_kana(*letter);
    let letters = text.chars().rev().take_while(is_letter);
    let word = text.get(text.len() - letters.map(char::len_utf8).sum::<usize>()..)?;
    (1..=LETTERS_MAX).contains(&word.chars().count()).then_some(word)
}

/// The name behind the greeting that a text begins with: two capitalised words or more, up to a comma or the like.
pub(in crate::engine::detect) fn greeted(haystack: &[u8]) -> Option<Candidate> {
    let text = haystack.trim_ascii_start();
    let is_greeting =
        |greeting: &&&str| text.starts_with(greeting.as_bytes()) && text.get(greeting.len()) == Some(&b' ');
    let greeting = GREETINGS
        .iter()
        .filter(is_greeting)
        .map(|greeting| greeting.len())
        .max()?;
    let rest = text.get(greeting + 1..)?;
    let rest = rest.get(..rest.len().min(GREETED_BYTES_MAX)).unwrap_or_default();
    let end = rest.iter().position(|byte| b",!:;.\n\r".contains(byte))?;
    let name = std::str::from_utf8(rest.get(..end)?).ok()?.trim();
    let is_capital = |word: &str| word.chars().next().is_some_and(char::is_uppercase);
    let mut words = name.split(' ');
    let is_name = words.clone().count() > 1
        && words.clone().next().is_some_and(is_capital)
        && words.next_back().is_some_and(is_capital);
    let start = haystack.len() - text.len() + greeting + 1;
    Some(Candidate {
        start,
        end: start + name.len(),
        normal: super::normal(NameKey::Bare, name.as_bytes()).filter(|_| is_name)?,
        weak: false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_is_spoken_to_is_named() {
        for (text, expected) in [
            ("김민수님, 주문하신 상품이", &["김민수"][..]),
            (
                "[상점] 남궁민수 님께 알려 드립니다. 박서연님의",
                &["남궁민수", "박서연"],
            ),
            ("山田太郎様、ご注文", &["山田太郎"]),
            ("\n村上 知実様、ご注文", &["村上 知実"]),
            ("胡美麗您好，您的訂單", &["胡美麗"]),
            ("고객님 사장님 이용자님 주문자님 お客様 皆様", &[]),
            ("그리고김민수님", &[]),
            ("님 様", &[]),
        ] {
            let found: Vec<&str> = honoured(text.as_bytes())
                .filter_map(|found| text.get(found.start..found.end))
                .collect();
            assert_eq!(found, expected, "{text}");
        }
    }

    #[test]
    fn whoever_is_greeted_is_named() {
        for (text, expected) in [
            ("Bonjour Élise Lebreton, votre commande", Some("Élise Lebreton")),
            ("Guten Tag Sylwia Hettner, Ihre Bestellung", Some("Sylwia Hettner")),
            ("  Hi Marion Jackson,", Some("Marion Jackson")),
            ("Hi there, your order", None),
            ("Hello World!", None),
            ("Dear Sir or Madam, we", None),
            ("Hi Fiona, your order", None),
            ("History Lesson, one", None),
            ("Dear", None),
            ("Dear Human Resources, please", None),
            ("Hello Spring Boot! It", None),
        ] {
            let found = greeted(text.as_bytes()).map(|found| text.get(found.start..found.end).unwrap_or_default());
            assert_eq!(found, expected, "{text}");
        }
    }

    #[test]
    fn names_of_mail_addresses_are_found() {
        for (text, expected) in [
            ("From: \"Oliver Morris\" <x@mail.example>", Some("Oliver Morris")),
            ("Oliver Morris <x@mail.example>", Some("Oliver Morris")),
            ("To: a@b.example, Oliver Morris <x@mail.example>", Some("Oliver Morris")),
            ("From: \"변선미\" <x@mail.example>", Some("변선미")),
            ("To: Support <x@mail.example>", None),
            ("Oliver Morris x@mail.example", None),
            ("<x@mail.example>", None),
        ] {
            let mail = text.find("x@").expect("an address");
            let found = find(text.as_bytes(), mail).map(|found| text.get(found.start..found.end).unwrap_or_default());
            assert_eq!(found, expected, "{text}");
        }
    }
}
