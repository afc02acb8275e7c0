//! The tags of XML parts as they pass, and the texts between them.

use smallvec::SmallVec;

/// Bytes of a tag that are kept: of the tags that say something, all. The rest passes as a text.
const TAG_BYTES_MAX: usize = 4096;
/// What stands for a text as it is (XML 1.0, section 2.7).
const AS_IT_IS: &[u8] = b"![CDATA[";

/// What passes.
pub(super) enum Token<'t> {
    /// A tag without its brackets, or its beginning.
    Tag(&'t [u8]),
    /// A part of a text, references included.
    Text(&'t [u8]),
}

/// The reader of one part.
#[derive(Default)]
pub(super) struct Tags {
    tag: SmallVec<[u8; 64]>,
    is_inside: bool,
}

impl Tags {
    /// Reads `bytes`, and hands on what it sees.
    pub(super) fn push<E>(
        &mut self,
        mut bytes: &[u8],
        mut see: impl FnMut(Token<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        while !bytes.is_empty() {
            let mark = if self.is_inside { b'>' } else { b'<' };
            let end = memchr::memchr(mark, bytes);
            let (part, rest) = bytes.split_at(end.unwrap_or(bytes.len()));
            bytes = rest.get(1..).unwrap_or_default();
            if self.is_inside {
                self.tag(part, end.is_some(), &mut see)?;
            } else {
                see_text(part, &mut see)?;
                self.is_inside = end.is_some();
            }
        }
        Ok(())
    }

    /// More of a tag, or (`ends`) the last of it.
    fn tag<E>(&mut self, part: &[u8], ends: bool, see: &mut impl FnMut(Token<'_>) -> Result<(), E>) -> Result<(), E> {
        let room = TAG_BYTES_MAX.saturating_sub(self.tag.len()).min(part.len());
        let (kept, rest) = part.split_at(room);
        self.tag.extend_from_slice(kept);
        if let Some(text) = self.tag.strip_prefix(AS_IT_IS) {
            // A text, but for its last two brackets; of a long one the rest is a text like any other.
            let text = SmallVec::<[u8; 64]>::from_slice(text);
            self.is_inside = false;
            self.tag.clear();
            see_text(&text, see)?;
            return see_text(rest, see);
        }
        see_text(rest, see)?;
        if ends {
            self.is_inside = false;
            see(Token::Tag(&self.tag))?;
            self.tag.clear();
        }
        Ok(())
    }
}

fn see_text<E>(text: &[u8], see: &mut impl FnMut(Token<'_>) -> Result<(), E>) -> Result<(), E> {
    if text.is_empty() {
        Ok(())
    } else {
        see(Token::Text(text))
    }
}

/// The name of a tag without its prefix, the slash of a closing one in front.
pub(super) fn name(tag: &[u8]) -> (bool, &[u8]) {
    let is_closing = tag.first() == Some(&b'/');
    let tag = tag.get(usize::from(is_closing)..).unwrap_or_default();
    let end = tag.iter().position(|byte| byte.is_ascii_whitespace() || *byte == b'/');
    let name = tag.get(..end.unwrap_or(tag.len())).unwrap_or_default();
    let name = name.rsplit(|byte| *byte == b':').next().unwrap_or_default();
    (is_closing, name)
}

/// The value of an attribute, if the tag has it.
pub(super) fn attribute<'t>(tag: &'t [u8], name: &[u8]) -> Option<&'t [u8]> {
    let mut places = memchr::memmem::find_iter(tag, name);
    let at = places.find(|at| {
        let before = at.checked_sub(1).and_then(|before| tag.get(before));
        before.is_some_and(u8::is_ascii_whitespace) && tag.get(at + name.len()) == Some(&b'=')
    })?;
    let (quote, value) = tag.get(at + name.len() + 1..)?.split_first()?;
    value.get(..memchr::memchr(*quote, value)?)
}
