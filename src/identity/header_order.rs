//! The fingerprint of the order in which a client writes its header fields: a program keeps it whoever it acts for, so that
//! it is a key to count by and names nobody.

use std::sync::Arc;

use http::{HeaderMap, Version};

/// The names that are looked at: what a program says of itself and of what it can read. All others come and go with what is
/// asked for (`cookie`, `referer`, `content-type`) or could be made up for each request, and say nothing.
const NAMES: [&str; 17] = [
    "accept",
    "accept-charset",
    "accept-encoding",
    "accept-language",
    "connection",
    "dnt",
    "host",
    "sec-ch-ua",
    "sec-ch-ua-mobile",
    "sec-ch-ua-platform",
    "sec-fetch-dest",
    "sec-fetch-mode",
    "sec-fetch-site",
    "sec-gpc",
    "te",
    "upgrade-insecure-requests",
    "user-agent",
];

/// The fingerprint of a head in 18 characters, `h1_04_8daaf6152771`: the version of HTTP, how many of the names it has, and the
/// first 12 hexadecimal digits of the BLAKE3 hash of those names, in their order and joined by commas.
///
/// `headers` has fields of one name at the place of the first, and all names in lower case: a repeat and a spelling show nothing.
pub(super) fn header_order(headers: &HeaderMap, version: Version) -> Arc<str> {
    let mut hasher = blake3::Hasher::new();
    let mut count = 0;
    let known = headers.keys().filter(|name| NAMES.contains(&name.as_str()));
    for name in known {
        if count > 0 {
            hasher.update(b",");
        }
        hasher.update(name.as_str().as_bytes());
        count += 1;
    }
    let version = if version == Version::HTTP_2 { 2 } else { 1 };
    let hash = hasher.finalize().to_hex();
    format!("h{version}_{count:02}_{hash:.12}").into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn print(names: &[&str], version: Version) -> String {
        let mut headers = HeaderMap::new();
        for name in names {
            let name = http::HeaderName::from_bytes(name.as_bytes()).unwrap();
            headers.append(name, "x".parse().unwrap());
        }
        header_order(&headers, version).to_string()
    }

    #[test]
    fn the_order_of_known_names_is_the_fingerprint_and_nothing_else() {
        let h1 = Version::HTTP_11;
        let plain = print(&["Host", "User-Agent", "Accept"], h1);
        let hash = blake3::hash(b"host,user-agent,accept").to_hex();
        assert_eq!(plain, format!("h1_03_{hash:.12}"));
        for same in [
            &["host", "user-agent", "ACCEPT"][..],
            &["Host", "Cookie", "User-Agent", "Authorization", "Accept", "X-Made-Up"],
            &["Host", "User-Agent", "Accept", "User-Agent", "Accept"],
        ] {
            assert_eq!(print(same, h1), plain, "{same:?}");
        }
        for other in [
            &["User-Agent", "Host", "Accept"][..],
            &["Host", "User-Agent"],
            &["Host", "User-Agent", "Accept", "TE"],
            &[],
        ] {
            assert_ne!(print(other, h1), plain, "{other:?}");
        }
        assert_ne!(print(&["Host", "User-Agent", "Accept"], Version::HTTP_2), plain);
        assert_eq!(
            print(&["X-Api-Key"], h1),
            print(&[], h1),
            "no known name: all such share one"
        );
    }

    /// A map gives names in the order in which they came, which its documentation does not promise.
    #[test]
    fn a_map_keeps_the_order_of_many_names() {
        let mut orders = Vec::new();
        for turn in 0..NAMES.len() {
            let mut names = NAMES;
            names.rotate_left(turn);
            let mut headers = HeaderMap::new();
            for name in names {
                headers.append(name, "x".parse().unwrap());
            }
            let kept: Vec<&str> = headers.keys().map(http::HeaderName::as_str).collect();
            assert_eq!(kept, names);
            orders.push(header_order(&headers, Version::HTTP_11));
        }
        orders.sort();
        orders.dedup();
        assert_eq!(orders.len(), NAMES.len());
    }
}
