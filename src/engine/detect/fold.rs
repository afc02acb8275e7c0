//! Latin letters without case and marks, so that `José`, `JOSE` and `jose` are one word.

/// What `letter` folds to: a Latin letter loses case and marks (`ß` and ligatures become their first letter twice or both
/// letters); any other letter stays.
pub(super) fn fold(letter: char) -> (char, Option<char>) {
    if letter.is_ascii() {
        return (letter.to_ascii_lowercase(), None);
    }
    // No Latin letter that folds stands behind `ẞ`.
    if letter > 'ẞ' {
        return (letter, None);
    }
    let plain = match letter {
        'À'..='Å' | 'à'..='å' | 'Ā'..='ą' => 'a',
        'Ç' | 'ç' | 'Ć'..='č' => 'c',
        'Ď'..='đ' | 'Ð' | 'ð' => 'd',
        'È'..='Ë' | 'è'..='ë' | 'Ē'..='ě' => 'e',
        'Ĝ'..='ģ' => 'g',
        'Ì'..='Ï' | 'ì'..='ï' | 'Ĩ'..='ı' => 'i',
        'Ł' | 'ł' | 'Ĺ'..='ľ' => 'l',
        'Ñ' | 'ñ' | 'Ń'..='ň' => 'n',
        'Ò'..='Ö' | 'Ø' | 'ò'..='ö' | 'ø' | 'Ō'..='ő' => 'o',
        'Ŕ'..='ř' => 'r',
        'Ś'..='š' | 'Ș' | 'ș' => 's',
        'Ţ'..='ŧ' | 'Ț' | 'ț' => 't',
        'Ù'..='Ü' | 'ù'..='ü' | 'Ũ'..='ų' => 'u',
        'Ý' | 'ý' | 'ÿ' | 'Ŷ'..='Ÿ' => 'y',
        'Ź'..='ž' => 'z',
        'ß' | 'ẞ' => return ('s', Some('s')),
        'Æ' | 'æ' => return ('a', Some('e')),
        'Œ' | 'œ' => return ('o', Some('e')),
        _ => letter,
    };
    (plain, None)
}

/// As [`char::is_alphabetic`]; letters of ASCII and of the scripts of East Asia are known without a table.
pub(super) fn is_alphabetic(letter: char) -> bool {
    match letter {
        '\0'..='\x7f' => letter.is_ascii_alphabetic(),
        'ぁ'..='ゖ' | 'ァ'..='ヺ' | '一'..='鿿' | '가'..='힣' => true,
        _ => letter.is_alphabetic(),
    }
}

/// As [`char::is_alphanumeric`], as quick.
pub(super) fn is_alphanumeric(letter: char) -> bool {
    is_alphabetic(letter) || letter.is_numeric()
}

/// The folded form of `word` in UTF-8, without apostrophes; at most `N` bytes, the rest is left out.
pub(super) fn folded<const N: usize>(word: &str) -> smallvec::SmallVec<[u8; N]>
where
    [u8; N]: smallvec::Array<Item = u8>,
{
    let mut bytes = smallvec::SmallVec::new();
    let is_plain = |byte: u8| byte.is_ascii() && !matches!(byte, b'\'' | b'`');
    if word.bytes().all(is_plain) {
        bytes.extend_from_slice(word.as_bytes().get(..N).unwrap_or(word.as_bytes()));
        bytes.make_ascii_lowercase();
        return bytes;
    }
    let mut buffer = [0; 4];
    for letter in word.chars().filter(|letter| !matches!(letter, '\'' | '’' | '`')) {
        let (first, second) = fold(letter);
        for letter in [Some(first), second].into_iter().flatten() {
            let encoded = letter.encode_utf8(&mut buffer).as_bytes();
            if bytes.len() + encoded.len() > N {
                return bytes;
            }
            bytes.extend_from_slice(encoded);
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_are_known_as_in_unicode() {
        for letter in '\0'..=char::MAX {
            assert_eq!(
                is_alphanumeric(letter),
                letter.is_alphanumeric(),
                "{}",
                u32::from(letter)
            );
        }
    }

    #[test]
    fn marks_and_case_go() {
        for (word, expected) in [
            ("JOSÉ", "jose"),
            ("Müller", "muller"),
            ("Straße", "strasse"),
            ("Bœuf", "boeuf"),
            ("D'Ávila", "davila"),
            ("김", "김"),
            ("Łukasz", "lukasz"),
        ] {
            assert_eq!(folded::<32>(word).as_slice(), expected.as_bytes(), "{word}");
        }
        assert_eq!(folded::<4>("José Maria").as_slice(), b"jose");
    }
}
