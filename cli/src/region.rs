//! `linkspan region`: what lies in somebody else's memory, read-only.

use linkspan::{Layout, Value};

use crate::arguments::Region;
use crate::ending::Ending;
use crate::{display, output};

/// Reads once, and prints.
pub fn region(asked: &Region) -> Result<(), Ending> {
    let memory = linkspan::Region::open(&asked.memory)?;
    let value = match &asked.layout {
        None => Value::Text(memory.text(asked.offset)?),
        Some(layout) => {
            let layout: Layout = layout.parse()?;
            match &asked.counter {
                Some(counter) => memory.read_stable(asked.offset, &layout, counter)?,
                None => memory.read_at(asked.offset, &layout)?,
            }
        }
    };
    if asked.json { output::json(&value) } else { output::write((display::lines(&value) + "\n").as_bytes()) }
}
