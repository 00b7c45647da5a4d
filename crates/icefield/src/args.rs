use std::path::PathBuf;

use clap::Args;

/// Which cluster a command speaks to.
#[derive(Debug, Clone, Args)]
pub(crate) struct ClusterArgs {
    /// The URL of a server; may be given several times. Without it, the dev cluster that runs here is used, else the cluster
    /// that you are logged in to.
    #[arg(long, global = true, env = "ICEFIELD_SERVER", value_delimiter = ',', value_name = "URL")]
    pub(crate) server: Vec<String>,
}

/// A source file and what is passed into it.
#[derive(Debug, Clone, Args)]
pub(crate) struct SourceArgs {
    /// A .star file, a folder with icefield.star, or a spec as JSON (`icefield check --json` prints one).
    #[arg(value_name = "FILE", default_value = ".")]
    pub(crate) file: PathBuf,
    /// Sets what var("NAME") gives in the file.
    #[arg(short = 'D', long = "define", value_name = "NAME=VALUE")]
    pub(crate) define: Vec<String>,
}

/// Whether a reading command prints JSON.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct JsonArgs {
    /// Print JSON with stable field names, and the version of its form in `schema`.
    #[arg(long)]
    pub(crate) json: bool,
}

/// Whether a reading command is content with what one server has.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct StaleArgs {
    /// Take the answer of one server alone, also when most of them are gone; it may be out of date, and says of when it is.
    /// Without it, the answer has all that was acknowledged before.
    #[arg(long)]
    pub(crate) stale: bool,
}
