//! What an origin says of one hop, or leaves behind on it, changes nothing for the next.

use bytes::Bytes;

use crate::support::client::get;
use crate::support::coding::Coding;
use crate::support::gateway::Gateway;
use crate::support::origin::{Origin, Step};
use crate::support::people::{Format, body, count_serials};

/// Two people a session.
async fn gateway(origin: &Origin) -> Gateway {
    Gateway::start(&format!(
        "[identity]\nsources = [\"cookie:sid\"]\n[[route]]\nmatch = \"*/\"\nupstream = [\"http://{}\"]\n\
         [[budget]]\nname = \"limit\"\nper = \"session\"\npeople = 2\nwindow = \"1d\"\naction = \"block\"\nmode = \"enforce\"\n",
        origin.address
    ))
    .await
}

#[tokio::test]
async fn a_coding_that_connection_names_is_read_all_the_same() {
    let coded = Coding::Gzip.encode(&body(Format::Csv, 0..50), usize::MAX);
    let head = format!(
        "HTTP/1.1 200 OK\r\nConnection: Content-Encoding, content-type\r\nContent-Encoding: gzip\r\n\
         Content-Type: text/csv\r\nContent-Length: {}\r\n\r\n",
        coded.len()
    );
    let sent: Bytes = [head.into_bytes(), coded].concat().into();
    let origin = Origin::raw(vec![Step::Write(sent)]).await;
    let gateway = gateway(&origin).await;
    let reply = get(gateway.address, "/", "Cookie: sid=s\r\nAccept-Encoding: gzip\r\n").await;
    let shown = count_serials(&Coding::Gzip.decode_prefix(&reply.body)).len();
    assert!(shown <= 2, "{} people, {}", shown, reply.head);
}
