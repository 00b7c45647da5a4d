use std::path::Path;
use std::sync::Arc;

use icefield_cache::{Cache, Place, Push, Security};

use crate::nix::RealNix;
use crate::serving::{Serving, TOKEN, cache, certificates, client, folder, key};

/// Copies from a cache into an empty store that takes only what is signed.
async fn copy_back(nix: &RealNix, url: &str, trusted: &str, name: &str) -> (bool, String) {
    let keys = format!("{trusted} other-1:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=");
    let to = nix.other(name);
    let arguments = [
        "--from",
        url,
        "--to",
        &to,
        "--option",
        "trusted-public-keys",
        &keys,
        "--option",
        "narinfo-cache-negative-ttl",
        "0",
    ];
    // Nix remembers what it has uploaded, which has no signatures of the cache.
    let mut copy = nix.command("nix");
    copy.env("XDG_CACHE_HOME", nix.path(&format!("{name}-xdg"))).arg("copy").args(arguments).arg(nix.top());
    let output = copy.output().await.unwrap();
    (output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned())
}

fn check_top(nix: &RealNix, name: &str) {
    let large = Path::new(nix.top.as_str()).join("large");
    let copied = std::fs::read(nix.in_other(name, &large)).unwrap();
    assert!(copied == std::fs::read(nix.path("store").join(&large)).unwrap());
}

#[tokio::test]
async fn nix_copies_from_a_store_that_is_served_with_nix() {
    let Some(nix) = RealNix::find("nix_copies_from_a_store_that_is_served_with_nix").await else { return };
    let (secret, trusted) = key();
    let mut served = Cache { store: Some(nix.store()), keys: vec![secret], ..cache(None) };
    served.info.store_dir = nix.dir();
    let serving = Serving::start(served).await;
    let (done, said) = copy_back(&nix, &serving.url, "", "untrusting").await;
    assert!(!done && said.contains("signature"), "{said}");
    let (done, said) = copy_back(&nix, &serving.url, &trusted[0].to_string(), "one").await;
    assert!(done, "{said}");
    check_top(&nix, "one");

    let info = serving.narinfo(nix.top.hash()).await.unwrap();
    let nar = serving.body(&info.url).await.unwrap();
    assert_eq!((icefield_cache::Hash::of(&nar), nar.len() as u64), (info.nar_hash, info.nar_size));
    for range in [0..10, 100..300_000, nar.len() - 1000..nar.len()] {
        let request = client().get(format!("{}/{}", serving.url, info.url));
        let request = request.header("range", format!("bytes={}-{}", range.start, range.end - 1));
        assert!(request.send().await.unwrap().bytes().await.unwrap() == nar[range]);
    }
    let listing = serving.body(&format!("{}.ls", nix.top.hash())).await.unwrap();
    let listing: serde_json::Value = serde_json::from_slice(&listing).unwrap();
    let large = &listing["root"]["entries"]["large"];
    let at = large["narOffset"].as_u64().unwrap() as usize;
    assert!(nar[at..].starts_with(b"line 0\nline 1\n"), "{listing}");

    // What is damaged in the store is never served as whole.
    let file = nix.path("store").join(nix.top.as_str()).join("large");
    let text = std::fs::read(&file).unwrap();
    std::fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o644)).unwrap();
    let mut damaged = text.clone();
    damaged[5] = b'!';
    std::fs::write(&file, damaged).unwrap();
    let fresh = Cache { store: Some(nix.store()), ..cache(None) };
    let fresh = Serving::start(fresh).await;
    fresh.body(&info.url).await.expect_err("damaged");
    std::fs::write(&file, text).unwrap();
    assert!(fresh.body(&info.url).await.unwrap() == nar);
    assert_eq!(fresh.status("00000000000000000000000000000000.narinfo").await, 404);
}

#[tokio::test]
async fn nix_copies_to_a_folder_and_back_with_nix() {
    let Some(nix) = RealNix::find("nix_copies_to_a_folder_and_back_with_nix").await else { return };
    let netrc = nix.path("netrc");
    std::fs::write(&netrc, format!("machine 127.0.0.1 login anyone password {TOKEN}\n")).unwrap();
    for compression in ["xz", "zstd", "none"] {
        let home = nix.path(&format!("cache-{compression}"));
        let (secret, trusted) = key();
        let kept = folder(&home, &nix.dir());
        let served = Cache { keys: vec![secret], ..cache(Some(Arc::clone(&kept))) };
        let serving = Serving::start(served).await;
        let to = format!("{}?compression={compression}", serving.url);
        let (done, said) = nix.copy(&["--to", &to]).await;
        assert!(!done && said.contains("401"), "{said}");
        assert!(serving.narinfo(nix.top.hash()).await.is_none());
        let netrc = netrc.to_str().unwrap();
        let (done, said) = nix.copy(&["--to", &to, "--option", "netrc-file", netrc]).await;
        assert!(done, "{compression}: {said}");
        assert_eq!(kept.verify(&trusted, false).unwrap().bad.len(), 0);
        let (done, said) = copy_back(&nix, &serving.url, &trusted[0].to_string(), compression).await;
        assert!(done, "{compression}: {said}");
        check_top(&nix, compression);
    }
}

#[tokio::test]
async fn a_push_brings_all_and_nix_takes_it_with_nix() {
    let Some(nix) = RealNix::find("a_push_brings_all_and_nix_takes_it_with_nix").await else { return };
    let home = nix.path("cache");
    let serving = Serving::folder(&home, &nix.dir()).await;
    let (secret, trusted) = key();
    let http = icefield_api::Http::new(icefield_api::HttpOptions::default(), None);
    let to = Place::Url { url: serving.url.clone(), http, token: Some(TOKEN.into()) };
    let push = Push { store: nix.store(), to, keys: vec![secret], level: Some(3) };
    let mut sent = Vec::new();
    push.run(std::slice::from_ref(&nix.top), &mut |pushed| sent.push(pushed)).await.unwrap();
    assert_eq!(sent.len(), 3);
    assert!(sent.iter().all(|one| matches!(one, icefield_cache::Pushed::Sent(..))));
    sent.clear();
    push.run(std::slice::from_ref(&nix.top), &mut |pushed| sent.push(pushed)).await.unwrap();
    assert!(sent.iter().all(|one| matches!(one, icefield_cache::Pushed::There(_))));
    assert_eq!(folder(&home, &nix.dir()).verify(&trusted, false).unwrap().bad.len(), 0);
    let (done, said) = copy_back(&nix, &serving.url, &trusted[0].to_string(), "one").await;
    assert!(done, "{said}");
    check_top(&nix, "one");
    // A folder that Nix reads by itself.
    let files = nix.path("files");
    let push = Push { to: Place::Folder(folder(&files, &nix.dir())), ..push };
    push.run(std::slice::from_ref(&nix.top), &mut |_| {}).await.unwrap();
    let (done, said) = copy_back(&nix, &format!("file://{}", files.display()), &trusted[0].to_string(), "two").await;
    assert!(done, "{said}");
}

#[tokio::test]
async fn nix_uploads_and_fetches_over_tls_with_nix() {
    let Some(nix) = RealNix::find("nix_uploads_and_fetches_over_tls_with_nix").await else { return };
    let [authority, chain, key_text] = certificates();
    let config = icefield_cache::certificate_config(&chain, &key_text).unwrap();
    let (secret, trusted) = key();
    let kept = folder(&nix.path("cache"), &nix.dir());
    let served = Cache { keys: vec![secret], ..cache(Some(kept)) };
    let serving = Serving::secured(served, Security::Certificate(config)).await;
    let (netrc, authorities) = (nix.path("netrc"), nix.path("authority.pem"));
    std::fs::write(&netrc, format!("machine 127.0.0.1 login anyone password {TOKEN}\n")).unwrap();
    std::fs::write(&authorities, &authority).unwrap();
    let (netrc, authorities) = (netrc.to_str().unwrap(), authorities.to_str().unwrap());

    let to = format!("{}?compression=zstd", serving.url);
    let upload = ["--to", &to, "--option", "netrc-file", netrc];
    let (other, keys) = (nix.other("one"), trusted[0].to_string());
    let download = ["--from", &serving.url, "--to", &other, "--option", "trusted-public-keys", &keys];
    for options in [&upload[..], &download[..]] {
        // Without the variable Nix trusts those of the system, which do not have this one.
        for trusts in [false, true] {
            let mut copy = nix.command("nix");
            // Nix remembers what it has uploaded, which has no signatures of the cache.
            let remembered = nix.path(&format!("xdg{}", options[0]));
            copy.env("XDG_CACHE_HOME", remembered).arg("copy").args(options).arg(nix.top());
            if trusts {
                copy.env("NIX_SSL_CERT_FILE", authorities);
            }
            let output = copy.output().await.unwrap();
            let said = String::from_utf8_lossy(&output.stderr);
            assert_eq!(output.status.success(), trusts, "{said}");
            assert!(trusts || said.to_lowercase().contains("ssl"), "{said}");
        }
    }
    check_top(&nix, "one");
}
