//! Names of values: around them, beside them and above them, whatever the format.

use super::{HTML, TEXT, XML, shown};

#[test]
#[expect(clippy::too_many_lines, reason = "a table")]
fn values_are_read_under_the_names_around_and_beside_them() {
    let json = "application/json";
    let rows = [
        (
            json,
            r#"[{"@type":"Person","name":"Susan Moore","email":"a@mail.example"},{"@type":"Person","email":"b@mail.example","telephone":"010-0000-0002"}]"#,
            2,
            "Susan Moore",
        ),
        (
            json,
            r#"{"Items":[{"name":{"S":"Susan Moore"},"phone":{"S":"01000000001"},"email":{"S":"a@mail.example"}}]}"#,
            1,
            "01000000001",
        ),
        (
            json,
            r#"[["id","customer name","phone"],[1,"Susan Moore","01000000001"],[2,"Lee Han","01000000002"]]"#,
            2,
            "Susan Moore",
        ),
        (
            json,
            r#"{"body":"{\"customer_name\":\"Susan Moore\",\"phone\":\"01000000001\"}"}"#,
            1,
            "Susan Moore",
        ),
        (
            HTML,
            "<form><label for=n>Full name</label><input id=n value='Susan Moore'><label for=p>Phone</label><input id=p value='01000000001'></form>",
            1,
            "01000000001",
        ),
        (
            HTML,
            "<div data-user='{&quot;first_name&quot;:&quot;Susan&quot;,&quot;surname&quot;:&quot;Moore&quot;,&quot;phone&quot;:&quot;010-0000-0001&quot;}'>",
            1,
            "Susan",
        ),
        (
            "text/javascript",
            "const users = [{ name: 'Susan Moore', phone: '010-0000-0001' }];",
            1,
            "Susan Moore",
        ),
        (
            HTML,
            "<article><strong>Customer name:</strong> Susan Moore<br><strong>Phone:</strong> 01000000001<br></article>",
            1,
            "<strong>Customer name:</strong> Susan Moore",
        ),
        (
            HTML,
            "<li><a href='tel:+821000000001'>call</a></li><li><span class='fn'>Susan Moore</span> <a href='mailto:a@mail.example'>x</a></li>",
            1,
            "Susan Moore",
        ),
        (
            XML,
            "<r><p><고객명><![CDATA[김하나]]></고객명><tel><![CDATA[01000000001]]></tel></p><p><tel>01000000002</tel></p></r>",
            2,
            "김하나",
        ),
        (
            TEXT,
            "GET /x?email=a%40mail.example&mobile=%2B821000000001 HTTP/1.1",
            1,
            "a%40mail.example",
        ),
        (
            TEXT,
            "[user.0]\nname=Susan Moore\nphone=01000000001\n",
            1,
            "Susan Moore",
        ),
        (
            "text/vcard",
            "FN:Susan Moore\nTEL;TYPE=CELL:010-0000-0001\nADR;TYPE=HOME:;;12 Main St\\, Apt 3;Springfield;;;\n",
            1,
            ";;12 Main St\\, Apt 3;Springfield;;;",
        ),
    ];
    for (content_type, body, expected, found) in rows {
        let (people, _, texts) = shown(content_type, body);
        assert_eq!(people, expected, "{body}: {texts:?}");
        let is_found = texts
            .iter()
            .any(|text| text.as_str() == found || found.ends_with(text.as_str()) && text.contains("Moore"));
        assert!(is_found, "{found} in {body}: {texts:?}");
    }
}

#[test]
fn columns_vote_for_numbers_and_against_codes() {
    let rows = |cell: fn(u32) -> String| (0..40).map(cell).collect::<Vec<_>>();
    let json = |cell: fn(u32) -> String| {
        let body = format!("[{}]", rows(cell).join(","));
        shown("application/json", &body).0
    };
    let scattered = json(|n| format!("{{\"a\":10{:08}}}", 20_000_000 + n * 77_777_777 % 70_000_000));
    assert!(scattered >= 30, "{scattered}");
    assert_eq!(
        json(|n| format!("{{\"a\":10{:08}}}", 20_000_000 + n)),
        0,
        "ids in their order"
    );
    let headless = shown("text/csv", &rows(|n| format!("0100000{n:04};x\n")).concat()).0;
    assert!(headless >= 35, "{headless}");
    let codes = rows(|n| format!("<tr><td>{}39-1814-18{:02}</td><td>x</td></tr>", n % 10, n));
    let body = format!("<table><tr><th>a</th><th>b</th></tr>{}</table>", codes.concat());
    let (people, ..) = shown(HTML, &body);
    assert!(people <= 2, "{people}");
}
