#!/usr/bin/env python3
"""Makes the sandbox's tables of what Google's and Azure's APIs take, out of the vendors' own descriptions.

    tests/peers/tables.py [DIR]

Writes `src/sandbox/gcp/tables/*.txt` and `src/sandbox/azure/shapes/*.txt`. DIR holds the descriptions: `gcp/container.v1.json`
and its like (discovery documents), `azure/…/specification/…/stable/VERSION/swagger.json`. Without DIR they are taken from
where `tests/peers/run` put them: the discovery documents from google-api-python-client, the swagger from Microsoft's npm
packages by `oav/describe.mjs`. Both are pinned, so both say the same; the descriptions themselves are not kept here.

Google's tables name their own methods: to serve another one, write `method ID` into `tables/API.txt` and run this. What of
Azure's is served stands in `SHAPES`. `google_tables` and `azure_tables` of `tests/peers/run` hold the committed files to this.
"""

import json
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
GOOGLE = ROOT / "src" / "sandbox" / "gcp" / "tables"
AZURE = ROOT / "src" / "sandbox" / "azure" / "shapes"


# ---- Google

_SIMPLE = {"string": "s", "boolean": "b", "integer": "i", "number": "f", "any": "*"}
# The code of a warning is one of a list that every kind of list repeats: no request has it, and nobody reads it.
_CODE_OF_A_WARNING = "NO_RESULTS_ON_PAGE"


class Document:
    """One discovery document, and its schemas as lines."""

    def __init__(self, path):
        self.content = json.loads(path.read_text())
        self.methods = dict(_methods(self.content))

    def line(self, name):
        """`method ID VERB PATH REQUEST REPLY QUERY:TYPE…`, and the schemas it begins with."""
        said = self.methods[name]
        request, reply = (said.get(part, {}).get("$ref") for part in ("request", "response"))
        query = [f"{key}:{_parameter(spec)}" for key, spec in sorted(said.get("parameters", {}).items()) if spec["location"] == "query"]
        path = self.content["servicePath"] + said.get("flatPath", said["path"])
        return " ".join(["method", name, said["httpMethod"], path, request or "-", reply or "-", *query]), request, reply

    def reached(self, roots):
        """{schema: its fields} of all that these hold."""
        found, ahead = {}, [root for root in roots if root]
        while ahead:
            name = ahead.pop()
            if name not in found:
                self._add(name, self.content["schemas"][name], found, ahead)
        return found

    def _add(self, name, spec, found, ahead):
        if "properties" not in spec:
            found[name] = "*" if "additionalProperties" in spec else ""
            return
        unnamed = 0

        def kind(spec):
            nonlocal unnamed
            if "$ref" in spec:
                ahead.append(spec["$ref"])
                return f"@{spec['$ref']}"
            if "enum" in spec and _CODE_OF_A_WARNING not in spec["enum"]:
                return f"({'|'.join(spec['enum'])})"
            if spec["type"] == "array":
                return f"[{kind(spec['items'])}]"
            if spec["type"] == "object" and "additionalProperties" in spec:
                return f"{{{kind(spec['additionalProperties'])}}}"
            if spec["type"] == "object":
                inner, unnamed = f"{name}_{unnamed}", unnamed + 1
                self._add(inner, spec, found, ahead)
                return f"@{inner}"
            return _number(spec) or _SIMPLE[spec["type"]]

        found[name] = " ".join(sorted(f"{key}:{kind(one)}" for key, one in sorted(spec["properties"].items())))


def _methods(resource):
    """Every method by its id without the API's name in front."""
    for said in resource.get("methods", {}).values():
        yield said["id"].split(".", 1)[1], said
    for inner in resource.get("resources", {}).values():
        yield from _methods(inner)


def _number(spec):
    """Numbers of 64 bits travel as text."""
    return "l" if spec["type"] == "string" and spec.get("format") in ("int64", "uint64") else None


def _parameter(spec):
    kind = f"({'|'.join(spec['enum'])})" if "enum" in spec else _number(spec) or _SIMPLE[spec["type"]]
    return f"[{kind}]" if spec.get("repeated") else kind


def google(documents):
    """{file: its text} for every table there is."""
    made = {}
    for table in sorted(GOOGLE.glob("*.txt")):
        if table.name.endswith(".replies.txt"):
            continue
        api, _, version = table.stem.partition("_")
        document = Document(documents / f"{api}.{version or 'v1'}.json")
        served = [line.split(" ")[1] for line in table.read_text().splitlines() if line.startswith("method ")]
        lines, requests, replies = zip(*map(document.line, served))
        asked, answered = document.reached(requests), document.reached(replies)
        schemas = [f"schema {name} {asked[name]}" for name in sorted(asked)]
        more = [f"schema {name} {answered[name]}" for name in sorted(answered.keys() - asked.keys())]
        made[table] = _text([f"revision {document.content['revision']}", *lines, *schemas])
        made[table.with_suffix(".replies.txt")] = _text(more)
    return made


# ---- Azure

# Table: (what its first line calls it, [(folder's name, API version, definitions that requests have for bodies)]).
SHAPES = {
    "authorization": ("Microsoft.Authorization 2022-04-01", [("authorization", "2022-04-01", ["RoleAssignmentCreateParameters", "RoleDefinition"]), ("locks", "2020-05-01", ["ManagementLockObject"])]),
    "compute": ("Microsoft.Compute disks 2025-01-02", [("compute", "2025-01-02", ["Disk", "DiskUpdate", "Snapshot", "SnapshotUpdate"])]),
    "containerservice": ("Microsoft.ContainerService 2025-10-01", [("containerservice", "2025-10-01", ["AgentPool", "MaintenanceConfiguration", "ManagedCluster", "TagsObject"])]),
    "managedidentity": ("Microsoft.ManagedIdentity 2024-11-30", [("managedidentity", "2024-11-30", ["FederatedIdentityCredential", "Identity", "IdentityUpdate"])]),
    "network": ("Microsoft.Network 2025-03-01", [("network", "2025-03-01", ["LoadBalancer", "NatGateway", "NetworkInterface", "NetworkSecurityGroup", "PublicIPAddress", "RouteTable", "Subnet", "TagsObject", "VirtualNetwork"])]),
    "resources": ("Microsoft.Resources 2025-04-01", [("resources", "2025-04-01", ["ProviderRegistrationRequest", "ResourceGroup", "ResourceGroupPatchable", "TagsPatchResource", "TagsResource"])]),
}  # fmt: skip
# What Microsoft's npm packages are called by, where that is not what the namespace is.
_CALLED = {"managedidentity": "msi"}
# The packages tell no whole number from another: all are whole but these.
_FRACTIONS = {"spotMaxPrice"}
_FORM = "# `= Definition`, then one member a line: name, `!` required, `~` read-only, form. `@` names a definition, `[]` a list, `{}` a map."


class Swagger:
    """One description, and its definitions as lines."""

    def __init__(self, path):
        self.definitions = json.loads(path.read_text())["definitions"]

    def reached(self, roots):
        """{definition: [member]} of all that these hold."""
        found, ahead = {}, list(roots)
        while ahead:
            name = ahead.pop()
            if name not in found:
                self._add(name, self.definitions[name], found, ahead)
        return found

    def _add(self, name, spec, found, ahead):
        found[name] = members = []
        required = spec.get("required", ())
        for key, inner in spec.get("properties", {}).items():
            # What only the service writes is whatever it is.
            if inner.get("readOnly") or key == "systemData":
                members.append(f"{key}~ any")
                continue
            members.append(f"{key}{'!' * (key in required)} {self._form(inner, f'{name}.{key}', found, ahead)}")

    def _form(self, spec, name, found, ahead):
        if "$ref" in spec:
            ahead.append(spec["$ref"].rsplit("/", 1)[1])
            return f"@{ahead[-1]}"
        if "enum" in spec:
            return f"enum({'|'.join(map(str, spec['enum']))})"
        kind = spec.get("type")
        if kind == "array":
            return f"[{self._form(spec['items'], name, found, ahead)}]"
        if kind == "object" and "properties" in spec:
            self._add(name, spec, found, ahead)
            return f"@{name}"
        if kind == "object" and spec.get("additionalProperties"):
            return f"{{{self._form(spec['additionalProperties'], name, found, ahead)}}}"
        if kind == "string":
            return f"text /{spec['pattern']}/" if "pattern" in spec else "text"
        if kind == "number":
            bounds = [str(spec.get(bound, "")) for bound in ("minimum", "maximum")]
            return "real" if name.rsplit(".", 1)[1] in _FRACTIONS else f"int({'..'.join(bounds)})" if any(bounds) else "int"
        return {"boolean": "bool"}.get(kind, "any")


def azure(specification):
    """{file: its text} for every table."""
    made = {}
    for stem, (title, parts) in SHAPES.items():
        table, lines = AZURE / f"{stem}.txt", []
        for folder, version, roots in parts:
            path = _described(specification, folder, version)
            found = Swagger(path).reached(roots) if path else _standing(table, roots)
            for name in sorted(found):
                lines += ["", f"= {name}", *found[name]]
        made[table] = _text([f"# What request bodies may hold, from Microsoft's API description of {title} (MIT licence).", _FORM, *lines])
    return made


def _described(specification, folder, version):
    """Where a description is, if it is."""
    for name in (folder, _CALLED.get(folder, folder)):
        for path in specification.glob(f"{name}/resource-manager/*/stable/{version}/swagger.json"):
            return path
    print(f"no description of {folder} {version} below {specification}: its part stays as it is", file=sys.stderr)
    return None


def _standing(table, roots):
    """What a table has of these definitions and of what they hold."""
    all_of_them, current = {}, None
    for line in table.read_text().splitlines():
        if line.startswith("= "):
            current = all_of_them.setdefault(line[2:], [])
        elif line and current is not None:
            current.append(line)
    found, ahead = {}, list(roots)
    while ahead:
        name = ahead.pop()
        if name not in found:
            found[name] = all_of_them[name]
            ahead += re.findall(r"@([\w.]+)", " ".join(found[name]))
    return found


def _text(lines):
    return "".join(f"{line}\n" for line in lines)


# ---- held to what is committed


def _held(made):
    from support import check

    for path, text in made.items():
        stands = path.read_text().splitlines()
        differ = [line for line in text.splitlines() if line not in set(stands)] or [line for line in stands if line not in set(text.splitlines())]
        check(path.read_text() == text, f"{path.relative_to(ROOT)} is not what tests/peers/tables.py makes of the descriptions: {differ[:3]}")
    return f"{len(made)} tables"


def google_tables(binary):
    """The sandbox's tables of Google's APIs are what the discovery documents say."""
    import discovery

    return _held(google(discovery.DOCUMENTS))


def azure_tables(binary):
    """The sandbox's tables of Azure's request bodies are what Microsoft's packages say."""
    import swagger

    return _held(azure(swagger.oav() / "swagger" / "specification"))


CHECKS = (google_tables, azure_tables)


def main(words):
    if len(words) > 1 or words[:1] in (["-h"], ["--help"]):
        raise SystemExit(__doc__)
    if words:
        folder = pathlib.Path(words[0])
        documents = folder / "gcp"
        # Where several lie side by side, the one that is made from the same packages.
        specification = next(iter([*folder.glob("azure/swagger-derived/specification"), *folder.glob("azure/**/specification")]), folder / "azure")
    else:
        peers = ROOT / "target" / "peers"
        documents = next(peers.glob("lib/python*/site-packages/googleapiclient/discovery_cache/documents"), None)
        specification = peers / "oav" / "swagger" / "specification"
        if not documents or not specification.is_dir():
            raise SystemExit(f"no descriptions below {peers}: `tests/peers/run --only google_tables --only azure_tables` fetches them, or name a folder")
    for path, text in {**google(documents), **azure(specification)}.items():
        if path.read_text() != text:
            path.write_text(text)
            print(f"wrote {path.relative_to(ROOT)}")


if __name__ == "__main__":
    main(sys.argv[1:])
