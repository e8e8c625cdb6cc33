//! What the cluster itself made, and what others put into its network: the first goes, the second stays and is named.

use super::rig::World;
use k8s_openapi::api::{
    core::v1::{PersistentVolumeClaim, Service},
    storage::v1::StorageClass,
};
use kube::api::{Api, PostParams};
use serde_json::{Value, json};

impl World {
    /// A load balancer and two claims, one whose disk goes with it and one whose disk is retained; the disks' ids.
    pub(crate) fn work_on(&self, name: &str) -> Vec<String> {
        let one = PostParams::default();
        self.wait(async {
            let client = self.kubernetes(name).await;
            let classes: Api<StorageClass> = Api::all(client.clone());
            for (class, policy) in [("passing", "Delete"), ("lasting", "Retain")] {
                let class = json!({
                    "apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": {"name": class},
                    "provisioner": "ebs.csi.aws.com", "reclaimPolicy": policy, "volumeBindingMode": "Immediate",
                });
                classes.create(&one, &serde_json::from_value(class).unwrap()).await.unwrap();
            }
            let claims: Api<PersistentVolumeClaim> = Api::namespaced(client.clone(), "default");
            for class in ["passing", "lasting"] {
                let claim = json!({
                    "apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": format!("data-{class}")},
                    "spec": {"storageClassName": class, "accessModes": ["ReadWriteOnce"],
                             "resources": {"requests": {"storage": "20Gi"}}},
                });
                claims.create(&one, &serde_json::from_value(claim).unwrap()).await.unwrap();
            }
            let services: Api<Service> = Api::namespaced(client, "default");
            let web = json!({
                "apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"},
                "spec": {"type": "LoadBalancer", "selector": {"app": "web"}, "ports": [{"port": 80, "targetPort": 8080}]},
            });
            services.create(&one, &serde_json::from_value(web).unwrap()).await.unwrap();
        });
        self.minutes(5);
        self.disks().into_iter().collect()
    }

    /// Disks that claims brought about.
    fn disks(&self) -> Vec<String> {
        let all = self.standing("volume").into_iter();
        all.filter(|it| it.tags.contains_key("kubernetes.io/created-for/pvc/name")).map(|it| it.id).collect()
    }

    fn balancers(&self) -> usize {
        let all = self.show().objects.into_iter();
        all.filter(|it| {
            it.service == "elasticloadbalancing" && it.kind.ends_with("load-balancer") && it.state != "deleted"
        })
        .count()
    }
}

fn ids(doc: &Value, list: &str) -> Vec<String> {
    doc[list].as_array().unwrap().iter().map(|it| it["id"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn volumes_go_by_their_policy() {
    let world = World::new();
    world.go(&["provision", "demo", "--yes"]).expect(0);
    let disks = world.work_on("demo");
    assert_eq!(disks.len(), 2, "both claims have a disk");
    assert!(world.balancers() > 0, "the service has its balancer: {:#?}", world.show().objects);
    let gone = world.destroy("demo");
    assert_eq!(gone["outcome"], "destroyed");
    let kept = ids(&gone, "kept");
    assert_eq!(world.disks(), kept, "the retained one stays, and it is said");
    assert_eq!(kept.len(), 1);
    let left: Vec<_> = world.show().objects.into_iter().filter(|it| it.kind != "volume" && it.billable).collect();
    assert!(
        world.balancers() == 0 && left.iter().all(|it| it.state == "terminated" || it.state == "deleted"),
        "{left:#?}"
    );
    // It is billed on, so it is named with its price.
    assert!(gone["kept"][0]["usdPerHour"].as_f64().unwrap() > 0.0, "{gone:#}");
    world.go(&["destroy", "demo", "--confirm", "demo"]).expect(0);
    world.wait(world.ec2().delete_volume().volume_id(&kept[0]).send()).unwrap();
    world.assert_empty();
}

#[test]
fn volumes_are_kept_or_deleted_when_told_so() {
    let world = World::new();
    world.go(&["provision", "keeper", "--yes"]).expect(0);
    let mut disks = world.work_on("keeper");
    let gone =
        world.go(&["destroy", "keeper", "--confirm", "keeper", "--volumes", "keep", "-o", "json"]).expect(0).json();
    let mut kept = ids(&gone, "kept");
    disks.sort();
    kept.sort();
    assert_eq!((&kept, world.disks().len()), (&disks, 2), "all data is there");
    for disk in disks {
        world.wait(world.ec2().delete_volume().volume_id(disk).send()).unwrap();
    }

    world.go(&["provision", "wiper", "--yes"]).expect(0);
    world.work_on("wiper");
    let said = world.go(&["destroy", "wiper", "--confirm", "wiper", "--volumes", "delete"]).expect(0);
    assert!(said.err.contains("ALL deleted with their data"), "{}", said.err);
    assert_eq!(said.err.matches("goes with its data").count(), 2, "each is named before: {}", said.err);
    world.assert_empty();
}

#[test]
fn a_stranger_in_the_network_is_named_and_left() {
    let world = World::new();
    world.build(&["demo"]);
    let subnet =
        world.standing("subnet").into_iter().find(|it| it.tags["kubewright-step"].contains("private")).unwrap().id;
    let (eni, group) = world.wait(async {
        let ec2 = world.ec2();
        let vpc = world.ec2().describe_subnets().subnet_ids(&subnet).send().await.unwrap().subnets.unwrap();
        let vpc = vpc[0].vpc_id().unwrap();
        let group = ec2.create_security_group().group_name("report-fn").description("report-fn").vpc_id(vpc);
        let group = group.send().await.unwrap().group_id.unwrap();
        let eni =
            ec2.create_network_interface().subnet_id(&subnet).groups(&group).description("report-fn of team data");
        (eni.send().await.unwrap().network_interface.unwrap().network_interface_id.unwrap(), group)
    });
    world.minutes(1);
    let said = world.go(&["destroy", "demo", "--confirm", "demo"]).expect(9);
    let all = format!("{}{}", said.out, said.err);
    assert!(all.contains(&eni) && all.contains(&subnet), "both are named: {all}");
    assert!(all.contains("not ours") || all.contains("never touched"), "{all}");
    assert!(said.out.contains("REMAIN ") && said.out.contains("$0.00/h"), "{}", said.out);
    assert!(said.err.contains("destroy demo --confirm demo"), "the way on: {}", said.err);
    assert_eq!(world.standing("network-interface").len(), 1, "the stranger still stands");
    let left = world.go(&["destroy", "demo", "--confirm", "demo", "-o", "json"]).expect(9).json();
    let mut kinds: Vec<_> = left["remaining"].as_array().unwrap().iter().map(|it| it["kind"].clone()).collect();
    kinds.sort_by_key(ToString::to_string);
    assert_eq!(kinds, ["aws/subnet", "aws/vpc"], "{left:#}");
    assert_eq!((&left["usdPerHourRemaining"], &left["error"]["exit"]), (&0.0.into(), &9.into()));

    world.wait(async {
        world.ec2().delete_network_interface().network_interface_id(&eni).send().await.unwrap();
        world.ec2().delete_security_group().group_id(&group).send().await.unwrap();
    });
    world.go(&["destroy", "demo", "--confirm", "demo"]).expect(0);
    world.assert_empty();
    let third = world.go(&["destroy", "demo", "--confirm", "demo"]).expect(0);
    assert!(third.err.contains("already gone (proved "), "{}", third.err);
}
