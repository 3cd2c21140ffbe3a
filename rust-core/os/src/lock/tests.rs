//! Tests of locks on names, in private and in shared directories.

use super::*;
use crate::deadline::Waiting;

#[test]
fn kept_file_is_used_again_while_it_is_the_common_one_and_nothing_waited() {
    let folder = tempfile::tempdir().unwrap();
    let directory = Directory::existing(folder.path()).unwrap();
    let mut kept = KeptFile::default();
    let mut waiting = Waiting::until(crate::deadline::Deadline::after(Duration::from_secs(60)));
    let mut at_once = Waiting::at_once();
    let first = kept.take(&directory, "a", &mut waiting).unwrap();
    assert!(try_lock(&directory, "a").unwrap().is_none(), "it is held");
    let file = first.file().clone();
    drop(first);
    let second = kept.take(&directory, "a", &mut waiting).unwrap();
    assert!(Arc::ptr_eq(second.file(), &file), "the same open file");
    drop(second);
    let other = try_lock(&directory, "a").unwrap().unwrap();
    assert_eq!(kept.take(&directory, "a", &mut at_once).unwrap_err().kind(), ErrorKind::Stalled);
    assert!(kept.0.is_none(), "a thread may still wait by that file");
    drop(other);
    let third = kept.take(&directory, "a", &mut waiting).unwrap();
    assert!(!Arc::ptr_eq(third.file(), &file));
    drop(third);
    std::fs::remove_file(folder.path().join(NAME)).unwrap();
    let other = try_lock(&directory, "a").unwrap().unwrap();
    assert_eq!(kept.take(&directory, "a", &mut at_once).unwrap_err().kind(), ErrorKind::Stalled);
    drop(other);
    kept.take(&directory, "a", &mut waiting).unwrap();
}

#[test]
fn claim_waits_for_sweep_and_not_for_owner() {
    let folder = tempfile::tempdir().unwrap();
    let directory = Directory::existing(folder.path()).unwrap();
    let owner = try_lock(&directory, "a").unwrap().unwrap();
    assert!(claim(&directory, "a").unwrap().is_none());
    let (begun, sweeps) = std::sync::mpsc::channel();
    let waits = std::thread::scope(|scope| {
        let claims = scope.spawn(|| {
            begun.send(()).unwrap();
            // `claim` does not wait longer than for a sweep.
            std::iter::from_fn(|| Some(claim(&directory, "a").unwrap())).flatten().next()
        });
        sweeps.recv().unwrap();
        drop(owner);
        claims.join().unwrap()
    });
    assert!(waits.is_some());
}

#[test]
fn lock_holds_several_names_and_releases_all() {
    let folder = tempfile::tempdir().unwrap();
    let directory = Directory::existing(folder.path()).unwrap();
    assert!(!is_locked(&directory, "a").unwrap());
    let mut lock = try_lock(&directory, "a").unwrap().unwrap();
    assert!(lock.also(&directory, "b").unwrap());
    let other = try_lock(&directory, "c").unwrap().unwrap();
    assert!(!lock.also(&directory, "c").unwrap());
    for (name, held) in [("a", true), ("b", true), ("c", true), ("d", false)] {
        assert_eq!(is_locked(&directory, name).unwrap(), held, "{name}");
    }
    assert!(try_lock(&directory, "b").unwrap().is_none());
    drop(lock);
    assert!(!is_locked(&directory, "a").unwrap() && !is_locked(&directory, "b").unwrap());
    assert!(is_locked(&directory, "c").unwrap());
    drop(other);
}

#[test]
fn own_lock_has_one_holder_under_contention() {
    use std::os::unix::fs::PermissionsExt;
    for round in 0..50 {
        let folder = tempfile::tempdir().unwrap();
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o2770)).unwrap();
        let directory = Directory::existing(folder.path()).unwrap();
        // A member of the group can hold every byte of the common file.
        let hostile = Arc::new(open(&directory).unwrap());
        let _hostile =
            (round % 2 == 0).then(|| record_lock::try_take(&hostile, Span::WRITE).unwrap().unwrap());
        let barrier = std::sync::Barrier::new(8);
        let held: Vec<Lock> = std::thread::scope(|scope| {
            let tries = || {
                barrier.wait();
                try_own(&directory, "a").unwrap()
            };
            let all: Vec<_> = (0..8).map(|_| scope.spawn(tries)).collect();
            all.into_iter().filter_map(|one| one.join().unwrap()).collect()
        });
        assert!(held.len() <= 1, "{} hold it at once", held.len());
        assert!(held.iter().all(|lock| lock.is_visible() == (round % 2 == 1)));
        drop(held);
        let lock = own(&directory, "a").unwrap().unwrap();
        assert!(is_held(&directory, "a").unwrap() && try_own(&directory, "a").unwrap().is_none());
        assert!(try_own(&directory, "b").unwrap().is_some());
        drop(lock);
        assert!(try_own(&directory, "a").unwrap().is_some());
        for name in existing_own_files(&directory).unwrap() {
            let mode = folder.path().join(&name).metadata().unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600, "{name}");
        }
    }
}

#[test]
fn documents_show_bytes() {
    let rows = ["", "lab@fft.shm", "lab@fft.unix", "lab@valve.fifo#client", "lab@log.journal/logger"]
        .map(|name| [format!("`{name}`"), offset(name).to_string()]);
    let table = crate::documents::table(["name", "byte of `.lock`"], rows);
    crate::documents::check("lock bytes", &table);
}
