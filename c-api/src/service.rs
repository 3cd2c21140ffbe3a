//! Services: programs that work in steps and carry out commands of a controller between steps.

use std::ffi::{CString, c_char, c_int, c_void};
use std::ptr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use linkspan::service::{ServiceLoop, ServiceOptions, Task};
use linkspan::{Error, ErrorKind, LogLevel, RemoteFailure, Result, Value};

use crate::argument::{
    LINKSPAN_FOREVER, apply, c_any_text, c_any_text_or_none, c_text, c_text_or_none, c_texts, is_null, make,
    place, query, wait,
};
use crate::command::{LINKSPAN_COMMAND_END, command_number, linkspan_command, linkspan_state, number};
use crate::error::{call_program, linkspan_last_error_text};
use crate::message::linkspan_message;
use crate::message::references::linkspan_message_release;
use crate::object::{Tagged, free, give, handle_kind};
use crate::options::{linkspan_options, options};
use crate::sized::{give_sized, grows, read_sized};
use crate::status::linkspan_status;

/// A program that a controller can query and command. Free it with `linkspan_service_free`.
///
/// Two threads of the library answer the controller at any time. One thread takes commands with
/// `linkspan_service_next`; any thread may log, request the shutdown and get the state.
pub struct linkspan_service(pub(crate) Tagged<Serving>);

handle_kind!(linkspan_service of Serving: b"service.");

pub(crate) struct Serving {
    // Dropped before the service, so that failures of unanswered commands precede the disconnect.
    open: Mutex<Open>,
    pub(crate) service: ServiceLoop,
}

#[derive(Default)]
struct Open {
    number: u64,
    held: Option<HeldTask>,
}

/// An unanswered command, with the data that C reads from it.
struct HeldTask {
    task: Task,
    name: CString,
    id: CString,
    arguments: Arguments,
}

struct Arguments(*mut linkspan_message);

// SAFETY: a message may be read and released by any thread.
unsafe impl Send for Arguments {}

impl Drop for Arguments {
    fn drop(&mut self) {
        // SAFETY: this value owns one reference.
        unsafe { linkspan_message_release(self.0) };
    }
}

/// The options of a service. Zero and NULL mean the default.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct linkspan_service_options {
    /// `sizeof(linkspan_service_options)`.
    pub size: usize,
    /// The controller's endpoint; NULL for `$LINKSPAN_CONTROLLER`, else `"unix:controller"`.
    pub controller: *const c_char,
    /// The period of the steps in nanoseconds: 1 for no pause, 0 for no steps.
    pub every: i64,
    /// Whether the service waits in READY for the command RUN.
    pub paused: bool,
    /// Whether the library leaves signals alone.
    ///
    /// Otherwise the first SIGTERM or SIGINT means SHUTDOWN, the second cancels the current work, and the third kills
    /// the program.
    pub leave_signals: bool,
    /// A description in one line.
    pub description: *const c_char,
    /// The `commands_count` additional commands: `"CONFIG"`, `"BACKUP"`, names of the service.
    pub commands: *const *const c_char,
    /// The number of commands.
    pub commands_count: usize,
    /// The options of the connection to the controller, or NULL.
    pub channel: *const linkspan_options,
    /// Runs in a thread of the library when the current work is cancelled; may be NULL.
    pub on_cancel: Option<unsafe extern "C" fn(context: *mut c_void)>,
    /// Passed to `on_cancel`.
    pub on_cancel_context: *mut c_void,
}

grows!(linkspan_service_options);
grows!(linkspan_task);
grows!(linkspan_service_info);

const DEFAULT: linkspan_service_options = linkspan_service_options {
    size: size_of::<linkspan_service_options>(),
    controller: ptr::null(),
    every: 0,
    paused: false,
    leave_signals: false,
    description: ptr::null(),
    commands: ptr::null(),
    commands_count: 0,
    channel: ptr::null(),
    on_cancel: None,
    on_cancel_context: ptr::null_mut(),
};

struct OnCancel(unsafe extern "C" fn(context: *mut c_void), *mut c_void);

// SAFETY: the context only goes back to the program's callback, in the thread that `on_cancel` documents.
unsafe impl Send for OnCancel {}
// SAFETY: as above.
unsafe impl Sync for OnCancel {}

impl OnCancel {
    fn run(&self) {
        // SAFETY: the program keeps the callback and its context alive as long as the service.
        call_program(|| unsafe { (self.0)(self.1) })
    }
}

/// # Safety
/// As for `linkspan_service_start`.
unsafe fn set_up(given: *const linkspan_service_options) -> Result<ServiceOptions> {
    // SAFETY: by contract.
    unsafe {
        let given = read_sized(given, DEFAULT)?;
        let mut core = ServiceOptions::default();
        if let Some(controller) = c_text_or_none(given.controller, "a controller")? {
            controller.clone_into(&mut core.controller);
        }
        match u64::try_from(given.every) {
            Ok(0) => {}
            // 1 ns means no pause between steps.
            Ok(1) => core.every = Some(Duration::ZERO),
            Ok(ns) => core.every = Some(Duration::from_nanos(ns)),
            Err(_) => {
                let text = format!("a period of {} ns: give 0 for no steps, or more", given.every);
                return Err(Error::new(ErrorKind::OutOfRange, text));
            }
        }
        core.paused = given.paused;
        core.handle_signals = !given.leave_signals;
        c_text_or_none(given.description, "a description")?
            .unwrap_or_default()
            .clone_into(&mut core.description);
        core.commands = c_texts(given.commands, given.commands_count, "a command")?;
        core.channel = options(given.channel)?;
        if let Some(callback) = given.on_cancel {
            let on_cancel = OnCancel(callback, given.on_cancel_context);
            core.on_cancel = Some(Arc::new(move || on_cancel.run()));
        }
        Ok(core)
    }
}

/// A command to carry out. Its texts and arguments are views, which live until the task is answered.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct linkspan_task {
    /// `sizeof(linkspan_task)`.
    pub size: usize,
    /// The command.
    pub command: linkspan_command,
    /// The state before the command: READY, RUNNING, PAUSED or FAILED.
    pub before: linkspan_state,
    /// Identifies the task in its answer.
    pub number: u64,
    /// The name of the command: `"STEP"`, `"PAUSE"`, or a name of the service. `""` at the end.
    pub name: *const c_char,
    /// The id from its sender; `""` for a step, and for a shutdown by a signal.
    pub id: *const c_char,
    /// The remaining nanoseconds when the task was taken, or `LINKSPAN_FOREVER`.
    pub remaining: i64,
    /// A message, with the value null without arguments. NULL at the end.
    pub arguments: *const linkspan_message,
}

/// The state of a service.
#[repr(C)]
pub struct linkspan_service_info {
    /// `sizeof(linkspan_service_info)`.
    pub size: usize,
    /// The state.
    pub state: linkspan_state,
    /// Whether the current work is cancelled.
    pub is_cancelled: bool,
    /// Whether the service is connected to a controller.
    pub is_connected: bool,
    /// The random number of this incarnation.
    pub epoch: u64,
}

/// Starts a service in the state STARTING.
///
/// It connects to its controller in the background and retries; no call waits for a controller.
///
/// # Safety
/// The header's rules.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_service_start(
    name: *const c_char,
    options: *const linkspan_service_options,
    service: *mut *mut linkspan_service,
) -> linkspan_status {
    // SAFETY: by contract.
    unsafe {
        make(place!(service), || {
            let service = ServiceLoop::start(c_text(name, "name")?, &set_up(options)?)?;
            Ok(give(linkspan_service(Tagged::new(Serving { service, open: Mutex::default() }))))
        })
    }
}

/// Waits for the next task; answer each before the next call.
///
/// The answers are `linkspan_service_task_done` and `linkspan_service_task_failed`. The first call makes the service
/// READY, and then RUNNING unless `paused` is set. The last task has the command `LINKSPAN_COMMAND_END`. A failed call
/// leaves `task` unchanged: `Timeout` without a task in time, `InvalidState` while a task is open.
///
/// # Safety
/// The header's rules.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_service_next(
    service: *const linkspan_service,
    timeout: i64,
    task: *mut linkspan_task,
) -> linkspan_status {
    // SAFETY: by contract.
    unsafe {
        apply(service, |linkspan_service(serving)| {
            give_sized(place!(task), || {
                let next = serving.service.next(wait(timeout)?)?;
                Ok(next.map_or_else(linkspan_task::nothing, |task| serving.hold(task)))
            })
        })
    }
}

/// Completes a task; the sender of the command gets `value`, which may be NULL.
///
/// `InvalidState` if the task has an answer.
///
/// # Safety
/// The header's rules.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_service_task_done(
    service: *const linkspan_service,
    task: *const linkspan_task,
    value: *const linkspan_message,
) -> linkspan_status {
    // SAFETY: by contract.
    unsafe {
        apply(service, |linkspan_service(serving)| {
            let value = value.as_ref().map_or(Ok(Value::Null), linkspan_message::copy)?;
            serving.take(task)?.task.done(&value)
        })
    }
}

/// Fails a task with a status and a text; NULL takes the text of this thread's last error.
///
/// `LINKSPAN_REMOTE` is for failures that are not errors of Linkspan. The state returns to the state before the
/// command.
///
/// # Safety
/// The header's rules.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_service_task_failed(
    service: *const linkspan_service,
    task: *const linkspan_task,
    status: linkspan_status,
    text: *const c_char,
) -> linkspan_status {
    // SAFETY: by contract.
    unsafe {
        apply(service, |linkspan_service(serving)| {
            let why = why(status, text)?;
            serving.take(task)?.task.failed(&why)
        })
    }
}

/// Makes the service FAILED until RUN tries again or SHUTDOWN ends it.
///
/// Status and text are as for `linkspan_service_task_failed`. An open task still needs an answer.
///
/// # Safety
/// The header's rules.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_service_set_failed(
    service: *const linkspan_service,
    status: linkspan_status,
    text: *const c_char,
) -> linkspan_status {
    // SAFETY: by contract.
    unsafe {
        apply(service, |linkspan_service(serving)| {
            serving.service.fail(&why(status, text)?);
            Ok(())
        })
    }
}

/// Sets the reason in the record of a service that continues with a problem; NULL or `""` removes it.
///
/// # Safety
/// The header's rules.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_service_set_reason(
    service: *const linkspan_service,
    text: *const c_char,
) -> linkspan_status {
    // SAFETY: by contract.
    unsafe {
        apply(service, |linkspan_service(serving)| {
            serving.service.set_reason(&c_any_text_or_none(text).unwrap_or_default());
            Ok(())
        })
    }
}

/// Adds a line to the service's log. Any thread may call it.
///
/// `level` is `"debug"`, `"info"`, `"warning"` or `"error"`, else `OutOfRange`; NULL means `"info"`.
///
/// # Safety
/// The header's rules.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_service_log(
    service: *const linkspan_service,
    text: *const c_char,
    level: *const c_char,
) -> linkspan_status {
    // SAFETY: by contract.
    unsafe {
        apply(service, |linkspan_service(serving)| {
            let level: LogLevel = c_text_or_none(level, "level")?.unwrap_or("info").parse()?;
            serving.service.log(level.name(), &c_any_text(text, "text")?);
            Ok(())
        })
    }
}

/// Acts like a stop signal: the first call is SHUTDOWN, the second cancels the current work.
///
/// # Safety
/// The header's rules.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_service_shutdown(service: *const linkspan_service) -> linkspan_status {
    // SAFETY: by contract.
    unsafe {
        apply(service, |linkspan_service(serving)| {
            serving.service.shutdown();
            Ok(())
        })
    }
}

/// Gets the state of the service.
///
/// # Safety
/// The header's rules.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_service_get_info(
    service: *const linkspan_service,
    info: *mut linkspan_service_info,
) -> linkspan_status {
    // SAFETY: by contract.
    unsafe {
        apply(service, |linkspan_service(serving)| {
            let service = &serving.service;
            give_sized(place!(info), || {
                Ok(linkspan_service_info {
                    size: 0,
                    state: number(service.state()),
                    is_cancelled: service.is_cancelled(),
                    is_connected: service.is_connected(),
                    epoch: service.epoch(),
                })
            })
        })
    }
}

/// Gets a file descriptor for event loops, readable if `linkspan_service_next` may have a task.
///
/// # Safety
/// The header's rules.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_service_fileno(
    service: *const linkspan_service,
    fd: *mut c_int,
) -> linkspan_status {
    // SAFETY: by contract.
    unsafe { query(service, place!(fd), |service| service.0.service.fileno()) }
}

/// Gets the counters as a map.
///
/// # Safety
/// The header's rules.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_service_stats(
    service: *const linkspan_service,
    stats: *mut *mut linkspan_message,
) -> linkspan_status {
    // SAFETY: by contract.
    unsafe { query(service, place!(stats), |service| Ok(linkspan_message::of(service.0.service.stats()))) }
}

/// Disconnects from the controller with the current state, within the time-out.
///
/// # Safety
/// The header's rules.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_service_close(
    service: *const linkspan_service,
    timeout: i64,
) -> linkspan_status {
    // SAFETY: by contract.
    unsafe { apply(service, |service| service.0.service.close(wait(timeout)?)) }
}

/// Closes and frees the service.
///
/// # Safety
/// The header's rules.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_service_free(service: *mut linkspan_service) -> linkspan_status {
    // SAFETY: by contract.
    unsafe { free(service) }
}

impl Serving {
    fn open(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn hold(&self, task: Task) -> linkspan_task {
        let text = |text: &str| CString::new(text.replace('\0', "\u{2400}")).unwrap_or_default();
        let mut open = self.open();
        open.number += 1;
        let held = HeldTask {
            name: text(task.command().name()),
            id: text(task.id()),
            arguments: Arguments(linkspan_message::of(task.arguments().clone())),
            task,
        };
        let full = linkspan_task {
            size: 0,
            command: command_number(held.task.command()),
            before: number(held.task.before()),
            number: open.number,
            name: held.name.as_ptr(),
            id: held.id.as_ptr(),
            remaining: held
                .task
                .remaining()
                .map_or(LINKSPAN_FOREVER, |left| i64::try_from(left.as_nanos()).unwrap_or(LINKSPAN_FOREVER)),
            arguments: held.arguments.0,
        };
        open.held = Some(held);
        full
    }

    /// Takes the open task for its answer, once.
    ///
    /// # Safety
    /// `task` is NULL or points to a task whose `size` is set.
    unsafe fn take(&self, task: *const linkspan_task) -> Result<HeldTask> {
        if task.is_null() {
            return Err(is_null("task"));
        }
        // SAFETY: by contract.
        let number = unsafe { read_sized(task, linkspan_task::nothing()) }?.number;
        let mut open = self.open();
        match open.held.take() {
            Some(held) if open.number == number => Ok(held),
            other => {
                open.held = other;
                let text = "this task has been answered already, or is none that this service gave";
                Err(Error::new(ErrorKind::InvalidState, text).on(self.service.name()))
            }
        }
    }
}

impl linkspan_task {
    fn nothing() -> linkspan_task {
        linkspan_task {
            size: 0,
            command: LINKSPAN_COMMAND_END,
            before: 0,
            number: 0,
            name: c"".as_ptr(),
            id: c"".as_ptr(),
            remaining: 0,
            arguments: ptr::null(),
        }
    }
}

/// # Safety
/// `text` is NULL or NUL-terminated.
unsafe fn why(status: linkspan_status, text: *const c_char) -> Result<Error> {
    let text = if text.is_null() { linkspan_last_error_text() } else { text };
    // SAFETY: by contract; the last error's text lives until the next one.
    let text = unsafe { c_any_text(text, "text") }?.into_owned();
    match u16::try_from(status).ok().and_then(ErrorKind::from_code) {
        Some(ErrorKind::Remote) => {
            Ok(Error::remote(RemoteFailure::new(RemoteFailure::INTERNAL_ERROR, "", text)))
        }
        Some(kind) => Ok(Error::new(kind, text)),
        None => {
            let text = format!(
                "{status} is not a status of an error; give that of a remote error for any other failure"
            );
            Err(Error::new(ErrorKind::OutOfRange, text))
        }
    }
}
