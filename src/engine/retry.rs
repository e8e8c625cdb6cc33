//! When to try again: by class, with full jitter, on the injected clock. Only the engine retries.

use super::{ErrorClass, StepError};
use jiff::{SignedDuration, Timestamp};
use std::time::Duration;

/// The moment `span` after `at`.
pub(super) fn later(at: Timestamp, span: Duration) -> Timestamp {
    SignedDuration::try_from(span).ok().and_then(|span| at.checked_add(span).ok()).unwrap_or(Timestamp::MAX)
}

/// How long ago `then` was; zero where a clock went backwards.
pub(super) fn since(then: Timestamp, now: Timestamp) -> Duration {
    Duration::try_from(now.duration_since(then)).unwrap_or_default()
}

/// A repeat that comes so much later than it was meant to: the machine was asleep.
const ASLEEP: Duration = Duration::from_secs(600);
/// A call that takes longer than that by itself must not look like sleep for ever.
const NIGHTS: u32 = 3;

/// How much time spent on being told to slow down a deadline gets back: a cloud that says nothing else has to be told of
/// some day.
const THROTTLED_MAX: Duration = Duration::from_secs(3_600);

/// The repeats of one call.
#[derive(Debug, Default)]
pub(super) struct Backoff {
    attempts: u32,
    rough_since: Option<Timestamp>,
    /// When the next attempt is to be made.
    due: Option<Timestamp>,
    nights: u32,
    doubtful_since: Option<Timestamp>,
    /// The last answer was to slow down: since when its repeat is waited for.
    throttled_since: Option<Timestamp>,
    throttled: Duration,
}

impl Backoff {
    /// How much of the time so far was spent on being told to slow down; never more than [`THROTTLED_MAX`].
    pub(super) fn throttled(&self) -> Duration {
        self.throttled.min(THROTTLED_MAX)
    }

    /// How often it failed so far.
    pub(super) const fn attempts(&self) -> u32 {
        self.attempts
    }

    /// How long to wait after `error`, or none when trying again is over: the class forbids it, the deadline has
    /// passed, or the network alone was at fault for longer than `transient_for`. `bits` are random.
    ///
    /// A deadline is judged by an answer. A network that fails gives none, and on a machine that wakes it fails first
    /// of all: a deadline that passed before the failures began, or during sleep, waits for them to end. Being told to
    /// slow down is no answer to what was asked either: the time it takes does not count.
    pub(super) fn next(
        &mut self,
        error: &StepError,
        now: Timestamp,
        deadline: Timestamp,
        transient_for: Duration,
        bits: u64,
    ) -> Option<Duration> {
        if !error.class.is_retried() {
            return None;
        }
        if self.nights < NIGHTS && self.due.is_some_and(|due| since(due, now) > ASLEEP) {
            self.nights += 1;
            self.rough_since = None;
            self.doubtful_since = None;
        }
        if let Some(then) = self.throttled_since.take() {
            self.throttled += since(then, now);
        }
        if error.class == ErrorClass::Throttled {
            self.throttled_since = Some(now);
        }
        let deadline = later(deadline, self.throttled());
        let over = if error.class == ErrorClass::Transient {
            let began = *self.rough_since.get_or_insert(now);
            since(began, now) >= transient_for || (began < deadline && now >= deadline)
        } else {
            self.rough_since = None;
            now >= deadline
        };
        if over {
            return None;
        }
        // What heals soon or never: the first such refusal starts the time that it has.
        if let Some(span) = error.retry_for
            && since(*self.doubtful_since.get_or_insert(now), now) >= span
        {
            return None;
        }
        let (base, cap) = match error.class {
            ErrorClass::Throttled => (1.0, 30.0),
            ErrorClass::NotYet => (1.0, 10.0),
            _ => (0.5, 20.0),
        };
        let ceiling = f64::min(cap, base * 2_f64.powi(self.attempts.min(16).cast_signed()));
        self.attempts += 1;
        // Full jitter spreads callers best; the small floor keeps an unlucky draw from hammering.
        let fraction = (bits >> 11) as f64 / (1_u64 << 53) as f64;
        let drawn = Duration::from_secs_f64(0.05 + ceiling * fraction);
        let wanted = drawn.max(error.retry_after.unwrap_or_default());
        // One last attempt at the deadline itself, unless the cloud asked for more patience than there is.
        let wait = if now < deadline { wanted.min(since(now, deadline)) } else { wanted };
        let wait = wait.max(Duration::from_millis(1));
        self.due = Some(later(now, wait));
        Some(wait)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(class: ErrorClass) -> StepError {
        StepError::new(class, "KW-TEST", "no")
    }

    #[test]
    fn only_some_classes_are_tried_again_and_never_past_the_deadline() {
        let now = Timestamp::UNIX_EPOCH;
        let deadline = later(now, Duration::from_secs(60));
        for class in [
            ErrorClass::Transient,
            ErrorClass::Throttled,
            ErrorClass::NotYet,
            ErrorClass::Conflict,
            ErrorClass::Auth,
            ErrorClass::Quota,
            ErrorClass::Capacity,
            ErrorClass::Permanent,
        ] {
            let wait = Backoff::default().next(&error(class), now, deadline, Duration::MAX, 7);
            assert_eq!(wait.is_some(), class.is_retried(), "{class:?}");
            let late = Backoff::default().next(&error(class), deadline, deadline, Duration::MAX, 7);
            assert_eq!(late.is_some(), class == ErrorClass::Transient, "{class:?}: only an answer is judged");
        }
    }

    #[test]
    fn a_deadline_that_passed_in_sleep_is_not_judged_by_a_network_that_is_not_up_yet() {
        let minutes = |count: u64| Duration::from_secs(count * 60);
        let (start, patience) = (Timestamp::UNIX_EPOCH, minutes(5));
        let deadline = later(start, minutes(30));
        let woken = later(start, minutes(154));
        // The first call after waking fails, and the next one too.
        let mut fresh = Backoff::default();
        let wait = fresh.next(&error(ErrorClass::Transient), woken, deadline, patience, 7).expect("tried again");
        assert!(wait >= Duration::from_millis(50), "no hammering: {wait:?}");
        assert!(fresh.next(&error(ErrorClass::Transient), later(woken, wait), deadline, patience, 7).is_some());
        // An answer is judged, and so is a network that stays away.
        assert_eq!(fresh.next(&error(ErrorClass::Transient), later(woken, minutes(5)), deadline, patience, 7), None);
        assert_eq!(fresh.next(&error(ErrorClass::NotYet), later(woken, minutes(1)), deadline, patience, 7), None);
        // The lid closed while a failed call waited for its repeat: what failed before is old news.
        let mut asleep = Backoff::default();
        assert!(asleep.next(&error(ErrorClass::Transient), later(start, minutes(1)), deadline, patience, 7).is_some());
        assert!(asleep.next(&error(ErrorClass::Transient), woken, deadline, patience, 7).is_some());
        // Without sleep the deadline ends a rough patch that began before it.
        let mut awake = Backoff::default();
        let near = later(start, minutes(29));
        assert!(awake.next(&error(ErrorClass::Transient), near, deadline, patience, 7).is_some());
        assert_eq!(awake.next(&error(ErrorClass::Transient), deadline, deadline, patience, 7), None);
    }

    #[test]
    fn slow_calls_do_not_look_like_sleep_for_ever() {
        let mut now = Timestamp::UNIX_EPOCH;
        let deadline = later(now, Duration::from_secs(60));
        let mut backoff = Backoff::default();
        let mut tries = 0;
        while backoff.next(&error(ErrorClass::Transient), now, deadline, Duration::from_secs(300), 7).is_some() {
            now = later(now, Duration::from_secs(1_200));
            tries += 1;
        }
        assert!(tries <= 5, "{tries}");
    }

    #[test]
    fn waits_grow_under_a_cap_and_honour_the_clouds_own_word() {
        let now = Timestamp::UNIX_EPOCH;
        let deadline = later(now, Duration::from_secs(3_600));
        let mut backoff = Backoff::default();
        let waits: Vec<u64> = (0..8)
            .filter_map(|_| backoff.next(&error(ErrorClass::Throttled), now, deadline, Duration::MAX, u64::MAX))
            .map(|wait| wait.as_secs())
            .collect();
        assert_eq!(waits, [1, 2, 4, 8, 16, 30, 30, 30]);
        let mut asked = error(ErrorClass::Throttled);
        asked.retry_after = Some(Duration::from_secs(44));
        assert_eq!(backoff.next(&asked, now, deadline, Duration::MAX, 0), Some(Duration::from_secs(44)));
    }

    #[test]
    fn being_told_to_slow_down_does_not_eat_the_deadline_but_ends_some_day() {
        let start = Timestamp::UNIX_EPOCH;
        let deadline = later(start, Duration::from_secs(60));
        let (mut now, mut backoff) = (start, Backoff::default());
        while let Some(wait) = backoff.next(&error(ErrorClass::Throttled), now, deadline, Duration::MAX, u64::MAX / 2) {
            now = later(now, wait);
        }
        let gave_up = since(start, now);
        assert!(gave_up >= Duration::from_secs(3_600) && gave_up < Duration::from_secs(3_800), "{gave_up:?}");
        // Another answer in between is judged by the time that was really its own.
        let (mut now, mut backoff) = (start, Backoff::default());
        for _ in 0..20 {
            let wait = backoff.next(&error(ErrorClass::Throttled), now, deadline, Duration::MAX, u64::MAX / 2);
            now = later(now, wait.expect("tried again"));
        }
        assert!(since(start, now) > Duration::from_secs(120));
        let wait = backoff.next(&error(ErrorClass::NotYet), now, deadline, Duration::MAX, 7);
        assert!(wait.is_some(), "most of it was not waited for the thing");
        let late = later(now, Duration::from_secs(90));
        assert_eq!(backoff.next(&error(ErrorClass::NotYet), late, deadline, Duration::MAX, 7), None);
    }

    #[test]
    fn what_heals_soon_or_never_is_not_waited_for_until_the_deadline() {
        let mut now = Timestamp::UNIX_EPOCH;
        let deadline = later(now, Duration::from_secs(3_600));
        let mut doubtful = error(ErrorClass::NotYet);
        doubtful.retry_for = Some(Duration::from_secs(180));
        let mut backoff = Backoff::default();
        while let Some(wait) = backoff.next(&doubtful, now, deadline, Duration::MAX, u64::MAX / 2) {
            now = later(now, wait);
        }
        let gave_up = since(Timestamp::UNIX_EPOCH, now);
        assert!(gave_up >= Duration::from_secs(180) && gave_up < Duration::from_secs(200), "{gave_up:?}");
        assert!(Backoff::default().next(&doubtful, now, deadline, Duration::MAX, 7).is_some());
    }

    #[test]
    fn a_dead_network_is_not_waited_for_until_the_deadline() {
        let mut now = Timestamp::UNIX_EPOCH;
        let deadline = later(now, Duration::from_secs(3_600));
        let mut backoff = Backoff::default();
        while let Some(wait) =
            backoff.next(&error(ErrorClass::Transient), now, deadline, Duration::from_secs(100), u64::MAX / 2)
        {
            now = later(now, wait);
        }
        let gave_up = since(Timestamp::UNIX_EPOCH, now);
        assert!(gave_up >= Duration::from_secs(100) && gave_up < Duration::from_secs(130), "{gave_up:?}");
    }
}
