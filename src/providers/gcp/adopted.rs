//! A network brought along: what it is, and whether a cluster can live in it. Read, never changed.
//!
//! On Google Cloud that is one subnet of the region with two secondary ranges, for pods and for Services, in a network of
//! this project or of one that shares it.

use super::client::{GcpCx, Request, encoded};
use super::layout::{addresses, blocks};
use crate::engine::{ErrorClass, Residue, StepError};
use crate::model::spec::ExistingNetwork;
use crate::providers::{Check, CheckStatus};
use ipnet::Ipv4Net;
use serde::Deserialize;

/// Google takes four addresses of every subnet.
const KEPT: u32 = 4;

/// A name or link of Compute Engine's, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// Whose it is, where it says so.
    pub project: Option<String>,
    /// Where it is, where it says so.
    pub region: Option<String>,
    /// Its name.
    pub name: String,
}

impl Link {
    /// Of a bare name, a path from `projects/` on, or a whole link; none where it is none of these.
    pub fn of(text: &str) -> Option<Self> {
        let path = text.find("projects/").map_or(text, |at| &text[at..]);
        let parts: Vec<&str> = path.split('/').collect();
        let (project, region, name) = match parts[..] {
            [name] => (None, None, name),
            ["projects", project, "global", "networks", name] => (Some(project), None, name),
            ["projects", project, "regions", region, "subnetworks", name] => (Some(project), Some(region), name),
            ["regions", region, "subnetworks", name] => (None, Some(region), name),
            ["global", "networks", name] => (None, None, name),
            _ => return None,
        };
        let own = |text: &str| text.to_owned();
        is_name(name).then(|| Self { project: project.map(own), region: region.map(own), name: name.to_owned() })
    }
}

/// Whether Compute Engine could have given this name.
pub fn is_name(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_lowercase())
        && !text.ends_with('-')
        && text.len() <= 63
        && text.chars().all(|c| matches!(c, 'a'..='z' | '0'..='9' | '-'))
}

/// The last part of a link.
pub fn name_of(link: &str) -> &str {
    link.rsplit('/').next().unwrap_or(link)
}

/// A network.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Network {
    /// Its name.
    pub name: String,
    /// Its link.
    pub self_link: String,
}

/// A subnet.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Subnet {
    /// Its name.
    pub name: String,
    /// Its link.
    pub self_link: String,
    /// Link of its network.
    pub network: String,
    /// Its own range.
    pub ip_cidr_range: String,
    /// Whether machines without public addresses reach Google's APIs.
    pub private_ip_google_access: bool,
    /// `PRIVATE` for those that machines stand in.
    pub purpose: Option<String>,
    /// Its further ranges.
    pub secondary_ip_ranges: Vec<Secondary>,
}

/// A further range of a subnet.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Secondary {
    /// Its name.
    pub range_name: String,
    /// The range.
    pub ip_cidr_range: String,
}

/// A router, as far as it translates addresses.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Router {
    network: String,
    nats: Vec<Translation>,
}

#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Translation {
    source_subnetwork_ip_ranges_to_nat: String,
    subnetworks: Vec<Translated>,
    r#type: Option<String>,
}

#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Translated {
    name: String,
}

/// A route.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Route {
    network: String,
    dest_range: String,
    next_hop_gateway: Option<String>,
}

/// A network brought along, as it is.
#[derive(Debug, Clone, PartialEq)]
pub struct Adopted {
    asked: ExistingNetwork,
    region: String,
    network: Option<Network>,
    subnet: Option<Subnet>,
    routers: Vec<Router>,
    routes: Vec<Route>,
}

/// Reads a network.
///
/// # Errors
/// As the calls'.
pub async fn read(cx: &GcpCx, asked: &ExistingNetwork) -> Result<Adopted, StepError> {
    let region = cx.region.to_string();
    let subnet = asked.private_subnets.first().and_then(|text| Link::of(text));
    let (Some(network), Some(subnet)) = (Link::of(&asked.vpc), subnet) else {
        // Said already, as a problem of the spec.
        return Ok(Adopted {
            asked: asked.clone(),
            region,
            network: None,
            subnet: None,
            routers: vec![],
            routes: vec![],
        });
    };
    let host = match network.project.as_deref().or(subnet.project.as_deref()) {
        Some(host) => host,
        None => cx.project()?,
    };
    let at = |inside: String| format!("projects/{}/{inside}", encoded(host));
    let regional = format!("regions/{}", encoded(&region));
    let (network_name, subnet_name) = (encoded(&network.name), encoded(&subnet.name));
    let network = Request::get("compute:networks.get", at(format!("global/networks/{network_name}")), &asked.vpc);
    let subnet = at(format!("{regional}/subnetworks/{subnet_name}"));
    let subnet = Request::get("compute:subnetworks.get", subnet, &subnet_name);
    let routers = Request::get("compute:routers.list", at(format!("{regional}/routers")), "routers");
    let routes = Request::get("compute:routes.list", at("global/routes".to_owned()), "routes");
    let (network, subnet, routers, routes) = futures::try_join!(
        cx.read::<Network>(network),
        cx.read::<Subnet>(subnet),
        cx.list::<Router>("items", routers),
        cx.list::<Route>("items", routes),
    )?;
    let here = |link: &str| network.as_ref().is_some_and(|network| same(link, &network.self_link));
    let routers = routers.into_iter().filter(|it| here(&it.network)).collect();
    let routes = routes.into_iter().filter(|it| here(&it.network)).collect();
    Ok(Adopted { asked: asked.clone(), region, network, subnet, routers, routes })
}

/// Whether two links name one thing: hosts and versions of the API before it may differ.
pub fn same(one: &str, other: &str) -> bool {
    let path = |link: &str| link.find("projects/").map(|at| link[at..].to_owned());
    path(one).is_some() && path(one) == path(other)
}

impl Adopted {
    /// The subnet's own range.
    pub fn cidr(&self) -> Option<Ipv4Net> {
        self.subnet.as_ref()?.ip_cidr_range.parse().ok()
    }

    /// Whether a cluster that says this of its subnet, by link or by name, stands in this one.
    pub fn is_subnet(&self, link: &str, name: &str) -> bool {
        let Some(subnet) = &self.subnet else { return false };
        if link.is_empty() { name_of(name) == subnet.name } else { same(link, &subnet.self_link) }
    }

    fn range(&self, name: Option<&String>) -> Option<Ipv4Net> {
        let all = &self.subnet.as_ref()?.secondary_ip_ranges;
        all.iter().find(|it| Some(&it.range_name) == name)?.ip_cidr_range.parse().ok()
    }

    /// What makes it no network to build in.
    pub fn problems(&self) -> Vec<StepError> {
        let mut found = Vec::new();
        let mut problem = |message: String, hint: Option<String>| {
            let error = StepError::new(ErrorClass::Permanent, "KW-NET", message).with_residue(Residue::None);
            found.push(hint.into_iter().fold(error, StepError::with_hint));
        };
        let asked = self.asked.private_subnets.first().map(String::as_str).unwrap_or_default();
        if let Some(elsewhere) = Link::of(asked).and_then(|link| link.region).filter(|region| *region != self.region) {
            let message = format!("subnet {} is in {elsewhere}, the cluster in {}", name_of(asked), self.region);
            problem(message, Some(format!("--region {elsewhere}")));
            return found;
        }
        let Some(network) = &self.network else {
            problem(format!("there is no network {} in this project", self.asked.vpc), None);
            return found;
        };
        let Some(subnet) = &self.subnet else {
            let message = format!("there is no subnet {asked} in {}", self.region);
            problem(message, Some("a subnet belongs to one region: name one of the cluster's".to_owned()));
            return found;
        };
        if !same(&subnet.network, &network.self_link) {
            let other = name_of(&subnet.network);
            problem(format!("subnet {} is in network {other}, not in {}", subnet.name, network.name), None);
        }
        if let Some(purpose) = subnet.purpose.as_deref().filter(|it| !["PRIVATE", "PRIVATE_RFC_1918"].contains(it)) {
            problem(format!("subnet {} is for {purpose}, not for machines", subnet.name), None);
        }
        for (key, name) in [("podRange", &self.asked.pod_range), ("serviceRange", &self.asked.service_range)] {
            let Some(name) = name else { continue };
            if self.range(Some(name)).is_none() {
                let all: Vec<&str> = subnet.secondary_ip_ranges.iter().map(|it| it.range_name.as_str()).collect();
                let there =
                    if all.is_empty() { "it has none".to_owned() } else { format!("it has {}", all.join(", ")) };
                let message =
                    format!("network.existing.{key}: subnet {} has no secondary range {name}; {there}", subnet.name);
                let add = format!(
                    "gcloud compute networks subnets update {} --region {} --add-secondary-ranges {name}=RANGE",
                    subnet.name, self.region
                );
                problem(message, Some(add));
            }
        }
        found
    }

    /// Whether nodes could work in it: `nodes` in all, and one more while a pool is renewed.
    pub fn checks(&self, nodes: u32) -> Vec<Check> {
        let Some(subnet) = &self.subnet else { return Vec::new() };
        let mut checks: Vec<Check> = self.egress(subnet).into_iter().collect();
        let need = nodes + 1;
        let room = [
            (self.cidr(), addresses as fn(Ipv4Net) -> u32, KEPT, "its own range", "addresses for nodes"),
            (
                self.range(self.asked.pod_range.as_ref()),
                blocks as fn(Ipv4Net) -> u32,
                0,
                "its range for pods",
                "blocks of /24, one for each node's pods",
            ),
        ];
        for (range, count, kept, which, what) in room {
            let Some(range) = range else { continue };
            let have = count(range).saturating_sub(kept);
            if have < need {
                let message =
                    format!("subnet {}: {which} {range} has {have} {what}; nodes and surge need {need}", subnet.name);
                checks.push(Check {
                    need: Some(need.into()),
                    have: Some(have.into()),
                    class: Some(ErrorClass::Permanent),
                    ..Check::of("KW-NET-IPS", CheckStatus::Fail, message)
                });
            }
        }
        if checks.iter().all(|check| check.status != CheckStatus::Fail) {
            checks.push(Check::of("network", CheckStatus::Ok, format!("subnet {} can hold the cluster", subnet.name)));
        }
        checks
    }

    /// Nodes have no public addresses: what they reach, they reach by NAT or through Google's own door.
    fn egress(&self, subnet: &Subnet) -> Option<Check> {
        let out = self.routers.iter().flat_map(|it| &it.nats).any(|nat| nat.serves(subnet)) || self.leads_elsewhere();
        if out {
            return None;
        }
        let (place, region) = (&subnet.name, &self.region);
        let nat = format!(
            "gcloud compute routers create {0}-router --network {0} --region {region} && gcloud compute routers nats create {0}-nat --router {0}-router --region {region} --auto-allocate-nat-external-ips --nat-all-subnet-ip-ranges",
            name_of(&subnet.network)
        );
        if subnet.private_ip_google_access {
            let message = format!(
                "subnet {place} has no Cloud NAT: nodes reach Google's APIs and registries, and no other: images from elsewhere will not come"
            );
            return Some(Check { hints: vec![nat], ..Check::of("network-egress", CheckStatus::Warn, message) });
        }
        let message =
            format!("subnet {place} has neither Cloud NAT nor private Google access: nodes there would never join");
        let access = format!(
            "or: gcloud compute networks subnets update {place} --region {region} --enable-private-ip-google-access"
        );
        Some(Check {
            class: Some(ErrorClass::Permanent),
            hints: vec![nat, access],
            ..Check::of("KW-NET-EGRESS", CheckStatus::Fail, message)
        })
    }

    /// A default route to an appliance, a tunnel or a load balancer instead of the internet gateway.
    fn leads_elsewhere(&self) -> bool {
        self.routes.iter().any(|it| it.dest_range == "0.0.0.0/0" && it.next_hop_gateway.is_none())
    }
}

impl Translation {
    fn serves(&self, subnet: &Subnet) -> bool {
        let public = self.r#type.as_deref().is_none_or(|kind| kind == "PUBLIC");
        let listed = || self.subnetworks.iter().any(|it| same(&it.name, &subnet.self_link));
        public && (self.source_subnetwork_ip_ranges_to_nat != "LIST_OF_SUBNETWORKS" || listed())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    const NETWORK: &str = "https://www.googleapis.com/compute/v1/projects/acme/global/networks/shared";
    const SUBNET: &str = "https://www.googleapis.com/compute/v1/projects/acme/regions/europe-west4/subnetworks/nodes";

    fn adopted(change: impl Fn(&mut Value)) -> Adopted {
        let mut subnet = json!({
            "name": "nodes", "selfLink": SUBNET, "network": NETWORK, "ipCidrRange": "10.0.0.0/24", "purpose": "PRIVATE",
            "privateIpGoogleAccess": true,
            "secondaryIpRanges": [{"rangeName": "pods", "ipCidrRange": "10.4.0.0/20"},
                {"rangeName": "services", "ipCidrRange": "10.8.0.0/20"}],
        });
        change(&mut subnet);
        let router =
            json!({"network": NETWORK, "nats": [{"sourceSubnetworkIpRangesToNat": "ALL_SUBNETWORKS_ALL_IP_RANGES"}]});
        Adopted {
            asked: ExistingNetwork {
                vpc: "shared".to_owned(),
                private_subnets: vec!["nodes".to_owned()],
                public_subnets: vec![],
                pod_range: Some("pods".to_owned()),
                service_range: Some("services".to_owned()),
            },
            region: "europe-west4".to_owned(),
            network: Some(Network { name: "shared".to_owned(), self_link: NETWORK.to_owned() }),
            subnet: Some(serde_json::from_value(subnet).unwrap()),
            routers: vec![serde_json::from_value(router).unwrap()],
            routes: vec![],
        }
    }

    fn states(checks: &[Check]) -> Vec<(&str, CheckStatus)> {
        checks.iter().map(|it| (it.id.as_str(), it.status)).collect()
    }

    fn words(it: &Adopted) -> String {
        it.problems().into_iter().map(|it| it.message).collect::<Vec<_>>().join("; ")
    }

    #[test]
    fn links_are_taken_apart() {
        let link = Link::of(SUBNET).unwrap();
        assert_eq!(
            (link.project.as_deref(), link.region.as_deref(), link.name.as_str()),
            (Some("acme"), Some("europe-west4"), "nodes")
        );
        assert_eq!(Link::of("nodes").unwrap().project, None);
        assert_eq!(Link::of("projects/acme/global/networks/shared").unwrap().name, "shared");
        for bad in ["", "Nodes", "a/b", "projects/acme/zones/z/disks/d", "nodes-", "/subscriptions/x"] {
            assert_eq!(Link::of(bad), None, "{bad}");
        }
        assert!(same(SUBNET, "projects/acme/regions/europe-west4/subnetworks/nodes") && !same("a", "a"));
    }

    #[test]
    fn a_good_subnet_can_hold_the_cluster() {
        let net = adopted(|_| {});
        assert_eq!(words(&net), "");
        assert_eq!(states(&net.checks(2)), [("network", CheckStatus::Ok)]);
    }

    #[test]
    fn no_way_out_is_refused_and_googles_door_alone_is_a_warning() {
        let mut net = adopted(|_| {});
        net.routers.clear();
        assert_eq!(states(&net.checks(2)), [("network-egress", CheckStatus::Warn), ("network", CheckStatus::Ok)]);
        net.subnet.as_mut().unwrap().private_ip_google_access = false;
        assert_eq!(states(&net.checks(2)), [("KW-NET-EGRESS", CheckStatus::Fail)]);
        net.routes =
            vec![Route { network: NETWORK.to_owned(), dest_range: "0.0.0.0/0".to_owned(), next_hop_gateway: None }];
        assert_eq!(states(&net.checks(2)), [("network", CheckStatus::Ok)], "an appliance is a way out");
    }

    #[test]
    fn nat_for_other_subnets_is_no_way_out() {
        let mut net = adopted(|subnet| subnet["privateIpGoogleAccess"] = json!(false));
        let nat = |name: &str| json!({"sourceSubnetworkIpRangesToNat": "LIST_OF_SUBNETWORKS", "subnetworks": [{"name": name}]});
        net.routers[0].nats =
            vec![serde_json::from_value(nat("projects/acme/regions/europe-west4/subnetworks/other")).unwrap()];
        assert_eq!(states(&net.checks(2)), [("KW-NET-EGRESS", CheckStatus::Fail)]);
        net.routers[0].nats.push(serde_json::from_value(nat(SUBNET)).unwrap());
        assert_eq!(states(&net.checks(2)), [("network", CheckStatus::Ok)]);
    }

    #[test]
    fn small_ranges_are_refused_with_numbers() {
        let net = adopted(|subnet| subnet["secondaryIpRanges"][0]["ipCidrRange"] = json!("10.4.0.0/23"));
        let checks = net.checks(2);
        assert_eq!(states(&checks), [("KW-NET-IPS", CheckStatus::Fail)]);
        assert_eq!((checks[0].need, checks[0].have), (Some(3.0), Some(2.0)));
    }

    #[test]
    fn what_is_missing_or_elsewhere_is_named() {
        let net =
            adopted(|subnet| subnet["secondaryIpRanges"] = json!([{"rangeName": "web", "ipCidrRange": "10.9.0.0/20"}]));
        assert!(words(&net).contains("no secondary range pods; it has web"), "{}", words(&net));
        let other = adopted(|subnet| subnet["network"] = json!("projects/acme/global/networks/other"));
        assert!(words(&other).contains("in network other, not in shared"));
        let proxy = adopted(|subnet| subnet["purpose"] = json!("REGIONAL_MANAGED_PROXY"));
        assert!(words(&proxy).contains("not for machines"));
        let mut far = adopted(|_| {});
        far.asked.private_subnets = vec![SUBNET.replace("europe-west4", "us-east1")];
        assert!(words(&far).contains("is in us-east1, the cluster in europe-west4"));
        far.asked.private_subnets = vec!["nodes".to_owned()];
        far.subnet = None;
        assert!(words(&far).contains("no subnet nodes in europe-west4"));
    }
}
