//! Kind → code: how a plan read from a journal comes to life again. Each cloud has a table of its own.

use crate::engine::{AnyStep, Bound, ErrorClass, PlannedStep, Residue, Step, StepError};
use serde::de::DeserializeOwned;
use std::sync::Arc;

/// Makes the code behind a planned step.
pub type Make<Cx> = fn(&Arc<Cx>, &PlannedStep) -> Result<Arc<dyn AnyStep>, StepError>;

/// The code `S` with the params of a planned step.
///
/// # Errors
/// `Permanent` for params this build does not know.
pub fn bind<S, Cx>(cx: &Arc<Cx>, planned: &PlannedStep) -> Result<Arc<dyn AnyStep>, StepError>
where
    S: Step<Cx> + DeserializeOwned + 'static,
    Cx: Send + Sync + 'static,
{
    let step: S =
        serde_json::from_value(planned.params.clone()).map_err(|err| unreadable(planned, &err.to_string()))?;
    Ok(Arc::new(Bound { cx: Arc::clone(cx), step }))
}

/// The code behind a planned step, by a cloud's table.
///
/// # Errors
/// `Permanent` for a kind or params this build does not know: another version's plan, or an edited journal.
pub fn step<Cx>(
    kinds: &[(&str, Make<Cx>)],
    cx: &Arc<Cx>,
    planned: &PlannedStep,
) -> Result<Arc<dyn AnyStep>, StepError> {
    match kinds.iter().find(|(kind, _)| *kind == planned.kind) {
        Some((_, make)) => make(cx, planned),
        None => Err(unreadable(planned, "this build does not know its kind")),
    }
}

fn unreadable(planned: &PlannedStep, why: &str) -> StepError {
    let message = format!("step `{}` of kind {} cannot be read: {why}", planned.id, planned.kind);
    StepError::new(ErrorClass::Permanent, "KW-PLAN", message)
        .with_residue(Residue::None)
        .with_hint("use the version of kubewright that made the plan")
}
