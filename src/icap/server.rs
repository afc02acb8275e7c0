//! Serves the connections of an ICAP listener.

use tokio::io::{AsyncRead, AsyncWrite};

use super::connection::Connection;
use crate::proxy::{Abort, Accepted, Exchanges, Speak};

/// Answers other proxies through one listener.
pub struct Server(Exchanges);

impl Server {
    /// What is answered is decided by `exchanges`.
    pub fn new(exchanges: Exchanges) -> Self {
        Self(exchanges)
    }
}

impl Speak for Server {
    async fn serve<T>(&self, io: T, accepted: Accepted)
    where
        T: AsyncRead + AsyncWrite + Abort + Send + Unpin + 'static,
    {
        let stop = accepted.stop.clone();
        let connection = Connection::new(io, accepted, self.0.clone());
        tokio::select! {
            () = connection.run() => {}
            () = stop.now.cancelled() => {}
        }
    }
}
