//! Queries, commands and events of services, through `linkspan controller`.

use std::ffi::{c_char, c_int};
use std::ptr;
use std::time::Duration;

use linkspan::service::{Command, CommandRequest, Controller, WatchOptions};
use linkspan::{Result, Timeout, Value};

use crate::argument::{
    LINKSPAN_DEFAULT, apply, c_text, c_text_or_none, c_texts, make, place, query, timeout, wait,
};
use crate::message::linkspan_message;
use crate::object::{Tagged, free, give, handle_kind};
use crate::options::{linkspan_options, options};
use crate::sized::{grows, read_sized};
use crate::status::linkspan_status;

/// A connection to a controller. Free it with `linkspan_controller_free`.
///
/// Any number of threads may use it; only one may wait in `linkspan_controller_next`. The functions return maps.
///
/// The record of a service has `name`, `view`, `state`, `since`, `busy`, `doing`, `steps`, `reason`, `problem`,
/// `epoch`, `pid`, `program`, `description`, `commands`, `every`, `first_seen`, `last_seen`, `answered` and `allowed`.
/// An answer has `id`, `outcome` (`ACCEPTED`, `DONE`, `FAILED`, `REJECTED`), `state`, and `value` or `error`.
pub struct linkspan_controller(pub(crate) Tagged<Controller>);

handle_kind!(linkspan_controller of Controller: b"controll");

/// Waits until a controller listens, and connects; reconnects after each restart.
///
/// `endpoint` NULL means `$LINKSPAN_CONTROLLER`, else `unix:controller`.
///
/// # Safety
/// The header's rules.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_controller_connect(
    endpoint: *const c_char,
    options: *const linkspan_options,
    timeout: i64,
    controller: *mut *mut linkspan_controller,
) -> linkspan_status {
    // SAFETY: by contract.
    unsafe {
        make(place!(controller), || {
            let (options, wait) = (self::options(options)?, wait(timeout)?);
            let endpoint = match c_text_or_none(endpoint, "endpoint")? {
                Some(endpoint) => endpoint.to_owned(),
                None => Controller::default_endpoint(),
            };
            Ok(give(linkspan_controller(Tagged::new(Controller::connect(&endpoint, &options, wait)?))))
        })
    }
}

/// Gets the records of all services as an array, which the caller releases.
///
/// # Safety
/// The header's rules.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_controller_services(
    controller: *const linkspan_controller,
    timeout: i64,
    services: *mut *mut linkspan_message,
) -> linkspan_status {
    // SAFETY: by contract.
    unsafe {
        query(controller, place!(services), |c| Ok(linkspan_message::of(c.0.services(wait(timeout)?)?)))
    }
}

/// Gets the record of a service, which the caller releases; `NotFound` for an unknown service.
///
/// # Safety
/// The header's rules.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_controller_status(
    controller: *const linkspan_controller,
    service: *const c_char,
    timeout: i64,
    record: *mut *mut linkspan_message,
) -> linkspan_status {
    // SAFETY: by contract.
    unsafe {
        query(controller, place!(record), |c| {
            Ok(linkspan_message::of(c.0.status(c_text(service, "service")?, wait(timeout)?)?))
        })
    }
}

/// Sends a command, `"PAUSE"` or one of the service, and waits until it is done.
///
/// `arguments` may be NULL. `value` gets the result, which the caller releases. `InvalidState` if the state forbids the
/// command, `NotFound` for an unknown service, `Timeout`; `Remote` or the service's kind if the command failed.
///
/// # Safety
/// The header's rules.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_controller_command(
    controller: *const linkspan_controller,
    service: *const c_char,
    command: *const c_char,
    arguments: *const linkspan_message,
    timeout: i64,
    value: *mut *mut linkspan_message,
) -> linkspan_status {
    // SAFETY: by contract.
    unsafe {
        query(controller, place!(value), |c| {
            let (service, command, arguments) = given(service, command, arguments)?;
            Ok(linkspan_message::of(c.0.command(service, &command, &arguments, wait(timeout)?)?))
        })
    }
}

/// A command with all its options.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct linkspan_command_request {
    /// `sizeof(linkspan_command_request)`.
    pub size: usize,
    /// The name of the service.
    pub service: *const c_char,
    /// The command: `"PAUSE"`, or a command of the service.
    pub command: *const c_char,
    /// The arguments, or NULL.
    pub arguments: *const linkspan_message,
    /// The time-out in nanoseconds, also for the service; `LINKSPAN_DEFAULT` for 30 s.
    pub within: i64,
    /// The id of 1 to 64 bytes; NULL for a random one.
    ///
    /// The service repeats the answer to an id for ten minutes.
    pub id: *const c_char,
    /// The incarnation of the service, from its record; 0 for any.
    pub epoch: u64,
    /// Whether to wait until the command is done, instead of accepted or refused.
    pub until_done: bool,
}

grows!(linkspan_command_request);

const DEFAULT: linkspan_command_request = linkspan_command_request {
    size: size_of::<linkspan_command_request>(),
    service: ptr::null(),
    command: ptr::null(),
    arguments: ptr::null(),
    within: LINKSPAN_DEFAULT,
    id: ptr::null(),
    epoch: 0,
    until_done: false,
};

/// Sends a command and waits until it is accepted or refused, or, with `until_done`, done.
///
/// `answer`, which the caller releases, has the outcome and the `id` for `linkspan_controller_answer`. A failed or
/// refused command is no error of the call.
///
/// # Safety
/// The header's rules.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_controller_begin(
    controller: *const linkspan_controller,
    request: *const linkspan_command_request,
    timeout: i64,
    answer: *mut *mut linkspan_message,
) -> linkspan_status {
    // SAFETY: by contract.
    unsafe {
        query(controller, place!(answer), |c| {
            let (requested, wait) = (read_sized(request, DEFAULT)?, wait(timeout)?);
            let (service, command, arguments) =
                given(requested.service, requested.command, requested.arguments)?;
            let id = match c_text_or_none(requested.id, "an id")? {
                Some(id) => id.into(),
                None => Controller::new_id()?,
            };
            let epoch = (requested.epoch != 0).then_some(requested.epoch);
            let order = CommandRequest { id, command, arguments, within: duration(requested.within)?, epoch };
            let answer = match requested.until_done {
                true => c.0.request(service, &order, wait)?,
                false => c.0.begin_request(service, &order, wait)?,
            };
            Ok(linkspan_message::of(answer.to_value()))
        })
    }
}

/// Gets the current answer to a command, which the caller releases.
///
/// # Safety
/// The header's rules.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_controller_answer(
    controller: *const linkspan_controller,
    service: *const c_char,
    id: *const c_char,
    timeout: i64,
    answer: *mut *mut linkspan_message,
) -> linkspan_status {
    // SAFETY: by contract.
    unsafe {
        query(controller, place!(answer), |c| {
            let (service, id) = (c_text(service, "service")?, c_text(id, "id")?);
            Ok(linkspan_message::of(c.0.answer(service, id, wait(timeout)?)?.to_value()))
        })
    }
}

/// Gets the newest log lines of a service, or of the controller for NULL.
///
/// They are an array of maps with `at`, `service`, `level` and `text`, which the caller releases.
///
/// # Safety
/// The header's rules.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_controller_log(
    controller: *const linkspan_controller,
    service: *const c_char,
    lines: usize,
    timeout: i64,
    log: *mut *mut linkspan_message,
) -> linkspan_status {
    // SAFETY: by contract.
    unsafe {
        query(controller, place!(log), |c| {
            let service = c_text_or_none(service, "service")?;
            Ok(linkspan_message::of(c.0.log(service, lines, wait(timeout)?)?))
        })
    }
}

/// Watches services: `linkspan_controller_next` returns their states, and then their changes.
///
/// An event is a map whose `what` is `service` (with its record in `service`), `gone` (`name`), `data` (`name`, `at`,
/// `value`), `log` (`entry`) or `missed` (`count`).
///
/// `data_every` is the interval in nanoseconds for reading data, 0 for never. Without `services`, it watches all. A
/// further call replaces the previous one.
///
/// # Safety
/// The header's rules.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_controller_watch(
    controller: *const linkspan_controller,
    data_every: i64,
    services: *const *const c_char,
    services_count: usize,
) -> linkspan_status {
    // SAFETY: by contract.
    unsafe {
        apply(controller, |c| {
            let data_every = if data_every == 0 { None } else { Some(duration(data_every)?) };
            let services = c_texts(services, services_count, "a service")?;
            c.0.watch(&WatchOptions { data_every, services })
        })
    }
}

/// Waits for the next event of the watched services, a map that the caller releases.
///
/// # Safety
/// The header's rules.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_controller_next(
    controller: *const linkspan_controller,
    timeout: i64,
    event: *mut *mut linkspan_message,
) -> linkspan_status {
    // SAFETY: by contract.
    unsafe { query(controller, place!(event), |c| Ok(linkspan_message::of(c.0.next(wait(timeout)?)?))) }
}

/// Removes a disconnected service from the controller. `InvalidState` while it is connected.
///
/// # Safety
/// The header's rules.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_controller_forget(
    controller: *const linkspan_controller,
    service: *const c_char,
    timeout: i64,
) -> linkspan_status {
    // SAFETY: by contract.
    unsafe { apply(controller, |c| c.0.forget(c_text(service, "service")?, wait(timeout)?)) }
}

/// Gets a file descriptor for event loops, readable if `linkspan_controller_next` would not wait.
///
/// # Safety
/// The header's rules.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_controller_fileno(
    controller: *const linkspan_controller,
    fd: *mut c_int,
) -> linkspan_status {
    // SAFETY: by contract.
    unsafe { query(controller, place!(fd), |controller| controller.0.fileno()) }
}

/// Gets the counters as a map.
///
/// # Safety
/// The header's rules.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_controller_stats(
    controller: *const linkspan_controller,
    stats: *mut *mut linkspan_message,
) -> linkspan_status {
    // SAFETY: by contract.
    unsafe {
        query(controller, place!(stats), |controller| {
            Ok(linkspan_message::of(controller.0.stats(Timeout::Default)?))
        })
    }
}

/// Closes the connection.
///
/// # Safety
/// The header's rules.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_controller_close(
    controller: *const linkspan_controller,
) -> linkspan_status {
    // SAFETY: by contract.
    unsafe {
        apply(controller, |controller| {
            controller.0.close();
            Ok(())
        })
    }
}

/// Closes and frees the connection.
///
/// # Safety
/// The header's rules.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_controller_free(controller: *mut linkspan_controller) -> linkspan_status {
    // SAFETY: by contract.
    unsafe { free(controller) }
}

/// # Safety
/// As for `linkspan_controller_command`.
unsafe fn given<'a>(
    service: *const c_char,
    command: *const c_char,
    arguments: *const linkspan_message,
) -> Result<(&'a str, Command, Value)> {
    // SAFETY: by contract.
    unsafe {
        let arguments = arguments.as_ref().map_or(Ok(Value::Null), linkspan_message::copy)?;
        Ok((c_text(service, "service")?, Command::from_name(c_text(command, "command")?)?, arguments))
    }
}

const WITHIN: Duration = Duration::from_secs(30);

fn duration(ns: i64) -> Result<Duration> {
    match timeout(ns)? {
        Timeout::After(duration) => Ok(duration),
        Timeout::Default => Ok(WITHIN),
        Timeout::Forever => Ok(Duration::MAX),
    }
}
