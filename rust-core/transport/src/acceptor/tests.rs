//! A listener that is closed before it accepts, and peers whose memory files take long to examine.

use super::*;
use crate::deadline::{Deadline, Waiting};
use crate::error::Error;
use crate::frame::Incoming;
use crate::sys::directory::Directory;
use crate::sys::peer::Credentials;
use std::os::fd::AsFd;

use rustix::event::PollFlags;

use crate::place::{Access, Place};
use crate::sys::poll;
use crate::sys::socket::Carries;

const ACCEPT_DELAY: Duration = Duration::from_millis(200);

struct Slow;

impl HandshakeHandler for Slow {
    fn check_user(&self, _: Option<&Credentials>) -> Result<()> {
        Ok(())
    }

    fn check_hello(&self, _: &Incoming) -> Result<()> {
        Ok(())
    }

    fn answer(&self, _: IncomingHandshake) -> Result<HandshakeAnswer> {
        Ok(HandshakeAnswer { frame: b"welcome".to_vec(), descriptors: Vec::new(), admitted: Box::new(|| {}) })
    }

    fn refusal(&self, _: &Error) -> Vec<u8> {
        b"no".to_vec()
    }

    fn accept_delay(&self) -> Option<Duration> {
        Some(ACCEPT_DELAY)
    }
}

#[test]
fn caller_of_a_listener_that_is_closed_before_it_accepts_is_disconnected() {
    let folder = tempfile::tempdir().unwrap();
    let directory = Arc::new(Directory::existing(folder.path()).unwrap());
    let listens = |name: &str| {
        let place = Place { directory: directory.clone(), file: name.into() };
        let bound = ListenSource::Socket(place.bind(Access::default()).unwrap());
        (open(bound, Arc::new(Slow)).unwrap(), place)
    };
    // The thread runs while there is a listener.
    let _other = listens("other.unix");
    let hello = crate::frame::Header::new(crate::frame::Kind::Hello, crate::codec::Encoding::Cbor);
    // Repeated if a loaded machine took longer than the accept delay.
    let caller = (0..100).find_map(|attempt| {
        let (registration, place) = listens(&format!("late-{attempt}.unix"));
        let begun = Instant::now();
        let caller = place.connect(Carries::Bytes, Duration::ZERO).unwrap().unwrap();
        rustix::io::write(&caller, &hello.to_bytes()).unwrap();
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

#[derive(Default)]
struct Noting(Mutex<Vec<String>>);

impl HandshakeHandler for Noting {
    fn check_user(&self, _: Option<&Credentials>) -> Result<()> {
        Ok(())
    }

    fn check_hello(&self, _: &Incoming) -> Result<()> {
        Ok(())
    }

    fn answer(&self, handshake: IncomingHandshake) -> Result<HandshakeAnswer> {
        let body = String::from_utf8(handshake.hello.body.whole().to_vec()).unwrap();
        self.0.lock().unwrap().push(body);
        Ok(HandshakeAnswer { frame: b"welcome".to_vec(), descriptors: Vec::new(), admitted: Box::new(|| {}) })
    }

    fn refusal(&self, _: &Error) -> Vec<u8> {
        b"no".to_vec()
    }
}

#[test]
fn newcomer_does_not_wait_until_the_long_file_of_another_is_examined() {
    use crate::sys::memory::MemoryFile;
    let folder = tempfile::tempdir().unwrap();
    let directory = Arc::new(Directory::existing(folder.path()).unwrap());
    let place = |name: String| Place { directory: directory.clone(), file: name };
    let access = || Access { carries: Carries::Descriptors, ..Access::default() };
    let bound = |place: &Place| ListenSource::Socket(place.bind(access()).unwrap());
    let busy = place("busy.unix".into());
    let _busy = open(bound(&busy), Arc::new(Slow)).unwrap();
    let long = MemoryFile::create("long", 4 * crate::sys::memory::PeerFile::SLICE as usize).unwrap();
    let order = (0..100).find_map(|attempt| {
        let handler = Arc::new(Noting::default());
        let noted = place(format!("noted-{attempt}.shm"));
        let _registration = open(bound(&noted), handler.clone()).unwrap();
        // The thread sleeps before it accepts this one, and then finds both others.
        let begun = Instant::now();
        let _first = busy.connect(Carries::Bytes, Duration::ZERO).unwrap().unwrap();
        std::thread::sleep(Duration::from_millis(50));
        let callers = [("long", vec![long.fd()]), ("short", Vec::new())].map(|(body, files)| {
            let caller = noted.connect(Carries::Descriptors, Duration::ZERO).unwrap().unwrap();
            let header = crate::frame::Header::new(crate::frame::Kind::Hello, crate::codec::Encoding::Raw);
            let header = crate::frame::Header { body: body.len() as u64, ..header };
            let frame = [&header.to_bytes()[..], body.as_bytes()].concat();
            socket::send(&caller, &[std::io::IoSlice::new(&frame)], &files).unwrap();
            caller
        });
        if begun.elapsed() >= ACCEPT_DELAY {
            return None;
        }
        for caller in &callers {
            let mut waiting = Waiting::until(Deadline::after(Duration::from_secs(20)));
            poll::wait_any(&mut waiting, [(caller.as_fd(), PollFlags::IN)]).unwrap();
            let mut bytes = [0; 16];
            assert_eq!(rustix::io::read(caller, &mut bytes), Ok(7), "welcome");
        }
        let order = handler.0.lock().unwrap().clone();
        Some(order)
    });
    assert_eq!(order.expect("both within the accept delay"), ["short", "long"]);
}
