//! Load balancers and what belongs to them, machines and firewall rules.
//!
//! Only the lowest parts name a network: firewall rules, endpoint groups, instance groups, machines. Everything above
//! hangs on them by links, or by the name that a Service's firewall rule shares with it. So what is on top goes first,
//! one layer at a time: what proves a thing stands until the thing is gone, whenever we are killed.

use super::{Look, leftover, price, reported};
use crate::engine::{Caused, Leftover, StepError};
use crate::providers::gcp::client::GcpCx;
use crate::providers::gcp::steps::cluster;
use crate::providers::gcp::steps::cluster::PART_UID;
use crate::providers::gcp::steps::remains::{self, Kind};
use crate::providers::gcp::steps::strangers::{everywhere, is_in, made_by_gke, of_a_service, says_kubernetes};
use crate::providers::gcp::wire::{self, Thing};
use futures::{StreamExt, TryStreamExt, stream};
use std::collections::BTreeSet;

/// From top to bottom: each hangs on something below it, and proves nothing to what is below.
const LAYERS: [&[Kind]; 7] = [
    &[remains::FORWARDING_RULE],
    &[remains::TARGET_HTTP_PROXY, remains::TARGET_HTTPS_PROXY, remains::TARGET_POOL, remains::ADDRESS],
    &[remains::URL_MAP, remains::SSL_CERTIFICATE],
    &[remains::BACKEND_SERVICE],
    &[remains::HEALTH_CHECK, remains::HTTP_HEALTH_CHECK],
    &[remains::NEG, remains::INSTANCE_GROUP, remains::INSTANCE],
    &[remains::FIREWALL, remains::ROUTE],
];

/// Listings that are asked for at the same time.
const AT_ONCE: usize = 5;

/// Everything that was read, and what is proven of it.
struct Scene {
    all: Vec<(Kind, Thing)>,
    /// Place → what proves it.
    ours: Vec<(String, Caused)>,
    /// Names of load balancers of Services, by their firewall rules in our network.
    services: BTreeSet<String>,
    /// The cluster's own mark in its controllers' names.
    marks: BTreeSet<String>,
}

/// What the cluster's controllers made. Of what is ours only the topmost layer, unless all is asked for.
pub(super) async fn made(cx: &GcpCx, look: Look<'_>, all: bool) -> Result<Vec<Leftover>, StepError> {
    let listed = |kind: Kind| async move {
        let things = everywhere(cx, &kind).await?;
        Ok::<_, StepError>(things.into_iter().map(|thing| (kind, thing)).collect::<Vec<_>>())
    };
    let read: Vec<_> = stream::iter(LAYERS.concat()).map(listed).buffered(AT_ONCE).try_collect().await?;
    let scene = Scene::of(look, read.into_iter().flatten().collect());
    let mut found = Vec::new();
    for layer in LAYERS {
        for (kind, thing) in scene.all.iter().filter(|(kind, _)| layer.contains(kind)) {
            if let Some(caused) = scene.proof(thing) {
                let mut seen = remains::observed(kind, thing);
                seen.evidence.caused = Some(caused.clone());
                let usd_per_hour = match kind.kind {
                    "gcp/forwarding-rule" => price(cx, "forwarding-rule", 1.0),
                    "gcp/address" => price(cx, "static-ip-unused", 1.0),
                    _ => None,
                };
                found.push(Leftover { usd_per_hour, ..leftover(kind, seen) });
            }
        }
        if !found.is_empty() && !all {
            break;
        }
    }
    found.extend(scene.doubtful(look));
    Ok(found)
}

impl Scene {
    fn of(look: Look<'_>, all: Vec<(Kind, Thing)>) -> Self {
        let mut scene = Self { all, ours: Vec::new(), services: BTreeSet::new(), marks: BTreeSet::new() };
        scene.take_root(look);
        // From bottom to top: each is judged by what is below it.
        for layer in LAYERS.iter().rev() {
            let proven: Vec<(String, Caused)> = scene
                .all
                .iter()
                .filter(|(kind, _)| layer.contains(kind))
                .filter(|(_, thing)| scene.proof(thing).is_none())
                .filter_map(|(kind, thing)| Some((place(thing), scene.hangs_on(kind, thing)?)))
                .collect();
            scene.ours.extend(proven);
        }
        scene
    }

    /// What names our network, or our cluster by its id, and is called as GKE calls things.
    fn take_root(&mut self, look: Look<'_>) {
        let networks = look.networks();
        let uids: Vec<(&str, &str)> = look
            .of_kind(cluster::KIND)
            .filter_map(|it| Some((it.reference.id.as_str(), it.reference.parts.get(PART_UID)?.as_str())))
            .collect();
        for (kind, thing) in &self.all {
            let inside = networks.iter().find(|network| is_in(thing, network));
            let by_uid = uids.iter().find(|(_, uid)| cluster_uid(thing).as_deref() == Some(uid));
            let caused = match (inside, by_uid) {
                (Some(network), _) if made_by_gke(kind, thing, look.cluster()) => {
                    Caused::InsideOwned { container: (*network).to_owned() }
                }
                (_, Some((name, _))) => Caused::InsideOwned { container: (*name).to_owned() },
                _ => continue,
            };
            if kind.kind == remains::FIREWALL.kind {
                self.services.extend(service_of(&thing.name).map(str::to_owned));
            }
            self.marks.extend(mark_of(&thing.name).map(str::to_owned));
            self.ours.push((place(thing), caused));
        }
    }

    fn proof(&self, thing: &Thing) -> Option<&Caused> {
        let place = place(thing);
        self.ours.iter().find(|(ours, _)| *ours == place).map(|(_, caused)| caused)
    }

    fn proof_of_link(&self, link: &str) -> Option<&Caused> {
        let place = wire::inside_project(link);
        self.ours.iter().find(|(ours, _)| !link.is_empty() && ours == place).map(|(_, caused)| caused)
    }

    /// What proves a thing that names no network: a thing of ours that it hangs on, and its own name.
    fn hangs_on(&self, kind: &Kind, thing: &Thing) -> Option<Caused> {
        let any = self.ours.iter().map(|(_, caused)| caused).next();
        // Of a Service: its firewall rule in our network has its name.
        if of_a_service(&thing.name) && self.services.contains(&thing.name) {
            return any.cloned();
        }
        let controllers =
            ["k8s-", "k8s1-", "k8s2-", "l7-", "gkegw1-"].iter().any(|start| thing.name.starts_with(start));
        if !controllers && !says_kubernetes(thing) {
            return None;
        }
        let below: Vec<&str> = match kind.kind {
            "gcp/forwarding-rule" => vec![&thing.target, &thing.backend_service],
            "gcp/target-http-proxy" | "gcp/target-https-proxy" => vec![&thing.url_map],
            "gcp/url-map" => routes(thing).collect(),
            "gcp/backend-service" => thing.backends.iter().map(|it| it.group.as_str()).collect(),
            "gcp/address" => thing.users.iter().map(String::as_str).collect(),
            _ => Vec::new(),
        };
        let below = below.into_iter().find_map(|link| self.proof_of_link(link)).cloned();
        // What nothing leads to from above carries the cluster's own mark: health checks, certificates.
        below.or_else(|| self.is_marked(&thing.name).then_some(any).flatten().cloned())
    }

    /// Whether a name holds the mark by which our cluster's controllers call things: one may write more of it than
    /// another.
    fn is_marked(&self, name: &str) -> bool {
        let found = mark_of(name);
        found
            .is_some_and(|mark| self.marks.iter().any(|ours| ours.starts_with(mark) || mark.starts_with(ours.as_str())))
    }

    /// What is called as if our cluster had made it, and is not proven: named, where our own journal does not know better.
    fn doubtful(&self, look: Look<'_>) -> Vec<Leftover> {
        // With a network of our own the cluster had no business anywhere else.
        if !look.networks().is_empty() || look.known.is_empty() {
            return Vec::new();
        }
        let named = |thing: &Thing| {
            let gke = thing.name.strip_prefix("gke-").and_then(|rest| rest.strip_prefix(look.cluster()));
            gke.is_some_and(|rest| rest.starts_with('-'))
                || thing.labels.get("goog-k8s-cluster-name").is_some_and(|it| it == look.cluster())
        };
        let doubtful = self.all.iter().filter(|(_, thing)| self.proof(thing).is_none() && named(thing));
        doubtful
            .map(|(kind, thing)| {
                let owner =
                    format!("called like things of a cluster `{}`, in a network that is not ours", look.cluster());
                reported(leftover(kind, remains::observed(kind, thing)), owner)
            })
            .collect()
    }
}

fn place(thing: &Thing) -> String {
    wire::inside_project(&thing.self_link).to_owned()
}

fn routes(thing: &Thing) -> impl Iterator<Item = &str> {
    let matched = thing.path_matchers.iter().flat_map(|it| {
        let rules = it.path_rules.iter().map(|rule| rule.service.as_str());
        std::iter::once(it.default_service.as_str()).chain(rules)
    });
    std::iter::once(thing.default_service.as_str()).chain(matched)
}

/// The cluster's id that a controller wrote into a description.
fn cluster_uid(thing: &Thing) -> Option<String> {
    let text: serde_json::Value = serde_json::from_str(&thing.description).ok()?;
    text.get("cluster-uid")?.as_str().map(str::to_owned)
}

/// `a0b1…` of `k8s-fw-a0b1…` and `k8s-a0b1…-http-hc`: the load balancer of a Service.
fn service_of(firewall: &str) -> Option<&str> {
    let name = firewall.strip_prefix("k8s-fw-").or_else(|| firewall.strip_prefix("k8s-"))?;
    let name = name.split('-').next().unwrap_or(name);
    of_a_service(name).then_some(name)
}

/// The mark of a cluster in the names of its controllers: `k8s1-<mark>-ns-svc-80-…`, `k8s-fw-l7--<mark>`,
/// `k8s-be-30080--<mark>`, `k8s-<mark>-node-hc`. Eight hexadecimal digits at least.
fn mark_of(name: &str) -> Option<&str> {
    let is_mark =
        |text: &str| text.len() >= 8 && text.chars().all(|c| c.is_ascii_hexdigit() && !c.is_ascii_uppercase());
    if let Some((_, mark)) = name.rsplit_once("--") {
        let mark = mark.split('-').next().unwrap_or(mark);
        return is_mark(mark).then_some(mark);
    }
    let after =
        |start: &str| name.strip_prefix(start).and_then(|rest| rest.split('-').next()).filter(|mark| is_mark(mark));
    // `k8s2-um-<mark>-…`, `k8s2-cr-<mark>-…`: a kind comes first.
    let second = || name.strip_prefix("k8s2-")?.split('-').find(|part| is_mark(part));
    after("k8s1-").or_else(second).or_else(|| {
        let node = name.ends_with("-node") || name.contains("-node-");
        after("k8s-").filter(|_| node)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::Observed;
    use crate::model::Stack;
    use crate::providers::VolumeFate;
    use crate::providers::gcp::labels::Tags;
    use crate::providers::gcp::steps::{network, support};

    const OURS: &str = "kw-demo-0a1b2c3d-network";
    const LB: &str = "a0123456789abcdef0123456789abcde";

    fn thing(place: &str) -> Thing {
        let link = format!("https://www.googleapis.com/compute/v1/projects/p/{place}");
        Thing { name: wire::last(place).to_owned(), self_link: link, ..Thing::default() }
    }

    fn link(place: &str) -> String {
        format!("https://www.googleapis.com/compute/v1/projects/p/{place}")
    }

    fn proven(known: &[Observed], all: Vec<(Kind, Thing)>) -> Vec<String> {
        let stack: Stack = "demo-0a1b2c3d".parse().unwrap();
        let look = Look { stack: &stack, known, volumes: VolumeFate::ByPolicy };
        let mut ours: Vec<String> = Scene::of(look, all).ours.into_iter().map(|(place, _)| place).collect();
        ours.sort();
        ours
    }

    fn our_network() -> Vec<Observed> {
        vec![support::seen(network::KIND, OURS, Tags::new())]
    }

    fn service(network: &str) -> Vec<(Kind, Thing)> {
        let told = r#"{"kubernetes.io/service-name":"default/web"}"#.to_owned();
        let firewall = Thing {
            network: link(&format!("global/networks/{network}")),
            description: told.clone(),
            ..thing(&format!("global/firewalls/k8s-fw-{LB}"))
        };
        vec![
            (remains::FIREWALL, firewall),
            (remains::TARGET_POOL, thing(&format!("regions/r/targetPools/{LB}"))),
            (
                remains::FORWARDING_RULE,
                Thing {
                    target: link(&format!("regions/r/targetPools/{LB}")),
                    description: told,
                    ..thing(&format!("regions/r/forwardingRules/{LB}"))
                },
            ),
        ]
    }

    #[test]
    fn a_services_load_balancer_is_proven_by_its_rule_in_our_network() {
        assert_eq!(proven(&our_network(), service(OURS)).len(), 3);
        assert!(proven(&our_network(), service("other")).is_empty(), "the same in somebody else's");
        assert!(proven(&[], service(OURS)).is_empty(), "a network that is not proven");
    }

    #[test]
    fn an_ingress_is_proven_from_below_and_a_users_own_map_is_not() {
        let neg = Thing {
            network: link(&format!("global/networks/{OURS}")),
            ..thing("zones/z/networkEndpointGroups/k8s1-0123abcd-default-web-80-5f6a7b8c")
        };
        let group = wire::Backend { group: neg.self_link.clone() };
        let backend =
            |name: &str| Thing { backends: vec![group.clone()], ..thing(&format!("global/backendServices/{name}")) };
        let ours = backend("k8s1-0123abcd-default-web-80-5f6a7b8c");
        let map = |name: &str, to: &Thing| Thing {
            default_service: to.self_link.clone(),
            ..thing(&format!("global/urlMaps/{name}"))
        };
        let theirs = backend("my-backend");
        let all = vec![
            (remains::URL_MAP, map("k8s2-um-0123abcd-default-web-x", &ours)),
            (remains::URL_MAP, map("my-map", &ours)),
            (remains::BACKEND_SERVICE, ours),
            (remains::BACKEND_SERVICE, theirs),
            (remains::HEALTH_CHECK, thing("global/healthChecks/k8s1-0123abcd-default-web-80-5f6a7b8c")),
            (remains::HEALTH_CHECK, thing("global/healthChecks/k8s1-ffffffff-default-web-80-5f6a7b8c")),
            (remains::NEG, neg),
        ];
        assert_eq!(
            proven(&our_network(), all),
            [
                "global/backendServices/k8s1-0123abcd-default-web-80-5f6a7b8c",
                "global/healthChecks/k8s1-0123abcd-default-web-80-5f6a7b8c",
                "global/urlMaps/k8s2-um-0123abcd-default-web-x",
                "zones/z/networkEndpointGroups/k8s1-0123abcd-default-web-80-5f6a7b8c",
            ]
        );
    }

    #[test]
    fn near_misses_in_our_network_are_left() {
        let inside = |place: &str| Thing { network: link(&format!("global/networks/{OURS}")), ..thing(place) };
        for near in ["global/firewalls/allow-ssh", "global/firewalls/gke-demo2-x-all", "global/firewalls/my-k8s-fw-x"] {
            assert!(proven(&our_network(), vec![(remains::FIREWALL, inside(near))]).is_empty(), "{near}");
        }
        for made in ["global/firewalls/gke-demo-1a2b3c4d-all", "global/firewalls/k8s-0123abcd01234567-node-http-hc"] {
            assert_eq!(proven(&our_network(), vec![(remains::FIREWALL, inside(made))]).len(), 1, "{made}");
        }
    }

    #[test]
    fn marks_are_read_from_every_kind_of_name() {
        for (name, mark) in [
            ("k8s1-0123abcd-default-web-80-5f6a7b8c", Some("0123abcd")),
            ("k8s2-um-0123abcd-default-web-x", Some("0123abcd")),
            ("k8s-fw-l7--0123abcd01234567", Some("0123abcd01234567")),
            ("k8s-be-30080--0123abcd01234567", Some("0123abcd01234567")),
            ("k8s-0123abcd01234567-node-http-hc", Some("0123abcd01234567")),
            ("k8s-fw-a0123456789abcdef0123456789abcde", None),
            ("my--firewall", None),
        ] {
            assert_eq!(mark_of(name), mark, "{name}");
        }
        assert_eq!(service_of(&format!("k8s-fw-{LB}")), Some(LB));
        assert_eq!(service_of("k8s-fw-l7--0123abcd01234567"), None);
    }
}
