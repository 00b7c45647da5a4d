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
    let mut lambda = effort.knobs.get(5).copied().unwrap_or(0.0);
    let soft = lambda > 0.0;
    state.soft = soft;
    let chain_bar = (effort.knobs[3] * 1024.0) as usize;
    let home_bar = (effort.knobs.get(4).copied().unwrap_or(0.5) * 1024.0) as usize;
    let rebuild_bar = (effort.knobs.get(8).copied().unwrap_or(0.0) * 1024.0) as usize;
    let mut undo: Vec<(u32, u32)> = Vec::new();
    let swap_bar = (swaps * 1024.0) as usize + chain_bar;
    let mut own = state.cost();
    let mut own_layout = state.place.clone();
    let mut dirty = false;
    let mut steps = 0u64;
    let mut cycle = 0u64;
    let (mut was, mut isok) = (0u64, 0u64);
    let mut temp = t0;
    let (mut tried, mut feas, mut acc) = ([0u64; 4], [0u64; 4], [0u64; 4]);
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
            let cycles = effort.knobs.get(9).copied().unwrap_or(1.0);
            let reheat = effort.knobs.get(10).copied().unwrap_or(1.0);
            let f = f.min(0.999999);
            let c = (f * cycles).floor();
            let top = if c > 0.0 { t0 * reheat } else { t0 };
            temp = top * (t1 / top).powf(f * cycles - c);
            if c as u64 != cycle {
                cycle = c as u64;
                for r in 0..replicas {
                    if state.place[r] != own_layout[r] {
                        state.take(r as u32);
                    }
                }
                for r in 0..replicas {
                    if state.place[r] == u32::MAX {
                        state.put(r as u32, own_layout[r]);
                    }
                }
            }
            if let Some(c) = effort.knobs.get(7) { state.mu = (c * temp) as i64; }
            if let Some(rate) = effort.knobs.get(6) {
                if state.faults().0 > 0 { lambda *= 1.0 + rate; was += 1; } else { lambda = (lambda / (1.0 + rate)).max(effort.knobs[4]); isok += 1; }
            }
            if dirty && state.cost() > own {
            }
        }
        steps += 1;
        let limit = temp * logs[random.below(4096)];
        let replica = random.below(replicas) as u32;
        let dice = random.below(1024);
        if dice < rebuild_bar && random.below(2) == 0 {
            let before = state.cost();
            let faults = state.faults();
            let node = random.below(nodes) as u32;
            tried[3] += 1;
            if !make_room(&mut state, &mut random, replica, node, temp, &logs, &mut undo) {
                undo_all(&mut state, &mut undo);
                continue;
            }
            feas[3] += 1;
            let delta = state.cost().amount - before.amount;
            if state.faults().0 > faults.0 || state.faults().1 > faults.1 || delta as f64 > limit {
                undo_all(&mut state, &mut undo);
                continue;
            }
            undo.clear();
            acc[3] += 1;
        } else
        if dice < chain_bar {
            let node = random.below(nodes) as u32;
            let members = state.members(node);
            if members.is_empty() { continue; }
            let other = members[random.below(members.len())];
            let home = state.model().start[other as usize];
            let to = if home != node && random.below(1024) < home_bar { home } else { random.below(nodes) as u32 };
            tried[2] += 1;
            let Some(mut delta) = state.chain(replica, other, to) else { continue };
            if soft {
                let a = state.place[replica as usize];
                let ex = state.excess_swap(replica, other, node) + state.excess_join(other, to) + state.excess_leave(replica, a);
                delta += (ex as f64 * lambda) as i64;
            }
            feas[2] += 1;
            if delta as f64 <= limit {
                acc[2] += 1;
                state.take(replica).unwrap();
                state.take(other).unwrap();
                state.put(replica, node);
                state.put(other, to);
            } else {
                continue;
            }
        } else if dice < swap_bar {
            let other = random.below(replicas) as u32;
            tried[1] += 1;
            let Some(mut delta) = state.swap(replica, other) else { continue };
            if soft {
                let (a, b) = (state.place[replica as usize], state.place[other as usize]);
                let ex = state.excess_swap(replica, other, b) + state.excess_swap(other, replica, a);
                delta += (ex as f64 * lambda) as i64;
            }
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
            let Some(mut delta) = state.shift(replica, node) else { continue };
            if soft {
                let a = state.place[replica as usize];
                let ex = state.excess_leave(replica, a) + state.excess_join(replica, node);
                delta += (ex as f64 * lambda) as i64;
            }
            feas[0] += 1;
            if delta as f64 <= limit {
                acc[0] += 1;
                state.take(replica);
                state.put(replica, node);
            } else {
                continue;
            }
        }
        if state.faults() == (0, 0) && state.cost() < own {
            own = state.cost();
            own_layout.copy_from_slice(&state.place);
            dirty = true;
        }
    }
    let _ = dirty;
    let m = state.model();
    let mut why = [0; 5];
    for r in 0..replicas as u32 {
        for n in 0..nodes as u32 {
            let from = state.place[r as usize];
            let s = m.service(r);
            let rules = &m.rules[s];
            if from == n { why[0] += 1; continue; }
            let lim = rules.limits.iter().any(|l| state.tallies.get(l.tally, m.domain(l.label, n)) >= l.bound);
            if lim { why[1] += 1; continue; }
            if state.service_shift(m, rules, s, from, n).is_none() { why[2] += 1; continue; }
            if !state.has_room(r, n) { why[3] += 1; continue; }
            why[4] += 1;
        }
    }
    eprintln!("same, limit, rule, room, ok {why:?} moved {}", (0..replicas as u32).filter(|r| m.is_away(*r, state.place[*r as usize])).count());
    eprintln!("thread {thread} lambda {lambda} bad {was} ok {isok} tried {tried:?} feasible {feas:?} accepted {acc:?} own {own:?} end {:?}", state.cost());
    let mut best = best.lock().unwrap();
    if own < best.0 {
        best.0 = own;
        best.1 = own_layout.iter().map(|n| Some(*n)).collect();
    }
    progress(&Progress { cost: own, steps });
    steps
}

fn undo_all(state: &mut State<'_>, undo: &mut Vec<(u32, u32)>) {
    for (replica, _) in undo.iter() {
        state.take(*replica);
    }
    for (replica, node) in undo.drain(..) {
        state.put(replica, node);
    }
}

fn make_room(
    state: &mut State<'_>,
    random: &mut Random,
    replica: u32,
    node: u32,
    temp: f64,
    logs: &[f64],
    undo: &mut Vec<(u32, u32)>,
) -> bool {
    let old = state.place[replica as usize];
    if old == node || !state.fits_empty(replica, node) {
        return false;
    }
    undo.push((replica, state.take(replica).unwrap()));
    let extra = random.below(3);
    let mut more = extra;
    while !state.has_room(replica, node) || more > 0 {
        if state.has_room(replica, node) {
            more -= 1;
        }
        let members = state.members(node);
        if members.is_empty() || undo.len() > 7 {
            return false;
        }
        let mut pick = members[random.below(members.len())];
        // The one of two that is less of a loss.
        for _ in 0..3 {
            if state.helps(replica, pick, node) {
                break;
            }
            pick = members[random.below(members.len())];
        }
        state.take(pick);
        undo.push((pick, node));
    }
    if !state.admits(replica, node) {
        return false;
    }
    state.put(replica, node);
    let nodes = state.model().nodes;
    for i in 1..undo.len() {
        let pick = undo[i].0;
        let mut best = None;
        let mut best_cost = f64::INFINITY;
        let home = state.model().start[pick as usize];
        let samples = nodes.min(64);
        let offset = random.below(nodes);
        for j in 0..samples + 2 {
            let to = match j {
                0 => home,
                1 => old,
                _ => ((offset + j - 2) % nodes) as u32,
            };
            if to as usize >= nodes { continue; }
            if let Some(cost) = state.placing(pick, to) {
                let cost = cost as f64 + temp * logs[random.below(4096)];
                if cost < best_cost {
                    best_cost = cost;
                    best = Some(to);
                }
            }
        }
        match best {
            Some(to) => state.put(pick, to),
            None => return false,
        }
    }
    true
}
