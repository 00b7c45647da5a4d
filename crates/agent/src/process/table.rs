use std::io;

/// What `/proc/PID/stat` says of a process, as far as it is needed here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) pid: u32,
    pub(super) state: char,
    pub(super) parent: u32,
    pub(super) session: u32,
    /// When it started, in clock ticks since the machine did.
    pub(super) start: u64,
}

impl Entry {
    pub(super) fn read(pid: u32) -> io::Result<Self> {
        let bytes = std::fs::read(format!("/proc/{pid}/stat"))?;
        Self::parse(&String::from_utf8_lossy(&bytes))
            .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, format!("/proc/{pid}/stat is not as expected")))
    }

    /// The program's name stands in parentheses and may hold anything, parentheses and spaces too; so the fields are
    /// counted from the last closing one.
    fn parse(stat: &str) -> Option<Self> {
        let pid = stat.split_once(' ')?.0.parse().ok()?;
        let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
        Some(Self {
            pid,
            state: fields.first()?.chars().next()?,
            parent: fields.get(1)?.parse().ok()?,
            session: fields.get(3)?.parse().ok()?,
            start: fields.get(19)?.parse().ok()?,
        })
    }

    /// A zombie has ended; only its parent has not asked yet.
    pub(super) const fn has_ended(&self) -> bool {
        matches!(self.state, 'Z' | 'X')
    }
}

/// Every process there is, in no order; those that end meanwhile are left out.
pub(super) fn all() -> Vec<Entry> {
    let Ok(folder) = std::fs::read_dir("/proc") else { return Vec::new() };
    let pids = folder.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    pids.filter_map(|pid| Entry::read(pid).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_parentheses_does_not_mislead() {
        let stat = "42 (a) S 9 (b) R 7 42 41 0 -1 4194304 1 0 0 0 0 0 0 0 20 0 1 0 98765 1 1 1";
        let expected = Entry { pid: 42, state: 'R', parent: 7, session: 41, start: 98765 };
        assert_eq!(Entry::parse(stat), Some(expected));
    }

    #[test]
    fn what_is_no_stat_line_is_none() {
        for text in ["", "42", "42 (a", "42 (a) S", "x (a) S 1 2 3"] {
            assert_eq!(Entry::parse(text), None, "{text:?}");
        }
    }
}
