//! Names of people: a whole cell, by what its field name says and by how it is written.
//!
//! ```text
//! field name ── NameKey: Full, Part, Bare or none ──> value: Latin | Hangul | Han and kana | other letters
//! ```
//! A name in running text is looked for only before a mail address that it is shown with, and where a text speaks to somebody
//! (`김민수님`, `Hola Ana Díaz,`): without these or a field name nothing tells `Jordan` the person from the country.

mod asian;
mod key;
mod latin;
mod romanised;
mod shown;

use super::super::Normal;
use super::super::fold::{fold, is_alphabetic};

pub(in crate::engine::detect) use key::{NameKey, OPAQUE_WORDS, is_opaque};
pub(in crate::engine::detect) use shown::{find as shown, greeted, honoured};

/// Bytes of a name: thirty letters of an Asian script, or a long Spanish or Brazilian name.
const NAME_BYTES_MAX: usize = 96;

/// The name that `text` is, in its normal form: letters folded, one blank between words.
pub(super) fn normal(key: NameKey, text: &[u8]) -> Option<Normal> {
    if !(2..=NAME_BYTES_MAX).contains(&text.len()) || text.iter().any(u8::is_ascii_digit) {
        return None;
    }
    let name = without_aside(std::str::from_utf8(text).ok()?);
    let is_latin = |letter: char| letter < '\u{250}' || is_mark(letter);
    let good = if name.is_ascii() || name.chars().all(is_latin) {
        latin::is_name(key, name)
    } else {
        asian::is_name(key, name)
    };
    good.then(|| fold_name(name))
}

/// A name without what says in brackets behind it who of a family it is, or how it is read: `김민수(본인)`, `山田太郎（ヤマダタロウ）`.
fn without_aside(name: &str) -> &str {
    const WHO: [&str; 6] = ["본인", "대리인", "배우자", "자녀", "부", "모"];
    let brackets = |[open, close]: [char; 2]| name.strip_suffix(close)?.split_once(open);
    let aside = [['(', ')'], ['（', '）']].into_iter().find_map(brackets);
    let aside = aside.filter(|(_, aside)| WHO.contains(aside) || aside.chars().all(asian::is_kana));
    aside.map_or(name, |(name, _)| name.trim_end())
}

/// An apostrophe or hyphen as word processors set it.
fn is_mark(letter: char) -> bool {
    matches!(letter, '’' | '‐' | '‑' | '–')
}

/// Letters only, folded, with one blank between words.
fn fold_name(name: &str) -> Normal {
    let mut bytes = smallvec::SmallVec::<[u8; 96]>::new();
    let mut buffer = [0; 4];
    for letter in name.chars() {
        if letter.is_ascii_alphabetic() {
            bytes.push(letter.to_ascii_lowercase() as u8);
        } else if is_alphabetic(letter) {
            let (first, second) = fold(letter);
            for letter in [Some(first), second].into_iter().flatten() {
                bytes.extend_from_slice(letter.encode_utf8(&mut buffer).as_bytes());
            }
        } else if letter.is_whitespace() && bytes.last().is_some_and(|last| *last != b' ') {
            bytes.push(b' ');
        }
    }
    Normal::new(bytes.trim_ascii_end())
}

#[cfg(test)]
mod tests {
    use super::super::super::key_words::KeyWords;
    use super::*;

    fn found(key: &str, cell: &str) -> bool {
        NameKey::of(&KeyWords::of(key.as_bytes())).is_some_and(|key| normal(key, cell.as_bytes()).is_some())
    }

    #[test]
    fn names_under_their_keys() {
        let rows = [
            ("fullName", "Marilyn Davies"),
            ("customer_name", "O'Neil-Smith, Mary J."),
            ("cust_nm", "김도윤"),
            ("수령인", "남궁민수"),
            ("고객명", "김 철수 님"),
            ("고객명", "김철수(본인)"),
            ("氏名", "佐藤京助"),
            ("お名前", "村上　知実 様"),
            ("フリガナ", "サトウ キョウスケ"),
            ("姓名", "欧阳娜娜"),
            ("收件人", "廖碧珠"),
            ("nombre_completo", "Sosimo Zaragoza Bertrán"),
            ("nome_do_cliente", "Ana Júlia da Conceição"),
            ("Nachname", "Müller-Lüdenscheidt"),
            ("firstName", "Zoë"),
            ("lastname", "van der Berg"),
            ("Empfänger", "Karl-Dieter Bähr"),
            ("name", "James Manning"),
            ("name", "김진호"),
            ("नाम", "अभय शर्मा"),
            ("recipient", "Susan Traore"),
            ("Full Name", "DR. JANE DOE"),
            ("buyerName", "jane smith"),
        ];
        for (key, cell) in rows {
            assert!(found(key, cell), "{key} => {cell}");
        }
    }

    #[test]
    fn other_names_and_other_cells() {
        let rows = [
            ("product_name", "James Manning"),
            ("fileName", "James Manning"),
            ("상품명", "김진호"),
            ("company name", "James Manning"),
            ("username", "jmanning"),
            ("name", "Turrón de Alicante"),
            ("name", "Madison Leather Boots"),
            ("name", "이불 세트"),
            ("name", "react-dom"),
            ("name", "Submit"),
            ("firstName", "First name"),
            ("lastName", "Nachname"),
            ("firstName", "string"),
            ("full_name", "Sales Team"),
            ("contact_name", "Acme Trading GmbH"),
            ("customer_name", "주식회사 가나"),
            ("성명", "이름"),
            ("이름", "정보 없음"),
            ("recipient", "user-4711"),
            ("full_name", "facebook/react"),
            ("author_name", "true"),
            ("customer_id", "James Manning"),
            ("氏名", "株式会社山田"),
            ("title", "James Manning"),
        ];
        for (key, cell) in rows {
            assert!(!found(key, cell), "{key} => {cell}");
        }
    }

    #[test]
    fn spellings_of_one_name_are_one_value() {
        assert!(fold_name("JOSÉ  da  Silva") == fold_name("Jose da Silva"));
        assert!(fold_name("O’Neil") == fold_name("O'Neil"));
    }
}
