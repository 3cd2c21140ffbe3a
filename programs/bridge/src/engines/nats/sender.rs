//! Executes queued operations: subscribes, publishes, and changes the list of names.
//!
//! The list changes only when its operation is reached. By then, the client has taken earlier subscriptions, so a
//! bridge that reads the list can use the name.

use std::sync::Arc;

use async_nats::Subscriber;
use futures_util::StreamExt;
use tokio::sync::oneshot;

use super::outgoing::{Handler, Outbound, Step};
use super::shared::Shared;

pub async fn run(shared: Arc<Shared>) {
    let client = &shared.client;
    loop {
        match shared.outgoing.next().await {
            Step::Subscribe { subject, queue, handler, ended } => {
                let subscribed = match queue {
                    Some(group) => client.queue_subscribe(subject, group.to_owned()).await,
                    None => client.subscribe(subject).await,
                };
                // Fails only if the client has ended.
                let _ = subscribed.map(|subscriber| tokio::spawn(handle(subscriber, handler, ended)));
            }
            Step::AddName(presence) => {
                shared.list().add(presence);
                shared.changed.notify_one();
            }
            Step::RemoveName(presence) => {
                shared.list().remove(&presence);
                shared.changed.notify_one();
            }
            // The receiver counts a lost sample with the next one; lost packets and requests are sent again.
            Step::Send(Outbound { subject, headers, payload }) if headers.is_empty() => {
                let _ = client.publish(subject, payload).await;
            }
            Step::Send(Outbound { subject, headers, payload }) => {
                let _ = client.publish_with_headers(subject, headers, payload).await;
            }
        }
    }
}

/// Passes a subscription's messages to its handler until `ended` or the connection ends. Dropping it unsubscribes.
async fn handle(mut subscriber: Subscriber, mut handler: Handler, mut ended: oneshot::Receiver<()>) {
    loop {
        tokio::select! {
            _ = &mut ended => return,
            message = subscriber.next() => match message {
                Some(message) => handler(message),
                None => return,
            },
        }
    }
}
