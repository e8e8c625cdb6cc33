//! Spans as users write them: `90s`, `30m`, `8h`, `2d`, `1h30m`.

use super::NameError;
use jiff::{Timestamp, civil::DateTime, tz::TimeZone};
use std::time::Duration;

/// Parses a span of whole units, largest first; zero and overflow are refused.
pub fn parse_span(text: &str) -> Result<Duration, NameError> {
    let refuse = || NameError(format!("`{text}` is not a span; write 90s, 30m, 8h, 2d or 1h30m"));
    let mut rest = text;
    let mut total: u64 = 0;
    let mut last_unit = u64::MAX;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).ok_or_else(refuse)?;
        let number: u64 = rest[..digits].parse().map_err(|_| refuse())?;
        let unit = match rest.as_bytes().get(digits) {
            Some(b's') => 1,
            Some(b'm') => 60,
            Some(b'h') => 3_600,
            Some(b'd') => 86_400,
            _ => return Err(refuse()),
        };
        if unit >= last_unit {
            return Err(refuse());
        }
        last_unit = unit;
        total = number.checked_mul(unit).and_then(|n| total.checked_add(n)).ok_or_else(refuse)?;
        rest = &rest[digits + 1..];
    }
    if total == 0 || total > 3_650 * 86_400 {
        return Err(refuse());
    }
    Ok(Duration::from_secs(total))
}

/// From when on: so long ago, or a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Since {
    /// So long ago.
    Ago(Duration),
    /// A moment.
    At(Timestamp),
}

impl Since {
    /// The moment, seen from `now`.
    pub fn from(self, now: Timestamp) -> Timestamp {
        match self {
            Self::Ago(span) => now.checked_sub(span).unwrap_or(Timestamp::MIN),
            Self::At(at) => at,
        }
    }
}

/// Reads `3h`, `2026-11-20`, `2026-11-20T08:30` (UTC) or a time with its offset.
pub fn parse_since(text: &str) -> Result<Since, NameError> {
    if let Ok(span) = parse_span(text) {
        return Ok(Since::Ago(span));
    }
    let civil = || text.parse::<DateTime>().ok()?.to_zoned(TimeZone::UTC).ok().map(|zoned| zoned.timestamp());
    text.parse::<Timestamp>().ok().or_else(civil).map(Since::At).ok_or_else(|| {
        NameError(format!("`{text}` is neither a span nor a time; write 3h, 2026-11-20 or 2026-11-20T08:30Z"))
    })
}

/// Writes a span the way users write it, to the second: `12m04s`, `2h34m`, `36s`.
pub fn show_span(span: Duration) -> String {
    let secs = span.as_secs();
    match secs {
        0..60 => format!("{secs}s"),
        60..3_600 => format!("{}m{:02}s", secs / 60, secs % 60),
        3_600..86_400 => format!("{}h{:02}m", secs / 3_600, secs % 3_600 / 60),
        _ => format!("{}d{:02}h", secs / 86_400, secs % 86_400 / 3_600),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_read_and_refuse() {
        let at = |text: &str| parse_since(text).map(|since| since.from("2026-11-20T12:00:00Z".parse().unwrap()));
        for (text, want) in [
            ("3h", "2026-11-20T09:00:00Z"),
            ("2026-11-19", "2026-11-19T00:00:00Z"),
            ("2026-11-19T08:30", "2026-11-19T08:30:00Z"),
            ("2026-11-19 08:30", "2026-11-19T08:30:00Z"),
            ("2026-11-19T08:30:01+02:00", "2026-11-19T06:30:01Z"),
            ("2026-11-19T08:30Z", "2026-11-19T08:30:00Z"),
        ] {
            assert_eq!(at(text), Ok(want.parse().unwrap()), "{text}");
        }
        for bad in ["", "yesterday", "2026-13-01", "08:30", "-3h", "2026-11-19T25:00Z"] {
            assert!(at(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn spans_read_and_refuse() {
        assert_eq!(parse_span("1h30m"), Ok(Duration::from_secs(5_400)));
        assert_eq!(parse_span("8h"), Ok(Duration::from_secs(28_800)));
        for bad in ["", "8", "h", "0s", "1m1h", "1.5h", "-1h", "8 h", "99999999999999999999h", "4000d"] {
            assert!(parse_span(bad).is_err(), "{bad:?}");
        }
    }
}
