"""AKS judged from outside: Microsoft's descriptions of its APIs through its own validator, its Python clients and az, kubectl."""

import collections
import json
import os
import re
import shutil
import subprocess

from azure.core.exceptions import ResourceNotFoundError
from azure.identity import ClientSecretCredential
from azure.mgmt.authorization import AuthorizationManagementClient
from azure.mgmt.containerservice import ContainerServiceClient
from azure.mgmt.msi import ManagedServiceIdentityClient
from azure.mgmt.network import NetworkManagementClient
from azure.mgmt.resource.resources import ResourceManagementClient

import kubectl
import life
import swagger
from gke import misfits, one, place, place_in
from support import Exchange, Home, Skipped, check, recorded, sandbox

REGION = "eastus"
SPEC = f"""\
apiVersion: kubewright/v1
kind: Cluster
name: demo
provider: azure
region: {REGION}
"""
SPEED = "600"


# ---- descriptions


def judge(exchanges):
    """(operations, bodies, bodies held against template schemas, misfits) of what was asked of the Resource Manager."""
    exchanges = [exchange for exchange in exchanges if swagger.concerns(exchange)]
    verdicts = swagger.judged(exchanges)
    wrong = collections.Counter(what for _, found in verdicts for what in found)
    bodies = sum(bool(exchange.body) + bool(exchange.reply) for exchange in exchanges)
    return {operation for operation, _ in verdicts if operation}, bodies, sum(map(swagger.has_template, exchanges)), wrong


def distinct(exchanges):
    """One exchange of each shape: what differs only in digits, hex and names of runs says the same twice."""
    kept = {}
    for exchange in exchanges:
        key = (exchange.method, exchange.path, exchange.body, exchange.status, exchange.reply, tuple(sorted(exchange.reply_headers)))
        kept.setdefault(swagger.blurred(repr(key)), exchange)
    return list(kept.values())


def azure_descriptions(binary):
    """oav and the ARM template schemas: every request of a cluster's whole life fits them, and every reply of the sandbox."""
    swagger.oav()
    exchanges = [exchange for cloud, exchange in life.whole(binary, "azure", SPEC, "managed-csi") if cloud == "azure"]
    check(not (strange := list(swagger.unannounced(exchanges))), f"operations polled at addresses that no reply named: {strange[:3]}")
    operations, bodies, templates, wrong = judge(exchanges)
    check(not wrong, misfits(wrong))
    check(len(operations) > 20, f"only {len(operations)} operations were seen: {sorted(operations)}")
    check(templates > 3 or not swagger.TEMPLATES.is_dir(), f"only {templates} bodies were held against template schemas")
    return f"{len(operations)} operations, {bodies} bodies, {templates} of them by template schemas, too"


def azure_recorded(binary):
    """oav and the template schemas over everything that the tests recorded in KUBEWRIGHT_SANDBOX_RECORD."""
    place = os.environ.get("KUBEWRIGHT_SANDBOX_RECORD")
    if not place:
        raise Skipped("KUBEWRIGHT_SANDBOX_RECORD names no records")
    swagger.oav()
    exchanges = [exchange for cloud, exchange in recorded(place) if cloud == "azure" and exchange.headers.get("user-agent", "").startswith("kubewright/")]
    check(exchanges, "no test asked anything of Azure")
    kept = distinct(exchanges)
    operations, bodies, templates, wrong = judge(kept)
    check(not wrong, misfits(wrong))
    return f"{len(exchanges)} exchanges of {len(kept)} shapes, {len(operations)} operations, {bodies} bodies"


def planted_azure(binary):
    """Negative controls: what oav and our own assertions must refuse is refused, in a request and in a reply; the good ones pass."""
    group = "/subscriptions/5a4d0000-0000-4000-8000-000000000001/resourceGroups/rg"
    cluster = f"{group}/providers/Microsoft.ContainerService/managedClusters/demo?api-version=2025-10-01"
    network = f"{group}/providers/Microsoft.Network/virtualNetworks/n?api-version=2025-03-01"
    heads = {"x-ms-request-id": "a", "x-ms-correlation-request-id": "b", "content-type": "application/json"}
    follow = {**heads, "azure-asyncoperation": "https://127.0.0.1/operations/y"}
    pool = {"name": "a", "count": 1, "vmSize": "Standard_D2as_v5", "mode": "System"}
    state = f"{group}/providers/Microsoft.ContainerService/locations/eastus/operations/y?api-version=2016-03-30"

    def body(properties=None, **more):
        return {"location": "eastus", "properties": {"dnsPrefix": "x", "agentPoolProfiles": [{**pool, **more}], **(properties or {})}}

    def put(sent, path=cluster, headers=follow, **more):
        kind = "Microsoft.ContainerService/ManagedClusters" if path.startswith(cluster.split("?")[0]) else "Microsoft.Network/virtualNetworks"
        reply = {"id": path.split("?")[0], "name": path.split("?")[0].rsplit("/")[-1], "type": kind, "location": "eastus", "properties": {"provisioningState": "Creating"}, **more}
        return ("PUT", path, sent, 201, headers, reply)

    error = {"error": {"code": "ResourceNotFound", "message": "m"}}
    passes = [put(body()), ("GET", cluster, None, 404, heads, error), ("DELETE", cluster, None, 202, follow, None), ("GET", state, None, 200, heads, {"name": "y", "status": "InProgress"})]
    fails = {
        "a field that is none": put(body({"dnsPrefixx": "x"})),
        "a field that only Azure writes": put(body({"fqdn": "x"})),
        "a field left out": put({"properties": {}}),
        "a number for a word": put({**body(), "sku": {"name": "Base", "tier": 1}}),
        "a word that is none of its list": put(body(mode="Sistem")),
        "a range that is none": put(body({"networkProfile": {"podCidr": "10.0.0/8"}})),
        "no api-version": put(body(), cluster.split("?")[0]),
        "an api-version that is none": put(body(), cluster.replace("2025-10-01", "2025-10-02")),
        "a path that is none": ("GET", cluster.replace("managedClusters", "managedCluster"), None, 200, heads, {}),
        "a reply's field that is none": put(body(), foo=1),
        "a reply's word that is none": put({"location": "eastus"}, network, properties={"provisioningState": "Busy"}),
        "nothing to follow it at": put(body(), headers=heads),
        "accepted, and nothing to follow it at": ("DELETE", cluster, None, 202, heads, None),
        "a reply without an id to quote": ("GET", cluster, None, 404, {"content-type": "application/json"}, error),
        "an error of another shape": ("GET", cluster, None, 404, heads, {"message": "m"}),
        "a state that is none": ("GET", state, None, 200, heads, {"name": "y", "status": "Busy"}),
        "a failure without a reason": ("GET", state, None, 200, heads, {"name": "y", "status": "Failed"}),
    }

    verdicts = swagger.judged([exchange(*case) for case in (*passes, *fails.values())])
    for case, (_, found) in zip(passes, verdicts):
        check(not found, f"{case[:2]}: {found}")
    for what, (_, found) in zip(fails, verdicts[len(passes) :]):
        check(found, f"nobody noticed {what}")
    for one, other in (("api-version=2025-10-01", "api-version=2025-03-01"), ('"count": 1', '"count": 1.5'), ('"osDiskSizeGB": 50', '"osDiskSizeGB": 4096')):
        check(swagger.blurred(one) != swagger.blurred(other), f"{one} and {other} are taken for the same")
    check(swagger.blurred("kw-demo-e4966b9f at 2026-11-27T00:00:00Z") == swagger.blurred("kw-demo-a1b2c3d4 at 2026-11-28T01:02:03.5Z"), "two runs are told apart")
    polled = exchange("GET", state, None, 200, heads, {"status": "Running"})
    check(list(swagger.unannounced([polled])), "nobody noticed a poll at an address that no reply named")
    return f"{len(fails) + 1} noticed"


def exchange(method, path, sent, status, headers, reply):
    raw = [b"" if it is None else json.dumps(it).encode() for it in (sent, reply)]
    return Exchange(method, path, {"content-type": "application/json"}, raw[0], status, headers, raw[1])


def planted_in_templates(binary):
    """Negative controls: what the ARM template schemas must refuse in the body of a PUT is refused; the good one passes."""
    if not swagger.TEMPLATES.is_dir():
        raise Skipped(f"the ARM template schemas are not at {swagger.TEMPLATES}")
    group = "/subscriptions/5a4d0000-0000-4000-8000-000000000001/resourceGroups/rg"
    cluster = f"{group}/providers/Microsoft.ContainerService/managedClusters/demo?api-version=2025-10-01"
    pool = {"name": "a", "count": 1, "vmSize": "Standard_D2as_v5", "mode": "System"}
    found = lambda more: list(swagger.in_template(exchange("PUT", cluster, {"location": "eastus", "properties": {"agentPoolProfiles": [{**pool, **more}]}}, 201, {}, {})))
    check(not found({}), f"{found({})}")
    bad = {"a part of a whole number": {"count": 1.5}, "a word that is none of its list": {"mode": "Sistem"}, "a name that is none": {"name": "A-"}, "a number too large": {"osDiskSizeGB": 4096}}
    for what, more in bad.items():
        check(found(more), f"nobody noticed {what}")
    return f"{len(bad)} noticed"


# ---- Microsoft's Python clients


class Azure:
    """Microsoft's clients, pointed at the sandbox by the variables that it exports."""

    def __init__(self, home):
        env = home.extra
        self.subscription, trusted = env["AZURE_SUBSCRIPTION_ID"], {"connection_verify": env["SSL_CERT_FILE"]}
        self.credential = ClientSecretCredential(
            env["AZURE_TENANT_ID"], env["AZURE_CLIENT_ID"], env["AZURE_CLIENT_SECRET"],
            authority=env["AZURE_AUTHORITY_HOST"], disable_instance_discovery=True, **trusted,
        )  # fmt: skip
        url = env["KUBEWRIGHT_ARM_ENDPOINT"]
        self.options = {"base_url": url, "credential_scopes": ["https://management.azure.com/.default"], "polling_interval": 0.2, **trusted}

    def of(self, client, **more):
        return client(self.credential, self.subscription, **self.options, **more)


def server_of(clusters, group, name):
    """The API server that Azure's own kubeconfig of a cluster names."""
    [config] = clusters.list_cluster_user_credentials(group, name).kubeconfigs
    [server] = re.findall(r"server: (https://\S+)", bytes(config.value).decode())
    return server


def seen_alike(ours, theirs, server):
    """`status` of a cluster and Azure's own words for it agree. `server` is where its kubeconfig leads; of somebody else's
    cluster, whose kubeconfig nobody asks for, only the name is known, which in the sandbox leads nowhere."""
    check(theirs.provisioning_state == ours["cloudStatus"], f"state: {theirs.provisioning_state} and {ours['cloudStatus']}")
    check(theirs.current_kubernetes_version.startswith(ours["version"]), f"version: {theirs.current_kubernetes_version} and {ours['version']}")
    pools = {pool.name: pool for pool in theirs.agent_pool_profiles}
    check(pools.keys() == {pool["name"] for pool in ours["nodePools"]}, f"pools: {sorted(pools)} and {ours['nodePools']}")
    for pool in ours["nodePools"]:
        other = pools[pool["name"]]
        check((other.vm_size, other.count) == (pool["instanceType"], pool["desired"]), f"pool {pool['name']}: {other.count} of {other.vm_size} and {pool}")
        check((other.scale_set_priority == "Spot") == pool["spot"], f"spot of {pool['name']}")
    check(place(ours) == place_in(server), f"server: {server} and {place(ours)}")


def groups_of(azure):
    return {group.name: group for group in azure.of(ResourceManagementClient).resource_groups.list()}


def azure_clients(binary):
    """azure-mgmt-*: they see what `status` says; what they make is another's to us, and they remove it again."""
    home = Home(binary)
    (home.path / "cluster.yaml").write_text(SPEC)
    with sandbox(home, speed=SPEED):
        home.run("provision", "-f", "cluster.yaml", "--yes")
        azure = Azure(home)
        clusters = azure.of(ContainerServiceClient).managed_clusters
        ours = home.json("status", "demo")["clusters"][0]
        [theirs] = clusters.list()
        check(theirs.name == "demo", f"it is called {theirs.name}")
        group = theirs.id.split("/")[4]
        seen_alike(ours, theirs, server_of(clusters, group, "demo"))
        check(theirs.tags["kubewright-stack"] == ours["stack"]["id"] or theirs.tags["kubewright-stack"].endswith(ours["stack"]["id"]), f"tags {theirs.tags}")
        groups = groups_of(azure)
        check({group, theirs.node_resource_group} <= groups.keys(), f"{group} and {theirs.node_resource_group} among {sorted(groups)}")
        inside = [row.type for row in azure.of(ResourceManagementClient).resources.list_by_resource_group(group)]
        networks = list(azure.of(NetworkManagementClient).virtual_networks.list(group))
        subnet = theirs.agent_pool_profiles[0].vnet_subnet_id
        check(subnet in [subnet.id for network in networks for subnet in network.subnets], f"{subnet} is in no network")
        [identity] = azure.of(ManagedServiceIdentityClient).user_assigned_identities.list_by_resource_group(group)
        check(identity.id in theirs.identity.user_assigned_identities, f"{identity.id} is none of the cluster's")
        assigned = list(azure.of(AuthorizationManagementClient).role_assignments.list_for_scope(subnet))
        check(identity.principal_id in [row.principal_id for row in assigned], "the cluster's identity may not join its subnet")
        compared = 3 + len(inside)

        # The other way round.
        azure.of(ResourceManagementClient).resource_groups.create_or_update("theirs", {"location": REGION})
        pool = {"name": "pool1", "mode": "System", "count": 1, "vmSize": "Standard_D2as_v5"}
        wanted = {"location": REGION, "identity": {"type": "SystemAssigned"}, "tags": {"team": "x"}, "properties": {"dnsPrefix": "theirs", "agentPoolProfiles": [pool]}}
        made = clusters.begin_create_or_update("theirs", "theirs", wanted).result()
        check(made.provisioning_state == "Succeeded", f"it is {made.provisioning_state}")
        everything = home.json("status", "--all")
        check(everything["complete"], f"{everything['failures']}")
        other = one(everything["clusters"], "theirs")
        check(other["managedBy"] == "other" and one(everything["clusters"], "demo")["managedBy"] == "kubewright", "whose they are")
        seen_alike(other, made, f"https://{made.fqdn}")
        home.run("destroy", "theirs", "--confirm", "theirs", "--provider", "azure", "--region", REGION, code=8)
        pool = azure.of(ContainerServiceClient).agent_pools.begin_create_or_update("theirs", "theirs", "pool2", {"properties": {"count": 1, "vmSize": "Standard_D2as_v5", "mode": "User"}}).result()
        check(pool.provisioning_state == "Succeeded", f"the second pool is {pool.provisioning_state}")
        seen_alike(one(home.json("status", "--all")["clusters"], "theirs"), clusters.get("theirs", "theirs"), f"https://{made.fqdn}")
        clusters.begin_delete("theirs", "theirs").result()
        azure.of(ResourceManagementClient).resource_groups.begin_delete("theirs").result()
        check(all(cluster["stack"]["name"] != "theirs" for cluster in home.json("status", "--all")["clusters"]), "it is gone, and still shown")

        before = set(groups)
        home.run("destroy", "demo", "--confirm", "demo")
        check(not list(clusters.list()), "Microsoft's client still sees a cluster")
        check(not {group, theirs.node_resource_group} & groups_of(azure).keys(), f"left of {sorted(before)}: {sorted(groups_of(azure))}")
        try:
            clusters.get(group, "demo")
            check(False, "a cluster that is gone was shown")
        except ResourceNotFoundError as error:
            check(error.error.code in ("ResourceNotFound", "ResourceGroupNotFound"), f"{error}")
        home.close()
        return f"{compared} objects compared"


# ---- az


def az_itself(binary):
    """az signs in to the sandbox, lists, shows, makes, hands out credentials for, and deletes clusters, and sees what `status` says."""
    if not shutil.which("az"):
        raise Skipped("az is not installed")
    home = Home(binary)
    (home.path / "cluster.yaml").write_text(SPEC)

    def az(*words, parse=True):
        environment = {**home.environment(), "AZURE_CONFIG_DIR": str(home.path / "az"), "REQUESTS_CA_BUNDLE": home.extra["SSL_CERT_FILE"], "AZURE_CORE_COLLECT_TELEMETRY": "false"}
        done = subprocess.run(["az", *words, "-o", "json"], env=environment, cwd=home.path, stdin=subprocess.DEVNULL, capture_output=True, timeout=300)
        check(done.returncode == 0, f"az {' '.join(words)}: {done.stderr.decode()[-2000:]}")
        return json.loads(done.stdout or b"null") if parse else None

    with sandbox(home, speed=SPEED):
        home.run("provision", "-f", "cluster.yaml", "--yes")
        env = home.extra
        cloud = next((home.path / "kw").rglob("azure-cloud.json"))
        az("cloud", "register", "--name", "KubewrightSandbox", "--cloud-config", f"@{cloud}")
        az("cloud", "set", "--name", "KubewrightSandbox")
        az("login", "--service-principal", "-u", env["AZURE_CLIENT_ID"], "-p", env["AZURE_CLIENT_SECRET"], "--tenant", env["AZURE_TENANT_ID"])
        ours = home.json("status", "demo")["clusters"][0]
        [theirs] = az("aks", "list")
        check((theirs["provisioningState"], theirs["name"]) == (ours["cloudStatus"], "demo"), f"{theirs['provisioningState']} and {ours['cloudStatus']}")
        check(theirs["currentKubernetesVersion"].startswith(ours["version"]), "versions differ")
        shown = az("aks", "show", "-g", theirs["resourceGroup"], "-n", "demo")
        check([(pool["vmSize"], pool["count"]) for pool in shown["agentPoolProfiles"]] == [(pool["instanceType"], pool["desired"]) for pool in ours["nodePools"]], "pools differ")
        az("aks", "get-credentials", "-g", theirs["resourceGroup"], "-n", "demo", "-f", str(home.path / "theirs.yaml"), parse=False)
        [server] = re.findall(r"server: (https://\S+)", (home.path / "theirs.yaml").read_text())
        check(place_in(server) == place(ours), f"server: {server} and {place(ours)}")
        az("group", "create", "-n", "theirs", "-l", REGION)
        az("aks", "create", "-g", "theirs", "-n", "theirs", "--node-count", "1", "--node-vm-size", "Standard_D2as_v5", "--no-ssh-key")
        other = one(home.json("status", "--all")["clusters"], "theirs")
        check(other["managedBy"] == "other", f"{other}")
        az("aks", "delete", "-g", "theirs", "-n", "theirs", "--yes")
        az("group", "delete", "-n", "theirs", "--yes")
        home.run("destroy", "demo", "--confirm", "demo")
        check(az("aks", "list") == [], "az still sees a cluster")
        home.close()
        return "13 commands of az"


def aks_kubectl(binary):
    """kubectl reads an AKS cluster through the kubeconfig that provision wrote and our plugin, and nothing stays of it."""
    return kubectl.reads_ours(binary, SPEC)


CHECKS = (planted_azure, planted_in_templates, azure_descriptions, azure_recorded, azure_clients, az_itself, aks_kubectl)
