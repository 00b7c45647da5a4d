use std::collections::HashMap;
use std::sync::Arc;

use crate::view::Lineup;

/// The lineups that were made lately, by what the path of the closure begins with, each with when it was made.
pub(crate) type Lineups = HashMap<String, (u64, Arc<Lineup>)>;
