//! Other processes of a case: this program again, with a role until it is stopped or killed.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, ChildStdin, ChildStdout, Stdio};
use std::sync::Arc;

use linkspan::{Options, Value};

use crate::conformance::alone;
use crate::conformance::nature::Nature;
use crate::conformance::sides::{Place, pattern, raw};
use crate::support::SOON;

const ROLE: &str = "LINKSPAN_TEST_ROLE";
const ENDPOINT: &str = "LINKSPAN_TEST_ENDPOINT";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    Hold,
    HoldAndFork,
    /// Sends three short messages, and then long ones without end.
    SendLong,
    /// Sends one message, and then writes invalid bytes to everything that reaches the other side.
    Garble,
}

const ROLES: [(&str, Role); 4] = [
    ("hold", Role::Hold),
    ("hold-and-fork", Role::HoldAndFork),
    ("send-long", Role::SendLong),
    ("garble", Role::Garble),
];

pub fn is_one() -> bool {
    std::env::var_os(ROLE).is_some()
}

/// Returns the length in bytes of a message that takes a while to send.
pub fn long(nature: &Nature) -> usize {
    nature.longest.min(40 << 20)
}

/// Another process, killed at the latest when this is dropped.
pub struct Other {
    child: Child,
    stdout: BufReader<ChildStdout>,
}

impl Other {
    pub fn start(place: &Place, role: Role) -> Other {
        let word = ROLES.iter().find(|(_, one)| *one == role).unwrap().0;
        let mut command = alone::again(place.nature, &alone::this_case());
        command.env(ROLE, word).env(ENDPOINT, &place.endpoint);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        Other { child, stdout }
    }

    pub fn wait_for(&mut self, word: &str) {
        let mut line = String::new();
        while !line.trim_end().ends_with(&format!("@{word}")) {
            line.clear();
            assert!(
                self.stdout.read_line(&mut line).unwrap() > 0,
                "the process ended before it printed {word}"
            );
        }
    }

    /// Makes the process continue after [`wait`].
    pub fn go_on(&mut self) {
        self.child.stdin.as_mut().unwrap().write_all(b"\n").unwrap();
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Kills the process; returns its standard input: its child lives until that is dropped.
    pub fn kill(mut self) -> ChildStdin {
        let input = self.child.stdin.take().unwrap();
        self.child.kill().unwrap();
        let status = self.child.wait().unwrap();
        assert_eq!(status.signal(), Some(libc::SIGKILL), "the process ended by itself: {status}");
        input
    }
}

impl Drop for Other {
    fn drop(&mut self) {
        if self.child.try_wait().is_ok_and(|ended| ended.is_none()) {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

fn print_word(word: &str) {
    // Not through `println!`, whose output the test harness captures.
    let mut out = std::io::stdout().lock();
    writeln!(out, "@{word}").unwrap();
    out.flush().unwrap();
}

/// Waits for [`Other::go_on`]; ends this process after its parent's end.
fn wait() {
    if std::io::stdin().lock().read(&mut [0]).unwrap() == 0 {
        std::process::exit(0);
    }
}

pub fn play(nature: &'static Nature) {
    rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL)).unwrap();
    let word = std::env::var(ROLE).unwrap();
    let role = ROLES.iter().find(|(name, _)| *name == word).unwrap().1;
    let place = Place::at(nature, std::env::var(ENDPOINT).unwrap());
    match role {
        Role::Hold => hold(&place, false),
        Role::HoldAndFork => hold(&place, true),
        Role::SendLong => send_long(&place),
        Role::Garble => crate::conformance::garbage::play(&place, print_word, wait),
    }
    std::process::exit(0);
}

const FORKED: &[u8] = b"@forked\n";
static mut BYTE: u8 = 0;

fn hold(place: &Place, forks: bool) {
    let ends = place.try_hold().unwrap();
    if forks {
        // SAFETY: the child writes, reads and ends; it runs nothing else of this program.
        match unsafe { libc::fork() } {
            // The child prints the word, after the fork handlers of the library have released its parent's
            // objects.
            // SAFETY: static bytes are written, one byte is read into one byte, and then this copy ends.
            0 => unsafe {
                libc::write(1, FORKED.as_ptr().cast(), FORKED.len());
                libc::read(0, (&raw mut BYTE).cast(), 1);
                libc::_exit(0)
            },
            child => assert!(child > 0),
        }
    } else {
        print_word("holds");
    }
    wait();
    drop(ends);
}

fn send_long(place: &Place) {
    let mut options = Options::default();
    options.set("client_id", &"victim".into()).unwrap();
    options.set("max_message_size", &Value::Int(200 << 20)).unwrap();
    // Prints when the sender must wait in the middle of a message.
    options.on_wait = Some(Arc::new(|| {
        print_word("waits");
        true
    }));
    let tx = place.try_tx_with(&options, SOON).unwrap();
    for i in 0..3 {
        tx.send(&Value::Int(i)).unwrap();
    }
    print_word("begins");
    wait();
    let payload = raw(pattern(long(place.nature)));
    loop {
        tx.send_payload(&payload, SOON).unwrap();
    }
}
