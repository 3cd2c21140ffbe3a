//! An endpoint with a sending and a receiving side: channels, or a publisher and a subscriber.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use linkspan::{
    Channel, Encoding, Error, ErrorKind, Message, Options, Payload, Publisher, Result, Subscriber, Value,
};

use crate::conformance::nature::Nature;
use crate::support::SOON;

/// A wait for an event that must not happen, long enough for it to happen.
pub const MOMENT: Duration = Duration::from_millis(30);

static COUNT: AtomicU32 = AtomicU32::new(0);

#[derive(Clone)]
pub struct Place {
    pub nature: &'static Nature,
    pub endpoint: String,
}

pub enum Tx {
    Channel(Box<Channel>),
    Publisher(Box<Publisher>),
}

pub enum Rx {
    Channel(Box<Channel>),
    Subscriber(Box<Subscriber>),
}

pub fn options(set: &[(&str, Value)]) -> Options {
    let mut options = Options::default();
    for (name, value) in set {
        options.set(name, value).unwrap();
    }
    options
}

pub fn raw(bytes: Vec<u8>) -> Payload {
    Payload::from_bytes(Encoding::Raw, bytes.into())
}

/// Returns bytes whose blocks of 4 KiB differ from each other.
pub fn pattern(size: usize) -> Vec<u8> {
    const BLOCK: usize = 4096;
    let block: Vec<u8> = (0..BLOCK).map(|i| (i ^ (i >> 8)) as u8).collect();
    let mut bytes = block.repeat(size / BLOCK + 1);
    for (i, block) in bytes.chunks_exact_mut(BLOCK).enumerate() {
        block[BLOCK / 2..BLOCK / 2 + 8].copy_from_slice(&i.to_le_bytes());
    }
    bytes.truncate(size);
    bytes
}

/// Checks that an error has this kind, the endpoint and a text.
pub fn check_error(error: &Error, kind: ErrorKind, place: &Place) {
    assert_eq!(error.kind(), kind, "{error}");
    assert_eq!(error.endpoint(), Some(&*place.endpoint), "{error}");
    assert!(error.text().len() > 20, "the text is too short to say what happened and what to do: {error}");
}

impl Place {
    pub fn new(nature: &'static Nature) -> Place {
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let endpoint = if nature.name == "tcp" {
            // All addresses of 127.0.0.0/8 are this machine, and no other process uses an address made of
            // this pid.
            let [_, high, middle, low] = std::process::id().to_be_bytes();
            format!("tcp://127.{}.{middle}.{low}:{}", 1 + high, 20_000 + count)
        } else {
            format!("{}:case/{count}", nature.name)
        };
        Place { nature, endpoint }
    }

    pub fn at(nature: &'static Nature, endpoint: String) -> Place {
        Place { nature, endpoint }
    }

    pub fn another(&self) -> Place {
        Place::new(self.nature)
    }

    pub fn path(&self) -> PathBuf {
        let name = self.endpoint.strip_prefix(self.nature.name).unwrap()[1..].replace('/', "@");
        let directory = if self.nature.name == "journal" { "LINKSPAN_STATE_DIR" } else { "LINKSPAN_DIR" };
        PathBuf::from(std::env::var(directory).unwrap()).join(format!("{name}.{}", self.nature.name))
    }

    /// Returns the sending side. A connecting side waits at most this long.
    pub fn try_tx(&self, set: &[(&str, Value)], wait: Duration) -> Result<Tx> {
        let mut options = options(set);
        options.client_id.get_or_insert("writer".into());
        self.try_tx_with(&options, wait)
    }

    pub fn try_tx_with(&self, options: &Options, wait: Duration) -> Result<Tx> {
        if self.nature.channels {
            Channel::connect(&self.endpoint, options, wait).map(|c| Tx::Channel(Box::new(c)))
        } else {
            Publisher::new(&self.endpoint, options).map(|p| Tx::Publisher(Box::new(p)))
        }
    }

    pub fn tx(&self) -> Tx {
        self.try_tx(&[], SOON).unwrap()
    }

    pub fn try_rx(&self, set: &[(&str, Value)]) -> Result<Rx> {
        let mut options = options(set);
        options.client_id.get_or_insert("reader".into());
        self.try_rx_with(&options)
    }

    pub fn try_rx_with(&self, options: &Options) -> Result<Rx> {
        if self.nature.channels {
            Channel::open(&self.endpoint, options, SOON).map(|c| Rx::Channel(Box::new(c)))
        } else {
            Subscriber::new(&self.endpoint, options).map(|s| Rx::Subscriber(Box::new(s)))
        }
    }

    pub fn rx(&self) -> Rx {
        self.try_rx(&[]).unwrap()
    }

    /// Returns both sides; opens the holder of the name first.
    pub fn pair(&self) -> (Tx, Rx) {
        self.pair_with(&[])
    }

    pub fn pair_with(&self, set: &[(&str, Value)]) -> (Tx, Rx) {
        if self.nature.channels {
            let rx = self.try_rx(set).unwrap();
            (self.try_tx(set, SOON).unwrap(), rx)
        } else {
            let tx = self.try_tx(set, SOON).unwrap();
            (tx, self.try_rx(set).unwrap())
        }
    }

    /// Opens the holder of the name.
    pub fn try_hold(&self) -> Result<Ends> {
        let mut ends = Ends { place: self.clone(), tx: None, rx: None };
        if self.nature.channels {
            let options = options(&[("client_id", "reader".into())]);
            // `open` would connect if another process listens.
            let listener = linkspan::Listener::listen(&self.endpoint, &options)?;
            drop(listener);
            ends.rx = Some(self.try_rx(&[])?);
        } else {
            ends.tx = Some(self.try_tx(&[], SOON)?);
        }
        Ok(ends)
    }

    /// Checks that the name works: opens both sides, sends one value and receives it.
    pub fn works(&self) {
        let (tx, rx) = self.pair();
        carries(&tx, &rx);
        rx.close(SOON).unwrap();
        tx.close(SOON).unwrap();
    }
}

/// Checks that a new message arrives, after any earlier ones.
pub fn carries(tx: &Tx, rx: &Rx) {
    let value = Value::from(format!("mark {}", COUNT.fetch_add(1, Ordering::Relaxed)));
    tx.send(&value).unwrap();
    while next(tx, rx).value().unwrap() != &value {}
}

/// Returns the next message, while the sender polls and so notices a broken link.
pub fn next(tx: &Tx, rx: &Rx) -> Message {
    let began = Instant::now();
    loop {
        match rx.recv_within(MOMENT) {
            Ok(message) => return message,
            Err(e) => {
                // A side that has just connected may not be accepted yet.
                let passes =
                    matches!(e.kind(), ErrorKind::Timeout | ErrorKind::NotFound | ErrorKind::Disconnected);
                assert!(passes && began.elapsed() < SOON, "{e}");
            }
        }
        tx.look();
    }
}

impl Tx {
    pub fn send(&self, value: &Value) -> Result<u64> {
        match self {
            Tx::Channel(channel) => channel.send(value, SOON),
            Tx::Publisher(publisher) => publisher.send(value),
        }
    }

    pub fn send_payload(&self, payload: &Payload, wait: Duration) -> Result<u64> {
        match self {
            Tx::Channel(channel) => channel.send_payload(payload, wait),
            Tx::Publisher(publisher) => publisher.send_payload(payload),
        }
    }

    pub fn send_payloads(&self, payloads: &[Payload], wait: Duration) -> Result<u64> {
        match self {
            Tx::Channel(channel) => channel.send_payloads(payloads, wait),
            Tx::Publisher(publisher) => publisher.send_payloads(payloads),
        }
    }

    /// Polls the channel, like a busy program.
    pub fn look(&self) {
        if let Tx::Channel(channel) = self
            && let Err(e) = channel.poll()
        {
            assert_eq!(
                e.kind(),
                ErrorKind::Unsupported,
                "polling fails only on a channel of one direction: {e}"
            );
        }
    }

    /// Flushes a channel while nothing more is sent.
    pub fn look_out(&self) {
        if let Tx::Channel(channel) = self {
            channel.writable().unwrap();
        }
    }

    pub fn close(&self, wait: Duration) -> Result<()> {
        match self {
            Tx::Channel(channel) => channel.close(wait),
            Tx::Publisher(publisher) => {
                publisher.close(SOON).unwrap();
                Ok(())
            }
        }
    }
}

impl Rx {
    pub fn recv(&self) -> Result<Message> {
        self.recv_within(SOON)
    }

    pub fn recv_within(&self, wait: Duration) -> Result<Message> {
        match self {
            Rx::Channel(channel) => channel.recv(wait),
            Rx::Subscriber(subscriber) => subscriber.recv(wait),
        }
    }

    pub fn recv_many(&self, max: usize, wait: Duration) -> Result<Vec<Message>> {
        match self {
            Rx::Channel(channel) => channel.recv_many(max, wait),
            Rx::Subscriber(subscriber) => subscriber.recv_many(max, wait),
        }
    }

    pub fn number(&self) -> i64 {
        self.recv().unwrap().value().unwrap().as_i64().unwrap()
    }

    pub fn try_recv(&self) -> Result<Message> {
        match self {
            Rx::Channel(channel) => channel.try_recv(),
            Rx::Subscriber(subscriber) => subscriber.try_recv(),
        }
    }

    /// Checks that no message is left.
    pub fn is_empty(&self) {
        let error = self.try_recv().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Empty, "{error}");
    }

    pub fn close(&self, wait: Duration) -> Result<()> {
        match self {
            Rx::Channel(channel) => channel.close(wait),
            Rx::Subscriber(subscriber) => {
                subscriber.close();
                Ok(())
            }
        }
    }
}

/// Two sides that restart: the holder of the name, and the connecting one.
pub struct Ends {
    pub place: Place,
    tx: Option<Tx>,
    rx: Option<Rx>,
}

impl Ends {
    pub fn new(place: &Place) -> Ends {
        let (tx, rx) = place.pair();
        Ends { place: place.clone(), tx: Some(tx), rx: Some(rx) }
    }

    pub fn tx(&self) -> &Tx {
        self.tx.as_ref().unwrap()
    }

    pub fn rx(&self) -> &Rx {
        self.rx.as_ref().unwrap()
    }

    pub fn close(&self) -> Result<()> {
        self.tx.iter().try_for_each(|tx| tx.close(SOON))?;
        self.rx.iter().try_for_each(|rx| rx.close(SOON))
    }

    /// Reopens the receiving side with these options, if it holds the name.
    pub fn into_rx(mut self, options: &Options) -> std::result::Result<Rx, Box<Ends>> {
        if self.rx.take().is_none() {
            return Err(Box::new(self));
        }
        Ok(self.place.try_rx_with(options).unwrap())
    }

    pub fn drop_tx(&mut self) {
        self.tx = None;
    }

    pub fn drop_rx(&mut self) {
        self.rx = None;
    }

    pub fn drop_holder(&mut self) {
        if self.place.nature.channels { self.drop_rx() } else { self.drop_tx() }
    }

    pub fn drop_guest(&mut self) {
        if self.place.nature.channels { self.drop_tx() } else { self.drop_rx() }
    }

    pub fn again(&mut self) {
        let missing = |tx: bool, ends: &mut Ends| match tx {
            true if ends.tx.is_none() => ends.tx = Some(ends.place.tx()),
            false if ends.rx.is_none() => ends.rx = Some(ends.place.rx()),
            _ => {}
        };
        let holder_sends = !self.place.nature.channels;
        missing(holder_sends, self);
        missing(!holder_sends, self);
    }

    pub fn send(&self, numbers: impl IntoIterator<Item = i64>) {
        for i in numbers {
            self.tx().send(&Value::Int(i)).unwrap();
        }
    }

    pub fn receives(&self, numbers: impl IntoIterator<Item = i64>) {
        for i in numbers {
            assert_eq!(next(self.tx(), self.rx()).value().unwrap(), &Value::Int(i));
        }
    }
}
