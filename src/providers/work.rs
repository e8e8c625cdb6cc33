//! What every cloud's resolving keeps while it decides: the problems found so far, and which values were defaults.

use crate::engine::{ErrorClass, Residue, StepError};
use std::marker::PhantomData;

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

    /// The value, or the default, which is then named in the plan.
    pub fn or<T>(&mut self, given: Option<T>, path: &str, default: T) -> T {
        given.unwrap_or_else(|| {
            self.defaults.push(path.to_owned());
            default
        })
    }
}
