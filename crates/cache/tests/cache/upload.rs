use std::time::Duration;

use icefield_cache::{Hash, StoreDir};
use tempfile::tempdir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::serving::{MadeUp, Serving, TOKEN, cache, client, folder, key, noise};

#[tokio::test]
async fn a_path_is_there_when_all_of_it_is() {
    let home = tempdir().unwrap();
    let serving = Serving::folder(home.path(), &StoreDir::default()).await;
    let below = MadeUp::new(1, &noise(1, 300_000), &[]);
    let above = MadeUp::new(2, b"above", &[&below]);
    let (status, said) = serving.put_path(&above).await;
    assert_eq!(status, 422);
    assert!(said.contains("refers to") && said.contains("send that first"), "{said}");
    assert_eq!(serving.status(&above.narinfo_name()).await, 404);
    assert_eq!(serving.status(&above.info.url).await, 404, "what waits for its narinfo is not seen");
    assert_eq!(serving.put_path(&below).await.0, 200);
    // What came whole before is not sent again.
    assert_eq!(serving.put(&above.narinfo_name(), above.info.to_string()).await.0, 200);
    for path in [&below, &above] {
        assert_eq!(serving.narinfo(path.hash()).await.unwrap(), path.info);
        assert_eq!(serving.body(&path.info.url).await.unwrap(), path.file);
    }
    let listing = serving.body(&format!("{}.ls", below.hash())).await.unwrap();
    let listing: serde_json::Value = serde_json::from_slice(&listing).unwrap();
    assert_eq!(listing["root"]["size"], 300_000);
    // Another path may have the same contents.
    let mut twin = MadeUp::new(3, b"above", &[]);
    assert_eq!(serving.put(&twin.narinfo_name(), twin.info.to_string()).await.0, 200);
    twin.info.nar_size += 1;
    assert_eq!(serving.put(&twin.narinfo_name(), twin.info.to_string()).await.0, 422);
}

#[tokio::test]
async fn what_is_not_true_is_not_taken() {
    let home = tempdir().unwrap();
    let serving = Serving::folder(home.path(), &StoreDir::default()).await;
    let path = MadeUp::new(1, &noise(1, 10_000), &[]);
    let mut other_file = path.file.clone();
    other_file[100] ^= 1;
    let (status, said) = serving.put(&path.info.url, other_file).await;
    assert_eq!(status, 422, "{said}");
    let (status, said) = serving.put(&path.info.url, path.file[..5000].to_vec()).await;
    assert_eq!(status, 422, "{said}");
    let (status, said) = serving.put("nar/x.nar.zst", path.file.clone()).await;
    assert!(status == 400 && said.contains("called by its hash"), "{status} {said}");
    let bzip2 = format!("nar/{}.nar.bz2", Hash::of(&path.file).base32());
    let (status, said) = serving.put(&bzip2, path.file.clone()).await;
    assert!(status == 415 && said.contains("compression=zstd"), "{status} {said}");
    let (status, said) = serving.put(&path.narinfo_name(), path.info.to_string()).await;
    assert!(status == 422 && said.contains("has not been uploaded"), "{status} {said}");
    assert_eq!(serving.put(&path.info.url, path.file.clone()).await.0, 200);
    let wrong = |change: &dyn Fn(&mut icefield_cache::NarInfo)| {
        let mut info = path.info.clone();
        change(&mut info);
        info.to_string()
    };
    for (text, problem) in [
        (wrong(&|info| info.nar_hash = Hash::of(b"")), "the NAR has"),
        (wrong(&|info| info.nar_size -= 1), "the NAR has"),
        (wrong(&|info| info.file_size = Some(1)), "the file has"),
        (wrong(&|info| info.store_dir = "/other/store".parse().unwrap()), "not of /other/store"),
        (wrong(&|info| info.compression = icefield_cache::Compression::Xz), "is not what a file compressed by xz"),
        (wrong(&|info| info.path = MadeUp::new(2, b"", &[]).info.path), "must be of a path that begins so"),
        ("nonsense".to_owned(), "line 1"),
    ] {
        let (status, said) = serving.put(&path.narinfo_name(), text).await;
        assert!(status == 422 && said.contains(problem), "{status} {said}");
        assert_eq!(serving.status(&path.narinfo_name()).await, 404);
    }
    assert_eq!(serving.put(&path.narinfo_name(), path.info.to_string()).await.0, 200);
}

#[tokio::test]
async fn uploads_need_a_token_and_a_signature_that_is_trusted() {
    let home = tempdir().unwrap();
    let (secret, trusted) = key();
    let mut served = cache(Some(folder(home.path(), &StoreDir::default())));
    served.trusted = trusted;
    let serving = Serving::start(served).await;
    let path = MadeUp::new(1, b"one", &[]);
    for request in [
        client().put(format!("{}/{}", serving.url, path.info.url)),
        client().put(format!("{}/{}", serving.url, path.info.url)).bearer_auth("another"),
        client().put(format!("{}/{}", serving.url, path.info.url)).basic_auth(TOKEN, Some("another")),
    ] {
        let answer = request.body(path.file.clone()).send().await.unwrap();
        assert_eq!(answer.status(), 401);
        assert!(answer.headers().contains_key("www-authenticate"));
    }
    let (status, said) = serving.put_path(&path).await;
    assert!(status == 403 && said.contains("signed by one of test-1"), "{status} {said}");
    assert_eq!(serving.put_path(&path.signed(&secret)).await.0, 200);
    // Whoever names no tokens takes nothing.
    let mut closed = cache(Some(folder(home.path(), &StoreDir::default())));
    closed.tokens = icefield_cache::Tokens::default();
    assert_eq!(Serving::start(closed).await.put("nar/x.nar", "").await.0, 403);
}

#[tokio::test]
async fn what_is_too_large_or_too_slow_is_not_taken() {
    let home = tempdir().unwrap();
    let mut served = cache(Some(folder(home.path(), &StoreDir::default())));
    served.limits.largest_nar = 50_000;
    served.limits.pause = Duration::from_millis(300);
    let serving = Serving::start(served).await;
    let large = MadeUp::new(1, &noise(1, 60_000), &[]);
    assert_eq!(serving.put_path(&large).await.0, 413);
    // A small file with a large NAR in it.
    let bomb = MadeUp::new(2, &vec![0; 60_000], &[]);
    let (status, said) = serving.put_path(&bomb).await;
    assert!(status == 413 && said.contains("larger than 50000"), "{status} {said}");
    let small = MadeUp::new(3, &noise(1, 10_000), &[]);
    let mut stream = begin(&serving, &small).await;
    stream.write_all(&small.file[..5_000]).await.unwrap();
    let mut answer = Vec::new();
    drop(tokio::time::timeout(Duration::from_secs(10), stream.read_to_end(&mut answer)).await.unwrap());
    assert!(answer.is_empty() || answer.starts_with(b"HTTP/1.1 408"), "{}", String::from_utf8_lossy(&answer));
    assert_eq!(serving.put_path(&small).await.0, 200);
}

#[tokio::test]
async fn what_is_small_may_come_slowly_too() {
    let home = tempdir().unwrap();
    let mut served = cache(Some(folder(home.path(), &StoreDir::default())));
    served.limits.pause = Duration::from_millis(1500);
    let serving = Serving::start(served).await;
    let path = MadeUp::new(1, b"one", &[]);
    assert_eq!(serving.put(&path.info.url, path.file.clone()).await.0, 200);
    let pieces: Vec<Vec<u8>> = path.info.to_string().as_bytes().chunks(60).map(<[u8]>::to_vec).collect();
    assert!(pieces.len() > 4);
    let slowly = futures_util::stream::unfold(pieces.into_iter(), async |mut pieces| {
        tokio::time::sleep(Duration::from_millis(400)).await;
        Some((Ok::<_, std::io::Error>(pieces.next()?), pieces))
    });
    let (status, said) = serving.put(&path.narinfo_name(), reqwest::Body::wrap_stream(slowly)).await;
    assert_eq!(status, 200, "{said}");
}

#[tokio::test]
async fn two_may_upload_the_same_at_once() {
    let home = tempdir().unwrap();
    let serving = Serving::folder(home.path(), &StoreDir::default()).await;
    let path = MadeUp::new(1, b"one", &[]);
    assert_eq!(serving.put(&path.info.url, path.file.clone()).await.0, 200);
    // The other one's narinfo came while this NAR did, and took the listing of both along.
    let listing = path.info.url.replace("nar/", ".incoming/") + ".ls";
    std::fs::rename(home.path().join(listing), home.path().join(format!("{}.ls", path.hash()))).unwrap();
    let (status, said) = serving.put(&path.narinfo_name(), path.info.to_string()).await;
    assert_eq!(status, 200, "{said}");
    assert_eq!(serving.body(&path.info.url).await.unwrap(), path.file);
    assert_eq!(serving.status(&format!("{}.ls", path.hash())).await, 200);
}

/// Begins to upload a NAR.
async fn begin(serving: &Serving, path: &MadeUp) -> TcpStream {
    let mut stream = TcpStream::connect(serving.url.strip_prefix("http://").unwrap()).await.unwrap();
    let head = format!(
        "PUT /{} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {TOKEN}\r\ncontent-length: {}\r\n\r\n",
        path.info.url,
        path.file.len()
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    stream
}

#[tokio::test]
async fn an_upload_that_is_cut_off_leaves_nothing() {
    let home = tempdir().unwrap();
    let serving = Serving::folder(home.path(), &StoreDir::default()).await;
    let path = MadeUp::new(1, &noise(1, 1_000_000), &[]);
    let incoming = || std::fs::read_dir(home.path().join(".incoming")).unwrap().count();
    for cut in [0, 1, 500_000, path.file.len() - 1] {
        let mut stream = begin(&serving, &path).await;
        stream.write_all(&path.file[..cut]).await.unwrap();
        drop(stream);
        let (status, said) = serving.put(&path.narinfo_name(), path.info.to_string()).await;
        assert!(status == 422 && said.contains("has not been uploaded"), "{cut}: {status} {said}");
    }
    let start = std::time::Instant::now();
    while incoming() > 0 {
        assert!(start.elapsed() < Duration::from_secs(20), "a draft is left");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    // What a crash has left goes at the next start.
    for process in [4_194_999, 1] {
        std::fs::write(home.path().join(format!(".incoming/{process}-1.part")), "half").unwrap();
    }
    let folder = folder(home.path(), &StoreDir::default());
    let lock = folder.sweep().unwrap();
    assert!(!home.path().join(".incoming/4194999-1.part").exists());
    assert!(home.path().join(".incoming/1-1.part").exists(), "another process may be writing it");
    assert!(folder.sweep().unwrap_err().to_string().contains("another process"));
    drop(lock);
    folder.sweep().unwrap();
}
