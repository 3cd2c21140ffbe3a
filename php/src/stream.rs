//! PHP streams over the descriptors of objects, for event loops.

use std::os::fd::RawFd;

use ext_php_rs::types::{ZendCallable, Zval};
use linkspan::{Error, ErrorKind, Result};

use crate::call::call_php;
use crate::zend;

/// Readable while the object of this descriptor has messages or events.
///
/// PHP duplicates the descriptor, so either may be closed first.
pub fn of(descriptor: RawFd) -> Result<Zval> {
    // Other PHP programs would warn, and open no stream.
    if zend::call_function("php_sapi_name").and_then(|name| name.string()).as_deref() != Some("cli") {
        let text =
            "stream() is for PHP's command-line program: PHP opens a descriptor as a stream there alone";
        return Err(Error::new(ErrorKind::Unsupported, text));
    }
    let (path, mode) = (format!("php://fd/{descriptor}"), "r");
    let opened =
        call_php(|| ZendCallable::try_from_name("fopen").and_then(|open| open.try_call(vec![&path, &mode])))?;
    opened.ok().filter(|stream| stream.is_resource()).ok_or_else(|| {
        let text = format!(
            "PHP opened no stream for the descriptor {descriptor}: too many files may be open (ulimit -n)"
        );
        Error::new(ErrorKind::OutOfMemory, text)
    })
}
