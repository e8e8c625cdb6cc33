//! A file that other programs change too: a kubeconfig. Taken under the lock kubectl takes, replaced whole.
//!
//! kubectl's convention is a file `<name>.lock`, made exclusively and removed afterwards; it gives up at once when there
//! is one. So ours is held for milliseconds only, says whose it is from the moment it exists, and one that a killed
//! kubewright left is broken by the next. A lock of anybody else is never touched.

use super::{
    error::{StoreError, StoreErrorKind},
    files::{make_private_dir, parent, sync_dir},
};
use crate::engine::Clock;
use std::{
    ffi::OsString,
    fs::{self, File, OpenOptions},
    io::{self, Read, Write},
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
    time::Duration,
};

/// First word of our lock files; kubectl's are empty.
const OURS: &str = "kubewright";
/// How often a waiting process looks again.
const LOOK_AGAIN: Duration = Duration::from_millis(20);
/// kubectl holds its lock for milliseconds: one that stands longer was left behind.
const PATIENCE: Duration = Duration::from_secs(5);

/// The held lock of one shared file. Dropping it releases it.
#[derive(Debug)]
pub struct SharedFile {
    path: PathBuf,
    lock: PathBuf,
}

impl SharedFile {
    /// Takes the lock, waiting a few seconds for others, and breaking one that a dead process of ours left.
    ///
    /// # Errors
    /// `Locked` when somebody keeps it; `Unusable` when the directory cannot be written.
    pub async fn lock(path: &Path, clock: &dyn Clock) -> Result<Self, StoreError> {
        let lock = beside(path, ".lock");
        make_private_dir(&parent(path))?;
        let end = clock.now() + PATIENCE;
        loop {
            if try_lock(&lock)? {
                return Ok(Self { path: path.to_owned(), lock });
            }
            if break_ours(&lock)? {
                continue;
            }
            if clock.now() >= end {
                let who = fs::read_to_string(&lock).ok().filter(|text| !text.is_empty());
                let who = who.map_or_else(|| "another program".to_owned(), |text| text.trim().to_owned());
                let message = format!("{} is locked by {who}: {} stands", path.display(), lock.display());
                return Err(StoreError::new(StoreErrorKind::Locked { holder: None }, path, message));
            }
            clock.sleep(LOOK_AGAIN).await;
        }
    }

    /// Its text; none when it does not exist.
    ///
    /// # Errors
    /// As [`super::read_text`], but for `NotFound`.
    pub fn read(&self, limit: u64) -> Result<Option<String>, StoreError> {
        self.finish_interrupted_write()?;
        super::read_text_if_there(&self.path, limit)
    }

    /// Replaces it, durably and whole: links are followed, the mode of what is there is kept, a new file is 0600.
    ///
    /// # Errors
    /// `Unusable` for a read-only file or directory, `Full`; the old content is then untouched.
    pub fn write(&self, text: &str) -> Result<(), StoreError> {
        let fail = |cause: io::Error| StoreError::io("write", &self.path, &cause);
        match fs::metadata(&self.path) {
            Ok(meta) if meta.permissions().mode() & 0o222 == 0 => {
                let message = format!("cannot write {}: it is read-only", self.path.display());
                return Err(StoreError::new(StoreErrorKind::Unusable, &self.path, message));
            }
            Ok(_) => {}
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => {}
            Err(cause) => return Err(fail(cause)),
        }
        match super::write_shared(&self.path, text.as_bytes(), 0o600) {
            Err(_) if is_mount_point(&self.path) => self.write_in_place(text),
            done => done,
        }
    }

    /// A file that is itself a mount point (a container's bind mount) cannot be replaced by a rename. Its old text is
    /// kept beside it, durably, for as long as the write takes.
    fn write_in_place(&self, text: &str) -> Result<(), StoreError> {
        let fail = |cause: io::Error| StoreError::io("write", &self.path, &cause);
        let kept = self.kept();
        let old = fs::read(&self.path).map_err(fail)?;
        super::write_private(&kept, &old)?;
        let mut file = OpenOptions::new().write(true).open(&self.path).map_err(fail)?;
        file.write_all(text.as_bytes()).map_err(fail)?;
        file.set_len(text.len() as u64).map_err(fail)?;
        file.sync_all().map_err(fail)?;
        super::remove_if_there(&kept)
    }

    /// A write in place that a kill cut short is taken back.
    fn finish_interrupted_write(&self) -> Result<(), StoreError> {
        let kept = self.kept();
        if !kept.exists() || !is_mount_point(&self.path) {
            return Ok(());
        }
        let fail = |cause: io::Error| StoreError::io("restore", &self.path, &cause);
        let old = fs::read(&kept).map_err(fail)?;
        let mut file = OpenOptions::new().write(true).open(&self.path).map_err(fail)?;
        file.write_all(&old).map_err(fail)?;
        file.set_len(old.len() as u64).map_err(fail)?;
        file.sync_all().map_err(fail)?;
        super::remove_if_there(&kept)
    }

    fn kept(&self) -> PathBuf {
        beside(&self.path, ".kubewright-backup")
    }
}

impl Drop for SharedFile {
    fn drop(&mut self) {
        // Left behind it would be broken by the next of us: its text names a process that no longer lives.
        let _ = fs::remove_file(&self.lock);
    }
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name: OsString = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

/// Makes the lock with its text in it, in one step: a kill leaves no lock that nobody can attribute.
fn try_lock(lock: &Path) -> Result<bool, StoreError> {
    let fail = |cause: io::Error| StoreError::io("lock", lock, &cause);
    let mut text = tempfile::Builder::new()
        .prefix(".kubewright-")
        .permissions(fs::Permissions::from_mode(0o600))
        .tempfile_in(parent(lock))
        .map_err(fail)?;
    writeln!(text, "{OURS} {}", std::process::id()).map_err(fail)?;
    match text.persist_noclobber(lock) {
        Ok(_) => Ok(true),
        Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(fail(error.error)),
    }
}

/// Removes a lock that a dead process of ours left. Two who try it at once are told apart by the kernel's lock on the
/// file itself, and by its being still the one in the directory.
fn break_ours(lock: &Path) -> Result<bool, StoreError> {
    let Ok(mut file) = File::open(lock) else { return Ok(!lock.exists()) };
    let mut text = String::new();
    if Read::by_ref(&mut file).take(256).read_to_string(&mut text).is_err() {
        return Ok(false);
    }
    let pid = text.trim().strip_prefix(OURS).and_then(|rest| rest.trim().parse::<i32>().ok());
    let Some(pid) = pid.and_then(rustix::process::Pid::from_raw) else { return Ok(false) };
    if rustix::process::test_kill_process(pid) != Err(rustix::io::Errno::SRCH) || file.try_lock().is_err() {
        return Ok(false);
    }
    let same = |a: &fs::Metadata, b: &fs::Metadata| a.ino() == b.ino() && a.dev() == b.dev();
    match (file.metadata(), fs::symlink_metadata(lock)) {
        (Ok(opened), Ok(there)) if same(&opened, &there) => {
            fs::remove_file(lock).map_err(|cause| StoreError::io("remove", lock, &cause))?;
            sync_dir(&parent(lock))?;
            Ok(true)
        }
        _ => Ok(true),
    }
}

/// Whether the file is on another file system than its directory, or cannot be renamed over for that reason.
fn is_mount_point(path: &Path) -> bool {
    let Ok(real) = fs::canonicalize(path) else { return false };
    let Ok(mounts) = fs::read_to_string("/proc/self/mountinfo") else { return false };
    mounts.lines().any(|line| line.split(' ').nth(4).is_some_and(|at| Path::new(&unescaped(at)) == real))
}

/// `mountinfo` writes blanks as `\040`.
fn unescaped(text: &str) -> String {
    text.replace("\\040", " ").replace("\\011", "\t").replace("\\012", "\n").replace("\\134", "\\")
}

#[cfg(test)]
mod tests {
    use super::*;
    use async_trait::async_trait;
    use jiff::Timestamp;
    use std::sync::Mutex;

    struct Steps(Mutex<Timestamp>);

    impl Steps {
        fn new() -> Self {
            Self(Mutex::new("2026-11-20T12:00:00Z".parse().unwrap()))
        }
    }

    #[async_trait]
    impl Clock for Steps {
        fn now(&self) -> Timestamp {
            *self.0.lock().unwrap()
        }
        async fn sleep(&self, span: Duration) {
            *self.0.lock().unwrap() += span;
        }
    }

    #[tokio::test]
    async fn it_is_locked_as_kubectl_does_and_never_for_longer_than_needed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("kube/config");
        let held = SharedFile::lock(&path, &Steps::new()).await.unwrap();
        let lock = dir.path().join("kube/config.lock");
        assert_eq!(fs::read_to_string(&lock).unwrap(), format!("kubewright {}\n", std::process::id()));
        assert_eq!(held.read(100).unwrap(), None);
        held.write("a: b\n").unwrap();
        assert_eq!(held.read(100).unwrap().as_deref(), Some("a: b\n"));
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let error = SharedFile::lock(&path, &Steps::new()).await.unwrap_err();
        assert!(matches!(error.kind, StoreErrorKind::Locked { .. }), "a living process keeps its lock: {error}");
        drop(held);
        assert!(!lock.exists());
        assert_eq!(fs::read_dir(dir.path().join("kube")).unwrap().count(), 1, "nothing else stays");
    }

    #[tokio::test]
    async fn a_dead_kubewrights_lock_is_broken_and_nobody_elses() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("config");
        let lock = dir.path().join("config.lock");
        // No process has this number: the kernel's highest is 4,194,304.
        fs::write(&lock, "kubewright 2147483600\n").unwrap();
        drop(SharedFile::lock(&path, &Steps::new()).await.unwrap());
        for theirs in ["", "kubectl 2147483600\n", "kubewright x\n", "kubewright 1\n"] {
            fs::write(&lock, theirs).unwrap();
            let error = SharedFile::lock(&path, &Steps::new()).await.unwrap_err();
            assert!(matches!(error.kind, StoreErrorKind::Locked { .. }), "{theirs:?}");
            assert_eq!(fs::read_to_string(&lock).unwrap(), theirs);
            fs::remove_file(&lock).unwrap();
        }
    }

    #[tokio::test]
    async fn read_only_files_are_refused_and_links_followed() {
        let dir = tempfile::tempdir().unwrap();
        let (path, link) = (dir.path().join("config"), dir.path().join("link"));
        fs::write(&path, "old").unwrap();
        std::os::unix::fs::symlink(&path, &link).unwrap();
        let held = SharedFile::lock(&link, &Steps::new()).await.unwrap();
        held.write("new").unwrap();
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(fs::read_to_string(&path).unwrap(), "new");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o400)).unwrap();
        let error = held.write("newer").unwrap_err();
        assert!(error.message.ends_with("it is read-only"), "{error}");
        assert_eq!(fs::read_to_string(&path).unwrap(), "new");
    }
}
