"""Which operation an exchange was, and whether its reply fits the vendor's own model, element by element."""

import datetime
import json
import re
import urllib.parse
import xml.etree.ElementTree as ET

import botocore.loaders
import botocore.model

_loader = botocore.loaders.Loader()
_models = {}
_SIGNING_NAMES = {"elasticloadbalancing": ("elbv2", "elb"), "servicequotas": ("service-quotas",)}
# What the service answers although its model, at the version pinned here, does not say so.
_NEWER_MEMBERS = {"controlPlaneEgressMode"}
_UNLISTED_VALUES = {("AttachmentStatus", "available"), ("NetworkInterfaceStatus", "pending"), ("NetworkInterfaceType", "nat_gateway")}
_READS = re.compile(r"^(Describe|Get|List|Simulate|AssumeRole|Decode|Lookup)")


def model(service):
    if service not in _models:
        _models[service] = botocore.model.ServiceModel(_loader.load_service_model(service, "service-2"), service)
    return _models[service]


def _signing_name(exchange):
    scope = re.search(r"Credential=[^/]+/\d{8}/[^/]+/([^/]+)/aws4_request", exchange.headers.get("authorization", ""))
    return scope and scope.group(1)


def operation(exchange):
    """(service, operation model) of a signed AWS request, or None for anything else."""
    signing = _signing_name(exchange)
    if not signing:
        return None
    for service in _SIGNING_NAMES.get(signing, (signing,)):
        found = _operation_in(model(service), exchange)
        if found:
            return service, found
    raise ValueError(f"no operation of {signing} looks like {exchange.method} {exchange.path}")


def _operation_in(service, exchange):
    protocol = service.metadata["protocol"]
    if protocol in ("query", "ec2"):
        words = dict(urllib.parse.parse_qsl(exchange.body.decode() or urllib.parse.urlsplit(exchange.path).query))
        if words.get("Version") != service.api_version:
            return None
        return service.operation_model(words["Action"])
    if protocol == "json":
        return service.operation_model(exchange.headers["x-amz-target"].split(".")[-1])
    path = urllib.parse.urlsplit(exchange.path).path
    for name in service.operation_names:
        candidate = service.operation_model(name)
        http = candidate.http
        pattern = "".join(
            "[^/]+" if part.startswith("{") and not part.endswith("+}") else ".+" if part.startswith("{") else re.escape(part)
            for part in re.split(r"(\{[^}]+\})", http["requestUri"].partition("?")[0])
        )
        if http["method"] == exchange.method and re.fullmatch(pattern, path):
            return candidate
    return None


def mutates(name):
    return not _READS.match(name)


def problems(exchange, service, op):
    """What of this reply the vendor's model does not know or would not allow."""
    if exchange.status >= 500 and not exchange.reply:
        return []
    protocol = model(service).metadata["protocol"]
    if exchange.status >= 400:
        return _error_problems(exchange, protocol, op)
    if protocol in ("query", "ec2"):
        return _xml_reply(exchange, protocol, op)
    if op.output_shape is None or not op.output_shape.members:
        return []
    return list(_json(json.loads(exchange.reply or b"{}"), op.output_shape, op.name))


def _error_problems(exchange, protocol, op):
    if protocol in ("query", "ec2"):
        root = ET.fromstring(exchange.reply)
        code = next((element.text for element in root.iter() if _local(element) == "Code"), None)
    else:
        code = exchange.reply_headers.get("x-amzn-errortype") or json.loads(exchange.reply).get("__type")
        code = code and code.split(":")[0].split("#")[-1]
    if not code:
        return [f"{op.name}: an error without a code"]
    # ClientException: EKS answers so for some that are missing, beside ResourceNotFoundException.
    common = {"ClientException", "ThrottlingException", "Throttling", "RequestLimitExceeded", "AccessDeniedException", "InternalFailure", "ServiceUnavailable", "ExpiredTokenException"}
    known = {shape.metadata.get("error", {}).get("code", shape.name) for shape in op.error_shapes} | {shape.name for shape in op.error_shapes}
    if protocol.startswith("rest") and code not in known | common:
        return [f"{op.name}: error {code} is not one of its own"]
    return []


def _local(element):
    return element.tag.rpartition("}")[2]


def _xml_reply(exchange, protocol, op):
    root = ET.fromstring(exchange.reply)
    wanted = f"{op.name}Response"
    if _local(root) != wanted:
        return [f"{op.name}: the root is <{_local(root)}>, not <{wanted}>"]
    if op.output_shape is None:
        return []
    node, extra = root, {"requestId"}
    wrapper = op.output_shape.serialization.get("resultWrapper")
    if protocol == "query" and wrapper:
        node = next((child for child in root if _local(child) == wrapper), None)
        if node is None:
            return [f"{op.name}: no <{wrapper}>"]
        extra = set()
    return list(_xml(node, op.output_shape, op.name, extra))


def _xml(node, shape, where, extra=frozenset()):
    kind = shape.type_name
    if kind == "structure":
        members = {}
        for name, member in shape.members.items():
            flat = member.type_name == "list" and member.serialization.get("flattened")
            default = member.member.serialization.get("name", name) if flat else name
            members[member.serialization.get("name", default)] = member
        seen = set()
        for child in node:
            name = _local(child)
            seen.add(name)
            if name in members:
                member = members[name]
                if member.type_name == "list" and member.serialization.get("flattened"):
                    yield from _xml(child, member.member, f"{where}.{name}")
                else:
                    yield from _xml(child, member, f"{where}.{name}")
            elif name not in extra:
                yield f"{where}: unknown element <{name}>"
        for name in shape.required_members:
            key = shape.members[name].serialization.get("name", name)
            if key not in seen:
                yield f"{where}: required <{key}> is missing"
    elif kind == "list":
        item = shape.member.serialization.get("name", "member")
        for child in node:
            if _local(child) != item:
                yield f"{where}: <{_local(child)}> in a list of <{item}>"
            else:
                yield from _xml(child, shape.member, f"{where}[]")
    elif kind == "map":
        for child in node:
            if _local(child) != "entry":
                yield f"{where}: <{_local(child)}> in a map"
    else:
        if len(node):
            yield f"{where}: children in a {kind}"
        yield from _scalar_text(node.text or "", shape, where)


def _scalar_text(text, shape, where):
    kind = shape.type_name
    if kind in ("integer", "long") and not re.fullmatch(r"-?\d+", text):
        yield f"{where}: {text!r} is not an integer"
    elif kind in ("float", "double") and not re.fullmatch(r"-?\d+(\.\d+)?([eE]-?\d+)?", text):
        yield f"{where}: {text!r} is not a number"
    elif kind == "boolean" and text not in ("true", "false"):
        yield f"{where}: {text!r} is not a boolean"
    elif kind == "timestamp":
        try:
            datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))
        except ValueError:
            yield f"{where}: {text!r} is not a time"
    elif kind == "string":
        yield from _enum(text, shape, where)


def _enum(text, shape, where):
    """EC2 writes `available` where its model writes `Available`. New machine types come faster than botocore's releases."""
    if shape.name == "InstanceType":
        return
    known = {value.lower() for value in shape.enum} if shape.enum else ()
    if known and text.lower() not in known and (shape.name, text) not in _UNLISTED_VALUES:
        yield f"{where}: {text!r} is not one of {shape.enum[:12]} ({shape.name})"


def _json(value, shape, where):
    kind = shape.type_name
    if value is None:
        return
    if kind == "structure":
        if not isinstance(value, dict):
            yield f"{where}: not an object"
            return
        members = {member.serialization.get("name", name): member for name, member in shape.members.items()}
        for name, inner in value.items():
            if name in members:
                yield from _json(inner, members[name], f"{where}.{name}")
            elif name not in _NEWER_MEMBERS:
                yield f"{where}: unknown member {name}"
        for name in shape.required_members:
            if shape.members[name].serialization.get("name", name) not in value:
                yield f"{where}: required {name} is missing"
    elif kind == "list":
        if not isinstance(value, list):
            yield f"{where}: not a list"
            return
        for inner in value:
            yield from _json(inner, shape.member, f"{where}[]")
    elif kind == "map":
        for inner in value.values():
            yield from _json(inner, shape.value, f"{where}{{}}")
    elif kind == "boolean":
        if not isinstance(value, bool):
            yield f"{where}: {value!r} is not a boolean"
    elif kind in ("integer", "long"):
        if isinstance(value, bool) or not isinstance(value, int):
            yield f"{where}: {value!r} is not an integer"
    elif kind in ("float", "double", "timestamp"):
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            yield f"{where}: {value!r} is not a number"
    elif kind == "string":
        if not isinstance(value, str):
            yield f"{where}: {value!r} is not a string"
        else:
            yield from _enum(value, shape, where)
