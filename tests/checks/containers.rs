//! A container, whole or broken, is read without a panic, and what is released of it is its beginning.

use std::collections::HashSet;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use tidegate::engine::decode::Coding;
use tidegate::engine::detect::RuleSet;
use tidegate::engine::inspect::{Bounds, Content, Failure, Inspector, Mode, Piece, Resolution, Step};
use tidegate::engine::secret::{HashKey, Subject};

const BOUNDS: Bounds = Bounds {
    held_bytes_max: 64 << 10,
    held_decoded_bytes_max: 256 << 10,
    held_coded_bytes_max: 256 << 10,
    decoded_ratio_max: 250,
    container_depth_max: 4,
    container_entries_max: 1_000,
    container_bytes_max: 4 << 20,
    segment_bytes: 2_048,
    rule_searched_bytes_max: u64::MAX,
};
/// People who may leave.
const PEOPLE_MAX: usize = 5;

/// What one body became.
#[derive(Debug, Default)]
struct Outcome {
    people: HashSet<Subject>,
    released: Vec<u8>,
    failure: Option<Failure>,
}

/// Settings: length of a chunk.
pub(crate) fn containers(data: &[u8]) {
    let Some(([chunk], body)) = super::settings(data) else {
        return;
    };
    let chunk = usize::from(chunk) + 1;
    let whole = inspect(Mode::Watch, body, body.len().max(1));
    let split = inspect(Mode::Watch, body, chunk);
    assert!(
        whole.released == body && split.released == body,
        "watching changes nothing"
    );
    if whole.failure.is_none() && split.failure.is_none() {
        assert!(whole.people == split.people, "the same people, whatever the chunks are");
    }
    for mode in [Mode::Guard, Mode::Rewrite] {
        let held = inspect(mode, body, chunk);
        assert!(held.people.len() <= PEOPLE_MAX, "no more than may");
        // What is no container may be masked, which keeps its length.
        assert!(held.released.len() <= body.len(), "nothing is added");
        let is_same = mode == Mode::Rewrite || body.starts_with(&held.released);
        assert!(is_same, "what leaves is the beginning of what came");
    }
}

fn inspect(mode: Mode, body: &[u8], chunk: usize) -> Outcome {
    static RULES: OnceLock<Arc<RuleSet>> = OnceLock::new();
    let rules = Arc::clone(RULES.get_or_init(|| Arc::new(RuleSet::builtin())));
    let content = Content::new(Some(Coding::Identity), b"application/octet-stream");
    let mut inspector = Inspector::new(mode, BOUNDS, content, rules, HashKey::new([7; 32]));
    let mut outcome = Outcome::default();
    let mut waiting: Vec<u8> = Vec::new();
    let mut chunks = body.chunks(chunk).map(Bytes::copy_from_slice);
    let mut step = Step::More;
    loop {
        step = match step {
            Step::More => match chunks.next() {
                Some(chunk) => {
                    waiting.extend_from_slice(&chunk);
                    inspector.push(&chunk)
                }
                None => inspector.finish(),
            },
            Step::Settle => settle(&mut inspector, mode, &mut outcome),
            Step::Release { pieces, .. } => {
                for piece in pieces {
                    let (Piece::Keep(count) | Piece::Replace(count, _)) = &piece;
                    let taken: Vec<u8> = waiting.drain(..*count).collect();
                    match piece {
                        Piece::Keep(_) => outcome.released.extend(taken),
                        Piece::Replace(_, bytes) => outcome.released.extend_from_slice(&bytes),
                    }
                }
                inspector.step()
            }
            Step::Fail(failure) => {
                outcome.failure = Some(failure);
                if mode != Mode::Watch {
                    return outcome;
                }
                inspector.pass_blind()
            }
            Step::Stopped | Step::Done => return outcome,
        };
    }
}

fn settle(inspector: &mut Inspector, mode: Mode, outcome: &mut Outcome) -> Step {
    let (mut granted, mut then) = (0, Resolution::Granted);
    for ask in inspector.asks() {
        let mut all = outcome.people.clone();
        all.extend(ask.people.iter().copied());
        if mode != Mode::Watch && all.len() > PEOPLE_MAX {
            then = if mode == Mode::Guard {
                Resolution::Cut
            } else {
                Resolution::Mask
            };
            break;
        }
        outcome.people = all;
        granted += 1;
    }
    inspector.resolve(granted, then)
}
