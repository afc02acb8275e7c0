//! Tenants: what one is shown counts for nobody else, whoever asks.

use tidegate::engine::ledger::Dimension;

use crate::support::client::get;
use crate::support::gateway::Gateway;
use crate::support::origin::{Answer, Origin};
use crate::support::people::{Format, body};

#[tokio::test]
async fn a_session_may_be_shown_as_many_people_of_each_tenant() {
    let origin = Origin::serve(|request| {
        let range = request.uri.path().rsplit('/').next().unwrap_or_default();
        let (from, to) = range.split_once('-').unwrap_or(("0", "0"));
        let people = from.parse().expect("a number")..to.parse().expect("a number");
        Answer::new("application/json", body(Format::Json, people))
    })
    .await;
    let route = |path: &str, tenant: &str| {
        let address = origin.address;
        format!("[[route]]\nmatch = \"*/{path}\"\nupstream = [\"http://{address}\"]\n{tenant}\n")
    };
    let routes = [
        route("", ""),
        route("acme/", "tenant = \"acme\""),
        route("export/", "tenant = \"acme\""),
        route("other/", "tenant = \"other\""),
    ];
    let gateway = Gateway::start(&format!(
        "[identity]\nsources = [\"cookie:sid\"]\n{}[[budget]]\nname = \"day\"\nper = \"session\"\npeople = 5\n\
         window = \"1d\"\naction = \"block\"\nmode = \"enforce\"\n",
        routes.concat()
    ))
    .await;
    let status = async |path: &str| get(gateway.address, path, "Cookie: sid=a\r\n").await.status;
    for path in ["/acme/0-5", "/other/0-5", "/plain/0-5"] {
        assert_eq!(
            status(path).await,
            200,
            "{path}: nobody else's people were counted for it"
        );
    }
    for path in ["/acme/5-6", "/export/5-6", "/other/5-6", "/plain/5-6"] {
        assert_eq!(status(path).await, 403, "{path}");
    }
    assert_eq!(status("/export/0-5").await, 200, "whom its tenant has shown already");
    // By the key that its incident names a session is revoked for that tenant; by the default one's, which is its name, for all.
    let mut refused = Vec::new();
    for view in gateway.keys(Dimension::Session) {
        let key = view.key.to_string();
        gateway.revoke("session", &key).await;
        let mut statuses = [0; 3];
        for (status_of, path) in statuses.iter_mut().zip(["/acme/0-5", "/other/0-5", "/plain/0-5"]) {
            *status_of = status(path).await;
        }
        refused.push(statuses.map(|status| status == 401));
        gateway.reinstate(&key).await;
    }
    refused.sort_unstable();
    assert_eq!(refused, [[false, true, false], [true, false, false], [true; 3]]);
}
