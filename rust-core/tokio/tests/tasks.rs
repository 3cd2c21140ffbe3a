//! Tasks of tokio that send, receive, call and serve; time-outs of tokio; a runtime without a reactor.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "in a test a panic is the report"
)]

#[path = "../../tests/support/mod.rs"]
mod support;

use std::sync::Arc;
use std::time::Duration;

use linkspan::{Channel, ErrorKind, Listener, Options, Publisher, Server, Subscriber, Value};
use support::{SOON, name};
use tokio::runtime::{Builder, Runtime};
use tokio::time::timeout;

fn runtimes() -> [(&'static str, Runtime); 2] {
    [
        ("current thread", Builder::new_current_thread().enable_all().build().unwrap()),
        ("threads", Builder::new_multi_thread().worker_threads(3).enable_all().build().unwrap()),
    ]
}

#[test]
fn tasks_call_over_one_channel_and_are_answered() {
    const TASKS: u64 = 8;
    const CALLS: u64 = 50;
    for (what, runtime) in runtimes() {
        for transport in ["shm", "unix"] {
            let endpoint = name(transport);
            runtime.block_on(async {
                let reactor = linkspan_tokio::reactor().unwrap();
                let server = Server::serve(&endpoint, &Options::default()).unwrap();
                let answers = reactor.clone();
                let serves = tokio::spawn(async move {
                    for _ in 0..TASKS * CALLS {
                        let request = server.next_async(&answers).await.unwrap().unwrap();
                        request.reply(request.value().unwrap()).unwrap();
                    }
                });
                let client = Arc::new(Channel::dial(&endpoint, &Options::default()).unwrap());
                let tasks: Vec<_> = (0..TASKS)
                    .map(|task| {
                        let (client, reactor) = (client.clone(), reactor.clone());
                        tokio::spawn(async move {
                            for i in 0..CALLS {
                                let asked = Value::from(task * 1_000 + i);
                                let answer = client.call_async(&asked, &reactor).await.unwrap();
                                assert_eq!(answer.value().unwrap(), &asked);
                            }
                        })
                    })
                    .collect();
                for task in tasks {
                    timeout(SOON, task).await.unwrap_or_else(|_| panic!("{what}, {transport}")).unwrap();
                }
                serves.await.unwrap();
            });
        }
    }
}

#[test]
fn time_out_of_tokio_takes_no_message() {
    for (_, runtime) in runtimes() {
        runtime.block_on(async {
            let endpoint = name("shm");
            let reactor = linkspan_tokio::reactor().unwrap();
            let subscriber = Subscriber::new(&endpoint, &Options::default()).unwrap();
            timeout(Duration::from_millis(20), subscriber.recv_async(&reactor)).await.unwrap_err();
            let publisher = Publisher::new(&endpoint, &Options::default()).unwrap();
            for i in 0..100_u64 {
                publisher.send(&Value::from(i)).unwrap();
            }
            let mut next = 0;
            while next < 100 {
                // Each future ends before or after its message.
                if let Ok(message) = timeout(Duration::ZERO, subscriber.recv_async(&reactor)).await {
                    assert_eq!(message.unwrap().value().unwrap(), &Value::from(next));
                    next += 1;
                }
            }
        });
    }
}

#[test]
fn many_objects_wait_with_one_reactor() {
    const COUNT: usize = 100;
    for (what, runtime) in runtimes() {
        runtime.block_on(async {
            let reactor = linkspan_tokio::reactor().unwrap();
            let names: Vec<_> = (0..COUNT).map(|_| name("shm")).collect();
            let tasks: Vec<_> = names
                .iter()
                .map(|name| {
                    let subscriber = Subscriber::new(name, &Options::default()).unwrap();
                    let reactor = reactor.clone();
                    tokio::spawn(async move {
                        subscriber.recv_async(&reactor).await.unwrap().value().unwrap().as_u64().unwrap()
                    })
                })
                .collect();
            tokio::task::yield_now().await;
            let publishers: Vec<_> =
                names.iter().map(|name| Publisher::new(name, &Options::default()).unwrap()).collect();
            for (i, publisher) in publishers.iter().enumerate() {
                publisher.send(&Value::from(i as u64)).unwrap();
            }
            for (i, task) in tasks.into_iter().enumerate() {
                // At each event of the directory every subscriber looks for its name: some seconds of processor time.
                let got = timeout(SOON * 6, task).await.unwrap_or_else(|_| panic!("{what}: {i}")).unwrap();
                assert_eq!(got, i as u64);
            }
        });
    }
}

#[test]
fn reactor_outside_of_a_runtime_is_refused_with_the_reason() {
    let error = linkspan_tokio::reactor().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidState);
    assert!(error.to_string().contains("runtime of tokio"), "{error}");
    let without_io = Builder::new_current_thread().build().unwrap();
    let error = without_io.block_on(async { linkspan_tokio::reactor().unwrap_err() });
    assert!(error.to_string().contains("enable_io"), "{error}");
}

#[test]
fn listener_accepts_in_a_task() {
    for (_, runtime) in runtimes() {
        runtime.block_on(async {
            let endpoint = name("unix");
            let reactor = linkspan_tokio::reactor().unwrap();
            let listener = Listener::listen(&endpoint, &Options::default()).unwrap();
            let accepts = {
                let reactor = reactor.clone();
                tokio::spawn(async move {
                    for _ in 0..5 {
                        let peer = listener.accept_async(&reactor).await.unwrap();
                        let reactor = reactor.clone();
                        tokio::spawn(async move {
                            let message = peer.recv_async(&reactor).await.unwrap();
                            peer.send_async(message.value().unwrap(), &reactor).await.unwrap();
                            // Its acknowledgement is the end.
                            let _ = peer.recv_async(&reactor).await;
                        });
                    }
                })
            };
            for i in 0..5_u64 {
                let channel = Channel::dial(&endpoint, &Options::default()).unwrap();
                channel.send_async(&Value::from(i), &reactor).await.unwrap();
                let message = timeout(SOON, channel.recv_async(&reactor)).await.unwrap().unwrap();
                assert_eq!(message.value().unwrap(), &Value::from(i));
            }
            accepts.await.unwrap();
        });
    }
}
