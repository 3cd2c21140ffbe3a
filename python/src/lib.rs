//! `linkspan._native`: the core's types as Python classes. The package around it has the public names.

#![cfg_attr(not(test), deny(clippy::arithmetic_side_effects))]

mod any_text;
mod arguments;
mod array;
mod arrow;
mod batch;
mod builder;
mod builtin;
mod bytes_loan;
mod channel;
mod class_plan;
mod codec;
mod controller;
mod elements;
mod ending;
mod entries;
mod enum_member;
mod errors;
mod exception;
mod flat;
mod flat_dict;
mod foreign;
mod interpreter;
mod keys;
mod loan;
mod long_bytes;
mod made;
mod message;
mod numpy;
mod numpy_api;
mod packed;
mod plan;
mod publish;
mod recording;
mod region;
mod remote;
mod sent_class;
mod serve;
mod service;
mod shape;
mod state;
mod straight;
mod template;
mod timestamp;
mod uuid;
mod wait;
mod walk;
mod walker;

use pyo3::prelude::*;

// Without the interpreter's lock, each dict or list of a walk would need a critical section.
#[pymodule(gil_used = true)]
mod _native {
    use super::*;

    #[pymodule_export]
    use super::arguments::{argument_types, file_path};
    #[pymodule_export]
    use super::array::NdArray;
    #[pymodule_export]
    use super::arrow::Table;
    #[pymodule_export]
    use super::bytes_loan::BytesLoan;
    #[pymodule_export]
    use super::channel::{Channel, Listener, PendingReply};
    #[pymodule_export]
    use super::codec::{decode, encode, names, reply_schema, schema, schema_problem, transcode};
    #[pymodule_export]
    use super::controller::{Answer, Controller};
    #[pymodule_export]
    use super::ending::ChannelEnd;
    #[pymodule_export]
    use super::errors::error_table;
    #[pymodule_export]
    use super::interpreter::await_callbacks;
    #[pymodule_export]
    use super::message::Message;
    #[pymodule_export]
    use super::packed::PackedPlan;
    #[pymodule_export]
    use super::plan::Plan;
    #[pymodule_export]
    use super::publish::{Available, Publisher, Subscriber, latest};
    #[pymodule_export]
    use super::recording::{
        NewFile, RecordedMessage, RecordingReader, RecordingTables, TablesOfNames, fail_by_system,
        matching_names, one_line, recording_events, recording_outline, recording_summary, recording_table,
    };
    #[pymodule_export]
    use super::region::Region;
    #[pymodule_export]
    use super::serve::{Request, Server};
    #[pymodule_export]
    use super::service::{ServiceLoop, Task, service_words};
    #[pymodule_export]
    use super::timestamp::{clock, format_time, parse_time};
    #[pymodule_export]
    use super::wait::{PartOf, wait_any, wait_seconds};

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        module.py().import("atexit")?.call_method1("register", (module.getattr("await_callbacks")?,))?;
        module.add("MAX_VALUES", linkspan::Limits::default().nodes)?;
        module.add("__version__", env!("CARGO_PKG_VERSION"))
    }
}
