//! Kills a recorder with SIGKILL at each system call of any thread.
//!
//! Synced messages must be in the file, and the next recorder must continue in the next part without a gap. Beyond the
//! budget, calls are sampled evenly from a random start; `LINKSPAN_FULL=1` tests all.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::process::ExitStatusExt;
use std::process::Command;
use std::time::Duration;

use crate::histories::Random;
use crate::lab::{Lab, recorded, seed};

const MESSAGES: u64 = 60;
const BUDGET: usize = 40;
const WORDS: [&str; 4] = ["--sync", "0.01", "--split", "40KiB"];

fn traced(recorder: &Command, words: &[String]) -> Command {
    let mut strace = Command::new("strace");
    strace.args(["-f", "-qq"]).args(words);
    strace.arg(recorder.get_program()).args(recorder.get_args());
    for (name, value) in recorder.get_envs() {
        strace.env(name, value.unwrap_or_default());
    }
    strace.stdin(std::process::Stdio::null());
    strace
}

#[test]
fn recorder_that_is_killed_at_any_system_call_loses_nothing_of_a_journal() {
    let mut random = Random::new(seed());
    let mut lab = Lab::new();
    lab.send(MESSAGES, Duration::ZERO);
    // This trace has every call of a complete run.
    let (folder, trace) = (lab.place("whole"), lab.place("trace"));
    std::fs::create_dir(&folder).unwrap();
    let words = ["-o".to_owned(), trace.display().to_string()];
    let done = traced(&Lab::of(&lab).recorder(&folder, MESSAGES, &WORDS), &words).output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let mut calls: BTreeMap<String, usize> = BTreeMap::new();
    for line in std::fs::read_to_string(&trace).unwrap().lines() {
        let call = line.split_once(' ').map_or("", |(_, rest)| rest.trim_start());
        if let Some((name, _)) = call
            .split_once('(')
            .filter(|(name, _)| name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_'))
        {
            *calls.entry(name.to_owned()).or_default() += 1;
        }
    }
    // strace injects by name. It cannot inject into calls of some kernels only, or without a name in its table.
    calls.retain(|name, _| name != "restart_syscall" && !name.starts_with("syscall_0x"));
    let all: Vec<(String, usize)> =
        calls.into_iter().flat_map(|(name, n)| (1..=n).map(move |i| (name.clone(), i))).collect();
    let budget = if std::env::var_os("LINKSPAN_FULL").is_some() { all.len() } else { BUDGET };
    let step = all.len().div_ceil(budget).max(1);
    let begin = random.below(step);
    let (mut tried, mut killed) = (0, 0);
    for (name, nth) in all.iter().skip(begin).step_by(step) {
        tried += 1;
        println!("{name} {nth}");
        let lab = Lab::of(&lab);
        let folder = lab.place("out");
        std::fs::create_dir(&folder).unwrap();
        let words = [
            "-o",
            "/dev/null",
            "-e",
            &format!("trace={name}"),
            "-e",
            &format!("inject={name}:signal=KILL:when={nth}"),
        ];
        let words = words.map(str::to_owned);
        let ended = traced(&lab.recorder(&folder, MESSAGES, &WORDS), &words).output().unwrap();
        killed += usize::from(ended.status.signal().is_some() || ended.status.code() == Some(137));
        let before = recorded(&folder).unwrap_or_else(|why| panic!("after {name} {nth}: {why}"));
        // The journal delivers unacknowledged messages to the next recorder. All others are on the disk.
        let last = before.last().copied().unwrap_or(0);
        if last < MESSAGES {
            let out = lab.recorder(&folder, MESSAGES - last, &WORDS).output().unwrap();
            let errors = String::from_utf8_lossy(&out.stderr).into_owned();
            assert!(out.status.success(), "the recorder after {name} {nth}: {}: {errors}", out.status);
        }
        let found = recorded(&folder).unwrap();
        let missing: Vec<_> = (1..=MESSAGES).collect::<BTreeSet<_>>().difference(&found).copied().collect();
        assert!(
            missing.is_empty(),
            "after {name} {nth}: {missing:?} are missing; the first recorder left {before:?}"
        );
    }
    println!("{} calls, {tried} tried, {killed} killed", all.len());
    assert!(killed * 2 > tried, "only {killed} of {tried} came to the call that was to kill them");
}
