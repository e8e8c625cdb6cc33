//! One token bucket per service, on the injected clock: calls wait their turn instead of being refused.

use super::{Backend, RateLimit, retry::since};
use jiff::Timestamp;
use std::{collections::HashMap, sync::Mutex, time::Duration};

/// The buckets of one run.
#[derive(Default)]
pub(super) struct Limits {
    buckets: Mutex<HashMap<String, Bucket>>,
}

struct Bucket {
    /// What the provider said.
    limit: RateLimit,
    /// What the cloud bears at the moment; slowed by throttling, restored by calls that go through.
    per_second: f64,
    tokens: f64,
    at: Timestamp,
}

/// A provider that states nonsense must not stop a run.
const SLOWEST_PER_SECOND: f64 = 0.05;

impl Limits {
    /// Takes one call's place and says how long to wait for it.
    pub(super) fn take(&self, backend: &dyn Backend, service: &str, now: Timestamp) -> Duration {
        self.with(backend, service, now, |bucket| {
            let gained = since(bucket.at, now).as_secs_f64() * bucket.per_second;
            bucket.tokens = (bucket.tokens + gained).min(f64::from(bucket.limit.burst.max(1)));
            bucket.at = bucket.at.max(now);
            bucket.tokens -= 1.0;
            if bucket.tokens >= 0.0 {
                Duration::ZERO
            } else {
                Duration::try_from_secs_f64(-bucket.tokens / bucket.per_second).unwrap_or(Duration::MAX)
            }
        })
    }

    /// The cloud asked to slow down: half the rate, and nothing saved up.
    pub(super) fn throttled(&self, backend: &dyn Backend, service: &str, now: Timestamp) {
        self.with(backend, service, now, |bucket| {
            let least = (bucket.limit.per_second / 16.0).max(SLOWEST_PER_SECOND);
            bucket.per_second = (bucket.per_second / 2.0).max(least);
            bucket.tokens = bucket.tokens.min(0.0);
        });
    }

    /// A call went through.
    pub(super) fn fine(&self, service: &str) {
        let mut buckets = self.buckets.lock().expect("no holder of this lock can panic");
        if let Some(bucket) = buckets.get_mut(service)
            && bucket.per_second < bucket.limit.per_second
        {
            bucket.per_second = (bucket.per_second * 1.05).min(bucket.limit.per_second);
        }
    }

    fn with<T>(&self, backend: &dyn Backend, service: &str, now: Timestamp, act: impl FnOnce(&mut Bucket) -> T) -> T {
        let mut buckets = self.buckets.lock().expect("no holder of this lock can panic");
        if let Some(bucket) = buckets.get_mut(service) {
            return act(bucket);
        }
        let mut limit = backend.limit(service);
        limit.per_second = limit.per_second.max(SLOWEST_PER_SECOND);
        let bucket = Bucket { limit, per_second: limit.per_second, tokens: f64::from(limit.burst.max(1)), at: now };
        act(buckets.entry(service.to_owned()).or_insert(bucket))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::{AnyStep, Leftover, Observed, PlannedStep, StepError, SweepPoint, Swept, retry::later};
    use crate::model::Stack;
    use std::sync::Arc;

    struct TwoASecond;

    #[async_trait::async_trait]
    impl Backend for TwoASecond {
        fn step(&self, _: &PlannedStep) -> Result<Arc<dyn AnyStep>, StepError> {
            Err(StepError::new(crate::engine::ErrorClass::Permanent, "KW-TEST", "no steps here"))
        }
        async fn sweep(&self, _: &Stack) -> Result<Vec<Swept>, StepError> {
            Ok(Vec::new())
        }
        async fn leftovers(&self, _: &str, _: &Stack, _: &[Observed]) -> Result<Vec<Leftover>, StepError> {
            Ok(Vec::new())
        }
        fn sweep_points(&self, _: &[Swept]) -> Vec<SweepPoint> {
            Vec::new()
        }
        fn limit(&self, _: &str) -> RateLimit {
            RateLimit { per_second: 2.0, burst: 3 }
        }
        fn mutating_calls(&self) -> u64 {
            0
        }
    }

    #[test]
    fn calls_beyond_the_burst_queue_up_at_the_rate_and_slow_down_when_asked() {
        let limits = Limits::default();
        let start = Timestamp::UNIX_EPOCH;
        let take = |now| limits.take(&TwoASecond, "ec2", now).as_millis();
        assert_eq!([take(start), take(start), take(start), take(start), take(start)], [0, 0, 0, 500, 1000]);
        assert_eq!(limits.take(&TwoASecond, "iam", start), Duration::ZERO, "each service has its own");
        let rested = later(start, Duration::from_secs(60));
        assert_eq!([take(rested), take(rested), take(rested), take(rested)], [0, 0, 0, 500], "no more than the burst");
        limits.throttled(&TwoASecond, "ec2", rested);
        assert_eq!(take(rested), 2000, "half the rate");
        (0..40).for_each(|_| limits.fine("ec2"));
        assert_eq!(take(rested), 1500, "and back again");
    }
}
