//! What `init` can be answered from: the cloud where it can be asked, else what this build knows; and what answers cost.

use super::ask::Ask;
use crate::app::guess::guessed;
use crate::app::{cloud, durations, money};
use crate::cost::{catalogue, prices};
use crate::engine::{Paces, Plan};
use crate::env::{Env, ProviderChoice};
use crate::error::{Class, CliError};
use crate::model::doc::{Eta, Totals};
use crate::model::{Cloud, ClusterSpec, Region, ResolvedSpec, Stack, StackId};
use crate::providers::{self, Identity, Offers, Provider, embedded_offers};
use crate::ui::{PlanRow, price_table, style::about};
use std::{collections::BTreeMap, sync::Arc};

/// A cloud at hand.
pub(super) struct Desk {
    pub(super) cloud: Cloud,
    pub(super) region: Region,
    provider: Option<Arc<dyn Provider>>,
    who: Option<Identity>,
    pub(super) offers: Offers,
    /// Whether this build knows the region at all: of a younger one it can guess nothing.
    known: bool,
    /// How long things take here.
    paces: Paces,
}

/// What a spec costs and how long it takes.
pub(super) struct Priced {
    rows: Vec<PlanRow>,
    totals: Totals,
    pub(super) complete: bool,
    pub(super) eta: Eta,
}

impl Desk {
    /// Asks the cloud; where it cannot be asked, says so and goes on.
    pub(super) async fn open(env: &Env, cloud: Cloud, region: Region) -> Result<Self, CliError> {
        env.ui.say_at_length(&format!("asking {cloud} what {region} offers"));
        let asked = async {
            let connected = cloud::connect_at(env, cloud, Some(region.clone()), None).await?;
            let offers = connected.provider.offers().await?;
            Ok((connected, offers))
        };
        let asked = env.reading(asked).await;
        let embedded = embedded_offers(cloud, &region, env.now());
        let known = embedded.zones.is_some();
        let paces = durations::usual(env);
        match asked {
            Ok((connected, live)) => {
                let kind = cloud.terms().account;
                env.ui.say_at_length(&format!("{kind} {} · {}", connected.who.account, connected.who.source));
                let offers = Offers {
                    versions: live.versions.or(embedded.versions),
                    zones: live.zones.or(embedded.zones),
                    machines: live.machines,
                };
                let (provider, who) = (Some(connected.provider), Some(connected.who));
                Ok(Self { cloud, region, provider, who, offers, known, paces })
            }
            // Somebody wants to be gone, or the place is certainly wrong.
            Err(error) if matches!(error.class, Class::Interrupted | Class::Timeout | Class::Usage) => Err(error),
            Err(error) => {
                env.ui.warn(&format!("{cloud} was not asked: {}", error.message));
                env.ui.say_at_length(&format!(
                    "going on with what this build knows ({}); `provision` asks {cloud} before it builds",
                    catalogue().date()
                ));
                let choice = ProviderChoice { cloud, region: Some(region.clone()), account: None };
                let provider = env.reading(env.open_provider(&choice)).await?;
                Ok(Self { cloud, region, provider, who: None, offers: embedded, known, paces })
            }
        }
    }

    /// Whether the cloud itself was asked.
    pub(super) const fn is_live(&self) -> bool {
        self.who.is_some()
    }

    /// The account, once it is known.
    pub(super) fn account(&self) -> Option<&str> {
        self.who.as_ref().map(|who| who.account.as_str())
    }

    /// The spec with every choice made from what this build knows; none where it knows no such cloud or region.
    fn guess(&self, spec: &ClusterSpec) -> Option<Result<ResolvedSpec, Vec<String>>> {
        let provider = self.provider.as_ref().filter(|_| self.known)?;
        let guessed = guessed(provider.as_ref(), spec, self.who.as_ref());
        Some(guessed.map_err(|problems| problems.into_iter().map(|problem| problem.message).collect()))
    }

    /// What the provider would refuse of this spec, as far as that is known without asking.
    pub(super) fn problems(&self, spec: &ClusterSpec) -> Vec<String> {
        if spec.network.as_ref().is_some_and(|network| network.existing.is_some()) {
            return Vec::new();
        }
        self.guess(spec).and_then(Result::err).unwrap_or_default()
    }

    /// What it would cost, without asking.
    pub(super) fn estimate(&self, spec: &ClusterSpec) -> Option<Priced> {
        self.priced(&self.guess(spec)?.ok()?)
    }

    /// What it costs, as the cloud would build it now; as this build knows it where the cloud cannot say. What the cloud
    /// would refuse is told, and refused where nobody can decide about it.
    pub(super) async fn price(&self, ask: &Ask<'_>, spec: &ClusterSpec) -> Result<Option<Priced>, CliError> {
        let (Some(provider), Some(who)) = (&self.provider, &self.who) else { return Ok(self.estimate(spec)) };
        match ask.env.reading(async { Ok(provider.resolve(spec, who).await) }).await? {
            Ok(resolved) => Ok(self.priced(&resolved)),
            Err(problems) if !ask.asks() => Err(CliError::of_many(problems)),
            Err(problems) => {
                for problem in problems {
                    ask.env.ui.warn(&format!("`provision` would refuse it now: {}", problem.message));
                }
                Ok(self.estimate(spec))
            }
        }
    }

    fn priced(&self, spec: &ResolvedSpec) -> Option<Priced> {
        let stack = Stack { name: spec.name.clone(), id: StackId::from_bits(0) };
        let plan: Plan = self.provider.as_ref()?.plan(spec, &stack, BTreeMap::new()).ok()?;
        let cost = money::price(&plan, spec);
        Some(Priced {
            rows: money::rows(&plan, spec, &cost),
            totals: cost.totals,
            complete: cost.complete,
            eta: durations::eta(&self.paces.over(&plan)),
        })
    }
}

impl Priced {
    /// The most it can cost an hour: what budgets are judged by.
    pub(super) const fn at_most(&self) -> f64 {
        self.totals.usd_per_hour.max
    }

    /// What it costs an hour as ordered.
    pub(super) const fn usd_per_hour(&self) -> f64 {
        self.totals.usd_per_hour.desired
    }

    /// The price lines and the usual time.
    pub(super) fn text(&self, columns: Option<usize>) -> String {
        let table = price_table(&self.rows, &self.totals, self.complete, self.eta, columns);
        format!(
            "\n{table}ready in about {}, nine of ten in {}",
            about(self.eta.p50_seconds),
            about(self.eta.p90_seconds)
        )
    }
}

/// The machine a pool gets when none is named, with its price.
pub(super) fn usual_machine(cloud: Cloud, region: &Region) -> Option<(String, f64)> {
    let name = providers::usual_machine(cloud, region)?;
    let usd = prices().instance(cloud, region, &name)?.on_demand;
    Some((name, usd))
}
