//! Squid with TLS opened, before the real binary, both configured as README says.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::Arc;

use socket2::Socket;
use tempfile::TempDir;
use tidegate::tls::Authority;
use tokio::net::TcpStream;

use super::memory::{most_resident_kib, resident_kib};
use super::process::{Tidegate, eventually, output};
use super::readme::{example, put};
use super::tools::{self, reserved_port, text};
use crate::support::origin::{Answer, Origin, Seen};
use crate::support::origin_certificates::Origins;
use crate::support::people::{Format, body, cut_body};

/// Where README has the configurations.
const SECTION: &str = "## Beside another proxy";
/// L, as README has it.
const PEOPLE_MAX: u32 = 20;
/// A body in which nobody is, and how much the gateway may grow while it passes.
const HUGE_LINE: &str = "nobody is in this line, and there are many of them\n";
const HUGE_LINES: usize = 1 << 20;
const GROWTH_KIB_MAX: u64 = 24 << 10;

/// A running Squid; it ends when dropped.
struct Squid {
    child: Child,
    _reserved: Socket,
    port: u16,
}

impl Drop for Squid {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

impl Squid {
    /// As README says, but for addresses, ports and places, all in `dir`.
    async fn start(dir: &Path, icap: u16) -> Self {
        let (path, (reserved, port)) = (dir.display().to_string(), reserved_port());
        Authority::create(&dir.join("squid-authority")).expect("an authority");
        let mut certgen = Command::new("/usr/lib/squid/security_file_certgen");
        certgen.args(["-c", "-s", &format!("{path}/ssl_db"), "-M", "16MB"]);
        let made = output(certgen).await;
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let config = example(SECTION, "squid");
        let config = put(&config, "10.0.0.5:3128", &format!("127.0.0.1:{port}"));
        let config = put(&config, "/etc/squid/authority/", &format!("{path}/squid-authority/"));
        let config = put(&config, "/var/spool/squid/ssl_db", &format!("{path}/ssl_db"));
        let origins = format!("{path}/origins/authority.pem");
        let config = put(&config, "/etc/ssl/certs/ca-certificates.crt", &origins);
        let config = put(&config, "10.0.0.0/8", "127.0.0.0/8");
        let config = put(&config, "127.0.0.1:1344", &format!("127.0.0.1:{icap}"));
        let own = format!(
            "pid_filename {path}/squid.pid\ncache_log {path}/cache.log\naccess_log none\ncoredump_dir {path}\n\
             shutdown_lifetime 0 seconds\nvisible_hostname squid.example\n"
        );
        std::fs::write(dir.join("squid.conf"), config + &own).expect("a configuration");
        hand_over(dir).await;
        let child = Command::new("squid")
            .args(["-N", "-f", &format!("{path}/squid.conf"), "-n", &format!("t{port}")])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("squid starts");
        let squid = Self {
            child,
            _reserved: reserved,
            port,
        };
        eventually("Squid listens", async || {
            TcpStream::connect(("127.0.0.1", port)).await.ok()
        })
        .await;
        squid
    }
}

/// Squid gives up the rights of root: what it needs must be its own.
async fn hand_over(dir: &Path) {
    std::fs::set_permissions(dir, std::fs::Permissions::from_mode(0o777)).expect("our directory");
    let mut chown = Command::new("sh");
    chown.current_dir(dir);
    chown.args([
        "-c",
        "[ $(id -u) != 0 ] || chown -R proxy ssl_db squid-authority squid.conf",
    ]);
    assert!(output(chown).await.status.success(), "Squid owns its files");
}

/// Squid, the gateway behind it, and two origins with the same pages.
struct Way {
    squid: Squid,
    gateway: Tidegate,
    plain: Origin,
    tls: Origin,
    dir: Arc<TempDir>,
}

fn page(seen: &Seen) -> Answer {
    match seen.uri.path() {
        "/small" => Answer::new("application/json", body(Format::Json, 0..5)),
        "/large" => Answer::new("application/json", body(Format::Json, 0..60)),
        "/others" => Answer::new("application/json", body(Format::Json, 100..105)),
        "/upload" => Answer::new("text/plain", "thank you"),
        "/huge" => Answer::new("text/plain", HUGE_LINE.repeat(HUGE_LINES)),
        _ => Answer::new("text/plain", "nobody is here\n".repeat(20_000)),
    }
}

impl Way {
    async fn with(action: &str) -> Self {
        tools::require();
        let dir = Arc::new(tempfile::tempdir().expect("a directory"));
        let origins = Origins::create(&dir.path().join("origins"));
        let tls = Origin::serve_tls(origins.leaf(&["localhost"]), page).await;
        let plain = Origin::serve(page).await;
        let config = example(SECTION, "toml");
        let config = put(&config, "127.0.0.1:1344", "127.0.0.1:0");
        let config = put(&config, "action = \"block\"", &format!("action = \"{action}\""));
        let gateway = Tidegate::start_in(Arc::clone(&dir), &config).await;
        let squid = Squid::start(dir.path(), gateway.address("squid").port()).await;
        for (name, people) in [
            ("small.csv", 200..205),
            ("large.csv", 300..360),
            ("others.csv", 400..405),
        ] {
            std::fs::write(dir.path().join(name), body(Format::Csv, people)).expect("a file");
        }
        Self {
            squid,
            gateway,
            plain,
            tls,
            dir,
        }
    }

    /// Both origins, by their URL.
    fn origins(&self) -> [(String, &Origin); 2] {
        [
            (format!("http://127.0.0.1:{}", self.plain.address.port()), &self.plain),
            (format!("https://localhost:{}", self.tls.address.port()), &self.tls),
        ]
    }

    async fn curl(&self, arguments: &[&str]) -> Output {
        let mut curl = Command::new("curl");
        let proxy = format!("http://127.0.0.1:{}", self.squid.port);
        curl.current_dir(self.dir.path()).env_remove("no_proxy");
        curl.args(["--silent", "--show-error", "--noproxy", "", "--max-time", "20"]);
        curl.args(["--cacert", "squid-authority/authority.pem", "--proxy", &proxy]);
        curl.args(arguments);
        output(curl).await
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn squid_shows_and_sends_what_is_clean_and_is_cut_at_the_limit() {
    for is_tls in [false, true] {
        let way = Way::with("block").await;
        let (url, origin) = &way.origins()[usize::from(is_tls)];
        let clean = way.curl(&[&format!("{url}/clean")]).await;
        assert_eq!(
            clean.stdout,
            "nobody is here\n".repeat(20_000).into_bytes(),
            "{clean:?}"
        );
        let small = way.curl(&[&format!("{url}/small")]).await;
        assert_eq!(small.stdout, body(Format::Json, 0..5), "{url}");
        let large = way.curl(&[&format!("{url}/large")]).await;
        let behind = large
            .stdout
            .strip_prefix(cut_body(Format::Json, 0..PEOPLE_MAX).as_slice());
        let is_cut = behind.is_some_and(|behind| !behind.iter().any(u8::is_ascii_alphanumeric));
        assert!(is_cut, "{url}: {large:?}");
        assert!(!large.status.success(), "a truncated body is seen as one: {large:?}");
        let refused = way.curl(&[&format!("{url}/others")]).await;
        assert!(
            text(&refused).contains("The response was blocked"),
            "{url}: {refused:?}"
        );
        // What is sent counts for itself.
        let sent = way
            .curl(&["--data-binary", "@small.csv", &format!("{url}/upload")])
            .await;
        assert_eq!(text(&sent), "thank you", "{url}: {sent:?}");
        let sent = way
            .curl(&["--data-binary", "@large.csv", &format!("{url}/upload")])
            .await;
        assert_ne!(text(&sent), "thank you", "{url}");
        let refused = way
            .curl(&["--data-binary", "@others.csv", &format!("{url}/upload")])
            .await;
        assert!(text(&refused).contains("The request was blocked"), "{url}: {refused:?}");
        let uploads: Vec<_> = origin.seen().into_iter().filter(|seen| !seen.body.is_empty()).collect();
        let whole = uploads.iter().filter(|seen| seen.is_whole).count();
        assert_eq!(whole, 1, "{url}: the small one alone came whole");
        let limit = cut_body(Format::Csv, 300..300 + PEOPLE_MAX - 5);
        for seen in uploads.iter().filter(|seen| !seen.is_whole) {
            assert!(limit.starts_with(&seen.body), "{url}: no more than the limit came");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn squid_shows_and_sends_masks_in_the_place_of_people_over_the_limit() {
    for is_tls in [false, true] {
        let way = Way::with("redact").await;
        let (url, origin) = &way.origins()[usize::from(is_tls)];
        let whole = body(Format::Json, 0..60);
        let large = way.curl(&[&format!("{url}/large")]).await;
        assert!(large.status.success(), "{url}: {large:?}");
        assert_eq!(large.stdout.len(), whole.len(), "{url}");
        assert!(
            large.stdout.starts_with(&cut_body(Format::Json, 0..PEOPLE_MAX)),
            "{url}"
        );
        assert!(text(&large).contains("~*") && large.stdout != whole, "{url}");
        let sent = way
            .curl(&["--data-binary", "@large.csv", &format!("{url}/upload")])
            .await;
        assert_eq!(text(&sent), "thank you", "{url}: {sent:?}");
        let seen = origin
            .seen()
            .into_iter()
            .find(|seen| !seen.body.is_empty())
            .expect("an upload");
        let file = body(Format::Csv, 300..360);
        assert_eq!((seen.is_whole, seen.body.len()), (true, file.len()), "{url}");
        assert!(
            seen.body.starts_with(&cut_body(Format::Csv, 300..300 + PEOPLE_MAX)),
            "{url}"
        );
        assert!(
            seen.body != file && seen.body.windows(2).any(|pair| pair == b"~*"),
            "{url}"
        );
        // The proxy asks over connections that last, and what it is told is counted.
        let redacted = "tidegate_exchanges_total{route=\"icap:squid\",verdict=\"redact\"}";
        way.gateway.metric_is(redacted, 1.0).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_large_body_passes_squid_at_bounded_memory() {
    let way = Way::with("redact").await;
    let (url, _) = &way.origins()[0];
    let bytes = HUGE_LINE.len() * HUGE_LINES;
    // What the first bodies of a process take is not what their length takes.
    way.curl(&[&format!("{url}/large")]).await;
    way.curl(&["--data-binary", "@large.csv", &format!("{url}/upload")])
        .await;
    let huge = format!("{url}/huge");
    let arguments = [
        "--max-time",
        "300",
        "--output",
        "huge",
        "--write-out",
        "%{size_download}",
        &huge,
    ];
    let before = resident_kib(way.gateway.id());
    let (told, [most]) = most_resident_kib([way.gateway.id()], way.curl(&arguments)).await;
    assert_eq!(text(&told), bytes.to_string(), "{told:?}");
    assert!(most > 0 && most < before + GROWTH_KIB_MAX, "{before} to {most} KiB");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn squid_lets_nothing_pass_while_the_gateway_is_away() {
    let way = Way::with("block").await;
    let (url, _) = &way.origins()[0];
    assert!(way.curl(&[&format!("{url}/small")]).await.status.success());
    way.gateway.signal("STOP").await;
    let told = way.curl(&["--max-time", "3", &format!("{url}/others")]).await;
    assert!(!text(&told).contains("example.com"), "{told:?}");
    way.gateway.signal("CONT").await;
}
