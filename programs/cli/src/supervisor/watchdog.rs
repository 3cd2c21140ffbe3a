//! A shell process that kills the program's process group if this process is killed.
//!
//! The kernel kills the program with its parent, but not its descendants. The watchdog reads the group's number from a
//! pipe, whose end means that this process has died. A descendant outside the group (`setsid`, job control) survives a
//! SIGKILL of this process, except in a control group.

use std::io::{self, Write};
use std::os::unix::process::CommandExt;
use std::process::{ChildStdin, Command, Stdio};

use linkspan::service::start_program;
use rustix::process::{Pid, Signal};

/// Reads lines with the number of the group.
///
/// The last one counts, and 0 means none. It ignores signals that request its end.
const SCRIPT: &str = r#"trap '' INT TERM HUP QUIT
group=0
while read -r line; do group=$line; done
[ "$group" -gt 1 ] && kill -KILL "-$group"
:"#;

/// The watchdog process; killed on drop.
pub struct Watchdog {
    /// None once another process killed it.
    pub pid: Option<Pid>,
    stdin: Option<ChildStdin>,
}

impl Watchdog {
    pub fn start() -> io::Result<Watchdog> {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", SCRIPT, "linkspan-watchdog"]).process_group(0).current_dir("/");
        // Some shells import functions, even one named `kill`.
        command.env_clear();
        // Readers of this process's output must not wait for it.
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut child = start_program(&mut command)?;
        let pid = Pid::from_raw(child.id().cast_signed())
            .ok_or_else(|| io::Error::other("a process without an ID"))?;
        Ok(Watchdog { pid: Some(pid), stdin: child.stdin.take() })
    }

    /// Sets the process group to kill; `None` once the program has ended.
    pub fn set_group(&mut self, group: Option<Pid>) {
        let group = group.map_or(0, |group| group.as_raw_nonzero().get());
        if let Some(stdin) = &mut self.stdin {
            // A watchdog that was killed is replaced when it is reaped.
            let _ = stdin.write_all(format!("{group}\n").as_bytes());
        }
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        let Some(pid) = self.pid else { return };
        // Closing its pipe would make it kill the group.
        let _ = rustix::process::kill_process(pid, Signal::KILL);
        let _ = rustix::process::waitpid(Some(pid), rustix::process::WaitOptions::empty());
    }
}
