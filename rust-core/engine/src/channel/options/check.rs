//! Checks options together with the transport's capabilities.

use std::sync::Arc;
use std::time::Duration;

use super::set::{buffer, client_id, mode, spin};
use super::{Acknowledge, Delivery, Framing, Options, Use, Validate};
use crate::codec::Encoding;
use crate::deadline::Timeout;
use crate::error::{Error, ErrorKind, Result};
use crate::schema::PreparedSchema;
use crate::transport::capability::Capabilities;
use crate::transport::endpoint::Endpoint;
use crate::transport::kind::Transport;
use crate::transport::place::Access;

const PUBLISHING: &str = "publish and subscribe (send and recv are possible)";

impl Options {
    /// Returns the access rights of created files.
    pub fn access(&self) -> Access {
        Access { mode: self.mode, group: self.group, patience: self.patience_to_bind(), ..Access::default() }
    }

    pub(crate) fn patience(&self) -> Option<Duration> {
        if let Timeout::After(most) = self.timeout { Some(most) } else { None }
    }

    pub(crate) fn patience_to_bind(&self) -> Option<Duration> {
        const BRIEFLY: Duration = Duration::from_millis(20);
        if self.binds_briefly { Some(self.within(BRIEFLY)) } else { self.patience() }
    }

    pub(crate) fn within(&self, time: Duration) -> Duration {
        self.patience().map_or(time, |most| most.min(time))
    }

    fn check_values(&self) -> Result<()> {
        let under = |name: &'static str| move |e: Error| e.under_key(name);
        if let Some(name) = &self.client_id {
            client_id(name).map_err(under("client_id"))?;
        }
        if let Some(bits) = self.mode {
            mode(&u64::from(bits).into()).map_err(under("mode"))?;
        }
        if let Some(bytes) = self.buffer {
            buffer(&(bytes as u64).into()).map_err(under("buffer"))?;
        }
        let micros = u64::try_from(self.spin.as_micros()).unwrap_or(u64::MAX);
        spin(&micros.into()).map_err(under("spin"))?;
        for (schema, name) in [(&self.schema, "schema"), (&self.reply_schema, "reply_schema")] {
            if let Some(schema) = schema {
                schema.check_size().map_err(under(name))?;
            }
        }
        if self.validate.is_some() && self.schema.is_none() && self.reply_schema.is_none() {
            let text = "validate selects which values are checked against the schema, and there is none: give the option schema, too";
            return Err(under("validate")(Error::new(ErrorKind::Unsupported, text)));
        }
        Ok(())
    }

    pub(crate) fn checks_sent(&self) -> Option<&Arc<PreparedSchema>> {
        self.schema.as_ref().filter(|_| matches!(self.validate, Some(Validate::Send | Validate::Both)))
    }

    pub(crate) fn checks_replies_sent(&self) -> Option<&Arc<PreparedSchema>> {
        self.reply_schema.as_ref().filter(|_| matches!(self.validate, Some(Validate::Send | Validate::Both)))
    }

    pub(crate) fn checks_replies_received(&self) -> Option<&Arc<PreparedSchema>> {
        let checks = matches!(self.validate, Some(Validate::Receive | Validate::Both));
        self.reply_schema.as_ref().filter(|_| checks)
    }

    pub(crate) fn checks_received(&self) -> Option<&Arc<PreparedSchema>> {
        self.schema.as_ref().filter(|_| matches!(self.validate, Some(Validate::Receive | Validate::Both)))
    }

    /// Whether accepted messages must survive a power cut, by the option `durable` or the delivery.
    pub fn is_durable(&self) -> bool {
        self.durable || self.delivery == Some(Delivery::Durable)
    }

    /// Checks the options against the transport, before anything is created or sent.
    ///
    /// # Errors
    /// `Unsupported`, with the reason.
    pub fn check(&self, transport: Transport, used: Use) -> Result<()> {
        self.check_values()?;
        let framing = transport.capabilities().framing || self.framing == Framing::Linkspan;
        transport.require(framing, "the option framing")?;
        self.check_encoding()?;
        let can = self.capabilities(transport);
        let require = |is: bool, what: &str| {
            if is { Ok(()) } else { Err(transport.unsupported_because(what, can.because)) }
        };
        match used {
            Use::Channel => require(can.channel, "a channel (publish, subscribe and latest are possible)")?,
            Use::Request => require(can.request, "a server")?,
            Use::Publish => require(can.publish, PUBLISHING)?,
            Use::Subscribe => {
                require(can.publish, PUBLISHING)?;
                // The framing of a file is only the form of its value.
                let has_events = self.framing == Framing::Linkspan || can.single_value;
                require(has_events, "subscribe to lines (connect, and recv gives each)")?;
            }
        }
        let lists = !self.allow_uids.is_empty() || !self.allow_gids.is_empty();
        require(can.allow_lists || !lists, "the options allow_uids and allow_gids")?;
        require(can.durable || !self.is_durable(), "durable delivery")?;
        require(can.modes || self.mode.is_none() && self.group.is_none(), "the options mode and group")?;
        require(can.single_value || !self.locked, "the option locked")?;
        if self.from.is_some() && !can.history {
            let text = format!(
                "the option from is for {}, which keeps what was published: first, newest, a number or a time; a subscriber over {}: begins with the newest value",
                Transport::having(|can| can.history),
                transport.name()
            );
            return Err(Error::new(ErrorKind::Unsupported, text).under_key("from"));
        }
        if self.reply_schema.is_some() {
            let text = "the option reply_schema is for servers and for those who call them, where a reply comes back";
            let replies = matches!(used, Use::Channel | Use::Request) && can.replies;
            let refused = || Error::new(ErrorKind::Unsupported, text).under_key("reply_schema");
            replies.then_some(()).ok_or_else(refused)?;
        }
        self.check_shared(transport, used)?;
        if self.replace && (used != Use::Publish || can.single_value || can.history) {
            let text = "the option replace is for publishers to which subscribers connect: it takes over a name that this process publishes at";
            return Err(Error::new(ErrorKind::Unsupported, text).under_key("replace"));
        }
        let kept = self.segment_bytes.or(self.retain_bytes).is_some()
            || self.retain_seconds.is_some()
            || self.retain_consumed;
        transport.require(
            can.history || !kept,
            "the options segment_bytes, retain_bytes, retain_seconds and retain_consumed",
        )?;
        let again = self.delivery == Some(Delivery::AtLeastOnce);
        match used {
            Use::Publish | Use::Subscribe if again && !can.history => {
                let text = "delivery=\"at_least_once\" is for channels and servers: a publisher waits for no subscriber. A journal: keeps every message for each subscriber with a client_id";
                Err(Error::new(ErrorKind::Unsupported, text).under_key("delivery"))
            }
            Use::Publish | Use::Subscribe => Ok(()),
            Use::Channel | Use::Request => {
                let latest = self.delivery == Some(Delivery::Latest);
                require(
                    !latest,
                    "the delivery latest on a channel, which gives every message: subscribe, or ask for the latest;",
                )?;
                let plain = self.framing != Framing::Linkspan;
                let manual = self.ack == Acknowledge::Manual;
                require(!plain || !manual && !self.idempotent, "the options ack=\"manual\" and idempotent")?;
                require(can.sessions || can.keeps || !again, "the delivery at_least_once")
            }
        }
    }

    fn check_shared(&self, transport: Transport, used: Use) -> Result<()> {
        let is_serving = used == Use::Request && self.framing == Framing::Linkspan;
        let can = transport.capabilities().shared;
        if !self.shared || is_serving && can {
            return Ok(());
        }
        let text = format!(
            "the option shared is for servers over {}, with framing=\"linkspan\"",
            Transport::having(|can| can.shared)
        );
        Err(Error::new(ErrorKind::Unsupported, text))
    }

    /// Fails with `Unsupported` if the transport cannot carry a reply back.
    pub(crate) fn check_replies(&self, endpoint: &Endpoint, what: &str) -> Result<()> {
        let transport = endpoint.transport();
        let can = self.capabilities(transport);
        if can.replies { Ok(()) } else { Err(transport.unsupported_because(what, can.because).on(endpoint)) }
    }

    pub(crate) fn capabilities(&self, transport: Transport) -> Capabilities {
        let can = *transport.capabilities();
        match self.framing {
            Framing::Lines => can.with_lines(),
            Framing::Raw => can.with_raw_bytes(),
            Framing::Linkspan => can,
        }
    }

    /// Returns the chosen encoding of values, or the framing's encoding.
    pub fn encoding(&self) -> Encoding {
        match self.framing {
            _ if self.encoding_given || self.encoding != Encoding::Cbor => self.encoding,
            Framing::Lines => Encoding::Json,
            Framing::Raw => Encoding::Raw,
            Framing::Linkspan => self.encoding,
        }
    }

    fn check_encoding(&self) -> Result<()> {
        let (carries, name) = match self.framing {
            Framing::Linkspan => return Ok(()),
            Framing::Lines => (Encoding::Json, "framing=\"lines\" carries one JSON text a line"),
            Framing::Raw => (Encoding::Raw, "framing=\"raw\" carries bytes as they are"),
        };
        let encoding = self.encoding();
        if encoding == carries {
            return Ok(());
        }
        let text = format!("{name}, so the encoding is {}, not {}", carries.name(), encoding.name());
        Err(Error::new(ErrorKind::Unsupported, text).with_path("encoding"))
    }
}
