//! The engine from outside: its properties over many small cases, checked by code that knows nothing of it, and its
//! answers to bad input.

mod bad_input;
mod cases;
mod checker;
mod fleet;
mod properties;
mod remedy;
