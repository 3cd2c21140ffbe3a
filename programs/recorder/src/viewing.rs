//! Converts messages for viewers: to CDR with a `ros2msg` type, or to JSON, with a channel for each form.

use std::any::Any;
use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use linkspan::schema::Schema;
use linkspan::{Result, Value};
use linkspan_recording::reader::{self, Schema as FileSchema};
use linkspan_recording::{ChannelRecord, format};
use linkspan_ros2::{Encoder, Messages};

/// The caches are cleared when they have this many names or channels.
const MAX_KNOWN: usize = 1 << 16;

/// The message types of names, and the channels for the converted messages.
pub struct Viewing {
    /// The most bytes of a converted message.
    most: u64,
    messages: Vec<Messages>,
    /// By the name and the notation of its schema.
    by_name: HashMap<(String, Option<String>), usize>,
    /// By the address of the owner of name and schema. Holding the owner keeps the address unique.
    known: HashMap<usize, (Arc<dyn Any + Send + Sync>, usize)>,
    /// By the addresses of the original channel and of the encoder, which are both held.
    channels: HashMap<(usize, usize), Channel>,
    keys: u64,
}

struct Channel {
    _held: (Arc<ChannelRecord>, Arc<Encoder>),
    key: u64,
    record: Arc<ChannelRecord>,
}

/// The key of a channel, the channel, the body of a message.
pub type Written = (u64, Arc<ChannelRecord>, Bytes);

impl Viewing {
    /// Begins without any types. Messages have up to `longest` bytes before and after the conversion: the tools read no
    /// longer message of the written file.
    pub fn new(longest: u64) -> Viewing {
        Viewing {
            most: longest,
            messages: Vec::new(),
            by_name: HashMap::new(),
            known: HashMap::new(),
            channels: HashMap::new(),
            keys: 0,
        }
    }

    fn of(
        &mut self,
        owner: &Arc<impl Any + Send + Sync>,
        topic: &str,
        notation: impl FnOnce() -> Option<String>,
    ) -> &mut Messages {
        let address = Arc::as_ptr(owner).addr();
        let at = match self.known.get(&address) {
            Some((_, at)) => *at,
            None => {
                let notation = notation();
                let schema = notation.as_deref().and_then(|text| Schema::parse(text).ok());
                let next = self.messages.len();
                let at = *self.by_name.entry((topic.to_owned(), notation)).or_insert(next);
                if at == next {
                    self.messages.push(Messages::new(topic, schema.as_ref()).within(self.most));
                }
                if self.known.len() >= MAX_KNOWN {
                    self.known.clear();
                }
                self.known.insert(address, (owner.clone(), at));
                at
            }
        };
        &mut self.messages[at]
    }

    /// Examines a message. Messages are converted after all were examined.
    pub fn look(&mut self, channel: &Arc<reader::Channel>, value: &Value, sent: u64) {
        self.of(channel, &channel.topic, || channel.notation().map(str::to_owned))
            .look(value, nanoseconds(sent));
    }

    /// Converts an examined message. `record` is its original channel.
    pub fn encode(
        &mut self,
        channel: &Arc<reader::Channel>,
        record: &Arc<ChannelRecord>,
        value: &Value,
        sent: u64,
    ) -> Result<Written> {
        let messages = self.of(channel, &channel.topic, || channel.notation().map(str::to_owned));
        let (encoder, body) = messages.encode(value, nanoseconds(sent))?;
        Ok(self.written(record, encoder, body))
    }

    /// Converts a message at once, without examining all messages first. `record` is its original channel.
    pub fn encode_next(&mut self, record: &Arc<ChannelRecord>, value: &Value, sent: u64) -> Result<Written> {
        let messages = self.of(record, &record.topic, || record.notation().map(str::to_owned));
        let (encoder, body) = messages.encode_next(value, nanoseconds(sent))?;
        Ok(self.written(record, encoder, body))
    }

    fn written(&mut self, base: &Arc<ChannelRecord>, encoder: Arc<Encoder>, body: Vec<u8>) -> Written {
        let addresses = (Arc::as_ptr(base).addr(), Arc::as_ptr(&encoder).addr());
        if self.channels.len() >= MAX_KNOWN {
            self.channels.clear();
        }
        let channel = self.channels.entry(addresses).or_insert_with(|| {
            self.keys = self.keys.saturating_add(1);
            let record = Arc::new(record_of(base, &encoder));
            Channel { _held: (base.clone(), encoder), key: self.keys, record }
        });
        (channel.key, channel.record.clone(), Bytes::from(body))
    }
}

fn nanoseconds(time: u64) -> i64 {
    i64::try_from(time).unwrap_or(i64::MAX)
}

fn record_of(base: &ChannelRecord, encoder: &Encoder) -> ChannelRecord {
    let mut record = base.clone();
    if let Some(notation) = base.notation() {
        record.metadata.insert(format::channel::SCHEMA.to_owned(), notation.to_owned());
    }
    record.metadata.remove(format::channel::JSON_SCHEMA);
    for (path, unit) in &encoder.units {
        let dot = if path.is_empty() { "" } else { "." };
        record.metadata.insert(format!("{}{dot}{path}", format::channel::UNIT), unit.clone());
    }
    record.encoding = encoder.encoding.to_owned();
    // JSON gets no schema: some readers of ROS bags cannot open files that contain JSON Schema.
    record.schema = encoder.is_cdr().then(|| {
        let data = encoder.text.clone().into_bytes();
        Arc::new(FileSchema::new(encoder.name.clone(), encoder.notation.to_owned(), data))
    });
    record
}
