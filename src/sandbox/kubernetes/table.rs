//! Tables: what kubectl asks an API server for when a person reads the answer. The server chooses the columns and
//! computes the ages, so that both are by its own clock and not by the reader's.

use super::discovery::Kind;
use jiff::Timestamp;
use serde_json::{Value, json};

/// How much of each object comes with its row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Include {
    /// Its metadata, the default.
    Metadata,
    /// All of it.
    Object,
    /// Nothing.
    Nothing,
}

impl Include {
    /// What a request asks for: none when it asks for no table. The first media type that can be served counts.
    pub(super) fn asked(accept: &str, include: Option<&str>) -> Option<Self> {
        let is_table = |media: &str| media.contains("as=Table") && media.contains("g=meta.k8s.io");
        let first = accept.split(',').map(str::trim).find(|media| media.starts_with("application/json"))?;
        is_table(first).then_some(match include {
            Some("Object") => Self::Object,
            Some("None") => Self::Nothing,
            _ => Self::Metadata,
        })
    }

    fn of(self, row: &Value) -> Value {
        match self {
            Self::Object => row.clone(),
            Self::Nothing => Value::Null,
            Self::Metadata => json!({
                "kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": row["metadata"],
            }),
        }
    }
}

/// A column: its heading, whether it is only shown with `-o wide`, and what stands in it.
struct Column(&'static str, Width, fn(&Value, Timestamp) -> Value);

#[derive(Clone, Copy, PartialEq, Eq)]
enum Width {
    Always,
    Wide,
}
use Width::{Always, Wide};

const NAME: Column = Column("Name", Always, |row, _| json!(shown_name(row)));
const AGE: Column = Column("Age", Always, |row, now| json!(age(&row["metadata"]["creationTimestamp"], now)));

/// The columns of a kind, as an API server of 1.35 has them.
fn columns(kind: &Kind) -> Vec<Column> {
    let mut all = vec![NAME];
    match kind.plural {
        "nodes" => all.extend([
            Column("Status", Always, |row, _| json!(node_status(row))),
            // EKS sets no role label on nodes.
            Column("Roles", Always, |row, _| json!(roles(row))),
            AGE,
            Column("Version", Always, |row, _| row["status"]["nodeInfo"]["kubeletVersion"].clone()),
            Column("Internal-IP", Wide, |row, _| json!(address(row, "InternalIP"))),
            Column("External-IP", Wide, |row, _| json!(address(row, "ExternalIP"))),
            Column("OS-Image", Wide, |row, _| or_unknown(&row["status"]["nodeInfo"]["osImage"])),
            Column("Kernel-Version", Wide, |row, _| or_unknown(&row["status"]["nodeInfo"]["kernelVersion"])),
            Column("Container-Runtime", Wide, |row, _| {
                or_unknown(&row["status"]["nodeInfo"]["containerRuntimeVersion"])
            }),
        ]),
        "pods" => all.extend([
            Column("Ready", Always, |row, _| json!(containers_ready(row))),
            Column("Status", Always, |row, _| json!(pod_status(row))),
            Column("Restarts", Always, |row, _| json!(restarts(row).to_string())),
            AGE,
            Column("IP", Wide, |row, _| or_none(&row["status"]["podIP"])),
            Column("Node", Wide, |row, _| or_none(&row["spec"]["nodeName"])),
        ]),
        "namespaces" => all.extend([Column("Status", Always, |row, _| row["status"]["phase"].clone()), AGE]),
        "services" => all.extend([
            Column("Type", Always, |row, _| row["spec"]["type"].clone()),
            Column("Cluster-IP", Always, |row, _| or_none(&row["spec"]["clusterIP"])),
            Column("External-IP", Always, |row, _| json!(external(row))),
            Column("Port(s)", Always, |row, _| json!(ports(row))),
            AGE,
        ]),
        "deployments" | "statefulsets" => all.extend([
            Column("Ready", Always, |row, _| {
                json!(format!("{}/{}", count(&row["status"]["readyReplicas"]), count(&row["spec"]["replicas"])))
            }),
            Column("Up-to-date", Always, |row, _| json!(count(&row["status"]["updatedReplicas"]))),
            Column("Available", Always, |row, _| json!(count(&row["status"]["availableReplicas"]))),
            AGE,
        ]),
        "daemonsets" => all.extend([
            Column("Desired", Always, |row, _| json!(count(&row["status"]["desiredNumberScheduled"]))),
            Column("Current", Always, |row, _| json!(count(&row["status"]["currentNumberScheduled"]))),
            Column("Ready", Always, |row, _| json!(count(&row["status"]["numberReady"]))),
            Column("Up-to-date", Always, |row, _| json!(count(&row["status"]["updatedNumberScheduled"]))),
            Column("Available", Always, |row, _| json!(count(&row["status"]["numberAvailable"]))),
            AGE,
        ]),
        "persistentvolumeclaims" => all.extend([
            Column("Status", Always, |row, _| row["status"]["phase"].clone()),
            Column("Volume", Always, |row, _| json!(text(&row["spec"]["volumeName"]))),
            Column("Capacity", Always, |row, _| json!(text(&row["status"]["capacity"]["storage"]))),
            Column("Access Modes", Always, |row, _| json!(modes(row))),
            Column("StorageClass", Always, |row, _| json!(text(&row["spec"]["storageClassName"]))),
            AGE,
        ]),
        "persistentvolumes" => all.extend([
            Column("Capacity", Always, |row, _| json!(text(&row["spec"]["capacity"]["storage"]))),
            Column("Access Modes", Always, |row, _| json!(modes(row))),
            Column("Reclaim Policy", Always, |row, _| json!(text(&row["spec"]["persistentVolumeReclaimPolicy"]))),
            Column("Status", Always, |row, _| row["status"]["phase"].clone()),
            Column("Claim", Always, |row, _| json!(claim(row))),
            Column("StorageClass", Always, |row, _| json!(text(&row["spec"]["storageClassName"]))),
            AGE,
        ]),
        "storageclasses" => all.extend([
            Column("Provisioner", Always, |row, _| row["provisioner"].clone()),
            Column("ReclaimPolicy", Always, |row, _| row["reclaimPolicy"].clone()),
            Column("VolumeBindingMode", Always, |row, _| row["volumeBindingMode"].clone()),
            Column("AllowVolumeExpansion", Always, |row, _| json!(row["allowVolumeExpansion"] == json!(true))),
            AGE,
        ]),
        "jobs" => all.extend([
            Column("Status", Always, |row, _| json!(job_status(row))),
            Column("Completions", Always, |row, _| {
                let wanted = row["spec"]["completions"].as_u64();
                let wanted = wanted.map_or_else(|| "1".to_owned(), |wanted| wanted.to_string());
                json!(format!("{}/{wanted}", count(&row["status"]["succeeded"])))
            }),
            Column("Duration", Always, |row, now| {
                let ended = text(&row["status"]["completionTime"]).parse().unwrap_or(now);
                json!(if row["status"]["startTime"].is_null() {
                    String::new()
                } else {
                    age(&row["status"]["startTime"], ended)
                })
            }),
            AGE,
        ]),
        "events" => {
            all.clear();
            all.extend([
                Column("Last Seen", Always, |row, now| json!(age(&row["lastTimestamp"], now))),
                Column("Type", Always, |row, _| row["type"].clone()),
                Column("Reason", Always, |row, _| row["reason"].clone()),
                Column("Object", Always, |row, _| {
                    let of = &row["involvedObject"];
                    json!(format!("{}/{}", text(&of["kind"]).to_lowercase(), text(&of["name"])))
                }),
                Column("Message", Always, |row, _| row["message"].clone()),
            ]);
        }
        "configmaps" | "secrets" => all.extend([
            Column("Data", Always, |row, _| json!(row["data"].as_object().map_or(0, serde_json::Map::len))),
            AGE,
        ]),
        _ => all.push(AGE),
    }
    all
}

/// The name; the class of claims that name none is marked.
fn shown_name(row: &Value) -> String {
    let default = row["metadata"]["annotations"][super::views::DEFAULT_CLASS] == json!("true");
    format!("{}{}", text(&row["metadata"]["name"]), if default { " (default)" } else { "" })
}

/// These objects as a table.
pub(super) fn table(kind: &Kind, rows: &[Value], include: Include, now: Timestamp, revision: &Value) -> Value {
    let columns = columns(kind);
    let definitions: Vec<Value> = columns
        .iter()
        .map(|Column(name, width, _)| {
            let format = if *name == "Name" { "name" } else { "" };
            let priority = i32::from(*width == Wide);
            json!({"name": name, "type": "string", "format": format, "description": "", "priority": priority})
        })
        .collect();
    let rows: Vec<Value> = rows
        .iter()
        .map(|row| {
            let cells: Vec<Value> = columns.iter().map(|Column(_, _, cell)| cell(row, now)).collect();
            json!({"cells": cells, "object": include.of(row)})
        })
        .collect();
    json!({
        "kind": "Table", "apiVersion": "meta.k8s.io/v1", "metadata": {"resourceVersion": revision},
        "columnDefinitions": definitions, "rows": rows,
    })
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn or_none(value: &Value) -> Value {
    if text(value).is_empty() { json!("<none>") } else { value.clone() }
}

fn or_unknown(value: &Value) -> Value {
    if text(value).is_empty() { json!("<unknown>") } else { value.clone() }
}

fn count(value: &Value) -> u64 {
    value.as_u64().unwrap_or_default()
}

fn condition<'r>(row: &'r Value, which: &str) -> Option<&'r str> {
    let conditions = row["status"]["conditions"].as_array()?;
    conditions.iter().find(|it| it["type"] == json!(which))?["status"].as_str()
}

fn node_status(row: &Value) -> String {
    let ready = match condition(row, "Ready") {
        Some("True") => "Ready",
        Some(_) => "NotReady",
        None => "Unknown",
    };
    let closed = if row["spec"]["unschedulable"] == json!(true) { ",SchedulingDisabled" } else { "" };
    format!("{ready}{closed}")
}

fn roles(row: &Value) -> String {
    let labels = row["metadata"]["labels"].as_object();
    let named = labels.into_iter().flatten().filter_map(|(key, _)| key.strip_prefix("node-role.kubernetes.io/"));
    let roles: Vec<&str> = named.collect();
    if roles.is_empty() { "<none>".to_owned() } else { roles.join(",") }
}

fn address(row: &Value, which: &str) -> String {
    let all = row["status"]["addresses"].as_array();
    let found = all.into_iter().flatten().find(|it| it["type"] == json!(which));
    found.map_or("<none>", |it| text(&it["address"])).to_owned()
}

/// As kubectl shows it: how it ended, or that it goes on.
fn job_status(row: &Value) -> &'static str {
    let holds = |which| condition(row, which) == Some("True");
    match () {
        () if holds("Complete") => "Complete",
        () if holds("Failed") => "Failed",
        () if !row["metadata"]["deletionTimestamp"].is_null() => "Terminating",
        () if holds("Suspended") => "Suspended",
        () if holds("FailureTarget") => "FailureTarget",
        () if holds("SuccessCriteriaMet") => "SuccessCriteriaMet",
        () => "Running",
    }
}

fn containers_ready(row: &Value) -> String {
    let all = row["spec"]["containers"].as_array().map_or(0, Vec::len);
    let statuses = row["status"]["containerStatuses"].as_array();
    let ready = statuses.into_iter().flatten().filter(|it| it["ready"] == json!(true)).count();
    format!("{ready}/{all}")
}

fn pod_status(row: &Value) -> String {
    if !row["metadata"]["deletionTimestamp"].is_null() {
        return "Terminating".to_owned();
    }
    let statuses = row["status"]["containerStatuses"].as_array();
    let waiting = statuses
        .into_iter()
        .flatten()
        .find_map(|it| it["state"]["waiting"]["reason"].as_str().or(it["state"]["terminated"]["reason"].as_str()));
    waiting.unwrap_or_else(|| text(&row["status"]["phase"])).to_owned()
}

fn restarts(row: &Value) -> u64 {
    row["status"]["containerStatuses"].as_array().into_iter().flatten().map(|it| count(&it["restartCount"])).sum()
}

fn external(row: &Value) -> String {
    let given = row["status"]["loadBalancer"]["ingress"].as_array();
    let hosts: Vec<&str> =
        given.into_iter().flatten().map(|it| it["hostname"].as_str().unwrap_or_else(|| text(&it["ip"]))).collect();
    match text(&row["spec"]["type"]) {
        "LoadBalancer" if hosts.is_empty() => "<pending>".to_owned(),
        "LoadBalancer" => hosts.join(","),
        _ => "<none>".to_owned(),
    }
}

fn ports(row: &Value) -> String {
    let one = |port: &Value| {
        let protocol = port["protocol"].as_str().unwrap_or("TCP");
        match port["nodePort"].as_u64() {
            Some(node) => format!("{}:{node}/{protocol}", count(&port["port"])),
            None => format!("{}/{protocol}", count(&port["port"])),
        }
    };
    let all: Vec<String> = row["spec"]["ports"].as_array().into_iter().flatten().map(one).collect();
    if all.is_empty() { "<none>".to_owned() } else { all.join(",") }
}

fn modes(row: &Value) -> String {
    let short = |mode: &Value| match text(mode) {
        "ReadWriteOnce" => "RWO",
        "ReadOnlyMany" => "ROX",
        "ReadWriteMany" => "RWX",
        "ReadWriteOncePod" => "RWOP",
        _ => "",
    };
    let all: Vec<&str> = row["spec"]["accessModes"].as_array().into_iter().flatten().map(short).collect();
    all.join(",")
}

fn claim(row: &Value) -> String {
    let claim = &row["spec"]["claimRef"];
    if claim.is_null() { String::new() } else { format!("{}/{}", text(&claim["namespace"]), text(&claim["name"])) }
}

/// An age as kubectl's users know it: two units while it is young, then one.
fn age(made: &Value, now: Timestamp) -> String {
    let Some(made) = made.as_str().and_then(|text| text.parse::<Timestamp>().ok()) else {
        return "<unknown>".to_owned();
    };
    let secs = (now.as_second() - made.as_second()).max(0);
    let (minutes, hours, days) = (secs / 60, secs / 3_600, secs / 86_400);
    let two = |first: i64, unit: &str, second: i64, smaller: &str| match second {
        0 => format!("{first}{unit}"),
        _ => format!("{first}{unit}{second}{smaller}"),
    };
    match () {
        () if secs < 120 => format!("{secs}s"),
        () if minutes < 10 => two(minutes, "m", secs % 60, "s"),
        () if minutes < 180 => format!("{minutes}m"),
        () if hours < 8 => two(hours, "h", minutes % 60, "m"),
        () if hours < 48 => format!("{hours}h"),
        () if days < 8 => two(days, "d", hours % 24, "h"),
        () => format!("{days}d"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_who_asks_first_for_a_table_gets_one() {
        let kubectl = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json;as=Table;v=v1beta1;g=meta.k8s.io,application/json";
        assert_eq!(Include::asked(kubectl, None), Some(Include::Metadata));
        assert_eq!(Include::asked(kubectl, Some("Object")), Some(Include::Object));
        assert_eq!(Include::asked(kubectl, Some("None")), Some(Include::Nothing));
        for other in ["application/json", "*/*", "", "application/json, application/json;as=Table;v=v1;g=meta.k8s.io"] {
            assert_eq!(Include::asked(other, None), None, "{other}");
        }
    }

    #[test]
    fn ages_read_as_kubectl_writes_them() {
        let now: Timestamp = "2026-11-20T12:00:00Z".parse().expect("a time");
        for (made, shown) in [
            ("2026-11-20T11:59:18Z", "42s"),
            ("2026-11-20T11:58:00Z", "2m"),
            ("2026-11-20T11:54:30Z", "5m30s"),
            ("2026-11-20T11:30:00Z", "30m"),
            ("2026-11-20T08:45:00Z", "3h15m"),
            ("2026-11-19T12:00:00Z", "24h"),
            ("2026-11-15T06:00:00Z", "5d6h"),
            ("2026-10-01T12:00:00Z", "50d"),
            ("2026-11-20T12:00:01Z", "0s"),
        ] {
            assert_eq!(age(&json!(made), now), shown, "{made}");
        }
        assert_eq!(age(&Value::Null, now), "<unknown>");
    }

    #[test]
    fn a_node_reads_as_kubectl_shows_it() {
        let row = json!({
            "metadata": {"name": "ip-1", "creationTimestamp": "2026-11-20T11:00:00Z", "labels": {}},
            "spec": {"unschedulable": true},
            "status": {
                "conditions": [{"type": "Ready", "status": "True"}], "nodeInfo": {"kubeletVersion": "v1.35.2"},
                "addresses": [{"type": "InternalIP", "address": "10.0.0.1"}],
            },
        });
        let kind = Kind::find("", "nodes").expect("served");
        let now = "2026-11-20T12:00:00Z".parse().expect("a time");
        let table = table(kind, &[row], Include::Metadata, now, &json!("7"));
        let cells = table["rows"][0]["cells"].as_array().expect("cells");
        let shown: Vec<&str> = cells.iter().map(text).collect();
        assert_eq!(shown[..5], ["ip-1", "Ready,SchedulingDisabled", "<none>", "60m", "v1.35.2"]);
        assert_eq!(shown[5..7], ["10.0.0.1", "<none>"]);
        assert_eq!(table["columnDefinitions"].as_array().map(Vec::len), Some(cells.len()));
        assert_eq!(table["rows"][0]["object"]["kind"], "PartialObjectMetadata");
    }
}
