//! cluster.yaml as a JSON Schema, for editors and for checks without kubewright.
//!
//! It says what one value may be; what several values mean together (a `min` above its `max`, a zone of another region)
//! only the reader knows. Whatever the reader takes, the schema takes: a test runs the same examples through both.

use super::{API_VERSION, KIND, clouds, read};
use serde_json::{Map, Value, json};

/// Where editors are told to find it. A comment line in the file does the same.
const ID: &str = "urn:kubewright:schema:cluster:v1";
/// A life time: whole units, largest first.
const SPAN: &str = r"^(?=[0-9])([0-9]+d)?([0-9]+h)?([0-9]+m)?([0-9]+s)?$";
/// An IPv4 range. Bits behind the prefix are the reader's to see.
const RANGE: &str = r"^[0-9]{1,3}(\.[0-9]{1,3}){3}/([0-9]|[12][0-9]|3[0-2])$";
/// A label's value, which may be empty.
const LABEL_VALUE: &str = r"^([A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?)?$";
/// A label's key, with or without a prefix.
const LABEL_KEY: &str = r"^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*/)?[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?$";
/// One word. In the least of regular expressions, as every validator has its own kind.
const WORD: &str = r"^\S+$";
/// A GUID.
const GUID: &str = "^[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}$";
/// The ARN of a role.
const ROLE_ARN: &str = r"^arn:[^:\s]*:iam::[^:\s]*:role/\S+$";

/// What text without quotes may read as.
const PLAIN: [&str; 4] = ["string", "number", "boolean", "null"];
/// The same where nothing is no text.
const SOMETHING: [&str; 3] = ["string", "number", "boolean"];

/// The schema.
pub fn schema() -> Value {
    let mut top = section("A Kubernetes cluster as kubewright builds it.", properties(), &["apiVersion", "kind"]);
    let head = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": ID,
        "title": "kubewright cluster.yaml",
    });
    let mut all = head.as_object().cloned().unwrap_or_default();
    all.append(&mut top);
    Value::Object(all)
}

/// A mapping with these keys and no others.
fn section(description: &str, properties: Value, required: &[&str]) -> Map<String, Value> {
    let mut section = Map::new();
    section.insert("description".to_owned(), json!(description));
    section.insert("type".to_owned(), json!("object"));
    section.insert("additionalProperties".to_owned(), json!(false));
    if !required.is_empty() {
        section.insert("required".to_owned(), json!(required));
    }
    section.insert("properties".to_owned(), properties);
    section
}

/// The same where it may be left empty, which counts as left out.
fn optional(description: &str, properties: Value) -> Value {
    let mut section = section(description, properties, &[]);
    section.insert("type".to_owned(), json!(["object", "null"]));
    Value::Object(section)
}

/// Text that may be left empty.
fn text(description: &str, pattern: &str, examples: &[&str]) -> Value {
    json!({"description": description, "type": ["string", "null"], "pattern": pattern, "examples": examples})
}

/// Text that may read as something else where its quotes are left out.
fn plain(description: &str, pattern: &str, examples: &[&str]) -> Value {
    let mut value = text(description, pattern, examples);
    value["type"] = json!(PLAIN);
    value
}

fn one_of(description: &str, words: &[&str]) -> Value {
    let mut all: Vec<Value> = words.iter().map(|word| json!(word)).collect();
    all.push(Value::Null);
    json!({"description": description, "enum": all})
}

fn whole(description: &str, (least, most): (u32, u32), example: u32) -> Value {
    json!({
        "description": description, "type": ["integer", "null"], "minimum": least, "maximum": most,
        "examples": [example],
    })
}

fn positive(description: &str, example: f64) -> Value {
    json!({"description": description, "type": ["number", "null"], "exclusiveMinimum": 0, "examples": [example]})
}

fn truth(description: &str) -> Value {
    json!({"description": description, "type": ["boolean", "null"]})
}

fn words(description: &str, examples: &[&str]) -> Value {
    let items = json!({"type": SOMETHING, "pattern": WORD});
    json!({
        "description": description, "type": ["array", "null"], "items": items, "uniqueItems": true,
        "examples": [examples],
    })
}

/// Words that must be so, each of them.
fn words_like(description: &str, rule: &Value, examples: &[&str]) -> Value {
    let mut list = words(description, examples);
    let mut items = rule.clone();
    items["type"] = json!("string");
    list["items"] = items;
    list
}

/// Keys of the user's own.
fn named(description: &str, keys: &Value, values: &Value, example: &Value) -> Value {
    json!({
        "description": description, "type": ["object", "null"], "propertyNames": keys,
        "additionalProperties": values, "examples": [example],
    })
}

fn properties() -> Value {
    json!({
        "apiVersion": {"description": "Format of this file.", "const": API_VERSION},
        "kind": {"description": "What it describes.", "const": KIND},
        "name": plain(
            "Cluster name, unique among live stacks; NAME on the command line beats it.",
            "^[a-z][a-z0-9-]{0,38}[a-z0-9]$",
            &["demo"],
        ),
        "provider": one_of("The cloud.", &["aws", "gcp", "azure"]),
        "region": plain("Region in the cloud's own spelling; left out, the cloud's own configuration decides.", WORD, &["us-east-1"]),
        "account": plain("Account pin: any other account, project or subscription is refused.", WORD, &["123456789012"]),
        "environment": plain("Becomes a tag.", "^[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?$", &["dev", "prod"]),
        "version": plain(
            "Kubernetes minor version, in quotes; left out, the provider's default with enough support left.",
            r"^1\.[0-9]{1,3}$",
            &["1.35"],
        ),
        "ttl": text("Life time; enforced by `kubewright reap --delete`.", SPAN, &["8h", "90m", "2d"]),
        "protect": truth("Refuse destroy and reap until lifted with `kubewright protect NAME off`."),
        "budget": optional(
            "Spend limits, judged at the maximum before the first call that changes anything.",
            json!({
                "hourlyUsd": positive("USD an hour.", 3.0),
                "monthlyUsd": positive("USD a month of 730 hours.", 1_500.0),
                "warnAt": {
                    "description": "Share of a limit at which to warn.", "type": ["number", "null"],
                    "exclusiveMinimum": 0, "maximum": 1, "default": 0.8,
                },
            }),
        ),
        "network": network(),
        "nodePools": {
            "description": "Node pools; left out, one default pool.",
            "type": ["array", "null"], "minItems": 1, "items": pool(),
        },
        "admins": words("Further identities that get in.", &["arn:aws:iam::123456789012:role/ops"]),
        "tags": named(
            "Tags on everything that can carry them. Keys that begin with `kubewright-` are kubewright's own.",
            &json!({
                "minLength": 1,
                "not": {"pattern": "^([Kk][Uu][Bb][Ee][Ww][Rr][Ii][Gg][Hh][Tt]-.*|created_by|cluster_name|environment)$"},
            }),
            &json!({"type": PLAIN}),
            &json!({"team": "research"}),
        ),
        "aws": aws(),
        "gcp": gcp(),
        "azure": azure(),
    })
}

fn aws() -> Value {
    optional(
        "What only EKS has.",
        json!({
            "addons": words("EKS add-ons; an empty list installs none.", &["vpc-cni", "kube-proxy", "coredns"]),
            "clusterRoleArn": text("Your own cluster role.", ROLE_ARN, &["arn:aws:iam::123456789012:role/eks"]),
            "nodeRoleArn": text("Your own node role.", ROLE_ARN, &["arn:aws:iam::123456789012:role/nodes"]),
            "accessEntry": truth("Make an access entry for the caller besides the creator's own."),
        }),
    )
}

fn gcp() -> Value {
    optional(
        "What only GKE has.",
        json!({
            "regional": truth("A control plane in three zones instead of one."),
            "autopilot": truth("Nodes are Google's business: pods are billed, and there are no node pools."),
            "releaseChannel": one_of(
                "Who raises versions; `none`: nobody.",
                &clouds::CHANNELS.map(crate::model::spec::ReleaseChannel::as_str),
            ),
            "podCidr": text("Address range of pods, in a network that is made.", RANGE, &["10.4.0.0/14"]),
            "serviceCidr": text("Address range of Services, in a network that is made.", RANGE, &["10.8.0.0/20"]),
            "nodeServiceAccount": text(
                "Your own service account for nodes, its mail address.",
                r"^\S+@\S*gserviceaccount\.com$",
                &["nodes@my-project.iam.gserviceaccount.com"],
            ),
            "oauthScopes": words_like(
                "OAuth scopes of nodes: `cloud-platform`, `classic` (the six of old), or whole ones.",
                &json!({"pattern": format!(r"^(cloud-platform|classic|{}\S+)$", clouds::SCOPE.replace('.', r"\."))}),
                &["cloud-platform"],
            ),
            "addons": words_like(
                "Add-ons to turn on; an empty list turns off what can be.",
                &json!({"enum": clouds::GKE_ADDONS}),
                &["HttpLoadBalancing", "HorizontalPodAutoscaling"],
            ),
        }),
    )
}

fn azure() -> Value {
    optional(
        "What only AKS has.",
        json!({
            "tier": one_of("Tier of the control plane.", &clouds::TIERS.map(crate::model::spec::AksTier::as_str)),
            "network": one_of(
                "How pods get addresses; kubenet retires on 31 March 2028.",
                &clouds::NETWORKS.map(crate::model::spec::AksNetwork::as_str),
            ),
            "podCidr": text("Address range of pods.", RANGE, &["10.244.0.0/16"]),
            "serviceCidr": text("Address range of Services.", RANGE, &["10.1.0.0/16"]),
            "azureRbac": truth("Azure roles decide what Entra identities may do inside."),
            "adminGroups": words_like(
                "Entra groups whose members are cluster admins, by object id.",
                &json!({"pattern": GUID}),
                &["11111111-2222-3333-4444-555555555555"],
            ),
            "localAccounts": truth("Client certificates beside Entra."),
            "identity": text(
                "Your own identity for the cluster: the resource id of a user-assigned one.",
                r"^/[Ss]\S+/\S+$",
                &["/subscriptions/11111111-2222-3333-4444-555555555555/resourceGroups/g/providers/Microsoft.ManagedIdentity/userAssignedIdentities/aks"],
            ),
        }),
    )
}

fn network() -> Value {
    let existing = json!({
        "vpc": {
            "description": "Its id; on GCP its name, on Azure the resource id of the virtual network.", "type": SOMETHING,
            "pattern": WORD, "examples": ["vpc-0123456789abcdef0"],
        },
        "privateSubnets": words(
            "Subnets for nodes and control plane; exactly one on GCP and Azure.",
            &["subnet-0123456789abcdef0", "subnet-0123456789abcdef1"],
        ),
        "publicSubnets": words("Subnets with a public route.", &["subnet-0123456789abcdef2"]),
        "podRange": plain("GCP: the subnet's secondary range for pods.", WORD, &["pods"]),
        "serviceRange": plain("GCP: the subnet's secondary range for Services.", WORD, &["services"]),
    });
    let mut adopted = section(
        "A network brought along: adopted, never changed, never deleted.",
        existing,
        &["vpc", "privateSubnets"],
    );
    adopted.insert("type".to_owned(), json!(["object", "null"]));
    let zones = {
        let mut zones = words("Exactly these zones.", &["us-east-1a", "us-east-1b"]);
        (zones["minItems"], zones["maxItems"]) = (json!(1), json!(6));
        zones
    };
    optional(
        "The network.",
        json!({
            "cidr": text("Address range of a new network, /16 to /23.", RANGE, &["10.0.0.0/16"]),
            "zoneCount": whole("How many zones.", (1, 6), 2),
            "zones": zones,
            "nat": one_of("How nodes reach the internet: `none` gives them public addresses.", &["none", "single", "per-zone"]),
            "apiAllow": {
                "description": "Ranges that may reach the API server; left out, all.",
                "type": ["array", "null"], "minItems": 1, "uniqueItems": true,
                "items": {"type": "string", "pattern": RANGE}, "examples": [["203.0.113.0/24"]],
            },
            "existing": adopted,
        }),
    )
}

fn pool() -> Value {
    let needs = section(
        "The smallest machine that has this.",
        json!({
            "cpu": positive("Virtual CPUs, at least.", 4.0),
            "memoryGiB": positive("Memory in GiB, at least.", 16.0),
            "gpu": text("Accelerators: name and count.", r"^[A-Za-z][A-Za-z0-9._-]*:0*([1-9]|[1-5][0-9]|6[0-4])$", &["T4:1"]),
        }),
        &[],
    );
    let mut needs = Value::Object(needs);
    needs["minProperties"] = json!(1);
    let taint = section(
        "A taint.",
        json!({
            "key": {"description": "Its key.", "type": SOMETHING, "pattern": LABEL_KEY},
            "value": plain("Its value.", LABEL_VALUE, &["gpu"]),
            "effect": {
                "description": "What it does to pods that do not tolerate it.",
                "enum": ["NoSchedule", "PreferNoSchedule", "NoExecute"],
            },
        }),
        &["key", "effect"],
    );
    let properties = json!({
        "name": {
            "description": "Pool name, unique in the cluster.", "type": SOMETHING,
            "pattern": "^[a-z]([a-z0-9-]{0,61}[a-z0-9])?$", "examples": ["default"],
        },
        "instanceType": {
            "description": "The machine: by the vendor's name, or by what it must have.",
            "anyOf": [{"type": PLAIN, "pattern": WORD}, needs],
            "examples": ["m6a.large", {"cpu": 4, "memoryGiB": 16}],
        },
        "instanceTypes": {
            "description": "Machines that may stand for each other, instead of one; on demand the first that can be had is taken.",
            "type": ["array", "null"], "items": {"type": PLAIN, "pattern": WORD}, "examples": [["m6a.large", "m5.large"]],
        },
        "count": whole("Nodes in all, not per zone.", (0, read::MOST_NODES), 2),
        "min": whole("Fewest, when autoscaled.", (0, read::MOST_NODES), 0),
        "max": whole("Most, when autoscaled.", (1, read::MOST_NODES), 4),
        "spot": truth("Spot machines."),
        "diskGiB": whole("Root disk in GiB.", read::DISK_GIB, 50),
        "labels": named(
            "Kubernetes labels.",
            &json!({"pattern": LABEL_KEY}),
            &json!({"type": PLAIN, "pattern": LABEL_VALUE}),
            &json!({"team": "research"}),
        ),
        "taints": {"description": "Kubernetes taints.", "type": ["array", "null"], "items": taint},
    });
    Value::Object(section("A node pool.", properties, &["name"]))
}
