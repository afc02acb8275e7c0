//! A stolen key before the real binary, which is killed in the middle: the count goes on, and who had logged in is still issued.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::process::{Tidegate, command, output};
use crate::support::client::{get, http1};
use crate::support::people::count_serials;
use crate::support::shop::{Session, forged, identity, login, post, session, shop, token};

/// People whom a stolen key is shown.
const LIMIT: usize = 20;

async fn sent(gateway: &Tidegate, request: &str) -> Session {
    session(&http1(gateway.address("http"), request.as_bytes()).await)
}

async fn steal(gateway: &Tidegate, customers: std::ops::Range<u32>) -> BTreeSet<u32> {
    let mut seen = BTreeSet::new();
    for customer in customers {
        let reply = get(gateway.address("http"), "/me", &forged(customer)).await;
        assert!(matches!(reply.status, 200 | 401 | 429), "{}", reply.head);
        seen.extend(count_serials(&reply.body));
    }
    seen
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_in_the_middle_a_stolen_key_is_still_contained_and_logins_are_still_known() {
    let (origin, dir) = (shop().await, Arc::new(tempfile::tempdir().expect("a directory")));
    let config = format!(
        "[listen.http]\naddress = \"127.0.0.1:0\"\n{}[[route]]\nmatch = \"*/\"\nupstream = [\"http://{}\"]\nfail = \"closed\"\n\
         [[budget]]\nname = \"stolen-key\"\nper = \"kid\"\nwhen = \"unissued\"\npeople = {LIMIT}\nwindow = \"30d\"\n\
         action = \"reauth\"\nmode = \"enforce\"\n",
        identity(dir.path(), "warm_up_s = 0"),
        origin.address,
    );
    let mut gateway = Tidegate::start_in(Arc::clone(&dir), &config).await;
    // Within a fifth of the limit nobody leaves who is not on disk.
    let mut stolen = steal(&gateway, 1_000..1_000 + LIMIT as u32 * 9 / 10).await;
    let mut honest: Vec<String> = Vec::new();
    for customer in 0..10 {
        let first = sent(&gateway, &login(customer)).await;
        let renewed = sent(&gateway, &post("/refresh", &first.cookie)).await;
        honest.extend([first.bearer, first.cookie, renewed.bearer, renewed.cookie]);
        drop(gateway);
        gateway = Tidegate::start_in(Arc::clone(&dir), &config).await;
        let next = 2_000 + customer * 100;
        stolen.extend(steal(&gateway, next..next + 5).await);
    }
    assert_eq!(stolen.len(), LIMIT);
    for shown in &honest {
        assert_eq!(get(gateway.address("http"), "/me", shown).await.status, 200);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sessions_that_are_older_than_the_gateway_are_taken_in() {
    let (origin, dir) = (shop().await, Arc::new(tempfile::tempdir().expect("a directory")));
    let config = format!(
        "[listen.http]\naddress = \"127.0.0.1:0\"\n{}[[route]]\nmatch = \"*/\"\nupstream = [\"http://{}\"]\nfail = \"closed\"\n\
         [[budget]]\nname = \"made-up\"\nper = \"service\"\nwhen = \"unissued\"\npeople = 0\nwindow = \"30d\"\n\
         action = \"reauth\"\nmode = \"enforce\"\n",
        identity(dir.path(), "warm_up_s = 0"),
        origin.address,
    );
    // It makes the hash key.
    drop(Tidegate::start_in(Arc::clone(&dir), &config).await);
    let old = token(1, "older");
    std::fs::write(dir.path().join("sessions.txt"), format!("{old}\n\n2-older\n")).expect("a file");
    let mut issued = command(dir.path());
    issued.args(["ledger", "issued", "sessions.txt", "--config", "tidegate.toml"]);
    let said = output(issued).await;
    let text = String::from_utf8_lossy(&said.stdout).into_owned() + &String::from_utf8_lossy(&said.stderr);
    assert!(
        said.status.success() && text.contains("2 credentials are issued"),
        "{text}"
    );
    let file = std::fs::read(dir.path().join("tidegate-state/ledger.redb")).expect("the ledger");
    for secret in [old.as_bytes(), b"2-older"] {
        assert!(
            !file.windows(secret.len()).any(|window| window == secret),
            "only hashes are kept"
        );
    }
    let gateway = Tidegate::start_in(Arc::clone(&dir), &config).await;
    for (shown, status) in [
        (format!("Authorization: Bearer {old}\r\n"), 200),
        ("Cookie: sid=2-older\r\n".to_owned(), 200),
        ("Cookie: sid=2-forged\r\n".to_owned(), 401),
    ] {
        assert_eq!(
            get(gateway.address("http"), "/me", &shown).await.status,
            status,
            "{shown}"
        );
    }
}
