//! SIGKILL at every system call of a spool's server and its clients.
//!
//! Accepted messages are never lost, no caller waits in vain, no request is answered twice, and no file
//! remains. A budget samples the calls evenly; `LINKSPAN_SEED` selects them, and `LINKSPAN_FULL=1` takes all.

use std::collections::BTreeMap;
use std::fs::{read_to_string, remove_file};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use linkspan::{Channel, ErrorKind, Options, Server, Value};

use crate::support::alone::one_at_a_time;
use crate::support::programs::program;
use crate::support::spools::{all_names, names, place};
use crate::support::victims::Random;
use crate::support::{SOON, short_or_full, spools};

const BUDGET: usize = 60;

const TIMES: &str = "3";

/// The calls that change something visible to others, or wait for it.
const CALLS: &str = "openat,linkat,unlinkat,renameat,renameat2,mkdirat,write,pwrite64,read,close,fcntl,fchmod,fchown,\
inotify_add_watch,epoll_wait,getdents64";

fn victim() -> PathBuf {
    program("test-victim")
}

fn live(words: &[&str], role: &str, endpoint: &str, incarnation: i64, given: &Path) -> bool {
    let status = Command::new("strace")
        .args(words)
        .arg(victim())
        .args([role, endpoint, &incarnation.to_string(), TIMES])
        .env("LINKSPAN_GIVEN", given)
        .stderr(std::process::Stdio::null())
        .status()
        .expect("strace has to be installed, see tools/apt.sh");
    // strace ends like its program.
    match status.signal() {
        Some(signal) => assert_eq!(signal, libc::SIGKILL),
        None => assert!(status.success(), "a victim that was not killed failed: {status}"),
    }
    status.signal().is_some()
}

/// Returns the moments of a kill: a call's name and number.
fn moments(role: &str, endpoint: &str, given: &Path) -> Vec<(String, usize)> {
    let trace = given.with_extension("trace");
    let traced = format!("trace={CALLS}");
    assert!(!live(&["-o", trace.to_str().unwrap(), "-e", &traced], role, endpoint, 0, given));
    let mut counts = BTreeMap::new();
    for line in read_to_string(&trace).unwrap().lines() {
        if let Some((name, _)) = line.split_once('(').filter(|(name, _)| CALLS.split(',').any(|c| c == *name))
        {
            *counts.entry(name.to_owned()).or_insert(0) += 1;
        }
    }
    let all: Vec<_> =
        counts.into_iter().flat_map(|(name, n)| (1..=n).map(move |i| (name.clone(), i))).collect();
    let budget = short_or_full(BUDGET, usize::MAX);
    if all.len() <= budget {
        return all;
    }
    let (total, shift) = (all.len(), Random::new().below(all.len() as u64) as usize);
    (0..budget).map(|i| all[(i * total / budget + shift) % total].clone()).collect()
}

/// Kills a life at every moment, and calls `between` after each. At least half of the kills must happen.
fn kill_at_every_moment(role: &str, endpoint: &str, given: &Path, mut between: impl FnMut(i64)) {
    let moments = moments(role, endpoint, given);
    between(0);
    let (tries, mut killed) = (moments.len(), 0);
    for (i, (name, nth)) in moments.into_iter().enumerate() {
        let incarnation = i as i64 + 1;
        println!("{role}: {name} {nth}");
        let _ = remove_file(given);
        let inject = format!("inject={name}:signal=KILL:when={nth}");
        let words = ["-o", "/dev/null", "-e", &format!("trace={name}"), "-e", &inject];
        killed += usize::from(live(&words, role, endpoint, incarnation, given));
        between(incarnation);
    }
    println!("{role}: {tries} tried, {killed} killed");
    assert!(killed * 2 > tries, "only {killed} of {tries} came to the call that was to kill them");
}

fn nothing_is_left(endpoint: &str, directory: &Path) {
    Server::serve(endpoint, &Options::default()).unwrap().close(SOON).unwrap();
    for folder in ["server", "client", "rejected"] {
        assert_eq!(all_names(&directory.join(folder)), [""; 0], "in {folder}");
    }
    assert_eq!(names(&directory.join("hello")), [""; 0]);
}

#[test]
fn accepted_message_arrives_whenever_its_client_is_killed() {
    let _alone = one_at_a_time();
    let folder = tempfile::tempdir().unwrap();
    let (endpoint, directory) = place();
    let server = Channel::open(&endpoint, &spools::json(), SOON).unwrap();
    let given = folder.path().join("given");
    kill_at_every_moment("post", &endpoint, &given, |incarnation| {
        let mut arrived = Vec::new();
        loop {
            match server.try_recv() {
                Ok(message) => {
                    let of = |path: &str| message.get(path).unwrap().as_i64().unwrap();
                    assert_eq!(of("0"), incarnation);
                    arrived.push(of("1"));
                }
                Err(e) if e.kind() == ErrorKind::Empty => break,
                Err(e) => panic!("{e:?}"),
            }
        }
        assert!(arrived.iter().enumerate().all(|(i, number)| i as i64 == *number), "{arrived:?}");
        let accepted = read_to_string(&given).unwrap_or_default().lines().count();
        assert!(
            arrived.len() == accepted || arrived.len() == accepted + 1,
            "{accepted} were accepted, {} have arrived",
            arrived.len()
        );
    });
    server.close(SOON).unwrap();
    nothing_is_left(&endpoint, &directory);
}

#[test]
fn killed_caller_disturbs_no_peer() {
    let _alone = one_at_a_time();
    let folder = tempfile::tempdir().unwrap();
    let (endpoint, directory) = place();
    let server = Server::serve(&endpoint, &Options::default()).unwrap();
    let given = folder.path().join("given");
    thread::scope(|s| {
        s.spawn(|| {
            while let Some(request) = server.next(None).unwrap() {
                if request.wants_reply() {
                    request.reply(request.value().unwrap()).unwrap();
                }
            }
        });
        let client = Channel::connect(&endpoint, &Options::default(), SOON).unwrap();
        kill_at_every_moment("call", &endpoint, &given, |incarnation| {
            let value = Value::Int(incarnation);
            assert_eq!(client.call(&value, SOON).unwrap().value().unwrap(), &value);
        });
        client.close(SOON).unwrap();
        drop(client);
        server.close(SOON).unwrap();
    });
    nothing_is_left(&endpoint, &directory);
}

#[test]
fn callers_of_a_killed_server_continue_with_the_next() {
    let _alone = one_at_a_time();
    let folder = tempfile::tempdir().unwrap();
    let (endpoint, directory) = place();
    drop(Server::serve(&endpoint, &Options::default()).unwrap());
    let (done, given) = (AtomicBool::new(false), folder.path().join("given"));
    let answered = Mutex::new(0i64);
    thread::scope(|s| {
        let caller = s.spawn(|| {
            let client = Channel::connect(&endpoint, &Options::default(), SOON).unwrap();
            while !done.load(Ordering::Relaxed) {
                let number = *answered.lock().unwrap();
                let answer = client.call(&Value::Int(number), SOON).unwrap();
                assert_eq!(answer.get("1").unwrap(), &Value::Int(number), "an answer to another request");
                *answered.lock().unwrap() += 1;
            }
            client.stats().at("dropped").unwrap().as_u64().unwrap()
        });
        kill_at_every_moment("serve", &endpoint, &given, |_| {
            let next = Server::serve(&endpoint, &Options::default()).unwrap();
            let request = next.next(SOON).unwrap().unwrap();
            request.reply(&Value::from(vec![Value::Int(-1), request.value().unwrap().clone()])).unwrap();
            next.close(SOON).unwrap();
        });
        done.store(true, Ordering::Relaxed);
        let last = Server::serve(&endpoint, &Options::default()).unwrap();
        while !caller.is_finished() {
            if let Ok(Some(request)) = last.next(std::time::Duration::from_millis(20)) {
                request.reply(&Value::from(vec![Value::Int(-1), request.value().unwrap().clone()])).unwrap();
            }
        }
        assert_eq!(caller.join().unwrap(), 0, "a request was answered twice");
    });
    assert!(*answered.lock().unwrap() > 0);
    nothing_is_left(&endpoint, &directory);
}
