//! Starlark → [`Spec`](icefield_spec::Spec): evaluates `icefield.star` and what it loads.
//!
//! [`evaluate`] is pure: the text of files comes through a [`Loader`], values from outside through `vars`, and there is
//! no clock, no network and no environment; the same files give the same spec. It never stops at the first mistake:
//!
//! - a function with a bad argument records a [`Diagnostic`] that points at that argument, and goes on;
//! - a name that exists nowhere, a file that cannot be loaded or a value that could not be made is stood in for by a
//!   value that everything accepts in silence, so one mistake is reported once and hides no other;
//! - a statement that fails in the language itself (`1 + "a"`) is reported, and evaluation goes on with the next one;
//! - what [`Spec::validate`](icefield_spec::Spec::validate) finds is traced back to the call and the argument that
//!   declared it.
//!
//! A file is not trusted to be small or to end. [`Limits`] bound steps, memory, depth and size from within, but the
//! interpreter only looks at them between steps, so [`evaluate_isolated`] runs the same evaluation in a process of its
//! own whose memory and time the kernel bounds. The process is whatever command the caller gives; that command calls
//! [`worker_main`].
//!
//! The functions of the language are declared in `functions/`, one file a noun. Each is one table entry that holds its
//! documentation and its code, so [`docs`], the suggestions and the behaviour cannot drift apart.
//!
//! | module | what it holds |
//! |---|---|
//! | `evaluate` | the entry: root file, validation, what comes out |
//! | `module`, `loaded`, `resume` | one file: parse, load, run, go on after a failing statement |
//! | `session` | what one evaluation collects |
//! | `call`, `arg` | one call of a function: its arguments, read as types |
//! | `site`, `source` | where a call was, and where in the text its argument stands |
//! | `blame`, `clue` | from a problem of the spec to the text that declared it |
//! | `diagnostic`, `render` | what a person is told, and how it looks |
//! | `watch` | where a file is busy when it hits a limit |
//! | `isolated`, `worker`, `folder` | the process border and the file system |

mod arg;
mod blame;
mod call;
mod clue;
mod declarations;
mod diagnostic;
mod docs;
mod evaluate;
mod failure;
mod folder;
mod functions;
mod isolated;
mod limits;
mod loaded;
mod loader;
mod module;
mod names;
mod nesting;
mod render;
mod report;
mod resume;
mod session;
mod site;
mod source;
mod thing;
mod value;
mod watch;
mod worker;
mod written;

pub use diagnostic::{Diagnostic, Excerpt, Level, Note, Place};
pub use docs::{FunctionDoc, ParameterDoc, docs};
pub use evaluate::{Evaluation, evaluate};
pub use folder::FolderLoader;
pub use isolated::{Request, evaluate_isolated};
pub use limits::Limits;
pub use loader::{LoadError, Loader};
pub use worker::worker_main;
