use std::fmt;
use std::str::FromStr;

use crate::compression::Compression;
use crate::hash::{Hash, InvalidHash};
use crate::signature::{InvalidKey, PublicKey, SecretKey, Signature};
use crate::store_path::{InvalidStorePath, StoreDir, StorePath};

/// What a cache says of a store path: the text of `HASH.narinfo`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NarInfo {
    /// The folder of the path and of its references.
    pub store_dir: StoreDir,
    /// The path.
    pub path: StorePath,
    /// Where its NAR is, relative to the cache.
    pub url: String,
    /// How the file is compressed that is there.
    pub compression: Compression,
    /// The hash of that file.
    pub file_hash: Option<Hash>,
    /// Its size in bytes.
    pub file_size: Option<u64>,
    /// The hash of the NAR, not compressed.
    pub nar_hash: Hash,
    /// Its size in bytes.
    pub nar_size: u64,
    /// The paths that it needs, sorted; itself, if it names itself.
    pub references: Vec<StorePath>,
    /// The derivation that it was built by, without its folder.
    pub deriver: Option<StorePath>,
    /// The system that it was built for.
    pub system: Option<String>,
    /// Who vouches for it.
    pub signatures: Vec<Signature>,
    /// How its name follows from its contents, if it does.
    pub ca: Option<String>,
}

/// A text is no narinfo.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidNarInfo {
    /// A line is not `Name: value`.
    #[error("line {0} is not of the form `Name: value`")]
    Line(usize),
    /// A field is missing.
    #[error("the field {0} is missing")]
    Missing(&'static str),
    /// A field that may be there once is there again.
    #[error("the field {0} is there twice")]
    Twice(&'static str),
    /// A size is no number.
    #[error("{0}: {1:?} is no number of bytes")]
    Size(&'static str, String),
    /// A path cannot be read.
    #[error(transparent)]
    Path(#[from] InvalidStorePath),
    /// A hash cannot be read.
    #[error(transparent)]
    Hash(#[from] InvalidHash),
    /// A signature cannot be read.
    #[error(transparent)]
    Signature(#[from] InvalidKey),
    /// The address of the NAR leads elsewhere.
    #[error("{0:?} is no address of a NAR within a cache")]
    Url(String),
}

/// The most bytes that a narinfo may have: room for tens of thousands of references.
pub const LARGEST_NARINFO: usize = 4 << 20;

impl NarInfo {
    /// What signatures are of: the path, what it contains, and what it needs.
    pub fn fingerprint(&self) -> String {
        let references: Vec<String> = self.references.iter().map(|path| self.store_dir.join(path)).collect();
        let path = self.store_dir.join(&self.path);
        format!("1;{path};{};{};{}", self.nar_hash, self.nar_size, references.join(","))
    }

    /// Signs it, unless it has a signature of that key's name that is right.
    pub fn sign(&mut self, key: &SecretKey) {
        let public = key.public();
        let fingerprint = self.fingerprint();
        if !self.signatures.iter().any(|one| public.verifies(&fingerprint, one)) {
            self.signatures.retain(|one| one.key() != public.name());
            self.signatures.push(key.sign(&fingerprint));
        }
    }

    /// Whether one of these keys has signed it.
    pub fn is_signed_by(&self, keys: &[PublicKey]) -> bool {
        let fingerprint = self.fingerprint();
        self.signatures.iter().any(|signature| keys.iter().any(|key| key.verifies(&fingerprint, signature)))
    }

    /// The same of the NAR as it is, not compressed, in a cache that serves it so. Signatures are of the NAR, and stay good.
    pub(crate) fn unpacked(&self) -> Self {
        Self {
            url: format!("nar/{}.nar?hash={}", self.nar_hash.base32(), self.path.hash()),
            compression: Compression::None,
            file_hash: Some(self.nar_hash),
            file_size: Some(self.nar_size),
            ..self.clone()
        }
    }

    /// The file's name, if the NAR is where this cache keeps them: in `nar/`.
    pub fn file_name(&self) -> Option<&str> {
        let name = self.url.strip_prefix("nar/")?.split('?').next()?;
        is_file_name(name).then_some(name)
    }
}

/// Whether a text can be the name of a NAR's file: nothing in it leads to another folder.
pub(crate) fn is_file_name(text: &str) -> bool {
    (1..=255).contains(&text.len())
        && !text.starts_with('.')
        && text.bytes().all(|letter| letter.is_ascii_alphanumeric() || b"-._+".contains(&letter))
}

/// Whether a text is an address within a cache: relative, without ways up, of one line.
fn is_within(url: &str) -> bool {
    (1..=1024).contains(&url.len())
        && url.bytes().all(|letter| letter.is_ascii_graphic())
        && !url.starts_with('/')
        && !url.contains("://")
        && url.split(['/', '?']).all(|part| part != "..")
}

impl fmt::Display for NarInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "StorePath: {}", self.store_dir.join(&self.path))?;
        writeln!(f, "URL: {}", self.url)?;
        writeln!(f, "Compression: {}", self.compression)?;
        if let Some(hash) = self.file_hash {
            writeln!(f, "FileHash: {hash}")?;
        }
        if let Some(size) = self.file_size {
            writeln!(f, "FileSize: {size}")?;
        }
        writeln!(f, "NarHash: {}", self.nar_hash)?;
        writeln!(f, "NarSize: {}", self.nar_size)?;
        write!(f, "References:")?;
        for reference in &self.references {
            write!(f, " {reference}")?;
        }
        // Nix looks for the space, also if nothing follows.
        writeln!(f, "{}", if self.references.is_empty() { " " } else { "" })?;
        if let Some(deriver) = &self.deriver {
            writeln!(f, "Deriver: {deriver}")?;
        }
        if let Some(system) = &self.system {
            writeln!(f, "System: {system}")?;
        }
        for signature in &self.signatures {
            writeln!(f, "Sig: {signature}")?;
        }
        if let Some(ca) = &self.ca {
            writeln!(f, "CA: {ca}")?;
        }
        Ok(())
    }
}

/// The fields as they stand there.
#[derive(Default)]
struct Fields<'a> {
    path: Option<&'a str>,
    url: Option<&'a str>,
    compression: Option<&'a str>,
    file_hash: Option<&'a str>,
    file_size: Option<&'a str>,
    nar_hash: Option<&'a str>,
    nar_size: Option<&'a str>,
    references: Option<&'a str>,
    deriver: Option<&'a str>,
    system: Option<&'a str>,
    ca: Option<&'a str>,
    signatures: Vec<&'a str>,
}

impl<'a> Fields<'a> {
    fn read(text: &'a str) -> Result<Self, InvalidNarInfo> {
        let mut fields = Self::default();
        for (number, line) in (1..).zip(text.lines()) {
            let (name, value) = line
                .split_once(": ")
                .or_else(|| Some((line.strip_suffix(':')?, "")))
                .ok_or(InvalidNarInfo::Line(number))?;
            let (name, field) = match name {
                "StorePath" => ("StorePath", &mut fields.path),
                "URL" => ("URL", &mut fields.url),
                "Compression" => ("Compression", &mut fields.compression),
                "FileHash" => ("FileHash", &mut fields.file_hash),
                "FileSize" => ("FileSize", &mut fields.file_size),
                "NarHash" => ("NarHash", &mut fields.nar_hash),
                "NarSize" => ("NarSize", &mut fields.nar_size),
                "References" => ("References", &mut fields.references),
                "Deriver" => ("Deriver", &mut fields.deriver),
                "System" => ("System", &mut fields.system),
                "CA" => ("CA", &mut fields.ca),
                "Sig" => {
                    fields.signatures.push(value);
                    continue;
                }
                // Later versions may know more.
                _ => continue,
            };
            if field.replace(value).is_some() {
                return Err(InvalidNarInfo::Twice(name));
            }
        }
        Ok(fields)
    }
}

impl FromStr for NarInfo {
    type Err = InvalidNarInfo;

    fn from_str(text: &str) -> Result<Self, InvalidNarInfo> {
        let fields = Fields::read(text)?;
        let need = |name, field: Option<&str>| field.map(str::to_owned).ok_or(InvalidNarInfo::Missing(name));
        let size = |name, text: String| text.parse().map_err(|_| InvalidNarInfo::Size(name, text));
        let whole = need("StorePath", fields.path)?;
        let (dir, path) = whole.rsplit_once('/').ok_or_else(|| InvalidStorePath(whole.clone()))?;
        let url = need("URL", fields.url)?;
        if !is_within(&url) {
            return Err(InvalidNarInfo::Url(url));
        }
        let mut references =
            fields.references.unwrap_or("").split_ascii_whitespace().map(str::parse).collect::<Result<Vec<_>, _>>()?;
        references.sort();
        references.dedup();
        let deriver = fields.deriver.filter(|deriver| !deriver.is_empty() && *deriver != "unknown-deriver");
        Ok(Self {
            store_dir: dir.parse()?,
            path: path.parse()?,
            url,
            // What Nix takes where nothing is said.
            compression: fields
                .compression
                .map_or_else(|| Compression::Other("bzip2".into()), |text| text.parse().unwrap_or(Compression::None)),
            file_hash: fields.file_hash.map(str::parse).transpose()?,
            file_size: fields.file_size.map(|text| size("FileSize", text.to_owned())).transpose()?,
            nar_hash: need("NarHash", fields.nar_hash)?.parse()?,
            nar_size: size("NarSize", need("NarSize", fields.nar_size)?)?,
            references,
            deriver: deriver.map(str::parse).transpose()?,
            system: fields.system.map(str::to_owned),
            signatures: fields.signatures.into_iter().map(str::parse).collect::<Result<_, _>>()?,
            ca: fields.ca.filter(|ca| !ca.is_empty()).map(str::to_owned),
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// As the real Nix has written it.
    const REAL: &str = "\
StorePath: /nix/store/a14dyi2ck3gzgnlk5718pn8bcrwavq2k-top
URL: nar/199gnwhsrbwq93lv16fixrdfz5xgbsk4diha6ds17l1vqr2yfjmh.nar.xz
Compression: xz
FileHash: sha256:199gnwhsrbwq93lv16fixrdfz5xgbsk4diha6ds17l1vqr2yfjmh
FileSize: 204
NarHash: sha256:1392rgxszyfgnskk4mk2f81hi9xgp99z7qw582zkq7xmf9nih945
NarSize: 208
References: kmmkrxlfw7rbwdnaj9js21xg9m42q8kw-a qvm7gynvc19k0p0509drr7hyipg37wz9-b
CA: text:sha256:1md7nfiwhigx1741y6n0cf0gcznbhhh2d6i5mkrmjhyp6f8389my
";

    #[test]
    fn what_nix_writes_is_written_alike() {
        let info: NarInfo = REAL.parse().unwrap();
        assert_eq!(info.to_string(), REAL);
        assert_eq!(info.file_name(), Some("199gnwhsrbwq93lv16fixrdfz5xgbsk4diha6ds17l1vqr2yfjmh.nar.xz"));
        assert_eq!(
            info.fingerprint(),
            "1;/nix/store/a14dyi2ck3gzgnlk5718pn8bcrwavq2k-top;\
             sha256:1392rgxszyfgnskk4mk2f81hi9xgp99z7qw582zkq7xmf9nih945;208;\
             /nix/store/kmmkrxlfw7rbwdnaj9js21xg9m42q8kw-a,/nix/store/qvm7gynvc19k0p0509drr7hyipg37wz9-b"
        );
    }

    #[test]
    fn a_signature_covers_what_counts() {
        let key = SecretKey::generate("k").unwrap();
        let keys = [key.public()];
        let mut info: NarInfo = REAL.parse().unwrap();
        assert!(!info.is_signed_by(&keys));
        info.sign(&key);
        info.sign(&key);
        info.sign(&SecretKey::generate("l").unwrap());
        assert_eq!(info.signatures.len(), 2);
        let read: NarInfo = info.to_string().parse().unwrap();
        assert!(read.is_signed_by(&keys));
        for change in [
            |info: &mut NarInfo| info.nar_size += 1,
            |info: &mut NarInfo| info.nar_hash = Hash::of(b""),
            |info: &mut NarInfo| drop(info.references.pop()),
            |info: &mut NarInfo| info.path = info.references[0].clone(),
        ] {
            let mut changed = info.clone();
            change(&mut changed);
            assert!(!changed.is_signed_by(&keys));
        }
    }

    #[test]
    fn mistakes_are_told() {
        let told = |from: &str, to: &str| REAL.replace(from, to).parse::<NarInfo>().unwrap_err().to_string();
        assert_eq!(told("NarSize: 208\n", ""), "the field NarSize is missing");
        assert_eq!(told("NarSize: 208", "NarSize: -1"), "NarSize: \"-1\" is no number of bytes");
        assert_eq!(told("NarSize: 208", "NarSize: 208\nNarSize: 208"), "the field NarSize is there twice");
        assert_eq!(told("Compression: xz", "nonsense"), "line 3 is not of the form `Name: value`");
        assert!(told("nar/199", "../nar/199").contains("is no address of a NAR within a cache"));
        assert!(told("nar/199", "http://other/nar/199").contains("is no address of a NAR within a cache"));
        assert!(told("qvm7gynvc19k0p0509drr7hyipg37wz9-b", "../../etc").contains("is no store path"));
        assert!(told("NarHash: sha256:1", "NarHash: sha256:z").contains("is no SHA-256 hash"));
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(
            names in proptest::collection::btree_set("[0-9a-df-np-sv-z]{32}-[a-zA-Z0-9+._?=-]{1,20}", 1..6),
            size in any::<u64>(),
            file in proptest::option::of((any::<u64>(), any::<[u8; 8]>())),
            rest in (any::<bool>(), any::<bool>(), any::<bool>(), 0..3_usize),
            compression in proptest::sample::select(vec!["none", "zstd", "xz", "br"]),
        ) {
            let mut paths: Vec<StorePath> = names.iter().map(|name| name.parse().unwrap()).collect();
            let path = paths.swap_remove(0);
            paths.sort();
            let mut info = NarInfo {
                store_dir: StoreDir::default(),
                deriver: rest.0.then(|| path.clone()),
                path,
                url: "nar/x.nar".into(),
                compression: compression.parse().unwrap(),
                file_hash: file.map(|file| Hash::of(&file.1)),
                file_size: file.map(|file| file.0),
                nar_hash: Hash::of(&size.to_le_bytes()),
                nar_size: size,
                references: paths,
                system: rest.1.then(|| "x86_64-linux".into()),
                signatures: Vec::new(),
                ca: rest.2.then(|| "text:sha256:0".into()),
            };
            for n in 0..rest.3 {
                info.sign(&SecretKey::generate(&format!("k{n}")).unwrap());
            }
            prop_assert_eq!(info.to_string().parse::<NarInfo>().unwrap(), info);
        }

        #[test]
        fn no_text_is_too_strange(text in "(StorePath|URL|NarHash|NarSize|References|Sig|: |\n|[0-9a-z/:.-]{0,40}|\\PC){0,30}") {
            if let Ok(info) = text.parse::<NarInfo>() {
                prop_assert_eq!(info.to_string().parse::<NarInfo>().unwrap(), info);
            }
        }
    }
}
