//! Killed while something is put into the cluster or taken out of it: the next run goes on, nothing is doubled or left.

use super::rig::{CONTINUE, DESTROY, Server, ended};

const BUILD: [&str; 12] = [
    "provision",
    "demo",
    "--yes",
    "--provider",
    "aws",
    "--region",
    "us-east-1",
    "--nodes",
    "1",
    "--pool",
    "name=burst,min=0,max=2",
    "-o=json",
];

#[test]
fn killed_at_an_object_inside_the_cluster_nothing_is_doubled_or_left() {
    for (op, phase) in
        [("CreateServiceAccount", "before"), ("CreateClusterRole", "after"), ("CreateDeployment", "after")]
    {
        let faults = format!("k8s:{op}=hold-{phase}@1,k8s:DeleteDeployment=hold-{phase}@1");
        let server = Server::start(&["--fault", &faults]);
        let machine = server.machine("ana");
        let mut building = machine.start(&BUILD);
        server.until_held(1);
        building.kill().unwrap();
        ended(building);
        let built = machine.run(&CONTINUE).expect(0).json();
        assert_eq!((&built["outcome"], &built["audit"]["clean"]), (&"resumed".into(), &true.into()), "{op}: {built:#}");
        machine.run(&["status", "demo", "--check"]).expect(0);
        let mut removing = machine.start(&DESTROY);
        server.until_held(2);
        removing.kill().unwrap();
        ended(removing);
        let gone = machine.run(&DESTROY).expect(0).json();
        assert_eq!((&gone["outcome"], &gone["audit"]["clean"]), (&"destroyed".into(), &true.into()), "{op}: {gone:#}");
        server.world().is_empty();
    }
}
