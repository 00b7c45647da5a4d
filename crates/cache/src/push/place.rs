use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::stream;
use icefield_api::Http;
use reqwest::{Body, Method, RequestBuilder, StatusCode};

use super::PushError;
use crate::folder::Folder;
use crate::narinfo::NarInfo;
use crate::store_path::PathHash;

/// How much of a file is read at once, in bytes.
const PIECE: u64 = 256 << 10;

/// Where paths are brought to.
#[derive(Debug)]
pub enum Place {
    /// A cache that takes uploads.
    Url {
        /// Its address.
        url: String,
        /// How it is reached.
        http: Http,
        /// The token that lets one in, if it wants one.
        token: Option<String>,
    },
    /// A folder.
    Folder(Arc<Folder>),
}

impl Place {
    pub(super) async fn has(&self, hash: PathHash) -> Result<bool, PushError> {
        match self {
            Self::Folder(folder) => Ok(folder.has(hash)),
            Self::Url { .. } => {
                let name = format!("{hash}.narinfo");
                match self.send(&name, Method::HEAD, |request| request).await? {
                    (status, _) if status.is_success() => Ok(true),
                    (StatusCode::NOT_FOUND | StatusCode::FORBIDDEN, _) => Ok(false),
                    (status, _) => Err(PushError::Refused { path: name, problem: format!("it answers {status}") }),
                }
            }
        }
    }

    pub(super) async fn put_nar(&self, info: &NarInfo, file: File, size: u64) -> Result<(), PushError> {
        let failed = |source| PushError::Pack { path: info.path.clone(), source };
        if let (Self::Folder(folder), Some(name)) = (self, info.file_name()) {
            let to = Arc::clone(folder);
            let name = name.to_owned();
            let kept = tokio::task::spawn_blocking(move || {
                let mut draft = to.draft()?;
                io::Seek::rewind(&mut &file)?;
                io::copy(&mut &file, &mut draft)?;
                draft.place(&to.nar_path(&name))
            });
            return kept.await.unwrap_or_else(|_| Err(io::Error::other("writing was ended"))).map_err(failed);
        }
        // What came whole before is not sent again.
        let (status, _) = self.send(&info.url, Method::HEAD, |request| request).await?;
        if status.is_success() {
            return Ok(());
        }
        let file = Arc::new(file);
        let pieces = stream::try_unfold(0, move |at| {
            let (file, length) = (Arc::clone(&file), (size - at).min(PIECE));
            async move {
                if length == 0 {
                    return Ok::<_, io::Error>(None);
                }
                let read = tokio::task::spawn_blocking(move || {
                    let mut piece = vec![0; usize::try_from(length).unwrap_or_default()];
                    file.read_exact_at(&mut piece, at)?;
                    Ok(Bytes::from(piece))
                });
                let piece = read.await.unwrap_or_else(|_| Err(io::Error::other("reading was ended")))?;
                Ok(Some((piece, at + length)))
            }
        });
        let body = Body::wrap_stream(pieces);
        self.put(&info.url, |request| request.header(reqwest::header::CONTENT_LENGTH, size).body(body)).await
    }

    pub(super) async fn publish(&self, info: &NarInfo) -> Result<(), PushError> {
        let name = format!("{}.narinfo", info.path.hash());
        match self {
            Self::Url { .. } => self.put(&name, |request| request.body(info.to_string())).await,
            Self::Folder(folder) => match folder.publish(info, None, None, &|_| false) {
                Ok(Ok(())) => Ok(()),
                Ok(Err(missing)) => Err(PushError::Refused { path: name, problem: missing.to_string() }),
                Err(source) => Err(PushError::Pack { path: info.path.clone(), source }),
            },
        }
    }

    async fn put(&self, name: &str, with: impl FnOnce(RequestBuilder) -> RequestBuilder) -> Result<(), PushError> {
        let (status, said) = self.send(name, Method::PUT, with).await?;
        if status.is_success() {
            return Ok(());
        }
        Err(PushError::Refused { path: name.to_owned(), problem: format!("{status}: {}", said.trim()) })
    }

    async fn send(
        &self,
        name: &str,
        method: Method,
        with: impl FnOnce(RequestBuilder) -> RequestBuilder,
    ) -> Result<(StatusCode, String), PushError> {
        let Self::Url { url, http, token } = self else { return Ok((StatusCode::OK, String::new())) };
        let mut request = http.get().request(method, format!("{url}/{name}"));
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        let problem =
            |error: reqwest::Error| PushError::Refused { path: name.to_owned(), problem: crate::fetch::told(&error) };
        let answer = with(request).send().await.map_err(problem)?;
        let status = answer.status();
        Ok((status, answer.text().await.map_err(problem)?))
    }
}
