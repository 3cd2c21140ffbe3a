//! Floors of connections and starts: a connection over a Unix socket, and a program that starts.

use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use crate::Result;
use crate::cpu::Placement;
use crate::ends::split;
use crate::worker::{Work, serve};

pub fn socket_path() -> PathBuf {
    let directory = std::env::var_os("LINKSPAN_DIR").map_or_else(std::env::temp_dir, PathBuf::from);
    directory.join(format!("floor-{}-socket", std::process::id()))
}

struct Connection {
    path: PathBuf,
    content: Vec<u8>,
}

impl Work for Connection {
    fn once(&mut self) -> Result<()> {
        let mut stream = UnixStream::connect(&self.path)?;
        if !self.content.is_empty() {
            stream.write_all(&self.content)?;
            stream.read_exact(&mut self.content)?;
        }
        Ok(())
    }
}

fn connection(bytes: usize) -> Result<()> {
    let path = socket_path();
    let listener = UnixListener::bind(&path)?;
    split(Placement::Together, move || {
        let mut content = vec![0; bytes];
        loop {
            let (mut stream, _) = listener.accept()?;
            // A connection that closed at once needs no answer.
            if bytes > 0 && stream.read_exact(&mut content).is_ok() {
                let _ = stream.write_all(&content);
            }
        }
    })?;
    serve(Connection { path, content: vec![7; bytes] })
}

/// A connection, opened and closed.
pub fn connect() -> Result<()> {
    connection(0)
}

/// A connection, 64 bytes in each direction, and its end.
pub fn first() -> Result<()> {
    connection(64)
}

struct Start {
    listener: UnixListener,
    path: PathBuf,
}

impl Work for Start {
    fn once(&mut self) -> Result<()> {
        let path = self.path.display().to_string();
        let mut program = Command::new(std::env::current_exe()?)
            .args(["far", "bytes", &path, "64", "together"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        let (mut stream, _) = self.listener.accept()?;
        let mut content = [7; 64];
        stream.write_all(&content)?;
        stream.read_exact(&mut content)?;
        program.kill()?;
        program.wait()?;
        Ok(())
    }
}

/// A program that starts, connects, answers 64 bytes, and is killed.
pub fn restart() -> Result<()> {
    let path = socket_path();
    let listener = UnixListener::bind(&path)?;
    crate::cpu::pin(Placement::Together, crate::cpu::End::Near)?;
    serve(Start { listener, path })
}
