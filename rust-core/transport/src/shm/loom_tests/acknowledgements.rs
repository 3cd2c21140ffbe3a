//! Models of acknowledgement by two words, and of a receiver's stores before it closes.

use loom::sync::Notify;

use super::super::ack_words::AckWords;
use super::*;

/// The omitted step of the protocol by which a sender waits for acknowledgement.
#[derive(Clone, Copy, PartialEq)]
enum WithoutStep {
    Nothing,
    /// The receiver loads the wanted number without a fence after its store.
    ReceiversFence,
    /// The sender loads the consumed number without a fence after its store.
    SendersFence,
    /// The sender sleeps right after storing the wanted number.
    LastCheck,
}

/// A sender waits until two messages are consumed; the notification stands for the frame that wakes it.
fn one_acknowledgement(without: WithoutStep) {
    let (mine, peer) = (Heap::new(at::ROOM_WAKE + 8), Heap::new(at::ROOM_WAKE + 8));
    let frame = Arc::new(Notify::new());
    let consuming = thread::spawn({
        let (frame, ack_words, page) =
            (frame.clone(), AckWords::new(peer.clone(), mine.clone()), peer.clone());
        move || {
            for number in 1..=2 {
                match without {
                    WithoutStep::ReceiversFence => page.store(at::ACKNOWLEDGED, number, Ordering::Release),
                    _ => ack_words.publish(number),
                }
                if (1..=number).contains(&ack_words.wanted()) {
                    frame.notify();
                }
            }
        }
    });
    let ack_words = AckWords::new(mine.clone(), peer);
    match without {
        WithoutStep::SendersFence => mine.store(at::ACK_WANTED, 2, Ordering::Release),
        _ => ack_words.want(2),
    }
    if without == WithoutStep::LastCheck {
        frame.wait();
    }
    // Another frame may end a wait spuriously, so the sender checks each time.
    while ack_words.acknowledged() < 2 {
        frame.wait();
    }
    consuming.join().unwrap();
}

#[test]
fn one_acknowledgement_whole_protocol_is_never_lost() {
    model(3, || one_acknowledgement(WithoutStep::Nothing));
}

#[test]
#[should_panic(expected = "deadlock")]
fn one_acknowledgement_without_the_receivers_fence_is_lost() {
    model(3, || one_acknowledgement(WithoutStep::ReceiversFence));
}

#[test]
#[should_panic(expected = "deadlock")]
fn one_acknowledgement_without_the_senders_fence_is_lost() {
    model(3, || one_acknowledgement(WithoutStep::SendersFence));
}

#[test]
#[should_panic(expected = "deadlock")]
fn one_acknowledgement_without_the_last_check_is_lost() {
    model(3, || one_acknowledgement(WithoutStep::LastCheck));
}

/// A receiver acknowledges a message and then closes, in this order or in the other.
fn acknowledge_and_close(in_order: bool) {
    let (mine, peer) = (Heap::new(at::ROOM_WAKE + 8), Heap::new(at::ROOM_WAKE + 8));
    let closing = thread::spawn({
        let (ack_words, page) = (AckWords::new(peer.clone(), mine.clone()), peer.clone());
        move || {
            if in_order {
                ack_words.publish(1);
            }
            page.store(at::STATE, 1, Ordering::Release);
            if !in_order {
                ack_words.publish(1);
            }
        }
    });
    while peer.load(at::STATE, Ordering::Acquire) == 0 {
        thread::yield_now();
    }
    assert_eq!(AckWords::new(mine, peer).acknowledged(), 1, "the consumed number is known after the end");
    closing.join().unwrap();
}

#[test]
fn acknowledgement_before_close_is_known_after_it() {
    model(3, || acknowledge_and_close(true));
}

#[test]
#[should_panic(expected = "known after the end")]
fn acknowledgement_after_close_may_be_missed() {
    model(3, || acknowledge_and_close(false));
}
