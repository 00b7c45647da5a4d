//! Equal input gives equal bytes, and a change shows only where it is.

mod common;

use std::collections::BTreeSet;

use common::{name, plans, shop};
use icefield_emit::{Emitter, Target, Tree, emit};
use icefield_spec::Spec;

fn changed<'a>(before: &'a Tree, after: &'a Tree) -> BTreeSet<&'a str> {
    let paths: BTreeSet<&str> = before.iter().chain(after.iter()).map(|(path, _)| path).collect();
    paths.into_iter().filter(|path| before.get(path) != after.get(path)).collect()
}

fn with_more_memory(spec: &Spec, service: &str) -> Spec {
    let mut spec = spec.clone();
    let service = spec.services.get_mut(service).expect("it is declared");
    service.unit.memory = "2GiB".parse().expect("an amount of memory");
    spec
}

#[test]
fn twice_is_the_same() {
    for target in Target::ALL {
        let again = |_| {
            let spec = shop(target == Target::Nix);
            emit(target, &spec, &plans(&spec)).expect("the shop can be written")
        };
        let [first, second] = [0, 1].map(again);
        assert!(first == second, "{target}");
    }
}

#[test]
fn parts_make_the_whole_whatever_their_order() {
    for target in Target::ALL {
        let spec = shop(target == Target::Nix);
        let plans = plans(&spec);
        let emitter = Emitter::new(target, &spec, &plans).expect("the shop can be written");
        let (first, second) = plans.split_at(plans.len() / 2);
        let mut tree = Tree::default();
        std::thread::scope(|scope| {
            let write = |part: &[icefield_plan::NodePlan]| {
                part.iter().flat_map(|plan| emitter.node(plan).expect("the node can be written")).collect::<Vec<_>>()
            };
            let other = scope.spawn(move || write(second));
            tree.extend(write(first));
            tree.extend(other.join().expect("the thread ends well"));
        });
        tree.extend(emitter.shared().expect("the rest can be written"));
        assert!(tree == emit(target, &spec, &plans).expect("the shop can be written"), "{target}");
    }
}

#[test]
fn a_changed_service_changes_its_own_files_and_its_nodes() {
    let spec = shop(true);
    let other = with_more_memory(&spec, "api");
    let [before, after] =
        [&spec, &other].map(|spec| emit(Target::Nix, spec, &plans(spec)).expect("the shop can be written"));
    // The node's module stays too: what the service is, is not in it.
    assert_eq!(changed(&before, &after), ["nodes/metal-1.json", "nodes/metal-2.json", "services/api.nix"].into());

    let [spec, other] = [shop(false), with_more_memory(&shop(false), "api")];
    let [before, after] =
        [&spec, &other].map(|spec| emit(Target::Systemd, spec, &plans(spec)).expect("the shop can be written"));
    let expected = [
        "nodes/metal-1/manifest.json",
        "nodes/metal-1/systemd/system/icefield-api@0.service",
        "nodes/metal-2/manifest.json",
        "nodes/metal-2/systemd/system/icefield-api@1.service",
    ];
    assert_eq!(changed(&before, &after), expected.into());
}

#[test]
fn a_moved_replica_changes_two_nodes_and_its_endpoints() {
    let spec = shop(true);
    let before = plans(&spec);
    let mut after = before.clone();
    let store = icefield_placement::ReplicaId::new(name("store"), 0);
    let replica = after[1].replicas.remove(&store).expect("it is there");
    let unit = after[1].units.remove(&replica.revision).expect("it is there");
    after[3].units.insert(replica.revision, unit);
    after[3].replicas.insert(store, replica);
    let [before, after] =
        [before, after].map(|plans| emit(Target::Nix, &spec, &plans).expect("the shop can be written"));
    let expected = [
        "endpoints/store.json",
        "files/metal-2/store-0/etc/redis.conf",
        "files/workers-2/store-0/etc/redis.conf",
        "nodes/metal-2.json",
        "nodes/metal-2.nix",
        "nodes/workers-2.json",
        "nodes/workers-2.nix",
    ];
    assert_eq!(changed(&before, &after), expected.into());
}
