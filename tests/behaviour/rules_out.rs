//! What becomes of a way out, by what is there, who asks and from where.

use std::path::Path;

use tokio::net::TcpStream;

use super::forward::{Way, connect, origin_at};
use super::tunnels_out::reload;
use crate::support::client::exchange;
use crate::support::gateway::quoted;
use crate::support::origin_certificates::Origins;

/// The lines of ann and bob whose password is `secret`, as `htpasswd -B` writes them.
const USERS: &str = "ann:$2y$05$e5Vf6WHrLtXWRpVTAY3EtOc5tAtDw8VKgrrRAsYpFp45tKu/.zMVq\n\
                     bob:$2y$05$e5Vf6WHrLtXWRpVTAY3EtOc5tAtDw8VKgrrRAsYpFp45tKu/.zMVq\n";
const ANN: &str = "Proxy-Authorization: Basic YW5uOnNlY3JldA==\r\n";
const BOB: &str = "Proxy-Authorization: Basic Ym9iOnNlY3JldA==\r\n";
const RULES: &str = r#"
[[listen.out.forward.rule]]
action = "open"
categories = ["file-share"]
principals = ["ann"]
[[listen.out.forward.rule]]
action = "refuse"
categories = ["file-share"]
[[listen.out.forward.rule]]
action = "pass"
hosts = ["127.0.0.1"]
networks = ["127.0.0.0/8"]
"#;

/// The settings of a listener with these rules, where this is all that `localhost` is.
fn settings(dir: &Path, category: &str) -> String {
    let (users, list) = (dir.join("users"), dir.join("hosts.list"));
    std::fs::write(&users, USERS).unwrap();
    std::fs::write(&list, format!("localhost {category}\n")).unwrap();
    let (users, list) = (quoted(&users), quoted(&list));
    format!("users = {users}\n{RULES}\n[rules]\ndestinations = {list}\n")
}

/// A gateway with these settings and rules, before an origin that is `localhost` and a file share.
async fn way(before: &str) -> Way {
    let dir = tempfile::tempdir().unwrap();
    let origins = Origins::create(&dir.path().join("origins"));
    let settings = before.to_owned() + &settings(dir.path(), "file-share");
    Way::before(origin_at(&origins, &["localhost"]).await, dir, &settings).await
}

#[tokio::test]
async fn a_rule_names_what_is_there_who_asks_and_from_where() {
    let way = way("").await;
    let (share, address) = (format!("localhost:{}", way.port()), format!("127.0.0.1:{}", way.port()));
    let (status, stream) = connect(way.proxy(), &share, ANN).await;
    assert_eq!(status, 200);
    assert!(
        way.tls_in(stream, "localhost", "ours", &[]).await.is_ok(),
        "it is opened"
    );
    assert_eq!(connect(way.proxy(), &share, BOB).await.0, 403);
    let (status, stream) = connect(way.proxy(), &address, BOB).await;
    assert_eq!(status, 200);
    assert!(
        way.tls_in(stream, "localhost", "origins", &[]).await.is_ok(),
        "it passes unread"
    );

    let get =
        |fields: &str| format!("GET http://{share}/ HTTP/1.1\r\nHost: {share}\r\nConnection: close\r\n{fields}\r\n");
    let told = |fields: &str| {
        let (proxy, request) = (way.proxy(), get(fields));
        async move {
            exchange(TcpStream::connect(proxy).await.unwrap(), request.as_bytes())
                .await
                .status
        }
    };
    assert_eq!(told(BOB).await, 403, "in the clear too");
    // The origin speaks TLS alone.
    assert_eq!(told(ANN).await, 502);
}

#[tokio::test]
async fn no_rule_opens_what_is_refused() {
    let way = way("refuse = [\"localhost\"]\n").await;
    let share = format!("localhost:{}", way.port());
    assert_eq!(connect(way.proxy(), &share, ANN).await.0, 403);
}

#[tokio::test]
async fn a_host_that_changes_its_category_is_under_other_rules() {
    let way = way("").await;
    let share = format!("localhost:{}", way.port());
    assert_eq!(connect(way.proxy(), &share, BOB).await.0, 403);
    reload(&way, way.port(), &settings(way.dir.path(), "ours"));
    assert_eq!(connect(way.proxy(), &share, BOB).await.0, 200);
}
