//! Floors in the file system: the system calls of a message in a file, and of a line in a log.

use std::fs::{self, File, OpenOptions};
use std::io::{self, PipeReader, PipeWriter, Read, Write};
use std::path::PathBuf;

use crate::Result;
use crate::cpu::{End, Placement, pin};
use crate::ends::split;
use crate::worker::{Work, serve};

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum After {
    Stays,
    Goes,
}

struct Files {
    ours: PathBuf,
    theirs: PathBuf,
    after: After,
    waker: PipeWriter,
    woken: PipeReader,
    content: Vec<u8>,
}

fn path(directory: &str, name: &str) -> Result<PathBuf> {
    let directory = std::env::var_os(directory).ok_or(format!("{directory} says nothing"))?;
    Ok(PathBuf::from(directory).join(format!("floor-{}-{name}", std::process::id())))
}

impl Files {
    fn write_signal(&mut self) -> io::Result<()> {
        let new = self.ours.with_extension("new");
        fs::write(&new, &self.content)?;
        fs::rename(&new, &self.ours)?;
        self.waker.write_all(&[1])
    }

    fn read_signal(&mut self) -> io::Result<()> {
        self.woken.read_exact(&mut [0])?;
        File::open(&self.theirs)?.read_exact(&mut self.content)?;
        if self.after == After::Goes { fs::remove_file(&self.theirs) } else { Ok(()) }
    }
}

impl Work for Files {
    fn once(&mut self) -> Result<()> {
        self.write_signal()?;
        Ok(self.read_signal()?)
    }
}

/// A file in each direction, with a byte through a pipe as the notification.
pub fn exchange(bytes: usize, placement: Placement, after: After) -> Result<()> {
    let (near, far) = (path("LINKSPAN_DIR", "there")?, path("LINKSPAN_DIR", "back")?);
    let (far_woken, near_waker) = io::pipe()?;
    let (near_woken, far_waker) = io::pipe()?;
    let content = vec![7; bytes];
    let mut there = Files {
        ours: far.clone(),
        theirs: near.clone(),
        after,
        waker: far_waker,
        woken: far_woken,
        content: content.clone(),
    };
    split(placement, move || {
        loop {
            there.read_signal()?;
            there.write_signal()?;
        }
    })?;
    serve(Files { ours: near, theirs: far, after, waker: near_waker, woken: near_woken, content })
}

struct Log {
    file: File,
    content: Vec<u8>,
}

impl Work for Log {
    fn once(&mut self) -> Result<()> {
        self.file.write_all(&self.content)?;
        Ok(self.file.sync_data()?)
    }
}

pub fn append(bytes: usize) -> Result<()> {
    let file = OpenOptions::new().append(true).create(true).open(path("LINKSPAN_STATE_DIR", "log")?)?;
    pin(Placement::Together, End::Near)?;
    serve(Log { file, content: vec![7; bytes] })
}
