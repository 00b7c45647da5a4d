//! What cannot be written is refused, with the service and the place.

mod common;

use common::{name, plans, shop};
use icefield_emit::{Target, emit};
use icefield_spec::{Closures, ConfigFile, FileContent, FileMode, NixSource, Run, Spec};
use insta::assert_snapshot;

/// What is said of the shop after `change`.
fn refused(target: Target, change: impl FnOnce(&mut Spec)) -> String {
    let mut spec = shop(target == Target::Nix);
    change(&mut spec);
    emit(target, &spec, &[]).expect_err("it cannot be written").to_string()
}

/// The same for a change of the service `web`.
fn refused_of_web(change: impl FnOnce(&mut icefield_spec::Unit)) -> String {
    let said = |target| {
        let mut spec = shop(target == Target::Nix);
        spec.services.retain(|name, _| *name == "web");
        spec
    };
    let mut specs = Target::ALL.map(said);
    change(&mut specs[0].services.get_mut("web").expect("it is declared").unit);
    specs[1].services.get_mut("web").expect("it is declared").unit = specs[0].services["web"].unit.clone();
    let [nix, systemd] = [(Target::Nix, &specs[0]), (Target::Systemd, &specs[1])]
        .map(|(target, spec)| emit(target, spec, &[]).expect_err("it cannot be written").to_string());
    assert_eq!(nix, systemd);
    nix
}

fn exec(command: &[&str]) -> Run {
    Run::Exec { command: command.iter().map(|word| (*word).to_owned()).collect() }
}

#[test]
fn characters_that_no_process_can_be_given() {
    let said = refused_of_web(|unit| unit.run = exec(&["web", "a\0b"]));
    assert_snapshot!(said, @r"argument 1 of service web holds the character '\0', which the environment or command line of a process cannot hold; remove it");
    let said = refused_of_web(|unit| drop(unit.env.insert("GREETING".into(), "a\0b".into())));
    assert_snapshot!(said, @r"variable GREETING of service web holds the character '\0', which the environment or command line of a process cannot hold; remove it");
}

#[test]
fn characters_that_systemd_would_ignore_the_variable_for() {
    let said = refused_of_web(|unit| drop(unit.env.insert("GREETING".into(), "\u{1b}[1mhello".into())));
    assert_snapshot!(said, @r"variable GREETING of service web holds the character '\u{1b}', which the environment of a systemd unit cannot hold; remove it");
}

#[test]
fn references_to_nothing() {
    let said = refused_of_web(|unit| unit.run = exec(&["web", "$PORT_HTPP"]));
    assert_snapshot!(said, @"argument 1 of service web: unknown variable $PORT_HTPP");
    let said = refused_of_web(|unit| drop(unit.env.insert("GREETING".into(), "$PLAIN".into())));
    assert_snapshot!(said, @"variable GREETING of service web: unknown variable $PLAIN");
}

#[test]
fn programs_that_cannot_be_started() {
    assert_snapshot!(refused_of_web(|unit| unit.run = exec(&[])), @"service web has no command; name the program and its arguments");
    assert_snapshot!(refused_of_web(|unit| unit.run = exec(&[""])), @r#"service web cannot be started: its program "" is empty"#);
    assert_snapshot!(refused_of_web(|unit| unit.run = exec(&["A=b"])), @r#"service web cannot be started: its program "A=b" holds a "="; write its whole path"#);
    assert_snapshot!(refused_of_web(|unit| unit.run = exec(&["-x"])), @r#"service web cannot be started: its program "-x" starts with "-"; write its whole path"#);
}

#[test]
fn options_that_are_none() {
    let of_base = |option: &str, value: serde_json::Value| {
        refused(Target::Nix, |spec| {
            let base = spec.bases.values_mut().next().expect("there is a base");
            base.nixos.insert(option.into(), value);
        })
    };
    assert_snapshot!(of_base("imports", serde_json::json!(["x"])), @r#"base std: "imports" is not a NixOS option; write what belongs to a module itself as a module"#);
    assert_snapshot!(of_base("a..b", serde_json::json!(1)), @r#"base std: "a..b" is not a NixOS option; write what belongs to a module itself as a module"#);
    assert_snapshot!(of_base("a.b", serde_json::json!([u64::MAX])), @r#"base std: 18446744073709551615 in option "a.b" is larger than integers of Nix can be"#);
    assert_snapshot!(of_base("a.b", serde_json::json!("a\0b")), @r"bases/std.nix holds the character '\0', which a file of Nix cannot hold; remove it");
}

fn nix(package: &str, program: &str) -> Run {
    let package = NixSource::Reference(package.into());
    Run::Nix { package, command: vec![program.into()], closures: Closures::new() }
}

#[test]
fn packages_that_are_none() {
    let of_cow = |target, package: &str, command: &str| {
        refused(target, |spec| {
            spec.services.retain(|name, _| *name == "cow");
            let unit = &mut spec.services.get_mut("cow").expect("it is declared").unit;
            unit.run = nix(package, command);
        })
    };
    assert_snapshot!(of_cow(Target::Nix, "cow say", "moo"), @r#"service cow: "cow say" is not a package: attribute paths are made of letters, digits, "_", "-" and "'", with dots between"#);
}

#[test]
fn a_path_within_a_package_needs_the_nix_target() {
    let mut spec = shop(false);
    let unit = &mut spec.services.get_mut("cow").expect("it is declared").unit;
    unit.run = nix("cowsay", "share/cow");
    let error = emit(Target::Systemd, &spec, &plans(&spec)).expect_err("the store path is not known");
    assert_snapshot!(error, @r#"service cow cannot be started: its program "share/cow" is a path within its package, which the target systemd cannot know; name a program of its bin folder, or use the target nix"#);
    emit(Target::Nix, &spec, &plans(&spec)).expect("Nix knows the path");
}

#[test]
fn plans_that_do_not_fit() {
    let spec = shop(true);
    let mut odd = plans(&spec);
    odd[0].address = "10.0.0.1\nEvil=1".into();
    let said = |plans: &[_]| emit(Target::Nix, &spec, plans).expect_err("it cannot be written").to_string();
    assert_snapshot!(said(&odd), @r"the address of node metal-1 holds the character '\n', which the environment of a systemd unit cannot hold; remove it");

    let mut odd = plans(&spec);
    odd[0].base = Some(name("gone"));
    assert_snapshot!(said(&odd), @"node metal-1 is built from the base gone, which is not declared");

    // The revision of a rollout is in no spec, so its unit must be in the plan.
    let mut odd = plans(&spec);
    let current = spec.services["web"].revision();
    odd[0].units.retain(|revision, unit| *revision == current || unit.service != "web");
    assert_snapshot!(said(&odd), @"the plan of node metal-1 has the replica web/2 and no unit of its revision; compile the plan again");
}

#[test]
fn files_that_cannot_be_known_and_secrets_that_nothing_could_be_given() {
    let of_web = |target: Target, content: FileContent, run: Option<Run>| {
        refused(target, |spec| {
            let file = ConfigFile { content: content.clone(), mode: FileMode::DEFAULT, reload: None };
            let unit = &mut spec.services.get_mut("web").expect("it is declared").unit;
            unit.files.insert("app.toml".into(), file);
            unit.run = run.clone().unwrap_or_else(|| unit.run.clone());
        })
    };
    let template = |text: &str| FileContent::Template { template: text.into() };
    assert_snapshot!(of_web(Target::Systemd, template("{{ endpoints.api.grpc | first }}"), None), @r#"the file "app.toml" of service web tells where api is, which changes while it runs, and the target systemd has nobody who makes it anew; have the program read api.json in $ICEFIELD_ENDPOINTS (uses = ["api"]), or ask DNS"#);
    assert_snapshot!(of_web(Target::Nix, template("{{ secrets.key }}"), None), @r#"the file "app.toml" of service web is a template with the secret key in it, and values of secrets are in nothing that is written; give the program the secret as a file of its own (content = secret("key"))"#);
    let secret = FileContent::Secret { secret: name("key") };
    assert_snapshot!(of_web(Target::Nix, secret, Some(Run::Nixos { modules: Vec::new(), nixpkgs: None, closures: Closures::new() })), @r#"service web of the kind nixos cannot be given the file "app.toml": write it into its modules"#);
    let text = FileContent::Text { text: "x".into() };
    assert_snapshot!(of_web(Target::Nix, text, Some(Run::Microvm { modules: Vec::new() })), @r#"service web of the kind microvm cannot be given the file "app.toml": write it into its modules"#);
    let secret = refused(Target::Nix, |spec| {
        let unit = &mut spec.services.get_mut("web").expect("it is declared").unit;
        unit.run = Run::Nixos { modules: Vec::new(), nixpkgs: None, closures: Closures::new() };
        unit.secret_env.insert("KEY".into(), name("key"));
    });
    assert_snapshot!(secret, @"service web of the kind nixos has secrets in env, which only a program or a container can be given");
}
