//! Clients that do not believe the organisation's certificates, origins whose certificates are bad, and hellos that hide another:
//! what is proposed, what a person may except until a day, and that nothing passes by itself.

use std::sync::Arc;

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection};
use serde_json::Value;
use tidegate::tls::client_config;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::forward::{Way, answer, connect};
use super::tunnels_out::reload;
use crate::support::client::exchange;
use crate::support::gateway::until;
use crate::support::origin::Origin;
use crate::support::origin_certificates::Origins;

async fn pinned(way: &Way) -> Vec<Value> {
    let reply = way.gateway.ask_admin("GET /api/v1/pinned", "").await;
    let answer: Value = serde_json::from_slice(&reply.body).expect("JSON");
    answer["pinned"].as_array().expect("a list").clone()
}

pub(crate) fn exception(rest: &str) -> String {
    format!("[[listen.out.forward.exception]]\nname = \"the app\"\nowner = \"ann\"\nreason = \"it pins\"\n{rest}\n")
}

#[tokio::test]
async fn a_client_that_pins_is_proposed_and_passes_by_a_persons_exception_alone() {
    let way = Way::opened("").await;
    assert!(pinned(&way).await.is_empty());
    for refusals in 1..3 {
        let told = way.tls("localhost", "origins", &[]).await;
        assert!(told.is_err(), "it is shown our leaf, however often it asks");
        until("it is proposed", async || {
            let hosts = pinned(&way).await;
            hosts
                .first()
                .is_some_and(|host| host["refusals"] == refusals && host["trusting"] == 0)
        })
        .await;
    }
    drop(way.tls("localhost", "ours", &[]).await.expect("it has the authority"));
    until("it is known to have the authority", async || {
        pinned(&way).await[0]["trusting"] == 1
    })
    .await;
    assert_eq!(
        (&pinned(&way).await[0]["host"], &pinned(&way).await[0]["clients"]),
        (&"localhost".into(), &1.into())
    );
    assert!(way.origin.seen().is_empty());

    let until_when = |day: &str| exception(&format!("hosts = [\"localhost\"]\nexpires = \"{day}\""));
    reload(&way, way.port(), &until_when("2020-01-01"));
    assert!(way.tls("localhost", "origins", &[]).await.is_err(), "it is over");
    reload(&way, way.port(), &until_when("2099-01-01"));
    assert!(way.tls("localhost", "origins", &[]).await.is_ok(), "it passes unread");
    assert!(pinned(&way).await.is_empty(), "it was accepted");
    let metrics = way.gateway.metrics().await;
    assert!(metrics.contains("tidegate_tls_failures_total{leg=\"downstream\",kind=\"untrusted\"}"));
    until("what passed is counted", async || {
        let metrics = way.gateway.metrics().await;
        metrics.contains("tidegate_upload_uninspected_bytes_total{route=\"forward:out\",reason=\"exception\"}")
    })
    .await;
}

pub(crate) fn digest(files: &[tidegate::tls::CertificateFiles]) -> String {
    use rustls::pki_types::CertificateDer;
    use rustls::pki_types::pem::PemObject as _;
    let leaf = CertificateDer::from_pem_file(&files[0].cert).unwrap();
    let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &leaf);
    hash.as_ref()
        .iter()
        .map(|byte| format!("{byte:02X}"))
        .collect::<Vec<_>>()
        .join(":")
}

#[tokio::test]
async fn one_bad_certificate_is_believed_until_a_day_and_what_is_inside_is_read() {
    type Make = fn(&Origins) -> Vec<tidegate::tls::CertificateFiles>;
    let makes: [Make; 3] = [
        |origins| origins.expired("localhost"),
        |origins| origins.self_signed("localhost"),
        |origins| origins.leaf(&["other.example"]),
    ];
    for make in makes {
        let dir = tempfile::tempdir().unwrap();
        let files = make(&Origins::create(&dir.path().join("origins")));
        let good = digest(&files);
        let other = good.replacen(&good[..2], if good.starts_with("00") { "01" } else { "00" }, 1);
        let way = Way::before(Origin::serve_tls(files, answer).await, dir, "").await;
        for (certificate, day, status) in [
            (&good, "2099-01-01", 200),
            (&other, "2099-01-01", 502),
            (&good, "2020-01-01", 502),
        ] {
            let rest = format!("hosts = [\"localhost\"]\ncertificate = \"{certificate}\"\nexpires = \"{day}\"");
            reload(&way, way.port(), &exception(&rest));
            let stream = way
                .tls("localhost", "ours", &[b"http/1.1"])
                .await
                .expect("a leaf of ours");
            let request = format!(
                "GET / HTTP/1.1\r\nHost: localhost:{}\r\nConnection: close\r\n\r\n",
                way.port()
            );
            assert_eq!(exchange(stream, request.as_bytes()).await.status, status, "{day}");
        }
        assert_eq!(way.origin.seen().len(), 1);
    }
}

/// A hello of rustls for localhost, with an extension more that says another hello is hidden in it.
fn hello_that_hides(config: Arc<ClientConfig>) -> Vec<u8> {
    let name = ServerName::try_from("localhost").unwrap();
    let mut hello = Vec::new();
    ClientConnection::new(config, name)
        .unwrap()
        .write_tls(&mut hello)
        .unwrap();
    let mut at = 5 + 4 + 2 + 32;
    at += 1 + usize::from(hello[at]);
    at += 2 + usize::from(u16::from_be_bytes([hello[at], hello[at + 1]]));
    at += 1 + usize::from(hello[at]);
    let outer = [&[0, 0, 1, 0, 1, 7, 0, 32][..], &[9; 32], &[0, 16], &[9; 16]].concat();
    let length = u16::try_from(outer.len()).unwrap();
    let extension = [&[0xfe, 0x0d][..], &length.to_be_bytes(), &outer].concat();
    hello.splice(at + 2..at + 2, extension.iter().copied());
    for length_at in [3, 7, at] {
        let length = u16::from_be_bytes([hello[length_at], hello[length_at + 1]]);
        let longer = length + u16::try_from(extension.len()).unwrap();
        hello[length_at..length_at + 2].copy_from_slice(&longer.to_be_bytes());
    }
    hello
}

#[tokio::test]
async fn a_hello_that_hides_another_goes_by_its_outer_name_or_nowhere() {
    for (rest, is_answered) in [("", true), ("ech = \"outer\"", true), ("ech = \"block\"", false)] {
        let way = Way::opened(rest).await;
        let config = client_config(Some(&way.dir.path().join("ours/authority.pem"))).unwrap();
        let mut stream = way.tunnel("localhost").await;
        stream.write_all(&hello_that_hides(config)).await.unwrap();
        let mut first = [0; 1];
        let answered = stream.read_exact(&mut first).await.is_ok() && first == [22];
        assert_eq!(answered, is_answered, "{rest}");
    }
}

#[tokio::test]
async fn a_hello_that_hides_another_behind_the_name_of_a_third_is_a_front() {
    let way = Way::opened("").await;
    let (status, mut stream) = connect(way.proxy(), &format!("127.0.0.1.nip.localhost:{}", way.port()), "").await;
    assert_eq!(status, 200);
    let config = client_config(Some(&way.dir.path().join("ours/authority.pem"))).unwrap();
    stream.write_all(&hello_that_hides(config)).await.unwrap();
    let mut told = Vec::new();
    stream.read_to_end(&mut told).await.ok();
    assert!(
        !told.starts_with(&[22]),
        "the outer name is not the host that was asked for"
    );
}
