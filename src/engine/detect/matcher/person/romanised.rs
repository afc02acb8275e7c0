//! Korean names in Latin letters: a surname and two syllables, in either order (`Kim Minjun`, `Seo-yeon Park`, `BAE JI HO`).
//!
//! No list of given names has them, as any two of some two hundred syllables make one.

use super::super::super::fold::folded;

/// Surnames as passports spell them (Ministry of Foreign Affairs of Korea).
const SURNAMES: [&[u8]; 96] = [
    b"ahn", b"an", b"bae", b"baek", b"baik", b"bak", b"ban", b"bang", b"byun", b"cha", b"chae", b"chang", b"cheon",
    b"cho", b"choe", b"choi", b"chun", b"chung", b"do", b"eom", b"gang", b"go", b"goo", b"gu", b"gwak", b"gwon", b"ha",
    b"ham", b"han", b"heo", b"hong", b"huh", b"hur", b"hwang", b"hyun", b"im", b"jang", b"jeon", b"jeong", b"ji",
    b"jin", b"jo", b"joo", b"ju", b"jun", b"jung", b"kang", b"kil", b"kim", b"ko", b"koh", b"koo", b"ku", b"kwak",
    b"kwon", b"lee", b"lim", b"ma", b"maeng", b"min", b"moon", b"mun", b"myung", b"na", b"nah", b"nam", b"no", b"noh",
    b"oh", b"ok", b"paik", b"pak", b"park", b"pyo", b"rhee", b"roh", b"ryu", b"seo", b"shim", b"shin", b"sim", b"sohn",
    b"son", b"song", b"suh", b"sung", b"um", b"woo", b"yang", b"yeo", b"yeom", b"yi", b"yoo", b"yoon", b"yu", b"yun",
];
/// Syllables of given names in the Revised Romanisation and as passports spell them.
const SYLLABLES: [&[u8]; 175] = [
    b"a", b"ae", b"ah", b"ahn", b"an", b"bae", b"beom", b"bin", b"bo", b"bok", b"bom", b"bum", b"byeong", b"byung",
    b"chae", b"chan", b"chang", b"cheol", b"cho", b"chul", b"chun", b"chung", b"da", b"dae", b"dam", b"dan", b"deok",
    b"do", b"dong", b"duk", b"eui", b"eun", b"ga", b"gang", b"geon", b"geun", b"gi", b"gil", b"gon", b"gook", b"guk",
    b"gun", b"gwang", b"gyeong", b"gyu", b"gyun", b"ha", b"hae", b"hak", b"han", b"haneul", b"hee", b"heon", b"ho",
    b"hong", b"hoo", b"hoon", b"hu", b"hun", b"hwa", b"hwan", b"hwi", b"hyang", b"hye", b"hyeok", b"hyeon", b"hyo",
    b"hyuk", b"hyun", b"hyung", b"il", b"im", b"in", b"ja", b"jae", b"jang", b"je", b"jeong", b"ji", b"jin", b"jong",
    b"joo", b"joon", b"ju", b"jun", b"jung", b"kang", b"ki", b"kil", b"kook", b"kuk", b"kwan", b"kwang", b"kwon",
    b"kyeong", b"kyoung", b"kyu", b"kyun", b"kyung", b"lim", b"lin", b"mi", b"min", b"mo", b"moo", b"moon", b"mu",
    b"mun", b"myeong", b"myung", b"na", b"nam", b"nara", b"no", b"ok", b"rae", b"ram", b"ran", b"ri", b"rim", b"rin",
    b"ryeong", b"ryong", b"sae", b"sang", b"se", b"seo", b"seok", b"seol", b"seon", b"seong", b"seung", b"shik",
    b"shin", b"si", b"sik", b"sin", b"so", b"sol", b"soo", b"sook", b"soon", b"su", b"suk", b"sun", b"sung", b"tae",
    b"tak", b"ui", b"uk", b"un", b"ung", b"wan", b"whan", b"won", b"woo", b"wook", b"woong", b"ye", b"yeo", b"yeol",
    b"yeon", b"yeong", b"yeop", b"yo", b"yong", b"yoo", b"yool", b"yoon", b"you", b"young", b"yu", b"yul", b"yun",
    b"yup",
];

/// Whether `words` are such a name.
pub(super) fn is_name(words: &[&str]) -> bool {
    match words {
        [first, last] => (is_surname(first) && is_given(last)) || (is_given(first) && is_surname(last)),
        [first, middle, last] => {
            (is_surname(first) && is_syllable(middle) && is_syllable(last))
                || (is_syllable(first) && is_syllable(middle) && is_surname(last))
        }
        _ => false,
    }
}

fn is_surname(word: &str) -> bool {
    let word = folded::<16>(word);
    SURNAMES.contains(&word.as_slice())
}

fn is_syllable(word: &str) -> bool {
    has(&folded::<16>(word))
}

/// Two syllables, with or without a hyphen between them.
fn is_given(word: &str) -> bool {
    let word = folded::<16>(word);
    if let Some(hyphen) = memchr::memchr(b'-', &word) {
        let (first, second) = word.split_at(hyphen);
        return has(first) && second.get(1..).is_some_and(has);
    }
    (1..word.len()).any(|at| {
        let (first, second) = word.split_at(at);
        has(first) && has(second)
    })
}

fn has(syllable: &[u8]) -> bool {
    SYLLABLES.contains(&syllable)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_two_syllables() {
        for (name, expected) in [
            ("Kim Minjun", true),
            ("Seo-yeon Park", true),
            ("BAE JIHO", true),
            ("Choi Ji Woo", true),
            ("Ye Jin Yoon", true),
            ("Kim Min", false),
            ("Park Avenue", false),
            ("Hong Kong", false),
            ("Song Title", false),
            ("Lee Jeans", false),
            ("Park-and-ride Kim", false),
            ("Minjun", false),
        ] {
            let words: Vec<&str> = name.split(' ').collect();
            assert_eq!(is_name(&words), expected, "{name}");
        }
    }
}
