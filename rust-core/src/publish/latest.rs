//! The newest value alone: no subscription is left behind.

use super::feed::ring;
use super::store::{self, StoreReader};
use super::subscriber::Subscriber;
use crate::channel::dial::Dialler;
use crate::channel::greeting::{Greeting, Pattern};
use crate::channel::persistent::Kept;
use crate::channel::session::Owner;
use crate::channel::{Options, Use};
use crate::deadline::{Wait, Waiting};
use crate::error::{Error, ErrorKind, Result};
use crate::frame::{Incoming, Kind};
use crate::message::Message;
use crate::sys::poll::wait_any;
use crate::transport::endpoint::{Endpoint, Transport};
use crate::transport::extension;
use crate::transport::shm::{Received, RingReader, Start};
use crate::transport::socket::StreamRx;

/// The newest value of a publisher. `Empty` where nothing was published, `NotFound` where nobody publishes: without a
/// time-out of its own it does not wait for a publisher to come.
pub fn latest<'a>(endpoint: &str, options: &Options, wait: impl Into<Wait<'a>>) -> Result<Message> {
    let endpoint: Endpoint = endpoint.parse()?;
    let no_wait = crate::deadline::Timeout::After(std::time::Duration::ZERO);
    let mut waiting = wait.into().start(no_wait).on_wait(&options.on_wait);
    find(&endpoint, options, &mut waiting).map_err(|e| e.on(&endpoint))
}

static SUBSCRIBERS: Kept<Subscriber> = Kept::new();

/// Like [`latest`], over a subscription that is kept in this thread for the next call with the same endpoint and options.
pub fn latest_persistent<'a>(
    endpoint: &str,
    options: &Options,
    wait: impl Into<Wait<'a>>,
) -> Result<Message> {
    let kept = SUBSCRIBERS.get(endpoint, options, |_| true, || Subscriber::new(endpoint, options))?;
    match kept.newest(wait) {
        // Over a socket, the newest may still be on its way to a subscription that was made just now. Asked for by itself
        // it comes with the answer, and so does the word that there is none.
        Err(e) if e.kind() == ErrorKind::Empty => latest(endpoint, options, Wait::none()),
        newest => newest,
    }
}

fn find(endpoint: &Endpoint, options: &Options, waiting: &mut Waiting<'_>) -> Result<Message> {
    options.check(endpoint.transport(), Use::Subscribe)?;
    if store::is_store(endpoint.transport()) {
        let options = store::options_for(endpoint.transport(), options);
        let frame = StoreReader::newest(endpoint, &options, waiting)?;
        let source = match extension::read(&frame.extension) {
            Ok(Some(sender)) => sender.source,
            _ => "".into(),
        };
        return Ok(Message::new(frame, &source, options.limits(), 0).held_to(options.checks_received()));
    }
    let dialler = Dialler::new(endpoint, options)?;
    let mut ours = Greeting::new(Pattern::Publish, options.client_id.clone(), options.limit)?;
    ours.once = true;
    loop {
        let dialled = dialler.dial(&ours, || Ok(((), Vec::new())), &[], waiting)?;
        let Some((mut called, theirs, ())) = dialled else { continue };
        Pattern::Publish.fits(theirs.pattern)?;
        let source = Owner::of(&called.stream, called.credentials.as_ref()).mark(theirs.source());
        let frame = match endpoint.transport() {
            Transport::Shm => {
                let ring = ring(&mut called.descriptors)?;
                match RingReader::open(ring, theirs.session, options.limit, Start::Newest)?.latest()? {
                    Received::Frame(frame) => Some(frame),
                    Received::Nothing => None,
                    // It grew between the answer and our look: ask again.
                    Received::Moved => continue,
                }
            }
            _ => from_stream(StreamRx::new(called.stream, called.process, options.limit), waiting)?,
        };
        return match frame {
            Some(frame) => {
                Ok(Message::new(frame, &source.into(), options.limits(), 0)
                    .held_to(options.checks_received()))
            }
            None => Err(Error::new(ErrorKind::Empty, "nothing has been published yet")),
        };
    }
}

/// The one frame that a publisher sends after its hello. It is on its way already, so that a call which is not to wait
/// gets it too.
fn from_stream(mut rx: StreamRx, waiting: &mut Waiting<'_>) -> Result<Option<Incoming>> {
    let mut grace = Waiting::until(crate::deadline::Deadline::after(Wait::TICK * 5));
    loop {
        if let Some(frame) = rx.try_recv()? {
            return Ok(Some(frame).filter(|f| f.header.kind == Kind::Data));
        }
        let step = if waiting.deadline().has_passed() { &mut grace } else { &mut *waiting };
        let fd = rx.descriptors().next().map(|fd| (fd, rustix::event::PollFlags::IN));
        match fd.map(|fd| wait_any(step, [fd])) {
            Some(Err(e)) if e.kind() != ErrorKind::Timeout || grace.deadline().has_passed() => return Err(e),
            _ => {}
        }
    }
}
