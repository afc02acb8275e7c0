//! Budgets, exceptions and routes as a person writes them. What a later version will add parses, and is refused with
//! "not in this version".

use std::ops::Range;

use schemars::JsonSchema;
use serde::Deserialize;
use toml::Spanned;

use super::Condition;

/// A text with its place in the file.
pub type Text = Spanned<String>;

/// A limit on distinct people for one dimension of the actor and one window.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "snake_case")]
pub struct BudgetSyntax {
    /// Its stable name, in events and metrics.
    #[schemars(with = "String")]
    pub name: Text,
    /// The dimension it counts under: `exchange`, `session`, `principal`, `certificate`, `address`, `network`, `anonymous`, `place`, `kid`,
    /// `issuer`, `ja4`, `headers`, `http2`, `route`, `service`, `destination`, `domain`, `category`, `workspace` or `global`; or several at
    /// once, `ja4 + network`.
    #[schemars(with = "String")]
    pub per: Text,
    /// Distinct people allowed in the window.
    #[schemars(with = "Option<u32>")]
    pub people: Option<Spanned<u32>>,
    /// `15m`, `1h`, `30d`: from one minute to thirty days. None on an exchange.
    #[schemars(with = "Option<String>")]
    pub window: Option<Text>,
    /// `alert`, `redact`, `throttle`, `reauth`, `block` or `hold`. Default `reauth` where `when` has `unissued`, else required.
    #[schemars(with = "Option<String>")]
    pub action: Option<Text>,
    /// `off`, `monitor`, `enforce:5%` or `enforce`. Default `monitor`.
    #[schemars(with = "Option<String>")]
    pub mode: Option<Text>,
    /// The pace of `throttle` once `people` are used up: `6/h`.
    #[schemars(with = "Option<String>")]
    pub to: Option<Text>,
    /// How long `hold` holds: `15m`. Default `1h`.
    #[schemars(with = "Option<String>")]
    pub hold_for: Option<Text>,
    /// Lets a budget on a key that many people share refuse all of them.
    #[serde(default)]
    pub accept_outage: bool,
    /// Conditions on the actor, all of which must hold: `unissued`, `new`, `idle:90d`, `group:NAME`, `route:MATCH`, `watched`, joined by ` + `;
    /// and on where it goes: `category:NAME`, `domain:NAME`, `destination:HOST`, `workspace:NAME`, or with `!` anywhere but there.
    #[schemars(with = "Option<String>")]
    pub when: Option<Text>,
    /// `requests` or `responses`: what is counted. Default: responses, and of forward listeners both, each for itself.
    #[schemars(with = "Option<String>")]
    pub direction: Option<Text>,
    /// Bytes that nothing looked into, in the place of `people`: `20MiB`.
    #[schemars(with = "Option<String>")]
    pub uninspected: Option<Text>,
    /// Bytes of bodies, in the place of `people`: `20MiB`.
    #[schemars(with = "Option<String>")]
    pub bytes: Option<Text>,
    /// Records with someone in them, in the place of `people`.
    #[schemars(with = "Option<u32>")]
    pub records: Option<Spanned<u32>>,
    /// Answers 404 and 410 of all answers, in the place of `people`: `50%`. Counts from 20 answers on.
    #[schemars(with = "Option<String>")]
    pub not_found: Option<Text>,
    /// Counts the different `values` of this class, such as `card`, in the place of people.
    #[schemars(with = "Option<String>")]
    pub class: Option<Text>,
    /// Different values of `class` allowed in the window.
    #[schemars(with = "Option<u32>")]
    pub values: Option<Spanned<u32>>,
    /// Everyone who is new is confirmed with the store of `[fleet]` before they are shown. Default false.
    #[schemars(with = "Option<bool>")]
    pub strict: Option<Spanned<bool>>,
    /// Lets a refusing limit be above `exact_elements_max`: there it is estimated, and once it is reached every person is
    /// refused until it falls.
    #[schemars(with = "Option<bool>")]
    pub estimated: Option<Spanned<bool>>,
}

impl BudgetSyntax {
    /// Whether it binds only who was never issued.
    pub(super) fn is_unissued(&self) -> bool {
        let when = self.when.as_ref().map_or("", |when| when.get_ref());
        when.split('+')
            .any(|text| Condition::parse(text) == Some(Condition::Unissued))
    }

    /// Where its action stands, or its name where it has none.
    pub(super) fn action_span(&self) -> Range<usize> {
        self.action.as_ref().unwrap_or(&self.name).span()
    }
}

/// More people for one principal, by someone, until some day.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ExceptionSyntax {
    /// The budget it widens.
    #[schemars(with = "String")]
    pub budget: Text,
    /// The verified principal: its subject, or `group:subject`.
    #[schemars(with = "String")]
    pub principal: Text,
    /// The limit instead of the budget's.
    #[schemars(with = "u32")]
    pub people: Spanned<u32>,
    /// Who answers for it.
    #[schemars(with = "String")]
    pub owner: Text,
    /// Where it was agreed.
    #[schemars(with = "Option<String>")]
    pub ticket: Option<Text>,
    /// Why.
    #[schemars(with = "String")]
    pub reason: Text,
    /// Its last day, `2026-12-01` (UTC).
    #[schemars(with = "String")]
    pub expires: Text,
}

/// People that one group may be given on a route, as one total outside all other people budgets.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AllowSyntax {
    /// The group it is for.
    #[schemars(with = "String")]
    pub group: Text,
    /// Distinct people a day, over the whole group.
    #[schemars(with = "u32")]
    pub people_per_day: Spanned<u32>,
}

/// Who is declared to process people's data for the organisation: a courier, a sender of mail or messages.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ProcessorSyntax {
    /// Its stable name.
    #[schemars(with = "String")]
    pub name: Text,
    /// Its hosts, each with all below it: `api.courier.example`.
    #[schemars(with = "Vec<String>")]
    pub hosts: Vec<Text>,
    /// The classes of what it is sent of a person: whoever more is told of is outside. Default: any.
    #[serde(default)]
    #[schemars(with = "Vec<String>")]
    pub classes: Vec<Text>,
    /// The fields of what it is sent, by the last names of their paths: `recipient.phone`. Who stands under another is outside.
    /// Default: any.
    #[serde(default)]
    #[schemars(with = "Option<Vec<String>>")]
    pub fields: Option<Spanned<Vec<Text>>>,
    /// Distinct people a day that it is sent, over all who send, outside all other people budgets of `requests`.
    #[schemars(with = "u32")]
    pub people_per_day: Spanned<u32>,
}

/// What a route says about data.
#[derive(Clone, Debug, Default)]
pub struct RoutePolicy {
    /// Its name: what `match` says.
    pub name: String,
    /// What it serves: several routes may be one service.
    pub service: String,
    /// Whose data it is; empty is the default tenant.
    pub tenant: String,
    /// Declared data of no person; still measured.
    pub public: bool,
    /// The allowance.
    pub allow: Option<AllowSyntax>,
}

/// What a group of principals declares as normal.
#[derive(Clone, Debug)]
pub struct GroupShape {
    /// The group.
    pub name: String,
    /// Distinct people a day; more is an alert.
    pub people_per_day: u32,
}
