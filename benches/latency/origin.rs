//! An origin that notes when it wrote each event of a stream, and serves one page; a thread for each connection.

use std::io::{self, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::Fault;

/// Between two events.
const PAUSE: Duration = Duration::from_millis(2);

/// When each event of the stream under way was written.
pub(crate) struct Sent {
    start: Instant,
    nanos: Vec<AtomicU64>,
}

impl Sent {
    pub(crate) fn new(events: usize) -> Self {
        Self {
            start: Instant::now(),
            nanos: (0..events).map(|_| AtomicU64::new(0)).collect(),
        }
    }

    /// When event `number` was written.
    pub(crate) fn at(&self, number: usize) -> Result<Instant, Fault> {
        let nanos = self.nanos.get(number).ok_or("an event came that was never sent")?;
        Ok(self.start + Duration::from_nanos(nanos.load(Ordering::Acquire)))
    }
}

/// Serves until the process ends.
pub(crate) fn start(page: Vec<u8>, sent: Arc<Sent>) -> io::Result<SocketAddr> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let address = listener.local_addr()?;
    let page = Arc::new(page);
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let (page, sent) = (Arc::clone(&page), Arc::clone(&sent));
            // A connection that breaks shows at the client, which counts.
            thread::spawn(move || drop(serve(stream, &page, &sent)));
        }
    });
    Ok(address)
}

fn serve(mut stream: TcpStream, page: &[u8], sent: &Sent) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let (mut buffer, mut filled) = (vec![0; 16_384], 0);
    loop {
        let read = stream.read(buffer.get_mut(filled..).unwrap_or_default())?;
        if read == 0 {
            return Ok(());
        }
        filled += read;
        let request = buffer.get(..filled).unwrap_or_default();
        if !request.ends_with(b"\r\n\r\n") {
            continue;
        }
        if request.starts_with(b"GET /events ") {
            return events(&mut stream, sent);
        }
        filled = 0;
        let mut answer = format!(
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
            page.len()
        )
        .into_bytes();
        answer.extend_from_slice(page);
        stream.write_all(&answer)?;
    }
}

/// Every event in a chunk of its own, as event streams come.
fn events(stream: &mut TcpStream, sent: &Sent) -> io::Result<()> {
    stream.write_all(
        b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n",
    )?;
    for (number, nanos) in sent.nanos.iter().enumerate() {
        thread::sleep(PAUSE);
        let event = format!("data: {{\"order\":{number},\"status\":\"shipped\"}}\n\n");
        let chunk = format!("{:x}\r\n{event}\r\n", event.len());
        let now = sent.start.elapsed().as_nanos();
        nanos.store(u64::try_from(now).unwrap_or(u64::MAX), Ordering::Release);
        stream.write_all(chunk.as_bytes())?;
    }
    stream.write_all(b"0\r\n\r\n")
}
