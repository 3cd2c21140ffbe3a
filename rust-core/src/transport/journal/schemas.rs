//! Which schemas the records of a journal were written with: the first record of each segment names that of all of them.

use std::fs::File;
use std::io::ErrorKind::UnexpectedEof;
use std::os::unix::fs::FileExt;

use super::folder::{Folder, PAGE, segment_name};
use super::record;
use crate::error::{Doing, Result};
use crate::frame::HEADER;
use crate::transport::place::{Access, Place};

/// For each segment that has a record, its first number and its schema, 0 where that record names none. Older versions name none in
/// what they write behind it.
pub fn schemas(place: &Place) -> Result<Vec<(u64, u64)>> {
    let mut found = Vec::new();
    let Some(folder) = Folder::open(place, Access::default())? else { return Ok(found) };
    for first in folder.segments()? {
        // A segment may go meanwhile.
        let Some((file, _)) = folder.segment(first, false)? else { continue };
        if let Some(schema) = of_segment(&folder, &file, first)? {
            found.push((first, schema));
        }
    }
    Ok(found)
}

/// The schema of a segment's records, 0 for none; nothing where it has no record.
pub fn of_segment(folder: &Folder, file: &File, first: u64) -> Result<Option<u64>> {
    let mut header = [0; HEADER];
    match file.read_exact_at(&mut header, PAGE) {
        Err(e) if e.kind() == UnexpectedEof => return Ok(None),
        read => read.doing(format_args!("reading {}", folder.path(&segment_name(first)).display()))?,
    }
    // What is no record whoever reads the journal is told.
    Ok(record::read_header(&header).ok().map(|header| header.schema))
}
