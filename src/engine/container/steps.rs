//! How a format is read: in steps, each of which takes from the front of what there is, so that no chunk's end matters.

use super::{Fault, Told};

/// A reader of one format.
pub(super) trait Steps {
    /// Reads what `bytes` begin with.
    fn step(&mut self, bytes: &mut &[u8], told: &mut Told<'_>) -> Result<(), Fault>;

    /// Reads all of `bytes`.
    fn push(&mut self, mut bytes: &[u8], told: &mut Told<'_>) -> Result<(), Fault> {
        while !bytes.is_empty() {
            self.step(&mut bytes, told)?;
        }
        Ok(())
    }
}
