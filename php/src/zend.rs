//! Functions of the engine that ext-php-rs does not bind.

use std::ffi::{CStr, c_char, c_int, c_void};
use std::ptr::NonNull;

use ext_php_rs::boxed::ZBox;
use ext_php_rs::class::RegisteredClass;
use ext_php_rs::convert::IntoZval;
use ext_php_rs::ffi::{
    HashTable, zend_class_constant, zend_hash_str_update, zend_property_info, zend_string,
};
use ext_php_rs::flags::ClassFlags;
use ext_php_rs::types::{ZendClassObject, ZendHashTable, ZendObject, ZendStr, Zval};
use ext_php_rs::zend::{ClassEntry, ExecutorGlobals, ModuleEntry, SapiModule};
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
    fn object_init_ex(value: *mut Zval, class: *mut ClassEntry) -> c_int;
    fn zend_verify_property_type(info: *const zend_property_info, value: *mut Zval, strict: bool) -> bool;
    fn display_ini_entries(module: *mut ModuleEntry);
    fn php_date_get_interface_ce() -> *mut ClassEntry;
    fn zend_is_unwind_exit(exception: *const ZendObject) -> bool;
    static spl_ce_RuntimeException: *mut ClassEntry;
    static php_json_serializable_ce: *mut ClassEntry;
}

pub const FINAL: ClassFlags = ClassFlags::Final.union(ClassFlags::NoDynamicProperties);

pub type Made<T> = ZBox<ZendClassObject<T>>;

/// Creates an object of our class without its Rust part, which `initialize` adds.
///
/// The allocation may end in a fatal error, which jumps over Rust frames: these must own nothing then.
pub fn shell<T: RegisteredClass>() -> Made<T> {
    // SAFETY: callers fill the object before other code can reach it; an unfilled object may be freed.
    unsafe { ZendClassObject::new_uninit(None) }
}

/// `value` runs after PHP has allocated: a fatal error cannot leak its memory.
pub fn made<T: RegisteredClass>(value: impl FnOnce() -> T) -> Made<T> {
    let mut object = shell::<T>();
    object.initialize(value());
    object
}

pub fn try_made<T: RegisteredClass>(value: impl FnOnce() -> Result<T>) -> Result<Made<T>> {
    let mut object = shell::<T>();
    object.initialize(value()?);
    Ok(object)
}

pub fn try_made_some<T: RegisteredClass>(
    value: impl FnOnce() -> Result<Option<T>>,
) -> Result<Option<Made<T>>> {
    let mut object = shell::<T>();
    let Some(value) = value()? else { return Ok(None) };
    object.initialize(value);
    Ok(Some(object))
}

pub fn into_zval<T: RegisteredClass>(object: Made<T>) -> Zval {
    // An object of ours is always accepted.
    object.into_zval(false).unwrap_or_default()
}

/// A function of an extension that stays loaded as long as the process.
#[derive(Clone, Copy)]
pub struct Builtin(NonNull<c_void>);

// SAFETY: such a function is written only during the load of extensions; each thread calls it with a separate frame.
unsafe impl Send for Builtin {}
// SAFETY: as above.
unsafe impl Sync for Builtin {}

fn function(name: &str) -> Option<&'static ext_php_rs::ffi::zend_function> {
    // SAFETY: the engine returns NULL or a live function. Callers use a function that may be unloaded at once.
    unsafe { ext_php_rs::ffi::zend_fetch_function_str(name.as_ptr().cast(), name.len()).as_ref() }
}

/// Returns `None` also if the function may be unloaded at the end of a request.
pub fn builtin(name: &str) -> Option<Builtin> {
    const INTERNAL: u8 = 1;
    const PERSISTENT: c_int = 1;
    let function = function(name)?;
    // SAFETY: the type byte selects the member of the union; the module of an internal function is NULL or live.
    let module = unsafe {
        if function.type_ != INTERNAL {
            return None;
        }
        function.internal_function.module.as_ref()?
    };
    (c_int::from(module.type_) == PERSISTENT).then(|| Builtin(NonNull::from(function).cast()))
}

pub fn call(function: Builtin) -> Zval {
    let mut answer = Zval::new();
    let none = std::ptr::null_mut::<c_void>();
    // SAFETY: the function is live, and writes its result into a live zval.
    unsafe {
        ext_php_rs::ffi::zend_call_known_function(
            function.0.as_ptr().cast(),
            none.cast(),
            none.cast(),
            &raw mut answer,
            0,
            none.cast(),
            none.cast(),
        );
    }
    answer
}

/// Calls a function that reads a setting, without the engine's preparations (90 instructions).
///
/// The function must not throw, call PHP code or look at the frames.
pub fn ask(function: Builtin) -> Zval {
    let mut answer = Zval::new();
    let function = function.0.as_ptr().cast::<ext_php_rs::ffi::zend_function>();
    // SAFETY: null pointers and zeros are a frame without an object, arguments and extra arguments.
    let mut frame: ext_php_rs::ffi::zend_execute_data = unsafe { std::mem::zeroed() };
    frame.func = function;
    // SAFETY: `builtin` found a live internal function, which reads that it has no arguments and writes a live zval.
    unsafe {
        if let Some(handler) = (*function).internal_function.handler {
            handler(&raw mut frame, &raw mut answer);
        }
    }
    answer
}

/// Returns `None` without a function of this name.
pub fn call_function(name: &str) -> Option<Zval> {
    function(name).map(|function| call(Builtin(NonNull::from(function).cast())))
}

#[derive(Clone, Copy)]
pub enum Key<'a> {
    /// A text key with any bytes.
    Text(&'a [u8]),
    Number(i64),
}

/// Iterates over a PHP array in its order, without allocating or changing its internal pointer.
pub struct Entries<'a> {
    table: &'a ZendHashTable,
    position: u32,
}

impl<'a> Entries<'a> {
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
        // SAFETY: the table lives as long as 'a; these calls read it and change only `self`'s position.
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

/// A command-line process is one script.
pub fn is_command_line() -> bool {
    // SAFETY: the module's name is a C string for the life of the process.
    let name = unsafe { CStr::from_ptr(SapiModule::get().name) };
    name == c"cli"
}

/// Returns `None` for an unknown entry.
pub fn ini_text(name: &CStr) -> Option<&'static str> {
    let mut exists = false;
    // SAFETY: the name is NUL-terminated and its length is given. The result is a NUL-terminated text that lives until
    // the entry changes, and the caller reads it at once.
    unsafe {
        let text = zend_ini_string_ex(name.as_ptr(), name.count_bytes(), 0, &raw mut exists);
        if !exists || text.is_null() {
            return None;
        }
        CStr::from_ptr(text).to_str().ok()
    }
}

/// Sets a property with the access rights of the class `scope`.
pub fn set_property(scope: &ClassEntry, object: &mut ZendObject, name: &str, mut value: Zval) {
    let mut name = ZendStr::new(name, false);
    // SAFETY: all four are live; the engine copies the value and takes a reference to the name.
    unsafe {
        zend_update_property_ex(std::ptr::from_ref(scope).cast_mut(), object, &raw mut *name, &raw mut value);
    }
}

pub fn print_ini_entries(module: *mut ModuleEntry) {
    // SAFETY: the engine calls the info function with its own entry of this module.
    unsafe { display_ini_entries(module) }
}

pub fn date_time_interface() -> &'static ClassEntry {
    // SAFETY: the date extension is part of every PHP and starts before all loaded extensions.
    unsafe { &*php_date_get_interface_ce() }
}

pub fn runtime_exception() -> &'static ClassEntry {
    // SAFETY: SPL is part of every PHP and starts before all loaded extensions.
    unsafe { &*spl_ce_RuntimeException }
}

pub fn json_serializable() -> &'static ClassEntry {
    // SAFETY: json is part of every PHP since 8.0 and starts before all loaded extensions.
    unsafe { &*php_json_serializable_ce }
}

/// PHP represents an `exit` as an exception that no code may catch.
pub fn exit_is_pending() -> bool {
    // SAFETY: a pending exception is a live object.
    ExecutorGlobals::get().exception().is_some_and(|e| unsafe { zend_is_unwind_exit(e) })
}

/// Returns the named arguments beyond the declared ones.
pub fn extra_named_arguments() -> Option<&'static ZendHashTable> {
    const HAS_EXTRA_NAMED: u32 = 1 << 27;
    let globals = ExecutorGlobals::get();
    // SAFETY: while one of our functions runs, the current frame is its frame; the table lives until it returns.
    unsafe {
        let frame = globals.current_execute_data.as_ref()?;
        if frame.This.u1.type_info & HAS_EXTRA_NAMED == 0 {
            return None;
        }
        frame.extra_named_params.as_ref()
    }
}

/// A declared property of a class, looked up once.
#[derive(Clone, Copy)]
pub struct Property(&'static zend_property_info);

pub fn property(class: &ClassEntry, name: &str) -> Option<Property> {
    const STATIC: u32 = 1 << 4;
    // SAFETY: the table of a class has pointers to its property infos, which live until the request ends.
    let info = unsafe {
        let found = ext_php_rs::ffi::zend_hash_str_find(
            &raw const class.properties_info,
            name.as_ptr().cast(),
            name.len(),
        );
        found.as_ref()?.value.ptr.cast::<zend_property_info>().as_ref()?
    };
    (info.flags & STATIC == 0).then_some(Property(info))
}

impl Property {
    fn place(self, object: *const ZendObject) -> *const Zval {
        object.wrapping_byte_add(self.0.offset as usize).cast()
    }

    pub fn of(self, object: &ZendObject) -> &Zval {
        // SAFETY: callers found the property in the class of the object, which has memory for it there.
        unsafe { &*self.place(object) }
    }

    /// Sets the property of a new object for the first time, like its constructor, also if it is read-only.
    ///
    /// For a forbidden value PHP throws, and the property stays unset.
    pub fn set(self, object: &mut ZendObject, mut value: Zval) {
        let place = self.place(object).cast_mut();
        // SAFETY: as in `of`; the object is new and no other code has it. The old value needs no free.
        unsafe {
            if is_unset(&*place) && zend_verify_property_type(self.0, &raw mut value, true) {
                // PHP marks an unset property in the second word: the value's word replaces it.
                value.u2.extra = 0;
                place.write(value);
            }
        }
    }
}

/// `Zval::get_type` would try one type after the other.
pub fn is_unset(value: &Zval) -> bool {
    // SAFETY: every value has a type byte.
    u32::from(unsafe { value.u1.v.type_ }) == ext_php_rs::ffi::IS_UNDEF
}

/// Creates an object without running its constructor.
///
/// Null, with a pending exception, for a class that cannot have objects.
pub fn instance(class: &ClassEntry) -> Zval {
    let mut value = Zval::new();
    // SAFETY: the class is live; the engine writes an object or null.
    unsafe { object_init_ex(&raw mut value, std::ptr::from_ref(class).cast_mut()) };
    value
}

/// Returns `None` for an unknown constant.
pub fn constant(class: &'static ClassEntry, name: &str) -> Option<&'static Zval> {
    // SAFETY: the table of a class has pointers to its constants, which live until the request ends.
    unsafe {
        let found = ext_php_rs::ffi::zend_hash_str_find(
            &raw const class.constants_table,
            name.as_ptr().cast(),
            name.len(),
        );
        let constant = found.as_ref()?.value.ptr.cast::<zend_class_constant>().as_ref()?;
        Some(&constant.value)
    }
}

/// Returns `None` without a method of this lower-case name.
pub fn call_static(class: &ClassEntry, name: &str) -> Option<Zval> {
    let mut answer = Zval::new();
    // SAFETY: the function comes from the class's own table and takes no object; the result is written into a live
    // zval.
    unsafe {
        let function = ext_php_rs::ffi::zend_hash_str_find_ptr_lc(
            &raw const class.function_table,
            name.as_ptr().cast(),
            name.len(),
        );
        if function.is_null() {
            return None;
        }
        let none = std::ptr::null_mut::<std::ffi::c_void>();
        ext_php_rs::ffi::zend_call_known_function(
            function.cast(),
            none.cast(),
            std::ptr::from_ref(class).cast_mut(),
            &raw mut answer,
            0,
            none.cast(),
            none.cast(),
        );
    }
    Some(answer)
}

/// Whether the text keeps its address until the request ends.
pub fn is_interned(text: &ZendStr) -> bool {
    const INTERNED: u32 = 1 << 6;
    // SAFETY: every text begins with the word that has its flags.
    let flags = unsafe { text.gc.u.type_info };
    flags & INTERNED != 0
}

/// The second declared property of a case of a backed enum, after the name.
pub fn enum_value(object: &ZendObject) -> Option<&Zval> {
    let class = object.get_class_entry();
    // SAFETY: an object has memory for all declared properties of its class.
    (class.default_properties_count >= 2).then(|| unsafe { &*object.properties_table.as_ptr().add(1) })
}

/// Inserts a value with this text as its unchanged key.
pub fn insert(table: &mut ZendHashTable, key: &[u8], value: Zval) {
    let mut value = std::mem::ManuallyDrop::new(value);
    // SAFETY: only this code uses the table; it copies the key and takes over the value, which is not dropped here.
    unsafe { zend_hash_str_update(table, key.as_ptr().cast(), key.len(), &raw mut *value) };
}
