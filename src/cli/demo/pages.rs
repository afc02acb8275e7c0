//! What the pages of the synthetic shop say.

use serde::Serialize;
use serde_json::{Value, json};

use super::people::{Person, address, orders, person};

/// The home page, without a person in it.
pub(super) const HOME: &str = "<!doctype html>\n<html lang=\"en\">\n<head><meta charset=\"utf-8\"><title>Tide & Co.</title>\
<script src=\"/static/app.js\" defer></script></head>\n<body><h1>Tide &amp; Co.</h1>\n<p>Tea, lamps and warm blankets, \
sent to Korea and to America.</p>\n<ul><li><a href=\"/me\">My profile</a></li><li><a href=\"/me/orders\">My orders</a>\
</li><li><a href=\"/stores\">Our stores</a></li></ul></body>\n</html>\n";

/// The script of the home page.
pub(super) const SCRIPT: &str = "\"use strict\";\nfetch(\"/me\").then((answer) => answer.json()).then((me) => {\n  \
document.title = `Tide & Co. | ${me.name}`;\n});\n";

/// Any value as JSON text.
pub(super) fn json<T: Serialize + ?Sized>(value: &T) -> String {
    serde_json::to_string(value).expect("strings and numbers are JSON")
}

/// The address book: at home, at work, and whoever was sent a parcel. Everybody stands with her own e-mail address, to
/// which the notice of delivery goes.
pub(super) fn addresses(number: u32) -> Value {
    let mut book = vec![entry("home", number, 0), entry("work", number, 1)];
    let mut others = orders(number)
        .iter()
        .map(|order| order.recipient)
        .filter(|other| *other != number)
        .collect::<Vec<_>>();
    others.dedup();
    book.extend(others.into_iter().map(|other| entry("gift", other, 0)));
    json!({ "addresses": book })
}

fn entry(label: &str, number: u32, which: u32) -> Value {
    let Person {
        serial,
        name,
        email,
        phone,
        ..
    } = person(number);
    json!({
        "serial": serial, "label": label, "name": name, "email": email, "phone": phone, "address": address(number, which),
    })
}

/// The orders of a customer, each with its buyer and its recipient.
pub(super) fn order_history(number: u32) -> Value {
    let buyer = person(number);
    let buyer = json!({ "serial": buyer.serial, "name": buyer.name, "email": buyer.email });
    let history = orders(number).into_iter().map(|order| {
        json!({
            "order": order.id, "date": order.date, "item": order.item, "price": order.price,
            "buyer": buyer, "recipient": person(order.recipient),
        })
    });
    json!({ "orders": history.collect::<Vec<_>>() })
}

/// How many customers one page of the search shows.
pub(super) const SEARCH_ROWS: usize = 50;

/// The `page`-th fifty customers whose e-mail address contains `text`.
pub(super) fn search(people: &[Person], text: &str, page: usize) -> String {
    let hits = people.iter().filter(|person| person.email.contains(text));
    let rows = hits
        .skip(page.saturating_mul(SEARCH_ROWS))
        .take(SEARCH_ROWS)
        .collect::<Vec<_>>();
    format!("{{\"page\":{page},\"customers\":{}}}", json(&rows))
}

/// The store locator: telephones and addresses of no person.
pub(super) fn stores() -> Value {
    const STORES: [(&str, &str, &str); 8] = [
        ("Gangnam", "02-555-0101", "서울특별시 강남구 강남대로 396"),
        ("Hongdae", "02-555-0102", "서울특별시 마포구 양화로 160"),
        ("Seomyeon", "051-555-0103", "부산광역시 부산진구 서면로 39"),
        ("Dongseong-ro", "053-555-0104", "대구광역시 중구 동성로 25"),
        ("Fifth Avenue", "(212) 555-0150", "601 Fifth Avenue, New York, NY 10017"),
        ("Pike Street", "(206) 555-0151", "120 Pike Street, Seattle, WA 98101"),
        ("State Street", "(312) 555-0152", "32 State Street, Chicago, IL 60603"),
        (
            "Market Street",
            "(415) 555-0153",
            "845 Market Street, San Francisco, CA 94103",
        ),
    ];
    let stores = STORES
        .iter()
        .map(|(store, phone, address)| json!({ "store": store, "phone": phone, "address": address }));
    json!({ "stores": stores.collect::<Vec<_>>() })
}

#[cfg(test)]
mod tests {
    use super::super::people::{PEOPLE, count_serials};
    use super::*;

    #[test]
    fn a_customers_own_pages_show_her_and_whom_she_sent_something() {
        for number in 0..PEOPLE {
            let expected = orders(number)
                .iter()
                .map(|order| order.recipient)
                .chain([number])
                .collect();
            assert_eq!(count_serials(json(&addresses(number)).as_bytes()), expected, "{number}");
            assert_eq!(
                count_serials(json(&order_history(number)).as_bytes()),
                expected,
                "{number}"
            );
        }
    }

    #[test]
    fn a_search_page_shows_fifty() {
        let people = (0..PEOPLE).map(person).collect::<Vec<_>>();
        for page in 0..3 {
            assert_eq!(
                count_serials(search(&people, "kim", page).as_bytes()).len(),
                SEARCH_ROWS
            );
        }
        assert_eq!(search(&people, "nobody", 0), "{\"page\":0,\"customers\":[]}");
        assert_eq!(
            search(&people, "kim", usize::MAX),
            format!("{{\"page\":{},\"customers\":[]}}", usize::MAX)
        );
    }
}
