//! Relayed links, as between two machines: numbers and acknowledgements pass end to end despite cuts.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "in a test a panic is the report"
)]

#[path = "../../tests/support/mod.rs"]
mod support;

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use linkspan::{Channel, ErrorKind, Listener, Options, Value};
use linkspan_relay::{RelayLink, RelayListener};

use support::{SOON, name};

fn is_over(stop: &AtomicBool) -> bool {
    stop.load(Ordering::Relaxed)
}

/// Relays the programs that connect at `far`, and cuts each link after `cut_after` frames; 0 cuts none.
fn hand_on(listener: &RelayListener, far: &str, cut_after: usize, stop: &AtomicBool) {
    while !is_over(stop) {
        let Some(caller) = listener.next_caller().unwrap() else {
            thread::sleep(Duration::from_millis(1));
            continue;
        };
        let Ok((answer, there)) = RelayLink::call(far, &caller.hello().unwrap(), "south", SOON) else {
            continue;
        };
        let here = caller.answer(&answer, there.is_some(), "north");
        let (Some(mut there), Ok(Some(mut here))) = (there, here) else { continue };
        let mut frames = 0;
        while (cut_after == 0 || frames < cut_after) && !is_over(stop) {
            let (out, back) = (step(&mut here, &mut there, stop), step(&mut there, &mut here, stop));
            let (Some(out), Some(back)) = (out, back) else { break };
            frames += out + back;
            if out + back == 0 {
                thread::sleep(Duration::from_micros(100));
            }
        }
    }
}

/// Relays a frame, if there is one; `None` after an end has closed.
fn step(from: &mut RelayLink, to: &mut RelayLink, stop: &AtomicBool) -> Option<usize> {
    let Some(frame) = from.try_recv().ok()? else { return Some(0) };
    while !to.try_send(&frame).ok()? {
        if is_over(stop) {
            return None;
        }
        thread::yield_now();
    }
    Some(1)
}

fn while_handed_on(near: &str, far: &str, cut_after: usize, test: impl FnOnce()) {
    let stop = AtomicBool::new(false);
    let listener = RelayListener::listen(near, &Options::default().with_machine("north")).unwrap();
    thread::scope(|s| {
        s.spawn(|| hand_on(&listener, far, cut_after, &stop));
        let _stops = Stops(&stop);
        test();
    });
}

struct Stops<'a>(&'a AtomicBool);

impl Drop for Stops<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

const TRANSPORTS: [(&str, &str); 4] = [("shm", "shm"), ("shm", "unix"), ("unix", "shm"), ("unix", "unix")];
const COUNT: i64 = 1000;

fn send_all(channel: &Channel) {
    for number in 0..COUNT {
        channel.send(&Value::Int(number), SOON).unwrap();
    }
}

fn take_all(channel: &Channel) {
    for number in 0..COUNT {
        assert_eq!(channel.recv(SOON).unwrap().value().unwrap(), &Value::Int(number), "once and in order");
    }
}

#[test]
fn both_directions_arrive_once_and_in_order_across_cuts() {
    for (near, far) in TRANSPORTS {
        for cut_after in [0, 40, 300] {
            let (near, far) = (name(near), name(far));
            while_handed_on(&near, &far, cut_after, || {
                let there = Channel::open(&far, &Options::default(), SOON).unwrap();
                let here = Channel::connect(&near, &Options::default(), SOON).unwrap();
                thread::scope(|s| {
                    s.spawn(|| send_all(&there));
                    s.spawn(|| {
                        take_all(&there);
                        // The next call acknowledges the last message.
                        while !here.is_closed() {
                            let _ = there.recv(Duration::from_millis(10));
                        }
                    });
                    let (sends, takes) = (s.spawn(|| send_all(&here)), s.spawn(|| take_all(&here)));
                    sends.join().unwrap();
                    takes.join().unwrap();
                    // Unconsumed messages of the last cut link are replayed over a new one.
                    let consumed = || here.stats().at("unacknowledged").unwrap() == &Value::Int(0);
                    let began = Instant::now();
                    while !consumed() {
                        assert!(began.elapsed() < SOON, "{:?}", here.stats());
                        let _ = here.recv(Duration::from_millis(10));
                    }
                    here.close(SOON).unwrap();
                });
            });
        }
    }
}

#[test]
fn acknowledgement_has_the_consumed_number_of_the_remote_program() {
    for (near, far) in TRANSPORTS {
        let (near, far) = (name(near), name(far));
        while_handed_on(&near, &far, 0, || {
            let there = Channel::open(&far, &Options::default(), SOON).unwrap();
            let here = Channel::connect(&near, &Options::default(), SOON).unwrap();
            here.send(&Value::Int(7), SOON).unwrap();
            let error = here.close(Duration::from_millis(200)).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Timeout, "it was not consumed: {error}");
            assert_eq!(there.recv(SOON).unwrap().value().unwrap(), &Value::Int(7));
            let again = Channel::connect(&near, &Options::default(), SOON).unwrap();
            thread::scope(|s| {
                again.send(&Value::Int(8), SOON).unwrap();
                let closes = s.spawn(|| again.close(SOON));
                let message = there.recv(SOON).unwrap();
                assert_eq!(message.value().unwrap(), &Value::Int(8));
                assert!(message.source().ends_with("@south"), "{}", message.source());
                // The next call acknowledges this message.
                let _ = there.recv(Duration::from_millis(500));
                closes.join().unwrap().unwrap();
            });
        });
    }
}

#[test]
fn client_without_a_name_keeps_what_was_sent_to_it_across_a_cut() {
    let (near, far) = (name("shm"), name("shm"));
    let listener = Listener::listen(&far, &Options::default()).unwrap();
    while_handed_on(&near, &far, 40, || {
        let here = Channel::connect(&near, &Options::default(), SOON).unwrap();
        thread::scope(|s| {
            s.spawn(|| take_all(&here));
            let mut number = 0;
            let began = Instant::now();
            while number < COUNT {
                assert!(began.elapsed() < SOON, "it did not come back");
                let there = listener.accept(SOON).unwrap();
                while number < COUNT && there.send(&Value::Int(number), SOON).is_ok() {
                    number += 1;
                }
            }
            while let Ok(there) = listener.accept(Duration::from_millis(500)) {
                let _ = there.recv(Duration::from_millis(100));
            }
        });
    });
}

#[test]
fn refusals_reach_the_caller_and_names_stay_with_their_owner() {
    let (near, far) = (name("shm"), name("unix"));
    while_handed_on(&near, &far, 0, || {
        let _publishes = linkspan::Publisher::new(&far, &Options::default()).unwrap();
        let error = Channel::connect(&near, &Options::default(), SOON).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidState);
        assert!(error.text().contains("subscribe"), "{error}");
        let error = RelayListener::listen(&near, &Options::default()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AddressInUse);
    });
    let error = RelayListener::listen("spool:relay/none", &Options::default()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    let error = RelayLink::call(&name("shm"), b"no frame", "south", SOON).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Malformed);
}
