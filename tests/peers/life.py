"""A cluster's whole life in the sandbox, every exchange with the cloud kept: what is judged by the vendors' descriptions."""

import json
import subprocess
import sys

from support import Home, check, pass_time, recorded, sandbox

# What a cluster makes by itself: a load balancer for a Service, a disk for a claim.
WORK = """
from kubernetes import client, config
config.load_kube_config()
core = client.CoreV1Api()
meta = client.V1ObjectMeta
ports = [client.V1ServicePort(port=80, target_port=8080)]
spec = client.V1ServiceSpec(type="LoadBalancer", selector={"app": "web"}, ports=ports)
core.create_namespaced_service("default", client.V1Service(metadata=meta(name="web"), spec=spec))
need = client.V1VolumeResourceRequirements(requests={"storage": "20Gi"})
claim = client.V1PersistentVolumeClaimSpec(storage_class_name=%r, access_modes=["ReadWriteOnce"], resources=need)
core.create_namespaced_persistent_volume_claim("default", client.V1PersistentVolumeClaim(metadata=meta(name="data"), spec=claim))
"""


def work_on(home, storage_class):
    """Lets the cluster make things of its own."""
    done = subprocess.run([sys.executable, "-c", WORK % storage_class], env=home.environment(), capture_output=True, timeout=60)
    check(done.returncode == 0, f"the Kubernetes client: {done.stderr.decode()[-2000:]}")
    pass_time(home, 600)


def standing(shown):
    """Objects that somebody made and nobody removed."""
    gone = ("terminated", "deleted")
    return {(it["cloud"], it["service"], it["kind"], it["id"]): it for it in shown["objects"] if it["createdBy"] != "builtin" and it["state"].lower() not in gone}


def whole(binary, cloud, spec, storage_class):
    """[(cloud, exchange)] of: provision, again, status, policy, protect, a load balancer and a disk, destroy."""
    home = Home(binary)
    (home.path / "cluster.yaml").write_text(spec)
    home.extra["KUBEWRIGHT_SANDBOX_RECORD"] = str(home.path / "record")
    with sandbox(home):
        home.extra.pop("KUBEWRIGHT_SANDBOX_RECORD")
        before = standing(home.json("sandbox", "show"))
        asked = home.json("sandbox", "show")["requests"]["mutating"]
        made = home.json("provision", "-f", "cluster.yaml", "--yes")
        check(made["outcome"] == "created", f"outcome {made['outcome']}")
        sent = home.json("sandbox", "show")["requests"]["mutating"] - asked
        check(made["mutatingCalls"] == sent, f"engine counted {made['mutatingCalls']} mutating calls, the sandbox {sent}")
        again = home.json("provision", "-f", "cluster.yaml", "--yes")
        check(again["outcome"] == "unchanged" and again["mutatingCalls"] == 0, f"a second provision: {again['outcome']}")
        home.run("status", "demo")
        home.run("status")
        home.run("status", "--all", "--provider", cloud)
        home.run("policy", "-f", "cluster.yaml")
        home.run("protect", "demo", "on")
        home.run("destroy", "demo", "--confirm", "demo", code=8)
        home.run("protect", "demo", "off")
        home.run("kubeconfig", "demo", "--use")
        ours = standing(home.json("sandbox", "show"))
        work_on(home, storage_class)
        grown = standing(home.json("sandbox", "show")).keys() - ours.keys()
        check(len([key for key in grown if key[1] != "kubernetes"]) >= 2, f"the cluster made only {sorted(grown)}")
        gone = home.json("destroy", "demo", "--confirm", "demo", "--volumes", "delete")
        check(gone["outcome"] == "destroyed" and not gone["remaining"], f"destroy: {json.dumps(gone)[:2000]}")
        left = standing(home.json("sandbox", "show")).keys() - before.keys()
        check(not left, f"left: {sorted(left)}")
        home.run("destroy", "demo", "--confirm", "demo")
    found = recorded(home.path / "record")
    check(found, "nothing was recorded")
    home.close()
    return found
