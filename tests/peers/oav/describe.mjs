// Writes Azure's API descriptions as swagger, the way oav reads them, from Microsoft's own client packages: their operation
// specs and mappers were generated from that swagger, and still say what it said.
//
//   node describe.mjs MODULES OUTPUT
//
// Left out there, and so here: the difference between whole and other numbers, and headers of long-running operations.

import { createRequire } from "node:module";
import { mkdirSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { pathToFileURL } from "node:url";

const [modules, output] = process.argv.slice(2);
const PACKAGES = ["containerservice", "network", "compute", "resources", "resources-subscriptions", "authorization", "msi", "locks", "policy"];

// ---- what a package knows

/** A package's client class, whatever else it exports, and the folder of its types. */
async function load(name) {
  const entry = createRequire(`${modules}/`).resolve(`@azure/arm-${name}`);
  const all = await import(pathToFileURL(entry));
  const exported = all.default ? { ...all.default, ...all } : all;
  const Client = Object.values(exported).find((it) => typeof it === "function" && it.name.endsWith("Client"));
  return { exported, Client, types: typesOf(dirname(entry)) };
}

/** Every line of its declarations of models: which field of which class has which named type. */
function typesOf(folder) {
  for (const place of [folder, join(folder, ".."), join(folder, "../types"), join(folder, "../../types")]) {
    const files = readdirSync(place, { recursive: true }).filter((file) => /(models\/index|arm-[\w-]+)\.d\.ts$/.test(file));
    if (files.length) return files.map((file) => readFileSync(join(place, file), "utf8")).join("\n");
  }
  throw new Error(`no declarations beside ${folder}`);
}

/** {class: {field: {type, base}}} from declarations. */
function fieldsOf(types) {
  const classes = {};
  let current = null;
  for (const line of types.split("\n")) {
    const opened = line.match(/^\s*export (?:declare )?interface (\w+)(?: extends ([\w, ]+))? \{/);
    if (opened) current = classes[opened[1]] = { bases: (opened[2] ?? "").split(/, */).filter(Boolean), fields: {} };
    const field = current && line.match(/^\s+(?:readonly )?"?(\w+)"?\??: (\w+)(?:\[\])?;/);
    if (field) current.fields[field[1]] = field[2];
    if (line.startsWith("}")) current = null;
  }
  return classes;
}

/** The named type of a field, its bases' included. */
function typeOf(classes, name, field) {
  const found = classes[name];
  return found && (found.fields[field] ?? found.bases.map((base) => typeOf(classes, base, field)).find(Boolean));
}

/** Every operation's spec: each method is called with a client that only takes notes. */
async function operations({ Client }) {
  const client = new Client({ getToken: async () => null }, "s");
  const found = new Map();
  let calling;
  client.sendOperationRequest = async (_, spec) => {
    if (!spec.path.startsWith("{nextLink}")) found.set(spec, { ...found.get(spec), ...calling });
    throw new Error("noted");
  };
  for (const [group, it] of Object.entries(client)) {
    for (const method of methodsOf(it, client)) {
      const long = method.startsWith("begin");
      calling = { id: `${capital(group)}_${method.replace(/^_|^begin|AndWait$/g, "").replace(/^./, (it) => it.toLowerCase())}`, ...(long && { long }) };
      try {
        const answer = await it[method]("x", "x", "x", "x", "x", "x", "x", "x");
        // The promise of a list is only kept when its first page is asked for, that of an operation when it is polled.
        await (answer?.poll ?? answer?.next)?.call(answer);
      } catch {
        // Noted, or a method that sends nothing.
      }
    }
  }
  return found;
}

function methodsOf(group, client) {
  const prototype = group && typeof group === "object" && Object.getPrototypeOf(group);
  if (!prototype || prototype === Object.prototype || group.client !== client) return [];
  return Object.getOwnPropertyNames(prototype).filter((name) => name !== "constructor" && typeof group[name] === "function");
}

const capital = (text) => text.replace(/^./, (it) => it.toUpperCase());

// ---- as swagger

const SIMPLE = {
  String: { type: "string" }, Number: { type: "number" }, Boolean: { type: "boolean" }, Uuid: { type: "string" },
  Date: { type: "string", format: "date" }, DateTime: { type: "string", format: "date-time" }, DateTimeRfc1123: { type: "string" },
  ByteArray: { type: "string", format: "byte" }, Base64Url: { type: "string" }, TimeSpan: { type: "string" }, UnixTime: { type: "number" },
  Stream: { type: "file" }, any: {}, Object: { type: "object" },
};
const CONSTRAINTS = {
  MaxLength: "maxLength", MinLength: "minLength", InclusiveMaximum: "maximum", InclusiveMinimum: "minimum",
  MaxItems: "maxItems", MinItems: "minItems", UniqueItems: "uniqueItems", MultipleOf: "multipleOf",
};

class Describer {
  constructor({ exported, types }) {
    this.exported = exported;
    this.classes = fieldsOf(types);
    this.definitions = {};
  }

  /** The schema of a mapper; `known` is the name of its type in the declarations. */
  schema(mapper, mappers, known) {
    const { type } = mapper;
    const out = this.bare(type, mappers, known);
    for (const [name, value] of Object.entries(mapper.constraints ?? {})) {
      if (name === "Pattern") out.pattern = new RegExp(value).source;
      else if (CONSTRAINTS[name]) out[CONSTRAINTS[name]] = value;
    }
    if (mapper.isConstant && mapper.defaultValue !== undefined && !out.$ref) out.enum = [mapper.defaultValue];
    return out;
  }

  bare(type, mappers, known) {
    switch (type.name) {
      case "Composite":
        if (!type.className) return this.object(type, mappers);
        this.define(type.className, mappers);
        return { $ref: `#/definitions/${type.className}` };
      case "Sequence":
        return { type: "array", items: this.schema(type.element, mappers, known) };
      case "Dictionary":
        return { type: "object", additionalProperties: this.schema(type.value, mappers) };
      case "Enum":
        return { type: typeof type.allowedValues[0] === "number" ? "number" : "string", enum: type.allowedValues };
      case "String": {
        // What may grow is a list in the declarations only.
        const values = known && this.exported[`Known${known}`];
        return values ? { type: "string", enum: [...new Set(Object.values(values))] } : { type: "string" };
      }
      default:
        if (!SIMPLE[type.name]) throw new Error(`what is a ${type.name}?`);
        return { ...SIMPLE[type.name] };
    }
  }

  define(name, mappers) {
    if (this.definitions[name]) return;
    this.definitions[name] = { type: "object" };
    const mapper = mappers[name];
    if (mapper) Object.assign(this.definitions[name], this.object(mapper.type, mappers));
  }

  object(type, mappers) {
    const out = { type: "object" };
    for (const [field, mapper] of Object.entries(type.modelProperties ?? {})) {
      const path = mapper.serializedName.split(/(?<!\\)\./).map((part) => part.replaceAll("\\.", "."));
      let place = out;
      for (const part of path.slice(0, -1)) {
        place.properties ??= {};
        place = place.properties[part] ??= { type: "object" };
      }
      place.properties ??= {};
      const schema = this.schema(mapper, mappers, typeOf(this.classes, type.className, field));
      const more = { ...(mapper.readOnly && { readOnly: true }), ...(mapper.nullable && { "x-nullable": true }) };
      place.properties[path.at(-1)] = schema.$ref && mapper.readOnly ? { allOf: [schema], ...more } : { ...schema, ...(schema.$ref ? {} : more) };
      if (mapper.required) require(out, path);
    }
    if (type.additionalProperties) out.additionalProperties = this.schema(type.additionalProperties, mappers);
    return out;
  }

  parameter({ mapper, skipEncoding }, place, mappers) {
    const { $ref, ...schema } = this.schema(mapper, mappers);
    return {
      name: mapper.serializedName, in: place, required: place === "path" || Boolean(mapper.required), type: "string", ...schema,
      ...(schema.type === "array" && { collectionFormat: "multi" }), ...(skipEncoding && { "x-ms-skip-url-encoding": true }),
    };
  }

  operation(spec, { id, long }) {
    const mappers = spec.serializer?.modelMappers ?? {};
    const parameters = [
      ...(spec.urlParameters ?? []).filter((it) => it.mapper.serializedName !== "$host").map((it) => this.parameter(it, "path", mappers)),
      ...(spec.queryParameters ?? []).map((it) => this.parameter(it, "query", mappers)),
      ...(spec.headerParameters ?? []).filter((it) => !/^(accept|content-type)$/i.test(it.mapper.serializedName)).map((it) => this.parameter(it, "header", mappers)),
    ];
    if (spec.requestBody) {
      const { mapper } = spec.requestBody;
      parameters.push({ name: "body", in: "body", required: Boolean(mapper.required), schema: this.schema(mapper, mappers) });
    }
    const responses = Object.entries(spec.responses).map(([status, { bodyMapper }]) => [
      status, { description: status, ...(bodyMapper && { schema: this.schema(bodyMapper, mappers) }) },
    ]);
    return { operationId: id, parameters, responses: Object.fromEntries(responses), ...(long && { "x-ms-long-running-operation": true }) };
  }
}

/** What is required inside something requires that, too. */
function require(schema, path) {
  schema.required = [...new Set([...(schema.required ?? []), path[0]])];
  if (path.length > 1) require(schema.properties[path[0]], path.slice(1));
}

const versionOf = (spec) => spec.queryParameters?.find((it) => it.mapper.serializedName === "api-version")?.mapper.defaultValue;

for (const name of PACKAGES) {
  const loaded = await load(name);
  const describers = new Map();
  for (const [spec, said] of await operations(loaded)) {
    const version = versionOf(spec);
    if (!version) continue;
    if (!describers.has(version)) describers.set(version, { describer: new Describer(loaded), paths: {} });
    const { describer, paths } = describers.get(version);
    // oav takes the namespace in these for whose call it is; swagger.py changes what was asked in the same way.
    const path = spec.path.replace(/^\/?/, "/").replace("/providers/{resourceProviderNamespace}", "/namespaces/{resourceProviderNamespace}");
    (paths[path] ??= {})[spec.httpMethod.toLowerCase()] = describer.operation(spec, said);
  }
  for (const [version, { describer, paths }] of describers) {
    const place = join(output, "specification", name, "resource-manager", `Microsoft.${capital(name)}`, "stable", version);
    mkdirSync(place, { recursive: true });
    const swagger = {
      swagger: "2.0", info: { title: name, version }, host: "management.azure.com", schemes: ["https"],
      consumes: ["application/json"], produces: ["application/json"], paths, definitions: describer.definitions,
    };
    writeFileSync(join(place, "swagger.json"), JSON.stringify(swagger));
    console.log(`${name} ${version}: ${Object.values(paths).flatMap(Object.keys).length} operations, ${Object.keys(describer.definitions).length} definitions`);
  }
}
