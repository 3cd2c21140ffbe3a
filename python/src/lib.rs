//! `linkspan._native`: the core's nouns as Python classes. The public names stand in the package around it.
//!
//! | module | turns |
//! |---|---|
//! | `walk`, `foreign` | Python objects into events: the built-in types; everything else that is understood |
//! | `builder`, `keys` | events into Python objects; the keys of maps that come again and again |
//! | `numpy` | NumPy's arrays and scalars that no buffer of numbers stands for |
//! | `array`, `elements` | buffers into arrays and back; arrays into numbers and lists |
//! | `timestamp` | instants into the class that Python code has of them |
//! | `errors` | the core's errors into the exceptions of `linkspan.errors` |
//! | `codec` | values into bytes and back |
//! | `wait` | a call that may wait into one that Ctrl-C ends |
//! | `channel`, `serve`, `publish`, `message`, `region`, `service`, `controller` | the core's objects into Python's |

mod array;
mod batch;
mod builder;
mod channel;
mod codec;
mod controller;
mod elements;
mod errors;
mod foreign;
mod keys;
mod message;
mod numpy;
mod publish;
mod region;
mod serve;
mod service;
mod timestamp;
mod wait;
mod walk;

use pyo3::prelude::*;

// Dicts and lists are walked under the interpreter's lock; without one, each walk would need a critical section.
#[pymodule(gil_used = true)]
mod _native {
    use super::*;

    #[pymodule_export]
    use super::array::NdArray;
    #[pymodule_export]
    use super::channel::{Channel, Listener, PendingReply};
    #[pymodule_export]
    use super::codec::{decode, encode, reply_schema, schema, transcode};
    #[pymodule_export]
    use super::controller::{Answer, Controller};
    #[pymodule_export]
    use super::errors::error_table;
    #[pymodule_export]
    use super::message::Message;
    #[pymodule_export]
    use super::publish::{Available, Publisher, Subscriber, latest};
    #[pymodule_export]
    use super::region::Region;
    #[pymodule_export]
    use super::serve::{Request, Server};
    #[pymodule_export]
    use super::service::{ServiceLoop, Task, service_words};
    #[pymodule_export]
    use super::timestamp::{clock, format_time, parse_time};
    #[pymodule_export]
    use super::wait::{wait_any, wait_seconds};

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        module.add("__version__", env!("CARGO_PKG_VERSION"))
    }
}
