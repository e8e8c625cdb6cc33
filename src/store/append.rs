//! A file of lines that only grows: each append is durable before it returns.
//!
//! A line that was being written when the process or the machine died has no newline: readers drop it, and the next
//! writer cuts it off before it appends. After a failed append the log takes nothing more, since nobody knows what is
//! on the disk; opening it again finds out.

use super::{
    error::{StoreError, StoreErrorKind},
    files::{parent, private_options, require_plain, sync_dir},
};
use std::{
    fs::File,
    io::{self, Read, Write},
    path::{Path, PathBuf},
};

/// Longest log that is read: far beyond any real one, so that a wrong file does not eat the memory.
const LIMIT: u64 = 1 << 30;

/// What a log needs of a file. The real one is [`File`]; tests bring one that fails or forgets what was not synced.
pub trait LogFile: Send {
    /// Adds bytes at the end.
    ///
    /// # Errors
    /// What the system says; any part of the bytes may then be in the file.
    fn add(&mut self, bytes: &[u8]) -> io::Result<()>;

    /// Returns when everything added is durable.
    ///
    /// # Errors
    /// What the system says; what was added since the last sync may or may not be durable.
    fn sync(&mut self) -> io::Result<()>;
}

impl LogFile for File {
    fn add(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.write_all(bytes)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.sync_data()
    }
}

/// The whole lines of a log, without their newlines.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Lines {
    /// First to last.
    pub lines: Vec<Vec<u8>>,
    /// Bytes after the last newline: the torn line that is not in `lines`.
    pub torn: usize,
}

impl Lines {
    pub(super) fn split(mut bytes: Vec<u8>) -> Self {
        let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        let torn = bytes.len() - whole;
        bytes.truncate(whole.saturating_sub(1));
        let lines =
            if whole == 0 { Vec::new() } else { bytes.split(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect() };
        Self { lines, torn }
    }
}

/// Reads a log and changes nothing.
///
/// # Errors
/// `NotFound`, `Unusable` (also a symbolic link or no plain file), `TooLarge`.
pub fn read_lines(path: &Path) -> Result<Lines, StoreError> {
    let file = private_options().read(true).open(path).map_err(|cause| StoreError::io("read", path, &cause))?;
    require_plain(&file, path)?;
    read_all(&file, path).map(Lines::split)
}

fn read_all(file: &File, path: &Path) -> Result<Vec<u8>, StoreError> {
    let mut bytes = Vec::new();
    file.take(LIMIT + 1).read_to_end(&mut bytes).map_err(|cause| StoreError::io("read", path, &cause))?;
    if bytes.len() as u64 > LIMIT {
        let message = format!("cannot read {}: it is longer than {LIMIT} bytes", path.display());
        return Err(StoreError::new(StoreErrorKind::TooLarge, path, message));
    }
    Ok(bytes)
}

/// An open log. One writer at a time: the caller holds a lock.
pub struct AppendLog {
    path: PathBuf,
    file: Box<dyn LogFile>,
    broken: bool,
}

impl std::fmt::Debug for AppendLog {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AppendLog").field("path", &self.path).field("broken", &self.broken).finish_non_exhaustive()
    }
}

impl AppendLog {
    /// Makes an empty log, durably; there must be none.
    ///
    /// # Errors
    /// `Exists`, `Unusable`, `Full`.
    pub fn create(path: &Path) -> Result<Self, StoreError> {
        let file = private_options().append(true).create_new(true).open(path);
        let file = file.map_err(|cause| StoreError::io("make", path, &cause))?;
        sync_dir(&parent(path))?;
        Ok(Self::over(path, Box::new(file)))
    }

    /// Opens a log to append, made if it is not there, with the lines it holds. A torn last line is cut off.
    ///
    /// # Errors
    /// As [`read_lines`], and `Full`.
    pub fn open(path: &Path) -> Result<(Self, Lines), StoreError> {
        let fail = |cause: io::Error| StoreError::io("open", path, &cause);
        let file = match private_options().read(true).append(true).open(path) {
            Ok(file) => file,
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => {
                return Ok((Self::create(path)?, Lines::default()));
            }
            Err(cause) => return Err(fail(cause)),
        };
        require_plain(&file, path)?;
        let bytes = read_all(&file, path)?;
        let size = bytes.len();
        let lines = Lines::split(bytes);
        if lines.torn > 0 {
            file.set_len((size - lines.torn) as u64).and_then(|()| file.sync_all()).map_err(fail)?;
        }
        // Whoever made it may have died before its name was durable.
        sync_dir(&parent(path))?;
        Ok((Self::over(path, Box::new(file)), lines))
    }

    /// A log over a file that the caller brings, positioned at its end.
    pub fn over(path: &Path, file: Box<dyn LogFile>) -> Self {
        Self { path: path.to_owned(), file, broken: false }
    }

    /// Appends one line, given without its newline, and returns when it is durable.
    ///
    /// # Errors
    /// `Full` or `Unusable`; the line may or may not be there, and every later append fails too.
    pub fn append(&mut self, line: &[u8]) -> Result<(), StoreError> {
        self.append_all([line])
    }

    /// Appends several lines with one sync at the end. A kill in between leaves the first few of them.
    ///
    /// # Errors
    /// As [`Self::append`].
    pub fn append_all<'a>(&mut self, lines: impl IntoIterator<Item = &'a [u8]>) -> Result<(), StoreError> {
        if self.broken {
            let message = format!("cannot write {}: an earlier write failed", self.path.display());
            return Err(StoreError::new(StoreErrorKind::Unusable, &self.path, message));
        }
        let mut bytes = Vec::new();
        for line in lines {
            assert!(!line.contains(&b'\n'), "a line of a log is one line");
            bytes.extend_from_slice(line);
            bytes.push(b'\n');
        }
        // One write for all of it, so that a concurrent reader sees as few torn lines as can be.
        let done = self.file.add(&bytes).and_then(|()| self.file.sync());
        done.map_err(|cause| {
            self.broken = true;
            StoreError::io("write", &self.path, &cause)
        })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{
        fs,
        os::unix::fs::{PermissionsExt, symlink},
        sync::{Arc, Mutex},
    };

    #[test]
    fn lines_come_back_and_survive_reopening() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        let (mut log, lines) = AppendLog::open(&path).unwrap();
        assert_eq!(lines, Lines::default());
        log.append(b"one").unwrap();
        log.append_all([b"two".as_slice(), b""]).unwrap();
        let want = vec![b"one".to_vec(), b"two".to_vec(), Vec::new()];
        assert_eq!(read_lines(&path).unwrap().lines, want);
        assert_eq!(AppendLog::open(&path).unwrap().1.lines, want);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(AppendLog::create(&path).unwrap_err().kind, StoreErrorKind::Exists);
    }

    #[test]
    fn whatever_the_kill_left_of_the_last_line_is_dropped_and_cut_off() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        let whole = b"first\nsecond\n";
        let last = "{\"a\":\"\u{fc}\"}\n".as_bytes();
        for kept in 0..last.len() {
            fs::write(&path, [whole.as_slice(), &last[..kept]].concat()).unwrap();
            let read = read_lines(&path).unwrap();
            assert_eq!((read.lines.len(), read.torn), (2, kept));
            assert_eq!(fs::metadata(&path).unwrap().len(), (whole.len() + kept) as u64, "reading changes nothing");
            let (mut log, _) = AppendLog::open(&path).unwrap();
            log.append(b"third").unwrap();
            assert_eq!(fs::read(&path).unwrap(), b"first\nsecond\nthird\n");
        }
    }

    #[test]
    fn links_pipes_and_directories_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let (target, link) = (dir.path().join("target"), dir.path().join("link"));
        fs::write(&target, "").unwrap();
        symlink(&target, &link).unwrap();
        let error = AppendLog::open(&link).unwrap_err();
        assert_eq!(error.kind, StoreErrorKind::Unusable);
        assert!(error.message.contains("symbolic link"), "{}", error.message);
        assert_eq!(read_lines(&link).unwrap_err().kind, StoreErrorKind::Unusable);
        assert_eq!(read_lines(Path::new("/dev/null")).unwrap_err().kind, StoreErrorKind::Unusable);
        assert_eq!(AppendLog::open(dir.path()).unwrap_err().kind, StoreErrorKind::Unusable);
    }

    #[test]
    fn a_full_disk_is_told_apart_and_ends_the_log() {
        let full = fs::OpenOptions::new().append(true).open("/dev/full").unwrap();
        let mut log = AppendLog::over(Path::new("/dev/full"), Box::new(full));
        let error = log.append(b"line").unwrap_err();
        assert_eq!(error.kind, StoreErrorKind::Full);
        assert_eq!(error.message, "cannot write /dev/full: no space left on device");
        assert_eq!(log.append(b"line").unwrap_err().kind, StoreErrorKind::Unusable);
    }

    #[derive(Default, Clone)]
    struct Trace(Arc<Mutex<Vec<String>>>);

    impl LogFile for Trace {
        fn add(&mut self, bytes: &[u8]) -> io::Result<()> {
            self.0.lock().unwrap().push(format!("add {}", bytes.len()));
            Ok(())
        }
        fn sync(&mut self) -> io::Result<()> {
            self.0.lock().unwrap().push("sync".to_owned());
            if self.0.lock().unwrap().len() > 4 { Err(io::Error::other("gone")) } else { Ok(()) }
        }
    }

    #[test]
    fn every_append_is_synced_before_it_returns_and_a_failed_sync_is_an_error() {
        let trace = Trace::default();
        let mut log = AppendLog::over(Path::new("log"), Box::new(trace.clone()));
        log.append(b"abc").unwrap();
        log.append_all([b"d".as_slice(), b"e"]).unwrap();
        assert_eq!(*trace.0.lock().unwrap(), ["add 4", "sync", "add 4", "sync"]);
        assert!(log.append(b"f").is_err());
        assert!(log.append(b"g").is_err());
        assert_eq!(trace.0.lock().unwrap().len(), 6, "nothing is written after a failure");
    }
}
