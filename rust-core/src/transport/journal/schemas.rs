//! The schemas with which the records of a journal were written.
//!
//! All records of a segment have the same schema (`log` begins a segment where it changes), so the
//! first record of each segment is read and no other.

use std::fs::File;
use std::io::ErrorKind::UnexpectedEof;
use std::os::unix::fs::FileExt;

use super::folder::{Folder, PAGE, segment_name};
use super::record;
use crate::error::{Doing, Result};
use crate::frame::HEADER;
use crate::transport::place::{Access, Place};

/// Returns for each segment with a record its first number and its schema, 0 for none. Versions
/// before schemas write none, even behind records that have one.
pub fn schemas(place: &Place) -> Result<Vec<(u64, u64)>> {
    let mut found = Vec::new();
    let Some(folder) = Folder::open(place, Access::default())? else { return Ok(found) };
    for first in folder.segments()? {
        // A segment may be deleted in the meantime.
        let Some((file, _)) = folder.segment(first, false)? else { continue };
        if let Some(schema) = of_segment(&folder, &file, first)? {
            found.push((first, schema));
        }
    }
    Ok(found)
}

/// Returns the schema of a segment's records, 0 for none; `None` where it has no record.
pub fn of_segment(folder: &Folder, file: &File, first: u64) -> Result<Option<u64>> {
    let mut header = [0; HEADER];
    match file.read_exact_at(&mut header, PAGE) {
        Err(e) if e.kind() == UnexpectedEof => return Ok(None),
        read => read.doing(format_args!("reading {}", folder.path(&segment_name(first)).display()))?,
    }
    // Damage is reported when the journal is read.
    Ok(record::read_header(&header).ok().map(|header| header.schema))
}
