use std::sync::atomic::{AtomicU64, Ordering};

use crate::elite::Elite;
use crate::model::NOWHERE;
use crate::walk::Walk;
use crate::{Cost, Effort, Problem, Progress, Refusal, State};

/// The best layout that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Improved {
    /// The node of each replica.
    pub assignment: Vec<Option<u32>>,
    /// What it costs.
    pub cost: Cost,
    /// How many changes were considered.
    pub steps: u64,
}

/// Looks for a better layout than `start` until the effort is spent; `progress` is told of each best one that the first
/// thread finds, though not of those that soon make way for another.
///
/// The result is never worse than `start`: it breaks no hard rule that `start` does not break, and costs no more. With
/// `steps` and one thread, it depends on nothing but the arguments.
///
/// # Errors
/// The problem does not pass [`Problem::check`], or `start` does not fit it.
pub fn improve(
    problem: &Problem,
    start: &[Option<u32>],
    effort: &Effort<'_>,
    progress: &mut dyn FnMut(&Progress),
) -> Result<Improved, Refusal> {
    let state = State::new(problem, start)?;
    let elite = Elite::new(&state);
    let steps = AtomicU64::new(0);
    let threads = effort.threads.max(1) as u64;
    let share = effort.steps.map(|steps| steps.div_ceil(threads));
    std::thread::scope(|scope| {
        for thread in 1..threads {
            let (elite, steps) = (&elite, &steps);
            scope.spawn(move || {
                // A copy would share what it reads, and count who does so at each change.
                let state = State::of_checked(problem, start);
                let walked = Walk::new(state, effort, share, thread).run(elite, &mut |_| ());
                steps.fetch_add(walked, Ordering::Relaxed);
            });
        }
        let walked = Walk::new(state, effort, share, 0).run(&elite, progress);
        steps.fetch_add(walked, Ordering::Relaxed);
    });
    let (standing, places) = elite.into_best();
    let assignment = places.into_iter().map(|node| (node != NOWHERE).then_some(node)).collect();
    Ok(Improved { assignment, cost: standing.cost, steps: steps.into_inner() })
}

#[cfg(test)]
mod tests;
