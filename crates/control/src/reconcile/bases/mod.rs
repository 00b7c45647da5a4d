//! How the rollouts of bases go on: node by node, in waves.

mod due;
mod view;
mod waits;
mod waves;

pub(super) use due::due;
pub(crate) use view::{BaseView, Standing};
pub(crate) use waits::base_waits_for;
