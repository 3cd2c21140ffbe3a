//! Memory that a channel lends for arrays: written in place, sent without a copy, returned.

use std::thread;

use linkspan::{
    Channel, DType, Encoding, ErrorKind, Listener, NdArray, Options, Order, Request, Server, Value,
};

use crate::support::{SOON, name};

const MIB: usize = 1 << 20;

fn pair(transport: &str, limit: u64) -> (Channel, Channel) {
    let mut options = Options::default();
    options.max_message_size = limit;
    let listener = Listener::listen(&name(transport), &options).unwrap();
    let endpoint = listener.endpoint();
    let dialling = thread::spawn(move || Channel::connect(&endpoint, &options, SOON).unwrap());
    let accepted = listener.accept(SOON).unwrap();
    let one = dialling.join().unwrap();
    one.send(&Value::from(0), SOON).unwrap();
    accepted.recv(SOON).unwrap();
    (one, accepted)
}

fn stat(channel: &Channel, name: &str) -> u64 {
    channel.stats().at(name).unwrap().as_u64().unwrap()
}

fn received(channel: &Channel) -> NdArray {
    match channel.recv(SOON).unwrap().value().unwrap() {
        Value::NdArray(array) => array.clone(),
        other => panic!("{other:?} is no array"),
    }
}

#[test]
fn loan_is_sent_where_it_was_written() {
    // The slots hold exactly eight arrays of 1 MiB, so a copy of one would leave the last without a slot.
    let (one, two) = pair("shm", 4 * MIB as u64);
    let mut held = Vec::new();
    for seed in 0..8u64 {
        let mut loan = one.loan::<u64>(&[2, MIB as u64 / 16]).unwrap();
        assert!(loan.is_shared());
        assert_eq!((loan.len(), loan.shape()), (MIB / 8, &[2, MIB as u64 / 16][..]));
        for (i, element) in (0..).zip(loan.iter_mut()) {
            *element = seed << 32 | i;
        }
        one.send(&Value::from(loan), SOON).unwrap();
        held.push(received(&two));
    }
    assert_eq!((stat(&one, "arrays_in_slots"), stat(&one, "arrays_without_slot")), (8, 0));
    for (seed, array) in (0..).zip(&held) {
        assert_eq!(
            (array.dtype, array.order, &array.shape[..]),
            (DType::U64, Order::Row, &[2, MIB as u64 / 16][..])
        );
        let elements = array.elements::<u64>().unwrap();
        assert!((0..).zip(elements.iter()).all(|(i, element)| *element == seed << 32 | i));
    }
    // All slots are viewed, so a loan is now memory of this process.
    let mut loan = one.loan::<u64>(&[MIB as u64 / 8]).unwrap();
    assert!(!loan.is_shared());
    loan.fill(9);
    let value = Value::from(loan);
    thread::scope(|scope| {
        scope.spawn(|| one.send(&value, SOON).unwrap());
        assert_eq!(received(&two).elements::<u64>().unwrap(), vec![9; MIB / 8]);
    });
    drop(held);
    assert!(one.loan::<u64>(&[MIB as u64 / 8]).unwrap().is_shared(), "views were dropped");
}

#[test]
fn loan_that_is_dropped_gives_its_slot_back() {
    let (one, _two) = pair("shm", 4 * MIB as u64);
    for _ in 0..100 {
        assert!(one.loan::<f64>(&[MIB as u64 / 8]).unwrap().is_shared());
    }
    let array = one.loan::<f64>(&[MIB as u64 / 8]).unwrap().into_array();
    let others: Vec<_> = (0..7).map(|_| one.loan::<f64>(&[MIB as u64 / 8]).unwrap()).collect();
    assert!(others.iter().all(|loan| loan.is_shared()));
    assert!(
        !one.loan::<f64>(&[MIB as u64 / 8]).unwrap().is_shared(),
        "an array that was not sent holds its slot"
    );
    drop(array);
    assert!(one.loan::<f64>(&[MIB as u64 / 8]).unwrap().is_shared());
}

#[test]
fn loan_that_is_still_written_is_copied_where_it_is_sent_meanwhile() {
    let (one, two) = pair("shm", 4 * MIB as u64);
    let mut loan = one.loan::<u32>(&[MIB as u64 / 4]).unwrap();
    loan.fill(1);
    one.send(&Value::NdArray(NdArray::vector(&loan)), SOON).unwrap();
    let view = received(&two);
    loan.fill(2);
    assert_eq!(view.elements::<u32>().unwrap(), vec![1; MIB / 4]);
    one.send(&Value::from(loan), SOON).unwrap();
    assert_eq!(received(&two).elements::<u32>().unwrap(), vec![2; MIB / 4]);
    assert_eq!(view.elements::<u32>().unwrap(), vec![1; MIB / 4]);
}

#[test]
fn loan_without_slots_is_ordinary_memory_for_the_same_program() {
    for (transport, count) in [("unix", MIB as u64), ("shm", 100), ("shm", 0)] {
        let (one, two) = pair(transport, 16 * MIB as u64);
        let mut loan = one.loan::<f32>(&[count]).unwrap();
        assert!(!loan.is_shared());
        loan.fill(0.5);
        let value = Value::from(loan);
        thread::scope(|scope| {
            scope.spawn(|| one.send(&value, SOON).unwrap());
            assert_eq!(received(&two).elements::<f32>().unwrap(), vec![0.5; count as usize]);
        });
    }
}

#[test]
fn loan_to_one_peer_is_copied_for_another_one_and_outlives_its_channel() {
    let (one, two) = pair("shm", 4 * MIB as u64);
    let (other, far) = pair("shm", 4 * MIB as u64);
    let mut loan = one.loan::<u8>(&[MIB as u64]).unwrap();
    loan.fill(7);
    drop((one, two));
    other.send(&Value::from(loan), SOON).unwrap();
    assert_eq!(received(&far).elements::<u8>().unwrap(), vec![7; MIB]);
    assert_eq!(stat(&other, "arrays_in_slots"), 1);
}

#[test]
fn loan_of_a_shape_that_no_message_holds_is_refused() {
    let (one, _two) = pair("shm", MIB as u64);
    assert_eq!(one.loan::<u8>(&[1; 16]).unwrap_err().kind(), ErrorKind::TooLarge);
    assert_eq!(one.loan::<u8>(&[u64::MAX, 2]).unwrap_err().kind(), ErrorKind::TooLarge);
    let refused = one.loan::<u8>(&[2 * MIB as u64]).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::TooLarge);
    assert!(refused.to_string().contains("2097152 bytes asked, 1048576 allowed"), "{refused}");
    one.close(std::time::Duration::ZERO).ok();
    assert!(one.loan::<u8>(&[1]).is_err());
}

#[test]
fn loan_of_truth_values_is_never_shared() {
    let (one, two) = pair("shm", 4 * MIB as u64);
    let mut loan = one.loan_memory(DType::Bool, &[MIB as u64], Order::Row).unwrap();
    assert!(!loan.is_shared());
    loan.bytes_mut().fill(1);
    let value = Value::NdArray(loan.into_array());
    thread::scope(|scope| {
        scope.spawn(|| one.send(&value, SOON).unwrap());
        assert_eq!(received(&two).data, vec![1; MIB]);
    });
}

fn ask(
    limit: u64,
    calls: usize,
    answer: impl Fn(&Request) -> NdArray + Send + 'static,
) -> (Vec<NdArray>, Value) {
    let mut options = Options::default();
    options.max_message_size = limit;
    let server = Server::serve(&name("shm"), &options).unwrap();
    let endpoint = server.endpoint().to_owned();
    let client = thread::spawn(move || {
        let channel = Channel::connect(&endpoint, &options, SOON).unwrap();
        let replies = (0..calls).map(|n| channel.call(&Value::from(n as u64), SOON).unwrap());
        replies.map(|reply| reply.value().unwrap().as_ndarray().unwrap().clone()).collect()
    });
    for _ in 0..calls {
        let request = server.next(SOON).unwrap().unwrap();
        request.reply(&Value::NdArray(answer(&request))).unwrap();
    }
    // Sends the rest of messages in pieces.
    server.close(SOON).unwrap();
    let replies = client.join().unwrap();
    (replies, server.stats())
}

#[test]
fn loan_for_a_reply_is_viewed_by_the_client_where_it_was_written() {
    // The client keeps viewing eight slots, so a copy of one array would find no slot.
    let (replies, stats) = ask(4 * MIB as u64, 8, |request| {
        let mut loan = request.loan::<u64>(&[2, MIB as u64 / 16]).unwrap();
        assert!(loan.is_shared());
        loan.fill(request.value().unwrap().as_u64().unwrap());
        loan.into_array()
    });
    for (n, reply) in (0..).zip(&replies) {
        assert_eq!(reply.shape, [2, MIB as u64 / 16]);
        assert_eq!(reply.elements::<u64>().unwrap(), vec![n; MIB / 8]);
    }
    let counted =
        ["arrays_in_slots", "arrays_without_slot"].map(|name| stats.at(name).unwrap().as_u64().unwrap());
    assert_eq!(counted, [8, 0]);
}

#[test]
fn array_in_a_reply_that_was_not_loaned_is_written_to_a_slot() {
    let (replies, stats) = ask(4 * MIB as u64, 9, |request| {
        NdArray::vector(&vec![request.value().unwrap().as_u64().unwrap(); MIB / 8])
    });
    for (n, reply) in (0..).zip(&replies) {
        assert_eq!(reply.elements::<u64>().unwrap(), vec![n; MIB / 8]);
    }
    let counted =
        ["arrays_in_slots", "arrays_without_slot"].map(|name| stats.at(name).unwrap().as_u64().unwrap());
    assert_eq!(counted, [8, 1]);
}

#[test]
fn loan_for_a_reply_follows_the_limit_and_the_encoding_of_the_client() {
    let mut options = Options::default();
    let server = Server::serve(&name("shm"), &options).unwrap();
    let endpoint = server.endpoint().to_owned();
    options.max_message_size = MIB as u64;
    options.encoding = Encoding::Json;
    let client = thread::spawn(move || {
        let channel = Channel::connect(&endpoint, &options, SOON).unwrap();
        channel.call(&Value::Null, SOON).unwrap()
    });
    let request = server.next(SOON).unwrap().unwrap();
    let refused = request.loan::<u8>(&[MIB as u64 + 1]).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::TooLarge);
    assert!(refused.to_string().contains("1048577 bytes asked, 1048576 allowed"), "{refused}");
    let mut loan = request.loan::<u8>(&[MIB as u64 / 8]).unwrap();
    assert!(!loan.is_shared(), "JSON has no memory to view");
    loan.fill(5);
    request.reply(&Value::from(loan)).unwrap();
    server.close(SOON).unwrap();
    let reply = client.join().unwrap();
    assert_eq!(reply.value().unwrap().as_ndarray().unwrap().elements::<u8>().unwrap(), vec![5; MIB / 8]);
}

#[test]
fn channel_that_replies_writes_arrays_to_slots_too() {
    let (one, two) = pair("shm", 4 * MIB as u64);
    thread::scope(|scope| {
        let called = scope.spawn(|| one.call(&Value::Null, SOON).unwrap());
        let request = two.recv(SOON).unwrap();
        let mut loan = two.loan::<u16>(&[MIB as u64 / 2]).unwrap();
        loan.fill(11);
        two.reply(&request, &Value::from(loan), SOON).unwrap();
        let reply = called.join().unwrap();
        assert_eq!(
            reply.value().unwrap().as_ndarray().unwrap().elements::<u16>().unwrap(),
            vec![11; MIB / 2]
        );
    });
    assert_eq!((stat(&two, "arrays_in_slots"), stat(&two, "arrays_without_slot")), (1, 0));
}
