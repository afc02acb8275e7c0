//! What is behind a cell's text: escapes within escapes, and values in another alphabet, layer by layer.
//!
//! ```text
//!   cell ─ its own escapes ─▶ text ──┬─ forms undone ──▶ text ──┬─ ...
//!                                    └─ a run decoded ─▶ text ──┴─ ...      at most three
//! ```
//!
//! A decoded text that holds one identifier of each kind is a value like any other of its record. One that holds several is a
//! body of its own, and so is one that is packed.

use std::ops::Range;

use crate::engine::decode::{Run, Unescaped, has_form, next_run};
use crate::engine::detect::{Context, Finding, RuleSet, Span, Usage};

/// Layers that are looked behind, in a body and all bodies inside it together.
pub(super) const LAYERS_MAX: u32 = 3;

/// How a text ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// With its value.
    Closed,
    /// In the middle of it.
    Open,
    /// With a line, all of which may be part of something that goes on in the next.
    Line,
}

impl End {
    /// Whether `run` may go on behind `text`.
    fn cuts(self, run: &Run, text: &[u8]) -> bool {
        match self {
            Self::Closed => false,
            Self::Open => run.range.end == text.len(),
            Self::Line => run.range == (0..text.trim_ascii_end().len()),
        }
    }
}

/// What was found behind one cell.
pub(super) struct Layers<'l> {
    rules: &'l RuleSet,
    context: Context<'l>,
    usage: &'l mut Usage,
    /// With spans of the raw cell; those of the text itself are among them, in front.
    pub(super) found: Vec<Finding>,
    /// Texts that are bodies of their own, and the layers left for them.
    pub(super) bodies: Vec<(Unescaped, u32)>,
    scratch: Vec<Finding>,
}

impl<'l> Layers<'l> {
    /// Beside what was `found` in the text itself, with spans of the raw cell.
    pub(super) fn new(rules: &'l RuleSet, context: Context<'l>, usage: &'l mut Usage, found: Vec<Finding>) -> Self {
        Self {
            rules,
            context: Context {
                number: false,
                ..context
            },
            usage,
            found,
            bodies: Vec::new(),
            scratch: Vec::new(),
        }
    }

    /// Looks behind `view`, at what begins in `within`. What may go on behind its `end` is not read here: the first such run of
    /// the text itself is returned.
    pub(super) fn look(&mut self, view: &Unescaped, within: Range<usize>, end: End, left: u32) -> Option<Run> {
        let left = left.checked_sub(1)?;
        let mut cut = None;
        let mut from = first_start(&view.text, within.start);
        while let Some(run) = next_run(&view.text, from).filter(|run| run.range.start < within.end) {
            from = run.range.end;
            if end.cuts(&run, &view.text) {
                cut.get_or_insert(run);
            } else {
                self.decode(view, &run, left);
            }
        }
        if has_form(&view.text) {
            let mut seen = view.clone();
            seen.forms();
            let [begin, to] = [within.start, within.end].map(|at| seen.from_raw(view.raw(at, at).0));
            self.scan(&seen, begin..to);
            self.look(&seen, begin..to, end, left);
        }
        cut
    }

    fn decode(&mut self, view: &Unescaped, run: &Run, left: u32) {
        let text = Unescaped::decoded(view, run);
        if run.is_packed {
            self.bodies.push((text, left));
            return;
        }
        let known = self.found.len();
        self.scan(&text, 0..text.text.len());
        if self.found.get(known..).is_some_and(repeats) {
            self.found.truncate(known);
            self.bodies.push((text, left));
            return;
        }
        let within = 0..text.text.len();
        self.look(&text, within, End::Closed, left);
    }

    fn scan(&mut self, view: &Unescaped, within: Range<usize>) {
        let (text, scratch) = (&view.text, &mut self.scratch);
        self.rules
            .scan_within_budget(text, within, self.context, self.usage, scratch);
        for mut finding in scratch.drain(..) {
            let (start, end) = view.raw(finding.span.start as usize, finding.span.end as usize);
            finding.span = Span {
                start: start as u64,
                end: end as u64,
            };
            if !finding.tentative {
                add(finding, &mut self.found);
            }
        }
    }
}

/// Adds what stands apart from all that is known, or behind it: of a run one unit may belong to two values. What is known of a
/// value that was cut by what hid it is the whole value now.
fn add(new: Finding, found: &mut Vec<Finding>) {
    let is_apart = |known: &Finding| known.span.end <= new.span.start || new.span.end <= known.span.start;
    let is_behind = |known: &Finding| known.span.start < new.span.start && known.span.end < new.span.end;
    let covers = |known: &Finding| new.span.start <= known.span.start && known.span.end <= new.span.end;
    let overlapping = |known: &&mut Finding| !is_apart(known);
    let mut known = found.iter_mut().filter(overlapping);
    match (known.next(), known.next()) {
        (None, _) => found.push(new),
        (Some(known), None) if covers(known) && known.span != new.span => *known = new,
        (Some(known), None) if is_behind(known) && known.normal != new.normal => found.push(new),
        (Some(_), _) => {}
    }
}

/// Where the first run may begin: not inside one that began before `from`.
fn first_start(text: &[u8], from: usize) -> usize {
    let is_word = |byte: &u8| byte.is_ascii_alphanumeric();
    let before = from.checked_sub(1).and_then(|before| text.get(before));
    let inside = before.is_some_and(is_word);
    let rest = text.get(from..).unwrap_or_default();
    from + if inside {
        rest.iter().take_while(|byte| is_word(byte)).count()
    } else {
        0
    }
}

/// Whether there are several values of one kind.
pub(super) fn repeats(found: &[Finding]) -> bool {
    let others = |at: usize| found.get(at + 1..).unwrap_or_default().iter();
    found.iter().enumerate().any(|(at, one)| {
        one.category.is_strong() && others(at).any(|other| other.category == one.category && other.normal != one.normal)
    })
}
