//! `linkspan recording cut`, `merge` and `split`: make new recordings from existing ones.

use std::cmp::Ordering;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::hash::{BuildHasher, RandomState};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use linkspan::{Error, ErrorKind, Result};
use linkspan_recording::event::Kind;
use linkspan_recording::format::omitted;
use linkspan_recording::reader::{self, Problem, ProblemKind};
use linkspan_recording::{
    Attachment, Channel, ChannelRecord, Dropped, Entry, Event, Reader, Settings, format,
};

use super::choice::{Choice, Window};
use super::faults::Faults;
use super::opening::{Output, finish, open, outline, shown_files};
use super::progress::Progress;
use super::source::{Next, Source, whole_file};
use super::together::{Fate, Numbered, Together};
use crate::compress::Compress;
use crate::newest::{Newest, NewestMessages, TopicHash};
use crate::parts::{Parts, Split as At, Times};
use crate::stderr;
use crate::viewing::Viewing;

/// Copy some names or times of a recording
#[derive(Debug, clap::Args)]
#[command(after_help = "The copy begins with the newest earlier message of each name.

Examples:
  linkspan recording cut run42.mcap 'lab/*' --from 60 --to 90 -o minute.mcap
  linkspan recording cut run42.mcap lab/camera -o camera.mcap --compression zstd")]
pub struct Cut {
    /// First file of the recording; later parts are found
    file: PathBuf,
    #[command(flatten)]
    choice: Choice,
    /// The file of the new recording
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    /// Compression [default: as the first recording]
    #[arg(long, value_enum)]
    compression: Option<Compress>,
    #[command(flatten)]
    how: Output,
}

/// Merge recordings by the time of receipt, with each message once
#[derive(Debug, clap::Args)]
#[command(
    after_help = "If messages with one number differ, the first received one is kept and the exit code is 1.

Examples:
  linkspan recording merge north.mcap south.mcap -o both.mcap
  linkspan recording merge day*.mcap -o week.mcap --compression zstd"
)]
pub struct Merge {
    /// First file of each recording; later parts are found
    #[arg(required = true, num_args = 2..)]
    files: Vec<PathBuf>,
    /// The file of the new recording
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    /// Compression [default: as the first recording]
    #[arg(long, value_enum)]
    compression: Option<Compress>,
    #[command(flatten)]
    how: Output,
}

/// Copy a recording into parts
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  linkspan recording split run42.mcap --at 1GiB -o parts.mcap
  linkspan recording split run42.mcap --at 10min -o parts.mcap")]
pub struct Split {
    /// First file of the recording; later parts are found
    file: PathBuf,
    /// Size or duration of a part: 1GiB, 10min
    #[arg(long, value_name = "SIZE|TIME", value_parser = crate::record::split)]
    at: At,
    /// The file of the first part
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    /// Compression [default: as the first recording]
    #[arg(long, value_enum)]
    compression: Option<Compress>,
    #[command(flatten)]
    how: Output,
}

impl Cut {
    pub fn run(&self) -> Result<()> {
        let outline = outline(&self.file)?;
        self.choice.check(&outline)?;
        let window = self.choice.window(outline.time.map_or(0, |(begin, _)| begin));
        copy(&[&self.file], &window, &self.output, &self.how, As::Sent(None, self.compression))
    }
}

impl Merge {
    pub fn run(&self) -> Result<()> {
        let files: Vec<_> = self.files.iter().map(PathBuf::as_path).collect();
        copy(&files, &Choice::default().window(0), &self.output, &self.how, As::Sent(None, self.compression))
    }
}

impl Split {
    pub fn run(&self) -> Result<()> {
        copy(
            &[&self.file],
            &Choice::default().window(0),
            &self.output,
            &self.how,
            As::Sent(Some(self.at), self.compression),
        )
    }
}

/// Bytes between two syncs and size checks.
const SYNC: u64 = 1 << 20;
/// The most bytes of newest messages from before a cut.
const BEFORE: u64 = 256 << 20;
/// The most bytes of channels that are written again because their numbers leap: each repeats its whole description.
const RENEWED: u64 = 16 << 20;
/// The most channels in the cache by address. A channel that was removed from it is compared with all written ones.
const MAX_CHANNELS: usize = 1 << 17;

fn facts_of(file: &Path) -> Result<BTreeMap<String, String>> {
    let mut reader = open(file)?;
    Ok(match reader.read()? {
        Some(Entry::Metadata(format::metadata::RECORDING, facts)) => facts.clone(),
        _ => BTreeMap::new(),
    })
}

/// Returns the facts of the copy: its own identity, and machine and time of its originals.
///
/// Different values are joined by newlines.
fn facts_of_all(originals: &[BTreeMap<String, String>]) -> BTreeMap<String, String> {
    let mut facts = crate::record::facts(&[]);
    for key in ["machine", "boot", "timezone", "names", "started"] {
        let mut texts: Vec<&str> =
            originals.iter().filter_map(|original| original.get(key)).map(String::as_str).collect();
        texts.sort_unstable();
        texts.dedup();
        if key == "started" {
            texts.truncate(1);
        }
        if !texts.is_empty() {
            facts.insert(key.to_owned(), texts.join("\n"));
        }
    }
    facts
}

pub enum As<'a> {
    /// Unchanged, optionally in parts. `None` keeps the compression of the first recording.
    Sent(Option<At>, Option<Compress>),
    /// In the encoding of viewers, after all messages were examined.
    Viewed(&'a mut Viewing, &'a mut Faults),
}

pub fn copy(
    files: &[&Path],
    window: &Window<'_>,
    output: &Path,
    how: &Output,
    written: As<'_>,
) -> Result<()> {
    let mut sources = files.iter().map(|file| Source::open(file)).collect::<Result<Vec<_>>>()?;
    let (split, compression, viewed) = match written {
        As::Sent(split, Some(asked)) => (split, asked.into(), None),
        As::Sent(split, None) => {
            (split, sources.first().map_or(Ok(None), |source| source.reader.compression())?, None)
        }
        As::Viewed(viewing, faults) => (None, None, Some((viewing, faults))),
    };
    let making = how.making(output, files)?;
    let settings = Settings { compression, making, is_ros2: viewed.is_some(), ..Settings::default() };
    let originals = files.iter().map(|file| facts_of(file)).collect::<Result<Vec<_>>>()?;
    let mut parts = Parts::create(output, facts_of_all(&originals), settings, split, files)?;
    for (mut original, file) in originals.into_iter().zip(files) {
        // A file without facts is listed as well: its pieces may begin with repeated messages.
        original.insert("file".to_owned(), file.display().to_string());
        parts.metadata(format::metadata::ORIGINAL, &original)?;
    }
    // A single file keeps its order.
    let mut together = if files.len() > 1 { Some(Together::look(files)?) } else { None };
    let mut first = sources.iter_mut().map(Source::next).collect::<Result<Vec<_>>>()?;
    let mut numbered: Vec<_> = first.iter().map(|next| number(&mut together, next.as_ref())).collect();
    let mut copying = Copying {
        window,
        split,
        room: sources.iter().map(|source| source.reader.room().blank).fold(0, u64::saturating_add),
        viewed,
        begun: None,
        channels: HashMap::new(),
        records: HashMap::new(),
        written: HashSet::new(),
        hashes: RandomState::new(),
        together,
        before: NewestMessages::new(BEFORE),
        unsynced: 0,
        messages: 0,
        omissions: Vec::new(),
        removed: Vec::new(),
        place: vec![None; files.len()],
        time: 0,
    };
    let mut progress = Progress::of("copy");
    loop {
        progress.at(sources.iter().map(|source| &source.reader));
        let times = first.iter().enumerate().filter_map(|(at, next)| Some((next.as_ref()?.time(), at)));
        let earliest = times.min_by_key(|(time, at)| (copying.must_wait(numbered.get(*at)), *time, *at));
        let Some((_, at)) = earliest else { break };
        let (Some(source), Some(place), Some(numbered)) =
            (sources.get_mut(at), first.get_mut(at), numbered.get_mut(at))
        else {
            break;
        };
        let Some(entry) = place.take() else { break };
        *place = match copying.take(entry, *numbered, at, &mut parts)? {
            None => source.next()?,
            left => left,
        };
        *numbered = number(&mut copying.together, place.as_ref());
    }
    drop(progress);
    let mut readers: Vec<_> = sources.into_iter().map(|source| source.reader).collect();
    let read: Vec<_> = readers
        .iter()
        .filter_map(|reader| Some((reader.identity()?.clone(), reader.parts_read().clone())))
        .collect();
    // Arguments can be parts of one recording. A part that another reader has read is not missing.
    readers.iter_mut().for_each(|reader| read.iter().for_each(|(of, parts)| reader.has_elsewhere(of, parts)));
    // Damage may hide the requested messages.
    window.require(copying.messages, files).or_else(|none| finish(&readers).and(Err(none)))?;
    copying.begin(&mut parts, 0)?;
    readers.iter().try_for_each(|reader| copying.silent(reader, &mut parts))?;
    copying.end(&mut parts, files)?;
    let omitted = readers.iter().flat_map(Reader::problems).filter(|problem| problem.is_loss());
    copying.omissions.extend(omitted.map(omission));
    let others = copying.together.as_ref().map_or_else(Vec::new, Together::problems);
    let shown = |at: &usize| files.get(*at).map_or_else(String::new, |file| file.display().to_string());
    let of_others = others.iter().map(|(at, text)| whole_file(shown(at), text.clone()));
    copying.omissions.extend(of_others);
    // A merge drops contradictory loss reports. Without this note the result would look complete.
    let faults = copying.together.as_ref().map_or(&[][..], Together::faults);
    let of_faults = Vec::from_iter(faults.iter().map(|(at, text)| whole_file(shown(at), text.clone())));
    copying.omissions.extend(of_faults);
    let undecoded = copying.viewed.as_ref().map_or(0, |(_, faults)| faults.messages());
    if undecoded > 0 {
        let text = format!("{} could not be decoded", crate::record::counted(undecoded, "message"));
        copying.omissions.push(whole_file(shown_files(files), text));
    }
    copying.omissions.iter().try_for_each(|omission| parts.metadata(format::metadata::OMITTED, omission))?;
    let unclosed = readers.iter().flat_map(Reader::problems).filter(|p| p.kind == ProblemKind::Unclosed);
    unclosed.map(omission).try_for_each(|part| parts.metadata(format::metadata::UNCLOSED, &part))?;
    parts.close("stopped")?;
    others.iter().for_each(|(at, text)| stderr::print_line(&format!("{}: {text}", shown(at))));
    finish(&readers)?;
    if others.is_empty() {
        return Ok(());
    }
    let text = "files have other messages with the same numbers: the ones that were received first are kept";
    Err(Error::new(ErrorKind::Corrupt, text))
}

fn number(together: &mut Option<Together>, next: Option<&Next>) -> Option<Numbered> {
    together.as_mut()?.of(next?)
}

fn omission(problem: &Problem) -> BTreeMap<String, String> {
    BTreeMap::from([
        (omitted::FILE.to_owned(), problem.path.display().to_string()),
        (omitted::BYTE.to_owned(), problem.offset.to_string()),
        (omitted::TEXT.to_owned(), problem.text.clone()),
    ])
}

#[derive(Clone)]
struct Known {
    key: u64,
    record: Arc<ChannelRecord>,
    hash: TopicHash,
}

fn message<'a>(channel: &'a Arc<Channel>, number: u64, times: Times, body: &'a Bytes) -> reader::Message<'a> {
    reader::Message { channel, number, sent: times.sent, received: times.received, body }
}

struct Copying<'a> {
    window: &'a Window<'a>,
    split: Option<At>,
    /// By how many bytes repeated messages may exceed the other messages of their parts.
    room: u64,
    viewed: Option<(&'a mut Viewing, &'a mut Faults)>,
    /// When the part begins; `None` before the first message.
    begun: Option<u64>,
    /// Channels that were read, by address. Holding them keeps the address unique.
    channels: HashMap<usize, (Arc<Channel>, Known)>,
    /// The written channels with their keys. Parts of one recording share them.
    records: HashMap<Arc<ChannelRecord>, u64>,
    /// Hashes, with random keys, of written metadata and attachments: each part of a recording repeats its notes.
    written: HashSet<u64>,
    hashes: RandomState,
    /// The content of all files, if there are several.
    together: Option<Together>,
    before: NewestMessages,
    unsynced: u64,
    messages: u64,
    /// Omissions of the originals, written at the end.
    omissions: Vec<BTreeMap<String, String>>,
    /// Removed parts per file, and whether they lie within the window, once known.
    removed: Vec<(usize, (u64, u64), Option<bool>)>,
    /// The position of each file relative to the window.
    place: Vec<Option<Ordering>>,
    time: u64,
}

impl Copying<'_> {
    fn must_wait(&self, numbered: Option<&Option<Numbered>>) -> bool {
        match (&self.together, numbered) {
            (Some(together), Some(Some(numbered))) => together.has_earlier(*numbered),
            _ => false,
        }
    }

    /// Copies an entry of this file; returns the rest that must come later.
    fn take(
        &mut self,
        entry: Next,
        numbered: Option<Numbered>,
        file: usize,
        parts: &mut Parts,
    ) -> Result<Option<Next>> {
        if matches!(entry, Next::Message { .. } | Next::Event(_)) {
            if let Next::Event(event) = &entry {
                self.window.note(event);
            }
            self.time = entry.time();
            self.pass(file, self.window.place(entry.time()));
        }
        let done = match entry {
            Next::Message { channel, number, times, body } if self.window.has_name(&channel.topic) => {
                if let (Some(together), Some(numbered)) = (&mut self.together, numbered) {
                    let message = message(&channel, number, times, &body);
                    if !together.take(numbered, &message, file) {
                        return Ok(None);
                    }
                }
                // A slice would keep its whole chunk in memory.
                self.message(&channel, number, times, Bytes::copy_from_slice(&body), parts)
            }
            Next::Message { .. } => Ok(()),
            Next::Event(event) => return self.event(event, numbered, file, parts),
            Next::Metadata(name, entries) => {
                if !self.written.insert(self.hashes.hash_one((&name, &entries))) {
                    return Ok(None);
                }
                parts.metadata(&name, &entries)
            }
            // Copies of one recording each have its attachments.
            Next::Attachment(attachment) => {
                let Attachment { log_time, create_time, name, media_type, data } = &attachment;
                if !self.written.insert(self.hashes.hash_one((log_time, create_time, name, media_type, data)))
                {
                    return Ok(None);
                }
                parts.attach_as(&attachment)
            }
            Next::Omitted(omission) => {
                self.omissions.push(omission);
                Ok(())
            }
            Next::Removed(first, last) => {
                self.removed.push((file, (first, last), None));
                Ok(())
            }
            Next::Numbers(_) => Ok(()),
        };
        done.map(|()| None)
    }

    fn message(
        &mut self,
        channel: &Arc<Channel>,
        number: u64,
        times: Times,
        body: Bytes,
        parts: &mut Parts,
    ) -> Result<()> {
        let Known { mut key, mut record, hash } = self.channel(channel);
        let mut body = body;
        if let Some((viewing, faults)) = &mut self.viewed {
            let Some(value) = faults.value(&message(channel, number, times, &body)) else { return Ok(()) };
            let written = viewing.encode(channel, &record, &value, times.sent);
            let made = faults.made(&message(channel, number, times, &body), written);
            let Some(written) = made else { return Ok(()) };
            (key, record, body) = written;
        }
        match self.window.place(times.received) {
            Ordering::Less => {
                self.before.put(Newest { record, hash, number, sent: times.sent, body });
                return Ok(());
            }
            Ordering::Greater => return Ok(()),
            Ordering::Equal => {}
        }
        self.messages = self.messages.saturating_add(1);
        self.begin(parts, times.received)?;
        let since = self.window.continuous(times.received);
        if let (Some(At::Time(time)), Some(begun)) = (self.split, self.begun)
            && u128::from(since.saturating_sub(begun)) >= time.as_nanos()
        {
            parts.next("split", times.received)?;
            self.begun = Some(since);
            if parts.excess() > self.room {
                let text = format!(
                    "parts begin with the newest message of each name, which is more than all that they have else by {} bytes: give --at a longer time, or a size",
                    self.room
                );
                return Err(Error::new(ErrorKind::TooLarge, text));
            }
        }
        self.unsynced = self.unsynced.saturating_add(body.len() as u64);
        parts.message(key, &record, number, times, &body)?;
        if parts.renewed() > RENEWED {
            let text = format!(
                "the numbers of the messages of {} leap by 2^31 and more so often that what is written of its channels is more than {RENEWED} bytes; leave that name out",
                channel.topic
            );
            return Err(Error::new(ErrorKind::TooLarge, text));
        }
        if self.unsynced >= SYNC {
            self.unsynced = 0;
            parts.sync_by_size(times.received)?;
        }
        Ok(())
    }

    /// Writes the repeated messages before the first message of the window.
    fn begin(&mut self, parts: &mut Parts, time: u64) -> Result<()> {
        if self.begun.is_some() {
            return Ok(());
        }
        self.begun = Some(self.window.continuous(time));
        parts.repeat(std::mem::replace(&mut self.before, NewestMessages::new(BEFORE)), time)
    }

    /// Copies an event; returns its rest that comes after messages of other files.
    fn event(
        &mut self,
        mut event: Event,
        numbered: Option<Numbered>,
        file: usize,
        parts: &mut Parts,
    ) -> Result<Option<Next>> {
        if self.window.place(event.time) != Ordering::Equal
            || !event.name.is_empty() && !self.window.has_name(&event.name)
        {
            return Ok(None);
        }
        let mut left = None;
        if let (Some(together), Some(numbered)) = (&mut self.together, numbered) {
            // Other files have these messages or report this loss.
            let Some((first, last)) = together.take_missed(numbered) else { return Ok(None) };
            if let Some(behind) = last.checked_add(1).filter(|behind| *behind <= numbered.last()) {
                let count = numbered.last().saturating_sub(last);
                left = Some(Next::Event(Event { first: Some(behind), count: Some(count), ..event.clone() }));
            }
            (event.first, event.count) = (Some(first), Some(last.saturating_sub(first).saturating_add(1)));
        } else if let Some(together) = &self.together {
            match together.fate(&event, file) {
                Fate::Kept => {}
                Fate::Known => return Ok(None),
                Fate::Unknown(why) => {
                    event = Event::new(event.time, Kind::Unaccounted).of(&event.name, None).with_text(why)
                }
            }
        }
        self.begin(parts, event.time)?;
        parts.event(&event)?;
        Ok(left)
    }

    /// Notes the file's position in the window, which decides whether its removed parts lie in it.
    fn pass(&mut self, file: usize, place: Ordering) {
        let before = self.place.get_mut(file).and_then(|known| known.replace(place));
        if let Some((_, _, within @ None)) = self.removed.last_mut().filter(|(of, ..)| *of == file) {
            *within = Some(place != Ordering::Less && before != Some(Ordering::Greater));
        }
    }

    /// Writes the channels without messages that other programs made.
    fn silent(&mut self, reader: &Reader, parts: &mut Parts) -> Result<()> {
        for channel in reader.silent_channels() {
            let is_chosen = self.viewed.is_none() && self.window.has_name(&channel.topic);
            let known = self.records.len();
            if is_chosen {
                let record = self.channel(channel).record;
                if self.records.len() > known {
                    parts.silent(&record)?;
                }
            }
        }
        Ok(())
    }

    /// Writes events of unknown losses and records of removed parts, which need the whole copy.
    fn end(&mut self, parts: &mut Parts, files: &[&Path]) -> Result<()> {
        for (name, incarnation, text) in self.together.as_ref().map_or_else(Vec::new, Together::unknown) {
            let event = Event::new(self.time, Kind::Unaccounted).of(name, Some(incarnation));
            parts.event(&event.with_text(text))?;
        }
        for (at, file) in files.iter().enumerate() {
            let mut dropped = Dropped::default();
            let of_file = self.removed.iter().filter(|(of, _, within)| *of == at && *within == Some(true));
            of_file.for_each(|(_, (first, last), _)| dropped.add(*first, *last));
            if !dropped.is_empty() {
                let mut record = dropped.record();
                record.insert(omitted::FILE.to_owned(), file.display().to_string());
                parts.metadata(format::metadata::DROPPED, &record)?;
            }
        }
        Ok(())
    }

    fn channel(&mut self, channel: &Arc<Channel>) -> Known {
        let address = Arc::as_ptr(channel).addr();
        if let Some((_, known)) = self.channels.get(&address) {
            return known.clone();
        }
        let record = Arc::new(ChannelRecord::of(channel));
        let (record, key) = match self.records.get_key_value(&record) {
            Some((known, key)) => (known.clone(), *key),
            None => {
                let key = self.records.len() as u64;
                self.records.insert(record.clone(), key);
                (record, key)
            }
        };
        if self.channels.len() >= MAX_CHANNELS {
            self.channels.clear();
        }
        let known = Known { key, record, hash: TopicHash::of(&channel.topic) };
        self.channels.insert(address, (channel.clone(), known.clone()));
        known
    }
}
