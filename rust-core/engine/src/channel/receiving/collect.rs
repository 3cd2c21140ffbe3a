//! Receiving for the library: acknowledgements are read while the program waits for something else, and messages go to
//! the inbox.

use super::{ReceivedFrame, Receiving};
use crate::channel::sending::AckSender;
use crate::deadline::Waiting;
use crate::error::{Error, ErrorKind, Result};
use crate::session::inbox::AckTrigger;

/// Messages in the inbox, at most, while a thread reads for acknowledgements.
const MAX_INBOX: usize = 1 << 16;

impl Receiving {
    /// Receives the available frames without waiting, for the acknowledgements among them; messages go to the
    /// inbox.
    pub fn collect_acks(&mut self, ack_sender: &AckSender<'_>) {
        if self.part.is_none() && !ack_sender.links.is_newer(self.generation) {
            return;
        }
        let mut at_once = Waiting::at_once();
        // The next call that receives gets the same error and reports it.
        while let Ok(taken) = self.link_next(ack_sender, &mut at_once, false) {
            if let ReceivedFrame::Message(message) = taken {
                self.keep(message);
            }
            if self.inbox.len() >= MAX_INBOX {
                break;
            }
        }
    }

    /// Receives until `enough` is true, at the latest until the deadline; messages go to the inbox.
    ///
    /// # Errors
    /// `Full` if the inbox holds [`MAX_INBOX`] messages.
    pub fn read_until(
        &mut self,
        ack_sender: &AckSender<'_>,
        waiting: &mut Waiting<'_>,
        enough: impl FnMut() -> bool,
    ) -> Result<()> {
        self.for_library = true;
        let read = self.read_loop(ack_sender, waiting, true, enough);
        self.for_library = false;
        read
    }

    /// Receives the available frames, until `enough` is true or the link has no more; makes no other link.
    ///
    /// # Errors
    /// `Timeout` where the link exists and has no more frames, otherwise the reason why the link has ended; and those
    /// of [`Receiving::read_until`].
    pub fn read_what_is_there(
        &mut self,
        ack_sender: &AckSender<'_>,
        enough: impl FnMut() -> bool,
    ) -> Result<()> {
        let AckSender { links: reconnector, event_log, .. } = *ack_sender;
        let mut enough = enough;
        loop {
            if self.part.is_none() {
                if !reconnector.is_newer(self.generation) {
                    return Err(Error::new(ErrorKind::Disconnected, "the link has ended"));
                }
                // A sender has made it.
                self.connect(reconnector, event_log, &mut Waiting::at_once())?;
            }
            if let Some(part) = &mut self.part {
                // A link over shared memory, once it was parked, asks the kernel whether its peer was killed.
                self.parked = true;
                part.rx.park()?;
            }
            let read = self.read_loop(ack_sender, &mut Waiting::at_once(), false, &mut enough);
            if read.is_ok() || self.part.is_some() {
                return read;
            }
        }
    }

    /// [`Receiving::read_until`] and [`Receiving::read_what_is_there`] without the flag.
    fn read_loop(
        &mut self,
        ack_sender: &AckSender<'_>,
        waiting: &mut Waiting<'_>,
        reconnects: bool,
        mut enough: impl FnMut() -> bool,
    ) -> Result<()> {
        while !enough() {
            if self.inbox.len() >= MAX_INBOX {
                let text = format!(
                    "{MAX_INBOX} messages wait to be received, and the peer has not consumed what was sent; receive them first"
                );
                return Err(Error::new(ErrorKind::Full, text));
            }
            match self.link_next(ack_sender, waiting, reconnects)? {
                ReceivedFrame::Message(message) => {
                    self.keep(message);
                    ack_sender.send_ack(AckTrigger::Requested);
                }
                ReceivedFrame::Bye => ack_sender.send_ack(AckTrigger::Requested),
                ReceivedFrame::Ack => {}
            }
        }
        Ok(())
    }
}
