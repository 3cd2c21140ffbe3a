//! A program that forks: signals of its child do not reach it.

use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::Duration;

use linkspan::{Channel, ErrorKind, Options, Reactor, Server, Subscriber, Value};

use crate::support::{SOON, alone::alone, name};

fn child_that_is_asked_to_stop() {
    // SAFETY: the child calls only functions that are safe after a fork of a threaded process.
    let child = unsafe { libc::fork() };
    if child == 0 {
        // SAFETY: as above; it ends this copy and runs nothing else.
        unsafe {
            libc::raise(libc::SIGTERM);
            libc::_exit(7);
        }
    }
    assert!(child > 0);
    let mut status = 0;
    // SAFETY: `status` is a place for one number, and the child is ours.
    assert_eq!(unsafe { libc::waitpid(child, &mut status, 0) }, child);
    assert!(libc::WIFSIGNALED(status) && libc::WTERMSIG(status) == libc::SIGTERM, "status {status:#x}");
}

#[test]
fn reactor_of_the_parent_is_refused_in_a_forked_child() {
    let reactor = Reactor::thread("futures").unwrap();
    let subscriber = Subscriber::new(&name("shm"), &Options::default()).unwrap();
    for _ in 0..20 {
        // SAFETY: the child takes no lock of this process and ends at once.
        let child = unsafe { libc::fork() };
        if child == 0 {
            let is_refused = |kind| kind == ErrorKind::InvalidState;
            let turned = reactor.turn(Duration::ZERO).is_err_and(|error| is_refused(error.kind()));
            let mut context = Context::from_waker(Waker::noop());
            let received = pin!(subscriber.recv_async(&reactor)).poll(&mut context);
            let received = matches!(received, Poll::Ready(Err(error)) if is_refused(error.kind()));
            // SAFETY: it ends this copy and runs nothing else.
            unsafe { libc::_exit(i32::from(!turned || !received)) };
        }
        let mut status = 0;
        // SAFETY: `status` is a place for one number, and the child is ours.
        assert_eq!(unsafe { libc::waitpid(child, &mut status, 0) }, child);
        assert_eq!(status, 0);
    }
}

#[test]
fn loop_of_a_server_goes_on_after_a_child_was_asked_to_stop() {
    alone!(loop_of_a_server_goes_on_after_a_child_was_asked_to_stop);
    let endpoint = name("shm");
    let server = Server::serve(&endpoint, &Options::default()).unwrap();
    thread::scope(|scope| {
        let served = scope.spawn(|| {
            let mut answered = 0;
            while let Some(request) = server.next(None).unwrap() {
                answered += 1;
                request.reply(&Value::Int(answered)).unwrap();
            }
            answered
        });
        let client = Channel::connect(&endpoint, &Options::default(), SOON).unwrap();
        let call = || client.call(&Value::Null, SOON).unwrap().value().unwrap().clone();
        assert_eq!(call(), Value::Int(1), "the loop has installed its handlers");
        child_that_is_asked_to_stop();
        assert_eq!(call(), Value::Int(2));
        // Its own signal ends it.
        // SAFETY: the signal has a handler.
        unsafe { libc::kill(libc::getpid(), libc::SIGTERM) };
        assert_eq!(served.join().unwrap(), 2);
    });
}
