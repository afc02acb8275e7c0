//! Any chunking of any body gives the same findings, people, failure and released bytes.

use std::collections::HashSet;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use tidegate::engine::decode::{Coding, Compression, GrpcForm};
use tidegate::engine::detect::RuleSet;
use tidegate::engine::inspect::{Bounds, Charset, Content, Failure, Inspector, Mode, Piece, Resolution, Step};
use tidegate::engine::secret::{HashKey, Subject};
use tidegate::engine::structure::Declared;

const CHARSETS: [&[u8]; 6] = [
    b"",
    b"a/b;charset=utf-16",
    b"a/b;charset=euc-kr",
    b"a/b;charset=Shift_JIS",
    b"a/b;charset=iso-2022-jp",
    b"a/b;charset=latin1",
];
const DECLARED: [Declared; 9] = super::TEXTS;
/// Others, for settings that were seldom used before there were any.
const OTHERS: [Declared; 3] = [Declared::Events, Declared::Grpc, Declared::Protobuf];
const OTHERS_FROM: u8 = 240;
const CODINGS: [Coding; 5] = [
    Coding::Identity,
    Coding::Gzip,
    Coding::Deflate,
    Coding::Br,
    Coding::Zstd,
];
const THEN: [Option<Resolution>; 3] = [None, Some(Resolution::Cut), Some(Resolution::Mask)];

/// What one body became.
#[derive(Debug, Default, PartialEq)]
struct Outcome {
    released: Vec<u8>,
    people: HashSet<Subject>,
    failure: Option<Failure>,
    is_stopped: bool,
}

/// How one body is inspected.
#[derive(Clone, Copy)]
struct Plan {
    content: Content,
    /// What meets the third person; none watches only.
    then: Option<Resolution>,
}

/// Settings: structure, coding, resolution, chunk length.
pub(crate) fn scan_chunks(data: &[u8]) {
    let Some(([declared, coding, then, chunk], body)) = super::settings(data) else {
        return;
    };
    let (structure, charset) = (declared % DECLARED.len() as u8, declared / DECLARED.len() as u8);
    let plan = Plan {
        content: Content {
            coding: Some(pick(CODINGS, coding)),
            charset: Charset::from_content_type(pick(CHARSETS, charset)),
            says_charset: coding & 0x40 != 0,
            structure: if declared < OTHERS_FROM {
                pick(DECLARED, structure)
            } else {
                pick(OTHERS, declared)
            },
            grpc: GrpcForm {
                compression: pick([Compression::None, Compression::Gzip, Compression::Deflate], coding),
                text: coding & 0x80 != 0,
            },
        },
        then: pick(THEN, then),
    };
    let whole = inspect(plan, body, body.len().max(1));
    let split = inspect(plan, body, usize::from(chunk) + 1);
    if plan.then.is_none() {
        assert!(whole.released == body, "watching changes nothing");
    }
    // A mark or zeros at its front make a text look as if it were in UTF-16 or UTF-32.
    let is_marked =
        body.starts_with(b"\xff\xfe") || body.starts_with(b"\xfe\xff") || body.iter().take(8).any(|byte| *byte == 0);
    // Messages have a format of their own, which may break.
    let is_framed = plan.content.structure == Declared::Grpc;
    // What is in another character set is cut where a chunk ends.
    let is_utf8 = plan.content.charset == Charset::Utf8 && std::str::from_utf8(body).is_ok();
    let is_plain = is_utf8 && !is_marked && !is_framed;
    if plan.content.coding == Some(Coding::Identity) && is_plain {
        // What begins as a file does may break that one's format, or be one that is not read.
        let may_be = matches!(whole.failure, None | Some(Failure::Unreadable | Failure::Encrypted));
        assert!(may_be, "identity has no format to break");
        assert!(whole.released.len() <= body.len(), "masks keep lengths");
        assert!(whole == split, "one answer, whatever the chunks are");
    }
    if plan.content.coding == Some(Coding::Identity) && plan.then.is_none() && !is_framed {
        assert!(
            whole.people == split.people && whole.failure == split.failure,
            "the same people, whatever the chunks are"
        );
    }
    if plan.then.is_some() {
        assert!(
            whole.people.len() <= 2 && split.people.len() <= 2,
            "a third person is refused"
        );
    }
}

fn pick<T: Copy, const N: usize>(of: [T; N], number: u8) -> T {
    of[usize::from(number) % N]
}

fn inspect(plan: Plan, body: &[u8], chunk: usize) -> Outcome {
    static RULES: OnceLock<Arc<RuleSet>> = OnceLock::new();
    let rules = Arc::clone(RULES.get_or_init(|| Arc::new(RuleSet::builtin())));
    let mode = match plan.then {
        None => Mode::Watch,
        Some(Resolution::Mask) => Mode::Rewrite,
        Some(_) => Mode::Guard,
    };
    let secret = HashKey::new([7; 32]);
    let mut inspector = Inspector::new(mode, Bounds::default(), plan.content, rules, secret);
    let mut outcome = Outcome::default();
    let mut waiting = Vec::new();
    let mut chunks = body.chunks(chunk);
    let mut step = Step::More;
    // A body of n bytes has at most n chunks, records and releases; more steps are a loop without an end.
    for _ in 0..8 * body.len() + 64 {
        step = match step {
            Step::More => match chunks.next() {
                Some(chunk) => {
                    waiting.extend_from_slice(chunk);
                    inspector.push(&Bytes::copy_from_slice(chunk))
                }
                None => inspector.finish(),
            },
            Step::Settle => settle(&mut inspector, plan.then, &mut outcome.people),
            Step::Release { pieces, .. } => {
                release(&mut waiting, pieces, &mut outcome.released);
                inspector.step()
            }
            Step::Fail(failure) => {
                outcome.failure = Some(failure);
                if plan.then.is_some() || !inspector.can_pass_blind() {
                    return outcome;
                }
                inspector.pass_blind()
            }
            Step::Stopped => {
                outcome.is_stopped = true;
                return outcome;
            }
            Step::Done => return outcome,
        };
    }
    panic!("a body of {} bytes has no end", body.len());
}

/// Grants two people.
fn settle(inspector: &mut Inspector, then: Option<Resolution>, people: &mut HashSet<Subject>) -> Step {
    let mut granted = 0;
    for ask in inspector.asks() {
        let new: HashSet<Subject> = ask
            .people
            .iter()
            .copied()
            .filter(|subject| !people.contains(subject))
            .collect();
        if let Some(then) = then.filter(|_| people.len() + new.len() > 2) {
            return inspector.resolve(granted, then);
        }
        people.extend(new);
        granted += 1;
    }
    inspector.resolve(granted, Resolution::Granted)
}

fn release(waiting: &mut Vec<u8>, pieces: Vec<Piece>, released: &mut Vec<u8>) {
    for piece in pieces {
        match piece {
            Piece::Keep(length) => released.extend(waiting.drain(..length)),
            Piece::Replace(length, bytes) => {
                waiting.drain(..length);
                released.extend_from_slice(&bytes);
            }
        }
    }
}
