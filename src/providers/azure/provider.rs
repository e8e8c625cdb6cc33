//! The provider: how the rest of kubewright sees this cloud.

use super::auth::Tokens;
use super::client::{AzureCx, Op, version};
use super::refs::ArmId;
use super::resolve::Caller;
use super::survey::Listings;
use super::token::Claims;
use super::{
    clusters, kinds, leftovers, names, offers, plan, preflight, resolve, retag, stages, survey, sweep, tags, token,
};
use crate::engine::{
    AnyStep, Backend, Clock, ErrorClass, Leftover, Observed, Owned, Plan, PlannedStep, RateLimit, Residue, StepError,
    StepId, SweepPoint, Swept,
};
use crate::model::{Cloud, ClusterName, ClusterSpec, Region, ResolvedSpec, Stack};
use crate::providers::device_plugin;
use crate::providers::patience::patient;
use crate::providers::rest::Rest;
use crate::providers::{
    Check, ClientCertificate, CloudCluster, ClusterToken, Identity, Offers, OpenOptions, PodsAt, Provider, StackSeen,
    Survey, VolumeFate,
};
use async_trait::async_trait;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

const SUBSCRIPTION: Op = Op::new("resources:subscriptions.get", version::SUBSCRIPTIONS);
const SUBSCRIPTIONS: Op = Op::new("resources:subscriptions.list", version::SUBSCRIPTIONS);
/// The subscription cannot be seen, is switched off, or is one of several.
pub const UNSEEN: &str = "KW-AZURE-SUBSCRIPTION";
/// The credentials are of another tenant.
pub const TENANT: &str = "KW-AZURE-TENANT";

/// AKS in one subscription and region.
pub struct Azure {
    cx: Arc<AzureCx>,
    clock: Arc<dyn Clock>,
    /// A subscription that flag, variable or the CLI's own profile names.
    named: Option<String>,
    caller: Mutex<Caller>,
    /// Of the look at all regions that is under way.
    listings: Mutex<Arc<Listings>>,
    /// One region of such a look.
    is_part: bool,
}

/// A subscription as it is.
#[derive(Debug, Clone)]
pub struct Subscription {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// `Enabled`, `Warned`, `PastDue`, `Disabled`, `Deleted`.
    pub state: String,
    /// Whose it is.
    pub tenant: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    subscription_id: String,
    display_name: Option<String>,
    state: Option<String>,
    tenant_id: Option<String>,
}

impl From<Answer> for Subscription {
    fn from(it: Answer) -> Self {
        Self {
            name: it.display_name.unwrap_or_else(|| it.subscription_id.clone()),
            id: it.subscription_id,
            state: it.state.unwrap_or_else(|| "Enabled".to_owned()),
            tenant: it.tenant_id.unwrap_or_default(),
        }
    }
}

/// The subscription of this context.
///
/// # Errors
/// As the call's; `Auth` where these credentials do not see it.
pub async fn subscription(cx: &AzureCx, clock: &dyn Clock) -> Result<Subscription, StepError> {
    let id = cx.subscription_id()?;
    let what = format!("subscription {}", id.name());
    match patient(clock, || cx.get::<Answer>(SUBSCRIPTION, &what, &id)).await {
        Ok(Some(found)) => Ok(found.into()),
        Err(err) if !is_unseen(&err) => Err(err),
        _ => Err(unseen(id.name(), visible(cx, clock).await.unwrap_or_default())),
    }
}

/// Every subscription that these credentials see.
async fn visible(cx: &AzureCx, clock: &dyn Clock) -> Result<Vec<Subscription>, StepError> {
    let at = ArmId("/subscriptions".to_owned());
    let found: Vec<Answer> = patient(clock, || cx.list(SUBSCRIPTIONS, "subscriptions", &at, &[])).await?;
    Ok(found.into_iter().map(Subscription::from).collect())
}

/// Azure's words for a subscription that is not there, or not for these eyes.
fn is_unseen(err: &StepError) -> bool {
    let codes = ["SubscriptionNotFound", "InvalidSubscriptionId", "AuthorizationFailed"];
    err.code.as_deref().is_some_and(|code| codes.contains(&code))
}

fn stop(id: &str, message: String) -> StepError {
    StepError::new(ErrorClass::Auth, id, message).with_residue(Residue::None)
}

fn choices(seen: &[Subscription]) -> Vec<String> {
    seen.iter().map(|it| format!("--subscription {}   {}", it.id, it.name)).collect()
}

fn unseen(id: &str, seen: Vec<Subscription>) -> StepError {
    let made = stop(UNSEEN, format!("these credentials see no subscription {id}"));
    let hints = match choices(&seen) {
        none if none.is_empty() => vec!["give them a role in it, or sign in to its tenant: AZURE_TENANT_ID".to_owned()],
        some => some,
    };
    hints.into_iter().fold(made, StepError::with_hint)
}

impl Azure {
    /// Reads variables and files; makes no call. None when nothing names a region.
    ///
    /// # Errors
    /// `Permanent` for an endpoint that is no address, or where no client can be made.
    pub fn open(options: OpenOptions) -> Result<Option<Self>, StepError> {
        let said = |name: &str| options.vars.get(name).map(|it| it.trim()).filter(|it| !it.is_empty());
        let usual = || said("AZURE_DEFAULTS_LOCATION").map(|text| Region(text.to_owned()));
        let Some(region) = options.region.clone().or_else(usual) else { return Ok(None) };
        let http = (options.http)()?;
        let tokens = Tokens::new(&options, http.clone());
        let cx = AzureCx::new(Rest::new(http), Arc::new(tokens), said("KUBEWRIGHT_ARM_ENDPOINT"), region)?;
        let named = options.account.clone().or_else(|| said("AZURE_SUBSCRIPTION_ID").map(str::to_owned));
        let named = named.or_else(|| signed_in_to(&options));
        Ok(Some(Self {
            cx: Arc::new(cx),
            clock: options.clock,
            named,
            caller: Mutex::default(),
            listings: Mutex::default(),
            is_part: false,
        }))
    }

    /// The subscription that is meant: the one that is named, or the only one there is.
    async fn chosen(&self) -> Result<Subscription, StepError> {
        if let Some(named) = &self.named {
            if !is_guid(named) {
                let seen = visible(&self.cx, &*self.clock).await?;
                let mut same = seen.iter().filter(|it| it.name.eq_ignore_ascii_case(named));
                return match (same.next(), same.next()) {
                    (Some(one), None) => Ok(one.clone()),
                    _ => Err(unseen(&format!("`{named}`"), seen)),
                };
            }
            self.cx.set_subscription(named);
            return subscription(&self.cx, &*self.clock).await;
        }
        let seen = visible(&self.cx, &*self.clock).await?;
        let mut open = seen.iter().filter(|it| is_open(&it.state));
        match (open.next(), open.next()) {
            (Some(one), None) => Ok(one.clone()),
            (None, _) => Err(stop(UNSEEN, "these credentials see no subscription that is enabled".to_owned())
                .with_hint("give them a role in one, or sign in to its tenant: AZURE_TENANT_ID")),
            (Some(_), Some(_)) => {
                let made = stop(UNSEEN, "which subscription? these credentials see several".to_owned());
                Err(choices(&seen).into_iter().fold(made, StepError::with_hint))
            }
        }
    }

    fn caller(&self) -> Caller {
        self.caller.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn listings(&self) -> Arc<Listings> {
        Arc::clone(&self.listings.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Whether anything can be made in it, if not for long.
fn is_open(state: &str) -> bool {
    ["Enabled", "Warned", "PastDue"].iter().any(|open| state.eq_ignore_ascii_case(open))
}

/// Eight, four, four, four and twelve hexadecimal digits.
pub(super) fn is_guid(text: &str) -> bool {
    let lengths: Vec<usize> = text.split('-').map(str::len).collect();
    lengths == [8, 4, 4, 4, 12] && text.chars().all(|c| c == '-' || c.is_ascii_hexdigit())
}

/// The subscription that whoever signed in through `az` works with.
fn signed_in_to(options: &OpenOptions) -> Option<String> {
    #[derive(Deserialize)]
    struct Profile {
        #[serde(default)]
        subscriptions: Vec<Known>,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Known {
        id: String,
        #[serde(default)]
        is_default: bool,
    }
    // A secret or a federated token is somebody else than whoever signed in.
    let own = ["AZURE_CLIENT_SECRET", "AZURE_FEDERATED_TOKEN_FILE"];
    if own.iter().any(|name| options.vars.get(*name).is_some_and(|value| !value.is_empty())) {
        return None;
    }
    let file = super::plugin::profile_file(&options.vars)?;
    let text = (options.read_file)(&file).ok().flatten()?;
    let profile: Profile = serde_json::from_str(text.trim_start_matches('\u{feff}')).ok()?;
    profile.subscriptions.into_iter().find(|it| it.is_default).map(|it| it.id)
}

#[async_trait]
impl Provider for Azure {
    fn cloud(&self) -> Cloud {
        Cloud::Azure
    }

    fn region(&self) -> &Region {
        &self.cx.region
    }

    async fn whoami(&self) -> Result<Identity, StepError> {
        // The token first: it says who we are, and where it is refused nothing else needs to be asked.
        let given = patient(&*self.clock, || self.cx.tokens().token(super::auth::ARM_SCOPE)).await?;
        let claims = Claims::of(given.token.reveal());
        let tenant = claims.as_ref().and_then(|claims| claims.tenant.clone());
        let found = self.chosen().await.map_err(|err| foreign(err, tenant.as_deref()))?;
        if !is_open(&found.state) {
            let message =
                format!("subscription {} ({}) is {}: nothing can be made in it", found.name, found.id, found.state);
            return Err(
                stop(UNSEEN, message).with_hint("switch it on again in the portal, or name another: --subscription ID")
            );
        }
        self.cx.set_subscription(&found.id);
        let principal = claims.as_ref().map_or_else(|| "an opaque token".to_owned(), Claims::principal);
        *self.caller.lock().unwrap_or_else(PoisonError::into_inner) = Caller { tenant: found.tenant, claims };
        let source = self.cx.tokens().source().await.unwrap_or_else(|| "Azure credentials".to_owned());
        // Tokens are renewed while their source lasts, which nobody can see from here.
        Ok(Identity { account: found.id, principal, source, expires_at: None })
    }

    async fn resolve(&self, spec: &ClusterSpec, who: &Identity) -> Result<ResolvedSpec, Vec<StepError>> {
        resolve::resolve(&self.cx, &*self.clock, spec, who, &self.caller()).await
    }

    async fn offers(&self) -> Result<Offers, StepError> {
        offers::live(&self.cx, &*self.clock).await
    }

    fn guess(&self, spec: &ClusterSpec, who: &Identity) -> Result<ResolvedSpec, Vec<StepError>> {
        resolve::guess(&self.cx.region, self.clock.now(), spec, who)
    }

    fn plan(&self, spec: &ResolvedSpec, stack: &Stack, tags: BTreeMap<String, String>) -> Result<Plan, StepError> {
        plan::plan(spec, stack, tags)
    }

    async fn preflight(&self, plan: &Plan, fresh: &[&PlannedStep]) -> Vec<Check> {
        preflight::preflight(&self.cx, &*self.clock, plan, fresh).await
    }

    fn backend_for(&self, volumes: VolumeFate) -> Arc<dyn Backend> {
        let cx = Arc::new(self.cx.with_volumes(volumes));
        Arc::new(AzureBackend { cx, clock: Arc::clone(&self.clock) })
    }

    async fn stacks(&self, name: Option<&ClusterName>) -> Result<Vec<StackSeen>, StepError> {
        clusters::stacks(&self.cx, &*self.clock, name).await
    }

    async fn accounts(&self) -> Result<Vec<String>, StepError> {
        let seen = visible(&self.cx, &*self.clock).await?;
        Ok(seen.into_iter().filter(|it| is_open(&it.state)).map(|it| it.id).collect())
    }

    async fn regions(&self) -> Result<Vec<Region>, StepError> {
        // A look at all regions begins: what an earlier one saw counts no more.
        *self.listings.lock().unwrap_or_else(PoisonError::into_inner) = Arc::default();
        survey::regions(&self.cx, &*self.clock).await
    }

    fn elsewhere(&self, region: &Region) -> Arc<dyn Provider> {
        Arc::new(Self {
            cx: Arc::new(self.cx.in_region(region.clone())),
            clock: Arc::clone(&self.clock),
            named: self.named.clone(),
            caller: Mutex::new(self.caller()),
            listings: Mutex::new(self.listings()),
            is_part: true,
        })
    }

    async fn survey(&self) -> Result<Survey, StepError> {
        let listings = if self.is_part { self.listings() } else { Arc::default() };
        survey::survey(&self.cx, &*self.clock, &listings).await
    }

    async fn traces(&self) -> Result<Vec<(Region, StackSeen)>, StepError> {
        survey::traces(&self.cx, &*self.clock, &self.listings()).await
    }

    fn retags(&self, kind: &str) -> bool {
        retag::changes(kind)
    }

    async fn retag(&self, _: &Stack, owned: &[Owned], tags: &BTreeMap<String, String>) -> Result<(), StepError> {
        retag::retag(&self.cx, &*self.clock, owned, tags).await
    }

    fn anchor_tags(&self, spec: &ResolvedSpec) -> BTreeMap<String, String> {
        tags::spec_chunks(spec).unwrap_or_else(tags::no_spec)
    }

    async fn cluster(&self, name: &str) -> Result<Option<CloudCluster>, StepError> {
        clusters::cluster(&self.cx, &*self.clock, name).await
    }

    fn cluster_name(&self, stack: &Stack) -> String {
        plan::cluster_name(stack)
    }

    fn pool_label(&self) -> &'static str {
        names::POOL_LABEL
    }

    fn device_plugin(&self) -> Option<PodsAt> {
        Some(device_plugin::PODS)
    }

    async fn token(&self, _: &str) -> Result<ClusterToken, StepError> {
        patient(&*self.clock, || token::token(self.cx.tokens())).await
    }

    async fn administrator(&self, cluster: &str) -> Result<Option<ClientCertificate>, StepError> {
        clusters::administrator(&self.cx, &*self.clock, cluster).await.map(Some)
    }
}

/// The engine's view of one subscription and region.
struct AzureBackend {
    cx: Arc<AzureCx>,
    clock: Arc<dyn Clock>,
}

#[async_trait]
impl Backend for AzureBackend {
    fn step(&self, planned: &PlannedStep) -> Result<Arc<dyn AnyStep>, StepError> {
        kinds::step(&self.cx, planned)
    }

    async fn sweep(&self, stack: &Stack) -> Result<Vec<Swept>, StepError> {
        sweep::sweep(&self.cx, &*self.clock, stack).await
    }

    async fn leftovers(&self, stage: &str, stack: &Stack, known: &[Observed]) -> Result<Vec<Leftover>, StepError> {
        let look = leftovers::Look { stack, known, volumes: self.cx.volumes };
        leftovers::leftovers(&self.cx, &*self.clock, stage, look).await
    }

    fn sweep_points(&self, swept: &[Swept]) -> Vec<SweepPoint> {
        let found: Vec<(StepId, &str)> = swept.iter().map(|it| (it.step.id.clone(), it.step.kind.as_str())).collect();
        stages::points(&found)
    }

    /// Well below what Resource Manager gives a caller in a subscription (a bucket of 200 writes refilled by 10 a second,
    /// 250 reads by 25), so that others get their share.
    fn limit(&self, service: &str) -> RateLimit {
        match service {
            "network" => RateLimit { per_second: 8.0, burst: 30 },
            _ => RateLimit { per_second: 5.0, burst: 20 },
        }
    }

    fn mutating_calls(&self) -> u64 {
        self.cx.mutating_calls()
    }
}

/// A token of another tenant than the subscription's is refused by its issuer: Azure's words name both, and what to do
/// is not among them.
fn foreign(err: StepError, own: Option<&str>) -> StepError {
    let codes = ["InvalidAuthenticationTokenTenant", "InvalidAuthenticationTokenAudience"];
    let Some(code) = err.code.as_deref().filter(|code| codes.contains(code)) else { return err };
    let own = own.unwrap_or("another tenant");
    let wanted = wanted_tenant(&err.message, own);
    let message = match &wanted {
        Some(wanted) => format!("the subscription is of tenant {wanted}, these credentials are of {own}"),
        None => format!("the subscription is of another tenant than these credentials ({own})"),
    };
    let made = StepError { message, ..err.clone() };
    let made = StepError { id: TENANT.to_owned(), code: Some(code.to_owned()), hints: Vec::new(), ..made };
    match wanted {
        Some(wanted) => made
            .with_hint(format!("AZURE_TENANT_ID={wanted} with an application of that tenant"))
            .with_hint(format!("or az login --tenant {wanted}")),
        None => {
            made.with_hint("name a subscription of that tenant, or sign in to the subscription's: az login --tenant ID")
        }
    }
}

/// The tenant that Azure asks for: the one in its words that is not ours.
fn wanted_tenant(words: &str, own: &str) -> Option<String> {
    let parts = words.split(|c: char| !(c.is_ascii_hexdigit() || c == '-'));
    parts.filter(|part| is_guid(part)).find(|part| !part.eq_ignore_ascii_case(own)).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_foreign_tenant_is_named_with_the_way_to_it() {
        let (own, other) = ("11111111-1111-4111-8111-111111111111", "22222222-2222-4222-8222-222222222222");
        let words = format!(
            "cannot read subscription s: The access token is from the wrong issuer 'https://sts.windows.net/{own}/'. It must match the tenant 'https://sts.windows.net/{other}/' associated with this subscription. (InvalidAuthenticationTokenTenant)"
        );
        let mut refused = StepError::new(ErrorClass::Auth, crate::providers::azure::error::AUTH, words);
        refused.code = Some("InvalidAuthenticationTokenTenant".to_owned());
        let made = foreign(refused.clone(), Some(own));
        assert_eq!(made.id, TENANT);
        assert!(
            made.message.contains(&format!("is of tenant {other}, these credentials are of {own}")),
            "{}",
            made.message
        );
        assert!(made.hints[1].contains(&format!("az login --tenant {other}")), "{:?}", made.hints);
        refused.code = Some("ExpiredAuthenticationToken".to_owned());
        assert_eq!(foreign(refused, Some(own)).id, crate::providers::azure::error::AUTH);
    }

    #[test]
    fn a_subscription_that_is_not_seen_is_met_with_those_that_are() {
        let one = Subscription {
            id: "s".to_owned(),
            name: "dev".to_owned(),
            state: "Enabled".to_owned(),
            tenant: String::new(),
        };
        let made = unseen("t", vec![one]);
        assert_eq!((made.class, made.hints[0].as_str()), (ErrorClass::Auth, "--subscription s   dev"));
        assert!(unseen("t", Vec::new()).hints[0].contains("AZURE_TENANT_ID"));
        assert!(is_open("Enabled") && is_open("warned") && !is_open("Disabled"));
    }
}
