//! Character references of HTML and XML: numbers, and the names that occur inside names, numbers and addresses.

/// The longest reference that is looked at, `&` and `;` included. Against: `&` followed by a megabyte of letters.
const REFERENCE_BYTES_MAX: usize = 12;

/// Names without an accent (HTML Living Standard, section 13.5). Blanks and dashes become the plain ones, so that a number
/// written with them reads as it looks.
const NAMED: [(&[u8], char); 30] = [
    (b"amp", '&'),
    (b"lt", '<'),
    (b"gt", '>'),
    (b"quot", '"'),
    (b"apos", '\''),
    (b"nbsp", ' '),
    (b"ensp", ' '),
    (b"emsp", ' '),
    (b"thinsp", ' '),
    (b"ndash", '-'),
    (b"mdash", '-'),
    (b"minus", '-'),
    (b"hyphen", '-'),
    (b"dash", '-'),
    (b"commat", '@'),
    (b"period", '.'),
    (b"comma", ','),
    (b"colon", ':'),
    (b"plus", '+'),
    (b"lpar", '('),
    (b"rpar", ')'),
    (b"num", '#'),
    (b"sol", '/'),
    (b"lowbar", '_'),
    (b"middot", '·'),
    (b"rsquo", '’'),
    (b"szlig", 'ß'),
    (b"ordm", 'º'),
    (b"ordf", 'ª'),
    (b"deg", '°'),
];

/// Accents: the ending of the name, the letters it is put to, and what becomes of them.
const ACCENTED: [(&[u8], &str, &str); 9] = [
    (b"acute", "AEIOUYaeiouy", "ÁÉÍÓÚÝáéíóúý"),
    (b"grave", "AEIOUaeiou", "ÀÈÌÒÙàèìòù"),
    (b"circ", "AEIOUaeiou", "ÂÊÎÔÛâêîôû"),
    (b"uml", "AEIOUaeiouy", "ÄËÏÖÜäëïöüÿ"),
    (b"tilde", "ANOano", "ÃÑÕãñõ"),
    (b"ring", "Aa", "Åå"),
    (b"cedil", "Cc", "Çç"),
    (b"slash", "Oo", "Øø"),
    (b"elig", "Aa", "Ææ"),
];

/// The length of the character reference at the start of `raw`, which begins with `&`, and what it stands for.
pub(super) fn reference(raw: &[u8]) -> Option<(usize, char)> {
    let body = raw.get(1..raw.len().min(REFERENCE_BYTES_MAX))?;
    if body.first() == Some(&b'#') {
        return number(body.get(1..)?);
    }
    let length = body.iter().position(|byte| !byte.is_ascii_alphanumeric())?;
    if body.get(length) != Some(&b';') {
        return None;
    }
    let name = body.get(..length)?;
    let plain = NAMED.iter().find(|(known, _)| *known == name).map(|(_, value)| *value);
    plain.or_else(|| accented(name)).map(|value| (length + 2, value))
}

/// `64;` or `x40;`; browsers do without the semicolon.
fn number(body: &[u8]) -> Option<(usize, char)> {
    let radix = if matches!(body.first(), Some(b'x' | b'X')) {
        16
    } else {
        10
    };
    let prefix = usize::from(radix == 16);
    let digits = body.get(prefix..)?;
    let length = digits
        .iter()
        .take_while(|byte| char::from(**byte).is_digit(radix))
        .count();
    let code = std::str::from_utf8(digits.get(..length)?).ok()?;
    let value = char::from_u32(u32::from_str_radix(code, radix).ok()?).filter(|value| *value != '\0')?;
    let semicolon = usize::from(digits.get(length) == Some(&b';'));
    let value = if value == '\u{a0}' { ' ' } else { value };
    Some((2 + prefix + length + semicolon, value))
}

fn accented(name: &[u8]) -> Option<char> {
    let (letter, ending) = name.split_first()?;
    let (_, letters, values) = ACCENTED.iter().find(|(known, _, _)| *known == ending)?;
    let place = letters.bytes().position(|known| known == *letter)?;
    values.chars().nth(place)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_numbers_or_names() {
        let rows: [(&str, Option<(usize, char)>); 12] = [
            ("&#64;x", Some((5, '@'))),
            ("&#x40;x", Some((6, '@'))),
            ("&#64 x", Some((4, '@'))),
            ("&amp;", Some((5, '&'))),
            ("&eacute;", Some((8, 'é'))),
            ("&Ntilde;a", Some((8, 'Ñ'))),
            ("&nbsp;", Some((6, ' '))),
            ("&amp", None),
            ("&unknown;", None),
            ("&#xffffffff;", None),
            ("&#0;", None),
            ("&", None),
        ];
        for (raw, expected) in rows {
            assert_eq!(reference(raw.as_bytes()), expected, "{raw}");
        }
    }
}
