#![expect(unsafe_code, reason = "the interpreter's traits for values are unsafe, and implemented by its derives alone")]

use std::fmt;

use allocative::Allocative;
use starlark::any::ProvidesStaticType;
use starlark::eval::{Arguments, Evaluator};
use starlark::starlark_simple_value;
use starlark::values::{Heap, NoSerialize, StarlarkPagable, StarlarkValue, Value, starlark_value};

use crate::call;
use crate::docs::FunctionDoc;
use crate::functions::FUNCTIONS;
use crate::session::Session;

/// What the interpreter hands to every function: the way to the session.
#[derive(ProvidesStaticType)]
pub(crate) struct Extra<'e> {
    pub(crate) session: &'e Session<'e>,
}

/// A function of the language: its number in [`FUNCTIONS`].
#[derive(Debug, ProvidesStaticType, NoSerialize, StarlarkPagable, Allocative)]
pub(crate) struct Builtin {
    pub(crate) number: usize,
}
starlark_simple_value!(Builtin);

impl Builtin {
    pub(crate) fn doc(&self) -> &'static FunctionDoc {
        &FUNCTIONS[self.number].doc
    }
}

impl fmt::Display for Builtin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.doc().name)
    }
}

#[starlark_value(type = "function")]
impl<'v> StarlarkValue<'v> for Builtin {
    fn invoke(
        &self,
        _me: Value<'v>,
        args: &Arguments<'v, '_>,
        eval: &mut Evaluator<'v, '_, '_>,
    ) -> starlark::Result<Value<'v>> {
        call::invoke(FUNCTIONS[self.number], args, eval)
    }
}

/// A [`crate::thing::Thing`]: its number in the session, and the function that made it.
#[derive(Debug, ProvidesStaticType, NoSerialize, StarlarkPagable, Allocative)]
pub(crate) struct Made {
    pub(crate) number: usize,
    pub(crate) function: usize,
}
starlark_simple_value!(Made);

impl Made {
    pub(crate) fn function(&self) -> &'static str {
        FUNCTIONS[self.function].doc.name
    }
}

impl fmt::Display for Made {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}(…)", self.function())
    }
}

#[starlark_value(type = "declaration")]
impl<'v> StarlarkValue<'v> for Made {}

/// Stands for what could not be made, after that was reported: whatever is done with it gives the same again.
#[derive(Debug, ProvidesStaticType, NoSerialize, StarlarkPagable, Allocative)]
pub(crate) struct Unknown {}
starlark_simple_value!(Unknown);

impl Unknown {
    pub(crate) fn alloc(heap: Heap<'_>) -> Value<'_> {
        heap.alloc(Self {})
    }
}

impl fmt::Display for Unknown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("unknown")
    }
}

#[starlark_value(type = "unknown")]
impl<'v> StarlarkValue<'v> for Unknown {
    fn invoke(
        &self,
        _me: Value<'v>,
        _args: &Arguments<'v, '_>,
        eval: &mut Evaluator<'v, '_, '_>,
    ) -> starlark::Result<Value<'v>> {
        Ok(Self::alloc(eval.heap()))
    }

    fn at(&self, _index: Value<'v>, heap: Heap<'v>) -> starlark::Result<Value<'v>> {
        Ok(Self::alloc(heap))
    }

    fn slice(
        &self,
        _start: Option<Value<'v>>,
        _stop: Option<Value<'v>>,
        _stride: Option<Value<'v>>,
        heap: Heap<'v>,
    ) -> starlark::Result<Value<'v>> {
        Ok(Self::alloc(heap))
    }

    fn iterate_collect(&self, _heap: Heap<'v>) -> starlark::Result<Vec<Value<'v>>> {
        Ok(Vec::new())
    }

    fn length(&self) -> starlark::Result<i32> {
        Ok(0)
    }

    fn get_attr(&self, _attribute: &str, heap: Heap<'v>) -> Option<Value<'v>> {
        Some(Self::alloc(heap))
    }

    fn is_in(&self, _other: Value<'v>) -> starlark::Result<bool> {
        Ok(false)
    }

    fn write_hash(&self, _hasher: &mut starlark::collections::StarlarkHasher) -> starlark::Result<()> {
        Ok(())
    }

    fn plus(&self, heap: Heap<'v>) -> starlark::Result<Value<'v>> {
        Ok(Self::alloc(heap))
    }

    fn minus(&self, heap: Heap<'v>) -> starlark::Result<Value<'v>> {
        Ok(Self::alloc(heap))
    }

    fn radd(&self, _lhs: Value<'v>, heap: Heap<'v>) -> Option<starlark::Result<Value<'v>>> {
        Some(Ok(Self::alloc(heap)))
    }

    fn add(&self, _rhs: Value<'v>, heap: Heap<'v>) -> Option<starlark::Result<Value<'v>>> {
        Some(Ok(Self::alloc(heap)))
    }

    fn sub(&self, _other: Value<'v>, heap: Heap<'v>) -> starlark::Result<Value<'v>> {
        Ok(Self::alloc(heap))
    }

    fn rmul(&self, _lhs: Value<'v>, heap: Heap<'v>) -> Option<starlark::Result<Value<'v>>> {
        Some(Ok(Self::alloc(heap)))
    }

    fn mul(&self, _rhs: Value<'v>, heap: Heap<'v>) -> Option<starlark::Result<Value<'v>>> {
        Some(Ok(Self::alloc(heap)))
    }

    fn div(&self, _other: Value<'v>, heap: Heap<'v>) -> starlark::Result<Value<'v>> {
        Ok(Self::alloc(heap))
    }

    fn floor_div(&self, _other: Value<'v>, heap: Heap<'v>) -> starlark::Result<Value<'v>> {
        Ok(Self::alloc(heap))
    }

    fn percent(&self, _other: Value<'v>, heap: Heap<'v>) -> starlark::Result<Value<'v>> {
        Ok(Self::alloc(heap))
    }
}
