//! IAM's rules, called without a server.

use super::*;
use crate::sandbox::{
    aws::{Caller, sts},
    world::{Birth, NoLog, Scope, Settings, VERSION, World},
};
use serde_json::json;
use std::time::Duration;

const EKS: &str = "eks.amazonaws.com";

struct Bench {
    world: World,
    now: jiff::Timestamp,
}

impl Bench {
    fn new() -> Self {
        let now = "2026-01-01T00:00:00Z".parse().unwrap();
        let birth = Birth { version: VERSION, id: "0".to_owned(), seed: 1, epoch: now, settings: Settings::default() };
        Self { world: World::create(birth, Box::new(NoLog)).unwrap(), now }
    }

    fn wait(&mut self, secs: u64) {
        self.now += Duration::from_secs(secs);
        let iam = Iam;
        self.world.advance(self.now, |tx, object, what| iam.due(tx, object, what)).unwrap();
    }

    /// Whether EC2 would let this caller make this call.
    fn asked(&mut self, caller: &Caller, op: &str, pairs: &[(&str, &str)]) -> Result<(), ApiError> {
        let pairs: Vec<(String, String)> = pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        let scope = Scope::new("123456789012", "us-east-1");
        let request = Request { service: "ec2", op, pairs: &pairs, path: &BTreeMap::new(), body: b"", scope: &scope };
        authorize(&mut self.world.begin(self.now), caller, Protocol::Ec2, &request)
    }

    fn call(&mut self, op: &str, params: &[(&str, &str)]) -> Result<String, ApiError> {
        let caller = sts::permanent_caller("123456789012");
        let pairs = params.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        let params = Params::new(pairs, "ValidationError", "ValidationError");
        let mut tx = self.world.begin(self.now);
        let scope = Scope::new("123456789012", "us-east-1");
        let mut cx = CallCx {
            op,
            version: Some("2010-05-08"),
            params: params.clone(),
            path: BTreeMap::new(),
            body: b"",
            caller: &caller,
            scope,
            request_id: "r",
            tx: &mut tx,
        };
        let reply = Iam.call(&mut cx)?;
        assert_eq!(params.unread(), None, "{op} knows its parameters");
        tx.commit().unwrap();
        let Reply::Xml(xml) = reply else { panic!("IAM answers XML") };
        let mut text = String::new();
        xml.write(&mut text);
        Ok(text)
    }

    fn ok(&mut self, op: &str, params: &[(&str, &str)]) -> String {
        self.call(op, params).unwrap_or_else(|error| panic!("{op}: {error:?}"))
    }

    fn refused(&mut self, op: &str, params: &[(&str, &str)]) -> (String, String) {
        let error = self.call(op, params).expect_err("refused");
        (error.code, error.message)
    }

    fn role(&mut self, name: &str) {
        self.ok("CreateRole", &[("RoleName", name), ("AssumeRolePolicyDocument", &trust(EKS))]);
    }

    fn assumable(&mut self, name: &str) -> Option<RoleTrouble> {
        let arn = format!("arn:aws:iam::123456789012:role/{name}");
        assumable(&self.world.begin(self.now), &arn, EKS, &["sts:AssumeRole"]).err()
    }
}

fn trust(service: &str) -> String {
    json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": service}}]})
        .to_string()
}

const CLUSTER_POLICY: &str = "arn:aws:iam::aws:policy/AmazonEKSClusterPolicy";

#[test]
fn a_role_is_taken_at_once_read_soon_and_believed_later() {
    let mut bench = Bench::new();
    bench.role("demo");
    let again = bench.refused("CreateRole", &[("RoleName", "DEMO"), ("AssumeRolePolicyDocument", &trust(EKS))]);
    assert_eq!(again.0, "EntityAlreadyExists", "names differ in more than case");
    assert_eq!(bench.assumable("demo"), Some(RoleTrouble::Missing));
    bench.wait(4);
    assert!(bench.ok("GetRole", &[("RoleName", "demo")]).contains("<RoleName>demo</RoleName>"));
    bench.wait(10);
    assert_eq!(bench.assumable("demo"), None);
    bench.ok("UpdateAssumeRolePolicy", &[("RoleName", "demo"), ("PolicyDocument", &trust("ec2.amazonaws.com"))]);
    bench.wait(11);
    assert_eq!(bench.assumable("demo"), Some(RoleTrouble::NotTrusted));
    assert_eq!(bench.assumable("other"), Some(RoleTrouble::Missing));
}

#[test]
fn a_role_goes_only_when_it_is_bare() {
    let mut bench = Bench::new();
    bench.role("demo");
    let name = ("RoleName", "demo");
    bench.ok("AttachRolePolicy", &[name, ("PolicyArn", CLUSTER_POLICY)]);
    bench.ok("AttachRolePolicy", &[name, ("PolicyArn", CLUSTER_POLICY)]);
    let inline = json!({"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "ec2:*", "Resource": "*"}});
    bench.ok("PutRolePolicy", &[name, ("PolicyName", "p"), ("PolicyDocument", &inline.to_string())]);
    bench.ok("CreateInstanceProfile", &[("InstanceProfileName", "i")]);
    bench.ok("AddRoleToInstanceProfile", &[("InstanceProfileName", "i"), name]);
    assert_eq!(bench.refused("DeleteInstanceProfile", &[("InstanceProfileName", "i")]).0, "DeleteConflict");
    let blocked = |bench: &mut Bench| bench.refused("DeleteRole", &[name]);
    assert!(blocked(&mut bench).1.contains("instance profile"));
    bench.ok("RemoveRoleFromInstanceProfile", &[("InstanceProfileName", "i"), name]);
    assert!(blocked(&mut bench).1.contains("detach"));
    bench.ok("DetachRolePolicy", &[name, ("PolicyArn", CLUSTER_POLICY)]);
    assert_eq!(bench.refused("DetachRolePolicy", &[name, ("PolicyArn", CLUSTER_POLICY)]).0, "NoSuchEntity");
    assert!(blocked(&mut bench).1.contains("delete policies"));
    bench.ok("DeleteRolePolicy", &[name, ("PolicyName", "p")]);
    bench.ok("DeleteRole", &[name]);
    assert_eq!(blocked(&mut bench).0, "NoSuchEntity");
}

#[test]
fn what_iam_refuses() {
    let mut bench = Bench::new();
    bench.role("demo");
    bench.wait(5);
    let trust = trust(EKS);
    let document = ("AssumeRolePolicyDocument", trust.as_str());
    let long = "x".repeat(65);
    for (op, params, code) in [
        ("CreateRole", vec![("RoleName", long.as_str()), document], "ValidationError"),
        ("CreateRole", vec![("RoleName", "a b"), document], "ValidationError"),
        ("CreateRole", vec![("RoleName", "a"), ("Path", "nope"), document], "ValidationError"),
        ("CreateRole", vec![("RoleName", "a"), ("AssumeRolePolicyDocument", "{}")], "MalformedPolicyDocument"),
        ("CreateRole", vec![("RoleName", "a"), document, ("MaxSessionDuration", "60")], "ValidationError"),
        (
            "CreateRole",
            vec![("RoleName", "a"), document, ("Tags.member.1.Key", "aws:x"), ("Tags.member.1.Value", "")],
            "InvalidInput",
        ),
        (
            "AttachRolePolicy",
            vec![("RoleName", "demo"), ("PolicyArn", "arn:aws:iam::aws:policy/NoSuch")],
            "NoSuchEntity",
        ),
        ("AttachRolePolicy", vec![("RoleName", "demo"), ("PolicyArn", "NoSuch")], "InvalidInput"),
        ("GetRole", vec![("RoleName", "nobody")], "NoSuchEntity"),
        ("CreateServiceLinkedRole", vec![("AWSServiceName", "nobody.amazonaws.com")], "InvalidInput"),
        ("Frobnicate", vec![], "InvalidAction"),
    ] {
        assert_eq!(bench.refused(op, &params).0, code, "{op} {params:?}");
    }
    bench
        .world
        .change_settings(Settings {
            quotas: BTreeMap::from([("iam/L-FE177D64".to_owned(), 1.0)]),
            ..Settings::default()
        })
        .unwrap();
    assert_eq!(bench.refused("CreateRole", &[("RoleName", "b"), document]).0, "LimitExceeded");
}

#[test]
fn lists_come_in_pages() {
    let mut bench = Bench::new();
    for name in ["a", "b", "c"] {
        bench.role(name);
    }
    bench.wait(5);
    let first = bench.ok("ListRoles", &[("MaxItems", "2")]);
    assert!(first.contains("<IsTruncated>true</IsTruncated><Marker>from-2</Marker>"), "{first}");
    let second = bench.ok("ListRoles", &[("MaxItems", "2"), ("Marker", "from-2")]);
    assert!(second.contains("<RoleName>c</RoleName>") && !second.contains("<RoleName>b</RoleName>"), "{second}");
    assert!(second.contains("<IsTruncated>false</IsTruncated>"));
}

#[test]
fn service_linked_roles_are_the_vendors() {
    let mut bench = Bench::new();
    let eks = [("AWSServiceName", EKS)];
    assert!(bench.ok("CreateServiceLinkedRole", &eks).contains("/aws-service-role/eks.amazonaws.com/"));
    let (code, why) = bench.refused("CreateServiceLinkedRole", &eks);
    assert_eq!(code, "InvalidInput");
    assert!(why.contains("has been taken"), "{why}");
    let name = ("RoleName", "AWSServiceRoleForAmazonEKS");
    assert_eq!(bench.refused("DeleteRole", &[name]).0, "UnmodifiableEntity");
    let task = bench.ok("DeleteServiceLinkedRole", &[name]);
    let task = task.trim_start_matches("<DeletionTaskId>").trim_end_matches("</DeletionTaskId>").to_owned();
    let status = |bench: &mut Bench| bench.ok("GetServiceLinkedRoleDeletionStatus", &[("DeletionTaskId", &task)]);
    assert!(status(&mut bench).contains("IN_PROGRESS"));
    bench.wait(10);
    assert!(status(&mut bench).contains("SUCCEEDED"));
    assert_eq!(bench.refused("GetRole", &[name]).0, "NoSuchEntity");
}

#[test]
fn simulation_and_enforcement_agree() {
    let mut bench = Bench::new();
    bench.role("demo");
    bench.ok("AttachRolePolicy", &[("RoleName", "demo"), ("PolicyArn", CLUSTER_POLICY)]);
    let simulated = bench.ok(
        "SimulatePrincipalPolicy",
        &[
            ("PolicySourceArn", "arn:aws:iam::123456789012:role/demo"),
            ("ActionNames.member.1", "ec2:DescribeVpcs"),
            ("ActionNames.member.2", "ec2:CreateVpc"),
        ],
    );
    assert_eq!(simulated.matches("<EvalDecision>allowed</EvalDecision>").count(), 1);
    assert_eq!(simulated.matches("<EvalDecision>implicitDeny</EvalDecision>").count(), 1);
    let session = Caller {
        account: "123456789012".to_owned(),
        arn: "arn:aws:sts::123456789012:assumed-role/demo/s".to_owned(),
        user_id: "AROA:s".to_owned(),
    };
    assert_eq!(bench.asked(&session, "DescribeVpcs", &[]), Ok(()));
    let refused = bench.asked(&session, "CreateVpc", &[]).unwrap_err();
    assert_eq!((refused.http, refused.code.as_str()), (403, "UnauthorizedOperation"));
    assert_eq!(
        refused.message,
        "You are not authorized to perform this operation. User: arn:aws:sts::123456789012:assumed-role/demo/s is not \
         authorized to perform: ec2:CreateVpc on resource: arn:aws:ec2:us-east-1:123456789012:vpc/* because no \
         identity-based policy allows the ec2:CreateVpc action"
    );
    assert_eq!(bench.asked(&sts::permanent_caller("123456789012"), "CreateVpc", &[]), Ok(()));
}

#[test]
fn openid_providers_and_pod_trust() {
    let mut bench = Bench::new();
    let url = ("Url", "https://oidc.eks.us-east-1.amazonaws.com/id/ABC");
    let made = bench.ok("CreateOpenIDConnectProvider", &[url, ("ClientIDList.member.1", "sts.amazonaws.com")]);
    assert!(made.contains("oidc-provider/oidc.eks.us-east-1.amazonaws.com/id/ABC"), "{made}");
    assert_eq!(bench.refused("CreateOpenIDConnectProvider", &[url]).0, "EntityAlreadyExists");
    assert!(issuer_is_trusted(&bench.world.begin(bench.now), "123456789012", url.1));
    let arn =
        ("OpenIDConnectProviderArn", "arn:aws:iam::123456789012:oidc-provider/oidc.eks.us-east-1.amazonaws.com/id/ABC");
    bench.ok("DeleteOpenIDConnectProvider", &[arn]);
    bench.ok("DeleteOpenIDConnectProvider", &[arn]);
    assert_eq!(bench.refused("GetOpenIDConnectProvider", &[arn]).0, "NoSuchEntity");
}

#[test]
fn the_summary_counts_roles_against_their_quota() {
    let mut bench = Bench::new();
    bench.role("demo");
    let summary = bench.ok("GetAccountSummary", &[]);
    assert!(summary.contains("<entry><key>Roles</key><value>1</value></entry>"), "{summary}");
    assert!(summary.contains("<entry><key>RolesQuota</key><value>1000</value></entry>"), "{summary}");
}
