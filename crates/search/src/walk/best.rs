use crate::State;
use crate::state::Standing;

/// The best layout of a walk, kept such that a change costs little: as the way back to it while that is short.
#[derive(Debug)]
pub(super) struct Best {
    standing: Standing,
    /// The layout itself, if it `is_whole`.
    places: Vec<u32>,
    is_whole: bool,
    /// Where replicas were before each change since, the first change first.
    trail: Vec<(u32, u32)>,
}

impl Best {
    /// The walk is there.
    pub(super) fn new(state: &State<'_>) -> Self {
        Self { standing: state.standing(), places: state.places().to_vec(), is_whole: false, trail: Vec::new() }
    }

    pub(super) fn standing(&self) -> Standing {
        self.standing
    }

    /// A replica leaves this place, or comes from none.
    pub(super) fn note(&mut self, replica: u32, from: u32) {
        if !self.is_whole {
            self.trail.push((replica, from));
        }
    }

    /// Whether the layout exceeds no more of the capacities than the best one.
    pub(super) fn is_sound(&self, state: &State<'_>) -> bool {
        state.excess() <= self.standing.excess
    }

    /// After a change: whether the layout is the best one now.
    pub(super) fn compare(&mut self, state: &State<'_>) {
        if self.is_sound(state) && state.standing() < self.standing {
            self.is_here(state.standing());
        } else if self.trail.len() > self.places.len() {
            self.places(state);
        }
    }

    /// The walk is at the best layout.
    pub(super) fn is_here(&mut self, standing: Standing) {
        self.standing = standing;
        self.trail.clear();
        self.is_whole = false;
    }

    /// The best layout, given the present one.
    pub(super) fn places(&mut self, state: &State<'_>) -> &[u32] {
        if !self.is_whole {
            self.places.copy_from_slice(state.places());
            for (replica, from) in self.trail.drain(..).rev() {
                self.places[replica as usize] = from;
            }
            self.is_whole = true;
        }
        &self.places
    }
}
