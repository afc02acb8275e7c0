//! Classes of identifier, and what each may stand for.

use super::RuleSet;

/// The number of a class inside a [`RuleSet`](super::RuleSet); its stable name is `RuleSet::class_name`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ClassId(pub u8);

/// Classes by their numbers in a rule set, a bit each; the last bit stands for all from number 63 on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct ClassSet(pub u64);

impl ClassSet {
    const LAST: u8 = 63;

    /// Whether `class` may be in it: what the last bit stands for cannot be told apart.
    pub const fn contains(self, class: ClassId) -> bool {
        let bit = if class.0 < Self::LAST { class.0 } else { Self::LAST };
        self.0 >> bit & 1 == 1
    }

    /// Whether all of them are in `others` for sure: what the last bit stands for never is.
    pub const fn is_within(self, others: Self) -> bool {
        self.0 & !(others.0 & !(1 << Self::LAST)) == 0
    }

    /// Their names in the rule set whose numbers they are; `other` for the last bit.
    pub fn names(self, rules: &RuleSet) -> impl Iterator<Item = &str> {
        let bits = (0..=Self::LAST).filter(move |bit| self.0 & (1 << bit) != 0);
        bits.map(|bit| {
            if bit == Self::LAST {
                "other"
            } else {
                rules.class_name(ClassId(bit))
            }
        })
    }
}

impl FromIterator<ClassId> for ClassSet {
    fn from_iter<I: IntoIterator<Item = ClassId>>(classes: I) -> Self {
        let bits = classes.into_iter().map(|class| 1 << class.0.min(Self::LAST));
        Self(bits.fold(0, |set, bit: u64| set | bit))
    }
}

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
    /// What lets somebody in (tokens, session ids), by the whole of its field name. It is of nobody: no body is searched for it, and
    /// no budget counts it.
    Credential,
}

impl Category {
    /// Whether a value of this category tells two people apart by itself.
    pub const fn is_strong(self) -> bool {
        matches!(self, Self::NationalId | Self::Email | Self::Phone | Self::Account)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_has_the_names_of_its_classes() {
        let rules = RuleSet::builtin();
        let known: Vec<&str> = rules.classes().map(|(_, name, _)| name).collect();
        assert!(known.len() < 63, "each has a bit of its own");
        let set: ClassSet = [ClassId(2), ClassId(0), ClassId(2)].into_iter().collect();
        assert!(set.names(&rules).eq([known[0], known[2]]));
        let many: ClassSet = [ClassId(63), ClassId(200)].into_iter().collect();
        assert!(many.names(&rules).eq(["other"]));
    }
}
