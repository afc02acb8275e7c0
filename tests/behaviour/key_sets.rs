//! Key sets behind a URL: fetched at the start, again when a token names a key that is not there, and kept when nobody answers.

use std::sync::{Arc, Mutex};

use http::StatusCode;
use serde_json::json;
use tidegate::engine::ledger::Dimension;

use crate::support::client::get;
use crate::support::gateway::{Gateway, until};
use crate::support::origin::{Answer, Origin};
use crate::support::people::{Format, body};
use crate::support::token::{key_set, sign};

/// What the login service answers; nothing while it is down.
type Served = Arc<Mutex<Option<String>>>;

async fn login_service(set: Option<&str>) -> (Origin, Served) {
    let served: Served = Arc::new(Mutex::new(set.map(str::to_owned)));
    let answers = Arc::clone(&served);
    let origin = Origin::serve(move |request| {
        let Some(set) = answers.lock().expect("no panic").clone() else {
            return Answer::new("text/plain", "no").status(StatusCode::SERVICE_UNAVAILABLE);
        };
        let tag = format!("\"{}\"", set.len());
        if request.headers.get("if-none-match").is_some_and(|known| *known == tag) {
            return Answer::new("text/plain", "").status(StatusCode::NOT_MODIFIED);
        }
        Answer::new("application/json", set).header(http::header::ETAG, &tag)
    });
    (origin.await, served)
}

fn text(login: &Origin, shop: &Origin) -> String {
    format!(
        "[identity]\nsources = [\"jwt:authorization\"]\n[identity.issuer.shop]\njwks = \"http://{}/jwks\"\nalgorithms = [\"EdDSA\"]\n\
         [[route]]\nmatch = \"*/\"\nupstream = [\"http://{}\"]\n\
         [[budget]]\nname = \"key\"\nper = \"kid + principal\"\npeople = 1000\nwindow = \"1d\"\naction = \"alert\"\n",
        login.address, shop.address
    )
}

/// Shows somebody to this bearer of a token that this key signed; how many bearers were believed so far.
async fn believed_after(gateway: &Gateway, kid: &str, bearer: &str) -> usize {
    let token = sign(kid, &json!({ "sub": bearer, "sid": bearer }));
    let reply = get(gateway.address, "/", &format!("Authorization: Bearer {token}\r\n")).await;
    assert_eq!(reply.status, 200, "{}", reply.head);
    gateway
        .keys(Dimension::parse("kid + principal").expect("two dimensions"))
        .len()
}

async fn shop() -> Origin {
    Origin::serve(|_| Answer::new("application/json", body(Format::Json, 0..1))).await
}

#[tokio::test]
async fn a_key_set_is_fetched_at_the_start_and_again_for_a_key_that_is_new() {
    let (shop, (login, served)) = (shop().await, login_service(Some(&key_set("k1"))).await);
    let state = tempfile::tempdir().expect("a directory");
    let gateway = Gateway::start_watched(state, &text(&login, &shop)).await;
    assert_eq!(
        believed_after(&gateway, "k1", "ann").await,
        1,
        "the first exchange is known"
    );
    *served.lock().expect("no panic") = Some(key_set("k2"));
    until("the new key is known", async || {
        believed_after(&gateway, "k2", "bob").await == 2
    })
    .await;
}

#[tokio::test]
async fn a_restart_needs_no_login_service() {
    let (shop, (login, _)) = (shop().await, login_service(Some(&key_set("k1"))).await);
    let text = text(&login, &shop);
    let gateway = Gateway::start(&text).await;
    assert_eq!(believed_after(&gateway, "k1", "ann").await, 1);
    let state = tempfile::tempdir().expect("a directory");
    for file in std::fs::read_dir(gateway.state()).expect("a directory").flatten() {
        if file.file_name().to_string_lossy().starts_with("jwks-") {
            std::fs::copy(file.path(), state.path().join(file.file_name())).expect("a copy");
        }
    }
    drop((gateway, login));
    let gateway = Gateway::start_in(state, &text).await;
    assert_eq!(
        believed_after(&gateway, "k1", "bob").await,
        1,
        "the last set is in force"
    );
}

#[tokio::test]
async fn what_cannot_be_had_changes_nothing_and_what_is_no_key_set_is_refused() {
    let (shop, (login, served)) = (shop().await, login_service(None).await);
    let gateway = Gateway::start(&text(&login, &shop)).await;
    assert_eq!(
        believed_after(&gateway, "k1", "ann").await,
        0,
        "without a set nobody is known, and the gateway serves"
    );
    drop(gateway);
    *served.lock().expect("no panic") = Some(key_set("k1"));
    let state = tempfile::tempdir().expect("a directory");
    let path = state.path().to_owned();
    let gateway = Gateway::start_in(state, &text(&login, &shop)).await;
    assert_eq!(believed_after(&gateway, "k1", "ann").await, 1);
    let files = std::fs::read_dir(&path).expect("a directory").filter_map(|entry| {
        let name = entry.ok()?.file_name().into_string().ok()?;
        name.starts_with("jwks-").then_some(name)
    });
    assert_eq!(files.count(), 1);
    // Garbage from a login service that is up.
    *served.lock().expect("no panic") = Some("{\"keys\":[]}".to_owned());
    believed_after(&gateway, "k9", "eve").await;
    until("it was asked again", async || login.seen().len() >= 3).await;
    assert_eq!(
        believed_after(&gateway, "k1", "bob").await,
        2,
        "the old set is in force"
    );
}
