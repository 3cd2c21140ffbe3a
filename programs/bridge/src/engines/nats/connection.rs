//! Connects to a server and logs connection events.
//!
//! The client reconnects automatically with a pause of up to a second. After each connection, it notifies the
//! presence task, because messages may have been lost.

use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use async_nats::{Client, ConnectOptions, Event};
use linkspan::{Error, ErrorKind, Result};
use nkeys::{KeyPair, KeyPairType};
use tokio::sync::mpsc;

use super::presence_event::PresenceEvent;
use crate::config::Nats;
use crate::engine::Arrival;
use crate::inbox::Inbox;
use crate::tls::text;

const WAITING: usize = 16_384;
/// The capacity of the client's queue. More messages wait in `outgoing`, which can drop them.
const COMMANDS: usize = 256;
/// The ping interval, which detects an unreachable server.
const PING: Duration = Duration::from_secs(3);
const CONNECT: Duration = Duration::from_secs(5);
/// The client's error text if the server refuses the credentials.
const REFUSED: &str = "authorization violation";
/// The pause after the first failed attempt; it grows with each attempt.
const PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// Connects now, or as soon as a server is reachable.
///
/// # Errors
/// Errors of `identity`; `TransportUnavailable` with the client's text.
pub async fn connect(
    config: &Nats,
    inbox: &Inbox,
    events: mpsc::UnboundedSender<PresenceEvent>,
) -> Result<Client> {
    let notes = Notes { inbox: inbox.clone(), identity: config.identity(), last: Mutex::default() };
    let callback = move |event: Event| {
        notes.log(&event);
        let presence_event = match event {
            Event::Connected => Some(PresenceEvent::Connected),
            Event::SlowConsumer(_) => Some(PresenceEvent::Missed),
            _ => None,
        };
        // Fails only if the presence task has ended.
        let _ = presence_event.map(|event| events.send(event));
        std::future::ready(())
    };
    let pause = |attempts: usize| {
        LONGEST_PAUSE.min(PAUSE.saturating_mul(u32::try_from(attempts).unwrap_or(u32::MAX)))
    };
    let options = identity(config)?
        .name("linkspan-bridge")
        // A bridge does not receive its own messages.
        .no_echo()
        .retry_on_initial_connect()
        .reconnect_delay_callback(pause)
        .connection_timeout(CONNECT)
        .ping_interval(PING)
        .subscription_capacity(WAITING)
        .client_capacity(COMMANDS)
        // Servers that the first one announces might be reached without encryption.
        .ignore_discovered_servers()
        .require_tls(config.is_encrypted())
        .event_callback(callback);
    options.connect(&config.servers).await.map_err(|e| {
        let text = format!("connecting to {}: {e}", config.servers.join(", "));
        Error::new(ErrorKind::TransportUnavailable, text)
    })
}

/// Returns options with this bridge's credentials.
///
/// # Errors
/// `Malformed` with the file if it lacks such credentials; system errors.
fn identity(config: &Nats) -> Result<ConnectOptions> {
    let mut options = ConnectOptions::new();
    if let Some(file) = &config.credentials {
        let wrong = |e| malformed(file, &format!("has no credentials ({e}): `nsc generate creds` makes it"));
        options = options.credentials(&text(file)?).map_err(wrong)?;
    }
    if let (Some(user), Some(file)) = (&config.user, &config.password_file) {
        options = options.user_and_password(user.clone(), secret(file, "password")?);
    }
    if let Some(file) = &config.token_file {
        options = options.token(secret(file, "token")?);
    }
    if let Some(file) = &config.nkey_file {
        let seed = secret(file, "seed")?;
        if !KeyPair::from_seed(&seed).is_ok_and(|key| key.key_pair_type() == KeyPairType::User) {
            let text = "has no seed of a user's nkey, which begins with SU: `nk -gen user` makes one";
            return Err(malformed(file, text));
        }
        options = options.nkey(seed);
    }
    if let Some(authority) = &config.ca {
        options = options.add_root_certificates(authority.clone());
    }
    if let (Some(certificate), Some(key)) = (&config.certificate, &config.key) {
        options = options.add_client_certificate(certificate.clone(), key.clone());
    }
    Ok(options)
}

/// Reads a file that contains one secret. The error does not contain the secret.
fn secret(file: &Path, what: &str) -> Result<String> {
    let text = text(file)?.trim_end().to_owned();
    if text.is_empty() {
        return Err(malformed(file, &format!("is empty: write the {what} into it")));
    }
    Ok(text)
}

fn malformed(file: &Path, text: &str) -> Error {
    Error::new(ErrorKind::Malformed, format!("{} {text}", file.display()))
}

/// Logs connection events without repetition: an unreachable server fails every attempt alike.
struct Notes {
    inbox: Inbox,
    identity: String,
    last: Mutex<String>,
}

impl Notes {
    /// Logs an event, unless its line equals the last one.
    fn log(&self, event: &Event) {
        let (level, text) = match event {
            Event::Connected => ("info", "connected to the NATS server".to_owned()),
            Event::Disconnected => ("warning", "the connection to the NATS server was lost".to_owned()),
            Event::SlowConsumer(_) => {
                ("warning", "messages came faster than they were taken, and some were dropped".to_owned())
            }
            Event::ServerError(error) => ("warning", format!("the NATS server refuses something: {error}")),
            Event::ClientError(error) if error.to_string().contains(REFUSED) => {
                let text = format!(
                    "the NATS server refuses {}: {error}; see which users its configuration has, and begin anew where a file here was wrong",
                    self.identity
                );
                ("warning", text)
            }
            Event::ClientError(error) => ("warning", format!("the NATS server is not reached: {error}")),
            Event::LameDuckMode | Event::Draining | Event::Closed => return,
        };
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if *last != text {
            last.clone_from(&text);
            self.inbox.push(Arrival::Note(level, text));
        }
    }
}
