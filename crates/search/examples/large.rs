use icefield_search::*;
use std::time::Instant;
fn main() {
    let (n, p, s) = (5000usize, 50000usize, 5000usize);
    let mut x = 12345u64;
    let mut rnd = |b: u64| {
        x = x.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (x >> 33) % b
    };
    let nodes = (0..n)
        .map(|_| Node { capacity: [100_000, 100_000, 100_000].into(), comfort: [70_000, 70_000, 70_000].into() })
        .collect();
    let labels = vec![
        Label { domain_of: (0..n as u32).collect(), domains: n as u32 },
        Label { domain_of: (0..n as u32).map(|i| i % 20).collect(), domains: 20 },
    ];
    let services: Vec<Service> = (0..s)
        .map(|_| Service {
            limits: vec![Limit { label: 0, max: 1 }],
            min_domains: vec![MinDomains { label: 1, count: 3 }],
            ..Service::default()
        })
        .collect();
    let kinds: Vec<Kind> = (0..p)
        .map(|i| Kind {
            service: (i % s) as u32,
            need: [2000 + rnd(8000) as i64, 2000 + rnd(8000) as i64, 2000 + rnd(8000) as i64].into(),
            move_cost: 1,
            ..Kind::default()
        })
        .collect();
    let mut replicas = vec![];
    let mut used = vec![[0i64; 3]; n];
    for i in 0..p {
        // each service's ten on ten neighbouring nodes
        let mut at = (i % s + i / s * 7) % n;
        while (0..3).any(|r| used[at][r] + kinds[i].need[r] > 100_000) {
            at = (at + 1) % n;
        }
        for r in 0..3 {
            used[at][r] += kinds[i].need[r];
        }
        replicas.push(Replica { kind: i as u32, start: Some(at as u32), movable: true });
    }
    let start: Vec<_> = replicas.iter().map(|r| r.start).collect();
    let res = || Resource { transient: false, load_weight: 10 };
    let problem = Problem {
        resources: vec![res(), Resource { transient: true, load_weight: 10 }, res()],
        nodes,
        labels,
        kinds,
        services,
        replicas,
        moves: Moves { replica: 1, service: 1, node: 0, distance: None },
        ..Problem::default()
    };
    for secs in [1.0, 5.0] {
        let t = Instant::now();
        let st = State::new(&problem, &start).unwrap();
        println!("new {:.2}s valid {} cost {:?}", t.elapsed().as_secs_f64(), st.is_valid(), st.cost());
        let t = Instant::now();
        let stop = || t.elapsed().as_secs_f64() > secs;
        let spent = || t.elapsed().as_secs_f64() / secs;
        let out = improve(
            &problem,
            &start,
            &Effort { seed: 1, threads: 1, steps: None, stop: &stop, spent: Some(&spent) },
            &mut |_| (),
        )
        .unwrap();
        let v = State::new(&problem, &out.assignment).unwrap();
        println!(
            "{secs}: {:.2}s valid {} cost {:?} steps {}",
            t.elapsed().as_secs_f64(),
            v.is_valid(),
            out.cost,
            out.steps
        );
    }
}
