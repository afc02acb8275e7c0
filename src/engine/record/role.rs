//! Roles: whether a field speaks of the buyer, the recipient, the shop, or of nobody in particular.

use std::sync::LazyLock;

use aho_corasick::AhoCorasick;

/// The role under which an identifier stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Role {
    /// No role word in sight.
    #[default]
    None,
    /// Buyer, customer, member: whose page it is. Keeps identifying however often it comes back.
    Buyer,
    /// Recipient: someone else, who counts as well.
    Recipient,
    /// Sender of a parcel or payment.
    Sender,
    /// Seller, support, store: a value that comes back beside different people identifies nobody.
    Seller,
    /// A place in one person's life (home, work, shipping, billing): a role name, but the same person.
    Place,
}

/// Role words as they occur in field names, lower case.
const WORDS: [(&str, Role); 44] = [
    ("buyer", Role::Buyer),
    ("customer", Role::Buyer),
    ("member", Role::Buyer),
    ("orderer", Role::Buyer),
    ("purchaser", Role::Buyer),
    ("payer", Role::Buyer),
    ("user", Role::Buyer),
    ("owner", Role::Buyer),
    ("구매자", Role::Buyer),
    ("주문자", Role::Buyer),
    ("고객", Role::Buyer),
    ("회원", Role::Buyer),
    ("recipient", Role::Recipient),
    ("receiver", Role::Recipient),
    ("consignee", Role::Recipient),
    ("addressee", Role::Recipient),
    ("payee", Role::Recipient),
    ("beneficiary", Role::Recipient),
    ("수령인", Role::Recipient),
    ("수취인", Role::Recipient),
    ("받는", Role::Recipient),
    ("sender", Role::Sender),
    ("shipper", Role::Sender),
    ("보내는", Role::Sender),
    ("발송인", Role::Sender),
    ("seller", Role::Seller),
    ("merchant", Role::Seller),
    ("vendor", Role::Seller),
    ("store", Role::Seller),
    ("shop", Role::Seller),
    ("support", Role::Seller),
    ("helpdesk", Role::Seller),
    ("company", Role::Seller),
    ("판매자", Role::Seller),
    ("매장", Role::Seller),
    ("고객센터", Role::Seller),
    ("shipping", Role::Place),
    ("billing", Role::Place),
    ("delivery", Role::Place),
    ("home", Role::Place),
    ("work", Role::Place),
    ("office", Role::Place),
    ("배송지", Role::Place),
    ("contact", Role::Place),
];

/// All words at once; letter case of ASCII does not matter.
static AUTOMATON: LazyLock<Option<AhoCorasick>> = LazyLock::new(|| {
    let words = WORDS.iter().map(|(word, _)| word);
    AhoCorasick::builder().ascii_case_insensitive(true).build(words).ok()
});

impl Role {
    /// The role a field name states, if any: `buyer_phone`, `recipientName`, `판매자 전화`.
    pub(super) fn of(key: &[u8]) -> Option<Self> {
        let found = AUTOMATON.as_ref()?.find_overlapping_iter(key);
        let words = found.filter_map(|found| WORDS.get(found.pattern().as_usize()));
        // The longest word wins: `고객센터` is a shop, though `고객` is a buyer.
        words.max_by_key(|(word, _)| word.len()).map(|(_, role)| *role)
    }

    /// Whose subject it is: places belong to the person without a role.
    pub(super) fn person(self) -> Self {
        if self == Self::Place { Self::None } else { self }
    }

    /// Whether a value under this role may turn out to identify nobody.
    pub(super) fn may_be_common(self) -> bool {
        matches!(self, Self::None | Self::Seller | Self::Place)
    }
}

/// Whether a key is data rather than a name: digits, a UUID, an e-mail, a hash.
pub(super) fn is_data(key: &[u8]) -> bool {
    // Most names begin with a letter and are short: only hashes and addresses do that as data.
    if key.len() < 16
        && !key
            .first()
            .is_some_and(|first| first.is_ascii_digit() || b"+(".contains(first))
        && !key.contains(&b'@')
    {
        return false;
    }
    let digits = key.iter().filter(|byte| byte.is_ascii_digit()).count();
    let hex = key
        .iter()
        .filter(|byte| byte.is_ascii_hexdigit() || **byte == b'-')
        .count();
    let only_digits = digits > 0 && digits == key.len();
    let hash = key.len() >= 16 && hex == key.len() && digits > 0;
    let phone = digits >= 7 && key.iter().all(|byte| byte.is_ascii_digit() || b"+-() .".contains(byte));
    only_digits || hash || phone || key.contains(&b'@')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn field_names_tell_roles() {
        for (key, role) in [
            ("buyer_phone", Some(Role::Buyer)),
            ("recipientName", Some(Role::Recipient)),
            ("고객센터", Some(Role::Seller)),
            ("고객명", Some(Role::Buyer)),
            ("shippingAddress", Some(Role::Place)),
            ("phone", None),
        ] {
            assert_eq!(Role::of(key.as_bytes()), role, "{key}");
        }
    }

    #[test]
    fn keys_that_are_data_make_maps() {
        for (key, data) in [
            ("4711", true),
            ("kim@mail.example", true),
            ("123e4567-e89b-12d3-a456-426614174000", true),
            ("d41d8cd98f00b204e9800998ecf8427e", true),
            ("010-0000-0001", true),
            ("shipping", false),
            ("a1", false),
            ("", false),
        ] {
            assert_eq!(is_data(key.as_bytes()), data, "{key}");
        }
    }
}
