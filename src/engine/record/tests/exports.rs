//! People in what other programs export: boxes of a shell, sheets of HTML, directories, call records.

use super::{HTML, TEXT, shown};

#[test]
fn exports_of_other_programs_are_read_under_their_headers() {
    let rows = [
        (
            TEXT,
            "+----+-------------+-------------+\n| id | customer    | mobile      |\n+----+-------------+-------------+\n|  1 | Susan Moore | 01000000001 |\n|  2 | Lee Ji-woo  | 01000000002 |\n+----+-------------+-------------+\n",
            2,
            "Susan Moore",
        ),
        (
            "application/vnd.ms-excel",
            "<html xmlns:x=\"urn:x\"><body><table><tr><td>Customer name</td><td>Phone</td><td>City</td></tr>\n<tr><td class=xl6>Susan Moore</td><td>01000000001</td><td>Seoul</td></tr></table></body></html>",
            1,
            "Susan Moore",
        ),
        (
            TEXT,
            "dn: uid=moore,ou=People,dc=example,dc=com\ncn: Susan Moore\nmail: moore@mail.example\nmobile: 01000000001\n\ndn: uid=lee,ou=People,dc=example,dc=com\ncn: Susan Lee\nmail: lee@mail.example\nmobile: 01000000002\n",
            2,
            "01000000002",
        ),
        (
            "text/csv",
            "call_id,caller_number,callee_number\n1,01000000001,01000000002\n",
            2,
            "01000000002",
        ),
        (
            "text/csv",
            "E-mail Address,E-mail Display Name\nmoore@mail.example,Susan Moore\n",
            1,
            "Susan Moore",
        ),
        (
            HTML,
            "<p>UID:123e4567-e89b-12d3-a456-426614174000@cal.example.com</p>",
            0,
            "",
        ),
    ];
    for (content_type, body, people, value) in rows {
        let (found, _, mut spans) = shown(content_type, body);
        spans.insert(String::new());
        let spans: Vec<&str> = spans.iter().map(|span| span.trim()).collect();
        assert_eq!((found, spans.contains(&value)), (people, true), "{body}: {spans:?}");
    }
}

#[test]
fn names_of_korea_and_india_are_known_in_latin_letters() {
    for name in [
        "Kim Minjun",
        "Park, Seo-yeon",
        "BAE JIHO",
        "Nisha K",
        "K. Nisha",
        "남궁우",
    ] {
        let body = format!("[{{\"name\":\"{name}\",\"email\":\"a@mail.example\"}}]");
        assert!(shown("application/json", &body).2.contains(name), "{name}");
    }
    for name in ["Park Avenue", "Hong Kong", "Plan B", "Song Title"] {
        let body = format!("[{{\"name\":\"{name}\",\"email\":\"a@mail.example\"}}]");
        assert!(!shown("application/json", &body).2.contains(name), "{name}");
    }
}

#[test]
fn lists_of_phones_and_addresses_are_one_persons() {
    let rows = [
        (
            r#"{"Resources":[{"name":{"formatted":"Susan Moore"},"emails":[{"type":"work","value":"a@mail.example"},{"value":"b@mail.example"}],"phoneNumbers":[{"value":"+821000000001"}]}]}"#,
            1,
        ),
        (
            r#"{"entry":[{"resource":{"name":[{"text":"Susan Moore"}],"telecom":[{"system":"phone","value":"+821000000001"},{"system":"email","value":"a@mail.example"}]}}]}"#,
            1,
        ),
        (
            r#"[{"name":"Kim","emails":["a@mail.example","b@mail.example"]},{"emails":["c@mail.example"]}]"#,
            2,
        ),
        (
            r#"[{"buyer_phone":"010-0000-0001","buyer_email":"a@mail.example","receivers":[{"name":"Kim","cellphone":"010-0000-0001"}]},{"buyer_phone":"010-0000-0002","receivers":[{"cellphone":"010-0000-0003"}]}]"#,
            3,
        ),
        (
            r#"[{"cards":[{"type":"home","phones":[{"number":"080.6915.2884"}]}]}]"#,
            1,
        ),
        // A list of people by another name, and one that is longer than what one person has.
        (r#"{"emails":["a@mail.example","b@mail.example"]}"#, 2),
        (r#"[{"members":["a@mail.example","b@mail.example"]}]"#, 2),
        (
            r#"[{"emails":["a@mail.example","b@mail.example","c@mail.example","d@mail.example","e@mail.example","f@mail.example"]}]"#,
            4,
        ),
        (
            r#"[{"emails":[{"name":"Susan Moore","email":"a@mail.example"},{"name":"Anna Moore","email":"b@mail.example"}]}]"#,
            2,
        ),
    ];
    for (body, expected) in rows {
        assert_eq!(shown("application/json", body).0, expected, "{body}");
    }
}

#[test]
fn digits_of_the_full_width_are_digits() {
    for body in [
        "[{\"memo\":\"０１０－００００－０００１\"}]",
        "[{\"연락처\":\"０１０－００００－０００１\"}]",
        "[{\"tel\":\"０１０-0000-０００１\"}]",
    ] {
        assert_eq!(shown("application/json", body).0, 1, "{body}");
    }
    let (people, _, spans) = shown("text/csv", "이름,휴대폰\n김하나,０１０－００００－０００１\n");
    assert!(people == 1 && spans.contains("０１０－００００－０００１"));
}

#[test]
fn an_array_in_an_array_is_a_row() {
    let rows = [
        (
            r#"{"rows":[{"f":[{"v":"a@mail.example"},{"v":"010-0000-0001"}]},{"f":[{"v":"b@mail.example"},{"v":"010-0000-0002"}]}]}"#,
            2,
        ),
        (
            r#"{"data":[[1,"a@mail.example","010-0000-0001"],[2,"b@mail.example","010-0000-0002"]]}"#,
            2,
        ),
        (
            r#"{"data":[["a@mail.example","b@mail.example"],["c@mail.example"]]}"#,
            3,
        ),
        (r#"[{"v":"a@mail.example"},{"v":"b@mail.example"}]"#, 2),
        (r#"["a@mail.example","010-0000-0001"]"#, 2),
    ];
    for (body, expected) in rows {
        assert_eq!(shown("application/json", body).0, expected, "{body}");
    }
    // Who chooses the columns could put anybody beside themselves, so columns of one object are not joined.
    let columns = r#"{"email":["a@mail.example","b@mail.example"],"phone":["010-0000-0001","010-0000-0002"]}"#;
    assert_eq!(shown("application/json", columns).0, 4);
    let many: Vec<String> = (0..100).map(|n| format!("\"a{n}@mail.example\"")).collect();
    assert_eq!(shown("application/json", &format!("[[{}]]", many.join(","))).0, 100);
}

#[test]
fn whoever_stands_beside_an_address_of_theirs_hides_no_more_than_three_phones() {
    let phones = |count: usize| {
        let phones = (0..count).map(|n| format!(",\"phone{n}\":\"010-0000-{n:04}\""));
        let body = format!("{{\"email\":\"a@mail.example\"{}}}", phones.collect::<String>());
        shown("application/json", &body).0
    };
    assert_eq!([phones(3), phones(4), phones(60)], [1, 2, 58]);
    let lists = (0..10).map(|n| {
        let list = (0..4).map(|m| format!("{{\"phone\":\"010-0000-{n}{m:03}\"}}"));
        format!(",\"phones{}\":[{}]", "_".repeat(n), list.collect::<Vec<_>>().join(","))
    });
    let body = format!(
        "{{\"me\":{{\"email\":\"a@mail.example\"{}}}}}",
        lists.collect::<String>()
    );
    assert!(shown("application/json", &body).0 >= 38);
}
