//! The synthetic people of the demo: ten thousand customers, half Korean, half American, the same in every run.
//!
//! No value belongs to a person. E-mail addresses use the names that RFC 2606 reserves. American telephone numbers are
//! 555-0100 to 555-0199, which the North American Numbering Plan keeps for fiction, in fifty area codes: 5,000 different
//! ones. Korea publishes no such range, so Korean numbers are one block of a valid shape, 010-5550-0000 to 010-5550-4999.
//! Streets exist, house numbers are invented.
//!
//! Every person carries a planted [`Serial`], which is no identifier, so that a client can count the people that it was
//! given without asking any detector.

use std::collections::BTreeSet;

use serde::{Serialize, Serializer};

use super::places::{AMERICAN_PLACES, KOREAN_STREETS};

/// How many customers the shop has.
pub const PEOPLE: u32 = 10_000;

/// The planted number of a person, written `S-` and six digits: nothing that a detector takes for a telephone, a card or
/// an account number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Serial(pub u32);

impl std::fmt::Display for Serial {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "S-{:06}", self.0)
    }
}

impl Serialize for Serial {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// The different planted serials in `bytes`: `S-` followed by exactly six digits, so that one cut in half does not count.
pub fn count_serials(bytes: &[u8]) -> BTreeSet<u32> {
    let mut serials = BTreeSet::new();
    for start in memchr::memmem::find_iter(bytes, b"S-") {
        let digits = bytes.get(start + 2..).unwrap_or_default().iter().take(7);
        let run = digits.take_while(|byte| byte.is_ascii_digit()).collect::<Vec<_>>();
        if run.len() == 6 {
            serials.insert(
                run.iter()
                    .fold(0, |number, digit| number * 10 + u32::from(**digit - b'0')),
            );
        }
    }
    serials
}

/// One customer, as the profile page shows her.
#[derive(Clone, Serialize)]
pub struct Person {
    /// The planted number, first, so that a byte of the next record would show itself.
    pub serial: Serial,
    /// Her name.
    pub name: String,
    /// Her e-mail address, different for every number.
    pub email: String,
    /// Her telephone, different for the first [`PEOPLE`] numbers.
    pub phone: String,
    /// Where parcels go.
    pub address: String,
}

/// One order: who bought it is known from where it stands.
pub struct Order {
    /// Its number in the shop.
    pub id: String,
    /// The day, as ISO 8601 writes it.
    pub date: String,
    /// What was bought.
    pub item: &'static str,
    /// With its currency.
    pub price: String,
    /// The number of the person to whom it was sent: mostly the buyer, sometimes somebody else.
    pub recipient: u32,
}

/// The customer of this number; even numbers are Korean, odd ones American. The same number is always the same person.
pub fn person(number: u32) -> Person {
    let (name, email, phone) = if is_korean(number) {
        korean(number)
    } else {
        american(number)
    };
    Person {
        serial: Serial(number),
        name,
        email,
        phone,
        address: address(number, 0),
    }
}

/// The customer's `which`-th address: 0 is at home, others are at work or with the family.
pub fn address(number: u32, which: u32) -> String {
    let chance = mix(number, 100 + which);
    let (house, flat) = (1 + chance % 480, chance >> 32);
    if is_korean(number) {
        let street = pick(&KOREAN_STREETS, chance >> 16);
        let (block, floor, door) = (101 + flat % 12, 1 + (flat >> 8) % 20, 1 + (flat >> 16) % 6);
        format!("{street} {house}, {block}동 {floor}{door:02}호")
    } else {
        let place = pick(&AMERICAN_PLACES, u64::from(number / 2));
        let street = pick(&AMERICAN_STREETS, chance >> 16);
        format!("{house} {street}, {}, {} {}", place.city, place.state, place.zip)
    }
}

/// The customer's orders, newest first: one to three; one in six goes to somebody else.
pub fn orders(number: u32) -> Vec<Order> {
    let count = 1 + mix(number, 1) % 3;
    (0..u32::try_from(count).unwrap_or(1))
        .map(|nth| order(number, nth))
        .collect()
}

fn order(number: u32, nth: u32) -> Order {
    let chance = mix(number, 200 + nth);
    let other = u32::try_from((chance >> 40) % u64::from(PEOPLE)).unwrap_or(number);
    Order {
        id: format!("W{number}-{}", nth + 1),
        date: format!("2026-{:02}-{:02}", 11 - nth * 3, 1 + chance % 28),
        item: pick(&ITEMS, chance >> 8),
        price: if is_korean(number) {
            format!("KRW {}", 9_000 + (chance >> 16) % 90 * 1_000)
        } else {
            format!("USD {}.90", 9 + (chance >> 16) % 90)
        },
        recipient: if (chance >> 32).is_multiple_of(6) {
            other
        } else {
            number
        },
    }
}

const fn is_korean(number: u32) -> bool {
    number.is_multiple_of(2)
}

fn korean(number: u32) -> (String, String, String) {
    let chance = mix(number, 0);
    let ((family, family_latin), (given, given_latin)) =
        (pick(&KOREAN_FAMILIES, chance), pick(&KOREAN_GIVEN, chance >> 16));
    let name = format!("{family}{given}");
    let email = format!("{given_latin}.{family_latin}{number}@mail.example");
    (name, email, format!("010-5550-{:04}", number / 2 % 5_000))
}

fn american(number: u32) -> (String, String, String) {
    let chance = mix(number, 0);
    let (family, given) = (pick(&AMERICAN_FAMILIES, chance), pick(&AMERICAN_GIVEN, chance >> 16));
    let domain = pick(&["example.com", "example.net", "example.org"], chance >> 32);
    let email = format!(
        "{}.{}{number}@{domain}",
        given.to_ascii_lowercase(),
        family.to_ascii_lowercase()
    );
    // The place repeats every fifty people and the line moves on with each round: 50 x 100 different numbers.
    let (area, line) = (
        pick(&AMERICAN_PLACES, u64::from(number / 2)).area,
        100 + number / 2 / 50 % 100,
    );
    (format!("{given} {family}"), email, format!("({area}) 555-{line:04}"))
}

/// One of the table.
#[expect(
    clippy::indexing_slicing,
    reason = "the remainder is smaller than the length, and no table is empty"
)]
fn pick<T: Copy, const N: usize>(table: &[T; N], chance: u64) -> T {
    const { assert!(N > 0) };
    table[usize::try_from(chance % N as u64).unwrap_or(0)]
}

/// Chance without a seed: the finaliser of `SplitMix64` (Steele, Lea and Flood, 2014) over the number and its purpose.
const fn mix(number: u32, purpose: u32) -> u64 {
    let mut state = ((purpose as u64) << 32 | number as u64).wrapping_add(0x9e37_79b9_7f4a_7c15);
    state = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    state = (state ^ (state >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    state ^ (state >> 31)
}

const KOREAN_FAMILIES: [(&str, &str); 12] = [
    ("김", "kim"),
    ("이", "lee"),
    ("박", "park"),
    ("최", "choi"),
    ("정", "jung"),
    ("강", "kang"),
    ("조", "cho"),
    ("윤", "yoon"),
    ("장", "jang"),
    ("임", "lim"),
    ("한", "han"),
    ("신", "shin"),
];

const KOREAN_GIVEN: [(&str, &str); 16] = [
    ("민서", "minseo"),
    ("서연", "seoyeon"),
    ("지우", "jiwoo"),
    ("하은", "haeun"),
    ("도윤", "doyun"),
    ("시우", "siwoo"),
    ("예준", "yejun"),
    ("수아", "sua"),
    ("지호", "jiho"),
    ("윤서", "yunseo"),
    ("현우", "hyunwoo"),
    ("은지", "eunji"),
    ("성민", "sungmin"),
    ("가온", "gaon"),
    ("다인", "dain"),
    ("태양", "taeyang"),
];

const AMERICAN_FAMILIES: [&str; 14] = [
    "Smith", "Johnson", "Brown", "Garcia", "Miller", "Davis", "Martin", "Wilson", "Anderson", "Taylor", "Moore",
    "Lopez", "Clark", "Walker",
];

const AMERICAN_GIVEN: [&str; 16] = [
    "Mary", "James", "Linda", "Robert", "Susan", "Michael", "Karen", "David", "Emma", "Daniel", "Olivia", "Joseph",
    "Grace", "Henry", "Nora", "Peter",
];

const AMERICAN_STREETS: [&str; 12] = [
    "Maple Street",
    "Oak Avenue",
    "Cedar Lane",
    "Pine Street",
    "Elm Drive",
    "Washington Avenue",
    "Lake Road",
    "Hill Street",
    "Park Boulevard",
    "River Road",
    "Sunset Drive",
    "Church Street",
];

const ITEMS: [&str; 8] = [
    "rice cooker",
    "reading lamp",
    "running shoes",
    "green tea",
    "desk chair",
    "raincoat",
    "tea kettle",
    "wool blanket",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everybody_is_somebody_else() {
        let people = (0..PEOPLE).map(person).collect::<Vec<_>>();
        let different = |of: fn(&Person) -> &String| people.iter().map(of).collect::<BTreeSet<_>>().len();
        assert_eq!(different(|person| &person.email), PEOPLE as usize);
        assert_eq!(different(|person| &person.phone), PEOPLE as usize);
    }

    #[test]
    fn the_same_number_is_the_same_person() {
        let minseo = person(42);
        assert_eq!(minseo.email, person(42).email);
        assert_eq!(minseo.phone, "010-5550-0021");
        assert_eq!(person(43).phone.len(), "(212) 555-0100".len());
        assert!(person(43).phone.contains(") 555-01"));
    }

    #[test]
    fn serials_are_counted_whole_or_not_at_all() {
        let cases: [(&[u8], &[u32]); 6] = [
            (b"", &[]),
            (b"S-000123", &[123]),
            (b"S-00012", &[]),
            (b"S-0001234", &[]),
            (b"S-S-000001,S-000001;S-999999S", &[1, 999_999]),
            (br#"{"serial":"S-000007"}"#, &[7]),
        ];
        for (bytes, serials) in cases {
            assert!(count_serials(bytes).iter().eq(serials), "{bytes:?}");
        }
    }

    #[test]
    fn orders_name_people_of_the_shop() {
        let orders = (0..PEOPLE).flat_map(orders).collect::<Vec<_>>();
        assert!(
            orders
                .iter()
                .all(|order| order.recipient < PEOPLE && order.date.len() == 10)
        );
        assert!(orders.len() > PEOPLE as usize);
    }
}
