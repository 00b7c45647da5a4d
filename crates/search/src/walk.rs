mod best;
mod heat;
mod lenience;
mod reach;
mod rearrange;
mod steps;

use crate::State;
use crate::effort::{Effort, Progress};
use crate::elite::Elite;
use crate::model::NOWHERE;
use crate::random::Random;
use crate::state::Standing;
use crate::walk::best::Best;
use crate::walk::heat::{Heat, Noise};
use crate::walk::lenience::Lenience;
use crate::walk::reach::Reach;

/// How many steps are made between two looks at the clock and at the heat.
const STRIDE: u64 = 256;

/// One thread's way through the layouts: simulated annealing over changes of one to a few replicas.
///
/// Shifts and swaps are cheap and many; chains get around what is held on two nodes at once; rearrangements make room
/// for what is large. Every change that it considers is admitted, but that capacities may be exceeded for a while, at a
/// rising cost: see [`Lenience`]. Only a layout that exceeds no more than the start counts as a best one.
pub(crate) struct Walk<'p, 'a> {
    state: State<'p>,
    effort: &'a Effort<'a>,
    /// How many steps this thread may make.
    limit: Option<u64>,
    random: Random,
    noise: Noise,
    heat: Heat,
    best: Best,
    /// Whether this thread may exceed capacities for a while. Every other one does: what is large gets around better by
    /// that, and what is short of heat otherwise is found by those that begin hotter and stay valid.
    may_exceed: bool,
    lenience: Lenience,
    reach: Reach,
    /// Whether replicas that have moved hold back others until they go home.
    is_held: bool,
    /// The replicas that may move.
    movable: Vec<u32>,
    is_movable: Vec<bool>,
    /// Replicas that are on no node, and may be; some may have been placed since.
    unplaced: Vec<u32>,
    /// What a rearrangement has taken, and where from.
    taken: Vec<(u32, u32)>,
    steps: u64,
}

impl<'p, 'a> Walk<'p, 'a> {
    pub(crate) fn new(state: State<'p>, effort: &'a Effort<'a>, limit: Option<u64>, thread: u64) -> Self {
        let is_movable: Vec<bool> = state.model().problem.replicas.iter().map(|replica| replica.movable).collect();
        let movable: Vec<u32> = (0..is_movable.len() as u32).filter(|replica| is_movable[*replica as usize]).collect();
        let unplaced = movable.iter().copied().filter(|replica| state.node_of(*replica).is_none()).collect();
        Self {
            effort,
            limit,
            random: Random::new(effort.seed ^ thread.wrapping_mul(0xd1b5_4a32_d192_ed03)),
            noise: Noise::new(),
            heat: Heat::new(movable.len()),
            best: Best::new(&state),
            may_exceed: thread.is_multiple_of(2),
            lenience: Lenience::none(),
            reach: Reach::new(state.model(), limit.map_or(usize::MAX, |limit| limit as usize)),
            is_held: state.model().problem.resources.iter().any(|resource| resource.transient),
            movable,
            is_movable,
            unplaced,
            taken: Vec::new(),
            steps: 0,
            state,
        }
    }

    /// Walks until the effort is spent; gives back how many steps that were.
    pub(crate) fn run(mut self, elite: &Elite, progress: &mut dyn FnMut(&Progress)) -> u64 {
        if self.movable.is_empty() || self.state.model().nodes == 0 {
            return 0;
        }
        let mut told = self.best.standing();
        while !self.is_over() {
            let spent = self.spent();
            if self.heat.turn(spent, self.steps) {
                self.meet(elite);
                let is_lenient = self.may_exceed && spent.is_some() && self.unplaced.is_empty() && self.heat.is_whole();
                self.heat.begin(&self.state, &self.movable, is_lenient, &mut self.random);
                if is_lenient {
                    self.lenience.begin(&mut self.state, self.heat.now());
                }
            }
            let ends = spent.is_some_and(|spent| self.lenience.turn(spent, &mut self.state));
            if ends && !self.best.is_sound(&self.state) {
                self.meet(elite);
            }
            if self.best.standing() < told {
                told = self.best.standing();
                progress(&Progress { cost: told.cost, steps: self.steps });
            }
            for _ in 0..STRIDE {
                self.step();
            }
            self.steps += STRIDE;
        }
        elite.meet(self.best.standing(), self.best.places(&self.state));
        self.steps
    }

    fn is_over(&self) -> bool {
        self.limit.is_some_and(|limit| self.steps >= limit) || (self.effort.stop)()
    }

    /// The share of the effort that is spent, if that can be known.
    fn spent(&self) -> Option<f64> {
        match (self.limit, self.effort.spent) {
            (Some(limit), _) => Some(self.steps as f64 / limit.max(1) as f64),
            (None, Some(spent)) => Some(spent()),
            (None, None) => None,
        }
    }

    /// Goes to the best layout that any thread knows.
    fn meet(&mut self, elite: &Elite) {
        let own = self.best.places(&self.state).to_vec();
        let (standing, places) = elite.meet(self.best.standing(), &own).unwrap_or((self.best.standing(), own));
        for (replica, node) in (0..).zip(&places) {
            if self.state.node_of(replica).is_some_and(|now| now != *node) {
                self.state.take(replica);
            }
        }
        for (replica, node) in (0..).zip(&places) {
            if *node != NOWHERE && self.state.node_of(replica).is_none() {
                self.state.put(replica, *node);
            }
        }
        self.best.is_here(standing);
        let unplaced = self.movable.iter().copied().filter(|replica| self.state.node_of(*replica).is_none());
        self.unplaced = unplaced.collect();
    }

    /// Puts replicas on other nodes, as has been found to be admitted.
    fn change(&mut self, to: &[(u32, u32)]) {
        for (replica, _) in to {
            let from = self.state.take(*replica).unwrap_or(NOWHERE);
            self.best.note(*replica, from);
        }
        to.iter().for_each(|(replica, node)| self.state.put(*replica, *node));
        self.lenience.see(self.best.is_sound(&self.state));
        self.best.compare(&self.state);
    }

    fn standing(&self) -> Standing {
        self.state.standing()
    }
}
