//! Opaque tokens of which their issuer is asked (RFC 7662): where, what it answered lately, and what that is worth.
//!
//! An active token is verified: it names its account, its session and its group. One that is in no form of a JWT is issued as
//! well, since nobody can make up what its issuer remembers; of a JWT only its signature may have been looked at, so that
//! whether it was ever issued is told by its birth alone. One that is not active is nobody's. Nothing follows from silence.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use http::Uri;
use serde_json::{Map, Value};
use zeroize::Zeroizing;

use super::evidence::Evidence;
use super::group::Groups;
use super::identify::{Identity, session_of};
use super::memory::fingerprint;
use super::provenance::Mark;
use super::source::{Source, Values};
use super::token::{TOKEN_BYTES_MAX, Verified, Voice, is_agreed};
use super::{Actor, Named, Provenance, Revocable};
use crate::engine::births::{CredentialId, Doubt, Look, Tag};
use crate::engine::generations::Generations;
use crate::engine::ledger::Dimension;
use crate::engine::secret::HashKey;
use crate::engine::time::Now;
use crate::events::{Event, IdentityFact, report};

/// An answer is read up to so many bytes.
pub const ANSWER_BYTES_MAX: usize = 64 * 1024;
/// For so long a token that is not active is not asked for again, in seconds.
const INACTIVE_S: u32 = 5;
/// Tokens of one request that are asked for.
const ASKED_MAX: usize = 2;
/// How far the issuer's clock and ours may differ, in seconds.
const LEEWAY_S: u32 = 60;
/// What stands before the names of clients among the subjects of an issuer; no account of an answer has a name that begins so.
const CLIENT: &str = "client:";

/// Who is asked, and what it answered. Its client's secret and the tokens are secret: there is no `Debug`.
pub struct Introspection {
    /// Where.
    pub url: Uri,
    /// The value of `Authorization` by which this gateway is known there; none is sent without.
    pub authorization: Option<Zeroizing<String>>,
    /// A request waits so long for an answer, in milliseconds.
    pub wait_ms_max: u32,
    /// Tokens that are asked for, for one network, a second.
    pub asks_per_s_max: u32,
    /// The issuer whose accounts its tokens name.
    pub(super) accounts_of: Arc<str>,
    /// The `iss` and `aud` that answers must have.
    pub(super) iss: Option<String>,
    pub(super) aud: Option<String>,
    /// For how long an answer holds, in seconds.
    pub(super) answer_s_max: u32,
    pub(super) secret: HashKey,
    pub(super) answers: Arc<Answers>,
}

/// A token that is to be asked for.
#[derive(Clone)]
pub struct Unanswered {
    /// The keyed hash of its bytes.
    pub id: CredentialId,
    /// Its bytes.
    pub token: Arc<[u8]>,
}

impl Unanswered {
    fn note(id: CredentialId, token: &[u8], actor: &mut Actor) {
        if actor.unanswered.len() < ASKED_MAX {
            let token = token.into();
            actor.unanswered.push(Self { id, token });
        }
    }
}

/// What was answered, by the keyed hash of the token.
pub(super) struct Answers(Mutex<Generations<CredentialId, Entry>>);

#[derive(Clone)]
struct Entry {
    answer: Answer,
    /// It holds before this second.
    until: u32,
}

/// What is known of one token.
#[derive(Clone)]
pub(super) enum Answer {
    /// It is good, and says this.
    Active(Arc<Verified>),
    /// It was.
    Ended,
    /// It is not, and was not as long as it is remembered.
    Inactive,
}

impl Answers {
    pub(super) fn new(answers_max: usize) -> Self {
        Self(Mutex::new(Generations::new(answers_max)))
    }

    fn get(&self, id: &CredentialId, now: Now) -> Option<Answer> {
        let answers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let entry = answers.get(id).filter(|entry| now.second() < entry.until)?;
        let is_over = matches!(&entry.answer, Answer::Active(verified) if !verified.is_valid_at(now));
        Some(if is_over { Answer::Ended } else { entry.answer.clone() })
    }

    /// Under which names a token may be revoked that was active when it was last asked for: silence takes no revocation back.
    fn names(&self, id: &CredentialId) -> Revocable {
        let answers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match answers.get(id).map(|entry| &entry.answer) {
            Some(Answer::Active(verified)) => verified.revocable.clone(),
            Some(Answer::Ended | Answer::Inactive) | None => Revocable::new(),
        }
    }

    fn put(&self, id: CredentialId, answer: Answer, until: u32) {
        let mut answers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let was_active = answers
            .get(&id)
            .is_some_and(|known| !matches!(known.answer, Answer::Inactive));
        let has_ended = was_active && matches!(answer, Answer::Inactive);
        let answer = if has_ended { Answer::Ended } else { answer };
        answers.insert(id, Entry { answer, until });
    }
}

impl Introspection {
    /// Whether answers to `earlier` may be taken for answers to this.
    fn continues(&self, earlier: &Self) -> bool {
        let what = |one: &Self| {
            (
                one.url.clone(),
                Arc::clone(&one.accounts_of),
                one.iss.clone(),
                one.aud.clone(),
            )
        };
        what(self) == what(earlier) && self.authorization == earlier.authorization
    }

    /// The body of the question for a token (RFC 7662, section 2.1).
    pub fn question(&self, token: &[u8]) -> Bytes {
        let mut body = b"token_type_hint=access_token&token=".to_vec();
        for byte in token {
            if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_') {
                body.push(*byte);
            } else {
                body.extend(format!("%{byte:02X}").bytes());
            }
        }
        body.into()
    }

    /// Reads an answer; none of what is no answer (RFC 7662, section 2.2).
    fn read(&self, token: &[u8], id: CredentialId, answer: &[u8], groups: &Groups, now: Now) -> Option<Answer> {
        let mut claims: Map<String, Value> = serde_json::from_slice(answer).ok()?;
        if !claims.get("active")?.as_bool()? || !self.is_meant(&claims) {
            return Some(Answer::Inactive);
        }
        // Who it is, by the first that is told: an account, its name, or the client that asks for itself, which is no account.
        let told = |name: &str| claims.get(name).and_then(Value::as_str).filter(|told| !told.is_empty());
        let account = ["sub", "username"].into_iter().find_map(told);
        let account = account.filter(|name| !name.starts_with(CLIENT)).map(str::to_owned);
        let client = || Some(format!("{CLIENT}{}", told("client_id")?));
        let own = || ("jti".to_owned(), blake3::hash(&id.0).to_hex().to_string().into());
        let whose = account
            .or_else(client)
            .map_or_else(own, |whose| ("sub".to_owned(), whose.into()));
        claims.remove("sub");
        claims.extend([whose]);
        let voice = Voice {
            name: &self.accounts_of,
            leeway_s: LEEWAY_S,
            secret: &self.secret,
        };
        let verified = voice.believe(&claims, token, None, groups)?;
        if !verified.is_valid_at(now) {
            return Some(Answer::Inactive);
        }
        Some(Answer::Active(Arc::new(verified)))
    }

    /// Whether an answer is of our issuer and for us, where the configuration says who these are.
    fn is_meant(&self, claims: &Map<String, Value>) -> bool {
        is_agreed(claims, self.iss.as_deref(), self.aud.as_deref())
    }
}

impl Identity {
    /// Who is asked for opaque tokens, if anybody is.
    pub fn introspection(&self) -> Option<&Introspection> {
        self.introspection.as_ref()
    }

    /// Takes in what the issuer answered of a token; whether it is active. None of what is no answer.
    pub fn answered(&self, asked: &Unanswered, answer: &[u8], now: Now) -> Option<bool> {
        let introspection = self.introspection.as_ref()?;
        let answer = introspection.read(&asked.token, asked.id, answer, &self.groups, now)?;
        let is_active = matches!(answer, Answer::Active(_));
        let seconds = if is_active {
            introspection.answer_s_max
        } else {
            INACTIVE_S
        };
        introspection
            .answers
            .put(asked.id, answer, now.second().saturating_add(seconds));
        Some(is_active)
    }

    /// Goes on with the answers of an earlier configuration that asked the same. Their bound stays in force until the next start.
    pub(super) fn inherit_answers(&mut self, earlier: &Self) {
        if let (Some(ours), Some(earlier)) = (&mut self.introspection, &earlier.introspection)
            && ours.continues(earlier)
        {
            ours.answers = Arc::clone(&earlier.answers);
        }
    }

    /// What the issuer says of the values of one source. Those of which it said nothing lately are noted in `actor`, to be asked
    /// for; until then each counts under its own value.
    pub(super) fn of_introspected(
        &self,
        source: &Source,
        values: &Values<'_>,
        actor: &mut Actor,
        now: Now,
    ) -> Option<Evidence> {
        let introspection = self.introspection.as_ref()?;
        let mut evidence: Option<Evidence> = None;
        let mut is_forged = false;
        for value in values.iter().filter_map(|value| source.credential(value)) {
            let id = fingerprint(&self.key.hash("tidegate introspected 1", &[value]));
            let session = session_of(&source.label, value);
            actor
                .revocable
                .push(Named::new(&self.key, Dimension::Session, &session));
            let answer = if value.len() > TOKEN_BYTES_MAX {
                report(&Event::Identity(IdentityFact::Ignored { reason: "oversize" }));
                Some(Answer::Inactive)
            } else {
                introspection.answers.get(&id, now)
            };
            let mark = self.mark_of_answer(value, answer.as_ref(), actor, now);
            // As of any token: one that has ended is only good to be renewed.
            is_forged |= mark.provenance == Provenance::Unissued && !matches!(answer, Some(Answer::Ended));
            let one = match answer {
                Some(Answer::Active(verified)) => {
                    actor.revocable.extend_from_slice(&verified.revocable);
                    Evidence::of_token(mark, Some(&verified))
                }
                Some(Answer::Ended | Answer::Inactive) => Evidence::of_token(mark, None),
                None => {
                    actor.revocable.extend(introspection.answers.names(&id));
                    Unanswered::note(id, value, actor);
                    Evidence {
                        session: Some(session),
                        is_known: mark.provenance == Provenance::Issued,
                        ..Evidence::of_token(mark, None)
                    }
                }
            };
            Evidence::prefer(&mut evidence, one, actor);
        }
        evidence.map(|evidence| Evidence { is_forged, ..evidence })
    }

    /// Whether a token was ever issued, by its birth and by what its issuer answered; see the top of this file.
    fn mark_of_answer(&self, value: &[u8], answer: Option<&Answer>, actor: &mut Actor, now: Now) -> Mark {
        let shown = self.opaque(value);
        let mark = self.look(&shown, actor, now);
        let is_born = |id| matches!(self.births.look(id, now), Look::Said(Tag::Issued | Tag::Unissued));
        match answer {
            _ if shown.ids.iter().copied().any(is_born) => mark,
            Some(Answer::Active(_) | Answer::Ended) if may_be_signed(value) => mark,
            Some(Answer::Active(_) | Answer::Ended) => Mark::listed(mark.id),
            // Its issuer knows where no login is seen.
            Some(Answer::Inactive) if mark.doubt == Some(Doubt::NoLogin) => Mark::unissued(mark.id),
            Some(Answer::Inactive) => mark,
            None => Mark::unknown(mark.id, Doubt::NoAnswer),
        }
    }
}

/// Whether it has three parts or more, as every token has that somebody's key signed or sealed: introspection may look at no more
/// than that, so that its birth decides.
fn may_be_signed(value: &[u8]) -> bool {
    memchr::memchr_iter(b'.', value).nth(1).is_some()
}
