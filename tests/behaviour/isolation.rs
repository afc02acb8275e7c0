//! Readers of fragile formats run in processes of their own: one that is killed, hangs or has too little costs its body, which meets
//! the fail mode of its route, and nothing else.

use std::fs;

use bytes::Bytes;
use rustix::process::{Pid, Signal, kill_process};
use tidegate::engine::ledger::Dimension;
use tokio::sync::mpsc;

use super::containers::file;
use super::fail_modes::uninspected;
use crate::support::client::{RawReply, get};
use crate::support::gateway::{Gateway, until};
use crate::support::origin::{Answer, Origin};

/// People in each file, and those who may be shown.
const PEOPLE: u32 = 50;
const PEOPLE_MAX: u32 = 60;

/// In front of `origin`; the processes apart have `limits`, of which `cpu_s` names those of this gateway.
async fn gateway(origin: &Origin, fail: &str, cpu_s: u32, limits: &str) -> Gateway {
    Gateway::start(&format!(
        "[limits]\nisolated_cpu_s_max = {cpu_s}\n{limits}\n[identity]\nsources = [\"cookie:sid\"]\n\
         [[route]]\nmatch = \"*/\"\nupstream = [\"http://{}\"]\nfail_on = {{ isolation = \"{fail}\", unreadable = \"open\" }}\n\
         [[budget]]\nname = \"limit\"\nper = \"session\"\nwindow = \"1d\"\npeople = {PEOPLE_MAX}\naction = \"block\"\n\
         mode = \"enforce\"\n",
        origin.address
    ))
    .await
}

/// The processes apart that have so many seconds for a file.
fn readers(cpu_s: u32) -> Vec<u32> {
    let wanted = "read-apart\0--memory-bytes\0";
    let seconds = format!("--cpu-s\0{cpu_s}\0");
    let processes = fs::read_dir("/proc").expect("a Linux").flatten();
    let numbers = processes.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let is_one = |number: &u32| {
        let line = fs::read(format!("/proc/{number}/cmdline")).unwrap_or_default();
        let line = String::from_utf8_lossy(&line).into_owned();
        line.contains(wanted) && line.ends_with(&seconds)
    };
    numbers.filter(is_one).collect()
}

/// A Parquet file whose one page has to be kept whole to be read.
fn long_page() -> Vec<u8> {
    const PAGE_BYTES: u32 = 600_000;
    // Seven bits a byte, doubled as what has no sign.
    let length = (0..3).map(|place| {
        let more = if place < 2 { 0x80 } else { 0 };
        ((PAGE_BYTES * 2) >> (7 * place)) as u8 & 0x7f | more
    });
    let length: Vec<u8> = length.collect();
    let header = [
        b"PAR1\x15\x00\x15",
        &length[..],
        b"\x15",
        &length,
        b"\x2c\x15\x02\x15\x00\x00\x00",
    ]
    .concat();
    [header, vec![b'x'; PAGE_BYTES as usize]].concat()
}

fn signal(signal: Signal, process: u32) {
    let process = i32::try_from(process).ok().and_then(Pid::from_raw);
    kill_process(process.expect("a process"), signal).expect("it is ours");
}

/// Asks for a file of which the second half comes after `between`; whoever else asks gets it at once.
async fn halves(
    name: &str,
    (fail, cpu_s, limits): (&str, u32, &str),
    between: impl AsyncFnOnce(&Gateway),
) -> (RawReply, Gateway, Origin) {
    let (sender, receiver) = mpsc::channel(2);
    let chunks = std::sync::Mutex::new(Some(receiver));
    let body = file(name);
    let whole = body.clone();
    let origin = Origin::serve(move |_| {
        let chunks = chunks.lock().expect("no test panics while it looks").take();
        match chunks {
            Some(chunks) => Answer::fed("application/octet-stream", chunks),
            None => Answer::new("application/octet-stream", whole.clone()),
        }
    })
    .await;
    let gateway = gateway(&origin, fail, cpu_s, limits).await;
    let (first, second) = body.split_at(body.len() / 2);
    let address = gateway.address;
    let asking = tokio::spawn(async move { get(address, "/", "Cookie: sid=s\r\n").await });
    sender.send(Bytes::copy_from_slice(first)).await.expect("an origin");
    between(&gateway).await;
    sender.send(Bytes::copy_from_slice(second)).await.expect("an origin");
    drop(sender);
    (asking.await.expect("an answer"), gateway, origin)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fragile_file_is_read_by_a_process_of_few_rights() {
    let whole = async |name: &str, cpu_s: u32| {
        let (reply, gateway, _origin) = halves(name, ("closed", cpu_s, ""), async |_: &Gateway| {
            until("a process reads it", async || !readers(cpu_s).is_empty()).await;
            let most = |what: &str| {
                let limits = fs::read_to_string(format!("/proc/{}/limits", readers(cpu_s)[0])).expect("its limits");
                let line = limits.lines().find(|line| line.starts_with(what)).expect("a limit");
                let first = line[what.len()..].split_whitespace().next();
                first.expect("a number").to_owned()
            };
            // It has only just begun.
            until("it has a file to read", async || most("Max cpu time") != "unlimited").await;
            assert_eq!(most("Max address space"), (256 << 20).to_string());
            assert_eq!(
                (most("Max file size"), most("Max core file size")),
                ("0".into(), "0".into())
            );
            assert!(most("Max cpu time").parse::<u32>().expect("a number") <= cpu_s + 1);
        })
        .await;
        assert!(
            reply.status == 200 && reply.is_whole && reply.body == file(name),
            "{name}: {}",
            reply.head
        );
        let keys = gateway.keys(Dimension::Session);
        assert_eq!(keys[0].people, [(86_400, PEOPLE)], "{name}");
        // The same process reads the next file.
        assert_eq!(readers(cpu_s).len(), 1, "{name}");
    };
    whole("lines.pdf", 101).await;
    whole("people.sqlite", 102).await;
    whole("dictionary.parquet", 103).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_that_is_killed_or_hangs_costs_its_body_and_no_other() {
    for (how, cpu_s) in [(Signal::KILL, 111), (Signal::STOP, 121)] {
        for (place, fail) in ["closed", "open"].into_iter().enumerate() {
            let cpu_s = cpu_s + place as u32;
            let limits = "isolated_ms_max = 1500";
            let (reply, gateway, _origin) = halves("lines.pdf", (fail, cpu_s, limits), async |_: &Gateway| {
                until("a process reads it", async || !readers(cpu_s).is_empty()).await;
                signal(how, readers(cpu_s)[0]);
            })
            .await;
            let body = file("lines.pdf");
            if fail == "closed" {
                assert!(reply.status == 502 || !reply.is_whole, "{how:?}: {}", reply.head);
            } else {
                assert!(reply.is_whole && reply.body == body, "{how:?}: {}", reply.head);
                until("it is counted", async || uninspected(&gateway, "isolation").await > 0).await;
            }
            until("it is gone", async || readers(cpu_s).is_empty()).await;
        }
    }
}

/// The gateway has one thread for all: while a reader hangs, others get their pages.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_reader_that_hangs_keeps_nobody_else_waiting() {
    const PAGES: u32 = 30;
    let (sender, receiver) = mpsc::channel(2);
    let chunks = std::sync::Mutex::new(Some(receiver));
    let origin = Origin::serve(move |seen| match seen.uri.path() {
        "/slow" => {
            let chunks = chunks.lock().expect("no test panics while it looks").take();
            Answer::fed("application/octet-stream", chunks.expect("one request"))
        }
        _ => Answer::new("text/plain", "a page"),
    })
    .await;
    let gateway = gateway(&origin, "closed", 141, "isolated_ms_max = 60000").await;
    let address = gateway.address;
    let slow = tokio::spawn(async move { get(address, "/slow", "Cookie: sid=s\r\n").await });
    let body = file("lines.pdf");
    let (first, second) = body.split_at(body.len() / 2);
    sender.send(Bytes::copy_from_slice(first)).await.expect("an origin");
    until("a process reads it", async || !readers(141).is_empty()).await;
    signal(Signal::STOP, readers(141)[0]);
    sender.send(Bytes::copy_from_slice(second)).await.expect("an origin");
    // The second half is on its way among them.
    for _ in 0..PAGES {
        assert_eq!(get(address, "/", "Cookie: sid=t\r\n").await.status, 200);
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    assert!(!slow.is_finished(), "it hangs all the while");
    signal(Signal::KILL, readers(141)[0]);
    drop(sender);
    let reply = slow.await.expect("an answer");
    assert!(reply.status == 502 || !reply.is_whole, "{}", reply.head);
}

/// Too little memory, no process to be had, or one more than may be: each is counted, and refused where the route is closed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_that_has_too_little_is_none() {
    let origin = Origin::serve(|seen| match seen.uri.path() {
        "/long" => Answer::new("application/octet-stream", long_page()),
        _ => Answer::new("application/pdf", file("lines.pdf")),
    })
    .await;
    for (fail, cpu_s) in [("closed", 131), ("open", 132)] {
        let gateway = gateway(&origin, fail, cpu_s, "isolated_memory_bytes_max = 1048576").await;
        let before = uninspected(&gateway, "isolation").await;
        let reply = get(gateway.address, "/long", "Cookie: sid=s\r\n").await;
        if fail == "closed" {
            assert!(reply.status == 502 || !reply.is_whole, "{}", reply.head);
        } else {
            assert!(reply.is_whole && reply.body == long_page(), "{}", reply.head);
            until("it is counted", async || {
                uninspected(&gateway, "isolation").await > before
            })
            .await;
        }
        until("it is gone", async || readers(cpu_s).is_empty()).await;
    }
    let gateway = gateway(&origin, "closed", 134, "isolated_max = 0").await;
    assert_eq!(
        get(gateway.address, "/", "Cookie: sid=s\r\n").await.status,
        200,
        "read in the gateway itself"
    );
    assert!(readers(134).is_empty());
}

/// One process for all: while a slow body occupies it others are refused, and behind its end, or where it cannot be read, they are not.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_keeps_the_last_process_keeps_it_until_its_file_ends() {
    let other = async |gateway: &Gateway| get(gateway.address, "/", "Cookie: sid=t\r\n").await;
    for (fail, cpu_s) in [("closed", 151), ("open", 152)] {
        let (reply, gateway, _origin) = halves(
            "lines.pdf",
            (fail, cpu_s, "isolated_max = 1"),
            async |gateway: &Gateway| {
                until("a process reads it", async || !readers(cpu_s).is_empty()).await;
                let before = uninspected(gateway, "isolation").await;
                let reply = other(gateway).await;
                if fail == "closed" {
                    assert_eq!(reply.status, 502, "{}", reply.head);
                    return;
                }
                assert!(reply.is_whole && reply.body == file("lines.pdf"), "{}", reply.head);
                until("it is counted", async || {
                    uninspected(gateway, "isolation").await > before
                })
                .await;
            },
        )
        .await;
        assert!(reply.is_whole, "{fail}");
        let reply = other(&gateway).await;
        assert!(
            reply.is_whole && reply.body == file("lines.pdf"),
            "{fail}: {}",
            reply.head
        );
    }

    // A page that nobody can unpack, and then a body that does not end.
    let broken = [
        &b"PAR1\x15\x00\x15\x78\x15\x78\x2c\x15\x02\x15\x12\x00\x00"[..],
        &[b'x'; 100],
    ]
    .concat();
    let (sender, receiver) = mpsc::channel(2);
    let chunks = std::sync::Mutex::new(Some(receiver));
    let origin = Origin::serve(move |seen| match seen.uri.path() {
        "/broken" => {
            let chunks = chunks.lock().expect("no test panics while it looks").take();
            Answer::fed("application/octet-stream", chunks.expect("one request"))
        }
        _ => Answer::new("application/pdf", file("lines.pdf")),
    })
    .await;
    let gateway = gateway(&origin, "closed", 153, "isolated_max = 1").await;
    let address = gateway.address;
    let slow = tokio::spawn(async move { get(address, "/broken", "Cookie: sid=s\r\n").await });
    sender.send(Bytes::from(broken)).await.expect("an origin");
    until("a process reads it", async || !readers(153).is_empty()).await;
    until("others are read", async || {
        let reply = other(&gateway).await;
        reply.is_whole && reply.body == file("lines.pdf")
    })
    .await;
    assert!(!slow.is_finished(), "its body goes on");
    drop(sender);
    slow.await.expect("an answer");
}
