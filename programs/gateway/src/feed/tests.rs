//! Tests of stores before their first message, names per token, and descriptors without epoll.

use std::collections::HashMap;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

use linkspan::{ErrorKind, Options, Publisher, Subscriber, Value, Wait};

use super::follow::{LOOK, failure, something, watched};
use super::*;
use crate::names::Name;
use crate::room::{Account, Room};
use crate::subscription::{Choice, Given, Resume, Subscription};

fn rights(token: &str) -> Arc<Rights> {
    let read = vec![Name::parse("*", true).unwrap()];
    Arc::new(Rights { name: token.into(), read, ..Rights::default() })
}

fn key(text: &str) -> Key {
    Key { name: Name::parse(text, true).unwrap(), from: None }
}

fn joined(feeds: &Arc<Feeds>, texts: &[&str], token: &str) -> Result<(Use, Vec<Arc<Store>>)> {
    let keys = texts.iter().map(|text| key(text)).collect();
    feeds.join(keys, &rights(token), &Arc::default())
}

fn account() -> Arc<Account> {
    Room::new(1 << 20).account("one")
}

fn all_of((used, stores): (Use, Vec<Arc<Store>>)) -> Subscription {
    Subscription::new((used, stores), Choice::All(None), HashMap::new(), &account(), Arc::default()).unwrap()
}

/// A store exists before its first message, whose number shows how many messages were missed.
#[test]
fn client_that_comes_again_before_the_first_message_is_told_what_it_missed() {
    let text = format!("gateway-feed-{}", std::process::id());
    let publisher = Publisher::new(&text, &Options::default()).unwrap();
    for number in 1..=5 {
        publisher.send(&Value::from(number)).unwrap();
    }
    let subscriber = Subscriber::of(&[&text], &Options::default()).unwrap();
    let message = subscriber.next(Wait::default()).unwrap().unwrap();
    let endpoint = message.name().unwrap_or_else(|| subscriber.endpoint()).to_owned();
    for (choice, is_first) in
        [(Choice::All(None), true), (Choice::Newest(LOOK), true), (Choice::All(None), false)]
    {
        let (feeds, _readers) = Feeds::new(1 << 20, 1 << 26);
        let first = joined(&feeds, &[&text], "one").unwrap();
        let store = feeds.store(&endpoint).unwrap();
        store.log().take_event(0, true);
        store.tell();
        let of = if is_first { first } else { joined(&feeds, &[&text], "one").unwrap() };
        let resume = Resume { number: 2, incarnation: Some(message.incarnation()) };
        let mut subscription = Subscription::new(
            of,
            choice,
            HashMap::from([(text.clone(), resume)]),
            &account(),
            Arc::default(),
        )
        .unwrap();
        let now = Instant::now();
        assert!(subscription.next(now).is_none());
        store.log().take(1, &message, &feeds.held);
        store.tell();
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

/// A timer polls a descriptor that the set does not accept (here, a file on disk).
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

#[test]
fn task_that_panics_is_an_error_of_what_it_received() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let local = tokio::task::LocalSet::new();
    let failed =
        runtime.block_on(local.run_until(failure("lab/panic", async { panic!("planted") }))).unwrap();
    assert_eq!(failed.kind(), ErrorKind::Internal);
    assert!(failed.text().contains("lab/panic"), "{failed}");
}

#[test]
fn store_that_fails_is_closed_with_the_reason_and_replaced() {
    let (feeds, _readers) = Feeds::new(1 << 20, 1 << 26);
    let mut ends = all_of(joined(&feeds, &["lab/*"], "one").unwrap());
    let mut goes_on = all_of(joined(&feeds, &["other"], "one").unwrap());
    let store = feeds.store("shm:lab/a").unwrap();
    feeds.store("shm:other").unwrap();
    feeds.fail_store(&store, &Error::new(ErrorKind::Internal, "planted"));
    let Some(Given::Closed(error)) = ends.next(Instant::now()) else { panic!("it goes on") };
    assert_eq!((error.kind(), error.text()), (ErrorKind::Internal, "planted"));
    assert!(ends.next(Instant::now()).is_none() && goes_on.next(Instant::now()).is_none());
    let _next = joined(&feeds, &["lab/a"], "one").unwrap();
    assert_ne!(feeds.store("shm:lab/a").unwrap().key, store.key);
}

/// Different patterns share the store of each name, which ends with the last pattern.
#[test]
fn name_has_one_store_however_it_is_asked_for() {
    let (feeds, _readers) = Feeds::new(1 << 20, 1 << 26);
    let texts = ["lab/*", "lab/*?", "l*", "lab/a", "*"];
    let views: Vec<_> = texts.iter().map(|text| joined(&feeds, &[text], "one").unwrap()).collect();
    let store = feeds.store("shm:lab/a").unwrap();
    assert_eq!(feeds.store("shm:lab/a").unwrap().key, store.key);
    let (_late, stores) = joined(&feeds, &["?ab/*", "lab/a"], "two").unwrap();
    assert_eq!(stores.iter().map(|store| store.key).collect::<Vec<_>>(), [store.key]);
    assert_eq!(feeds.count(), (texts.len() + 1, 1, 0));
    drop((views, _late));
    assert!(feeds.wants("shm:lab/a"));
    let later = Instant::now() + Duration::from_secs(31);
    assert!(feeds.state().end_unused(later) && !feeds.wants("shm:lab/a"));
    assert_eq!(feeds.count(), (0, 0, 0));
}

/// A token's quota counts names. A token at its limit leaves half to others.
#[test]
fn token_that_follows_too_many_names_ends_its_own_views_alone() {
    let (feeds, _readers) = Feeds::new(1 << 20, 1 << 26);
    *feeds.state() = State::new(8);
    let mut greedy = all_of(joined(&feeds, &["many/*", "m*"], "greedy").unwrap());
    let mut panel = all_of(joined(&feeds, &["many/n0", "lab/*"], "panel").unwrap());
    for number in 0..4 {
        feeds.store(&format!("shm:many/n{number}")).unwrap();
    }
    assert!(greedy.next(Instant::now()).is_none());
    feeds.store("shm:many/n4");
    let Some(Given::Closed(error)) = greedy.next(Instant::now()) else { panic!("it goes on") };
    assert_eq!(error.kind(), ErrorKind::Full);
    assert!(error.text().contains("8 names, and 4 for one token"), "{error}");
    assert!(!feeds.wants("shm:many/n5") && feeds.wants("shm:many/n0"));
    for number in 0..3 {
        feeds.store(&format!("shm:lab/{number}")).unwrap();
    }
    assert!(panel.next(Instant::now()).is_none());
    feeds.store("shm:lab/0").unwrap().log().take_event(9, false);
    feeds.store("shm:lab/new").unwrap();
    assert!(panel.next(Instant::now()).is_none() && feeds.state().known("shm:lab/0").is_none());
    let refused = joined(&feeds, &["many/n0", "lab/1", "lab/2", "lab/new", "lab/more"], "panel");
    assert!(refused.is_ok());
}

#[test]
fn levels_leave_small_logs_alone() {
    assert_eq!(level(vec![10, 100, 100], 110), 50);
    assert_eq!(level(vec![10, 20], 100), u64::MAX);
    assert_eq!(level(vec![100, 100], 0), 0);
    assert_eq!(level(Vec::new(), 0), u64::MAX);
}

#[test]
fn distances_of_places_hold_all_numbers() {
    assert!(ORIGIN > u64::MAX.into());
    assert_eq!(distance(0, u128::MAX), u64::MAX);
    assert_eq!(distance(5, 3), 0);
}
