//! Every limit of the transport: its name, unit, default, and the attack or accident it answers.

use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;

use super::framing::HeadLimits;
use crate::engine::problem::{Bounded, bounded};

/// The limits of one listener and of the connections made for it. Milliseconds, bytes and counts; nothing is unlimited.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Bytes of one head or trailer section. Default 65,536, which is also the most. Answers heads that fill memory.
    pub header_bytes_max: u32,
    /// Fields of one head or trailer section. Default 100. Answers hash and parse work by many tiny fields.
    pub headers_max: u16,
    /// From the first byte of a head, or the accept, to its last byte. Default 15,000 ms. Answers slow-loris.
    pub header_ms_max: u64,
    /// Without progress while a request body is awaited or a response cannot be written. Default 30,000 ms. Answers slow
    /// bodies and slow readers.
    pub body_idle_ms_max: u64,
    /// A downstream connection without an exchange. Default 75,000 ms. Answers hoarded connections.
    pub idle_ms_max: u64,
    /// From accept to the end of a TLS handshake or of the HTTP/2 preface. Default 10,000 ms. Answers silent peers.
    pub handshake_ms_max: u64,
    /// Bytes of a refused or cut connection that are read and dropped so that its last answer arrives. Default 262,144.
    pub linger_bytes_max: u32,
    /// How long that may take. Default 2,000 ms.
    pub linger_ms_max: u64,
    /// Downstream connections of a listener at once. Default 16,384. Answers floods; the newest is closed at once.
    pub connections_max: u32,
    /// Connections that the kernel queues for us. Default 1,024. Answers bursts.
    pub backlog_max: u32,
    /// HTTP/2 streams of a connection at once. Default 128. Answers work amplification on one connection.
    pub streams_max: u32,
    /// HTTP/2 streams reset by the peer before we accepted them. Default 20. Answers rapid reset (CVE-2023-44487).
    pub h2_pending_resets_max: usize,
    /// HTTP/2 streams reset for the peer's own errors. Default 256. Answers `MadeYouReset` (CVE-2025-8671).
    pub h2_error_resets_max: usize,
    /// HTTP/2 flow-control window of a stream, bytes. Default 524,288. Bounds what one stream can make us hold.
    pub h2_stream_window_bytes: u32,
    /// HTTP/2 window of a connection, bytes. Default 16,777,216: one parked stream starves no other.
    pub h2_connection_window_bytes: u32,
    /// HTTP/2 bytes of a stream buffered for sending. Default 262,144. Answers readers who stall.
    pub h2_send_bytes_max: usize,
    /// Between HTTP/2 pings on a connection with streams. Default 20,000 ms; the answer may take as long. Answers dead peers.
    pub h2_ping_ms: u64,
    /// To connect to an upstream, TLS included. Default 5,000 ms.
    pub connect_ms_max: u64,
    /// One name look-up. Default 3,000 ms.
    pub dns_ms_max: u64,
    /// How long an answer of the resolver is used. Default 10,000 ms; an older one is kept while the resolver is silent.
    pub dns_fresh_ms: u64,
    /// Addresses of one name that are kept. Default 16.
    pub dns_addresses_max: usize,
    /// Without a byte either way while a response head is awaited. Default 60,000 ms. Answers hung origins.
    pub response_head_ms_max: u64,
    /// Without a byte while a response body is awaited. Default 300,000 ms: event streams are quiet. Answers hung origins.
    pub response_idle_ms_max: u64,
    /// One exchange in total. Default 3,600,000 ms. Answers exchanges that never end.
    pub exchange_ms_max: u64,
    /// A tunnel without a byte either way. Default 300,000 ms.
    pub tunnel_idle_ms_max: u64,
    /// Exchanges with one upstream endpoint at once; over HTTP/1, as many connections. Default 1,024. Answers overload.
    pub upstream_exchanges_max: u32,
    /// Waiting for one of those. Default 1,000 ms; then 503.
    pub upstream_wait_ms_max: u64,
    /// Idle connections kept for one upstream endpoint. Default 256.
    pub upstream_idle_max: usize,
    /// How long one is kept idle. Default 30,000 ms: shorter than the keep-alive of common origins.
    pub upstream_idle_ms_max: u64,
    /// How old a connection may be when an exchange starts on it. Default 600,000 ms: new addresses of a name get traffic.
    pub upstream_age_ms_max: u64,
    /// Consecutive failures after which an endpoint is ejected. Default 3.
    pub eject_after: u32,
    /// How long it is ejected. Default 5,000 ms.
    pub eject_ms: u64,
    /// Processes that read PDF, `SQLite` and Parquet files, at once; 0 has them read in the gateway's own. Default 64. Answers files
    /// that break, exhaust or take over their reader.
    pub isolated_max: u32,
    /// What one of them has for each piece of a file. Default 5,000 ms. Answers files that hang their reader.
    pub isolated_ms_max: u64,
    /// Processor time that one has for a file. Default 10 s.
    pub isolated_cpu_s_max: u64,
    /// Memory that one has. Default 268,435,456 bytes. Answers files that fill memory.
    pub isolated_memory_bytes_max: u64,
    /// How long a drain waits for exchanges. Default 30,000 ms; then they are cut.
    pub drain_ms_max: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            header_bytes_max: 65_536,
            headers_max: 100,
            header_ms_max: 15_000,
            body_idle_ms_max: 30_000,
            idle_ms_max: 75_000,
            handshake_ms_max: 10_000,
            linger_bytes_max: 262_144,
            linger_ms_max: 2_000,
            connections_max: 16_384,
            backlog_max: 1_024,
            streams_max: 128,
            h2_pending_resets_max: 20,
            h2_error_resets_max: 256,
            h2_stream_window_bytes: 524_288,
            h2_connection_window_bytes: 16_777_216,
            h2_send_bytes_max: 262_144,
            h2_ping_ms: 20_000,
            connect_ms_max: 5_000,
            dns_ms_max: 3_000,
            dns_fresh_ms: 10_000,
            dns_addresses_max: 16,
            response_head_ms_max: 60_000,
            response_idle_ms_max: 300_000,
            exchange_ms_max: 3_600_000,
            tunnel_idle_ms_max: 300_000,
            upstream_exchanges_max: 1_024,
            upstream_wait_ms_max: 1_000,
            upstream_idle_max: 256,
            upstream_idle_ms_max: 30_000,
            upstream_age_ms_max: 600_000,
            eject_after: 3,
            eject_ms: 5_000,
            isolated_max: 64,
            isolated_ms_max: 5_000,
            isolated_cpu_s_max: 10,
            isolated_memory_bytes_max: 256 << 20,
            drain_ms_max: 30_000,
        }
    }
}

/// hyper refuses longer targets and names by itself, without a body.
const HEAD_BYTES_BOUND: u64 = 65_536;
/// The buffer that hyper needs so that the framing reader is the one that refuses: a head and a full read behind it.
pub(super) const H1_BUFFER_BYTES: usize = 2 * HEAD_BYTES_BOUND as usize;
/// A day in milliseconds: a limit that is longer limits nothing.
const DAY_MS: u64 = 86_400_000;
/// A timer that looks more often than it can act wastes a processor.
const TIMER_MS_MIN: u64 = 100;

impl Limits {
    /// Its numbers with their bounds.
    pub fn bounded(&self) -> Vec<Bounded> {
        bounded!(self => Self {
            header_bytes_max: 1_024..=HEAD_BYTES_BOUND,
            headers_max: 16..=1_000,
            header_ms_max: TIMER_MS_MIN..=DAY_MS,
            body_idle_ms_max: TIMER_MS_MIN..=DAY_MS,
            idle_ms_max: TIMER_MS_MIN..=DAY_MS,
            handshake_ms_max: TIMER_MS_MIN..=DAY_MS,
            linger_bytes_max: 0..=16 << 20,
            linger_ms_max: TIMER_MS_MIN..=DAY_MS,
            connections_max: 1..=1_000_000,
            backlog_max: 1..=65_535,
            streams_max: 1..=65_536,
            h2_pending_resets_max: 1..=10_000,
            h2_error_resets_max: 1..=100_000,
            h2_stream_window_bytes: 16_384..=1 << 30,
            h2_connection_window_bytes: 65_535..=1 << 30,
            h2_send_bytes_max: 16_384..=16 << 20,
            h2_ping_ms: TIMER_MS_MIN..=DAY_MS,
            connect_ms_max: TIMER_MS_MIN..=DAY_MS,
            dns_ms_max: TIMER_MS_MIN..=DAY_MS,
            dns_fresh_ms: 0..=DAY_MS,
            dns_addresses_max: 1..=256,
            response_head_ms_max: TIMER_MS_MIN..=30 * DAY_MS,
            response_idle_ms_max: TIMER_MS_MIN..=30 * DAY_MS,
            exchange_ms_max: TIMER_MS_MIN..=30 * DAY_MS,
            tunnel_idle_ms_max: TIMER_MS_MIN..=30 * DAY_MS,
            upstream_exchanges_max: 1..=1_000_000,
            upstream_wait_ms_max: 0..=DAY_MS,
            upstream_idle_max: 0..=100_000,
            upstream_idle_ms_max: TIMER_MS_MIN..=DAY_MS,
            upstream_age_ms_max: TIMER_MS_MIN..=DAY_MS,
            eject_after: 1..=1_000,
            eject_ms: 0..=DAY_MS,
            isolated_max: 0..=4_096,
            isolated_ms_max: TIMER_MS_MIN..=60_000,
            isolated_cpu_s_max: 1..=3_600,
            isolated_memory_bytes_max: 1 << 20..=16 << 30,
            drain_ms_max: 0..=DAY_MS,
        })
    }

    /// The limits of a head, for the framing reader.
    pub fn head(&self) -> HeadLimits {
        HeadLimits {
            header_bytes_max: self.header_bytes_max as usize,
            headers_max: usize::from(self.headers_max),
        }
    }
}

/// Milliseconds as a duration.
pub(crate) const fn ms(value: u64) -> Duration {
    Duration::from_millis(value)
}
