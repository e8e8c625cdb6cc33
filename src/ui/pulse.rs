//! A sign of life where nothing else is said for a while.

use std::{sync::mpsc, time::Duration};

/// Log collectors give up on silence after a minute or more; 20 of the promised 30 s leave room for a slow machine.
const SILENCE: Duration = Duration::from_secs(20);

/// Beats until it is dropped.
pub(super) struct Pulse(mpsc::Sender<()>);

impl Pulse {
    /// Calls `beat` after every silence.
    pub(super) fn new(beat: impl Fn() + Send + 'static) -> Self {
        let (said, silence) = mpsc::channel();
        std::thread::spawn(move || {
            loop {
                match silence.recv_timeout(SILENCE) {
                    Ok(()) => {}
                    Err(mpsc::RecvTimeoutError::Timeout) => beat(),
                    Err(mpsc::RecvTimeoutError::Disconnected) => return,
                }
            }
        });
        Self(said)
    }

    /// Something was said: silence begins anew.
    pub(super) fn said(&self) {
        // The thread outlives every sender only for a moment; a lost reset costs one extra beat.
        let _ = self.0.send(());
    }
}
