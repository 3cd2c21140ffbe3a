//! A sender whose store is full gets room, although the acknowledgement found no room on its way.

use std::path::Path;

use crate::support::{SOON, name};

use linkspan::{Channel, ErrorKind, Listener, Options, Value};

#[test]
fn acknowledgement_without_room_is_sent_once_there_is_room() {
    for transport in ["shm", "unix", "tcp"] {
        let endpoint = name(transport);
        let listener = Listener::listen(&endpoint, &Options::default()).unwrap();
        let mut few = Options::default();
        few.set("replay_count", &Value::from(2i64)).unwrap();
        let sender = Channel::connect(&endpoint, &few, SOON).unwrap();
        let receiver = &listener.accept(SOON).unwrap();
        sender.send(&Value::from("a"), SOON).unwrap();
        sender.send(&Value::from("b"), SOON).unwrap();
        // The way back is full to the last byte.
        let mut sent = 0;
        for body in [Value::from("x".repeat(1000).as_str()), Value::Null] {
            let full = loop {
                match receiver.try_send(&body) {
                    Ok(_) => sent += 1,
                    Err(e) => break e,
                }
            };
            assert_eq!(full.kind(), ErrorKind::Full, "{full}");
        }
        for text in ["a", "b"] {
            assert_eq!(*receiver.recv(SOON).unwrap().value().unwrap(), Value::from(text));
        }
        let (started, thread) = std::sync::mpsc::channel();
        std::thread::scope(|scope| {
            let last = scope.spawn(move || {
                started.send(std::fs::read_link("/proc/thread-self").unwrap()).unwrap();
                receiver.recv(SOON * 2)
            });
            until_asleep(&thread.recv().unwrap());
            sender.send(&Value::from("c"), SOON).unwrap();
            assert_eq!(*last.join().unwrap().unwrap().value().unwrap(), Value::from("c"));
        });
        for _ in 0..sent {
            sender.recv(SOON).unwrap();
        }
    }
}

fn until_asleep(thread: &Path) {
    let stat = Path::new("/proc").join(thread).join("stat");
    while !std::fs::read_to_string(&stat).unwrap().contains(") S ") {
        std::thread::yield_now();
    }
}
