//! How people write whom a budget, an exception or a list is about, beside what credentials say.

use std::borrow::Cow;

use smallvec::SmallVec;

/// All names of a principal: as it is (`ISSUER NUL SUBJECT`, `api-key:NAME`), as people write it (`ISSUER:SUBJECT`), its subject
/// alone, and that behind the group.
pub fn names_of<'a>(principal: &'a [u8], group: Option<&str>) -> SmallVec<[Cow<'a, [u8]>; 4]> {
    let (issuer, subject) = parts_of(principal);
    let mut names = SmallVec::from_iter([Cow::Borrowed(principal)]);
    if let Some(issuer) = issuer {
        names.push(Cow::Owned([issuer, b":", subject].concat()));
        names.push(Cow::Borrowed(subject));
    }
    names.extend(group.map(|group| Cow::Owned([group.as_bytes(), b":", subject].concat())));
    names
}

/// The issuer of a principal written as `issuer NUL subject`, if it has one, and its subject.
pub fn parts_of(principal: &[u8]) -> (Option<&[u8]>, &[u8]) {
    // The issuer's name comes from the configuration and holds none; a subject may.
    let mut parts = principal.splitn(2, |byte| *byte == 0);
    match (parts.next(), parts.next()) {
        (issuer, Some(subject)) => (issuer, subject),
        _ => (None, principal),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_subject_of_a_principal_is_all_behind_its_issuer() {
        for (principal, subject) in [
            (&b"shop\0agent:4711"[..], &b"agent:4711"[..]),
            (b"shop\0guest\0agent:4711", b"guest\0agent:4711"),
            (b"api-key:acme", b"api-key:acme"),
        ] {
            assert_eq!(parts_of(principal).1, subject);
        }
    }

    #[test]
    fn a_principal_has_the_names_that_people_write() {
        let names = |principal: &'static [u8], group| {
            let names = names_of(principal, group).into_iter();
            names
                .map(|name| String::from_utf8(name.into_owned()).unwrap())
                .collect::<Vec<_>>()
        };
        assert_eq!(
            names(b"certificate\0CN=a", Some("partner")),
            ["certificate\0CN=a", "certificate:CN=a", "CN=a", "partner:CN=a"]
        );
        assert_eq!(names(b"api-key:acme", None), ["api-key:acme"]);
    }
}
