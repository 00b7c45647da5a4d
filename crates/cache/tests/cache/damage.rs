use icefield_cache::StoreDir;
use tempfile::tempdir;

use crate::serving::{MadeUp, Serving, client, noise};

#[tokio::test]
async fn a_damaged_file_is_never_served_as_whole() {
    let home = tempdir().unwrap();
    let serving = Serving::folder(home.path(), &StoreDir::default()).await;
    for (number, length) in [(1, 100), (2, 256 << 10), (3, 3 << 20)] {
        let path = MadeUp::new(number, &noise(number.into(), length), &[]);
        path.write(home.path());
        let file = home.path().join(&path.info.url);
        assert_eq!(serving.body(&path.info.url).await.unwrap(), path.file);
        let mut damaged = path.file.clone();
        for at in [0, path.file.len() / 2, path.file.len() - 1] {
            damaged[at] ^= 1;
            std::fs::write(&file, &damaged).unwrap();
            serving.body(&path.info.url).await.expect_err("damaged");
            let part = client().get(format!("{}/{}", serving.url, path.info.url)).header("range", "bytes=10-20");
            assert_eq!(part.send().await.unwrap().status(), 500);
            damaged[at] ^= 1;
        }
        std::fs::write(&file, &path.file[..path.file.len() - 1]).unwrap();
        serving.body(&path.info.url).await.expect_err("cut off");
        std::fs::write(&file, &path.file).unwrap();
        for _ in 0..2 {
            assert_eq!(serving.body(&path.info.url).await.unwrap(), path.file);
        }
    }
}

#[tokio::test]
async fn a_damaged_narinfo_is_the_server_s_fault() {
    let home = tempdir().unwrap();
    let serving = Serving::folder(home.path(), &StoreDir::default()).await;
    let path = MadeUp::new(1, b"one", &[]);
    path.write(home.path());
    let text = path.info.to_string();
    for damaged in ["nonsense".as_bytes(), &text.as_bytes()[..text.len() / 2], &[0xff; 100]] {
        std::fs::write(home.path().join(path.narinfo_name()), damaged).unwrap();
        assert_eq!(serving.status(&path.narinfo_name()).await, 500);
    }
    path.write(home.path());
    assert_eq!(serving.status(&path.narinfo_name()).await, 200);
}

#[tokio::test]
async fn parts_and_heads_are_as_http_has_them() {
    let home = tempdir().unwrap();
    let serving = Serving::folder(home.path(), &StoreDir::default()).await;
    let path = MadeUp::new(1, &noise(1, 1 << 20), &[]);
    path.write(home.path());
    let url = format!("{}/{}", serving.url, path.info.url);
    let size = path.file.len();
    let head = client().head(&url).send().await.unwrap();
    assert_eq!((head.status().as_u16(), head.headers()["content-length"].to_str().unwrap()), (200, &*size.to_string()));
    assert_eq!(head.headers()["accept-ranges"], "bytes");
    let etag = head.headers()["etag"].clone();
    for (range, from, to) in [("bytes=0-9", 0, 10), ("bytes=500000-", 500_000, size), ("bytes=-7", size - 7, size)] {
        let answer = client().get(&url).header("range", range).send().await.unwrap();
        assert_eq!(answer.status(), 206);
        assert_eq!(answer.headers()["content-range"], format!("bytes {from}-{}/{size}", to - 1));
        assert_eq!(answer.bytes().await.unwrap(), path.file[from..to]);
    }
    let beyond = client().get(&url).header("range", format!("bytes={size}-")).send().await.unwrap();
    assert_eq!(
        (beyond.status().as_u16(), &beyond.headers()["content-range"]),
        (416, &format!("bytes */{size}").parse().unwrap())
    );
    let known = client().get(&url).header("if-none-match", etag).send().await.unwrap();
    assert_eq!(known.status(), 304);
    let narinfo = serving.get(&path.narinfo_name()).await;
    let known = client().get(format!("{}/{}", serving.url, path.narinfo_name()));
    let known = known.header("if-none-match", narinfo.headers()["etag"].clone()).send().await.unwrap();
    assert_eq!(known.status(), 304);
    assert_eq!(client().delete(&url).send().await.unwrap().status(), 405);
    for strange in ["nar/../nix-cache-info", "..%2fnix-cache-info", ".lock", "x.narinfo", "nar/"] {
        assert_eq!(
            serving.status(strange).await,
            if strange == "nar/../nix-cache-info" { 200 } else { 404 },
            "{strange}"
        );
    }
}
