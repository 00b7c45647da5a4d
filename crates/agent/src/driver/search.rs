use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

/// The file of the program called `name`: as a shell would find it in `path`, or relative to `folder` if it has a slash.
pub(crate) fn find_program(name: &str, path: &str, folder: &Path) -> Result<PathBuf, String> {
    if name.contains('/') {
        let file = folder.join(name);
        return match (file.is_file(), is_executable(&file)) {
            (_, true) => Ok(file),
            (true, false) => Err(format!("{name}: {} is not executable", file.display())),
            (false, _) => Err(format!("{name}: there is no file {}", file.display())),
        };
    }
    let folders = path.split(':').filter(|folder| !folder.is_empty());
    let mut files = folders.map(|in_path| folder.join(in_path).join(name));
    files.find(|file| is_executable(file)).ok_or_else(|| format!("{name}: no such program in PATH ({path})"))
}

fn is_executable(file: &Path) -> bool {
    file.metadata().is_ok_and(|data| data.is_file() && data.permissions().mode() & 0o111 != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_relative_to_the_folder() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("run.sh");
        let find = || find_program("./run.sh", "/bin", folder.path());
        assert!(find().unwrap_err().contains("there is no file"));
        std::fs::write(&file, "#!/bin/sh\n").unwrap();
        assert!(find().unwrap_err().contains("is not executable"));
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o755)).unwrap();
        assert_eq!(find().unwrap(), folder.path().join("./run.sh"));
        assert!(find_program("run.sh", "/bin", folder.path()).is_err(), "not by its bare name");
        assert!(find_program("run.sh", ".:/bin", folder.path()).is_ok(), "unless PATH says so");
    }
}
