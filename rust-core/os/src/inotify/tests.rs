//! Watches that share one instance; any watch may read it.

// One read leaves events if a parallel test makes many: `take_all` takes them.
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::instance::DIRECT;
use super::*;
use crate::poll;

/// Enough to find a wake-up lost between two steps of another thread.
const ROUNDS: u32 = 5000;

#[test]
fn each_watch_gets_its_events_whichever_reads() {
    let folder = tempfile::tempdir().unwrap();
    let second = tempfile::tempdir().unwrap();
    let watch = |path: &Path, what| Watch::names(path, what, "watching").unwrap();
    let made = watch(folder.path(), WatchFlags::CREATE);
    let removed = watch(folder.path(), WatchFlags::DELETE);
    let in_second = watch(second.path(), WatchFlags::CREATE);
    std::fs::write(folder.path().join("a"), "").unwrap();
    std::fs::write(folder.path().join("b"), "").unwrap();
    std::fs::remove_file(folder.path().join("a")).unwrap();
    assert_eq!(made.take_all().names, ["a", "b"]);
    assert!(crate::poll::is_readable(removed.state.waker.as_fd()));
    assert!(!crate::poll::is_readable(in_second.state.waker.as_fd()));
    assert_eq!(removed.take_all().names, ["a"]);
    assert!(in_second.take_all().names.is_empty());
    made.also(second.path(), WatchFlags::MOVED_TO, "watching").unwrap();
    std::fs::write(second.path().join("x"), "").unwrap();
    std::fs::rename(second.path().join("x"), second.path().join("y")).unwrap();
    assert_eq!(made.take_all().names, ["y"]);
    assert_eq!(in_second.take_all().names, ["x"]);
    drop(removed);
    std::fs::write(folder.path().join("c"), "").unwrap();
    assert_eq!(made.take_all().names, ["c"]);
    folder.close().unwrap();
    assert!(made.take_all().gone);
}

#[test]
fn names_that_another_watch_has_read_are_taken_some_at_a_time() {
    let folder = tempfile::tempdir().unwrap();
    let watch = |path: &Path| Watch::names(path, WatchFlags::CREATE, "watching").unwrap();
    let (one, other) = (watch(folder.path()), watch(folder.path()));
    let made: Vec<_> = (0..1000).map(|i| format!("{i:04}")).collect();
    made.iter().for_each(|name| std::fs::write(folder.path().join(name), "").unwrap());
    assert_eq!(other.take_all().names, made);
    let mut taken = Vec::new();
    for _ in 0..10 {
        assert!(crate::poll::is_readable(one.state.waker.as_fd()), "{} were taken", taken.len());
        let names = one.take_some(100).names;
        assert_eq!(names.len(), 100);
        taken.extend(names);
    }
    assert_eq!(taken, made);
    assert!(!crate::poll::is_readable(one.state.waker.as_fd()));
    // A look at everything finds lost events.
    std::fs::write(folder.path().join("last"), "").unwrap();
    other.take_all();
    one.state.news().overflown = true;
    let news = one.take_some(0);
    assert!(news.overflown && news.names == ["last"]);
    assert!(!crate::poll::is_readable(one.state.waker.as_fd()));
}

/// A wake-up during a watch's `take` stays in the eventfd or was taken.
#[test]
fn wake_ups_of_another_thread_are_not_lost_while_a_watch_takes_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let watch = || Watch::names(folder.path(), WatchFlags::CREATE, "watching").unwrap();
    let (one, other) = (watch(), watch());
    let make = |name: String| drop(std::fs::File::create(folder.path().join(name)).unwrap());
    let start = std::sync::Barrier::new(2);
    std::thread::scope(|scope| {
        let takes = scope.spawn(|| {
            for _ in 0..ROUNDS {
                start.wait();
                one.take();
                start.wait();
            }
        });
        let mut lost = 0;
        for round in 0..ROUNDS {
            make(format!("{round}"));
            other.take();
            make(format!("{round} more"));
            start.wait();
            other.take();
            start.wait();
            for WatchState { woken, waker, .. } in [&*one.state, &*other.state] {
                lost += u32::from(woken.load(Ordering::Acquire) != crate::poll::is_readable(waker.as_fd()));
            }
        }
        takes.join().unwrap();
        assert_eq!(lost, 0, "of {ROUNDS} rounds");
    });
}

#[test]
fn write_into_a_file_wakes_each_watch_of_it_whichever_reads() {
    let folder = tempfile::tempdir().unwrap();
    let directory = Directory::existing(folder.path()).unwrap();
    let path = folder.path().join("value");
    let mut file = std::fs::File::create(&path).unwrap();
    let [first, second] = ["first", "second"].map(|_| Watch::of_name(&directory, "value").unwrap());
    first.contents(&file).unwrap();
    second.contents(&file).unwrap();
    std::io::Write::write_all(&mut file, b"1").unwrap();
    assert!(first.take_all().changed);
    assert!(crate::poll::is_readable(second.state.waker.as_fd()), "the first watch took its event");
    assert!(second.take_all().changed);
}

#[test]
fn one_descriptor_tells_of_events_whoever_reads_them() {
    let folder = tempfile::tempdir().unwrap();
    let watch = || Watch::names(folder.path(), WatchFlags::CREATE, "watching").unwrap();
    let (set, other) = (WatchSet::of(watch()).unwrap(), watch());
    std::fs::write(folder.path().join("a"), "").unwrap();
    other.take_all();
    assert!(crate::poll::is_readable(set.as_fd()), "another watch has read the event");
    assert_eq!(set.take().names, ["a"]);
}

/// The thread wakes only watches beyond the first ones, each by its own names.
#[test]
fn thread_reads_for_watches_that_do_not_sleep_on_the_instance() {
    let folder = tempfile::tempdir().unwrap();
    let directory = Directory::existing(folder.path()).unwrap();
    let watches: Vec<_> = (0..40).map(|i| Watch::of_name(&directory, &format!("n{i}")).unwrap()).collect();
    let woken: Vec<_> = watches.iter().filter(|watch| watch.descriptors().count() == 1).collect();
    assert!(woken.len() >= 40 - DIRECT);
    std::fs::write(folder.path().join("n39"), "").unwrap();
    let last = watches.last().unwrap();
    let mut waiting =
        crate::deadline::Waiting::until(crate::deadline::Deadline::after(Duration::from_secs(60)));
    poll::wait_readable(&mut waiting, &last.descriptors().collect::<Vec<_>>()).unwrap();
    assert!(last.has_changed());
    let others = woken.iter().filter(|watch| watch.state.woken.load(Ordering::Acquire)).count();
    assert_eq!(others, 0);
}

#[test]
fn files_that_are_gone_take_no_memory_of_a_watch() {
    let folder = tempfile::tempdir().unwrap();
    let directory = Directory::existing(folder.path()).unwrap();
    let watch = Watch::new(&directory).unwrap();
    for _ in 0..100 {
        let path = folder.path().join("value");
        let file = std::fs::File::create(&path).unwrap();
        watch.contents(&file).unwrap();
        drop(file);
        std::fs::remove_file(path).unwrap();
        assert!(watch.take_all().gone);
    }
    watch.also(folder.path(), WatchFlags::DELETE, "watching").unwrap();
    assert!(watch.numbers.lock().unwrap().len() <= 2);
    let Table { watches, .. } = &*watch.shared.table();
    let is_ours = |one: &Weak<WatchState>| std::ptr::eq(one.as_ptr(), &raw const *watch.state);
    assert!(watches.values().filter(|all| all.iter().any(|(_, one)| is_ours(one))).count() <= 2);
}

#[test]
fn renames_are_counted_for_an_owner_that_does_not_sleep_on_them() {
    let folder = tempfile::tempdir().unwrap();
    let directory = Directory::existing(folder.path()).unwrap();
    let watch = Watch::renames(&directory, ["a", "b"].map(str::to_owned).into()).unwrap();
    let all = Watch::all_names(&directory).unwrap();
    for name in ["a", "c", "a", "b", "a"] {
        let staged = folder.path().join(".staged");
        std::fs::write(&staged, "").unwrap();
        std::fs::rename(&staged, folder.path().join(name)).unwrap();
        std::fs::write(folder.path().join("b"), "").unwrap();
    }
    assert!(!watch.state.is_direct, "it takes no place");
    assert_eq!(watch.take_all().renamed, ["a", "a", "b", "a"]);
    assert_eq!(all.take_all().renamed, ["a", "c", "a", "b", "a"]);
    assert!(watch.take_all().renamed.is_empty());
}

#[test]
fn watch_of_a_name_is_not_changed_by_other_names() {
    let folder = tempfile::tempdir().unwrap();
    let directory = Directory::existing(folder.path()).unwrap();
    let watch = Watch::of_name(&directory, "value").unwrap();
    let has_changed = |watch: &Watch| watch.take_all().changed;
    assert!(!has_changed(&watch));
    std::fs::write(folder.path().join(".new.value"), "1").unwrap();
    assert!(!has_changed(&watch), "another name was made");
    std::fs::rename(folder.path().join(".new.value"), folder.path().join("value")).unwrap();
    assert!(has_changed(&watch), "the name was given");
    assert!(!has_changed(&watch), "that was taken");
    let other = Watch::new(&directory).unwrap();
    std::fs::write(folder.path().join("value.new"), "2").unwrap();
    assert!(has_changed(&other) && !has_changed(&watch), "whichever of them reads");
    std::fs::rename(folder.path().join("value.new"), folder.path().join("value")).unwrap();
    assert!(has_changed(&other) && has_changed(&watch), "whichever of them reads");
}
