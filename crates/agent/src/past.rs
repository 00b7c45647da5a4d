//! What attempts of jobs leave when they are over: what they wrote, so that it can still be read.

use std::fs;

use icefield_plan::ReplicaId;

use crate::home::Home;

/// How many attempts of one job are kept.
const KEPT: usize = 10;

/// Keeps what `id` wrote, and deletes what older attempts of its job left. Its own folder goes at once.
pub(crate) fn keep(home: &Home, id: &ReplicaId) {
    delete(&home.replica(id).work(), id);
    let known = home.known_replicas().unwrap_or_default();
    let same: Vec<_> = known.into_iter().filter(|(other, _)| other.service == id.service).collect();
    let over = same.len().saturating_sub(KEPT);
    for (other, home) in same.into_iter().take(over) {
        delete(home.root(), &other);
    }
}

fn delete(folder: &std::path::Path, id: &ReplicaId) {
    if let Err(error) = fs::remove_dir_all(folder)
        && error.kind() != std::io::ErrorKind::NotFound
    {
        tracing::warn!(replica = %id, %error, "its folder {} stays", folder.display());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_ten_are_kept_and_other_jobs_are_left_alone() {
        let root = tempfile::tempdir().unwrap();
        let home = Home::new(root.path());
        let id = |text: &str| text.parse::<ReplicaId>().unwrap();
        for index in 0..15 {
            fs::create_dir_all(home.replica(&id(&format!("migrate/{index}"))).work()).unwrap();
        }
        fs::create_dir_all(home.replica(&id("web/0")).work()).unwrap();
        keep(&home, &id("migrate/14"));
        let left: Vec<String> = home.known_replicas().unwrap().iter().map(|(id, _)| id.to_string()).collect();
        assert_eq!(left.len(), 11, "{left:?}");
        assert!(
            left.contains(&"migrate/5".into()) && !left.contains(&"migrate/4".into()) && left.contains(&"web/0".into())
        );
        assert!(!home.replica(&id("migrate/14")).work().exists() && home.replica(&id("web/0")).work().exists());
    }
}
