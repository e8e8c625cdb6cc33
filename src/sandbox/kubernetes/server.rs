//! One request of an API server: whose cluster, who asks, may they, what comes out. Everything is decided inside one
//! transaction on the world; only watches live longer.

use super::{
    auth::User,
    controllers,
    deletion::{self, Going, Policy},
    discovery::{self, Kind, Source},
    host::{self, Cluster, Credentials},
    kubelet,
    local::Local,
    logs::{self, Logs},
    objects, openapi,
    paths::{self, Objects, Target},
    reply::{respond, respond_empty, too_many},
    schema,
    status::Refusal,
    table::{self, Include},
    watch::{Lists, Manner, Scene, Since, Watch},
};
use crate::sandbox::{
    hub::{Call, Hub, Kubernetes, Refusal as Fate},
    server::{Body, ClientCertificate, read_body},
    world::{Object, Tx, WorldError},
};
use async_trait::async_trait;
use hyper::{Request, Response, body::Incoming, http::request::Parts};
use jiff::Timestamp;
use serde_json::{Value, json};
use std::{path::Path, sync::Arc};

/// All API servers of the world.
#[derive(Default)]
pub struct ApiServers {
    lists: Arc<Lists>,
    local: Option<Arc<Local>>,
}

impl ApiServers {
    /// Pods that run to an end run as processes, below this directory of the sandbox's.
    pub fn with_local_pods(dir: &Path) -> Self {
        Self { local: Some(Arc::new(Local::below(dir))), ..Self::default() }
    }

    fn answer(&self, tx: &mut Tx<'_>, asked: &Asked, wall: Timestamp) -> Result<Answer, Trouble> {
        match answer(tx, asked, &self.lists, wall)? {
            Answer::Printed(logs) => {
                let file = self.local.as_ref().map(|local| local.log(logs.pod()));
                Ok(Answer::Printed(Box::new(logs.kept_in(file))))
            }
            other => Ok(other),
        }
    }
}

/// A request as far as it can be read without the world.
#[derive(Debug, Clone)]
pub(super) struct Asked {
    uid: String,
    target: Target,
    verb: &'static str,
    query: Vec<(String, String)>,
    patch: String,
    table: Option<Include>,
    token: Option<String>,
    certificate: Option<ClientCertificate>,
    body: Vec<u8>,
}

/// What comes out.
#[derive(Debug)]
pub(super) enum Answer {
    /// A document with its HTTP code.
    Whole(u16, Value),
    /// A stream of events that begins with these objects known.
    Stream(Watch),
    /// What a container prints.
    Printed(Box<Logs>),
    /// No content.
    Nothing,
}

/// Why nothing comes out.
#[derive(Debug)]
pub(super) enum Trouble {
    /// The API server says no.
    No(Refusal),
    /// Nothing listens there: no such cluster, not up yet, gone, or closed to the outside.
    Silent,
    /// The sandbox's own disk failed.
    World(WorldError),
}

impl From<WorldError> for Trouble {
    fn from(error: WorldError) -> Self {
        Self::World(error)
    }
}

impl From<Refusal> for Trouble {
    fn from(refusal: Refusal) -> Self {
        Self::No(refusal)
    }
}

impl Asked {
    /// Reads a request; none when it goes to no cluster's path.
    pub(super) fn read(
        method: &str,
        path: &str,
        query: &str,
        patch: &str,
        token: Option<String>,
        body: Vec<u8>,
    ) -> Option<Self> {
        let rest = path.strip_prefix("/clusters/")?;
        let (uid, below) = rest.split_once('/').unwrap_or((rest, ""));
        let query: Vec<(String, String)> = form_urlencoded::parse(query.as_bytes()).into_owned().collect();
        let target = paths::target(below);
        let watch = query.iter().any(|(k, v)| k == "watch" && (v == "true" || v == "1"));
        let named = matches!(&target, Target::Objects(o) if o.name.is_some());
        let verb = match method {
            "GET" | "HEAD" if named => "get",
            "GET" | "HEAD" if watch => "watch",
            "GET" | "HEAD" => "list",
            "POST" => "create",
            "PUT" => "update",
            "PATCH" => "patch",
            "DELETE" if named => "delete",
            "DELETE" => "deletecollection",
            _ => "unknown",
        };
        let (uid, patch) = (uid.to_owned(), patch.to_owned());
        Some(Self { uid, target, verb, query, patch, table: None, token, certificate: None, body })
    }

    fn of_parts(parts: &Parts, body: Vec<u8>) -> Option<Self> {
        let header = |name: &str| parts.headers.get(name).and_then(|value| value.to_str().ok());
        let token = header("authorization").and_then(|value| value.strip_prefix("Bearer ")).map(str::to_owned);
        let (path, query) = (parts.uri.path(), parts.uri.query().unwrap_or_default());
        let content = header("content-type").unwrap_or_default();
        let asked = Self::read(parts.method.as_str(), path, query, content, token, body)?;
        let table = Include::asked(header("accept").unwrap_or_default(), asked.param("includeObject"));
        Some(Self { table, certificate: parts.extensions.get::<ClientCertificate>().cloned(), ..asked })
    }

    fn credentials(&self) -> Credentials<'_> {
        Credentials { token: self.token.as_deref(), certificate: self.certificate.as_ref().map(|it| &*it.0) }
    }

    fn param(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// Whether unknown fields are to be refused; the server drops them otherwise.
    fn is_strict(&self) -> Result<bool, Refusal> {
        match self.param("fieldValidation") {
            Some("Strict") => Ok(true),
            None | Some("" | "Warn" | "Ignore") => Ok(false),
            Some(other) => Err(Refusal::invalid(format!(
                "CreateOptions.meta.k8s.io \"\" is invalid: fieldValidation: Unsupported value: \"{other}\": supported values: \"Ignore\", \"Strict\", \"Warn\""
            ))),
        }
    }

    /// As counters, faults and control files name it.
    fn call(&self) -> Call {
        let what = match &self.target {
            Target::Objects(objects) => objects.kind.kind,
            Target::WhoAmI => "SelfSubjectReview",
            Target::MayI => "SelfSubjectAccessReview",
            _ => "Path",
        };
        let mut verb = self.verb.to_owned();
        verb[..1].make_ascii_uppercase();
        let reads = matches!(self.verb, "get" | "list" | "watch") || what.ends_with("Review");
        let shown = match &self.target {
            Target::Objects(objects) => {
                json!({"cluster": self.uid, "namespace": objects.namespace, "name": objects.name})
            }
            _ => json!({"cluster": self.uid}),
        };
        Call { service: "kubernetes".to_owned(), op: format!("{verb}{what}"), mutating: !reads, shown }
    }

    /// Objects in the form that was asked for: a table, or plain.
    fn shown(
        &self,
        kind: &Kind,
        rows: Vec<Value>,
        now: Timestamp,
        version: &Value,
        plain: impl FnOnce(Vec<Value>) -> Value,
    ) -> Value {
        match self.table {
            Some(include) => table::table(kind, &rows, include, now, version),
            None => plain(rows),
        }
    }

    /// Which objects of a kind are asked for.
    fn scene(&self, at: &Objects) -> Scene {
        let own = |name: &str| self.param(name).map(str::to_owned);
        let (labels, fields) = (own("labelSelector"), own("fieldSelector"));
        Scene { uid: self.uid.clone(), at: at.clone(), labels, fields }
    }

    /// The options of a deletion; none where the body is empty.
    fn options(&self) -> Result<Value, Refusal> {
        if self.body.is_empty() { Ok(Value::Null) } else { self.document() }
    }

    fn document(&self) -> Result<Value, Refusal> {
        let media = self.patch.split(';').next().unwrap_or_default().trim();
        if media.starts_with("application/vnd.kubernetes.protobuf") || media == "application/cbor" {
            return Err(Refusal::unsupported_media_type(media));
        }
        let parsed = if self.patch.contains("yaml") {
            serde_yaml::from_slice(&self.body).map_err(|why| why.to_string())
        } else {
            serde_json::from_slice(&self.body).map_err(|why| why.to_string())
        };
        parsed.map_err(Refusal::bad_request)
    }
}

#[async_trait]
impl Kubernetes for ApiServers {
    async fn handle(&self, hub: Arc<Hub>, request: Request<Incoming>) -> Option<Response<Body>> {
        let busy = hub.busy();
        let (parts, body) = request.into_parts();
        let body = read_body(body).await.ok()?;
        let asked = Asked::of_parts(&parts, body.to_vec())?;
        let refuse = |fate| match fate {
            Fate::Throttled => Ok(Answer::Whole(429, too_many())),
            Fate::Expired => Err(Trouble::No(Refusal::unauthorized())),
            Fate::Broken | Fate::NoCapacity => Err(Trouble::No(Refusal::unavailable())),
        };
        let effect = |_: bool| {
            let answer = hub.transact(|tx| self.answer(tx, &asked, hub.wall()));
            let well = answer.is_ok();
            (answer, well)
        };
        let answer = hub.endure(&asked.call(), refuse, effect).await?;
        drop(busy);
        match answer {
            Ok(Answer::Whole(code, body)) => Some(respond(code, &body)),
            Ok(Answer::Stream(watch)) => Some(watch.respond(hub)),
            Ok(Answer::Printed(logs)) => Some(logs.respond(hub)),
            Ok(Answer::Nothing) => Some(respond_empty()),
            Err(Trouble::No(refusal)) => Some(respond(refusal.code(), &refusal.body())),
            Err(Trouble::Silent) => None,
            Err(Trouble::World(error)) => {
                tracing::error!(%error, "the sandbox's own disk failed");
                None
            }
        }
    }

    fn begin(&self, hub: &Arc<Hub>) -> Result<(), WorldError> {
        if let Some(local) = &self.local {
            local.begin(hub);
        }
        let runs = |pod: &Value| self.local.as_ref().is_some_and(|local| local.runs(pod));
        hub.transact(|tx| {
            kubelet::begin(tx, runs);
            Ok(())
        })
    }

    async fn end(&self) {
        if let Some(local) = &self.local {
            local.end().await;
        }
    }

    fn due(&self, tx: &mut Tx<'_>, object: &Object, what: &str) {
        let Some(local) = &self.local else { return controllers::happen(tx, object, what) };
        match what {
            kubelet::START => local.due(tx, object),
            // A process that was told to end says itself when it has.
            kubelet::GONE if local.runs(&object.doc) => {}
            _ => controllers::happen(tx, object, what),
        }
    }
}

/// The cluster with this path, if its API server can be reached from outside.
pub(super) fn reachable(tx: &Tx<'_>, uid: &str) -> Option<Cluster> {
    host::all().find_map(|host| host.reach(tx, uid))
}

fn identify(tx: &Tx<'_>, cluster: &Cluster, shown: Credentials<'_>, wall: Timestamp) -> Result<User, Refusal> {
    if shown.token.is_none() && shown.certificate.is_none() {
        return Err(Refusal::unauthorized());
    }
    cluster.host().identify(tx, cluster, shown, wall).map_err(|why| {
        tracing::debug!(%why, cluster = %cluster.id, "credentials refused");
        Refusal::unauthorized()
    })
}

/// Answers a request in the world as it is.
pub(super) fn answer(tx: &mut Tx<'_>, asked: &Asked, lists: &Arc<Lists>, wall: Timestamp) -> Result<Answer, Trouble> {
    let cluster = reachable(tx, &asked.uid).ok_or(Trouble::Silent)?;
    if matches!(asked.target, Target::Health) {
        return Ok(Answer::Whole(200, json!("ok")));
    }
    let user = identify(tx, &cluster, asked.credentials(), wall)?;
    let document = match &asked.target {
        Target::Health | Target::Unknown => return Err(Refusal::no_path().into()),
        Target::Version => version(&cluster),
        Target::CoreVersions => discovery::core_versions(tx.site().kubernetes_url.trim_start_matches("https://")),
        Target::Groups => discovery::groups(),
        Target::Group(name) => discovery::group(name).ok_or_else(Refusal::no_path)?,
        Target::Resources(group) => discovery::resources(group).ok_or_else(Refusal::no_path)?,
        Target::OpenApi(None) => openapi::index(&format!("/clusters/{}", asked.uid)),
        Target::OpenApi(Some(group)) => openapi::document(group).ok_or_else(Refusal::no_path)?,
        Target::WhoAmI => return Ok(Answer::Whole(201, who_am_i(&user))),
        Target::MayI => return Ok(Answer::Whole(201, may_i(&user, &asked.document()?))),
        Target::Objects(objects) => return of_objects(tx, asked, objects, &cluster, &user, lists),
    };
    if matches!(asked.verb, "get" | "list") {
        Ok(Answer::Whole(200, document))
    } else {
        Err(Refusal::method_not_allowed().into())
    }
}

fn version(cluster: &Cluster) -> Value {
    let (major, minor) = cluster.version.split_once('.').unwrap_or((&cluster.version, ""));
    json!({
        "major": major, "minor": minor, "gitVersion": cluster.git_version, "gitCommit": "0000000000000000000000000000000000000000",
        "gitTreeState": "clean", "buildDate": "2026-11-01T00:00:00Z", "goVersion": "go1.25.1", "compiler": "gc", "platform": "linux/amd64",
    })
}

fn who_am_i(user: &User) -> Value {
    json!({
        "kind": "SelfSubjectReview", "apiVersion": "authentication.k8s.io/v1", "metadata": {},
        "status": {"userInfo": {"username": user.name, "groups": user.groups}},
    })
}

fn may_i(user: &User, review: &Value) -> Value {
    let wanted = &review["spec"]["resourceAttributes"];
    let text = |key: &str| wanted[key].as_str().unwrap_or_default();
    let namespace = Some(text("namespace")).filter(|ns| !ns.is_empty());
    let allowed =
        Kind::find(text("group"), text("resource")).is_some_and(|kind| user.may(text("verb"), kind, namespace));
    let mut reply = review.clone();
    reply["kind"] = json!("SelfSubjectAccessReview");
    reply["apiVersion"] = json!("authorization.k8s.io/v1");
    reply["status"] = json!({"allowed": allowed});
    reply
}

fn of_objects(
    tx: &mut Tx<'_>,
    asked: &Asked,
    at: &Objects,
    cluster: &Cluster,
    user: &User,
    lists: &Arc<Lists>,
) -> Result<Answer, Trouble> {
    let kind = at.kind;
    user.check(asked.verb, kind, at.namespace.as_deref(), at.name.as_deref())?;
    let reads = matches!(asked.verb, "get" | "list" | "watch");
    match at.sub.as_deref() {
        None | Some("status") => {}
        Some("log") if kind.plural == "pods" && asked.verb == "get" => {
            let logs = logs::open(tx, cluster, at, |name| asked.param(name).map(str::to_owned))?;
            return Ok(logs.map_or(Answer::Nothing, |logs| Answer::Printed(Box::new(logs))));
        }
        Some(other) => return Err(Refusal::not_simulated(&format!("{}/{other}", kind.plural)).into()),
    }
    if !reads && kind.source != Source::Stored {
        return Err(Refusal::not_simulated(&format!("changes of {}", kind.plural)).into());
    }
    let dry = asked.param("dryRun").is_some();
    let revision = tx.revision().saturating_sub(1);
    match asked.verb {
        "get" => {
            let row = objects::get(tx, cluster, at, revision)?;
            let version = row["metadata"]["resourceVersion"].clone();
            Ok(Answer::Whole(200, asked.shown(kind, vec![row], tx.now(), &version, |mut rows| rows.remove(0))))
        }
        "list" => {
            let all = objects::list(tx, cluster, kind, None, revision);
            lists.remember(&asked.uid, kind, revision, &all);
            let rows = asked.scene(at).among(&all)?;
            let version = json!(revision.to_string());
            let list = |rows| kind.list(rows, revision);
            Ok(Answer::Whole(200, asked.shown(kind, rows, tx.now(), &version, list)))
        }
        "watch" => Ok(Answer::Stream(watch(asked, at, lists)?)),
        "create" => {
            let document = asked.document()?;
            schema::check_fields(kind, &document, asked.is_strict()?)?;
            Ok(Answer::Whole(201, objects::create(tx, cluster, at, document, dry)?))
        }
        "update" => {
            let document = asked.document()?;
            schema::check_fields(kind, &document, asked.is_strict()?)?;
            Ok(Answer::Whole(200, objects::replace(tx, cluster, at, document, dry)?))
        }
        "patch" => patch(tx, asked, at, cluster, dry),
        "delete" => {
            let options = asked.options()?;
            let row = deletion::delete(tx, cluster, at, going(asked, kind, &options, dry)?)?;
            Ok(Answer::Whole(200, if objects::get(tx, cluster, at, revision).is_ok() { row } else { gone(kind, &row) }))
        }
        "deletecollection" => {
            let rows = asked.scene(at).among(&objects::list(tx, cluster, kind, None, revision))?;
            let options = asked.options()?;
            for row in &rows {
                let text = |key: &str| row["metadata"][key].as_str().map(str::to_owned);
                let one = Objects { kind, namespace: text("namespace"), name: text("name"), sub: None };
                deletion::delete(tx, cluster, &one, going(asked, kind, &options, dry)?)?;
            }
            Ok(Answer::Whole(200, kind.list(rows, revision)))
        }
        _ => Err(Refusal::method_not_allowed().into()),
    }
}

fn watch(asked: &Asked, at: &Objects, lists: &Arc<Lists>) -> Result<Watch, Refusal> {
    let yes = |name: &str| asked.param(name).is_some_and(|text| text == "true" || text == "1");
    let initial = yes("sendInitialEvents");
    if initial && asked.param("resourceVersionMatch") != Some("NotOlderThan") {
        return Err(Refusal::invalid(
            "ListOptions.meta.k8s.io \"\" is invalid: resourceVersionMatch: Forbidden: sendInitialEvents requires setting resourceVersionMatch to NotOlderThan".to_owned(),
        ));
    }
    let scene = asked.scene(at);
    // Selectors are refused now or never.
    scene.among(&[])?;
    let seconds = asked.param("timeoutSeconds").and_then(|text| text.parse().ok()).unwrap_or(300);
    let manner = Manner { seconds, table: asked.table, bookmarks: yes("allowWatchBookmarks"), initial };
    let from = asked.param("resourceVersion").filter(|text| !initial && !text.is_empty() && *text != "0");
    let Some(from) = from else { return Ok(Watch::new(scene, lists, Vec::new(), Since::default(), manner)) };
    let seen: u64 = from.parse().map_err(|_| Refusal::bad_request(format!("invalid resource version: {from}")))?;
    let Some((base, rows)) = lists.recall(&asked.uid, at.kind, seen) else { return Ok(Watch::expired()) };
    let known = scene.among(&rows)?;
    Ok(Watch::new(scene, lists, known, Since { base, seen }, manner))
}

/// How something is to be deleted, as body and parameters say.
fn going<'a>(asked: &'a Asked, kind: &Kind, options: &'a Value, dry: bool) -> Result<Going<'a>, Refusal> {
    let said = |key: &str| options[key].as_str().or(asked.param(key));
    let grace = options["gracePeriodSeconds"].as_u64();
    let policy = match said("propagationPolicy") {
        Some(text) => Policy::read(text)?,
        // Jobs alone leave their pods where nothing is said, for compatibility with clients of old.
        None if kind.plural == "jobs" => Policy::Orphan,
        None => Policy::Background,
    };
    Ok(Going {
        uid: options["preconditions"]["uid"].as_str(),
        policy,
        grace: grace.or_else(|| asked.param("gracePeriodSeconds")?.parse().ok()),
        dry,
    })
}

fn gone(kind: &Kind, row: &Value) -> Value {
    json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success",
        "details": {"name": row["metadata"]["name"], "group": kind.group, "kind": kind.plural, "uid": row["metadata"]["uid"]},
    })
}

fn patch(tx: &mut Tx<'_>, asked: &Asked, at: &Objects, cluster: &Cluster, dry: bool) -> Result<Answer, Trouble> {
    let media = asked.patch.split(';').next().unwrap_or_default().trim();
    if media == "application/json-patch+json" {
        return Err(Refusal::not_simulated("JSON patches").into());
    }
    let document = asked.document()?;
    if media == "application/strategic-merge-patch+json" && has_list(&document) {
        return Err(Refusal::not_simulated("strategic merges of lists; send a merge patch").into());
    }
    if media.starts_with("application/apply-patch") && objects::get(tx, cluster, at, 0).is_err() {
        let mut whole = document;
        whole["metadata"]["name"] = json!(at.name);
        let fresh = Objects { name: None, ..at.clone() };
        return Ok(Answer::Whole(201, objects::create(tx, cluster, &fresh, whole, dry)?));
    }
    Ok(Answer::Whole(200, objects::patch(tx, cluster, at, &document, dry)?))
}

fn has_list(value: &Value) -> bool {
    match value {
        Value::Array(_) => true,
        Value::Object(map) => map.values().any(has_list),
        _ => false,
    }
}
