use std::collections::BTreeMap;
use std::fs::{self, DirBuilder, OpenOptions, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use icefield_api::SecretValue;
use icefield_plan::Endpoint;
use icefield_spec::template::{self, Peer, TemplateData};
use icefield_spec::{FileContent, Name, Reload, ReplicaContext, Unit, replica_variables};
use zeroize::Zeroizing;

use crate::home::Home;
use crate::record;

/// One file as it is to be.
pub(crate) struct Rendered {
    pub(crate) path: PathBuf,
    pub(crate) content: Zeroizing<Vec<u8>>,
    pub(crate) mode: u32,
    pub(crate) reload: Option<Reload>,
}

/// What files are made from, besides the unit and the replica.
pub(crate) struct Sources<'a> {
    pub(crate) secrets: &'a BTreeMap<Name, SecretValue>,
    pub(crate) endpoints: BTreeMap<Name, Vec<Peer>>,
}

/// Whether any file of a unit has a secret in it; then all of them are kept in memory.
pub(crate) fn hold_secrets(unit: &Unit) -> bool {
    unit.files.values().any(|file| !file.secrets().is_empty())
}

/// Makes the files of a replica. Nothing is written.
///
/// # Errors
/// One cannot be made; the message names it, and nothing of what would be in it.
pub(crate) fn render(
    unit: &Unit,
    context: &ReplicaContext<'_>,
    sources: &Sources<'_>,
) -> Result<Vec<Rendered>, String> {
    let variables = replica_variables(unit, context).map_err(|error| error.to_string())?;
    let mut data = None;
    let mut files = Vec::new();
    for (path, file) in &unit.files {
        let content = match &file.content {
            FileContent::Text { text } => text.clone().into_bytes(),
            FileContent::Secret { secret } => {
                let value = sources.secrets.get(secret).ok_or_else(|| format!("the secret {secret} is not there"))?;
                value.reveal().to_vec()
            }
            FileContent::Template { template } => {
                let data = match &data {
                    Some(data) => data,
                    None => data.insert(template_data(unit, context, sources, &variables)?),
                };
                let text = template::render(template, data);
                text.map_err(|error| format!("the file {path} cannot be made: {error}"))?.into_bytes()
            }
        };
        files.push(Rendered {
            path: Path::new(context.files).join(path),
            content: Zeroizing::new(content),
            mode: file.mode.bits(),
            reload: file.reload,
        });
    }
    Ok(files)
}

fn template_data(
    unit: &Unit,
    context: &ReplicaContext<'_>,
    sources: &Sources<'_>,
    variables: &BTreeMap<String, String>,
) -> Result<TemplateData, String> {
    let secret = |(name, value): (&Name, &SecretValue)| match value.text() {
        Some(text) => Ok((name.clone(), text.to_owned())),
        None => Err(format!("the secret {name} is no text, so it can stand in no template; give it a file of its own")),
    };
    let in_templates: Vec<Name> =
        unit.files.values().filter(|file| is_template(&file.content)).flat_map(|file| file.secrets()).collect();
    let secrets = sources.secrets.iter().filter(|(name, _)| in_templates.contains(name)).map(secret);
    Ok(TemplateData {
        secrets: secrets.collect::<Result<_, String>>()?,
        endpoints: sources.endpoints.clone(),
        ..TemplateData::of(unit, context, variables)
    })
}

fn is_template(content: &FileContent) -> bool {
    matches!(content, FileContent::Template { .. })
}

/// Where the replicas of the services in the templates of `unit` are, as the last heartbeat was told.
pub(crate) fn endpoints(home: &Home, unit: &Unit) -> BTreeMap<Name, Vec<Peer>> {
    let services = unit.files.values().flat_map(|file| file.peers());
    let read = |service: Name| {
        // What cannot be read is begun anew by who keeps it.
        let known: Vec<Endpoint> = record::read(&home.endpoints_of(&service)).ok().flatten().unwrap_or_default();
        let peer = |endpoint: Endpoint| Peer {
            index: endpoint.index,
            node: endpoint.node,
            address: endpoint.address,
            ports: endpoint.ports,
        };
        (service, known.into_iter().map(peer).collect())
    };
    services.map(read).collect()
}

impl Rendered {
    /// Whether the file is not as it is to be.
    pub(crate) fn differs(&self) -> bool {
        fs::read(&self.path).map(Zeroizing::new).map_or(true, |found| *found != *self.content)
    }

    /// Writes it: a reader sees the file before or this one, never a part.
    pub(crate) fn write(&self) -> Result<(), String> {
        self.put().map_err(|error| format!("cannot write {}: {error}", self.path.display()))
    }

    fn put(&self) -> io::Result<()> {
        if let Some(folder) = self.path.parent() {
            DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        }
        let mut draft = self.path.as_os_str().to_owned();
        // No declared file ends so.
        draft.push("~");
        let draft = PathBuf::from(draft);
        match fs::remove_file(&draft) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut file = OpenOptions::new().create_new(true).write(true).mode(0o600).open(&draft)?;
        file.write_all(&self.content)?;
        file.set_permissions(Permissions::from_mode(self.mode))?;
        fs::rename(&draft, &self.path)
    }
}

#[cfg(test)]
mod tests {
    use icefield_spec::{Bytes, ConfigFile, Cpu, FileMode, Run};

    use super::*;

    fn name(text: &str) -> Name {
        Name::new(text).unwrap()
    }

    fn unit(files: &[(&str, FileContent)]) -> Unit {
        let run = Run::Exec { command: vec!["true".into()] };
        let mut unit = Unit::new(run, Cpu::from_millis(1), Bytes::new(1));
        let file =
            |content: &FileContent| ConfigFile { content: content.clone(), mode: FileMode::SECRET, reload: None };
        unit.files = files.iter().map(|(path, content)| ((*path).to_owned(), file(content))).collect();
        unit
    }

    fn rendered(unit: &Unit, folder: &Path, secret: &[u8]) -> Result<Vec<Rendered>, String> {
        let (service, revision) = (name("web"), unit.revision());
        let context = ReplicaContext {
            cluster: &service,
            service: &service,
            index: 3,
            node: &service,
            address: "10.0.0.1",
            revision: &revision,
            ports: &BTreeMap::new(),
            endpoints: "/e",
            volumes: "/v",
            files: folder.to_str().unwrap(),
            credentials: None,
        };
        let peer = Peer { index: 0, node: name("n1"), address: "10.0.0.2".into(), ports: [(name("http"), 80)].into() };
        let secrets = BTreeMap::from([(name("key"), SecretValue::from(secret.to_vec()))]);
        let sources = Sources { secrets: &secrets, endpoints: BTreeMap::from([(name("api"), vec![peer])]) };
        render(unit, &context, &sources)
    }

    fn template(text: &str) -> FileContent {
        FileContent::Template { template: text.into() }
    }

    #[test]
    fn files_are_made_whole_with_their_modes() {
        let folder = tempfile::tempdir().unwrap();
        let unit = unit(&[
            ("conf/app", template("{{ index }} {{ secrets.key }} {{ endpoints.api.http | join }}")),
            ("key", FileContent::Secret { secret: name("key") }),
            ("plain", FileContent::Text { text: "{{ index }}".into() }),
        ]);
        assert!(hold_secrets(&unit));
        let files = rendered(&unit, folder.path(), b"hunter2").unwrap();
        for file in &files {
            assert!(file.differs());
            file.write().unwrap();
            file.write().unwrap();
            assert!(!file.differs());
        }
        let text = |path: &str| fs::read_to_string(folder.path().join(path)).unwrap();
        assert_eq!(text("conf/app"), "3 hunter2 10.0.0.2:80");
        assert_eq!((text("key"), text("plain")), ("hunter2".into(), "{{ index }}".into()));
        assert_eq!(fs::metadata(folder.path().join("key")).unwrap().permissions().mode() & 0o777, 0o400);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 3, "no draft is left");
    }

    #[test]
    fn what_cannot_be_made_is_named_and_tells_no_secret() {
        let folder = tempfile::tempdir().unwrap();
        let bytes =
            unit(&[("app", template("{{ secrets.key }}")), ("key", FileContent::Secret { secret: name("key") })]);
        let error = rendered(&bytes, folder.path(), b"hunter2\xff").err().unwrap();
        assert!(error.contains("the secret key is no text") && !error.contains("hunter2"), "{error}");
        let alone = unit(&[("key", FileContent::Secret { secret: name("key") })]);
        assert!(rendered(&alone, folder.path(), b"hunter2\xff").is_ok(), "a file of its own takes any bytes");
        let wrong = unit(&[("app", template("\n{{ secrets.key | int }}"))]);
        let error = rendered(&wrong, folder.path(), b"hunter2").err().unwrap();
        assert!(error.starts_with("the file app cannot be made: line 2: ") && !error.contains("hunter2"), "{error}");
    }
}
