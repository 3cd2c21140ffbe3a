//! Processes that are killed, leave files or fork, and a process that lacks descriptors.

use std::fs::{File, metadata, read_dir};
use std::thread;
use std::time::{Duration, Instant};

use linkspan::{ErrorKind, Value};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::conformance::nature::Unread;
use crate::conformance::roles::{Other, Role, long};
use crate::conformance::sides::{MOMENT, Place, Rx, Tx, carries, check_error, pattern};
use crate::support::SOON;

/// Only whole messages arrive.
pub fn killed_sender_leaves_no_partial_message(place: &Place) {
    let rx = place.try_rx(&[("max_message_size", Value::Int(200 << 20))]).unwrap();
    let mut victim = Other::start(place, Role::SendLong);
    victim.wait_for("begins");
    // If only the newest value is available, the first two were overwritten.
    let first = if place.nature.is_latest_only() { 2 } else { 0 };
    (first..3).for_each(|i| assert_eq!(rx.number(), i));
    let before = bytes_of(&victim);
    victim.go_on();
    if matches!(place.nature.unread, Unread::InPlace | Unread::NewestInPlace) {
        // The sender never waits, so it is killed after its file grows.
        let began = Instant::now();
        while bytes_of(&victim) < before + (1 << 20) {
            assert!(began.elapsed() < SOON, "the sender did not begin to write");
            thread::yield_now();
        }
    } else {
        victim.wait_for("waits");
    }
    victim.kill();
    let sent = pattern(long(place.nature));
    // The first error reports the end of the peer; later ones report that no peer is left.
    let mut errors = Vec::new();
    while errors.len() < 3 {
        match rx.recv_within(MOMENT) {
            Ok(message) => assert!(message.body() == &sent[..], "a part of a message arrived"),
            Err(e) => errors.push(e.kind()),
        }
    }
    let passes =
        |kind: &ErrorKind| matches!(kind, ErrorKind::Disconnected | ErrorKind::Timeout | ErrorKind::NotFound);
    assert!(errors.iter().all(passes), "{errors:?}");
    carries(&place.tx(), &rx);
}

fn bytes_of(other: &Other) -> u64 {
    let open = read_dir(format!("/proc/{}/fd", other.id())).unwrap();
    // The process may have just closed a descriptor, whose size is then unknown.
    let files = open.filter_map(|fd| metadata(fd.unwrap().path()).ok()).filter(|file| file.is_file());
    files.map(|file| file.len()).sum()
}

/// The name works again each time, even with a killed process's files.
pub fn name_of_a_killed_holder_is_taken_over(place: &Place) {
    a_beginning(place);
    for _ in 0..3 {
        let mut dead = Other::start(place, Role::Hold);
        dead.wait_for("holds");
        if place.nature.one_holder {
            check_error(&place.try_hold().err().unwrap(), ErrorKind::AddressInUse, place);
        }
        dead.kill();
        if place.nature.name != "tcp" && place.nature.name != "file" {
            assert!(place.path().exists(), "a killed process cannot have removed its name");
        }
        if place.nature.channels && place.nature.unread != Unread::InPlace {
            check_error(&place.try_tx(&[], MOMENT).err().unwrap(), ErrorKind::NotFound, place);
        }
        place.works();
    }
}

/// Creates the temporary file of a process that was killed before the rename.
///
/// `tcp` uses no file, and a publisher renames only complete files.
fn a_beginning(place: &Place) {
    if !place.nature.channels || place.nature.name == "tcp" {
        return;
    }
    let name = format!(".new.{}", place.path().file_name().unwrap().to_str().unwrap());
    let begun = place.path().with_file_name(name);
    if place.nature.name == "spool" {
        std::fs::create_dir(&begun).unwrap();
    } else {
        File::create(&begun).unwrap();
    }
}

/// The end of the child ends no link.
pub fn forked_child_cannot_use_inherited_sides(place: &Place) {
    let (tx, rx) = place.pair();
    carries(&tx, &rx);
    tx.send(&Value::Int(1)).unwrap();
    // SAFETY: the child calls only functions that are safe after a fork of a threaded process. The library checks its
    // generation first, and `_exit` runs nothing else of this program.
    let child = unsafe { libc::fork() };
    if child == 0 {
        let refused = everything_is_refused(&tx, &rx);
        drop((tx, rx));
        // SAFETY: it ends this copy and runs nothing else.
        unsafe { libc::_exit(if refused { 7 } else { 1 }) }
    }
    assert!(child > 0);
    let mut status = 0;
    // SAFETY: `status` is valid for a write of one integer, and `child` is a child of this process.
    assert_eq!(unsafe { libc::waitpid(child, &mut status, 0) }, child);
    assert!(libc::WIFEXITED(status), "the child was ended by a signal: {status}");
    assert_eq!(libc::WEXITSTATUS(status), 7, "the child could use an object of its parent");
    assert_eq!(rx.number(), 1);
    carries(&tx, &rx);
    if place.nature.one_holder {
        check_error(&place.try_hold().err().unwrap(), ErrorKind::AddressInUse, place);
    }
    drop((tx, rx));
    a_child_keeps_no_name(&place.another());
}

fn everything_is_refused(tx: &Tx, rx: &Rx) -> bool {
    let is_refused = |error: linkspan::Error| error.kind() == ErrorKind::InvalidState;
    tx.send(&Value::Int(2)).is_err_and(is_refused)
        && rx.recv().is_err_and(is_refused)
        && rx.try_recv().is_err_and(is_refused)
        && rx.close(SOON).is_ok()
        && tx.close(SOON).is_ok()
}

/// The name is free, because the child is not a holder.
fn a_child_keeps_no_name(place: &Place) {
    let mut parent = Other::start(place, Role::HoldAndFork);
    parent.wait_for("forked");
    let _keeps_child = parent.kill();
    place.works();
}

/// Calls `run` while this process can open `count` more descriptors.
fn with_descriptors_left<T>(count: usize, run: impl FnOnce() -> T) -> T {
    let before = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: Some(256), maximum: before.maximum }).unwrap();
    let mut filling: Vec<File> = std::iter::from_fn(|| File::open("/dev/null").ok()).collect();
    filling.truncate(filling.len() - count);
    let done = run();
    drop(filling);
    setrlimit(Resource::Nofile, before).unwrap();
    done
}

const ENOUGH: usize = 48;

/// New objects fail with the documented kind and existing ones continue. Afterwards new objects can be
/// created.
pub fn lack_of_descriptors_is_reported_and_passes(place: &Place) {
    let (tx, rx) = place.pair();
    carries(&tx, &rx);
    let (mut refused, mut made, mut last) = (0, 0, None);
    for left in [0, 1, 2, 3, 4, 5, 6, 8, 10, 12, 16, 24, ENOUGH] {
        let other = place.another();
        // A side without descriptors never answers.
        let patience = if left == ENOUGH { SOON } else { MOMENT };
        let outcome = with_descriptors_left(left, || {
            let holder = other.try_hold().map(drop);
            if left == 0 {
                is_short(holder.as_ref().unwrap_err());
            }
            holder.and_then(|()| try_pair(&other, patience))
        });
        match outcome {
            Ok(()) => made += 1,
            Err(error) => {
                refused += 1;
                // Both sides are in this process, so the answering side may also lack descriptors.
                last = Some(error.clone());
                let kind = error.kind();
                assert!(
                    matches!(
                        kind,
                        ErrorKind::OutOfMemory
                            | ErrorKind::Full
                            | ErrorKind::Timeout
                            | ErrorKind::NotFound
                            | ErrorKind::Stalled
                            | ErrorKind::Disconnected
                    ),
                    "{error:?}"
                );
            }
        }
        with_descriptors_left(left.min(1), || match tx.send(&Value::Int(left as i64)) {
            Ok(_) => {}
            // Transports that store messages open a file for each.
            Err(e) if place.nature.unread != Unread::WithSender => is_short(&e),
            Err(e) => panic!("a link needs no more descriptors: {e}"),
        });
        carries(&tx, &rx);
        other.works();
    }
    assert!(refused > 0 && made > 0, "{refused} refused, {made} made, last error {last:?}");
}

fn try_pair(place: &Place, patience: Duration) -> linkspan::Result<()> {
    let (tx, rx) = if place.nature.channels {
        let rx = place.try_rx(&[])?;
        (place.try_tx(&[], patience)?, rx)
    } else {
        let tx = place.try_tx(&[], patience)?;
        (tx, place.try_rx(&[])?)
    };
    tx.send_payload(&crate::conformance::sides::raw(vec![1]), patience)?;
    rx.recv_within(patience).map(drop)
}

fn is_short(error: &linkspan::Error) {
    assert_eq!(error.kind(), ErrorKind::OutOfMemory, "{error}");
    assert!(error.text().contains("open files"), "the error names the limit: {error}");
}
