//! Where data goes is what it counts under: domain, category and workspace, and who is declared to process it.

use std::ops::Range;

use tempfile::TempDir;

use super::forward::{LOOPBACK, answer, listener, plain};
use crate::support::client::RawReply;
use crate::support::gateway::{Gateway, quoted};
use crate::support::origin::Origin;

/// L.
const PEOPLE_MAX: u32 = 20;

/// An origin with two names, of which the list knows one, and a gateway on the way there.
struct Way {
    origin: Origin,
    gateway: Gateway,
    _dir: TempDir,
}

impl Way {
    /// `rest` are budgets and processors.
    async fn with(rest: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let origin = Origin::serve(answer).await;
        crate::support::origin_certificates::Origins::create(&dir.path().join("origins"));
        let list = dir.path().join("hosts.list");
        std::fs::write(&list, "# ours\nlocalhost file-share path:1\n").unwrap();
        let rest = format!("{LOOPBACK}\n{rest}\n[rules]\ndestinations = {}\n", quoted(&list));
        let gateway = Gateway::start(&listener(dir.path(), origin.address.port(), &rest)).await;
        Self {
            origin,
            gateway,
            _dir: dir,
        }
    }

    async fn post(&self, to: &str, sent: &[u8]) -> RawReply {
        let (host, path) = to.split_once('/').expect("a path");
        let url = format!("http://{host}:{}/{path}", self.origin.address.port());
        let json = "Content-Type: application/json\r\n";
        plain(self.gateway.listener("out"), "POST", &url, json, sent).await
    }

    /// Whether these people may be sent there.
    async fn takes(&self, to: &str, people: Range<u32>) -> bool {
        let reply = self.post(to, &emails(people, "")).await;
        assert!([200, 403].contains(&reply.status), "{to}: {}", reply.head);
        reply.status == 200
    }
}

/// People with their e-mail addresses, and what else is told of each.
fn emails(people: Range<u32>, more: &str) -> Vec<u8> {
    let one = |number| format!("{{\"email\":\"customer{number}@example.com\"{more}}}");
    let all: Vec<String> = people.map(one).collect();
    format!("[{}]", all.join(",\n")).into_bytes()
}

fn budget(per: &str, rest: &str) -> String {
    format!(
        "[[budget]]\nname = \"out\"\nper = \"{per}\"\ndirection = \"requests\"\nwindow = \"1d\"\naction = \"block\"\n\
         mode = \"enforce\"\naccept_outage = true\n{rest}\n"
    )
}

#[tokio::test]
async fn each_destination_has_a_limit_of_its_own() {
    let cases: [(&str, [(&str, bool); 4]); 4] = [
        (
            "category",
            [
                ("localhost/a", true),
                ("localhost/b", false),
                ("127.0.0.1/a", true),
                ("127.0.0.1/b", false),
            ],
        ),
        (
            "domain",
            [
                ("localhost/a", true),
                ("localhost/b", false),
                ("127.0.0.1/a", true),
                ("127.0.0.1/b", false),
            ],
        ),
        (
            "workspace",
            [
                ("localhost/a", true),
                ("localhost/b", true),
                ("localhost/%61/x", false),
                ("127.0.0.1/a", true),
            ],
        ),
        (
            "workspace + address",
            [
                ("localhost/a", true),
                ("localhost/B", true),
                ("localhost/b", false),
                ("127.0.0.1/a", true),
            ],
        ),
    ];
    for (per, sent) in cases {
        let way = Way::with(&budget(per, &format!("people = {PEOPLE_MAX}"))).await;
        for (first, (to, is_taken)) in (0..).step_by(15).zip(sent) {
            assert_eq!(way.takes(to, first..first + 15).await, is_taken, "{per}: {to}");
        }
    }
}

#[tokio::test]
async fn a_budget_may_bind_what_goes_to_some_and_not_to_others() {
    for (when, [ours, theirs, unknown]) in [
        ("category:file-share", [false, false, true]),
        ("category:file-share + !workspace:localhost/ours", [true, false, true]),
        ("category:unknown", [true, true, false]),
        ("!domain:localhost", [true, true, false]),
        ("destination:localhost", [false, false, true]),
    ] {
        let way = Way::with(&budget("address", &format!("people = {PEOPLE_MAX}\nwhen = \"{when}\""))).await;
        assert_eq!(way.takes("localhost/ours", 0..30).await, ours, "{when}");
        assert_eq!(way.takes("localhost/theirs", 30..60).await, theirs, "{when}");
        assert_eq!(way.takes("127.0.0.1/", 60..90).await, unknown, "{when}");
    }
}

#[tokio::test]
async fn a_path_of_which_readers_could_differ_is_in_nobodys_workspace() {
    let when = "category:file-share + !workspace:localhost/ours";
    let way = Way::with(&budget(
        "workspace",
        &format!("people = {PEOPLE_MAX}\nwhen = \"{when}\""),
    ))
    .await;
    assert!(way.takes("localhost/ours/x", 0..30).await);
    assert!(way.takes("localhost/ours/%2e%2e/theirs", 0..15).await);
    assert!(!way.takes("localhost/ours//x", 15..30).await, "they count together");
    assert!(!way.takes("localhost/ours/../theirs/x", 40..70).await);
}

#[tokio::test]
async fn a_processor_is_sent_so_many_and_no_more_than_was_declared_of_each() {
    let processor =
        "[[processor]]\nname = \"courier\"\nhosts = [\"localhost\"]\nclasses = [\"email\"]\npeople_per_day = 30\n";
    let way = Way::with(&(budget("address", &format!("people = {PEOPLE_MAX}")) + processor)).await;
    assert!(way.takes("localhost/", 0..25).await, "the courier's");
    assert!(way.takes("127.0.0.1/", 100..110).await, "ten of the budget");
    assert!(
        way.takes("localhost/", 25..35).await,
        "five of the courier's, and five of the budget"
    );
    assert!(way.takes("localhost/", 0..30).await, "who was sent before");
    let card = ",\"card\":\"4111111111111111\"";
    let more = way.post("localhost/", &emails(0..3, card)).await;
    assert_eq!(
        more.status, 200,
        "what the courier need not know counts under the budget: {}",
        more.head
    );
    assert!(
        !way.takes("localhost/", 200..203).await,
        "two are left of the budget, and none of the courier's"
    );
    assert!(way.takes("localhost/", 200..202).await);
    assert!(!way.takes("localhost/", 300..301).await);
}

/// Beside how many people it is sent, a budget says how much.
#[tokio::test]
async fn a_processor_is_sent_no_more_bytes_a_day_than_a_budget_says() {
    let processor = "[[processor]]\nname = \"courier\"\nhosts = [\"localhost\"]\npeople_per_day = 1000\n";
    let bytes = budget("domain", "bytes = \"60KiB\"\nwhen = \"domain:localhost\"");
    let way = Way::with(&(bytes + processor)).await;
    let sent = emails(0..1000, "");
    assert!((31 << 10..60 << 10).contains(&sent.len()), "{}", sent.len());
    for (to, status) in [
        ("localhost/", 200),
        ("localhost/", 200),
        ("localhost/", 403),
        ("127.0.0.1/", 200),
        ("127.0.0.1/", 200),
        ("127.0.0.1/", 200),
    ] {
        let reply = way.post(to, &sent).await;
        assert_eq!(reply.status, status, "{to}: {}", reply.head);
    }
}

#[tokio::test]
async fn what_cannot_be_read_has_a_volume_where_it_goes() {
    let file = std::fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/containers/encrypted.zip")).unwrap();
    let volume = format!("uninspected = \"{}B\"\nwhen = \"category:unknown\"", file.len());
    let way = Way::with(&budget("category", &volume)).await;
    // What leaves last is summed as it leaves, so that the next one is refused.
    for (to, status) in [
        ("127.0.0.1/", 200),
        ("127.0.0.1/", 200),
        ("127.0.0.1/", 403),
        ("localhost/", 200),
        ("localhost/", 200),
        ("localhost/", 200),
    ] {
        let url = format!(
            "http://{}",
            to.replace('/', &format!(":{}/", way.origin.address.port()))
        );
        let zip = "Content-Type: application/zip\r\n";
        let reply = plain(way.gateway.listener("out"), "POST", &url, zip, &file).await;
        assert_eq!(reply.status, status, "{to}: {}", reply.head);
    }
}

#[tokio::test]
async fn what_says_nothing_in_any_known_form_has_a_volume_too() {
    /// Less than is summed at once.
    const BYTES: usize = 40 << 10;
    let mut noise = vec![0; BYTES];
    blake3::Hasher::new().finalize_xof().fill(&mut noise);
    let text = "nobody is in this line, and there are many of them\n"
        .repeat(BYTES / 50)
        .into_bytes();
    for (sent, statuses) in [(&noise, [200, 200, 403]), (&text, [200, 200, 200])] {
        let way = Way::with(&budget("category", "uninspected = \"60KiB\"")).await;
        let url = format!("http://127.0.0.1:{}/in", way.origin.address.port());
        for status in statuses {
            let plain = plain(way.gateway.listener("out"), "POST", &url, "", sent).await;
            assert_eq!(plain.status, status, "{}", plain.head);
        }
    }
}

/// More people than the budget lets pass, each written by `one`.
fn crowd(joint: &str, one: impl Fn(u32) -> String) -> String {
    (0..PEOPLE_MAX + 10).map(one).collect::<Vec<_>>().join(joint)
}

fn phone(number: u32) -> String {
    format!("010-2000-{number:04}")
}

fn mail(number: u32) -> String {
    format!("customer{number}@example.com")
}

/// A request in which a crowd stands.
struct Sent {
    target: String,
    fields: String,
    body: String,
}

impl Sent {
    fn body(content_type: &str, body: String) -> Self {
        let fields = format!("Content-Type: {content_type}\r\n");
        Self {
            target: String::new(),
            fields,
            body,
        }
    }

    fn json(one: impl Fn(u32) -> String) -> Self {
        Self::body("application/json", format!("[{}]", crowd(",", one)))
    }

    /// A form under one name.
    fn pairs(name: &str) -> String {
        crowd("&", |number| format!("{name}={}", mail(number).replace('@', "%40")))
    }

    fn form(name: &str) -> Self {
        Self::body("application/x-www-form-urlencoded", Self::pairs(name))
    }

    fn multipart(name: &str) -> Self {
        let part = |number| {
            let value = phone(number);
            format!("--b\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
        };
        Self::body("multipart/form-data; boundary=b", crowd("", part) + "--b--\r\n")
    }

    fn table(head: &str) -> Self {
        let rows = crowd("\n", |number| format!("{},7", mail(number)));
        Self::body("text/csv", format!("{head}\n{rows}\n"))
    }

    fn xml(name: &str) -> Self {
        let one = |number| format!("<order><{name}><phone>{}</phone></{name}></order>", phone(number));
        Self::body("application/xml", format!("<orders>{}</orders>", crowd("\n", one)))
    }

    fn text(name: &str) -> Self {
        Self::body("text/plain", crowd("\n", |number| format!("{name}: {}", mail(number))))
    }

    fn target(target: String) -> Self {
        let body = "hello".to_owned();
        Self {
            target,
            ..Self::body("text/plain", body)
        }
    }

    fn field(name: &str) -> Self {
        let sent = Self::target(String::new());
        let fields = format!("{}{name}: {}\r\n", sent.fields, crowd(", ", mail));
        Self { fields, ..sent }
    }
}

#[tokio::test]
async fn a_processor_is_told_of_nobody_under_other_fields_than_were_declared() {
    let processor = "[[processor]]\nname = \"courier\"\nhosts = [\"localhost\"]\nfields = [\"recipient.phone\", \"to\", \"hp2\", \"hp3\"]\n\
        people_per_day = 1000\n";
    let way = Way::with(&(budget("address", &format!("people = {PEOPLE_MAX}")) + processor)).await;
    let object = |name: &str| Sent::json(|number| format!("{{\"{name}\":{{\"phone\":\"{}\"}}}}", phone(number)));
    let both = |first: &str, second: &str| {
        Sent::json(|number| {
            format!(
                "{{\"{first}\":\"{}\",\"{second}\":\"{}\"}}",
                phone(number),
                mail(number)
            )
        })
    };
    let twice = |number| {
        let (mail, phone) = (mail(number), phone(number));
        format!("{{\"to\":\"{mail}\"}},{{\"to\":\"{mail}\",\"zz\":\"{phone}\"}}")
    };
    let pieces = |number| format!("{{\"hp1\":\"010\",\"hp2\":\"2000\",\"hp3\":\"{number:04}\"}}");
    let list = |number| format!("{{\"orders\":[{{\"To\":[\"{}\"]}}]}}", mail(number));
    for (what, sent, is_inside) in [
        ("an object", object("recipient"), true),
        ("another object", object("sender"), false),
        ("a list", Sent::json(list), true),
        ("pieces of which one is elsewhere", Sent::json(pieces), false),
        ("no name", Sent::json(|number| format!("\"{}\"", mail(number))), false),
        ("something behind it", both("to", "zz"), false),
        ("more of who was inside", Sent::json(twice), false),
        ("something before it", both("zz", "to"), false),
        ("a form", Sent::form("to"), true),
        ("a form with brackets", Sent::form("recipient[phone]"), true),
        ("a form's other field", Sent::form("from"), false),
        ("multipart", Sent::multipart("to"), true),
        ("multipart's other field", Sent::multipart("note"), false),
        ("a table", Sent::table("TO,zone"), true),
        ("a table's other column", Sent::table("email,to"), false),
        ("XML", Sent::xml("recipient"), true),
        ("XML's other element", Sent::xml("sender"), false),
        ("a text", Sent::text("To"), true),
        ("a text's other line", Sent::text("From"), false),
        ("a query", Sent::target(format!("?{}", Sent::pairs("to"))), true),
        (
            "a query's other field",
            Sent::target(format!("?{}", Sent::pairs("q"))),
            false,
        ),
        ("a path", Sent::target(crowd("/", mail)), false),
        ("a field", Sent::field("to"), true),
        ("another field", Sent::field("x-note"), false),
    ] {
        let url = format!("http://localhost:{}/{}", way.origin.address.port(), sent.target);
        let reply = plain(
            way.gateway.listener("out"),
            "POST",
            &url,
            &sent.fields,
            sent.body.as_bytes(),
        )
        .await;
        assert_eq!(reply.status == 200, is_inside, "{what}: {}", reply.head);
    }
}
