//! Classes of identifier, and what each may stand for.

/// The number of a class inside a [`RuleSet`](super::RuleSet); its stable name is `RuleSet::class_name`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ClassId(pub u8);

/// What an identifier of a class may stand for, in the order in which a record's primary identifier is chosen
/// (the counting rule, 3): the smaller wins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Category {
    /// Resident registration, social security and the like.
    NationalId,
    /// An e-mail address.
    Email,
    /// A telephone number.
    Phone,
    /// Account, IBAN or payment card.
    Account,
    /// A street address: identifies, weakest.
    Address,
    /// A person's name: never identifies, but lets an address identify. Counts only beside another identifier.
    Name,
    /// Never identifies alone (dates of birth, order ids).
    Weak,
}

impl Category {
    /// Whether a value of this category tells two people apart by itself.
    pub const fn is_strong(self) -> bool {
        matches!(self, Self::NationalId | Self::Email | Self::Phone | Self::Account)
    }
}
