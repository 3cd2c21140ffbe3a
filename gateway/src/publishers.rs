//! The thread that publishes for a client, in the order of its frames: a publisher of a journal may wait for the disk.

use std::collections::HashMap;

use linkspan::{Error, Publisher, Value};
use tokio::sync::mpsc;

use crate::frames::Frame;
use crate::names::Name;
use crate::requests::publisher;

/// What a client asks its thread for.
pub enum Work {
    Open {
        id: u64,
        name: Name,
        schema: Option<String>,
    },
    Data {
        id: u64,
        value: Value,
    },
    /// What is not published, for this reason: the answers come in the order of the frames.
    Refused {
        id: u64,
        error: Error,
    },
    Close {
        id: u64,
    },
}

/// The client for which the thread publishes.
pub trait Asker {
    /// Sends it a frame.
    fn answer(&self, frame: &Frame);
    /// Sends it an error of what has this id.
    fn fail(&self, id: Option<u64>, error: &Error);
    /// Frees the id of a publisher that has ended.
    fn forget_publisher(&self, id: u64);
    /// Counts a message that was published.
    fn published(&self);
}

/// Publishes until the client ends: then its publishers do.
pub fn work(session: &impl Asker, mut asked: mpsc::Receiver<Work>) {
    let mut publishers: HashMap<u64, Publisher> = HashMap::new();
    while let Some(work) = asked.blocking_recv() {
        match work {
            Work::Open { id, name, schema } => match publisher(&name, schema.as_deref()) {
                Ok(publisher) => {
                    publishers.insert(id, publisher);
                    session.answer(&Frame::of("ack", id).with("number", 0_u64));
                }
                Err(error) => {
                    session.forget_publisher(id);
                    session.fail(Some(id), &error);
                }
            },
            Work::Data { id, value } => {
                // Its error has been said.
                let Some(publisher) = publishers.get(&id) else { continue };
                match publisher.send(&value) {
                    Ok(number) => {
                        session.published();
                        session.answer(&Frame::of("ack", id).with("number", number));
                    }
                    Err(error) => session.fail(Some(id), &error),
                }
            }
            Work::Refused { id, error } => session.fail(Some(id), &error),
            Work::Close { id } => {
                publishers.remove(&id);
                session.forget_publisher(id);
                session.answer(&Frame::of("closed", id));
            }
        }
    }
}
