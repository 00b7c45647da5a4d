use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::Command;

use icefield_lang::{Evaluation, Limits, Request, evaluate_isolated};
use icefield_spec::Spec;

use crate::args::SourceArgs;
use crate::command_error::CommandError;
use crate::output;

/// The name of the file that stands for its folder.
const ROOT_FILE: &str = "icefield.star";
/// The largest spec in JSON: far beyond the largest fleet that may be declared by name.
const MAX_JSON: u64 = 256 << 20;

/// A source file that exists, and what is passed into it.
#[derive(Debug, Clone)]
pub(crate) struct Source {
    path: PathBuf,
    variables: BTreeMap<String, String>,
}

/// What became of a source.
#[derive(Debug)]
pub(crate) struct Evaluated {
    /// The spec.
    pub(crate) spec: Spec,
    /// Every file that was read.
    pub(crate) files: Vec<PathBuf>,
}

/// A source that has mistakes.
#[derive(Debug)]
pub(crate) struct Mistakes {
    /// All of them, rendered.
    pub(crate) text: String,
    /// How many.
    pub(crate) count: usize,
    /// Every file that was read.
    pub(crate) files: Vec<PathBuf>,
}

impl Source {
    /// Finds the file that `arguments` name.
    pub(crate) fn find(arguments: &SourceArgs) -> Result<Self, CommandError> {
        let given = &arguments.file;
        let missing = |path: &Path, error: &std::io::Error| {
            CommandError::because(format!("cannot read {}", path.display()), error)
        };
        let metadata = fs::metadata(given).map_err(|error| missing(given, &error))?;
        let path = if metadata.is_dir() { given.join(ROOT_FILE) } else { given.clone() };
        if metadata.is_dir() && !path.exists() {
            return Err(CommandError::new(format!("{} is a folder without {ROOT_FILE}", given.display()))
                .hint("name a file, or a folder that has one"));
        }
        let path = fs::canonicalize(&path).map_err(|error| missing(&path, &error))?;
        let variables = arguments.define.iter().map(|text| define(text)).collect::<Result<_, _>>()?;
        Ok(Self { path, variables })
    }

    /// The file.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The folder that the file is in.
    pub(crate) fn folder(&self) -> &Path {
        self.path.parent().unwrap_or(Path::new("/"))
    }

    /// Evaluates the file: JSON here, Starlark in a process of its own.
    pub(crate) fn evaluate(&self) -> Result<Result<Evaluated, Mistakes>, CommandError> {
        if self.is_json()? {
            return self.read_json();
        }
        let file_name = self.path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let request = Request {
            folder: self.folder().to_path_buf(),
            root: file_name,
            vars: self.variables.clone(),
            limits: Limits::default(),
        };
        let mut worker = Command::new(crate::own_binary());
        // Its memory is limited by the address space that it takes, so its allocator must not take any beforehand.
        worker.arg("eval-worker").env("MIMALLOC_ARENA_RESERVE", "0");
        let Evaluation { spec, diagnostics, notes, files, .. } = evaluate_isolated(worker, &request);
        for note in notes {
            output::complain(&format!("{note}\n"));
        }
        let files: Vec<PathBuf> = files.iter().map(|file| self.folder().join(file)).collect();
        match spec {
            Some(spec) => Ok(Ok(Evaluated { spec, files })),
            None => {
                let colour = console::colors_enabled_stderr();
                let rendered = diagnostics.iter().map(|diagnostic| diagnostic.render(colour));
                let text = rendered.collect::<Vec<_>>().join("\n");
                Ok(Err(Mistakes { text, count: diagnostics.len(), files }))
            }
        }
    }

    /// The same, with mistakes shown and counted as an error.
    pub(crate) fn load(&self) -> Result<Evaluated, CommandError> {
        self.evaluate()?.map_err(|mistakes| {
            output::complain(&format!("{}\n", mistakes.text.trim_end()));
            let many = if mistakes.count == 1 { "one mistake" } else { "mistakes" };
            let number = if mistakes.count == 1 { String::new() } else { format!("{} ", mistakes.count) };
            CommandError::new(format!("{} has {number}{many}", self.path.display()))
        })
    }

    /// Whether the file is a spec as JSON: by its name, or because it starts as one.
    fn is_json(&self) -> Result<bool, CommandError> {
        if self.path.extension().is_some_and(|extension| extension == "json") {
            return Ok(true);
        }
        // Opening a pipe would wait for a writer.
        if !fs::metadata(&self.path).is_ok_and(|metadata| metadata.is_file()) {
            return Ok(false);
        }
        let mut start = Vec::new();
        let file = fs::File::open(&self.path).map_err(|error| self.unreadable(&error))?;
        file.take(256).read_to_end(&mut start).map_err(|error| self.unreadable(&error))?;
        Ok(start.trim_ascii_start().first() == Some(&b'{'))
    }

    fn unreadable(&self, error: &std::io::Error) -> CommandError {
        CommandError::because(format!("cannot read {}", self.path.display()), error)
    }

    fn read_json(&self) -> Result<Result<Evaluated, Mistakes>, CommandError> {
        let metadata = fs::metadata(&self.path).map_err(|error| self.unreadable(&error))?;
        if !metadata.is_file() {
            return Err(CommandError::new(format!("{} is not a file", self.path.display())));
        }
        let file = fs::File::open(&self.path).map_err(|error| self.unreadable(&error))?;
        let mut bytes = Vec::new();
        file.take(MAX_JSON + 1).read_to_end(&mut bytes).map_err(|error| self.unreadable(&error))?;
        if bytes.len() as u64 > MAX_JSON {
            return Err(CommandError::new(format!("{} is larger than 256 MiB", self.path.display())));
        }
        let files = vec![self.path.clone()];
        let text = String::from_utf8(bytes)
            .map_err(|_| CommandError::new(format!("{} is not text (UTF-8)", self.path.display())))?;
        Ok(match Spec::from_json(&text) {
            Ok(spec) => Ok(Evaluated { spec, files }),
            Err(problems) => {
                let head = console::style("error:").for_stderr().red().bold().to_string();
                let lines: Vec<String> =
                    problems.iter().map(|problem| format!("{head} {}: {problem}", self.path.display())).collect();
                Err(Mistakes { text: lines.join("\n"), count: problems.len(), files })
            }
        })
    }
}

fn define(text: &str) -> Result<(String, String), CommandError> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err(CommandError::new(format!("{text:?} defines nothing")).hint("write it like -D replicas=8")),
    }
}
