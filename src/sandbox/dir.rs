//! The sandbox's directory, `$KUBEWRIGHT_HOME/sandbox`: the world's log, its lock, the remembered ports.

use super::{
    SandboxError,
    world::{Birth, Log, NoLog, Settings, VERSION, World},
};
use crate::store::{self, AppendLog, FileLock, Holder, Presence};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::{
    io,
    path::{Path, PathBuf},
};

const LIMIT: u64 = 1 << 16;

/// Where a server listens; kept so that ports stay the same and others find it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Ports {
    /// AWS services and control endpoints, plain.
    pub aws: u16,
    /// Kubernetes API servers, TLS.
    pub kubernetes: u16,
    /// Google's APIs, plain.
    #[serde(default)]
    pub gcp: u16,
    /// Azure Resource Manager and Entra, TLS.
    #[serde(default)]
    pub azure: u16,
}

/// The directory.
#[derive(Debug, Clone)]
pub struct Dir(PathBuf);

impl Dir {
    /// The directory at this path, made if it is not there.
    ///
    /// # Errors
    /// It cannot be made.
    pub fn open(path: impl Into<PathBuf>) -> Result<Self, SandboxError> {
        let path = path.into();
        store::make_private_dir(&path)?;
        Ok(Self(path))
    }

    /// The directory at this path, whether it is there or not.
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }

    /// Its path.
    pub fn path(&self) -> &Path {
        &self.0
    }

    fn log(&self) -> PathBuf {
        self.0.join("world.jsonl")
    }

    /// Takes the server lock; none if another server has it.
    ///
    /// # Errors
    /// The lock file cannot be used.
    pub fn lock(&self, holder: &Holder) -> Result<Option<FileLock>, SandboxError> {
        match FileLock::try_acquire(&self.0.join("server.lock"), holder) {
            Ok(lock) => Ok(Some(lock)),
            Err(error) if matches!(error.kind, store::StoreErrorKind::Locked { .. }) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    fn clients(&self) -> PathBuf {
        self.0.join("clients.lock")
    }

    /// Says that somebody works here; none while the server is stopping.
    ///
    /// # Errors
    /// The lock file cannot be used.
    pub fn enter(&self) -> Result<Option<Presence>, SandboxError> {
        Ok(Presence::enter(&self.clients())?)
    }

    /// Closes the door where nobody works here.
    ///
    /// # Errors
    /// The lock file cannot be used.
    pub fn alone(&self) -> Result<Option<Presence>, SandboxError> {
        Ok(Presence::alone(&self.clients())?)
    }

    /// The remembered ports.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn ports(&self) -> Result<Option<Ports>, SandboxError> {
        let text = store::read_text_if_there(&self.0.join("ports.json"), LIMIT)?;
        Ok(text.and_then(|text| serde_json::from_str(&text).ok()))
    }

    /// Remembers the ports.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn remember(&self, ports: &Ports) -> Result<(), SandboxError> {
        let text = serde_json::to_string(ports).expect("ports are numbers");
        Ok(store::write_private(&self.0.join("ports.json"), text.as_bytes())?)
    }

    /// Opens the world for writing, compacted; born now if there is none. The caller holds the lock.
    ///
    /// # Errors
    /// The log cannot be used, is damaged or newer.
    pub fn open_world(&self, birth: impl FnOnce() -> Birth) -> Result<World, SandboxError> {
        let (log, lines) = AppendLog::open(&self.log())?;
        let disk = Box::new(DiskLog { path: self.log(), log, waiting: Vec::new() });
        if lines.lines.is_empty() {
            return Ok(World::create(birth(), disk)?);
        }
        let mut world = World::read(&lines.lines, disk)?;
        world.compact()?;
        Ok(world)
    }

    /// A new world in place of the old one. The caller holds the lock, or is the server that does.
    ///
    /// # Errors
    /// The log cannot be written.
    pub fn new_world(&self, birth: Birth) -> Result<World, SandboxError> {
        let (log, _) = AppendLog::open(&self.log())?;
        Ok(World::create(birth, Box::new(DiskLog { path: self.log(), log, waiting: Vec::new() }))?)
    }

    /// Looks at the world without owning it; none if there is none.
    ///
    /// # Errors
    /// The log is damaged or newer.
    pub fn look(&self) -> Result<Option<World>, SandboxError> {
        match store::read_lines(&self.log()) {
            Ok(lines) if lines.lines.is_empty() => Ok(None),
            Ok(lines) => Ok(Some(World::read(&lines.lines, Box::new(NoLog))?)),
            Err(error) if error.kind == store::StoreErrorKind::NotFound => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}

/// A world born at this instant, from these bits.
pub fn birth(bits: u64, seed: Option<u64>, now: Timestamp, settings: Settings) -> Birth {
    let seed = seed.unwrap_or(bits & 0xffff_ffff);
    let epoch = Timestamp::from_second(now.as_second()).unwrap_or(now);
    Birth { version: VERSION, id: format!("{:08x}", bits >> 32), seed, epoch, settings }
}

/// The world's log on disk. What need not be durable at once waits in memory for the next line that must.
struct DiskLog {
    path: PathBuf,
    log: AppendLog,
    waiting: Vec<String>,
}

impl Log for DiskLog {
    fn append(&mut self, line: &str, sync: bool) -> io::Result<()> {
        self.waiting.push(line.to_owned());
        if sync {
            let lines = std::mem::take(&mut self.waiting);
            self.log.append_all(lines.iter().map(String::as_bytes)).map_err(io::Error::other)?;
        }
        Ok(())
    }

    fn replace(&mut self, lines: &[String]) -> io::Result<()> {
        self.waiting.clear();
        let text: String = lines.iter().flat_map(|line| [line.as_str(), "\n"]).collect();
        store::write_private(&self.path, text.as_bytes()).map_err(io::Error::other)?;
        (self.log, _) = AppendLog::open(&self.path).map_err(io::Error::other)?;
        Ok(())
    }
}
