//! The way to Google: one context with the token source, the endpoints and one call for all services.
//!
//! Retries are the engine's alone. A call is a [`Request`]: the method's name in Google's discovery documents, the thing
//! it is about, a path, a query, a body. What comes back is JSON, or a [`Failure`] that still knows what Google told.

use super::auth::{AccessToken, Means, TokenSource};
use super::error::{self, Told};
use super::gcloud;
use crate::engine::{ErrorClass, Residue, StepError};
use crate::model::Region;
use crate::providers::OpenOptions;
use crate::providers::rest::{Answer, Call, Rest, Verb, drop_nulls};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

pub use crate::providers::rest::encoded;

/// One of Google's services.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Service {
    /// Compute Engine.
    Compute,
    /// Kubernetes Engine.
    Container,
    /// Service accounts.
    Iam,
    /// Projects and their policies.
    ResourceManager,
    /// Which services are on.
    ServiceUsage,
    /// Who pays.
    Billing,
}

/// Every service.
pub const SERVICES: [Service; 6] = [
    Service::Compute,
    Service::Container,
    Service::Iam,
    Service::ResourceManager,
    Service::ServiceUsage,
    Service::Billing,
];

impl Service {
    /// As limiters and operations call it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Compute => "compute",
            Self::Container => "container",
            Self::Iam => "iam",
            Self::ResourceManager => "cloudresourcemanager",
            Self::ServiceUsage => "serviceusage",
            Self::Billing => "cloudbilling",
        }
    }

    /// As it is switched on, `compute.googleapis.com`.
    pub fn host(self) -> String {
        format!("{}.googleapis.com", self.as_str())
    }

    /// Where it is by default: what paths are appended to.
    fn endpoint(self) -> String {
        let version = if self == Self::Compute { "compute/v1/" } else { "" };
        format!("https://{}/{version}", self.host())
    }

    fn of(op: &str) -> Self {
        let name = op.split(':').next().unwrap_or_default();
        SERVICES.into_iter().find(|service| service.as_str() == name).expect("every request names its service")
    }
}

/// One call to come.
#[derive(Debug, Clone)]
pub struct Request<'a> {
    op: &'static str,
    what: &'a str,
    verb: Verb,
    path: String,
    query: Vec<(&'static str, String)>,
    body: Option<Value>,
}

impl<'a> Request<'a> {
    fn new(verb: Verb, op: &'static str, path: impl Into<String>, what: &'a str) -> Self {
        Self { op, what, verb, path: path.into(), query: Vec::new(), body: None }
    }

    /// A read. `op` is the method of the discovery document behind its service: `compute:networks.get`.
    pub fn get(op: &'static str, path: impl Into<String>, what: &'a str) -> Self {
        Self::new(Verb::Get, op, path, what)
    }

    /// A POST.
    pub fn post(op: &'static str, path: impl Into<String>, what: &'a str) -> Self {
        Self::new(Verb::Post, op, path, what)
    }

    /// A PUT.
    pub fn put(op: &'static str, path: impl Into<String>, what: &'a str) -> Self {
        Self::new(Verb::Put, op, path, what)
    }

    /// A PATCH.
    pub fn patch(op: &'static str, path: impl Into<String>, what: &'a str) -> Self {
        Self::new(Verb::Patch, op, path, what)
    }

    /// A DELETE.
    pub fn delete(op: &'static str, path: impl Into<String>, what: &'a str) -> Self {
        Self::new(Verb::Delete, op, path, what)
    }

    /// With one more parameter.
    #[must_use]
    pub fn query(mut self, key: &'static str, value: impl Into<String>) -> Self {
        self.query.push((key, value.into()));
        self
    }

    /// With this document.
    ///
    /// # Panics
    /// Never: what is sent is strings, numbers, lists and maps of them.
    #[must_use]
    pub fn body(mut self, body: &impl Serialize) -> Self {
        self.body = Some(serde_json::to_value(body).expect("bodies are strings, numbers, lists and maps of them"));
        self
    }

    /// Everything but reads changes something. Three kinds of POST are reads.
    fn is_mutating(&self) -> bool {
        const READS: [&str; 3] = ["getIamPolicy", "testIamPermissions", "wait"];
        let method = self.op.rsplit('.').next().unwrap_or_default();
        self.verb != Verb::Get && !READS.contains(&method)
    }
}

/// A call that did not succeed.
#[derive(Debug)]
pub struct Failure {
    /// For the engine and for people.
    pub error: StepError,
    /// What Google told, if it was Google that answered.
    pub told: Option<Box<Told>>,
}

impl Failure {
    /// Whether Google says that the thing is not there.
    pub fn is_absent(&self) -> bool {
        self.told.as_deref().is_some_and(Told::is_absent)
    }

    /// Whether something still uses the thing.
    pub fn is_in_use(&self) -> bool {
        self.told.as_deref().is_some_and(Told::is_in_use)
    }

    /// Whether the service is off in the project: nothing of it can be there.
    pub fn is_off(&self) -> bool {
        self.error.id == error::API_OFF
    }
}

impl From<Failure> for StepError {
    fn from(failure: Failure) -> Self {
        failure.error
    }
}

/// Clients, project, region and counters: the `Cx` of every GCP step.
#[derive(Clone)]
pub struct GcpCx {
    rest: Rest,
    tokens: Arc<TokenSource>,
    endpoints: Arc<BTreeMap<Service, String>>,
    project: Arc<OnceLock<String>>,
    /// Where it all happens.
    pub region: Region,
    /// In a run services are switched on first: one that says that it is off has not heard of it yet.
    switching_on: bool,
}

impl GcpCx {
    /// The context for these options. Makes no call.
    ///
    /// # Errors
    /// Where no HTTP client can be made: a proxy or a certificate that cannot be used.
    pub fn open(options: &OpenOptions, region: Region) -> Result<Self, StepError> {
        let http = (options.http)()?;
        let tokens = TokenSource::choose(&options.vars, &Means::of(options, &http));
        let settings = gcloud::settings(&options.vars, &options.read_file);
        let project = options.account.clone().or(settings.project).or_else(|| tokens.project().map(str::to_owned));
        let cx = Self {
            rest: Rest::new(http),
            tokens: Arc::new(tokens),
            endpoints: Arc::new(endpoints(&options.vars)),
            project: Arc::default(),
            region,
            switching_on: false,
        };
        if let Some(project) = project {
            cx.set_project(&project);
        }
        Ok(cx)
    }

    /// The same with another region.
    #[must_use]
    pub fn in_region(&self, region: Region) -> Self {
        Self { region, ..self.clone() }
    }

    /// The same for the steps of a run.
    #[must_use]
    pub(super) fn in_a_run(&self) -> Self {
        Self { switching_on: true, ..self.clone() }
    }

    /// The project, once it is known.
    ///
    /// # Errors
    /// `Auth` where neither flag, variable, gcloud nor credentials name one.
    pub fn project(&self) -> Result<&str, StepError> {
        self.project.get().map(String::as_str).ok_or_else(|| {
            StepError::new(ErrorClass::Permanent, "KW-USAGE", "no Google Cloud project is named")
                .with_residue(Residue::None)
                .with_hint("name it: --project ID, GOOGLE_CLOUD_PROJECT, or gcloud config set project ID")
        })
    }

    /// Remembers the project; the first word stands.
    pub fn set_project(&self, project: &str) {
        self.project.get_or_init(|| project.to_owned());
    }

    /// Where tokens come from.
    pub fn tokens(&self) -> &TokenSource {
        &self.tokens
    }

    /// A token as it is sent, for who hands it out.
    ///
    /// # Errors
    /// `Auth` where there are no credentials or they are not accepted.
    pub async fn access_token(&self) -> Result<AccessToken, StepError> {
        self.tokens.token().await
    }

    /// Counts a mutating call that goes to a cluster's own API server.
    pub(super) fn count_call(&self) {
        self.rest.count_mutating_call();
    }

    /// Mutating calls sent so far.
    pub fn mutating_calls(&self) -> u64 {
        self.rest.mutating_calls()
    }

    /// A path of Compute Engine inside the project: `projects/acme/global/networks`.
    ///
    /// # Errors
    /// As [`Self::project`].
    pub fn compute_path(&self, inside: &str) -> Result<String, StepError> {
        Ok(format!("projects/{}/{inside}", encoded(self.project()?)))
    }

    /// A path of Kubernetes Engine inside a location: `v1/projects/acme/locations/us-central1-a/clusters`.
    ///
    /// # Errors
    /// As [`Self::project`].
    pub fn container_path(&self, location: &str, inside: &str) -> Result<String, StepError> {
        Ok(format!("v1/projects/{}/locations/{}/{inside}", encoded(self.project()?), encoded(location)))
    }

    // ---- calls

    /// Sends one call, once; the document of its answer.
    ///
    /// # Errors
    /// [`Failure`].
    pub async fn call(&self, request: Request<'_>) -> Result<Value, Failure> {
        let unsent = |error: StepError| Failure { error, told: None };
        let token = self.access_token().await.map_err(unsent)?.token;
        let mutating = request.is_mutating();
        let mut headers = Vec::new();
        if let Some(project) = self.tokens.quota_project() {
            headers.push(("x-goog-user-project", project.to_owned()));
        }
        let op = request.op.replacen(':', " ", 1);
        let url = self.url(&request);
        let call = Call { op: &op, what: request.what, verb: request.verb, url, headers, body: request.body, mutating };
        let sent = self.rest.send(call, &token).await;
        let read_left_nothing = |error: StepError| if mutating { error } else { error.with_residue(Residue::None) };
        let answer = sent.map_err(|error| unsent(read_left_nothing(error)))?;
        if answer.is_ok() {
            return Ok(answer.body);
        }
        let mut failure = self.failure(request.op, request.what, &answer);
        failure.error = read_left_nothing(failure.error);
        Err(failure)
    }

    fn failure(&self, op: &str, what: &str, answer: &Answer) -> Failure {
        let Some(mut told) = Told::of_body(answer.status, &answer.body) else {
            let error = error::not_googles(op, what, answer.status);
            return Failure { error, told: None };
        };
        told.retry_after = told.retry_after.or_else(|| answer.retry_after());
        let mut error = error::refused(op, what, &told);
        if self.switching_on {
            error = error::while_switching_on(error);
        }
        Failure { error, told: Some(Box::new(told)) }
    }

    fn url(&self, request: &Request<'_>) -> String {
        let base = &self.endpoints[&Service::of(request.op)];
        let query: Vec<String> = request.query.iter().map(|(key, value)| format!("{key}={}", encoded(value))).collect();
        let mark = if query.is_empty() { "" } else { "?" };
        format!("{base}{}{mark}{}", request.path, query.join("&"))
    }

    /// Sends one call; its answer as this type.
    ///
    /// # Errors
    /// [`Failure`].
    pub async fn ask<T: DeserializeOwned>(&self, request: Request<'_>) -> Result<T, Failure> {
        let (op, what, mutating) = (request.op, request.what, request.is_mutating());
        let mut body = self.call(request).await?;
        drop_nulls(&mut body);
        serde_json::from_value(body).map_err(|why| {
            let error = error::unreadable(op, what, why);
            let error = if mutating { error } else { error.with_residue(Residue::None) };
            Failure { error, told: None }
        })
    }

    /// A read: nothing where Google itself says that it is not there.
    ///
    /// # Errors
    /// As the call's.
    pub async fn read<T: DeserializeOwned>(&self, request: Request<'_>) -> Result<Option<T>, StepError> {
        match self.ask(request).await {
            Ok(it) => Ok(Some(it)),
            Err(failure) if failure.is_absent() => Ok(None),
            Err(failure) => Err(failure.error),
        }
    }

    /// All pages of a listing under `key`.
    ///
    /// # Errors
    /// As the call's: a partial answer would pass for all there is.
    pub async fn list<T: DeserializeOwned>(&self, key: &str, request: Request<'_>) -> Result<Vec<T>, StepError> {
        let mut found = Vec::new();
        for page in self.pages(request.clone()).await? {
            let items = page.get(key).cloned().unwrap_or_else(|| Value::Array(Vec::new()));
            let items: Vec<T> = serde_json::from_value(items)
                .map_err(|why| error::unreadable(request.op, request.what, why).with_residue(Residue::None))?;
            found.extend(items);
        }
        Ok(found)
    }

    /// All pages of an aggregated listing of Compute Engine: everything under `key` in every region, zone and globally.
    ///
    /// # Errors
    /// As the call's; also where a place could not be asked.
    pub async fn list_everywhere<T: DeserializeOwned>(
        &self,
        key: &str,
        request: Request<'_>,
    ) -> Result<Vec<T>, StepError> {
        let unreadable = |why: String| error::unreadable(request.op, request.what, why).with_residue(Residue::None);
        let mut found = Vec::new();
        for page in self.pages(request.clone()).await? {
            if let Some(missing) = page.get("unreachables").and_then(Value::as_array).filter(|all| !all.is_empty()) {
                return Err(unreadable(format!("some places did not answer: {missing:?}")));
            }
            for (_, place) in page.get("items").and_then(Value::as_object).into_iter().flatten() {
                if let Some(items) = place.get(key) {
                    let items: Vec<T> =
                        serde_json::from_value(items.clone()).map_err(|why| unreadable(why.to_string()))?;
                    found.extend(items);
                }
            }
        }
        Ok(found)
    }

    async fn pages(&self, request: Request<'_>) -> Result<Vec<Value>, StepError> {
        let mut pages = Vec::new();
        let mut next: Option<String> = None;
        loop {
            let mut asked = request.clone();
            if let Some(token) = &next {
                asked = asked.query("pageToken", token.clone());
            }
            let mut page = self.call(asked).await?;
            drop_nulls(&mut page);
            next = page.get("nextPageToken").and_then(Value::as_str).filter(|it| !it.is_empty()).map(str::to_owned);
            pages.push(page);
            if next.is_none() {
                return Ok(pages);
            }
        }
    }
}

/// Where each service is: our own variable, then gcloud's, then Google's address.
fn endpoints(vars: &BTreeMap<String, String>) -> BTreeMap<Service, String> {
    let of = |service: Service| {
        let name = service.as_str().to_ascii_uppercase();
        let said = [format!("KUBEWRIGHT_GCP_{name}_ENDPOINT"), format!("CLOUDSDK_API_ENDPOINT_OVERRIDES_{name}")]
            .into_iter()
            .find_map(|name| vars.get(&name).filter(|value| !value.is_empty()));
        let base = said.cloned().unwrap_or_else(|| service.endpoint());
        if base.ends_with('/') { base } else { base + "/" }
    };
    SERVICES.into_iter().map(|service| (service, of(service))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints_are_moved_by_our_variable_then_by_gclouds() {
        let vars = BTreeMap::from([
            ("KUBEWRIGHT_GCP_CONTAINER_ENDPOINT".to_owned(), "http://127.0.0.1:1".to_owned()),
            ("CLOUDSDK_API_ENDPOINT_OVERRIDES_CONTAINER".to_owned(), "http://127.0.0.1:2/".to_owned()),
            ("CLOUDSDK_API_ENDPOINT_OVERRIDES_COMPUTE".to_owned(), "http://127.0.0.1:2/compute/v1/".to_owned()),
        ]);
        let found = endpoints(&vars);
        assert_eq!(found[&Service::Container], "http://127.0.0.1:1/");
        assert_eq!(found[&Service::Compute], "http://127.0.0.1:2/compute/v1/");
        assert_eq!(found[&Service::Iam], "https://iam.googleapis.com/");
    }

    #[test]
    fn what_only_reads_is_not_counted() {
        let post = |op| Request::post(op, "x", "it").is_mutating();
        assert!(!post("cloudresourcemanager:projects.getIamPolicy"));
        assert!(!post("cloudresourcemanager:projects.testIamPermissions"));
        assert!(!post("compute:globalOperations.wait"));
        assert!(post("cloudresourcemanager:projects.setIamPolicy") && post("compute:networks.insert"));
        assert!(!Request::get("compute:networks.get", "x", "it").is_mutating());
        assert!(Request::delete("compute:networks.delete", "x", "it").is_mutating());
    }
}
