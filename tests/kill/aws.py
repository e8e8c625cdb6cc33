"""The AWS half of the kill matrix: somebody else at work in the same account, by plain signed requests, so that nothing of
ours makes what must survive us."""

import datetime
import hashlib
import hmac
import json
import re
import urllib.error
import urllib.parse
import urllib.request

VERSIONS = {"ec2": "2016-11-15", "iam": "2010-05-08"}
REGION = "us-east-1"
PLACE = ("--provider", "aws", "--region", REGION)
SPEC = f"""\
apiVersion: kubewright/v1
kind: Cluster
name: demo
provider: aws
region: {REGION}
network: {{ nat: per-zone }}
"""
# Kind and state of the first thing of ours whose marks can be taken away.
MARKED = {("vpc", "available"), ("vpc", "pending")}
TRUST = '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"%s"},"Action":"sts:AssumeRole"}]}'


class Account:
    """Talks to an AWS endpoint with the keys of this environment."""

    def __init__(self, env):
        self.url, self.key, self.secret = env["AWS_ENDPOINT_URL"], env["AWS_ACCESS_KEY_ID"], env["AWS_SECRET_ACCESS_KEY"]

    def query(self, service, action, **params):
        """A call of the query protocols; the reply as text."""
        form = {"Action": action, "Version": VERSIONS[service], **params}
        body = urllib.parse.urlencode(form).encode()
        return self._send(service, "POST", "/", body, "application/x-www-form-urlencoded; charset=utf-8").decode()

    def rest(self, service, method, path, body=None):
        """A call of the REST protocols; the reply decoded."""
        sent = b"" if body is None else json.dumps(body).encode()
        return json.loads(self._send(service, method, path, sent, "application/json") or b"{}")

    def _send(self, service, method, path, body, content_type):
        now = datetime.datetime.now(datetime.timezone.utc).strftime("%Y%m%dT%H%M%SZ")
        digest = hashlib.sha256(body).hexdigest()
        headers = {"content-type": content_type, "host": urllib.parse.urlsplit(self.url).netloc, "x-amz-content-sha256": digest, "x-amz-date": now}
        names = ";".join(headers)
        lines = "".join(f"{name}:{value}\n" for name, value in headers.items())
        canonical = f"{method}\n{path}\n\n{lines}\n{names}\n{digest}"
        scope = f"{now[:8]}/{REGION}/{service}/aws4_request"
        text = f"AWS4-HMAC-SHA256\n{now}\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
        key = f"AWS4{self.secret}".encode()
        for part in scope.split("/"):
            key = hmac.digest(key, part.encode(), "sha256")
        signature = hmac.new(key, text.encode(), "sha256").hexdigest()
        headers["authorization"] = f"AWS4-HMAC-SHA256 Credential={self.key}/{scope}, SignedHeaders={names}, Signature={signature}"
        request = urllib.request.Request(self.url + path, data=body, headers=headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=60) as reply:
                return reply.read()
        except urllib.error.HTTPError as error:
            raise RuntimeError(f"{service} {method} {path}: {error.code} {error.read().decode()[:300]}") from None


def tagged(sort, tags):
    """`TagSpecification` parameters of a creating EC2 call."""
    params = {"TagSpecification.1.ResourceType": sort}
    for nth, (key, value) in enumerate(tags.items(), 1):
        params |= {f"TagSpecification.1.Tag.{nth}.Key": key, f"TagSpecification.1.Tag.{nth}.Value": value}
    return params


def field(reply, name):
    """The text of the first element of this name."""
    found = re.search(f"<{name}>([^<]*)</{name}>", reply)
    if not found:
        raise RuntimeError(f"no {name} in {reply[:300]}")
    return found.group(1)


def plant_decoys(account, pass_time):
    """Things of somebody else that look like ours: our names, our marks in part, another stack's marks in full."""
    lag, build = 30, 1200  # seconds until everybody sees a new thing, and until a control plane stands
    stranger = {"Name": "demo", "cluster_name": "demo", "created_by": "kubewright"}
    no_id = {**stranger, "kubewright-stack": "demo", "kubewright-step": "network__vpc"}
    other_id = {**stranger, "kubewright-stack": "demo-ffffffff", "kubewright-step": "nodes__pool__default"}
    other_name = {"kubewright-stack": "demo-two-ffffffff", "kubewright-step": "cluster"}
    owned = {"kubernetes.io/cluster/demo": "owned", "eks:cluster-name": "demo"}

    def ec2(action, sort, tags, **params):
        return account.query("ec2", action, **params, **(tagged(sort, tags) if sort else {}))

    vpc = field(ec2("CreateVpc", "vpc", no_id, CidrBlock="10.0.0.0/16"), "vpcId")
    pass_time(lag)
    subnets = [
        field(ec2("CreateSubnet", "subnet", no_id, VpcId=vpc, CidrBlock=f"10.0.{nth}.0/24", AvailabilityZone=f"us-east-1{zone}"), "subnetId")
        for nth, zone in enumerate("ab")
    ]
    pass_time(lag)
    gateway = field(ec2("CreateInternetGateway", "internet-gateway", no_id), "internetGatewayId")
    pass_time(lag)
    ec2("AttachInternetGateway", None, {}, VpcId=vpc, InternetGatewayId=gateway)
    group = field(
        ec2("CreateSecurityGroup", "security-group", owned, VpcId=vpc, GroupName="k8s-elb-demo", GroupDescription="Security group for Kubernetes ELB"),
        "groupId",
    )
    pass_time(lag)
    ec2("CreateNetworkInterface", "network-interface", {**owned, **other_id}, SubnetId=subnets[0], **{"SecurityGroupId.1": group, "Description": "aws-K8S-i-0ffffffffffffffff"})
    ec2("CreateVolume", "volume", {**owned, "kubernetes.io/created-for/pvc/name": "data"}, AvailabilityZone="us-east-1a", Size=10, VolumeType="gp3")
    ec2("CreateVolume", "volume", other_id, AvailabilityZone="us-east-1b", Size=1, VolumeType="gp3")
    ec2("AllocateAddress", "elastic-ip", {**no_id, "kubewright-step": "network__nat__a__address"}, Domain="vpc")
    ec2("CreateLaunchTemplate", "launch-template", no_id, LaunchTemplateName="kw-demo-ffffffff-pool-default", **{"LaunchTemplateData.InstanceType": "m6a.large"})

    def role(name, path, service, tags):
        marks = {}
        for nth, (key, value) in enumerate(tags.items(), 1):
            marks |= {f"Tags.member.{nth}.Key": key, f"Tags.member.{nth}.Value": value}
        made = account.query("iam", "CreateRole", RoleName=name, Path=path, AssumeRolePolicyDocument=TRUST % service, **marks)
        return field(made, "Arn")

    role("kw-demo-cluster", "/kubewright/", "eks.amazonaws.com", no_id)
    role("kw-demo-ffffffff-node", "/", "ec2.amazonaws.com", other_id)
    cluster = role("kw-demo-two-ffffffff-cluster", "/kubewright/", "eks.amazonaws.com", other_name)
    account.query("iam", "AttachRolePolicy", RoleName="kw-demo-two-ffffffff-cluster", PolicyArn="arn:aws:iam::aws:policy/AmazonEKSClusterPolicy")
    pass_time(lag)
    config = {"subnetIds": subnets}
    account.rest("eks", "POST", "/clusters", {"name": "demo-two", "roleArn": cluster, "tags": other_name, "resourcesVpcConfig": config})
    pass_time(build)


def witness(_):
    """Nothing beyond what `sandbox show` lists."""
    return {}


# ---- the harm that the negative controls do: (account, judge, sandbox)


def orphan(account, *_):
    account.query("ec2", "CreateVolume", AvailabilityZone="us-east-1a", Size=1, VolumeType="gp3")


def duplicate(account, judge, sandbox):
    first = next(thing for thing in judge.ours(sandbox.show()) if thing["kind"] == "elastic-ip")
    account.query("ec2", "AllocateAddress", Domain="vpc", **tagged("elastic-ip", first["tags"]))


def deleted(account, judge, _):
    account.query("ec2", "DeleteVolume", VolumeId=judge.foreign_one("volume")["id"])


def retagged(account, judge, _):
    account.query("ec2", "CreateTags", **{"ResourceId.1": judge.foreign_one("vpc")["id"], "Tag.1.Key": "Name", "Tag.1.Value": "mine"})


HARMS = {"orphan": orphan, "duplicate": duplicate, "deleted": deleted, "retagged": retagged}
MORE_HARM = {}


def unmark(account, thing):
    account.query("ec2", "DeleteTags", **{"ResourceId.1": thing["id"]})
