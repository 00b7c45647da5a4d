/// Breaches: how many, and the first few in words.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) count: u64,
    pub(crate) first: Vec<String>,
}

impl Found {
    const SHOWN: usize = 5;

    /// One more; the words are made only while they are shown.
    pub(super) fn report(&mut self, words: impl FnOnce() -> String) {
        self.count += 1;
        if self.first.len() < Self::SHOWN {
            self.first.push(words());
        }
    }

    /// Those of `other`, too.
    pub(crate) fn add(&mut self, other: Self) {
        self.count += other.count;
        self.first.extend(other.first);
        self.first.truncate(Self::SHOWN);
    }
}
