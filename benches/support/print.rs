//! How the benchmarks say what they measured. A budget that is exceeded is said, never a failure: it may be the machine.

/// A heading.
pub fn section(title: &str) {
    println!("\n{title}");
}

/// A number that has no budget.
pub fn row(what: &str, value: f64, unit: &str, remark: &str) {
    let line = format!("  {what:<58} {value:>9.2} {unit:<3} {remark}");
    println!("{}", line.trim_end());
}

/// A number against its budget, and the ratio of the two. What a debug build takes is shown, not judged.
pub fn budget(what: &str, value: f64, unit: &str, limit: f64) {
    let verdict = match value <= limit {
        _ if cfg!(debug_assertions) => "debug build, not judged",
        true => "OK",
        false => "OVER",
    };
    row(what, value, unit, &format!("budget {limit} {unit}, ratio {:.2}: {verdict}", value / limit));
}
