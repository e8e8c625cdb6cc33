//! Colour and the few ways numbers are written. Colour never carries meaning alone.

use jiff::Timestamp;

/// Whether and how to colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Style {
    /// Escape codes are welcome.
    pub color: bool,
}

impl Style {
    fn paint(self, code: &str, text: &str) -> String {
        if self.color { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
    }

    /// For what failed.
    pub fn red(self, text: &str) -> String {
        self.paint("31;1", text)
    }

    /// For what deserves a look.
    pub fn yellow(self, text: &str) -> String {
        self.paint("33;1", text)
    }

    /// For what is well.
    pub fn green(self, text: &str) -> String {
        self.paint("32", text)
    }

    /// For headings.
    pub fn bold(self, text: &str) -> String {
        self.paint("1", text)
    }

    /// For what is by the way.
    pub fn dim(self, text: &str) -> String {
        self.paint("2", text)
    }
}

/// An hourly price: `$0.3338/h`, nothing as `$0.00/h`, unknown as `$?/h`.
pub fn hourly(usd: Option<f64>) -> String {
    match usd {
        None => "$?/h".to_owned(),
        Some(usd) if usd.abs() < 0.000_05 => "$0.00/h".to_owned(),
        Some(usd) => format!("${usd:.4}/h"),
    }
}

/// An hourly price after everything is gone: two digits are enough for nothing.
pub fn hourly_short(usd: Option<f64>) -> String {
    match usd {
        Some(usd) if usd.abs() < 0.005 => "$0.00/h".to_owned(),
        other => hourly(other),
    }
}

/// A time of day with its date only where it is another day.
pub fn moment(at: Timestamp, now: Timestamp) -> String {
    let (day, today) = (at.strftime("%Y-%m-%d").to_string(), now.strftime("%Y-%m-%d").to_string());
    if day == today { at.strftime("%H:%MZ").to_string() } else { at.strftime("%Y-%m-%d %H:%MZ").to_string() }
}

/// Seconds as people say them: `36 s`, `12 min`, `2 h 05 min`.
pub fn about(secs: u64) -> String {
    match secs {
        0..90 => format!("{secs} s"),
        90..5_400 => format!("{} min", (secs + 30) / 60),
        _ => format!("{} h {:02} min", secs / 3_600, secs % 3_600 / 60),
    }
}

/// `1 object`, `2 objects`.
pub fn count(number: usize, noun: &str) -> String {
    if number == 1 { format!("1 {noun}") } else { format!("{number} {noun}s") }
}

/// Text from outside, with control characters made visible so that it cannot drive a terminal.
pub fn plain(text: &str) -> String {
    if text.chars().any(|c| c.is_control() && c != '\n' && c != '\t') {
        text.chars().map(|c| if c.is_control() && c != '\n' && c != '\t' { '\u{fffd}' } else { c }).collect()
    } else {
        text.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_well() {
        assert_eq!(hourly(Some(0.3338)), "$0.3338/h");
        assert_eq!(hourly(Some(0.0)), "$0.00/h");
        assert_eq!(hourly(None), "$?/h");
        assert_eq!(hourly_short(Some(0.0)), "$0.00/h");
        assert_eq!(about(724), "12 min");
        assert_eq!(count(1, "object"), "1 object");
        assert_eq!(plain("a\u{1b}[2Jb"), "a\u{fffd}[2Jb");
    }
}
