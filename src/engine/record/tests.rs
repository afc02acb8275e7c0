//! People of bodies in every format: whatever the format, the same people are counted.

use std::collections::HashSet;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;

use super::Crowd;
use crate::engine::decode::Coding;
use crate::engine::detect::RuleSet;
use crate::engine::inspect::{Bounds, Content, Inspector, Mode, Resolution, Step};
use crate::engine::secret::HashKey;

mod exports;
mod names;
mod parts;

/// What a body shows: people, people without a common buyer, and the texts that a mask would cover.
fn shown(content_type: &str, body: &str) -> (usize, usize, HashSet<String>) {
    static RULES: OnceLock<Arc<RuleSet>> = OnceLock::new();
    let rules = Arc::clone(RULES.get_or_init(|| Arc::new(RuleSet::builtin())));
    let content = Content::new(Some(Coding::Identity), content_type.as_bytes());
    let key = HashKey::new([7; 32]);
    let mut inspector = Inspector::new(Mode::Watch, Bounds::default(), content, rules, key);
    let (mut crowd, mut spans) = (Crowd::default(), HashSet::new());
    let mut step = inspector.push(&Bytes::copy_from_slice(body.as_bytes()));
    let mut ended = false;
    loop {
        step = match step {
            Step::More if ended => break,
            Step::More => {
                ended = true;
                inspector.finish()
            }
            Step::Settle => {
                for record in inspector.records() {
                    crowd.add(record);
                    let span = |place: &super::Place| place.span.start as usize..place.span.end as usize;
                    spans.extend(
                        record
                            .places
                            .iter()
                            .map(|place| body.get(span(place)).unwrap_or_default().to_owned()),
                    );
                }
                inspector.resolve(usize::MAX, Resolution::Granted)
            }
            Step::Release { .. } => inspector.step(),
            Step::Fail(_) | Step::Stopped | Step::Done => break,
        };
    }
    (crowd.people(), crowd.without_common_buyer(false), spans)
}

const HTML: &str = "text/html; charset=utf-8";
const XML: &str = "application/xml";
const SQL: &str = "application/sql";
const FORM: &str = "application/x-www-form-urlencoded";
const TEXT: &str = "text/plain";

fn people(rows: &[(&str, &str, usize, &str)]) {
    for (content_type, body, expected, why) in rows {
        let (count, _, found) = shown(content_type, body);
        assert_eq!(count, *expected, "{why}: {body}: {found:?}");
    }
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table")]
fn html_shows_rows_cards_and_labels() {
    people(&[
        (
            HTML,
            "<table><tr><th>이름<th>전화<th>메일</tr><tr><td>A<td>010-2000-0001<td>a@mail.example</tr>\
             <tr><td>B<td>010-2000-0002<td></tr><tr><td>C<td><td>c@mail.example</tr></table>",
            3,
            "a row is a record",
        ),
        (
            HTML,
            "<table><tr><th>Name<th>Phone<th>Mail<tbody><tr><td>A<td><ul><li>010-2000-0001<li>010-2000-0009</ul></td>\
             <td><table><tr><td>a@mail.example</table></td></tr><tr><td>B<form><button></form><td>010-2000-0002<td></tr></table>",
            2,
            "lists, forms and tables in cells",
        ),
        (
            HTML,
            "<table><tr><th>Name</th><td>A</td></tr><tr><th>Phone</th><td>010-2000-0001</td></tr>\
             <tr><th>Mail</th><td>a@mail.example</td></tr></table>",
            1,
            "titles at the side make one record",
        ),
        (
            HTML,
            "<table><tr><td>A</td><td>010-2000-0001</td></tr><tr><td>B</td><td>010-2000-0002</td></tr></table>",
            2,
            "two phones are two people",
        ),
        (
            HTML,
            "<table><tr><td>A<td>010-2000-0001<td>x</tr><tr><td>B<td>b@mail.example<td>y</tr></table>",
            2,
            "rows of three without a header are records",
        ),
        (
            HTML,
            "<dl><dt>이름</dt><dd>A</dd><dt>휴대폰</dt><dd>010-2000-0001</dd><dt>전화</dt><dd>010-2000-0002</dd>\
             <dt>이메일</dt><dd>a@mail.example</dd></dl>",
            1,
            "labels of one person",
        ),
        (
            HTML,
            "<div class='user-card mb-4 p-3 shadow-sm rounded-lg border'><p class='user-card__title text-lg font-bold'>A</p>\
             <p class='user-card__line text-sm text-gray-600'>010-2000-0001</p>\
             <p class='user-card__line text-sm text-gray-600'><a href='mailto:a@mail.example'>a@mail.example</a></p></div>\
             <div class='user-card mb-4 p-3 shadow-sm rounded-lg border'><p class='user-card__title text-lg font-bold'>B</p>\
             <p class='user-card__line text-sm text-gray-600'>010-2000-0002</p>\
             <p class='user-card__line text-sm text-gray-600'>b@mail.example</p></div>",
            2,
            "cards",
        ),
        (
            HTML,
            "<ul><li>a@mail.example</li><li>b@mail.example</li><li>c@mail.example</li></ul>",
            3,
            "a list of addresses",
        ),
        (
            HTML,
            "<p>kim&#64;mail.example or 010-<b>2000</b>-0001</p><input name=phone value='010-2000-0001'>",
            1,
            "references and inline tags are undone",
        ),
        (
            HTML,
            "<script id=__NEXT_DATA__ type='application/json'>{\"users\":[{\"email\":\"a@mail.example\"},\
             {\"email\":\"b@mail.example\"}]}</script><script>var s = [{\"email\":\"c@mail.example\"}];</script>",
            3,
            "JSON in scripts",
        ),
        (
            HTML,
            "<script>window.x={\"users\":[{\"phone\":\"010-2000-0001\",\"email\":\"a@mail.example\"}]};f()</script>\
             <!-- b@mail.example --><p data-email='c@mail.example'>",
            3,
            "comments and data attributes are searched",
        ),
    ]);
}

#[test]
fn xml_shows_repeated_elements() {
    people(&[
        (
            XML,
            "<?xml version='1.0'?><r><total>2</total><c><n>A</n><mail>a@mail.example</mail><tel>010-2000-0001</tel></c>\
             <c><tel>010-2000-0002</tel></c><c><d><mail><![CDATA[c@mail.example]]></mail></d><tel>010-2000-0003</tel></c></r>",
            3,
            "elements of one name are records",
        ),
        (
            XML,
            "<soap:Envelope><soap:Body><u:user><u:name>A</u:name><u:contact><u:email>a@mail.example</u:email></u:contact>\
             <u:phone>010-2000-0001</u:phone></u:user></soap:Body></soap:Envelope>",
            1,
            "one person, nested",
        ),
        (
            XML,
            "<list><p mail='a@mail.example' tel='010-2000-0001'/><p tel='010-2000-0002'/></list>",
            2,
            "attributes",
        ),
        (
            XML,
            "<resultset><row><field name='phone'>010-2000-0001</field><field name='email'>a@mail.example</field></row>\
             <row><field name='phone'>010-2000-0002</field></row></resultset>",
            2,
            "rows of fields",
        ),
        (
            XML,
            "<to><mail>a@mail.example</mail><mail>b@mail.example</mail></to>",
            2,
            "a list of values",
        ),
    ]);
}

/// A line is searched in part before its end is known: what stands on either side of such a cut is still one thing.
#[test]
fn a_long_line_is_one_thing() {
    let filler = "so it is written here ".repeat(200);
    for before in [1_900, 2_000, 2_030, 2_040, 4_080] {
        let (head, rest) = filler.split_at(before);
        let rest = rest.get(..300).unwrap_or(rest);
        let line = format!("note\n{head} mail kim@mail.example or call 010-2000-0001 for more {rest}{rest}\nnext\n");
        people(&[(TEXT, &line, 1, "one line, one person")]);
    }
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table")]
fn sql_forms_and_lines_show_records() {
    people(&[
        (
            SQL,
            "INSERT INTO u (id, phone, mail) VALUES (1,'010-2000-0001','a@mail.example'),(2,NULL,'b@mail.example'),\n\
             (3,'010-2000-0003',NULL);",
            3,
            "tuples",
        ),
        (
            SQL,
            "COPY public.u (id, phone, mail) FROM stdin;\n1\t010-2000-0001\ta@mail.example\n2\t010-2000-0002\t\\N\n\\.\n",
            2,
            "lines of COPY",
        ),
        (
            SQL,
            "UPDATE u SET mail='a@mail.example' WHERE phone='010-2000-0001';\nUPDATE u SET mail='b@mail.example';",
            2,
            "statements",
        ),
        (
            FORM,
            "name=A&phone=010-2000-0001&mail=a%40mail.example&name=B&phone=%2B82+10+2000+0002",
            2,
            "a name that comes back begins a record",
        ),
        (
            FORM,
            "o[0][phone]=010-2000-0001&o[0][mail]=a%40mail.example&o[1][phone]=010-2000-0002",
            2,
            "an index is a record",
        ),
        (
            FORM,
            "to=a%40mail.example&to=b%40mail.example",
            2,
            "several values of one field",
        ),
        (
            TEXT,
            "BEGIN:VCARD\nFN:A\nTEL;TYPE=CELL:010-2000-0001\nTEL;TYPE=HOME:010-2000-0009\nEMAIL:a@mail.example\nEND:VCARD\n\
             BEGIN:VCARD\nFN:B\nTEL:010-2000-0002\nEND:VCARD\n",
            2,
            "vCards",
        ),
        (
            TEXT,
            "- name: A\n  phone: 010-2000-0001\n  mail: a@mail.example\n- name: B\n  phone: 010-2000-0002\n",
            2,
            "a list of YAML",
        ),
        (
            TEXT,
            "| Name | Phone | Mail |\n|---|---|---|\n| A | 010-2000-0001 | a@mail.example |\n| B | 010-2000-0002 | |\n",
            2,
            "a table of bars",
        ),
        (
            TEXT,
            "Contact: A, 010-2000-0001\nContact: B, 010-2000-0002\nplain a@mail.example\nb@mail.example\n",
            4,
            "lines of their own",
        ),
        (
            TEXT,
            "user=1 phone=010-2000-0001 mail=a@mail.example\nuser=2 phone=010-2000-0002\n",
            2,
            "logfmt",
        ),
        (
            TEXT,
            "Name: A\nPhone: 010-2000-0001\nMail: a@mail.example\n\nName: B\nPhone: 010-2000-0002\n",
            2,
            "blocks",
        ),
        (
            "text/event-stream",
            "event: x\ndata: {\"phone\":\"010-2000-0001\",\"mail\":\"a@mail.example\"}\n\ndata: {\"phone\":\"010-2000-0002\"}\n\n",
            2,
            "events",
        ),
        (
            "multipart/form-data; boundary=xyz",
            "--xyz\r\nContent-Disposition: form-data; name=\"phone\"\r\n\r\n010-2000-0001\r\n\
             --xyz\r\nContent-Disposition: form-data; name=\"mail\"\r\n\r\na@mail.example\r\n\
             --xyz\r\nContent-Disposition: form-data; name=\"f\"; filename=\"u.csv\"\r\nContent-Type: text/csv\r\n\r\n\
             name,phone,mail\r\nB,010-2000-0002,b@mail.example\r\nC,010-2000-0003,\r\n\r\n--xyz--\r\n",
            3,
            "fields are one person, a file's rows are others",
        ),
    ]);
}

#[test]
fn thousands_of_values_in_one_record_are_as_many_people() {
    const MAILS: usize = 8_000;
    let mails: Vec<String> = (0..MAILS).map(|n| format!("u{n}@mail.example")).collect();
    // A value twice is one person.
    let note = [mails.as_slice(), &mails[..10]].concat().join(" ");
    let (all, _, found) = shown("application/json", &serde_json::json!({ "note": note }).to_string());
    assert_eq!((all, found.len()), (MAILS, MAILS));
}

#[test]
fn masks_cover_what_stands_in_the_body() {
    for (content_type, body, raw) in [
        (FORM, "m=kim%40mail.example&x=1", "kim%40mail.example"),
        (HTML, "<p>Mail: kim&commat;mail.example<br>", "kim&commat;mail.example"),
        (HTML, "<td>010-<b>2000</b>-0001</td>", "010-<b>2000</b>-0001"),
        (
            SQL,
            "INSERT INTO t VALUES ('it''s kim@mail.example');",
            "kim@mail.example",
        ),
    ] {
        let (_, _, found) = shown(content_type, body);
        assert!(found.contains(raw), "{body}: {found:?}");
    }
}

#[test]
fn one_buyers_own_orders_are_no_crowd() {
    let rows = |buyer: fn(usize) -> usize| -> String {
        let row = |n: usize| {
            let buyer = buyer(n);
            format!("{n},김구매,010-2000-{buyer:04},수령{n},010-3000-{n:04}\n")
        };
        let header = "order_no,주문자명,주문자연락처,수령인명,수령인연락처\n".to_owned();
        header + &(0..20).map(row).collect::<String>()
    };
    let (all, crowd, _) = shown("text/csv", &rows(|_| 1));
    assert!(all > 10 && crowd < 10, "{all} {crowd}");
    let nested: Vec<String> = (0..20)
        .map(|n| format!(r#"{{"orderId":{n},"receiver":{{"name":"r","phone":"010-3000-{n:04}"}}}}"#))
        .collect();
    let body = format!(
        r#"{{"member":{{"phone":"010-2000-0001"}},"orders":[{}]}}"#,
        nested.join(",")
    );
    let (all, crowd, _) = shown("application/json", &body);
    assert!(all > 10 && crowd < 10, "{all} {crowd}");
    let (all, crowd, _) = shown("application/json", &body.replace("member", "data"));
    assert!(all > 10 && crowd >= 10, "{all} {crowd}");
    let (_, crowd, _) = shown("text/csv", &rows(|n| n + 100));
    assert!(crowd >= 10, "{crowd}");
}

#[test]
fn names_are_read_as_their_reader_does() {
    people(&[
        (
            "application/json",
            r#"{"\uc804\ud654\ubc88\ud638":"01000001234"}"#,
            1,
            "a name with escapes says what it says",
        ),
        (
            HTML,
            "<table><tr><th>T&eacute;l&eacute;phone<th>Ville<tr><td>0639980001<td>Paris</table>",
            1,
            "so does one with character references",
        ),
    ]);
    let (_, _, found) = shown("text/csv", "\"email\",\"name\"\r\n\"a@mail.example\",\"김철수\"\r\n");
    assert!(
        found.contains("김철수"),
        "the last cell of a row ends before its carriage return"
    );
}

#[test]
fn a_member_keeps_its_name_behind_an_empty_container() {
    people(&[(
        "application/json",
        r#"[{"phone":"x","color":1},{"phone":"x","color":{} "0639980001"}]"#,
        0,
        "what stands behind the container is a colour too",
    )]);
}

#[test]
fn text_that_only_begins_like_json_is_searched_all_the_same() {
    let json = "application/json";
    people(&[
        (
            TEXT,
            "{\"ok\":1}\na@mail.example\nb@mail.example",
            2,
            "behind a document",
        ),
        (
            json,
            "[user0]\nemail=a@mail.example\n[user1]\nemail=b@mail.example",
            2,
            "sections",
        ),
        (
            json,
            "\"[{\"email\":\"a@mail.example\"},{\"email\":\"b@mail.example\"}]",
            2,
            "a stray quote",
        ),
        (
            json,
            "[{serial:'1',email:'a@mail.example'},{serial:'2',email:'b@mail.example'}]",
            2,
            "other quotes",
        ),
        (
            "text/plain",
            "id,phone\nx,010-0000-0001\ny,010-0000-0002\n",
            2,
            "a table of two columns",
        ),
    ]);
}

#[test]
fn an_object_whose_keys_are_people_is_not_one_person() {
    let members = |key: fn(usize) -> String, value: fn(usize) -> String| {
        let members: Vec<String> = (0..30).map(|n| format!("\"{}\":{}", key(n), value(n))).collect();
        format!("{{{}}}", members.join(","))
    };
    let mail = |n: usize| format!("\"p{n}@mail.example\"");
    let object = |n: usize| format!("{{\"email\":\"p{n}@mail.example\"}}");
    for (body, least) in [
        (members(|n| format!("customer_{n:03}"), object), 30),
        (members(|n| format!("usr_{n}x"), mail), 28),
        (members(|n| format!("u{n}_email"), mail), 28),
    ] {
        let (people, ..) = shown("application/json", &body);
        assert!(people >= least, "{people} in {body}");
    }
    people(&[(
        "application/json",
        r#"{"buyer":{"email":"me@mail.example"},"recipient":{"name":"A","phone":"010-0000-0001"}}"#,
        2,
        "a recipient is someone else, whatever identifies the buyer",
    )]);
}

#[test]
fn people_beyond_the_memory_of_a_body_are_counted() {
    let row = |n: usize| {
        let mail = if n < 6_000 { format!("p{n}") } else { "desk".to_owned() };
        format!("Kim,{mail}@mail.example,010-0000-{n:04},\"서울특별시 강남구 테헤란로 152\"")
    };
    let rows: Vec<String> = (0..6_100).map(row).collect();
    let (people, ..) = shown("text/csv", &format!("name,email,phone,address\n{}", rows.join("\n")));
    assert!((6_100..=6_200).contains(&people), "{people}");
}

/// Its first byte is that of a byte-order mark too.
#[test]
fn a_body_may_begin_with_a_letter_of_the_full_width() {
    people(&[
        (TEXT, "０１０－２０００－０００１\n", 1, "a digit"),
        (TEXT, "\u{feff}０１０－２０００－０００１\n", 1, "a digit behind a mark"),
    ]);
}
