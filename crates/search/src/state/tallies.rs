use crate::NO_DOMAIN;

/// Tables of up to so many numbers are kept whole, however few of them are not zero.
const SMALL: usize = 1 << 22;

/// How many replicas of a service are in each domain of a label, for every such pair that a rule asks for.
#[derive(Debug, Clone)]
pub(crate) struct Tallies {
    tables: Vec<Table>,
    dense: Vec<u32>,
    /// Open hash tables of (domain, count).
    sparse: Vec<(u32, u32)>,
    occupied: Vec<u32>,
}

#[derive(Debug, Clone, Copy)]
struct Table {
    base: usize,
    /// One less than the size of a hash table, which is a power of two; 0 for a plain array.
    mask: usize,
}

impl Tallies {
    /// Empty tallies, each for so many domains and replicas.
    pub(crate) fn new(sizes: impl Iterator<Item = (u32, u32)> + Clone) -> Self {
        let whole: usize = sizes.clone().map(|(domains, _)| domains as usize).sum();
        let (mut dense, mut sparse) = (0, 0);
        let mut tables = Vec::new();
        for (domains, replicas) in sizes {
            let slots = (2 * replicas as usize + 2).next_power_of_two();
            if whole <= SMALL || domains as usize <= 4 * slots {
                tables.push(Table { base: dense, mask: 0 });
                dense += domains as usize;
            } else {
                tables.push(Table { base: sparse, mask: slots - 1 });
                sparse += slots;
            }
        }
        let occupied = vec![0; tables.len()];
        Self { tables, dense: vec![0; dense], sparse: vec![(NO_DOMAIN, 0); sparse], occupied }
    }

    /// How many are in the domain.
    #[inline]
    pub(crate) fn get(&self, tally: usize, domain: u32) -> u32 {
        let table = self.tables[tally];
        match table.mask {
            0 => self.dense[table.base + domain as usize],
            _ => self.sparse[self.slot(table, domain)].1,
        }
    }

    /// How many domains have any.
    #[inline]
    pub(crate) fn occupied(&self, tally: usize) -> u32 {
        self.occupied[tally]
    }

    /// One more is in the domain.
    pub(crate) fn add(&mut self, tally: usize, domain: u32) {
        let table = self.tables[tally];
        let count = match table.mask {
            0 => &mut self.dense[table.base + domain as usize],
            _ => {
                let slot = self.slot(table, domain);
                self.sparse[slot].0 = domain;
                &mut self.sparse[slot].1
            }
        };
        self.occupied[tally] += u32::from(*count == 0);
        *count += 1;
    }

    /// One less is in the domain, which has some.
    pub(crate) fn remove(&mut self, tally: usize, domain: u32) {
        let table = self.tables[tally];
        let slot = if table.mask == 0 { 0 } else { self.slot(table, domain) };
        let count = match table.mask {
            0 => &mut self.dense[table.base + domain as usize],
            _ => &mut self.sparse[slot].1,
        };
        *count -= 1;
        if *count == 0 {
            self.occupied[tally] -= 1;
            if table.mask != 0 {
                self.close(table, slot);
            }
        }
    }

    /// Where the domain is in the hash table, or where it would be.
    fn slot(&self, table: Table, domain: u32) -> usize {
        let mut at = home(table, domain);
        loop {
            let slot = table.base + at;
            let held = self.sparse[slot].0;
            if held == domain || held == NO_DOMAIN {
                return slot;
            }
            at = (at + 1) & table.mask;
        }
    }

    /// Empties a slot and draws back what stands behind it, so that no search ends too early.
    fn close(&mut self, table: Table, slot: usize) {
        let mut hole = slot - table.base;
        let mut at = hole;
        loop {
            at = (at + 1) & table.mask;
            let entry = self.sparse[table.base + at];
            if entry.0 == NO_DOMAIN {
                break;
            }
            let distance = at.wrapping_sub(home(table, entry.0)) & table.mask;
            if distance >= at.wrapping_sub(hole) & table.mask {
                self.sparse[table.base + hole] = entry;
                hole = at;
            }
        }
        self.sparse[table.base + hole] = (NO_DOMAIN, 0);
    }
}

fn home(table: Table, domain: u32) -> usize {
    (domain.wrapping_mul(0x9e37_79b1) >> 8) as usize & table.mask
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::random::Random;

    #[test]
    fn hash_tables_count_like_a_map() {
        // So many domains that no table is kept whole.
        let domains = SMALL as u32 + 1;
        let mut tallies = Tallies::new([(domains, 12), (domains, 3)].into_iter());
        let mut model = BTreeMap::new();
        let mut random = Random::new(1);
        let mut held: Vec<u32> = Vec::new();
        for _ in 0..20_000 {
            if held.len() < 12 && (held.is_empty() || random.below(2) == 0) {
                let domain = random.below(40) as u32;
                tallies.add(0, domain);
                *model.entry(domain).or_insert(0) += 1;
                held.push(domain);
            } else {
                let domain = held.swap_remove(random.below(held.len()));
                tallies.remove(0, domain);
                *model.get_mut(&domain).unwrap() -= 1;
            }
            let occupied = model.values().filter(|count| **count > 0).count();
            assert_eq!(tallies.occupied(0) as usize, occupied);
            for domain in 0..40 {
                assert_eq!(tallies.get(0, domain), model.get(&domain).copied().unwrap_or(0));
            }
        }
        assert_eq!((tallies.occupied(1), tallies.get(1, 5)), (0, 0));
    }
}
