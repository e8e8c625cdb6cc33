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
