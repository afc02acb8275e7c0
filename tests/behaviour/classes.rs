//! Budgets on the values of one class: how many different ones an actor is shown, whoever they are of.

use crate::support::client::{RawReply, get};
use crate::support::gateway::Gateway;
use crate::support::origin::{Answer, Origin};

/// A card number of sixteen digits that passes its check (ISO/IEC 7812-1, annex B).
fn card(number: u32) -> String {
    let digits = format!("41111111{number:07}");
    let sum: u32 = digits
        .bytes()
        .rev()
        .zip([2, 1].into_iter().cycle())
        .map(|(digit, weight)| u32::from(digit - b'0') * weight)
        .map(|product| product / 10 + product % 10)
        .sum();
    format!("{digits}{}", (10 - sum % 10) % 10)
}

/// Rows of customers, each with two cards.
fn rows(people: std::ops::Range<u32>) -> String {
    let row = |number| {
        let (one, other) = (card(number * 2), card(number * 2 + 1));
        format!("{{\"email\":\"c{number}@mail.example\",\"card\":\"{one}\",\"card2\":\"{other}\"}}")
    };
    format!("[{}]", people.map(row).collect::<Vec<_>>().join(",\n"))
}

async fn shown(budgets: &str) -> (Origin, Gateway) {
    let origin = Origin::serve(|request| {
        let range = request.uri.path().trim_start_matches('/').split_once('-').unwrap();
        let (from, to) = (range.0.parse().unwrap(), range.1.parse().unwrap());
        Answer::new("application/json", rows(from..to))
    })
    .await;
    let text = format!(
        "[identity]\nsources = [\"cookie:sid\"]\n[[route]]\nmatch = \"*/\"\nupstream = [\"http://{}\"]\n{budgets}",
        origin.address
    );
    let gateway = Gateway::start(&text).await;
    (origin, gateway)
}

async fn ask(gateway: &Gateway, path: &str, session: &str) -> RawReply {
    get(gateway.address, path, &format!("Cookie: sid={session}\r\n")).await
}

fn cards_in(reply: &RawReply) -> usize {
    String::from_utf8_lossy(&reply.body).matches("41111111").count()
}

const CARDS: &str = "[[budget]]\nname = \"cards\"\nper = \"session\"\nclass = \"card\"\nvalues = 20\nwindow = \"1d\"\n\
    action = \"block\"\nmode = \"enforce\"\n";

#[tokio::test]
async fn exactly_the_limit_of_values_leaves_whatever_people_may() {
    let people = "[[budget]]\nname = \"people\"\nper = \"session\"\npeople = 15\nwindow = \"1d\"\naction = \"block\"\n\
        mode = \"enforce\"\n";
    let (_origin, gateway) = shown(&format!("{CARDS}{people}")).await;
    let first = ask(&gateway, "/0-8", "a").await;
    assert!(first.is_whole && cards_in(&first) == 16);
    let second = ask(&gateway, "/5-30", "a").await;
    assert!(!second.is_whole, "it is over in the middle");
    assert_eq!(cards_in(&second), 10, "six of them were known, four are new");
    let again = ask(&gateway, "/0-10", "a").await;
    assert!(
        again.is_whole && cards_in(&again) == 20,
        "what was shown may be shown again"
    );
    assert_eq!(ask(&gateway, "/10-11", "a").await.status, 403);
    assert_eq!(ask(&gateway, "/10-11", "b").await.status, 200, "another session");
}

#[tokio::test]
async fn an_exchange_may_have_budgets_of_several_things_and_conditions() {
    let budget = |name: &str, limit: &str| {
        format!("[[budget]]\nname = \"{name}\"\nper = \"exchange\"\n{limit}\naction = \"block\"\nmode = \"enforce\"\n")
    };
    let budgets = [
        budget("bulk", "people = 30"),
        budget("some", "people = 6\nwhen = \"route:*/\""),
        budget("cards", "class = \"card\"\nvalues = 10"),
    ];
    let (_origin, gateway) = shown(&budgets.concat()).await;
    for round in 0..5 {
        let path = format!("/{}-{}", round * 5, round * 5 + 5);
        let reply = ask(&gateway, &path, "a").await;
        assert_eq!(
            (reply.status, cards_in(&reply)),
            (200, 10),
            "each exchange counts for itself"
        );
    }
    assert_eq!(cards_in(&ask(&gateway, "/0-40", "a").await), 10);
}

#[tokio::test]
async fn values_over_a_limit_are_masked_with_their_record() {
    let (_origin, gateway) = shown(&CARDS.replace("block", "redact")).await;
    let reply = ask(&gateway, "/0-13", "a").await;
    assert!(reply.is_whole && cards_in(&reply) == 20);
    assert_eq!(reply.body.len(), rows(0..13).len());
}
