//! Tests of a subscription with a new store: messages that arrive before the subscription looks.

use std::sync::atomic::Ordering;
use std::{iter, thread};

use linkspan::{Options, Publisher, Timestamp};
use tokio::runtime::Builder;
use tokio::sync::{Notify, watch};

use super::*;
use crate::feed::{Feeds, Key, run};
use crate::rights::Rights;
use crate::room::Room;

const PATIENCE: Duration = Duration::from_secs(60);
const COUNT: u64 = 10;

fn taken(subscription: &mut Subscription) -> (Vec<u64>, u64) {
    let (mut numbers, mut lagged) = (Vec::new(), 0);
    for given in iter::from_fn(|| subscription.next(Instant::now())) {
        match given {
            Given::Message { message, passed, .. } => {
                numbers.push(message.number);
                lagged += passed;
            }
            Given::Lagged { missed, .. } => lagged += missed,
            Given::Joined { .. } | Given::Ended { .. } | Given::Closed(_) => {}
        }
    }
    (numbers, lagged)
}

/// Ten messages arrive before the subscription looks; `began` says whether the store began for it.
fn after_ten_messages(buffer: u64, choice: Choice, began: bool) -> (Vec<u64>, u64) {
    let text = format!("gateway-subscription-{}-{buffer}-{choice:?}-{began}", std::process::id())
        .replace(|one: char| !one.is_ascii_alphanumeric(), "-");
    let name = Name::parse(&text, false).unwrap();
    let rights = Rights {
        name: "one".into(),
        read: vec![name.clone()],
        call: Vec::new(),
        write: Vec::new(),
        expires: None::<Timestamp>,
        hash: [0; 32],
    };
    let publisher = Publisher::new(&text, &Options::default()).unwrap();
    let (feeds, started) = Feeds::new(buffer, 1 << 26);
    let (_paused, is_paused) = watch::channel(false);
    let (stop, is_stopped) = watch::channel(false);
    let received = feeds.clone();
    let receives = thread::spawn(move || {
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(run(received, started, is_paused, is_stopped));
    });
    let (key, wake) = (Key { name, from: None }, Arc::new(Notify::new()));
    let rights = Arc::new(rights);
    let join = || feeds.join(vec![key.clone()], &rights, &wake).unwrap();
    let first = join();
    publisher.wait_for_subscribers(1, PATIENCE).unwrap();
    for number in 1..=COUNT {
        publisher.send(&Value::from(number)).unwrap();
    }
    let began_at = Instant::now();
    while feeds.received.load(Ordering::Relaxed) < COUNT {
        assert!(began_at.elapsed() < PATIENCE, "the feed has {:?}", feeds.received);
        thread::sleep(Duration::from_millis(1));
    }
    let joined = if began { first } else { join() };
    let mut subscription =
        Subscription::new(joined, choice, HashMap::new(), &Room::new(1 << 20).account("one"), Arc::default())
            .unwrap();
    let taken = taken(&mut subscription);
    stop.send_replace(true);
    receives.join().unwrap();
    taken
}

#[test]
fn what_came_before_the_first_client_looks_is_its_own() {
    assert_eq!(after_ten_messages(1 << 20, Choice::All(None), true), ((1..=COUNT).collect(), 0));
    let newest = Choice::Newest(Duration::from_millis(1));
    assert_eq!(after_ten_messages(1 << 20, newest, true), (vec![COUNT], COUNT - 1));
}

#[test]
fn what_the_log_dropped_before_the_first_client_looks_is_said() {
    let (numbers, lagged) = after_ten_messages(1, Choice::All(None), true);
    assert_eq!((numbers.last(), numbers.len() as u64 + lagged), (Some(&COUNT), COUNT));
    assert!(lagged > 0, "{numbers:?}");
}

#[test]
fn one_that_joins_a_store_begins_with_the_newest() {
    assert_eq!(after_ten_messages(1 << 20, Choice::All(None), false), (vec![COUNT], 0));
}
