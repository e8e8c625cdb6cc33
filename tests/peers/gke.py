"""GKE judged from outside: Google's descriptions of its APIs, Google's Python client and gcloud, kubectl."""

import collections
import json
import os
import shutil
import subprocess
import time
import urllib.parse
import warnings

from google.oauth2 import service_account
from googleapiclient.discovery import build
from googleapiclient.errors import HttpError

import discovery
import kubectl
import life
from support import Exchange, Home, Skipped, check, recorded, sandbox

REGION = "us-central1"
SPEC = f"""\
apiVersion: kubewright/v1
kind: Cluster
name: demo
provider: gcp
region: {REGION}
"""
# Other clients poll in real time: a control plane of five minutes stands in a second.
SPEED = "600"
DEADLINE = 120


# ---- descriptions


def judge(exchanges):
    """(methods, bodies, misfits) of what was asked of Google; a token call is none of its APIs'."""
    methods, bodies, wrong = set(), 0, collections.Counter()
    for exchange in exchanges:
        if exchange.path.split("?")[0].endswith("/token"):
            continue
        ours = exchange.headers.get("user-agent", "").startswith("kubewright/")
        found = discovery.operation(exchange)
        methods.add(found.id if found else exchange.path)
        bodies += bool(exchange.body) + bool(exchange.reply)
        wrong.update(discovery.problems(exchange, ours))
    return methods, bodies, wrong


def google_descriptions(binary):
    """Google's discovery documents: every request of a cluster's whole life fits them, and every reply of the sandbox."""
    exchanges = [exchange for cloud, exchange in life.whole(binary, "gcp", SPEC, "standard-rwo") if cloud == "gcp"]
    methods, bodies, wrong = judge(exchanges)
    check(not wrong, misfits(wrong))
    check(len(methods) > 30, f"only {len(methods)} methods were seen: {sorted(methods)}")
    return f"{len(methods)} methods, {bodies} bodies"


def misfits(wrong):
    rows = [f"{count} x {what}" for what, count in wrong.most_common(40)]
    return f"{len(wrong)} misfits:\n  " + "\n  ".join(rows)


def planted_google(binary):
    """Negative controls: what a description must refuse is refused, in a request and in a reply; the good ones pass."""
    clusters = "/v1/projects/p/locations/us-central1-a/clusters"
    networks = "/compute/v1/projects/p/global/networks"
    operation = {"name": "operation-1", "operationType": "CREATE_CLUSTER", "status": "RUNNING", "selfLink": "s", "targetLink": "t", "startTime": "2026-01-01T00:00:00Z"}
    compute = {"kind": "compute#operation", "id": "7", "name": "o", "operationType": "insert", "status": "RUNNING", "selfLink": "s", "targetLink": "t", "progress": 0, "insertTime": "2026-01-01T00:00:00.000-08:00"}
    good = {"cluster": {"name": "demo", "releaseChannel": {"channel": "REGULAR"}, "nodePools": [{"name": "a", "config": {"accelerators": [{"acceleratorCount": "1"}]}}]}}
    gone = {"error": {"code": 404, "message": "Not found", "status": "NOT_FOUND"}}
    said = {**gone["error"], "errors": [{"message": "m", "domain": "global", "reason": "notFound"}]}
    make = ("POST", clusters, good, 200, operation)
    passes = [make, ("POST", f"{networks}?requestId=1", {"name": "n"}, 200, compute), ("GET", f"{networks}/n", None, 404, {"error": said})]
    fails = {
        "a field that is none": ("POST", clusters, {"cluster": {"releaseChanel": {}}}, 200, operation),
        "a number for a word": ("POST", clusters, {"cluster": {"releaseChannel": {"channel": 2}}}, 200, operation),
        "a word that is none of its list": ("POST", clusters, {"cluster": {"releaseChannel": {"channel": "REGULER"}}}, 200, operation),
        "a field that only Google writes": ("POST", clusters, {"cluster": {"status": "RUNNING"}}, 200, operation),
        "a field of yesterday": ("POST", clusters, {"cluster": {"initialNodeCount": 3}}, 200, operation),
        "a number where text is asked": ("POST", clusters, {"cluster": {"nodePools": [{"config": {"accelerators": [{"acceleratorCount": 1}]}}]}}, 200, operation),
        "a parameter that is none": ("POST", f"{clusters}?requestId=1", good, 200, operation),
        "a parameter left out": ("POST", "/compute/v1/projects/p/zones/us-central1-a/instanceGroupManagers/g/resize", None, 200, compute),
        "a path that is none": ("GET", "/v1/projects/p/locations/us-central1/cluster", None, 200, {}),
        "a body where none belongs": ("GET", f"{networks}/n", {"a": 1}, 404, {"error": said}),
        "a reply's field that is none": ("POST", clusters, good, 200, {**operation, "state": "RUNNING"}),
        "a reply's word that is none": ("POST", clusters, good, 200, {**operation, "status": "BUSY"}),
        "a reply without what is always there": ("POST", clusters, good, 200, {"name": "operation-1"}),
        "an error of another code": ("GET", f"{clusters}/x", None, 403, gone),
        "an error of compute without its list": ("GET", f"{networks}/n", None, 404, gone),
    }  # fmt: skip

    def found(method, path, body, status, reply):
        raw = b"" if body is None else json.dumps(body).encode()
        return discovery.problems(Exchange(method, path, {}, raw, status, {}, json.dumps(reply).encode()))

    for case in passes:
        check(not found(*case), f"{case[:2]}: {found(*case)}")
    for what, case in fails.items():
        check(found(*case), f"nobody noticed {what}")
    return f"{len(fails)} noticed"


def google_recorded(binary):
    """Google's discovery documents over everything that the tests recorded in KUBEWRIGHT_SANDBOX_RECORD."""
    place = os.environ.get("KUBEWRIGHT_SANDBOX_RECORD")
    if not place:
        raise Skipped("KUBEWRIGHT_SANDBOX_RECORD names no records")
    exchanges = [exchange for cloud, exchange in recorded(place) if cloud == "gcp" and exchange.headers.get("user-agent", "").startswith("kubewright/")]
    check(exchanges, "no test asked anything of Google")
    methods, bodies, wrong = judge(exchanges)
    check(not wrong, misfits(wrong))
    return f"{len(exchanges)} exchanges, {len(methods)} methods, {bodies} bodies"


# ---- Google's Python client


class Google:
    """Google's own client, pointed at the sandbox by the variables that it exports."""

    def __init__(self, home):
        self.env, self.project = home.extra, home.extra["GOOGLE_CLOUD_PROJECT"]
        scopes = ["https://www.googleapis.com/auth/cloud-platform"]
        self.credentials = service_account.Credentials.from_service_account_file(home.extra["GOOGLE_APPLICATION_CREDENTIALS"], scopes=scopes)

    def api(self, name, version="v1"):
        base = self.env[f"KUBEWRIGHT_GCP_{name.upper()}_ENDPOINT"]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return build(name, version, credentials=self.credentials, client_options={"api_endpoint": base}, static_discovery=True, cache_discovery=False)

    def clusters(self):
        return self.api("container").projects().locations().clusters()

    def until_done(self, operation):
        """An operation of GKE, polled as its users do."""
        operations = self.api("container").projects().locations().operations()
        where = operation.get("location") or operation.get("zone")
        name = f"projects/{self.project}/locations/{where}/operations/{operation['name']}"
        end = time.monotonic() + DEADLINE
        while operation["status"] != "DONE":
            check(time.monotonic() < end, f"{operation['operationType']} did not end: {operation}")
            time.sleep(0.2)
            operation = operations.get(name=name).execute()
        check("error" not in operation, f"{operation}")
        return operation


def rows(answer, scope_of):
    """What an aggregated list holds."""
    return [row for scope in answer.get("items", {}).values() for row in scope.get(scope_of, [])]


def place(ours):
    """Where `status` says a cluster's API server is."""
    return ours["host"], ours["port"]


def place_in(url):
    """Where a URL leads."""
    split = urllib.parse.urlsplit(url)
    return split.hostname, split.port or 443


def seen_alike(ours, theirs):
    """`status` of a cluster and GKE's own words for it agree."""
    check(theirs["status"] == ours["cloudStatus"], f"status: {theirs['status']} and {ours['cloudStatus']}")
    check(theirs["currentMasterVersion"].startswith(ours["version"]), f"version: {theirs['currentMasterVersion']} and {ours['version']}")
    pools = {pool["name"]: pool for pool in theirs["nodePools"]}
    check(pools.keys() == {pool["name"] for pool in ours["nodePools"]}, f"pools: {sorted(pools)} and {ours['nodePools']}")
    for pool in ours["nodePools"]:
        config = pools[pool["name"]]["config"]
        check(config["machineType"] == pool["instanceType"], f"machines of {pool['name']}: {config['machineType']} and {pool['instanceType']}")
        check(bool(config.get("spot")) == pool["spot"], f"spot of {pool['name']}")
    addresses = {theirs["endpoint"], theirs.get("controlPlaneEndpointsConfig", {}).get("dnsEndpointConfig", {}).get("endpoint", theirs["endpoint"])}
    check(place(ours) in {place_in(f"https://{address}") for address in addresses}, f"server: {addresses} and {place(ours)}")
    check(sum(pool["desired"] for pool in ours["nodePools"]) == theirs["currentNodeCount"], f"nodes: {theirs['currentNodeCount']} and {ours['nodePools']}")


def one(clusters, name):
    found = [cluster for cluster in clusters if cluster["stack"]["name"] == name]
    check(len(found) == 1, f"{name} is {len(found)} times in {[cluster['stack']['name'] for cluster in clusters]}")
    return found[0]


def google_client(binary):
    """google-api-python-client sees what `status` says; what it makes is another's to us, and it removes it again."""
    home = Home(binary)
    (home.path / "cluster.yaml").write_text(SPEC)
    with sandbox(home, speed=SPEED):
        home.run("provision", "-f", "cluster.yaml", "--yes")
        google = Google(home)
        parent = f"projects/{google.project}/locations/-"
        listed = google.clusters().list(parent=parent).execute()["clusters"]
        ours = home.json("status", "demo")["clusters"][0]
        theirs = next(cluster for cluster in listed if cluster["name"] == "demo")
        seen_alike(ours, theirs)
        check(theirs["resourceLabels"]["kubewright-stack"] == f"demo-{ours['stack']['id']}" or theirs["resourceLabels"]["kubewright-stack"] == ours["stack"]["id"], f"labels {theirs['resourceLabels']}")
        compute = google.api("compute")
        machines = rows(compute.instances().aggregatedList(project=google.project).execute(), "instances")
        check(len(machines) == theirs["currentNodeCount"], f"{len(machines)} machines")
        networks = [row["name"] for row in compute.networks().list(project=google.project).execute()["items"]]
        subnets = [row["name"] for row in rows(compute.subnetworks().aggregatedList(project=google.project).execute(), "subnetworks")]
        check(theirs["network"] in networks and theirs["subnetwork"] in subnets, f"{theirs['network']} in {networks}, {theirs['subnetwork']} in {subnets}")
        compared = 3 + len(machines)
        accounts = google.api("iam").projects().serviceAccounts().list(name=f"projects/{google.project}").execute()["accounts"]
        node_account = theirs["nodePools"][0]["config"]["serviceAccount"]
        check(node_account in [account["email"] for account in accounts], f"{node_account} is none of {[account['email'] for account in accounts]}")
        policy = google.api("cloudresourcemanager").projects().getIamPolicy(resource=google.project, body={}).execute()
        roles = {binding["role"] for binding in policy["bindings"] if f"serviceAccount:{node_account}" in binding["members"]}
        check("roles/container.defaultNodeServiceAccount" in roles, f"the nodes' account has {roles}")
        enabled = google.api("serviceusage").services().list(parent=f"projects/{google.project}", filter="state:ENABLED").execute()["services"]
        check(any(service["name"].endswith("/container.googleapis.com") for service in enabled), "GKE's API is not enabled")
        bill = google.api("cloudbilling").projects().getBillingInfo(name=f"projects/{google.project}").execute()
        check(bill["billingEnabled"], f"{bill}")

        # The other way round.
        where = f"projects/{google.project}/locations/{REGION}-b"
        wanted = {"name": "theirs", "initialNodeCount": 1, "resourceLabels": {"team": "x"}}
        google.until_done(google.clusters().create(parent=where, body={"cluster": wanted}).execute())
        everything = home.json("status", "--all")
        check(everything["complete"], f"{everything['failures']}")
        other = one(everything["clusters"], "theirs")
        check(other["managedBy"] == "other" and one(everything["clusters"], "demo")["managedBy"] == "kubewright", "whose they are")
        seen_alike(other, google.clusters().get(name=f"{where}/clusters/theirs").execute())
        home.run("destroy", "theirs", "--confirm", "theirs", "--provider", "gcp", "--region", REGION, code=8)
        google.until_done(google.clusters().delete(name=f"{where}/clusters/theirs").execute())
        check(all(cluster["stack"]["name"] != "theirs" for cluster in home.json("status", "--all")["clusters"]), "it is gone, and still shown")

        home.run("destroy", "demo", "--confirm", "demo")
        check(not google.clusters().list(parent=parent).execute().get("clusters"), "Google's client still sees a cluster")
        try:
            google.clusters().get(name=f"{where}/clusters/theirs").execute()
            check(False, "a cluster that is gone was shown")
        except HttpError as error:
            check(error.status_code == 404, f"{error}")
        home.close()
        return f"{compared} objects compared"


# ---- gcloud


def gcloud(home, *words, parse=True):
    command = ["gcloud", *words, *(["--format=json"] if parse else []), "--quiet"]
    done = subprocess.run(command, env=home.environment(), cwd=home.path, stdin=subprocess.DEVNULL, capture_output=True, timeout=300)
    check(done.returncode == 0, f"gcloud {' '.join(words)}: {done.stderr.decode()[-2000:]}")
    return json.loads(done.stdout or b"null") if parse else done.stdout.decode()


def gcloud_itself(binary):
    """gcloud lists, describes, makes, hands out credentials for, and deletes clusters in the sandbox, and sees what `status` says."""
    if not shutil.which("gcloud"):
        raise Skipped("gcloud is not installed")
    home = Home(binary)
    (home.path / "cluster.yaml").write_text(SPEC)
    with sandbox(home, speed=SPEED):
        home.run("provision", "-f", "cluster.yaml", "--yes")
        ours = home.json("status", "demo")["clusters"][0]
        [theirs] = gcloud(home, "container", "clusters", "list")
        place = ("--location", theirs["location"])
        seen_alike(ours, theirs)
        seen_alike(ours, gcloud(home, "container", "clusters", "describe", "demo", *place))
        machines = gcloud(home, "compute", "instances", "list")
        check(len(machines) == theirs["currentNodeCount"], f"{len(machines)} machines")
        check(gcloud(home, "container", "get-server-config", *place)["channels"], "no versions")
        calls = 5
        if shutil.which("gke-gcloud-auth-plugin") and (program := kubectl.program()):
            home.extra["KUBECONFIG"] = str(home.path / "theirs.yaml")
            gcloud(home, "container", "clusters", "get-credentials", "demo", *place, parse=False)
            names, _ = kubectl.reads(program, home)
            check(len(names) == theirs["currentNodeCount"], f"through gcloud's kubeconfig kubectl sees {names}")
            calls += 1
        there = ("--location", f"{REGION}-c")
        flags = ("--num-nodes", "1", "--enable-ip-alias", "--release-channel", "regular", "--labels", "team=x", "--spot")
        gcloud(home, "container", "clusters", "create", "theirs", *there, *flags)
        other = one(home.json("status", "--all")["clusters"], "theirs")
        check(other["managedBy"] == "other" and other["nodePools"][0]["spot"], f"{other}")
        seen_alike(other, gcloud(home, "container", "clusters", "describe", "theirs", *there))
        gcloud(home, "container", "clusters", "delete", "theirs", *there)
        check(len(home.json("status", "--all")["clusters"]) == 1, "it is gone, and still shown")
        home.run("destroy", "demo", "--confirm", "demo")
        check(gcloud(home, "container", "clusters", "list") == [], "gcloud still sees a cluster")
        home.close()
        return f"{calls + 5} commands of gcloud"


def gke_kubectl(binary):
    """kubectl reads a GKE cluster through the kubeconfig that provision wrote and our plugin, and nothing stays of it."""
    return kubectl.reads_ours(binary, SPEC)


CHECKS = (planted_google, google_descriptions, google_recorded, google_client, gcloud_itself, gke_kubectl)
