//! Messages above the limit: the error names the option, for every sender.

use std::thread;

use crate::support::{SOON, name};
use linkspan::{Channel, Error, ErrorKind, Options, Publisher, Server, Value};

const LIMIT: u64 = 1000;

fn limited() -> Options {
    Options::default().with_max_message_size(LIMIT)
}

fn large() -> Value {
    Value::Bytes(vec![7; 2000].into())
}

fn names_its_option(sender: &str, refused: &Error) {
    assert_eq!(refused.kind(), ErrorKind::TooLarge, "{sender}: {refused}");
    let text = refused.to_string();
    assert!(text.contains("1000 allowed") && text.contains("(option max_message_size)"), "{sender}: {text}");
}

#[test]
fn message_above_the_limit_is_refused_with_the_name_of_the_option() {
    for transport in ["shm", "unix", "tcp", "fifo", "spool", "dgram"] {
        let endpoint = name(transport);
        // Both ends: some of these transports make the link at the first received message.
        let opening = thread::spawn({
            let endpoint = endpoint.clone();
            move || Channel::open(&endpoint, &limited(), SOON).unwrap()
        });
        let channel = Channel::open(&endpoint, &limited(), SOON).unwrap();
        names_its_option(transport, &channel.send(&large(), SOON).unwrap_err());
        drop((channel, opening.join().unwrap()));
    }
    for transport in ["shm", "unix", "tcp", "file", "journal"] {
        let publisher = Publisher::new(&name(transport), &limited()).unwrap();
        names_its_option(transport, &publisher.send(&large()).unwrap_err());
        names_its_option(transport, &publisher.loan::<u8>(&[2000]).unwrap_err());
    }
}

#[test]
fn reply_above_the_limit_is_refused_with_the_name_of_the_option() {
    for transport in ["shm", "unix", "tcp"] {
        let server = Server::serve(&name(transport), &limited()).unwrap();
        let client = Channel::connect(server.endpoint(), &Options::default(), SOON).unwrap();
        let asked = client.start_call(&client.encode(&Value::Null).unwrap(), SOON).unwrap();
        let request = server.next(SOON).unwrap().unwrap();
        names_its_option(transport, &request.reply(&large()).unwrap_err());
        request.reply(&Value::Null).unwrap();
        client.finish_call(&asked, SOON).unwrap();
    }
}
