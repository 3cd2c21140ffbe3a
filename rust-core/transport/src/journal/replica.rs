//! A journal that repeats the journal of another machine.
//!
//! Each record keeps its number, time, source and incarnation, and segments begin with equal numbers. The
//! file `.origin` has the machine and the identity of the original journal. It keeps publishers of this
//! machine from writing, and bridges from passing the replica on to a third machine. If the other machine has
//! recreated its journal, or has lost records that it had sent, the replica is renamed to `NAME.replaced`.

use bytes::Bytes;

use super::committed;
use super::folder::JournalFolder;
use super::log::{JournalLog, RecordDraft, Segmentation};
use super::reader::Reader;
use crate::codec::Encoding;
use crate::error::{Doing, Error, ErrorKind, Result};
use crate::origin;
use crate::owner::OwnerRecord;
use crate::place::{Access, Place};
use crate::store::{History, OriginalRecord, Replicates};
use crate::sys::lock::{self, Lock};
use crate::value::Map;

const ENDING: &str = ".journal";
const REPLACED: &str = ".replaced";

/// The writing end of a replica. It holds the journal's lock.
#[derive(Debug)]
pub struct Replica {
    log: JournalLog,
    _owner_record: OwnerRecord,
    _lock: Lock,
}

/// Returns the identity, segments and last number of the journal at a place, and its original machine.
pub fn history(place: &Place) -> Result<Option<History>> {
    let Some(folder) = JournalFolder::open(place, Access::default())? else { return Ok(None) };
    let Some((_, segment)) = committed::last_segment(&folder)? else { return Ok(None) };
    let Some(last) = Reader::last(place)? else { return Ok(None) };
    // Read after the last number, so the list includes the segment of every record up to it.
    let segments = folder.segments()?;
    let machine = origin::read(place)?.map(|origin| origin.machine);
    Ok(Some(History { identity: segment.id, segments, last, machine }))
}

impl Replica {
    /// Opens the replica of a journal, and creates it if necessary.
    ///
    /// # Errors
    /// - `AddressInUse` if a process writes it, or the name belongs to a journal of this machine or to the
    ///   replica of a third machine.
    /// - `InvalidState` if `of` names no machine.
    pub fn open(place: &Place, access: Access, of: &History) -> Result<Replica> {
        Replica::open_once(place, access, of).map_err(|e| place.denied("write", e))
    }

    fn open_once(place: &Place, access: Access, of: &History) -> Result<Replica> {
        let taken = |who: &str| {
            let text = format!("{} is {who}, and stays as it is", place.path().display());
            Error::new(ErrorKind::AddressInUse, text)
        };
        let machine = of.machine.clone().ok_or_else(|| {
            Error::new(
                ErrorKind::InvalidState,
                "a replica repeats a journal of another machine, which the option machine has to name",
            )
        })?;
        let oldest = of.segments.first().copied().unwrap_or(1).max(1);
        let Some(lock) = lock::claim(&place.directory, &place.file)? else {
            return Err(taken("being written by a program of this machine"));
        };
        let ours = origin::Origin { machine, identity: of.identity };
        if let Some(folder) = JournalFolder::open(place, access)? {
            match origin::read(place)? {
                None if !folder.segments()?.is_empty() => return Err(taken("a journal of this machine")),
                None => {}
                Some(existing) if existing.machine != ours.machine => {
                    return Err(taken(&format!("the replica of a journal of {}", existing.machine)));
                }
                Some(existing) if existing.identity != ours.identity => set_aside(place)?,
                // The other machine has lost records that it had sent. Their numbers now denote other
                // records.
                Some(_) if Reader::last(place)?.is_some_and(|last| last > of.last.max(oldest - 1)) => {
                    set_aside(place)?;
                }
                Some(_) => {}
            }
        }
        let folder = JournalFolder::create(place, access)?;
        if origin::read(place)?.is_none() {
            origin::write(place, &ours)?;
        }
        let shape = Segmentation {
            segment_bytes: Some(u64::MAX),
            beginning: Some((of.identity, oldest)),
            ..Segmentation::default()
        };
        let source = format!("replica of {}", ours.machine);
        let mut log = JournalLog::open(folder, shape, &source, 0)?;
        if log.committed().sequence + 1 < oldest {
            log.skip_to(oldest)?;
        }
        let _owner_record = OwnerRecord::write(place, "publish", &source, Map::new())?;
        Ok(Replica { log, _owner_record, _lock: lock })
    }
}

impl Replicates for Replica {
    fn last(&self) -> u64 {
        self.log.committed().sequence
    }

    fn append(&mut self, records: Vec<(OriginalRecord, Encoding, Bytes)>) -> Result<()> {
        let mut next = self.last() + 1;
        let mut drafts = Vec::with_capacity(records.len());
        for (record, encoding, body) in records {
            let is_next = record.sequence == next || record.begins && record.sequence > next;
            // A repeated transfer sends records that are already here.
            if record.sequence < next {
                continue;
            }
            if !is_next {
                let text = format!("record {} does not follow record {}", record.sequence, next - 1);
                return Err(Error::new(ErrorKind::Malformed, text));
            }
            next = record.sequence + 1;
            drafts.push(RecordDraft {
                follows: true,
                origin: Some(record),
                ..RecordDraft::new(encoding, body)
            });
        }
        self.log.append(&drafts).into_iter().find_map(Result::err).map_or(Ok(()), Err)
    }

    fn retire_before(&mut self, first: u64) -> Result<()> {
        self.log.retire_before(first)
    }
}

impl Drop for Replica {
    fn drop(&mut self) {
        // It saves the next writer a search.
        let _ = self.log.close();
    }
}

/// Renames the journal at a place to `NAME.replaced`; its readers find it removed.
fn set_aside(place: &Place) -> Result<()> {
    let name = place.file.strip_suffix(ENDING).unwrap_or(&place.file);
    let file = [name, REPLACED, ENDING].concat();
    let aside = Place { file, ..place.clone() };
    let doing = || format!("giving {} the name {}", place.path().display(), aside.path().display());
    let Some(_lock) = lock::claim(&aside.directory, &aside.file)? else {
        let text = format!("{}: another program writes the latter; end it first", doing());
        return Err(Error::new(ErrorKind::AddressInUse, text));
    };
    if JournalFolder::open(&aside, Access::default())?.is_some() {
        if origin::read(&aside)?.is_none() {
            let text = format!("{}: a journal of this machine has that name; move it away", doing());
            return Err(Error::new(ErrorKind::AddressInUse, text));
        }
        aside.directory.beneath().remove_tree(&aside.file)?;
    }
    if let Some(folder) = JournalFolder::open(place, Access::default())? {
        folder.remove(super::committed::NAME)?;
    }
    rustix::fs::renameat(&*place.directory, &place.file, &*place.directory, &aside.file).doing(doing())?;
    place.directory.sync_names()
}
