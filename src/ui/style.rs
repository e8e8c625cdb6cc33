//! Colour and the few ways numbers are written. Colour never carries meaning alone.

use dialoguer::console;
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

/// What stands before a command to paste, in texts that are wrapped.
pub const PASTE: &str = "to do it: ";

/// Lines that are longer than `width` go on below, indented, from a blank on. Commands to paste stay whole.
pub fn wrapped(text: &str, width: usize) -> String {
    const INDENT: &str = "    ";
    let long = |line: &str| console::measure_text_width(line) > width;
    let mut lines = Vec::new();
    for line in text.lines() {
        if !long(line) || line.contains(PASTE) || width < 2 * INDENT.len() {
            lines.push(line.to_owned());
            continue;
        }
        // The blanks at its beginning and between columns stay as they are.
        let mut now = String::new();
        for piece in line.split_inclusive(' ') {
            if !now.trim().is_empty() && long(&format!("{now}{}", piece.trim_end())) {
                lines.push(now.trim_end().to_owned());
                now = INDENT.to_owned();
                if piece.trim().is_empty() {
                    continue;
                }
            }
            now.push_str(piece);
        }
        lines.push(now.trim_end().to_owned());
    }
    lines.join("\n")
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
    fn long_lines_go_on_below_and_lose_nothing() {
        let text = "gp3 disk   100 GiB  plus $0.045/GB; --nat none saves it\nshort\n  to do it: aws ec2 create-tags --resources x";
        assert_eq!(
            wrapped(text, 30),
            "gp3 disk   100 GiB  plus\n    $0.045/GB; --nat none\n    saves it\nshort\n  to do it: aws ec2 create-tags --resources x"
        );
        assert_eq!(wrapped("a-word-that-is-longer-than-the-line", 10), "a-word-that-is-longer-than-the-line");
        for width in [0, 1, 8, 9, 40] {
            let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
            assert_eq!(words(&wrapped(text, width)), words(text), "{width}");
        }
        let bold = Style { color: true }.bold("plan demo:");
        assert_eq!(wrapped(&bold, 10), bold, "colours take no room");
    }

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
