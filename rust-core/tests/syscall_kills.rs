//! SIGKILL at every system call of connecting, accepting, sending, receiving, publishing and ending.
//!
//! strace kills a victim's thread, call by call. After each kill the survivor and the next incarnation
//! continue, nothing more is held, and the next start can clean every remaining name. A budget samples the
//! calls evenly; `LINKSPAN_SEED` selects them, and `LINKSPAN_FULL=1` takes all.

use std::collections::BTreeMap;
use std::fs::{create_dir_all, read_to_string};
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use std::os::unix::process::ExitStatusExt;

use crate::support::alone::one_at_a_time;
use crate::support::short_or_full;
use crate::support::victims::{Life, Random, Role, Survivor, Victim, held, left_at, nothing_more_is_held};

const BUDGET: usize = 16;

/// All three sizes of message, and answers.
const TIMES: i64 = 9;

/// The number of lives in which each kill may happen.
const LIVES: usize = 3;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Thread {
    Main,
    /// The thread that answers newcomers.
    Acceptor,
}

struct Tracer(Child);

impl Tracer {
    fn new(words: &[&str], thread: u32) -> Tracer {
        let mut command = Command::new("strace");
        command.args(words).args(["-p", &thread.to_string()]);
        let mut child = command
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("strace has to be installed, see tools/apt.sh");
        // It counts from this message on.
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let line = lines.next().expect("strace ended at once").unwrap();
        assert!(line.contains("attached"), "strace: {line}");
        // Its later message, that the process has ended, is not needed, but the pipe needs a reader.
        std::thread::spawn(move || lines.for_each(drop));
        Tracer(child)
    }

    fn end(mut self) {
        let ended = self.0.wait().unwrap();
        assert!(ended.success() || ended.signal().is_some(), "strace: {ended}");
    }
}

struct Case {
    thread: Thread,
    survivor: Survivor,
    folder: String,
    incarnation: i64,
}

impl Case {
    fn victim(&mut self, gate: Option<&str>) -> Victim {
        self.incarnation += 1;
        let life = Life { times: Some(TIMES), gate };
        self.survivor.meet(self.incarnation, life)
    }

    /// Runs one life under strace; true if it was killed.
    fn traced(&mut self, words: &[&str]) -> bool {
        let warm = format!("{}/warm", self.folder);
        let gate = if self.thread == Thread::Acceptor { warm.as_str() } else { "" };
        let mut victim = self.victim(Some(gate));
        let threads = victim.threads();
        let tracer = Tracer::new(words, threads[self.thread as usize]);
        victim.go_on();
        let ended = self.survivor.attend(&mut victim, 3);
        tracer.end();
        match ended.signal() {
            Some(signal) => assert_eq!(signal, libc::SIGKILL),
            None => assert!(ended.success(), "a victim that was not killed failed: {ended}"),
        }
        ended.signal().is_some()
    }

    /// Returns the calls of one whole life with their numbers.
    fn calls(&mut self) -> BTreeMap<String, usize> {
        let file = format!("{}/trace", self.folder);
        assert!(!self.traced(&["-o", &file]), "not killed");
        let mut calls = BTreeMap::new();
        for line in read_to_string(&file).unwrap().lines() {
            // A call that was under way when strace attached is shown as a restart, whose beginning counts.
            if let Some((name, _)) =
                line.split_once('(').filter(|(name, _)| name.chars().all(|c| c.is_alphanumeric() || c == '_'))
            {
                *calls.entry(name.to_owned()).or_default() += 1;
            }
        }
        // strace injects by name. Only some kernels answer to `restart_syscall`, and strace lists newer calls
        // only by number.
        calls.retain(|name, _| name != "restart_syscall" && !name.starts_with("syscall_0x"));
        calls
    }
}

fn sample<T>(all: Vec<T>, random: &mut Random) -> Vec<T> {
    let budget = short_or_full(BUDGET, usize::MAX);
    if all.len() <= budget {
        return all;
    }
    let total = all.len();
    let shift = random.below(total as u64) as usize;
    let chosen =
        |i: &usize| (i + shift) % total * budget / total != ((i + shift) % total + 1) * budget / total;
    all.into_iter().enumerate().filter(|(i, _)| chosen(i)).map(|(_, one)| one).collect()
}

fn survives(transport: &str, role: Role, thread: Thread) {
    let _alone = one_at_a_time();
    let mut random = Random::new();
    let survivor = Survivor::new(transport, role);
    let folder = format!("{}/warm", std::env::var("LINKSPAN_DIR").unwrap());
    create_dir_all(&folder).unwrap();
    let mut case = Case { thread, survivor, folder, incarnation: 0 };
    let mut calls = case.calls();
    for _ in 1..LIVES {
        // Polls differ between lives, so calls from every life are used.
        let again = case.calls();
        for name in again.keys() {
            calls.entry(name.clone()).or_insert(1);
        }
        for (name, n) in &mut calls {
            *n = (*n).min(again.get(name).copied().unwrap_or(1));
        }
    }
    let total: usize = calls.values().sum();
    let all: Vec<(String, usize)> =
        calls.into_iter().flat_map(|(name, n)| (1..=n).map(move |i| (name.clone(), i))).collect();
    let chosen = sample(all, &mut random);
    let tries = chosen.len();
    let (before, names) = (held(), left_at(case.survivor.endpoint()));
    let mut killed = 0;
    for (name, nth) in chosen {
        println!("{transport} {role:?} {thread:?}: {name} {nth}");
        let inject = format!("inject={name}:signal=KILL:when={nth}");
        let words = ["-o", "/dev/null", "-e", &format!("trace={name}"), "-e", &inject];
        // A wait can be over before it begins, so a few calls occur only in some lives.
        killed += usize::from((0..LIVES).any(|_| case.traced(&words)));
        let next = case.victim(None);
        case.survivor.see_out(next);
        nothing_more_is_held(before);
        let left = left_at(case.survivor.endpoint());
        assert_eq!(left, names, "after the next incarnation has come and gone");
    }
    println!("{transport} {role:?} {thread:?}: {total} calls, {tries} tried, {killed} killed");
    assert!(killed * 2 > tries, "only {killed} of {tries} came to the call that was to kill them");
    case.survivor.leave();
}

macro_rules! suite {
    ($($transport:ident: $($role:ident($($thread:ident)*))*;)*) => {
        $(#[allow(non_snake_case, reason = "a case is called as its role and its thread are")]
        mod $transport {
            $(mod $role {
                use super::super::{Role, Thread, survives};
                $(#[test] fn $thread() { survives(stringify!($transport), Role::$role, Thread::$thread) })*
            })*
        })*
    };
}

suite! {
    shm: Exchange(Main) Listen(Main Acceptor) Serve(Main Acceptor) Call(Main) Publish(Main Acceptor) Subscribe(Main);
    unix: Exchange(Main) Listen(Main Acceptor) Serve(Main Acceptor) Call(Main) Publish(Main Acceptor) Subscribe(Main);
    tcp: Exchange(Main) Listen(Main Acceptor) Serve(Main Acceptor) Call(Main) Publish(Main Acceptor) Subscribe(Main);
    spool: Exchange(Main) Listen(Main) Serve(Main) Call(Main);
    fifo: Exchange(Main) Listen(Main Acceptor) Serve(Main Acceptor) Call(Main);
    dgram: Send(Main) Receive(Main);
    file: Publish(Main) Subscribe(Main);
    journal: Publish(Main) Subscribe(Main);
}
