//! The origin of the demo: a synthetic shop on loopback that answers HTTP/1.1 and, as real shops did, lets any session
//! read any customer.
//!
//! | path | who may | what |
//! |---|---|---|
//! | `POST /login` | anyone | `user=customer-17`, `agent-1` or `staff-1`, as a form or JSON; sets the cookie `sid` |
//! | `GET /me`, `/me/addresses`, `/me/orders` | the customer | her own pages |
//! | `GET /customers/{n}` | any session | anybody's profile: the hole |
//! | `GET /search?q=&page=` | agents | fifty customers a page; `q` is matched against the e-mail address as it stands |
//! | `GET /export.csv`, `.json`, `.ndjson` | staff | all customers, streamed; `?coding=gzip\|zstd` and `?chunk=N` bytes |
//! | `GET /`, `/static/app.js`, `/stores` | anyone | nobody's data |
//!
//! There is no password: names are believed, because the shop is not what is shown.

use std::collections::HashMap;
use std::convert::Infallible;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt as _, Either, Full, Limited};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::export::{Coding, Export, Format};
use super::pages;
use super::people::{PEOPLE, Person, person};

/// Open connections; the rest wait in the listen queue.
const CONNECTIONS_MAX: usize = 1_024;
/// Live sessions; logging in past it is refused with 503.
const SESSIONS_MAX: usize = 100_000;
/// Bytes of a login request.
const LOGIN_BYTES_MAX: usize = 4_096;
/// How long a request head may take to arrive.
const HEADER_TIME_MAX: Duration = Duration::from_secs(10);
/// How long to wait after a failed accept: out of descriptors, it would fail again at once.
const ACCEPT_RETRY: Duration = Duration::from_millis(10);
/// Bytes of one write of an export, unless `chunk` says otherwise.
const EXPORT_CHUNK_BYTES: usize = 16 * 1024;

type Page = Response<Either<Full<Bytes>, Export>>;

/// The open shop; it closes when dropped.
pub struct Shop {
    /// Where it listens: loopback, a port of the system's choice.
    pub address: SocketAddr,
    _open: DropGuard,
}

impl Shop {
    /// Opens the shop.
    ///
    /// # Errors
    /// If no loopback port can be had.
    pub async fn open() -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let closed = CancellationToken::new();
        let counter = Counter {
            people: (0..PEOPLE).map(person).collect(),
            sessions: Mutex::default(),
        };
        tokio::spawn(
            closed
                .clone()
                .run_until_cancelled_owned(serve(listener, Arc::new(counter), closed.clone())),
        );
        Ok(Self {
            address,
            _open: closed.drop_guard(),
        })
    }
}

async fn serve(listener: TcpListener, counter: Arc<Counter>, closed: CancellationToken) {
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    while let Ok(place) = Arc::clone(&places).acquire_owned().await {
        let Ok((stream, _)) = listener.accept().await else {
            tokio::time::sleep(ACCEPT_RETRY).await;
            continue;
        };
        let (counter, closed) = (Arc::clone(&counter), closed.clone());
        tokio::spawn(async move {
            closed.run_until_cancelled(connection(stream, counter)).await;
            drop(place);
        });
    }
}

async fn connection(stream: TcpStream, counter: Arc<Counter>) {
    let answer = service_fn(|request| {
        let counter = Arc::clone(&counter);
        async move { Ok::<_, Infallible>(counter.answer(request).await) }
    });
    // Without it, small answers wait for the client's delayed acknowledgement.
    stream.set_nodelay(true).ok();
    let mut http = hyper::server::conn::http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(HEADER_TIME_MAX);
    // A client that goes away in the middle is no news to a shop.
    http.serve_connection(TokioIo::new(stream), answer).await.ok();
}

/// Who is logged in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum User {
    Customer(u32),
    Agent,
    Staff,
}

impl User {
    fn from_name(name: &str) -> Option<Self> {
        match name.split_once('-')? {
            ("customer", number) => number
                .parse()
                .ok()
                .filter(|number| *number < PEOPLE)
                .map(Self::Customer),
            ("agent", _) => Some(Self::Agent),
            ("staff", _) => Some(Self::Staff),
            _ => None,
        }
    }
}

/// What the shop knows.
struct Counter {
    people: Arc<[Person]>,
    sessions: Mutex<HashMap<String, User>>,
}

impl Counter {
    async fn answer(&self, request: Request<Incoming>) -> Page {
        let (head, body) = request.into_parts();
        let user = self.user(&head.headers);
        let path = head.uri.path();
        match (&head.method, path) {
            (&Method::POST, "/login") => {
                let body = Limited::new(body, LOGIN_BYTES_MAX).collect().await;
                body.map_or_else(
                    |_| refusal(StatusCode::BAD_REQUEST),
                    |body| self.login(&body.to_bytes()),
                )
            }
            (&Method::GET | &Method::HEAD, _) => self.page(path, head.uri.query().unwrap_or_default(), user),
            _ => refusal(StatusCode::METHOD_NOT_ALLOWED),
        }
    }

    fn page(&self, path: &str, query: &str, user: Option<User>) -> Page {
        match (path, user) {
            ("/", _) => text("text/html; charset=utf-8", pages::HOME),
            ("/static/app.js", _) => text("text/javascript; charset=utf-8", pages::SCRIPT),
            ("/stores", _) => json(pages::stores().to_string()),
            (_, None) => refusal(StatusCode::UNAUTHORIZED),
            ("/me", Some(User::Customer(own))) => self.profile(own as usize),
            ("/me/addresses", Some(User::Customer(own))) => json(pages::addresses(own).to_string()),
            ("/me/orders", Some(User::Customer(own))) => json(pages::order_history(own).to_string()),
            ("/search", Some(User::Agent)) => {
                let page = parameter(query, "page")
                    .and_then(|page| page.parse().ok())
                    .unwrap_or_default();
                json(pages::search(
                    &self.people,
                    parameter(query, "q").unwrap_or_default(),
                    page,
                ))
            }
            ("/export.csv", Some(User::Staff)) => self.export(Format::Csv, query),
            ("/export.json", Some(User::Staff)) => self.export(Format::Json, query),
            ("/export.ndjson", Some(User::Staff)) => self.export(Format::Ndjson, query),
            // The hole: whoever is logged in is asked for nothing more.
            _ => match path.strip_prefix("/customers/").map(str::parse) {
                Some(Ok(number)) => self.profile(number),
                Some(Err(_)) => refusal(StatusCode::NOT_FOUND),
                None => refusal(StatusCode::FORBIDDEN),
            },
        }
    }

    fn profile(&self, number: usize) -> Page {
        self.people
            .get(number)
            .map_or_else(|| refusal(StatusCode::NOT_FOUND), |person| json(pages::json(person)))
    }

    fn export(&self, format: Format, query: &str) -> Page {
        let (coding, name) = match parameter(query, "coding") {
            None | Some("identity") => (Coding::Identity, None),
            Some("gzip") => (Coding::Gzip, Some("gzip")),
            Some("zstd") => (Coding::Zstd, Some("zstd")),
            Some(_) => return refusal(StatusCode::BAD_REQUEST),
        };
        let chunk = parameter(query, "chunk")
            .and_then(|chunk| chunk.parse().ok())
            .unwrap_or(EXPORT_CHUNK_BYTES);
        let Ok(export) = Export::new(Arc::clone(&self.people), format, coding, chunk) else {
            return refusal(StatusCode::INTERNAL_SERVER_ERROR);
        };
        let mut page = Response::new(Either::Right(export));
        let headers = page.headers_mut();
        headers.insert(
            header::CONTENT_TYPE,
            header::HeaderValue::from_static(format.media_type()),
        );
        if let Some(name) = name {
            headers.insert(header::CONTENT_ENCODING, header::HeaderValue::from_static(name));
        }
        page
    }

    fn user(&self, headers: &HeaderMap) -> Option<User> {
        let cookies = headers
            .get_all(header::COOKIE)
            .iter()
            .filter_map(|cookies| cookies.to_str().ok());
        let sid = cookies
            .flat_map(|cookies| cookies.split(';'))
            .find_map(|cookie| cookie.trim().strip_prefix("sid="))?;
        self.sessions
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(sid)
            .copied()
    }

    fn login(&self, body: &[u8]) -> Page {
        let Some(user) = login_name(body).and_then(|name| User::from_name(&name)) else {
            return refusal(StatusCode::UNAUTHORIZED);
        };
        let mut secret = [0; 16];
        if getrandom::fill(&mut secret).is_err() {
            return refusal(StatusCode::SERVICE_UNAVAILABLE);
        }
        let sid = format!("{:032x}", u128::from_be_bytes(secret));
        let cookie = header::HeaderValue::try_from(format!("sid={sid}; HttpOnly; Path=/"));
        let mut sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        if sessions.len() >= SESSIONS_MAX {
            return refusal(StatusCode::SERVICE_UNAVAILABLE);
        }
        sessions.insert(sid, user);
        let mut page = json("{\"welcome\":true}\n".to_owned());
        page.headers_mut().insert(
            header::SET_COOKIE,
            cookie.expect("hexadecimal digits are a header value"),
        );
        page
    }
}

/// The name in `user=…` of a form, or in `{"user": …}`.
fn login_name(body: &[u8]) -> Option<String> {
    #[derive(serde::Deserialize)]
    struct Login {
        user: String,
    }
    if let Ok(login) = serde_json::from_slice::<Login>(body) {
        return Some(login.user);
    }
    parameter(std::str::from_utf8(body).ok()?, "user").map(str::to_owned)
}

/// The value of a parameter as it stands: the shop's own values need no percent-encoding.
fn parameter<'a>(query: &'a str, name: &str) -> Option<&'a str> {
    query
        .split('&')
        .filter_map(|pair| pair.split_once('='))
        .find(|(found, _)| *found == name)
        .map(|(_, value)| value)
}

fn json(text: String) -> Page {
    page("application/json", Bytes::from(text))
}

fn text(media_type: &'static str, text: &'static str) -> Page {
    page(media_type, Bytes::from_static(text.as_bytes()))
}

fn page(media_type: &'static str, bytes: Bytes) -> Page {
    let mut page = Response::new(Either::Left(Full::new(bytes)));
    page.headers_mut()
        .insert(header::CONTENT_TYPE, header::HeaderValue::from_static(media_type));
    page
}

fn refusal(status: StatusCode) -> Page {
    let mut page = json(format!(
        "{{\"error\":\"{}\"}}\n",
        status.canonical_reason().unwrap_or("refused")
    ));
    *page.status_mut() = status;
    page
}

#[cfg(test)]
mod tests {
    use super::super::browser::Browser;
    use super::super::people::count_serials;
    use super::*;

    async fn visitor(shop: &Shop, user: &str) -> Browser {
        let mut browser = Browser::new(Ipv4Addr::LOCALHOST, shop.address);
        assert_eq!(browser.login(user).await.expect("a login").status, 200);
        browser
    }

    #[test]
    fn names_become_users() {
        let cases = [
            ("customer-17", Some(User::Customer(17))),
            ("customer-10000", None),
            ("customer", None),
            ("agent-1", Some(User::Agent)),
            ("staff-1", Some(User::Staff)),
            ("root-1", None),
        ];
        for (name, user) in cases {
            assert_eq!(User::from_name(name), user, "{name}");
            assert_eq!(login_name(format!("user={name}&x=1").as_bytes()).as_deref(), Some(name));
            assert_eq!(
                login_name(format!("{{\"user\":\"{name}\"}}").as_bytes()).as_deref(),
                Some(name)
            );
        }
    }

    #[tokio::test]
    async fn each_visitor_sees_what_the_table_says() {
        let shop = Shop::open().await.expect("a port");
        let cases = [
            ("customer-42", "/me", 200, 1),
            ("customer-42", "/customers/43", 200, 1),
            ("customer-42", "/search?q=kim", 403, 0),
            ("customer-42", "/export.csv", 403, 0),
            ("agent-1", "/search?q=kim&page=1", 200, 50),
            ("agent-1", "/customers/10000", 404, 0),
            ("agent-1", "/me", 403, 0),
            ("staff-1", "/export.csv", 200, 10_000),
            ("staff-1", "/export.json?chunk=1000", 200, 10_000),
            ("staff-1", "/stores", 200, 0),
        ];
        for (user, path, status, people) in cases {
            let reply = visitor(&shop, user).await.get(path).await.expect("an answer");
            assert_eq!((reply.status, reply.is_whole), (status, true), "{user} {path}");
            assert_eq!(count_serials(&reply.body).len(), people, "{user} {path}");
        }
        let stranger = Browser::new(Ipv4Addr::LOCALHOST, shop.address)
            .get("/me")
            .await
            .expect("an answer");
        assert_eq!(stranger.status, 401);
    }
}
