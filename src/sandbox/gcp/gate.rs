//! Google's port: which method, who calls, whether the body fits; then the call under its faults, then the vendor's
//! envelope.

use super::{
    Caller, Cx, dispatch,
    keys::Keys,
    permissions, places, projects, services,
    tables::{self, Api, Method},
    token,
    wire::Refused,
};
use crate::{
    model::Cloud,
    sandbox::{
        hub::{Call, Hub, Refusal},
        prices::gcp as prices,
        server::{Body, full},
        world::{Closed, Scope, Tx},
    },
};
use hyper::{Response, http::request::Parts};
use jiff::Timestamp;
use percent_encoding::percent_decode_str;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// A request that has found its method.
pub(super) struct Request {
    pub(super) api: &'static Api,
    pub(super) method: &'static Method,
    pub(super) path: BTreeMap<&'static str, String>,
    pub(super) pairs: Vec<(String, String)>,
    pub(super) body: Value,
    third: bool,
}

/// Path segments, decoded one by one.
pub(super) fn segments(path: &str) -> Vec<String> {
    let parts = path.trim_start_matches('/').split('/');
    parts.map(|part| percent_decode_str(part).decode_utf8_lossy().into_owned()).collect()
}

impl Request {
    /// Finds the method of a request and holds parameters and body against the tables. `None`: there is no such path.
    pub(super) fn read(verb: &str, path: &str, query: &str, body: &[u8]) -> Option<(Self, Result<(), Refused>)> {
        let segments = segments(path);
        let (api, method, path) = tables::route(verb, &segments)?;
        let pairs: Vec<(String, String)> = form_urlencoded::parse(query.as_bytes()).into_owned().collect();
        let third = segments.first().is_some_and(|version| version == "v3");
        let mut request = Self { api, method, path, pairs, body: json!({}), third };
        let held = request.hold(body);
        Some((request, held))
    }

    fn hold(&mut self, body: &[u8]) -> Result<(), Refused> {
        self.api.check_query(self.method, &self.pairs)?;
        if let Some((_, alt)) = self.pairs.iter().find(|(name, _)| name == "alt" || name == "$alt")
            && !alt.starts_with("json")
        {
            return Err(Refused::invalid(format!("Invalid value \"{alt}\" for system parameter alt")));
        }
        if body.is_empty() {
            return Ok(());
        }
        let Some(schema) = self.method.request else {
            // Clients send an empty object where there is nothing to say.
            let empty = serde_json::from_slice::<Value>(body).is_ok_and(|body| body == json!({}));
            let why = "Request body must be empty for this method.";
            return if empty { Ok(()) } else { Err(Refused::invalid(why)) };
        };
        self.body = serde_json::from_slice(body).map_err(|error| {
            let message = format!("Invalid JSON payload received. Parse error at line {}.", error.line());
            Refused::invalid(message)
        })?;
        self.api.check(schema, &self.body)
    }

    fn project(&self) -> Result<&'static places::Project, Refused> {
        let named =
            ["project", "projectsId", "projectId", "resource", "v1Id1"].iter().find_map(|key| self.path.get(key));
        match named.map(String::as_str) {
            None | Some("-") => Ok(&places::PROJECTS[0]),
            Some(named) => projects::find(self.api.service, named),
        }
    }

    /// The region a call is about, if it is about one.
    fn region(&self) -> Option<String> {
        let place = ["region", "zone", "locationsId"].iter().find_map(|key| self.path.get(key))?;
        Some(places::region_of(place).map_or_else(|| place.clone(), ToOwned::to_owned))
    }

    /// What faults, counts and control files see.
    pub(super) fn call(&self) -> Call {
        let mut shown: Map<String, Value> =
            self.path.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect();
        shown.extend(self.pairs.iter().map(|(name, value)| (name.clone(), json!(value))));
        if self.body != json!({}) {
            shown.insert("body".to_owned(), self.body.clone());
        }
        Call {
            service: self.api.service.to_owned(),
            op: self.method.id.to_owned(),
            mutating: self.method.mutates(),
            shown: Value::Object(shown),
        }
    }

    /// Does the work on the world.
    pub(super) fn perform(&self, tx: &mut Tx<'_>, keys: &Keys, caller: &Caller, wall: i64) -> Result<Value, Refused> {
        let project = self.project()?;
        services::check(tx, project, self.api.service)?;
        let mut cx = Cx {
            api: self.api,
            method: self.method,
            path: self.path.clone(),
            pairs: self.pairs.clone(),
            body: self.body.clone(),
            caller,
            project,
            third: self.third,
            keys,
            wall,
            tx,
        };
        let resource = self.resource(project.id);
        if self.api.service != "iamcredentials" {
            for permission in permissions::needs(self.api.service, self.method) {
                permissions::check(&mut cx, &permission, &resource)?;
            }
        }
        dispatch(&mut cx)
    }

    /// What a permission is asked for on.
    fn resource(&self, project: &str) -> String {
        let mut text = format!("projects/{project}");
        for (key, word) in [("locationsId", "locations"), ("region", "regions"), ("zone", "zones")] {
            if let Some(value) = self.path.get(key) {
                text.push_str(&format!("/{word}/{value}"));
            }
        }
        if let Some(value) = self.path.get("clustersId") {
            text.push_str(&format!("/clusters/{value}"));
        }
        if self.api.service == "compute" && self.path.len() > 1 {
            let skip = ["project", "region", "zone"];
            for (name, value) in self.path.iter().filter(|(name, _)| !skip.contains(name)) {
                text.push_str(&format!("/{name}s/{value}"));
            }
        }
        text
    }
}

/// Answers one request; `None` drops the connection.
pub(super) async fn handle(hub: &Hub, keys: &Keys, parts: &Parts, body: &[u8]) -> Option<Response<Body>> {
    let (verb, path, query) = (parts.method.as_str(), parts.uri.path(), parts.uri.query().unwrap_or_default());
    let header = |name: &str| parts.headers.get(name).and_then(|value| value.to_str().ok());
    // The world must have its projects before anybody is anybody.
    for project in &places::PROJECTS {
        let made = hub.transact_in(Cloud::Gcp, &Scope::global(project.id), |_| Ok::<_, Refused>(()));
        if let Err(refused) = made {
            return Some(json_reply(hub.wall(), refused.http, &refused.body(false)));
        }
    }
    if let Some(op) = token::endpoint(verb, path) {
        let json = header("content-type").is_some_and(|ty| ty.starts_with("application/json"));
        let (code, reply) = token::handle(hub, keys, op, query, body, json).await?;
        return Some(json_reply(hub.wall(), code, &reply));
    }
    if let Some(service) = prices::service(verb, path) {
        return catalog(hub, keys, &service, query, header("authorization")).await;
    }
    let Some((request, held)) = Request::read(verb, path, query, body) else {
        return Some(html_not_found(hub.wall(), path));
    };
    let compute = request.api.service == "compute";
    let refuse = |refused: &Refused| {
        tracing::debug!(path, message = %refused.message, "refused before any service");
        Some(json_reply(hub.wall(), refused.http, &refused.body(compute)))
    };
    let caller = match token::bearer(&keys.public(), header("authorization"), hub.wall().as_second()) {
        Ok(caller) => caller,
        Err(refused) => return refuse(&refused),
    };
    if let Err(refused) = held {
        hub.count(&request.call(), true);
        return refuse(&refused);
    }
    if let Some(region) = request.region() {
        match hub.look(|world| world.in_force().closed.get(&region).copied()) {
            Some(Closed::Silent) => return None,
            Some(Closed::Off | Closed::Denied) => {
                let message = format!("Permission denied on 'locations/{region}' (or it may not exist).");
                let refused = Refused::denied(message).informed("LOCATION_POLICY_VIOLATED", &[("location", &region)]);
                return refuse(&refused);
            }
            None => {}
        }
    }
    let call = request.call();
    let refusal = |refusal| {
        Err(match refusal {
            Refusal::Broken => Refused::broken(),
            Refusal::Throttled => Refused::throttled(&format!("{}.googleapis.com", request.api.service)),
            Refusal::NoCapacity => Refused::no_capacity(),
            Refusal::Expired => token::expired(),
        })
    };
    let wall = hub.wall().as_second();
    let effect = |fails_later: bool| {
        let result = hub.transact(|tx| {
            if fails_later {
                tx.doom();
            }
            request.perform(tx, keys, &caller, wall)
        });
        let well = result.is_ok();
        (result, well)
    };
    let result = hub.endure(&call, refusal, effect).await?;
    Some(match result {
        Ok(reply) => json_reply(hub.wall(), 200, &reply),
        Err(refused) => {
            tracing::debug!(service = %call.service, op = %call.op, message = %refused.message, "refused");
            json_reply(hub.wall(), refused.http, &refused.body(compute))
        }
    })
}

/// The billing catalog: anyone who is somebody may ask.
async fn catalog(
    hub: &Hub,
    keys: &Keys,
    service: &str,
    query: &str,
    authorization: Option<&str>,
) -> Option<Response<Body>> {
    let caller = token::bearer(&keys.public(), authorization, hub.wall().as_second()).map(|_| ());
    let shown = json!({"service": service, "query": query});
    let op = "cloudbilling.services.skus.list".to_owned();
    let call = Call { service: "cloudbilling".to_owned(), op, mutating: false, shown };
    let refusal = |refusal| {
        Err(match refusal {
            Refusal::Throttled => Refused::throttled("cloudbilling.googleapis.com"),
            Refusal::Expired => token::expired(),
            Refusal::Broken | Refusal::NoCapacity => Refused::broken(),
        })
    };
    let effect = |_| {
        let result = caller.and_then(|()| prices::answer(service, query).map_err(Refused::invalid));
        let well = result.is_ok();
        (result, well)
    };
    Some(match hub.endure(&call, refusal, effect).await? {
        Ok(reply) => json_reply(hub.wall(), 200, &reply),
        Err(refused) => json_reply(hub.wall(), refused.http, &refused.body(false)),
    })
}

fn builder(at: Timestamp, http: u16, ty: &str) -> hyper::http::response::Builder {
    let date = at.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
    Response::builder().status(http).header("content-type", ty).header("date", date)
}

fn json_reply(at: Timestamp, http: u16, reply: &Value) -> Response<Body> {
    let text = serde_json::to_string_pretty(reply).expect("text has text keys");
    let reply = builder(at, http, "application/json; charset=UTF-8").header("vary", "Origin, X-Origin, Referer");
    reply.body(full(text)).expect("statuses and headers of the sandbox are valid")
}

/// What Google's front end says of a path that no service has.
fn html_not_found(at: Timestamp, path: &str) -> Response<Body> {
    let shown: String = path.chars().filter(|c| !"<>&\"".contains(*c)).collect();
    let page = format!(
        "<!DOCTYPE html>\n<html lang=en>\n  <title>Error 404 (Not Found)!!1</title>\n  <p><b>404.</b> <ins>That’s an \
         error.</ins>\n  <p>The requested URL <code>{shown}</code> was not found on this server.  <ins>That’s all we \
         know.</ins>\n"
    );
    builder(at, 404, "text/html; charset=UTF-8")
        .body(full(page))
        .expect("statuses and headers of the sandbox are valid")
}
