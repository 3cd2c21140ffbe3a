//! `Linkspan\Server`: takes the requests of many clients one by one.

use std::rc::Rc;

use ext_php_rs::boxed::ZBox;
use ext_php_rs::flags::ErrorType;
use ext_php_rs::prelude::*;
use ext_php_rs::types::{ZendCallable, ZendClassObject, ZendHashTable, Zval};
use ext_php_rs::zend::{ExecutorGlobals, ce};
use linkspan::{Error, ErrorKind, Result};

use crate::call::call_php;
use crate::channel::events;
use crate::edge::{PhpResult, edge};
use crate::exception;
use crate::from_wire::table;
use crate::iteration::{Feed, Iteration};
use crate::options::{self, FOREVER, Seconds, Waiter};
use crate::received::Request;
use crate::scalars::Text;
use crate::stream;
use crate::zend::{self, Made, made, try_made, try_made_some};

pub struct SharedServer {
    pub inner: linkspan::Server,
    pub waiter: Waiter,
}

impl SharedServer {
    /// Returns `None` after close or at a stop signal.
    pub fn next(&self, timeout: Seconds) -> Result<Option<Made<Request>>> {
        try_made_some(|| Ok(self.waiter.wait(timeout, |wait| self.inner.next(wait))?.map(Request::new)))
    }
}

impl Feed for SharedServer {
    fn next_item(&self) -> Result<Option<Zval>> {
        Ok(self.next(FOREVER)?.map(zend::into_zval))
    }
}

#[php_class]
#[php(name = "Linkspan\\Server", flags = zend::FINAL)]
#[php(implements(ce = ce::aggregate, stub = "\\IteratorAggregate"))]
pub struct Server(Rc<SharedServer>);

#[php_impl]
impl Server {
    #[php(vis = "private")]
    pub fn __construct() -> PhpResult<Self> {
        edge(|| Err(Error::new(ErrorKind::InvalidState, "use Server::serve")))
    }

    pub fn serve(endpoint: &str, options: &[&Zval]) -> PhpResult<Made<Server>> {
        edge(|| {
            try_made(|| {
                let (options, waiter) = options::of_call(options)?;
                let inner = linkspan::Server::serve(endpoint, &options)?;
                Ok(Server(Rc::new(SharedServer { inner, waiter })))
            })
        })
    }

    #[php(defaults(timeout = FOREVER))]
    pub fn next(&self, timeout: Seconds) -> PhpResult<Option<Made<Request>>> {
        edge(|| self.0.next(timeout))
    }

    pub fn run(&self, handler: ZendCallable<'_>) -> PhpResult<()> {
        edge(|| {
            while let Some(request) = self.0.next(FOREVER)? {
                answer(&handler, &zend::into_zval(request))?;
            }
            Ok(())
        })
    }

    pub fn get_iterator(&self) -> Made<Iteration> {
        made(|| Iteration::over(self.0.clone()))
    }

    pub fn events(&self) -> PhpResult<ZBox<ZendHashTable>> {
        edge(|| Ok(events(self.0.inner.events())))
    }
    pub fn endpoint(&self) -> Text {
        Text::of(self.0.inner.endpoint())
    }
    pub fn fileno(&self) -> PhpResult<i64> {
        edge(|| self.0.inner.fileno().map(i64::from))
    }
    pub fn stream(&self) -> PhpResult<Zval> {
        edge(|| stream::of(self.0.inner.fileno()?))
    }
    pub fn stats(&self) -> PhpResult<ZBox<ZendHashTable>> {
        edge(|| table(&self.0.inner.stats()))
    }

    #[php(defaults(timeout = Seconds::DEFAULT))]
    pub fn close(&self, timeout: Seconds) -> PhpResult<()> {
        edge(|| self.0.waiter.wait(timeout, |wait| self.0.inner.close(wait)))
    }
}

/// Calls the handler with a request and replies with its result.
///
/// An exception is answered `Remote` with its class and text, and shown as a warning: the loop continues. `exit` and
/// fatal errors end the loop.
fn answer(handler: &ZendCallable<'_>, argument: &Zval) -> Result<()> {
    let request = argument.object().and_then(ZendClassObject::<Request>::from_zend_obj);
    let Some(request) = request else {
        return Err(Error::new(ErrorKind::Internal, "a request is an object"));
    };
    let answered = match call_php(|| handler.try_call(vec![argument])) {
        Ok(Ok(_)) if request.is_settled() => Ok(()),
        Ok(Ok(value)) => request.answer(&value),
        Ok(Err(e)) => Err(Error::new(ErrorKind::Internal, e.to_string())),
        Err(e) if !ExecutorGlobals::has_exception() || zend::exit_is_pending() => return Err(e),
        Err(e) => Err(e),
    };
    let Err(error) = answered else { return Ok(()) };
    if !ExecutorGlobals::has_exception() {
        // A result that cannot be encoded is reported like an exception of the handler.
        exception::throw(error);
    }
    let Some(thrown) = ExecutorGlobals::take_exception() else { return Ok(()) };
    let failure = exception::as_failure(&thrown)?;
    if !request.is_settled() {
        request.refuse(&failure)?;
    }
    let warning = format!("the handler threw {}: {}", failure.kind, failure.text).replace('\0', "\\0");
    match call_php(|| ext_php_rs::error::php_error(&ErrorType::Warning, &warning)) {
        // An error handler of the program throws for the warning. The caller has its answer, and the loop continues.
        Err(_) if ExecutorGlobals::has_exception() && !zend::exit_is_pending() => {
            drop(ExecutorGlobals::take_exception());
            Ok(())
        }
        warned => warned,
    }
}
