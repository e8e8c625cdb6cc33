//! The service as its callers meet it: requests in, vendor's answers out, time moved by hand.

use super::{Eks, store::NODEGROUP};
use crate::sandbox::{
    aws::{ApiError, CallCx, Caller, DEFAULT_ACCOUNT, Params, Reply, Service, ec2, elb, iam, protocol::rest_json, sts},
    hub::Kubernetes,
    kubernetes::ApiServers,
    world::{Birth, Kind, NoLog, Object, Scope, Settings, World},
};
use jiff::Timestamp;
use serde_json::{Value, json};
use std::{collections::BTreeMap, time::Duration};

const EC2: Kind = Kind::new("ec2", "network-interface");
const GROUP: Kind = Kind::new("ec2", "security-group");
const SUBNET: Kind = Kind::new("ec2", "subnet");

/// A world with a default VPC (public subnets with addresses) in one region.
pub(in crate::sandbox) struct Bench {
    pub(in crate::sandbox) world: World,
    scope: Scope,
    caller: Caller,
}

impl Bench {
    pub(in crate::sandbox) fn new(region: &str) -> Self {
        let epoch: Timestamp = "2026-11-20T12:00:00Z".parse().expect("a time");
        let settings = Settings { read_lag_ms: (0, 0), iam_lag_ms: (5_000, 5_000), ..Settings::default() };
        let birth = Birth { version: 1, id: "00000001".to_owned(), seed: 7, epoch, settings };
        let world = World::create(birth, Box::new(NoLog)).expect("a world");
        let mut bench =
            Self { world, scope: Scope::new(DEFAULT_ACCOUNT, region), caller: sts::permanent_caller(DEFAULT_ACCOUNT) };
        let now = bench.world.now();
        let mut tx = bench.world.begin(now);
        ec2::Ec2Service.furnish(&mut tx, &bench.scope);
        tx.commit().expect("committed");
        bench
    }

    fn service(
        &mut self,
        service: &dyn Service,
        op: &str,
        pairs: Vec<(String, String)>,
        path: BTreeMap<&'static str, String>,
        body: &str,
    ) -> Result<Reply, ApiError> {
        let now = self.world.now();
        let mut tx = self.world.begin(now);
        let params = Params::new(pairs, "InvalidParameterException", "InvalidParameterException");
        let mut cx = CallCx {
            op,
            version: None,
            params: params.clone(),
            path,
            body: body.as_bytes(),
            caller: &self.caller,
            scope: self.scope.clone(),
            request_id: "r",
            tx: &mut tx,
        };
        let reply = service.call(&mut cx)?;
        assert_eq!(params.unread(), None, "{op} looks at everything it is sent");
        tx.commit().expect("committed");
        Ok(reply)
    }

    /// An EKS call by method and path.
    pub(in crate::sandbox) fn eks(&mut self, method: &str, target: &str, body: Value) -> Result<Value, ApiError> {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let (op, found) = rest_json::route(Eks.routes(), method, path).expect("a route");
        let pairs = query.split('&').filter_map(|pair| pair.split_once('=')).map(|(k, v)| (k.to_owned(), v.to_owned()));
        let body = if body.is_null() { String::new() } else { body.to_string() };
        match self.service(&Eks, op, pairs.collect(), found, &body)? {
            Reply::Json(value) => Ok(value),
            Reply::Xml(_) => panic!("EKS answers JSON"),
        }
    }

    fn iam(&mut self, op: &str, pairs: &[(&str, &str)]) {
        let pairs = pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        self.service(&iam::Iam, op, pairs, BTreeMap::new(), "").expect("IAM agrees");
    }

    pub(in crate::sandbox) fn role(&mut self, name: &str, service: &str, policies: &[&str]) -> String {
        let trust = json!({"Version": "2012-10-17", "Statement": [{
            "Effect": "Allow", "Principal": {"Service": service}, "Action": ["sts:AssumeRole", "sts:TagSession"],
        }]});
        self.iam("CreateRole", &[("RoleName", name), ("AssumeRolePolicyDocument", &trust.to_string())]);
        for policy in policies {
            let arn = format!("arn:aws:iam::aws:policy/{policy}");
            self.iam("AttachRolePolicy", &[("RoleName", name), ("PolicyArn", &arn)]);
        }
        format!("arn:aws:iam::{DEFAULT_ACCOUNT}:role/{name}")
    }

    fn cluster_role(&mut self) -> String {
        self.role("cluster", "eks.amazonaws.com", &["AmazonEKSClusterPolicy"])
    }

    pub(in crate::sandbox) fn node_role(&mut self) -> String {
        let policies = ["AmazonEKSWorkerNodePolicy", "AmazonEKS_CNI_Policy", "AmazonEC2ContainerRegistryPullOnly"];
        self.role("nodes", "ec2.amazonaws.com", &policies)
    }

    /// Lets virtual time pass.
    pub(in crate::sandbox) fn pass(&mut self, span: Duration) {
        let until = self.world.now() + span;
        self.world
            .advance(until, |tx, object, what| match object.service.as_str() {
                "eks" => Eks.due(tx, object, what),
                "ec2" => ec2::Ec2Service.due(tx, object, what),
                "elasticloadbalancing" => elb::Elb.due(tx, object, what),
                "kubernetes" => ApiServers::default().due(tx, object, what),
                other => panic!("{other} has nothing to do here"),
            })
            .expect("advanced");
        self.world.tick(until, false).expect("ticked");
    }

    pub(in crate::sandbox) fn minutes(&mut self, minutes: u64) {
        self.pass(Duration::from_secs(minutes * 60));
    }

    pub(in crate::sandbox) fn objects(&self, kind: Kind) -> Vec<Object> {
        self.world.objects().filter(|object| object.is(kind) && !object.is_gone()).cloned().collect()
    }

    /// Subnets of the default VPC, by zone name.
    fn subnets(&self) -> Vec<(String, String, String)> {
        let of = |o: &Object| (o.id.clone(), o.text("zone").to_owned(), o.text("zone_id").to_owned());
        let mut all: Vec<_> = self.objects(SUBNET).iter().map(of).collect();
        all.sort_by(|a, b| a.1.cmp(&b.1));
        all
    }

    fn request(&self, role: &str) -> Value {
        let ids: Vec<String> = self.subnets().into_iter().take(2).map(|(id, _, _)| id).collect();
        json!({
            "name": "demo", "roleArn": role, "version": "1.35", "clientRequestToken": "t1",
            "resourcesVpcConfig": {"subnetIds": ids}, "accessConfig": {"authenticationMode": "API"},
            "bootstrapSelfManagedAddons": false,
        })
    }

    /// A cluster that is up.
    pub(in crate::sandbox) fn cluster(&mut self) {
        let role = self.cluster_role();
        self.minutes(1);
        let request = self.request(&role);
        self.eks("POST", "/clusters", request).expect("accepted");
        self.minutes(11);
        assert_eq!(self.describe()["status"], "ACTIVE");
    }

    pub(in crate::sandbox) fn describe(&mut self) -> Value {
        self.eks("GET", "/clusters/demo", Value::Null).expect("there")["cluster"].clone()
    }

    pub(in crate::sandbox) fn group_request(&self, role: &str) -> Value {
        let ids: Vec<String> = self.subnets().into_iter().take(2).map(|(id, _, _)| id).collect();
        json!({
            "nodegroupName": "default", "nodeRole": role, "subnets": ids, "clientRequestToken": "n1",
            "instanceTypes": ["m6a.large"], "scalingConfig": {"minSize": 1, "maxSize": 3, "desiredSize": 2},
        })
    }

    fn group(&mut self) -> Value {
        self.eks("GET", "/clusters/demo/node-groups/default", Value::Null).expect("there")["nodegroup"].clone()
    }

    pub(in crate::sandbox) fn addon(&mut self, name: &str) {
        self.eks("POST", "/clusters/demo/addons", json!({"addonName": name})).expect("accepted");
    }

    fn addon_status(&mut self, name: &str) -> String {
        let addon = self.eks("GET", &format!("/clusters/demo/addons/{name}"), Value::Null).expect("there");
        addon["addon"]["status"].as_str().expect("a status").to_owned()
    }
}

fn refused(result: Result<Value, ApiError>) -> ApiError {
    result.expect_err("refused")
}

#[test]
fn a_role_must_have_propagated() {
    let mut bench = Bench::new("us-west-2");
    let role = bench.cluster_role();
    let request = bench.request(&role);
    let error = refused(bench.eks("POST", "/clusters", request.clone()));
    assert_eq!(error.code, "InvalidParameterException");
    assert!(
        error.message.contains("could not be assumed because it does not exist or the trusted entity is not correct")
    );
    bench.minutes(1);
    assert_eq!(bench.eks("POST", "/clusters", request).expect("accepted")["cluster"]["status"], "CREATING");
}

#[test]
fn a_role_needs_its_policies_and_its_trust() {
    let mut bench = Bench::new("us-west-2");
    let bare = bench.role("bare", "eks.amazonaws.com", &[]);
    let stranger = bench.role("stranger", "ec2.amazonaws.com", &["AmazonEKSClusterPolicy"]);
    bench.minutes(1);
    let request = bench.request(&bare);
    let error = refused(bench.eks("POST", "/clusters", request));
    assert!(error.message.starts_with("The provided role doesn't have the Amazon EKS Managed Policies"));
    let request = bench.request(&stranger);
    assert!(refused(bench.eks("POST", "/clusters", request)).message.contains("trusted entity is not correct"));
}

#[test]
fn a_cluster_comes_up_with_what_eks_makes_for_it() {
    let mut bench = Bench::new("us-west-2");
    let role = bench.cluster_role();
    bench.minutes(1);
    let request = bench.request(&role);
    let made = bench.eks("POST", "/clusters", request.clone()).expect("accepted");
    assert_eq!(made["cluster"]["endpoint"], Value::Null);
    bench.minutes(2);
    let early = bench.describe();
    assert_eq!(early["status"], "CREATING");
    let enis = bench.objects(EC2);
    assert_eq!(enis.iter().filter(|eni| eni.text("description") == "Amazon EKS demo").count(), 2);
    bench.minutes(9);
    let up = bench.describe();
    assert_eq!(up["status"], "ACTIVE");
    let issuer = up["identity"]["oidc"]["issuer"].as_str().expect("an issuer");
    assert!(issuer.starts_with("https://oidc.eks.us-west-2.amazonaws.com/id/"));
    assert!(up["endpoint"].as_str().expect("an endpoint").contains("/clusters/"));
    let group = up["resourcesVpcConfig"]["clusterSecurityGroupId"].as_str().expect("a group").to_owned();
    let groups = bench.objects(GROUP);
    let own = groups.iter().find(|g| g.id == group).expect("stands");
    assert_eq!(own.tags["aws:eks:cluster-name"], "demo");
    assert!(own.text("name").starts_with("eks-cluster-sg-demo-"));
    let entries = bench.eks("GET", "/clusters/demo/access-entries", Value::Null).expect("listed");
    assert_eq!(entries["accessEntries"].as_array().map(Vec::len), Some(1));
    // The same token again is the same cluster; another is a name taken.
    let again = bench.eks("POST", "/clusters", request.clone()).expect("the same");
    assert_eq!(again["cluster"]["arn"], up["arn"]);
    let mut other = request.clone();
    other["clientRequestToken"] = json!("t2");
    let error = refused(bench.eks("POST", "/clusters", other));
    assert_eq!((error.http, error.code.as_str()), (409, "ResourceInUseException"));
    let mut other = request;
    other["version"] = json!("1.36");
    assert_eq!(refused(bench.eks("POST", "/clusters", other)).code, "InvalidParameterException");
}

#[test]
fn subnets_must_span_zones_that_hold_control_planes() {
    let mut bench = Bench::new("us-east-1");
    let role = bench.cluster_role();
    bench.minutes(1);
    let subnets = bench.subnets();
    let with = |ids: Vec<String>, bench: &Bench| {
        let mut request = bench.request(&role);
        request["resourcesVpcConfig"]["subnetIds"] = json!(ids);
        request
    };
    let one = with(vec![subnets[0].0.clone()], &bench);
    assert!(refused(bench.eks("POST", "/clusters", one)).message.contains("at least two different AZs"));
    let bad = subnets.iter().find(|(_, _, id)| id == "use1-az3").expect("the zone is there").clone();
    let good = subnets.iter().find(|(_, _, id)| id != "use1-az3").expect("others too").clone();
    let both = with(vec![bad.0, good.0], &bench);
    let error = refused(bench.eks("POST", "/clusters", both));
    assert_eq!(error.code, "UnsupportedAvailabilityZoneException");
    let valid = error.extra["validZones"].as_array().expect("zones");
    assert!(valid.contains(&json!(good.1)) && !valid.contains(&json!(bad.1)));
    let missing = with(vec!["subnet-00000000000000000".to_owned(), "subnet-1".to_owned()], &bench);
    assert!(refused(bench.eks("POST", "/clusters", missing)).message.contains("does not exist"));
}

#[test]
fn requests_are_judged_member_by_member() {
    let mut bench = Bench::new("us-west-2");
    let role = bench.cluster_role();
    bench.minutes(1);
    let try_with = |member: &str, value: Value, bench: &mut Bench| {
        let mut request = bench.request(&role);
        request[member] = value;
        refused(bench.eks("POST", "/clusters", request)).message
    };
    assert!(try_with("verison", json!("1.35"), &mut bench).contains("not a known member"));
    assert!(try_with("version", json!("1.30"), &mut bench).contains("unsupported Kubernetes version"));
    assert!(try_with("name", json!("-x"), &mut bench).contains("must start with an alphanumeric"));
    assert!(try_with("tags", json!({"aws:x": "y"}), &mut bench).contains("reserved"));
    let ids = bench.request(&role)["resourcesVpcConfig"]["subnetIds"].clone();
    let closed = json!({"subnetIds": ids, "endpointPublicAccess": false, "endpointPrivateAccess": false});
    assert!(try_with("resourcesVpcConfig", closed, &mut bench).contains("cannot be false"));
    assert!(try_with("computeConfig", json!({"enabled": true}), &mut bench).contains("Auto Mode"));
}

#[test]
fn one_type_of_update_a_call_and_one_update_at_a_time() {
    let mut bench = Bench::new("us-west-2");
    bench.cluster();
    let at = "/clusters/demo/update-config";
    let two = json!({"deletionProtection": true, "upgradePolicy": {"supportType": "STANDARD"}});
    assert!(refused(bench.eks("POST", at, two)).message.contains("Only one type of update"));
    let same = json!({"resourcesVpcConfig": {"endpointPublicAccess": true}});
    assert!(refused(bench.eks("POST", at, same)).message.contains("already at the desired configuration"));
    let begun = bench.eks("POST", at, json!({"deletionProtection": true})).expect("accepted");
    let id = begun["update"]["id"].as_str().expect("an id").to_owned();
    let error = refused(bench.eks("POST", at, json!({"upgradePolicy": {"supportType": "STANDARD"}})));
    assert_eq!(error.code, "ResourceInUseException");
    let read = format!("/clusters/demo/updates/{id}");
    assert_eq!(bench.eks("GET", &read, Value::Null).expect("there")["update"]["status"], "InProgress");
    bench.minutes(1);
    assert_eq!(bench.eks("GET", &read, Value::Null).expect("there")["update"]["status"], "Successful");
    let error = refused(bench.eks("DELETE", "/clusters/demo", Value::Null));
    assert_eq!(error.code, "InvalidRequestException");
    assert!(error.message.contains("deletion protection"));
}

#[test]
fn a_newer_version_costs_less_once_support_is_standard() {
    let mut bench = Bench::new("us-west-2");
    let role = bench.cluster_role();
    bench.minutes(1);
    let mut request = bench.request(&role);
    request["version"] = json!("1.33");
    bench.eks("POST", "/clusters", request).expect("accepted");
    bench.minutes(11);
    let key = |bench: &Bench| {
        serde_json::to_value(&bench.objects(super::CLUSTER)[0].usage).expect("JSON")[0]["key"]["name"].clone()
    };
    assert_eq!(key(&bench), "eks-cluster-extended-support");
    let error = refused(bench.eks("POST", "/clusters/demo/updates", json!({"version": "1.35"})));
    assert!(error.message.contains("Unsupported Kubernetes minor version update"));
    bench.eks("POST", "/clusters/demo/updates", json!({"version": "1.34"})).expect("accepted");
    bench.minutes(13);
    assert_eq!(bench.describe()["version"], "1.34");
    assert_eq!(key(&bench), "eks-cluster");
}

#[test]
fn node_groups_wait_for_an_active_cluster() {
    let mut bench = Bench::new("us-west-2");
    let (role, nodes) = (bench.cluster_role(), bench.node_role());
    bench.minutes(1);
    let request = bench.request(&role);
    bench.eks("POST", "/clusters", request).expect("accepted");
    let request = bench.group_request(&nodes);
    let error = refused(bench.eks("POST", "/clusters/demo/node-groups", request));
    assert_eq!(error.code, "InvalidRequestException");
    assert!(error.message.contains("is not in ACTIVE status"));
}

#[test]
fn node_group_requests_are_judged() {
    let mut bench = Bench::new("us-west-2");
    bench.cluster();
    let nodes = bench.node_role();
    bench.minutes(1);
    let mut try_with = |changes: Value| {
        let mut request = bench.group_request(&nodes);
        super::store::merge(&mut request, &changes);
        refused(bench.eks("POST", "/clusters/demo/node-groups", request)).message
    };
    assert!(try_with(json!({"amiType": "AL2_x86_64"})).contains("not supported for kubernetes version 1.35"));
    assert!(
        try_with(json!({"amiType": "AL2023_ARM_64_STANDARD"})).contains("[m6a.large] is not a valid instance type")
    );
    assert!(try_with(json!({"instanceTypes": ["m99.huge"]})).contains("do not exist: [m99.huge]"));
    assert!(
        try_with(json!({"scalingConfig": {"minSize": 3, "maxSize": 2, "desiredSize": 3}}))
            .contains("Minimum capacity 3")
    );
    assert!(try_with(json!({"labels": {"kubernetes.io/x": "y"}})).contains("reserved prefixes"));
    assert!(
        try_with(json!({"taints": [{"key": "a", "effect": "NoSchedule"}]})).contains("must be one of [NO_SCHEDULE")
    );
    assert!(
        try_with(json!({"launchTemplate": {"id": "lt-1"}, "diskSize": 20}))
            .contains("Disk size must be specified within")
    );
    assert!(try_with(json!({"launchTemplate": {"id": "lt-00000000000000000"}})).contains("does not exist"));
    assert!(try_with(json!({"version": "1.36"})).contains("equal to Cluster kubernetes version"));
}

#[test]
fn nodes_without_a_network_add_on_never_become_ready() {
    let mut bench = Bench::new("us-west-2");
    bench.cluster();
    let nodes = bench.node_role();
    bench.minutes(1);
    let request = bench.group_request(&nodes);
    bench.eks("POST", "/clusters/demo/node-groups", request).expect("accepted");
    bench.minutes(19);
    assert_eq!(bench.group()["status"], "CREATING");
    bench.minutes(3);
    let failed = bench.group();
    assert_eq!(failed["status"], "CREATE_FAILED");
    assert_eq!(failed["health"]["issues"][0]["code"], "NodeCreationFailure");
    assert_eq!(failed["health"]["issues"][0]["message"], "Unhealthy nodes in the kubernetes cluster");
}

#[test]
fn nodes_bring_deployments_to_life() {
    let mut bench = Bench::new("us-west-2");
    bench.cluster();
    let nodes = bench.node_role();
    bench.minutes(1);
    for name in ["vpc-cni", "coredns"] {
        bench.addon(name);
    }
    bench.minutes(2);
    assert_eq!(
        (bench.addon_status("vpc-cni").as_str(), bench.addon_status("coredns").as_str()),
        ("ACTIVE", "DEGRADED")
    );
    let request = bench.group_request(&nodes);
    bench.eks("POST", "/clusters/demo/node-groups", request.clone()).expect("accepted");
    bench.eks("POST", "/clusters/demo/node-groups", request).expect("the same token is the same group");
    bench.minutes(5);
    assert_eq!(bench.group()["status"], "ACTIVE");
    assert_eq!(bench.addon_status("coredns"), "ACTIVE");
    assert_eq!(bench.objects(NODEGROUP).len(), 1);
    assert_eq!(bench.objects(Kind::new("ec2", "instance")).len(), 2);
    let error = refused(bench.eks("DELETE", "/clusters/demo", Value::Null));
    assert_eq!(
        (error.code.as_str(), error.message.as_str()),
        ("ResourceInUseException", "Cluster has nodegroups attached")
    );
    // The node role's entry outlives the group.
    bench.eks("DELETE", "/clusters/demo/node-groups/default", Value::Null).expect("accepted");
    bench.minutes(9);
    assert_eq!(
        refused(bench.eks("GET", "/clusters/demo/node-groups/default", Value::Null)).code,
        "ResourceNotFoundException"
    );
    let entries = bench.eks("GET", "/clusters/demo/access-entries", Value::Null).expect("listed");
    assert!(entries["accessEntries"].as_array().expect("a list").contains(&json!(nodes)));
    assert_eq!(bench.addon_status("coredns"), "DEGRADED");
}

#[test]
fn a_group_in_use_outlives_its_cluster() {
    let mut bench = Bench::new("us-west-2");
    bench.cluster();
    let group = bench.describe()["resourcesVpcConfig"]["clusterSecurityGroupId"].as_str().expect("a group").to_owned();
    let subnet = bench.subnets()[0].0.clone();
    let scope = bench.scope.clone();
    let now = bench.world.now();
    let mut tx = bench.world.begin(now);
    ec2::inside::leave_cni_interface(&mut tx, &scope, &subnet, "demo", "i-1", &group).expect("left");
    tx.commit().expect("committed");
    bench.eks("DELETE", "/clusters/demo", Value::Null).expect("accepted");
    assert_eq!(bench.describe()["status"], "DELETING");
    bench.minutes(9);
    assert_eq!(refused(bench.eks("GET", "/clusters/demo", Value::Null)).code, "ResourceNotFoundException");
    let enis = bench.objects(EC2);
    assert!(enis.iter().all(|eni| eni.text("description") != "Amazon EKS demo"));
    assert!(bench.objects(GROUP).iter().any(|g| g.id == group));
}

#[test]
fn a_deleted_cluster_takes_its_group_and_entries_along() {
    let mut bench = Bench::new("us-west-2");
    bench.cluster();
    bench.eks("DELETE", "/clusters/demo", Value::Null).expect("accepted");
    bench.minutes(9);
    assert!(bench.objects(GROUP).iter().all(|g| !g.text("name").starts_with("eks-cluster-sg")));
    assert!(bench.world.objects().filter(|object| object.service == "eks" && !object.is_gone()).count() == 0);
    // The name is free again.
    let mut request = bench.request(&format!("arn:aws:iam::{DEFAULT_ACCOUNT}:role/cluster"));
    request["clientRequestToken"] = json!("t2");
    bench.eks("POST", "/clusters", request).expect("accepted");
}

#[test]
fn access_entries_name_principals_that_exist() {
    let mut bench = Bench::new("us-west-2");
    bench.cluster();
    let ops = bench.role("ops", "ec2.amazonaws.com", &[]);
    let at = "/clusters/demo/access-entries";
    let early = refused(bench.eks("POST", at, json!({"principalArn": ops})));
    assert!(early.message.contains("principalArn is invalid"));
    bench.minutes(1);
    let grouped = json!({"principalArn": ops, "kubernetesGroups": ["system:masters"]});
    assert!(refused(bench.eks("POST", at, grouped)).message.contains("cannot start with system:"));
    bench.eks("POST", at, json!({"principalArn": ops})).expect("accepted");
    assert_eq!(refused(bench.eks("POST", at, json!({"principalArn": ops}))).code, "ResourceInUseException");
    let entry = format!("{at}/{}", ops.replace('/', "%2F"));
    let policy = "arn:aws:eks::aws:cluster-access-policy/AmazonEKSViewPolicy";
    let associate = json!({"policyArn": policy, "accessScope": {"type": "namespace"}});
    assert_eq!(
        refused(bench.eks("POST", &format!("{entry}/access-policies"), associate)).code,
        "InvalidParameterException"
    );
    let associate = json!({"policyArn": policy, "accessScope": {"type": "cluster"}});
    bench.eks("POST", &format!("{entry}/access-policies"), associate).expect("accepted");
    let listed = bench.eks("GET", &format!("{entry}/access-policies"), Value::Null).expect("listed");
    assert_eq!(listed["associatedAccessPolicies"][0]["policyArn"], policy);
    bench.eks("DELETE", &entry, Value::Null).expect("deleted");
    assert_eq!(refused(bench.eks("GET", &entry, Value::Null)).code, "ResourceNotFoundException");
}

#[test]
fn pod_identities_need_a_role_that_trusts_pods() {
    let mut bench = Bench::new("us-west-2");
    bench.cluster();
    let (good, bad) = (bench.role("pods", "pods.eks.amazonaws.com", &[]), bench.role("vm", "ec2.amazonaws.com", &[]));
    bench.minutes(1);
    let at = "/clusters/demo/pod-identity-associations";
    let ask = |role: &str| json!({"namespace": "a", "serviceAccount": "b", "roleArn": role});
    assert!(refused(bench.eks("POST", at, ask(&bad))).message.contains("pods.eks.amazonaws.com"));
    let made = bench.eks("POST", at, ask(&good)).expect("accepted");
    let id = made["association"]["associationId"].as_str().expect("an id").to_owned();
    assert_eq!(refused(bench.eks("POST", at, ask(&good))).code, "ResourceInUseException");
    bench.eks("DELETE", &format!("{at}/{id}"), Value::Null).expect("deleted");
    // An add-on's own association goes with the add-on only.
    let driver = json!({"addonName": "aws-ebs-csi-driver", "podIdentityAssociations": [{"serviceAccount": "ebs-csi-controller-sa", "roleArn": good}]});
    bench.eks("POST", "/clusters/demo/addons", driver).expect("accepted");
    let listed = bench.eks("GET", at, Value::Null).expect("listed");
    let id = listed["associations"][0]["associationId"].as_str().expect("an id").to_owned();
    assert_eq!(refused(bench.eks("DELETE", &format!("{at}/{id}"), Value::Null)).code, "InvalidRequestException");
    bench.eks("DELETE", "/clusters/demo/addons/aws-ebs-csi-driver", Value::Null).expect("accepted");
    bench.minutes(1);
    assert_eq!(bench.eks("GET", at, Value::Null).expect("listed")["associations"], json!([]));
}

#[test]
fn tags_go_by_arn() {
    let mut bench = Bench::new("us-west-2");
    bench.cluster();
    let arn = bench.describe()["arn"].as_str().expect("an ARN").to_owned();
    let at = format!("/tags/{}", arn.replace('/', "%2F"));
    bench.eks("POST", &at, json!({"tags": {"team": "a", "x": "y"}})).expect("tagged");
    bench.eks("DELETE", &format!("{at}?tagKeys=x"), Value::Null).expect("untagged");
    assert_eq!(bench.eks("GET", &at, Value::Null).expect("listed"), json!({"tags": {"team": "a"}}));
    assert_eq!(
        refused(bench.eks("GET", "/tags/arn:aws:eks:us-west-2:123456789012:cluster%2Fnope", Value::Null)).code,
        "NotFoundException"
    );
}

#[test]
fn versions_are_listed_with_their_support() {
    let mut bench = Bench::new("us-west-2");
    let all = bench.eks("GET", "/cluster-versions", Value::Null).expect("listed");
    let rows = all["clusterVersions"].as_array().expect("a list");
    assert_eq!(
        rows.iter().map(|r| r["clusterVersion"].as_str().expect("a version")).collect::<Vec<_>>(),
        ["1.36", "1.35", "1.34", "1.33", "1.32", "1.31"]
    );
    assert_eq!(rows[2]["defaultVersion"], true);
    assert_eq!(rows[3]["versionStatus"], "EXTENDED_SUPPORT");
    let default = bench.eks("GET", "/cluster-versions?defaultOnly=true", Value::Null).expect("listed");
    assert_eq!(default["clusterVersions"].as_array().map(Vec::len), Some(1));
    let addons = bench
        .eks("GET", "/addons/supported-versions?addonName=coredns&kubernetesVersion=1.35", Value::Null)
        .expect("listed");
    let builds = addons["addons"][0]["addonVersions"].as_array().expect("builds");
    assert_eq!(builds.iter().filter(|b| b["compatibilities"][0]["defaultVersion"] == true).count(), 1);
}
