"""Somebody else at work in the same account: plain signed requests, so that nothing of ours makes what must survive us."""

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
