//! The way to Azure: one context with one generic call for all of Resource Manager.
//!
//! Every object of Azure is read, made, changed and removed by the same few verbs on its id, each with the version of
//! the interface that this code was written against. Nothing is tried again here, and only the vendor's own code says
//! that a thing is not there.

use super::auth::Tokens;
use super::error::{self, absent};
use super::refs::ArmId;
use crate::engine::{ErrorClass, Residue, ResourceRef, StepError};
use crate::model::Region;
use crate::providers::VolumeFate;
use crate::providers::rest::{Answer, Call, Rest, Verb, encoded};
use reqwest::Url;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// Where Resource Manager listens unless told otherwise.
pub const ARM: &str = "https://management.azure.com";

/// Versions of the interfaces: behaviour is frozen per version, so these change only with the code that relies on them.
pub mod version {
    /// Microsoft.ContainerService.
    pub const AKS: &str = "2025-10-01";
    /// Microsoft.Network.
    pub const NETWORK: &str = "2025-03-01";
    /// Microsoft.ManagedIdentity.
    pub const IDENTITY: &str = "2024-11-30";
    /// Microsoft.Authorization, role assignments and permissions.
    pub const AUTHORIZATION: &str = "2022-04-01";
    /// Groups, tags, providers, listings of resources.
    pub const RESOURCES: &str = "2025-04-01";
    /// Subscriptions and their locations.
    pub const SUBSCRIPTIONS: &str = "2022-12-01";
    /// Virtual machines, their scale sets, usages.
    pub const COMPUTE: &str = "2025-04-01";
    /// Disks and snapshots.
    pub const DISKS: &str = "2025-01-02";
    /// What machines a location has.
    pub const SKUS: &str = "2021-07-01";
}

/// One operation of one version of an interface, `network:virtualNetworks.createOrUpdate`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Op {
    /// Namespace without `Microsoft.`, in lower case, resource type and what is done.
    pub name: &'static str,
    /// Version of the interface.
    pub version: &'static str,
}

impl Op {
    /// An operation.
    pub const fn new(name: &'static str, version: &'static str) -> Self {
        Self { name, version }
    }
}

/// What has to hold for a PUT, a PATCH or a DELETE to have an effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Only<'a> {
    /// Nothing: for objects whose interface takes no condition.
    Always,
    /// There is nothing of that name.
    IfAbsent,
    /// It is still as it was read.
    IfStill(&'a str),
}

impl Only<'_> {
    fn header(self) -> Option<(&'static str, String)> {
        match self {
            Self::Always => None,
            Self::IfAbsent => Some(("if-none-match", "*".to_owned())),
            Self::IfStill(etag) => Some(("if-match", etag.to_owned())),
        }
    }
}

/// Calls, region and counters: the `Cx` of every Azure step.
#[derive(Clone)]
pub struct AzureCx {
    rest: Rest,
    arm: Url,
    tokens: Arc<Tokens>,
    /// Where it all happens.
    pub region: Region,
    /// What a teardown was told to do with disks.
    pub volumes: VolumeFate,
    /// Known after the first look at who we are, where nothing named it.
    subscription: Arc<OnceLock<String>>,
    /// Deletions this process asked for, with the operation to read when one of them shows no effect.
    deletions: Arc<Mutex<BTreeMap<String, ResourceRef>>>,
    /// Repairs this process asked for, in the same way: after a kill the state of the thing itself is all that tells.
    repairs: Arc<Mutex<BTreeMap<String, ResourceRef>>>,
    /// Resource providers that Azure called registered.
    registered: Arc<Mutex<BTreeSet<String>>>,
}

impl AzureCx {
    /// The context. `arm` is the endpoint that a variable names, if one does.
    ///
    /// # Errors
    /// `Permanent` for an endpoint that is no address.
    pub fn new(rest: Rest, tokens: Arc<Tokens>, arm: Option<&str>, region: Region) -> Result<Self, StepError> {
        let arm = endpoint(arm.unwrap_or(ARM))?;
        Ok(Self {
            rest,
            arm,
            tokens,
            region,
            volumes: VolumeFate::ByPolicy,
            subscription: Arc::default(),
            deletions: Arc::default(),
            repairs: Arc::default(),
            registered: Arc::default(),
        })
    }

    /// The same account in another region.
    #[must_use]
    pub fn in_region(&self, region: Region) -> Self {
        Self { region, ..self.clone() }
    }

    /// The same for a teardown that was told what to do with disks.
    #[must_use]
    pub fn with_volumes(&self, volumes: VolumeFate) -> Self {
        Self { volumes, ..self.clone() }
    }

    /// The subscription, once [`Self::set_subscription`] has been told it.
    pub fn subscription(&self) -> Option<&str> {
        self.subscription.get().map(String::as_str)
    }

    /// Remembers whose account this is; the first word stands.
    pub fn set_subscription(&self, subscription: &str) {
        self.subscription.get_or_init(|| subscription.to_owned());
    }

    /// The subscription's id, for calls that cannot do without.
    ///
    /// # Errors
    /// `Permanent` before anybody said which: a fault of ours.
    pub fn subscription_id(&self) -> Result<ArmId, StepError> {
        self.subscription().map(ArmId::subscription).ok_or_else(|| {
            StepError::new(ErrorClass::Permanent, "KW-PLAN", "no subscription is known yet").with_residue(Residue::None)
        })
    }

    /// Where tokens come from.
    pub fn tokens(&self) -> &Tokens {
        &self.tokens
    }

    /// Mutating calls sent so far.
    pub fn mutating_calls(&self) -> u64 {
        self.rest.mutating_calls()
    }

    /// Counts a mutating call that goes to a cluster's own API server.
    pub(super) fn count_call(&self) {
        self.rest.count_mutating_call();
    }

    /// Reads an object; none where Azure itself says that it is not there.
    ///
    /// # Errors
    /// As the call's.
    pub async fn get<T: DeserializeOwned>(&self, op: Op, what: &str, id: &ArmId) -> Result<Option<T>, StepError> {
        self.query(op, what, id, &[]).await
    }

    /// [`Self::get`] with more in the query.
    ///
    /// # Errors
    /// As the call's.
    pub async fn query<T: DeserializeOwned>(
        &self,
        op: Op,
        what: &str,
        id: &ArmId,
        query: &[(&str, &str)],
    ) -> Result<Option<T>, StepError> {
        let url = self.address(id, op.version, query);
        match self.send(op.name, what, Verb::Get, url, Vec::new(), None, false).await {
            Ok(answer) => Ok(Some(parsed(op.name, what, answer.body)?)),
            Err(failed) if absent(&failed) => Ok(None),
            Err(failed) => Err(failed),
        }
    }

    /// Everything that a listing holds, page by page. Empty where what it is a listing of is not there.
    ///
    /// # Errors
    /// As the calls'; a page that another host is to be asked for.
    pub async fn list<T: DeserializeOwned>(
        &self,
        op: Op,
        what: &str,
        at: &ArmId,
        query: &[(&str, &str)],
    ) -> Result<Vec<T>, StepError> {
        let mut found = Vec::new();
        let mut next = Some(self.address(at, op.version, query));
        while let Some(url) = next.take() {
            let answer = match self.send(op.name, what, Verb::Get, url, Vec::new(), None, false).await {
                Ok(answer) => answer,
                // Half a list is none.
                Err(failed) if absent(&failed) && found.is_empty() => return Ok(found),
                Err(failed) => return Err(failed),
            };
            let page: Page<T> = parsed(op.name, what, answer.body)?;
            found.extend(page.value);
            next = match page.next_link.filter(|link| !link.is_empty()) {
                Some(link) => Some(self.own(op.name, what, &link)?),
                None => None,
            };
        }
        Ok(found)
    }

    /// Makes or replaces an object.
    ///
    /// # Errors
    /// As the call's.
    pub async fn put(&self, op: Op, what: &str, id: &ArmId, body: Value, only: Only<'_>) -> Result<Answer, StepError> {
        let url = self.address(id, op.version, &[]);
        let put = self.send(op.name, what, Verb::Put, url, only.header().into_iter().collect(), Some(body), true).await;
        match put {
            // Somebody changed it between our read and our write: once more from the start.
            Err(mut raced) if matches!(only, Only::IfStill(_)) && raced.id == error::EXISTS => {
                raced.class = ErrorClass::NotYet;
                error::NOT_YET.clone_into(&mut raced.id);
                Err(raced)
            }
            done => done,
        }
    }

    /// Changes an object in part.
    ///
    /// # Errors
    /// As the call's.
    pub async fn patch(&self, op: Op, what: &str, id: &ArmId, body: Value) -> Result<Answer, StepError> {
        let url = self.address(id, op.version, &[]);
        self.send(op.name, what, Verb::Patch, url, Vec::new(), Some(body), true).await
    }

    /// Does something to an object. `list…` actions change nothing.
    ///
    /// # Errors
    /// As the call's.
    pub async fn post(
        &self,
        op: Op,
        what: &str,
        id: &ArmId,
        query: &[(&str, &str)],
        body: Option<Value>,
    ) -> Result<Answer, StepError> {
        let url = self.address(id, op.version, query);
        let mutating = !id.name().starts_with("list");
        self.send(op.name, what, Verb::Post, url, Vec::new(), body, mutating).await
    }

    /// Asks for an object to be removed; none where Azure says that it is not there.
    ///
    /// # Errors
    /// As the call's.
    pub async fn delete(
        &self,
        op: Op,
        what: &str,
        id: &ArmId,
        query: &[(&str, &str)],
    ) -> Result<Option<Answer>, StepError> {
        let url = self.address(id, op.version, query);
        match self.send(op.name, what, Verb::Delete, url, Vec::new(), None, true).await {
            Ok(answer) if answer.status == 204 => Ok(None),
            Ok(answer) => Ok(Some(answer)),
            Err(failed) if absent(&failed) => Ok(None),
            Err(failed) => Err(failed),
        }
    }

    /// Reads an address that Azure gave us: an operation, the next page.
    ///
    /// # Errors
    /// `Permanent` for one that leads elsewhere: our token is for nobody else. Else as the call's.
    pub(super) async fn read_url(&self, op: &'static str, what: &str, url: &str) -> Result<Answer, StepError> {
        let url = self.own(op, what, url)?;
        self.send(op, what, Verb::Get, url, Vec::new(), None, false).await
    }

    /// The address, if it is one of the same host.
    fn own(&self, op: &'static str, what: &str, url: &str) -> Result<String, StepError> {
        if self.is_own(url) {
            return Ok(url.to_owned());
        }
        let message =
            format!("cannot {} {what}: the answer leads to another host, which gets no token", error::verb(op));
        Err(StepError::new(ErrorClass::Permanent, error::ANSWER, message).with_residue(Residue::None))
    }

    /// Whether an address is Resource Manager's own.
    pub(super) fn is_own(&self, url: &str) -> bool {
        let same = |url: &Url| {
            (url.scheme(), url.host_str(), url.port_or_known_default())
                == (self.arm.scheme(), self.arm.host_str(), self.arm.port_or_known_default())
        };
        Url::parse(url).is_ok_and(|url| same(&url) && url.username().is_empty() && url.password().is_none())
    }

    /// Remembers how to look after a deletion.
    pub(super) fn remember_deletion(&self, deletion: ResourceRef) {
        self.deletions.lock().unwrap_or_else(PoisonError::into_inner).insert(deletion.id.clone(), deletion);
    }

    /// What is remembered of a deletion.
    pub(super) fn deletion(&self, id: &str) -> Option<ResourceRef> {
        self.deletions.lock().unwrap_or_else(PoisonError::into_inner).get(id).cloned()
    }

    /// This deletion has been told of; a later one of the same thing is another.
    pub(super) fn forget_deletion(&self, told: &ResourceRef) {
        let mut deletions = self.deletions.lock().unwrap_or_else(PoisonError::into_inner);
        if deletions.get(&told.id) == Some(told) {
            deletions.remove(&told.id);
        }
    }

    /// Remembers the operation that repairs something.
    pub(super) fn remember_repair(&self, repair: ResourceRef) {
        self.repairs.lock().unwrap_or_else(PoisonError::into_inner).insert(repair.id.clone(), repair);
    }

    /// What is remembered of a repair.
    pub(super) fn repair(&self, id: &str) -> Option<ResourceRef> {
        self.repairs.lock().unwrap_or_else(PoisonError::into_inner).get(id).cloned()
    }

    /// Remembers that Azure called this resource provider registered.
    pub(super) fn note_registered(&self, namespace: &str) {
        let mut registered = self.registered.lock().unwrap_or_else(PoisonError::into_inner);
        registered.insert(namespace.to_ascii_lowercase());
    }

    /// Not all of Azure hears of a registration at once: a refusal for the lack of one that is there ends soon.
    fn while_registering(&self, mut refused: StepError) -> StepError {
        if refused.id == error::UNREGISTERED {
            let text = refused.message.to_ascii_lowercase();
            let registered = self.registered.lock().unwrap_or_else(PoisonError::into_inner);
            let names = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '.').map(|word| word.trim_matches('.'));
            if names.into_iter().any(|name| registered.contains(name)) {
                refused.class = ErrorClass::NotYet;
                error::NOT_YET.clone_into(&mut refused.id);
                refused.hints.clear();
                refused.retry_for = Some(error::PROPAGATION);
            }
        }
        refused
    }

    fn address(&self, id: &ArmId, version: &str, query: &[(&str, &str)]) -> String {
        let base = self.arm.as_str().trim_end_matches('/');
        let more: String = query.iter().map(|(key, value)| format!("&{key}={}", encoded(value))).collect();
        format!("{base}{}?api-version={version}{more}", id.path())
    }

    #[expect(clippy::too_many_arguments, reason = "the one place where a call is put together")]
    async fn send(
        &self,
        op: &'static str,
        what: &str,
        verb: Verb,
        url: String,
        headers: Vec<(&'static str, String)>,
        body: Option<Value>,
        mutating: bool,
    ) -> Result<Answer, StepError> {
        let token = self.tokens.arm().await?;
        let call = Call { op, what, verb, url, headers, body, mutating };
        let answer = match self.rest.send(call, &token).await {
            Ok(answer) if answer.is_ok() => Ok(answer),
            Ok(answer) => {
                if answer.status == 401 {
                    self.tokens.forget(&token).await;
                }
                Err(error::answered(op, what, &answer))
            }
            Err(failed) => Err(failed),
        };
        // What only reads leaves nothing behind, however it ends.
        answer.map_err(
            |failed| {
                if mutating { self.while_registering(failed) } else { failed.with_residue(Residue::None) }
            },
        )
    }
}

/// One page of a listing.
#[derive(serde::Deserialize)]
#[serde(rename_all = "camelCase")]
struct Page<T> {
    #[serde(default = "Vec::new")]
    value: Vec<T>,
    next_link: Option<String>,
}

/// An answer's document as what it must be.
pub(super) fn parsed<T: DeserializeOwned>(op: &'static str, what: &str, body: Value) -> Result<T, StepError> {
    serde_json::from_value(body).map_err(|why| {
        let message = format!("cannot {} {what}: the answer is not what it should be: {why}", error::verb(op));
        StepError::new(ErrorClass::Transient, error::ANSWER, message).with_residue(Residue::None)
    })
}

/// The endpoint that a variable names.
fn endpoint(text: &str) -> Result<Url, StepError> {
    let refused = |why: &str| {
        StepError::new(ErrorClass::Permanent, "KW-USAGE", format!("KUBEWRIGHT_ARM_ENDPOINT `{text}` {why}"))
            .with_residue(Residue::None)
            .with_hint(format!("write it like {ARM}"))
    };
    let url = Url::parse(text).map_err(|_| refused("is no address"))?;
    match url.scheme() {
        "https" | "http" if url.host_str().is_some() => Ok(url),
        _ => Err(refused("is no address of a server")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_own_host_gets_a_token() {
        let arm = endpoint("https://localhost:8443").unwrap();
        let is_own = |url: &str| {
            let rest = Rest::new(reqwest::Client::new());
            let tokens = Arc::new(Tokens::fixed("t"));
            AzureCx::new(rest, tokens, Some(arm.as_str()), Region("eastus".to_owned())).unwrap().is_own(url)
        };
        assert!(is_own("https://localhost:8443/subscriptions/s/providers/x/operations/1?api-version=1&t=2"));
        for other in [
            "http://localhost:8443/x",
            "https://localhost:8444/x",
            "https://localhost.evil:8443/x",
            "https://localhost:8443@evil/x",
            "https://me@localhost:8443/x",
            "/subscriptions/s",
            "",
        ] {
            assert!(!is_own(other), "{other}");
        }
        assert!(endpoint("management.azure.com").is_err());
        assert!(endpoint("ftp://x").is_err());
    }
}
