//! A file of fifty thousand customers that somebody sends out through TLS that is opened, in six forms.

use super::forward::{BUDGET, Way};
use crate::support::client::exchange;
use crate::support::coding::Coding;
use crate::support::people::{Format, body, count_serials};

/// L.
const PEOPLE_MAX: usize = 20;
/// Rows of the file.
const PEOPLE: u32 = 50_000;

/// The file in one form: its fields, and its bytes.
fn forms() -> Vec<(&'static str, Vec<u8>)> {
    let file = |format| body(format, 0..PEOPLE);
    let multipart = {
        let head = "--b\r\nContent-Disposition: form-data; name=\"note\"\r\n\r\nas agreed\r\n--b\r\n\
                    Content-Disposition: form-data; name=\"file\"; filename=\"c.csv\"\r\nContent-Type: text/csv\r\n\r\n";
        [head.as_bytes(), &file(Format::Csv), b"\r\n--b--\r\n"].concat()
    };
    let form = {
        let rows = String::from_utf8(file(Format::Ndjson)).expect("text");
        let fields = rows.lines().enumerate().map(|(number, row)| {
            let escaped: String = row.bytes().map(|byte| format!("%{byte:02X}")).collect();
            format!("row{number}={escaped}")
        });
        fields.collect::<Vec<_>>().join("&").into_bytes()
    };
    vec![
        ("Content-Type: text/csv\r\n", file(Format::Csv)),
        ("Content-Type: application/json\r\n", file(Format::Json)),
        (
            "Content-Type: application/x-ndjson\r\nExpect: 100-continue\r\n",
            file(Format::Ndjson),
        ),
        (
            "Content-Type: text/csv\r\nContent-Encoding: gzip\r\n",
            Coding::Gzip.encode(&file(Format::Csv), 4_096),
        ),
        ("Content-Type: multipart/form-data; boundary=b\r\n", multipart),
        ("Content-Type: application/x-www-form-urlencoded\r\n", form),
    ]
}

fn chunked(body: &[u8]) -> Vec<u8> {
    let chunk = |chunk: &[u8]| [format!("{:x}\r\n", chunk.len()).as_bytes(), chunk, b"\r\n"].concat();
    let mut wire: Vec<u8> = body.chunks(10_000).flat_map(chunk).collect();
    wire.extend_from_slice(b"0\r\n\r\n");
    wire
}

#[tokio::test]
async fn a_customer_file_is_stopped_at_the_limit_in_six_forms() {
    for (number, (fields, file)) in forms().into_iter().enumerate() {
        let way = Way::opened(BUDGET).await;
        let stream = way
            .tls("localhost", "ours", &[b"http/1.1"])
            .await
            .expect("a leaf of ours");
        let (length, sent) = if number % 2 == 0 {
            (format!("Content-Length: {}\r\n", file.len()), file)
        } else {
            ("Transfer-Encoding: chunked\r\n".to_owned(), chunked(&file))
        };
        let port = way.port();
        let head = format!("POST /in HTTP/1.1\r\nHost: localhost:{port}\r\nConnection: close\r\n{fields}{length}\r\n");
        let told = exchange(stream, &[head.as_bytes(), &sent].concat()).await;
        // The refusal may be lost behind a client that goes on sending; nothing else is told.
        assert!(matches!(told.status, 0 | 403), "{fields}: {}", told.head);
        let seen = way.origin.seen();
        assert!(seen.iter().all(|seen| !seen.is_whole), "{fields}");
        let arrived: Vec<u8> = seen.iter().flat_map(|seen| seen.body.to_vec()).collect();
        let shown = if fields.contains("gzip") {
            Coding::Gzip.decode_prefix(&arrived)
        } else if fields.contains("urlencoded") {
            unescaped(&arrived)
        } else {
            arrived
        };
        assert!(count_serials(&shown).len() <= PEOPLE_MAX, "{fields}");
    }
}

/// `%41` to `A`.
fn unescaped(text: &[u8]) -> Vec<u8> {
    let parts = text.split(|byte| *byte == b'%');
    let digits = |part: &[u8]| u8::from_str_radix(std::str::from_utf8(part.get(..2)?).ok()?, 16).ok();
    parts
        .flat_map(|part| {
            digits(part)
                .into_iter()
                .chain(part.get(2..).unwrap_or_default().to_vec())
        })
        .collect()
}
