//! Kubernetes versions that a cloud offers, and which one to take when none is asked for: the same rule in every cloud.

use super::VersionOffer;
use jiff::{Timestamp, tz::TimeZone};

/// Less standard support than this is not worth building on.
pub const MIN_DAYS: i64 = 90;

/// How far its support has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Support {
    /// At the usual price.
    Standard,
    /// At a higher price.
    Extended,
    /// Over.
    Ended,
}

/// One version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version {
    /// `1.35`
    pub name: String,
    /// The cloud takes it when none is named.
    pub default: bool,
    /// Its support now.
    pub support: Support,
    /// When the usual price ends.
    pub standard_ends: Option<Timestamp>,
}

impl Version {
    /// 35 of `1.35`.
    pub fn minor(&self) -> u32 {
        minor(&self.name).unwrap_or_default()
    }

    /// Whole days of standard support left; none when no date is known.
    pub fn days_left(&self, now: Timestamp) -> Option<i64> {
        Some((self.standard_ends?.as_second() - now.as_second()).div_euclid(86_400))
    }

    /// The day standard support ends, `2026-12-02`.
    pub fn ends_on(&self) -> Option<String> {
        Some(self.standard_ends?.to_zoned(TimeZone::UTC).strftime("%Y-%m-%d").to_string())
    }
}

/// 35 of `1.35`.
pub fn minor(name: &str) -> Option<u32> {
    let digits = name.strip_prefix("1.")?;
    (!digits.is_empty() && digits.len() <= 3 && digits.bytes().all(|b| b.is_ascii_digit()))
        .then(|| digits.parse().ok())?
}

/// Versions that a build knows, oldest first: name, whether the cloud takes it when none is named, end of standard support.
///
/// # Panics
/// For a date that is none: the tables are constants.
pub fn dated(known: &[(&str, bool, &str)], now: Timestamp) -> Vec<Version> {
    let version = |(name, default, ends): &(&str, bool, &str)| {
        let ends: Timestamp = ends.parse().expect("a constant");
        let support = if now < ends { Support::Standard } else { Support::Extended };
        Version { name: (*name).to_owned(), default: *default, support, standard_ends: Some(ends) }
    };
    known.iter().map(version).collect()
}

/// The cloud's default if enough standard support remains, else the next that has it, else the newest.
pub fn choose(versions: &[Version], now: Timestamp) -> Option<&Version> {
    let good: Vec<&Version> = versions.iter().filter(|it| it.support == Support::Standard).collect();
    let from = good.iter().find(|it| it.default).map_or(0, |it| it.minor());
    let lasts = |it: &&&Version| it.days_left(now).is_none_or(|days| days >= MIN_DAYS);
    good.iter().filter(|it| it.minor() >= from).find(lasts).or(good.last()).copied()
}

/// Those in standard support, newest first, as whoever chooses sees them.
pub fn offered(all: &[Version], now: Timestamp) -> Vec<VersionOffer> {
    let preferred = choose(all, now).map(|version| version.name.clone());
    let good = all.iter().rev().filter(|version| version.support == Support::Standard);
    good.map(|version| VersionOffer {
        name: version.name.clone(),
        ends: version.ends_on(),
        preferred: preferred.as_ref() == Some(&version.name),
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(name: &str, default: bool, support: Support, ends: &str) -> Version {
        let standard_ends = Some(format!("{ends}T00:00:00Z").parse().unwrap());
        Version { name: name.to_owned(), default, support, standard_ends }
    }

    #[test]
    fn a_default_about_to_expire_is_passed_over() {
        let now = "2026-11-20T12:00:00Z".parse().unwrap();
        let mut all = vec![
            version("1.33", false, Support::Extended, "2026-07-29"),
            version("1.34", true, Support::Standard, "2026-12-02"),
            version("1.35", false, Support::Standard, "2027-03-27"),
            version("1.36", false, Support::Standard, "2027-08-02"),
        ];
        assert_eq!(choose(&all, now).unwrap().name, "1.35");
        assert_eq!(all[1].days_left(now), Some(11));
        assert_eq!(all[1].ends_on().unwrap(), "2026-12-02");
        all.truncate(2);
        assert_eq!(choose(&all, now).unwrap().name, "1.34");
        all.truncate(1);
        assert_eq!(choose(&all, now), None);
    }

    #[test]
    fn versions_are_read_strictly() {
        assert_eq!(minor("1.35"), Some(35));
        for bad in ["1.", "1.35.2", "v1.35", "2.1", "1.x", "latest", "1.12345678901"] {
            assert_eq!(minor(bad), None, "{bad}");
        }
    }
}
