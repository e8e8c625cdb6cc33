"""Tokens and kubeconfigs before those who did not write them: botocore's signer, the aws CLI, the Kubernetes client of Python."""

import base64
import json
import subprocess
import sys
import urllib.parse

import botocore.auth
import botocore.awsrequest
import botocore.credentials

from support import BIN, check

NODES = """
import json
from kubernetes import client, config
config.load_kube_config()
print(json.dumps([node.metadata.name for node in client.CoreV1Api().list_node().items]))
"""


def url_of(token):
    check(token.startswith("k8s-aws-v1."), "not an EKS token")
    text = token.removeprefix("k8s-aws-v1.")
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode()


def params_of(url):
    return dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(url).query, keep_blank_values=True))


def resigned(url, cluster, key, secret, session, region):
    """The signature botocore makes for the request that a token is."""
    given = params_of(url)
    plain = {name: value for name, value in given.items() if not name.startswith("X-Amz-")}
    base = urllib.parse.urlunsplit(urllib.parse.urlsplit(url)._replace(query=""))
    request = botocore.awsrequest.AWSRequest("GET", base, headers={"x-k8s-aws-id": cluster}, params=plain)
    signer = botocore.auth.SigV4QueryAuth(botocore.credentials.Credentials(key, secret, session), "sts", region, expires=int(given["X-Amz-Expires"]))
    request.context["timestamp"] = given["X-Amz-Date"]
    signer._modify_request_before_signing(request)
    return signer.signature(signer.string_to_sign(request, signer.canonical_request(request)), request)


def token_of(home, *words):
    done = subprocess.run([home.binary, "token", "--provider", "aws", *words], env=home.environment(), cwd=home.path, stdin=subprocess.DEVNULL, capture_output=True, timeout=60)
    check(done.returncode == 0, f"token {' '.join(words)}: {done.stderr.decode()}")
    answer = json.loads(done.stdout)
    check(answer["kind"] == "ExecCredential", f"kubectl would not take {answer.keys()}")
    return answer["status"]["token"]


def signatures_agree(home):
    """botocore signs the same request alike; a changed one it signs otherwise."""
    compared = 0
    for cluster, region, session in (("demo", "us-east-1", None), ("a-2", "eu-central-1", "ses/sion+tok=en"), ("x" * 100, "cn-north-1", None)):
        home.extra.update(AWS_ACCESS_KEY_ID="AKIAPEERS00000000000", AWS_SECRET_ACCESS_KEY="peers/secret+canary")
        home.extra.pop("AWS_SESSION_TOKEN", None)
        if session:
            home.extra["AWS_SESSION_TOKEN"] = session
        url = url_of(token_of(home, "--cluster", cluster, "--region", region))
        ours = params_of(url)["X-Amz-Signature"]
        check(ours == resigned(url, cluster, "AKIAPEERS00000000000", "peers/secret+canary", session, region), f"{cluster}: botocore signs otherwise")
        check(ours != resigned(url, cluster + "y", "AKIAPEERS00000000000", "peers/secret+canary", session, region), "the cluster's name is not signed")
        compared += 1
    return compared


def nodes_seen(home):
    """The names that Python's Kubernetes client reads through the kubeconfig and our plugin."""
    done = subprocess.run([sys.executable, "-c", NODES], env=home.environment(), capture_output=True, timeout=60)
    check(done.returncode == 0, f"the Kubernetes client: {done.stderr.decode()[-2000:]}")
    return json.loads(done.stdout)


def aws_cli_token(home, cluster, region):
    done = subprocess.run([str(BIN / "aws"), "eks", "get-token", "--cluster-name", cluster, "--region", region], env=home.environment(), capture_output=True, timeout=60)
    check(done.returncode == 0, f"aws eks get-token: {done.stderr.decode()}")
    return json.loads(done.stdout)["status"]["token"]
