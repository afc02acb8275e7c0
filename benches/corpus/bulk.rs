//! Six bodies of many megabytes: clean and sparse JSON, dense JSON and CSV, pages with scripts, random and packed bytes.
//!
//! What stands in them is what bodies of shops and back offices are made of: a record of the dense ones is a customer of
//! Korea or of the United States with an order, and the clean ones are full of numbers that are nobody's.

use std::fmt::Write as _;
use std::io::Write as _;

use bytes::Bytes;
use tidegate::engine::structure::Declared;

use super::Numbers;
use super::peer::Counts;
use super::planted::{CARD, E164, EMAIL, IBAN, PHONE_KR, PHONE_US, RRN, SSN, address, identifier, name, plant};

/// One body and what was planted in it.
pub(crate) struct Bulk {
    pub(crate) name: &'static str,
    pub(crate) declared: Declared,
    pub(crate) bytes: Bytes,
    pub(crate) planted: Counts,
    /// Records with a person in them.
    pub(crate) people: usize,
}

/// A body of at least `bytes` bytes: clean JSON, objects of four shapes in pages of twenty.
pub(crate) fn clean(bytes: usize) -> Bulk {
    let mut numbers = Numbers(11);
    let mut text = String::from("[");
    while text.len() < bytes {
        page(&mut text, None, &mut numbers);
    }
    whole("clean JSON", text, Counts::default(), 0)
}

/// Clean JSON with one identifier in every ten kilobytes.
pub(crate) fn sparse(bytes: usize) -> Bulk {
    let mut numbers = Numbers(12);
    let (mut text, mut planted) = (String::from("["), Counts::default());
    let (mut people, mut next) = (0, 10_240);
    while text.len() < bytes {
        let contact = (text.len() >= next).then(|| {
            next += 10_240;
            people += 1;
            let kind = numbers.below(8) as usize;
            plant(kind, &mut planted);
            identifier(kind, people, &mut numbers)
        });
        page(&mut text, contact.as_deref(), &mut numbers);
    }
    whole("sparse JSON", text, planted, people)
}

/// A table of customers with their orders.
pub(crate) fn dense_json(bytes: usize) -> Bulk {
    let mut numbers = Numbers(13);
    let (mut text, mut planted) = (String::from("["), Counts::default());
    let mut people = 0;
    while text.len() < bytes {
        text.push_str(if text.len() > 1 {
            ",{\"customers\":["
        } else {
            "{\"customers\":["
        });
        for row in 0..50 {
            people += 1;
            let customer = Customer::new(people, &mut planted, &mut numbers);
            text.push_str(if row > 0 { "," } else { "" });
            customer.write_json(&mut text);
        }
        text.push_str("]}");
    }
    whole("dense JSON", text, planted, people)
}

/// The same as CSV.
pub(crate) fn dense_csv(bytes: usize) -> Bulk {
    let mut numbers = Numbers(14);
    let mut planted = Counts::default();
    let mut text = String::from(
        "customer_id,name,phone,email,shipping_address,order_id,ordered_at,amount,currency,national_id,card,iban\n",
    );
    let mut people = 0;
    while text.len() < bytes {
        people += 1;
        Customer::new(people, &mut planted, &mut numbers).write_csv(&mut text);
    }
    Bulk {
        name: "dense CSV",
        declared: Declared::Table,
        bytes: Bytes::from(text),
        planted,
        people,
    }
}

/// One page of customers, of about `bytes` bytes.
pub(crate) fn dense_page(bytes: usize) -> Bulk {
    let mut numbers = Numbers(17);
    let (mut text, mut planted) = (String::from("{\"customers\":["), Counts::default());
    let mut people = 0;
    while text.len() < bytes {
        people += 1;
        text.push_str(if people > 1 { "," } else { "" });
        Customer::new(people, &mut planted, &mut numbers).write_json(&mut text);
    }
    text.push_str("]}");
    Bulk {
        name: "a page of customers",
        declared: Declared::Json,
        bytes: Bytes::from(text),
        planted,
        people,
    }
}

/// Half random bytes, half deflated JSON, in turns of 64 KiB.
pub(crate) fn random(bytes: usize) -> Bulk {
    let mut numbers = Numbers(15);
    let packed = deflated(&clean(2 * bytes).bytes);
    let mut packed = packed.chunks(64 << 10).cycle();
    let mut text = Vec::new();
    while text.len() < bytes {
        text.extend((0..8 << 10).flat_map(|_| numbers.next().to_le_bytes()));
        text.extend_from_slice(packed.next().unwrap_or_default());
    }
    Bulk {
        name: "random, packed",
        declared: Declared::Unknown,
        bytes: Bytes::from(text),
        planted: Counts::default(),
        people: 0,
    }
}

fn whole(name: &'static str, mut text: String, planted: Counts, people: usize) -> Bulk {
    text.push(']');
    Bulk {
        name,
        declared: Declared::Json,
        bytes: Bytes::from(text),
        planted,
        people,
    }
}

fn deflated(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::default());
    encoder
        .write_all(bytes)
        .and_then(|()| encoder.finish())
        .expect("memory takes every byte")
}

/// One page of clean objects, with a `contact` if there is one.
fn page(text: &mut String, contact: Option<&str>, numbers: &mut Numbers) {
    text.push_str(if text.len() > 1 { ",{\"data\":[" } else { "{\"data\":[" });
    for row in 0..20 {
        text.push_str(if row > 0 { "," } else { "" });
        object(text, numbers);
    }
    let (page, next) = (numbers.below(1_000), uuid(numbers));
    write!(text, "],\"page\":{page},\"next\":\"{next}\"").expect("a string takes every byte");
    if let Some(contact) = contact {
        write!(text, ",\"contact\":\"{contact}\"").expect("a string takes every byte");
    }
    text.push('}');
}

/// An object in which nobody is: an order line, an event, an article, or identifiers of things.
fn object(text: &mut String, numbers: &mut Numbers) {
    match numbers.below(100) {
        0..45 => order_line(text, numbers),
        45..75 => event(text, numbers),
        75..97 => article(text, numbers),
        _ => write!(
            text,
            "{{\"snowflake\":\"{}\",\"trace\":{},\"seq\":{}}}",
            100_000_000_000_000_000 + numbers.below(8_900_000_000_000_000_000),
            1_000_000_000_000_000 + numbers.below(8_000_000_000_000_000),
            1_000_000_000 + numbers.below(9_000_000_000),
        ),
    }
    .expect("a string takes every byte");
}

fn order_line(text: &mut String, numbers: &mut Numbers) -> std::fmt::Result {
    write!(
        text,
        "{{\"id\":{},\"uuid\":\"{}\",\"created_at\":\"{}\",\"updated_at\":\"{}\",\"price\":{}.{:02},\"qty\":{},\
         \"status\":\"{}\",\"sku\":\"SKU-{:05}-{}\",\"ts\":{},\"tags\":[\"{}\",\"{}\",\"{}\"],\"ok\":true,\"note\":\"{}\"}}",
        1_000_000 + numbers.below(999_000_000),
        uuid(numbers),
        moment(numbers),
        moment(numbers),
        numbers.below(999),
        numbers.below(100),
        1 + numbers.below(99),
        numbers.of(&["ok", "paid", "open", "void"]),
        numbers.below(100_000),
        numbers.of(&["A", "B", "C", "D", "E", "F"]),
        1_600_000_000_000 + numbers.below(100_000_000_000),
        numbers.word(),
        numbers.word(),
        numbers.word(),
        sentence(numbers),
    )
}

fn event(text: &mut String, numbers: &mut Numbers) -> std::fmt::Result {
    write!(
        text,
        "{{\"event\":\"{}\",\"t\":{},\"dur_ms\":{}.{:03},\"sha256\":\"{:016x}{:016x}{:016x}{:016x}\",\"lat\":{}.{:06},\
         \"lon\":-{}.{:06},\"v\":\"{}.{}.{}\",\"ip\":\"10.{}.{}.{}\",\"path\":\"/v1/{}/{}/{}\",\"bytes\":{}}}",
        numbers.word(),
        1_600_000_000 + numbers.below(100_000_000),
        numbers.below(500),
        numbers.below(1_000),
        numbers.next(),
        numbers.next(),
        numbers.next(),
        numbers.next(),
        numbers.below(90),
        numbers.below(1_000_000),
        numbers.below(180),
        numbers.below(1_000_000),
        numbers.below(10),
        numbers.below(40),
        numbers.below(99),
        numbers.below(256),
        numbers.below(256),
        numbers.below(256),
        numbers.word(),
        1 + numbers.below(99_999),
        numbers.word(),
        100 + numbers.below(10_000_000),
    )
}

fn article(text: &mut String, numbers: &mut Numbers) -> std::fmt::Result {
    let title: Vec<&str> = (0..5).map(|_| numbers.word()).collect();
    let body: Vec<String> = (0..5).map(|_| sentence(numbers)).collect();
    write!(
        text,
        "{{\"title\":\"{}\",\"body\":\"{}\",\"views\":{},\"rev\":{},\"date\":\"{}\"}}",
        title.join(" "),
        body.join(" "),
        numbers.below(1_000_000),
        1 + numbers.below(400),
        moment(numbers),
    )
}

pub(crate) fn sentence(numbers: &mut Numbers) -> String {
    let words: Vec<&str> = (0..12).map(|_| numbers.word()).collect();
    format!("{}.", words.join(" "))
}

fn uuid(numbers: &mut Numbers) -> String {
    let (high, low) = (numbers.next(), numbers.next());
    format!(
        "{:08x}-{:04x}-4{:03x}-a{:03x}-{:012x}",
        high >> 32,
        high >> 16 & 0xffff,
        high & 0xfff,
        low >> 52,
        low & 0xffff_ffff_ffff
    )
}

fn moment(numbers: &mut Numbers) -> String {
    format!(
        "20{:02}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z",
        18 + numbers.below(9),
        1 + numbers.below(12),
        1 + numbers.below(28),
        numbers.below(24),
        numbers.below(60),
        numbers.below(60),
        numbers.below(1_000)
    )
}

/// A customer with an order, and sometimes a number of the state, a card or an account.
struct Customer {
    id: u64,
    korean: bool,
    name: String,
    phone: String,
    email: String,
    address: String,
    order: String,
    ordered_at: String,
    amount: String,
    /// The kind and the value of what more there is.
    more: Option<(usize, String)>,
}

impl Customer {
    fn new(n: usize, planted: &mut Counts, numbers: &mut Numbers) -> Self {
        let korean = numbers.below(2) == 0;
        let mut make = |kind, numbers: &mut Numbers| {
            plant(kind, planted);
            identifier(kind, n, numbers)
        };
        let phone = match (korean, numbers.below(5)) {
            (true, _) => PHONE_KR,
            (false, 0 | 1) => E164,
            (false, _) => PHONE_US,
        };
        let more = match (numbers.below(100), korean) {
            (0..15, true) => Some(RRN),
            (0..15, false) => Some(SSN),
            (15..30, _) => Some(CARD),
            (30..33, _) => Some(IBAN),
            _ => None,
        };
        Self {
            id: 1 + numbers.below(10_000_000),
            korean,
            name: name(korean, numbers),
            phone: make(phone, numbers),
            email: make(EMAIL, numbers),
            address: address(korean, numbers),
            order: format!(
                "ORD-20{:02}{:02}{:02}-{:07}",
                18 + numbers.below(9),
                1 + numbers.below(12),
                1 + numbers.below(28),
                numbers.below(10_000_000)
            ),
            ordered_at: moment(numbers),
            amount: format!("{}.{:02}", 1 + numbers.below(900), numbers.below(100)),
            more: more.map(|kind| (kind, make(kind, numbers))),
        }
    }

    fn currency(&self) -> &'static str {
        if self.korean { "KRW" } else { "USD" }
    }

    fn write_json(&self, text: &mut String) {
        write!(
            text,
            "{{\"customer_id\":{},\"name\":\"{}\",\"phone\":\"{}\",\"email\":\"{}\",\"shipping_address\":\"{}\",\
             \"order_id\":\"{}\",\"ordered_at\":\"{}\",\"amount\":{},\"currency\":\"{}\"",
            self.id,
            self.name,
            self.phone,
            self.email,
            self.address,
            self.order,
            self.ordered_at,
            self.amount,
            self.currency()
        )
        .expect("a string takes every byte");
        if let Some((kind, value)) = &self.more {
            write!(text, ",\"{}\":\"{value}\"", column(*kind)).expect("a string takes every byte");
        }
        text.push('}');
    }

    fn write_csv(&self, text: &mut String) {
        let more = |wanted: &str| match &self.more {
            Some((kind, value)) if column(*kind) == wanted => value.as_str(),
            _ => "",
        };
        writeln!(
            text,
            "{},{},{},{},\"{}\",{},{},{},{},{},{},{}",
            self.id,
            self.name,
            self.phone,
            self.email,
            self.address,
            self.order,
            self.ordered_at,
            self.amount,
            self.currency(),
            more("national_id"),
            more("card"),
            more("iban")
        )
        .expect("a string takes every byte");
    }
}

fn column(kind: usize) -> &'static str {
    match kind {
        CARD => "card",
        IBAN => "iban",
        _ => "national_id",
    }
}
