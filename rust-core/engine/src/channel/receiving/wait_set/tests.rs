//! Sequences of waits, messages and expiries. Each step compares the kernel's timer with the recorded state.

use std::thread;
use std::time::Instant;

use rustix::time::timerfd_gettime;

use super::*;
use crate::deadline::{Timeout, Wait, Waiting};
use crate::error::ErrorKind;
use crate::sys::eventfd::EventFd;
use crate::sys::poll::is_readable;

const DATA: u64 = 1;
/// Longer than any wait of these tests on any machine.
const AGES: Duration = Duration::from_secs(300);

fn set() -> (WaitSet, EventFd) {
    let (set, link) = (WaitSet::new(Epoll::new().unwrap()), EventFd::new().unwrap());
    set.add(&link, DATA, Interest::IN).unwrap();
    (set, link)
}

fn waiting(time: impl Into<Timeout>) -> Waiting<'static> {
    Waiting::start(Wait::new(time.into()), Timeout::Default)
}

fn dialogue(set: &mut WaitSet) {
    (0..FIRST).for_each(|_| set.note_message());
}

/// Waits with a time-out. If the timer expired late, the wait ends with that error.
fn wait_until_time_is_up(set: &mut WaitSet, time: Duration) {
    if let Err(e) = set.wait(&mut waiting(time)) {
        assert_eq!(e.kind(), ErrorKind::Timeout);
    }
}

/// Returns whether the kernel's timer runs or has expired, so that it ends a sleep.
fn ends_a_sleep(set: &WaitSet) -> bool {
    set.timer.as_ref().is_some_and(|timer| {
        let left = timerfd_gettime(timer).unwrap().it_value;
        // If it expires between the two checks, the second one sees it.
        left.tv_sec != 0 || left.tv_nsec != 0 || is_readable(timer.as_fd())
    })
}

fn check(set: &WaitSet) {
    assert_eq!(set.armed, ends_a_sleep(set));
}

#[test]
fn short_wait_passes_after_its_time_and_leaves_no_armed_timer() {
    let (mut set, _link) = set();
    dialogue(&mut set);
    let begun = Instant::now();
    assert_eq!(set.wait_short(None, &mut waiting(Timeout::Forever)).unwrap(), Waited::Passed);
    assert!(begun.elapsed() >= PAUSE);
    check(&set);
    assert!(!set.armed);
    // An idle connection is not woken for it again.
    assert_eq!(set.wait_short(None, &mut waiting(Timeout::Forever)).unwrap(), Waited::Omitted);
    assert!(!is_readable(set.descriptor().as_fd()));
}

#[test]
fn short_wait_is_omitted_until_enough_messages_have_come() {
    let (mut set, _link) = set();
    (1..FIRST).for_each(|_| set.note_message());
    assert_eq!(set.wait_short(None, &mut waiting(AGES)).unwrap(), Waited::Omitted);
    assert!(set.timer.is_none());
    set.note_message();
    assert_eq!(set.wait_short(None, &mut waiting(AGES)).unwrap(), Waited::Passed);
}

#[test]
fn expiry_that_no_sleep_has_seen_ends_the_next_short_wait_and_arms_it_again() {
    let (mut set, link) = set();
    for _ in 0..3 {
        dialogue(&mut set);
        link.wake();
        assert_eq!(set.wait_short(None, &mut waiting(AGES)).unwrap(), Waited::Ready);
        link.drain();
        check(&set);
        // The timer expires while the program does something else.
        while !is_readable(set.timer.as_ref().unwrap().as_fd()) {
            thread::sleep(Duration::from_millis(1));
        }
        check(&set);
        let begun = Instant::now();
        assert_eq!(set.wait_short(None, &mut waiting(AGES)).unwrap(), Waited::Passed);
        assert!(begun.elapsed() >= PAUSE, "the time that passed before the wait does not count");
        check(&set);
    }
}

#[test]
fn expiry_beside_a_ready_link_is_seen_and_the_next_short_wait_ends() {
    let (mut set, link) = set();
    dialogue(&mut set);
    link.wake();
    assert_eq!(set.wait_short(None, &mut waiting(AGES)).unwrap(), Waited::Ready);
    while !is_readable(set.timer.as_ref().unwrap().as_fd()) {
        thread::sleep(Duration::from_millis(1));
    }
    // One sleep reports both.
    assert_eq!(set.wait_short(None, &mut waiting(AGES)).unwrap(), Waited::Ready);
    check(&set);
    assert!(!set.armed);
    link.drain();
    assert_eq!(set.wait_short(None, &mut waiting(AGES)).unwrap(), Waited::Passed);
}

#[test]
fn other_waits_are_not_ended_by_the_timer() {
    let (mut set, link) = set();
    for pause in [false, true] {
        dialogue(&mut set);
        link.wake();
        assert_eq!(set.wait_short(None, &mut waiting(AGES)).unwrap(), Waited::Ready);
        link.drain();
        assert!(set.armed);
        let (time, begun) = (PAUSE * 2, Instant::now());
        if pause {
            assert!(!set.wait_pause(&mut waiting(AGES)).unwrap());
            assert!(begun.elapsed() >= PAUSE);
        } else {
            wait_until_time_is_up(&mut set, time);
            assert!(begun.elapsed() >= time);
        }
        check(&set);
    }
}

#[test]
fn short_wait_on_the_link_alone_is_ended_by_it_and_by_the_timer() {
    let (mut set, link) = set();
    let other = EventFd::new().unwrap();
    set.add(&other, DATA, Interest::IN).unwrap();
    other.wake();
    for _ in 0..3 {
        dialogue(&mut set);
        link.wake();
        assert_eq!(set.wait_short(Some(link.as_fd()), &mut waiting(AGES)).unwrap(), Waited::Ready);
        link.drain();
        check(&set);
        assert_eq!(set.wait_short(Some(link.as_fd()), &mut waiting(AGES)).unwrap(), Waited::Passed);
        check(&set);
        // The next wait sees the other descriptors of the set.
        set.wait(&mut waiting(AGES)).unwrap();
    }
}

#[test]
fn call_with_little_time_has_no_short_wait() {
    let (mut set, _link) = set();
    dialogue(&mut set);
    assert_eq!(set.wait_short(None, &mut waiting(PAUSE)).unwrap(), Waited::Omitted);
    let none = set.wait_short(None, &mut waiting(Duration::ZERO)).unwrap_err();
    assert_eq!(none.kind(), ErrorKind::Timeout);
    check(&set);
}

#[test]
fn disarmed_timer_does_not_make_the_descriptor_readable() {
    let (mut set, link) = set();
    for expired in [false, true] {
        dialogue(&mut set);
        link.wake();
        assert_eq!(set.wait_short(None, &mut waiting(AGES)).unwrap(), Waited::Ready);
        link.drain();
        while expired && !is_readable(set.descriptor().as_fd()) {
            thread::sleep(Duration::from_millis(1));
        }
        set.disarm().unwrap();
        check(&set);
        thread::sleep(PAUSE * 2);
        assert!(!is_readable(set.descriptor().as_fd()));
    }
}

#[test]
fn message_from_another_thread_ends_a_short_wait_or_the_one_behind_it() {
    let (mut set, link) = set();
    for i in 0..40 {
        dialogue(&mut set);
        thread::scope(|s| {
            s.spawn(|| {
                thread::sleep(Duration::from_micros(i * 300));
                link.wake();
            });
            let alone = (i % 2 == 0).then(|| link.as_fd());
            if set.wait_short(alone, &mut waiting(AGES)).unwrap() != Waited::Ready {
                assert!(!set.armed);
                set.wait(&mut waiting(AGES)).unwrap();
            }
        });
        link.drain();
        check(&set);
    }
}

#[test]
fn timer_is_as_recorded_after_every_sequence_of_steps() {
    let seed = crate::sys::random::number().unwrap();
    println!("seed {seed}");
    let mut state = seed | 1;
    let mut random = move |below: u64| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state % below
    };
    let (mut set, link) = set();
    for _ in 0..300 {
        match random(8) {
            0 | 1 => dialogue(&mut set),
            2 => link.wake(),
            3 => link.drain(),
            4 => thread::sleep(Duration::from_micros(random(6000))),
            5 => set.disarm().unwrap(),
            6 => drop(set.wait_pause(&mut waiting(AGES)).unwrap()),
            _ => {
                // Each of these waits must end; otherwise the test hangs.
                let time = if random(2) == 0 { Timeout::Forever } else { Timeout::After(PAUSE * 4) };
                let alone = (random(2) == 0).then(|| link.as_fd());
                let waited = set.wait_short(alone, &mut waiting(time)).unwrap();
                assert!(waited != Waited::Passed || !set.armed);
                if waited != Waited::Ready && random(3) == 0 {
                    wait_until_time_is_up(&mut set, Duration::from_millis(2));
                }
            }
        }
        check(&set);
    }
}
