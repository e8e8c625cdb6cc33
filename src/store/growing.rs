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

/// As much as `most` bytes from `offset` on; none at the end, and where there is no file.
pub fn read_growing(path: &Path, offset: u64, most: usize) -> Vec<u8> {
    let Ok(file) = private_options().read(true).open(path) else { return Vec::new() };
    let mut bytes = vec![0; most];
    let read = file.read_at(&mut bytes, offset).unwrap_or_default();
    bytes.truncate(read);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_added_is_read_from_where_the_reader_stands() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("pod.log");
        assert!(read_growing(&path, 0, 10).is_empty());
        let mut file = GrowingFile::open(&path).unwrap();
        file.add(b"one\n").unwrap();
        file.add(b"two\n").unwrap();
        assert_eq!(read_growing(&path, 0, 4), b"one\n");
        assert_eq!(read_growing(&path, 4, 100), b"two\n");
        assert!(read_growing(&path, 8, 100).is_empty());
    }
}
