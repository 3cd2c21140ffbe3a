//! `linkspan region`: the shared memory of another program, read-only.

use linkspan::{Layout, Value};

use crate::args::RegionArgs;
use crate::exit::Exit;
use crate::{display, output};

pub fn region(args: &RegionArgs) -> Result<(), Exit> {
    let memory = linkspan::Region::open(&args.memory)?;
    let value = match &args.layout {
        None => Value::Text(memory.text(args.offset)?),
        Some(layout) => {
            let layout: Layout = layout.parse()?;
            match &args.counter {
                Some(counter) => memory.read_stable(args.offset, &layout, counter)?,
                None => memory.read_at(args.offset, &layout)?,
            }
        }
    };
    if args.json { output::json(&value) } else { output::write((display::lines(&value) + "\n").as_bytes()) }
}
