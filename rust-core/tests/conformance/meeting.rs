//! Connecting in either order, without a peer, and with a name in use; and messages in the opposite
//! direction.

use std::thread;
use std::time::Duration;

use linkspan::{Channel, ErrorKind, Options, Publisher, Server, Subscriber, Value};

use crate::conformance::sides::{MOMENT, Place, check_error, options};
use crate::support::{self, SOON};

pub fn side_that_connects_first_waits_for_the_other(place: &Place) {
    let (waits, waiting) = support::waiting_options();
    thread::scope(|s| {
        if place.nature.channels {
            let sending = s.spawn(|| {
                let tx = place.try_tx_with(&waits, SOON).unwrap();
                tx.send(&Value::Int(1)).unwrap();
                tx.close(SOON).unwrap();
            });
            waiting.recv_timeout(SOON).unwrap();
            let rx = place.rx();
            assert_eq!(rx.number(), 1);
            rx.close(SOON).unwrap();
            sending.join().unwrap();
        } else {
            let receiving = s.spawn(|| place.try_rx_with(&waits).unwrap().number());
            waiting.recv_timeout(SOON).unwrap();
            place.tx().send(&Value::Int(1)).unwrap();
            assert_eq!(receiving.join().unwrap(), 1);
        }
    });
}

pub fn missing_peer_is_reported_as_not_found(place: &Place) {
    let directory = place.path().parent().unwrap().display().to_string();
    let searched = place.endpoint.strip_prefix("tcp://").unwrap_or(&directory).to_owned();
    for wait in [Duration::ZERO, MOMENT] {
        let error = if place.nature.channels {
            place.try_tx(&[], wait).err().unwrap()
        } else {
            place.rx().recv_within(wait).unwrap_err()
        };
        check_error(&error, ErrorKind::NotFound, place);
        assert!(error.text().contains(&searched), "the error names the directory or the address: {error}");
    }
    if !place.nature.channels {
        place.rx().is_empty();
    }
}

pub fn second_holder_of_a_name_is_refused_or_shares_it(place: &Place) {
    let first = place.try_hold().unwrap();
    if !place.nature.one_holder {
        // A value may have any number of writers, which share one sequence of numbers.
        let second = place.tx();
        assert_eq!(first.tx().send(&Value::Int(1)).unwrap(), 1);
        assert_eq!(second.send(&Value::Int(2)).unwrap(), 2);
        assert_eq!(first.tx().send(&Value::Int(3)).unwrap(), 3);
        assert_eq!(place.rx().number(), 3);
        return;
    }
    check_error(&place.try_hold().err().unwrap(), ErrorKind::AddressInUse, place);
    // The refused attempt does not affect the first holder.
    let mut first = first;
    first.again();
    first.send(1..4);
    first.receives(1..4);
    check_error(&place.try_hold().err().unwrap(), ErrorKind::AddressInUse, place);
    first.rx().close(SOON).unwrap();
    first.tx().close(SOON).unwrap();
    // The closed objects still exist and have released the name.
    drop(place.try_hold().unwrap());
}

/// Sends in both directions and calls; on other transports, checks the reason in the error.
pub fn answers_and_calls_work_or_are_refused(place: &Place) {
    let endpoint = &*place.endpoint;
    let refused = |error: linkspan::Error| {
        assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
        assert!(error.text().contains(place.nature.because), "the error names an alternative: {error}");
        assert!(error.to_string().contains(place.nature.name), "{error}");
    };
    let plain = Options::default();
    if !place.nature.channels {
        refused(Channel::connect(endpoint, &plain, SOON).err().unwrap());
        refused(Channel::open(endpoint, &plain, SOON).err().unwrap());
        refused(Server::serve(endpoint, &plain).err().unwrap());
        return place.works();
    }
    let a = Channel::open(endpoint, &plain, SOON).unwrap();
    let b = Channel::connect(endpoint, &plain, SOON).unwrap();
    b.send(&Value::from("ping"), SOON).unwrap();
    let ping = a.recv(SOON).unwrap();
    assert_eq!(ping.value().unwrap(), &Value::from("ping"));
    if !place.nature.answers {
        refused(a.send(&Value::Null, SOON).unwrap_err());
        refused(a.call(&Value::Null, SOON).unwrap_err());
        refused(a.reply(&ping, &Value::Null, SOON).unwrap_err());
        refused(b.recv(SOON).unwrap_err());
        refused(b.call(&Value::Null, SOON).unwrap_err());
        refused(Publisher::new(endpoint, &plain).err().unwrap());
        refused(Subscriber::new(endpoint, &plain).err().unwrap());
        b.send(&Value::from("and on it goes"), SOON).unwrap();
        assert_eq!(a.recv(SOON).unwrap().value().unwrap(), &Value::from("and on it goes"));
        return;
    }
    a.send(&Value::from("pong"), SOON).unwrap();
    assert_eq!(b.recv(SOON).unwrap().value().unwrap(), &Value::from("pong"));
    thread::scope(|s| {
        s.spawn(|| {
            let request = a.recv(SOON).unwrap();
            assert!(request.is_request());
            a.send(&Value::from("between"), SOON).unwrap();
            a.reply(&request, &Value::from("answer"), SOON).unwrap();
        });
        assert_eq!(b.call(&Value::from("question"), SOON).unwrap().value().unwrap(), &Value::from("answer"));
    });
    assert_eq!(b.recv(SOON).unwrap().value().unwrap(), &Value::from("between"));
    let not_a_request = a.reply(&ping, &Value::Null, SOON).unwrap_err();
    check_error(&not_a_request, ErrorKind::InvalidState, place);
    // Unsupported options are refused before anything is created or sent.
    let other = place.another();
    refused(
        Channel::open(&other.endpoint, &options(&[("delivery", "durable".into())]), SOON)
            .err()
            .unwrap_or_else(|| refused_otherwise(place)),
    );
}

fn refused_otherwise(place: &Place) -> linkspan::Error {
    let lists = options(&[("allow_uids", vec![0i64].into())]);
    Channel::open(&place.another().endpoint, &lists, SOON).err().unwrap()
}
