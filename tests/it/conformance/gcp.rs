//! Google's port of the sandbox, seen through plain HTTP: credentials, shapes of refusals, faults, counts, durability.

use super::sandbox::options;
use kubewright::{
    sandbox::{Running, ServeOptions, client::Control, conditions::Conditions, serve},
    store,
};
use reqwest::{Client, StatusCode};
use serde_json::{Value, json};
use std::path::Path;

/// A server, and a client of it with the token from its file.
struct Rig {
    running: Running,
    http: Client,
    token: String,
}

impl Rig {
    async fn start(dir: &Path, faults: &str) -> Self {
        Self::with(options(dir, faults)).await
    }

    async fn with(options: ServeOptions) -> Self {
        let dir = options.dir.clone();
        let running = serve(options).await.unwrap();
        let token = std::fs::read_to_string(dir.join("gcp-access-token")).unwrap();
        Self { running, http: Client::builder().no_proxy().build().unwrap(), token }
    }

    fn url(&self, path: &str) -> String {
        format!("{}/{path}", self.running.endpoints().gcp)
    }

    async fn call(&self, verb: &str, path: &str, body: Option<Value>) -> reqwest::Result<(StatusCode, Value)> {
        let mut request = self.http.request(verb.parse().unwrap(), self.url(path)).bearer_auth(&self.token);
        if let Some(body) = body {
            request = request.json(&body);
        }
        let answer = request.send().await?;
        let status = answer.status();
        Ok((status, answer.json().await?))
    }

    async fn ok(&self, verb: &str, path: &str, body: Option<Value>) -> Value {
        let (status, reply) = self.call(verb, path, body).await.unwrap();
        assert_eq!(status, StatusCode::OK, "{verb} {path}: {reply}");
        reply
    }

    async fn control(&self) -> Control {
        Control::new(&self.running.endpoints().aws).unwrap()
    }
}

const PROJECT: &str = "v1/projects/kubewright-sandbox";

#[tokio::test]
async fn nobody_is_served_without_a_token_and_paths_nobody_has_are_pages() {
    let dir = tempfile::tempdir().unwrap();
    let rig = Rig::start(dir.path(), "").await;
    let bare = rig.http.get(rig.url(PROJECT)).send().await.unwrap();
    assert_eq!(bare.status(), StatusCode::UNAUTHORIZED);
    let refused: Value = bare.json().await.unwrap();
    assert_eq!(refused["error"]["status"], "UNAUTHENTICATED");
    let forged = rig.http.get(rig.url(PROJECT)).bearer_auth("ya29.forged").send().await.unwrap();
    assert_eq!(forged.status(), StatusCode::UNAUTHORIZED);
    let nowhere = rig.http.get(rig.url("v1/nothing/here")).bearer_auth(&rig.token).send().await.unwrap();
    assert_eq!(nowhere.status(), StatusCode::NOT_FOUND);
    assert!(nowhere.headers()["content-type"].to_str().unwrap().starts_with("text/html"));
    assert!(nowhere.text().await.unwrap().starts_with("<!DOCTYPE html>"));
    let project = rig.ok("GET", &format!("{PROJECT}?alt=json&prettyPrint=true&$.xgafv=2"), None).await;
    assert_eq!(project["lifecycleState"], "ACTIVE");
    let (status, refused) = rig.call("GET", &format!("{PROJECT}?page=2"), None).await.unwrap();
    assert_eq!((status.as_u16(), &refused["error"]["status"]), (400, &json!("INVALID_ARGUMENT")));
}

#[tokio::test]
async fn a_users_file_buys_tokens_and_its_files_are_private() {
    let dir = tempfile::tempdir().unwrap();
    let rig = Rig::start(dir.path(), "").await;
    for name in ["gcp-key.json", "gcp-user.json", "gcp-federated.json", "gcp-access-token", "gcp.key"] {
        use std::os::unix::fs::PermissionsExt;
        let mode = std::fs::metadata(dir.path().join(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
    let text = store::read_text_if_there(&dir.path().join("gcp-user.json"), 1 << 16).unwrap().unwrap();
    let user: Value = serde_json::from_str(&text).unwrap();
    let form = |secret: &str| {
        format!(
            "grant_type=refresh_token&client_id={}&client_secret={secret}&refresh_token={}",
            user["client_id"].as_str().unwrap(),
            user["refresh_token"].as_str().unwrap().replace('/', "%2F"),
        )
    };
    let ask = |body: String| {
        let at = user["token_uri"].as_str().unwrap();
        rig.http.post(at).header("content-type", "application/x-www-form-urlencoded").body(body).send()
    };
    let refused = ask(form("wrong")).await.unwrap();
    assert_eq!(refused.json::<Value>().await.unwrap()["error"], "invalid_client");
    let given: Value = ask(form(user["client_secret"].as_str().unwrap())).await.unwrap().json().await.unwrap();
    let token = given["access_token"].as_str().unwrap();
    let seen = rig.http.get(rig.url(PROJECT)).bearer_auth(token).send().await.unwrap();
    assert_eq!(seen.status(), StatusCode::OK);
}

#[tokio::test]
async fn faults_strike_google_calls_and_counts_tell_changes_from_looks() {
    let dir = tempfile::tempdir().unwrap();
    let faults = "iam:serviceAccounts.create=lost-reply@1,cloudresourcemanager:projects.get=throttle@1,\
                  serviceusage:services.list=error-before@1,iam:serviceAccounts.list=expired@1";
    let rig = Rig::start(dir.path(), faults).await;
    let (status, refused) = rig.call("GET", PROJECT, None).await.unwrap();
    assert_eq!((status.as_u16(), &refused["error"]["status"]), (429, &json!("RESOURCE_EXHAUSTED")));
    let (status, refused) = rig.call("GET", &format!("{PROJECT}/services"), None).await.unwrap();
    assert_eq!((status.as_u16(), &refused["error"]["status"]), (500, &json!("INTERNAL")));
    let (status, refused) = rig.call("GET", &format!("{PROJECT}/serviceAccounts"), None).await.unwrap();
    assert_eq!((status.as_u16(), &refused["error"]["details"][0]["reason"]), (401, &json!("ACCESS_TOKEN_EXPIRED")));
    let body = json!({"accountId": "nodes-1a2b3c4d"});
    let lost = rig.call("POST", &format!("{PROJECT}/serviceAccounts"), Some(body.clone())).await;
    assert!(lost.is_err(), "the reply is lost: {lost:?}");
    let (status, refused) = rig.call("POST", &format!("{PROJECT}/serviceAccounts"), Some(body)).await.unwrap();
    assert_eq!((status.as_u16(), &refused["error"]["status"]), (409, &json!("ALREADY_EXISTS")));
    rig.ok("POST", &format!("{PROJECT}:testIamPermissions"), Some(json!({"permissions": ["container.clusters.get"]})))
        .await;
    let show = rig.control().await.show().await.unwrap();
    let of = |op: &str| show.requests.by_op.iter().find(|it| it.op == op).unwrap_or_else(|| panic!("{op}"));
    let made = of("iam:projects.serviceAccounts.create");
    assert_eq!((made.mutating, made.count, made.failed), (true, 2, 2));
    assert!(!of("cloudresourcemanager:projects.testIamPermissions").mutating);
    assert!(!of("cloudresourcemanager:projects.get").mutating);
    assert!(show.objects.iter().any(|it| it.cloud == "gcp" && it.kind == "serviceAccount" && it.created_by == "api"));
}

#[tokio::test]
async fn compute_words_its_refusals_its_own_way_and_regions_can_be_silent() {
    let dir = tempfile::tempdir().unwrap();
    let mut conditions = Conditions::default();
    conditions.set_closed("europe-west4=silent,us-east1=denied").unwrap();
    let rig = Rig::with(ServeOptions { conditions, ..options(dir.path(), "") }).await;
    let root = "compute/v1/projects/kubewright-sandbox";
    let (status, off) = rig.call("GET", &format!("{root}/global/networks"), None).await.unwrap();
    assert_eq!((status.as_u16(), &off["error"]["errors"][0]["reason"]), (403, &json!("accessNotConfigured")));
    assert_eq!(off["error"]["details"][0]["reason"], "SERVICE_DISABLED");
    let ask = json!({"serviceIds": ["compute.googleapis.com"]});
    let op = rig.ok("POST", &format!("{PROJECT}/services:batchEnable"), Some(ask)).await;
    let clock = kubewright::sandbox::client::ClockClient::connect(
        &rig.running.endpoints().clock(),
        std::sync::Arc::new(jiff::Timestamp::now),
    )
    .await
    .unwrap();
    clock.sleep(std::time::Duration::from_secs(120)).await;
    let op = rig.ok("GET", &format!("v1/{}", op["name"].as_str().unwrap()), None).await;
    assert_eq!(op["done"], true);
    let (status, gone) = rig.call("GET", &format!("{root}/global/networks/none"), None).await.unwrap();
    assert_eq!((status.as_u16(), &gone["error"]["errors"][0]["reason"]), (404, &json!("notFound")));
    assert!(rig.call("GET", &format!("{root}/regions/europe-west4/routers"), None).await.is_err());
    let (status, _) = rig.call("GET", &format!("{root}/regions/us-east1/routers"), None).await.unwrap();
    assert_eq!(status.as_u16(), 403);
    rig.ok("GET", &format!("{root}/regions/us-central1/routers"), None).await;
}

#[tokio::test]
async fn a_world_is_there_after_its_server() {
    let dir = tempfile::tempdir().unwrap();
    let rig = Rig::start(dir.path(), "").await;
    rig.ok("POST", &format!("{PROJECT}/serviceAccounts"), Some(json!({"accountId": "nodes-1a2b3c4d"}))).await;
    let before = rig.token.clone();
    rig.running.stop().await.unwrap();
    let mut rig = Rig::start(dir.path(), "").await;
    // Tokens of the server before are as good as ever: the keys stay the same.
    rig.token = before;
    let email = "nodes-1a2b3c4d@kubewright-sandbox.iam.gserviceaccount.com";
    let path = format!("{PROJECT}/serviceAccounts/{email}");
    assert_eq!(rig.ok("GET", &path, None).await["email"], email);
}
