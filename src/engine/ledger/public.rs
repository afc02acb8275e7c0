//! People who are declared public, by a dated list: values that everybody is shown, such as those that somebody planted in a review.

use hashbrown::HashMap;

use super::limit::Ask;
use crate::engine::policy::units;
use crate::engine::secret::Subject;
use crate::engine::time::Now;

/// The size of the list.
const LIST_BYTES_MAX: usize = 8 << 20;

/// Who they are, and until which unix second.
#[derive(Debug, Default)]
pub struct PublicPeople(HashMap<u64, u32>);

impl PublicPeople {
    /// Reads the list: `SUBJECT DAY REASON` a line, the subject in 16 hexadecimal digits as it is proposed; empty lines and `#`
    /// comments are skipped.
    ///
    /// # Errors
    /// A sentence with the number of the line that is wrong.
    pub fn parse(bytes: &[u8]) -> Result<Self, String> {
        if bytes.len() > LIST_BYTES_MAX {
            return Err(format!("it is larger than {LIST_BYTES_MAX} bytes"));
        }
        let text = std::str::from_utf8(bytes).map_err(|_| "it is not UTF-8".to_owned())?;
        let mut list = HashMap::new();
        for (number, line) in (1..).zip(text.lines()) {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let wrong = |why: &str| format!("line {number}: {why}");
            let mut words = line.split_whitespace();
            let subject = words.next().filter(|word| word.len() == 16);
            let subject = subject.and_then(|word| u64::from_str_radix(word, 16).ok());
            let subject = subject.ok_or_else(|| wrong("it does not begin with a subject of 16 hexadecimal digits"))?;
            let until = words.next().and_then(units::end_of_day);
            let until = until.ok_or_else(|| wrong("its second word is no day: 2026-12-01"))?;
            if words.next().is_none() {
                return Err(wrong("it has no reason behind its day"));
            }
            list.insert(subject, until);
        }
        Ok(Self(list))
    }

    /// Whether nobody is.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether `subject` is at `now`.
    pub fn contains(&self, subject: u64, now: Now) -> bool {
        self.0.get(&subject).is_some_and(|until| *until > now.second())
    }
}

/// The people of `ask` who are public under neither of their hashes, with the other one: while the key of people is replaced the
/// list may name either.
pub fn not_public<'a>(
    public: Option<&'a PublicPeople>,
    ask: &'a Ask,
    now: Now,
) -> impl Iterator<Item = (Subject, Option<Subject>)> + 'a {
    let is_public = move |person: &Subject| public.is_some_and(|public| public.contains(person.0, now));
    let (people, beside) = (ask.people.iter(), ask.beside.as_ref());
    let both = people
        .enumerate()
        .map(move |(at, person)| (*person, beside.and_then(|beside| beside.people.get(at)).copied()));
    both.filter(move |(person, beside)| !is_public(person) && !beside.as_ref().is_some_and(is_public))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_read_or_its_line_named() {
        let list = PublicPeople::parse(b"# planted\n\n00000000000000ff 1970-01-02 review of product 7\n").unwrap();
        let at = |second: u64| Now::from_millis(second * 1000);
        assert!(list.contains(0xff, at(0)) && list.contains(0xff, at(2 * 86_400 - 1)));
        assert!(!list.contains(0xff, at(2 * 86_400)), "it ends with its day");
        assert!(!list.contains(0xfe, at(0)));
        for (line, why) in [
            ("ff 2026-12-01 short", "line 1: it does not begin"),
            ("000000000000000g 2026-12-01 no digit", "line 1: it does not begin"),
            ("00000000000000ff soon x", "line 1: its second word is no day"),
            ("00000000000000ff 2026-12-01", "line 1: it has no reason"),
        ] {
            let message = PublicPeople::parse(line.as_bytes()).unwrap_err();
            assert!(message.starts_with(why), "{message}");
        }
    }
}
