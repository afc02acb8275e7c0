//! What HTML and XML make of the tokens of markup.

use super::Sink;

/// What a dialect makes of the tokens.
pub(super) trait Page {
    /// The markup begins at `at`.
    fn begin(&mut self, at: u64, sink: &mut impl Sink);
    /// `<name` at `at`; its attributes follow, then [`Page::tag_ends`].
    fn tag(&mut self, name: &[u8], at: u64, sink: &mut impl Sink);
    /// An attribute's value ends, of which as of its name this is the beginning. Whether it is searched even if nothing in it
    /// wakes a search.
    fn attribute(&mut self, name: &[u8], value: &[u8]) -> bool;
    /// The attribute is searched: tells its key.
    fn attribute_key(&mut self, name: &[u8], at: u64, sink: &mut impl Sink);
    /// The `>` of a tag that opens an element, or that is one (`closed`). Whether script or style follows.
    fn tag_ends(&mut self, closed: bool, end: u64, sink: &mut impl Sink) -> bool;
    /// `</name>`.
    fn close(&mut self, name: &[u8], end: u64, sink: &mut impl Sink);
    /// A text that is not blank, of which `text` is the beginning, ends. Whether it is told: its key is, if it may hold an
    /// identifier (`wakes`) or its key says something.
    fn text(&mut self, text: &[u8], at: u64, wakes: bool, sink: &mut impl Sink) -> bool;
    /// A comment, a declaration or another text that has no name ends: tells an empty key.
    fn aside(&mut self, at: u64, sink: &mut impl Sink);
    /// The markup ends.
    fn finish(&mut self, end: u64, sink: &mut impl Sink);
}
