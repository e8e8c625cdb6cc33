//! The in-memory world as a provider: the engine's `Backend` and the one step that all its kinds share.

use super::{
    clock::VirtualClock,
    seam::{Fault, Seam},
    world::{Creation as NewObject, Object, Refusal, Request, SETTLE_SECS, Traits, World},
};
use async_trait::async_trait;
use jiff::Timestamp;
use kubewright::engine::{
    AnyStep, Backend, Bound, Caused, Clock as _, Creation, Deletion, ErrorClass, Evidence, Found, Identity, Input,
    Leftover, Lookup, Observed, OutputKey, Outputs, Owned, PlannedStep, Probe, RateLimit, Residue, ResourceRef, Scope,
    Step, StepError, StepId, SweepPoint, Swept, Timing, Token,
};
use kubewright::model::Stack;
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering::SeqCst},
    },
    time::Duration,
};

pub const ID: OutputKey<String> = OutputKey::new("id");

/// A process's connection to the world.
pub struct Cloud {
    pub world: Mutex<World>,
    pub clock: Arc<VirtualClock>,
    pub seam: Arc<Seam>,
    mutating: AtomicU64,
    me: Mutex<Option<std::sync::Weak<Cloud>>>,
}

impl Cloud {
    pub fn new(world: World, clock: &Arc<VirtualClock>, seam: &Arc<Seam>) -> Arc<Self> {
        let cloud = Arc::new(Self {
            world: Mutex::new(world),
            clock: Arc::clone(clock),
            seam: Arc::clone(seam),
            mutating: AtomicU64::new(0),
            me: Mutex::new(None),
        });
        *cloud.me.lock().unwrap() = Some(Arc::downgrade(&cloud));
        cloud
    }

    async fn read<T>(&self, look: impl FnOnce(&World, Timestamp) -> T) -> T {
        tokio::time::sleep(Duration::from_millis(5)).await;
        self.seam.alive().await;
        let now = self.clock.now();
        let mut world = self.world.lock().unwrap();
        world.pass(now);
        look(&world, now)
    }

    /// One mutating call: a point before its effect, one where it lands after its sender's death, one after it.
    async fn mutate(&self, request: Request) -> Result<String, StepError> {
        tokio::time::sleep(Duration::from_millis(10)).await;
        self.seam.alive().await;
        self.mutating.fetch_add(1, SeqCst);
        let fault = self.seam.call();
        if self.seam.dies_here() {
            self.seam.die().await;
        }
        if self.seam.dies_here() {
            self.world.lock().unwrap().send_late(request, self.clock.now());
            self.seam.die().await;
        }
        let error = |class, message: &str| StepError::new(class, "KW-TEST", message);
        match fault {
            Some(Fault::ErrorBefore) => return Err(error(ErrorClass::Transient, "connection reset")),
            Some(Fault::Throttle) => {
                return Err(error(ErrorClass::Throttled, "slow down").with_residue(Residue::None));
            }
            Some(Fault::Permanent) => {
                return Err(error(ErrorClass::Permanent, "not like this").with_residue(Residue::None));
            }
            Some(Fault::Expired) => {
                return Err(
                    StepError::new(ErrorClass::Auth, "KW-TEST-EXPIRED", "token expired").with_residue(Residue::None)
                );
            }
            Some(Fault::LostReply | Fault::PermanentAfter) | None => {}
        }
        let now = self.clock.now();
        let acted = {
            let mut world = self.world.lock().unwrap();
            world.pass(now);
            world.act(request, now)
        };
        if self.seam.dies_here() {
            self.seam.die().await;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
        self.seam.alive().await;
        match fault {
            Some(Fault::LostReply) => Err(error(ErrorClass::Transient, "no reply")),
            Some(Fault::PermanentAfter) => Err(error(ErrorClass::Permanent, "something broke")),
            _ => acted.map_err(|refusal| match refusal {
                Refusal::Exists => error(ErrorClass::Conflict, "it exists").with_residue(Residue::None),
                Refusal::InUse(by) => error(ErrorClass::NotYet, &format!("used by {by}")).with_residue(Residue::None),
                Refusal::NotFound => {
                    let mut gone = error(ErrorClass::Permanent, "not found").with_residue(Residue::None);
                    gone.code = Some("NotFound".to_owned());
                    gone
                }
                Refusal::NotReady(id) => {
                    error(ErrorClass::Permanent, &format!("{id} is not usable")).with_residue(Residue::None)
                }
            }),
        }
    }
}

fn observed(world: &World, object: &Object, now: Timestamp) -> Observed {
    let mut reference = ResourceRef::new(object.kind.clone(), object.id.clone());
    reference.name.clone_from(&object.name);
    Observed {
        reference,
        evidence: Evidence {
            tags: object.tags.clone(),
            name: object.name.clone(),
            parent: object.parent.clone(),
            caused: None,
        },
        created_at: Some(object.created_at),
        attached: world.visible(now).any(|other| other.uses.contains(&object.id)),
    }
}

/// Any kind of this world.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Thing {
    #[serde(default)]
    pub traits: Traits,
    #[serde(default)]
    pub uses: Vec<Input<String>>,
    #[serde(default)]
    pub kind: String,
    #[serde(default)]
    pub tagged: bool,
}

impl Thing {
    fn within_reach(&self, cloud: &Cloud) -> Result<(), StepError> {
        let world = cloud.world.lock().unwrap();
        let now = cloud.clock.now();
        let stands = || world.objects.values().any(|object| object.kind == "w/cluster" && object.exists(now));
        if self.traits.inside && world.sealed && stands() {
            return Err(StepError::new(ErrorClass::Transient, "KW-TEST", "no way in"));
        }
        Ok(())
    }
}

#[async_trait]
impl Step<Cloud> for Thing {
    async fn find(&self, cloud: &Cloud, at: Scope<'_>, by: Lookup<'_>) -> Result<Found, StepError> {
        self.within_reach(cloud)?;
        let parent = match at.identity {
            Identity::Child { parent, .. } => at.inputs.get(&ID.of(parent.clone())).ok(),
            Identity::Member { of, .. } => Some(of.clone()),
            _ => None,
        };
        Ok(cloud
            .read(|world, now| {
                // Deliberately sloppy: near misses come back as well, and the engine's proof has to tell them apart.
                if let Lookup::Id(it) = by {
                    return world.by_id(&it.id, now).map(|object| observed(world, object, now)).into_iter().collect();
                }
                let fits = |object: &Object| match at.identity {
                    Identity::Tags => {
                        object.kind == self.kind && object.tags.get("kubewright-step") == Some(&at.step.tag_value())
                    }
                    Identity::Name { name } | Identity::OneWay { name } => {
                        object.kind == self.kind && object.name.as_ref() == Some(name)
                    }
                    Identity::Child { key, .. } | Identity::Member { key, .. } => {
                        object.kind == self.kind && object.parent == parent && object.name.as_ref() == Some(key)
                    }
                    Identity::External { id } => object.id == *id,
                };
                world
                    .visible(now)
                    .filter(|object| fits(object))
                    .map(|object| observed(world, object, now))
                    .collect::<Vec<_>>()
            })
            .await
            .into())
    }

    async fn create(&self, cloud: &Cloud, at: Scope<'_>, token: &Token) -> Result<ResourceRef, StepError> {
        let uses = self.uses.iter().map(|input| at.inputs.get(input)).collect::<Result<_, _>>()?;
        let (name, parent) = match at.identity {
            Identity::Tags | Identity::External { .. } => (None, None),
            Identity::Name { name } | Identity::OneWay { name } => (Some(name.clone()), None),
            Identity::Child { parent, key } => (Some(key.clone()), Some(at.inputs.get(&ID.of(parent.clone()))?)),
            Identity::Member { of, key } => (Some(key.clone()), Some(of.clone())),
        };
        let request = Request::Create(NewObject {
            kind: self.kind.clone(),
            name,
            tags: if self.tagged { at.tags.clone() } else { Default::default() },
            parent,
            uses,
            traits: self.traits.clone(),
            token: self.traits.tokens.then(|| token.as_str().to_owned()),
        });
        Ok(ResourceRef::new(self.kind.clone(), cloud.mutate(request).await?))
    }

    async fn converge(&self, cloud: &Cloud, _: Scope<'_>, owned: &Owned) -> Result<(), StepError> {
        if !self.traits.follow_up {
            return Ok(());
        }
        cloud.mutate(Request::FollowUp(owned.id().to_owned())).await.map(drop)
    }

    async fn probe(&self, cloud: &Cloud, _: Scope<'_>, it: &ResourceRef) -> Result<Probe, StepError> {
        let class = if self.traits.sold_out { ErrorClass::Capacity } else { ErrorClass::Permanent };
        Ok(cloud
            .read(|world, now| match world.objects.get(&it.id) {
                Some(object) if object.broken => Probe::Broken(StepError::new(class, "KW-TEST", "it came up broken")),
                Some(object) if object.usable(now) => Probe::Ready,
                _ => Probe::NotYet("CREATING".to_owned()),
            })
            .await)
    }

    async fn outputs(&self, cloud: &Cloud, _: Scope<'_>, it: &ResourceRef) -> Result<Outputs, StepError> {
        cloud.read(|_, _| ()).await;
        Ok(Outputs::new().with(ID, &it.id))
    }

    async fn delete(&self, cloud: &Cloud, _: Scope<'_>, owned: &Owned) -> Result<Deletion, StepError> {
        self.within_reach(cloud)?;
        let is_anothers = |world: &World| world.objects.get(owned.id()).is_some_and(|object| object.foreign);
        if self.traits.coveted && is_anothers(&cloud.world.lock().unwrap()) {
            return Ok(Deletion::Taken);
        }
        match cloud.mutate(Request::Delete(owned.id().to_owned())).await {
            Ok(_) if self.traits.gone_secs > 0 => Ok(Deletion::Started),
            Ok(_) => Ok(Deletion::Gone),
            Err(error) if error.code.as_deref() == Some("NotFound") => Ok(Deletion::Gone),
            Err(error) => Err(error),
        }
    }
}

/// A step for this world.
pub fn step(
    id: &str,
    identity: Identity,
    tagged: bool,
    creation: Creation,
    uses: &[&str],
    traits: Traits,
) -> PlannedStep {
    let mut traits = traits;
    traits.tokens = creation == Creation::Token;
    let secs = |secs: i64| u32::try_from(secs).expect("small");
    let holder = match &identity {
        Identity::Child { parent, .. } if traits.inside => Some(parent.clone()),
        _ => None,
    };
    PlannedStep {
        id: id.into(),
        kind: format!("w/{}", id.rsplit('/').next().unwrap_or(id)),
        timing: Timing {
            p50_secs: secs(traits.ready_secs),
            p90_secs: secs(traits.ready_secs * 2),
            deadline_secs: 120 + secs(traits.ready_secs * 4),
            delete_p50_secs: secs(traits.gone_secs),
            delete_deadline_secs: 240,
        },
        params: json!({
            "traits": traits,
            "uses": uses.iter().map(|id| ID.of(*id)).collect::<Vec<_>>(),
        }),
        identity,
        tagged,
        needs: Vec::new(),
        service: "world".to_owned(),
        creation,
        settle_secs: SETTLE_SECS,
        usage: Vec::new(),
        dies_with: holder,
    }
}

fn deletable(id: StepId, object: &Object, identity: Identity, tagged: bool) -> PlannedStep {
    let mut planned = step(id.as_str(), identity, tagged, Creation::Plain, &[], object.traits.clone());
    planned.kind.clone_from(&object.kind);
    planned
}

#[async_trait]
impl Backend for Cloud {
    fn step(&self, planned: &PlannedStep) -> Result<Arc<dyn AnyStep>, StepError> {
        let mut thing: Thing = serde_json::from_value(planned.params.clone())
            .map_err(|error| StepError::new(ErrorClass::Permanent, "KW-TEST", error.to_string()))?;
        thing.kind.clone_from(&planned.kind);
        thing.tagged = planned.tagged;
        let me = self.me.lock().unwrap().as_ref().and_then(std::sync::Weak::upgrade).expect("a cloud is always shared");
        Ok(Arc::new(Bound { cx: me, step: thing }))
    }

    async fn sweep(&self, stack: &Stack) -> Result<Vec<Swept>, StepError> {
        Ok(self
            .read(|world, now| {
                if world.sweep_is_blind {
                    return Vec::new();
                }
                let step_of = |object: &Object| -> Option<(StepId, Identity, bool)> {
                    // No listing of the cloud shows what stands inside something else.
                    if object.traits.inside {
                        return None;
                    }
                    if object.tags.get("kubewright-stack") == Some(&stack.to_string()) {
                        let id = StepId::from_tag_value(object.tags.get("kubewright-step")?);
                        return Some((id, Identity::Tags, true));
                    }
                    let name = object.name.as_ref()?;
                    if let Some(parent) = &object.parent {
                        let id = StepId::new(format!("in/{}/{name}", parent.to_lowercase()));
                        return Some((id, Identity::Member { of: parent.clone(), key: name.clone() }, false));
                    }
                    // A name proves only for kinds that cannot carry tags.
                    (object.tags.is_empty() && name.contains(&stack.id.to_string()))
                        .then(|| (StepId::new(format!("named/{name}")), Identity::Name { name: name.clone() }, false))
                };
                let of_ours = |object: &Object| match &object.parent {
                    // An entry in something: ours when that is ours, or when the entry bears our id.
                    Some(parent) => {
                        object.name.as_ref().is_some_and(|name| name.contains(&stack.id.to_string()))
                            || world.objects.get(parent).is_some_and(|parent| step_of(parent).is_some())
                    }
                    None => true,
                };
                let ours: Vec<(&Object, (StepId, Identity, bool))> = world
                    .visible(now)
                    .filter(|object| of_ours(object))
                    .filter_map(|object| Some((object, step_of(object)?)))
                    .collect();
                ours.iter()
                    .map(|(object, (id, identity, tagged))| Swept {
                        step: deletable(id.clone(), object, identity.clone(), *tagged),
                        seen: observed(world, object, now),
                        after: ours
                            .iter()
                            .filter(|(other, _)| {
                                other.uses.contains(&object.id) || other.parent.as_ref() == Some(&object.id)
                            })
                            .map(|(_, (id, _, _))| id.clone())
                            .collect(),
                    })
                    .collect()
            })
            .await)
    }

    async fn leftovers(&self, stage: &str, _: &Stack, known: &[Observed]) -> Result<Vec<Leftover>, StepError> {
        Ok(self
            .read(|world, now| {
                let ours = |id: &String| known.iter().any(|seen| seen.reference.id == *id);
                let leftover = |object: &Object, caused: Option<Caused>| {
                    let id = StepId::new(format!("caused/{}", object.id));
                    let mut seen = observed(world, object, now);
                    seen.evidence.caused = caused;
                    Leftover {
                        step: deletable(id, object, Identity::Tags, false),
                        seen,
                        keep: object.kind == "w/disk",
                        owner: object.foreign.then(|| "somebody else".to_owned()),
                        usd_per_hour: Some(0.02),
                    }
                };
                // The cluster's own API does not lag; the cloud's listings do.
                let objects = world.objects.values().filter(|object| object.kind == "w/lb" && object.exists(now));
                let lagging = world.visible(now).filter(|object| object.kind != "w/lb");
                objects
                    .chain(lagging)
                    .filter(|object| stage == "audit" || (object.kind == "w/lb") == (stage == "in-cluster"))
                    .filter_map(|object| match object.kind.as_str() {
                        "w/lb" => {
                            let cluster = object.caused_by.as_ref()?;
                            let answers = world.objects.get(cluster).is_some_and(|cluster| cluster.exists(now));
                            let seen = Caused::SeenInCluster { object: "default/web".to_owned() };
                            Some(leftover(object, (answers && ours(cluster)).then_some(seen)))
                        }
                        "w/eni" | "w/disk" => {
                            let inside = object.uses.first().filter(|id| ours(id))?.clone();
                            Some(leftover(object, Some(Caused::InsideOwned { container: inside })))
                        }
                        // Something in our network that nothing says is ours.
                        "w/stranger" => object.uses.first().filter(|id| ours(id)).map(|_| leftover(object, None)),
                        _ => None,
                    })
                    .collect()
            })
            .await)
    }

    fn sweep_points(&self, swept: &[Swept]) -> Vec<SweepPoint> {
        let of = |kind: &str| -> Vec<StepId> {
            swept.iter().filter(|found| found.step.kind == kind).map(|found| found.step.id.clone()).collect()
        };
        points(of("w/cluster"), of("w/net"))
    }

    fn limit(&self, _: &str) -> RateLimit {
        RateLimit { per_second: 50.0, burst: 100 }
    }

    fn mutating_calls(&self) -> u64 {
        self.mutating.load(SeqCst)
    }
}

/// Load balancers while the cluster still answers; interfaces once it is gone and before its network goes.
pub fn points(cluster: Vec<StepId>, network: Vec<StepId>) -> Vec<SweepPoint> {
    vec![
        SweepPoint { stage: "in-cluster".to_owned(), after: Vec::new(), before: cluster.clone() },
        SweepPoint { stage: "enis".to_owned(), after: cluster, before: network },
    ]
}
