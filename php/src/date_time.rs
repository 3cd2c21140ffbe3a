//! Timestamps from PHP's own date classes.

use ext_php_rs::types::{ZendObject, Zval};
use linkspan::{Error, ErrorKind, Result};

use crate::call::call_php;

/// Returns microseconds by PHP's own methods, even if a class of the program overrides them.
pub fn timestamp_of(object: &ZendObject) -> Result<linkspan::Timestamp> {
    let mut class = object.get_class_entry();
    // Only classes of PHP and of extensions are internal.
    const INTERNAL: std::ffi::c_char = 1;
    while class.type_ != INTERNAL {
        match class.parent() {
            Some(parent) => class = parent,
            None => break,
        }
    }
    let answer = call_php(|| {
        let format = ext_php_rs::convert::IntoZval::into_zval("U u", false).unwrap_or_default();
        let mut arguments = [format];
        let mut answer = Zval::new();
        // SAFETY: the function comes from the class's own table and is called on an object of that class.
        unsafe {
            let function = ext_php_rs::ffi::zend_hash_str_find_ptr_lc(
                &raw const class.function_table,
                c"format".as_ptr(),
                6,
            );
            if !function.is_null() {
                ext_php_rs::ffi::zend_call_known_function(
                    function.cast(),
                    std::ptr::from_ref(object).cast_mut(),
                    std::ptr::from_ref(class).cast_mut(),
                    &raw mut answer,
                    1,
                    arguments.as_mut_ptr(),
                    std::ptr::null_mut(),
                );
            }
        }
        answer
    })?;
    let parts = answer.str().and_then(|text| text.split_once(' '));
    let numbers = parts.and_then(|(s, us)| Some((s.parse::<i64>().ok()?, us.parse::<i64>().ok()?)));
    match numbers {
        Some((seconds, microseconds)) => linkspan::Timestamp::from_parts(seconds, microseconds * 1000),
        None => {
            Err(Error::new(ErrorKind::Internal, "DateTimeInterface::format did not answer with two numbers"))
        }
    }
}
