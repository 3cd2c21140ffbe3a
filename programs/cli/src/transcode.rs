//! `linkspan transcode`: converts a value from one encoding to another.

use linkspan::{Encoding, codec};

use crate::args::TranscodeArgs;
use crate::exit::Exit;
use crate::{input, output};

pub fn transcode(args: &TranscodeArgs) -> Result<(), Exit> {
    let bytes = input::everything()?;
    let mut written = codec::transcode(&bytes, args.from, args.to)?;
    if args.to == Encoding::Json {
        written.push(b'\n');
    }
    output::write(&written)
}
