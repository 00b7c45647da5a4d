//! The engine from outside: its properties over many small cases, checked by code that knows nothing of it, and the
//! texts that a person reads.

mod bad_input;
mod cases;
mod checker;
mod fleet;
mod properties;
mod reasons;
mod remedy;
mod texts;
