//! Twelve people as other people's programs lay them out.

use std::fmt::Write as _;

pub(crate) const PEOPLE: usize = 12;

/// A name, a mail address and a phone.
pub(crate) fn person(n: usize) -> [String; 3] {
    let given = ["James", "Mary", "Robert", "Linda", "David", "Susan"][n % 6];
    [
        format!("{given} Miller"),
        format!("person{n}@mail.example"),
        format!("010-2345-{n:04}"),
    ]
}

/// What each of them is written as, one behind the other.
fn all(between: &str, write: impl Fn([String; 3]) -> String) -> String {
    let people: Vec<String> = (0..PEOPLE).map(|n| write(person(n))).collect();
    people.join(between)
}

/// The bodies, each with its media type.
pub(crate) fn layouts() -> Vec<(&'static str, &'static str, String)> {
    let pairs = |heads: [&str; 2]| {
        let [key, value] = heads;
        all(",", |[name, mail, phone]| {
            let pair = |of: &str, is: &str| format!(r#"{{"{key}":"{of}","{value}":"{is}","shown":true}}"#);
            let [name, mail, phone] = [pair("full_name", &name), pair("email", &mail), pair("mobile", &phone)];
            format!(r#"{{"attributes":[{name},{mail},{phone}]}}"#)
        })
    };
    let object = |[name, mail, phone]: [String; 3]| format!(r#"{{"name":"{name}","mail":"{mail}","tel":"{phone}"}}"#);
    let json = format!("[{}]", all(",", object));
    let escaped = json.replace('"', "\\\"");
    let dict = |[name, mail, phone]: [String; 3]| format!("{{'name': '{name}', 'mail': '{mail}', 'tel': '{phone}'}}");
    let plist = |[name, mail, phone]: [String; 3]| {
        let row = [("CUST_NAME", name), ("EMAIL", mail), ("MOBILE_NO", phone)];
        let keys = row.iter().fold(String::new(), |mut text, (key, value)| {
            write!(text, "<key>{key}</key><string>{value}</string>").expect("a string takes every byte");
            text
        });
        format!("<dict>{keys}</dict>")
    };
    let cells = |row: [String; 3]| {
        format!(
            "<Row><Cell><Data>{}</Data></Cell></Row>",
            row.join("</Data></Cell><Cell><Data>")
        )
    };
    let header = cells(["name", "mail", "phone"].map(str::to_owned));
    let rows = all("\n", |row| row.join(","));
    let section = |[name, mail, phone]: [String; 3]| {
        format!("[[person]]\n\"CUST_NAME\" = \"{name}\"\n\"EMAIL\" = \"{mail}\"\n\"MOBILE\" = \"{phone}\"\n")
    };
    vec![
        (
            "pairs",
            "application/json",
            format!(r#"{{"data":[{}]}}"#, pairs(["key", "value"])),
        ),
        ("labels", "application/json", format!("[{}]", pairs(["label", "text"]))),
        ("single quotes", "text/plain", format!("[{}]", all(", ", dict))),
        ("single quotes, said to be JSON", "application/json", all("\n", dict)),
        (
            "JSON in a string",
            "application/json",
            format!(r#"{{"Type":"Notification","Message":"{escaped}"}}"#),
        ),
        (
            "JSON in a script's string",
            "text/html",
            format!(r#"<script>self.push([1,"5:[\"$\",null,{{\"rows\":{escaped}}}]"])</script>"#),
        ),
        (
            "keys before values",
            "application/x-plist",
            format!(
                "<?xml version=\"1.0\"?><plist><array>{}</array></plist>",
                all("\n", plist)
            ),
        ),
        (
            "a sheet in XML",
            "application/vnd.ms-excel",
            format!(
                "<?xml version=\"1.0\"?><Workbook><Table>{header}{}</Table></Workbook>",
                all("", cells)
            ),
        ),
        (
            "a table behind what it says of itself",
            "text/csv",
            format!("Export 66;Report;2024-06-01\nFilter: all\n\nname,mail,phone\n{rows}\n"),
        ),
        ("sections of settings", "application/toml", all("\n", section)),
    ]
    .into_iter()
    .chain(lists())
    .chain(tables())
    .collect()
}

/// Bodies in which lists hold what is one person's.
fn lists() -> Vec<(&'static str, &'static str, String)> {
    let orders = |[name, mail, phone]: [String; 3]| {
        format!(
            r#"{{"buyer":{{"name":"{name}","email":"{mail}"}},"receivers":[{{"name":"{name}","phone":"{phone}","cellphone":"{phone}"}}]}}"#
        )
    };
    let contacts = |[name, mail, phone]: [String; 3]| {
        format!(
            r#"{{"displayName":"{name}","emailAddresses":[{{"name":"{name}","address":"{mail}"}}],"businessPhones":["{phone}"]}}"#
        )
    };
    let lists = |[name, mail, phone]: [String; 3]| {
        format!(r#"{{"cn":["{name}"],"attributes":{{"mail":["{mail}"],"mobile":["{phone}"]}}}}"#)
    };
    let deep = |[name, mail, phone]: [String; 3]| {
        format!(
            r#"{{"FullName":"{name}","to_Address":{{"results":[{{"to_Mail":{{"results":[{{"Mail":"{mail}"}}]}},"to_Phone":{{"results":[{{"Phone":"{phone}"}}]}}}}]}}}}"#
        )
    };
    let long = all(",", |[name, mail, phone]| {
        let note = "of no interest to anybody ".repeat(9);
        format!(r#"{{"name":"{name}","mail":"{mail}","note":"{note}","tel":"{phone}"}}"#)
    });
    let long = format!("[{long}]").replace('"', "\\\"");
    vec![
        ("one receiver", "application/json", format!("[{}]", all(",", orders))),
        (
            "ways to reach someone",
            "application/json",
            format!("[{}]", all(",", contacts)),
        ),
        ("lists of one", "application/json", format!("[{}]", all(",", lists))),
        (
            "lists in lists",
            "application/json",
            format!(r#"{{"d":{{"results":[{}]}}}}"#, all(",", deep)),
        ),
        (
            "JSON in a long string",
            "application/json",
            format!(r#"{{"Message":"{long}"}}"#),
        ),
    ]
}

/// Tables that are no CSV.
fn tables() -> Vec<(&'static str, &'static str, String)> {
    let spaced = |row: [String; 3]| format!("{:<20}{:<28}{}", row[0], row[1], row[2]);
    let names = spaced(["FullName", "Email", "MobileNumber"].map(str::to_owned));
    let ruled = |row: [String; 3]| format!("7 {:<14} {:<22} {}", row[0], row[1], row[2]);
    let head = "# NAME           MAIL                   PHONE\n- -------------- ---------------------- -------------";
    let cells = |row: [String; 3]| format!("<tr><td>7</td><td>{}</td></tr>", row.join("</td><td>"));
    let fields = |[name, mail, phone]: [String; 3]| {
        format!("<entry><fullName value=\"{name}\"/><mail value=\"{mail}\"/><phone value=\"{phone}\"/></entry>")
    };
    let logged = |[name, mail, phone]: [String; 3]| {
        format!(
            "<165>1 2026-11-28T10:00:00Z app crm 7 ID23 [m@32473 full_name=\"{name}\" mail=\"{mail}\" phone=\"{phone}\"] done"
        )
    };
    vec![
        (
            "columns under names",
            "text/plain",
            format!("     REPORT\n\n{names}\n{}\n", all("\n", spaced)),
        ),
        (
            "columns under rules",
            "text/plain",
            format!("{head}\n{}\n\n(12 rows)\n", all("\n", ruled)),
        ),
        (
            "a head of two rows",
            "text/html",
            format!(
                "<table><thead><tr><th rowspan=\"2\">No.</th><th colspan=\"3\">Who</th></tr><tr><th>Full name</th><th>Mail</th><th>Phone</th></tr></thead><tbody>{}</tbody></table>",
                all("\n", cells)
            ),
        ),
        (
            "values in attributes",
            "application/xml",
            format!("<bundle>{}</bundle>", all("\n", fields)),
        ),
        (
            "a log with priorities",
            "text/plain",
            format!("{}\n", all("\n", logged)),
        ),
    ]
}
