//! `linkspan transcode`: a value from one encoding to another, and nothing else.

use linkspan::{Encoding, codec};

use crate::arguments::Transcode;
use crate::ending::Ending;
use crate::{input, output};

/// Reads standard input, writes standard output.
pub fn transcode(asked: &Transcode) -> Result<(), Ending> {
    let bytes = input::everything()?;
    let mut written = codec::transcode(&bytes, asked.from, asked.to)?;
    if asked.to == Encoding::Json {
        written.push(b'\n');
    }
    output::write(&written)
}
