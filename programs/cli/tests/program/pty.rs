//! A separate terminal for a program.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use rustix::fs::{Mode, OFlags, open};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcgetattr, tcsetwinsize};

/// Only guards against a hang.
const PATIENCE: Duration = Duration::from_secs(60);

/// Programs have one end, the test the other.
pub struct Pty {
    ours: File,
    theirs: OwnedFd,
    shown: Arc<(Mutex<Vec<u8>>, Condvar)>,
}

impl Pty {
    pub fn open(columns: u16, rows: u16) -> Pty {
        let ours = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
        grantpt(&ours).unwrap();
        unlockpt(&ours).unwrap();
        let name = ptsname(&ours, Vec::new()).unwrap();
        let theirs =
            open(name.as_c_str(), OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC, Mode::empty()).unwrap();
        let size = Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
        tcsetwinsize(&ours, size).unwrap();
        let ours = File::from(ours);
        let shown: Arc<(Mutex<Vec<u8>>, Condvar)> = Arc::default();
        let (mut reader, screen) = (ours.try_clone().unwrap(), shown.clone());
        // A terminal does not end while a process has it open.
        std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(count @ 1..) = reader.read(&mut bytes) {
                screen.0.lock().unwrap().extend(&bytes[..count]);
                screen.1.notify_all();
            }
        });
        Pty { ours, theirs, shown }
    }

    pub fn start(&self, command: &mut Command) -> Child {
        let end = || Stdio::from(self.theirs.try_clone().unwrap());
        command.env("TERM", "xterm-256color").stdin(end()).stdout(end()).stderr(end()).spawn().unwrap()
    }

    pub fn press(&mut self, keys: &str) {
        self.ours.write_all(keys.as_bytes()).unwrap();
    }

    /// Returns everything written so far.
    pub fn wait_for(&self, text: &str) -> String {
        let shown = self.shown.0.lock().unwrap();
        let is_there = |bytes: &mut Vec<u8>| !String::from_utf8_lossy(bytes).contains(text);
        let (shown, waited) = self.shown.1.wait_timeout_while(shown, PATIENCE, is_there).unwrap();
        let shown = String::from_utf8_lossy(&shown).into_owned();
        assert!(!waited.timed_out(), "{text:?} has not been shown, but {shown:?}");
        shown
    }

    /// Returns the whole output of a program that has ended; anything after it is from the test.
    pub fn all(&self) -> String {
        File::from(self.theirs.try_clone().unwrap()).write_all(b"<the end>").unwrap();
        self.wait_for("<the end>")
    }

    pub fn settings(&self) -> String {
        format!("{:?}", tcgetattr(&self.theirs).unwrap())
    }
}

pub fn assert_given_back(shown: &str) {
    for (taken, given) in [("\x1b[?1049h", "\x1b[?1049l"), ("\x1b[?25l", "\x1b[?25h")] {
        let last = |what: &str| shown.rfind(what).unwrap_or_else(|| panic!("no {what:?} in {shown:?}"));
        assert!(last(taken) < last(given), "{shown:?}");
    }
}
