//! `Linkspan\LinkspanException` and one subclass for each kind of the core's table.

use std::panic::AssertUnwindSafe;
use std::sync::Mutex;
use std::sync::atomic::{AtomicPtr, Ordering};

use ext_php_rs::args::ArgInfoTables;
use ext_php_rs::boxed::ZBox;
use ext_php_rs::builders::{ClassBuilder, ClassProperty, FunctionBuilder};
use ext_php_rs::convert::IntoZval;
use ext_php_rs::exception::PhpException;
use ext_php_rs::flags::{ClassFlags, DataType, MethodFlags, PropertyFlags};
use ext_php_rs::types::{ZendObject, Zval};
use ext_php_rs::zend::{BailoutGuard, ClassEntry, ExecuteData, ExecutorGlobals, run_handler};
use ext_php_rs::zend_fastcall;
use linkspan::{Encoding, Error, ErrorKind, Limits, RemoteFailure, Result, codec};

use crate::call::call_php;
use crate::edge::Failure;
use crate::scalars::Text;
use crate::tape::Tape;
use crate::to_wire::PhpValue;
use crate::{from_wire, zend};

/// JSON-RPC 2.0's "internal error".
pub const HANDLER_FAILED: i64 = RemoteFailure::INTERNAL_ERROR;

const BASE: &str = "Linkspan\\LinkspanException";

static BASE_CLASS: AtomicPtr<ClassEntry> = AtomicPtr::new(std::ptr::null_mut());
static KIND_CLASSES: [AtomicPtr<ClassEntry>; ErrorKind::ALL.len()] =
    [const { AtomicPtr::new(std::ptr::null_mut()) }; ErrorKind::ALL.len()];

/// The engine keeps pointers to these for the life of the process.
struct Kept(#[expect(dead_code, reason = "held for the engine, never read back")] ArgInfoTables);
// SAFETY: filled at the start of the module, before other threads exist, and never read again.
unsafe impl Send for Kept {}
static ARGUMENT_TABLES: Mutex<Vec<Kept>> = Mutex::new(Vec::new());

/// The methods besides message and code: method, property, type, may be null.
const GETTERS: [(&str, &str, DataType, bool); 11] = [
    ("getKind", "kind", DataType::String, false),
    ("isRetryable", "retryable", DataType::Bool, false),
    ("getEndpoint", "endpoint", DataType::String, true),
    ("getPath", "path", DataType::String, true),
    ("getOffset", "offset", DataType::Long, true),
    ("getMissed", "missed", DataType::Long, true),
    ("getSent", "sent", DataType::Long, true),
    ("getRemoteCode", "remoteCode", DataType::Long, true),
    ("getRemoteType", "remoteType", DataType::String, true),
    ("getRemoteText", "remoteText", DataType::String, true),
    ("getData", "data", DataType::Mixed, true),
];

zend_fastcall! {
    extern fn getter(ex: &mut ExecuteData, retval: &mut Zval) {
        run_handler(AssertUnwindSafe(|| {
            // SAFETY: the engine calls this with its own frame, whose function is one of GETTERS.
            let name = unsafe { ex.func.as_ref().and_then(|f| f.common.function_name.as_ref()) };
            let found = GETTERS.iter().find(|g| name.is_some_and(|n| n.as_bytes() == g.0.as_bytes()));
            let (Some((_, property, ..)), Some(object)) = (found, ex.get_self()) else { return };
            let mut room = Zval::new();
            // SAFETY: the object is live and of this class, and `room` outlives the result, which is copied.
            unsafe {
                let read = ext_php_rs::ffi::zend_read_property(
                    BASE_CLASS.load(Ordering::Acquire),
                    object,
                    property.as_ptr().cast(),
                    property.len(),
                    true,
                    &raw mut room,
                );
                if let Some(value) = read.as_ref() {
                    *retval = value.shallow_clone();
                }
            }
        }));
    }
}

fn base_class() -> &'static ClassEntry {
    // SAFETY: `register` ran at the start of the module, and class entries live until its end.
    unsafe { &*BASE_CLASS.load(Ordering::Acquire) }
}

fn keep(tables: ArgInfoTables) {
    ARGUMENT_TABLES.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push(Kept(tables));
}

fn long(number: u16) -> Zval {
    let mut zval = Zval::new();
    zval.set_long(number);
    zval
}

fn property(name: &str, default: Option<Zval>) -> ClassProperty {
    ClassProperty {
        name: name.to_owned(),
        flags: PropertyFlags::Protected,
        default: default
            .map(|zval| -> Box<dyn FnOnce() -> ext_php_rs::error::Result<Zval>> { Box::new(|| Ok(zval)) }),
        docs: &[],
        ty: None,
        nullable: true,
        readonly: false,
        default_stub: None,
    }
}

/// Registers the classes with names and codes from the core's table.
pub fn register() -> ext_php_rs::error::Result<()> {
    let mut base = ClassBuilder::new(BASE)
        .extends((zend::runtime_exception, "\\RuntimeException"))
        .registration(|class, tables| {
            BASE_CLASS.store(class, Ordering::Release);
            keep(tables);
        });
    for (method, name, kind, nullable) in GETTERS {
        let function = FunctionBuilder::new(method, getter).returns(kind, false, nullable);
        base = base.method(function, MethodFlags::Public | MethodFlags::Final);
        base = base.property(property(name, (name == "retryable").then(|| Zval::from(false))));
    }
    base.register()?;
    for kind in ErrorKind::ALL {
        let mut name = Zval::new();
        name.set_interned_string(kind.name(), true)?;
        ClassBuilder::new(format!("Linkspan\\{}Exception", kind.name()))
            .extends((base_class, "\\Linkspan\\LinkspanException"))
            .flags(ClassFlags::Final)
            .property(property("code", Some(long(kind.code()))))
            .property(property("kind", Some(name)))
            .property(property("retryable", Some(Zval::from(kind.retryable()))))
            .registration(|class, tables| {
                let name = class.name().unwrap_or_default();
                let place = ErrorKind::ALL.iter().position(|k| {
                    name.strip_prefix("Linkspan\\").and_then(|n| n.strip_suffix("Exception"))
                        == Some(k.name())
                });
                if let Some(place) = place {
                    KIND_CLASSES[place].store(class, Ordering::Release);
                }
                keep(tables);
            })
            .register()?;
    }
    Ok(())
}

fn class_of(kind: ErrorKind) -> &'static ClassEntry {
    let class =
        ErrorKind::ALL.iter().position(|k| *k == kind).map(|i| KIND_CLASSES[i].load(Ordering::Acquire));
    // SAFETY: `register` ran at the start of the module, and class entries live until its end.
    class.and_then(|class| unsafe { class.as_ref() }).unwrap_or_else(|| base_class())
}

/// The bytes to keep of a text that exceeds memory_limit.
const CUT: usize = 1_024;

/// Returns only the beginning of the text at memory_limit, so that the error is not hidden.
fn shown(text: &str) -> Zval {
    let beginning = || {
        let end = (0..=CUT.min(text.len())).rev().find(|at| text.is_char_boundary(*at));
        Text::of(&text[..end.unwrap_or(0)])
    };
    Text::within_limit(text).unwrap_or_else(|_| beginning()).into_value()
}

pub fn object_of(error: Error) -> ZBox<ZendObject> {
    let class = class_of(error.kind());
    // PHP allocates from here on; the error must not leak in a fatal error.
    let error = BailoutGuard::new(error);
    let mut object = ZendObject::new(class);
    let mut set = |name: &str, value: ext_php_rs::error::Result<Zval>| {
        if let Ok(value) = value {
            zend::set_property(base_class(), &mut object, name, value);
        }
    };
    let text = BailoutGuard::new(error.to_string());
    set("message", Ok(shown(&text)));
    if error.retryable() != error.kind().retryable() {
        set("retryable", error.retryable().into_zval(false));
    }
    if let Some(endpoint) = error.endpoint() {
        set("endpoint", endpoint.into_zval(false));
    }
    if let Some(path) = error.path() {
        set("path", path.into_zval(false));
    }
    if let Some(offset) = error.offset() {
        set("offset", (offset as i64).into_zval(false));
    }
    if let Some(missed) = error.missed() {
        set("missed", (missed as i64).into_zval(false));
    }
    if let Some(sent) = error.sent() {
        set("sent", (sent as i64).into_zval(false));
    }
    if let Some(failure) = error.remote_failure() {
        set("remoteCode", failure.code.into_zval(false));
        set("remoteType", failure.kind.as_str().into_zval(false));
        set("remoteText", Ok(shown(&failure.text)));
        // Bytes that do not decode, or a value beyond memory_limit, must not hide the peer's error: they are omitted.
        let data = codec::decode_into(&failure.data, Encoding::Cbor, &Limits::default(), Tape::default());
        if let Some(zval) =
            data.ok().filter(|_| !failure.data.is_empty()).and_then(|tape| from_wire::zval(tape).ok())
        {
            set("data", Ok(zval));
        }
    }
    object
}

/// The caller throws the result. A pending exception (of `on_wait`) stays.
fn from_error(error: Error) -> PhpException {
    let class = class_of(error.kind());
    if ExecutorGlobals::has_exception() {
        return PhpException::new(String::new(), 0, class);
    }
    let zval = object_of(error).into_zval(false);
    let exception = PhpException::new(String::new(), 0, class);
    match zval {
        Ok(zval) => exception.with_object(zval),
        Err(_) => exception,
    }
}

impl From<Failure> for PhpException {
    fn from(failure: Failure) -> PhpException {
        from_error(failure.0)
    }
}

/// Throws the exception of this error; the caller inspects it afterwards.
pub fn throw(error: Error) {
    from_error(error).throw();
}

/// Returns class and text of a thrown object, or the error that a nested call received.
pub fn as_failure(thrown: &ZendObject) -> Result<RemoteFailure> {
    let read = |name: &str| -> Option<Zval> {
        let mut room = Zval::new();
        let object = std::ptr::from_ref(thrown).cast_mut();
        let (scope, name, length) = (BASE_CLASS.load(Ordering::Acquire), name.as_ptr().cast(), name.len());
        // SAFETY: the object is live, its class is the scope of the read, and `room` outlives the result.
        unsafe {
            let value = ext_php_rs::ffi::zend_read_property(scope, object, name, length, true, &raw mut room);
            value.as_ref().map(Zval::shallow_clone)
        }
    };
    if thrown.instance_of(class_of(ErrorKind::Remote))
        && let Some(kind) = read("remoteType").as_ref().and_then(any_text)
    {
        let data = read("data").filter(|data| !data.is_null());
        return Ok(RemoteFailure {
            code: read("remoteCode").and_then(|v| v.long()).unwrap_or(HANDLER_FAILED),
            kind,
            text: read("remoteText").as_ref().and_then(any_text).unwrap_or_default(),
            // Data that cannot be sent is left out: the failure matters more.
            data: data
                .and_then(|data| codec::encode(&PhpValue(&data), Encoding::Cbor).ok())
                .unwrap_or_default(),
        });
    }
    let text = call_php(|| thrown.try_call_method("getMessage", vec![]))?;
    let text = text.ok().as_ref().and_then(any_text).unwrap_or_default();
    Ok(RemoteFailure::new(HANDLER_FAILED, class_name(thrown), text))
}

/// The replacement character stands for bytes that are not UTF-8.
fn any_text(value: &Zval) -> Option<String> {
    value.zend_str().map(|text| String::from_utf8_lossy(text.as_bytes()).into_owned())
}

/// The name may be any bytes.
fn class_name(object: &ZendObject) -> String {
    // SAFETY: the name lives as long as the class, and the class as long as its objects.
    let name = unsafe { object.get_class_entry().name.as_ref() };
    name.map(|name| String::from_utf8_lossy(name.as_bytes()).into_owned()).unwrap_or_default()
}
