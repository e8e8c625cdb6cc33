//! Calls held in mid-air, so that a harness can kill the caller exactly there.
//!
//! `holds/<n>.json` in the sandbox's directory describes the n-th held call of this server. It stays held until the
//! client goes away (then this future is dropped) or a file `holds/<n>.release` appears.

use super::{
    SandboxError,
    hub::{Call, nap},
};
use crate::store;
use serde_json::json;
use std::{
    path::PathBuf,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

/// Control files are a few hundred bytes.
const LIMIT: u64 = 1 << 20;

/// The directory of control files.
#[derive(Debug)]
pub struct Holds {
    dir: PathBuf,
    count: AtomicU64,
}

impl Holds {
    /// Clears away what an earlier server left.
    ///
    /// # Errors
    /// The directory cannot be used.
    pub fn open(dir: PathBuf) -> Result<Self, SandboxError> {
        store::make_private_dir(&dir)?;
        for n in 1.. {
            let (control, release) = (dir.join(format!("{n}.json")), dir.join(format!("{n}.release")));
            let held = store::read_text_if_there(&control, LIMIT)?.is_some();
            store::remove_if_there(&release)?;
            if !held {
                break;
            }
            store::remove_if_there(&control)?;
        }
        Ok(Self { dir, count: AtomicU64::new(0) })
    }

    /// Describes the call and waits.
    pub async fn hold(&self, call: &Call, phase: &str) {
        let n = self.count.fetch_add(1, Ordering::SeqCst) + 1;
        let control = json!({
            "n": n, "service": call.service, "op": call.op, "mutating": call.mutating, "phase": phase, "request": call.shown,
        });
        if let Err(error) = store::write_private(&self.dir.join(format!("{n}.json")), control.to_string().as_bytes()) {
            tracing::error!(%error, "a held call could not be announced; it goes on");
            return;
        }
        let release = self.dir.join(format!("{n}.release"));
        while !matches!(store::read_text_if_there(&release, LIMIT), Ok(Some(_))) {
            nap(Duration::from_millis(10)).await;
        }
    }
}
