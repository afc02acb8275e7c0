//! What the operating system says about this process; read when metrics are rendered, never on the data path.

use std::fmt::Write as _;
use std::fs;

/// The unit of processor time in `/proc/self/stat`: `USER_HZ`, 100 on every Linux architecture we run on (proc(5)).
const TICKS_PER_SECOND: f64 = 100.0;

/// Appends the `process_*` metrics in the Prometheus text format. A part that cannot be read (another system, a
/// hardened mount) is left out.
pub(super) fn render(text: &mut String) {
    let resident = fs::read_to_string("/proc/self/status")
        .ok()
        .and_then(|status| resident_bytes(&status));
    let cpu = fs::read_to_string("/proc/self/stat")
        .ok()
        .and_then(|stat| cpu_seconds(&stat));
    let fds = fs::read_dir("/proc/self/fd")
        .ok()
        .and_then(|fds| u32::try_from(fds.count()).ok())
        .map(f64::from);
    line(
        text,
        "process_resident_memory_bytes",
        "gauge",
        "Memory in RAM.",
        resident,
    );
    line(
        text,
        "process_cpu_seconds_total",
        "counter",
        "User and system time.",
        cpu,
    );
    line(text, "process_open_fds", "gauge", "Open file descriptors.", fds);
}

fn line(text: &mut String, name: &str, kind: &str, help: &str, value: Option<f64>) {
    if let Some(value) = value {
        writeln!(text, "# HELP {name} {help}\n# TYPE {name} {kind}\n{name} {value}\n")
            .expect("writing to a string does not fail");
    }
}

/// `VmRSS:      1234 kB` of `/proc/self/status`.
fn resident_bytes(status: &str) -> Option<f64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: u32 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(f64::from(kib) * 1024.0)
}

/// Fields 14 and 15 of `/proc/self/stat`; the name in field 2 may hold spaces and brackets, so counting starts behind it.
fn cpu_seconds(stat: &str) -> Option<f64> {
    let (_, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_ascii_whitespace().skip(11);
    let user: u32 = fields.next()?.parse().ok()?;
    let system: u32 = fields.next()?.parse().ok()?;
    Some((f64::from(user) + f64::from(system)) / TICKS_PER_SECOND)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_proc_says() {
        assert_eq!(
            resident_bytes("Name:\tx\nVmRSS:\t    2048 kB\nThreads:\t3\n"),
            Some(2_097_152.0)
        );
        assert_eq!(resident_bytes("Name:\tx\n"), None);
        let stat = "42 (a b) c) S 1 1 1 0 -1 4194304 100 0 0 0 250 50 0 0 20 0 1 0 100 0 0";
        assert_eq!(cpu_seconds(stat), Some(3.0));
        assert_eq!(cpu_seconds("garbage"), None);
    }
}
