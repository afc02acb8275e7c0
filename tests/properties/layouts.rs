//! Bodies as other people's programs lay them out: the same twelve people are counted however they are cut, and masked where they stand.

use tidegate::engine::decode::Coding;
use tidegate::engine::inspect::{Bounds, Content, Inspector, Mode, Resolution};
use tidegate::engine::secret::HashKey;

use super::laid_out::{PEOPLE, layouts, person};
use super::{Limit, inspect, inspect_by, rules};

fn content(declared: &str) -> Content {
    Content::new(Some(Coding::Identity), declared.as_bytes())
}

#[test]
fn people_are_counted_in_every_layout_however_it_is_cut() {
    for (name, declared, body) in layouts() {
        for chunk in [1, 2, 7, 100, 1_000, body.len()] {
            let whole = inspect(body.as_bytes(), chunk, content(declared), Bounds::default(), None);
            let people: std::collections::HashSet<_> = whole.asked.iter().flat_map(|ask| &ask.people).collect();
            assert_eq!(people.len(), PEOPLE, "{name}, {chunk}");
            let names = whole.asked.iter().filter(|ask| ask.classes.0.count_ones() == 3);
            assert_eq!(
                names.count(),
                PEOPLE,
                "each has a name, a mail address and a phone: {name}, {chunk}"
            );
        }
    }
}

/// Masks stand where the identifiers do, behind escapes too: what is around them stays.
#[test]
fn people_are_masked_in_every_layout_where_they_stand() {
    for (name, declared, body) in layouts() {
        for chunk in [3, 100, body.len()] {
            let inspector = Inspector::new(
                Mode::Rewrite,
                Bounds::default(),
                content(declared),
                rules(),
                HashKey::new([7; 32]),
            );
            let nobody = Limit {
                people: 0,
                then: Resolution::Mask,
            };
            let masked = inspect_by(inspector, body.as_bytes(), chunk, Some(nobody)).released;
            let masked = String::from_utf8(masked).expect("a mask is of ASCII");
            let mut expected = body.clone();
            for value in (0..PEOPLE).flat_map(person) {
                assert!(!masked.contains(&value), "{name}, {chunk}");
                expected = expected.replace(&value, &"*".repeat(value.len()));
            }
            let is_kept = masked
                .bytes()
                .zip(expected.bytes())
                .all(|(masked, kept)| kept == b'*' || masked == kept);
            assert!(is_kept && masked.len() == expected.len(), "{name}, {chunk}");
        }
    }
}

/// Of whom a record speaks: roles part people, and one name or a lone address joins them.
#[test]
fn recipients_are_others_unless_all_says_that_they_are_not() {
    for (body, people) in [
        // A masked name, the recipient's phone and an address without a role.
        (
            r#"{"rcvrNm":"류*우","rcvrHpno":"010-2345-0001","bscAdr":"부산광역시 수영구 광안해변로 78"}"#,
            1,
        ),
        (
            r#"{"姓名":"詹子晴","手機號碼":"0947711587","收件地址":"臺北市大安區復興南路一段185號9樓"}"#,
            1,
        ),
        (
            r#"{"shippingAddress":{"name":"양상민","tel1":"010-2345-0001"},"order":{"ordererName":"양상민","ordererTel":"010-2345-0002"}}"#,
            1,
        ),
        (
            r#"{"shippingAddress":{"name":"양상민","tel1":"010-2345-0001"},"order":{"ordererName":"선승현","ordererTel":"010-2345-0002"}}"#,
            2,
        ),
        (
            r#"{"buyer_email":"a@mail.example","recipient_name":"Mary Miller","recipient_address":"12 Oak St, Austin, TX 78701"}"#,
            2,
        ),
        // Names before values are people, where they are names of people.
        (
            r#"{"list":[{"name":"James Miller","value":"010-2345-0001"},{"name":"Mary Miller","value":"010-2345-0002"}]}"#,
            2,
        ),
        (
            r#"{"list":[{"name":"bob77","value":"bob77@mail.example"},{"name":"amy5","value":"010-2345-0001"},{"name":"joe","value":"010-2345-0002"}]}"#,
            3,
        ),
        (
            r#"{"list":[{"label":"mobile","value":"010-2345-0001"},{"label":"mobile","value":"010-2345-0002"}]}"#,
            2,
        ),
    ] {
        for chunk in [1, 5, body.len()] {
            let whole = inspect(
                body.as_bytes(),
                chunk,
                content("application/json"),
                Bounds::default(),
                None,
            );
            let found: std::collections::HashSet<_> = whole.asked.iter().flat_map(|ask| &ask.people).collect();
            assert_eq!(found.len(), people, "{}, {chunk}", &body[..12]);
        }
    }
}

/// What leads to a phone is one, whatever else its text may be.
#[test]
fn a_link_to_a_phone_says_what_its_text_is() {
    for (link, people) in [("tel:932868078", 1), ("/user/932868078", 0)] {
        let body = format!("<p><a href=\"{link}\">932868078</a></p>");
        let whole = inspect(
            body.as_bytes(),
            body.len(),
            content("text/html"),
            Bounds::default(),
            None,
        );
        let found: std::collections::HashSet<_> = whole.asked.iter().flat_map(|ask| &ask.people).collect();
        assert_eq!(found.len(), people, "{link}");
    }
}

/// What looks like a pair, a table's header, JSON or a second name of somebody, and is none of these, hides nobody.
#[test]
fn layouts_that_only_seem_so_hide_nobody() {
    let many = |from: &str, write: &dyn Fn(usize) -> String, between: &str, to: &str| {
        let all: Vec<String> = (0..20).map(write).collect();
        format!("{from}{}{to}", all.join(between))
    };
    let tel = |n: usize| format!("010-2345-{n:04}");
    let rows: [(&str, &str, String, usize); 17] = [
        (
            "one name, many addresses of mail",
            "application/json",
            many(
                r#"{"sender_name":"김민수","sender_email":"a@mail.example","receiver_name":"김민수","#,
                &|n| format!(r#""receiver_email{n}":"p{n}@mail.example""#),
                ",",
                "}",
            ),
            // Three of one class may be one person's.
            19,
        ),
        (
            "many labels",
            "application/json",
            many(
                "[",
                &|n| {
                    format!(
                        r#"{{"dept":1,"list":[{{"label":"f{n}","value":"{}"}},{{"label":"g{n}","value":"p{n}@mail.example"}}]}}"#,
                        tel(n)
                    )
                },
                ",",
                "]",
            ),
            40,
        ),
        (
            "a pair that has more",
            "application/json",
            many(
                r#"{"list":["#,
                &|n| format!(r#"{{"name":"phone","value":"x","mail0":"p{n}@mail.example"}}"#),
                ",",
                "]}",
            ),
            20,
        ),
        (
            "staff of a company",
            "application/json",
            many(
                r#"{"company":{"staff":["#,
                &|n| format!(r#"{{"name":"Mary Miller","phone":"{}"}}"#, tel(n)),
                ",",
                "]}}",
            ),
            20,
        ),
        (
            "a label beside what the name around says",
            "application/json",
            many(
                "[",
                &|n| format!(r#"{{"phone":{{"label":"home","value":"0102345{n:04}"}}}}"#),
                ",",
                "]",
            ),
            20,
        ),
        (
            "a label that says what it is not",
            "application/json",
            many(
                "[",
                &|n| format!(r#"{{"name":"Order Desk","content":"call me: {}"}}"#, tel(n)),
                ",",
                "]",
            ),
            20,
        ),
        (
            "text behind JSON",
            "application/json",
            many(
                "[",
                &|n| format!(r#""[\"notice\"] tel {} and tel 010-2346-{n:04}""#, tel(n)),
                ",",
                "]",
            ),
            40,
        ),
        (
            "settings",
            "text/plain",
            many("['users']\n", &|n| format!("phone: {}", tel(n)), "\n", "\n"),
            20,
        ),
        (
            "two sheets",
            "application/vnd.ms-excel",
            many(
                "<?xml version=\"1.0\"?><W><T><Row><Cell><Data>Order</Data></Cell><Cell><Data>phone</Data></Cell></Row></T><T>",
                &|n| {
                    format!(
                        "<Row><Cell><Data>{}</Data></Cell><Cell><Data>x</Data></Cell></Row>",
                        tel(n)
                    )
                },
                "",
                "</T></W>",
            ),
            20,
        ),
        (
            "rows before a blank line",
            "text/csv",
            many(
                "Kim,010-2346-0001\nLee,010-2346-0002\n\nsku,qty\n",
                &|n| format!("Kim,{}", tel(n)),
                "\n",
                "\n",
            ),
            22,
        ),
        (
            "one contact each, of somebody else",
            "application/json",
            many(
                "[",
                &|n| {
                    format!(
                        r#"{{"name":"Mary Miller","email":"p{n}@mail.example","referees":[{{"name":"James Moore","phone":"{}"}}]}}"#,
                        tel(n)
                    )
                },
                ",",
                "]",
            ),
            40,
        ),
        (
            "members of a group",
            "application/json",
            many(
                r#"[{"group":"a","members":["#,
                &|n| format!(r#"{{"email":"p{n}@mail.example"}},{{"tel":"{}"}}"#, tel(n)),
                ",",
                "]}]",
            ),
            40,
        ),
        (
            "who is written to, in lists",
            "application/json",
            many(
                "[",
                &|n| format!(r#"{{"to":["a{n}@mail.example"],"cc":["b{n}@mail.example"],"from":"c{n}@mail.example"}}"#),
                ",",
                "]",
            ),
            60,
        ),
        (
            "a filter under the names of columns",
            "text/html",
            many(
                "<table><thead><tr><th>name</th><th>phone</th><th>x</th></tr><tr><th><input></th><th></th><th></th></tr></thead><tbody>",
                &|n| format!("<tr><td>Mary</td><td>0102345{n:04}</td><td>7</td></tr>"),
                "\n",
                "</tbody></table>",
            ),
            20,
        ),
        (
            "numbers across columns",
            "text/plain",
            many(
                "name   tel.     city     zone\n",
                &|n| format!("Kim    010 2345 {n:04}        X"),
                "\n",
                "\n",
            ),
            20,
        ),
        (
            "text behind JSON in a long string",
            "application/json",
            many(
                r#"{"m":"[{\"tel\":\"010-2346-0001\"},{\"tel\":\"010-2346-0002\"}] "#,
                &|n| {
                    format!(
                        "and then there was somebody else whose number was said to be {} by those who know; ",
                        tel(n)
                    )
                    .repeat(4)
                },
                " ",
                r#""}"#,
            ),
            20,
        ),
        (
            "code with numbers",
            "text/javascript",
            many("u=[0\n", &|n| format!("// phone {}", tel(n)), "\n", "];"),
            20,
        ),
    ];
    for (name, declared, body, people) in rows {
        for chunk in [3, body.len()] {
            let whole = inspect(body.as_bytes(), chunk, content(declared), Bounds::default(), None);
            let found: std::collections::HashSet<_> = whole.asked.iter().flat_map(|ask| &ask.people).collect();
            assert!(found.len() >= people, "{name}, {chunk}: {} of {people}", found.len());
        }
    }
}
