use std::fs::{self, File, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use icefield_pki::{Bundle, Credential, PkiError, TokenId};

use super::Held;

/// Where a machine keeps its identity: `identity.pem`, its certificate and private key, which only its owner can read; and
/// `bundle.pem`, the authorities that it trusts.
#[derive(Debug, Clone)]
pub struct IdentityFolder {
    path: PathBuf,
}

/// Why an identity cannot be read or kept.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// A file cannot be read or written.
    #[error("{path} cannot be used: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// What stands in a file is not what should.
    #[error(
        "{path} cannot be used: {source}; move it away and join again with a new token (`icefield join-token create`)"
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: PkiError,
    },
}

impl IdentityFolder {
    /// The identity that is kept in this folder.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    /// The file with the certificate and the private key.
    pub fn identity(&self) -> PathBuf {
        self.path.join("identity.pem")
    }

    /// The file with what a machine that is joining has sent.
    pub(super) fn joining(&self) -> PathBuf {
        self.path.join("joining.pem")
    }

    /// The file with the id of the token that the machine joined with.
    fn joined(&self) -> PathBuf {
        self.path.join("joined-with")
    }

    /// Whether the identity here came of this token; another one is a wish to join anew.
    pub fn is_of(&self, token: TokenId) -> bool {
        read(&self.joined()).is_ok_and(|text| text.is_some_and(|text| text.trim().parse() == Ok(token)))
    }

    /// Writes down which token the identity came of.
    pub(super) fn note_token(&self, token: TokenId) -> Result<(), IdentityError> {
        let path = self.joined();
        write_secret(&path, format!("{token}\n").as_bytes()).map_err(|source| IdentityError::Io { path, source })
    }

    fn bundle(&self) -> PathBuf {
        self.path.join("bundle.pem")
    }

    /// What is kept; `None` if there is no identity yet.
    ///
    /// # Errors
    /// It cannot be read, or is damaged.
    pub fn load(&self) -> Result<Option<Held>, IdentityError> {
        let (identity, bundle) = (self.identity(), self.bundle());
        let Some(text) = read(&identity)? else { return Ok(None) };
        let damaged = |path: &Path| {
            let path = path.to_owned();
            move |source| IdentityError::Damaged { path, source }
        };
        let credential = Credential::from_pem(&text).map_err(damaged(&identity))?;
        let trusted = read(&bundle)?.unwrap_or_default();
        let trusted = Bundle::from_pem(&trusted).map_err(damaged(&bundle))?;
        Ok(Some(Held { bundle: trusted, credential: Some(credential) }))
    }

    /// Keeps it. After a crash there is what was before or what should be.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn save(&self, held: &Held) -> Result<(), IdentityError> {
        let write = |path: PathBuf, text: &str| {
            write_secret(&path, text.as_bytes()).map_err(|source| IdentityError::Io { path, source })
        };
        fs::create_dir_all(&self.path).map_err(|source| IdentityError::Io { path: self.path.clone(), source })?;
        // The bundle first: whoever has the identity trusts somebody.
        write(self.bundle(), &held.bundle.to_pem())?;
        match &held.credential {
            Some(credential) => write(self.identity(), &credential.to_pem()),
            None => Ok(()),
        }
    }
}

fn read(path: &Path) -> Result<Option<String>, IdentityError> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(IdentityError::Io { path: path.to_owned(), source }),
    }
}

/// Writes a file that only its owner can read, whole or not at all.
///
/// # Errors
/// It cannot be written.
pub fn write_secret(path: &Path, content: &[u8]) -> io::Result<()> {
    let mut draft = path.as_os_str().to_owned();
    draft.push(".new");
    let draft = PathBuf::from(draft);
    let mut file = File::options().write(true).create(true).truncate(true).mode(0o600).open(&draft)?;
    // One that was left by a crash may have been made otherwise.
    file.set_permissions(Permissions::from_mode(0o600))?;
    file.write_all(content)?;
    file.sync_all()?;
    fs::rename(&draft, path)?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use icefield_pki::{Authority, Identity, KeyPair};
    use icefield_spec::Name;

    use super::*;

    #[test]
    fn only_its_owner_can_read_an_identity() {
        let home = tempfile::tempdir().unwrap();
        let folder = IdentityFolder::new(home.path().join("new"));
        assert!(folder.load().unwrap().is_none());
        let name = |text| Name::new(text).unwrap();
        let authority = Authority::create(&name("shop"), 1_800_000_000_000).unwrap();
        let key = KeyPair::generate().unwrap();
        let identity = Identity::Node(name("n1"));
        let validity = Duration::from_secs(3600);
        let chain = authority.issue(&key.request().unwrap(), &identity, validity, 1_800_000_000_000).unwrap();
        let held = Held { bundle: (&authority).into(), credential: Some(Credential::new(chain, key).unwrap()) };
        folder.save(&held).unwrap();
        folder.save(&held).unwrap();
        let mode = fs::metadata(folder.identity()).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let read = folder.load().unwrap().unwrap();
        assert_eq!(read.bundle, held.bundle);
        assert_eq!(read.credential.unwrap().identity(), &identity);
        fs::write(folder.identity(), "junk").unwrap();
        let error = folder.load().unwrap_err().to_string();
        assert!(error.contains("identity.pem") && error.contains("join again"), "{error}");
    }
}
