//! Real clients that go out through TLS that is opened.

use std::convert::Infallible;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use tempfile::TempDir;
use tidegate::tls::{Acceptor, Authority, CertificateFiles};
use tokio::net::TcpListener;

use super::memory::{most_resident_kib, resident_kib};
use super::process::{Tidegate, is_optimised, output};
use super::tools::{self, text};
use crate::support::origin::{Answer, Origin};
use crate::support::origin_certificates::Origins;
use crate::support::people::{Format, body};

/// L.
pub(super) const PEOPLE_MAX: u32 = 20;
/// How much the gateway may grow while a file passes in which nobody is.
const GROWTH_KIB_MAX: u64 = 24 << 10;

/// A gateway before an origin at `port`, whose authority is in `origins` of `dir`; the organisation's is in `ours`.
pub(super) async fn gateway(dir: &Arc<TempDir>, port: u16) -> Tidegate {
    Authority::create(&dir.path().join("ours")).expect("an authority");
    let config = format!(
        "[listen.out]\naddress = \"127.0.0.1:0\"\n[listen.out.forward]\nports = [{port}]\nauthority = \"ours\"\n\
         ca = \"origins/authority.pem\"\nreaches = [\"127.0.0.0/8\", \"::1/128\"]\n\
         [[budget]]\nname = \"out\"\nper = \"address\"\npeople = {PEOPLE_MAX}\nwindow = \"1d\"\naction = \"block\"\nmode = \"enforce\"\n"
    );
    Tidegate::start_in(Arc::clone(dir), &config).await
}

/// What curl says of a request through the gateway, with the organisation's authority alone.
async fn curl(gateway: &Tidegate, arguments: &[&str]) -> Output {
    tools::require();
    let mut curl = Command::new("curl");
    curl.current_dir(gateway.dir.path()).env_remove("no_proxy");
    let proxy = format!("http://{}", gateway.address("out"));
    curl.args([
        "--silent",
        "--show-error",
        "--noproxy",
        "",
        "--cacert",
        "ours/authority.pem",
        "--proxy",
        &proxy,
    ]);
    curl.args(arguments);
    output(curl).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn curl_goes_out_over_both_versions_and_is_stopped_at_the_limit() {
    let dir = Arc::new(tempfile::tempdir().expect("a directory"));
    let origins = Origins::create(&dir.path().join("origins"));
    let small = body(Format::Json, 0..5);
    let page = small.clone();
    let files = origins.leaf(&["localhost"]);
    let origin = Origin::serve_tls(files, move |_| Answer::new("application/json", page.clone())).await;
    let gateway = gateway(&dir, origin.address.port()).await;
    std::fs::write(dir.path().join("file.json"), body(Format::Json, 0..60)).expect("a file");
    let url = format!("https://localhost:{}/page", origin.address.port());
    for (version, told) in [("--http1.1", "1.1"), ("--http2", "2")] {
        let got = curl(&gateway, &[version, &url]).await;
        assert_eq!(
            (got.status.code(), &got.stdout),
            (Some(0), &small),
            "{version}: {got:?}"
        );
        let said = curl(
            &gateway,
            &[version, "--output", "-", "--write-out", "\n%{http_version}", &url],
        )
        .await;
        assert!(text(&said).ends_with(&format!("\n{told}")), "{version}");
        for upload in [
            ["--data-binary", "@file.json"],
            ["--form", "file=@file.json;type=application/json"],
        ] {
            let refused = curl(&gateway, &[version, upload[0], upload[1], &url]).await;
            let is_told = text(&refused).contains("The request was blocked");
            assert!(is_told, "{version} {upload:?}: {refused:?}");
        }
    }
    let whole = origin
        .seen()
        .iter()
        .filter(|seen| seen.is_whole && !seen.body.is_empty())
        .count();
    assert_eq!(whole, 0, "no upload came whole");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn curl_is_told_why_an_origin_is_not_to_be_trusted() {
    type Make = fn(&Origins) -> Vec<CertificateFiles>;
    let cases: [(Make, &str); 3] = [
        (|origins| origins.expired("localhost"), "has expired"),
        (
            |origins| origins.self_signed("localhost"),
            "signed by nobody who is trusted here",
        ),
        (|origins| origins.leaf(&["other.example"]), "is another host's"),
    ];
    for (make, why) in cases {
        let dir = Arc::new(tempfile::tempdir().expect("a directory"));
        let origins = Origins::create(&dir.path().join("origins"));
        let origin = Origin::serve_tls(make(&origins), |_| Answer::new("text/plain", "hello")).await;
        let gateway = gateway(&dir, origin.address.port()).await;
        let url = format!("https://localhost:{}/", origin.address.port());
        let told = curl(&gateway, &["--header", "Accept: text/html", &url]).await;
        assert!(text(&told).contains(why), "{why}: {told:?}");
        assert!(origin.seen().is_empty());
    }
}

/// An origin over TLS that counts what it is sent and keeps none of it; its port.
async fn sink(files: Vec<CertificateFiles>, count: Arc<AtomicU64>) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let acceptor = Arc::new(Acceptor::new(files).expect("a certificate"));
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (acceptor, count) = (Arc::clone(&acceptor), Arc::clone(&count));
            tokio::spawn(async move {
                let Ok((stream, ..)) = acceptor.accept(stream).await else {
                    return;
                };
                let service = service_fn(move |request: Request<Incoming>| swallow(request, Arc::clone(&count)));
                let served = auto::Builder::new(TokioExecutor::new());
                served.serve_connection(TokioIo::new(stream), service).await.ok();
            });
        }
    });
    port
}

async fn swallow(request: Request<Incoming>, count: Arc<AtomicU64>) -> Result<Response<Full<Bytes>>, Infallible> {
    let mut sent = request.into_body();
    while let Some(Ok(frame)) = sent.frame().await {
        count.fetch_add(frame.into_data().map_or(0, |chunk| chunk.len() as u64), Relaxed);
    }
    Ok(Response::new(Full::from("all of it")))
}

fn sparse(path: &Path, bytes: u64) {
    let file = std::fs::File::create(path).expect("a file");
    file.set_len(bytes).expect("room for it");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_large_clean_upload_passes_at_bounded_memory() {
    let dir = Arc::new(tempfile::tempdir().expect("a directory"));
    let origins = Origins::create(&dir.path().join("origins"));
    let count = Arc::new(AtomicU64::new(0));
    let port = sink(origins.leaf(&["localhost"]), Arc::clone(&count)).await;
    let gateway = gateway(&dir, port).await;
    // Unoptimised it would take minutes.
    let large: u64 = if is_optimised() { 1 << 30 } else { 96 << 20 };
    sparse(&dir.path().join("large"), large);
    sparse(&dir.path().join("small"), 4 << 20);
    let url = format!("https://localhost:{port}/in");
    for version in ["--http1.1", "--http2"] {
        // What the first upload of a process takes is not what its length takes.
        assert_eq!(
            text(&curl(&gateway, &[version, "--upload-file", "small", &url]).await),
            "all of it"
        );
        let before = resident_kib(gateway.id());
        let arguments = [version, "--upload-file", "large", &url];
        let (sent, [most]) = most_resident_kib([gateway.id()], curl(&gateway, &arguments)).await;
        assert_eq!(text(&sent), "all of it", "{version}: {sent:?}");
        assert!(
            most > 0 && most < before + GROWTH_KIB_MAX,
            "{version}: {before} to {most} KiB"
        );
    }
    assert_eq!(count.load(Relaxed), 2 * (large + (4 << 20)));
}

/// A server of OpenSSL that is weak in this way; its port, and the process.
fn weak(dir: &Path, arguments: &[&str]) -> (u16, Child) {
    let mut server = Command::new("openssl");
    server
        .current_dir(dir)
        .args(["s_server", "-accept", "127.0.0.1:0", "-www"])
        .args(arguments);
    let mut child = server
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("openssl");
    let mut lines = BufReader::new(child.stdout.take().expect("piped"))
        .lines()
        .map_while(Result::ok);
    let port = lines.find_map(|line| line.strip_prefix("ACCEPT ")?.rsplit_once(':')?.1.trim().parse().ok());
    // It goes on writing, and nobody reads.
    std::thread::spawn(move || lines.for_each(drop));
    (port.expect("it listens"), child)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn weak_origins_are_refused() {
    let good = [
        "-cert",
        "origins/localhost.pem",
        "-key",
        "origins/localhost.key",
        "-cipher",
        "DEFAULT:@SECLEVEL=0",
    ];
    let short = [
        "-cert",
        "short.pem",
        "-key",
        "short.key",
        "-cipher",
        "DEFAULT:@SECLEVEL=0",
    ];
    let cases: [(&[&str], &[&str], bool); 5] = [
        (&good, &["-tls1_2"], true),
        (&good, &["-tls1_1"], false),
        (&good, &["-tls1"], false),
        (
            &good,
            &["-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-SHA:@SECLEVEL=0"],
            false,
        ),
        (&short, &["-tls1_2"], false),
    ];
    for (files, how, is_spoken_to) in cases {
        let dir = Arc::new(tempfile::tempdir().expect("a directory"));
        let origins = Origins::create(&dir.path().join("origins"));
        origins.leaf(&["localhost"]);
        let mut make = Command::new("sh");
        make.current_dir(dir.path()).args([
            "-ec",
            "openssl req -x509 -newkey rsa:1024 -nodes -keyout short.key -out short.pem -days 9 -subj /CN=localhost \
             -addext subjectAltName=DNS:localhost -CA origins/authority.pem -CAkey origins/authority.key",
        ]);
        let made = output(make).await;
        assert!(made.status.success(), "{made:?}");
        let (port, mut server) = weak(dir.path(), &[files, how].concat());
        let gateway = gateway(&dir, port).await;
        let told = curl(
            &gateway,
            &[
                "--output",
                "-",
                "--write-out",
                "%{http_code}",
                &format!("https://localhost:{port}/"),
            ],
        )
        .await;
        server.kill().and_then(|()| server.wait()).expect("our child");
        let status = if is_spoken_to { "200" } else { "502" };
        assert!(text(&told).ends_with(status), "{how:?}: {told:?}");
    }
}
