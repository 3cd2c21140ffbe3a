//! `Linkspan\Publisher`, `Linkspan\Subscriber`, and the functions `subscribe` and `latest`.

use std::rc::Rc;

use ext_php_rs::boxed::ZBox;
use ext_php_rs::convert::FromZval;
use ext_php_rs::flags::DataType;
use ext_php_rs::prelude::*;
use ext_php_rs::types::{ZendHashTable, Zval};
use ext_php_rs::zend::ce;
use linkspan::{Error, ErrorKind, Result};

use crate::bytes_loan::{self, BytesLoan};
use crate::channel::{events, receive, receive_many};
use crate::edge::{PhpResult, edge};
use crate::from_wire::table;
use crate::iteration::{Feed, Iteration};
use crate::options::{self, FOREVER, NOT_AT_ALL, Seconds, Waiter};
use crate::received::Message;
use crate::room::{Size, within_limit};
use crate::scalars::Text;
use crate::stream;
use crate::to_wire::PhpValue;
use crate::zend::{self, Made, made, try_made, try_made_some};

#[php_class]
#[php(name = "Linkspan\\Publisher", flags = zend::FINAL)]
pub struct Publisher {
    inner: linkspan::Publisher,
    waiter: Waiter,
}

impl Publisher {
    /// Opens a publisher with the options of the running function.
    pub fn at(endpoint: &str, options: &[&Zval]) -> Result<Publisher> {
        let (mut options, waiter) = options::of_call(options)?;
        options.on_wait = Some(options::between());
        Ok(Publisher { inner: linkspan::Publisher::new(endpoint, &options)?, waiter })
    }
}

#[php_impl]
impl Publisher {
    pub fn __construct(endpoint: &str, options: &[&Zval]) -> PhpResult<Self> {
        edge(|| Publisher::at(endpoint, options))
    }
    pub fn send(&self, value: &Zval) -> PhpResult<i64> {
        edge(|| {
            let payload = self.inner.encode_to_send(&PhpValue(value))?;
            self.waiter.publishing(|| self.inner.send_payload(&payload)).map(|n| n as i64)
        })
    }
    pub fn send_many(&self, values: &ZendHashTable) -> PhpResult<i64> {
        edge(|| {
            let encoded = values.values().map(|value| self.inner.encode(&PhpValue(value)));
            self.waiter.publishing(|| self.inner.send_encoded(encoded)).map(|n| n as i64)
        })
    }
    pub fn loan_bytes(&self, length: i64) -> PhpResult<Made<BytesLoan>> {
        edge(|| bytes_loan::lent(|| self.inner.loan_bytes(bytes_loan::length(length)?)))
    }
    pub fn subscribers(&self) -> i64 {
        self.inner.subscribers() as i64
    }
    pub fn endpoint(&self) -> Text {
        Text::of(self.inner.endpoint())
    }
    pub fn events(&self) -> PhpResult<ZBox<ZendHashTable>> {
        edge(|| Ok(events(self.inner.events())))
    }
    pub fn stats(&self) -> PhpResult<ZBox<ZendHashTable>> {
        edge(|| table(&self.inner.stats()))
    }
    #[php(defaults(timeout = Seconds::DEFAULT))]
    pub fn wait_for_subscribers(&self, count: i64, timeout: Seconds) -> PhpResult<()> {
        let count = usize::try_from(count).unwrap_or(0);
        edge(|| self.waiter.wait(timeout, |wait| self.inner.wait_for_subscribers(count, wait)))
    }

    #[php(defaults(timeout = Seconds::DEFAULT))]
    pub fn flush(&self, timeout: Seconds) -> PhpResult<()> {
        edge(|| self.waiter.wait(timeout, |wait| self.inner.flush(wait)))
    }

    #[php(defaults(timeout = Seconds::DEFAULT))]
    pub fn close(&self, timeout: Seconds) -> PhpResult<()> {
        edge(|| self.waiter.wait(timeout, |wait| self.inner.close(wait)))
    }
}

pub struct SharedSubscriber {
    inner: linkspan::Subscriber,
    waiter: Waiter,
}

impl SharedSubscriber {
    /// Returns `None` after close or at a stop signal.
    pub fn next(&self, timeout: Seconds) -> Result<Option<Made<Message>>> {
        try_made_some(|| Ok(self.waiter.wait(timeout, |wait| self.inner.next(wait))?.map(Message)))
    }
}

impl Feed for SharedSubscriber {
    fn next_item(&self) -> Result<Option<Zval>> {
        Ok(self.next(FOREVER)?.map(zend::into_zval))
    }
}

#[php_class]
#[php(name = "Linkspan\\Subscriber", flags = zend::FINAL)]
#[php(implements(ce = ce::aggregate, stub = "\\IteratorAggregate"))]
pub struct Subscriber(Rc<SharedSubscriber>);

#[php_impl]
impl Subscriber {
    #[php(vis = "private")]
    pub fn __construct() -> PhpResult<Self> {
        edge(|| Err(Error::new(ErrorKind::InvalidState, "use Linkspan\\subscribe")))
    }

    #[php(defaults(timeout = Seconds::DEFAULT))]
    pub fn recv(&self, timeout: Seconds) -> PhpResult<Made<Message>> {
        edge(|| receive(|| self.0.waiter.wait(timeout, |wait| self.0.inner.recv(wait))))
    }

    #[php(defaults(max = 64, timeout = Seconds::DEFAULT))]
    pub fn recv_many(&self, max: i64, timeout: Seconds) -> PhpResult<ZBox<ZendHashTable>> {
        edge(|| {
            receive_many(max, |most| self.0.waiter.wait(timeout, |wait| self.0.inner.recv_many(most, wait)))
        })
    }

    pub fn try_recv(&self) -> PhpResult<Made<Message>> {
        edge(|| receive(|| self.0.inner.try_recv()))
    }

    #[php(defaults(timeout = FOREVER))]
    pub fn next(&self, timeout: Seconds) -> PhpResult<Option<Made<Message>>> {
        edge(|| self.0.next(timeout))
    }

    pub fn get_iterator(&self) -> Made<Iteration> {
        made(|| Iteration::over(self.0.clone()))
    }

    pub fn ack(&self) -> PhpResult<()> {
        edge(|| self.0.inner.ack())
    }
    pub fn poll(&self) -> PhpResult<bool> {
        edge(|| self.0.inner.poll())
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
    pub fn close(&self) {
        self.0.inner.close();
    }
}

/// A name or pattern, or several in an array.
pub enum Names {
    One(String),
    Several(Vec<String>),
}

impl<'a> FromZval<'a> for Names {
    const TYPE: DataType = DataType::Mixed;

    fn from_zval(given: &'a Zval) -> Option<Names> {
        if let Some(table) = given.array() {
            return table
                .values()
                .map(|name| name.str().map(str::to_owned))
                .collect::<Option<_>>()
                .map(Names::Several);
        }
        given.str().map(|name| Names::One(name.to_owned()))
    }
}

#[php_function]
#[php(name = "Linkspan\\subscribe")]
pub fn subscribe(endpoint: Names, options: &[&Zval]) -> PhpResult<Made<Subscriber>> {
    edge(|| {
        try_made(|| {
            let (options, waiter) = options::of_call(options)?;
            let inner = match endpoint {
                Names::One(name) => linkspan::Subscriber::new(&name, &options)?,
                Names::Several(names) => {
                    linkspan::Subscriber::of(&names.iter().map(String::as_str).collect::<Vec<_>>(), &options)?
                }
            };
            Ok(Subscriber(Rc::new(SharedSubscriber { inner, waiter })))
        })
    })
}

/// Uses a subscription that this process keeps for the next call.
#[php_function]
#[php(name = "Linkspan\\latest")]
pub fn latest(endpoint: &str, options: &[&Zval]) -> PhpResult<Made<Message>> {
    edge(|| {
        receive(|| {
            let (options, waiter) = options::of_call(options)?;
            let timeout = waiter.asked.unwrap_or(NOT_AT_ALL);
            waiter.wait(timeout, |wait| linkspan::latest_persistent(endpoint, &options, wait))
        })
    })
}

#[php_function]
#[php(name = "Linkspan\\names")]
pub fn names() -> PhpResult<ZBox<ZendHashTable>> {
    edge(|| {
        let listed = linkspan::registry::list()?;
        let refused = |_, left| {
            format!(
                "{} names take more than the {left} bytes that memory_limit leaves: raise it",
                listed.len()
            )
        };
        within_limit(
            Size::Unknown,
            || 0,
            refused,
            || {
                let mut names = ZendHashTable::with_capacity(u32::try_from(listed.len()).unwrap_or(u32::MAX));
                for listed in &listed {
                    let _ = names.push(table(&listed.to_value())?);
                }
                Ok(names)
            },
        )?
    })
}

pub fn functions(module: ModuleBuilder) -> ModuleBuilder {
    module
        .function(wrap_function!(subscribe))
        .function(wrap_function!(latest))
        .function(wrap_function!(names))
}
