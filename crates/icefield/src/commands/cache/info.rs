use std::path::{Path, PathBuf};

use clap::Args;
use icefield_cache::{NarInfo, PathHash, PublicKey};
use serde::Serialize;

use super::source::{existing, http, public_key};
use crate::args::JsonArgs;
use crate::command_error::CommandError;
use crate::{connect, output};

/// Shows what a cache says of itself, or of a path
#[derive(Debug, Args)]
pub(crate) struct InfoArgs {
    /// The store path, or the 32 letters that it begins with; without it, the cache itself is shown
    #[arg(value_name = "PATH")]
    path: Option<String>,
    /// The cache: its URL, or a folder
    #[arg(long, value_name = "URL|DIR", default_value = "http://127.0.0.1:7790")]
    from: String,
    /// Say whether this public key (NAME:BASE64), or another one that is given, has signed the path
    #[arg(long, value_name = "KEY", value_parser = public_key)]
    trusted_key: Vec<PublicKey>,
    #[command(flatten)]
    json: JsonArgs,
}

/// A path.
#[derive(Debug, Serialize)]
struct Report {
    schema: u32,
    path: String,
    url: String,
    compression: String,
    file_hash: Option<String>,
    file_size: Option<u64>,
    nar_hash: String,
    nar_size: u64,
    references: Vec<String>,
    deriver: Option<String>,
    signatures: Vec<String>,
    ca: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    trusted: Option<bool>,
}

pub(super) fn run(arguments: &InfoArgs) -> Result<u8, CommandError> {
    let Some(path) = &arguments.path else {
        let text = get(&arguments.from, "nix-cache-info")?;
        let text = text.ok_or_else(|| CommandError::new(format!("{} is no Nix binary cache", arguments.from)))?;
        output::print(&text)?;
        return Ok(0);
    };
    let name = path.rsplit_once('/').map_or(path.as_str(), |(_, name)| name);
    let hash: PathHash = name.get(..32).unwrap_or(name).parse().map_err(|_| {
        CommandError::new(format!("{path:?} is no store path"))
            .hint("one is like /nix/store/q21fflpvcd8pl7zsyj2437gljcpv3g8m-hello")
    })?;
    let text = get(&arguments.from, &format!("{hash}.narinfo"))?;
    let text = text.ok_or_else(|| CommandError::new(format!("{} does not have {path}", arguments.from)))?;
    let info: NarInfo = text
        .parse()
        .map_err(|error| CommandError::because(format!("what {} says of it is damaged", arguments.from), &error))?;
    let trusted = (!arguments.trusted_key.is_empty()).then(|| info.is_signed_by(&arguments.trusted_key));
    if arguments.json.json {
        output::json(&report(&info, trusted))?;
    } else {
        output::print(&info.to_string())?;
        if let Some(trusted) = trusted {
            output::line(if trusted { "signed by a key that is given" } else { "signed by no key that is given" })?;
        }
    }
    Ok(u8::from(trusted == Some(false)))
}

fn report(info: &NarInfo, trusted: Option<bool>) -> Report {
    Report {
        schema: 1,
        path: info.store_dir.join(&info.path),
        url: info.url.clone(),
        compression: info.compression.to_string(),
        file_hash: info.file_hash.map(|hash| hash.to_string()),
        file_size: info.file_size,
        nar_hash: info.nar_hash.to_string(),
        nar_size: info.nar_size,
        references: info.references.iter().map(|path| info.store_dir.join(path)).collect(),
        deriver: info.deriver.as_ref().map(|path| info.store_dir.join(path)),
        signatures: info.signatures.iter().map(ToString::to_string).collect(),
        ca: info.ca.clone(),
        trusted,
    }
}

/// A file of a cache; `None` if it has none of that name.
fn get(from: &str, name: &str) -> Result<Option<String>, CommandError> {
    if !from.contains("://") {
        let folder = PathBuf::from(from);
        existing(&folder)?;
        return match std::fs::read_to_string(Path::new(&folder).join(name)) {
            Ok(text) => Ok(Some(text)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(CommandError::because(format!("cannot read {name} in {from}"), &error)),
        };
    }
    let url = connect::checked(from)?;
    let http = http(&url)?;
    connect::runtime()?.block_on(async {
        let failed = |error| {
            CommandError::because(format!("{url} cannot be asked"), &error)
                .hint("is the cache running? `icefield cache serve` starts one, --from names another")
        };
        let answer = http.get().get(format!("{url}/{name}")).send().await.map_err(failed)?;
        match answer.status().as_u16() {
            200 => Ok(Some(answer.text().await.map_err(failed)?)),
            404 => Ok(None),
            status => Err(CommandError::new(format!("{url} answers {status} for {name}"))),
        }
    })
}
