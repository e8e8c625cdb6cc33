//! What flows between steps: typed outputs of one, named as inputs in the params of another.
//!
//! An [`Input`] is a literal or a reference to an output. References are visible in the serialised params,
//! so a plan's `needs` follow from them and a fresh process can resolve them from the journal.

use super::{ErrorClass, Residue, StepError, StepId};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::Value;
use std::{collections::BTreeMap, marker::PhantomData};

/// One step's outputs: field → value. Journalled with `Ready`; never a secret in here.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Outputs(pub BTreeMap<String, Value>);

impl Outputs {
    /// No outputs.
    pub fn new() -> Self {
        Self::default()
    }

    /// With one more field.
    #[must_use]
    pub fn with<T: Serialize>(mut self, key: OutputKey<T>, value: &T) -> Self {
        let value = serde_json::to_value(value).expect("outputs are plain strings, numbers and lists of them");
        self.0.insert(key.field.to_owned(), value);
        self
    }
}

/// Names a field of a step's outputs and fixes its type.
#[derive(Debug)]
pub struct OutputKey<T> {
    field: &'static str,
    of: PhantomData<fn() -> T>,
}

impl<T> Clone for OutputKey<T> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<T> Copy for OutputKey<T> {}

impl<T> OutputKey<T> {
    /// The field's name, unique within the step.
    pub const fn new(field: &'static str) -> Self {
        Self { field, of: PhantomData }
    }

    /// A reference to this field of that step, to stand in another step's params.
    pub fn of(self, step: impl Into<StepId>) -> Input<T> {
        Input::Output { from: step.into(), field: self.field.to_owned() }
    }
}

/// A value in a step's params: given, or made by another step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Input<T> {
    /// Made by that step.
    Output {
        /// The step.
        #[serde(rename = "$from")]
        from: StepId,
        /// The field of its outputs.
        #[serde(rename = "$field")]
        field: String,
    },
    /// Known when the plan was built: an adopted id, a user's ARN.
    Given(T),
}

/// The outputs of everything a step may read: its ancestors.
#[derive(Debug, Clone, Default)]
pub struct Inputs(pub BTreeMap<StepId, Outputs>);

impl Inputs {
    /// The value behind an input.
    ///
    /// # Errors
    /// `Permanent` with no residue when the step is not an ancestor or the field is missing or of another type:
    /// plan validation refuses such plans, so this is a fault of ours or a hand-edited journal.
    pub fn get<T: DeserializeOwned + Clone>(&self, input: &Input<T>) -> Result<T, StepError> {
        match input {
            Input::Given(value) => Ok(value.clone()),
            Input::Output { from, field } => {
                let value = self.0.get(from).and_then(|outputs| outputs.0.get(field)).cloned();
                value.and_then(|value| serde_json::from_value(value).ok()).ok_or_else(|| {
                    StepError::new(
                        ErrorClass::Permanent,
                        "KW-PLAN",
                        format!("step `{from}` has no output `{field}` of the kind that is asked for"),
                    )
                    .with_residue(Residue::None)
                })
            }
        }
    }
}

/// Every step that the references inside these params point at.
pub fn references(params: &Value) -> Vec<(StepId, String)> {
    let mut found = Vec::new();
    collect(params, &mut found);
    found
}

fn collect(value: &Value, found: &mut Vec<(StepId, String)>) {
    match value {
        Value::Object(map) => {
            if let (Some(Value::String(from)), Some(Value::String(field))) = (map.get("$from"), map.get("$field")) {
                found.push((StepId::new(from.clone()), field.clone()));
                return;
            }
            map.values().for_each(|value| collect(value, found));
        }
        Value::Array(items) => items.iter().for_each(|value| collect(value, found)),
        _ => {}
    }
}
