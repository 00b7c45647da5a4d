use std::fs;

/// The most memory that this process ever had resident, in bytes; 0 where the kernel does not say.
pub(crate) fn peak() -> u64 {
    of_status(&fs::read_to_string("/proc/self/status").unwrap_or_default())
}

fn of_status(status: &str) -> u64 {
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kibibytes = line.and_then(|rest| rest.trim().strip_suffix("kB")?.trim().parse::<u64>().ok());
    kibibytes.unwrap_or_default() * 1024
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_high_water_mark_is_read() {
        assert_eq!(of_status("VmPeak:\t 9 kB\nVmHWM:\t   1044 kB\nVmRSS:\t 8 kB\n"), 1044 * 1024);
        assert_eq!(of_status(""), 0);
        assert!(peak() > 1 << 20);
    }
}
