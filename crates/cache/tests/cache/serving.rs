use std::path::Path;
use std::sync::Arc;

use icefield_api::{Http, HttpOptions};
use icefield_cache::{
    Cache, CacheInfo, Fetcher, Folder, Hash, Limits, NarInfo, PathHash, PublicKey, SecretKey, Security, Server,
    StoreDir, StorePath, Tokens,
};

/// The token that lets one upload.
pub(crate) const TOKEN: &str = "let-me-in";

/// A cache that is served in this process until it is dropped.
pub(crate) struct Serving {
    pub(crate) url: String,
    _ending: tokio::sync::oneshot::Sender<()>,
}

impl Serving {
    pub(crate) async fn start(cache: Cache) -> Self {
        Self::secured(cache, Security::Plain).await
    }

    pub(crate) async fn secured(cache: Cache, security: Security) -> Self {
        let server = Server::bind(([127, 0, 0, 1], 0).into(), cache).await.unwrap();
        let scheme = if matches!(security, Security::Plain) { "http" } else { "https" };
        let url = format!("{scheme}://{}", server.address());
        let (ending, ended) = tokio::sync::oneshot::channel::<()>();
        tokio::spawn(server.run_until(security, async {
            drop(ended.await);
        }));
        Self { url, _ending: ending }
    }

    /// Serves a folder, and lets those upload who have [`TOKEN`].
    pub(crate) async fn folder(path: &Path, store: &StoreDir) -> Self {
        Self::start(cache(Some(folder(path, store)))).await
    }

    pub(crate) async fn get(&self, name: &str) -> reqwest::Response {
        client().get(format!("{}/{name}", self.url)).send().await.unwrap()
    }

    pub(crate) async fn status(&self, name: &str) -> u16 {
        self.get(name).await.status().as_u16()
    }

    /// The whole body; an error if it does not come whole.
    pub(crate) async fn body(&self, name: &str) -> Result<Vec<u8>, reqwest::Error> {
        let answer = client().get(format!("{}/{name}", self.url)).send().await?;
        Ok(answer.error_for_status()?.bytes().await?.to_vec())
    }

    pub(crate) async fn narinfo(&self, hash: PathHash) -> Option<NarInfo> {
        let text = self.body(&format!("{hash}.narinfo")).await.ok()?;
        Some(String::from_utf8(text).unwrap().parse().unwrap())
    }

    /// Uploads something, and gives the status and what is said.
    pub(crate) async fn put(&self, name: &str, body: impl Into<reqwest::Body>) -> (u16, String) {
        let request = client().put(format!("{}/{name}", self.url)).bearer_auth(TOKEN).body(body);
        let answer = request.send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    }

    /// Uploads a path, and gives the status of its narinfo.
    pub(crate) async fn put_path(&self, path: &MadeUp) -> (u16, String) {
        let (status, said) = self.put(&path.info.url, path.file.clone()).await;
        if status != 200 {
            return (status, said);
        }
        self.put(&path.narinfo_name(), path.info.to_string()).await
    }
}

pub(crate) fn client() -> reqwest::Client {
    Http::new(HttpOptions::default(), None).get()
}

pub(crate) fn folder(path: &Path, store: &StoreDir) -> Arc<Folder> {
    Arc::new(Folder::open(path, Some(store)).unwrap())
}

pub(crate) fn cache(folder: Option<Arc<Folder>>) -> Cache {
    let info = folder.as_ref().map_or_else(CacheInfo::default, |folder| folder.info().clone());
    Cache {
        info,
        folder,
        store: None,
        fetcher: None,
        closures: None,
        keys: Vec::new(),
        trusted: Vec::new(),
        tokens: Tokens::read(TOKEN),
        limits: Limits::default(),
    }
}

/// A cache that gets what it does not have by `fetcher`.
pub(crate) fn fetching(folder: Arc<Folder>, fetcher: Arc<Fetcher>) -> Cache {
    Cache { fetcher: Some(fetcher), ..cache(Some(folder)) }
}

/// A path that no Nix has made.
#[derive(Clone)]
pub(crate) struct MadeUp {
    pub(crate) info: NarInfo,
    pub(crate) file: Vec<u8>,
}

impl MadeUp {
    /// A path that holds one file with these contents.
    pub(crate) fn new(number: u32, contents: &[u8], references: &[&Self]) -> Self {
        let mut nar = Vec::new();
        for text in [b"nix-archive-1".as_slice(), b"(", b"type", b"regular", b"contents", contents, b")"] {
            nar.extend_from_slice(&(text.len() as u64).to_le_bytes());
            nar.extend_from_slice(text);
            nar.resize(nar.len().next_multiple_of(8), 0);
        }
        let file = zstd::encode_all(nar.as_slice(), 1).unwrap();
        let path: StorePath = format!("{number:0>32}-made-up").parse().unwrap();
        let mut references: Vec<StorePath> = references.iter().map(|other| other.info.path.clone()).collect();
        references.sort();
        let info = NarInfo {
            store_dir: StoreDir::default(),
            path,
            url: format!("nar/{}.nar.zst", Hash::of(&file).base32()),
            compression: icefield_cache::Compression::Zstd,
            file_hash: Some(Hash::of(&file)),
            file_size: Some(file.len() as u64),
            nar_hash: Hash::of(&nar),
            nar_size: nar.len() as u64,
            references,
            deriver: None,
            system: None,
            signatures: Vec::new(),
            ca: None,
        };
        Self { info, file }
    }

    /// The same, signed.
    pub(crate) fn signed(mut self, key: &SecretKey) -> Self {
        self.info.sign(key);
        self
    }

    pub(crate) fn hash(&self) -> PathHash {
        self.info.path.hash()
    }

    pub(crate) fn narinfo_name(&self) -> String {
        format!("{}.narinfo", self.hash())
    }

    /// Puts it into a folder as Nix would.
    pub(crate) fn write(&self, folder: &Path) {
        std::fs::write(folder.join(&self.info.url), &self.file).unwrap();
        std::fs::write(folder.join(self.narinfo_name()), self.info.to_string()).unwrap();
    }
}

/// Bytes that do not compress, the same for the same number.
pub(crate) fn noise(number: u64, length: usize) -> Vec<u8> {
    let mut state = number.wrapping_mul(2).wrapping_add(1);
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    };
    (0..length.div_ceil(8)).flat_map(|_| next()).take(length).collect()
}

pub(crate) fn key() -> (SecretKey, Vec<PublicKey>) {
    let key = SecretKey::generate("test-1").unwrap();
    let public = key.public();
    (key, vec![public])
}

/// An authority, and a certificate of it for 127.0.0.1 with its key: PEM texts.
pub(crate) fn certificates() -> [String; 3] {
    let (own, key) = (rcgen::KeyPair::generate().unwrap(), rcgen::KeyPair::generate().unwrap());
    let mut authority = rcgen::CertificateParams::new(Vec::<String>::new()).unwrap();
    authority.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    // Two of one name would be taken for one.
    authority.distinguished_name.push(rcgen::DnType::CommonName, "an authority");
    let authority_text = authority.self_signed(&own).unwrap().pem();
    let issuer = rcgen::Issuer::new(authority, own);
    let leaf = rcgen::CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
    [authority_text, leaf.signed_by(&key, &issuer).unwrap().pem(), key.serialize_pem()]
}
