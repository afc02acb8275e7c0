//! Any bytes are a segment, or are refused; what is cut off at its end takes nothing of what stands before.

use tidegate::store::journal::{Entry, Reader, forge};

/// Settings: whether the bytes are a whole segment or the contents of frames, and where it is cut.
pub(crate) fn segments(data: &[u8]) {
    let Some(([form, cut], bytes)) = super::settings(data) else {
        return;
    };
    let segment = if form.is_multiple_of(2) {
        bytes.to_vec()
    } else {
        forge(contents(bytes))
    };
    let Some(whole) = entries(&segment) else { return };
    let length = segment.len() * usize::from(cut) / 256;
    let part = entries(&segment[..length]).unwrap_or_default();
    assert!(whole.starts_with(&part), "the first {length} bytes tell something else");
}

/// Parts of `bytes`, each behind its length.
fn contents(mut bytes: &[u8]) -> Vec<&[u8]> {
    let mut contents = Vec::new();
    while let Some((length, rest)) = bytes.split_first_chunk() {
        let length = usize::from(u16::from_le_bytes(*length)).min(rest.len());
        let (content, rest) = rest.split_at(length);
        contents.push(content);
        bytes = rest;
    }
    contents
}

/// The entries up to the first that is none; `None` if this is no segment.
fn entries(segment: &[u8]) -> Option<Vec<Entry>> {
    let reader = Reader::of_segment(segment.to_vec()).ok()?;
    let mut is_over = false;
    let mut entries = Vec::new();
    for entry in reader {
        assert!(!is_over, "nothing follows in a segment that is damaged");
        match entry {
            Ok(entry) => entries.push(entry),
            Err(error) => is_over = !error.to_string().is_empty(),
        }
    }
    Some(entries)
}
