//! Virtual time on tokio's paused clock. A snapshot of a world goes on later from its own moment.

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use kubewright::engine::Clock;
use std::{sync::Mutex, time::Duration};
use tokio::time::Instant;

pub struct VirtualClock {
    base: Timestamp,
    origin: Instant,
    /// A lid that is closed during the next sleep that lasts at least this long, and for how long.
    lid: Mutex<Option<(Duration, Duration)>>,
    asleep: Mutex<Duration>,
}

impl VirtualClock {
    /// A clock that shows `base` now.
    pub fn at(base: Timestamp) -> Self {
        Self { base, origin: Instant::now(), lid: Mutex::default(), asleep: Mutex::default() }
    }

    pub fn close_lid(&self, during: Duration, for_span: Duration) {
        *self.lid.lock().unwrap() = Some((during, for_span));
    }
}

#[async_trait]
impl Clock for VirtualClock {
    fn now(&self) -> Timestamp {
        let passed = self.origin.elapsed() + *self.asleep.lock().unwrap();
        self.base + SignedDuration::try_from(passed).expect("tests are short")
    }

    async fn sleep(&self, span: Duration) {
        tokio::time::sleep(span).await;
        let mut lid = self.lid.lock().unwrap();
        if let Some((during, closed)) = *lid
            && span >= during
        {
            *self.asleep.lock().unwrap() += closed;
            *lid = None;
        }
    }
}
