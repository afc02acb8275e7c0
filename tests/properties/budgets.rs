//! An expression's budget in one body ends at one byte, however the body was cut, and what is behind it waits for an answer.

use std::sync::Arc;

use bytes::Bytes;
use tidegate::engine::detect::{Layer, RuleSet, RuleSource, RuleUsage, builtin_sources};
use tidegate::engine::inspect::{Bounds, Content, Failure, Inspector, Mode, Piece, Resolution, Step};
use tidegate::engine::secret::HashKey;
use tidegate::engine::structure::Declared;

const STAFF: &str = "[[rule]]\nname = 'staff'\nclass = 'staff'\ncategory = 'account'\nregex = 'EMP-[0-9]{6}'\n\
    keywords = ['EMP-']\nexamples = ['EMP-000123']\n";
const CHUNKS: [usize; 6] = [1, 7, 64, 1_000, 4_096, usize::MAX];

fn rules() -> Arc<RuleSet> {
    let mut sources = builtin_sources();
    sources.push(RuleSource {
        name: "staff.toml".to_owned(),
        text: STAFF.to_owned(),
        layer: Layer::Overlay,
    });
    let loaded = RuleSet::load(&sources);
    Arc::new(loaded.unwrap_or_else(|problems| panic!("{problems:?}")).0)
}

/// So many badges, each beside an e-mail address.
fn body(people: u32) -> Vec<u8> {
    let line = |n| format!("{{\"badge\":\"EMP-{n:06}\",\"email\":\"p{n}@example.com\"}}\n");
    (0..people).map(line).collect::<String>().into_bytes()
}

#[derive(Debug, PartialEq)]
struct Outcome {
    released: usize,
    people: usize,
    findings: u32,
    usage: Vec<RuleUsage>,
    failure: Option<Failure>,
}

/// Everybody is granted; `passes`: what cannot be searched passes.
fn inspect(rules: &Arc<RuleSet>, mode: Mode, body: &[u8], chunk: usize, passes: bool) -> Outcome {
    inspect_as(Declared::Json, rules, mode, body, chunk, passes)
}

fn inspect_as(
    structure: Declared,
    rules: &Arc<RuleSet>,
    mode: Mode,
    body: &[u8],
    chunk: usize,
    passes: bool,
) -> Outcome {
    let bounds = Bounds {
        rule_searched_bytes_max: if structure == Declared::Unknown { 5_000 } else { 105 },
        ..Bounds::default()
    };
    let (content, secret) = (Content::from(structure), HashKey::new([7; 32]));
    let mut inspector = Inspector::new(mode, bounds, content, Arc::clone(rules), secret);
    let (mut released, mut people, mut failure) = (0, std::collections::HashSet::new(), None);
    let mut chunks = body.chunks(chunk.min(body.len()));
    let mut step = Step::More;
    loop {
        step = match step {
            Step::More => match chunks.next() {
                Some(chunk) => inspector.push(&Bytes::copy_from_slice(chunk)),
                None => inspector.finish(),
            },
            Step::Settle => {
                people.extend(inspector.asks().iter().flat_map(|ask| &ask.people).copied());
                inspector.resolve(usize::MAX, Resolution::Granted)
            }
            Step::Release { pieces, .. } => {
                let length = |piece: &Piece| match piece {
                    Piece::Keep(length) => *length,
                    Piece::Replace(_, bytes) => bytes.len(),
                };
                released += pieces.iter().map(length).sum::<usize>();
                inspector.step()
            }
            Step::Fail(reason) => {
                assert_eq!(failure.replace(reason), None, "it is asked once");
                if !passes {
                    break;
                }
                inspector.pass_blind()
            }
            Step::Stopped | Step::Done => break,
        };
    }
    Outcome {
        released,
        people: people.len(),
        findings: inspector.tally().findings.iter().map(|(_, count)| count).sum(),
        usage: inspector.usage().rules().copied().collect(),
        failure,
    }
}

#[test]
fn a_budget_ends_at_one_byte_whatever_the_chunks_are() {
    let (rules, body) = (rules(), body(200));
    // The eleventh badge is the first that is too much; its record waits from its first byte.
    let line = body.len() / 200;
    for chunk in CHUNKS {
        let closed = inspect(&rules, Mode::Guard, &body, chunk, false);
        assert_eq!(closed.failure, Some(Failure::RuleBudget), "{chunk}");
        assert_eq!((closed.people, closed.findings), (10, 20), "{chunk}");
        assert!(closed.released <= 10 * line + 2, "{chunk}: {} bytes", closed.released);
    }
    let open = inspect(&rules, Mode::Guard, &body, usize::MAX, true);
    assert_eq!((open.released, open.people), (body.len(), 200), "{open:?}");
    assert_eq!(open.findings, 210, "every address, and ten badges");
    let [used] = open.usage[..] else { panic!("{open:?}") };
    assert_eq!(
        (used.searched_bytes, used.skipped_bytes, used.findings),
        (100, 1_900, 10)
    );
    for mode in [Mode::Guard, Mode::Watch] {
        for chunk in CHUNKS {
            assert_eq!(inspect(&rules, mode, &body, chunk, true), open, "{mode:?} {chunk}");
        }
    }
}

/// Of any structure: the same leaves whatever the chunks are, and nobody of whom something went unsearched.
#[test]
fn nobody_leaves_who_was_not_searched_for_everything() {
    let rules = rules();
    let rows: String = (0..40).map(|n| format!("{n},EMP-{n:06},p{n}@example.com\n")).collect();
    let words: String = (0..40)
        .map(|n| format!("badge EMP-{n:06} of p{n}@example.com. {}", "so it is ".repeat(20)))
        .collect();
    let elements: String = (0..40)
        .map(|n| format!("<div><p>EMP-{n:06}</p><p>p{n}@example.com</p></div>"))
        .collect();
    let lines: String = (0..40)
        .map(|n| format!("p{n}@example.com wears EMP-{n:06}\n"))
        .collect();
    for (structure, text) in [
        (Declared::Table, format!("n,badge,email\n{rows}")),
        (Declared::Unknown, words),
        (Declared::Markup, elements),
        (Declared::Lines, lines),
    ] {
        let whole = inspect_as(structure, &rules, Mode::Guard, text.as_bytes(), usize::MAX, false);
        assert_eq!(whole.failure, Some(Failure::RuleBudget), "{structure:?}");
        assert!(whole.people > 0, "{structure:?}");
        assert_eq!(
            2 * whole.people,
            whole.findings as usize,
            "{structure:?}: whole records only"
        );
        for chunk in CHUNKS {
            let cut = inspect_as(structure, &rules, Mode::Guard, text.as_bytes(), chunk, false);
            let (cut, whole) = ((cut.released, cut.people), (whole.released, whole.people));
            assert_eq!(cut, whole, "{structure:?} {chunk}");
        }
    }
}

#[test]
fn within_its_budget_an_expression_finds_everything() {
    let (rules, body) = (rules(), body(10));
    for chunk in CHUNKS {
        let outcome = inspect(&rules, Mode::Guard, &body, chunk, false);
        assert_eq!(
            (outcome.failure, outcome.people, outcome.findings),
            (None, 10, 20),
            "{chunk}"
        );
    }
}

/// Texts in texts count too: their expressions search them under names of their own.
#[test]
fn a_text_in_a_text_counts_towards_the_budget() {
    let rules = rules();
    let row = |n| {
        format!("{{\"body\":\"{{\\\"badge\\\":\\\"EMP-{n:06}\\\",\\\"email\\\":\\\"p{n:02}@example.com\\\"}}\"}}\n")
    };
    let body: String = (0..40).map(row).collect();
    let open = inspect(&rules, Mode::Guard, body.as_bytes(), usize::MAX, true);
    let [used] = open.usage[..] else { panic!("{open:?}") };
    // One text, and the badge in it, are within the budget of 105 bytes; the next is not, as two texts alone were.
    let text = r#"{"badge":"EMP-000000","email":"p00@example.com"}"#.len() as u64;
    assert_eq!((used.searched_bytes, used.findings), (text + 10, 1), "{open:?}");
    for chunk in CHUNKS {
        assert_eq!(
            inspect(&rules, Mode::Guard, body.as_bytes(), chunk, true),
            open,
            "{chunk}"
        );
        let closed = inspect(&rules, Mode::Guard, body.as_bytes(), chunk, false);
        assert_eq!(
            (closed.failure, closed.people),
            (Some(Failure::RuleBudget), 1),
            "{chunk}"
        );
    }
}

/// What expressions look at, and find, is no reason to lift what built-in rules find, or not to.
#[test]
fn an_expression_changes_nothing_of_what_others_find() {
    let column = |cells: &[&str]| {
        let rows: Vec<String> = cells.iter().map(|cell| format!("{{\"memo\":{cell}}}")).collect();
        format!("[{}]", rows.join(","))
    };
    let weak = [
        "\"01027777777\"",
        "\"01025555554\"",
        "\"01023333331\"",
        "\"01021111108\"",
        "\"01028888885\"",
    ];
    let calm = ["\"so\"", "\"it\"", "\"is\"", "\"0f8fad5b-1234-5678-a165-70867728950e\""];
    let badges = ["\"EMP-000123\"", "\"EMP-000124\"", "\"EMP-000125\"", "\"EMP-000126\""];
    let codes = ["\"555-1814-1814\""; 5];
    let with_rules = |rules: &Arc<RuleSet>, body: &str| {
        let outcome = inspect(rules, Mode::Watch, body.as_bytes(), usize::MAX, true);
        (outcome.people, outcome.findings)
    };
    let (builtin, with_expressions) = (Arc::new(RuleSet::builtin()), rules());
    let lifted = with_rules(&builtin, &column(&weak));
    assert_eq!(lifted, (2, 2), "a column lifts what almost all its cells are");
    for cells in [[&calm[..], &weak].concat(), [&weak[..4], &calm, &weak[4..]].concat()] {
        let body = column(&cells);
        assert_eq!(
            with_rules(&with_expressions, &body),
            with_rules(&builtin, &body),
            "{body}"
        );
    }
    let beside = with_rules(&with_expressions, &column(&[&codes[..], &badges].concat()));
    assert_eq!(beside, (4, 4), "no column takes back what an expression finds");
}
