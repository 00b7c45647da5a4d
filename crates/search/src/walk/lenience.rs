use crate::State;

/// The share of the walk up to which capacities may be exceeded.
const LENIENT: f64 = 0.92;

/// What it costs at first to exceed a capacity by as much as a replica needs on average, in terms of the first heat.
const PRICE: f64 = 0.75;

/// So often in the whole walk it is looked whether that is too cheap,
const LOOKS: f64 = 400.0;
/// and then it becomes so much dearer.
const RISE: f64 = 1.03;

/// What it costs to exceed a capacity for a while: what is large gets around among what is small only by that.
///
/// It begins cheap and becomes dearer as long as no layout comes by that exceeds nothing, so that the walk comes to
/// lie at the edge of what is valid.
#[derive(Debug)]
pub(super) struct Lenience {
    /// What the excess of an average need costs; `None` while no capacity may be exceeded.
    price: Option<f64>,
    /// The share of the walk at which to look next.
    look: f64,
    /// Whether a layout has come by since the last look that exceeds no more than the best.
    was_sound: bool,
}

impl Lenience {
    pub(super) fn none() -> Self {
        Self { price: None, look: 0.0, was_sound: false }
    }

    /// Whether capacities may be exceeded.
    #[inline]
    pub(super) fn is_given(&self) -> bool {
        self.price.is_some()
    }

    /// Allows it from now on.
    pub(super) fn begin(&mut self, state: &mut State<'_>, heat: f64) {
        let price = heat * PRICE;
        self.price = Some(price);
        state.set_penalty(penalty(state, price));
    }

    /// After a change: whether the layout exceeds no more than the best does.
    #[inline]
    pub(super) fn see(&mut self, is_sound: bool) {
        self.was_sound |= is_sound;
    }

    /// Sets the price by how much of the walk is done; whether the lenience ends.
    pub(super) fn turn(&mut self, spent: f64, state: &mut State<'_>) -> bool {
        let Some(price) = self.price else { return false };
        if spent >= LENIENT {
            self.price = None;
            return true;
        }
        if spent >= self.look {
            self.look = spent + 1.0 / LOOKS;
            if !self.was_sound {
                self.price = Some(price * RISE);
                state.set_penalty(penalty(state, price * RISE));
            }
            self.was_sound = false;
        }
        false
    }
}

/// What a unit of excess counts, by resource.
fn penalty(state: &State<'_>, price: f64) -> Vec<i64> {
    let model = state.model();
    let mut needs = vec![0.0; model.resources];
    let replicas = state.places().len();
    for replica in 0..replicas as u32 {
        needs.iter_mut().zip(model.need(model.kind(replica))).for_each(|(sum, need)| *sum += *need as f64);
    }
    // All can be used on one node and be held there too: even that is to count less than a cost may come to.
    let most = (1_u64 << 58) as f64 / needs.len() as f64;
    let penalty = needs.iter().map(|sum| (price * replicas as f64 / sum.max(1.0)).ceil().min(most / sum.max(1.0)));
    penalty.map(|penalty| penalty as i64).collect()
}
