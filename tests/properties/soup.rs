//! Bodies that no grammar allows, and those that nest and quote in every way it does: one answer, whatever the chunks.

use proptest::prelude::*;
use tidegate::engine::inspect::{Bounds, Resolution};
use tidegate::engine::structure::Declared;

use super::{Limit, inspect};

/// What soup is made of: punctuation of every format, escapes and their halves, and what identifies people.
pub(super) const INGREDIENTS: [&str; 42] = [
    "{",
    "}",
    "[",
    "]",
    ",",
    ":",
    "\"",
    "'",
    "\\",
    "\\\"",
    "\"\"",
    "\n",
    "\r\n",
    "\n\n",
    " ",
    "\t",
    ";",
    "|",
    "<",
    ">",
    "&",
    "=",
    "-",
    "0",
    "1e9",
    "null",
    "true",
    "\\u0040",
    "\\u00",
    "\u{feff}",
    "가",
    "data: ",
    "\"email\":",
    "\"color\":",
    "\"size\":{\"color\":1},",
    "\"phone\":",
    "email,phone\n",
    "a@mail.example",
    "b@mail.example",
    "\"c@mail.example\"",
    "010-2000-0001",
    "\"010-2000-0002\"",
];

fn soup() -> impl Strategy<Value = String> {
    prop::collection::vec(prop::sample::select(INGREDIENTS.as_slice()), 0..60).prop_map(|parts| parts.concat())
}

/// A value with identifiers before, inside and after other records, under names that need escapes.
fn nested() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        (0..40_u32).prop_map(|n| format!("\"p{n}@mail.example\"")),
        (0..40_u32).prop_map(|n| format!("\"010-2000-{n:04}\"")),
        (0..40_u32).prop_map(|n| format!("\"said \\\"p{n}@mail.example\\\" and, \\\\\"")),
        Just("8201020000001".to_owned()),
        Just("null".to_owned()),
    ];
    leaf.prop_recursive(4, 40, 5, |inner| {
        let name = prop::sample::select(vec![
            "email",
            "owner",
            "list",
            "color",
            "size",
            "17",
            "18",
            "a\\\"b",
            "q@mail.example",
        ]);
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(|items| format!("[{}]", items.join(","))),
            prop::collection::vec((name, inner), 0..5).prop_map(|fields| {
                let fields: Vec<String> = fields
                    .iter()
                    .map(|(name, value)| format!("\"{name}\": {value}"))
                    .collect();
                format!("{{{}}}", fields.join(", "))
            }),
        ]
    })
}

/// Rows whose cells hold quotes, separators and line ends.
fn quoted_table() -> impl Strategy<Value = String> {
    let cell = prop_oneof![
        (0..40_u32).prop_map(|n| format!("p{n}@mail.example")),
        (0..40_u32).prop_map(|n| format!("\"say \"\"p{n}@mail.example\"\", twice\"")),
        (0..40_u32).prop_map(|n| format!("\"010-2000-{n:04}\n\"")),
        Just("\"\"".to_owned()),
        Just("x\"y".to_owned()),
        Just(String::new()),
    ];
    let row = prop::collection::vec(cell, 1..5).prop_map(|cells| cells.join(","));
    (
        prop::collection::vec(row, 0..12),
        prop::sample::select(vec!["\n", "\r\n"]),
    )
        .prop_map(|(rows, end)| format!("name,email,phone{end}{}{end}", rows.join(end)))
}

fn declared() -> impl Strategy<Value = Declared> {
    prop::sample::select(vec![
        Declared::Unknown,
        Declared::Json,
        Declared::Table,
        Declared::Lines,
        Declared::Markup,
    ])
}

pub(super) fn bounds() -> impl Strategy<Value = Bounds> {
    let held = prop::sample::select(vec![64_u64, 4_096, 64 << 10]);
    let segment = prop::sample::select(vec![1_usize, 16, 2_048]);
    (held, segment).prop_map(|(held_bytes_max, segment_bytes)| Bounds {
        held_bytes_max,
        segment_bytes,
        ..Bounds::default()
    })
}

pub(super) fn then() -> impl Strategy<Value = Option<Limit>> {
    let then = prop::sample::select(vec![Resolution::Cut, Resolution::Mask]);
    prop::option::of((0..6_usize, then).prop_map(|(people, then)| Limit { people, then }))
}

/// Whole, in chunks, byte by byte: the same; and what left is a part of what came, or as long.
pub(super) fn one_answer(
    body: &str,
    declared: Declared,
    bounds: Bounds,
    limit: Option<Limit>,
    chunk: usize,
) -> Result<(), TestCaseError> {
    let body = body.as_bytes();
    let whole = inspect(body, body.len().max(1), declared, bounds, limit);
    match limit.map(|limit| limit.then) {
        Some(Resolution::Mask) => prop_assert_eq!(whole.released.len(), body.len(), "masks keep lengths"),
        Some(_) => prop_assert!(body.starts_with(&whole.released), "a cut changes nothing before it"),
        None => prop_assert!(whole.released == body, "watching changes nothing"),
    }
    for chunk in [chunk, 1] {
        let split = inspect(body, chunk, declared, bounds, limit);
        let released = |outcome: &super::Outcome| String::from_utf8_lossy(&outcome.released).into_owned();
        prop_assert_eq!(released(&split), released(&whole), "in chunks of {}", chunk);
        prop_assert_eq!(&split, &whole, "in chunks of {}", chunk);
    }
    Ok(())
}

#[test]
fn what_stands_before_the_name_that_makes_a_map_waits_for_nobody() {
    for limit in [0, 1]
        .map(|people| {
            Some(Limit {
                people,
                then: Resolution::Cut,
            })
        })
        .into_iter()
        .chain([None])
    {
        let body = r#"{{a@mail.example,}"c@mail.example"""}"#;
        one_answer(body, Declared::Unknown, Bounds::default(), limit, 3).expect("one answer");
    }
}

proptest! {
    #![proptest_config(super::config(400))]

    #[test]
    fn soup_has_one_answer(
        body in soup(), declared in declared(), bounds in bounds(), limit in then(), chunk in 1_usize..40,
    ) {
        one_answer(&body, declared, bounds, limit, chunk)?;
    }

    #[test]
    fn records_around_records_have_one_answer(
        body in nested(), bounds in bounds(), limit in then(), chunk in 1_usize..40,
    ) {
        one_answer(&body, Declared::Json, bounds, limit, chunk)?;
    }

    #[test]
    fn quotes_in_cells_have_one_answer(
        body in quoted_table(), bounds in bounds(), limit in then(), chunk in 1_usize..40,
    ) {
        one_answer(&body, Declared::Table, bounds, limit, chunk)?;
    }

    #[test]
    fn what_is_masked_can_still_be_read(body in nested(), people in 0_usize..4) {
        let limit = Some(Limit { people, then: Resolution::Mask });
        let outcome = inspect(body.as_bytes(), 7, Declared::Json, Bounds::default(), limit);
        let text = String::from_utf8(outcome.released).expect("masks are ASCII");
        prop_assert!(serde_json::from_str::<serde_json::Value>(&text).is_ok(), "{}", text);
    }
}
