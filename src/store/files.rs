//! Whole files: bounded reads and atomic writes.
//!
//! A write goes to a temporary file in the same directory, is synced, renamed into place, and the directory is synced:
//! a kill at any instant leaves the old content or the new, never a mixture.

use super::error::{StoreError, StoreErrorKind};
use rustix::fs::OFlags;
use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, Read, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

/// Reads a text file that is no longer than `limit` bytes. Symbolic links and pipes are followed: this is for files
/// that the user named.
///
/// # Errors
/// `NotFound`, `Unusable`, `TooLarge`, or `Damaged` when it is not UTF-8.
pub fn read_text(path: &Path, limit: u64) -> Result<String, StoreError> {
    let fail = |cause: io::Error| StoreError::io("read", path, &cause);
    let file = File::open(path).map_err(fail)?;
    let mut bytes = Vec::new();
    file.take(limit.saturating_add(1)).read_to_end(&mut bytes).map_err(fail)?;
    if bytes.len() as u64 > limit {
        let message = format!("cannot read {}: it is longer than {limit} bytes", path.display());
        return Err(StoreError::new(StoreErrorKind::TooLarge, path, message));
    }
    text(path, bytes)
}

/// What a file holds, as text.
///
/// # Errors
/// `Damaged` when it is not UTF-8.
pub fn text(path: &Path, bytes: Vec<u8>) -> Result<String, StoreError> {
    String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        let line = error.as_bytes()[..at].iter().filter(|byte| **byte == b'\n').count() as u64 + 1;
        StoreError::damaged(path, Some(line), "it is not UTF-8 text")
    })
}

/// The same, with a missing file as none.
///
/// # Errors
/// As [`read_text`], but for `NotFound`.
pub fn read_text_if_there(path: &Path, limit: u64) -> Result<Option<String>, StoreError> {
    match read_text(path, limit) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind == StoreErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Reads a file of ours that is no text; none where it is not there.
///
/// # Errors
/// `Unusable`, or `TooLarge` when it is longer than `limit`.
pub fn read_bytes_if_there(path: &Path, limit: u64) -> Result<Option<Vec<u8>>, StoreError> {
    let fail = |cause: io::Error| StoreError::io("read", path, &cause);
    // A pipe in its place would otherwise be waited for until somebody writes.
    let opened = OpenOptions::new().read(true).custom_flags(OFlags::NONBLOCK.bits() as i32).open(path);
    let file = match opened {
        Ok(file) => file,
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(cause) => return Err(fail(cause)),
    };
    require_plain(&file, path)?;
    let mut bytes = Vec::new();
    file.take(limit.saturating_add(1)).read_to_end(&mut bytes).map_err(fail)?;
    if bytes.len() as u64 > limit {
        let message = format!("cannot read {}: it is longer than {limit} bytes", path.display());
        return Err(StoreError::new(StoreErrorKind::TooLarge, path, message));
    }
    Ok(Some(bytes))
}

/// When a file was last changed and how long it is: another stamp, another content. None when it is not there.
pub fn stamp(path: &Path) -> Option<(i64, i64, u64)> {
    use std::os::unix::fs::MetadataExt;
    let meta = fs::metadata(path).ok()?;
    Some((meta.mtime(), meta.mtime_nsec(), meta.len()))
}

/// The names in a directory that are text; none when it cannot be read.
pub fn file_names(dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(dir).into_iter().flatten();
    entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok()).collect()
}

/// Replaces a file of ours with these bytes, mode 0600. A symbolic link in its place is replaced, not followed.
///
/// # Errors
/// `Unusable` or `Full`; the old content is then untouched.
pub fn write_private(path: &Path, bytes: &[u8]) -> Result<(), StoreError> {
    replace(path, bytes, 0o600)
}

/// Replaces a file of the user's: a symbolic link is followed, the mode of what is there is kept, and a new file gets
/// `new_mode` less the umask.
///
/// # Errors
/// `Unusable` or `Full`; the old content is then untouched.
pub fn write_shared(path: &Path, bytes: &[u8], new_mode: u32) -> Result<(), StoreError> {
    let real = match fs::canonicalize(path) {
        Ok(real) => real,
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => path.to_owned(),
        Err(cause) => return Err(StoreError::io("write", path, &cause)),
    };
    let mode = fs::metadata(&real).map_or(new_mode, |meta| meta.permissions().mode() & 0o7777);
    replace(&real, bytes, mode)
}

fn replace(path: &Path, bytes: &[u8], mode: u32) -> Result<(), StoreError> {
    let temporary = written(path, bytes, mode)?;
    temporary.persist(path).map_err(|error| StoreError::io("write", path, &error.error))?;
    sync_dir(&parent(path))
}

/// A synced file with these bytes in the directory of `path`.
fn written(path: &Path, bytes: &[u8], mode: u32) -> Result<tempfile::NamedTempFile, StoreError> {
    let fail = |cause: io::Error| StoreError::io("write", path, &cause);
    let mut temporary = tempfile::Builder::new()
        .prefix(".kubewright-")
        .permissions(fs::Permissions::from_mode(mode))
        .tempfile_in(parent(path))
        .map_err(fail)?;
    temporary.write_all(bytes).map_err(fail)?;
    temporary.as_file().sync_all().map_err(fail)?;
    Ok(temporary)
}

/// What stands under a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Nothing.
    Nothing,
    /// A plain file.
    File,
    /// A link, a directory, a pipe.
    Other,
}

/// What stands there; links are not followed.
///
/// # Errors
/// `Unusable`, and `NotFound` when the directory it would be in is not there.
pub fn what_stands(path: &Path) -> Result<Standing, StoreError> {
    let fail = |cause: io::Error| StoreError::io("write", path, &cause);
    match fs::symlink_metadata(path) {
        Ok(meta) if meta.is_file() => Ok(Standing::File),
        Ok(_) => Ok(Standing::Other),
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => {
            fs::metadata(parent(path)).map_err(fail)?;
            Ok(Standing::Nothing)
        }
        Err(cause) => Err(fail(cause)),
    }
}

/// Writes a file for the user as an editor would: readable as the umask says, whole or not at all, and never through a
/// link to somewhere else. What is there is replaced only with `replacing`, and keeps its mode.
///
/// # Errors
/// `Exists` for whatever stands there; `Unusable`, `Full`, `NotFound` for a directory that is not there.
pub fn write_users(path: &Path, bytes: &[u8], replacing: bool) -> Result<(), StoreError> {
    if !replacing {
        let temporary = written(path, bytes, 0o666)?;
        temporary.persist_noclobber(path).map_err(|error| StoreError::io("write", path, &error.error))?;
        return sync_dir(&parent(path));
    }
    match what_stands(path)? {
        Standing::Nothing => replace(path, bytes, 0o666),
        Standing::File => {
            let mode = fs::metadata(path).map_or(0o600, |meta| meta.permissions().mode() & 0o7777);
            replace(path, bytes, mode)
        }
        Standing::Other => {
            let message = format!("cannot write {}: it is a link or no plain file, and is left alone", path.display());
            Err(StoreError::new(StoreErrorKind::Exists, path, message))
        }
    }
}

/// Removes a file; one that is not there is fine. The directory is synced, so that it stays removed.
///
/// # Errors
/// `Unusable`.
pub fn remove_if_there(path: &Path) -> Result<(), StoreError> {
    match fs::remove_file(path) {
        Ok(()) => sync_dir(&parent(path)),
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(cause) => Err(StoreError::io("remove", path, &cause)),
    }
}

/// Removes a directory with everything in it; one that is not there is fine. Symbolic links in it are not followed.
///
/// # Errors
/// `Unusable`: some of it is still there.
pub fn remove_tree(dir: &Path) -> Result<(), StoreError> {
    match fs::remove_dir_all(dir) {
        Ok(()) => Ok(()),
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(cause) => Err(StoreError::io("remove", dir, &cause)),
    }
}

/// Makes a directory and those above it, mode 0700, durably. What is there stays as it is.
///
/// # Errors
/// `Unusable` or `Full`.
pub fn make_private_dir(path: &Path) -> Result<(), StoreError> {
    if path.is_dir() {
        return Ok(());
    }
    let above = parent(path);
    if above != path {
        make_private_dir(&above)?;
    }
    match DirBuilder::new().mode(0o700).create(path) {
        Ok(()) => sync_dir(&above),
        // Another process was faster.
        Err(_) if path.is_dir() => Ok(()),
        Err(cause) if cause.kind() == io::ErrorKind::AlreadyExists => {
            let message = format!("cannot make the directory {}: something else has that name", path.display());
            Err(StoreError::new(StoreErrorKind::Unusable, path, message))
        }
        // What is missing above it has just been made or was there: no directories can be made here at all.
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => {
            let error = StoreError::io("make the directory", path, &cause);
            Err(StoreError { kind: StoreErrorKind::Unusable, ..error })
        }
        Err(cause) => Err(StoreError::io("make the directory", path, &cause)),
    }
}

/// Makes what was created, renamed or removed in this directory durable.
pub(super) fn sync_dir(path: &Path) -> Result<(), StoreError> {
    File::open(path).and_then(|dir| dir.sync_all()).map_err(|cause| StoreError::io("sync", path, &cause))
}

/// The directory that holds this file.
pub(super) fn parent(path: &Path) -> PathBuf {
    match path.parent() {
        Some(dir) if !dir.as_os_str().is_empty() => dir.to_owned(),
        Some(_) => PathBuf::from("."),
        None => path.to_owned(),
    }
}

/// Options for a file of ours: 0600, symbolic links refused, never waiting for the other end of a pipe.
pub(super) fn private_options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.mode(0o600).custom_flags((OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed());
    options
}

/// Refuses anything but a plain file.
pub(super) fn require_plain(file: &File, path: &Path) -> Result<(), StoreError> {
    let meta = file.metadata().map_err(|cause| StoreError::io("read", path, &cause))?;
    if meta.is_file() {
        return Ok(());
    }
    let message = format!("cannot use {}: it is not a plain file", path.display());
    Err(StoreError::new(StoreErrorKind::Unusable, path, message))
}

/// Makes a directory for files that are meant for others to read, with the parents it lacks.
///
/// # Errors
/// `Unusable`, `Full`.
pub fn make_shared_dir(path: &Path) -> Result<(), StoreError> {
    fs::create_dir_all(path).map_err(|cause| StoreError::io("make", path, &cause))
}

/// Begins a file that somebody reads while it grows: one line after the other, none of them worth a sync. A new one is
/// private; what is there already (a pipe, a file of the user's) keeps its mode.
///
/// # Errors
/// `Unusable`, `Full`.
pub fn begin_shared(path: &Path) -> Result<File, StoreError> {
    let opened = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path);
    opened.map_err(|cause| StoreError::io("write", path, &cause))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    fn mode(path: &Path) -> u32 {
        fs::symlink_metadata(path).unwrap().permissions().mode() & 0o7777
    }

    #[test]
    fn private_files_are_replaced_whole_and_kept_private() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("deep/er/secrets.json");
        make_private_dir(&parent(&path)).unwrap();
        assert_eq!(mode(&dir.path().join("deep")), 0o700);
        write_private(&path, b"one").unwrap();
        write_private(&path, b"two").unwrap();
        assert_eq!(read_text(&path, 10).unwrap(), "two");
        assert_eq!(mode(&path), 0o600);
        let left: Vec<_> = fs::read_dir(parent(&path)).unwrap().collect();
        assert_eq!(left.len(), 1, "no temporary file stays behind");
    }

    #[test]
    fn a_pipe_in_place_of_a_file_of_ours_is_refused_and_not_waited_for() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("prices.bin");
        assert!(std::process::Command::new("mkfifo").arg(&path).status().unwrap().success());
        let (tell, told) = std::sync::mpsc::channel();
        std::thread::spawn(move || tell.send(read_bytes_if_there(&path, 10).map_err(|error| error.kind)));
        let read = told.recv_timeout(std::time::Duration::from_secs(20)).expect("it waits for nobody");
        assert_eq!(read.unwrap_err(), StoreErrorKind::Unusable);
    }

    #[test]
    fn a_link_in_place_of_a_private_file_is_replaced_and_its_target_untouched() {
        let dir = tempfile::tempdir().unwrap();
        let (target, link) = (dir.path().join("target"), dir.path().join("link"));
        fs::write(&target, "theirs").unwrap();
        symlink(&target, &link).unwrap();
        write_private(&link, b"ours").unwrap();
        assert_eq!(fs::read_to_string(&target).unwrap(), "theirs");
        assert_eq!(fs::read_to_string(&link).unwrap(), "ours");
        assert!(!fs::symlink_metadata(&link).unwrap().is_symlink());
    }

    #[test]
    fn a_shared_file_keeps_its_mode_and_its_link() {
        let dir = tempfile::tempdir().unwrap();
        let (target, link) = (dir.path().join("target"), dir.path().join("link"));
        fs::write(&target, "old").unwrap();
        fs::set_permissions(&target, fs::Permissions::from_mode(0o640)).unwrap();
        symlink(&target, &link).unwrap();
        write_shared(&link, b"new", 0o600).unwrap();
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(fs::read_to_string(&target).unwrap(), "new");
        assert_eq!(mode(&target), 0o640);
        write_shared(&dir.path().join("fresh"), b"x", 0o600).unwrap();
        assert_eq!(mode(&dir.path().join("fresh")), 0o600);
    }

    #[test]
    fn a_file_for_the_user_replaces_nothing_unasked_and_follows_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let (path, link) = (dir.path().join("cluster.yaml"), dir.path().join("link"));
        assert_eq!(what_stands(&path), Ok(Standing::Nothing));
        write_users(&path, b"one", false).unwrap();
        assert_eq!(mode(&path) & 0o600, 0o600);
        assert_eq!(write_users(&path, b"two", false).unwrap_err().kind, StoreErrorKind::Exists);
        assert_eq!(read_text(&path, 10).unwrap(), "one");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        write_users(&path, b"two", true).unwrap();
        assert_eq!((read_text(&path, 10).unwrap().as_str(), mode(&path)), ("two", 0o640));
        symlink(&path, &link).unwrap();
        for replacing in [false, true] {
            assert_eq!(write_users(&link, b"three", replacing).unwrap_err().kind, StoreErrorKind::Exists);
            let error = write_users(&dir.path().join("none/x"), b"", replacing).unwrap_err();
            assert_eq!(error.kind, StoreErrorKind::NotFound, "{error}");
        }
        assert_eq!(read_text(&path, 10).unwrap(), "two");
        assert_eq!(what_stands(&link), Ok(Standing::Other));
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2, "no temporary file stays behind");
    }

    #[test]
    fn reads_are_bounded_and_say_what_is_wrong() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("f");
        fs::write(&path, "12345").unwrap();
        assert_eq!(read_text(&path, 5).unwrap(), "12345");
        assert_eq!(read_text(&path, 4).unwrap_err().kind, StoreErrorKind::TooLarge);
        fs::write(&path, b"ok\nok\n\xff").unwrap();
        assert_eq!(read_text(&path, 100).unwrap_err().kind, StoreErrorKind::Damaged { line: Some(3) });
        assert_eq!(read_text_if_there(&dir.path().join("none"), 1), Ok(None));
        assert_eq!(read_text(dir.path(), 1).unwrap_err().kind, StoreErrorKind::Unusable);
    }

    #[test]
    fn a_place_that_cannot_be_written_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("file");
        fs::write(&file, "").unwrap();
        let error = make_private_dir(&file.join("stacks")).unwrap_err();
        assert_eq!(error.kind, StoreErrorKind::Unusable);
        assert_eq!(
            error.message,
            format!("cannot make the directory {}: something else has that name", file.display())
        );
        assert_eq!(write_private(&file.join("x"), b"").unwrap_err().kind, StoreErrorKind::Unusable);
    }
}
