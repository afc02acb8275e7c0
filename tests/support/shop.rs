//! A shop whose sessions are tokens or cookies. It believes whatever its key signed, or looks like a session of its own, wherever
//! that stands: all that is between a forger and its customers is the gateway.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use http::{HeaderMap, Method, header};
use serde_json::{Value, json};

use super::client::RawReply;
use super::coding::Coding;
use super::gateway::quoted;
use super::origin::{Answer, Origin, Seen};
use super::people::{Format, body};
use super::token::{key_set, sign};

/// A token for a customer as the shop signs it, or whoever stole its key.
pub(crate) fn token(customer: u32, session: &str) -> String {
    let claims = json!({"sub": customer.to_string(), "sid": session, "exp": 4_000_000_000_u32});
    sign("k1", &claims)
}

/// `[identity]` for this shop, with its key set written into `dir`.
pub(crate) fn identity(dir: &Path, more: &str) -> String {
    let jwks = dir.join("jwks.json");
    std::fs::write(&jwks, key_set("k1")).expect("a key set");
    format!(
        "[identity]\nsources = [\"jwt:authorization\", \"jwt:cookie:token\", \"jwt:query:token\", \"cookie:sid\", \"header:x-api-key\"]\n\
         logs_in_at = [\"POST /login\"]\nrefreshes_at = [\"POST /refresh\"]\n{more}\n\
         [identity.issuer.shop]\njwks = {}\nalgorithms = [\"EdDSA\"]\n",
        quoted(&jwks)
    )
}

/// The shop. `POST /login` logs `x-customer` in, `POST /refresh` renews what was sent, `GET /me` is one's own page.
pub(crate) async fn shop() -> Origin {
    let issued = Arc::new(AtomicU64::new(0));
    Origin::serve(move |request| {
        let number = issued.fetch_add(1, Ordering::Relaxed);
        // As many servers do: without parameters, and without the slash at the end.
        let path = request.uri.path().split(';').next().unwrap_or_default();
        let path = path.strip_suffix('/').unwrap_or(path);
        match (&request.method, path) {
            (&Method::POST, "/login") => {
                let customer = text(&request.headers, "x-customer").and_then(|number| number.parse().ok());
                customer.map_or_else(refusal, |customer| issue(customer, number))
            }
            (&Method::POST, "/refresh") => customer(request).map_or_else(refusal, |customer| issue(customer, number)),
            _ => customer(request).map_or_else(refusal, |customer| {
                Answer::new("application/json", body(Format::Json, customer..customer + 1))
            }),
        }
    })
    .await
}

fn refusal() -> Answer {
    Answer::new("text/plain", "who are you?").status(http::StatusCode::UNAUTHORIZED)
}

/// A token in the body and a cookie beside it.
fn issue(customer: u32, number: u64) -> Answer {
    let access = token(customer, &format!("s{number}"));
    let answer = json!({"access_token": access, "refresh_token": format!("{customer}-renew-{number}")});
    Answer::new("application/json", answer.to_string()).header(
        header::SET_COOKIE,
        &format!("sid={customer}-{number}; Path=/; HttpOnly"),
    )
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

/// Whom a request is for: the first of all places that names someone, the last of several values.
fn customer(request: &Seen) -> Option<u32> {
    let bearer = text(&request.headers, "authorization").and_then(|value| value.strip_prefix("Bearer "));
    let cookie = |name: &str| {
        let line = text(&request.headers, "cookie")?;
        let pairs = line.split(';').filter_map(|pair| pair.trim().split_once('='));
        pairs
            .filter(|(found, _)| *found == name)
            .map(|(_, value)| value)
            .next_back()
    };
    let query = request.uri.query().unwrap_or_default().split('&');
    let query = query.filter_map(|pair| pair.strip_prefix("token=")).next_back();
    let tokens = [bearer, cookie("token"), query].into_iter().flatten();
    let sent: Value = serde_json::from_slice(&request.body).unwrap_or_default();
    let opaque = [
        cookie("sid"),
        text(&request.headers, "x-api-key"),
        // As behind CGI.
        text(&request.headers, "x_api_key"),
        sent["refresh_token"].as_str(),
    ];
    let opaque = opaque
        .into_iter()
        .flatten()
        .filter_map(|value| value.split_once('-')?.0.parse().ok());
    let hidden = hidden(&request.body).into_iter();
    hidden.chain(tokens.filter_map(subject)).chain(opaque).next()
}

/// Whom a body is for that says `FORGED-` and a number anywhere: some origin reads it there.
fn hidden(body: &[u8]) -> Option<u32> {
    let plain = Coding::Gzip.decode_prefix(body);
    let text = String::from_utf8_lossy(if plain.is_empty() { body } else { &plain });
    let number = text.split_once("FORGED-")?.1;
    let digits: String = number.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().ok()
}

/// The subject of a token. Its signature is looked at as some do: not closely.
fn subject(token: &str) -> Option<u32> {
    let payload = token.split('.').nth(1)?;
    let claims: Value = serde_json::from_slice(&decode(payload)?).ok()?;
    claims["sub"].as_str()?.parse().ok()
}

/// Base64url without padding.
fn decode(text: &str) -> Option<Vec<u8>> {
    const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let (mut bits, mut count, mut bytes) = (0_u32, 0, Vec::new());
    for letter in text.bytes() {
        let value = LETTERS.iter().position(|known| *known == letter)?;
        bits = bits << 6 | value as u32;
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push((bits >> count & 0xff) as u8);
        }
    }
    Some(bytes)
}

/// The request by which a customer logs in.
pub(crate) fn login(customer: u32) -> String {
    post("/login", &format!("X-Customer: {customer}\r\n"))
}

/// The header line of a token that whoever stole the key made for a customer.
pub(crate) fn forged(customer: u32) -> String {
    format!(
        "Authorization: Bearer {}\r\n",
        token(customer, &format!("forged-{customer}"))
    )
}

/// What a login says must be sent from now on.
pub(crate) struct Session {
    pub(crate) bearer: String,
    pub(crate) cookie: String,
    pub(crate) refresh: String,
    /// The request that renews it.
    pub(crate) renewal: String,
}

/// Reads the answer of a login or a refresh.
pub(crate) fn session(reply: &RawReply) -> Session {
    assert_eq!(reply.status, 200, "{}", reply.head);
    let answer: Value = serde_json::from_slice(&reply.body).expect("JSON");
    let token = answer["access_token"].as_str().expect("a token");
    let cookie = reply.header("set-cookie").and_then(|line| line.split(';').next());
    let refresh = answer["refresh_token"].as_str().expect("a token");
    Session {
        refresh: refresh.to_owned(),
        bearer: format!("Authorization: Bearer {token}\r\n"),
        cookie: format!("Cookie: {}\r\n", cookie.expect("a cookie")),
        renewal: renewal(refresh),
    }
}

/// A request without a body.
pub(crate) fn post(path: &str, header_lines: &str) -> String {
    head(path, 0, header_lines)
}

/// The head of a request with a body of so many bytes.
pub(crate) fn head(path: &str, bytes: usize, header_lines: &str) -> String {
    format!(
        "POST {path} HTTP/1.1\r\nHost: shop.example\r\nConnection: close\r\nContent-Length: {bytes}\r\n{header_lines}\r\n"
    )
}

/// A request that renews what this token began.
pub(crate) fn renewal(token: &str) -> String {
    let body = format!("{{\"refresh_token\":\"{token}\"}}");
    head("/refresh", body.len(), "Content-Type: application/json\r\n") + &body
}
