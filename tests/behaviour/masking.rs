//! Redaction: who is over the limit leaves masked, again and again, and nothing of him or her leaves any other way.

use http::header;
use tidegate::cli::demo::people::person;
use tidegate::engine::ledger::Dimension;

use crate::support::client::{End, H2, get};
use crate::support::coding::Coding;
use crate::support::export::Export;
use crate::support::gateway::Gateway;
use crate::support::origin::Origin;
use crate::support::people::{FORMATS, count_serials};

/// People who leave in the clear.
const PEOPLE_MAX: u32 = 3;
const PEOPLE: u32 = 40;

async fn origin() -> Origin {
    Origin::serve(|request| {
        Export::of_path(request.uri.path())
            .answer()
            .header(header::ETAG, "\"1\"")
            .header(header::CACHE_CONTROL, "max-age=600")
            .header(header::ACCEPT_RANGES, "bytes")
    })
    .await
}

async fn gateway(origin: &Origin) -> Gateway {
    Gateway::start(&format!(
        "[identity]\nsources = [\"cookie:sid\"]\n[[route]]\nmatch = \"*/\"\nupstream = [\"http://{}\"]\n\
         [[budget]]\nname = \"mask\"\nper = \"session\"\npeople = {PEOPLE_MAX}\nwindow = \"1d\"\naction = \"redact\"\nmode = \"enforce\"\n",
        origin.address
    ))
    .await
}

/// Asserts that the first people stand as they were sent and of the others no identifier.
fn assert_masked(export: &Export, body: &[u8]) {
    let plain = export.plain();
    let clear = export.starts()[PEOPLE_MAX as usize];
    assert_eq!(body.len(), plain.len(), "{export:?}");
    assert_eq!(body[..clear], plain[..clear], "{export:?}");
    let masked = String::from_utf8_lossy(&body[clear..]);
    for number in PEOPLE_MAX..PEOPLE {
        let person = person(number);
        for identifier in [&person.name, &person.email, &person.phone, &person.address] {
            assert!(!masked.contains(identifier.as_str()), "{export:?}: person {number}");
        }
    }
    // The serials are no identifiers: the records are all there.
    assert_eq!(count_serials(body).len(), PEOPLE as usize);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_masked_person_fetched_again_is_masked_again() {
    let origin = origin().await;
    let gateway = gateway(&origin).await;
    let h2 = H2::connect(gateway.address).await;
    for (format, coding) in FORMATS
        .into_iter()
        .flat_map(|format| Coding::ALL.map(|coding| (format, coding)))
    {
        let mut export = Export::new(format, coding, 0..PEOPLE);
        for (turn, chunk_bytes) in [usize::MAX, 1_000, 7].into_iter().enumerate() {
            export.chunk_bytes = chunk_bytes;
            let path = format!("/{}", export.path());
            let cookie = format!("Cookie: sid={format:?}{coding:?}\r\nAccept-Encoding: gzip, br, zstd\r\n");
            let reply = get(gateway.address, &path, &cookie).await;
            assert!(reply.status == 200 && reply.is_whole, "{export:?} {turn}");
            assert_masked(&export, &reply.body);
            for gone in ["etag", "content-encoding", "accept-ranges"] {
                assert_eq!(reply.header(gone), None, "{gone}");
            }
            assert_eq!(reply.header("cache-control"), Some("no-store"));
        }
        let again = h2
            .get(
                &format!("/{}", export.path()),
                &[("cookie", &format!("sid={format:?}{coding:?}"))],
            )
            .await;
        assert_eq!((again.status, again.end), (200, End::Whole));
        assert_masked(&export, &again.body);
    }
    let keys = gateway.keys(Dimension::Session);
    assert!(
        keys.iter()
            .all(|key| key.people == [(86_400, PEOPLE_MAX)] && key.pending == 0)
    );
    // The origin is asked for what can be masked: no coding, no part.
    let fields = origin.seen().into_iter().map(|seen| seen.headers);
    assert!(
        fields
            .into_iter()
            .all(|fields| fields[header::ACCEPT_ENCODING] == "identity")
    );
}

/// Who was masked is still new: another session may see him or her, and so may this one after a release.
#[tokio::test]
async fn a_masked_person_is_counted_nowhere() {
    let origin = origin().await;
    let gateway = gateway(&origin).await;
    let ask = async |people: std::ops::Range<u32>| {
        let export = Export::new(FORMATS[0], Coding::Identity, people);
        let reply = get(gateway.address, &format!("/{}", export.path()), "Cookie: sid=s\r\n").await;
        (0..PEOPLE)
            .filter(|number| memchr::memmem::find(&reply.body, person(*number).email.as_bytes()).is_some())
            .collect::<Vec<_>>()
    };
    assert_eq!(ask(0..6).await, [0, 1, 2]);
    assert!(ask(3..6).await.is_empty());
    let key = gateway.keys(Dimension::Session)[0].key;
    let end = gateway.shared().clock.now().second() + 600;
    assert!(
        gateway
            .shared()
            .ledger
            .release(key, 1, end, gateway.shared().clock.now())
    );
    assert_eq!(ask(4..6).await, [4]);
    assert_eq!(ask(0..6).await, [0, 1, 2, 4]);
}
