//! Field names of parts of one value: `area`, `exchange`, `line`; `hp1`, `hp2`, `hp3`; `email_id` and `email_domain`.

use super::key_words::KeyWords;
use super::{Key, RuleSet};

/// Words for the parts of a telephone number, in the order in which it is dialled: what its country, its area and its exchange are
/// called, and what is left of it.
const ROLES: [(&str, u8); 14] = [
    ("country", 0),
    ("area", 1),
    ("areacode", 1),
    ("ddd", 1),
    ("npa", 1),
    ("exchange", 2),
    ("prefix", 2),
    ("nxx", 2),
    ("line", 3),
    ("linenumber", 3),
    ("subscriber", 3),
    ("local", 3),
    ("number", 3),
    ("phonenumber", 3),
];
/// Words beside these that say that it is one.
const OF_PHONES: [&str; 9] = [
    "phone",
    "tel",
    "telephone",
    "mobile",
    "cell",
    "hp",
    "code",
    "ddd",
    "npa",
];
/// Words that say no more than that it is a number.
const FILLINGS: [&str; 4] = ["number", "no", "num", "dial"];
/// Words for the place of a part behind the word for the whole.
const ORDINALS: [(&str, u8); 19] = [
    ("first", 1),
    ("front", 1),
    ("head", 1),
    ("middle", 2),
    ("mid", 2),
    ("last", 3),
    ("back", 3),
    ("tail", 3),
    ("rear", 3),
    ("앞자리", 1),
    ("앞", 1),
    ("중간자리", 2),
    ("중간", 2),
    ("뒷자리", 3),
    ("뒤", 3),
    ("id", 1),
    ("local", 1),
    ("user", 1),
    ("domain", 3),
];
/// Words for an e-mail address, whose parts are of other kinds.
const MAILS: [&str; 5] = ["email", "mail", "eml", "이메일", "메일"];
/// The last place that a number behind a name says.
const PLACE_MAX: u8 = 4;

/// What a field name says of a part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::engine) struct Part {
    /// The name of the whole: equal for the parts of one value.
    pub(in crate::engine) whole: Box<[u8]>,
    /// The parts of one value are written in the order of their places.
    pub(in crate::engine) place: u8,
    /// Whether it is one of an e-mail address, and so no digits.
    pub(in crate::engine) is_mail: bool,
    /// Whether the name says by itself that it is a part: `line` may be one of anything.
    pub(in crate::engine) is_sure: bool,
}

impl Part {
    /// What `name` says; `speaks` tells whether a name is a word for some kind of value.
    pub(super) fn of(name: &[u8], rules: &RuleSet) -> Option<Self> {
        let words = KeyWords::of(name);
        match number(name) {
            Some(place) => Self::behind(words.iter(), place, rules).filter(|_| place <= PLACE_MAX),
            None => Self::dialled(&words).or_else(|| Self::ordinal(&words, rules)),
        }
    }

    /// The part at this place of an array whose name is a word for some kind of value: `phone` of `[10,1234,5678]`.
    pub(in crate::engine) fn element(key: &Key, place: u8) -> Option<Self> {
        let is_part = key.is_known() && (1..=PLACE_MAX).contains(&place);
        is_part.then(|| Self {
            whole: key.name().into(),
            place,
            is_mail: false,
            is_sure: true,
        })
    }

    /// `area`, `phoneAreaCode`, `prefix`, `line_number`, `number`.
    fn dialled(words: &KeyWords) -> Option<Self> {
        let is_one_of = |list: &[&str], word: &[u8]| list.iter().any(|known| known.as_bytes() == word);
        let role = |word: &[u8]| ROLES.iter().find(|(known, _)| known.as_bytes() == word);
        let of_phone = |word: &[u8]| is_one_of(&OF_PHONES, word);
        let is_known = |word: &[u8]| role(word).is_some() || of_phone(word) || is_one_of(&FILLINGS, word);
        let (_, place) = words.iter().find_map(role)?;
        let is_sure = words.iter().any(of_phone);
        // A country alone is one by its name, and stands in every other object.
        let is_part = words.iter().all(is_known) && (is_sure || *place > 0);
        is_part.then(|| Self {
            whole: Box::from(&b"phone"[..]),
            place: *place,
            is_mail: false,
            is_sure,
        })
    }

    /// `phone_first`, `jumin_back`, `주민번호뒷자리`, `email_domain`.
    fn ordinal(words: &KeyWords, rules: &RuleSet) -> Option<Self> {
        let last = words.iter().next_back()?;
        let (word, place) = ORDINALS.iter().find(|(word, _)| last.ends_with(word.as_bytes()))?;
        let stem = last.strip_suffix(word.as_bytes())?;
        // Only Korean words are joined without a sign between.
        let is_joined = !stem.is_empty();
        if is_joined && word.is_ascii() {
            return None;
        }
        let before = words.iter().take(words.len() - 1);
        let part = Self::behind(before.chain([stem].into_iter().filter(|_| is_joined)), *place, rules)?;
        let is_of_mail = matches!(*word, "id" | "local" | "user" | "domain");
        (part.is_mail == is_of_mail).then_some(part)
    }

    /// A part at this place of what `words` are the name of, if they are a word for some kind of value.
    fn behind<'w>(words: impl Iterator<Item = &'w [u8]>, place: u8, rules: &RuleSet) -> Option<Self> {
        let words: Vec<&[u8]> = words.collect();
        let whole = words.join(&b'_');
        let is_mail = words
            .last()
            .is_some_and(|last| MAILS.iter().any(|mail| mail.as_bytes() == *last));
        (is_mail || rules.words.signs(&whole).speaks()).then(|| Self {
            whole: whole.into(),
            place,
            is_mail,
            is_sure: true,
        })
    }
}

/// The number of one digit that a name ends with: `hp1`, `tel_no_2`, `email[1]`.
fn number(name: &[u8]) -> Option<u8> {
    let name = name.trim_ascii_end();
    let (digit, before) = name.strip_suffix(b"]").unwrap_or(name).split_last()?;
    let is_one = digit.is_ascii_digit() && before.last().is_some_and(|before| !before.is_ascii_digit());
    is_one.then(|| digit - b'0')
}

/// Words of names that no rule has, and that a part may be called.
pub(super) fn words() -> impl Iterator<Item = &'static str> {
    ROLES.iter().map(|(word, _)| *word).chain(MAILS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_say_which_part_of_what() {
        let rules = RuleSet::builtin();
        let rows = [
            ("hp1", Some(("hp", 1, false))),
            ("HP_2", Some(("hp", 2, false))),
            (" hp3 hp3", Some(("hp_hp", 3, false))),
            ("tel[0]", Some(("tel", 0, false))),
            ("custTelNo2", Some(("cust_tel_no", 2, false))),
            ("휴대폰1", Some(("휴대폰", 1, false))),
            ("email1", Some(("email", 1, true))),
            ("emailDomain", Some(("email", 3, true))),
            ("email_id", Some(("email", 1, true))),
            // A server has an address of its own, and what stands beside it is the number of a message.
            ("mail_host", None),
            ("area", Some(("phone", 1, false))),
            ("areaCode", Some(("phone", 1, false))),
            ("phone_prefix", Some(("phone", 2, false))),
            ("line_number", Some(("phone", 3, false))),
            ("phoneNumber", Some(("phone", 3, false))),
            ("jumin_back", Some(("jumin", 3, false))),
            ("주민번호뒷자리", Some(("주민번호", 3, false))),
            ("phone_last", Some(("phone", 3, false))),
            ("phone12", None),
            ("line1", None),
            ("user_id", None),
            ("phone_id", None),
            ("last", None),
            ("country", None),
            ("countryCode", Some(("phone", 0, false))),
            ("order_line", None),
            ("size2", None),
            ("7", None),
            ("", None),
        ];
        for (name, expected) in rows {
            let part = Part::of(name.as_bytes(), &rules);
            let said = part.as_ref().map(|part| (&*part.whole, part.place, part.is_mail));
            let expected = expected.map(|(whole, place, is_mail): (&str, _, _)| (whole.as_bytes(), place, is_mail));
            assert_eq!(said, expected, "{name}");
        }
    }
}
