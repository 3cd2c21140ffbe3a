//! A listener that is closed before it accepts.

use super::*;
use crate::deadline::{Deadline, Waiting};
use crate::error::Error;
use crate::frame::Incoming;
use crate::sys::directory::Directory;
use crate::sys::peer::Credentials;
use std::os::fd::AsFd;

use rustix::event::PollFlags;

use crate::sys::poll;
use crate::sys::socket::Carries;
use crate::transport::place::{Access, Place};

const ACCEPT_DELAY: Duration = Duration::from_millis(200);

/// Admits every peer, and waits before it accepts.
struct Slow;

impl HandshakeHandler for Slow {
    fn check_user(&self, _: Option<&Credentials>) -> Result<()> {
        Ok(())
    }

    fn check_hello(&self, _: &Incoming) -> Result<()> {
        Ok(())
    }

    fn answer(&self, _: IncomingHandshake) -> Result<Answer> {
        Ok(Answer { frame: b"welcome".to_vec(), descriptors: Vec::new(), admitted: Box::new(|| {}) })
    }

    fn refusal(&self, _: &Error) -> Vec<u8> {
        b"no".to_vec()
    }

    fn accept_delay(&self) -> Option<Duration> {
        Some(ACCEPT_DELAY)
    }
}

#[test]
fn caller_of_a_listener_that_is_closed_before_it_accepts_is_hung_up_on() {
    let folder = tempfile::tempdir().unwrap();
    let directory = Arc::new(Directory::existing(folder.path()).unwrap());
    let listens = |name: &str| {
        let place = Place { directory: directory.clone(), file: name.into() };
        let claim = ListenSource::Socket(place.claim(Access::default()).unwrap());
        (open(claim, Arc::new(Slow)).unwrap(), place)
    };
    // The thread runs as long as there is a listener.
    let _other = listens("other.unix");
    let hello = crate::frame::Header::new(crate::frame::Kind::Hello, crate::Encoding::Cbor);
    // Again where a loaded machine took longer than the accept delay.
    let caller = (0..100).find_map(|attempt| {
        let (registration, place) = listens(&format!("late-{attempt}.unix"));
        let begun = Instant::now();
        let caller = place.connect(Carries::Bytes, Duration::ZERO).unwrap().unwrap();
        rustix::io::write(&caller, &hello.to_bytes()).unwrap();
        // The thread has been woken, and is in its accept delay.
        std::thread::sleep(Duration::from_millis(50));
        drop(registration);
        (begun.elapsed() < ACCEPT_DELAY).then_some(caller)
    });
    let caller = caller.expect("closed within the accept delay");
    let mut waiting = Waiting::until(Deadline::after(Duration::from_secs(20)));
    poll::wait_any(&mut waiting, [(caller.as_fd(), PollFlags::IN)]).unwrap();
    let mut bytes = [0; 16];
    assert!(
        matches!(rustix::io::read(&caller, &mut bytes), Ok(0) | Err(rustix::io::Errno::CONNRESET)),
        "{bytes:?}"
    );
}
