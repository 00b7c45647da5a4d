//! What is wrong with specs that come as JSON, whose authors no language has told so before.

use icefield_spec::Spec;
use serde_json::{Value, json};

/// A spec of one node and of these services, with a few more fields.
fn spec(services: Value, more: Value) -> Value {
    let machine = json!({
        "cpu": "4", "memory": "8GiB", "resources": {"gpu": 2, "disk": "1TiB"},
        "labels": {"zone": "a", "generation": "5"}, "taints": ["gpu"],
    });
    let mut spec = json!({"schema": 1, "cluster": "c", "nodes": {"n": {"machine": machine}}, "services": services});
    spec.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    spec
}

fn service(more: Value) -> Value {
    let unit = json!({"run": {"kind": "exec", "command": ["true"]}, "cpu": "100m", "memory": "64MiB"});
    let mut service = json!({"replicas": 3, "unit": unit});
    service.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    service
}

/// All problems, one a line.
fn problems(spec: &Value) -> String {
    let problems = Spec::from_json(&spec.to_string()).err().unwrap_or_default();
    problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

/// The problems of one service with these rules.
fn of_rules(rules: Value) -> String {
    problems(&spec(json!({"web": service(json!({"rules": rules}))}), json!({})))
}

#[test]
fn conditions_that_no_label_can_fulfil() {
    let of = |condition: Value| of_rules(json!({"require": {"generation": condition}}));
    insta::assert_snapshot!(of(json!({})), @"services.web.require.generation: the condition asks for nothing (leave it out, or say a value)");
    insta::assert_snapshot!(of(json!({"in": []})), @r#"services.web.require: "generation" may have no value at all, so no node can match"#);
    insta::assert_snapshot!(of(json!({"exists": false, "at_least": 3})), @"services.web.require.generation: a label cannot be absent and have a value");
    insta::assert_snapshot!(of(json!({"exists": false, "in": ["5"]})), @"services.web.require.generation: a label cannot be absent and have a value");
    insta::assert_snapshot!(of(json!({"at_least": 7, "at_most": 3})), @"services.web.require.generation: no number is at least 7 and at most 3 (did you mean from 3 to 7?)");
    insta::assert_snapshot!(of(json!({"in": ["5", "6"], "not_in": ["6", "5", "7"]})), @"services.web.require.generation: no value keeps in and not_in together, so no node can match");
    insta::assert_snapshot!(of(json!({"in": ["5", "new"], "at_least": 6})), @"services.web.require.generation: no value keeps in and the numbers together, so no node can match");
    for good in [
        json!({"in": ["5", "6"], "not_in": ["6"]}),
        json!({"exists": true, "at_least": 5, "at_most": 5}),
        json!({"exists": false, "not_in": ["5"]}),
        json!({"in": ["5", "new"], "at_least": 4}),
    ] {
        assert_eq!(of(good.clone()), "", "{good}");
    }
}

#[test]
fn numbers_out_of_their_range() {
    let web = json!({"priority": -1001, "rules": {
        "move_cost": 10001,
        "prefer": [{"label": "zone", "value": "a", "weight": 101}],
        "spread": [{"label": "zone", "max": 0, "max_skew": 0, "min_domains": 0}, {"label": "node", "weight": 10001, "min_domains": 4}],
    }});
    let policy = json!({
        "balance": [{"resource": "cpu", "with": "memory", "amount": 2, "weight": 10001}],
        "soft_reserve": [{"resource": "memory", "weight": 10001}, {"resource": "memory", "weight": 1}],
    });
    insta::assert_snapshot!(problems(&spec(json!({"web": service(web)}), json!({"policy": policy}))));
}

#[test]
fn amounts_that_cannot_be_counted() {
    let huge = json!({"web": service(json!({}))});
    let mut huge = spec(huge, json!({}));
    huge["services"]["web"]["unit"]["resources"] = json!({"gpu": u64::MAX});
    huge["nodes"]["n"]["machine"]["resources"]["gpu"] = json!((1u64 << 60) + 1);
    insta::assert_snapshot!(problems(&huge), @"
    nodes.n.resources.gpu: 1152921504606846977 is too large; at most 1152921504606846976 may be declared
    services.web.resources.gpu: 18446744073709551615 is too large; at most 1152921504606846976 may be declared
    ");
    for (amount, reason) in [
        (json!(-1), "-1 is not an amount of a resource"),
        (json!(0.5), "expected a whole number"),
        (json!("4 x"), "unknown unit"),
    ] {
        let mut bad = huge.clone();
        bad["nodes"]["n"]["machine"]["resources"]["gpu"] = amount;
        assert!(problems(&bad).contains(reason), "{}", problems(&bad));
    }
}

#[test]
fn nothing_of_a_resource_is_nothing_in_every_kind() {
    let mut none = spec(json!({"web": service(json!({}))}), json!({}));
    none["services"]["web"]["unit"]["resources"] = json!({"gpu": "0B", "disk": 0});
    none["nodes"]["n"]["machine"]["reserve"] = json!({"resources": {"gpu": "0B", "disk": 0}});
    assert_eq!(problems(&none), "");
}

#[test]
fn a_daemon_of_many() {
    let web = json!({"daemon": true, "rules": {"spread": [{"label": "zone", "min_domains": 9}]}});
    insta::assert_snapshot!(problems(&spec(json!({"log": service(web)}), json!({}))), @"
    services.log.replicas: a daemon runs once on every node that fits, so it has no number of replicas (leave out one of the two)
    services.log.spread: a daemon runs on every node that fits, so there is nothing to spread (leave out the spread; require says which nodes fit)
    ");
    let mut bound = service(json!({"daemon": true, "replicas": 0}));
    bound["unit"]["singleton"] = json!(true);
    insta::assert_snapshot!(problems(&spec(json!({"log": bound}), json!({}))), @"services.log.singleton: a daemon belongs to its nodes, so it cannot be a singleton (leave out one of the two: no replica of a daemon ever moves to another node)");
    let quiet = json!({"daemon": true, "replicas": 0});
    let pools = json!({"big": {"count": 4_000_000_000u32, "machine": {"cpu": "1", "memory": "1GiB"}}});
    let services: Value =
        (0..10).map(|at| (format!("log-{at}"), service(quiet.clone()))).collect::<serde_json::Map<_, _>>().into();
    insta::assert_snapshot!(problems(&spec(services.clone(), json!({"pools": pools}))), @"
    pools: 4000000001 nodes are declared; at most 200000 may be
    services: 40000000010 replicas are declared; at most 2000000 may be
    ");
    let text = spec(services, json!({})).to_string();
    assert_eq!(Spec::from_json(&text).unwrap().replica_count(), 10, "one for each of ten daemons on one node");
}

#[test]
fn a_spec_of_the_first_form_still_means_the_same() {
    let plain = spec(json!({"web": service(json!({}))}), json!({}));
    let read = Spec::from_json(&plain.to_string()).unwrap();
    let written: Value = serde_json::from_str(&read.canonical_json()).unwrap();
    for field in ["namespaces", "policy"] {
        assert!(written.get(field).is_none(), "{field} is written though nothing is declared");
    }
    for field in ["daemon", "namespace", "priority"] {
        assert!(written["services"]["web"].get(field).is_none(), "{field} is written though nothing is declared");
    }
}

#[test]
fn circles_of_company_are_told_once_however_long_they_are() {
    let keeping = |with: &[String]| {
        let with: Vec<Value> = with.iter().map(|name| json!({"service": name})).collect();
        service(json!({"rules": {"keep_with": with}}))
    };
    // One circle through all, and from each two shorter ways on.
    const COUNT: usize = 20_000;
    let services = (0..COUNT).map(|at| {
        let with = [1, 2, 3].map(|step| format!("s{}", (at + step) % COUNT));
        (format!("s{at}"), keeping(&with))
    });
    let long = problems(&spec(services.collect::<serde_json::Map<_, _>>().into(), json!({})));
    insta::assert_snapshot!(long, @"services.s0.keep_with: keeping with \"s1\" goes in a circle: s0 → s1 → s2 → s3 → s4 → s5 → s6 → s7 → … → s0 (one of them must come first: let it keep with none of the others)");

    let pair = |a: &str, b: &str| (a.to_owned(), keeping(&[b.to_owned()]));
    let several = [
        pair("a", "b"),
        pair("b", "a"),
        pair("c", "b"),
        pair("d", "d"),
        pair("e", "f"),
        pair("f", "e"),
        pair("g", "c"),
    ];
    insta::assert_snapshot!(problems(&spec(serde_json::Map::from_iter(several).into(), json!({}))), @r#"
    services.a.keep_with: keeping with "b" goes in a circle: a → b → a (one of them must come first: let it keep with none of the others)
    services.e.keep_with: keeping with "f" goes in a circle: e → f → e (one of them must come first: let it keep with none of the others)
    "#);
}

#[test]
fn variables_that_tell_of_services() {
    let of = |argument: &str, uses: Value, more: Value| {
        let unit = |command: Value, more: Value| {
            let mut unit = json!({"run": {"kind": "exec", "command": command}, "cpu": "100m", "memory": "64MiB"});
            unit.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            service(json!({"replicas": 1, "unit": unit}))
        };
        let db = unit(json!(["db"]), json!({"ports": {"sql": {"fixed": 5432}, "http": "dynamic"}}));
        let mut own = json!({"uses": uses});
        own.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        problems(&spec(json!({"db": db, "web": unit(json!(["web", argument]), own)}), json!({})))
    };
    let uses = || json!(["db"]);
    assert_eq!(of("$DB_HOST:$DB_PORT_SQL", uses(), json!({"env": {"URL": "sql://$DB_HOST"}})), "");
    let file =
        |text: &str| json!({"files": {"a": {"content": {"kind": "template", "template": text}, "mode": "0644"}}});
    assert_eq!(of("", uses(), file("{{ env.DB_HOST }}:{{ env.DB_PORT_SQL }}")), "");
    insta::assert_snapshot!(of("$DB_PORT_HTTP", uses(), json!({})), @"services.web.run: unknown variable $DB_PORT_HTTP (that port differs from replica to replica: ask DNS for SRV _http._tcp.db.c.icefield, or give it a number)");
    insta::assert_snapshot!(of("$DB_HOST", json!([]), json!({})), @r#"services.web.run: unknown variable $DB_HOST (add "db" to uses)"#);
    insta::assert_snapshot!(of("$DB_PORT_SQL", json!([]), json!({})), @r#"services.web.run: unknown variable $DB_PORT_SQL (add "db" to uses)"#);
    insta::assert_snapshot!(of("$DB_HOTS", uses(), json!({})), @"services.web.run: unknown variable $DB_HOTS (did you mean $DB_HOST?)");
    insta::assert_snapshot!(of("", json!([]), file("{{ env.DB_HOST }}")), @r#"services.web.files.a: the service has no variable "DB_HOST" (add "db" to uses)"#);
    insta::assert_snapshot!(of("", uses(), json!({"env": {"DB_HOST": "here", "URL": "$DB_HOST"}})), @r#"services.web.env.URL: unknown variable $DB_HOST (write "$$" for the character itself)"#);
    let port = json!({"ports": {"host": "dynamic"}, "uses": ["port"]});
    let port = json!({"port": service(json!({})), "web": service(json!({"unit": {
        "run": {"kind": "exec", "command": ["true"]}, "cpu": "1", "memory": "1MiB",
        "ports": port["ports"], "uses": port["uses"]}}))});
    insta::assert_snapshot!(problems(&spec(port, json!({}))), @"services.web.uses: $PORT_HOST is of the service itself, and would be of one that it uses as well (give one of them another name)");
}

#[test]
fn one_variable_tells_of_one_thing() {
    let of = |env: Value| {
        let unit = |own: Value| {
            let mut unit = json!({"run": {"kind": "exec", "command": ["true"]}, "cpu": "1", "memory": "1MiB"});
            unit.as_object_mut().unwrap().extend(own.as_object().unwrap().clone());
            service(json!({"unit": unit}))
        };
        let ports = json!({"ports": {"b-host": {"fixed": 7000}}});
        let web = json!({"uses": ["a", "a-port-b"], "env": env});
        problems(&spec(json!({"a": unit(ports), "a-port-b": unit(json!({})), "web": unit(web)}), json!({})))
    };
    insta::assert_snapshot!(of(json!({})), @r#"services.web.uses: $A_PORT_B_HOST would tell where "a-port-b" is and the port "b-host" of "a" alike (give one of them another name, or A_PORT_B_HOST a value of its own in env)"#);
    assert_eq!(of(json!({"A_PORT_B_HOST": "here"})), "", "what the file says comes first");
}

#[test]
fn what_only_one_may_have_is_of_one_service_or_job() {
    let volumes = json!({"data": {"source": {"kind": "nfs", "server": "s", "path": "/export"}}});
    let unit = json!({"run": {"kind": "exec", "command": ["true"]}, "cpu": "1", "memory": "1MiB", "volumes": volumes});
    let job = json!({"jobs": {"migrate": {"unit": unit}}});
    insta::assert_snapshot!(problems(&spec(json!({"db": service(json!({"replicas": 1, "unit": unit}))}), job)), @r#"jobs.migrate.volumes.data: "db" has "s:/export" too, and only one may"#);
}
