use std::collections::BTreeSet;
use std::time::Duration;

use icefield_cache::{Collection, StoreDir};
use tempfile::tempdir;

use crate::serving::{MadeUp, Serving, folder, key, noise};

fn collection(roots: Option<&[&MadeUp]>, older_than: Duration) -> Collection {
    let roots = roots.map(|roots| roots.iter().map(|path| path.hash()).collect());
    Collection { roots, older_than, dry_run: false }
}

#[tokio::test]
async fn what_no_root_reaches_goes_and_nothing_else() {
    let home = tempdir().unwrap();
    let paths: Vec<MadeUp> = {
        let (a, b) = (MadeUp::new(1, b"a", &[]), MadeUp::new(2, b"b", &[]));
        let c = MadeUp::new(3, b"c", &[&a]);
        let d = MadeUp::new(4, b"d", &[&c]);
        let e = MadeUp::new(5, b"e", &[&b]);
        // It has the same NAR as one that goes.
        let f = MadeUp::new(6, b"e", &[]);
        vec![a, b, c, d, e, f]
    };
    let kept = folder(home.path(), &StoreDir::default());
    for path in &paths {
        path.write(home.path());
    }
    // All are younger than an hour.
    let none = kept.collect(&collection(Some(&[]), Duration::from_secs(3600))).unwrap();
    assert_eq!((none.removed.len(), none.kept), (0, 6));
    let dry = Collection { dry_run: true, ..collection(Some(&[&paths[3], &paths[5]]), Duration::ZERO) };
    assert_eq!(kept.collect(&dry).unwrap().removed.len(), 2);
    let collected = kept.collect(&collection(Some(&[&paths[3], &paths[5]]), Duration::ZERO)).unwrap();
    let removed: BTreeSet<&str> = collected.removed.iter().map(String::as_str).collect();
    assert_eq!(removed, [paths[1].info.path.as_str(), paths[4].info.path.as_str()].into());
    assert!(collected.freed_bytes > 0);
    let serving = Serving::folder(home.path(), &StoreDir::default()).await;
    for (number, path) in paths.iter().enumerate() {
        let there = ![1, 4].contains(&number);
        assert_eq!(serving.narinfo(path.hash()).await.is_some(), there, "{number}");
        assert_eq!(serving.body(&path.info.url).await.is_ok(), there || number == 4, "{number}");
    }
}

#[test]
fn nothing_goes_while_a_narinfo_cannot_be_read() {
    let home = tempdir().unwrap();
    let kept = folder(home.path(), &StoreDir::default());
    let (needed, stray) = (MadeUp::new(1, b"needed", &[]), MadeUp::new(2, b"stray", &[]));
    let root = MadeUp::new(3, b"root", &[&needed]);
    for path in [&needed, &stray, &root] {
        path.write(home.path());
    }
    // It is there, and reading it fails.
    std::fs::remove_file(home.path().join(root.narinfo_name())).unwrap();
    std::fs::create_dir(home.path().join(root.narinfo_name())).unwrap();
    let error = kept.collect(&collection(Some(&[&root]), Duration::ZERO)).unwrap_err().to_string();
    assert!(error.contains(&root.narinfo_name()) && error.contains("nothing was removed"), "{error}");
    assert!([&needed, &stray].iter().all(|path| home.path().join(path.narinfo_name()).exists()));
    assert!([&needed, &stray, &root].iter().all(|path| home.path().join(&path.info.url).exists()));
}

#[tokio::test]
async fn age_alone_keeps_what_the_young_need() {
    let home = tempdir().unwrap();
    let kept = folder(home.path(), &StoreDir::default());
    let old = MadeUp::new(1, b"old", &[]);
    let needed = MadeUp::new(2, b"needed", &[]);
    let young = MadeUp::new(3, b"young", &[&needed]);
    let past = std::time::SystemTime::now() - Duration::from_secs(7200);
    for path in [&old, &needed, &young] {
        path.write(home.path());
        if path.hash() != young.hash() {
            for name in [path.narinfo_name(), path.info.url.clone()] {
                std::fs::File::options().write(true).open(home.path().join(name)).unwrap().set_modified(past).unwrap();
            }
        }
    }
    let collected = kept.collect(&collection(None, Duration::from_secs(3600))).unwrap();
    assert_eq!(collected.removed, [old.info.path.as_str()]);
    assert!(!home.path().join(&old.info.url).exists() && home.path().join(&needed.info.url).exists());
}

#[tokio::test]
async fn a_client_gets_to_the_end_of_what_is_collected_meanwhile() {
    let home = tempdir().unwrap();
    let path = MadeUp::new(1, &noise(1, 20 << 20), &[]);
    let serving = Serving::folder(home.path(), &StoreDir::default()).await;
    path.write(home.path());
    let mut answer = serving.get(&path.info.url).await;
    let mut got = answer.chunk().await.unwrap().unwrap().to_vec();
    folder(home.path(), &StoreDir::default()).collect(&collection(Some(&[]), Duration::ZERO)).unwrap();
    assert_eq!(serving.status(&path.info.url).await, 404);
    while let Some(more) = answer.chunk().await.unwrap() {
        got.extend_from_slice(&more);
    }
    assert_eq!(got, path.file);
}

#[tokio::test]
async fn what_is_damaged_is_told_and_taken_out_of_the_way() {
    let home = tempdir().unwrap();
    let (secret, trusted) = key();
    let kept = folder(home.path(), &StoreDir::default());
    let paths: Vec<MadeUp> = (1..=5).map(|n| MadeUp::new(n, &noise(n.into(), 1000), &[]).signed(&secret)).collect();
    for path in &paths {
        path.write(home.path());
    }
    assert!(kept.verify(&trusted, true).unwrap().bad.is_empty());
    let mut file = paths[0].file.clone();
    file[500] ^= 1;
    std::fs::write(home.path().join(&paths[0].info.url), file).unwrap();
    std::fs::write(home.path().join(&paths[1].info.url), &paths[1].file[..900]).unwrap();
    std::fs::remove_file(home.path().join(&paths[2].info.url)).unwrap();
    let mut unsigned = paths[3].info.clone();
    unsigned.signatures.clear();
    std::fs::write(home.path().join(paths[3].narinfo_name()), unsigned.to_string()).unwrap();
    let found = kept.verify(&trusted, false).unwrap();
    let bad: Vec<&str> = found.bad.iter().map(|bad| bad.file.as_str()).collect();
    let expected =
        [paths[0].info.url.clone(), paths[1].info.url.clone(), paths[2].narinfo_name(), paths[3].narinfo_name()];
    assert_eq!(bad, expected);
    assert!(found.bad.iter().all(|bad| !bad.quarantined && !bad.problem.is_empty()));
    kept.verify(&trusted, true).unwrap();
    let after = kept.verify(&trusted, false).unwrap();
    assert_eq!((after.paths, after.bad.len()), (1, 0));
    let quarantined = std::fs::read_dir(home.path().join(".quarantine")).unwrap().count();
    assert_eq!(quarantined, 6);
    // What was taken away can come again.
    let serving = Serving::folder(home.path(), &StoreDir::default()).await;
    assert_eq!(serving.put_path(&paths[0]).await.0, 200);
}
