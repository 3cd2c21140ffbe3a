//! Whoever survives us: a shell that waits for our end, and then kills the program's process group.
//!
//! The kernel kills the program itself when we die, but not what the program has started. That is this one's work: it
//! reads which group there is from a pipe that only we hold open. What leaves the group, by `setsid` or job control,
//! survives a SIGKILL of ours; systemd's control groups and containers catch that.

use std::io::{self, Write};
use std::os::unix::process::CommandExt;
use std::process::{ChildStdin, Command, Stdio};

use linkspan::service::NOTIFY_VARIABLES;
use rustix::process::{Pid, Signal};

/// Reads the group's number, the last one counts; 0 for none. It is not in our process group, and heeds no signal to end.
const SCRIPT: &str = r#"trap '' INT TERM HUP QUIT
group=0
while read -r line; do group=$line; done
[ "$group" -gt 1 ] && kill -KILL "-$group"
:"#;

/// It ends when this is dropped.
pub struct Keeper {
    /// None once it has ended by itself.
    pub pid: Option<Pid>,
    stdin: Option<ChildStdin>,
}

impl Keeper {
    pub fn start() -> io::Result<Keeper> {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", SCRIPT, "linkspan-keeper"]).process_group(0).current_dir("/");
        for name in NOTIFY_VARIABLES {
            command.env_remove(name);
        }
        // What waits for the end of our output is not to wait for it.
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut child = command.spawn()?;
        let pid = Pid::from_raw(child.id().cast_signed())
            .ok_or_else(|| io::Error::other("a process without a number"))?;
        Ok(Keeper { pid: Some(pid), stdin: child.stdin.take() })
    }

    /// This group goes with us; none has ended.
    pub fn keeps(&mut self, group: Option<Pid>) {
        let group = group.map_or(0, |group| group.as_raw_nonzero().get());
        if let Some(stdin) = &mut self.stdin {
            // One that was killed is noticed by its end.
            let _ = stdin.write_all(format!("{group}\n").as_bytes());
        }
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        let Some(pid) = self.pid else { return };
        // Not by the end of its pipe, which would be our death.
        let _ = rustix::process::kill_process(pid, Signal::KILL);
        let _ = rustix::process::waitpid(Some(pid), rustix::process::WaitOptions::empty());
    }
}
