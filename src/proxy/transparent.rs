//! Clients that do not know of the proxy: how their connections come to it, and what they meant to reach.

use std::io;
use std::net::SocketAddr;

use schemars::JsonSchema;
use serde::Deserialize;
use socket2::SockRef;
use tokio::net::{TcpListener, TcpStream};

use super::upstream::is_own;

/// How the kernel leads connections here (Linux).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Transparent {
    /// Their destination was rewritten by the target REDIRECT: connection tracking knows the one that was meant.
    Redirect,
    /// They were given here as they are by the target TPROXY: the destination is our end of the connection. Needs `CAP_NET_ADMIN`.
    Tproxy,
}

impl Transparent {
    /// Has a bound socket take such connections.
    ///
    /// # Errors
    /// What the kernel refuses: the process may not.
    pub(super) fn prepare(self, socket: &TcpListener) -> io::Result<()> {
        let reference = SockRef::from(socket);
        match self {
            Self::Redirect => Ok(()),
            Self::Tproxy if socket.local_addr()?.is_ipv6() => reference.set_ip_transparent_v6(true),
            Self::Tproxy => reference.set_ip_transparent_v4(true),
        }
    }

    /// Where the client of `stream` meant to connect to; none where it was led here by nobody: it asked for the proxy itself,
    /// which would be asked to connect to itself. `listening` is the port of the listener.
    pub(super) fn meant(self, stream: &TcpStream, local: SocketAddr, listening: u16) -> Option<SocketAddr> {
        match self {
            Self::Redirect => {
                let socket = SockRef::from(stream);
                let meant = match local.ip().to_canonical() {
                    std::net::IpAddr::V4(_) => socket.original_dst_v4(),
                    std::net::IpAddr::V6(_) => socket.original_dst_v6(),
                };
                let meant = meant.ok()?.as_socket()?;
                (canonical(meant) != canonical(local)).then_some(canonical(meant))
            }
            Self::Tproxy => {
                let is_direct = local.port() == listening && is_own(local.ip());
                (!is_direct).then_some(canonical(local))
            }
        }
    }
}

/// An address of IPv4 that an IPv6 socket tells, as what it is.
fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn who_connects_to_the_proxy_itself_meant_nobody_else() {
        for host in ["127.0.0.1:0", "[::1]:0"] {
            let socket = TcpListener::bind(host).await.unwrap();
            let address = socket.local_addr().unwrap();
            let (client, accepted) = tokio::join!(TcpStream::connect(address), socket.accept());
            let (stream, _) = accepted.unwrap();
            let meant = |how: Transparent| how.meant(&stream, address, address.port());
            assert_eq!(
                [Transparent::Redirect, Transparent::Tproxy].map(meant),
                [None, None],
                "{host}"
            );
            // What TPROXY gives to a listener on another port was meant for somebody else.
            assert_eq!(Transparent::Tproxy.meant(&stream, address, 3_129), Some(address));
            drop(client);
        }
    }
}
