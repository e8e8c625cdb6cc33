//! The sandbox's control endpoints seen from outside: the clock that kubewright's own waits follow, `show`, `reset`.

use super::{
    SandboxError,
    clock::{Reading, Sleep, Speed},
    control::Reset,
    hub::{Wall, nap},
};
use crate::model::doc::SandboxShow;
use jiff::Timestamp;
use serde::{Serialize, de::DeserializeOwned};
use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

/// Talks to a server's control endpoints.
#[derive(Debug, Clone)]
pub struct Control {
    base: String,
    http: reqwest::Client,
}

impl Control {
    /// For a server at this address, `http://127.0.0.1:4711`.
    ///
    /// # Errors
    /// No HTTP client can be made.
    pub fn new(aws_url: &str) -> Result<Self, SandboxError> {
        let http = reqwest::Client::builder().no_proxy().build();
        let http = http.map_err(|error| SandboxError::Control(error.to_string()))?;
        Ok(Self { base: format!("{}/_sandbox", aws_url.trim_end_matches('/')), http })
    }

    async fn answer<T: DeserializeOwned>(request: reqwest::RequestBuilder) -> Result<T, SandboxError> {
        let fail = |error: reqwest::Error| SandboxError::Control(error.to_string());
        let response = request.send().await.map_err(fail)?;
        let status = response.status();
        let text = response.text().await.map_err(fail)?;
        if !status.is_success() {
            return Err(SandboxError::Control(format!("{status}: {text}")));
        }
        serde_json::from_str(&text).map_err(|error| SandboxError::Control(error.to_string()))
    }

    async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, SandboxError> {
        Self::answer(self.http.get(format!("{}/{path}", self.base))).await
    }

    async fn post<T: DeserializeOwned>(&self, path: &str, body: &impl Serialize) -> Result<T, SandboxError> {
        Self::answer(self.http.post(format!("{}/{path}", self.base)).json(body)).await
    }

    /// Reads the clock.
    ///
    /// # Errors
    /// The server cannot be reached.
    pub async fn reading(&self) -> Result<Reading, SandboxError> {
        self.get("clock").await
    }

    /// The whole world.
    ///
    /// # Errors
    /// The server cannot be reached.
    pub async fn show(&self) -> Result<SandboxShow, SandboxError> {
        self.get("show").await
    }

    /// A new world and new faults.
    ///
    /// # Errors
    /// The server cannot be reached, or refuses the faults.
    pub async fn reset(&self, reset: &Reset) -> Result<(), SandboxError> {
        self.post::<serde_json::Value>("reset", reset).await.map(|_| ())
    }
}

/// Virtual time as a client sees it. `env.rs` makes an `engine::Clock` of it.
pub struct ClockClient {
    control: Control,
    wall: Wall,
    known: Mutex<Known>,
}

/// The last reading, and the wall's time then.
#[derive(Debug, Clone, Copy)]
struct Known {
    reading: Reading,
    wall: Timestamp,
}

impl ClockClient {
    /// Reads the clock at this address (`KUBEWRIGHT_SANDBOX_CLOCK`).
    ///
    /// # Errors
    /// The server cannot be reached.
    pub async fn connect(clock_url: &str, wall: Wall) -> Result<Self, SandboxError> {
        let control = Control::new(clock_url.trim_end_matches("/_sandbox/clock"))?;
        let reading = control.reading().await?;
        let known = Mutex::new(Known { reading, wall: wall() });
        Ok(Self { control, wall, known })
    }

    fn known(&self) -> std::sync::MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Virtual now, from the last reading and the wall's time since.
    pub fn now(&self) -> Timestamp {
        let known = *self.known();
        let real = Duration::try_from((self.wall)().duration_since(known.wall)).unwrap_or(Duration::ZERO);
        let flowed = real.saturating_mul(known.reading.speed.flow());
        known.reading.now.saturating_add(flowed).unwrap_or(Timestamp::MAX)
    }

    /// Waits for a virtual span. At a fixed speed that is a real wait; under `max` the server says when. When the
    /// server is gone it is a real wait as well: the next call will find out.
    pub async fn sleep(&self, span: Duration) {
        let speed = self.known().reading.speed;
        if speed == Speed::Max {
            let until = self.now().saturating_add(span).unwrap_or(Timestamp::MAX);
            let sleep = Sleep { until: Some(until), ms: None };
            if let Ok(reading) = self.control.post::<Reading>("clock/sleep", &sleep).await {
                let wall = (self.wall)();
                let mut known = self.known();
                if reading.now > known.reading.now {
                    *known = Known { reading, wall };
                }
                return;
            }
        }
        nap(span / speed.flow()).await;
    }
}

impl std::fmt::Debug for ClockClient {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ClockClient").field("known", &*self.known()).finish_non_exhaustive()
    }
}
