//! Messages at a fixed rate: the near end publishes. The far end polls in a loop, or sleeps in a listener that each
//! message notifies.

use std::io::{BufRead, Write};

use iceoryx2::port::subscriber::Subscriber;
use iceoryx2::prelude::*;

use crate::near::Far;
use crate::pace::{BYTES, Monotonic, Stamp, receive_round, send_at_rate};
use crate::worker::pin;
use crate::{BLOCK, Result, far, ways};

/// The messages in a subscriber's buffer; the publisher waits when it is full.
const DEPTH: usize = 2 * BLOCK as usize;

/// The far end: prints the latencies of each round.
pub fn receive_rounds(waits: &str, near: &str) -> Result<()> {
    far::end_with_near();
    let near = near.parse()?;
    let (there, back) = ways(near)?;
    let node = NodeBuilder::new().config(&crate::config(near)?).create::<ipc::Service>()?;
    let service = node.service_builder(&there).publish_subscribe::<[u8]>();
    let service =
        service.history_size(0).subscriber_max_buffer_size(DEPTH).enable_safe_overflow(false).create()?;
    let subscriber = service.subscriber_builder().buffer_size(DEPTH).create()?;
    let events = node.service_builder(&back).event().create()?;
    let listener = events.listener_builder().create()?;
    pin(true);
    println!("ready");
    let parked = waits == "parked";
    let mut out = std::io::stdout().lock();
    while far::round_begins() {
        let mut line = String::new();
        let mut all = Vec::with_capacity(DEPTH);
        let receive = || loop {
            if let Some(stamp) = next(&subscriber)? {
                return Ok(stamp);
            }
            if parked {
                listener.blocking_wait(|_| {})?;
            } else {
                std::hint::spin_loop();
            }
        };
        receive_round(&Monotonic, receive, |took| {
            all.push(took);
            Ok(())
        })?;
        for took in all {
            line.push_str(&format!(" {took}"));
        }
        writeln!(out, "{line}")?;
        out.flush()?;
    }
    Ok(())
}

fn next(subscriber: &Subscriber<ipc::Service, [u8], ()>) -> Result<Option<Stamp>> {
    let Some(sample) = subscriber.receive()? else { return Ok(None) };
    let mut own = [0; BYTES];
    own.copy_from_slice(sample.payload());
    Stamp::read(&own).map(Some)
}

pub fn work(waits: &str, rate: &str) -> Result<()> {
    let interval = 1_000_000_000 / rate.parse::<u64>()?;
    let mut far = Far::start(&["rate", waits])?;
    let node = NodeBuilder::new().config(&crate::config(std::process::id())?).create::<ipc::Service>()?;
    let (there, back) = ways(std::process::id())?;
    let to = node.service_builder(&there).publish_subscribe::<[u8]>().open()?;
    let to = to.publisher_builder().initial_max_slice_len(BYTES).create()?;
    let events = node.service_builder(&back).event().open()?;
    let notifier = (waits == "parked").then(|| events.notifier_builder().create()).transpose()?;
    pin(false);
    println!("ready");
    for line in std::io::stdin().lock().lines() {
        let count = line?.trim().parse::<u64>()?;
        far.begin()?;
        let send = |content: [u8; BYTES]| {
            to.loan_slice_uninit(BYTES)?.write_from_slice(&content).send()?;
            if let Some(notifier) = &notifier {
                notifier.notify()?;
            }
            Ok(())
        };
        let late = send_at_rate(&Monotonic, interval, count, Stamp::content, send)?;
        println!("{late}{}", far.line()?.trim_end());
        std::io::stdout().flush()?;
    }
    Ok(())
}
