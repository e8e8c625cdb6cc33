"""The pretend cloud as a judge sees it: what is somebody else's, what is ours, and whether both are as they must be.

Nothing here asks kubewright what it thinks it did: only `sandbox show` and the state before the first command count.
"""

import collections

from aws import field, tagged

TRUST = '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"%s"},"Action":"sts:AssumeRole"}]}'


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


def things(shown):
    """What stands, by what it is. Tombstones, which the cloud lists for an hour, do not count; what belongs to the
    account from the start is none of anybody's."""
    made = [thing for thing in shown["objects"] if thing["createdBy"] != "builtin"]
    made = [thing for thing in made if thing["state"].lower() not in ("terminated", "deleted")]
    return {(thing["service"], thing["kind"], thing["id"]): thing for thing in made}


class Judge:
    """Knows what was there before the first command, and what an undisturbed build makes."""

    def __init__(self, before):
        self.foreign = things(before)
        self.golden = None

    def ours(self, shown):
        return [thing for key, thing in things(shown).items() if key not in self.foreign]

    def shape(self, shown):
        """Our part of the world without ids: what kinds there are, how many, made by which step."""
        def key(thing):
            step = thing.get("tags", {}).get("kubewright-step", "")
            return (thing["service"], thing["kind"], step, thing["createdBy"], thing["state"])

        return collections.Counter(key(thing) for thing in self.ours(shown))

    def foreign_stands(self, shown):
        """Every foreign object is there, and in nothing different."""
        now = things(shown)
        for key, thing in self.foreign.items():
            if key not in now:
                raise RuntimeError(f"foreign {'/'.join(key)} is gone")
            if now[key] != thing:
                changed = [name for name in thing if thing[name] != now[key].get(name)]
                raise RuntimeError(f"foreign {'/'.join(key)} was changed: {', '.join(changed) or 'more fields'}")

    def nothing_left(self, shown):
        """After a destroy."""
        self.foreign_stands(shown)
        left = self.ours(shown)
        if left:
            names = [f"{thing['service']}/{thing['kind']} {thing['id']}" for thing in left]
            raise RuntimeError(f"{len(left)} objects left: {', '.join(names)}")

    def as_undisturbed(self, shown):
        """After a build that was interrupted and continued."""
        self.foreign_stands(shown)
        have = self.shape(shown)
        if have != self.golden:
            raise RuntimeError(f"resumed world differs: more {dict(have - self.golden)} less {dict(self.golden - have)}")
