use std::collections::BTreeMap;

use super::Check;
use super::syntax::is_variable;
use super::wording::suggestion;
use crate::template::{self, LARGEST, Peer, Reference, TEXTS, TemplateData, TemplateError};
use crate::{ConfigFile, FileContent, Name, Run, Unit, file_variable};

/// The most files that a unit may have.
const MOST: usize = 100;

impl Check<'_> {
    pub(super) fn files(&mut self, path: &str, unit: &Unit) {
        let at = format!("{path}.files");
        if unit.files.len() > MOST {
            self.report(&at, format!("{} files; at most {MOST} may be", unit.files.len()));
            return;
        }
        let mut variables: BTreeMap<String, &str> = BTreeMap::new();
        for (file, declared) in &unit.files {
            let at = format!("{at}.{file}");
            self.file_path(&at, file, unit);
            let variable = file_variable(file);
            if let Some(other) = variables.insert(variable.clone(), file) {
                let message = format!("{file:?} and {other:?} would both be told to the program as ${variable}");
                self.report(&at, message).help = Some("give one of them another path".into());
            }
            self.content(&at, file, unit, declared);
        }
    }

    fn file_path(&mut self, at: &str, file: &str, unit: &Unit) {
        let relative = file.strip_prefix('/');
        let allowed = |part: &str| {
            !part.is_empty()
                && part != "."
                && part != ".."
                && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._+-".contains(&byte))
        };
        if file.len() > 200 || !relative.unwrap_or(file).split('/').all(allowed) {
            let help = "write it like \"app.toml\" or \"conf/app.toml\": letters, digits, '.', '_', '+', '-'";
            self.report(at, format!("{file:?} is not the path of a file")).help = Some(help.into());
            return;
        }
        match (&unit.run, relative) {
            (Run::Container { .. }, None) => {
                let message = format!("{file:?} is not where in the container the file is to be");
                self.report(at, message).help = Some(format!("write the whole path, like \"/etc/{file}\""));
            }
            (Run::Container { .. }, Some(_)) | (_, None) => {}
            (run, Some(_)) => {
                let last = file.rsplit('/').next().unwrap_or(file);
                let message = format!("{file:?} is a path of the node, which {}() does not give a replica", run.kind());
                let variable = file_variable(last);
                self.report(at, message).help =
                    Some(format!("write {last:?}; the program is told its path as ${variable}"));
            }
        }
    }

    fn content(&mut self, at: &str, path: &str, unit: &Unit, file: &ConfigFile) {
        match &file.content {
            FileContent::Text { text } if text.len() > LARGEST => {
                self.report(at, format!("the text has {} bytes; at most {LARGEST} may be", text.len()));
            }
            FileContent::Template { template } if template.len() > LARGEST => {
                self.report(at, format!("the template has {} bytes; at most {LARGEST} may be", template.len()));
            }
            FileContent::Template { template } => self.template(at, path, unit, template),
            FileContent::Text { .. } | FileContent::Secret { .. } => {}
        }
    }

    fn template(&mut self, at: &str, path: &str, unit: &Unit, template: &str) {
        let references = match template::references(template) {
            Ok(references) => references,
            Err(error) => {
                self.report(at, of_file(path, &error)).help.clone_from(&error.help);
                return;
            }
        };
        let before = self.problems.len();
        for reference in &references {
            self.reference(at, unit, reference);
        }
        if self.problems.len() > before {
            return;
        }
        for peers in [2, 0] {
            if let Err(error) = template::try_out(template, &made_up(unit, &references, peers)) {
                let when = if peers == 0 { ", when there are no endpoints" } else { "" };
                let message = format!("{}{when}", of_file(path, &error));
                self.report(at, message).help.clone_from(&error.help);
                return;
            }
        }
    }

    fn reference(&mut self, at: &str, unit: &Unit, reference: &Reference) {
        let (message, help) = match reference {
            Reference::Port(port) if !unit.ports.contains_key(port) => (
                format!("the service has no port {:?}", port.as_str()),
                suggestion(port.as_str(), unit.ports.keys().map(Name::as_str)),
            ),
            Reference::Volume(volume) if !unit.volumes.contains_key(volume) => (
                format!("the service has no volume {:?}", volume.as_str()),
                suggestion(volume.as_str(), unit.volumes.keys().map(Name::as_str)),
            ),
            Reference::Env(variable) if unit.secret_env.contains_key(variable) => {
                let secret = unit.secret_env[variable].as_str().replace('-', "_");
                (format!("{variable:?} is a secret"), Some(format!("write secrets.{secret}")))
            }
            Reference::Env(variable) if !unit.env.contains_key(variable) => {
                let told = self.told(unit);
                if told.contains(variable) {
                    return;
                }
                let known = unit.env.keys().chain(&told).map(String::as_str);
                let help = self.how_to_be_told(variable, unit).or_else(|| suggestion(variable, known));
                (format!("the service has no variable {variable:?}"), help)
            }
            Reference::Endpoints { service, port } => match self.spec.services.get(service) {
                None => (
                    format!("there is no service {:?}", service.as_str()),
                    suggestion(service.as_str(), self.spec.services.keys().map(Name::as_str)),
                ),
                Some(used) if !used.unit.ports.contains_key(port) => (
                    format!("service {service} has no port {:?}", port.as_str()),
                    suggestion(port.as_str(), used.unit.ports.keys().map(Name::as_str)),
                ),
                Some(_) => return,
            },
            Reference::Port(_) | Reference::Volume(_) | Reference::Env(_) | Reference::Secret(_) => return,
        };
        self.report(at, message).help = help;
    }

    pub(super) fn secret_env(&mut self, path: &str, unit: &Unit) {
        for variable in unit.secret_env.keys() {
            let at = format!("{path}.secret_env.{variable}");
            if !is_variable(variable) {
                self.report(&at, format!("{variable:?} is not the name of a variable"));
            } else if variable.starts_with("ICEFIELD_") || unit.given_variables().contains(variable) {
                self.report(&at, format!("{variable} is given by Icefield itself"));
            } else if unit.env.contains_key(variable) {
                self.report(&at, format!("{variable} is given twice")).help = Some("leave out one of the two".into());
            }
        }
    }
}

/// What is wrong, with the file that it is in, unless it quotes what is to be seen there.
fn of_file(path: &str, error: &TemplateError) -> String {
    if error.message.contains('"') { error.to_string() } else { format!("the file {path:?}, {error}") }
}

/// Data of a replica that nobody has, with so many endpoints of each service.
fn made_up(unit: &Unit, references: &[Reference], peers: u32) -> TemplateData {
    let node = Name::new("node").expect("it is written here, and as a name is to be");
    let mut data = TemplateData {
        texts: TEXTS.iter().map(|text| (*text, (*text).to_owned())).collect(),
        ports: unit.ports.keys().map(|port| (port.clone(), 1)).collect(),
        volumes: unit.volumes.keys().map(|volume| (volume.clone(), format!("/{volume}"))).collect(),
        env: unit.env.clone(),
        ..TemplateData::default()
    };
    for reference in references {
        match reference {
            Reference::Secret(secret) => drop(data.secrets.insert(secret.clone(), "secret".into())),
            Reference::Endpoints { service, port } => {
                let all = data.endpoints.entry(service.clone()).or_insert_with(|| {
                    let peer =
                        |index| Peer { index, node: node.clone(), address: "::1".into(), ports: BTreeMap::new() };
                    (0..peers).map(peer).collect()
                });
                for peer in all {
                    peer.ports.insert(port.clone(), 1);
                }
            }
            Reference::Env(variable) => drop(data.env.entry(variable.clone()).or_insert_with(|| "1".into())),
            Reference::Port(_) | Reference::Volume(_) => {}
        }
    }
    data
}
