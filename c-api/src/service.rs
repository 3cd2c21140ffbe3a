//! Services: a program that does its work step by step and takes the commands of its controller between the steps.

use std::ffi::{CString, c_char, c_int, c_void};
use std::ptr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use linkspan::service::{ServiceLoop, ServiceOptions, Task};
use linkspan::{Error, ErrorKind, LogLevel, RemoteFailure, Result, Value};

use crate::argument::{LINKSPAN_FOREVER, ask, c_text, c_text_or_none, c_texts, is_null, make, tell, wait};
use crate::command::{LINKSPAN_COMMAND_END, command_number, linkspan_command, linkspan_state, number};
use crate::error::linkspan_last_error_text;
use crate::message::{linkspan_message, linkspan_message_release};
use crate::object::{Tagged, free, give, handle_kind};
use crate::options::{linkspan_options, options};
use crate::sized::{read_sized, write_sized};
use crate::status::linkspan_status;

/// A program that a controller can query and command. Two threads of the library answer the controller whatever the program does;
/// the program pulls what is for it with `linkspan_service_next`. Free it with `linkspan_service_free`.
///
/// One thread takes commands; any thread may log, request the shutdown and get the state.
pub struct linkspan_service(pub(crate) Tagged<Serving>);

handle_kind!(linkspan_service of Serving: b"service.");

/// What a failure is called that is no error of Linkspan's: JSON-RPC's internal error, as in every language.
const INTERNAL_ERROR: i64 = -32603;

/// A service with the command that its program carries out.
pub(crate) struct Serving {
    // Dropped before the service: failures of unanswered commands are sent before the goodbye.
    open: Mutex<Open>,
    pub(crate) service: ServiceLoop,
}

/// What the program was given last.
#[derive(Default)]
struct Open {
    number: u64,
    held: Option<Held>,
}

/// A command that waits for its answer, with what C looks at meanwhile.
struct Held {
    task: Task,
    name: CString,
    id: CString,
    arguments: Arguments,
}

/// The reference to a command's arguments that the service holds.
struct Arguments(*mut linkspan_message);

// SAFETY: a message may be read and released by any thread.
unsafe impl Send for Arguments {}

impl Drop for Arguments {
    fn drop(&mut self) {
        // SAFETY: the one reference that was made with it.
        unsafe { linkspan_message_release(self.0) };
    }
}

/// How a service is set up. Zero and NULL mean the default, so all that is not named stays as it is.
///
/// Begin with `linkspan_service_options options = LINKSPAN_SERVICE_OPTIONS_INIT;`.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct linkspan_service_options {
    /// `sizeof(linkspan_service_options)`.
    pub size: usize,
    /// Where its controller listens: any stream transport. NULL for `$LINKSPAN_CONTROLLER`, else `"unix:controller"`.
    pub controller: *const c_char,
    /// The period of its steps in nanoseconds, 1 for one after the other; 0 where it has no steps of its own.
    pub every: i64,
    /// Whether it waits in READY for the command RUN.
    pub paused: bool,
    /// Whether signals are left alone. Otherwise SIGTERM and SIGINT are SHUTDOWN, a second one gives up what is under way,
    /// and a third one kills.
    pub leave_signals: bool,
    /// A description in one line.
    pub description: *const c_char,
    /// What it takes beyond the usual: `"CONFIG"`, `"BACKUP"`, names of its own; `commands_count` of them.
    pub commands: *const *const c_char,
    /// How many there are.
    pub commands_count: usize,
    /// The options of its link to the controller, or NULL.
    pub channel: *const linkspan_options,
    /// Runs in a thread of the library when what the program does is to be given up; NULL for a program that looks at
    /// `linkspan_service_get_info`, or has nothing that takes long.
    pub on_cancel: Option<unsafe extern "C" fn(context: *mut c_void)>,
    /// Handed to `on_cancel`.
    pub on_cancel_context: *mut c_void,
}

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

/// A callback of the program's with its context.
struct OnCancel(unsafe extern "C" fn(context: *mut c_void), *mut c_void);

// SAFETY: the context is only handed back to the program's callback; that it runs in a thread of the library is in
// the docs of `on_cancel`.
unsafe impl Send for OnCancel {}
// SAFETY: as above.
unsafe impl Sync for OnCancel {}

impl OnCancel {
    fn run(&self) {
        // SAFETY: the program gave the callback with its context and keeps both alive as long as the service.
        unsafe { (self.0)(self.1) }
    }
}

/// The core's options.
///
/// # Safety
/// As for `linkspan_service_start`.
unsafe fn set_up(given: *const linkspan_service_options) -> Result<ServiceOptions> {
    // SAFETY: as the caller promises.
    unsafe {
        let given = read_sized(given, DEFAULT)?;
        let mut core = ServiceOptions::default();
        if let Some(controller) = c_text_or_none(given.controller, "a controller")? {
            controller.clone_into(&mut core.controller);
        }
        match u64::try_from(given.every) {
            Ok(0) => {}
            // As quick as a clock can tell: one after the other.
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

/// A command that the program carries out. Begin with `linkspan_task task = LINKSPAN_TASK_INIT;`.
///
/// Its texts and its arguments are views, which live until the task is answered.
#[repr(C)]
pub struct linkspan_task {
    /// `sizeof(linkspan_task)`.
    pub size: usize,
    /// What is to be done.
    pub command: linkspan_command,
    /// The state that the service comes from: READY, RUNNING, PAUSED or FAILED.
    pub before: linkspan_state,
    /// By which `linkspan_service_task_done` and `linkspan_service_task_failed` identify it.
    pub number: u64,
    /// Its name: `"STEP"`, `"PAUSE"`, or of the service's own. `""` at the end.
    pub name: *const c_char,
    /// The id that its sender chose; `""` for a step, and for a shutdown by a signal.
    pub id: *const c_char,
    /// How many nanoseconds remained for it when it was given, or `LINKSPAN_FOREVER`.
    pub remaining: i64,
    /// With what: a message whose value is null where there is nothing. NULL at the end.
    pub arguments: *const linkspan_message,
}

/// How a service is now. Begin with `linkspan_service_info info = LINKSPAN_SERVICE_INFO_INIT;`.
#[repr(C)]
pub struct linkspan_service_info {
    /// `sizeof(linkspan_service_info)`.
    pub size: usize,
    /// Its state.
    pub state: linkspan_state,
    /// Whether what the program does now is to be given up.
    pub is_cancelled: bool,
    /// Whether it is connected to a controller.
    pub is_connected: bool,
    /// The number that was drawn for this incarnation.
    pub epoch: u64,
}

/// Starts a service of this name: STARTING. It calls its controller in the background, again and again; nothing here waits for
/// one. `options` may be NULL.
///
/// # Safety
/// `name` is NUL-terminated, `options` NULL or good, `service` may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_service_start(
    name: *const c_char,
    options: *const linkspan_service_options,
    service: *mut *mut linkspan_service,
) -> linkspan_status {
    // SAFETY: as the caller promises.
    unsafe {
        make(service, || {
            let service = ServiceLoop::start(c_text(name, "a name")?, &set_up(options)?)?;
            Ok(give(linkspan_service(Tagged::new(Serving { service, open: Mutex::default() }))))
        })
    }
}

/// Gives the next task, to be answered with `linkspan_service_task_done` or `linkspan_service_task_failed` before the
/// next call. `LINKSPAN_DEFAULT` waits for ever here. With the first call the service is READY, and RUNNING unless it was to be
/// paused. At the end the call succeeds with the command `LINKSPAN_COMMAND_END`, and the controller has been informed. When it fails, `task`
/// stays as it was: `Timeout` where nothing was to be done in time, `InvalidState` while a task is open.
///
/// # Safety
/// `service` is live, `task` points to a `linkspan_task` whose `size` is set.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_service_next(
    service: *const linkspan_service,
    timeout: i64,
    task: *mut linkspan_task,
) -> linkspan_status {
    // SAFETY: as the caller promises.
    unsafe {
        tell(service, |linkspan_service(serving)| {
            if task.is_null() {
                return Err(is_null("a task"));
            }
            let next = serving.service.next(wait(timeout)?)?;
            write_sized(task, next.map_or_else(linkspan_task::nothing, |task| serving.hold(task)));
            Ok(())
        })
    }
}

/// Answers a task: it is done. The sender of the command gets `value`, which may be NULL. `InvalidState` for a task that has been
/// answered.
///
/// # Safety
/// `service` is live, `task` points to what `linkspan_service_next` gave, `value` is NULL or a live message.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_service_task_done(
    service: *const linkspan_service,
    task: *const linkspan_task,
    value: *const linkspan_message,
) -> linkspan_status {
    // SAFETY: as the caller promises.
    unsafe {
        tell(service, |linkspan_service(serving)| {
            let value = value.as_ref().map_or(Ok(Value::Null), linkspan_message::copy)?;
            serving.take(task)?.task.done(&value)
        })
    }
}

/// Answers a task: it could not be done, and why: a status, and a text for a person, NULL for that of this thread's last
/// error. `LINKSPAN_REMOTE` is for what is no error of Linkspan's. The state is then as it was before the command.
///
/// # Safety
/// As for `linkspan_service_task_done`; `text` is NULL or NUL-terminated.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_service_task_failed(
    service: *const linkspan_service,
    task: *const linkspan_task,
    status: linkspan_status,
    text: *const c_char,
) -> linkspan_status {
    // SAFETY: as the caller promises.
    unsafe {
        tell(service, |linkspan_service(serving)| {
            let why = why(status, text)?;
            serving.take(task)?.task.failed(&why)
        })
    }
}

/// Puts the service into the state FAILED: it cannot go on, until RUN tries again or SHUTDOWN ends it. A status and a text say why, as
/// for `linkspan_service_task_failed`; a task that is open is still to be answered.
///
/// # Safety
/// `service` is live, `text` is NULL or NUL-terminated.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_service_set_failed(
    service: *const linkspan_service,
    status: linkspan_status,
    text: *const c_char,
) -> linkspan_status {
    // SAFETY: as the caller promises.
    unsafe {
        tell(service, |linkspan_service(serving)| {
            serving.service.fail(&why(status, text)?);
            Ok(())
        })
    }
}

/// Sets the reason that the record of the service shows, although it goes on: what is wrong; NULL or `""` for nothing any more.
///
/// # Safety
/// `service` is live, `text` is NULL or NUL-terminated.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_service_set_reason(
    service: *const linkspan_service,
    text: *const c_char,
) -> linkspan_status {
    // SAFETY: as the caller promises.
    unsafe {
        tell(service, |linkspan_service(serving)| {
            serving.service.set_reason(c_text_or_none(text, "a reason")?.unwrap_or_default());
            Ok(())
        })
    }
}

/// Adds a line to the service's log, of the level `"debug"`, `"info"`, `"warning"` or `"error"`, NULL for `"info"`;
/// `OutOfRange` for any other. Any thread may call it.
///
/// # Safety
/// `service` is live, `text` is NUL-terminated, `level` is NULL or NUL-terminated.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_service_log(
    service: *const linkspan_service,
    text: *const c_char,
    level: *const c_char,
) -> linkspan_status {
    // SAFETY: as the caller promises.
    unsafe {
        tell(service, |linkspan_service(serving)| {
            let level: LogLevel = c_text_or_none(level, "a level")?.unwrap_or("info").parse()?;
            serving.service.log(level.name(), c_text(text, "a text")?);
            Ok(())
        })
    }
}

/// As a signal to stop would: SHUTDOWN, and the second time, what is under way is given up. Any thread may call it.
///
/// # Safety
/// `service` is live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_service_shutdown(service: *const linkspan_service) -> linkspan_status {
    // SAFETY: as the caller promises.
    unsafe {
        tell(service, |linkspan_service(serving)| {
            serving.service.shutdown();
            Ok(())
        })
    }
}

/// How the service is now. Any thread may call it.
///
/// # Safety
/// `service` is live, `info` points to a `linkspan_service_info` whose `size` is set.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_service_get_info(
    service: *const linkspan_service,
    info: *mut linkspan_service_info,
) -> linkspan_status {
    // SAFETY: as the caller promises.
    unsafe {
        tell(service, |linkspan_service(serving)| {
            let service = &serving.service;
            let full = linkspan_service_info {
                size: 0,
                state: number(service.state()),
                is_cancelled: service.is_cancelled(),
                is_connected: service.is_connected(),
                epoch: service.epoch(),
            };
            write_sized(info, full);
            Ok(())
        })
    }
}

/// Gives a descriptor for event loops: readable while `linkspan_service_next` may have something. It stays the service's: do not close it.
///
/// # Safety
/// `service` is live, `fd` may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_service_fileno(
    service: *const linkspan_service,
    fd: *mut c_int,
) -> linkspan_status {
    // SAFETY: as the caller promises.
    unsafe { ask(service, fd, |service| Ok(service.0.service.fileno())) }
}

/// Gives the counters of the service as a map, which the caller releases.
///
/// # Safety
/// `service` is live, `stats` may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_service_stats(
    service: *const linkspan_service,
    stats: *mut *mut linkspan_message,
) -> linkspan_status {
    // SAFETY: as the caller promises.
    unsafe { ask(service, stats, |service| Ok(linkspan_message::of(service.0.service.stats()))) }
}

/// Says goodbye to the controller in the state in which the service is, within the time-out; waits of other threads end. It still has to be
/// freed.
///
/// # Safety
/// `service` is live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_service_close(
    service: *const linkspan_service,
    timeout: i64,
) -> linkspan_status {
    // SAFETY: as the caller promises.
    unsafe { tell(service, |service| service.0.service.close(wait(timeout)?)) }
}

/// Closes the service and frees it. NULL is allowed; a second call for the same service, and any other use of it, is `InvalidState`: see
/// `linkspan_channel_free`.
///
/// # Safety
/// `service` is NULL or what one of the functions gave, and no other call uses it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_service_free(service: *mut linkspan_service) -> linkspan_status {
    // SAFETY: as the caller promises.
    unsafe { free(service) }
}

impl Serving {
    fn open(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps a task until it is answered, and shows it to C.
    fn hold(&self, task: Task) -> linkspan_task {
        let text = |text: &str| CString::new(text.replace('\0', "\u{2400}")).unwrap_or_default();
        let mut open = self.open();
        open.number += 1;
        let held = Held {
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

    /// The task that a command stands for, once.
    ///
    /// # Safety
    /// `task` is NULL or points to a task whose `size` is set.
    unsafe fn take(&self, task: *const linkspan_task) -> Result<Held> {
        // SAFETY: as the caller promises; a task that ends before its number is refused.
        let number = unsafe {
            if task.is_null() {
                return Err(is_null("a task"));
            }
            if task.cast::<usize>().read() < std::mem::offset_of!(linkspan_task, name) {
                let text = "the task has no number; begin it with LINKSPAN_TASK_INIT";
                return Err(Error::new(ErrorKind::InvalidState, text));
            }
            (&raw const (*task).number).read()
        };
        let mut open = self.open();
        match open.held.take() {
            Some(held) if open.number == number => Ok(held),
            other => {
                open.held = other;
                let text = "this task has been answered already, or is none that linkspan_service_next gave";
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

/// The error that a status and a text mean.
///
/// # Safety
/// `text` is NULL or NUL-terminated.
unsafe fn why(status: linkspan_status, text: *const c_char) -> Result<Error> {
    let text = if text.is_null() { linkspan_last_error_text() } else { text };
    // SAFETY: as the caller promises; the last error's text lives until the next one.
    let text = unsafe { c_text(text, "a text") }?.to_owned();
    match u16::try_from(status).ok().and_then(ErrorKind::from_code) {
        Some(ErrorKind::Remote) => {
            Ok(Error::remote(RemoteFailure { code: INTERNAL_ERROR, text, ..RemoteFailure::default() }))
        }
        Some(kind) => Ok(Error::new(kind, text)),
        None => {
            let text = format!("{status} is no status of an error; LINKSPAN_REMOTE stands for any other");
            Err(Error::new(ErrorKind::OutOfRange, text))
        }
    }
}
