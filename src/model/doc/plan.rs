//! `kubewright.plan/v1`: what `provision --dry-run` prints.

use super::Stack;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

/// What would happen to a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Action {
    /// Made.
    Create,
    /// There already.
    Keep,
    /// Brought along or found.
    Adopt,
    /// Was there and is gone.
    Recreate,
}

/// One step.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PlanStep {
    /// Its path.
    pub id: String,
    /// The provider's kind.
    pub kind: String,
    /// What would happen.
    pub action: Action,
    /// What must be ready first.
    pub needs: Vec<String>,
    /// Its resolved params.
    pub params: Value,
    /// How its object is found.
    pub identity: Value,
    /// Median seconds.
    pub p50_seconds: u32,
    /// Nine of ten.
    pub p90_seconds: u32,
    /// Where these times are from.
    pub basis: Basis,
    /// Price while it stands; null when unknown.
    pub usd_per_hour: Option<f64>,
}

/// How long the whole takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Eta {
    /// Median seconds along the critical path.
    pub p50_seconds: u64,
    /// Nine of ten.
    pub p90_seconds: u64,
    /// Where these times are from; history as soon as one of them is.
    pub basis: Basis,
}

/// Where a duration is from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Basis {
    /// The table of usual durations.
    Table,
    /// The same, moved by what this machine has seen.
    History,
}

/// One preflight answer.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Preflight {
    /// Its id.
    pub id: String,
    /// How it was answered.
    #[schemars(extend("enum" = ["ok", "warn", "fail", "unknown"]))]
    pub status: String,
    /// In words.
    pub message: String,
    /// How much the plan needs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub need: Option<f64>,
    /// How much is in use.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub have: Option<f64>,
    /// The limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<f64>,
    /// Commands to paste.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub hints: Vec<String>,
}

/// The budget's answer.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct BudgetVerdict {
    /// The tightest limit, by the hour; null without one.
    pub limit_usd_per_hour: Option<f64>,
    /// What it says.
    #[schemars(extend("enum" = ["none", "ok", "warn", "over", "overridden", "unknown"]))]
    pub verdict: String,
}

impl BudgetVerdict {
    /// What is said where the most that it can cost an hour comes close to the limit.
    pub fn warning(&self, most_usd: f64) -> Option<String> {
        let limit = self.limit_usd_per_hour.filter(|_| self.verdict == "warn")?;
        let share = most_usd / limit * 100.0;
        Some(format!("close to the budget: ${most_usd:.4}/h at maximum is {share:.0} % of ${limit:.4}/h"))
    }
}

/// The body.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Plan {
    /// The stack; its id is null while it does not exist.
    pub stack: Stack,
    /// What `--expect-plan` takes.
    pub plan_hash: String,
    /// The resolved spec.
    pub spec: Value,
    /// The steps.
    pub steps: Vec<PlanStep>,
    /// The steps that decide how long it takes.
    pub critical_path: Vec<String>,
    /// How long it takes.
    pub eta: Eta,
    /// What it costs: `kubewright.cost-estimate/v1` without its head.
    pub cost: Value,
    /// What was asked before.
    pub preflight: Vec<Preflight>,
    /// The budget's answer.
    pub budget: BudgetVerdict,
}
