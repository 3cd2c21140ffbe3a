//! Rewrites the `TypeError` for a wrong argument, or text that is not UTF-8, in PHP's own form.
//!
//! The macros of ext-php-rs throw it with only the argument's name. The function's argument table has the expected
//! type, the current frame has the value.

use std::ffi::CStr;
use std::mem::size_of;
use std::sync::atomic::{AtomicPtr, Ordering};

use ext_php_rs::convert::IntoZval;
use ext_php_rs::ffi::{zend_internal_arg_info, zend_string, zend_type};
use ext_php_rs::types::{ZendObject, Zval};
use ext_php_rs::zend::{BailoutGuard, ExecuteData, ExecutorGlobals, ce};

use crate::utf8;
use crate::zend::{self, Entries, Key};

type Hook = unsafe extern "C" fn(*mut ZendObject);

unsafe extern "C" {
    fn zend_type_to_string(of: zend_type) -> *mut zend_string;
    fn zend_zval_type_name(value: *const Zval) -> *const std::ffi::c_char;
}

/// The earlier hook of another extension, which is called first; null for none.
static BEFORE: AtomicPtr<std::ffi::c_void> = AtomicPtr::new(std::ptr::null_mut());

pub fn register() {
    // SAFETY: the engine starts its modules one after the other, before other threads exist.
    unsafe {
        let hook = &raw mut ext_php_rs::ffi::zend_throw_exception_hook;
        if let Some(before) = hook.replace(Some(thrown)) {
            BEFORE.store(before as *mut _, Ordering::Release);
        }
    }
}

/// The text of the macros before and after the name.
const TEXT: (&str, &str) = ("Invalid value given for argument `", "`.");

/// The engine calls this with each exception before it throws; with null for a rethrown exception.
unsafe extern "C" fn thrown(exception: *mut ZendObject) {
    let before = BEFORE.load(Ordering::Acquire);
    if !before.is_null() {
        // SAFETY: `register` stored a function of this type. Its extension stays loaded as long as the engine has the
        // hook.
        unsafe { std::mem::transmute::<*mut std::ffi::c_void, Hook>(before)(exception) };
    }
    // SAFETY: the engine passes a live object, or null.
    if let Some(exception) = unsafe { exception.as_mut() }
        && std::ptr::eq(exception.get_class_entry(), ce::type_error())
        && let Some(frame) = current_frame()
        && let Some(text) = rewritten(exception, frame)
    {
        // The engine allocates: a fatal error there must not leak the text.
        let text = BailoutGuard::new(text);
        if let Ok(text) = text.as_str().into_zval(false) {
            zend::set_property(ce::type_error(), exception, "message", text);
        }
    }
}

fn current_frame() -> Option<&'static ExecuteData> {
    // SAFETY: the frame is live while its function throws, and is not kept.
    unsafe { ExecutorGlobals::get().current_execute_data.as_ref() }
}

/// Returns `None` for an exception that is not about an argument of ours.
fn rewritten(exception: &ZendObject, frame: &ExecuteData) -> Option<String> {
    let mut room = Zval::new();
    let object = std::ptr::from_ref(exception).cast_mut();
    // SAFETY: the object is live, its class is the scope of the property, and `room` outlives the result.
    let message = unsafe {
        ext_php_rs::ffi::zend_read_property(
            std::ptr::from_ref(ce::type_error()).cast_mut(),
            object,
            c"message".as_ptr(),
            7,
            true,
            &raw mut room,
        )
        .as_ref()
    }?
    .string()?;
    let name = message.strip_prefix(TEXT.0)?.strip_suffix(TEXT.1)?;
    // SAFETY: the frame's function is live, and its type byte selects the member of the union.
    let function = unsafe {
        const INTERNAL: u8 = 1;
        let function = frame.func.as_ref().filter(|function| function.type_ == INTERNAL)?;
        &function.internal_function
    };
    let is_named = |info: &&zend_internal_arg_info| {
        // SAFETY: the names in argument tables are C strings that live as long as the function.
        unsafe { CStr::from_ptr(info.name) }.to_bytes() == name.as_bytes()
    };
    // SAFETY: the table has an entry for each argument.
    let table = unsafe { std::slice::from_raw_parts(function.arg_info, function.num_args as usize) };
    let (position, info) = table.iter().enumerate().find(|(_, info)| is_named(info))?;
    // SAFETY: the arguments follow the frame at the distance of its length in values; the frame has their number.
    let given = unsafe {
        if position >= frame.This.u2.num_args as usize {
            return None;
        }
        let first = std::ptr::from_ref(frame)
            .cast::<Zval>()
            .add(size_of::<ExecuteData>().div_ceil(size_of::<Zval>()));
        &*first.add(position)
    };
    // SAFETY: the type is from the table; the engine returns a new string.
    let expected = unsafe { zend_type_to_string(info.type_).as_mut() }?;
    let expected_text = String::from_utf8_lossy(expected.as_bytes()).into_owned();
    ext_php_rs::boxed::ZBoxable::free(expected);
    // Only arguments with endpoint names refuse values of type `mixed`; argument tables have no unions.
    let expected_text = if expected_text == "mixed" { "array|string".to_owned() } else { expected_text };
    // SAFETY: the class of a method lives as long as the method.
    let class = unsafe { function.scope.as_ref() }.and_then(|class| class.name());
    // SAFETY: the name of a function is a live string.
    let called =
        unsafe { function.function_name.as_ref() }.map(|name| String::from_utf8_lossy(name.as_bytes()))?;
    let called = class.map_or_else(|| called.to_string(), |class| format!("{class}::{called}"));
    Some(format!("{called}(): Argument #{} (${name}){}", position + 1, refusal(given, &expected_text)))
}

/// Names the value's type, the type of an entry, or text that is not UTF-8.
fn refusal(given: &Zval, expected: &str) -> String {
    let given = given.dereference();
    if let Some(why) = given.zend_str().and_then(|text| utf8::refusal(text.as_bytes())) {
        return format!(" {why}");
    }
    // One name, or several in an array.
    let names = given.array().filter(|_| expected == "array|string");
    for (key, entry) in names.into_iter().flat_map(Entries::new) {
        let entry = entry.dereference();
        let why = match entry.zend_str() {
            None => Some(format!("must be of type string, {} given", type_of(entry))),
            Some(text) => utf8::refusal(text.as_bytes()),
        };
        if let Some(why) = why {
            return match key {
                Key::Number(number) => format!("[{number}] {why}"),
                Key::Text(text) => format!("[\"{}\"] {why}", text.escape_ascii()),
            };
        }
    }
    format!(" must be of type {expected}, {} given", type_of(given))
}

/// Returns the type or class, as PHP's own errors name it.
pub fn type_of(value: &Zval) -> String {
    let value = value.dereference();
    if let Some(object) = value.object() {
        return object.get_class_name().unwrap_or_else(|_| "object".to_owned());
    }
    // SAFETY: the engine returns a constant C string for every live value.
    unsafe { CStr::from_ptr(zend_zval_type_name(value)) }.to_string_lossy().into_owned()
}
