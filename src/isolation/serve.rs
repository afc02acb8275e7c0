//! The process apart: gives up what it does not need, then reads files as it is ordered to, one after another.

use std::io::{self, BufWriter, Read, Write};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use rustix::time::{ClockId, clock_gettime};

use super::frame::{self, FINISH, FRAME_BYTES_MAX, OPEN, PUSH, Told};
use crate::confinement;
use crate::engine::apart::{Fault, Order, Reading};

/// Files that it may have open at once: its pipes, and those of the system's libraries.
const FILES_MAX: u64 = 16;

/// Reads files until `orders` end, each with so many seconds of processor time, all with so many bytes of memory.
///
/// # Errors
/// When limits cannot be set, or a pipe breaks.
pub fn serve((memory_bytes, cpu_s): (u64, u64), orders: &mut dyn Read, answers: &mut dyn Write) -> io::Result<()> {
    confine(memory_bytes)?;
    // As far as this system can; the limits hold everywhere.
    confinement::reader();
    let mut answers = BufWriter::with_capacity(FRAME_BYTES_MAX, answers);
    let (mut reading, mut bytes) = (None, Vec::new());
    loop {
        let (order, used) = match frame::read(orders, &mut bytes) {
            Ok(OPEN) => {
                allow_time(cpu_s)?;
                let (level, limits) = frame::read_open(&bytes).ok_or(io::ErrorKind::InvalidData)?;
                reading = Some(Reading::new(level, limits));
                continue;
            }
            Ok(tag @ (PUSH | FINISH)) => {
                let (used, rest) = frame::read_used(&bytes).ok_or(io::ErrorKind::InvalidData)?;
                let order = if tag == PUSH { Order::Push(rest) } else { Order::Finish };
                (order, used)
            }
            Ok(_) => return Err(io::ErrorKind::InvalidData.into()),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(()),
            Err(error) => return Err(error),
        };
        let reading = reading.as_mut().ok_or(io::ErrorKind::InvalidData)?;
        let ended = reading.answer(order, used, &mut |said| {
            Told::Said(said).write(&mut answers).map_err(|_| Fault::Isolation)
        });
        Told::Done(ended).write(&mut answers)?;
        answers.flush()?;
    }
}

/// No more memory than this, no files written, no other programs.
fn confine(memory_bytes: u64) -> io::Result<()> {
    let limits = [
        (Resource::As, memory_bytes),
        (Resource::Fsize, 0),
        (Resource::Nofile, FILES_MAX),
        (Resource::Nproc, 0),
    ];
    for (resource, most) in limits {
        let limit = Rlimit {
            current: Some(most),
            maximum: Some(most),
        };
        setrlimit(resource, limit)?;
    }
    Ok(())
}

/// So many seconds of processor time from now on; past them the system ends the process.
fn allow_time(cpu_s: u64) -> io::Result<()> {
    let used = clock_gettime(ClockId::ProcessCPUTime).tv_sec;
    let limit = Rlimit {
        current: Some(u64::try_from(used).unwrap_or(0).saturating_add(cpu_s)),
        maximum: getrlimit(Resource::Cpu).maximum,
    };
    Ok(setrlimit(Resource::Cpu, limit)?)
}
