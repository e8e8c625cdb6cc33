//! The group that everything else of a stack stands in. Made first, removed last, and only when nothing is in it.

use super::support::{Type, all_tags, blocked, busy, lacking};
use crate::engine::{
    Deletion, Found, Lookup, OutputKey, Outputs, Owned, Probe, ResourceRef, Scope, Step, StepError, Token,
};
use crate::providers::azure::client::{AzureCx, Only, Op, version};
use crate::providers::azure::models::{Answered, Provisioned};
use crate::providers::azure::refs::ArmId;
use crate::providers::azure::tags;
use crate::providers::kit::ExtraTags;
use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// How plans name this kind.
pub const KIND: &str = "azure/resource-group";
/// The group's id.
pub const ID: OutputKey<ArmId> = OutputKey::new("id");

/// Its operations.
pub(in crate::providers::azure) const TYPE: Type = Type {
    kind: KIND,
    noun: "resource group",
    get: Op::new("resources:resourceGroups.get", version::RESOURCES),
    put: Op::new("resources:resourceGroups.createOrUpdate", version::RESOURCES),
    delete: Op::new("resources:resourceGroups.delete", version::RESOURCES),
};
const UPDATE: Op = Op::new("resources:resourceGroups.update", version::RESOURCES);
const CONTENT: Op = Op::new("resources:resources.list", version::RESOURCES);

/// A resource group. Identity: `Name`, tagged.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ResourceGroup {
    /// Its id, known beforehand.
    pub id: ArmId,
    /// Region.
    pub location: String,
    /// More tags.
    #[serde(default, skip_serializing_if = "ExtraTags::is_empty")]
    pub extra_tags: ExtraTags,
}

/// What is in a group, as its listing has it: that lags.
pub(in crate::providers::azure) async fn content(
    cx: &AzureCx,
    group: &ArmId,
) -> Result<Vec<Answered<Provisioned>>, StepError> {
    let what = format!("content of resource group {}", group.name());
    cx.list(CONTENT, &what, &ArmId(format!("{group}/resources")), &[("$expand", "createdTime")]).await
}

#[async_trait]
impl Step<AzureCx> for ResourceGroup {
    async fn find(&self, cx: &AzureCx, at: Scope<'_>, by: Lookup<'_>) -> Result<Found, StepError> {
        TYPE.find(cx, at, &self.id, by).await
    }

    async fn create(&self, cx: &AzureCx, at: Scope<'_>, _: &Token) -> Result<ResourceRef, StepError> {
        let body = json!({ "location": self.location, "tags": all_tags(at, &self.extra_tags) });
        TYPE.create(cx, at, &self.id, &body, Only::Always).await
    }

    async fn converge(&self, cx: &AzureCx, at: Scope<'_>, owned: &Owned) -> Result<(), StepError> {
        let id = ArmId(owned.id().to_owned());
        let Some((seen, _)) = TYPE.read::<Value>(cx, &id).await? else { return Ok(()) };
        let labels = lacking(&seen, &self.extra_tags);
        if labels.is_empty() {
            return Ok(());
        }
        // An update replaces all tags: those that are there go along.
        let mut whole = seen.evidence.tags;
        whole.extend(labels);
        cx.patch(UPDATE, &TYPE.what(at), &id, json!({ "tags": whole })).await.map(drop)
    }

    async fn probe(&self, cx: &AzureCx, at: Scope<'_>, it: &ResourceRef) -> Result<Probe, StepError> {
        TYPE.probe(cx, at, it).await
    }

    async fn outputs(&self, _: &AzureCx, _: Scope<'_>, it: &ResourceRef) -> Result<Outputs, StepError> {
        Ok(Outputs::new().with(ID, &ArmId(it.id.clone())))
    }

    async fn delete(&self, cx: &AzureCx, at: Scope<'_>, owned: &Owned) -> Result<Deletion, StepError> {
        let (what, id) = (TYPE.what(at), ArmId(owned.id().to_owned()));
        let Some((_, group)) = TYPE.read::<Provisioned>(cx, &id).await? else { return Ok(Deletion::Gone) };
        if group.properties.provisioning_state.is_some_and(|state| state.eq_ignore_ascii_case("deleting")) {
            return Ok(Deletion::Started);
        }
        // Removing a group removes all that is in it.
        let content = content(cx, &id).await?;
        let (ours, foreign): (Vec<_>, Vec<_>) = content.into_iter().partition(|it| tags::is_ours(at.stack, &it.tags));
        if let Some(first) = foreign.first() {
            let named: Vec<String> = foreign.iter().map(|it| format!("{} `{}`", it.kind, it.name)).collect();
            let why = format!("it holds what is not ours: {}", named.join(", "));
            return Err(blocked(&what, why).with_hint(format!("az resource delete --ids {}", first.id)));
        }
        if let Some(first) = ours.first() {
            return Err(busy(&what, format_args!("{} `{}` is still listed in it", first.kind, first.name)));
        }
        TYPE.delete(cx, at, owned.id(), &[]).await
    }
}
