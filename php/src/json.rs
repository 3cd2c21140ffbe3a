//! JSON for people, the text of `echo $message`, as PHP's own `json_encode` writes it.

use ext_php_rs::types::{ZendCallable, ZendClassObject, Zval};
use linkspan::{Error, ErrorKind, Result};

use crate::call::call_php;
use crate::finite::without_special_floats;
use crate::ndarray::NdArray;
use crate::room::{Size, within_limit};
use crate::scalars::Text;
use crate::zend;

/// Replaces NAN, INF and bytes other than text by null.
pub fn printed(value: &Zval) -> Result<Text> {
    with_room_for_text(|| {
        // JSON_PARTIAL_OUTPUT_ON_ERROR turns bytes other than text into null, and NAN and INF into 0.
        let json = encoded(value)?;
        let is_whole = zend::call_function("json_last_error").is_some_and(|code| code.long() == Some(0));
        if is_whole { Ok(json) } else { encoded(&finite(value)) }
    })?
}

pub fn with_room_for_text<T>(make: impl FnOnce() -> T) -> Result<T> {
    let refused = |_, left| {
        format!(
            "JSON of the message takes more than the {left} bytes that memory_limit leaves: raise it, or take a part of the message"
        )
    };
    within_limit(Size::Unknown, || 0, refused, make)
}

fn encoded(value: &Zval) -> Result<Text> {
    // The flags JSON_UNESCAPED_SLASHES, JSON_UNESCAPED_UNICODE, JSON_PARTIAL_OUTPUT_ON_ERROR.
    const FLAGS: i64 = 64 | 256 | 512;
    let encoded = call_php(|| {
        ZendCallable::try_from_name("json_encode").and_then(|f| f.try_call(vec![value, &FLAGS]))
    })?
    .map_err(|e| Error::new(ErrorKind::Internal, format!("PHP could not read the value: {e}")))?;
    Ok(Text::of(encoded.str().unwrap_or("null")))
}

/// Replaces each NAN and INF of a message's value by null, and arrays of numbers by lists.
pub fn finite(value: &Zval) -> Zval {
    without_special_floats(value, &|object| {
        let array = ZendClassObject::<NdArray>::from_zend_obj(object)?;
        array.to_array().ok().map(|items| without_special_floats(&items, &|_| None))
    })
}
