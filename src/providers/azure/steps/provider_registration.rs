//! A resource provider of Azure's, switched on in the subscription. Shared by all, so never switched off again.
//!
//! Done before anything is made: AKS finds out half-way that a provider it needs is missing, and leaves a failed cluster.

use super::support::{never_made, what};
use crate::engine::{
    Deletion, Found, Lookup, Observed, Outputs, Owned, Probe, ResourceRef, Scope, Step, StepError, Token,
};
use crate::providers::azure::client::{AzureCx, Op, version};
use crate::providers::azure::models::ResourceProvider;
use crate::providers::azure::refs::ArmId;
use crate::providers::kit;
use async_trait::async_trait;
use serde::{Deserialize, Serialize};

/// How plans name this kind.
pub const KIND: &str = "azure/provider-registration";

const GET: Op = Op::new("resources:providers.get", version::RESOURCES);
const REGISTER: Op = Op::new("resources:providers.register", version::RESOURCES);

/// A registration. Identity: `OneWay`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ProviderRegistration {
    /// `/subscriptions/…/providers/Microsoft.ContainerService`
    pub id: ArmId,
}

fn is_done(state: &str) -> bool {
    state.eq_ignore_ascii_case("registered")
}

/// Azure's word for how far it is; none where Azure does not know the provider.
pub(in crate::providers::azure) async fn state(cx: &AzureCx, id: &ArmId) -> Result<Option<String>, StepError> {
    let found: Option<ResourceProvider> = cx.get(GET, &format!("resource provider {}", id.name()), id).await?;
    let state = found.map(|it| it.registration_state);
    if state.as_deref().is_some_and(is_done) {
        cx.note_registered(id.name());
    }
    Ok(state)
}

impl ProviderRegistration {
    fn seen(&self) -> Observed {
        let mut seen = kit::seen(KIND, self.id.as_str(), kit::ExtraTags::new());
        seen.reference.name = Some(self.id.name().to_owned());
        seen
    }
}

#[async_trait]
impl Step<AzureCx> for ProviderRegistration {
    async fn find(&self, cx: &AzureCx, _: Scope<'_>, _: Lookup<'_>) -> Result<Found, StepError> {
        let state = state(cx, &self.id).await?.unwrap_or_default();
        let begun = ["registered", "registering"].contains(&state.to_ascii_lowercase().as_str());
        Ok(if begun { Found::One(self.seen()) } else { Found::None })
    }

    async fn create(&self, cx: &AzureCx, at: Scope<'_>, _: &Token) -> Result<ResourceRef, StepError> {
        let what = what("resource provider", at);
        cx.post(REGISTER, &what, &ArmId(format!("{}/register", self.id)), &[], None).await?;
        Ok(self.seen().reference)
    }

    async fn converge(&self, _: &AzureCx, _: Scope<'_>, _: &Owned) -> Result<(), StepError> {
        Ok(())
    }

    async fn probe(&self, cx: &AzureCx, _: Scope<'_>, _: &ResourceRef) -> Result<Probe, StepError> {
        let state = state(cx, &self.id).await?.unwrap_or_default();
        Ok(if is_done(&state) { Probe::Ready } else { Probe::NotYet(state) })
    }

    async fn outputs(&self, _: &AzureCx, _: Scope<'_>, _: &ResourceRef) -> Result<Outputs, StepError> {
        Ok(Outputs::new())
    }

    async fn delete(&self, _: &AzureCx, at: Scope<'_>, _: &Owned) -> Result<Deletion, StepError> {
        Err(never_made(&what("resource provider", at)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::ErrorClass;
    use crate::k8s::testing::{Answer, Server};
    use crate::providers::azure::client::Only;
    use crate::providers::azure::testing::cx_at;
    use serde_json::{Value, json};

    #[tokio::test]
    async fn what_is_registered_and_said_not_to_be_is_not_known_everywhere_yet() {
        const AKS: Op = Op::new("containerservice:managedClusters.createOrUpdate", "1");
        let server = Server::start(|asked| match &*asked.method {
            "GET" if asked.path.ends_with("ContainerService") => {
                Answer::of(200, json!({"registrationState": "Registered"}))
            }
            "GET" => Answer::of(200, json!({"registrationState": "Registering"})),
            _ => {
                let namespace = asked.path.rsplit('/').nth(1).unwrap_or_default();
                let message = format!("The subscription is not registered to use namespace '{namespace}'.");
                Answer::of(409, json!({"error": {"code": "MissingSubscriptionRegistration", "message": message}}))
            }
        })
        .await;
        let cx = cx_at(&server.url());
        let refused = async |namespace: &str| {
            let id = ArmId(format!("/subscriptions/s/providers/{namespace}/demo"));
            cx.put(AKS, "cluster", &id, Value::Null, Only::Always).await.unwrap_err()
        };
        let (aks, compute) = ("Microsoft.ContainerService", "Microsoft.Compute");
        assert_eq!(refused(aks).await.class, ErrorClass::Permanent, "nobody registered it");
        for namespace in [aks, compute] {
            state(&cx, &ArmId(format!("/subscriptions/s/providers/{namespace}"))).await.unwrap();
        }
        let late = refused(aks).await;
        assert_eq!((late.class, late.hints.len()), (ErrorClass::NotYet, 0), "{late:?}");
        assert!(late.retry_for.is_some(), "bounded");
        assert_eq!(refused(compute).await.class, ErrorClass::Permanent, "it is under way only");
    }
}
