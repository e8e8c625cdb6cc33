//! What a cluster made in its cloud, against a small API server.

use super::*;
use crate::engine::{Deletion, ErrorClass, Residue};
use crate::k8s::{
    delete, is_gone,
    testing::{Answer, Server},
};
use serde_json::{Value, json};

fn volume(name: &str, claim: Option<&str>, policy: &str) -> Value {
    let mut volume = json!({
        "metadata": { "name": name, "uid": format!("uid-{name}"), "annotations": { "pv.kubernetes.io/provisioned-by": "ebs.csi.aws.com" } },
        "spec": { "capacity": { "storage": "20Gi" }, "persistentVolumeReclaimPolicy": policy, "storageClassName": "gp3",
            "csi": { "driver": "ebs.csi.aws.com", "volumeHandle": format!("vol-{name}") } },
    });
    if let Some(claim) = claim {
        volume["spec"]["claimRef"] = json!({ "namespace": "shop", "name": claim, "uid": format!("uid-{claim}") });
    }
    volume
}

fn pod(name: &str, claim: &str, node: Option<&str>, phase: &str) -> Value {
    json!({ "metadata": { "name": name, "namespace": "shop", "uid": format!("uid-{name}") },
        "spec": { "nodeName": node, "containers": [], "volumes": [
            { "name": "data", "persistentVolumeClaim": { "claimName": claim } }, { "name": "tmp", "emptyDir": {} } ] },
        "status": { "phase": phase } })
}

async fn cluster() -> Server {
    Server::start(|request| match request.path.as_str() {
        "/api/v1/services" => Answer::list(vec![
            json!({ "metadata": { "name": "web", "namespace": "shop", "uid": "s1" }, "spec": { "type": "LoadBalancer" },
                "status": { "loadBalancer": { "ingress": [{ "hostname": "a1.elb.amazonaws.com" }] } } }),
            json!({ "metadata": { "name": "api", "namespace": "shop", "uid": "s2" }, "spec": { "type": "ClusterIP" } }),
            json!({ "metadata": { "name": "was", "namespace": "shop", "uid": "s3", "deletionTimestamp": "2026-11-20T12:00:00Z",
                "finalizers": ["service.kubernetes.io/load-balancer-cleanup"] }, "spec": { "type": "ClusterIP" } }),
        ]),
        "/apis/networking.k8s.io/v1/ingresses" => Answer::list(vec![
            json!({ "metadata": { "name": "alb", "namespace": "shop", "uid": "i1", "finalizers": ["ingress.k8s.aws/resources"] },
                "status": { "loadBalancer": { "ingress": [{ "ip": "192.0.2.1" }] } } }),
            json!({ "metadata": { "name": "nginx", "namespace": "shop", "uid": "i2" } }),
        ]),
        "/api/v1/persistentvolumes" => {
            let mut by_hand = volume("old", None, "Retain");
            by_hand["metadata"]["annotations"] = json!({});
            by_hand["spec"]["csi"] = Value::Null;
            by_hand["spec"]["awsElasticBlockStore"] = json!({ "volumeID": "aws://us-east-1a/vol-intree" });
            Answer::list(vec![by_hand, volume("db", Some("data-db"), "Delete")])
        }
        "/api/v1/persistentvolumeclaims" => Answer::list(vec![
            json!({ "metadata": { "name": "data-db", "namespace": "shop", "uid": "uid-data-db" } }),
            json!({ "metadata": { "name": "waiting", "namespace": "shop", "uid": "uid-waiting" } }),
        ]),
        "/api/v1/pods" => Answer::list(vec![
            pod("db-0", "data-db", Some("node-1"), "Running"),
            pod("done", "data-db", Some("node-1"), "Succeeded"),
            pod("pending", "data-db", None, "Pending"),
        ]),
        _ => Answer::status(404, "NotFound"),
    })
    .await
}

#[tokio::test]
async fn load_balancers_and_disks_are_found_with_what_holds_them() {
    let server = cluster().await;
    let made = cluster_made(&server.client(), &[]).await.unwrap();
    let balancers: Vec<_> = made
        .load_balancers
        .iter()
        .map(|made| (made.object.to_string(), made.addresses.join(" "), made.going))
        .collect();
    assert_eq!(
        balancers,
        [
            ("Service shop/was".to_owned(), String::new(), true),
            ("Service shop/web".to_owned(), "a1.elb.amazonaws.com".to_owned(), false),
            ("Ingress shop/alb".to_owned(), "192.0.2.1".to_owned(), false),
        ]
    );
    let [db, old] = made.volumes.as_slice() else { panic!("{:?}", made.volumes) };
    assert_eq!((db.size_gib, db.reclaim, db.volume_id.as_deref()), (Some(20.0), Reclaim::Delete, Some("vol-db")));
    assert_eq!(db.claim.as_ref().unwrap().to_string(), "PersistentVolumeClaim shop/data-db");
    assert_eq!(db.pods.iter().map(|pod| pod.name.as_str()).collect::<Vec<_>>(), ["db-0"]);
    assert!(db.provisioned && !db.going);
    assert_eq!(
        (old.claim.as_ref(), old.reclaim, old.volume_id.as_deref()),
        (None, Reclaim::Retain, Some("vol-intree"))
    );
    assert!(!old.provisioned);
    assert!(server.requests().iter().all(|request| request.method == "GET"));
}

#[tokio::test]
async fn a_service_that_the_clouds_own_controller_holds_has_a_load_balancer() {
    let server = Server::start(|request| match request.path.as_str() {
        "/api/v1/services" => {
            Answer::list(vec![json!({ "metadata": { "name": "was", "namespace": "shop", "uid": "s1",
            "finalizers": ["balancer.example/resources"] }, "spec": { "type": "ClusterIP" } })])
        }
        _ => Answer::list(vec![]),
    })
    .await;
    for (finalizers, balancers) in [(&["balancer.example/"][..], 1), (&["other.example/"], 0), (&[], 0)] {
        let made = cluster_made(&server.client(), finalizers).await.unwrap();
        assert_eq!(made.load_balancers.len(), balancers, "{finalizers:?}");
    }
}

#[tokio::test]
async fn a_listing_that_fails_makes_the_answer_fail() {
    let server = Server::start(|request| match request.path.as_str() {
        "/api/v1/pods" => Answer::status(429, "TooManyRequests"),
        _ => Answer::list(vec![]),
    })
    .await;
    let error = cluster_made(&server.client(), &[]).await.unwrap_err();
    assert_eq!((error.class, error.retry_after), (ErrorClass::Throttled, Some(std::time::Duration::from_secs(7))));
    assert_eq!(error.message, "cannot list the pods: the API server answered 429: said TooManyRequests");
}

fn service() -> ObjectRef {
    ObjectRef { kind: ObjectKind::Service, namespace: "shop".into(), name: "web".into(), uid: "s1".into() }
}

#[tokio::test]
async fn a_delete_is_one_call_that_means_only_what_was_seen() {
    let server = Server::start(|_| {
        Answer::of(
            200,
            json!({ "kind": "Service", "apiVersion": "v1", "metadata": { "name": "web", "namespace": "shop" } }),
        )
    })
    .await;
    assert_eq!(delete(&server.client(), &service()).await.unwrap(), Deletion::Started);
    let requests = server.requests();
    assert_eq!(requests.len(), 1);
    assert_eq!(
        (requests[0].method.as_str(), requests[0].path.as_str()),
        ("DELETE", "/api/v1/namespaces/shop/services/web")
    );
    let body: Value = serde_json::from_str(&requests[0].body).unwrap();
    assert_eq!((&body["preconditions"]["uid"], &body["propagationPolicy"]), (&json!("s1"), &json!("Background")));
}

#[tokio::test]
async fn gone_is_only_what_the_api_server_says_is_gone() {
    let answers = |answer: fn() -> Answer| async move {
        let server = Server::start(move |_| answer()).await;
        let deleted = delete(&server.client(), &service()).await;
        let gone = is_gone(&server.client(), &service()).await;
        assert_eq!(server.requests().len(), 2, "one call each");
        (deleted, gone)
    };
    let (deleted, gone) = answers(|| Answer::status(404, "NotFound")).await;
    assert_eq!((deleted.unwrap(), gone.unwrap()), (Deletion::Gone, true));

    // Somebody in between says so, not the API server.
    let (deleted, gone) = answers(|| Answer::text(404, "page not found")).await;
    assert_eq!(deleted.unwrap_err().class, ErrorClass::Permanent);
    assert!(gone.is_err());

    let other = || {
        Answer::of(
            409,
            json!({ "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "code": 409, "reason": "Conflict",
        "message": "Precondition failed: UID in precondition: s1, UID in object meta: s9" }),
        )
    };
    assert_eq!(answers(other).await.0.unwrap(), Deletion::Gone);
    assert_eq!(answers(|| Answer::status(409, "Conflict")).await.0.unwrap_err().class, ErrorClass::Conflict);

    let (deleted, gone) = answers(|| Answer::status(403, "Forbidden")).await;
    let error = deleted.unwrap_err();
    assert_eq!((error.class, error.residue), (ErrorClass::Auth, Residue::None));
    assert!(gone.is_err());

    // A lost answer leaves everything open.
    let error = answers(|| Answer::HangUp).await.0.unwrap_err();
    assert_eq!((error.class, error.residue), (ErrorClass::Transient, Residue::Unknown));

    let again = || {
        Answer::of(200, json!({ "kind": "Service", "apiVersion": "v1", "metadata": { "name": "web", "uid": "s9" } }))
    };
    assert!(answers(again).await.1.unwrap(), "another one of that name is not ours");
}

#[tokio::test]
async fn the_reclaim_policy_is_set_in_one_call() {
    let server = Server::start(|_| {
        Answer::of(200, json!({ "kind": "PersistentVolume", "apiVersion": "v1", "metadata": { "name": "db" } }))
    })
    .await;
    let object =
        ObjectRef { kind: ObjectKind::PersistentVolume, namespace: String::new(), name: "db".into(), uid: "u".into() };
    set_reclaim(&server.client(), &object, Reclaim::Retain).await.unwrap();
    let requests = server.requests();
    assert_eq!((requests.len(), requests[0].method.as_str()), (1, "PATCH"));
    let body: Value = serde_json::from_str(&requests[0].body).unwrap();
    assert_eq!(body, json!({ "metadata": { "uid": "u" }, "spec": { "persistentVolumeReclaimPolicy": "Retain" } }));
}

#[test]
fn quantities_are_read_as_kubernetes_writes_them() {
    let gib = |text: &str| gib(&Quantity(text.to_owned()));
    assert_eq!(gib("10Gi"), Some(10.0));
    assert_eq!(gib("512Mi"), Some(0.5));
    assert_eq!(gib("1073741824"), Some(1.0));
    assert_eq!(gib("1e9").map(f64::round), Some(1.0));
    assert!(gib("20G").unwrap() < 20.0);
    for bad in ["", "Gi", "x", "-1Gi", "nan"] {
        assert_eq!(gib(bad), None, "{bad}");
    }
}
