use icefield_search::*;
use std::time::Instant;
fn main() {
    let args: Vec<String> = std::env::args().collect();
    let name = &args[1];
    let seconds: f64 = args[2].parse().unwrap();
    let threads: usize = args[3].parse().unwrap();
    let seed: u64 = args[4].parse().unwrap();
    let began = Instant::now();
    let cpu = || {
        let t = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
        t.split(' ').next().unwrap().parse::<f64>().unwrap() / 1e9
    };
    let dir = "/work/shared/data/roadef";
    let text = std::fs::read_to_string(format!("{dir}/model_{name}.txt")).unwrap();
    let start = std::fs::read_to_string(format!("{dir}/assignment_{name}.txt")).unwrap();
    let start: Vec<Option<u32>> = start.split_whitespace().map(|n| Some(n.parse().unwrap())).collect();
    let mut it = text.split_whitespace().map(|n| n.parse::<i64>().unwrap());
    let mut n = || it.next().unwrap();
    let r = n() as usize;
    let resources = (0..r).map(|_| Resource { transient: n() == 1, load_weight: n() }).collect();
    let m = n() as usize;
    let (mut nb, mut loc, mut nodes, mut dist) = (vec![], vec![], vec![], vec![]);
    for _ in 0..m {
        nb.push(n() as u32);
        loc.push(n() as u32);
        nodes.push(Node { capacity: (0..r).map(|_| n()).collect(), comfort: (0..r).map(|_| n()).collect() });
        dist.extend((0..m).map(|_| n()));
    }
    let label = |d: Vec<u32>| Label { domains: d.iter().max().unwrap() + 1, domain_of: d };
    let labels = vec![label((0..m as u32).collect()), label(loc), label(nb)];
    let s = n() as usize;
    let services = (0..s)
        .map(|_| {
            let min = n() as u32;
            let deps = n();
            Service {
                limits: vec![Limit { label: 0, max: 1 }],
                min_domains: if min > 1 { vec![MinDomains { label: 1, count: min }] } else { vec![] },
                near: (0..deps).map(|_| Link { service: n() as u32, label: 2 }).collect(),
                ..Service::default()
            }
        })
        .collect();
    let p = n() as usize;
    let mut kinds = vec![];
    let mut replicas = vec![];
    for i in 0..p {
        let service = n() as u32;
        let need = (0..r).map(|_| n()).collect();
        kinds.push(Kind { service, need, importance: 1, move_cost: n(), ..Kind::default() });
        replicas.push(Replica { kind: i as u32, start: start[i], movable: true });
    }
    let b = n();
    let balances = (0..b).map(|_| Balance { of: n() as u32, against: n() as u32, target: n(), weight: n() }).collect();
    let moves = Moves { replica: n(), service: n(), node: n(), distance: Some(dist.into()) };
    let problem = Problem { resources, nodes, balances, labels, kinds, services, replicas, moves, fill_scale: 0 };
    let stop = || cpu() >= seconds;
    let spent = || cpu() / seconds;
    let effort = Effort { seed, threads, steps: None, stop: &stop, spent: Some(&spent) };
    let state = State::new(&problem, &start).unwrap();
    let before = state.cost();
    let out = improve(&problem, &start, &effort, &mut |_| ()).unwrap();
    let check = State::new(&problem, &out.assignment).unwrap();
    assert!(check.is_valid());
    assert_eq!(check.cost(), out.cost);
    if std::env::var("DUMP").is_ok() {
        dump(&problem, &out.assignment);
    }
    println!(
        "{name} {} -> {} steps {} {:.1}s",
        before.amount,
        out.cost.amount,
        out.steps,
        began.elapsed().as_secs_f64()
    );
}
#[allow(dead_code)]
pub fn dump(problem: &Problem, layout: &[Option<u32>]) {
    let r = problem.resources.len();
    let mut rows = vec![];
    for (n, node) in problem.nodes.iter().enumerate() {
        let mem: Vec<usize> = (0..layout.len()).filter(|p| layout[*p] == Some(n as u32)).collect();
        for x in 0..r {
            let mut big: Vec<i64> = mem.iter().map(|p| problem.kinds[*p].need[x]).collect();
            big.sort_by_key(|b| -b);
            let use_: i64 = big.iter().sum();
            let over = use_ - node.comfort[x];
            if over > 0 {
                rows.push((
                    over * 10,
                    n,
                    x,
                    node.capacity[x],
                    node.comfort[x],
                    use_,
                    big[..big.len().min(4)].to_vec(),
                    mem.len(),
                ));
            }
        }
    }
    rows.sort_by_key(|r| -r.0);
    for row in rows.iter().take(25) {
        eprintln!("{row:?}");
    }
    eprintln!("rows {}", rows.len());
}
