//! Sends kept messages of exported publishers to machines that missed them, over streams: see `kept`.

use std::collections::BTreeMap;
use std::time::Instant;

use crate::config::Config;
use crate::exports::Exports;
use crate::kept::{bytes_of, publisher_of, requested};
use crate::links::{Id, Links, Opened, Received};

const IN_TURN: usize = 64;

#[derive(Default)]
pub struct Replays(BTreeMap<Id, Replay>);

struct Replay {
    name: String,
    machine: String,
    /// The incarnation, and the next number; `None` until they are requested.
    next: Option<(u64, u64)>,
}

impl Replays {
    /// Begins to answer a machine that opened a stream.
    ///
    /// Closes the stream if the machine may not have the name, or its messages are not kept.
    pub fn opened(&mut self, opened: Opened, exports: &Exports, links: &mut Links, config: &Config) {
        let Opened { id, machine, name } = opened;
        let name = publisher_of(&name).unwrap_or_default().to_owned();
        if exports.kept(&name).is_none() || !config.gives(&name, &machine) {
            links.close(id);
            return;
        }
        // A machine has one stream per name; a new one replaces the previous one.
        self.0.retain(|before, replay| {
            let is_same = replay.name == name && replay.machine == machine;
            if is_same {
                links.close(*before);
            }
            !is_same
        });
        self.0.insert(id, Replay { name, machine, next: None });
    }

    /// Returns now, if there is more to send and room for it.
    pub fn deadline(&self, links: &Links) -> Option<Instant> {
        self.0.iter().any(|(id, replay)| replay.next.is_some() && links.has_room(*id)).then(Instant::now)
    }

    /// Sends messages over all streams while their windows have room, and ends complete ones.
    pub fn work(&mut self, exports: &Exports, links: &mut Links) {
        self.0.retain(|id, replay| {
            let goes_on = replay.work(*id, exports, links);
            if !goes_on {
                links.close(*id);
            }
            goes_on
        });
    }
}

impl Replay {
    /// Sends messages while the window has room. Returns whether the stream continues.
    fn work(&mut self, id: Id, exports: &Exports, links: &mut Links) -> bool {
        loop {
            match links.receive(id) {
                Received::Nothing => break,
                Received::End => return false,
                Received::Message(bytes) => {
                    let Some(wanted) = requested(&bytes) else { return false };
                    self.next = Some(wanted);
                }
            }
        }
        let Some((incarnation, next)) = &mut self.next else { return true };
        for _ in 0..IN_TURN {
            if !links.has_room(id) {
                return true;
            }
            let kept = exports.kept(&self.name).and_then(|kept| kept.from(*incarnation, *next));
            let Some(kept) = kept else { return false };
            links.send(id, bytes_of(kept));
            *next = kept.0.sequence.saturating_add(1);
        }
        true
    }
}
