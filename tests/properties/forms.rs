//! Values in other forms: escapes within escapes, other alphabets, characters that are not seen. The same people, each masked
//! where they stand.

use tidegate::engine::inspect::{Bounds, Resolution};
use tidegate::engine::structure::Declared;

use super::written::{Form, PEOPLE, TEXTS, VALUES, person, table};
use super::{Limit, inspect};

const GRANTED: usize = 7;

/// Bodies of values in this form, by their structure.
fn bodies(form: Form) -> Vec<(Declared, String)> {
    let all = || (0..PEOPLE).map(|number| form(&person(number)));
    let json = all()
        .map(|value| format!("{{\"no\":\"x\",\"v\":\"{value}\"}}"))
        .collect::<Vec<_>>();
    vec![
        (Declared::Json, format!("[{}]", json.join(","))),
        (Declared::Unknown, format!("[{}]", json.join(","))),
        (
            Declared::Lines,
            all().map(|value| format!("to {value} now\n")).collect(),
        ),
        (
            Declared::Table,
            format!("a,b\n{}", all().map(|value| format!("x,{value}\n")).collect::<String>()),
        ),
    ]
}

#[test]
fn values_in_every_form_are_people_and_are_cut_at_the_limit() {
    for (name, form) in VALUES {
        for (declared, body) in bodies(form) {
            for chunk in [1, 7, 100, body.len()] {
                let all = inspect(body.as_bytes(), chunk, declared, Bounds::default(), None);
                assert_eq!(all.asked.len(), PEOPLE, "{name}, {declared:?}, {chunk}: {body:.200}");
            }
            let limit = Limit {
                people: GRANTED,
                then: Resolution::Cut,
            };
            let cut = inspect(body.as_bytes(), 100, declared, Bounds::default(), Some(limit));
            let shown = String::from_utf8_lossy(&cut.released).into_owned();
            assert!(
                cut.stopped && shown.contains(&form(&person(GRANTED - 1))),
                "{name}, {declared:?}"
            );
            assert!(
                !shown.contains(&form(&person(GRANTED))),
                "{name}, {declared:?}: {shown}"
            );
        }
    }
}

#[test]
fn a_text_in_every_form_is_a_body_of_its_own() {
    for (name, form) in TEXTS {
        for extra in [0, 400] {
            let text = form(&table(extra));
            let bodies = [
                (
                    Declared::Json,
                    format!("{{\"file\":\"{}\"}}", text.replace("\r\n", "\\r\\n")),
                ),
                (Declared::Lines, format!("Here it is:\n\n{text}\n\nGood bye\n")),
                (Declared::Unknown, text.clone()),
            ];
            for (declared, body) in bodies {
                let counted: Vec<usize> = [1, 100, 3000, body.len()]
                    .map(|chunk| inspect(body.as_bytes(), chunk, declared, Bounds::default(), None))
                    .iter()
                    .map(|all| all.asked.iter().map(|ask| ask.people.len()).sum())
                    .collect();
                assert_eq!(counted, [PEOPLE; 4], "{name}, {extra}, {declared:?}");
                let limit = Limit {
                    people: GRANTED,
                    then: Resolution::Cut,
                };
                let cut = inspect(body.as_bytes(), 100, declared, Bounds::default(), Some(limit));
                assert!(
                    cut.stopped && cut.released.len() < body.len(),
                    "{name}, {extra}, {declared:?}"
                );
            }
        }
    }
}

#[test]
fn what_is_masked_in_another_form_is_nobody_and_keeps_its_length() {
    let limit = Limit {
        people: GRANTED,
        then: Resolution::Mask,
    };
    for (name, form) in VALUES {
        for (declared, body) in bodies(form) {
            let masked = inspect(body.as_bytes(), 64, declared, Bounds::default(), Some(limit));
            assert_eq!(masked.released.len(), body.len(), "{name}, {declared:?}");
            let again = inspect(&masked.released, 64, declared, Bounds::default(), None);
            assert_eq!(
                again.asked.len(),
                GRANTED,
                "{name}, {declared:?}: {:?}",
                String::from_utf8_lossy(&masked.released)
            );
        }
    }
    for (name, form) in TEXTS {
        let body = format!("{{\"file\":\"{}\"}}", form(&table(0)).replace("\r\n", "\\r\\n"));
        let masked = inspect(body.as_bytes(), 64, Declared::Json, Bounds::default(), Some(limit));
        assert_eq!(masked.released.len(), body.len(), "{name}");
        let again = inspect(&masked.released, 64, Declared::Json, Bounds::default(), None);
        let people: usize = again.asked.iter().map(|ask| ask.people.len()).sum();
        assert!(people <= GRANTED, "{name}: {people}");
    }
}
