//! People in heads and trailers count as those in bodies do, and do not leave beyond a limit.

use http::{HeaderName, Request, header};
use http_body_util::Full;
use tidegate::engine::ledger::Dimension;

use crate::support::client::{End, H2, get, http1};
use crate::support::gateway::Gateway;
use crate::support::origin::{Answer, Origin};

const CUSTOMER: HeaderName = HeaderName::from_static("x-customer");
const NAMES: [(&str, &str); 4] = [
    ("/ann", "ann@mail.example"),
    ("/bob", "bob@mail.example"),
    ("/cid", "cid@mail.example"),
    ("/dan", "dan@mail.example"),
];

/// Two people a session, then this action.
async fn gateway(origin: &Origin, action: &str, mode: &str) -> Gateway {
    Gateway::start(&format!(
        "[identity]\nsources = [\"cookie:sid\"]\n[[route]]\nmatch = \"*/\"\nupstream = [\"http://{}\"]\n\
         [[budget]]\nname = \"limit\"\nper = \"session\"\npeople = 2\nwindow = \"1d\"\naction = \"{action}\"\nmode = \"{mode}\"\n",
        origin.address
    ))
    .await
}

fn name_of(path: &str) -> &'static str {
    NAMES.iter().find(|(known, _)| *known == path).expect("a known path").1
}

async fn in_the_head() -> Origin {
    Origin::serve(|seen| Answer::new("text/plain", "").header(CUSTOMER, name_of(seen.uri.path()))).await
}

/// A body that shows nobody, and someone after it.
async fn in_the_trailers() -> Origin {
    Origin::serve(|seen| {
        Answer::new("text/plain", "nobody is in this text\n".repeat(20))
            .chunked(64)
            .trailer(&CUSTOMER, name_of(seen.uri.path()))
    })
    .await
}

/// HEAD and 304 count what their heads carry.
#[tokio::test]
async fn people_in_the_head_count() {
    let origin = in_the_head().await;
    let gateway = gateway(&origin, "block", "enforce").await;
    for (path, status) in [("/ann", 200), ("/bob", 200), ("/cid", 403), ("/ann", 200)] {
        let request = format!("HEAD {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\nCookie: sid=s\r\n\r\n");
        let reply = http1(gateway.address, request.as_bytes()).await;
        assert_eq!(
            (reply.status, reply.header("x-customer").is_some()),
            (status, status == 200),
            "{path}"
        );
    }
    let h2 = H2::connect(gateway.address).await;
    let request = Request::head(format!("http://{}/dan", gateway.address)).header("cookie", "sid=s");
    let reply = h2.send(request.body(Full::default()).expect("a request")).await;
    assert_eq!(reply.status, 403);
}

/// A parameter of the media type is a place as good as a field of its own.
#[tokio::test]
async fn people_in_parameters_of_the_content_type_count() {
    let media_type = |path: &str| match path {
        "/ann" => "text/plain; owner=\"ann@mail.example\"",
        "/bob" => "text/plain; charset=utf-8; owner=\"bob@mail.example\"",
        "/cid" => "application/json; owner=\"cid@mail.example\"",
        _ => "text/html; charset=utf-8",
    };
    let origin = Origin::serve(move |seen| Answer::new(media_type(seen.uri.path()), "")).await;
    let gateway = gateway(&origin, "block", "enforce").await;
    for (path, status) in [("/ann", 200), ("/bob", 200), ("/cid", 403), ("/", 200)] {
        let reply = get(gateway.address, path, "Cookie: sid=s\r\n").await;
        assert_eq!(reply.status, status, "{path}");
    }
}

#[tokio::test]
async fn a_head_that_exceeds_a_holding_budget_holds_its_key() {
    let origin = in_the_head().await;
    let gateway = gateway(&origin, "hold", "enforce").await;
    for (path, status) in [("/ann", 200), ("/bob", 200), ("/cid", 403), ("/ann", 403)] {
        assert_eq!(
            get(gateway.address, path, "Cookie: sid=s\r\n").await.status,
            status,
            "{path}"
        );
    }
    assert_eq!(gateway.holds().len(), 1);
}

#[tokio::test]
async fn people_in_trailers_count_and_a_third_one_is_cut_off() {
    let origin = in_the_trailers().await;
    let gateway = gateway(&origin, "block", "enforce").await;
    let h2 = H2::connect(gateway.address).await;
    for (path, is_given) in [("/ann", true), ("/bob", true), ("/cid", false), ("/ann", true)] {
        let reply = get(gateway.address, path, "Cookie: sid=s\r\nTE: trailers\r\n").await;
        let wire = String::from_utf8_lossy(&reply.wire);
        assert_eq!(
            (reply.is_whole, wire.contains(name_of(path))),
            (is_given, is_given),
            "{path}: {wire}"
        );
        let reply = h2.get(path, &[("cookie", "sid=s"), ("te", "trailers")]).await;
        let is_whole = reply.end == End::Whole;
        assert_eq!(
            (is_whole, reply.trailers.contains_key(CUSTOMER)),
            (is_given, is_given),
            "{path}"
        );
        assert!(
            is_whole || reply.end == End::Reset(h2::Reason::CANCEL),
            "{:?}",
            reply.end
        );
    }
    let [session] = gateway.keys(Dimension::Session).try_into().expect("one session");
    assert_eq!((session.people.as_slice(), session.pending), (&[(86_400, 2)][..], 0));
}

#[tokio::test]
async fn where_identifiers_are_masked_a_trailer_goes_without_its_field() {
    let origin = in_the_trailers().await;
    let gateway = gateway(&origin, "redact", "enforce").await;
    let h2 = H2::connect(gateway.address).await;
    for (path, is_given) in [("/ann", true), ("/bob", true), ("/cid", false), ("/bob", true)] {
        let reply = h2.get(path, &[("cookie", "sid=s"), ("te", "trailers")]).await;
        assert_eq!(
            (reply.end, reply.trailers.contains_key(CUSTOMER)),
            (End::Whole, is_given),
            "{path}"
        );
        assert_eq!(reply.headers[header::CACHE_CONTROL], "no-store");
    }
}

#[tokio::test]
async fn in_monitor_trailers_pass_and_count() {
    let origin = in_the_trailers().await;
    let gateway = gateway(&origin, "block", "monitor").await;
    for (path, name) in NAMES {
        let reply = get(gateway.address, path, "Cookie: sid=s\r\nTE: trailers\r\n").await;
        assert!(
            reply.is_whole && reply.trailers.contains(name),
            "{path}: {}",
            reply.trailers
        );
    }
    let [session] = gateway.keys(Dimension::Session).try_into().expect("one session");
    assert_eq!(session.people.as_slice(), &[(86_400, 4)]);
}
