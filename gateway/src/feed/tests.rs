//! Feeds before their first message, and descriptors that no set takes.

use std::collections::HashMap;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::Instant;

use linkspan::{Options, Publisher, Subscriber, Value, Wait};

use super::follow::{LOOK, end_with_reason, something, watched};
use super::*;
use crate::rights::Rights;
use crate::subscription::{Choice, Given, Resume, Subscription};

/// A feed learns of a publisher before its first message, of which the number says what was missed.
#[test]
fn client_that_comes_again_before_the_first_message_is_told_what_it_missed() {
    let text = format!("gateway-feed-{}", std::process::id());
    let name = Name::parse(&text, false).unwrap();
    let publisher = Publisher::new(&text, &Options::default()).unwrap();
    for number in 1..=5 {
        publisher.send(&Value::from(number)).unwrap();
    }
    let subscriber = Subscriber::of(&[&text], &Options::default()).unwrap();
    let message = subscriber.next(Wait::default()).unwrap().unwrap();
    let endpoint = message.name().unwrap_or_else(|| subscriber.endpoint()).to_owned();
    let rights = Rights {
        name: "one".into(),
        read: vec![name.clone()],
        call: Vec::new(),
        write: Vec::new(),
        expires: None,
        hash: [0; 32],
    };
    let rights = Arc::new(rights);
    for (choice, is_first) in
        [(Choice::All(None), true), (Choice::Newest(LOOK), true), (Choice::All(None), false)]
    {
        let (feeds, _started) = Feeds::new(1 << 20, 1 << 26);
        let key = Key { name: name.clone(), from: None };
        let first = feeds.join(&key, "one", &Arc::default()).unwrap();
        let feed = first.feed.clone();
        feed.log().take_events(vec![(endpoint.clone(), true)]);
        feed.log().key(&endpoint).unwrap();
        let used = if is_first { first } else { feeds.join(&key, "one", &Arc::default()).unwrap() };
        let resume = Resume { number: 2, incarnation: Some(message.incarnation()) };
        let resumes = HashMap::from([(name.text(), resume)]);
        let mut subscription = Subscription::new(vec![used], choice, resumes, rights.clone(), Arc::default());
        let now = Instant::now();
        assert!(subscription.next(now).is_none());
        feed.log().take(&endpoint, &message, &feeds.held);
        let mut missed = 0;
        while let Some(given) = subscription.next(now) {
            missed += match given {
                Given::Lagged { missed, .. } => missed,
                Given::Message { passed, .. } => passed,
                _ => 0,
            };
        }
        assert_eq!(missed, 2, "{choice:?} {is_first}");
    }
}

/// What no set takes (a file of a disk here) is looked at by a timer, and fails nothing.
#[test]
fn descriptor_that_no_set_takes_is_looked_at_by_a_timer() {
    let runtime = linkspan_tokio::runtime("feeds", 1).unwrap();
    runtime.block_on(async {
        let file = tempfile::tempfile().unwrap();
        let descriptor = watched(file.as_fd());
        assert!(descriptor.is_none());
        something(descriptor.as_ref()).await;
    });
}

/// A panic in the task of a feed ends the feed with its reason, and the next client begins another feed.
#[test]
fn feed_whose_task_panics_is_closed_with_the_reason_and_replaced() {
    let (feeds, _started) = Feeds::new(1 << 20, 1 << 26);
    let key = Key { name: Name::parse("lab/panic", false).unwrap(), from: None };
    let used = feeds.join(&key, "one", &Arc::default()).unwrap();
    let task = async { panic!("planted") };
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let local = tokio::task::LocalSet::new();
    runtime.block_on(local.run_until(end_with_reason(feeds.clone(), used.feed.clone(), task)));
    let failed = used.feed.log().failed.clone().unwrap();
    assert_eq!(failed.kind(), ErrorKind::Internal);
    assert!(failed.text().contains("lab/panic"), "{failed}");
    let next = feeds.join(&key, "one", &Arc::default()).unwrap();
    assert!(next.is_first && next.feed.log().failed.is_none());
}

#[test]
fn distances_of_places_hold_all_numbers() {
    assert!(ORIGIN > u64::MAX.into());
    assert_eq!(distance(0, u128::MAX), u64::MAX);
    assert_eq!(distance(5, 3), 0);
}
