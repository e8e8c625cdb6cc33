//! Planned misfortune: which calls fail, how, and how often that has happened.
//!
//! `ec2:CreateNatGateway=lost-reply@1,eks:*=throttle:5%,*:mutating=hold-before@17,seed=7`. A rule names a service and an
//! operation (either may be `*`; `mutating` and `reads` name classes), a fault, a share or a span after colons, and after
//! `@` which matching call it hits (`@3`, `@3-5`, `@3-`: from the third on). Without share or `@` it hits every one. Counters live as long as the server.

use serde::Serialize;
use std::time::Duration;

/// What goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Answered with the vendor's internal error; nothing happened.
    ErrorBefore,
    /// It happened, but the answer is the vendor's internal error.
    ErrorAfter,
    /// It happened, and the connection is dropped.
    LostReply,
    /// Answered with the vendor's throttling error; nothing happened.
    Throttle,
    /// Answered late, by this real span.
    Delay(Duration),
    /// Answered with the vendor's capacity error; nothing happened.
    Capacity,
    /// The connection is dropped; nothing happened.
    Drop,
    /// Described in a control file and held, before anything happens.
    HoldBefore,
    /// Described in a control file and held, after it happened.
    HoldAfter,
    /// It happens, but what it made ends in the vendor's failed state after its usual time: control planes, node
    /// groups, add-ons, NAT gateways. Calls that make nothing of the kind are not touched by it.
    FailLater,
    /// Answered with the vendor's error for credentials whose time is over; nothing happened.
    Expired,
}

impl Fault {
    fn parse(word: &str, span: Option<Duration>) -> Option<Self> {
        Some(match word {
            "error-before" => Self::ErrorBefore,
            "error-after" => Self::ErrorAfter,
            "lost-reply" => Self::LostReply,
            "throttle" => Self::Throttle,
            "delay" => Self::Delay(span.unwrap_or(Duration::from_secs(1))),
            "capacity" => Self::Capacity,
            "drop" => Self::Drop,
            "hold-before" => Self::HoldBefore,
            "hold-after" => Self::HoldAfter,
            "fail-later" => Self::FailLater,
            "expired" => Self::Expired,
            _ => return None,
        })
    }
}

/// A rule with its counters.
#[derive(Debug, Clone)]
struct Rule {
    text: String,
    service: String,
    op: String,
    fault: Fault,
    share: Option<f64>,
    hits: Option<(u64, u64)>,
    seen: u64,
    fired: u64,
}

/// What a rule did so far.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, serde::Deserialize)]
pub struct Fired {
    /// The rule as written.
    pub spec: String,
    /// How often it struck.
    pub fired: u64,
}

/// All rules of a server.
#[derive(Debug, Clone, Default)]
pub struct Faults {
    rules: Vec<Rule>,
    seed: u64,
    draws: u64,
}

/// Why a fault description was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("fault `{rule}` {why}")]
pub struct FaultError {
    rule: String,
    why: &'static str,
}

impl Faults {
    /// Reads a description; an empty one has no faults.
    pub fn parse(text: &str) -> Result<Self, FaultError> {
        let mut faults = Self::default();
        for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
            let refuse = |why| FaultError { rule: part.to_owned(), why };
            let (left, right) = part.split_once('=').ok_or_else(|| refuse("has no `=`"))?;
            if left == "seed" {
                faults.seed = right.parse().map_err(|_| refuse("needs a whole number"))?;
                continue;
            }
            faults.rules.push(Rule::parse(part, left, right).map_err(refuse)?);
        }
        Ok(faults)
    }

    /// What strikes this call, in the order of the rules; every matching rule counts it.
    pub fn strike(&mut self, service: &str, op: &str, mutating: bool) -> Vec<Fault> {
        let mut struck = Vec::new();
        for rule in &mut self.rules {
            if !rule.matches(service, op, mutating) {
                continue;
            }
            rule.seen += 1;
            let in_turn = rule.hits.is_none_or(|(from, to)| (from..=to).contains(&rule.seen));
            let by_chance = match rule.share {
                None => true,
                Some(share) => {
                    self.draws += 1;
                    draw(self.seed, self.draws) < share
                }
            };
            if in_turn && by_chance {
                rule.fired += 1;
                struck.push(rule.fault);
            }
        }
        struck
    }

    /// What fired.
    pub fn fired(&self) -> Vec<Fired> {
        self.rules.iter().map(|rule| Fired { spec: rule.text.clone(), fired: rule.fired }).collect()
    }
}

impl Rule {
    fn parse(text: &str, left: &str, right: &str) -> Result<Self, &'static str> {
        let (service, op) = left.split_once(':').ok_or("needs service:Operation before the `=`")?;
        if service.is_empty() || op.is_empty() {
            return Err("needs service:Operation before the `=`");
        }
        let (right, hits) = match right.split_once('@') {
            None => (right, None),
            Some((right, range)) => {
                let (from, to) = range.split_once('-').unwrap_or((range, range));
                let number = |text: &str| text.parse::<u64>().ok().filter(|n| *n > 0);
                let last = if to.is_empty() { Some(u64::MAX) } else { number(to) };
                let range = number(from).zip(last).filter(|(from, to)| from <= to);
                (right, Some(range.ok_or("needs a count from 1 after the `@`")?))
            }
        };
        let mut words = right.split(':');
        let name = words.next().unwrap_or_default();
        let (mut share, mut span) = (None, None);
        for word in words {
            if let Some(percent) = word.strip_suffix('%') {
                let percent: f64 = percent.parse().map_err(|_| "has a bad percentage")?;
                if !(0.0..=100.0).contains(&percent) {
                    return Err("has a percentage outside 0 to 100");
                }
                share = Some(percent / 100.0);
            } else if let Some(millis) = word.strip_suffix("ms") {
                span = Some(Duration::from_millis(millis.parse().map_err(|_| "has a bad span")?));
            } else {
                span = Some(crate::model::time::parse_span(word).map_err(|_| "has a bad share or span")?);
            }
        }
        let fault = Fault::parse(name, span).ok_or("names no fault this sandbox knows")?;
        if span.is_some() && !matches!(fault, Fault::Delay(_)) {
            return Err("takes no span");
        }
        // As kubectl's users say it.
        let service = if service == "k8s" { "kubernetes" } else { service };
        let (service, op) = (service.to_owned(), op.to_owned());
        Ok(Self { text: text.to_owned(), service, op, fault, share, hits, seen: 0, fired: 0 })
    }

    fn matches(&self, service: &str, op: &str, mutating: bool) -> bool {
        let service_fits = self.service == "*" || self.service == service;
        let op_fits = match self.op.as_str() {
            "*" => true,
            "mutating" => mutating,
            "reads" => !mutating,
            pattern => match pattern.strip_suffix('*') {
                Some(prefix) => op.starts_with(prefix),
                // Google's methods may be named by their last two words, without the path before them.
                None => pattern == op || op.strip_suffix(pattern).is_some_and(|path| path.ends_with('.')),
            },
        };
        service_fits && op_fits
    }
}

/// A number in `[0, 1)` that depends on seed and position only.
fn draw(seed: u64, position: u64) -> f64 {
    let mut z = seed.wrapping_add(position.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documented_example_reads_and_strikes() {
        let text = "ec2:CreateNatGateway=lost-reply@1,eks:*=throttle:5%,*:mutating=hold-before@2,seed=7";
        let mut faults = Faults::parse(text).expect("valid");
        assert_eq!(faults.strike("ec2", "CreateNatGateway", true), [Fault::LostReply]);
        assert_eq!(faults.strike("ec2", "CreateNatGateway", true), [Fault::HoldBefore]);
        assert_eq!(faults.strike("ec2", "CreateNatGateway", true), []);
        let throttled = (0..1000).filter(|_| !faults.strike("eks", "ListClusters", false).is_empty()).count();
        assert!((20..=90).contains(&throttled), "{throttled} of 1000 at 5%");
        assert_eq!(faults.fired()[0], Fired { spec: "ec2:CreateNatGateway=lost-reply@1".to_owned(), fired: 1 });
    }

    #[test]
    fn the_same_seed_strikes_the_same_calls() {
        let pattern = |seed: u64| {
            let mut faults = Faults::parse(&format!("*:*=drop:50%,seed={seed}")).expect("valid");
            (0..64).map(|_| faults.strike("s", "Op", false).len()).collect::<Vec<_>>()
        };
        assert_eq!(pattern(3), pattern(3));
        assert_ne!(pattern(3), pattern(4));
    }

    #[test]
    fn spans_ranges_and_classes() {
        let mut faults = Faults::parse("iam:Get*=delay:250ms@2-3, *:reads=error-before").expect("valid");
        assert_eq!(faults.strike("iam", "GetRole", false), [Fault::ErrorBefore]);
        let delay = Fault::Delay(Duration::from_millis(250));
        assert_eq!(faults.strike("iam", "GetUser", false), [delay, Fault::ErrorBefore]);
        assert_eq!(faults.strike("iam", "CreateRole", true), []);
        let mut faults = Faults::parse("container:clusters.create=drop").expect("valid");
        assert_eq!(faults.strike("container", "projects.locations.clusters.create", true), [Fault::Drop]);
        assert_eq!(faults.strike("container", "projects.locations.otherclusters.create", true), []);
        let mut faults = Faults::parse("*:*=expired@2-,eks:CreateCluster=fail-later@1").expect("valid");
        assert_eq!(faults.strike("eks", "CreateCluster", true), [Fault::FailLater]);
        assert_eq!(faults.strike("eks", "CreateCluster", true), [Fault::Expired]);
        assert_eq!(faults.strike("ec2", "DescribeVpcs", false), [Fault::Expired]);
        for bad in [
            "x",
            "ec2=drop",
            "ec2:X=nope",
            "ec2:X=drop@0",
            "ec2:X=drop:200%",
            "ec2:X=drop:3s",
            "seed=x",
            ":X=drop",
            "ec2:X=drop@-3",
        ] {
            assert!(Faults::parse(bad).is_err(), "{bad}");
        }
    }
}
