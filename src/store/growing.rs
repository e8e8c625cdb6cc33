//! A file that one process writes and others read while it grows: the logs of pods that run here. Nothing of it is durable;
//! who needs that takes [`super::AppendLog`].

use super::{
    error::StoreError,
    files::{private_options, require_plain},
};
use std::{
    fs::File,
    io::Write,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
};

/// The writer's end.
#[derive(Debug)]
pub struct GrowingFile {
    path: PathBuf,
    file: File,
}

impl GrowingFile {
    /// Opens it, made if it is not there, to add at its end.
    ///
    /// # Errors
    /// `Unusable` (also a symbolic link or no plain file), `Full`.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let file = private_options().append(true).create(true).open(path);
        let file = file.map_err(|cause| StoreError::io("open", path, &cause))?;
        require_plain(&file, path)?;
        Ok(Self { path: path.to_owned(), file })
    }

    /// Adds bytes.
    ///
    /// # Errors
    /// `Full`, `Unusable`.
    pub fn add(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
        self.file.write_all(bytes).map_err(|cause| StoreError::io("write", &self.path, &cause))
    }
}

/// A reader's end. The file may come later than its reader; once it was there, it is read to its end even when it is
/// removed meanwhile.
#[derive(Debug)]
pub struct GrowingReader {
    path: PathBuf,
    file: Option<File>,
}

impl GrowingReader {
    /// A reader of this file.
    pub const fn new(path: PathBuf) -> Self {
        Self { path, file: None }
    }

    /// As much as `most` bytes from `offset` on; none at the end, and where there is no file yet.
    pub fn read(&mut self, offset: u64, most: usize) -> Vec<u8> {
        if self.file.is_none() {
            self.file = private_options().read(true).open(&self.path).ok();
        }
        let Some(file) = &self.file else { return Vec::new() };
        let mut bytes = vec![0; most];
        let read = file.read_at(&mut bytes, offset).unwrap_or_default();
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
        let path = dir.path().join("pod.log");
        let mut reader = GrowingReader::new(path.clone());
        assert!(reader.read(0, 10).is_empty());
        let mut file = GrowingFile::open(&path).unwrap();
        file.add(b"one\n").unwrap();
        file.add(b"two\n").unwrap();
        assert_eq!(reader.read(0, 4), b"one\n");
        assert_eq!(reader.read(4, 100), b"two\n");
        file.add(b"three\n").unwrap();
        std::fs::remove_file(&path).unwrap();
        assert_eq!(reader.read(8, 100), b"three\n");
        assert!(reader.read(14, 100).is_empty());
    }
}
