//! The gateway as a service: a controller monitors, pauses and ends it; a supervisor gets its state.
//!
//! | command | effect |
//! |---|---|
//! | get data | returns the counters |
//! | pause | stops receiving, calls and publishing until `run`; connections stay, and missed messages are counted |
//! | run | ends a pause |
//! | checkpoint | reads the token file again |
//! | shutdown | ends the program; done after every connection has ended |
//! | others | fail with `Unsupported` |

use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use linkspan::page::{Origin, Token};
use linkspan::service::server_side::watch_stop;
use linkspan::service::{ServiceLoop, ServiceOptions, Task};
use linkspan::{Command, Error, ErrorKind, Options, Publisher, Result, Value, several_lines};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::sync::{mpsc, watch};

use crate::access::{Gateway, Settings};
use crate::arguments::Running;
use crate::catalogue::Catalogue;
use crate::feed::{Feeds, Store};
use crate::names::Name;
use crate::opening::Opening;
use crate::part::Part;
use crate::places::{ALL_PUBLISHERS, ALL_SERVERS, Places, Shares, TURNS};
use crate::requests::Listing;
use crate::rights::Rights;
use crate::room::Room;
use crate::server::{self, Threads};
use crate::shown::without_paths;
use crate::status::Counters;
use crate::tokens::{TokenFile, Tokens};
use linkspan_program::{stderr, stdout};

/// How often tokens, publishers and the state are checked.
const LOOK: Duration = Duration::from_millis(500);

struct Main {
    gateway: Arc<Gateway>,
    service: ServiceLoop,
    paused: watch::Sender<bool>,
    threads: Threads,
    status: Option<Publisher>,
    shown: Value,
    address: String,
    told: String,
}

/// Serves until a command or a signal ends the program.
///
/// # Errors
/// Errors of the arguments, address, files and service. The controller gets the error too.
pub fn run(running: &Running) -> Result<()> {
    let requested = server::parse(&running.listen)?;
    let tls = match (&running.certificate, &running.key) {
        (Some(certificate), Some(key)) => Some(server::tls(certificate, key)?),
        _ => None,
    };
    if !requested.ip().is_loopback() && tls.is_none() && !running.behind_proxy {
        let text = format!(
            "{requested} is reached from other machines, and without TLS everybody on the network reads what is sent, tokens too: give --certificate and --key, or --behind-proxy where a proxy with TLS stands in front, or listen at 127.0.0.1:{} and use `ssh -L`",
            requested.port()
        );
        return Err(Error::new(ErrorKind::PermissionDenied, text));
    }
    raise_descriptors();
    let drawn = if running.no_start_token { None } else { Some(Token::draw()?) };
    let rights = Rights { name: "start".into(), read: vec![Name::parse("*", true)?], ..Rights::default() };
    let file = TokenFile::at(running.file.tokens.as_deref())?;
    let tokens = Tokens::new(Some(file), drawn.as_ref().map(|token| (token, rights)))?;
    // A signal before the service installs its handlers also ends the gateway.
    let early = watch_stop()?;
    let listener = server::listen(requested)?;
    let failed =
        |e: std::io::Error| Error::os(format!("listening at {requested}"), e.raw_os_error().unwrap_or(0));
    let address = listener.local_addr().map_err(failed)?;
    let hosts = running.origin.iter().filter_map(|origin| Some(origin.split_once("://")?.1.to_owned()));
    // A `file://` origin has no host.
    let hosts = hosts.filter(|host| !host.is_empty()).collect();
    let scheme = if tls.is_some() { "https" } else { "http" };
    let host = if address.ip().is_unspecified() {
        format!("127.0.0.1:{}", address.port())
    } else {
        address.to_string()
    };
    let settings = Settings {
        name_rate: running.name_rate,
        max_message_size: usize::try_from(running.max_message_size).unwrap_or(usize::MAX),
        ping: running.ping,
        origins: running.origin.clone(),
        behind_proxy: running.behind_proxy,
        is_tls: tls.is_some(),
    };
    let origin = Origin { port: address.port(), remote: !address.ip().is_loopback(), hosts };
    let buffers = Buffers { all: running.buffer, longest: running.max_published_size };
    let Made { gateway, pause, stop, started } = made(settings, origin, tokens, buffers, Vec::new());
    let mut options = ServiceOptions::default();
    options.description = format!("serves names of this machine at {scheme}://{host}/");
    let service = ServiceLoop::start(&running.service, &options)?;
    if early.is_requested() {
        return Ok(());
    }
    drop(early);
    // Reads the directories now, while descriptors are available: an error about missing descriptors must not show
    // paths.
    without_paths("");
    let threads = server::serve(&gateway, started, &listener, tls.as_ref());
    let threads = threads.inspect_err(|error| service.fail(error))?;
    drop(listener);
    let mut main = Main {
        gateway,
        service,
        paused: pause,
        threads,
        status: None,
        shown: Value::Null,
        address: format!("{scheme}://{host}/"),
        told: String::new(),
    };
    main.status = match Publisher::new(&running.status, &Options::default()) {
        Ok(publisher) => Some(publisher),
        Err(error) => {
            main.note("warning", &format!("the state is not published at {}: {error}", running.status));
            None
        }
    };
    if running.behind_proxy {
        main.note("warning", "connections are not encrypted here, and X-Forwarded-For says who connects: only the proxy may reach this address");
    }
    let address_at = |scheme: &str, host: &str| match &drawn {
        Some(token) => token.address(host).replacen("http", scheme, 1),
        None => format!("{scheme}://{host}/"),
    };
    let shown = address_at(scheme, &host);
    stdout::print_lines(&several_lines(&shown))?;
    // Other machines need the operator's name. The token must not go to other pages that `--origin` names.
    let is_own =
        |host: &str| running.behind_proxy || host.rsplit(':').next() == Some(&*address.port().to_string());
    let named = running.origin.iter().filter_map(|origin| origin.split_once("://"));
    if let Some((scheme, host)) = named.into_iter().find(|(_, host)| !host.is_empty() && is_own(host)) {
        stdout::print_lines(&several_lines(&address_at(scheme, host)))?;
    }
    // If other machines use the gateway under a certificate's or proxy's name, no local page opens.
    if drawn.is_some()
        && !running.no_open
        && address.ip().is_loopback()
        && tls.is_none()
        && !running.behind_proxy
    {
        let server = main.address.trim_end_matches('/');
        main.gateway.opening.open(server, shown.strip_prefix(server).unwrap_or_default());
    }
    let attended = main.attend();
    stop.send_replace(true);
    main.threads.join();
    main.gateway.http_publishers.end_unused(true);
    match attended {
        Ok(Some(task)) => task.done(&Value::Null),
        Ok(None) => Ok(()),
        Err(error) => {
            main.service.fail(&error);
            Err(error)
        }
    }
}

/// A gateway that serves nothing yet, and its controls.
pub struct Made {
    pub gateway: Arc<Gateway>,
    pub pause: watch::Sender<bool>,
    pub stop: watch::Sender<bool>,
    pub started: mpsc::UnboundedReceiver<Arc<Store>>,
}

/// Limits of memory for messages, in bytes.
pub struct Buffers {
    pub all: u64,
    pub longest: u64,
}

/// Creates a gateway; `recording` has the files that it shows.
pub fn made(
    settings: Settings,
    origin: Origin,
    tokens: Tokens,
    buffers: Buffers,
    recording: Vec<Part>,
) -> Made {
    let (feeds, started) = Feeds::new(buffers.all, buffers.longest);
    let (pause, paused) = watch::channel(false);
    let (stop, stopped) = watch::channel(false);
    let machine = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default().trim().to_owned();
    let listing = Arc::new(Listing::default());
    let room = Room::new(settings.max_message_size);
    let gateway = Arc::new(Gateway {
        places: Arc::new(Places::new(settings.behind_proxy)),
        settings,
        origin,
        tokens,
        feeds,
        listing: listing.clone(),
        http_publishers: Default::default(),
        counters: Arc::new(Counters::default()),
        paused,
        stop: stopped,
        room,
        waiting: Shares::new(TURNS, "calls and look-ups under way", "try again when one is done"),
        publishing: Shares::new(ALL_PUBLISHERS, "names that it publishes", "try again later"),
        serving: Shares::new(ALL_SERVERS, "names that it serves", "try again later"),
        sessions: AtomicUsize::new(0),
        machine,
        viewers: Catalogue::new(listing, buffers.longest),
        recording,
        opening: Opening::default(),
        clients: Arc::default(),
        refused_origin: Mutex::default(),
    });
    Made { gateway, pause, stop, started }
}

/// Raises the descriptor limit to its maximum: each connection needs one, and each name several.
pub fn raise_descriptors() {
    let limit = getrlimit(Resource::Nofile);
    // A failure only reduces the number of clients.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit });
}

impl Main {
    fn note(&self, level: &str, text: &str) {
        stderr::print_note(text);
        self.service.log(level, text);
    }

    fn data(&self) -> Value {
        let numbers =
            self.gateway.numbers().into_iter().map(|(name, _, count)| (name.to_owned(), Value::from(count)));
        let mut map = linkspan::Map::new();
        map.insert("address".into(), self.address.as_str().into());
        map.insert("tls".into(), self.gateway.settings.is_tls.into());
        map.insert("behind_proxy".into(), self.gateway.settings.behind_proxy.into());
        map.insert("paused".into(), (*self.paused.borrow()).into());
        if let Value::Map(counters) = self.gateway.counters.to_value() {
            counters.into_iter().for_each(|(name, count)| drop(map.insert(name, count)));
        }
        numbers.for_each(|(name, count)| drop(map.insert(name, count)));
        Value::Map(map)
    }

    fn attend(&mut self) -> Result<Option<Task>> {
        loop {
            self.look();
            if self.threads.has_ended() {
                return Err(Error::new(ErrorKind::Internal, "a thread of the gateway has ended in a defect"));
            }
            let task = match self.service.next(LOOK) {
                Ok(Some(task)) => task,
                Ok(None) => return Ok(None),
                Err(error) if error.kind() == ErrorKind::Timeout => continue,
                Err(error) => return Err(error),
            };
            match task.command() {
                Command::GetData => task.done(&self.data())?,
                Command::Pause => {
                    self.paused.send_replace(true);
                    task.done(&Value::Null)?;
                }
                Command::Run => {
                    self.paused.send_replace(false);
                    task.done(&Value::Null)?;
                }
                Command::Checkpoint => match self.gateway.tokens.read_again(true) {
                    Ok(_) => task.done(&Value::Null)?,
                    Err(error) => task.failed(&error)?,
                },
                Command::Shutdown => return Ok(Some(task)),
                other => {
                    let text = format!("a gateway has no use for {}", other.name());
                    task.failed(&Error::new(ErrorKind::Unsupported, text))?;
                }
            }
        }
    }

    fn look(&mut self) {
        let refused = self.gateway.refused_origin.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(origin) = refused {
            self.note(
                "warning",
                &format!("a page of {origin} was refused: --origin admits pages of other addresses"),
            );
        }
        let told = self.gateway.tokens.read_again(false).err().map(|error| error.to_string());
        if let Some(told) = told.filter(|told| *told != self.told) {
            self.note("error", &format!("{told}; the tokens from before count on"));
            self.told = told;
        }
        self.gateway.http_publishers.end_unused(false);
        let state = self.data();
        if let Some(status) = &self.status
            && state != self.shown
        {
            // After a failure, subscribers get the next state.
            let _ = status.send(&state);
            self.shown = state;
        }
    }
}
