//! More keys than there is room for: those that nobody asks for stay on disk, and count on where they stopped.

use std::sync::Arc;

use super::process::Tidegate;
use crate::support::client::{H2, H2Reply};
use crate::support::origin::{Answer, Origin};
use crate::support::people::{Format, body};

/// Clients, each of which may be shown three people and has two keys: about twice as many as there is room for.
const CLIENTS: u32 = 6_000;

fn config(origin: &Origin, bytes_max: usize) -> String {
    format!(
        "[listen.http]\naddress = \"127.0.0.1:0\"\ntrusted = [\"127.0.0.0/8\"]\n\
         [[route]]\nmatch = \"*/\"\nupstream = [\"http://{}\"]\nfail = \"closed\"\n\
         [[budget]]\nname = \"day\"\nper = \"address\"\npeople = 3\nwindow = \"1d\"\naction = \"block\"\nmode = \"enforce\"\n\
         [[budget]]\nname = \"all\"\nper = \"address\"\nwhen = \"route:*/\"\npeople = 50\nwindow = \"1d\"\naction = \"block\"\n\
         mode = \"enforce\"\n[ledger]\nbytes_max = {bytes_max}\n[store]\nwait_ms_max = 10000\n",
        origin.address
    )
}

/// The answer to a client with this number.
async fn ask(connection: &H2, client: u32, path: &str) -> H2Reply {
    let address = format!("10.1.{}.{}", client / 250, client % 250);
    connection.get(path, &[("x-forwarded-for", &address)]).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_found_no_room_at_a_start_counts_on_from_disk() {
    let origin = Origin::serve(|request| {
        let (from, to) = request
            .uri
            .path()
            .trim_start_matches('/')
            .split_once('-')
            .unwrap_or(("0", "1"));
        let people = from.parse().expect("a number")..to.parse().expect("a number");
        Answer::new("application/json", body(Format::Json, people))
    })
    .await;
    let dir = Arc::new(tempfile::tempdir().expect("a directory"));
    let mut gateway = Tidegate::start_in(Arc::clone(&dir), &config(&origin, 64 << 20)).await;
    let connection = H2::connect(gateway.address("http")).await;
    for client in 0..CLIENTS {
        assert_eq!(ask(&connection, client, "/0-2").await.status, 200);
    }
    drop(connection);
    gateway.signal("TERM").await;
    assert!(gateway.ended().await.success());
    let gateway = Tidegate::start_in(dir, &config(&origin, 1 << 20)).await;
    gateway
        .metric_grows("tidegate_ledger_spilled_keys", f64::from(CLIENTS) / 4.0)
        .await;
    let connection = H2::connect(gateway.address("http")).await;
    for client in (0..CLIENTS).step_by(100) {
        assert_eq!(
            ask(&connection, client, "/0-2").await.status,
            200,
            "who was shown may be shown again"
        );
        assert_eq!(ask(&connection, client, "/2-3").await.status, 200);
        assert_eq!(
            ask(&connection, client, "/3-4").await.status,
            403,
            "client {client} begins anew"
        );
    }
    gateway.metric_grows("tidegate_ledger_read_back_keys_total", 10.0).await;
    let full = gateway.metric("tidegate_ledger_full_total").await;
    assert!(full == 0.0, "{full} went uncounted");
}
