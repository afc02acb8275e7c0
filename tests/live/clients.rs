//! Clients that other people wrote, which go out through TLS that is opened and believe the organisation's authority as each does.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::{Arc, OnceLock};

use tempfile::TempDir;
use tokio::task::block_in_place;

use super::forward::{PEOPLE_MAX, gateway};
use super::process::{Tidegate, output};
use super::tools::{text, venv};
use crate::support::origin::{Answer, Origin, Seen};
use crate::support::origin_certificates::Origins;
use crate::support::people::{Format, body, count_serials};

/// Where the programs that ask are.
const SCRIPTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/live/clients");
/// The packages of `PyPI` that are clients.
const LIBRARIES: [&str; 2] = ["requests==2.32.5", "httpx[http2]==0.28.1"];
/// People on the page of which only the first may be shown.
const PEOPLE: u32 = 60;
/// The page that anybody may see.
const CLEAN: &str = "<!doctype html><title>clean</title><p>nobody is on this page";
/// What `git http-backend` answers with, where it does as it is asked.
const GIT_TYPES: [&str; 2] = [
    "application/x-git-upload-pack-advertisement",
    "application/x-git-upload-pack-result",
];
/// A page that asks for another, and then shows what it was given of it, and how that ended.
const SHOWING: &str = "<!doctype html><title>showing</title><p id=told>waiting<script>\
    const told = document.getElementById('told');\
    let given = '';\
    (async () => {\
        const parts = (await fetch('/people')).body.pipeThrough(new TextDecoderStream()).getReader();\
        for (let part = await parts.read(); !part.done; part = await parts.read()) given += part.value;\
    })().then(() => told.textContent = 'whole: ' + given, () => told.textContent = 'broken: ' + given);</script>";
/// A page that sends as many people as its line says, and then tells what it was answered.
const SENDING: &str = "<!doctype html><title>sending</title><p id=told>waiting<script>\
    const people = Array.from({ length: 60 }, (_, n) => ({ email: `customer${n}@mail.example` }));\
    fetch('/in', { method: 'POST', body: JSON.stringify(people) })\
    .then(answer => { document.getElementById('told').textContent = `told ${answer.status}`; });</script>";

/// An origin that is only reached through a gateway which opens TLS, and the directory in which all of it is.
struct Way {
    dir: Arc<TempDir>,
    origin: Origin,
    gateway: Tidegate,
}

impl Way {
    async fn to(answer: impl Fn(&Path, &Seen) -> Answer + Send + Sync + 'static) -> Self {
        let dir = Arc::new(tempfile::tempdir().expect("a directory"));
        let files = Origins::create(&dir.path().join("origins")).leaf(&["localhost"]);
        let path = dir.path().to_owned();
        let origin = Origin::serve_tls(files, move |seen| answer(&path, seen)).await;
        let gateway = gateway(&dir, origin.address.port()).await;
        std::fs::write(dir.path().join("file.json"), body(Format::Json, 0..PEOPLE)).expect("a file");
        Self { dir, origin, gateway }
    }

    fn proxy(&self) -> String {
        format!("http://{}", self.gateway.address("out"))
    }

    fn url(&self, path: &str) -> String {
        format!("https://localhost:{}{path}", self.origin.address.port())
    }

    /// A program in the directory, with nothing of this user's and no proxy but the gateway.
    fn program(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new(program);
        command
            .env_clear()
            .envs(std::env::var_os("PATH").map(|path| ("PATH", path)));
        command.env("HTTPS_PROXY", self.proxy()).env("HOME", self.dir.path());
        command.current_dir(self.dir.path());
        command
    }

    /// Runs what must succeed.
    async fn made(&self, mut command: Command, arguments: &[&str]) {
        command.args(arguments);
        let made = output(command).await;
        assert!(made.status.success(), "{arguments:?}: {made:?}");
    }

    /// No request came whole that carried somebody.
    fn was_sent_nobody(&self) {
        let is_carried = |seen: &Seen| seen.is_whole && count_serials(&seen.body).len() > PEOPLE_MAX as usize;
        assert!(!self.origin.seen().iter().any(is_carried), "no upload came whole");
    }
}

fn page(_: &Path, seen: &Seen) -> Answer {
    match seen.uri.path() {
        "/people" => Answer::new("application/json", body(Format::Json, 0..PEOPLE)),
        "/showing" => Answer::new("text/html", SHOWING),
        "/sending" => Answer::new("text/html", SENDING),
        "/in" => Answer::new("text/plain", "taken"),
        _ => Answer::new("text/html", CLEAN),
    }
}

/// Serials of the people whom a client was shown.
fn shown(told: &Output) -> BTreeSet<u32> {
    count_serials(&told.stdout).into_iter().collect()
}

/// A client that prints its status and version, and then what it is given: `ask` makes the command that asks for a version and
/// a URL, with a file to send behind it or none; with `trust` it believes the authority.
async fn goes_out(way: &Way, version: &str, ask: impl Fn(&str, bool) -> Command) {
    let stranger = {
        let mut asked = ask(version, false);
        asked.arg(way.url("/clean"));
        output(asked).await
    };
    assert!(
        !stranger.status.success(),
        "{version}: without the authority {stranger:?}"
    );
    assert!(
        way.origin.seen().is_empty(),
        "{version}: nothing is asked before TLS stands"
    );
    let asked = async |path: &str, upload: &[&str]| {
        let mut asked = ask(version, true);
        asked.arg(way.url(path)).args(upload);
        output(asked).await
    };
    let clean = asked("/clean", &[]).await;
    assert!(clean.status.success(), "{version}: {clean:?}");
    assert_eq!(text(&clean), format!("200 {version}\n{CLEAN}"), "{version}");
    let people = asked("/people", &[]).await;
    assert!(!people.status.success(), "{version}: it is told that this is not all");
    assert!(
        shown(&people).is_subset(&(0..PEOPLE_MAX).collect()),
        "{version}: {people:?}"
    );
    let sent = asked("/in", &["file.json"]).await;
    let is_told = text(&sent).starts_with(&format!("403 {version}\n"));
    assert!(is_told, "{version}: {sent:?}");
    way.was_sent_nobody();
}

/// The Python that has the libraries.
fn python() -> PathBuf {
    static PYTHON: OnceLock<PathBuf> = OnceLock::new();
    PYTHON
        .get_or_init(|| venv("clients", &LIBRARIES).join("python"))
        .clone()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_goes_out() {
    let way = Way::to(page).await;
    goes_out(&way, "HTTP/1.1", |_, trust| {
        let mut asked = way.program(python());
        asked.arg(Path::new(SCRIPTS).join("with_requests.py"));
        if trust {
            asked.env("REQUESTS_CA_BUNDLE", "ours/authority.pem");
        }
        asked
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn httpx_goes_out_over_both_versions() {
    for version in ["HTTP/1.1", "HTTP/2"] {
        let way = Way::to(page).await;
        goes_out(&way, version, |version, trust| {
            let mut asked = way.program(python());
            asked.arg(Path::new(SCRIPTS).join("with_httpx.py")).arg(version);
            if trust {
                asked.env("SSL_CERT_FILE", "ours/authority.pem");
            }
            asked
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn node_goes_out_over_both_versions() {
    for version in ["HTTP/1.1", "HTTP/2"] {
        let way = Way::to(page).await;
        goes_out(&way, version, |version, trust| {
            let mut asked = way.program("node");
            asked.arg(Path::new(SCRIPTS).join("with_node.mjs"));
            asked.args([&way.proxy(), version]);
            if trust {
                asked.env("NODE_EXTRA_CA_CERTS", "ours/authority.pem");
            }
            asked
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn java_goes_out_over_both_versions() {
    let password = "changeit";
    for version in ["HTTP/1.1", "HTTP/2"] {
        let way = Way::to(page).await;
        let import = [
            "-importcert",
            "-noprompt",
            "-alias",
            "ours",
            "-file",
            "ours/authority.pem",
        ];
        let store = ["-keystore", "trusted.p12", "-storepass", password];
        way.made(way.program("keytool"), &[&import[..], &store].concat()).await;
        let proxy = way.gateway.address("out");
        goes_out(&way, version, |version, trust| {
            let mut asked = way.program("java");
            // For a short run the quick compiler alone is quicker; and a name of this machine goes through the proxy too.
            asked.args(["-XX:TieredStopAtLevel=1", "-Dhttp.nonProxyHosts="]);
            asked.arg(format!("-Dhttps.proxyHost={}", proxy.ip()));
            asked.arg(format!("-Dhttps.proxyPort={}", proxy.port()));
            if trust {
                asked.arg("-Djavax.net.ssl.trustStore=trusted.p12");
                asked.arg(format!("-Djavax.net.ssl.trustStorePassword={password}"));
            }
            asked.arg(Path::new(SCRIPTS).join("WithJava.java")).arg(version);
            asked
        })
        .await;
    }
}

/// What Chromium makes of a page.
async fn chromium(way: &Way, path: &str) -> Output {
    let mut chromium = way.program("chromium");
    chromium.args([
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--disable-quic",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        // What is on this machine goes through the proxy too.
        "--proxy-bypass-list=<-loopback>",
        "--user-data-dir=profile",
        // Scripts have so long by the page's own clock, which waits for what is fetched.
        "--virtual-time-budget=10000",
        "--dump-dom",
    ]);
    chromium
        .arg(format!("--proxy-server={}", way.proxy()))
        .arg(way.url(path));
    output(chromium).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn chromium_goes_out() {
    let way = Way::to(page).await;
    let stranger = chromium(&way, "/clean").await;
    assert!(!text(&stranger).contains("nobody is on this page"), "{stranger:?}");
    assert!(way.origin.seen().is_empty(), "nothing is asked before TLS stands");
    let store = way.dir.path().join(".pki/nssdb");
    std::fs::create_dir_all(&store).expect("the directory is ours");
    let store = format!("sql:{}", store.display());
    way.made(way.program("certutil"), &["-d", &store, "-N", "--empty-password"])
        .await;
    let trust = ["-A", "-n", "ours", "-t", "C,,", "-i", "ours/authority.pem"];
    way.made(way.program("certutil"), &[&["-d", &store][..], &trust].concat())
        .await;

    let clean = chromium(&way, "/clean").await;
    assert!(text(&clean).contains("nobody is on this page"), "{clean:?}");
    let people = chromium(&way, "/showing").await;
    assert!(
        text(&people).contains("broken: "),
        "it is told that this is not all: {people:?}"
    );
    assert!(shown(&people).is_subset(&(0..PEOPLE_MAX).collect()), "{people:?}");
    let sent = chromium(&way, "/sending").await;
    assert!(text(&sent).contains("told 403"), "{sent:?}");
    let whole = way.origin.seen();
    let whole = whole.iter().filter(|seen| seen.is_whole && !seen.body.is_empty());
    assert_eq!(whole.count(), 0, "no upload came whole");
}

/// A file of the directory, as a server of files answers.
fn served(dir: &Path, name: &str) -> Answer {
    let media_type = match name.rsplit_once('.') {
        Some((_, "html")) => "text/html",
        Some((_, "json")) => "application/json",
        Some(_) | None => "application/octet-stream",
    };
    match std::fs::read(dir.join(name.trim_start_matches('/'))) {
        Ok(file) => Answer::new(media_type, file),
        Err(_) => Answer::new("text/plain", "").status(http::StatusCode::NOT_FOUND),
    }
}

/// What `git http-backend` answers.
fn backend(dir: &Path, seen: &Seen) -> Answer {
    let field = |name: &str| {
        seen.headers
            .get(name)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
    };
    let mut git = Command::new("git");
    git.arg("http-backend")
        .env("GIT_PROJECT_ROOT", dir)
        .env("GIT_HTTP_EXPORT_ALL", "1");
    git.env("REQUEST_METHOD", seen.method.as_str())
        .env("PATH_INFO", seen.uri.path());
    git.env("QUERY_STRING", seen.uri.query().unwrap_or_default());
    git.env("CONTENT_TYPE", field("content-type"))
        .env("CONTENT_LENGTH", seen.body.len().to_string());
    git.env("HTTP_CONTENT_ENCODING", field("content-encoding"))
        .env("GIT_PROTOCOL", field("git-protocol"));
    // Whoever may go out here may push.
    git.env("REMOTE_USER", "anybody");
    let mut child = git.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("git");
    let told = block_in_place(|| {
        let mut asked = child.stdin.take().expect("piped");
        std::io::Write::write_all(&mut asked, &seen.body).ok();
        drop(asked);
        child.wait_with_output().expect("git").stdout
    });
    let end = told
        .windows(4)
        .position(|window| window == b"\r\n\r\n")
        .expect("a head");
    let (head, body) = (
        String::from_utf8_lossy(&told[..end]).into_owned(),
        told[end + 4..].to_vec(),
    );
    let said = |name: &str| {
        head.lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    };
    let media_type = GIT_TYPES.into_iter().find(|known| said("Content-Type") == Some(known));
    let status = said("Status").and_then(|status| status.split(' ').next()?.parse().ok());
    Answer::new(media_type.unwrap_or("text/plain"), body).status(status.unwrap_or(http::StatusCode::OK))
}

/// A repository in which this file is, and a bare one of it to be served.
async fn repository(way: &Way, name: &str, content: &[u8]) {
    let dir = way.dir.path().join(name);
    std::fs::create_dir(&dir).expect("the directory is ours");
    std::fs::write(dir.join("file.csv"), content).expect("the directory is ours");
    let steps = [
        "init --quiet --initial-branch main",
        "add file.csv",
        "-c user.name=a -c user.email=a@b commit --quiet -m one",
        "clone --quiet --bare . ../served/NAME.git",
        "-C ../served/NAME.git update-server-info",
        "-C ../served/NAME.git config http.receivepack true",
    ];
    for step in steps {
        let mut git = way.program("git");
        git.current_dir(&dir);
        let step = step.replace("NAME", name);
        way.made(git, &step.split(' ').collect::<Vec<_>>()).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn git_goes_out() {
    let way = Way::to(|dir, seen| match seen.uri.path().strip_prefix("/files") {
        Some(path) => served(&dir.join("served"), path),
        None => backend(&dir.join("served"), seen),
    })
    .await;
    repository(&way, "clean", b"nobody is here\n").await;
    repository(&way, "people", &body(Format::Csv, 0..PEOPLE)).await;
    let clone = async |trust: bool, from: &str, to: &str| {
        let mut git = way.program("git");
        if trust {
            git.args(["-c", "http.sslCAInfo=ours/authority.pem"]);
        }
        git.args(["clone", "--quiet", &way.url(from), to]);
        output(git).await
    };
    let stranger = clone(false, "/clean.git", "stranger").await;
    assert!(!stranger.status.success(), "{stranger:?}");
    assert!(way.origin.seen().is_empty(), "nothing is asked before TLS stands");
    for (from, to) in [("/clean.git", "smart"), ("/files/clean.git", "dumb")] {
        let clean = clone(true, from, to).await;
        assert!(clean.status.success(), "{from}: {clean:?}");
        let file = std::fs::read(way.dir.path().join(to).join("file.csv")).expect("what was cloned");
        assert_eq!(file, b"nobody is here\n", "{from}");
    }
    // Of the smart protocol a pack is not read.
    let people = clone(true, "/files/people.git", "people-of-files").await;
    assert!(!people.status.success(), "{people:?}");
    assert!(!way.dir.path().join("people-of-files/file.csv").exists());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pip_and_npm_go_out() {
    let way = Way::to(|dir, seen| {
        let name = seen.uri.path();
        match name.strip_prefix("/simple/") {
            Some(package) => served(dir, &format!("{}.html", package.trim_end_matches('/'))),
            None if name.contains('.') => served(dir, name),
            None => served(dir, &format!("{name}.json")),
        }
    })
    .await;
    let address = format!("localhost:{}", way.origin.address.port());
    let make = Path::new(SCRIPTS).join("packages.py");
    way.made(
        way.program("python3"),
        &[&make.display().to_string(), &address, "file.json"],
    )
    .await;
    let pip = async |trust: &[&str], package: &str| {
        let mut pip = way.program(python());
        pip.args([
            "-m",
            "pip",
            "--isolated",
            "--disable-pip-version-check",
            "--no-cache-dir",
            "--retries",
            "0",
        ]);
        pip.args(["--proxy", &way.proxy()]).args(trust);
        pip.args([
            "install",
            "--no-deps",
            "--target",
            "site",
            "--index-url",
            &way.url("/simple/"),
            package,
        ]);
        output(pip).await
    };
    let npm = async |trust: &[&str], package: &str| {
        let mut npm = way.program("npm");
        npm.args([
            "install",
            "--prefix",
            "modules",
            "--cache",
            "npm-cache",
            "--userconfig",
            "npmrc",
        ]);
        npm.args([
            "--no-audit",
            "--no-fund",
            "--no-update-notifier",
            "--fetch-retries",
            "0",
        ]);
        npm.args(["--https-proxy", &way.proxy(), "--registry", &way.url("/")])
            .args(trust);
        npm.arg(package);
        output(npm).await
    };
    for stranger in [pip(&[], "clean").await, npm(&[], "clean").await] {
        assert!(!stranger.status.success(), "{stranger:?}");
    }
    assert!(way.origin.seen().is_empty(), "nothing is asked before TLS stands");
    for (package, is_clean) in [("clean", true), ("people", false)] {
        let installed = pip(&["--cert", "ours/authority.pem"], package).await;
        assert_eq!(installed.status.success(), is_clean, "{installed:?}");
        let installed = npm(&["--cafile", "ours/authority.pem"], package).await;
        assert_eq!(installed.status.success(), is_clean, "{installed:?}");
        for site in ["site", "modules/node_modules"] {
            let data = way.dir.path().join(site).join(package).join("data.csv");
            assert_eq!(data.is_file(), is_clean, "{}", data.display());
        }
    }
}
