//! Who is leaving, by a dated list: from that day on their budgets are a part of what they were.

use hashbrown::HashMap;

use super::revocation::{Known, Line, Named, What, lines};
use crate::engine::ledger::{Dimension, KeyId};
use crate::engine::policy::units;
use crate::engine::time::Now;

const DAY_S: u32 = 86_400;

/// The list, and how much is left.
#[derive(Default)]
pub(super) struct Leavers {
    /// From which unix second on.
    list: HashMap<KeyId, u32>,
    percent: u32,
}

impl Leavers {
    /// Reads the list: `WHAT NAME DAY REASON` a line, of accounts.
    ///
    /// # Errors
    /// As [`lines`].
    pub(super) fn parse(bytes: &[u8], known: Known<'_>, percent: u32) -> Result<Self, String> {
        let list = lines(bytes, known, leaves)?;
        Ok(Self { list, percent })
    }

    /// How much of each budget is left at `now` to whom these names are.
    pub(super) fn percent(&self, names: &[Named], now: Now) -> Option<u32> {
        if self.list.is_empty() {
            return None;
        }
        let mut accounts = names.iter().filter(|name| name.dimension == Dimension::Principal);
        let leaves = |name: &Named| self.list.get(&name.key).is_some_and(|from| *from <= now.second());
        accounts.any(leaves).then_some(self.percent)
    }
}

fn leaves(line: &Line<'_>) -> Result<u32, &'static str> {
    match line.what {
        What::Principal | What::Email => {}
        What::Sessions | What::Session | What::Sid | What::Kid | What::Certificate => {
            return Err("only a principal or an email leaves");
        }
    }
    let end = units::end_of_day(line.when).ok_or("its third word is no day: 2026-12-01")?;
    Ok(end.saturating_sub(DAY_S))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::secret::HashKey;

    #[test]
    fn who_leaves_has_a_part_from_that_day_on() {
        let secret = HashKey::new([1; 32]);
        let known = Known {
            secret: &secret,
            issuers: &|name| name == "shop",
            sources: &|_| false,
        };
        let parse = |text: &str| Leavers::parse(text.as_bytes(), known, 20);
        let list = "# leaving\nprincipal shop:4711 2026-12-01 goes to another company\n";
        let leavers = parse(list).unwrap_or_else(|message| panic!("{message}"));
        let at = |second: u64| Now::from_millis(second * 1000);
        let names = |subject: &[u8]| [Named::new(&secret, Dimension::Principal, subject)];
        let (ann, bob) = (names(b"shop\x004711"), names(b"shop\x004712"));
        let day = 1_796_083_200;
        assert_eq!(leavers.percent(&ann, at(day - 1)), None);
        assert_eq!(leavers.percent(&ann, at(day)), Some(20));
        assert_eq!(leavers.percent(&bob, at(day)), None);
        for (line, why) in [
            ("principal shop:4711 - gone", "line 1: its third word is no day"),
            ("principal shop:4711 2026-12-01", "line 1: it has no reason"),
            ("kid shop:k1 2026-12-01 x", "line 1: only a principal or an email"),
            ("principal shpo:4711 2026-12-01 x", "line 1: what it names is of none"),
        ] {
            let message = parse(line).err().expect(line);
            assert!(message.starts_with(why) && !message.contains("4711"), "{message}");
        }
    }
}
