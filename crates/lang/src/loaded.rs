use std::collections::HashMap;

use starlark::environment::{FrozenModule, Module};
use starlark::eval::FileLoader;
use starlark::values::FrozenHeapName;

use crate::value::Unknown;

/// The files that a file loads, by the path as it is written.
pub(crate) struct Loaded(pub(crate) HashMap<String, FrozenModule>);

impl FileLoader for Loaded {
    fn load(&self, path: &str) -> starlark::Result<FrozenModule> {
        let missing = || std::io::Error::new(std::io::ErrorKind::NotFound, format!("{path:?} is not loaded"));
        self.0.get(path).cloned().ok_or_else(|| starlark::Error::new_other(missing()))
    }
}

/// Whether other files can load `symbol` from `module`.
pub(crate) fn has_symbol(module: &FrozenModule, symbol: &str) -> bool {
    matches!(module.get_option(symbol), Ok(Some(_)))
}

/// `module` with stand-ins for those of `wanted` that it does not define.
pub(crate) fn with_stand_ins<'s>(
    module: Option<FrozenModule>,
    wanted: impl Iterator<Item = &'s str>,
) -> Option<FrozenModule> {
    let (mut defined, mut missing) = (Vec::new(), Vec::new());
    for symbol in wanted {
        match module.as_ref().and_then(|module| module.get_option(symbol).ok().flatten()) {
            Some(value) => defined.push((symbol, value)),
            None => missing.push(symbol),
        }
    }
    if missing.is_empty() && module.is_some() {
        return module;
    }
    Module::with_temp_heap(|stand_in| {
        for (symbol, value) in &defined {
            stand_in.set(symbol, stand_in.heap().access_owned_frozen_value(value));
        }
        missing.iter().for_each(|symbol| stand_in.set(symbol, Unknown::alloc(stand_in.heap())));
        stand_in.freeze_named(FrozenHeapName::User(Box::new("stand-ins".to_owned()))).ok()
    })
}
