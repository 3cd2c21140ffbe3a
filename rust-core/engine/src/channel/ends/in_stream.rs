//! Receiving over a stream: a call takes two short locks, and holds none while it waits and reads. The counterpart is
//! in `send`.
//!
//! The call enters under the lock of the session as over shared memory (`in_place`), and holds the direction from there
//! to the second lock (`sys::claim`), so it neither takes nor releases a claim. At any obstacle the general path
//! continues.

use super::Channel;
use crate::channel::direction::SeatGuard;
use crate::channel::receiving::{InStream, Receiving};
use crate::deadline::Wait;
use crate::error::Result;
use crate::message::Message;

impl Channel {
    /// Receives over a stream, in a call that has entered the receiving direction.
    #[inline(never)]
    pub(super) fn recv_in_stream(
        &self,
        mut entered: SeatGuard<'_, Receiving>,
        wait: Wait<'_>,
    ) -> Result<Message> {
        let mut waiting = self.options.start(wait);
        let (receiving, halves) = entered.parts();
        let begun = receiving.begin_in_stream(halves, &self.conn, &waiting);
        if let InStream::Taken(taken) = begun {
            drop(entered);
            return Ok(self.conn.finish(taken));
        }
        let mut receiving = entered.hold();
        if let InStream::Waits = begun
            && receiving.wait_in_stream(&self.conn, &mut waiting).map_err(|e| e.on(&self.shown))?
        {
            let mut ending = receiving.enter();
            let (state, halves) = ending.parts();
            if let Some(taken) = state.take_after_wait(halves, &self.conn.event_log) {
                ending.end();
                return Ok(self.conn.finish(taken));
            }
            receiving = ending.go_on();
        }
        self.recv_with_waiting(&mut receiving, &mut waiting).map_err(|e| e.on(&self.shown))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::codec::Encoding;
    use crate::sys::seat::counted;
    use crate::{Options, Payload};

    const SOON: Duration = Duration::from_secs(60);

    #[test]
    #[cfg_attr(not(debug_assertions), ignore = "a release build does not count")]
    fn message_over_a_stream_takes_at_most_two_locks_in_each_call() {
        for transport in ["unix", "fifo"] {
            let endpoint = format!("{transport}:stream-locks-{}", std::process::id());
            let far = Channel::open(&endpoint, &Options::default(), SOON).unwrap();
            let near = Channel::connect(&endpoint, &Options::default(), SOON).unwrap();
            let payloads =
                [64, 10_000].map(|bytes| Payload::from_bytes(Encoding::Raw, vec![7; bytes].into()));
            std::thread::scope(|scope| {
                scope.spawn(|| {
                    loop {
                        let length = far.recv(SOON).unwrap().body().len();
                        let Some(answer) = payloads.iter().find(|payload| payload.len() == length) else {
                            break;
                        };
                        far.send_payload(answer, SOON).unwrap();
                    }
                });
                for payload in &payloads {
                    // The first messages take more locks, because spinning has not succeeded yet, and so do those after
                    // an answer that missed the short wait, as on a loaded machine. So this repeats until some have
                    // taken no more than two locks.
                    let mut short = (0, 0);
                    let is_enough = (0..100_000).any(|_| {
                        let (to_send, sent) = counted(|| near.send_payload(payload, SOON));
                        let (to_receive, received) = counted(|| near.recv(SOON));
                        sent.unwrap();
                        assert_eq!(received.unwrap().body().len(), payload.len());
                        short.0 += usize::from(to_send <= 2);
                        short.1 += usize::from(to_receive <= 2);
                        short.0 >= 100 && short.1 >= 100
                    });
                    assert!(is_enough, "{transport}, {} bytes: {short:?}", payload.len());
                }
                near.send_payload(&Payload::from_bytes(Encoding::Raw, vec![0].into()), SOON).unwrap();
            });
        }
    }
}
