//! Fail modes: what happens to an exchange that cannot be inspected, counted or held, by route and reason.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::engine::inspect::Failure;

/// Let it pass uninspected, or refuse it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Fail {
    /// Pass, and count the bytes as uninspected.
    #[default]
    Open,
    /// Refuse, and count the refusal.
    Closed,
}

/// A reason for which a fail mode applies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Reason {
    /// The body could not be read.
    Body(Failure),
    /// All streams together hold as much as they may.
    Memory,
    /// The ledger has no room for a new key.
    LedgerFull,
    /// Who is shown is not on disk in time.
    StoreDown,
    /// The journal cannot be written.
    JournalFull,
    /// A token is shown that cannot be verified, as the keys of its issuer could not be had.
    JwksDown,
    /// A credential is shown of which nobody can say whose it is, as what would say so does not answer.
    IdentityUnknown,
    /// The exchange leaves HTTP for a protocol that is not looked into.
    Tunnel,
    /// Frames that break their protocol, or are in an extension of it, where nothing is enforced; always open.
    Frames,
    /// The route says that its bodies are not looked into; always open.
    Route,
}

impl Reason {
    /// Whether what it lets pass was searched all the same, and not counted everywhere, or not under who asked.
    pub(super) const fn is_inspected(self) -> bool {
        match self {
            Self::LedgerFull | Self::StoreDown | Self::JournalFull | Self::JwksDown | Self::IdentityUnknown => true,
            Self::Body(_) | Self::Memory | Self::Tunnel | Self::Frames | Self::Route => false,
        }
    }

    /// The same, or it was not searched by every expression.
    pub(super) const fn is_partial(self) -> bool {
        self.is_inspected() || matches!(self, Self::Body(Failure::RuleBudget))
    }

    /// The name in metrics, events and configuration.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Body(failure) => failure.name(),
            Self::Memory => "memory",
            Self::LedgerFull => "ledger_full",
            Self::StoreDown => "store_down",
            Self::JournalFull => "journal_full",
            Self::JwksDown => "jwks_down",
            Self::IdentityUnknown => "identity_unknown",
            Self::Tunnel => "tunnel",
            Self::Frames => "frames",
            Self::Route => "route",
        }
    }
}

/// The fail modes of one route.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct FailModes {
    /// A content coding that is unknown, or more of them in one another than can be undone.
    pub unknown_coding: Option<Fail>,
    /// A body that is not what its coding says.
    pub undecodable: Option<Fail>,
    /// A body that decodes to more than the allowed ratio.
    pub ratio: Option<Fail>,
    /// A container, or an entry of one, that is encrypted.
    pub encrypted: Option<Fail>,
    /// A container that breaks its format or is packed in a way that is not read.
    pub unreadable: Option<Fail>,
    /// A container of which more would come than may.
    pub container_limit: Option<Fail>,
    /// A file of a fragile format, whose reader crashed, took more time or memory than it may, or was not to be had.
    pub isolation: Option<Fail>,
    /// A block of coded bytes larger than the hold-back.
    pub holdback_exhausted: Option<Fail>,
    /// An expression of the operator's has searched as much of a body as it may.
    pub rule_budget: Option<Fail>,
    /// The hold-backs of all streams together are full.
    pub memory: Option<Fail>,
    /// The ledger is full.
    pub ledger_full: Option<Fail>,
    /// Someone within a fifth of a limit is not on disk in time: the disk is full, fails or is slow.
    pub store_down: Option<Fail>,
    /// The journal cannot be written: its disk is full, or gone.
    pub journal_full: Option<Fail>,
    /// A token cannot be verified, as the key set of its issuer could not be had. Open where nothing is said here, whatever `fail`
    /// says: whoever is unknown is not punished.
    pub jwks_down: Option<Fail>,
    /// Introspection, or the store of `[fleet]`, does not say of a credential what it is. Open in the same way.
    pub identity_unknown: Option<Fail>,
    /// A request offers to switch to a protocol other than WebSocket.
    pub tunnel: Option<Fail>,
}

impl FailModes {
    /// The mode for `reason`; `default` where the route says nothing of it.
    pub(super) fn of(self, reason: Reason, default: Fail) -> Fail {
        let mode = match reason {
            Reason::Body(Failure::UnknownCoding) => self.unknown_coding,
            Reason::Body(Failure::Undecodable) => self.undecodable,
            Reason::Body(Failure::Ratio) => self.ratio,
            Reason::Body(Failure::Encrypted) => self.encrypted,
            Reason::Body(Failure::Unreadable) => self.unreadable,
            Reason::Body(Failure::ContainerLimit) => self.container_limit,
            Reason::Body(Failure::Isolation) => self.isolation,
            // Whoever is to be masked does not leave as they are.
            Reason::Body(Failure::Unmaskable) => Some(Fail::Closed),
            Reason::Body(Failure::HoldBack) => self.holdback_exhausted,
            Reason::Body(Failure::RuleBudget) => self.rule_budget,
            Reason::Memory => self.memory,
            Reason::LedgerFull => self.ledger_full,
            Reason::StoreDown => self.store_down,
            Reason::JournalFull => self.journal_full,
            // An outage of a login service is no reason to refuse its customers, unless the operator says so.
            Reason::JwksDown => Some(self.jwks_down.unwrap_or(Fail::Open)),
            Reason::IdentityUnknown => Some(self.identity_unknown.unwrap_or(Fail::Open)),
            Reason::Tunnel => self.tunnel,
            Reason::Frames | Reason::Route => Some(Fail::Open),
        };
        mode.unwrap_or(default)
    }
}
