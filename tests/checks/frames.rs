//! Any bytes are a frame of the ledger, or are refused; what is one is written as it was read, and merges in any order.

use tidegate::engine::ledger::{Carrier, KeyFrame, Ledger, Settings};
use tidegate::engine::time::Now;

/// Settings: whether the checksum is made right, and where the bytes are parted into two frames.
pub(crate) fn frames(data: &[u8]) {
    let Some(([form, cut], bytes)) = super::settings(data) else {
        return;
    };
    let (one, other) = bytes.split_at(bytes.len() * usize::from(cut) / 256);
    let [one, other] = [one, other].map(|bytes| read(bytes, form.is_multiple_of(2)));
    let (Some(one), Some(other)) = (&one, &other) else {
        return;
    };
    if one.key == other.key {
        let (there, back) = (joined(one, other), joined(other, one));
        assert_eq!(there, back, "the order of frames says something");
        assert_eq!(joined(&there, one), there, "a frame that comes again says something");
    }
}

/// The frame that these bytes are, in and out of a ledger too.
fn read(bytes: &[u8], is_made_right: bool) -> Option<KeyFrame> {
    let mut bytes = bytes.to_vec();
    if is_made_right {
        bytes.extend(crc32fast::hash(&bytes).to_le_bytes());
    }
    let frame = KeyFrame::decode(&bytes).ok()?;
    let mut written = Vec::new();
    frame.encode(&mut written);
    assert_eq!(written, bytes, "a frame is written as it was read");
    let (ledger, now) = (Ledger::new(Settings::default()), Now::from_millis(1_780_000_000_000));
    ledger.merge(&frame, Carrier::Fleet, now);
    ledger.merge(&frame, Carrier::Store, now);
    let view = ledger.key(frame.key, &|_| &[60, 86_400, 30 * 86_400], now);
    for (window, people) in view.map(|view| view.people).unwrap_or_default() {
        assert!(
            people as usize <= frame.elements.len().max(frame.registers.len() * 64),
            "{window} s: {people}"
        );
    }
    Some(frame)
}

fn joined(one: &KeyFrame, other: &KeyFrame) -> KeyFrame {
    // Of a frame that names something twice the larger value is meant.
    let mut joined = KeyFrame::new(one.key, one.dimension.max(other.dimension));
    joined.join(one);
    joined.join(other);
    joined.elements.sort_unstable();
    joined.registers.sort_unstable();
    joined.sums.sort_unstable();
    joined
}
