//! curl shows a certificate to the real binary: it is let in, and not any more once it is revoked; nobody else is.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use tidegate::tls::Authority;

use super::process::{Tidegate, eventually, output};
use super::tools;
use crate::support::certificates::{ClientAuthority, Shown};
use crate::support::gateway::quoted;
use crate::support::origin::{Answer, Origin};

/// What is in a certificate, and in nothing that is written.
const NAME: &str = "billing-of-acme";

/// The status that curl was given; none where there was no answer.
async fn status(gateway: &Tidegate, version: &str, shown: Option<&str>) -> Option<String> {
    let dir = gateway.dir.path();
    let mut curl = Command::new("curl");
    curl.args(["--silent", "--ipv4", "--max-time", "20", "--noproxy", "*", version]);
    curl.args(["--output", "/dev/null", "--write-out", "%{http_code}"]);
    curl.arg("--cacert").arg(dir.join("authority/authority.pem"));
    if let Some(name) = shown {
        curl.arg("--cert").arg(dir.join(format!("{name}.pem")));
        curl.arg("--key").arg(dir.join(format!("{name}.key")));
    }
    curl.arg(format!("https://localhost:{}/", gateway.address("https").port()));
    let told = output(curl).await;
    let text = String::from_utf8_lossy(&told.stdout).into_owned();
    told.status.success().then_some(text)
}

fn write(dir: &Path, name: &str, shown: &Shown) {
    std::fs::write(dir.join(format!("{name}.pem")), &shown.pem).expect("a file");
    std::fs::write(dir.join(format!("{name}.key")), &shown.key).expect("a file");
}

/// Whether a client's certificate was refused for this.
async fn refused(gateway: &Tidegate, kind: &str) -> bool {
    let name = format!("tidegate_tls_failures_total{{leg=\"downstream\",kind=\"certificate_{kind}\"}}");
    gateway.metric(&name).await > 0.0
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn curl_with_a_certificate_is_let_in_until_it_is_revoked() {
    tools::require();
    let origin = Origin::serve(|_| Answer::new("text/plain", "hello")).await;
    let dir = Arc::new(tempfile::tempdir().expect("a directory"));
    let authority = Authority::create(&dir.path().join("authority")).expect("an authority");
    let (cert, key) = authority.leaf(&["localhost".into()]).expect("a leaf");
    let clients = ClientAuthority::new();
    let (good, revoked) = (clients.sign(NAME, &[]), clients.sign("leaver", &[]));
    for (name, shown) in [
        ("good", &good),
        ("revoked", &revoked),
        ("foreign", &ClientAuthority::new().sign(NAME, &[])),
        ("expired", &clients.sign_until(NAME, &[], 2020)),
    ] {
        write(dir.path(), name, shown);
    }
    std::fs::write(dir.path().join("clients.pem"), &clients.pem).expect("a file");
    std::fs::write(dir.path().join("clients.crl"), clients.revoke(&[], 2099)).expect("a file");
    let config = format!(
        "[listen.https]\naddress = \"127.0.0.1:0\"\ntls = {{ cert = {}, key = {} }}\n\
         client_certificates = {{ ca = \"clients.pem\", crls = [\"clients.crl\"], required = true }}\n\
         [identity]\nsources = [\"certificate:subject\"]\n\
         [[route]]\nmatch = \"*/\"\nupstream = [\"http://{}\"]\n",
        quoted(&cert),
        quoted(&key),
        origin.address
    );
    let gateway = Tidegate::start_in(Arc::clone(&dir), &config).await;
    let ok = Some("200".to_owned());
    for version in ["--http1.1", "--http2"] {
        for name in ["good", "revoked"] {
            assert_eq!(status(&gateway, version, Some(name)).await, ok, "{version} {name}");
        }
        for shown in [None, Some("foreign"), Some("expired")] {
            assert_eq!(status(&gateway, version, shown).await, None, "{version} {shown:?}");
        }
    }
    std::fs::write(dir.path().join("new.crl"), clients.revoke(&[&revoked], 2099)).expect("a file");
    std::fs::rename(dir.path().join("new.crl"), dir.path().join("clients.crl")).expect("it takes its place");
    eventually("it is revoked", async || {
        let is_refused = status(&gateway, "--http2", Some("revoked")).await.is_none();
        (is_refused && refused(&gateway, "revoked").await).then_some(())
    })
    .await;
    assert_eq!(status(&gateway, "--http2", Some("good")).await, ok);
    // A client may hear of its failure before it is counted.
    for kind in ["missing", "unknown_issuer", "expired"] {
        eventually(kind, async || refused(&gateway, kind).await.then_some(())).await;
    }
    assert!(!gateway.written().contains(NAME), "no log names a client");
}
