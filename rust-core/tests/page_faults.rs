//! How often the kernel must find memory for large messages of one size.

use std::process::Command;
use std::thread;

use crate::support::{SOON, name};
use linkspan::value::Limits;
use linkspan::{Channel, Encoding, NdArray, Options, Order, Payload, Publisher, Subscriber, Value};

const ELEMENTS: usize = 125_000;
const MESSAGES: usize = 50;

fn wave() -> Value {
    let wave = NdArray::from_slice(&vec![1.5f64; ELEMENTS], &[ELEMENTS as u64], Order::Row).unwrap();
    Value::map([("wave", Value::from(wave))])
}

fn faults() -> i64 {
    let mut usage = std::mem::MaybeUninit::zeroed();
    // SAFETY: `usage` has room for the kernel's bytes.
    unsafe {
        assert_eq!(libc::getrusage(libc::RUSAGE_SELF, usage.as_mut_ptr()), 0);
        usage.assume_init().ru_minflt
    }
}

/// Returns the pages of a single message, measured over many messages in a separate process.
fn a_message(test: &str, mut exchange: impl FnMut()) -> Option<i64> {
    const ALONE: &str = "LINKSPAN_TEST_PAGE_FAULTS";
    if std::env::var_os(ALONE).is_some() {
        (0..MESSAGES).for_each(|_| exchange());
        let before = faults();
        (0..MESSAGES).for_each(|_| exchange());
        let each = (faults() - before) / MESSAGES as i64;
        std::fs::write(std::env::var(ALONE).unwrap(), each.to_string()).unwrap();
        return None;
    }
    let folder = tempfile::tempdir().unwrap();
    let report = folder.path().join("faults");
    let done = Command::new(std::env::current_exe().unwrap())
        .args([&format!("page_faults::{test}"), "--exact"])
        .env(ALONE, &report)
        .output()
        .unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stdout));
    let each = std::fs::read_to_string(report).unwrap().parse().unwrap();
    println!("{test}: {each} page faults a message");
    Some(each)
}

/// Less than a quarter of one copy. A thread may find memory in use that another is about to release.
const FEW: i64 = 60;

#[test]
fn large_value_that_is_published_takes_hardly_any_new_pages() {
    let endpoint = name("shm");
    let publisher = Publisher::new(&endpoint, &Options::default()).unwrap();
    let subscriber = Subscriber::new(&endpoint, &Options::default()).unwrap();
    let value = wave();
    let each = a_message("large_value_that_is_published_takes_hardly_any_new_pages", || {
        publisher.send(&value).unwrap();
        subscriber.recv(SOON).unwrap();
    });
    assert!(each.is_none_or(|each| each < FEW), "{each:?} page faults a message");
}

/// Like a program in C: copy the elements into a message, encode, publish and release it.
#[test]
fn large_array_that_is_put_into_a_message_and_published_takes_hardly_any_new_pages() {
    let endpoint = name("shm");
    let publisher = Publisher::new(&endpoint, &Options::default()).unwrap();
    let subscriber = Subscriber::new(&endpoint, &Options::default()).unwrap();
    let elements = vec![1.5f64; ELEMENTS];
    let test = "large_array_that_is_put_into_a_message_and_published_takes_hardly_any_new_pages";
    let each = a_message(test, || {
        let array = NdArray::from_slice(&elements, &[ELEMENTS as u64], Order::Row).unwrap();
        publisher.send(&Value::map([("wave", Value::from(array))])).unwrap();
        subscriber.recv(SOON).unwrap();
    });
    assert!(each.is_none_or(|each| each < FEW), "{each:?} page faults a message");
}

fn over_a_channel(transport: &str, test: &str) {
    let endpoint = name(transport);
    let receiver = Channel::open(&endpoint, &Options::default(), SOON).unwrap();
    let sender = Channel::connect(&endpoint, &Options::default(), SOON).unwrap();
    let value = wave();
    let each = thread::scope(|s| {
        s.spawn(move || {
            loop {
                let message = receiver.recv(SOON).unwrap();
                if message.value().unwrap() == &Value::Null {
                    break;
                }
                receiver.send(&Value::Int(message.body().len() as i64), SOON).unwrap();
            }
        });
        let each = a_message(test, || {
            sender.send(&value, SOON).unwrap();
            sender.recv(SOON).unwrap();
        });
        sender.send(&Value::Null, SOON).unwrap();
        each
    });
    assert!(each.is_none_or(|each| each < FEW), "{transport}: {each:?} page faults a message");
}

#[test]
fn large_value_over_shared_memory_takes_hardly_any_new_pages() {
    over_a_channel("shm", "large_value_over_shared_memory_takes_hardly_any_new_pages");
}

#[test]
fn large_value_over_a_unix_socket_takes_hardly_any_new_pages() {
    over_a_channel("unix", "large_value_over_a_unix_socket_takes_hardly_any_new_pages");
}

/// A message of bytes needs no new page, for every way to build it and to receive it.
fn bytes_take_no_new_pages(test: &str, mut exchange: impl FnMut(&[u8])) {
    let bytes = vec![7; 1 << 20];
    let each = a_message(test, || exchange(&bytes));
    assert!(each.is_none_or(|each| each == 0), "{each:?} page faults a message");
}

#[test]
fn published_message_that_is_dropped_before_the_next_one_takes_no_new_pages() {
    let publisher = Publisher::new(&name("shm"), &Options::default()).unwrap();
    let subscriber = Subscriber::new(publisher.endpoint(), &Options::default()).unwrap();
    let test = "published_message_that_is_dropped_before_the_next_one_takes_no_new_pages";
    bytes_take_no_new_pages(test, |bytes| {
        publisher.send_bytes(Encoding::Raw, bytes).unwrap();
        assert_eq!(subscriber.recv(SOON).unwrap().body().len(), bytes.len());
    });
}

#[test]
fn payload_that_is_built_for_each_message_takes_no_new_pages() {
    let publisher = Publisher::new(&name("shm"), &Options::default()).unwrap();
    let subscriber = Subscriber::new(publisher.endpoint(), &Options::default()).unwrap();
    let mut memory = vec![0; 1 << 20];
    let test = "payload_that_is_built_for_each_message_takes_no_new_pages";
    bytes_take_no_new_pages(test, |bytes| {
        publisher.send_payload(&Payload::copy_from_slice(Encoding::Raw, bytes)).unwrap();
        subscriber.recv_into(&mut memory, SOON).unwrap();
    });
}

#[test]
fn payload_of_a_value_that_is_built_for_each_message_takes_no_new_pages() {
    let publisher = Publisher::new(&name("shm"), &Options::default()).unwrap();
    let subscriber = Subscriber::new(publisher.endpoint(), &Options::default()).unwrap();
    let value = Value::Bytes(vec![7; 1 << 20].into());
    let test = "payload_of_a_value_that_is_built_for_each_message_takes_no_new_pages";
    bytes_take_no_new_pages(test, |_| {
        let payload = Payload::new(&value, Encoding::Cbor, &Limits::default()).unwrap();
        publisher.send_payload(&payload).unwrap();
        subscriber.recv(SOON).unwrap();
    });
}

#[test]
fn payload_over_a_channel_and_its_message_take_no_new_pages() {
    let endpoint = name("shm");
    let receiver = Channel::open(&endpoint, &Options::default(), SOON).unwrap();
    let sender = Channel::connect(&endpoint, &Options::default(), SOON).unwrap();
    let test = "payload_over_a_channel_and_its_message_take_no_new_pages";
    bytes_take_no_new_pages(test, |bytes| {
        sender.send_payload(&Payload::copy_from_slice(Encoding::Raw, bytes), SOON).unwrap();
        assert_eq!(receiver.recv(SOON).unwrap().body().len(), bytes.len());
    });
}
