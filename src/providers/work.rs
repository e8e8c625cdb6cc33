//! What every cloud's resolving keeps while it decides: the problems found so far, and which values were defaults.

use crate::engine::{ErrorClass, Residue, StepError};
use crate::model::spec::PoolSpec;
use std::marker::PhantomData;
use std::ops::RangeInclusive;

/// A spec on its way to being decided. `C` tells the clouds apart, each of which adds its own decisions.
pub struct Work<C> {
    /// Everything that stands in the way.
    pub problems: Vec<StepError>,
    /// Paths of the values that nobody gave.
    pub defaults: Vec<String>,
    cloud: PhantomData<C>,
}

impl<C> Default for Work<C> {
    fn default() -> Self {
        Self { problems: Vec::new(), defaults: Vec::new(), cloud: PhantomData }
    }
}

/// What a cloud takes in one pool.
pub struct PoolLimits {
    /// `EKS`.
    pub whose: &'static str,
    /// `one node group`.
    pub place: &'static str,
    /// Nodes where nobody says how many.
    pub usual: u32,
    /// Most nodes.
    pub nodes: u32,
    /// Sizes of a root disk in GiB.
    pub disk_gib: RangeInclusive<u32>,
}

/// An error before anything was made.
pub fn stop(class: ErrorClass, id: &str, message: impl Into<String>) -> StepError {
    StepError::new(class, id, message).with_residue(Residue::None)
}

impl<C> Work<C> {
    /// One more problem.
    pub fn problem(&mut self, id: &str, message: impl Into<String>) {
        self.problems.push(stop(ErrorClass::Permanent, id, message));
    }

    /// One more, with what to do about it.
    pub fn hinted(&mut self, id: &str, message: impl Into<String>, hint: impl Into<String>) {
        self.problems.push(stop(ErrorClass::Permanent, id, message).with_hint(hint));
    }

    /// Something cannot be chosen, because it cannot be known what there is: the cloud's refusal if that is why, else
    /// `message`.
    pub fn unknown(&mut self, id: &str, refusal: Option<&StepError>, message: &str, hint: &str) {
        match refusal {
            Some(refusal) => self.problems.push(refusal.clone().with_hint(format!("or {hint}"))),
            None => self.hinted(id, message, hint),
        }
    }

    /// Whether a pool's counts and the size of its disk can be had.
    pub fn pool_numbers(&mut self, pool: &PoolSpec, limits: &PoolLimits) {
        let name = &pool.name;
        let PoolLimits { whose, place, usual, nodes, disk_gib } = limits;
        let (min, count, max) = pool.sizes().unwrap_or((*usual, *usual, *usual));
        if min > max {
            self.problem("KW-SPEC", format!("pool `{name}`: min {min} is more than max {max}"));
        } else if !(min..=max).contains(&count) {
            self.problem("KW-SPEC", format!("pool `{name}`: count {count} is not between min {min} and max {max}"));
        } else if max == 0 {
            self.problem("KW-SPEC", format!("pool `{name}` has no nodes"));
        } else if max > *nodes {
            self.problem("KW-SPEC", format!("pool `{name}`: {max} nodes, {whose} takes {nodes} in {place}"));
        }
        if let Some(disk) = pool.disk_gib.filter(|disk| !disk_gib.contains(disk)) {
            let (least, most) = (disk_gib.start(), disk_gib.end());
            self.problem("KW-SPEC", format!("pool `{name}`: a disk has {least} to {most} GiB, not {disk}"));
        }
    }

    /// The value, or the default, which is then named in the plan.
    pub fn or<T>(&mut self, given: Option<T>, path: &str, default: T) -> T {
        given.unwrap_or_else(|| {
            self.defaults.push(path.to_owned());
            default
        })
    }
}
