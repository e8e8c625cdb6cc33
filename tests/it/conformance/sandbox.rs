//! The sandbox's core, seen through AWS's own SDK and raw sockets: signatures, durability, faults, holds, virtual time.

use aws_sdk_iam::{
    config::{BehaviorVersion, Credentials, Region, retry::RetryConfig},
    error::ProvideErrorMetadata,
};
use kubewright::{
    sandbox::{
        Attached, Running, SandboxError, ServeOptions, attach_or_start,
        aws::sts,
        client::{ClockClient, Control},
        clock::Speed,
        control::Reset,
        reset, serve, show,
        world::Settings,
    },
    store::Holder,
};
use std::{
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const TRUST: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"sts:AssumeRole","Principal":{"Service":"eks.amazonaws.com"}}]}"#;

pub(super) fn options(dir: &Path, faults: &str) -> ServeOptions {
    ServeOptions {
        dir: dir.to_owned(),
        speed: Speed::Max,
        faults: faults.to_owned(),
        seed: Some(7),
        port: None,
        settings: Settings { read_lag_ms: (0, 0), ..Settings::default() },
        conditions: Default::default(),
        pods_local: false,
        record: crate::support::record(),
        wall: Arc::new(jiff::Timestamp::now),
        bits: Arc::new(|| 0x00c0_ffee_0000_0001),
        holder: Holder {
            user: "test".to_owned(),
            host: "here".to_owned(),
            pid: std::process::id(),
            since: jiff::Timestamp::now(),
            verb: "test".to_owned(),
        },
    }
}

fn iam_as(running: &Running, key: &str, secret: &str, token: Option<&str>) -> aws_sdk_iam::Client {
    let credentials = Credentials::new(key, secret, token.map(str::to_owned), None, "test");
    let config = aws_sdk_iam::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .credentials_provider(credentials)
        .endpoint_url(&running.endpoints().aws)
        .retry_config(RetryConfig::disabled());
    aws_sdk_iam::Client::from_conf(config.build())
}

fn iam(running: &Running) -> aws_sdk_iam::Client {
    let (key, secret) = sts::default_keys();
    iam_as(running, &key, &secret, None)
}

fn sts_client(running: &Running) -> aws_sdk_sts::Client {
    let (key, secret) = sts::default_keys();
    let config = aws_sdk_sts::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("eu-west-1"))
        .credentials_provider(Credentials::new(key, secret, None, None, "test"))
        .endpoint_url(&running.endpoints().aws)
        .retry_config(RetryConfig::disabled());
    aws_sdk_sts::Client::from_conf(config.build())
}

async fn make_role(iam: &aws_sdk_iam::Client, name: &str) -> Result<(), Option<String>> {
    let made = iam.create_role().role_name(name).assume_role_policy_document(TRUST).send().await;
    made.map(|_| ()).map_err(|error| error.code().map(str::to_owned))
}

async fn has_role(iam: &aws_sdk_iam::Client, name: &str) -> bool {
    iam.get_role().role_name(name).send().await.is_ok()
}

#[tokio::test]
async fn the_vendors_sdk_works_and_strangers_do_not() {
    let dir = tempfile::tempdir().unwrap();
    let running = serve(options(dir.path(), "")).await.unwrap();
    let me = sts_client(&running).get_caller_identity().send().await.unwrap();
    assert_eq!((me.account(), me.arn()), (Some("123456789012"), Some("arn:aws:iam::123456789012:user/sandbox")));
    let client = iam(&running);
    make_role(&client, "demo").await.unwrap();
    let role = client.get_role().role_name("demo").send().await.unwrap().role.unwrap();
    assert_eq!(role.arn(), "arn:aws:iam::123456789012:role/demo");
    assert!(role.assume_role_policy_document().unwrap().contains("%22Version%22"));
    assert_eq!(make_role(&client, "demo").await, Err(Some("EntityAlreadyExists".to_owned())));
    let (key, _) = sts::default_keys();
    let stranger = iam_as(&running, &key, "wrong", None);
    assert_eq!(make_role(&stranger, "x").await, Err(Some("SignatureDoesNotMatch".to_owned())));
    let stranger = iam_as(&running, "AKIAIOSFODNN7EXAMPLE", "wrong", None);
    assert_eq!(make_role(&stranger, "x").await, Err(Some("InvalidClientTokenId".to_owned())));
    let unsigned = reqwest::Client::new().post(&running.endpoints().aws).body("Action=ListRoles&Version=2010-05-08");
    let answer = unsigned.send().await.unwrap();
    assert_eq!(answer.status(), 403);
    assert!(answer.text().await.unwrap().contains("MissingAuthenticationToken"));
    running.stop().await.unwrap();
    let seen = show(dir.path()).await.unwrap().unwrap();
    assert_eq!((seen.totals.objects, seen.totals.usd_per_hour), (1, Some(0.0)));
    assert_eq!((seen.requests.mutating, seen.requests.total), (2, 4), "refused strangers reach no operation");
}

#[tokio::test]
async fn sessions_are_the_role_and_no_more() {
    let dir = tempfile::tempdir().unwrap();
    let running = serve(options(dir.path(), "")).await.unwrap();
    let trust = TRUST.replace(r#"{"Service":"eks.amazonaws.com"}"#, r#"{"AWS":"arn:aws:iam::123456789012:root"}"#);
    let client = iam(&running);
    client.create_role().role_name("deploy").assume_role_policy_document(trust).send().await.unwrap();
    make_role(&client, "other").await.unwrap();
    let policy = "arn:aws:iam::aws:policy/IAMFullAccess";
    client.attach_role_policy().role_name("deploy").policy_arn(policy).send().await.unwrap();
    let clock = clock(&running).await;
    clock.sleep(Duration::from_secs(15)).await;
    let assume = |role: &str| {
        let arn = format!("arn:aws:iam::123456789012:role/{role}");
        sts_client(&running).assume_role().role_arn(arn).role_session_name("me").send()
    };
    let refused = assume("other").await.unwrap_err();
    assert_eq!(refused.code(), Some("AccessDenied"));
    let got = assume("deploy").await.unwrap().credentials.unwrap();
    let session = iam_as(&running, got.access_key_id(), got.secret_access_key(), Some(got.session_token()));
    make_role(&session, "by-session").await.unwrap();
    let forged = iam_as(&running, got.access_key_id(), got.secret_access_key(), Some("forged"));
    assert_eq!(make_role(&forged, "x").await, Err(Some("InvalidClientTokenId".to_owned())));
    let policy = client.detach_role_policy().role_name("deploy").policy_arn(policy);
    policy.send().await.unwrap();
    assert_eq!(make_role(&session, "x").await, Err(Some("AccessDenied".to_owned())));
}

#[tokio::test]
async fn a_killed_server_comes_back_as_it_was() {
    let dir = tempfile::tempdir().unwrap();
    let running = serve(options(dir.path(), "")).await.unwrap();
    let at = running.endpoints().clone();
    assert!(matches!(serve(options(dir.path(), "")).await, Err(SandboxError::Running(_))));
    let attached = attach_or_start(options(dir.path(), "")).await.unwrap();
    assert!(matches!(&attached, Attached::Other(endpoints) if *endpoints == at));
    let client = iam(&running);
    make_role(&client, "demo").await.unwrap();
    assert_eq!(running.hub().connections(), 1, "a living client keeps its connection");
    drop(client);
    running.until_alone().await;
    let ca = std::fs::read(dir.path().join("ca.pem")).unwrap();
    drop(running);
    // The aborted listeners let their ports go when the runtime turns.
    tokio::time::sleep(Duration::from_millis(50)).await;
    // The torn line of a call that was never answered.
    let log = dir.path().join("world.jsonl");
    let mut torn = std::fs::read(&log).unwrap();
    torn.extend(br#"{"at":"2026-01-"#);
    std::fs::write(&log, torn).unwrap();
    let again = serve(options(dir.path(), "")).await.unwrap();
    assert_eq!(*again.endpoints(), at, "ports stay");
    assert_eq!(std::fs::read(dir.path().join("ca.pem")).unwrap(), ca, "so does the authority");
    assert!(has_role(&iam(&again), "demo").await);
}

#[tokio::test]
async fn faults_strike_as_written() {
    let dir = tempfile::tempdir().unwrap();
    let faults = "iam:CreateRole=lost-reply@1,iam:CreateRole=throttle@2,iam:CreateRole=error-after@3,iam:CreateRole=drop@4,iam:CreateRole=error-before@5";
    let running = serve(options(dir.path(), faults)).await.unwrap();
    let client = iam(&running);
    let cases = [
        ("lost", None, true),
        ("throttled", Some("Throttling"), false),
        ("after", Some("ServiceFailure"), true),
        ("dropped", None, false),
        ("before", Some("ServiceFailure"), false),
    ];
    for (name, code, happened) in cases {
        assert_eq!(make_role(&client, name).await, Err(code.map(str::to_owned)), "{name}");
        assert_eq!(has_role(&client, name).await, happened, "{name}");
    }
    make_role(&client, "well").await.unwrap();
    let seen = show(dir.path()).await.unwrap().unwrap();
    assert!(seen.faults.iter().all(|fault| fault.fired == 1), "{:?}", seen.faults);
    let creates = seen.requests.by_op.iter().find(|op| op.op == "iam:CreateRole").unwrap();
    assert_eq!((creates.count, creates.failed, creates.mutating), (6, 5, true));
}

#[tokio::test]
async fn held_calls_wait_exactly_before_or_after() {
    let dir = tempfile::tempdir().unwrap();
    let running = serve(options(dir.path(), "*:mutating=hold-before@1,*:mutating=hold-after@2")).await.unwrap();
    let client = iam(&running);
    let held = async |n: u32, name: &'static str| {
        let call = tokio::spawn({
            let client = client.clone();
            async move { make_role(&client, name).await }
        });
        let control = dir.path().join(format!("holds/{n}.json"));
        while !control.exists() {
            assert!(!call.is_finished());
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let control: serde_json::Value = serde_json::from_slice(&std::fs::read(control).unwrap()).unwrap();
        assert_eq!((control["op"].as_str(), control["request"]["RoleName"].as_str()), (Some("CreateRole"), Some(name)));
        // As a kill of the caller: its connection goes away.
        call.abort();
        assert!(call.await.is_err());
        control["phase"].as_str().unwrap().to_owned()
    };
    assert_eq!(held(1, "never").await, "before");
    assert_eq!(held(2, "already").await, "after");
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(!has_role(&client, "never").await);
    assert!(has_role(&client, "already").await);
    // Nobody is being served any more, so time jumps again.
    let real = Instant::now();
    clock(&running).await.sleep(Duration::from_secs(3_600)).await;
    assert!(real.elapsed() < Duration::from_secs(20), "an hour took {:?}", real.elapsed());
}

async fn clock(running: &Running) -> ClockClient {
    ClockClient::connect(&running.endpoints().clock(), Arc::new(jiff::Timestamp::now)).await.unwrap()
}

#[tokio::test]
async fn time_jumps_for_sleepers_and_flows_for_the_rest() {
    let dir = tempfile::tempdir().unwrap();
    let running = serve(options(dir.path(), "")).await.unwrap();
    let (one, two) = (clock(&running).await, clock(&running).await);
    let (start, real) = (one.now(), Instant::now());
    tokio::join!(one.sleep(Duration::from_secs(3_600)), two.sleep(Duration::from_secs(600)));
    assert!(one.now() >= start + Duration::from_secs(3_600));
    assert!(real.elapsed() < Duration::from_secs(20), "an hour took {:?}", real.elapsed());
    let then = running.hub().now();
    running.stop().await.unwrap();
    // Frozen while nobody serves it, and then at a fixed speed.
    let fixed = ServeOptions { speed: Speed::Times(1_000), ..options(dir.path(), "") };
    let running = serve(fixed).await.unwrap();
    let clock = clock(&running).await;
    assert!(clock.now() >= then && clock.now() < then + Duration::from_secs(600));
    let start = clock.now();
    clock.sleep(Duration::from_secs(50)).await;
    assert!(clock.now() >= start + Duration::from_secs(50));
}

#[tokio::test]
async fn reset_makes_a_new_world_with_and_without_a_server() {
    let dir = tempfile::tempdir().unwrap();
    let faulty = ServeOptions { seed: Some(9), ..options(dir.path(), "iam:CreateRole=throttle@1") };
    reset(&faulty).await.unwrap();
    let running = serve(options(dir.path(), "")).await.unwrap();
    let client = iam(&running);
    assert_eq!(make_role(&client, "demo").await, Err(Some("Throttling".to_owned())), "the reset's faults last");
    make_role(&client, "demo").await.unwrap();
    let control = Control::new(&running.endpoints().aws).unwrap();
    let before = running.hub().now();
    control.reset(&Reset { seed: Some(11), ..Reset::default() }).await.unwrap();
    assert!(!has_role(&client, "demo").await);
    let seen = control.show().await.unwrap();
    assert_eq!((seen.world.seed, seen.totals.objects), (11, 0));
    assert!(running.hub().now() >= before, "time does not go back");
    make_role(&client, "again").await.unwrap();
    running.stop().await.unwrap();
    let seen = show(dir.path()).await.unwrap().unwrap();
    assert_eq!((seen.world.seed, seen.totals.objects), (11, 1));
    assert!(reset(&options(dir.path(), "nonsense")).await.is_err());
}

#[tokio::test]
async fn the_kubernetes_port_speaks_tls_of_the_sandboxs_own() {
    let dir = tempfile::tempdir().unwrap();
    let running = serve(options(dir.path(), "")).await.unwrap();
    let pem = std::fs::read(dir.path().join("ca.pem")).unwrap();
    let trusting = reqwest::Client::builder().tls_certs_only([reqwest::Certificate::from_pem(&pem).unwrap()]).build();
    let at = format!("{}/clusters/none/version", running.endpoints().kubernetes);
    // Whatever is answered, or nothing: not a failure of the handshake, which strangers meet.
    if let Err(error) = trusting.unwrap().get(&at).send().await {
        assert!(!format!("{error:?}").contains("Certificate"), "{error:?}");
    }
    let error = reqwest::Client::new().get(&at).send().await.unwrap_err();
    assert!(error.is_connect(), "{error:?}");
    // A plain request to the AWS port that is none.
    let address = running.endpoints().aws.trim_start_matches("http://").to_owned();
    let mut socket = tokio::net::TcpStream::connect(address).await.unwrap();
    socket.write_all(b"GET /nowhere HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 403"), "{answer}");
}
