//! Roles: whether a field speaks of the buyer, the recipient, the shop, or of nobody in particular.

use std::sync::LazyLock;

use aho_corasick::{AhoCorasick, AhoCorasickKind};

/// The role under which an identifier stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(in crate::engine) enum Role {
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
    /// A place in one person's life (home, work, billing): a role name, but the same person.
    Place,
    /// Where an order goes: mostly the same person, now and then whom one's order is for.
    Shipping,
}

/// Role words as they occur in field names, lower case.
const WORDS: [(&str, Role); 86] = [
    ("buyer", Role::Buyer),
    ("customer", Role::Buyer),
    ("member", Role::Buyer),
    ("orderer", Role::Buyer),
    ("purchaser", Role::Buyer),
    ("payer", Role::Buyer),
    ("user", Role::Buyer),
    ("owner", Role::Buyer),
    ("caller", Role::Buyer),
    ("calling", Role::Buyer),
    ("callee", Role::Recipient),
    ("called", Role::Recipient),
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
    ("ship_to", Role::Recipient),
    ("ship-to", Role::Recipient),
    ("ship to", Role::Recipient),
    ("shipto", Role::Recipient),
    ("deliver_to", Role::Recipient),
    ("rcvr", Role::Recipient),
    ("rcpt", Role::Recipient),
    ("받으시는", Role::Recipient),
    ("수신인", Role::Recipient),
    ("destinataire", Role::Recipient),
    ("destinatario", Role::Recipient),
    ("destinatário", Role::Recipient),
    ("empfänger", Role::Recipient),
    ("empfaenger", Role::Recipient),
    ("收件", Role::Recipient),
    ("收货人", Role::Recipient),
    ("收貨人", Role::Recipient),
    ("受取人", Role::Recipient),
    ("届け先", Role::Recipient),
    ("acheteur", Role::Buyer),
    ("cliente", Role::Buyer),
    ("comprador", Role::Buyer),
    ("käufer", Role::Buyer),
    ("kaeufer", Role::Buyer),
    ("besteller", Role::Buyer),
    ("kunde", Role::Buyer),
    ("購入者", Role::Buyer),
    ("注文者", Role::Buyer),
    ("お客様", Role::Buyer),
    ("買家", Role::Buyer),
    ("订购人", Role::Buyer),
    ("訂購人", Role::Buyer),
    ("客戶", Role::Buyer),
    ("客户", Role::Buyer),
    ("發件", Role::Sender),
    ("寄件", Role::Sender),
    ("absender", Role::Sender),
    ("依頼主", Role::Sender),
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
    ("shipping", Role::Shipping),
    ("billing", Role::Place),
    ("delivery", Role::Shipping),
    ("home", Role::Place),
    ("work", Role::Place),
    ("office", Role::Place),
    ("배송지", Role::Shipping),
    ("contact", Role::Place),
];

/// All words at once; letter case of ASCII does not matter.
static AUTOMATON: LazyLock<Option<AhoCorasick>> = LazyLock::new(|| {
    let words = WORDS.iter().map(|(word, _)| word);
    automaton(words)
});

/// An automaton for short texts: the quickest, whose tables are small for so few words.
fn automaton<'w>(words: impl Iterator<Item = &'w &'w str>) -> Option<AhoCorasick> {
    let mut builder = AhoCorasick::builder();
    builder.ascii_case_insensitive(true).kind(Some(AhoCorasickKind::DFA));
    builder.build(words).ok()
}

/// Every word that says something of roles or orders.
pub(super) fn words() -> impl Iterator<Item = &'static str> {
    let roles = WORDS.iter().map(|(word, _)| *word);
    roles.chain(order_words().map(|(word, _)| *word)).chain(OWN_NAMES)
}

impl Role {
    /// The role a field name states, if any: `buyer_phone`, `recipientName`, `판매자 전화`.
    pub(in crate::engine) fn of(key: &[u8]) -> Option<Self> {
        let found = AUTOMATON.as_ref()?.find_overlapping_iter(key);
        let words = found.filter_map(|found| WORDS.get(found.pattern().as_usize()));
        // The longest word wins: `고객센터` is a shop, though `고객` is a buyer.
        words.max_by_key(|(word, _)| word.len()).map(|(_, role)| *role)
    }

    /// Whose subject it is: places belong to the person without a role.
    pub(in crate::engine) fn person(self) -> Self {
        match self {
            Self::Place | Self::Shipping => Self::None,
            Self::None | Self::Buyer | Self::Recipient | Self::Sender | Self::Seller => self,
        }
    }

    /// Whether a value under this role may turn out to identify nobody.
    pub(in crate::engine) fn may_be_common(self) -> bool {
        matches!(self, Self::None | Self::Seller | Self::Place | Self::Shipping)
    }
}

/// What field names say about orders.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OrderSigns(u8);

const ORDER_WORDS: [&str; 9] = [
    "order",
    "주문",
    "commande",
    "bestell",
    "pedido",
    "encomenda",
    "注文",
    "訂單",
    "订单",
];
const ITEM_WORDS: [&str; 14] = [
    "item", "product", "goods", "sku", "상품", "품목", "produit", "producto", "produto", "artikel", "articulo", "商品",
    "品名", "産品",
];
const SHIPMENT_WORDS: [&str; 11] = [
    "tracking",
    "waybill",
    "shipment",
    "운송장",
    "송장",
    "suivi",
    "sendung",
    "rastre",
    "追跡",
    "物流",
    "運單",
];

/// Names that say whose orders they are: of who is asking. Letters and digits of the whole name.
const OWN_NAMES: [&str; 10] = [
    "viewer",
    "myorders",
    "myorderlist",
    "myorderhistory",
    "mypurchases",
    "mypurchasehistory",
    "mygifts",
    "mygiftbox",
    "내주문",
    "나의주문",
];

fn is_own(key: &[u8]) -> bool {
    let is_letter = |byte: &u8| byte.is_ascii_alphanumeric() || !byte.is_ascii();
    let letters = || key.iter().filter(|byte| is_letter(byte)).map(u8::to_ascii_lowercase);
    OWN_NAMES.iter().any(|name| letters().eq(name.bytes()))
}

/// The words about orders, one list after the other.
static ORDER_AUTOMATON: LazyLock<Option<AhoCorasick>> =
    LazyLock::new(|| automaton(order_words().map(|(word, _)| word)));

fn order_words() -> impl Iterator<Item = (&'static &'static str, OrderSigns)> {
    let of = |words: &'static [&str], signs| words.iter().map(move |word| (word, signs));
    of(&ORDER_WORDS, OrderSigns::NUMBER)
        .chain(of(&ITEM_WORDS, OrderSigns::ITEM))
        .chain(of(&SHIPMENT_WORDS, OrderSigns::SHIPMENT))
}

impl OrderSigns {
    /// Nothing.
    pub const NONE: Self = Self(0);
    /// The number of an order.
    pub const NUMBER: Self = Self(1);
    /// What was ordered.
    pub const ITEM: Self = Self(2);
    /// How it is sent.
    pub const SHIPMENT: Self = Self(4);
    /// That they are of who is asking.
    pub const OWN: Self = Self(8);

    /// Whether all of this is said.
    pub const fn say(self, signs: Self) -> bool {
        self.0 & signs.0 == signs.0
    }

    /// What one field name says.
    pub(in crate::engine) fn of(key: &[u8]) -> Self {
        let found = ORDER_AUTOMATON
            .iter()
            .flat_map(|words| words.find_overlapping_iter(key));
        let signs = found.filter_map(|word| order_words().nth(word.pattern().as_usize()));
        let own = if is_own(key) { Self::OWN } else { Self::NONE };
        signs.fold(own, |signs, (_, word)| signs.and(word))
    }

    /// What a role in a field name says besides: what has a recipient is sent.
    pub(super) fn with(self, role: Option<Role>) -> Self {
        match role {
            Some(Role::Recipient | Role::Shipping) => self.and(Self::SHIPMENT),
            Some(_) | None => self,
        }
    }

    /// What both say.
    pub(in crate::engine) fn join(&mut self, other: Self) {
        *self = self.and(other);
    }

    const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// Whether a key is data rather than a name: digits, a UUID, an e-mail, a hash.
pub(in crate::engine) fn is_data(key: &[u8]) -> bool {
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
    // `@type` of JSON-LD and attributes of XML in JSON begin with it.
    let is_email = memchr::memchr(b'@', key).is_some_and(|at| at > 0);
    only_digits || hash || phone || is_email
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
            ("shippingAddress", Some(Role::Shipping)),
            ("home_phone", Some(Role::Place)),
            ("phone", None),
        ] {
            assert_eq!(Role::of(key.as_bytes()), role, "{key}");
        }
    }

    #[test]
    fn only_whole_names_say_whose_orders_they_are() {
        for (key, own) in [
            ("myOrders", true),
            ("viewer", true),
            ("reviewer", false),
            ("viewerCount", false),
            ("dummyOrders", false),
        ] {
            assert_eq!(OrderSigns::of(key.as_bytes()).say(OrderSigns::OWN), own, "{key}");
        }
    }

    #[test]
    fn what_has_a_recipient_is_sent() {
        let rules = crate::engine::detect::RuleSet::builtin();
        for (key, sent) in [
            ("receiver_tel", true),
            ("배송지", true),
            ("buyer_tel", false),
            ("order_id", false),
        ] {
            assert_eq!(
                rules.key(key.as_bytes()).orders().say(OrderSigns::SHIPMENT),
                sent,
                "{key}"
            );
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
            ("@type", false),
            ("shipping", false),
            ("a1", false),
            ("", false),
        ] {
            assert_eq!(is_data(key.as_bytes()), data, "{key}");
        }
    }
}
