//! The top-level domains that exist: what tells the end of an e-mail address from the end of a file name.

use std::sync::LazyLock;

use hashbrown::HashSet;

/// One a line, sorted by byte.
const TABLE: &str = include_str!("tlds.txt");
/// Bytes of the longest, which is Tamil.
const TLD_BYTES_MAX: usize = 33;

static DOMAINS: LazyLock<Vec<&[u8]>> = LazyLock::new(|| {
    let lines = TABLE.lines().filter(|line| !line.starts_with('#'));
    lines.map(str::as_bytes).collect()
});
/// The same, for a look at one.
static KNOWN: LazyLock<HashSet<&[u8]>> = LazyLock::new(|| DOMAINS.iter().copied().collect());

/// Whether `label` is a top-level domain; letter case of ASCII does not matter.
pub(super) fn is_top_level(label: &[u8]) -> bool {
    if label.len() > TLD_BYTES_MAX {
        return false;
    }
    let mut lower = [0; TLD_BYTES_MAX];
    for (to, from) in lower.iter_mut().zip(label) {
        *to = from.to_ascii_lowercase();
    }
    let label = lower.get(..label.len()).unwrap_or_default();
    matches!(label, b"com" | b"net" | b"org" | b"kr") || KNOWN.contains(label)
}

/// How many bytes of `label`, which begins with a letter that is not ASCII, are a top-level domain: in `한국입니다` six.
/// The longest wins.
pub(super) fn prefix_len(label: &[u8]) -> Option<usize> {
    let from = DOMAINS.partition_point(|domain| domain.first() < label.first());
    let candidates = DOMAINS.get(from..).into_iter().flatten();
    candidates
        .take_while(|domain| domain.first() == label.first())
        .filter(|domain| label.starts_with(domain))
        .map(|domain| domain.len())
        .max()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sorted_and_no_name_is_too_long() {
        assert!(DOMAINS.len() > 1400 && DOMAINS.is_sorted_by(|left, right| left < right));
        let longest = DOMAINS.iter().map(|domain| domain.len()).max();
        assert!(longest <= Some(TLD_BYTES_MAX), "{longest:?}");
    }

    #[test]
    fn names() {
        let rows = [
            ("com", true),
            ("KR", true),
            ("example", true),
            ("xn--3e0b707e", true),
            ("한국", true),
            ("png", false),
            ("js", false),
            ("local", false),
            ("", false),
        ];
        for (label, expected) in rows {
            assert_eq!(is_top_level(label.as_bytes()), expected, "{label}");
        }
        assert_eq!(prefix_len("한국입니다".as_bytes()), Some(6));
        assert_eq!(prefix_len("입니다".as_bytes()), None);
    }
}
