"""The Google Cloud half of the kill matrix: somebody else at work in the same project, by plain requests, so that nothing
of ours makes what must survive us."""

import json
import pathlib
import urllib.error
import urllib.request

REGION = "us-central1"
ZONE = "us-central1-a"
PLACE = ("--provider", "gcp", "--region", REGION)
SPEC = f"""\
apiVersion: kubewright/v1
kind: Cluster
name: demo
provider: gcp
region: {REGION}
"""
LAG, BUILD = 60, 1500  # seconds until everybody sees a new thing, and until a control plane stands
# Networks, subnetworks and routers carry no labels: their description says whose they are.
MARKS = "network of cluster demo [kubewright-stack=%s kubewright-step=network]"


class Account:
    """Talks to Google's APIs with the token of this environment."""

    def __init__(self, env):
        self.project = env["GOOGLE_CLOUD_PROJECT"]
        self.token = pathlib.Path(env["CLOUDSDK_AUTH_ACCESS_TOKEN_FILE"]).read_text().strip()
        self.bases = {name.removeprefix("KUBEWRIGHT_GCP_").removesuffix("_ENDPOINT").lower(): base for name, base in env.items() if name.startswith("KUBEWRIGHT_GCP_")}

    def call(self, service, method, path, body=None):
        """A call inside the project; the reply decoded."""
        version = "" if service == "compute" else "v1/"
        url = f"{self.bases[service]}{version}projects/{self.project}{path}"
        sent = None if body is None else json.dumps(body).encode()
        headers = {"authorization": f"Bearer {self.token}", "content-type": "application/json"}
        try:
            with urllib.request.urlopen(urllib.request.Request(url, data=sent, headers=headers, method=method), timeout=60) as reply:
                return json.loads(reply.read() or b"{}")
        except urllib.error.HTTPError as error:
            raise RuntimeError(f"{service} {method} {path}: {error.code} {error.read().decode()[:600]}") from None

    def compute(self, method, path, body=None):
        return self.call("compute", method, path, body)


NETWORK, CLUSTER_DISK, OTHER_DISK = "kw-demo-ffffffff-network", "pvc-0a1b2c3d-0000-4000-8000-00000000ffff", "kw-demo-ffffffff-data"
ADDRESS, FIREWALL, ROUTER, SUBNET, NEIGHBOUR = "kw-demo-ffffffff-nat", "gke-demo-ffffffff-all", "kw-demo-ffffffff-router", "kw-demo-ffffffff-nodes", "demo-two"


def plant_decoys(account, pass_time):
    """Things of somebody else that look like ours: our names, our marks in part, another stack's marks in full."""
    stranger = {"cluster_name": "demo", "created_by": "kubewright"}
    no_id = {**stranger, "kubewright-stack": "demo", "kubewright-step": "network"}
    # In full only another stack's: a stack of our name is one, however little of it is left, and is never built over.
    neighbour = {**stranger, "kubewright-stack": "demo-two-ffffffff", "kubewright-step": "nodes__pool__default"}
    other_name = {"kubewright-stack": "demo-two-ffffffff", "kubewright-step": "cluster"}
    owned = {"goog-k8s-cluster-name": "demo", "goog-k8s-cluster-location": ZONE}

    def make(path, body):
        account.compute("POST", path, body)
        pass_time(LAG)

    # A new project has neither of them on.
    account.call("serviceusage", "POST", "/services:batchEnable", {"serviceIds": ["compute.googleapis.com", "container.googleapis.com"]})
    pass_time(10 * LAG)
    link = f"projects/{account.project}/global/networks/{NETWORK}"
    make("/global/networks", {"name": NETWORK, "autoCreateSubnetworks": False, "description": MARKS % "demo-two-ffffffff", "routingConfig": {"routingMode": "REGIONAL"}})
    make("/global/networks", {"name": "kw-demo", "autoCreateSubnetworks": False, "description": MARKS % "demo"})
    ranges = [{"rangeName": "pods", "ipCidrRange": "10.104.0.0/14"}, {"rangeName": "services", "ipCidrRange": "10.108.0.0/20"}]
    make(f"/regions/{REGION}/subnetworks", {"name": SUBNET, "network": link, "ipCidrRange": "10.96.0.0/20", "secondaryIpRanges": ranges, "description": MARKS % "demo-two-ffffffff"})
    nat = {"name": "nat", "natIpAllocateOption": "AUTO_ONLY", "sourceSubnetworkIpRangesToNat": "ALL_SUBNETWORKS_ALL_IP_RANGES"}
    make(f"/regions/{REGION}/routers", {"name": ROUTER, "network": link, "nats": [nat]})
    make("/global/firewalls", {"name": FIREWALL, "network": link, "sourceRanges": ["10.104.0.0/14"], "allowed": [{"IPProtocol": "tcp"}], "description": '{"kubernetes.io/service-name":"default/web"}'})
    make(f"/regions/{REGION}/addresses", {"name": ADDRESS, "labels": no_id})
    make(f"/zones/{ZONE}/disks", {"name": CLUSTER_DISK, "sizeGb": "10", "labels": owned, "description": '{"kubernetes.io/created-for/pvc/name":"data"}'})
    make(f"/zones/{ZONE}/disks", {"name": OTHER_DISK, "sizeGb": "10", "labels": neighbour})
    made = account.call("iam", "POST", "/serviceAccounts", {"accountId": "kw-demo-ffffffff-nodes", "serviceAccount": {"displayName": "nodes of demo", "description": MARKS % "demo-two-ffffffff"}})
    pass_time(2 * LAG)
    grant(account, "roles/container.defaultNodeServiceAccount", f"serviceAccount:{made['email']}")
    grant(account, "roles/viewer", "user:somebody@example.com")
    cluster = {"name": NEIGHBOUR, "initialClusterVersion": "-", "network": NETWORK, "subnetwork": SUBNET, "resourceLabels": other_name}
    cluster["ipAllocationPolicy"] = {"useIpAliases": True, "clusterSecondaryRangeName": "pods", "servicesSecondaryRangeName": "services"}
    cluster["nodePools"] = [{"name": "default", "initialNodeCount": 1, "config": {"machineType": "e2-small", "diskSizeGb": 20}}]
    account.call("container", "POST", f"/locations/{ZONE}/clusters", {"cluster": cluster})
    pass_time(BUILD)


def policy(account):
    return account.call("cloudresourcemanager", "POST", ":getIamPolicy", {"options": {"requestedPolicyVersion": 3}})


def grant(account, role, member):
    now = policy(account)
    now["bindings"] = [*now.get("bindings", []), {"role": role, "members": [member]}]
    account.call("cloudresourcemanager", "POST", ":setIamPolicy", {"policy": now})


def witness(account):
    """What the APIs say of it, and who may do what in the project."""
    said = {name: account.compute("GET", path) for name, path in {
        "network": f"/global/networks/{NETWORK}",
        "network without an id": "/global/networks/kw-demo",
        "subnetwork": f"/regions/{REGION}/subnetworks/{SUBNET}",
        "router": f"/regions/{REGION}/routers/{ROUTER}",
        "firewall": f"/global/firewalls/{FIREWALL}",
        "address": f"/regions/{REGION}/addresses/{ADDRESS}",
        "disk of a claim": f"/zones/{ZONE}/disks/{CLUSTER_DISK}",
        "disk": f"/zones/{ZONE}/disks/{OTHER_DISK}",
    }.items()}  # fmt: skip
    said["cluster"] = account.call("container", "GET", f"/locations/{ZONE}/clusters/{NEIGHBOUR}")
    # Made of the rest, the server's port included, which is another every time.
    del said["cluster"]["etag"]
    # One role may stand in several bindings; a policy that was written back joins them.
    roles = {}
    for binding in policy(account).get("bindings", []):
        roles.setdefault(binding["role"], set()).update(binding["members"])
    said["project's policy"] = {role: sorted(members) for role, members in sorted(roles.items())}
    return said


# ---- the harm that the negative controls do: (account, judge, sandbox)


def orphan(account, _, sandbox):
    account.compute("POST", f"/zones/{ZONE}/disks", {"name": "forgotten", "sizeGb": "10"})
    sandbox.pass_time(LAG)


def duplicate(account, judge, sandbox):
    """A second network of the same stack."""
    ours = next(thing for thing in judge.ours(sandbox.show()) if thing["kind"] == "network")
    first = account.compute("GET", f"/global/networks/{ours['name']}")
    account.compute("POST", "/global/networks", {"name": f"{ours['name']}-2", "autoCreateSubnetworks": False, "description": first["description"]})
    sandbox.pass_time(LAG)


def deleted(account, _, sandbox):
    account.compute("DELETE", f"/zones/{ZONE}/disks/{OTHER_DISK}")
    sandbox.pass_time(LAG)


def retagged(account, _, sandbox):
    disk = account.compute("GET", f"/zones/{ZONE}/disks/{OTHER_DISK}")
    body = {"labels": {"mine": "yes"}, "labelFingerprint": disk["labelFingerprint"]}
    account.compute("POST", f"/zones/{ZONE}/disks/{OTHER_DISK}/setLabels", body)
    sandbox.pass_time(LAG)


def rebound(account, _, __):
    """Somebody's role is taken from them, as a policy that is written over does it."""
    now = policy(account)
    now["bindings"] = [binding for binding in now["bindings"] if binding["role"] != "roles/viewer"]
    account.call("cloudresourcemanager", "POST", ":setIamPolicy", {"policy": now})


HARMS = {"orphan": orphan, "duplicate": duplicate, "deleted": deleted, "retagged": retagged}
MORE_HARM = {"a foreign role taken away": rebound}

# Kind and state of the first thing of ours whose marks can be taken away: a network's description cannot be changed.
MARKED = {("cluster", "RUNNING")}


def unmark(account, _):
    cluster = account.call("container", "GET", f"/locations/{ZONE}/clusters/demo")
    account.call("container", "POST", f"/locations/{ZONE}/clusters/demo:setResourceLabels", {"resourceLabels": {}, "labelFingerprint": cluster["labelFingerprint"]})
