use futures_util::future::join_all;
use icefield_api::{Http, HttpOptions};
use icefield_cache::{Security, StoreDir, certificate_config, public_config};
use tempfile::tempdir;

use crate::serving::{MadeUp, Serving, TOKEN, cache, certificates, folder, noise};

#[tokio::test]
async fn one_connection_of_http_2_has_all_that_clients_ask_at_once() {
    let home = tempdir().unwrap();
    let [authority, chain, key] = certificates();
    let security = Security::Certificate(certificate_config(&chain, &key).unwrap());
    let serving = Serving::secured(cache(Some(folder(home.path(), &StoreDir::default()))), security).await;
    let client = Http::new(HttpOptions::default(), Some(public_config(&authority).unwrap())).get();
    let url = |name: &str| format!("{}/{name}", serving.url);

    // Uploads side by side, whose bodies are larger than what is sent before the server asks for more.
    let paths: Vec<MadeUp> = (1..=8).map(|number| MadeUp::new(number, &noise(number.into(), 2 << 20), &[])).collect();
    let put = async |name: String, body: Vec<u8>, token: &str| {
        let answer = client.put(url(&name)).bearer_auth(token).body(body).send().await.unwrap();
        assert_eq!(answer.version(), reqwest::Version::HTTP_2);
        (answer.status().as_u16(), answer.text().await.unwrap())
    };
    let stranger = put(paths[0].info.url.clone(), paths[0].file.clone(), "somebody").await;
    assert_eq!(stranger.0, 401, "{}", stranger.1);
    let uploads = paths.iter().map(|path| put(path.info.url.clone(), path.file.clone(), TOKEN));
    assert!(join_all(uploads).await.iter().all(|(status, _)| *status == 200));
    let infos = paths.iter().map(|path| put(path.narinfo_name(), path.info.to_string().into(), TOKEN));
    assert!(join_all(infos).await.iter().all(|(status, _)| *status == 200));

    // Downloads side by side, of which one is damaged: that one alone breaks off, and the connection goes on.
    let damaged = home.path().join(&paths[3].info.url);
    let mut bytes = paths[3].file.clone();
    bytes[1 << 20] ^= 1;
    std::fs::write(&damaged, bytes).unwrap();
    let get = async |name: &str| {
        let answer = client.get(url(name)).send().await?.error_for_status()?;
        assert_eq!(answer.version(), reqwest::Version::HTTP_2);
        answer.bytes().await
    };
    for _ in 0..3 {
        let downloads = join_all(paths.iter().map(|path| get(&path.info.url))).await;
        for (number, (path, got)) in paths.iter().zip(downloads).enumerate() {
            match number {
                3 => drop(got.expect_err("damaged")),
                _ => assert!(got.unwrap() == path.file, "{number}"),
            }
        }
    }
    let part = client.get(url(&paths[0].info.url)).header("range", "bytes=100-199").send().await.unwrap();
    assert_eq!((part.status().as_u16(), &part.bytes().await.unwrap()[..]), (206, &paths[0].file[100..200]));
    let head = client.head(url(&paths[0].info.url)).send().await.unwrap();
    assert_eq!(head.headers()["content-length"].to_str().unwrap(), paths[0].file.len().to_string());
    assert_eq!(get("nothing.narinfo").await.unwrap_err().status().unwrap(), 404);
}
