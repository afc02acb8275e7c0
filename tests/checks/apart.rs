//! What a process that reads tells over its pipe is read as it was told, however it was cut off, or is nonsense.

use std::io::Cursor;

use tidegate::engine::apart::Said;
use tidegate::isolation::Told;

/// Bytes of one frame's head.
const HEAD_BYTES: u64 = 5;

pub(crate) fn apart(data: &[u8]) {
    let mut pipe = Cursor::new(data);
    let (mut bytes, mut told) = (Vec::new(), Vec::new());
    loop {
        let from = pipe.position();
        let Ok(one) = Told::read(&mut pipe, &mut bytes) else {
            return;
        };
        told.clear();
        one.write(&mut told).expect("memory takes what is written");
        let frame = &data[from as usize..pipe.position() as usize];
        // What is empty need not be told.
        let is_empty = matches!(one, Told::Said(Said::Text(text)) if text.is_empty());
        let is_done = matches!(one, Told::Done(_));
        assert!(pipe.position() - from >= HEAD_BYTES, "a frame has a head");
        assert!(is_empty || told.len() == frame.len(), "as long as it was");
        assert!(is_empty || is_done || told == frame, "told again it is the same");
        let again = Told::read(&mut &told[..], &mut Vec::new()).is_ok();
        assert!(is_empty || again, "what is told is read");
    }
}
