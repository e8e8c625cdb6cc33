//! Exclusive locks that die with their process, with the holder's name in the file for those who wait.
//!
//! The lock is the kernel's (`File::lock`), so a killed holder leaves nothing to clean up; the text in the file is only
//! for people. Lock files are never removed: removing one while another process opens it would give two holders.

use super::{
    error::{StoreError, StoreErrorKind},
    files::{make_private_dir, parent, private_options, require_plain},
};
use crate::engine::Clock;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::{
    fs::{File, TryLockError},
    io::{self, Read, Seek, Write},
    path::{Path, PathBuf},
    time::Duration,
};

/// Who holds a lock, in its own words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// Login name.
    pub user: String,
    /// Machine.
    pub host: String,
    /// Process.
    pub pid: u32,
    /// Since when.
    pub since: Timestamp,
    /// What it is doing, `provision`.
    pub verb: String,
}

impl std::fmt::Display for Holder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { user, host, pid, since, verb } = self;
        write!(f, "`{verb}` of {user}@{host}, process {pid}, since {since:.0}")
    }
}

/// A held lock. Dropping it releases it.
#[derive(Debug)]
pub struct FileLock {
    file: File,
    path: PathBuf,
}

/// How often a waiting process looks again.
const LOOK_AGAIN: Duration = Duration::from_millis(250);
/// [`holder`] takes the lock for an instant to see whether it is held; a process that meets just that looks again.
const GRACE_LOOKS: u32 = 4;
const GRACE: Duration = Duration::from_millis(10);

impl FileLock {
    /// Takes the lock at once or not at all.
    ///
    /// # Errors
    /// `Locked` with its holder; `Unusable` or `Full`.
    pub fn try_acquire(path: &Path, holder: &Holder) -> Result<Self, StoreError> {
        let file = open(path)?;
        match file.try_lock() {
            Ok(()) => Self::taken(file, path, holder),
            Err(TryLockError::WouldBlock) => Err(locked(path, read_holder(&file))),
            Err(TryLockError::Error(cause)) => Err(StoreError::io("lock", path, &cause)),
        }
    }

    /// Takes the lock, waiting up to `timeout` for another holder to let go.
    ///
    /// # Errors
    /// `Locked` with its holder when the time is over; `Unusable` or `Full`.
    pub async fn acquire(
        path: &Path,
        holder: &Holder,
        timeout: Duration,
        clock: &dyn Clock,
    ) -> Result<Self, StoreError> {
        let began = clock.now();
        let mut looks = 0;
        loop {
            let error = match Self::try_acquire(path, holder) {
                Err(error) if matches!(error.kind, StoreErrorKind::Locked { .. }) => error,
                done => return done,
            };
            let waited = Duration::try_from(clock.now().duration_since(began)).unwrap_or_default();
            let left = timeout.saturating_sub(waited);
            looks += 1;
            if looks <= GRACE_LOOKS {
                clock.sleep(GRACE).await;
            } else if left.is_zero() {
                return Err(error);
            } else {
                clock.sleep(LOOK_AGAIN.min(left)).await;
            }
        }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn taken(mut file: File, path: &Path, holder: &Holder) -> Result<Self, StoreError> {
        let text = serde_json::to_vec(holder).expect("a holder is plain strings and numbers");
        let write = |file: &mut File| -> io::Result<()> {
            file.set_len(0)?;
            file.rewind()?;
            file.write_all(&text)
        };
        write(&mut file).map_err(|cause| StoreError::io("write", path, &cause))?;
        Ok(Self { file, path: path.to_owned() })
    }
}

impl Drop for FileLock {
    fn drop(&mut self) {
        // The name is only for people: when it cannot be blanked the lock is released all the same.
        let _ = self.file.set_len(0);
        let _ = self.file.unlock();
    }
}

/// A lock that many hold at once, each to say that it is still there; whoever gets it alone knows that nobody is.
#[derive(Debug)]
pub struct Presence(File);

impl Presence {
    /// Says that this process is there. None while somebody has the lock alone.
    ///
    /// # Errors
    /// `Unusable` or `Full`.
    pub fn enter(path: &Path) -> Result<Option<Self>, StoreError> {
        let file = open(path)?;
        Self::taken(file.try_lock_shared(), path).map(|taken| taken.then_some(Self(file)))
    }

    /// Takes the lock alone. None while anybody says to be there.
    ///
    /// # Errors
    /// `Unusable` or `Full`.
    pub fn alone(path: &Path) -> Result<Option<Self>, StoreError> {
        let file = open(path)?;
        Self::taken(file.try_lock(), path).map(|taken| taken.then_some(Self(file)))
    }

    fn taken(tried: Result<(), TryLockError>, path: &Path) -> Result<bool, StoreError> {
        match tried {
            Ok(()) => Ok(true),
            Err(TryLockError::WouldBlock) => Ok(false),
            Err(TryLockError::Error(cause)) => Err(StoreError::io("lock", path, &cause)),
        }
    }

    /// Stays with the program that this process becomes, until that ends.
    ///
    /// # Errors
    /// The system refuses.
    pub fn outlive_exec(&self) -> io::Result<()> {
        Ok(rustix::io::fcntl_setfd(&self.0, rustix::io::FdFlags::empty())?)
    }
}

/// Who holds this lock now, without waiting: none when it is free or was never taken. `Some(None)` is somebody who
/// has not written a name yet.
///
/// # Errors
/// `Unusable`.
pub fn holder(path: &Path) -> Result<Option<Option<Holder>>, StoreError> {
    let file = match private_options().read(true).open(path) {
        Ok(file) => file,
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(cause) => return Err(StoreError::io("read", path, &cause)),
    };
    require_plain(&file, path)?;
    match file.try_lock_shared() {
        Ok(()) => Ok(None),
        Err(TryLockError::WouldBlock) => Ok(Some(read_holder(&file))),
        Err(TryLockError::Error(cause)) => Err(StoreError::io("lock", path, &cause)),
    }
}

fn open(path: &Path) -> Result<File, StoreError> {
    make_private_dir(&parent(path))?;
    let file = private_options().read(true).write(true).create(true).truncate(false).open(path);
    let file = file.map_err(|cause| StoreError::io("open", path, &cause))?;
    require_plain(&file, path)?;
    Ok(file)
}

fn read_holder(mut file: &File) -> Option<Holder> {
    let mut text = Vec::new();
    file.rewind().ok()?;
    file.take(4_096).read_to_end(&mut text).ok()?;
    serde_json::from_slice(&text).ok()
}

fn locked(path: &Path, holder: Option<Holder>) -> StoreError {
    let who = holder.as_ref().map_or_else(|| "another process".to_owned(), Holder::to_string);
    StoreError::new(StoreErrorKind::Locked { holder }, path, format!("{} is locked by {who}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use async_trait::async_trait;
    use std::sync::Mutex;

    fn me(verb: &str) -> Holder {
        let since = "2026-11-20T12:00:00Z".parse().unwrap();
        Holder { user: "ana".into(), host: "laptop".into(), pid: 7, since, verb: verb.into() }
    }

    /// Each sleep moves it on; `on_sleep` runs then.
    struct TestClock<F: FnMut() + Send>(Mutex<(Timestamp, F)>);

    #[async_trait]
    impl<F: FnMut() + Send> Clock for TestClock<F> {
        fn now(&self) -> Timestamp {
            self.0.lock().unwrap().0
        }
        async fn sleep(&self, span: Duration) {
            let mut inner = self.0.lock().unwrap();
            inner.0 += jiff::SignedDuration::try_from(span).unwrap();
            (inner.1)();
        }
    }

    #[test]
    fn the_loser_learns_who_holds_it_and_a_released_lock_is_free() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("locks/demo.lock");
        assert_eq!(holder(&path).unwrap(), None);
        let held = FileLock::try_acquire(&path, &me("provision")).unwrap();
        assert_eq!(holder(&path).unwrap(), Some(Some(me("provision"))));
        let error = FileLock::try_acquire(&path, &me("destroy")).unwrap_err();
        assert_eq!(error.kind, StoreErrorKind::Locked { holder: Some(me("provision")) });
        assert!(
            error.message.ends_with("is locked by `provision` of ana@laptop, process 7, since 2026-11-20T12:00:00Z"),
            "{}",
            error.message
        );
        drop(held);
        assert_eq!(holder(&path).unwrap(), None);
        FileLock::try_acquire(&path, &me("destroy")).unwrap();
    }

    #[tokio::test]
    async fn waiting_ends_with_the_lock_or_with_the_time() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("demo.lock");
        let mut held = Some(FileLock::try_acquire(&path, &me("provision")).unwrap());
        let start = "2026-11-20T12:00:00Z".parse().unwrap();

        let clock = TestClock(Mutex::new((start, || ())));
        let wait = Duration::from_secs(3);
        let error = FileLock::acquire(&path, &me("destroy"), wait, &clock).await.unwrap_err();
        assert!(matches!(error.kind, StoreErrorKind::Locked { holder: Some(_) }));
        assert_eq!(clock.now().duration_since(start).as_secs(), 3);

        let mut sleeps = 0;
        let clock = TestClock(Mutex::new((start, move || {
            sleeps += 1;
            if sleeps == 7 {
                drop(held.take());
            }
        })));
        FileLock::acquire(&path, &me("destroy"), wait, &clock).await.unwrap();
        assert!(clock.now().duration_since(start).as_secs() < 3);
    }
}
