//! The file by which browsers and systems find the proxy (proxy auto-configuration): a function in JavaScript that they ask for each
//! URL.

use ipnet::IpNet;

use super::decide::Hosts;

/// What the file is sent as.
pub(super) const MEDIA_TYPE: &str = "application/x-ns-proxy-autoconfig";

/// Who is gone to without the proxy, and where the proxy is. What is written was checked to be hosts and networks, so that no text of
/// it leaves its quotes.
/// With `is_tls` the listener is spoken to over TLS.
pub fn pac((proxy, is_tls): (&str, bool), hosts: &Hosts, networks: &[IpNet]) -> String {
    let mut lines = String::from("function FindProxyForURL(url, host) {\n  host = host.toLowerCase();\n");
    for host in hosts.written() {
        let is_met = match host.strip_prefix('*') {
            Some("") => "true".to_owned(),
            Some(below) => format!("host.endsWith(\"{below}\")"),
            None => format!("host === \"{}\"", host.trim_matches(['[', ']'])),
        };
        push(&mut lines, &is_met);
    }
    for network in networks {
        // No name is looked up for it: that is slow, and tells the resolver.
        if let IpNet::V4(network) = network {
            let (address, mask) = (network.network(), network.netmask());
            push(
                &mut lines,
                &format!("/^[0-9.]+$/.test(host) && isInNet(host, \"{address}\", \"{mask}\")"),
            );
        }
    }
    // Never past it where it does not answer: what leaves then would leave unread.
    let kind = if is_tls { "HTTPS" } else { "PROXY" };
    lines + &format!("  return \"{kind} {proxy}\";\n}}\n")
}

fn push(lines: &mut String, is_met: &str) {
    let line = format!("  if ({is_met}) return \"DIRECT\";\n");
    lines.push_str(&line);
}
