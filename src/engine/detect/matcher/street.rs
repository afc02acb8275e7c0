//! Words that name streets: what stands before or behind the name, in the languages that write Latin letters.
//!
//! English suffixes are those of USPS Publication 28, appendix C1. The others are the common ones of national registers: of the
//! French tax office, the Spanish and the Brazilian statistics offices (types of road), of German towns, of India Post.

use super::super::fold::folded;
use super::super::lexicon::{STREET_OPENERS, SUFFIXES_US};

/// Whether a street's name may begin with `word` (`rue`, `Calle`, `Av.`), whatever its case and marks.
pub(super) fn begins_street(word: &str) -> bool {
    STREET_OPENERS.has(&folded::<16>(word.trim_end_matches('.')))
}

/// Whether the last two letters of `word` are those of a German word for a street: few words end as any of these.
pub(super) fn may_be_german_street(word: &[u8]) -> bool {
    let stops = word.iter().rev().take_while(|byte| **byte == b'.').count();
    let word = word.get(..word.len() - stops).unwrap_or_default();
    let Some([first, last]) = word.last_chunk() else {
        return false;
    };
    !first.is_ascii()
        || matches!(
            &[first.to_ascii_lowercase(), last.to_ascii_lowercase()],
            b"se"
                | b"tr"
                | b"eg"
                | b"tz"
                | b"ee"
                | b"ng"
                | b"er"
                | b"mm"
                | b"ig"
                | b"ad"
                | b"en"
                | b"le"
                | b"de"
                | b"kt"
        )
}

/// Whether `word` is or ends in a German word for a street: `Hauptstraße`, `Lindenallee`, `Am Markt`'s `Markt` alone is not.
pub(super) fn is_german_street(word: &str) -> bool {
    if !may_be_german_street(word.as_bytes()) {
        return false;
    }
    let word = word.trim_end_matches('.');
    let word = folded::<48>(word);
    let endings: [&[u8]; 18] = [
        b"strasse",
        b"str",
        b"weg",
        b"platz",
        b"allee",
        b"gasse",
        b"ring",
        b"ufer",
        b"damm",
        b"chaussee",
        b"steig",
        b"stieg",
        b"pfad",
        b"graben",
        b"zeile",
        b"promenade",
        b"gasschen",
        b"markt",
    ];
    endings.iter().any(|ending| {
        word.strip_suffix(*ending)
            .is_some_and(|stem| stem.is_empty() && ending.len() > 2 || stem.len() >= 3)
    })
}

/// Whether a street's name may end with `word` in English as it is written in North America, Britain and India.
pub(super) fn ends_street(word: &str) -> bool {
    let word = folded::<16>(word.trim_end_matches('.'));
    SUFFIXES_US.has(&word) || is_indian_street(&word) || is_british_street(&word)
}

fn is_indian_street(word: &[u8]) -> bool {
    matches!(
        word,
        b"marg"
            | b"nagar"
            | b"chowk"
            | b"ganj"
            | b"zila"
            | b"salai"
            | b"colony"
            | b"layout"
            | b"enclave"
            | b"vihar"
            | b"puram"
            | b"bagh"
            | b"gali"
            | b"galli"
            | b"sarani"
            | b"sadan"
            | b"peth"
            | b"mohalla"
            | b"bazar"
            | b"bazaar"
            | b"wadi"
            | b"apartments"
            | b"society"
            | b"residency"
            | b"phase"
            | b"sector"
            | b"cross"
            | b"main"
            | b"veedhi"
            | b"theru"
    )
}

fn is_british_street(word: &[u8]) -> bool {
    matches!(
        word,
        b"close"
            | b"gate"
            | b"hill"
            | b"rise"
            | b"yard"
            | b"mead"
            | b"croft"
            | b"wharf"
            | b"parade"
            | b"approach"
            | b"drove"
            | b"end"
            | b"fold"
            | b"garth"
            | b"side"
            | b"vale"
            | b"wynd"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn street_words() {
        for word in ["rue", "Calle", "AV.", "Avda.", "Praça", "chemin", "C/"] {
            assert!(begins_street(word), "{word}");
        }
        for word in [
            "Hauptstraße",
            "Ernststr.",
            "Häringallee",
            "Weg",
            "Mühleplatz",
            "Dorle-Liebelt-Platz",
        ] {
            assert!(is_german_street(word), "{word}");
        }
        for word in ["Street", "st", "Ave.", "Marg", "Close", "Shoal", "Parkway"] {
            assert!(ends_street(word), "{word}");
        }
        for word in ["table", "Ring0", "über", "", "."] {
            assert!(
                !begins_street(word) && !is_german_street(word) && !ends_street(word),
                "{word}"
            );
        }
    }
}
