//! The figures of the Nix binary cache.

mod client;
mod fan_out;
mod made_up;
mod process;
mod serve;
mod upload;

pub(crate) use fan_out::measure as measure_fan_out;
pub(crate) use serve::{Arguments as ServeArguments, measure_narinfos, measure_nars};
pub(crate) use upload::measure as measure_upload;
