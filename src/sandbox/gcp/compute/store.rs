//! Where Compute Engine's resources are kept, how links name them, and how they are shown.

use super::super::{BORN, new, places, wire::Refused};
use crate::sandbox::world::{Kind, Object, Origin, Scope, Tx};
use jiff::Timestamp;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// How every link of Compute Engine begins, whatever host was asked.
pub(in crate::sandbox) const LINK: &str = "https://www.googleapis.com/compute/v1/";

/// A sort of resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::sandbox) struct Sort {
    /// As paths have it: `networks`.
    pub(in crate::sandbox) plural: &'static str,
    /// As `kind` has it: `compute#network`.
    pub(in crate::sandbox) singular: &'static str,
    /// Whether it has labels.
    pub(in crate::sandbox) labelled: bool,
}

const fn sort(plural: &'static str, singular: &'static str, labelled: bool) -> Sort {
    Sort { plural, singular, labelled }
}

pub(in crate::sandbox) const NETWORK: Sort = sort("networks", "network", false);
pub(in crate::sandbox) const SUBNETWORK: Sort = sort("subnetworks", "subnetwork", false);
pub(in crate::sandbox) const ROUTER: Sort = sort("routers", "router", false);
pub(in crate::sandbox) const ROUTE: Sort = sort("routes", "route", false);
pub(in crate::sandbox) const FIREWALL: Sort = sort("firewalls", "firewall", false);
pub(in crate::sandbox) const ADDRESS: Sort = sort("addresses", "address", true);
pub(in crate::sandbox) const FORWARDING: Sort = sort("forwardingRules", "forwardingRule", true);
pub(in crate::sandbox) const TARGET_POOL: Sort = sort("targetPools", "targetPool", false);
pub(in crate::sandbox) const BACKEND: Sort = sort("backendServices", "backendService", false);
pub(in crate::sandbox) const HEALTH_CHECK: Sort = sort("healthChecks", "healthCheck", false);
pub(in crate::sandbox) const HTTP_CHECK: Sort = sort("httpHealthChecks", "httpHealthCheck", false);
pub(in crate::sandbox) const HTTPS_CHECK: Sort = sort("httpsHealthChecks", "httpsHealthCheck", false);
pub(in crate::sandbox) const URL_MAP: Sort = sort("urlMaps", "urlMap", false);
pub(in crate::sandbox) const HTTP_PROXY: Sort = sort("targetHttpProxies", "targetHttpProxy", false);
pub(in crate::sandbox) const HTTPS_PROXY: Sort = sort("targetHttpsProxies", "targetHttpsProxy", false);
pub(in crate::sandbox) const CERTIFICATE: Sort = sort("sslCertificates", "sslCertificate", false);
pub(in crate::sandbox) const ENDPOINT_GROUP: Sort = sort("networkEndpointGroups", "networkEndpointGroup", false);
pub(in crate::sandbox) const GROUP: Sort = sort("instanceGroups", "instanceGroup", false);
pub(in crate::sandbox) const MANAGER: Sort = sort("instanceGroupManagers", "instanceGroupManager", false);
pub(in crate::sandbox) const INSTANCE: Sort = sort("instances", "instance", true);
pub(in crate::sandbox) const DISK: Sort = sort("disks", "disk", true);

/// Every sort that is kept.
pub(in crate::sandbox) const SORTS: [Sort; 21] = [
    NETWORK,
    SUBNETWORK,
    ROUTER,
    ROUTE,
    FIREWALL,
    ADDRESS,
    FORWARDING,
    TARGET_POOL,
    BACKEND,
    HEALTH_CHECK,
    HTTP_CHECK,
    HTTPS_CHECK,
    URL_MAP,
    HTTP_PROXY,
    HTTPS_PROXY,
    CERTIFICATE,
    ENDPOINT_GROUP,
    GROUP,
    MANAGER,
    INSTANCE,
    DISK,
];

impl Sort {
    /// The sort of this plural.
    pub(in crate::sandbox) fn of(plural: &str) -> Option<Self> {
        SORTS.into_iter().find(|sort| sort.plural == plural)
    }

    /// As the world files it.
    pub(in crate::sandbox) const fn kind(self) -> Kind {
        Kind::new("compute", self.singular)
    }

    /// Its name in listings: `Networks`, `TargetHttpProxies`.
    pub(super) fn list_kind(self) -> String {
        // A list of these is named after the plural.
        let plural = matches!(self.plural, "healthChecks");
        format!("compute#{}List", if plural { "healthCheck" } else { self.singular })
    }
}

/// Where a resource lives.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::sandbox) enum Place {
    /// Everywhere.
    Global,
    /// In a region.
    Region(String),
    /// In a zone.
    Zone(String),
}

impl Place {
    /// The scope that the world files it under: a zone's is its region's.
    pub(in crate::sandbox) fn scope(&self, project: &str) -> Scope {
        match self {
            Self::Global => Scope::global(project),
            Self::Region(region) => Scope::new(project, region),
            Self::Zone(zone) => Scope::new(project, places::region_of(zone).unwrap_or_default()),
        }
    }

    /// The id that a resource of this name has there.
    pub(in crate::sandbox) fn id(&self, name: &str) -> String {
        match self {
            Self::Zone(zone) => format!("{zone}/{name}"),
            _ => name.to_owned(),
        }
    }

    /// As paths have it: `global`, `regions/europe-west1`.
    pub(in crate::sandbox) fn path(&self) -> String {
        match self {
            Self::Global => "global".to_owned(),
            Self::Region(region) => format!("regions/{region}"),
            Self::Zone(zone) => format!("zones/{zone}"),
        }
    }

    /// Where an object of the world lives.
    pub(in crate::sandbox) fn of(object: &Object) -> Self {
        match object.id.split_once('/') {
            Some((zone, _)) => Self::Zone(zone.to_owned()),
            None if object.region == Scope::GLOBAL => Self::Global,
            None => Self::Region(object.region.clone()),
        }
    }
}

/// A resource, named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::sandbox) struct Named {
    pub(in crate::sandbox) sort: Sort,
    pub(in crate::sandbox) project: String,
    pub(in crate::sandbox) place: Place,
    pub(in crate::sandbox) name: String,
}

impl Named {
    pub(in crate::sandbox) fn new(sort: Sort, project: &str, place: Place, name: &str) -> Self {
        Self { sort, project: project.to_owned(), place, name: name.to_owned() }
    }

    /// `projects/p/global/networks/n`.
    pub(in crate::sandbox) fn path(&self) -> String {
        format!("projects/{}/{}/{}/{}", self.project, self.place.path(), self.sort.plural, self.name)
    }

    /// The full link.
    pub(in crate::sandbox) fn link(&self) -> String {
        format!("{LINK}{}", self.path())
    }

    /// Reads a link, whole or partial (`global/networks/n`, `projects/p/…`, any host).
    pub(in crate::sandbox) fn read(text: &str, project: &str) -> Option<Self> {
        let path = match text.split_once("/compute/v1/") {
            Some((_, path)) => path,
            None if text.starts_with("http") => return None,
            None => text,
        };
        let parts: Vec<&str> = path.split('/').collect();
        let (project, rest) = match parts.as_slice() {
            ["projects", project, rest @ ..] => (places::project(project)?.id, rest),
            rest => (project, rest),
        };
        let (place, plural, name) = match rest {
            ["global", plural, name] => (Place::Global, plural, name),
            ["regions", region, plural, name] => (Place::Region((*region).to_owned()), plural, name),
            ["zones", zone, plural, name] => (Place::Zone((*zone).to_owned()), plural, name),
            _ => return None,
        };
        Some(Self::new(Sort::of(plural)?, project, place, name))
    }

    /// Of an object of the world.
    pub(in crate::sandbox) fn of(object: &Object) -> Option<Self> {
        let sort = SORTS.into_iter().find(|sort| object.is(sort.kind()))?;
        let name = object.id.rsplit('/').next().unwrap_or_default();
        Some(Self::new(sort, &object.account, Place::of(object), name))
    }

    /// The object, whatever its state.
    pub(in crate::sandbox) fn find<'a>(&self, tx: &'a Tx<'_>) -> Option<&'a Object> {
        tx.live(&self.place.scope(&self.project), self.sort.kind(), &self.place.id(&self.name))
    }

    /// The object, or Google's refusal.
    ///
    /// # Errors
    /// It is not there.
    pub(in crate::sandbox) fn need<'a>(&self, tx: &'a Tx<'_>) -> Result<&'a Object, Refused> {
        self.find(tx).ok_or_else(|| Refused::not_found(format!("The resource '{}' was not found", self.path())))
    }

    /// Changes the object in place.
    pub(in crate::sandbox) fn update(&self, tx: &mut Tx<'_>, change: impl FnOnce(&mut Object)) {
        tx.update(&self.place.scope(&self.project), self.sort.kind(), &self.place.id(&self.name), change);
    }

    /// Removes the object without a trace.
    pub(in crate::sandbox) fn remove(&self, tx: &mut Tx<'_>) -> Option<Object> {
        tx.remove(&self.place.scope(&self.project), self.sort.kind(), &self.place.id(&self.name))
    }

    /// Puts it, usable, as somebody made it.
    pub(in crate::sandbox) fn put(&self, tx: &mut Tx<'_>, doc: Value, by: Origin) -> Object {
        let mut object = self.object(tx, doc);
        "READY".clone_into(&mut object.state);
        object.created_by = by;
        tx.put(object.clone());
        object
    }

    /// The object as it is when it is new.
    pub(super) fn object(&self, tx: &mut Tx<'_>, doc: Value) -> Object {
        let number = number(tx);
        let scope = self.place.scope(&self.project);
        let mut object = new(tx, &scope, self.sort.kind(), &self.place.id(&self.name));
        object.name = Some(self.name.clone());
        object.tags = labels(&doc);
        object.parent = ["network", "subnetwork"]
            .iter()
            .find_map(|key| doc[*key].as_str().and_then(|link| link.rsplit('/').next()).map(ToOwned::to_owned));
        object.doc = doc;
        object.set("id", number);
        if let Some(map) = object.doc.as_object_mut() {
            map.remove("labels");
        }
        object
    }
}

/// A long number, as ids are.
pub(super) fn number(tx: &mut Tx<'_>) -> String {
    (1_000_000_000_000_000_000 + tx.bits() % 8_000_000_000_000_000_000).to_string()
}

fn labels(doc: &Value) -> BTreeMap<String, String> {
    let all = doc["labels"].as_object().into_iter().flatten();
    all.map(|(key, value)| (key.clone(), value.as_str().unwrap_or_default().to_owned())).collect()
}

/// A fingerprint that changes with what it is of.
pub(in crate::sandbox) fn fingerprint(text: &str) -> String {
    super::super::keys::etag(text)
}

/// The fingerprint of labels.
pub(super) fn label_fingerprint(object: &Object) -> String {
    fingerprint(&format!("{:?}", object.tags))
}

/// A time as Compute Engine writes it.
pub(in crate::sandbox) fn stamp(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%S.000-00:00").to_string()
}

/// A resource as it is read.
pub(in crate::sandbox) fn view(tx: &Tx<'_>, object: &Object) -> Value {
    let Some(named) = Named::of(object) else { return Value::Null };
    let mut view = object.doc.clone();
    if let Some(map) = view.as_object_mut() {
        map.retain(|key, value| !key.starts_with('_') && !value.is_null());
    }
    view["kind"] = json!(format!("compute#{}", named.sort.singular));
    view["name"] = json!(named.name);
    view["selfLink"] = json!(named.link());
    view["creationTimestamp"] = json!(if object.created_by == Origin::Builtin {
        BORN.replace('Z', "-00:00")
    } else {
        stamp(object.created_at)
    });
    match &named.place {
        Place::Global => {}
        Place::Region(region) => view["region"] = json!(format!("{LINK}projects/{}/regions/{region}", named.project)),
        Place::Zone(zone) => view["zone"] = json!(format!("{LINK}projects/{}/zones/{zone}", named.project)),
    }
    if named.sort.labelled {
        if !object.tags.is_empty() {
            view["labels"] = json!(object.tags);
        }
        view["labelFingerprint"] = json!(label_fingerprint(object));
    }
    let link = named.link();
    match named.sort {
        NETWORK => {
            let subnets: Vec<String> = tx
                .all()
                .filter(|other| other.is(SUBNETWORK.kind()) && other.text("network") == link)
                .filter_map(|other| Named::of(other).map(|named| named.link()))
                .collect();
            if !subnets.is_empty() {
                view["subnetworks"] = json!(subnets);
            }
        }
        ADDRESS => {
            let users = users_of_address(tx, object);
            view["status"] = json!(if users.is_empty() { "RESERVED" } else { "IN_USE" });
            if !users.is_empty() {
                view["users"] = json!(users);
            }
        }
        DISK => {
            let users = users(tx, &named, 8).into_iter().map(|user| user.link()).collect::<Vec<_>>();
            if !users.is_empty() {
                view["users"] = json!(users);
            }
            view["status"] = json!(if object.state == "DELETING" { "DELETING" } else { object.state.as_str() });
        }
        INSTANCE => view["status"] = json!(object.state),
        _ => {}
    }
    view
}

/// Who uses an address: forwarding rules and routers of its number.
pub(super) fn users_of_address(tx: &Tx<'_>, address: &Object) -> Vec<String> {
    let ip = address.text("address").to_owned();
    let link = Named::of(address).map(|named| named.link()).unwrap_or_default();
    let of = |object: &Object| {
        object.is(FORWARDING.kind())
            && object.account == address.account
            && (object.text("IPAddress") == ip || object.text("_address") == link)
            || object.is(ROUTER.kind()) && object.doc.to_string().contains(&link)
    };
    tx.all()
        .filter(|object| !object.is_gone() && of(object))
        .filter_map(|o| Named::of(o).map(|named| named.link()))
        .collect()
}

/// Fields whose links are uses, where the thing used may not go first.
const USES: &[&str] = &[
    "network",
    "subnetwork",
    "target",
    "backendService",
    "defaultService",
    "service",
    "urlMap",
    "group",
    "healthChecks",
    "sslCertificates",
    "source",
    "name",
];

/// Who uses a resource by a link, at most so many.
pub(in crate::sandbox) fn users(tx: &Tx<'_>, named: &Named, most: usize) -> Vec<Named> {
    let path = named.path();
    let all =
        tx.all().filter(|object| object.service == "compute" && object.account == named.project && !object.is_gone());
    // The routes that come with a network go with it.
    let own = |object: &&Object| !(object.is(ROUTE.kind()) && object.created_by == Origin::Builtin);
    all.filter(own)
        .filter(|object| uses(&object.doc, "", &path))
        .filter_map(Named::of)
        .filter(|user| user != named)
        .take(most)
        .collect()
}

fn uses(value: &Value, key: &str, path: &str) -> bool {
    match value {
        Value::String(text) => USES.contains(&key) && text.strip_prefix(LINK) == Some(path),
        Value::Array(items) => items.iter().any(|item| uses(item, key, path)),
        Value::Object(map) => map.iter().any(|(key, value)| !key.starts_with('_') && uses(value, key, path)),
        _ => false,
    }
}
