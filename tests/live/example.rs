//! The configuration that the design shows as one that a person would write: it is checked as it stands there, and runs with other
//! addresses.

use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use serde_json::json;
use tempfile::TempDir;

use super::honest::certificates;
use super::process::{Tidegate, command, output};
use super::tools::{Asked, Given, Way, curl};
use crate::support::origin::{Answer, Origin};
use crate::support::people::{Format, body, count_serials};
use crate::support::token::{key_set, sign};

/// As the design has it, but for the names of files; each key has a line of its own, as TOML wants it.
const EXAMPLE: &str = r#"
[listen.shop]                       # reverse proxy: responses leave here
address  = "0.0.0.0:8443"
tls      = { cert = "certs/localhost.pem", key = "certs/localhost.key" }
trusted  = ["10.0.0.0/8"]           # whose PROXY protocol or Forwarded is believed

[identity]
sources  = ["jwt:authorization", "jwt:cookie:token", "cookie:sid", "header:x-api-key"]
[identity.issuer.shop]
jwks     = "https://login.shop.internal/jwks.json"
algorithms = ["EdDSA"]
logs_in_at   = ["POST /login"]      # fresh proof: what is issued here is issued
refreshes_at = ["POST /refresh"]    # what is issued here inherits the mark of what was sent
[identity.group]                    # what is normal for whom
customer = { claim = "role=customer", people_per_day = 10 }
agent    = { claim = "role=agent",    people_per_day = 120 }
partner  = { api_keys = "partners.keys", people_per_day = 0 }   # keyed hashes, one a line

[[route]]
match    = "shop.example.com/"
upstream = ["http://10.1.0.10:9000", "http://10.1.0.11:9000"]
fail     = "closed"
[[route]]
match    = "shop.example.com/stores"
upstream = ["http://10.1.0.10:9000"]
public   = true                     # declared data of no person; still measured
[[route]]
match    = "GET shop.example.com/partner/export"
upstream = ["http://10.1.0.12:9000"]
allow    = { group = "partner", people_per_day = 5000 }   # one total; inside it no other people budget sees them

[[budget]]                          # one response may not carry more than this
name = "bulk"
per = "exchange"
people = 60
action = "block"
mode = "enforce:5%"
[[budget]]
name = "session-day"
per = "session"
people = 100
window = "1d"
action = "block"
mode = "enforce"
[[budget]]
name = "unissued"
per = "kid"
when = "unissued"
people = 20
window = "30d"
action = "reauth"
[[budget]]
name = "one-network"
per = "network"
people = 500
window = "1h"
action = "alert"
[[budget]]
name = "slow-crawl"
per = "principal"
people = 300
window = "30d"
action = "throttle"
to = "6/h"
[[budget]]
name = "dark-bytes"
per = "session"
uninspected = "20MiB"
window = "1d"
action = "alert"
mode = "monitor"

[[exception]]                       # always someone's, always ends
budget = "session-day"
principal = "agent:4711"
people = 400
owner = "support-lead@shop"
ticket = "SUP-812"
reason = "recall of lot 7"
expires = "2026-12-01"
"#;

/// A partner's line, made as an operator makes it.
async fn list_partner(dir: &Path) {
    let mut hash = command(dir);
    hash.args(["hash", "api-key", "acme"]);
    let line = with_input(hash, "partner-key-1").await;
    std::fs::write(dir.join("partners.keys"), line).expect("the directory is ours");
}

/// What a command that reads this writes.
async fn with_input(mut command: Command, input: &'static str) -> Vec<u8> {
    let run = tokio::task::spawn_blocking(move || {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the binary starts");
        let mut stdin = child.stdin.take().expect("piped");
        std::io::Write::write_all(&mut stdin, input.as_bytes()).expect("it reads");
        drop(stdin);
        child.wait_with_output().expect("it ends")
    });
    let told = run.await.expect("no panic in it");
    assert!(told.status.success(), "{}", String::from_utf8_lossy(&told.stderr));
    told.stdout
}

async fn shop() -> Origin {
    Origin::serve(|request| {
        let people = match request.uri.path() {
            "/stores" => 0..300,
            "/partner/export" => 0..200,
            "/first" => 0..60,
            "/second" => 60..100,
            "/third" => 100..101,
            _ => 0..1,
        };
        Answer::new("application/json", body(Format::Json, people))
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_example_of_the_design_is_checked_as_it_stands_and_runs() {
    let dir = Arc::new(tempfile::tempdir().expect("a directory"));
    let authority = certificates(&dir).await;
    std::fs::write(dir.path().join("tidegate.toml"), EXAMPLE).expect("the directory is ours");
    list_partner(dir.path()).await;
    check(&dir).await;
    let (shop, login) = (
        shop().await,
        Origin::serve(|_| Answer::new("application/json", key_set("k1"))).await,
    );
    let upstream = shop.address.to_string();
    let config = EXAMPLE
        .replace("0.0.0.0:8443", "127.0.0.1:0")
        .replace("https://login.shop.internal/", &format!("http://{}/", login.address));
    let config = ["10.1.0.10:9000", "10.1.0.11:9000", "10.1.0.12:9000"]
        .into_iter()
        .fold(config, |config, address| config.replace(address, &upstream));
    let gateway = Tidegate::start_in(Arc::clone(&dir), &config).await;
    let way = Way {
        address: gateway.address("shop"),
        authority: Some(authority),
        is_http2: false,
    };
    let customer = sign("k1", &json!({ "sub": "c-17", "sid": "s1", "role": "customer" }));
    let customer: &'static str = format!("Bearer {customer}").leak();
    let by_token: &'static [_] = vec![("Host", HOST), ("Authorization", customer)].leak();
    let shown = async |path: &'static str, fields: &'static [(&'static str, &'static str)]| {
        let fetched = fetch(&way, path, fields).await;
        (fetched.status, count_serials(&fetched.body).len())
    };
    assert_eq!(shown("/", by_token).await, (200, 1));
    assert_eq!(
        shown("/stores", &[("Host", HOST)]).await,
        (200, 300),
        "declared data of no person"
    );
    let partner: &[_] = &[("Host", HOST), ("X-Api-Key", "partner-key-1")];
    assert_eq!(
        shown("/partner/export", partner).await,
        (200, 200),
        "within the allowance"
    );
    let session: &[_] = &[("Host", HOST), ("Cookie", "sid=honest")];
    assert_eq!(shown("/first", session).await, (200, 60));
    assert_eq!(shown("/second", session).await, (200, 40));
    assert_eq!(
        shown("/third", session).await,
        (403, 0),
        "a session is shown a hundred people a day"
    );
    assert_eq!(shown("/first", session).await, (200, 60), "and those again");
    assert_eq!(shown("/", &[("Host", "elsewhere.example")]).await, (404, 0));
}

const HOST: &str = "shop.example.com";

async fn check(dir: &TempDir) {
    let mut check = command(dir.path());
    check.args(["check", "--config", "tidegate.toml"]);
    let told = output(check).await;
    let said = String::from_utf8_lossy(&told.stdout).into_owned() + &String::from_utf8_lossy(&told.stderr);
    assert!(told.status.success() && said.contains("0 errors"), "{said}");
}

async fn fetch(way: &Way, path: &'static str, fields: &'static [(&'static str, &'static str)]) -> Given {
    let asked = Asked {
        method: "GET",
        path,
        fields,
        body: None,
    };
    curl(way, &asked).await
}
