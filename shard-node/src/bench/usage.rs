//! What a process has used so far, from Linux's `/proc`.

use anyhow::Context as _;
use rustix::time::{ClockId, clock_gettime};
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

/// What a process has used since its start.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Usage {
    /// Processor time of all its threads, in nanoseconds; counted in ticks of some 10 ms.
    pub(super) cpu_ns: u64,
    /// Bytes that it had written to disk.
    pub(super) written_bytes: u64,
}

impl Usage {
    /// Of a running process.
    ///
    /// # Errors
    /// The process has ended, or this isn't Linux.
    pub(super) fn of(pid: u32) -> anyhow::Result<Self> {
        let stat = read(pid, "stat")?;
        // The name stands in parentheses and may hold anything; behind it, field 14 is user time.
        let fields = stat.rsplit_once(')').context("/proc's stat has no name")?.1.split_whitespace().skip(11);
        let ticks: u64 = fields.take(2).map(|ticks| ticks.parse().unwrap_or(0)).sum();
        let cpu_ns = ticks * (1_000_000_000 / rustix::param::clock_ticks_per_second());
        let written_bytes = field(&read(pid, "io")?, "write_bytes:")?;
        Ok(Usage { cpu_ns, written_bytes })
    }

    /// What was used since `before`.
    pub(super) fn since(self, before: Usage) -> Usage {
        Usage {
            cpu_ns: self.cpu_ns.saturating_sub(before.cpu_ns),
            written_bytes: self.written_bytes.saturating_sub(before.written_bytes),
        }
    }
}

/// Resident memory of a process now and at its peak, in bytes.
///
/// # Errors
/// As [`Usage::of`].
pub(super) fn memory(pid: u32) -> anyhow::Result<(u64, u64)> {
    let status = read(pid, "status")?;
    let bytes = |name| field::<u64>(&status, name).map(|kib| kib * 1024);
    Ok((bytes("VmRSS:")?, bytes("VmHWM:")?))
}

/// Processor time of this process, in nanoseconds: finer than [`Usage`].
pub(super) fn own_cpu_ns() -> u64 {
    let spent = clock_gettime(ClockId::ProcessCPUTime);
    let spent = Duration::try_from(spent).expect("no processor time is negative");
    u64::try_from(spent.as_nanos()).unwrap_or(u64::MAX)
}

fn read(pid: u32, name: &str) -> anyhow::Result<String> {
    let path = PathBuf::from(format!("/proc/{pid}/{name}"));
    std::fs::read_to_string(&path).with_context(|| format!("{}: the bench needs Linux's /proc", path.display()))
}

fn field<T: FromStr>(text: &str, name: &str) -> anyhow::Result<T> {
    let value = text.lines().find_map(|line| line.strip_prefix(name)).and_then(|rest| rest.split_whitespace().next());
    value.and_then(|value| value.parse().ok()).with_context(|| format!("/proc tells no {name}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_that_works_uses_processor_time_and_memory() {
        let pid = std::process::id();
        let (before, fine_before) = (Usage::of(pid).expect("Linux"), own_cpu_ns());
        let mut work = vec![1u8; 1 << 20];
        while Usage::of(pid).expect("Linux").since(before).cpu_ns == 0 {
            work.iter_mut().for_each(|byte| *byte = byte.wrapping_mul(3));
        }
        assert!(own_cpu_ns() > fine_before);
        let (now, peak) = memory(pid).expect("Linux");
        assert!(now >= 1 << 20 && peak >= now, "{now} {peak} {}", work[0]);
    }

    #[test]
    fn a_process_that_is_none_is_named() {
        let error = Usage::of(u32::MAX).expect_err("no process has this id");
        assert!(format!("{error:#}").contains("4294967295"), "{error:#}");
    }
}
