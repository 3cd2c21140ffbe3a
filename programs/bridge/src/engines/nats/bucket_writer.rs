//! Writes newest messages to the JetStream bucket, and creates the bucket if needed.
//!
//! After an error, it queues the message again and looks up the bucket again, which may have been deleted. A repeated
//! error is logged once.

use std::sync::Arc;
use std::time::Duration;

use async_nats::jetstream::{self, Context, stream};
use tokio::time::sleep;

use super::shared::Shared;
use crate::engine::Arrival;

const PAUSE: Duration = Duration::from_secs(2);

/// Writes the queued messages in turn until the runtime ends.
pub async fn fill(shared: Arc<Shared>) {
    let Some(bucket) = &shared.bucket else { return };
    let context = jetstream::new(shared.client.clone());
    let mut last_logged = String::new();
    let mut is_open = false;
    loop {
        let failed = if is_open {
            match bucket.next() {
                Some((name, message)) => {
                    let written = bucket.write(&context, &name, message.clone()).await;
                    written.inspect_err(|_| bucket.again(name, message))
                }
                None => {
                    bucket.filled.notified().await;
                    continue;
                }
            }
        } else {
            let opened = open(&context, &bucket.name).await;
            is_open = opened.is_ok();
            opened
        };
        if let Err(why) = failed {
            let text = format!(
                "the bucket {} is not written to: {why}; see that the server runs with JetStream",
                bucket.name
            );
            if last_logged != text {
                shared.inbox.push(Arrival::Note("warning", text.clone()));
                last_logged = text;
            }
            is_open = false;
            sleep(PAUSE).await;
        }
    }
}

/// Creates the bucket if it does not exist.
///
/// Creates it as a stream, because the client's function for buckets needs a newer server than 2.9.
async fn open(context: &Context, name: &str) -> Result<(), String> {
    let stream = format!("KV_{name}");
    if context.get_stream(&stream).await.is_ok() {
        return Ok(());
    }
    let config = stream::Config {
        name: stream,
        description: Some("newest messages of publishers that linkspan bridges export".to_owned()),
        subjects: vec![format!("$KV.{name}.>")],
        max_messages_per_subject: 1,
        discard: stream::DiscardPolicy::New,
        allow_rollup: true,
        deny_delete: true,
        allow_direct: true,
        num_replicas: 1,
        ..stream::Config::default()
    };
    context.create_stream(config).await.map(|_| ()).map_err(|e| e.to_string())
}
