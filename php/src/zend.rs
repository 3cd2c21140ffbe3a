//! What the engine offers and ext-php-rs does not bind: hash walking by position, ini text, class entries of core extensions.

use std::ffi::{CStr, c_char, c_int};

use ext_php_rs::boxed::ZBox;
use ext_php_rs::class::RegisteredClass;
use ext_php_rs::convert::IntoZval;
use ext_php_rs::ffi::{HashTable, zend_string};
use ext_php_rs::flags::ClassFlags;
use ext_php_rs::types::{ZendClassObject, ZendHashTable, ZendObject, ZendStr, Zval};
use ext_php_rs::zend::{ClassEntry, ExecutorGlobals, ModuleEntry, ProcessGlobals, SapiModule};
use linkspan::Result;

unsafe extern "C" {
    fn zend_hash_get_current_key_ex(
        table: *const HashTable,
        text: *mut *mut zend_string,
        number: *mut u64,
        position: *const u32,
    ) -> c_int;
    fn zend_hash_get_current_data_ex(table: *mut HashTable, position: *mut u32) -> *mut Zval;
    fn zend_hash_move_forward_ex(table: *mut HashTable, position: *mut u32) -> c_int;
    fn zend_ini_string_ex(
        name: *const c_char,
        length: usize,
        original: c_int,
        exists: *mut bool,
    ) -> *const c_char;
    fn zend_update_property_ex(
        scope: *mut ClassEntry,
        object: *mut ZendObject,
        name: *mut zend_string,
        value: *mut Zval,
    );
    fn zend_memory_usage(real: bool) -> usize;
    fn display_ini_entries(module: *mut ModuleEntry);
    fn php_date_get_interface_ce() -> *mut ClassEntry;
    fn zend_is_unwind_exit(exception: *const ZendObject) -> bool;
    static spl_ce_RuntimeException: *mut ClassEntry;
    static php_json_serializable_ce: *mut ClassEntry;
}

/// What all our classes are: final, without dynamic properties.
pub const FINAL: ClassFlags = ClassFlags::Final.union(ClassFlags::NoDynamicProperties);

/// A PHP object of one of our classes, made by [`made`] or [`try_made`].
pub type Made<T> = ZBox<ZendClassObject<T>>;

/// A new object of our class without its Rust part, which follows by `initialize`. The allocation comes first because it may end in a fatal error, which jumps over Rust frames: nothing of Rust's may
/// be in flight then.
fn shell<T: RegisteredClass>() -> Made<T> {
    // SAFETY: callers fill the object before anybody can reach it, and freeing one that is not filled is allowed.
    unsafe { ZendClassObject::new_uninit(None) }
}

/// A filled object. `value` runs once PHP has allocated, so that its memory is never lost to a fatal error.
pub fn made<T: RegisteredClass>(value: impl FnOnce() -> T) -> Made<T> {
    let mut object = shell::<T>();
    object.initialize(value());
    object
}

/// A filled object, where making the value may fail.
pub fn try_made<T: RegisteredClass>(value: impl FnOnce() -> Result<T>) -> Result<Made<T>> {
    let mut object = shell::<T>();
    object.initialize(value()?);
    Ok(object)
}

/// A filled object, where there may be none to make.
pub fn try_made_some<T: RegisteredClass>(
    value: impl FnOnce() -> Result<Option<T>>,
) -> Result<Option<Made<T>>> {
    let mut object = shell::<T>();
    let Some(value) = value()? else { return Ok(None) };
    object.initialize(value);
    Ok(Some(object))
}

/// The value that refers to this object, which it takes over.
pub fn into_zval<T: RegisteredClass>(object: Made<T>) -> Zval {
    // An object of ours is always accepted.
    object.into_zval(false).unwrap_or_default()
}

/// Calls a function without arguments; `None` where there is none of this name.
pub fn call_function(name: &str) -> Option<Zval> {
    let mut answer = Zval::new();
    // SAFETY: the function is live for the call, and writes its answer into a zval that is live too.
    unsafe {
        let function = ext_php_rs::ffi::zend_fetch_function_str(name.as_ptr().cast(), name.len());
        if function.is_null() {
            return None;
        }
        let none = std::ptr::null_mut::<std::ffi::c_void>();
        ext_php_rs::ffi::zend_call_known_function(
            function,
            none.cast(),
            none.cast(),
            &raw mut answer,
            0,
            none.cast(),
            none.cast(),
        );
    }
    Some(answer)
}

/// The key of one entry of a PHP array.
#[derive(Clone, Copy)]
pub enum Key<'a> {
    /// A text key; any bytes.
    Text(&'a [u8]),
    /// An integer key.
    Number(i64),
}

/// Walks a PHP array in its order, without touching its internal pointer and without allocating.
pub struct Entries<'a> {
    table: &'a ZendHashTable,
    position: u32,
}

impl<'a> Entries<'a> {
    /// From the first entry.
    pub fn new(table: &'a ZendHashTable) -> Entries<'a> {
        Entries { table, position: 0 }
    }
}

impl<'a> Iterator for Entries<'a> {
    type Item = (Key<'a>, &'a Zval);

    fn next(&mut self) -> Option<Self::Item> {
        const IS_STRING: c_int = 1;
        const IS_LONG: c_int = 2;
        let table = std::ptr::from_ref(self.table).cast_mut();
        let mut text: *mut zend_string = std::ptr::null_mut();
        let mut number = 0u64;
        // SAFETY: the table lives as long as 'a; these calls read it and move only our own position.
        unsafe {
            let key = match zend_hash_get_current_key_ex(
                table,
                &raw mut text,
                &raw mut number,
                &raw const self.position,
            ) {
                IS_STRING => Key::Text(text.as_ref()?.as_bytes()),
                IS_LONG => Key::Number(number as i64),
                _ => return None,
            };
            let value = zend_hash_get_current_data_ex(table, &raw mut self.position).as_ref()?;
            zend_hash_move_forward_ex(table, &raw mut self.position);
            let value = value.indirect().unwrap_or(value);
            Some((key, value))
        }
    }
}

/// Whether this is PHP on the command line, where a process is one script.
pub fn is_command_line() -> bool {
    // SAFETY: the module's name is a C string for as long as the process lives.
    let name = unsafe { CStr::from_ptr(SapiModule::get().name) };
    name == c"cli"
}

/// The text of an ini entry; `None` where there is no such entry.
pub fn ini_text(name: &CStr) -> Option<&'static str> {
    let mut exists = false;
    // SAFETY: the name is NUL-terminated and its length is given; the answer is a NUL-terminated text that lives until
    // the entry is changed, and the caller reads it at once.
    unsafe {
        let text = zend_ini_string_ex(name.as_ptr(), name.count_bytes(), 0, &raw mut exists);
        if !exists || text.is_null() {
            return None;
        }
        CStr::from_ptr(text).to_str().ok()
    }
}

/// Sets a property of an object as code of the class `scope` could.
pub fn set_property(scope: &ClassEntry, object: &mut ZendObject, name: &str, mut value: Zval) {
    let mut name = ZendStr::new(name, false);
    // SAFETY: all four are live; the engine copies the value and takes its own reference to the name.
    unsafe {
        zend_update_property_ex(std::ptr::from_ref(scope).cast_mut(), object, &raw mut *name, &raw mut value);
    }
}

/// How much of memory_limit is left, at most; `None` where there is no limit.
pub fn memory_left() -> Option<usize> {
    let limit = usize::try_from(ProcessGlobals::get().memory_limit).ok()?;
    // SAFETY: only reads a counter of the engine's.
    (limit < isize::MAX as usize).then(|| limit.saturating_sub(unsafe { zend_memory_usage(false) }))
}

/// Prints our ini entries into phpinfo().
pub fn print_ini_entries(module: *mut ModuleEntry) {
    // SAFETY: the engine calls the info function with its own entry of this module.
    unsafe { display_ini_entries(module) }
}

/// `\DateTimeInterface`.
pub fn date_time_interface() -> &'static ClassEntry {
    // SAFETY: the date extension is part of every PHP and is started before any extension that is loaded.
    unsafe { &*php_date_get_interface_ce() }
}

/// `\RuntimeException`.
pub fn runtime_exception() -> &'static ClassEntry {
    // SAFETY: SPL is part of every PHP and is started before any extension that is loaded.
    unsafe { &*spl_ce_RuntimeException }
}

/// `\JsonSerializable`.
pub fn json_serializable() -> &'static ClassEntry {
    // SAFETY: json is part of every PHP since 8.0 and is started before any extension that is loaded.
    unsafe { &*php_json_serializable_ce }
}

/// Whether what is pending is `exit`, which PHP carries like an exception and nobody may catch.
pub fn exit_is_pending() -> bool {
    // SAFETY: the pending exception, if there is one, is a live object.
    ExecutorGlobals::get().exception().is_some_and(|e| unsafe { zend_is_unwind_exit(e) })
}

/// The named arguments that the running function was given beyond those it declares.
pub fn extra_named_arguments() -> Option<&'static ZendHashTable> {
    const HAS_EXTRA_NAMED: u32 = 1 << 27;
    let globals = ExecutorGlobals::get();
    // SAFETY: while one of our functions runs, the current frame is its own; the table lives until it returns.
    unsafe {
        let frame = globals.current_execute_data.as_ref()?;
        if frame.This.u1.type_info & HAS_EXTRA_NAMED == 0 {
            return None;
        }
        frame.extra_named_params.as_ref()
    }
}
