//! Planted secrets and the search for them: in what a command said, in every file it wrote, in the words its processes
//! were started with.

use super::Said;
use std::{
    collections::BTreeSet,
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
};

/// Texts that must turn up nowhere.
pub(crate) struct Canaries(Vec<String>);

impl Canaries {
    pub(crate) fn of<'a>(texts: impl IntoIterator<Item = &'a str>) -> Self {
        Self(texts.into_iter().map(str::to_owned).collect())
    }

    /// Which of them stand in these bytes, as they are or as URLs write them.
    pub(crate) fn found_in(&self, bytes: &[u8]) -> Vec<&str> {
        let text = String::from_utf8_lossy(bytes);
        let forms = |canary: &str| [canary.to_owned(), canary.replace('/', "%2F").replace('+', "%2B")];
        self.0
            .iter()
            .map(String::as_str)
            .filter(|canary| forms(canary).iter().any(|form| text.contains(form)))
            .collect()
    }

    pub(crate) fn assert_unsaid(&self, what: &str, said: &Said) {
        for (stream, text) in [("stdout", &said.out), ("stderr", &said.err)] {
            assert_eq!(self.found_in(text.as_bytes()), [""; 0], "{what}: {stream} shows a secret:\n{text}");
        }
    }

    /// Every file below `dir` but those where they were planted; returns how many were searched.
    pub(crate) fn assert_not_below(&self, dir: &Path, planted: &[PathBuf]) -> usize {
        let files = files(dir);
        for file in files.iter().filter(|file| !planted.contains(file)) {
            let Ok(bytes) = fs::read(file) else { continue };
            assert_eq!(self.found_in(&bytes), [""; 0], "{} holds a secret", file.display());
        }
        files.len()
    }
}

/// Every plain file below a directory.
pub(crate) fn files(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => found.extend(files(&entry.path())),
            Ok(kind) if kind.is_file() => found.push(entry.path()),
            _ => {}
        }
    }
    found
}

/// Everything below a directory that others than its owner may touch, with its mode; and how much was looked at.
pub(crate) fn open_to_others(dir: &Path) -> (Vec<String>, usize) {
    let (mut open, mut seen) = (Vec::new(), 0);
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        let (path, Ok(meta)) = (entry.path(), entry.metadata()) else { continue };
        seen += 1;
        let (mode, wanted) = (meta.permissions().mode() & 0o7777, if meta.is_dir() { 0o700 } else { 0o600 });
        if mode != wanted {
            open.push(format!("{mode:o} {}", path.display()));
        }
        if meta.is_dir() {
            let (more, below) = open_to_others(&path);
            open.extend(more);
            seen += below;
        }
    }
    (open, seen)
}

/// Watches the words of every process whose environment has this HOME, until it is dropped.
pub(crate) struct ArgvWatch {
    stop: Arc<AtomicBool>,
    seen: Arc<Mutex<BTreeSet<Vec<u8>>>>,
    thread: Option<JoinHandle<()>>,
}

impl ArgvWatch {
    pub(crate) fn start(home: &Path) -> Self {
        let (stop, seen) = (Arc::new(AtomicBool::new(false)), Arc::new(Mutex::new(BTreeSet::new())));
        let mark = home.as_os_str().as_encoded_bytes().to_vec();
        let (over, found) = (Arc::clone(&stop), Arc::clone(&seen));
        let thread = std::thread::spawn(move || {
            while !over.load(Ordering::Relaxed) {
                for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
                    let ours = fs::read(entry.path().join("environ"))
                        .is_ok_and(|environ| environ.windows(mark.len()).any(|window| window == mark));
                    if let (true, Ok(words)) = (ours, fs::read(entry.path().join("cmdline"))) {
                        found.lock().unwrap().insert(words);
                    }
                }
                std::thread::yield_now();
                std::thread::park_timeout(std::time::Duration::from_millis(5));
            }
        });
        Self { stop, seen, thread: Some(thread) }
    }

    /// Whether some command line held this so far.
    pub(crate) fn has_seen(&self, text: &str) -> bool {
        let has = |words: &Vec<u8>| String::from_utf8_lossy(words).contains(text);
        self.seen.lock().unwrap().iter().any(has)
    }

    /// The command lines that were seen.
    pub(crate) fn end(mut self) -> Vec<Vec<u8>> {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            thread.join().unwrap();
        }
        self.seen.lock().unwrap().iter().cloned().collect()
    }
}
