//! Values split over fields: one value of one person, whatever the format, and nothing else becomes one.

use super::{FORM, HTML, XML, people, shown};

const JSON: &str = "application/json";
const CSV: &str = "text/csv";

#[test]
#[expect(clippy::too_many_lines, reason = "a table")]
fn a_phone_in_parts_is_one_phone_of_one_person() {
    people(&[
        (
            JSON,
            r#"{"area":"010","exchange":"2000","line":"0001"}"#,
            1,
            "parts by their role",
        ),
        (
            JSON,
            r#"[{"name":"A","hp1":"010","hp2":"2000","hp3":"0001"},{"name":"B","hp1":"010","hp2":"2000","hp3":"0002"}]"#,
            2,
            "parts by their number",
        ),
        (
            JSON,
            r#"{"rows":[{"phone":{"areaCode":"212","exchange":"555","lineNumber":"0101"},"email":"a@mail.example"}]}"#,
            1,
            "an object of parts",
        ),
        (
            JSON,
            r#"{"area_code":"212","phone_number":"5550101"}"#,
            1,
            "an area and the rest",
        ),
        (
            JSON,
            r#"{"country_code":"82","area":"10","prefix":"2000","line":"0001"}"#,
            1,
            "a country",
        ),
        (
            JSON,
            r#"{"tel1":"02","tel2":"555","tel3":"0101","hp1":"010","hp2":"2000","hp3":"0001","email1":"kim","email2":"mail.example"}"#,
            1,
            "two phones and an address in parts are one person's",
        ),
        (
            JSON,
            r#"{"email_id":"kim","email_domain":"mail.example"}"#,
            1,
            "an address in parts",
        ),
        (
            JSON,
            r#"{"hp3":"0001","hp2":"2000","hp1":"010"}"#,
            1,
            "in another order",
        ),
        (
            JSON,
            r#"[{"email_domain":"mail.example","email_id":"kim"},{"email_domain":"mail.example","email_id":"lee"}]"#,
            2,
            "an address, sorted by its keys",
        ),
        (
            JSON,
            r#"{"areaCode":"212","lineNumber":"0101","prefix":"555"}"#,
            1,
            "roles, sorted by their keys",
        ),
        (
            JSON,
            r#"[{"hp_first":"010","hp_last":"0001","hp_middle":"2000"},{"hp_first":"010","hp_last":"0002","hp_middle":"2000"}]"#,
            2,
            "an order, sorted by its keys",
        ),
        (
            JSON,
            r#"{"ssn1":"123","ssn2":"45","ssn3":"6789"}"#,
            1,
            "a number of a nation",
        ),
        (
            JSON,
            r#"{"jumin_front":"900101","jumin_back":"1234568","hp_front":"010","hp_mid":"2000","hp_last":"0001"}"#,
            1,
            "parts by their order",
        ),
        (
            JSON,
            r#"{"card1":"4111","card2":"1111","card3":"1111","card4":"1111"}"#,
            1,
            "a card",
        ),
        (
            JSON,
            r#"{"area":"010","exchange":2000,"line":1}"#,
            1,
            "numbers, whose zeros are lost",
        ),
        (
            JSON,
            r#"[{"email":"a@mail.example","phone":[10,2000,1234]},{"email":"b@mail.example","phone":[10,2000,1235]}]"#,
            2,
            "numbers in an array are said of whom it is",
        ),
        (
            JSON,
            r#"[{"phone":[10,2000,1]},{"phone":[10,2000,2]}]"#,
            2,
            "numbers in arrays",
        ),
        (JSON, r#"{"phone":["010","2000","0001"]}"#, 1, "texts in an array"),
        (JSON, r#"{"areaCode":"212","phoneNumber":5550101}"#, 1, "a long number"),
        (
            CSV,
            "hp1,hp2,hp3\n10,2000,1\n10,2000,2\n",
            2,
            "columns whose zeros are lost",
        ),
        (
            FORM,
            "name=A&phone1=010&phone2=2000&phone3=0001&name=B&phone1=010&phone2=2000&phone3=0002",
            2,
            "a form",
        ),
        (
            CSV,
            "name,hp1,hp2,hp3\nA,010,2000,0001\nB,010,2000,0002\n",
            2,
            "columns",
        ),
        (
            XML,
            "<all><p><tel1>010</tel1><tel2>2000</tel2><tel3>0001</tel3></p><p><tel1>010</tel1><tel2>2000</tel2><tel3>0002</tel3></p></all>",
            2,
            "elements",
        ),
        (
            HTML,
            "<form><input id=hp1 name=hp1 value=010>-<input id=hp2 name=hp2 value=2000>-<input id=hp3 name=hp3 value=0001></form>",
            1,
            "fields of a page",
        ),
        (
            HTML,
            "<table><tr><th>Name<th>Area code<th>Exchange<th>Line</tr><tr><td>A<td>212<td>555<td>0101</tr></table>",
            1,
            "columns of a page",
        ),
    ]);
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table")]
fn what_is_no_part_of_a_phone_is_nobody() {
    people(&[
        (
            JSON,
            r#"{"area":"120","exchange":"NYSE","line":"5678"}"#,
            0,
            "an area of a flat",
        ),
        (
            JSON,
            r#"{"area":"212","line":"5550101"}"#,
            0,
            "an area and a line may be of anything",
        ),
        (JSON, r#"{"size1":"010","size2":"2000","size3":"0001"}"#, 0, "sizes"),
        (
            JSON,
            r#"{"line1":"010","line2":"2000","line3":"0001"}"#,
            0,
            "lines of an address",
        ),
        (
            JSON,
            r#"{"hp1":"010","x":{"hp2":"2000"},"hp3":"0001"}"#,
            0,
            "of two objects",
        ),
        (
            JSON,
            r#"{"hp1":"010","hp3":"0001","x":{},"hp1":"2000"}"#,
            0,
            "a part of the next",
        ),
        (
            JSON,
            r#"{"phone":[1,2,3,4,5,10,2000,1234]}"#,
            0,
            "a list of numbers under such a name",
        ),
        (JSON, r#"{"sizes":[10,2000,1234]}"#, 0, "numbers of anything"),
        (
            JSON,
            r#"{"phone":{"x":[10,2000,1234]}}"#,
            0,
            "numbers of something in a phone",
        ),
        (JSON, r#"{"hp1":10,"hp2":2.5,"hp3":1234}"#, 0, "what is no digits"),
        (
            JSON,
            r#"{"mail_id":"10452","mail_host":"smtp.corp.example"}"#,
            0,
            "a message and its server",
        ),
        (JSON, r#"{"hp1":"010","tel2":"2000","hp3":"0001"}"#, 0, "of two phones"),
        (
            JSON,
            r#"[{"hp1":"010"},{"hp2":"2000"},{"hp3":"0001"}]"#,
            0,
            "of three records",
        ),
        (JSON, r#"{"hp1":"000","hp2":"0000","hp3":"0001"}"#, 0, "no phone in use"),
        (
            JSON,
            r#"{"account1":"110","account2":"234","account3":"567890"}"#,
            0,
            "any numbers are an account",
        ),
        (
            JSON,
            r#"{"email1":"kim","email2":"lee"}"#,
            0,
            "two addresses without a domain",
        ),
        (
            CSV,
            "hp1,hp2,hp3\n010,2000,\n010,,0001\n",
            0,
            "parts that are not there",
        ),
    ]);
}

#[test]
fn a_mask_covers_every_part() {
    let rows = [
        (JSON, r#"{"hp1":"010","hp2":"2000","hp3":"0001","x":"7"}"#, 3),
        (JSON, r#"{"hp3":"0001","hp1":"010","hp2":"2000","x":"7"}"#, 3),
        (JSON, r#"{"areaCode":"010","lineNumber":"0001","prefix":"2000"}"#, 3),
        (CSV, "x,hp1,hp2,hp3\n7,010,2000,0001\n", 3),
        (FORM, "hp1=010&hp2=2000&hp3=0001&x=7", 3),
        (XML, "<p><hp1>010</hp1><hp2>2000</hp2><hp3>0001</hp3></p>", 3),
        (JSON, r#"{"phone":["010","2000","0001"],"x":"7"}"#, 3),
        (
            HTML,
            "<form><input name=hp1 value=010><input name=hp2 value=2000><input name=hp3 value=0001></form>",
            3,
        ),
    ];
    for (content_type, body, parts) in rows {
        let (_, _, masked) = shown(content_type, body);
        let mut masked: Vec<_> = masked.into_iter().collect();
        masked.sort_unstable();
        assert_eq!(masked, ["0001", "010", "2000"][..parts], "{body}");
    }
}
