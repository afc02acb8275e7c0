//! Fields that a configuration lists, and whether something stands under one of them.

use smallvec::SmallVec;

/// Fields of one list at most: each identifier is looked for under all of them.
const FIELDS_MAX: usize = 64;
/// Bytes of the path of one.
const PATH_BYTES_MAX: usize = 256;

/// Fields, each by the last names of its path: `recipient.phone` is `phone` inside any `recipient`, and `to` any `to`.
///
/// Names are read as words of rules are found in them, whatever the style: `recipientPhone`, `recipient_phone` and
/// `Recipient-Phone` are one name. Any other sign divides names, `recipient[phone]` of a form is `recipient.phone`, and numbers are
/// places in a list: `to[0]` is `to`.
#[derive(Clone, Debug, Default)]
pub struct FieldNames(Vec<Path>);

/// The names of a path from its last letter on: a path ends in another if it begins with it so.
type Path = SmallVec<[u8; 48]>;

impl FieldNames {
    /// Adds one as it is written.
    ///
    /// # Errors
    /// When it names nothing, or is too long, or the list is.
    pub fn add(&mut self, written: &str) -> Result<(), String> {
        let mut path = Path::new();
        push(&mut path, written.as_bytes());
        if self.0.len() >= FIELDS_MAX {
            return Err(format!("is one too many: at most {FIELDS_MAX} are allowed"));
        }
        if written.len() > PATH_BYTES_MAX {
            return Err(format!("is too long: at most {PATH_BYTES_MAX} bytes"));
        }
        if path.is_empty() {
            return Err("names no field".to_owned());
        }
        self.0.push(path);
        Ok(())
    }

    /// Whether what stands under these names, the innermost first, stands under one of them.
    pub fn have<'n>(&self, names: impl IntoIterator<Item = &'n [u8]>) -> bool {
        let longest = self.0.iter().map(SmallVec::len).max().unwrap_or_default();
        let mut path = Path::new();
        for name in names {
            push(&mut path, name);
            if path.len() > longest {
                break;
            }
        }
        let ends_in = |own: &Path| {
            let before = path.strip_prefix(own.as_slice());
            before.is_some_and(|before| before.first().is_none_or(|first| *first == b'.'))
        };
        self.0.iter().any(ends_in)
    }
}

/// Adds the names that are written as one in front of a path.
fn push(path: &mut Path, written: &[u8]) {
    let is_joint = |byte: u8| matches!(byte, b'_' | b'-' | b' ');
    let divides = |byte: &u8| byte.is_ascii() && !byte.is_ascii_alphanumeric() && !is_joint(*byte);
    for name in written.rsplit(divides) {
        let letters = || name.iter().rev().filter(|byte| !is_joint(**byte));
        if letters().all(u8::is_ascii_digit) {
            continue;
        }
        if !path.is_empty() {
            path.push(b'.');
        }
        path.extend(letters().map(u8::to_ascii_lowercase));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(written: &[&str]) -> FieldNames {
        let mut fields = FieldNames::default();
        for name in written {
            fields.add(name).expect(name);
        }
        fields
    }

    #[test]
    fn a_field_is_known_by_the_last_names_of_its_path_in_any_style() {
        let fields = fields(&["recipient.phone", "to", "수령인.전화 번호"]);
        for (path, is_one) in [
            (&["recipient", "phone"][..], true),
            (&["orders", "Recipient", "PHONE"], true),
            (&["recipient[phone]"], true),
            (&["orders[0].recipient.phone"], true),
            (&["to"], true),
            (&["to[]"], true),
            (&["to[0]"], true),
            (&["message", "@To"], true),
            (&["수령인", "전화번호"], true),
            (&["phone"], false),
            (&["sender", "phone"], false),
            (&["recipient", "phone", "note"], false),
            (&["recipient_phone"], false),
            (&["the-recipient", "phone"], false),
            (&["recipient", "phone2"], false),
            (&["auto"], false),
            (&["goto"], false),
            (&["to", "x"], false),
            (&["12"], false),
            (&[], false),
        ] {
            let names = path.iter().rev().map(|name| name.as_bytes());
            assert_eq!(fields.have(names), is_one, "{path:?}");
        }
        let one = self::fields(&["recipient_phone"]);
        for name in [
            "recipientPhone",
            "RECIPIENT-PHONE",
            "recipient phone",
            "x.recipient_phone",
        ] {
            assert!(one.have([name.as_bytes()]), "{name}");
        }
    }

    #[test]
    fn what_names_nothing_or_too_much_is_no_field() {
        for written in ["", " ", "..", "[0]", "12", &"x".repeat(PATH_BYTES_MAX + 1)] {
            assert!(FieldNames::default().add(written).is_err(), "{written}");
        }
        let names: Vec<String> = (0..FIELDS_MAX).map(|number| format!("x{number}")).collect();
        let mut full = fields(&names.iter().map(String::as_str).collect::<Vec<_>>());
        assert!(full.add("y").is_err());
        assert!(!FieldNames::default().have([&b"y"[..]]));
    }
}
