//! Bytes that one process writes and others read while they grow: the logs of pods that run here. They lie in a directory
//! in pieces, each named after where it begins; of more than is to be kept the oldest pieces go. Nothing of it is
//! durable; who needs that takes [`super::AppendLog`].

use super::{
    error::StoreError,
    files::{file_names, make_private_dir, private_options, remove_if_there, require_plain},
};
use std::{
    fs::File,
    io::Write,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
};

/// How many pieces are kept.
const PIECES: u64 = 8;

/// Where the pieces begin that are there, in order.
fn pieces(dir: &Path) -> Vec<u64> {
    let mut starts: Vec<u64> = file_names(dir).iter().filter_map(|name| name.parse().ok()).collect();
    starts.sort_unstable();
    starts
}

fn piece(dir: &Path, start: u64) -> PathBuf {
    // In the order of their names, too.
    dir.join(format!("{start:020}"))
}

fn create(dir: &Path, start: u64) -> Result<File, StoreError> {
    let path = piece(dir, start);
    let file = private_options().append(true).create(true).open(&path);
    let file = file.map_err(|cause| StoreError::io("open", &path, &cause))?;
    require_plain(&file, &path)?;
    Ok(file)
}

/// The writer's end.
#[derive(Debug)]
pub struct GrowingFile {
    dir: PathBuf,
    file: File,
    /// Where the piece that is written begins.
    start: u64,
    length: u64,
    /// How long a piece becomes.
    most: u64,
}

impl GrowingFile {
    /// Makes it, empty. Of what is added about the last `keep` bytes are kept.
    ///
    /// # Errors
    /// `Unusable`, `Full`.
    pub fn create(dir: &Path, keep: u64) -> Result<Self, StoreError> {
        make_private_dir(dir)?;
        for start in pieces(dir) {
            remove_if_there(&piece(dir, start))?;
        }
        Ok(Self { file: create(dir, 0)?, dir: dir.to_owned(), start: 0, length: 0, most: (keep / PIECES).max(1) })
    }

    /// Adds bytes; they stay together.
    ///
    /// # Errors
    /// `Full`, `Unusable`.
    pub fn add(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
        if self.length >= self.most {
            self.start += self.length;
            self.length = 0;
            self.file = create(&self.dir, self.start)?;
            let all = pieces(&self.dir);
            for old in &all[..all.len().saturating_sub(PIECES as usize)] {
                remove_if_there(&piece(&self.dir, *old))?;
            }
        }
        self.length += bytes.len() as u64;
        self.file.write_all(bytes).map_err(|cause| StoreError::io("write", &piece(&self.dir, self.start), &cause))
    }
}

/// A reader's end. What it reads may come later than it; a piece that it has begun is read to its end even when it is
/// removed meanwhile.
#[derive(Debug)]
pub struct GrowingReader {
    dir: PathBuf,
    open: Option<(u64, File)>,
}

impl GrowingReader {
    /// A reader of what is written to this directory.
    pub const fn new(dir: PathBuf) -> Self {
        Self { dir, open: None }
    }

    /// As much as `most` bytes from `offset` on, and where they begin: later than asked for where the oldest are not kept
    /// any more. None at the end, and where there is nothing yet.
    pub fn read(&mut self, offset: u64, most: usize) -> (u64, Vec<u8>) {
        let begun = self.read_open(offset, most);
        if !begun.is_empty() {
            return (offset, begun);
        }
        let starts = pieces(&self.dir);
        let holds = starts.iter().rev().find(|start| **start <= offset).or(starts.first());
        let Some(start) = holds.copied().filter(|start| self.open.as_ref().is_none_or(|(open, _)| open < start)) else {
            return (offset, Vec::new());
        };
        self.open = private_options().read(true).open(piece(&self.dir, start)).ok().map(|file| (start, file));
        let offset = offset.max(start);
        (offset, self.read_open(offset, most))
    }

    fn read_open(&self, offset: u64, most: usize) -> Vec<u8> {
        let Some((start, file)) = &self.open else { return Vec::new() };
        let Some(within) = offset.checked_sub(*start) else { return Vec::new() };
        let mut bytes = vec![0; most];
        let read = file.read_at(&mut bytes, within).unwrap_or_default();
        bytes.truncate(read);
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_added_is_read_from_where_the_reader_stands() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        let mut reader = GrowingReader::new(path.clone());
        assert_eq!(reader.read(0, 10), (0, Vec::new()));
        let mut file = GrowingFile::create(&path, 1 << 20).unwrap();
        file.add(b"one\n").unwrap();
        file.add(b"two\n").unwrap();
        assert_eq!(reader.read(0, 4), (0, b"one\n".to_vec()));
        assert_eq!(reader.read(4, 100), (4, b"two\n".to_vec()));
        file.add(b"three\n").unwrap();
        std::fs::remove_dir_all(&path).unwrap();
        assert_eq!(reader.read(8, 100), (8, b"three\n".to_vec()));
        assert!(reader.read(14, 100).1.is_empty());
    }

    #[test]
    fn the_oldest_goes_and_a_reader_goes_on_with_what_is_left() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        let mut slow = GrowingReader::new(path.clone());
        let mut file = GrowingFile::create(&path, 8 * 10).unwrap();
        file.add(b"line 0000\n").unwrap();
        assert_eq!(slow.read(0, 100).1, b"line 0000\n");
        for n in 1..30 {
            file.add(format!("line {n:04}\n").as_bytes()).unwrap();
        }
        let (mut whole, mut offset, mut reader) = (Vec::new(), 0, GrowingReader::new(path.clone()));
        loop {
            let (at, bytes) = reader.read(offset, 7);
            if bytes.is_empty() {
                break;
            }
            offset = at + bytes.len() as u64;
            whole.extend(bytes);
        }
        let expected: String = (22..30).map(|n| format!("line {n:04}\n")).collect();
        assert_eq!(String::from_utf8(whole).unwrap(), expected, "the last eight pieces, whole");
        assert_eq!(slow.read(10, 100), (220, b"line 0022\n".to_vec()), "after a gap");
        assert_eq!(std::fs::read_dir(&path).unwrap().count(), 8);
        GrowingFile::create(&path, 80).unwrap();
        assert_eq!(pieces(&path), [0], "made anew");
    }
}
