//! Documents as programs write them, whole and with slips: what is passed over in a whole chunk, and what is read byte by byte,
//! gives one answer.

use proptest::prelude::*;
use proptest::sample::{Index, select};
use tidegate::engine::inspect::{Bounds, Resolution};
use tidegate::engine::structure::Declared;

use super::soup::{INGREDIENTS, bounds, one_answer, then};
use super::{Limit, inspect};

/// A value of which there are many: `#` is its number.
fn value(of: &'static [&'static str]) -> impl Strategy<Value = String> {
    (select(of), 0..9_000_u32).prop_map(|(value, n)| value.replace('#', &format!("{n:04}")))
}

/// What calm objects hold: nothing that a search would find anything in.
const CALM: [&str; 12] = [
    "17",
    "170000000#000",
    "-1.5e#",
    "null",
    "true",
    "\"2024-01-02T03:04:05.#Z\"",
    "\"0f8fad5b-#-5678-a165-70867728950e\"",
    "\"\"",
    "\"as it is, or so {they say}\"",
    "\"a \\\"quoted\\\" word\\\\\"",
    "\"A-#\"",
    "\"가나다\"",
];
/// What identifies people, or nearly does.
const TELLING: [&str; 14] = [
    "\"p#@mail.example\"",
    "\"p\\u0040mail.example\"",
    "\"010-2000-#\"",
    "\"0102000#\"",
    "0102000#",
    "820102000#",
    "\"Susan Moore\"",
    "\"홍길동\"",
    "\"4111 1111 1111 1111\"",
    "\"write to p#@mail.example or 010-2000-#, \\\"please\\\"\"",
    "\"{\\\"phone\\\":\\\"010-2000-#\\\",\\\"name\\\":\\\"Susan Moore\\\"}\"",
    "\"[{\\\"email\\\":\\\"p#@mail.example\\\"}]\"",
    "\"{name: 'Susan Moore', tel: '010-2000-#'}\"",
    "\"서울 강남구 테헤란로 152\"",
];
const PLAIN_NAMES: [&str; 12] = [
    "id",
    "sku",
    "at",
    "size",
    "tags",
    "color",
    "of",
    "x",
    "createdAt",
    "a\\\"b",
    "width",
    "ref",
];
const TELLING_NAMES: [&str; 16] = [
    "email",
    "phone",
    "name",
    "buyer",
    "recipient",
    "S",
    "columns",
    "rows",
    "17",
    "q@mail.example",
    "body",
    "value",
    "tel",
    "order_no",
    "first_name",
    "n\\u0061me",
];

/// A value, and what is in it: calm but for one in so many.
fn calm_value(telling: u32) -> impl Strategy<Value = String> {
    let leaf = prop_oneof![24 => value(&CALM), telling => value(&TELLING)];
    leaf.prop_recursive(3, 24, 6, move |inner| {
        let name = prop_oneof![20 => select(&PLAIN_NAMES[..]), telling => select(&TELLING_NAMES[..])];
        prop_oneof![
            1 => prop::collection::vec(inner.clone(), 0..5).prop_map(|items| format!("[{}]", items.join(","))),
            4 => prop::collection::vec((name, inner), 0..6).prop_map(|members| object(&members)),
        ]
    })
}

fn object(members: &[(&str, String)]) -> String {
    let members: Vec<String> = members
        .iter()
        .map(|(name, value)| format!("\"{name}\":{value}"))
        .collect();
    format!("{{{}}}", members.join(","))
}

/// An array of objects, most of which the sink hears nothing of; written close together or with blanks.
fn calm_rows() -> impl Strategy<Value = String> {
    let name = || prop_oneof![30 => select(&PLAIN_NAMES[..]), 1 => select(&TELLING_NAMES[..])];
    let row = prop::collection::vec((name(), calm_value(1)), 0..7).prop_map(|members| object(&members));
    let around = select(
        &[
            ["[", ",", "]"],
            ["{\"items\":[", ",\n  ", "],\"phone\":\"010-2000-0009\"}"],
            ["", "\n", "\n"],
        ][..],
    );
    (around, prop::collection::vec(row, 0..24))
        .prop_map(|([before, between, behind], rows)| [before, &rows.join(between), behind].concat())
}

/// A table in arrays, with its header as a first row or beside it, and rows that are too short, too long or no rows.
fn columns() -> impl Strategy<Value = String> {
    let header = || prop_oneof![2 => select(&PLAIN_NAMES[..]), 3 => select(&TELLING_NAMES[..])];
    let header = prop::collection::vec(header(), 0..6);
    let cell = || prop_oneof![2 => value(&CALM), 3 => value(&TELLING), 1 => calm_value(4)];
    let row = prop_oneof![
        12 => prop::collection::vec(cell(), 0..6).prop_map(|cells| format!("[{}]", cells.join(", "))),
        1 => cell(),
    ];
    let form = select(
        &[
            "[[^],&]",
            "{\"columns\":[^],\"rows\":[&]}",
            "{\"rows\":[&],\"columns\":[^]}",
            "{\"x\":{\"fields\":[?],\"data\":[&]},\"data\":[&]}",
            "[{\"head\":[^], \"vars\":[&]}, [^, 7], &]",
            "{\"schema\":[^,[]],\"rows\":[&],\"keys\":[?],\"of\":[&]}",
        ][..],
    );
    (form, header, prop::collection::vec(row, 0..8)).prop_map(|(form, header, rows)| {
        let written = |with: &dyn Fn(&&str) -> String| header.iter().map(with).collect::<Vec<_>>().join(",");
        form.replace('^', &written(&|name| format!("\"{name}\"")))
            .replace(
                '?',
                &written(&|name| format!("{{\"name\":\"{name}\",\"type\":\"text\"}}")),
            )
            .replace('&', &rows.join(","))
    })
}

/// Pieces of pages: whole tags, attributes, inline tags, comments, scripts, and what stands between them.
const MARKUP: [&str; 64] = [
    "<div>",
    "</div>",
    "<p class='user-card__line text-sm'>",
    "</p>",
    "<table><tr><th>Name<th>Phone</tr>",
    "<tr>",
    "</tr>",
    "<td>",
    "</td>",
    "</table>",
    "<ul>",
    "<li>",
    "</li>",
    "<dl><dt>",
    "</dt><dd>",
    "</dd></dl>",
    "<br>",
    "<br/>",
    "<hr />",
    "<b>",
    "</b>",
    "<span class=phone>",
    "</span>",
    "<strong>Phone:</strong>",
    "<a href='mailto:p#@mail.example'>",
    "<a href=\"tel:+82102000#\">",
    "</a>",
    "<input name=email value='p#@mail.example'>",
    "<input type=hidden name='phone' value=0102000#>",
    "<option value='p#@mail.example' selected>",
    "<div data-user='{&quot;first_name&quot;:&quot;Susan&quot;,&quot;phone&quot;:&quot;010-2000-#&quot;}'>",
    "<div data-props='{\"name\":\"Susan Moore\",\"tel\":\"010-2000-#\"}' id=x#>",
    "<img src='https://mail.example/a.png?id=170000000#' alt=''>",
    "<!-- p#@mail.example -->",
    "<!-- a > b --",
    "<!doctype html>",
    "<?xml version='1.0'?>",
    "<![CDATA[010-2000-#]]>",
    "<script>const x = { name: 'Susan Moore', phone: '010-2000-#' };</script>",
    "<script type='application/json'>{\"email\":\"p#@mail.example\",\"id\":#}</script>",
    "<script type=application/ld+json>[{\"@type\":\"Person\",\"telephone\":\"010-2000-#\"}]</script>",
    "<script>if (a < b) { f(\"</div>\", 'p#@mail.example') } // c",
    "</script>",
    "<style>.a:before { content: \"p#@mail.example\" }</style>",
    "<textarea name=note>p#@mail.example</textarea>",
    "<title>p#@mail.example</title>",
    "<svg><path d='M0 0L 10200 2000'/></svg>",
    "<user>",
    "</user>",
    "<tel kind='a'>",
    "</tel>",
    "<고객명>",
    "</고객명>",
    "<",
    ">",
    "&lt;p&#64;mail.example&gt;",
    "&commat;",
    "p#@mail.example",
    "p#<wbr>@mail.example",
    "010-2000-#",
    "Name: ",
    "Susan Moore",
    "so it is written here, and so it stays ",
    "\n   ",
];

fn page() -> impl Strategy<Value = String> {
    prop::collection::vec(value(&MARKUP), 0..40).prop_map(|parts| parts.concat())
}

/// Lines of logs, tables drawn with bars, labels and addresses of requests.
const LINES: [&str; 28] = [
    "user=kim phone=\"010-2000-#\" mail=p#@mail.example",
    "level=info at=2024-01-02T03:04:05Z msg=\"saved\" id=#",
    "GET /x?mail=p#%40mail.example&tel=%2B82102000#&a=b HTTP/1.1",
    "saved name=\"Susan Moore\" tel=010-2000-#, note=a b",
    "ATTENDEE;CN=Susan Moore;RSVP=TRUE:mailto:p#@mail.example",
    "| name | phone | mail |",
    "|---|:--:|---|",
    "| Susan Moore | 010-2000-# | p#@mail.example |",
    "| Susan Moore | 010-2000-#",
    "+------+-------+",
    "name | phone",
    "-----+------",
    "Susan Moore | 010-2000-#",
    "Name: Susan Moore",
    "Phone: 010-2000-#",
    "  - email: p#@mail.example",
    "    tel: \"0102000#\"",
    "people:",
    "{\"email\":\"p#@mail.example\",\"tel\":\"010-2000-#\"}",
    "data: {\"name\":\"Susan Moore\",\"phone\":\"010-2000-#\"}",
    "2024-01-02 03:04:05,# INFO p#@mail.example did {\"phone\":\"010-2000-#\"}",
    "TEL;TYPE=cell:+82-10-2000-#",
    "BEGIN:VCARD",
    "END:VCARD",
    "a = b == c",
    "INSERT INTO t (name, phone) VALUES ('Susan Moore', '010-2000-#'), ('x', 'p#@mail.example'); -- so",
    "name=Susan+Moore&phone=010-2000-#&mail=p#%40mail.example",
    "",
];

fn lines() -> impl Strategy<Value = String> {
    let end = select(&["\n", "\r\n"][..]);
    (prop::collection::vec(value(&LINES), 0..16), end).prop_map(|(lines, end)| lines.join(end))
}

/// The same with slips: here and there a character is missing, or something stands that does not belong there.
fn slips(document: impl Strategy<Value = String>) -> impl Strategy<Value = String> {
    let slip = (any::<Index>(), prop::option::of(select(&INGREDIENTS[..])));
    (document, prop::collection::vec(slip, 0..3)).prop_map(|(mut document, slips)| {
        for (place, slip) in slips {
            let places: Vec<usize> = document.char_indices().map(|(at, _)| at).collect();
            if places.is_empty() {
                break;
            }
            let at = *place.get(&places);
            match slip {
                Some(text) => document.insert_str(at, text),
                None => drop(document.remove(at)),
            }
        }
        document
    })
}

fn declared(of: &'static [Declared]) -> impl Strategy<Value = Declared> {
    select(of)
}

#[test]
fn a_text_in_which_nothing_wakes_a_search_is_none_with_names() {
    let body = r#"{"at":"{name: 'Susan Moore'","tel":"010-2000-0000"}"#;
    one_answer(body, Declared::Json, Bounds::default(), None, 5).expect("one answer");
}

#[test]
fn a_header_says_something_once_a_value_is_told_under_it() {
    for body in [
        r#"{"fields":[{"name":"order_no"},{"name":"id"}],"rows":[[null]]}"#,
        r#"{"x":{"columns":["value","phone"],"data":[["Susan Moore","010-2000-0000"],["4111 1111 1111 1111"]]}}"#,
        r#"{"columns":["name","buyer"],"rows":[[null,null,{"email":"a@mail.example"}],[{"tel":"010-2000-0000"},1]]}"#,
    ] {
        one_answer(body, Declared::Json, Bounds::default(), None, 5).expect("one answer");
    }
}

#[test]
fn what_hides_before_another_value_of_its_text_is_masked_too() {
    let body = "<script>a@mail.example b<wbr>@mail.example <020000000</script>c@mail.example";
    let limit = Limit {
        people: 0,
        then: Resolution::Mask,
    };
    for chunk in [body.len(), 30, 1] {
        let masked = inspect(body.as_bytes(), chunk, Declared::Markup, Bounds::default(), Some(limit));
        let text = String::from_utf8_lossy(&masked.released).into_owned();
        assert_eq!((text.len(), text.matches('@').count()), (body.len(), 0), "{text}");
    }
    one_answer(body, Declared::Markup, Bounds::default(), Some(limit), 7).expect("one answer");
}

proptest! {
    #![proptest_config(super::config(150))]

    #[test]
    fn objects_passed_over_whole_have_one_answer(
        body in slips(prop_oneof![calm_rows(), calm_value(6)]),
        declared in declared(&[Declared::Json, Declared::Unknown, Declared::Script]),
        bounds in bounds(), limit in then(), chunk in 1_usize..300,
    ) {
        one_answer(&body, declared, bounds, limit, chunk)?;
    }

    #[test]
    fn tables_in_arrays_have_one_answer(
        body in slips(columns()), bounds in bounds(), limit in then(), chunk in 1_usize..200,
    ) {
        one_answer(&body, Declared::Json, bounds, limit, chunk)?;
    }

    #[test]
    fn whole_tags_have_one_answer(
        body in slips(page()), declared in declared(&[Declared::Markup, Declared::Xml, Declared::Unknown, Declared::Script]),
        bounds in bounds(), limit in then(), chunk in 1_usize..300,
    ) {
        one_answer(&body, declared, bounds, limit, chunk)?;
    }

    #[test]
    fn lines_of_every_kind_have_one_answer(
        body in slips(lines()),
        declared in declared(&[Declared::Lines, Declared::Unknown, Declared::Table, Declared::Sql, Declared::Form]),
        bounds in bounds(), limit in then(), chunk in 1_usize..200,
    ) {
        one_answer(&body, declared, bounds, limit, chunk)?;
    }
}
