"""Runs every peer check and counts. A check is a function; what it needs and cannot have makes it skipped, by name."""

import argparse
import collections
import os
import signal
import sys
import time
import traceback
import urllib.parse

import boto3

import aks
import doors
import gke
import kubectl
import models
import tables
from order import check_order
from support import BIN, Failed, Home, Recorder, Server, Skipped, answers, build, check, free_port, recorded, sandbox

PLACE = ("--provider", "aws", "--region", "us-east-1")
# What moto has no operation for stays out of the spec: add-ons, the extra access entry, the version list.
MOTO_SPEC = """\
apiVersion: kubewright/v1
kind: Cluster
name: demo
provider: aws
region: us-east-1
version: "1.35"
network: { nat: single }
aws: { addons: [], accessEntry: false }
"""
SPEC = """\
apiVersion: kubewright/v1
kind: Cluster
name: demo
provider: aws
region: us-east-1
"""


def calls(exchanges):
    """(operation, mutating, exchange) for every AWS exchange."""
    found = []
    for exchange in exchanges:
        op = models.operation(exchange)
        if op:
            found.append((op[1].name, models.mutates(op[1].name), exchange))
    return found


def mutations(exchanges):
    return [name for name, mutating, _ in calls(exchanges) if mutating]


def moto(home):
    port = free_port()
    env = {**os.environ, "MOTO_IAM_LOAD_MANAGED_POLICIES": "true"}
    command = [str(BIN / "moto_server"), "-H", "127.0.0.1", "-p", str(port)]
    return port, Server(command, home.path / "moto.log", answers(port), env=env)


def use(home, url):
    home.extra.update(
        AWS_ENDPOINT_URL=url, AWS_ACCESS_KEY_ID="AKIAPEERS00000000000", AWS_SECRET_ACCESS_KEY="peers-secret-canary",
        AWS_REGION="us-east-1", AWS_EC2_METADATA_DISABLED="true",
    )
    (home.path / "cluster.yaml").write_text(MOTO_SPEC)


def client(port, service):
    return boto3.client(
        service, endpoint_url=f"http://127.0.0.1:{port}", region_name="us-east-1",
        aws_access_key_id="AKIAPEERS00000000000", aws_secret_access_key="peers-secret-canary",
    )


def moto_left(port):
    """Ids of everything that carries our stack tag, by boto3, tombstones aside."""
    ec2, iam, eks = client(port, "ec2"), client(port, "iam"), client(port, "eks")
    by_tag = [{"Name": "tag-key", "Values": ["kubewright-stack"]}]
    left = [vpc["VpcId"] for vpc in ec2.describe_vpcs(Filters=by_tag)["Vpcs"]]
    left += [subnet["SubnetId"] for subnet in ec2.describe_subnets(Filters=by_tag)["Subnets"]]
    left += [gateway["InternetGatewayId"] for gateway in ec2.describe_internet_gateways(Filters=by_tag)["InternetGateways"]]
    left += [address["AllocationId"] for address in ec2.describe_addresses(Filters=by_tag)["Addresses"]]
    left += [table["RouteTableId"] for table in ec2.describe_route_tables(Filters=by_tag)["RouteTables"]]
    left += [group["GroupId"] for group in ec2.describe_security_groups(Filters=by_tag)["SecurityGroups"]]
    left += [template["LaunchTemplateId"] for template in ec2.describe_launch_templates(Filters=by_tag)["LaunchTemplates"]]
    left += [endpoint["VpcEndpointId"] for endpoint in ec2.describe_vpc_endpoints(Filters=by_tag)["VpcEndpoints"] if endpoint["State"] != "deleted"]
    left += [nat["NatGatewayId"] for nat in ec2.describe_nat_gateways(Filters=by_tag)["NatGateways"] if nat["State"] != "deleted"]
    left += [role["RoleName"] for role in iam.list_roles(PathPrefix="/kubewright/")["Roles"]]
    left += eks.list_clusters()["clusters"]
    return left


def plant_decoys(port):
    """Foreign things with our names and near-tags; returns what must be untouched at the end."""
    ec2, iam = client(port, "ec2"), client(port, "iam")
    tags = [{"Key": "kubewright-stack", "Value": "demo-00000000"}, {"Key": "Name", "Value": "demo"}, {"Key": "cluster_name", "Value": "demo"}]
    vpc = ec2.create_vpc(CidrBlock="10.99.0.0/16", TagSpecifications=[{"ResourceType": "vpc", "Tags": tags[1:]}])["Vpc"]["VpcId"]
    near = ec2.create_vpc(CidrBlock="10.98.0.0/16", TagSpecifications=[{"ResourceType": "vpc", "Tags": [{"Key": "kubewright-stack", "Value": "demo"}]}])["Vpc"]["VpcId"]
    volume = ec2.create_volume(AvailabilityZone="us-east-1a", Size=1, TagSpecifications=[{"ResourceType": "volume", "Tags": [{"Key": "kubernetes.io/cluster/demo", "Value": "owned"}]}])["VolumeId"]
    trust = '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"eks.amazonaws.com"},"Action":"sts:AssumeRole"}]}'
    iam.create_role(RoleName="kw-demo-cluster", AssumeRolePolicyDocument=trust)
    return vpc, near, volume


def decoys_stand(port, decoys):
    ec2, iam = client(port, "ec2"), client(port, "iam")
    vpc, near, volume = decoys
    check({found["VpcId"] for found in ec2.describe_vpcs(VpcIds=[vpc, near])["Vpcs"]} == {vpc, near}, "a foreign VPC was touched")
    check(ec2.describe_volumes(VolumeIds=[volume])["Volumes"], "a foreign volume was touched")
    iam.get_role(RoleName="kw-demo-cluster")


def moto_lifecycle(binary):
    """moto: provision, status, again, destroy; order of the teardown; boto3 finds nothing of ours, decoys untouched."""
    home = Home(binary)
    port, server = moto(home)
    with server, Recorder(f"http://127.0.0.1:{port}") as proxy:
        use(home, proxy.url)
        decoys = plant_decoys(port)
        foreign = moto_left(port)
        made = home.json("provision", "-f", "cluster.yaml", "--yes", "--wait", "cloud")
        sent = len(mutations(proxy.exchanges))
        check(made["outcome"] == "created", f"outcome {made['outcome']}")
        check(made["mutatingCalls"] == sent, f"engine counted {made['mutatingCalls']} mutating calls, the proxy {sent}")
        seen = home.json("status", "demo")["clusters"][0]
        check(seen["cloudStatus"] == "ACTIVE", f"status says {seen['cloudStatus']}")
        before = len(proxy.exchanges)
        again = home.json("provision", "-f", "cluster.yaml", "--yes", "--wait", "cloud")
        check(again["outcome"] == "unchanged" and again["mutatingCalls"] == 0, "a second provision was not `unchanged`")
        check(not mutations(proxy.exchanges[before:]), "a second provision sent mutating calls")
        before = len(proxy.exchanges)
        gone = home.json("destroy", "demo", "--confirm", "demo")
        check(gone["outcome"] == "destroyed" and not gone["remaining"], f"destroy: {gone}")
        rules = check_order([(name, role_of(exchange)) for name, mutating, exchange in calls(proxy.exchanges[before:]) if mutating and exchange.status < 300])
        check(moto_left(port) == foreign, f"left: {set(moto_left(port)) - set(foreign)}")
        decoys_stand(port, decoys)
        return f"{sent} mutating calls to build, {rules} rules of order held"


def role_of(exchange):
    return dict(urllib.parse.parse_qsl(exchange.body.decode(errors="replace"))).get("RoleName")


def moto_kill_and_continue(binary):
    """moto: killed at several moments, continued; then destroyed; one of each kind, nothing left."""
    home = Home(binary)
    port, server = moto(home)
    with server, Recorder(f"http://127.0.0.1:{port}") as proxy:
        use(home, proxy.url)
        kills = 0
        for target in (4, 11, 19, 27):
            process = home.start("provision", "-f", "cluster.yaml", "--yes", "--wait", "cloud")
            end = time.monotonic() + 120
            while process.poll() is None and len(mutations(proxy.exchanges)) < target:
                check(time.monotonic() < end, f"never came to {target} mutating calls")
                time.sleep(0.02)
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                kills += 1
            process.communicate()
        check(kills >= 3, f"only {kills} kills hit a running build")
        done = home.json("provision", "-f", "cluster.yaml", "--yes", "--wait", "cloud")
        check(done["outcome"] in ("resumed", "unchanged"), f"outcome {done['outcome']}")
        ec2 = client(port, "ec2")
        by_tag = [{"Name": "tag-key", "Values": ["kubewright-stack"]}]
        counts = {
            "VPC": len(ec2.describe_vpcs(Filters=by_tag)["Vpcs"]),
            "internet gateway": len(ec2.describe_internet_gateways(Filters=by_tag)["InternetGateways"]),
            "address": len(ec2.describe_addresses(Filters=by_tag)["Addresses"]),
            "NAT gateway": len([nat for nat in ec2.describe_nat_gateways(Filters=by_tag)["NatGateways"] if nat["State"] != "deleted"]),
        }
        check(set(counts.values()) == {1}, f"doubled or missing: {counts}")
        home.run("destroy", "demo", "--confirm", "demo")
        check(not moto_left(port), f"left: {moto_left(port)}")
        return f"{kills} kills"


def moto_destroy_from_tags(binary):
    """moto: the journal is deleted; destroy finds everything by its tags."""
    home = Home(binary)
    port, server = moto(home)
    with server, Recorder(f"http://127.0.0.1:{port}") as proxy:
        use(home, proxy.url)
        decoys = plant_decoys(port)
        foreign = moto_left(port)
        home.run("provision", "-f", "cluster.yaml", "--yes", "--wait", "cloud")
        home.forget_journals()
        home.run("provision", "-f", "cluster.yaml", "--yes", "--wait", "cloud", code=8)
        home.run("destroy", "demo", "--confirm", "demo", *PLACE)
        check(moto_left(port) == foreign, f"left: {set(moto_left(port)) - set(foreign)}")
        decoys_stand(port, decoys)


def sandbox_replies(binary):
    """botocore: every reply of the sandbox in a whole life cycle fits the vendor's service models; the two counts of mutating calls agree."""
    home = Home(binary)
    (home.path / "cluster.yaml").write_text(SPEC)
    with sandbox(home):
        with Recorder(home.extra["AWS_ENDPOINT_URL"]) as proxy:
            home.extra["AWS_ENDPOINT_URL"] = proxy.url
            made = home.json("provision", "-f", "cluster.yaml", "--yes")
            sent = len(mutations(proxy.exchanges))
            check(made["mutatingCalls"] == sent, f"engine counted {made['mutatingCalls']} mutating calls, the proxy {sent}")
            home.run("status", "demo")
            home.run("destroy", "demo", "--confirm", "demo")
            wrong, kinds = set(), set()
            for exchange in proxy.exchanges:
                op = models.operation(exchange)
                if op:
                    kinds.add((op[0], op[1].name))
                    wrong.update(models.problems(exchange, *op))
            check(not wrong, f"{len(wrong)} misfits:\n  " + "\n  ".join(sorted(wrong)[:40]))
            check(len(kinds) > 40, f"only {len(kinds)} operations were seen")
            return f"{len(kinds)} operations, {len(proxy.exchanges)} replies"


def aws_recorded(binary):
    """botocore's models over every reply that the tests recorded in KUBEWRIGHT_SANDBOX_RECORD."""
    place = os.environ.get("KUBEWRIGHT_SANDBOX_RECORD")
    if not place:
        raise Skipped("KUBEWRIGHT_SANDBOX_RECORD names no records")
    wrong, kinds, replies = set(), set(), 0
    for cloud, exchange in recorded(place):
        # What another client sends may be no operation at all; a token is not kept.
        if cloud != "aws" or exchange.body is None or not exchange.headers.get("user-agent", "").startswith("aws-sdk-rust"):
            continue
        op = models.operation(exchange)
        kinds.add((op[0], op[1].name))
        if exchange.status:
            replies += 1
            wrong.update(models.problems(exchange, *op))
    check(replies, "no test asked anything of AWS")
    check(not wrong, f"{len(wrong)} misfits:\n  " + "\n  ".join(sorted(wrong)[:40]))
    return f"{len(kinds)} operations, {replies} replies"


def planted_misfit(binary):
    """Negative control: a reply with an element that no model knows, and one with a missing member, are found."""
    from support import Exchange

    auth = {"authorization": "AWS4-HMAC-SHA256 Credential=A/20260101/us-east-1/ec2/aws4_request, x"}
    body = b"Action=DescribeVpcs&Version=2016-11-15"
    good = b"<DescribeVpcsResponse><requestId>r</requestId><vpcSet><item><vpcId>vpc-1</vpcId></item></vpcSet></DescribeVpcsResponse>"
    bad = good.replace(b"vpcId>", b"vpcIdd>")
    for reply, misfits in ((good, 0), (bad, 1)):
        exchange = Exchange("POST", "/", auth, body, 200, {}, reply)
        check(len(models.problems(exchange, *models.operation(exchange))) == misfits, "the validator does not see what it must")


def aws_cli(binary):
    """aws CLI: its describes of the sandbox's world agree with `status` and `sandbox show`."""
    import json
    import subprocess

    cli = BIN / "aws"
    home = Home(binary)
    (home.path / "cluster.yaml").write_text(SPEC)

    def aws(*words):
        done = subprocess.run([str(cli), *words, "--output", "json"], env={**home.environment(), "AWS_PAGER": ""}, capture_output=True, timeout=120)
        check(done.returncode == 0, f"aws {' '.join(words)}: {done.stderr.decode()}")
        return json.loads(done.stdout or b"{}")

    with sandbox(home):
        home.run("provision", "-f", "cluster.yaml", "--yes")
        shown = home.json("sandbox", "show")
        status = home.json("status", "demo")["clusters"][0]
        ids = {}
        for thing in shown["objects"]:
            if thing["tags"].get("kubewright-stack"):
                ids.setdefault((thing["service"], thing["kind"]), set()).add(thing["id"])
        by_tag = ("--filters", "Name=tag-key,Values=kubewright-stack")
        compared = 0
        for words, field, key, kind in (
            (("describe-vpcs", *by_tag), "Vpcs", "VpcId", "vpc"),
            (("describe-subnets", *by_tag), "Subnets", "SubnetId", "subnet"),
            (("describe-internet-gateways", *by_tag), "InternetGateways", "InternetGatewayId", "internet-gateway"),
            (("describe-nat-gateways", "--filter", "Name=tag-key,Values=kubewright-stack"), "NatGateways", "NatGatewayId", "nat-gateway"),
            (("describe-route-tables", *by_tag), "RouteTables", "RouteTableId", "route-table"),
            (("describe-addresses", *by_tag), "Addresses", "AllocationId", "elastic-ip"),
            (("describe-launch-templates", *by_tag), "LaunchTemplates", "LaunchTemplateId", "launch-template"),
        ):
            have = {row[key] for row in aws("ec2", *words)[field]}
            want = ids.get(("ec2", kind), set())
            check(have == want, f"{words[0]}: the CLI sees {sorted(have)}, the sandbox holds {sorted(want)}")
            check(have, f"{words[0]}: nothing compared")
            compared += len(have)
        cluster = aws("eks", "describe-cluster", "--name", "demo")["cluster"]
        check(cluster["status"] == status["cloudStatus"], "status and the CLI differ about the cluster")
        check(cluster["version"] == status["version"], "status and the CLI differ about the version")
        pools = aws("eks", "list-nodegroups", "--cluster-name", "demo")["nodegroups"]
        check(len(pools) == len(status["nodePools"]), "status and the CLI differ about the pools")
        group = aws("eks", "describe-nodegroup", "--cluster-name", "demo", "--nodegroup-name", pools[0])["nodegroup"]
        check(group["scalingConfig"]["desiredSize"] == status["nodePools"][0]["desired"], "status and the CLI differ about the nodes")
        running = aws("ec2", "describe-instances", *by_tag, "Name=instance-state-name,Values=running")["Reservations"]
        check(sum(len(row["Instances"]) for row in running) == 2, "the CLI does not see two nodes")
        roles = aws("iam", "list-roles", "--path-prefix", "/kubewright/")["Roles"]
        check({role["RoleName"] for role in roles} == {thing["name"] for thing in shown["objects"] if thing["kind"] == "role" and thing["tags"].get("kubewright-stack")}, "roles differ")
        caller = aws("sts", "get-caller-identity")
        check(caller["Account"] == status["stack"]["account"], "accounts differ")
        for words in (("describe-availability-zones",), ("describe-security-groups",), ("describe-network-interfaces",), ("describe-volumes",), ("describe-instance-types", "--instance-types", "m6a.large")):
            aws("ec2", *words)
        for words in (("elbv2", "describe-load-balancers"), ("elb", "describe-load-balancers"), ("eks", "list-addons", "--cluster-name", "demo"), ("eks", "describe-cluster-versions")):
            aws(*words)
        home.run("destroy", "demo", "--confirm", "demo")
        check(not aws("ec2", "describe-vpcs", *by_tag)["Vpcs"], "the CLI still sees a VPC")
        return f"{compared + len(roles)} objects compared"


def tokens(binary):
    """botocore's signer agrees with our tokens; the aws CLI's token differs in nothing but time and signature."""
    home = Home(binary)
    agreed = doors.signatures_agree(home)
    home.extra.pop("AWS_SESSION_TOKEN", None)
    ours = doors.params_of(doors.url_of(doors.token_of(home, "--cluster", "demo", "--region", "us-east-1")))
    theirs = doors.params_of(doors.url_of(doors.aws_cli_token(home, "demo", "us-east-1")))
    for params in (ours, theirs):
        for varies in ("X-Amz-Date", "X-Amz-Signature"):
            check(params.pop(varies, None), f"{varies} is missing")
    check(ours == theirs, f"ours {ours}, the aws CLI's {theirs}")
    return f"{agreed} signatures"


def kubernetes_client(binary):
    """Python's Kubernetes client reads the nodes through the kubeconfig that provision wrote and the plugin it names."""
    home = Home(binary)
    (home.path / "cluster.yaml").write_text(SPEC)
    with sandbox(home):
        home.run("provision", "-f", "cluster.yaml", "--yes")
        seen = doors.nodes_seen(home)
        check(len(seen) == 2, f"it sees {seen}")
        home.run("destroy", "demo", "--confirm", "demo")
        return f"{len(seen)} nodes"


def kubectl_itself(binary):
    """kubectl reads through the kubeconfig that provision wrote and our plugin, runs Jobs, and writes beside us without loss."""
    program = kubectl.program()
    if not program:
        raise Skipped("kubectl could not be had")
    home = Home(binary)
    (home.path / "cluster.yaml").write_text(SPEC)
    kubectl.config(home).parent.mkdir()
    foreign = "apiVersion: v1\nkind: Config\nclusters:\n- cluster: {server: 'https://127.0.0.1:1'}   # mine\n  name: elsewhere\ncontexts:\n- context: {cluster: elsewhere, user: me}\n  name: elsewhere\ncurrent-context: elsewhere\nusers:\n- name: me\n  user: {token: abc}\n"
    kubectl.config(home).write_text(foreign)
    kubectl.config(home).chmod(0o600)
    with sandbox(home, "--pods", "local"):
        home.extra.pop("KUBECONFIG", None)
        home.run("provision", "-f", "cluster.yaml", "--yes")
        text = kubectl.config(home).read_text()
        check("{server: 'https://127.0.0.1:1'}   # mine" in text, "what was there was written anew")
        check(kubectl.run(program, home, "config", "current-context").strip() == "elsewhere", "the current context moved")
        home.run("kubeconfig", "demo", "--use")
        names, server = kubectl.reads(program, home)
        check(len(names) == 2, f"it sees {names}")
        ran = kubectl.runs_jobs(program, home)
        written = kubectl.at_once(program, home)
        home.run("kubeconfig", "demo", "--use")
        kubectl.reads(program, home)
        home.run("destroy", "demo", "--confirm", "demo")
        left = kubectl.run(program, home, "config", "get-contexts", "-o", "name").split()
        check("demo" not in left and "elsewhere" in left, f"contexts after destroy: {left}")
        return f"{len(names)} nodes of {server}, {ran} Jobs, {written} contexts that kubectl wrote while we did"


AWS = (tokens, kubernetes_client, kubectl_itself, planted_misfit, sandbox_replies, aws_recorded, aws_cli, moto_lifecycle, moto_kill_and_continue, moto_destroy_from_tags)
CHECKS = (*AWS, *tables.CHECKS, *gke.CHECKS, *aks.CHECKS)
NEEDS = {"tokens": "aws", "aws_cli": "aws", "moto_lifecycle": "moto_server", "moto_kill_and_continue": "moto_server", "moto_destroy_from_tags": "moto_server"}


def choose(options):
    """The checks to run; a name that is none is no reason to run nothing."""
    names = [function.__name__ for function in CHECKS]
    for given in (*options.only, *(options.may_skip or ())):
        if given not in names:
            raise SystemExit(f"there is no check {given!r}; there are: {', '.join(names)}")
    return [function for function in CHECKS if not options.only or function.__name__ in options.only]


def run(function, binary):
    """("ok", "skip" or "FAIL"; what is said of it)."""
    needs = NEEDS.get(function.__name__)
    if needs and not (BIN / needs).exists():
        return "skip", f"{needs} could not be installed"
    try:
        return "ok", function(binary)
    except Skipped as why:
        return "skip", str(why)
    except Failed as error:
        return "FAIL", str(error)
    except Exception:
        return "FAIL", traceback.format_exc()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--binary")
    parser.add_argument("--only", action="append", default=[], metavar="NAME")
    parser.add_argument("--may-skip", nargs="*", metavar="NAME", help="the only checks that may be skipped: any other that is fails. Without it any may")
    options = parser.parse_args()
    chosen = choose(options)
    binary = os.path.abspath(options.binary) if options.binary else build()
    counts = collections.Counter()
    for function in chosen:
        name, start = function.__name__, time.monotonic()
        verdict, said = run(function, binary)
        if verdict == "skip" and options.may_skip is not None and name not in options.may_skip:
            verdict, said = "FAIL", f"skipped, and is none of those that may be: {said}"
        took = f" ({time.monotonic() - start:.0f} s)" if verdict == "ok" else ""
        print(f"{verdict:4} {name}{took}{': ' + said if said else ''}", flush=True)
        counts[verdict] += 1
    print(f"{counts['ok']} passed, {counts['FAIL']} failed, {counts['skip']} skipped")
    return 1 if counts["FAIL"] else 0


if __name__ == "__main__":
    sys.exit(main())
