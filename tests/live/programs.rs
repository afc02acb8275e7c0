//! A thief who comes from another address with each request, and with one program: the order of its header fields and how it
//! opens HTTP/2 bound it, another program has a budget of its own, and whoever logged in is spared with the same program.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::process::Command;
use std::sync::Arc;

use super::process::{Tidegate, output};
use super::tools;
use crate::support::client::{H2, get, http1};
use crate::support::origin::Origin;
use crate::support::people::count_serials;
use crate::support::shop::{forged, identity, login, session, shop};

/// People whom one program is shown with what nobody issued.
const LIMIT: usize = 20;
const STRANGERS: u32 = 100_000;

/// What curl is answered, from an address of the loopback network: the status and the people.
async fn curl(gateway: SocketAddr, version: &str, from: &str, header_line: &str) -> (String, BTreeSet<u32>) {
    let mut curl = Command::new("curl");
    curl.args([
        "--silent",
        "--max-time",
        "20",
        "--noproxy",
        "*",
        version,
        "--interface",
        from,
    ]);
    curl.args(["--header", header_line.trim_end(), "--write-out", "%{http_code}"]);
    curl.arg(format!("http://{gateway}/me"));
    let told = output(curl).await.stdout;
    let (body, status) = told.split_at(told.len().saturating_sub(3));
    (
        String::from_utf8_lossy(status).into_owned(),
        count_serials(body).into_iter().collect(),
    )
}

/// The gateway, and the shop behind it.
async fn start(per: &str) -> (Tidegate, Origin) {
    let (origin, dir) = (shop().await, Arc::new(tempfile::tempdir().expect("a directory")));
    let config = format!(
        "[listen.http]\naddress = \"127.0.0.1:0\"\n{}[[route]]\nmatch = \"*/\"\nupstream = [\"http://{}\"]\nfail = \"closed\"\n\
         [[budget]]\nname = \"one-program\"\nper = \"{per}\"\nwhen = \"unissued\"\npeople = {LIMIT}\nwindow = \"30d\"\n\
         action = \"reauth\"\nmode = \"enforce\"\n",
        identity(dir.path(), "warm_up_s = 0\nreauth_per_s_max = 1000"),
        origin.address,
    );
    (Tidegate::start_in(dir, &config).await, origin)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_program_is_bounded_from_however_many_addresses() {
    tools::require();
    let (h1, h2) = ("--http1.1", "--http2-prior-knowledge");
    for (per, version) in [("headers", h1), ("headers", h2), ("http2", h2), ("headers + http2", h2)] {
        let (gateway, _origin) = start(per).await;
        let address = gateway.address("http");
        let mut stolen = BTreeSet::new();
        for customer in 0..LIMIT as u32 * 3 / 2 {
            let from = format!("127.20.{customer}.1");
            let (status, people) = curl(address, version, &from, &forged(STRANGERS + customer)).await;
            let is_over = stolen.len() == LIMIT;
            assert_eq!(
                status,
                if is_over { "401" } else { "200" },
                "{per} {version}: {customer}"
            );
            stolen.extend(people);
        }
        assert_eq!(stolen.len(), LIMIT, "{per} {version}");

        let own = session(&http1(address, login(7).as_bytes()).await);
        let (status, people) = curl(address, version, "127.30.0.1", &own.bearer).await;
        assert_eq!(
            (&*status, people),
            ("200", BTreeSet::from([7])),
            "{per} {version}: honest"
        );

        // Another library, with as forged a token.
        let other = forged(STRANGERS + 1_000);
        let (name, value) = other.trim_end().split_once(": ").expect("a field");
        let reply = H2::connect(address).await.get("/me", &[(name, value)]).await;
        assert_eq!(reply.status, 200, "{per} {version}: another program over HTTP/2");
        let reply = get(address, "/me", &forged(STRANGERS + 1_001)).await;
        assert_eq!(reply.status, 200, "{per} {version}: another program over HTTP/1.1");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_program_counts_together_with_a_network() {
    tools::require();
    let (gateway, _origin) = start("headers + network").await;
    let address = gateway.address("http");
    let mut stolen = BTreeSet::new();
    for customer in 0..LIMIT as u32 + 5 {
        let from = format!("127.20.1.{}", customer + 1);
        let (_, people) = curl(address, "--http1.1", &from, &forged(STRANGERS + customer)).await;
        stolen.extend(people);
    }
    assert_eq!(stolen.len(), LIMIT, "of one network");
    let (status, _) = curl(address, "--http1.1", "127.21.1.1", &forged(STRANGERS + 1_000)).await;
    assert_eq!(status, "200", "the same program elsewhere has another key");
}
