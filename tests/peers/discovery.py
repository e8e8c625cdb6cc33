"""Google's own descriptions of its APIs, and whether a request and its reply fit them, field by field, both ways.

The discovery documents come with google-api-python-client. They name every method, parameter and field, which fields only
the service writes, and every value of an enumeration; a field that they do not name is a misfit.
"""

import base64
import binascii
import datetime
import functools
import json
import pathlib
import re
import urllib.parse

import googleapiclient

DOCUMENTS = pathlib.Path(googleapiclient.__file__).parent / "discovery_cache" / "documents"
APIS = ("container.v1", "compute.v1", "iam.v1", "serviceusage.v1", "cloudresourcemanager.v1", "cloudresourcemanager.v3", "cloudbilling.v1", "iamcredentials.v1")
# Every Google API answers these although its description, at the version pinned here, does not list them.
_UNLISTED_PARAMETERS = {"$alt", "$prettyPrint"}
_STATUSES = {
    "INVALID_ARGUMENT": 400, "FAILED_PRECONDITION": 400, "OUT_OF_RANGE": 400, "UNAUTHENTICATED": 401, "PERMISSION_DENIED": 403, "NOT_FOUND": 404,
    "ALREADY_EXISTS": 409, "ABORTED": 409, "RESOURCE_EXHAUSTED": 429, "CANCELLED": 499, "INTERNAL": 500, "UNKNOWN": 500, "DATA_LOSS": 500,
    "UNIMPLEMENTED": 501, "UNAVAILABLE": 503, "DEADLINE_EXCEEDED": 504,
}  # fmt: skip


class Method:
    """One method of one API."""

    def __init__(self, document, described):
        self.document, self.id, self.verb = document, described["id"], described["httpMethod"]
        self.parameters = {**document["parameters"], **described.get("parameters", {})}
        self.request = described.get("request", {}).get("$ref")
        self.response = described.get("response", {}).get("$ref")
        self.deprecated = described.get("deprecated", False)
        self.flat = _pattern(document["servicePath"] + described["flatPath"])
        self.named = _pattern(document["servicePath"] + described["path"], described.get("parameters", {}))

    @property
    def api(self):
        return f"{self.document['name']}.{self.document['version']}"


def _pattern(path, parameters=None):
    """A path of a description as an expression; with parameters, each part is held to what it says of itself."""
    out = ""
    for part in re.split(r"(\{[^}]+\})", path):
        if not part.startswith("{"):
            out += re.escape(part)
            continue
        name = part.strip("{}+")
        known = (parameters or {}).get(name, {}).get("pattern")
        inner = known.removeprefix("^").removesuffix("$") if known else ".+" if part.startswith("{+") and parameters else "[^/:]+"
        out += f"(?:{inner})"
    return re.compile(out)


@functools.cache
def methods():
    def inside(resource, document):
        for described in resource.get("methods", {}).values():
            yield Method(document, described)
        for child in resource.get("resources", {}).values():
            yield from inside(child, document)

    found = []
    for name in APIS:
        document = json.loads((DOCUMENTS / f"{name}.json").read_text())
        found += inside(document, document)
    return found


@functools.cache
def _method(verb, path):
    fits = [method for method in methods() if method.verb == verb and method.flat.fullmatch(path)]
    # Some paths are said twice, by their location and, from earlier, by their zone: the words that fit most are meant.
    return max(fits, key=lambda method: len(re.sub(r"\(\?:.*?\)", "", method.flat.pattern)), default=None)


def operation(exchange):
    """The method of a request, or None where no API has one."""
    return _method(exchange.method, _path(exchange))


def _path(exchange):
    return urllib.parse.unquote(urllib.parse.urlsplit(exchange.path).path).lstrip("/")


def mutates(method):
    name = method.id.rsplit(".", 1)[-1]
    return method.verb != "GET" and name not in ("testIamPermissions", "getIamPolicy", "wait")


def problems(exchange, ours=True):
    """What of an exchange the descriptions do not know or would not allow. `ours`: the request is one of kubewright's,
    which is held to today's fields as well."""
    method = operation(exchange)
    if method is None:
        if 400 <= exchange.status < 500 and not ours:
            return []
        return [f"no API of Google has {exchange.method} {urllib.parse.urlsplit(exchange.path).path}"]
    return [*request_problems(exchange, method, ours), *reply_problems(exchange, method)]


# ---- requests


def request_problems(exchange, method, ours=True):
    split = urllib.parse.urlsplit(exchange.path)
    path, where = _path(exchange), method.id
    # A bad name is what some tests send; that it is bad shows in its refusal.
    if exchange.status < 400 and not method.named.fullmatch(path):
        yield f"{where}: {path} is not what its parameters' patterns allow"
    if ours and method.deprecated:
        yield f"{where}: the method is deprecated"
    given = urllib.parse.parse_qs(split.query, keep_blank_values=True)
    for name, values in given.items():
        known = method.parameters.get(name)
        if known is None or known.get("location") == "path":
            if name not in _UNLISTED_PARAMETERS:
                yield f"{where}: unknown parameter {name}"
            continue
        if len(values) > 1 and not known.get("repeated"):
            yield f"{where}: parameter {name} twice"
        if ours and known.get("deprecated"):
            yield f"{where}: parameter {name} is deprecated"
        for value in values:
            yield from _text(value, known, f"{where}?{name}")
    for name, known in method.parameters.items():
        if known.get("required") and known["location"] == "query" and name not in given:
            yield f"{where}: required parameter {name} is missing"
    if exchange.body is None:
        return
    text = exchange.body.decode(errors="replace")
    if method.request is None:
        if text.strip() not in ("", "{}"):
            yield f"{where}: a body where none belongs"
        return
    if not text and method.verb in ("POST", "PUT", "PATCH"):
        text = "{}"
    try:
        body = json.loads(text)
    except ValueError:
        yield f"{where}: the body is not JSON"
        return
    yield from _value(body, {"$ref": method.request}, method.document["schemas"], f"{where} request", "ours" if ours else "request")


def _text(text, known, where):
    """A parameter, which is text whatever its type."""
    kind = known.get("type")
    if kind == "boolean" and text not in ("true", "false", "True", "False"):
        yield f"{where}: {text!r} is not a boolean"
    elif kind == "integer" and not re.fullmatch(r"-?\d+", text):
        yield f"{where}: {text!r} is not an integer"
    elif kind == "string" and "enum" in known and text not in known["enum"]:
        yield f"{where}: {text!r} is not one of {known['enum'][:8]}"


# ---- replies


def reply_problems(exchange, method):
    where = f"{method.id} {exchange.status}"
    if exchange.status == 0 or exchange.reply is None:
        return
    if exchange.status >= 400:
        yield from _error(exchange, method, where)
        return
    try:
        body = json.loads(exchange.reply or b"{}")
    except ValueError:
        yield f"{where}: the reply is not JSON"
        return
    if method.response is None:
        if body:
            yield f"{where}: a reply where none belongs"
        return
    if "fields" not in urllib.parse.parse_qs(urllib.parse.urlsplit(exchange.path).query):
        yield from _always(body, method, where)
    yield from _value(body, {"$ref": method.response}, method.document["schemas"], where, "reply")


def _always(body, method, where):
    """What the services never leave out, though their descriptions require nothing."""
    schema = method.document["schemas"][method.response]["properties"]
    wanted = []
    if method.response == "Operation":
        wanted = {
            "compute": ["kind", "id", "name", "operationType", "status", "selfLink", "targetLink", "progress", "insertTime"],
            "container": ["name", "operationType", "status", "selfLink", "targetLink", "startTime"],
        }.get(method.document["name"], ["name"])
    elif method.document["name"] == "compute" and "selfLink" in schema and "kind" in schema:
        wanted = ["kind", "selfLink"] + (["id"] if "nextPageToken" in schema else ["id", "name", "creationTimestamp"])
    elif method.response == "Cluster":
        wanted = ["name", "status", "selfLink", "location", "locations", "currentMasterVersion", "nodePools", "createTime", "id", "etag"]
    elif method.response == "Policy":
        wanted = ["etag"]
    elif method.response == "ServiceAccount":
        wanted = ["name", "email", "uniqueId", "projectId", "etag", "oauth2ClientId"]
    for name in wanted:
        if name not in body:
            yield f"{where}: {name} is missing, which the service always sends"


def _error(exchange, method, where):
    try:
        error = json.loads(exchange.reply)["error"]
        code, message = error["code"], error["message"]
    except (ValueError, KeyError, TypeError):
        yield f"{where}: an error that is not {{error: {{code, message}}}}"
        return
    if code != exchange.status:
        yield f"{where}: the error says {code}"
    if not message:
        yield f"{where}: an error without a message"
    for name in error.keys() - {"code", "message", "status", "errors", "details"}:
        yield f"{where}: unknown member error.{name}"
    status = error.get("status")
    if status and _STATUSES.get(status) != code:
        yield f"{where}: {status} is not {code}"
    if not status and method.document["name"] != "compute":
        yield f"{where}: an error without a status"
    for detail in error.get("details", ()):
        if "@type" not in detail:
            yield f"{where}: a detail without @type"
    if method.document["name"] == "compute":
        rows = error.get("errors") or []
        if not rows:
            yield f"{where}: compute's errors come with a list"
        for row in rows:
            for name in ("message", "domain", "reason"):
                if name not in row:
                    yield f"{where}: errors[].{name} is missing"


# ---- values


def _value(value, schema, schemas, where, way):
    """`way` is `ours` (a request of ours), `request` (anybody's) or `reply`."""
    if "$ref" in schema:
        schema = schemas[schema["$ref"]]
    kind = schema.get("type")
    if value is None:
        if way != "request":
            yield f"{where}: null"
    elif kind == "object":
        yield from _object(value, schema, schemas, where, way)
    elif kind == "array":
        if not isinstance(value, list):
            yield f"{where}: not a list"
            return
        for inner in value:
            yield from _value(inner, schema["items"], schemas, f"{where}[]", way)
    elif kind == "boolean":
        if not isinstance(value, bool):
            yield f"{where}: {value!r} is not a boolean"
    elif kind == "integer":
        if isinstance(value, bool) or not isinstance(value, int):
            yield f"{where}: {value!r} is not an integer"
        elif not (0 if schema.get("format") == "uint32" else -(2**31)) <= value < 2**32:
            yield f"{where}: {value} does not fit {schema.get('format')}"
    elif kind == "number":
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            yield f"{where}: {value!r} is not a number"
    elif kind == "string":
        yield from _string(value, schema, where, way)


def _object(value, schema, schemas, where, way):
    if not isinstance(value, dict):
        yield f"{where}: not an object"
        return
    known, others = schema.get("properties", {}), schema.get("additionalProperties")
    for name, inner in value.items():
        if name in known:
            member = known[name]
            whole = {**schemas[member["$ref"]], **member} if "$ref" in member else member
            if way == "ours" and _output_only(member):
                yield f"{where}.{name}: only the service writes it"
            if way == "ours" and whole.get("deprecated"):
                yield f"{where}.{name}: deprecated"
            if way == "reply" and name == "kind" and "default" in member and inner != member["default"]:
                yield f"{where}.kind: {inner!r} is not {member['default']!r}"
            yield from _value(inner, member, schemas, f"{where}.{name}", way)
        elif others is not None:
            yield from _value(inner, others, schemas, f"{where}{{}}", way)
        else:
            yield f"{where}: unknown field {name}"


def _output_only(member):
    said = member.get("description", "").lstrip()
    return member.get("readOnly") or said.startswith(("Output only", "[Output Only]", "[Output only]"))


def _string(value, schema, where, way):
    if not isinstance(value, str):
        yield f"{where}: {value!r} is not a string"
        return
    form, enum = schema.get("format"), schema.get("enum")
    if enum and value not in enum:
        yield f"{where}: {value!r} is not one of {enum[:12]}"
    if way == "ours" and enum and any(dead and value == name for name, dead in zip(enum, schema.get("enumDeprecated", ()))):
        yield f"{where}: {value!r} is deprecated"
    if form in ("int64", "uint64") and not re.fullmatch(r"-?\d+" if form == "int64" else r"\d+", value):
        yield f"{where}: {value!r} is not an {form}"
    elif form == "byte":
        try:
            base64.b64decode(value.replace("-", "+").replace("_", "/"), validate=True)
        except (binascii.Error, ValueError):
            yield f"{where}: {value[:40]!r} is not base64"
    elif form == "google-datetime":
        try:
            datetime.datetime.fromisoformat(value.replace("Z", "+00:00"))
        except ValueError:
            yield f"{where}: {value!r} is not a time"
    elif form == "google-duration" and not re.fullmatch(r"-?\d+(\.\d+)?s", value):
        yield f"{where}: {value!r} is not a duration"
    # Held for requests only: replies may write a name in a longer way.
    if schema.get("pattern") and way == "ours" and not re.fullmatch(schema["pattern"], value):
        yield f"{where}: {value!r} is not as {schema['pattern']}"
