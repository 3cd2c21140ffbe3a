//! Where looks come from: the names that are open here, and the services of a controller.

use std::time::{Duration, Instant};

use linkspan::registry::{self, Listed};
use linkspan::service::{Controller, WatchOptions};
use linkspan::{Error, ErrorKind, Value, Wait};

use super::columns::Kind;
use super::screen::Screen;
use crate::service::At;

/// Something new for the screen.
pub enum News {
    /// All endpoints, or why they could not be listed, at so many seconds of a clock that only goes on.
    Endpoints(Result<Vec<Value>, Error>, f64),
    /// All services, or why they are not to be had.
    Services(Result<Vec<Value>, Error>, f64),
    /// One service has changed.
    Service(Value),
    /// One is known no longer.
    Gone(String),
}

impl News {
    /// Changes the screen by it.
    pub fn tell(self, screen: &mut Screen) {
        match self {
            News::Endpoints(Ok(records), at) => {
                screen.trouble = None;
                screen.learn(Kind::Endpoints, |looks| looks.take(Kind::Endpoints, records, at));
            }
            News::Endpoints(Err(error), _) => screen.trouble = Some(told(&error)),
            News::Services(Ok(records), at) => {
                screen.no_controller = None;
                screen.learn(Kind::Services, |looks| looks.take(Kind::Services, records, at));
            }
            News::Services(Err(error), at) => {
                screen.no_controller = Some(told(&error));
                screen.learn(Kind::Services, |looks| looks.take(Kind::Services, Vec::new(), at));
            }
            News::Service(record) => {
                screen.learn(Kind::Services, |looks| looks.refresh(Kind::Services, record))
            }
            News::Gone(name) => screen.learn(Kind::Services, |looks| looks.forget(Kind::Services, &name)),
        }
    }
}

/// An error in a line of the screen.
pub fn told(error: &Error) -> String {
    let text = format!("{} ({}): {}", error.kind().name(), error.kind().code(), error.text());
    crate::display::escaped(&text, false)
}

/// How long an answer of a controller that is there may take.
pub const PATIENCE: Duration = Duration::from_secs(5);
/// How long it takes at most to find that there is none.
pub const COMING: Duration = Duration::from_millis(500);

/// The endpoints that are open here, as maps.
pub fn open_endpoints() -> Result<Vec<Value>, Error> {
    Ok(registry::list()?.iter().map(Listed::to_value).collect())
}

/// Looks again and again which endpoints are open, until nobody wants to be told.
pub fn endpoints(every: Duration, tell: impl Fn(News) -> bool) {
    let begun = Instant::now();
    loop {
        let looked = Instant::now();
        let records = open_endpoints();
        // One that does not answer costs its time: a count is as old as the end of the look at the most.
        if !tell(News::Endpoints(records, begun.elapsed().as_secs_f64())) {
            return;
        }
        std::thread::sleep(every.saturating_sub(looked.elapsed()));
    }
}

/// Looks again and again for the services, and hears of changes between two looks, until nobody wants to be told.
pub fn services(at: &At, every: Duration, tell: impl Fn(News) -> bool) {
    let begun = Instant::now();
    while let Err(error) = follow(at, every, begun, &tell) {
        if !tell(News::Services(Err(absent(at, error)), begun.elapsed().as_secs_f64())) {
            return;
        }
        std::thread::sleep(every);
    }
}

/// What its absence is called, which is nothing wrong.
pub fn absent(at: &At, error: Error) -> Error {
    match error.kind() {
        ErrorKind::NotFound | ErrorKind::Disconnected => {
            let text = format!("no controller at {}: `linkspan controller` is one", at.endpoint());
            Error::new(error.kind(), text)
        }
        _ => error,
    }
}

/// Until the controller is lost, which is an error, or nobody wants to be told.
fn follow(at: &At, every: Duration, begun: Instant, tell: &impl Fn(News) -> bool) -> Result<(), Error> {
    let controller = at.connect(COMING)?;
    controller.watch(&WatchOptions::default())?;
    loop {
        let looked = Instant::now();
        let records = records(&controller, PATIENCE)?;
        if !tell(News::Services(Ok(records), begun.elapsed().as_secs_f64())) {
            return Ok(());
        }
        loop {
            match controller.next(every.saturating_sub(looked.elapsed())) {
                Ok(push) => {
                    if news_of(push).is_some_and(|news| !tell(news)) {
                        return Ok(());
                    }
                }
                Err(error) if error.kind() == ErrorKind::Timeout => break,
                Err(error) => return Err(error),
            }
        }
    }
}

/// All services that a controller knows.
pub fn records<'a>(controller: &Controller, wait: impl Into<Wait<'a>>) -> Result<Vec<Value>, Error> {
    Ok(controller.services(wait)?.as_array()?.to_vec())
}

fn news_of(push: Value) -> Option<News> {
    match push.at("what").and_then(Value::as_text).ok()? {
        "service" => push.at("service").ok().cloned().map(News::Service),
        "gone" => push.at("name").and_then(Value::as_text).ok().map(|name| News::Gone(name.to_owned())),
        _ => None,
    }
}
