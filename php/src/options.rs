//! Options and time-outs from PHP, and the callbacks that run while a call waits.

use std::cell::RefCell;
use std::sync::Arc;

use ext_php_rs::convert::{FromZval, StubLiteral};
use ext_php_rs::flags::DataType;
use ext_php_rs::types::{ZendCallable, Zval};
use linkspan::{Error, ErrorKind, OnUnconsumed, OnWait, Options, Result, Timeout, Wait};

use crate::arguments::type_of;
use crate::call::call_php;
use crate::signals;
use crate::to_wire::PhpValue;
use crate::utf8;
use crate::zend::{self, Entries, Key};

/// Seconds, INF for ever; null for the default.
#[derive(Clone, Copy)]
pub struct Seconds(Option<f64>);

impl Seconds {
    /// The object's option, else linkspan.timeout.
    pub const DEFAULT: Seconds = Seconds(None);

    fn timeout(self) -> Result<Timeout> {
        let Some(seconds) = self.0 else { return Ok(Timeout::Default) };
        Timeout::from_seconds(seconds).map_err(|_| {
            let text =
                format!("a time-out of {seconds} s: give seconds from 0 upwards, or INF to wait for ever");
            Error::new(ErrorKind::OutOfRange, text)
        })
    }

    pub fn or_else(self, other: Seconds) -> Seconds {
        if self.0.is_none() { other } else { self }
    }

    /// The time-out of the object's options if none was given.
    pub fn or(self, options: Timeout) -> Result<Timeout> {
        self.timeout().map(|given| if given == Timeout::Default { options } else { given })
    }
}

impl<'a> FromZval<'a> for Seconds {
    const TYPE: DataType = DataType::Double;
    const NULLABLE: bool = true;

    fn from_zval(zval: &'a Zval) -> Option<Self> {
        if zval.dereference().is_null() {
            return Some(Seconds(None));
        }
        zval.double().or_else(|| zval.long().map(|n| n as f64)).map(|seconds| Seconds(Some(seconds)))
    }

    fn from_missing() -> Option<Self> {
        Some(Seconds::DEFAULT)
    }
}

impl StubLiteral for Seconds {
    fn stub_literal(&self) -> String {
        match self.0 {
            None => "null".to_owned(),
            Some(f64::INFINITY) => "INF".to_owned(),
            Some(seconds) => seconds.to_string(),
        }
    }
}

pub const FOREVER: Seconds = Seconds(Some(f64::INFINITY));

pub const NOT_AT_ALL: Seconds = Seconds(Some(0.0));

/// The way in which the calls of one object wait.
///
/// They run the option `on_wait`, and signal handlers if the script handles signals immediately.
#[derive(Default)]
pub struct Waiter {
    on_wait: Option<Zval>,
    pub on_unconsumed: Option<Zval>,
    /// The option `timeout`, if it was given.
    pub asked: Option<Seconds>,
}

impl Waiter {
    pub fn again(&self) -> Waiter {
        let again = |callback: &Option<Zval>| callback.as_ref().map(Zval::shallow_clone);
        Waiter { on_wait: again(&self.on_wait), on_unconsumed: again(&self.on_unconsumed), asked: self.asked }
    }

    /// Ends a channel by `linger`, and gives the callback the number of unconsumed messages.
    ///
    /// After a fatal error no destructor runs this, and only the core reports.
    pub fn report(&self, linger: impl FnOnce() -> u64) -> Result<()> {
        let Some(callback) = &self.on_unconsumed else { return Ok(()) };
        let missed = i64::try_from(linger()).unwrap_or(i64::MAX);
        if missed == 0 {
            return Ok(());
        }
        let called = call_php(|| ZendCallable::new(callback).and_then(|f| f.try_call(vec![&missed])))?;
        called
            .map(drop)
            .map_err(|e| Error::new(ErrorKind::Internal, format!("on_unconsumed could not be called: {e}")))
    }

    pub fn wait<T>(&self, timeout: Seconds, call: impl FnOnce(Wait<'_>) -> Result<T>) -> Result<T> {
        let timeout = timeout.timeout()?;
        if timeout == Timeout::Forever {
            signals::let_stop_through();
        }
        let signals = signals::are_handled_at_once();
        if self.on_wait.is_none() && !signals {
            return call(Wait::new(timeout));
        }
        let mut tick = || self.look(signals);
        call(Wait::new(timeout).tick(&mut tick))
    }

    fn look(&self, signals: bool) -> Result<()> {
        if signals {
            signals::dispatch()?;
        }
        match &self.on_wait {
            Some(on_wait) => ask(on_wait),
            None => Ok(()),
        }
    }

    /// The publisher's options have [`between`].
    pub fn publishing<T>(&self, call: impl FnOnce() -> Result<T>) -> Result<T> {
        // A nested call of a callback has a separate entry.
        let before = PUBLISHING.replace((Some(self.again()), None));
        let done = call();
        match PUBLISHING.replace(before) {
            (_, Some(error)) => Err(error),
            _ => done,
        }
    }
}

thread_local! {
    /// The waiter of the publisher that is sending, and the error that ended its wait.
    static PUBLISHING: RefCell<(Option<Waiter>, Option<Error>)> = const { RefCell::new((None, None)) };
}

/// Returns the callback for a publisher's wait for a lock: its calls take no `Wait`.
pub fn between() -> OnWait {
    Arc::new(|| {
        let waiter = PUBLISHING.with_borrow(|(waiter, _)| waiter.as_ref().map(Waiter::again));
        let looked = waiter.map_or(Ok(()), |waiter| waiter.look(signals::are_handled_at_once()));
        match looked {
            Ok(()) => true,
            Err(error) => {
                PUBLISHING.with_borrow_mut(|(_, ended)| *ended = Some(error));
                false
            }
        }
    })
}

fn ask(on_wait: &Zval) -> Result<()> {
    let answer = call_php(|| ZendCallable::new(on_wait).and_then(|callable| callable.try_call(vec![])))?;
    match answer {
        Ok(answer) if answer.is_false() => {
            Err(Error::new(ErrorKind::Cancelled, "on_wait returned false, so the wait was ended"))
        }
        Ok(_) => Ok(()),
        Err(e) => Err(Error::new(ErrorKind::Internal, format!("on_wait could not be called: {e}"))),
    }
}

/// The running function's named arguments, and arrays of them.
pub fn of_call(given: &[&Zval]) -> Result<(Options, Waiter)> {
    let mut options = Options::default();
    let mut waiter = Waiter::default();
    options.timeout = ini_timeout()?;
    for zval in given {
        let Some(table) = zval.array() else {
            let text = "options are named arguments, timeout: 0.5, or an array of them";
            return Err(Error::new(ErrorKind::WrongType, text));
        };
        set_all(&mut options, &mut waiter, table)?;
    }
    if let Some(table) = zend::extra_named_arguments() {
        set_all(&mut options, &mut waiter, table)?;
    }
    Ok((options, waiter))
}

fn set_all(
    options: &mut Options,
    waiter: &mut Waiter,
    table: &ext_php_rs::types::ZendHashTable,
) -> Result<()> {
    for (key, zval) in Entries::new(table) {
        let name = match key {
            Key::Text(bytes) => String::from_utf8_lossy(bytes),
            Key::Number(number) => number.to_string().into(),
        };
        if name == "timeout" {
            let given = Seconds::from_zval(zval)
                .ok_or_else(|| wrong_type("timeout", "int, float (INF waits for ever) or null", zval))?;
            options.timeout = given.or(options.timeout).map_err(|e| e.under_key("timeout"))?;
            waiter.asked = given.0.is_some().then_some(given);
        } else if name == "on_wait" {
            waiter.on_wait = callback(&name, zval)?;
        } else if name == "on_unconsumed" {
            waiter.on_unconsumed = callback(&name, zval)?;
            // Asks the core for the report; `Waiter::report` makes the call.
            options.on_unconsumed = waiter.on_unconsumed.as_ref().map(|_| Arc::new(|_| ()) as OnUnconsumed);
        } else {
            // Text in a message may be replaced by bytes; an option must be UTF-8.
            if let Some(why) = zval.dereference().zend_str().and_then(|text| utf8::refusal(text.as_bytes())) {
                return Err(Error::new(ErrorKind::Unsupported, format!("{name} {why}")).under_key(&name));
            }
            let value = PhpValue(zval).to_value().map_err(|e| e.under_key(&name))?;
            options.set(&name, &value)?;
        }
    }
    Ok(())
}

/// Returns `None` for null.
fn callback(name: &str, zval: &Zval) -> Result<Option<Zval>> {
    if zval.is_null() {
        Ok(None)
    } else if zval.is_callable() {
        Ok(Some(zval.shallow_clone()))
    } else {
        Err(wrong_type(name, "callable or null", zval))
    }
}

/// Uses the words of PHP's own errors.
fn wrong_type(name: &str, expected: &str, given: &Zval) -> Error {
    let text = format!("{name} must be of type {expected}, {} given", type_of(given));
    Error::new(ErrorKind::WrongType, text).under_key(name)
}

fn seconds(text: &str) -> Result<Timeout> {
    Timeout::from_seconds(text.trim().parse::<f64>().unwrap_or(f64::NAN))
}

fn ini_timeout() -> Result<Timeout> {
    seconds(zend::ini_text(c"linkspan.timeout").unwrap_or("30"))
}

/// Accepts seconds from 0 upwards, or inf for ever, as `linkspan.timeout`.
///
/// # Safety
///
/// Only for the engine, with a live string as the new value.
pub unsafe extern "C" fn timeout_changes(
    _entry: *mut ext_php_rs::ffi::zend_ini_entry,
    new_value: *mut ext_php_rs::ffi::zend_string,
    _first: *mut std::ffi::c_void,
    _second: *mut std::ffi::c_void,
    _third: *mut std::ffi::c_void,
    _stage: std::ffi::c_int,
) -> std::ffi::c_int {
    const SUCCESS: std::ffi::c_int = 0;
    const FAILURE: std::ffi::c_int = -1;
    // SAFETY: as the engine promises.
    let text = unsafe { new_value.as_ref() }.and_then(|text| std::str::from_utf8(text.as_bytes()).ok());
    if text.is_some_and(|text| seconds(text).is_ok()) { SUCCESS } else { FAILURE }
}
