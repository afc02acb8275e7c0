//! A field name, column header or label: the word that says what a value is, understood once for all values under it.

use std::sync::{Arc, PoisonError, RwLock};

use hashbrown::HashMap;

use super::context::Signs;
use super::key_words::KeyWords;
use super::matcher::{self, Builtin, Keyed, NameKey};
use super::part::Part;
use super::role::{OrderSigns, Role};
use super::{RuleId, RuleSet};

/// A field name and what its words say about the values under it.
pub struct Key {
    name: Vec<u8>,
    signs: Signs,
    /// What it says that its whole cells are, by the rules that think so.
    keyed: Vec<(RuleId, Keyed)>,
    searches: bool,
    /// Whether there are expressions, which may find something under any name.
    expects_all: bool,
    role: Option<Role>,
    orders: OrderSigns,
    carries: bool,
    part: Option<Part>,
}

impl Key {
    /// That of a value which has none.
    pub const NONE: &'static Self = &Self::silent(Vec::new());

    /// That of a name which says nothing.
    const fn silent(name: Vec<u8>) -> Self {
        Self {
            name,
            signs: Signs::NONE,
            keyed: Vec::new(),
            searches: false,
            expects_all: false,
            role: None,
            orders: OrderSigns::NONE,
            carries: false,
            part: None,
        }
    }

    /// The name as it was written.
    pub fn name(&self) -> &[u8] {
        &self.name
    }

    /// Whether every value under it is worth a search, whatever is in it: the name has a context word of a rule that
    /// searches, says what its whole cells are, or which part of a value; or there are expressions.
    pub const fn wakes(&self) -> bool {
        self.expects_all || self.searches || !self.keyed.is_empty() || self.part.is_some()
    }

    /// Whether it may name a person or anything else: `name`, `recipient`, `a`.
    pub(super) fn is_vague(&self) -> bool {
        self.keyed
            .iter()
            .any(|(_, keyed)| matches!(keyed, Keyed::Name(NameKey::Bare | NameKey::Given)))
    }

    /// Whether it has a context word of a rule that searches.
    pub(super) const fn searches(&self) -> bool {
        self.searches
    }

    /// Whether it is a word for some kind of value: `phone`, `email`.
    pub fn is_known(&self) -> bool {
        self.signs.speaks()
    }

    /// Whether what stands under it is a person's name, or a part of one.
    pub fn names_person(&self) -> bool {
        self.keyed
            .iter()
            .any(|(_, keyed)| matches!(keyed, Keyed::Name(NameKey::Full | NameKey::Part)))
    }

    /// Which part of a value stands under it, if it says so.
    pub(in crate::engine) fn part(&self) -> Option<&Part> {
        self.part.as_ref()
    }

    /// The role that it states.
    pub(in crate::engine) fn role(&self) -> Option<Role> {
        self.role
    }

    /// What it says about orders.
    pub(in crate::engine) fn orders(&self) -> OrderSigns {
        self.orders
    }

    /// Whether the name around it says what stands under it: see [`is_carrier`].
    pub(in crate::engine) fn carries(&self) -> bool {
        self.carries
    }

    /// Whether it says nothing of its values, of persons or of roles.
    pub(in crate::engine) fn is_plain(&self) -> bool {
        !self.wakes() && !self.names_person() && self.role.is_none()
    }

    pub(super) fn signs(&self) -> &Signs {
        &self.signs
    }

    pub(super) fn keyed(&self) -> &[(RuleId, Keyed)] {
        &self.keyed
    }
}

impl RuleSet {
    /// What a field name says; a body has few, and the next one of its kind has the same.
    pub fn key(&self, name: &[u8]) -> Arc<Key> {
        if !self.may_speak(name) {
            // Texts stand as names in markup, each a new one: such names are not worth remembering.
            let carries = is_carrier(name);
            let silent = Key::silent(name.to_vec());
            return Arc::new(Key { carries, ..silent });
        }
        if let Some(known) = self.memory.get(name) {
            return known;
        }
        let key = Arc::new(self.understand(name));
        self.memory.put(&key);
        key
    }

    /// What a field name that says nothing of its values, persons or roles says of orders; `None` of any other.
    pub(in crate::engine) fn plain(&self, name: &[u8]) -> Option<OrderSigns> {
        if !self.may_speak(name) {
            return Some(OrderSigns::NONE);
        }
        let key = self.key(name);
        key.is_plain().then_some(key.orders)
    }

    fn may_speak(&self, name: &[u8]) -> bool {
        self.has_expressions() || self.words.vocabulary().knows(name)
    }

    fn understand(&self, name: &[u8]) -> Key {
        let signs = self.words.signs(name);
        let words = KeyWords::of(name);
        let opaque = matcher::is_opaque(&words);
        let speaks = |builtin: Builtin, rule: RuleId| {
            (signs.speak_for(rule) && !signs.doubt(rule)) || (opaque && builtin == Builtin::PersonName)
        };
        let keyed: Vec<_> = self
            .keyed_rules()
            .filter(|(builtin, rule)| speaks(*builtin, *rule))
            .filter_map(|(builtin, rule)| Some((rule, Keyed::of(builtin, &words)?)))
            .collect();
        let searches = || self.searching_rules().any(|rule| signs.speak_for(rule));
        Key {
            name: name.to_vec(),
            searches: signs.speaks() && searches(),
            expects_all: self.has_expressions(),
            signs,
            keyed,
            role: Role::of(name),
            orders: OrderSigns::of(name).with(Role::of(name)),
            carries: is_carrier(name),
            part: Part::of(name, self),
        }
    }

    /// Whether there are expressions of the operator, which may find something anywhere.
    pub const fn has_expressions(&self) -> bool {
        self.lane.is_some()
    }

    /// Whether a rule is an expression of the operator.
    pub(in crate::engine) fn is_expression(&self, rule: RuleId) -> bool {
        self.lane.as_ref().is_some_and(|lane| lane.has(rule))
    }
}

/// Whether a name only says how the value of the name around it is written: `{"phone":{"S":"..."}}` of `DynamoDB`,
/// `{"phone":{"stringValue":"..."}}` of Firestore, `{"phone":{"$t":"..."}}` of XML turned into JSON.
pub(in crate::engine) fn is_carrier(name: &[u8]) -> bool {
    matches!(
        name,
        b"S" | b"N"
            | b"$t"
            | b"_"
            | b"$"
            | b"#text"
            | b"_text"
            | b"text"
            | b"formatted"
            | b"line"
            | b"line1"
            | b"value"
            | b"Value"
            | b"val"
            | b"raw"
            | b"string"
            | b"FreeFormNumber"
            | b"stringValue"
            | b"integerValue"
            | b"string_value"
            | b"__cdata"
            | b"#cdata"
            | b"@value"
            | b"$numberLong"
            | b"v"
            | b"number"
    )
}

/// Whether a name is that of a mail address, which needs no word of a rule.
pub(in crate::engine) fn names_mail(name: &[u8]) -> bool {
    const WORDS: [&str; 9] = [
        "mail",
        "메일",
        "メール",
        "邮箱",
        "郵箱",
        "邮件",
        "信箱",
        "correo",
        "courriel",
    ];
    let name = name.to_ascii_lowercase();
    WORDS
        .iter()
        .any(|word| memchr::memmem::find(&name, word.as_bytes()).is_some())
}

/// Whether an array of this name holds ways to reach the one whose object it is a member of, or that one's names and numbers:
/// `emails` of SCIM, `phoneNumbers` of Google, `telecom` of FHIR.
pub(in crate::engine) fn is_contacts(name: &[u8]) -> bool {
    let letters = name.iter().filter(|byte| byte.is_ascii_alphanumeric());
    let name: smallvec::SmallVec<[u8; 24]> = letters.take(24).map(u8::to_ascii_lowercase).collect();
    let whose = |place: &&str| name.strip_prefix(place.as_bytes());
    let kind = ["home", "work", "business", "mobile", "other", "personal"]
        .iter()
        .find_map(whose);
    matches!(
        kind.filter(|kind| !kind.is_empty()).unwrap_or(&name),
        b"email"
            | b"emails"
            | b"emailaddresses"
            | b"mails"
            | b"phone"
            | b"phones"
            | b"phonenumbers"
            | b"telephones"
            | b"telephonenumbers"
            | b"mobiles"
            | b"tels"
            | b"telecom"
            | b"faxes"
            | b"identifier"
            | b"identifiers"
            | b"name"
            | b"names"
    )
}

/// Field names that a rule set remembers. Some 500 bytes each.
const KEYS_MAX: usize = 4_096;

/// The field names that were understood lately: what they say depends on the rules alone.
#[derive(Default)]
pub(super) struct Memory(RwLock<HashMap<Vec<u8>, Arc<Key>>>);

impl Memory {
    fn get(&self, name: &[u8]) -> Option<Arc<Key>> {
        let keys = self.0.read().unwrap_or_else(PoisonError::into_inner);
        keys.get(name).map(Arc::clone)
    }

    fn put(&self, key: &Arc<Key>) {
        let mut keys = self.0.write().unwrap_or_else(PoisonError::into_inner);
        // Names that nobody repeats are the only way to fill it; those that are repeated come back.
        if keys.len() >= KEYS_MAX {
            keys.clear();
        }
        keys.insert(key.name.clone(), Arc::clone(key));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Words that speak, and others, put together in many ways.
    fn names() -> impl Iterator<Item = String> {
        let words = [
            "phone",
            "Tel",
            "이름",
            "전화번호",
            "col",
            "Ítem",
            "x",
            "A",
            "customer",
            "order",
            "blue",
            "shirt",
            "nm",
            "12",
            "addr",
            "birth",
            "dob",
            "계좌",
            "store",
            "Straße",
            "고객",
            "문",
            "비밀번호",
            "passcode",
            "tax id",
            "hotel",
        ];
        let joints = ["", "_", " ", "-", ".", "'s "];
        let pairs = words
            .into_iter()
            .flat_map(move |first| words.map(|second| (first, second)));
        let joined = pairs.flat_map(move |(first, second)| joints.map(|joint| format!("{first}{joint}{second}")));
        words.into_iter().map(str::to_owned).chain(joined)
    }

    #[test]
    fn a_name_without_a_known_word_says_nothing() {
        let rules = RuleSet::builtin();
        let (mut silent, mut all) = (0, 0);
        for name in names() {
            all += 1;
            let key = rules.understand(name.as_bytes());
            if !rules.may_speak(name.as_bytes()) {
                silent += 1;
                assert!(key.is_plain() && key.signs.are_none() && key.keyed.is_empty(), "{name}");
            }
        }
        assert!(silent > 50 && silent < all / 2, "{silent} of {all}");
    }

    #[test]
    fn names_are_remembered_within_a_bound() {
        let rules = RuleSet::builtin();
        let first = rules.key(b"phone");
        assert!(Arc::ptr_eq(&first, &rules.key(b"phone")));
        for number in 0..=KEYS_MAX {
            rules.key(format!("phone{number}").as_bytes());
        }
        assert!(rules.memory.0.read().expect("nobody panicked").len() <= KEYS_MAX);
        assert_eq!(rules.key(b"phone").name(), b"phone");
    }
}
