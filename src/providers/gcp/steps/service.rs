//! A service of Google's that is on in the project: switched on once, and left on for all.

use super::support::PART_OPERATION;
use super::support::{Making, followed, never_made, seen, visible, what};
use crate::engine::{Deletion, Found, Lookup, Outputs, Owned, Probe, ResourceRef, Scope, Step, StepError, Token};
use crate::providers::gcp::client::{GcpCx, Request, encoded};
use crate::providers::gcp::{labels::Tags, wire};
use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// How plans name this kind.
pub const KIND: &str = "gcp/service";

/// A service, on. Identity: `OneWay`. Its `ResourceRef` id is its name, `container.googleapis.com`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ServiceOn {
    /// Its name.
    pub service: String,
}

impl ServiceOn {
    fn path(&self, cx: &GcpCx) -> Result<String, StepError> {
        Ok(format!("v1/projects/{}/services/{}", encoded(cx.project()?), self.service))
    }

    async fn read(&self, cx: &GcpCx) -> Result<Option<wire::ServiceState>, StepError> {
        let what = format!("service {}", self.service);
        cx.read(Request::get("serviceusage:services.get", self.path(cx)?, &what)).await
    }
}

fn is_on(state: &wire::ServiceState) -> bool {
    state.state == "ENABLED"
}

#[async_trait]
impl Step<GcpCx> for ServiceOn {
    async fn find(&self, cx: &GcpCx, _: Scope<'_>, by: Lookup<'_>) -> Result<Found, StepError> {
        let read = self.read(cx).await?;
        // Once it was asked for, it is there, be it on yet or not.
        let counts = read.filter(|state| is_on(state) || matches!(by, Lookup::Id(_)));
        Ok(counts.map_or(Found::None, |_| Found::One(seen(KIND, &self.service, Tags::new()))))
    }

    async fn create(&self, cx: &GcpCx, at: Scope<'_>, _: &Token) -> Result<ResourceRef, StepError> {
        let what = what(&format!("service {}", self.service), at);
        let request = Request::post("serviceusage:services.enable", self.path(cx)? + ":enable", &what);
        let operation = cx.call(request.body(&json!({}))).await?;
        let mut reference = ResourceRef::new(KIND, &self.service);
        // One that was on already has an operation of no name.
        let name = operation.get("name").and_then(Value::as_str).filter(|name| name.starts_with("operations/"));
        let named = name.filter(|name| !name.contains("DONE_OPERATION"));
        reference.parts.extend(named.map(|name| (PART_OPERATION.to_owned(), name.to_owned())));
        Ok(reference)
    }

    async fn converge(&self, _: &GcpCx, _: Scope<'_>, _: &Owned) -> Result<(), StepError> {
        Ok(())
    }

    async fn probe(&self, cx: &GcpCx, at: Scope<'_>, it: &ResourceRef) -> Result<Probe, StepError> {
        let what = what(&format!("service {}", self.service), at);
        if is_on(&visible(&what, self.read(cx).await?)?) {
            return Ok(Probe::Ready);
        }
        Ok(match followed(cx, it, &what).await? {
            Making::Failed(why) => Probe::Broken(why),
            Making::Running(_) | Making::Done | Making::Unknown => Probe::NotYet("ENABLING".to_owned()),
        })
    }

    async fn outputs(&self, _: &GcpCx, _: Scope<'_>, _: &ResourceRef) -> Result<Outputs, StepError> {
        Ok(Outputs::new())
    }

    async fn delete(&self, _: &GcpCx, at: Scope<'_>, _: &Owned) -> Result<Deletion, StepError> {
        Err(never_made(&what("service", at)))
    }
}
