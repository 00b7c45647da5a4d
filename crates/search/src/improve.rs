use std::sync::Mutex;

use crate::random::Random;
use crate::{Cost, Problem, Refusal, State};

/// How long and how hard to look.
pub struct Effort<'a> {
    pub seed: u64,
    pub threads: usize,
    pub steps: Option<u64>,
    pub stop: &'a (dyn Fn() -> bool + Sync),
    pub spent: Option<&'a (dyn Fn() -> f64 + Sync)>,
    pub knobs: Vec<f64>,
}

#[derive(Debug, Clone)]
pub struct Progress {
    pub cost: Cost,
    pub steps: u64,
}

#[derive(Debug, Clone)]
pub struct Improved {
    pub layout: Vec<Option<u32>>,
    pub cost: Cost,
    pub steps: u64,
}

pub fn improve(
    problem: &Problem,
    layout: &[Option<u32>],
    effort: &Effort<'_>,
    progress: &mut dyn FnMut(&Progress),
) -> Result<Improved, Refusal> {
    let state = State::new(problem, layout)?;
    let best = Mutex::new((state.cost(), layout.to_vec()));
    let total = Mutex::new(0u64);
    std::thread::scope(|scope| {
        for t in 1..effort.threads {
            let state = state.clone();
            let (best, total) = (&best, &total);
            scope.spawn(move || {
                let steps = anneal(state, effort, t as u64, best, &mut |_| ());
                *total.lock().unwrap() += steps;
            });
        }
        let steps = anneal(state.clone(), effort, 0, &best, progress);
        *total.lock().unwrap() += steps;
    });
    let (cost, layout) = best.into_inner().unwrap();
    let steps = total.into_inner().unwrap();
    Ok(Improved { layout, cost, steps })
}

fn anneal(
    mut state: State<'_>,
    effort: &Effort<'_>,
    thread: u64,
    best: &Mutex<(Cost, Vec<Option<u32>>)>,
    progress: &mut dyn FnMut(&Progress),
) -> u64 {
    let mut random = Random::new(effort.seed.wrapping_mul(1000) + thread);
    let replicas = state.layout().len();
    let nodes = state.model().nodes;
    let logs: Vec<f64> = (0..4096).map(|i| -((f64::from(i) + 0.5) / 4096.0).ln()).collect();
    let t0 = effort.knobs[0];
    let t1 = effort.knobs[1];
    let swaps = effort.knobs[2];
    let swap_bar = (swaps * 1024.0) as usize;
    let mut own = state.cost();
    let mut own_layout = state.place.clone();
    let mut dirty = false;
    let mut steps = 0u64;
    let mut temp = t0;
    let (mut tried, mut feas, mut acc) = ([0u64; 2], [0u64; 2], [0u64; 2]);
    loop {
        if steps % 512 == 0 {
            if (effort.stop)() || effort.steps.is_some_and(|max| steps >= max) {
                break;
            }
            let f = match (effort.steps, effort.spent) {
                (Some(max), _) => steps as f64 / max as f64,
                (_, Some(spent)) => spent(),
                _ => 0.5,
            };
            temp = t0 * (t1 / t0).powf(f);
            if dirty && state.cost() > own {
            }
        }
        steps += 1;
        let limit = temp * logs[random.below(4096)];
        let replica = random.below(replicas) as u32;
        if random.below(1024) < swap_bar {
            let other = random.below(replicas) as u32;
            tried[1] += 1;
            let Some(delta) = state.swap(replica, other) else { continue };
            feas[1] += 1;
            if delta as f64 <= limit {
                acc[1] += 1;
                let one = state.take(replica).unwrap();
                let two = state.take(other).unwrap();
                state.put(replica, two);
                state.put(other, one);
            } else {
                continue;
            }
        } else {
            let node = random.below(nodes) as u32;
            tried[0] += 1;
            let Some(delta) = state.shift(replica, node) else { continue };
            feas[0] += 1;
            if delta as f64 <= limit {
                acc[0] += 1;
                state.take(replica);
                state.put(replica, node);
            } else {
                continue;
            }
        }
        if state.cost() < own {
            own = state.cost();
            own_layout.copy_from_slice(&state.place);
            dirty = true;
        }
    }
    let _ = dirty;
    eprintln!("thread {thread} tried {tried:?} feasible {feas:?} accepted {acc:?} own {own:?} end {:?}", state.cost());
    let mut best = best.lock().unwrap();
    if own < best.0 {
        best.0 = own;
        best.1 = own_layout.iter().map(|n| Some(*n)).collect();
    }
    progress(&Progress { cost: own, steps });
    steps
}
