//! Names in Latin letters: words that are written like names, and known ones where the field name is not enough.

use smallvec::SmallVec;

use super::super::super::fold::{folded, is_alphabetic};
use super::super::super::lexicon::{GIVEN, NAME_STOPS, SURNAMES};
use super::{NameKey, romanised};
use crate::engine::byte_set::ByteSet;

/// Words of a name, titles and particles included.
const WORDS_MAX: usize = 8;
/// Letters of one word.
const WORD_LETTERS_MAX: usize = 24;

/// Whether `name` is written like a person's name; under a bare field name its first and last word must be known.
pub(super) fn is_name(key: NameKey, name: &str) -> bool {
    let mut words = SmallVec::<[&str; WORDS_MAX]>::new();
    for word in name.split([' ', '\t', ',', '\u{a0}']).filter(|word| !word.is_empty()) {
        if words.len() == WORDS_MAX || !is_word(word) {
            return false;
        }
        words.push(word);
    }
    while words.first().is_some_and(|word| words.len() > 2 && is_title(word)) {
        words.remove(0);
    }
    while words.last().is_some_and(|word| words.len() > 1 && is_suffix(word)) {
        words.pop();
    }
    let core: SmallVec<[&str; WORDS_MAX]> = words
        .iter()
        .copied()
        .filter(|word| !is_particle(word) && letters(word) > 1)
        .collect();
    let known = is_known_name(&core) || romanised::is_name(&words) || has_initial(&words);
    if key == NameKey::Given && core.len() == 1 && words.len() == 1 {
        return core
            .iter()
            .all(|word| any_part(word, |part| GIVEN.has(part)) && word.starts_with(char::is_uppercase));
    }
    if matches!(key, NameKey::Bare | NameKey::Given) || known {
        return known;
    }
    let small = !core.iter().any(|word| word.contains(char::is_uppercase));
    let capital = core.iter().all(|word| word.starts_with(char::is_uppercase));
    let all_known = || core.iter().all(|word| is_in_lists(word));
    if !(capital || small && all_known()) || words.iter().any(|word| is_stop(word)) {
        return false;
    }
    match core.len() {
        0 => false,
        _ if key == NameKey::Part => core.len() <= 4 || all_known(),
        _ if words.iter().any(|word| is_firm(word)) => false,
        // `J. Smith` or a known name by itself.
        1 => words.len() > 1 || all_known(),
        2..=4 => true,
        _ => all_known(),
    }
}

/// A given name and a surname, in either order, with anything written like a name between them.
fn is_known_name(core: &[&str]) -> bool {
    let (Some(first), Some(last), true) = (core.first(), core.last(), core.len() > 1) else {
        return false;
    };
    let given = |word: &str| any_part(word, |part| GIVEN.has(part));
    let surname = |word: &str| any_part(word, |part| SURNAMES.has(part));
    (given(first) && (surname(last) || given(last))) || (surname(first) && given(last))
}

/// A given name and one letter for the name of the father, as in the south of India: `Nisha K`, `V. Aishani`.
fn has_initial(words: &[&str]) -> bool {
    let [first, last] = words else { return false };
    let given = |word: &str| letters(word) > 2 && GIVEN.has(&folded::<32>(word));
    let initial = |word: &str| letters(word) == 1 && word.starts_with(char::is_uppercase);
    (given(first) && initial(last)) || (initial(first) && given(last))
}

fn is_in_lists(word: &str) -> bool {
    any_part(word, |part| GIVEN.has(part) || SURNAMES.has(part))
}

/// Whether a part of a word with hyphens (`Karl-Dieter`) passes.
fn any_part(word: &str, is_listed: impl Fn(&[u8]) -> bool) -> bool {
    if word.bytes().all(|byte| byte.is_ascii() && byte != b'-') {
        return is_listed(&folded::<32>(word));
    }
    word.split(['-', '‐', '‑', '–'])
        .any(|part| is_listed(&folded::<32>(part)))
}

/// Letters, with apostrophes, hyphens and a full stop of an abbreviation.
fn is_word(word: &str) -> bool {
    const ASCII: ByteSet = ByteSet::of(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'`-.");
    if word.bytes().all(|byte| ASCII.has(byte)) {
        return word.starts_with(|first: char| first.is_ascii_alphabetic()) && word.len() <= WORD_LETTERS_MAX;
    }
    let mark = |letter: char| matches!(letter, '\'' | '’' | '`' | '-' | '‐' | '‑' | '–' | '.');
    word.chars().all(|letter| is_alphabetic(letter) || mark(letter))
        && word.starts_with(is_alphabetic)
        && word.chars().count() <= WORD_LETTERS_MAX
}

fn letters(word: &str) -> usize {
    if word.is_ascii() {
        return word.bytes().filter(u8::is_ascii_alphabetic).count();
    }
    word.chars().filter(|letter| is_alphabetic(*letter)).count()
}

fn is_title(word: &str) -> bool {
    matches!(
        folded::<16>(word.trim_end_matches('.')).as_slice(),
        b"mr"
            | b"mrs"
            | b"ms"
            | b"miss"
            | b"mx"
            | b"dr"
            | b"prof"
            | b"sir"
            | b"dame"
            | b"rev"
            | b"herr"
            | b"frau"
            | b"ing"
            | b"dipl.-ing"
            | b"univ.prof"
            | b"mag"
            | b"mme"
            | b"mlle"
            | b"me"
            | b"monsieur"
            | b"madame"
            | b"sr"
            | b"sra"
            | b"srta"
            | b"don"
            | b"dona"
            | b"dra"
            | b"sri"
            | b"shri"
            | b"smt"
            | b"kumari"
            | b"lic"
            | b"srita"
    )
}

fn is_suffix(word: &str) -> bool {
    matches!(
        folded::<16>(word).as_slice(),
        b"jr"
            | b"jr."
            | b"sr"
            | b"sr."
            | b"ii"
            | b"iii"
            | b"iv"
            | b"phd"
            | b"ph.d."
            | b"md"
            | b"m.d."
            | b"dds"
            | b"dvm"
            | b"esq"
            | b"esq."
            | b"b.sc."
            | b"b.a."
            | b"m.sc."
            | b"mba."
            | b"b.eng."
            | b"filho"
            | b"neto"
            | b"junior"
            | b"sobrinho"
    )
}

fn is_particle(word: &str) -> bool {
    matches!(
        folded::<8>(word).as_slice(),
        b"de"
            | b"da"
            | b"do"
            | b"dos"
            | b"das"
            | b"del"
            | b"della"
            | b"di"
            | b"du"
            | b"des"
            | b"la"
            | b"las"
            | b"los"
            | b"le"
            | b"van"
            | b"von"
            | b"vom"
            | b"zu"
            | b"zum"
            | b"zur"
            | b"der"
            | b"den"
            | b"ter"
            | b"ten"
            | b"und"
            | b"y"
            | b"e"
            | b"i"
            | b"bin"
            | b"binti"
            | b"ibn"
            | b"al"
            | b"el"
            | b"st"
            | b"saint"
    )
}

/// Words of forms and accounts, which stand where a name would.
fn is_stop(word: &str) -> bool {
    NAME_STOPS.tag(&folded::<16>(word)) == Some(b"form")
}

/// Words of firms.
fn is_firm(word: &str) -> bool {
    NAME_STOPS.tag(&folded::<16>(word)) == Some(b"firm")
}
