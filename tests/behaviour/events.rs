//! Streams of events: the first is not delayed, and a value on several lines counts.

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};
use std::time::Duration;

use bytes::Bytes;
use tidegate::cli::demo::people::person;
use tokio::sync::mpsc;

use crate::support::client::get;
use crate::support::gateway::Gateway;
use crate::support::origin::{Answer, Origin};
use crate::support::people::count_serials;

/// How long a client may wait for what surely comes.
const ARRIVAL_MAX: Duration = Duration::from_secs(20);

async fn gateway(origin: &Origin, people: u32, action: &str) -> Gateway {
    Gateway::start(&format!(
        "[identity]\nsources = [\"cookie:sid\"]\n[[route]]\nmatch = \"*/\"\nupstream = [\"http://{}\"]\n\
         [[budget]]\nname = \"limit\"\nper = \"session\"\npeople = {people}\nwindow = \"1d\"\naction = \"{action}\"\nmode = \"enforce\"\n",
        origin.address
    ))
    .await
}

/// How the data of one event may stand on its lines.
fn event(form: &str, number: u32) -> String {
    let person = person(number);
    let (serial, email) = (person.serial, &person.email);
    let (front, back) = email.split_at(email.find('@').expect("an address"));
    match form {
        "text" => format!("event: x\nid: {number}\ndata: {serial} {email}\n\n"),
        "split" => format!("data: {serial} {front}\ndata: {back}\n\n"),
        "split thrice" => format!(
            "data:{serial} {front}\r\ndata:{}\r\ndata:{}\r\n\r\n",
            &back[..2],
            &back[2..]
        ),
        // What stands on the second line alone is an address too: both count, and nobody too many leaves.
        "in the name" => format!("data: {serial} {}\ndata: {}\n\n", &email[..4], &email[4..]),
        "json" => format!("data: {{\"serial\":\"{serial}\",\ndata: \"email\":\ndata:   \"{email}\"}}\n\n"),
        "id" => format!("id: {serial} {email}\ndata: x\n\n"),
        "comment" => format!(": {serial} {email}\n\n"),
        other => panic!("{other}"),
    }
}

const FORMS: [&str; 7] = ["text", "split", "split thrice", "in the name", "json", "id", "comment"];

#[tokio::test]
async fn a_value_on_several_lines_counts() {
    let stream = |form: &str| (0..60).map(|number| event(form, number)).collect::<String>();
    let origin = Origin::serve(move |seen| {
        let form = seen.uri.path().trim_start_matches('/').replace('_', " ");
        let answer = Answer::new("text/event-stream", stream(&form));
        match seen.uri.query() {
            Some(bytes) => answer.chunked(bytes.parse().expect("a number")),
            None => answer,
        }
    })
    .await;
    for form in FORMS {
        for (pieces, query) in [("whole", ""), ("bytes", "?1"), ("small", "?17")] {
            let gateway = gateway(&origin, 50, "block").await;
            let path = format!("/{}{query}", form.replace(' ', "_"));
            let reply = get(gateway.address, &path, "Cookie: sid=s\r\n").await;
            let people = count_serials(&reply.body).len();
            let expected = if form == "in the name" { 25..=50 } else { 50..=50 };
            assert_eq!((reply.status, reply.is_whole), (200, false), "{form}, {pieces}");
            assert!(expected.contains(&people), "{form}, {pieces}: {people}");
        }
    }
}

#[tokio::test]
async fn a_masked_event_keeps_its_lines_apart_from_others() {
    let origin = Origin::serve(|_| {
        Answer::new(
            "text/event-stream",
            (0..4).map(|n| event("split", n)).collect::<String>(),
        )
    })
    .await;
    let gateway = gateway(&origin, 2, "redact").await;
    let reply = get(gateway.address, "/", "Cookie: sid=s\r\n").await;
    let whole: String = (0..4).map(|number| event("split", number)).collect();
    assert_eq!((reply.status, reply.body.len()), (200, whole.len()));
    let text = String::from_utf8_lossy(&reply.body).replace("\ndata: ", "");
    for number in 0..4 {
        assert_eq!(text.contains(&person(number).email), number < 2, "{number}: {text}");
    }
    assert_eq!(String::from_utf8_lossy(&reply.body).matches("\n\n").count(), 4);
}

/// curl prints each event before the next is sent.
#[tokio::test]
async fn the_first_event_is_not_delayed() {
    let (sender, receiver) = mpsc::channel(1);
    let receiver = std::sync::Mutex::new(Some(receiver));
    let origin = Origin::serve(move |_| {
        let chunks = receiver.lock().expect("asked once").take().expect("asked once");
        Answer::fed("text/event-stream", chunks)
    })
    .await;
    let gateway = gateway(&origin, 50, "block").await;
    let mut curl = Command::new("curl")
        .args([
            "-sN",
            "-H",
            "Cookie: sid=s",
            &format!("http://{}/events", gateway.address),
        ])
        .stdout(Stdio::piped())
        .spawn()
        .expect("curl is installed");
    let (printed, mut lines) = mpsc::channel(64);
    let output = BufReader::new(curl.stdout.take().expect("a pipe"));
    std::thread::spawn(move || {
        let mut lines = output.lines().map_while(Result::ok);
        while lines.next().is_some_and(|line| printed.blocking_send(line).is_ok()) {}
    });
    for number in 0..3 {
        let event = event("split", number);
        sender.send(Bytes::from(event.clone())).await.expect("it is asked for");
        for expected in event.lines() {
            let line = tokio::time::timeout(ARRIVAL_MAX, lines.recv()).await;
            assert_eq!(line.expect("in time").as_deref(), Some(expected));
        }
    }
    drop(sender);
    assert_eq!(lines.recv().await, None);
    assert!(curl.wait().expect("it ends").success());
}
