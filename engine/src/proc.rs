//! What Linux tells of a process and of the machine, under `/proc`. Other systems tell nothing here, which is an error
//! that says so.

use std::time::Duration;

/// A process of this machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Process(u32);

impl Process {
    /// This one.
    pub(crate) fn own() -> Self {
        Self(std::process::id())
    }

    /// The one with this number.
    pub(crate) fn new(id: u32) -> Self {
        Self(id)
    }

    /// Memory of it that is in RAM, in bytes.
    pub(crate) fn resident(self) -> Result<u64, String> {
        Ok(number(&self.read("status")?, "VmRSS")? * 1_024)
    }

    /// The most of it that has been in RAM, in bytes.
    pub(crate) fn peak(self) -> Result<u64, String> {
        Ok(number(&self.read("status")?, "VmHWM")? * 1_024)
    }

    /// Bytes that it has had written to disks.
    pub(crate) fn bytes_written(self) -> Result<u64, String> {
        number(&self.read("io")?, "write_bytes")
    }

    /// Processor time that it has taken.
    pub(crate) fn processor_time(self) -> Result<Duration, String> {
        processor_time(&self.read("stat")?)
    }

    fn read(self, file: &str) -> Result<String, String> {
        let path = format!("/proc/{}/{file}", self.0);
        std::fs::read_to_string(&path).map_err(|error| format!("cannot read {path}: {error}"))
    }
}

/// A number of proc_pid_status(5) or proc_pid_io(5). The sizes of the first are in kibibytes, which it calls kB.
fn number(text: &str, name: &str) -> Result<u64, String> {
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    let number = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
    number.ok_or_else(|| format!("the system does not tell `{name}` of a process"))
}

/// Fields 14 and 15 of proc_pid_stat(5).
fn processor_time(stat: &str) -> Result<Duration, String> {
    // Its name may hold anything, the closing bracket included; what follows the last one are numbers.
    let numbers: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |index: usize| numbers.get(index).and_then(|text| text.parse::<u64>().ok());
    match (ticks(11), ticks(12)) {
        // A tick is 10 ms on every Linux that is built as usual (USER_HZ).
        (Some(user), Some(system)) => Ok(Duration::from_millis((user + system) * 10)),
        _ => Err("the system does not tell the processor time of a process".to_owned()),
    }
}

/// The name of the processor.
pub(crate) fn processor() -> Option<String> {
    let text = std::fs::read_to_string("/proc/cpuinfo").ok()?;
    let line = text.lines().find(|line| line.starts_with("model name"))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_found_by_its_whole_name() {
        let status = "Name:\tVmRSS: 7\nVmHWM:\t    2048 kB\nVmRSS:\t    1024 kB\nVmRSSX:\t 1 kB\n";
        assert_eq!((number(status, "VmRSS"), number(status, "VmHWM")), (Ok(1_024), Ok(2_048)));
        assert!(number("Name:\tkthreadd\n", "VmRSS").is_err(), "a thread of the kernel has none");
    }

    #[test]
    fn processor_time_is_read_behind_a_name_that_holds_anything() {
        let stat = "42 (a) 1 2 (b)) S 1 1 1 0 -1 4194560 100 0 0 0 250 50 0 0 20 0 9 0 1 1 1";
        assert_eq!(processor_time(stat), Ok(Duration::from_secs(3)));
        assert!(processor_time("").is_err());
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn this_process_tells_of_itself_and_one_that_is_not_there_tells_nothing() {
        let own = Process::own();
        assert!(own.resident().expect("told") > 0);
        assert!(own.peak().expect("told") >= own.resident().expect("told") / 2);
        own.processor_time().expect("told");
        assert!(Process::new(u32::MAX).resident().is_err());
    }
}
