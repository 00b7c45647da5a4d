use std::collections::HashSet;
use std::fs;
use std::io::{self, Read};

use rustix::fs::FlockOperation;
use serde::Serialize;

use super::Folder;
use crate::checker::{Checked, Checker};
use crate::compression::Compression;
use crate::signature::PublicKey;
use crate::store_path::PathHash;

/// How much of a file is read at once, in bytes.
const PIECE: usize = 256 << 10;

/// What was looked at, and what of it is bad.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Verification {
    /// How many paths were looked at.
    pub paths: usize,
    /// How many bytes their files have.
    pub bytes: u64,
    /// What is wrong with which files.
    pub bad: Vec<Bad>,
}

/// A file that is not what it should be.
#[derive(Debug, Clone, Serialize)]
pub struct Bad {
    /// The file, below the folder.
    pub file: String,
    /// What is wrong.
    pub problem: String,
    /// Whether it was moved to `.quarantine`.
    pub quarantined: bool,
}

impl Folder {
    /// Reads everything and compares it with its hashes; with keys, also sees that each path is signed by one of them. With
    /// `repair`, what is bad is moved to `.quarantine`, so that it can be uploaded or fetched again.
    ///
    /// # Errors
    /// The folder cannot be read.
    pub fn verify(&self, keys: &[PublicKey], repair: bool) -> io::Result<Verification> {
        let mut verification = Verification::default();
        let hashes = self.hashes()?;
        let mut bad_paths = HashSet::new();
        for hash in &hashes {
            verification.paths += 1;
            for (file, problem) in self.problems(*hash, keys, &mut verification.bytes)? {
                bad_paths.insert(*hash);
                verification.bad.push(Bad { file, problem, quarantined: false });
            }
        }
        if repair && !bad_paths.is_empty() {
            let _lock = self.lock(FlockOperation::LockExclusive)?;
            // A path without its NAR is none, so its narinfo goes along.
            for hash in bad_paths {
                self.quarantine(&format!("{hash}.narinfo"))?;
                self.quarantine(&format!("{hash}.ls"))?;
            }
            for bad in &mut verification.bad {
                self.quarantine(&bad.file)?;
                bad.quarantined = true;
            }
        }
        Ok(verification)
    }

    /// What is wrong with a path: which file, and how.
    fn problems(&self, hash: PathHash, keys: &[PublicKey], bytes: &mut u64) -> io::Result<Vec<(String, String)>> {
        let own = format!("{hash}.narinfo");
        let kept = match self.narinfo(hash) {
            Ok(Some(kept)) => kept,
            Ok(None) => return Ok(Vec::new()),
            Err(error) if error.kind() == io::ErrorKind::InvalidData => return Ok(vec![(own, error.to_string())]),
            Err(error) => return Err(error),
        };
        let info = &kept.info;
        let mut problems = Vec::new();
        if !keys.is_empty() && !info.is_signed_by(keys) {
            problems.push((own.clone(), "no key that is trusted has signed it".to_owned()));
        }
        for reference in info.references.iter().filter(|reference| !self.has(reference.hash())) {
            problems.push((own.clone(), format!("it refers to {reference}, which is not here")));
        }
        let Some(name) = info.file_name() else {
            problems.push((own, format!("its NAR is at {:?}, not in nar/", info.url)));
            return Ok(problems);
        };
        let file = format!("nar/{name}");
        match self.nar(name)? {
            None => problems.push((own, format!("{file} is not there"))),
            Some(nar) => {
                *bytes += nar.size;
                match check_file(&nar.file, &info.compression, u64::MAX) {
                    Ok(checked) => problems.extend(checked.differs(info).map(|problem| (file, problem))),
                    Err(error) => problems.push((file, error.to_string())),
                }
            }
        }
        Ok(problems)
    }

    /// Takes a file out of the way, if it is there.
    pub(crate) fn quarantine(&self, name: &str) -> io::Result<()> {
        let to = self.path.join(".quarantine");
        fs::create_dir_all(&to)?;
        super::rename_if_there(&self.path.join(name), &to.join(name.replace('/', "-")))
    }
}

/// Reads a file from its beginning and says what it is.
pub(crate) fn check_file(mut file: &fs::File, compression: &Compression, largest: u64) -> io::Result<Checked> {
    io::Seek::rewind(&mut file)?;
    let mut checker = Checker::new(compression, largest)?;
    let mut piece = vec![0; PIECE];
    loop {
        match file.read(&mut piece) {
            Ok(0) => return checker.finish(),
            Ok(read) => checker.update(&piece[..read])?,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}
