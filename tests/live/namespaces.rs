//! Network namespaces that a test makes for itself and takes away again: a client, a gateway between, and an origin.

use std::fs::File;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsFd as _;
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::Duration;

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

/// How long a connection in them may take.
const CONNECT_TIME_MAX: Duration = Duration::from_secs(5);

/// Those that were made, so that each has its name.
static NUMBER: AtomicU32 = AtomicU32::new(0);

/// A client behind a gateway, which is the only way to an origin.
///
/// ```text
///  client  198.51.100.2 ──── 198.51.100.1  gateway  192.0.2.1 ──── 192.0.2.2  origin
///          2001:db8:1::2     2001:db8:1::1          2001:db8::1    2001:db8::2
/// ```
pub(crate) struct Namespaces {
    id: String,
}

/// One of them.
#[derive(Clone, Copy)]
pub(crate) enum Host {
    Client,
    Gateway,
    Origin,
}

impl Namespaces {
    /// Makes them; none where the process may not, which is told at the end of the gate.
    pub(crate) fn create() -> Option<Self> {
        let is_root = Command::new("id")
            .arg("-u")
            .output()
            .is_ok_and(|id| id.stdout == b"0\n");
        if !is_root {
            // Not by a macro, whose output the harness keeps to itself.
            let line = b"\nskipped: transparent mode, since network namespaces need root\n";
            std::io::Write::write_all(&mut std::io::stderr(), line).ok();
            return None;
        }
        let namespaces = Self {
            id: format!("{}-{}", std::process::id(), NUMBER.fetch_add(1, Relaxed)),
        };
        namespaces.lay_out();
        Some(namespaces)
    }

    /// Its name.
    pub(crate) fn name(&self, host: Host) -> String {
        let letter = match host {
            Host::Client => "c",
            Host::Gateway => "g",
            Host::Origin => "o",
        };
        format!("tide-{letter}-{}", self.id)
    }

    fn lay_out(&self) {
        let [client, gateway, origin] = [Host::Client, Host::Gateway, Host::Origin].map(|host| self.name(host));
        for name in [&client, &gateway, &origin] {
            ip(&format!("netns add {name}"));
            ip(&format!("-n {name} link set lo up"));
        }
        for (near, far, networks) in [
            (&client, &gateway, ["198.51.100", "2001:db8:1:"]),
            (&origin, &gateway, ["192.0.2", "2001:db8:"]),
        ] {
            let [v4, v6] = networks;
            let end = if near == &client { "client" } else { "origin" };
            ip(&format!(
                "link add gate netns {near} type veth peer name {end} netns {far}"
            ));
            for (name, link, number) in [(near, "gate", 2), (far, end, 1)] {
                ip(&format!("-n {name} link set {link} up"));
                ip(&format!("-n {name} addr add {v4}.{number}/24 dev {link}"));
                ip(&format!("-n {name} addr add {v6}:{number}/64 dev {link} nodad"));
            }
            ip(&format!("-n {near} route add default via {v4}.1"));
            ip(&format!("-n {near} -6 route add default via {v6}:1"));
        }
        for setting in ["ipv4/ip_forward", "ipv6/conf/all/forwarding"] {
            self.shell(Host::Gateway, &format!("echo 1 > /proc/sys/net/{setting}"));
        }
    }

    /// What the names of the gateway's resolver are.
    pub(crate) fn resolve(&self, hosts: &str) {
        let dir = self.resolver();
        std::fs::create_dir_all(&dir).expect("root may");
        std::fs::write(dir.join("hosts"), hosts).expect("root may");
    }

    fn resolver(&self) -> PathBuf {
        PathBuf::from("/etc/netns").join(self.name(Host::Gateway))
    }

    /// Runs lines of a shell there.
    pub(crate) fn shell(&self, host: Host, lines: &str) {
        let name = self.name(host);
        run(Command::new("ip").args(["netns", "exec", &name, "sh", "-ec", lines]));
    }

    /// Runs this there, on a thread of its own; what it opens stays there.
    pub(crate) fn within<T: Send + 'static>(&self, host: Host, open: impl FnOnce() -> T + Send + 'static) -> T {
        let path = PathBuf::from("/run/netns").join(self.name(host));
        let thread = std::thread::spawn(move || {
            let namespace = File::open(path).expect("it was made");
            move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network)).expect("root may");
            open()
        });
        thread.join().expect("no panic in it")
    }

    /// A listener of the origin.
    pub(crate) fn listen(&self, address: &str) -> tokio::net::TcpListener {
        let address: SocketAddr = address.parse().expect("an address");
        let listener = self.within(Host::Origin, move || TcpListener::bind(address).expect("it is free"));
        listener.set_nonblocking(true).expect("a socket");
        tokio::net::TcpListener::from_std(listener).expect("a runtime")
    }

    /// A connection from there.
    pub(crate) fn connect(&self, from: Host, to: SocketAddr) -> std::io::Result<tokio::net::TcpStream> {
        let stream = self.within(from, move || TcpStream::connect_timeout(&to, CONNECT_TIME_MAX))?;
        stream.set_nonblocking(true)?;
        tokio::net::TcpStream::from_std(stream)
    }
}

impl Drop for Namespaces {
    fn drop(&mut self) {
        for host in [Host::Client, Host::Gateway, Host::Origin] {
            let name = self.name(host);
            Command::new("ip").args(["netns", "del", &name]).status().ok();
        }
        std::fs::remove_dir_all(self.resolver()).ok();
    }
}

fn ip(words: &str) {
    run(Command::new("ip").args(words.split(' ')));
}

fn run(command: &mut Command) {
    let output = command.output().expect("the packages iproute2 and iptables");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {said}");
}
