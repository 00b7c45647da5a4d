/// How much of everything there is to be.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sizes {
    pub(crate) nodes: u32,
    pub(crate) replicas: u32,
    /// How many services the replicas are of, if that was said.
    pub(crate) services: Option<u32>,
    pub(crate) seed: u64,
}

impl Sizes {
    /// How many replicas a service has where nothing was said.
    pub(crate) const OF_A_SERVICE: u32 = 1_000;

    /// How many replicas each service has where they may not share nodes, nor be on those of another service. There are
    /// more services than were asked for where those would be too large for that.
    pub(crate) fn split_apart(&self) -> Vec<u32> {
        let most = Self::OF_A_SERVICE.min(self.nodes / 4).max(1);
        let least = self.replicas.div_ceil(most);
        split(self.replicas, most, Some(self.services.unwrap_or(least).max(least)))
    }

    /// How many replicas each service has: as alike as can be, about `each` of them where the number of services is free.
    pub(crate) fn split(&self, each: u32) -> Vec<u32> {
        split(self.replicas, each, self.services)
    }
}

/// `replicas` in parts that are as alike as can be: so many parts, or parts of about `each`.
pub(crate) fn split(replicas: u32, each: u32, parts: Option<u32>) -> Vec<u32> {
    let parts = parts.unwrap_or_else(|| replicas.div_ceil(each)).clamp(1, replicas.max(1));
    (0..parts).map(|part| replicas / parts + u32::from(part < replicas % parts)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_alike_and_none_is_lost() {
        assert_eq!(split(2_500, 1_000, None), [834, 833, 833]);
        assert_eq!(split(2_500, 1_000, Some(2)), [1_250, 1_250]);
        assert_eq!(split(2, 1_000, Some(5)), [1, 1]);
        assert_eq!(split(0, 1_000, None), [0]);
    }

    #[test]
    fn services_that_must_be_apart_are_no_larger_than_their_share_of_the_nodes() {
        let parts = |services| Sizes { nodes: 40, replicas: 95, services, seed: 0 }.split_apart();
        assert_eq!(parts(None), [10, 10, 10, 10, 10, 9, 9, 9, 9, 9]);
        assert_eq!(parts(Some(2)), parts(None));
        assert_eq!(parts(Some(19)), [5; 19]);
    }
}
