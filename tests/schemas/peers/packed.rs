//! Reads a CBOR message into the generated packed record and writes it back: `packed-echo SCHEMA IN OUT`.

MODULES

use std::fs;
use std::process::ExitCode;

use linkspan::codec::{decode_into, encode};
use linkspan::value::{Limits, Source, typed};
use linkspan::{Encoding, Result};

/// Returns the message of the record in a message.
fn echo<T: typed::Decode + Source>(message: &[u8]) -> Result<Vec<u8>> {
    let record: T = decode_into(message, Encoding::Cbor, &Limits::default(), typed::Typed::new())?.finish()?;
    encode(&record, Encoding::Cbor)
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [schema, before, after] = arguments.as_slice() else { panic!("usage: packed-echo SCHEMA IN OUT") };
    let message = fs::read(before).expect("a message");
    let made = match schema.as_str() {
        CASES
        other => panic!("there is no schema {other}"),
    };
    match made {
        Ok(made) => fs::write(after, made).expect("the message is written"),
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}
