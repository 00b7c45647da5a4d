use rustix::process::{Resource, getrlimit, setrlimit};

/// Lets this process have as many open files as the system allows: each connection has some.
pub(crate) fn allow_many_files() {
    let mut files = getrlimit(Resource::Nofile);
    files.current = files.maximum;
    if let Err(error) = setrlimit(Resource::Nofile, files) {
        tracing::warn!(%error, "open files may run out when there are many clients");
    }
}
