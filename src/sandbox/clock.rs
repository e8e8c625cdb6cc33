//! Virtual time: the sandbox's clock, which runs faster than the wall's, and the client's view of it.
//!
//! Cluster builds take their usual minutes of virtual time. Signatures and token lifetimes never use this clock.
//! Under [`Speed::Max`] time flows at the default speed while anybody works, and jumps when everybody known is asleep.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr, time::Duration};
use tokio::time::Instant;

/// How much faster than the wall virtual time flows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Speed {
    /// So many times.
    Times(u32),
    /// As fast as the sleepers allow.
    Max,
}

impl Speed {
    /// What is used when nobody says.
    pub const DEFAULT: Self = Self::Times(20);

    /// How fast time flows between jumps.
    pub const fn flow(self) -> u32 {
        match self {
            Self::Times(n) => n,
            Self::Max => 20,
        }
    }
}

impl FromStr for Speed {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "max" => Ok(Self::Max),
            number => match number.parse() {
                Ok(n @ 1..=100_000) => Ok(Self::Times(n)),
                _ => Err(format!("a speed is 1 to 100000 or `max`, not `{text}`")),
            },
        }
    }
}

impl TryFrom<String> for Speed {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Speed> for String {
    fn from(speed: Speed) -> Self {
        speed.to_string()
    }
}

impl fmt::Display for Speed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Times(n) => write!(f, "{n}"),
            Self::Max => f.write_str("max"),
        }
    }
}

/// The running clock of a server.
#[derive(Debug, Clone, Copy)]
pub struct VirtualClock {
    base: Timestamp,
    since: Instant,
    speed: Speed,
}

impl VirtualClock {
    /// Goes on from where the world stood.
    pub fn start(from: Timestamp, speed: Speed) -> Self {
        Self { base: from, since: Instant::now(), speed }
    }

    /// Its speed.
    pub const fn speed(&self) -> Speed {
        self.speed
    }

    /// Virtual now.
    pub fn now(&self) -> Timestamp {
        let real = self.since.elapsed();
        self.base.saturating_add(real.saturating_mul(self.speed.flow())).unwrap_or(Timestamp::MAX)
    }

    /// Real time until this virtual time is reached by flowing.
    pub fn real_until(&self, at: Timestamp) -> Duration {
        let virtual_span = Duration::try_from(at.duration_since(self.now())).unwrap_or(Duration::ZERO);
        virtual_span / self.speed.flow()
    }

    /// Moves forward to this time; never backward.
    pub fn jump(&mut self, to: Timestamp) {
        if to > self.now() {
            *self = Self { base: to, since: Instant::now(), speed: self.speed };
        }
    }
}

/// What the clock endpoint answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Reading {
    /// Virtual now.
    pub now: Timestamp,
    /// Speed.
    pub speed: Speed,
}

/// What the sleep endpoint takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Sleep {
    /// Until this virtual time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
    /// Or for so many virtual milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ms: Option<u64>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn time_flows_scaled_and_jumps_forward_only() {
        let start: Timestamp = "2026-01-01T00:00:00Z".parse().expect("valid");
        let mut clock = VirtualClock::start(start, Speed::Times(20));
        tokio::time::advance(Duration::from_secs(3)).await;
        assert_eq!(clock.now(), start + Duration::from_secs(60));
        assert_eq!(clock.real_until(start + Duration::from_secs(100)), Duration::from_secs(2));
        clock.jump(start);
        assert_eq!(clock.now(), start + Duration::from_secs(60));
        clock.jump(start + Duration::from_secs(600));
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(clock.now(), start + Duration::from_secs(620));
    }

    #[test]
    fn speeds_read() {
        assert_eq!("max".parse(), Ok(Speed::Max));
        assert_eq!("20".parse(), Ok(Speed::Times(20)));
        assert!("0".parse::<Speed>().is_err() && "fast".parse::<Speed>().is_err());
    }
}
