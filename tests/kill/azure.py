"""The Azure half of the kill matrix: somebody else at work in the same subscription, by plain requests, so that nothing of
ours makes what must survive us."""

import json
import ssl
import urllib.error
import urllib.parse
import urllib.request

REGION = "eastus"
PLACE = ("--provider", "azure", "--region", REGION)
SPEC = f"""\
apiVersion: kubewright/v1
kind: Cluster
name: demo
provider: azure
region: {REGION}
"""
LAG, BUILD = 60, 1500  # seconds until everybody sees a new thing, and until a control plane stands
VERSIONS = {"network": "2025-03-01", "containerservice": "2025-10-01", "managedidentity": "2024-11-30", "authorization": "2022-04-01", "compute": "2025-01-02", "resources": "2025-04-01"}
NETWORK_CONTRIBUTOR = "4d97b98b-1d4f-4787-a291-c67834d212e7"


class Account:
    """Talks to the Resource Manager with the credentials of this environment."""

    def __init__(self, env):
        self.url, self.subscription = env["KUBEWRIGHT_ARM_ENDPOINT"].rstrip("/"), env["AZURE_SUBSCRIPTION_ID"]
        self.tls = ssl.create_default_context(cafile=env["SSL_CERT_FILE"])
        form = {"grant_type": "client_credentials", "client_id": env["AZURE_CLIENT_ID"], "client_secret": env["AZURE_CLIENT_SECRET"], "scope": "https://management.azure.com/.default"}
        url = f"{env['AZURE_AUTHORITY_HOST'].rstrip('/')}/{env['AZURE_TENANT_ID']}/oauth2/v2.0/token"
        with urllib.request.urlopen(urllib.request.Request(url, data=urllib.parse.urlencode(form).encode()), timeout=60, context=self.tls) as reply:
            self.token = json.load(reply)["access_token"]

    def call(self, method, path, body=None):
        """A call inside the subscription; the reply decoded."""
        service = "resources" if path.endswith("/register") or "/providers/" not in path else path.lower().rsplit("/providers/microsoft.", 1)[1].split("/")[0]
        url = f"{self.url}/subscriptions/{self.subscription}{path}?api-version={VERSIONS[service]}"
        sent = None if body is None else json.dumps(body).encode()
        headers = {"authorization": f"Bearer {self.token}", "content-type": "application/json"}
        try:
            with urllib.request.urlopen(urllib.request.Request(url, data=sent, headers=headers, method=method), timeout=60, context=self.tls) as reply:
                return json.loads(reply.read() or b"{}")
        except urllib.error.HTTPError as error:
            raise RuntimeError(f"{method} {path}: {error.code} {error.read().decode()[:600]}") from None


# A group called as ours are, with another id; one of the people next door; one called as AKS would call ours.
GROUP, NEIGHBOURS, NODES = "/resourcegroups/kw-demo-ffffffff", "/resourcegroups/demo", "/resourcegroups/MC_demo_demo_eastus"
NET = f"{GROUP}/providers/Microsoft.Network/virtualNetworks/kw-demo-ffffffff-network"
ADDRESS = f"{GROUP}/providers/Microsoft.Network/publicIPAddresses/kw-demo-ffffffff-nat"
NAT = f"{GROUP}/providers/Microsoft.Network/natGateways/kw-demo-ffffffff-nat"
IDENTITY = f"{GROUP}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/kw-demo-ffffffff-cluster"
CLAIM = f"{NODES}/providers/Microsoft.Compute/disks/pvc-0a1b2c3d-0000-4000-8000-00000000ffff"
DISK = f"{NEIGHBOURS}/providers/Microsoft.Compute/disks/kw-demo-ffffffff-data"
CLUSTER = f"{NEIGHBOURS}/providers/Microsoft.ContainerService/managedClusters/demo-two"
ASSIGNMENT = f"{NET}/subnets/nodes/providers/Microsoft.Authorization/roleAssignments/ffffffff-0000-4000-8000-00000000ffff"


def plant_decoys(account, pass_time):
    """Things of somebody else that look like ours: our names, our marks in part, another stack's marks in full."""
    stranger = {"cluster_name": "demo", "created_by": "kubewright"}
    no_id = {**stranger, "kubewright-stack": "demo", "kubewright-step": "group"}
    # In full only another stack's: a stack of our name is one, however little of it is left, and is never built over.
    neighbour = {**stranger, "kubewright-stack": "demo-two-ffffffff", "kubewright-step": "nodes__pool__default"}
    other_name = {"kubewright-stack": "demo-two-ffffffff", "kubewright-step": "cluster"}
    owned = {"aks-managed-cluster-name": "demo", "aks-managed-cluster-rg": "demo", "kubernetes.io-created-for-pvc-name": "data"}

    def make(path, body, seconds=LAG):
        made = account.call("PUT", path, {"location": REGION, **body} if body is not None else body)
        pass_time(seconds)
        return made

    # A new subscription has none of them registered.
    for namespace in ("ContainerService", "Network", "Compute", "ManagedIdentity"):
        account.call("POST", f"/providers/Microsoft.{namespace}/register")
    pass_time(10 * LAG)
    make(GROUP, {"tags": neighbour})
    make(NEIGHBOURS, {"tags": no_id})
    make(NODES, {"tags": owned})
    make(ADDRESS, {"sku": {"name": "Standard"}, "properties": {"publicIPAllocationMethod": "Static"}, "tags": no_id})
    whole = f"/subscriptions/{account.subscription}"
    make(NAT, {"sku": {"name": "Standard"}, "properties": {"publicIpAddresses": [{"id": whole + ADDRESS}]}, "tags": no_id})
    subnet = {"name": "nodes", "properties": {"addressPrefix": "10.224.0.0/16", "defaultOutboundAccess": False, "natGateway": {"id": whole + NAT}}}
    make(NET, {"properties": {"addressSpace": {"addressPrefixes": ["10.224.0.0/12"]}, "subnets": [subnet]}, "tags": {**neighbour, "mine": "yes"}})
    identity = make(IDENTITY, {"tags": no_id}, 10 * LAG)
    role = f"{whole}/providers/Microsoft.Authorization/roleDefinitions/{NETWORK_CONTRIBUTOR}"
    account.call("PUT", ASSIGNMENT, {"properties": {"roleDefinitionId": role, "principalId": identity["properties"]["principalId"], "principalType": "ServicePrincipal"}})
    make(CLAIM, {"sku": {"name": "StandardSSD_LRS"}, "properties": {"diskSizeGB": 20, "creationData": {"createOption": "Empty"}}, "tags": owned})
    make(DISK, {"sku": {"name": "StandardSSD_LRS"}, "properties": {"diskSizeGB": 4, "creationData": {"createOption": "Empty"}}, "tags": neighbour})
    pool = {"name": "default", "mode": "System", "count": 1, "vmSize": "Standard_D2as_v5"}
    properties = {"dnsPrefix": "demo-two", "agentPoolProfiles": [pool]}
    make(CLUSTER, {"identity": {"type": "SystemAssigned"}, "properties": properties, "tags": other_name}, BUILD)


def witness(account):
    """What the Resource Manager says of it."""
    paths = (GROUP, NEIGHBOURS, NODES, NET, ADDRESS, NAT, IDENTITY, ASSIGNMENT, CLAIM, DISK, CLUSTER)
    return {path.rsplit("/", 1)[1] if path.count("/") < 4 else "/".join(path.split("/")[-2:]): account.call("GET", path) for path in paths}


# ---- the harm that the negative controls do: (account, judge, sandbox)


def orphan(account, _, sandbox):
    path = f"{NEIGHBOURS}/providers/Microsoft.Compute/disks/forgotten"
    account.call("PUT", path, {"location": REGION, "sku": {"name": "StandardSSD_LRS"}, "properties": {"diskSizeGB": 4, "creationData": {"createOption": "Empty"}}})
    sandbox.pass_time(LAG)


def duplicate(account, judge, sandbox):
    """A second network of the same stack."""
    ours = next(thing for thing in judge.ours(sandbox.show()) if thing["kind"] == "virtualNetworks")
    body = {"location": REGION, "tags": ours["tags"], "properties": {"addressSpace": {"addressPrefixes": ["10.9.0.0/16"]}}}
    account.call("PUT", f"{ours['id'].split(account.subscription, 1)[1]}-2", body)
    sandbox.pass_time(LAG)


def deleted(account, _, sandbox):
    account.call("DELETE", DISK)
    sandbox.pass_time(LAG)


def retagged(account, _, sandbox):
    account.call("PATCH", DISK, {"tags": {"mine": "yes"}})
    sandbox.pass_time(LAG)


def emptied(account, _, sandbox):
    """Somebody's network loses its subnets' gateway, as one that is written over does it."""
    network = account.call("GET", NET)
    subnet = {"name": "nodes", "properties": {"addressPrefix": "10.224.0.0/16", "defaultOutboundAccess": False}}
    body = {"location": REGION, "tags": network["tags"], "properties": {"addressSpace": network["properties"]["addressSpace"], "subnets": [subnet]}}
    account.call("PUT", NET, body)
    sandbox.pass_time(LAG)


HARMS = {"orphan": orphan, "duplicate": duplicate, "deleted": deleted, "retagged": retagged}
MORE_HARM = {"a foreign network written over": emptied}

# Kind and state of the first thing of ours whose marks can be taken away.
MARKED = {("resourceGroups", "Succeeded")}


def unmark(account, thing):
    account.call("PATCH", thing["id"].split(account.subscription, 1)[1], {"tags": {}})
