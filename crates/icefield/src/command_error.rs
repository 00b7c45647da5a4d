use std::error::Error;
use std::fmt::Write as _;

use console::style;
use icefield_api::{ClientError, ErrorCode};

/// Why a command failed: what happened, what led to it, and what to do next. All errors end here.
#[derive(Debug)]
pub(crate) struct CommandError {
    /// What happened; empty if it has been shown already.
    message: String,
    /// What led to it, a line each.
    causes: Vec<String>,
    /// What to do next, a line each.
    hints: Vec<String>,
    /// The exit code.
    code: u8,
}

impl CommandError {
    /// An error that is a sentence.
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), causes: Vec::new(), hints: Vec::new(), code: 1 }
    }

    /// A failure of which everything has been said.
    pub(crate) fn silent() -> Self {
        Self::new("")
    }

    /// An error that another one led to.
    pub(crate) fn because(message: impl Into<String>, cause: &dyn Error) -> Self {
        let mut error = Self::new(message);
        let mut next = Some(cause);
        while let Some(cause) = next {
            let text = cause.to_string();
            // Libraries differ in whether an error repeats its source.
            if !error.causes.last().is_some_and(|last| last.contains(&text)) {
                error.causes.push(text);
            }
            next = cause.source();
        }
        error
    }

    /// The same with a line on what led to it.
    pub(crate) fn cause(mut self, cause: impl Into<String>) -> Self {
        self.causes.push(cause.into());
        self
    }

    /// The same with a line on what to do next.
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    /// The same with another exit code than 1.
    pub(crate) fn code(mut self, code: u8) -> Self {
        self.code = code;
        self
    }

    /// The exit code.
    pub(crate) const fn exit_code(&self) -> u8 {
        self.code
    }

    /// The whole error, for people; nothing if all has been said.
    pub(crate) fn text(&self) -> String {
        if self.message.is_empty() {
            return String::new();
        }
        let mut text = format!("{} {}\n", style("error:").for_stderr().red().bold(), self.message);
        for cause in &self.causes {
            for line in cause.lines() {
                let _ = writeln!(text, "  {line}");
            }
        }
        for hint in &self.hints {
            let _ = writeln!(text, "{} {hint}", style("hint:").for_stderr().cyan());
        }
        text
    }
}

impl From<ClientError> for CommandError {
    fn from(error: ClientError) -> Self {
        match &error {
            ClientError::Refused(body) => {
                let mut refused = Self::new(body.message.clone());
                refused.causes.clone_from(&body.details);
                match body.code {
                    ErrorCode::Unplaced => refused.hint("--allow-unplaced goes on without them"),
                    ErrorCode::Unauthenticated => refused
                        .hint("`icefield login URL` keeps a token for you, ICEFIELD_TOKEN gives one for this command"),
                    ErrorCode::Forbidden => {
                        refused.hint("ask an admin of the cluster for it, or for a token with that role")
                    }
                    ErrorCode::PlanOutdated => {
                        refused.hint("`icefield plan` shows what would happen now; `icefield history` what was applied")
                    }
                    ErrorCode::Unavailable => {
                        refused.hint("the cluster may be choosing a leader; try again in a moment")
                    }
                    _ => refused,
                }
            }
            ClientError::Unreachable { source, .. } if icefield_pki::explain(source).is_some() => {
                Self::new(error.to_string()).cause(icefield_pki::explain(source).unwrap_or_default())
            }
            ClientError::Unreachable { source, .. } => Self::because(error.to_string(), source)
                .hint("is the cluster running? `icefield dev` starts one, --server names another"),
            ClientError::Unwritable(_) => Self::new(error.to_string()),
            ClientError::Foreign { .. } => {
                Self::new(error.to_string()).hint("is that the address of an Icefield server?")
            }
        }
    }
}

impl From<std::io::Error> for CommandError {
    fn from(error: std::io::Error) -> Self {
        if error.kind() == std::io::ErrorKind::BrokenPipe {
            // Whoever read our output has seen enough.
            return Self::silent();
        }
        Self::new(error.to_string())
    }
}
