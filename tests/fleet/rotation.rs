//! Gateways over one store while the key that they hash people with is replaced, one gateway after the other.

use tidegate::engine::secret::HashKey;

use super::member::{Member, settings, used};
use super::server::{Server, until};

/// A gateway before, while and after its key of people is replaced.
fn steps() -> [HashKey; 4] {
    let (old, new) = (|| HashKey::new([7; 32]), || HashKey::new([9; 32]));
    [
        old(),
        old().hashing_people(None, Some(new())),
        old().hashing_people(Some(new()), Some(old())),
        old().hashing_people(Some(new()), None),
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_limit_holds_over_gateways_that_are_one_step_apart() {
    for strict in [false, true] {
        let server = Server::start(&[]).await;
        let session = used(1, 30, strict);
        let keys = std::slice::from_ref(&session);
        let steps = steps();
        let mut shown: Vec<u64> = Vec::new();
        let mut one = Member::start_with(settings(&server.url()), steps[0].clone()).await;
        // The first has always begun with a step before the other has.
        for (number, step) in (1_u64..).zip(&steps[1..]) {
            let other = Member::start_with(settings(&server.url()), step.clone()).await;
            for (place, member) in (0_u64..).zip([&one, &other, &one, &other]) {
                let first = number * 1_000 + place * 10;
                let people = [first, first + 1];
                assert_eq!(
                    member.exchange(keys, &people, false).await.people,
                    people,
                    "step {number}"
                );
                shown.extend(people);
                // Known ones are nobody new, at whichever gateway.
                for member in [&one, &other] {
                    until("each hears of them", async || {
                        member.people_when_used(&session, shown[0]).await as usize == shown.len()
                    })
                    .await;
                    let known = member.exchange(keys, &shown, false).await;
                    assert_eq!(known.people, shown, "step {number}");
                }
            }
            one.end().await;
            one = other;
        }
        let asked: Vec<u64> = (9_000..9_050).collect();
        let last = one.exchange(keys, &asked, false).await;
        assert_eq!(last.people.len(), 30 - shown.len(), "the limit is what it was");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gateway_that_is_two_steps_apart_does_not_join() {
    let server = Server::start(&[]).await;
    let steps = steps();
    for (there, comes) in [(0, 2), (2, 0), (1, 3), (3, 0)] {
        let settings = tidegate::fleet::Settings {
            prefix: format!("steps{there}{comes}"),
            ..settings(&server.url())
        };
        let member = Member::start_with(settings.clone(), steps[there].clone()).await;
        let session = used(1, 9, false);
        member.exchange(std::slice::from_ref(&session), &[1], false).await;
        until("it is there", async || {
            let late = Member::begin_with(settings.clone(), steps[comes].clone()).unwrap();
            let refused = late.fleet.may_join().await;
            late.kill();
            refused.is_err_and(|error| error.to_string().contains("ledger rotate"))
        })
        .await;
        assert!(member.fleet.is_up());
        member.end().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_window_of_a_next_key_begins_with_the_last_gateway_that_has_it() {
    let server = Server::start(&[]).await;
    let [_, both, switched, _] = steps();
    let began = Member::start_with(settings(&server.url()), both.clone()).await;
    let second = began.clock.now().second();
    began.ledger.began_beside(second - 100);
    let late = Member::start_with(settings(&server.url()), both.clone()).await;
    late.ledger.began_beside(second - 10);
    let other = Member::start_with(settings(&server.url()), switched).await;
    other.ledger.began_beside(second - 1);
    for member in [&began, &late] {
        until("each hears of the last", async || {
            member.ledger.beside_since() == second - 10
        })
        .await;
    }
    late.end().await;
    // Who comes back learns it of the store.
    began.kill();
    let again = Member::start_with(settings(&server.url()), both).await;
    until("it is remembered", async || again.ledger.beside_since() == second - 10).await;
    assert_eq!(
        other.ledger.beside_since(),
        second - 1,
        "after the switch it is another window"
    );
    again.end().await;
    other.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_window_of_a_next_key_does_not_begin_while_a_gateway_lacks_it() {
    let server = Server::start(&[]).await;
    let [old, both, ..] = steps();
    let lacking = Member::start_with(settings(&server.url()), old).await;
    let member = Member::start_with(settings(&server.url()), both).await;
    let second = member.clock.now().second();
    member.ledger.began_beside(second - 100);
    until("it begins no sooner than the other has it", async || {
        member.ledger.beside_since() > second
    })
    .await;
    lacking.end().await;
    member.end().await;
}
