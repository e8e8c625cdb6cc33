//! The pretend Azure through its real port: TLS, tokens of Entra, ARM's headers, operations to their end, and a cluster's
//! API behind the kubeconfigs that AKS hands out.

use super::rig::Rig;
use base64::{Engine, engine::general_purpose::STANDARD};
use kubewright::sandbox::azure::{CLIENT_ID, SUBSCRIPTION, TENANT, client_env};
use reqwest::{Method, Response, StatusCode};
use serde_json::{Value, json};

const MANAGEMENT: &str = "https://management.azure.com/.default";
const AKS_SERVER: &str = "6dae42f8-4368-4678-94ff-3960e28e3630/.default";

struct Arm {
    rig: Rig,
    client: reqwest::Client,
    token: String,
}

/// A token as every client gets it: with the credentials that the sandbox hands out.
async fn token(rig: &Rig, client: &reqwest::Client, scope: &str) -> Result<String, String> {
    let env = client_env(rig.server.endpoints());
    let get = |name: &str| env[name].to_str().unwrap().to_owned();
    let form = form_urlencoded::Serializer::new(String::new())
        .append_pair("grant_type", "client_credentials")
        .append_pair("client_id", CLIENT_ID)
        .append_pair("client_secret", &get("AZURE_CLIENT_SECRET"))
        .append_pair("scope", scope)
        .finish();
    let request = client
        .post(format!("{}/{TENANT}/oauth2/v2.0/token", get("AZURE_AUTHORITY_HOST")))
        .header("content-type", "application/x-www-form-urlencoded")
        .body(form);
    let answer: Value = request.send().await.unwrap().json().await.unwrap();
    match answer["access_token"].as_str() {
        Some(token) => Ok(token.to_owned()),
        None => Err(answer["error_description"].as_str().unwrap_or_default().to_owned()),
    }
}

impl Arm {
    async fn start() -> Self {
        let rig = Rig::start().await;
        let ca = reqwest::Certificate::from_pem(rig.server.hub().look(|world| world.site().ca_pem.clone()).as_bytes());
        let client = reqwest::Client::builder().tls_certs_only([ca.unwrap()]).build().unwrap();
        let token = token(&rig, &client, MANAGEMENT).await.unwrap();
        Self { rig, client, token }
    }

    fn url(&self, path: &str) -> String {
        format!("{}/subscriptions/{SUBSCRIPTION}{path}", self.rig.server.endpoints().azure)
    }

    async fn send(&self, verb: Method, url: &str, body: Option<Value>) -> Response {
        let request = self.client.request(verb, url).bearer_auth(&self.token);
        let request = match body {
            Some(body) => request.json(&body),
            None => request,
        };
        request.send().await.unwrap()
    }

    async fn ok(&self, verb: Method, path: &str, body: Option<Value>) -> Value {
        let answer = self.send(verb, &self.url(path), body).await;
        let (status, text) = (answer.status(), answer.text().await.unwrap());
        assert!(status.is_success(), "{path}: {status} {text}");
        if text.is_empty() { Value::Null } else { serde_json::from_str(&text).unwrap() }
    }

    /// Follows an operation to its end by the URL of the answer that began it.
    async fn end(&self, begun: Response) -> Value {
        assert!(begun.status().is_success(), "{}", begun.text().await.unwrap());
        let url = begun.headers()["azure-asyncoperation"].to_str().unwrap().to_owned();
        assert!(begun.headers().contains_key("retry-after"));
        for _ in 0..40 {
            let now: Value = self.send(Method::GET, &url, None).await.json().await.unwrap();
            if now["status"] != "InProgress" {
                return now;
            }
            self.rig.minutes(1).await;
        }
        panic!("{url} does not end");
    }

    async fn register(&self) {
        for namespace in ["Microsoft.ContainerService", "Microsoft.Network"] {
            self.ok(Method::POST, &format!("/providers/{namespace}/register?api-version=2025-04-01"), None).await;
        }
        self.rig.minutes(4).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tokens_come_from_entra_and_nothing_else_is_believed() {
    let arm = Arm::start().await;
    let subscription = arm.ok(Method::GET, "?api-version=2022-12-01", None).await;
    assert_eq!((&subscription["state"], &subscription["tenantId"]), (&json!("Enabled"), &json!(TENANT)));
    let url = arm.url("?api-version=2022-12-01");
    let bare = arm.client.get(&url).send().await.unwrap();
    assert_eq!(bare.status(), StatusCode::UNAUTHORIZED);
    assert!(bare.headers()["www-authenticate"].to_str().unwrap().contains("invalid_token"));
    let error: Value = bare.json().await.unwrap();
    assert_eq!(error["error"]["code"], "AuthenticationFailed");
    let for_aks = token(&arm.rig, &arm.client, AKS_SERVER).await.unwrap();
    let other: Value = arm.client.get(&url).bearer_auth(for_aks).send().await.unwrap().json().await.unwrap();
    assert_eq!(other["error"]["code"], "InvalidAuthenticationTokenAudience");
    let refused = token(&arm.rig, &arm.client, "https://vault.azure.net/.default").await.unwrap_err();
    assert!(refused.contains("AADSTS500011"), "{refused}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_answer_carries_arms_headers() {
    let arm = Arm::start().await;
    let answer = arm
        .client
        .get(arm.url("/resourcegroups?api-version=2024-11-01"))
        .bearer_auth(&arm.token)
        .header("x-ms-correlation-request-id", "abc")
        .header("x-ms-client-request-id", "mine")
        .header("x-ms-return-client-request-id", "true")
        .send()
        .await
        .unwrap();
    let get = |name: &str| answer.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
    assert_eq!(
        (get("x-ms-correlation-request-id"), get("x-ms-client-request-id")),
        (Some("abc".into()), Some("mine".into()))
    );
    assert!(get("x-ms-request-id").is_some() && get("x-ms-ratelimit-remaining-subscription-reads").is_some());
    assert_eq!(get("content-type").as_deref(), Some("application/json; charset=utf-8"));
    let missing: Value = arm.send(Method::GET, &arm.url("/resourcegroups"), None).await.json().await.unwrap();
    assert_eq!(missing["error"]["code"], "MissingApiVersionParameter");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cluster_lives_and_its_api_knows_who_calls() {
    let arm = Arm::start().await;
    arm.register().await;
    let group = "/resourcegroups/g?api-version=2024-11-01";
    arm.ok(Method::PUT, group, Some(json!({"location": "eastus"}))).await;
    let at = "/resourceGroups/g/providers/Microsoft.ContainerService/managedClusters/demo";
    let url = arm.url(&format!("{at}?api-version=2025-10-01"));
    let body = json!({
        "location": "eastus", "identity": {"type": "SystemAssigned"},
        "properties": {
            "dnsPrefix": "demo", "aadProfile": {"managed": true, "enableAzureRBAC": true},
            "agentPoolProfiles": [{"name": "default", "mode": "System", "count": 2, "vmSize": "Standard_D2as_v5"}],
            "networkProfile": {"networkPlugin": "azure", "networkPluginMode": "overlay"},
        },
    });
    let begun = arm.send(Method::PUT, &url, Some(body)).await;
    assert_eq!(begun.status(), StatusCode::CREATED);
    assert_eq!(arm.end(begun).await["status"], "Succeeded");
    let list = format!("{at}/listClusterUserCredential?api-version=2025-10-01&format=exec");
    let answer = arm.ok(Method::POST, &list, None).await;
    let kubeconfig = STANDARD.decode(answer["kubeconfigs"][0]["value"].as_str().unwrap()).unwrap();
    let kubeconfig: Value = serde_yaml::from_slice(&kubeconfig).unwrap();
    assert_eq!(kubeconfig["users"][0]["user"]["exec"]["command"], "kubelogin");
    let server = kubeconfig["clusters"][0]["cluster"]["server"].as_str().unwrap();
    let nodes = format!("{server}/api/v1/nodes");
    let mine = token(&arm.rig, &arm.client, AKS_SERVER).await.unwrap();
    let status = |token: &str| {
        let request = arm.client.get(&nodes).bearer_auth(token);
        async move { request.send().await.unwrap().status() }
    };
    assert_eq!(status(&arm.token).await, StatusCode::UNAUTHORIZED);
    assert_eq!(status(&mine).await, StatusCode::FORBIDDEN);
    let role = format!(
        "{at}/providers/Microsoft.Authorization/roleAssignments/5a4d0000-0000-4000-8000-0000000000cc?api-version=2022-04-01"
    );
    let admin = "b1ff04bb-8a4e-4dc4-8eb5-8693973ce19b";
    let definition = format!("/subscriptions/{SUBSCRIPTION}/providers/Microsoft.Authorization/roleDefinitions/{admin}");
    let body = json!({"properties": {"roleDefinitionId": definition, "principalId": kubewright::sandbox::azure::OBJECT_ID, "principalType": "ServicePrincipal"}});
    arm.ok(Method::PUT, &role, Some(body)).await;
    arm.rig.minutes(1).await;
    let seen: Value = arm.client.get(&nodes).bearer_auth(&mine).send().await.unwrap().json().await.unwrap();
    let items = seen["items"].as_array().unwrap();
    assert_eq!(items.len(), 2);
    assert_eq!(items[0]["metadata"]["labels"]["kubernetes.azure.com/agentpool"], "default");
    // The local admin's certificate opens the same door.
    let list = format!("{at}/listClusterAdminCredential?api-version=2025-10-01");
    let answer = arm.ok(Method::POST, &list, None).await;
    let kubeconfig = STANDARD.decode(answer["kubeconfigs"][0]["value"].as_str().unwrap()).unwrap();
    let kubeconfig: Value = serde_yaml::from_slice(&kubeconfig).unwrap();
    let user = &kubeconfig["users"][0]["user"];
    let pem = |key: &str| STANDARD.decode(user[key].as_str().unwrap()).unwrap();
    let identity = [pem("client-certificate-data"), pem("client-key-data")].concat();
    let ca = arm.rig.server.hub().look(|world| world.site().ca_pem.clone());
    let admin = reqwest::Client::builder()
        .tls_certs_only([reqwest::Certificate::from_pem(ca.as_bytes()).unwrap()])
        .identity(reqwest::Identity::from_pem(&identity).unwrap())
        .build()
        .unwrap();
    assert_eq!(admin.get(&nodes).send().await.unwrap().status(), StatusCode::OK);
    let gone = arm.send(Method::DELETE, &url, None).await;
    assert_eq!(gone.status(), StatusCode::ACCEPTED);
    assert_eq!(arm.end(gone).await["status"], "Succeeded");
    assert_eq!(arm.send(Method::GET, &url, None).await.status(), StatusCode::NOT_FOUND);
    let group = arm.send(Method::DELETE, &arm.url(group), None).await;
    assert!(group.headers().contains_key("location") && !group.headers().contains_key("azure-asyncoperation"));
    arm.rig.minutes(3).await;
    let left = arm.ok(Method::GET, "/resourcegroups?api-version=2024-11-01", None).await;
    assert_eq!(left["value"], json!([]));
}
