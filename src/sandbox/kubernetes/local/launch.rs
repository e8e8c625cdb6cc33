//! What a container is started with, read from its pod as a kubelet reads it.

use super::super::{
    discovery::Kind,
    host::Cluster,
    objects::{filed, id},
    script::{Script, words},
};
use crate::sandbox::world::{Scope, Tx};
use base64::Engine;
use serde_json::Value;
use std::{
    path::{Component, Path, PathBuf},
    time::Duration,
};

type Variables = Vec<(String, String)>;

/// A container about to run. It holds secrets: not to be shown.
pub(super) struct Launch {
    /// Where its pod is filed in the world.
    pub(super) scope: Scope,
    /// Its pod there.
    pub(super) object: String,
    /// Its pod's own id.
    pub(super) uid: String,
    /// Command and arguments.
    pub(super) words: Vec<String>,
    /// Its variables; of two with one name the later counts.
    pub(super) env: Variables,
    /// What it is called.
    pub(super) hostname: String,
    /// Its working directory, below its root.
    pub(super) below: PathBuf,
    /// What it finds below its root.
    pub(super) mounts: Vec<Mount>,
    /// How long its memory lasts, of a pod that asks to run out of it.
    pub(super) memory_lasts: Option<Duration>,
}

impl Launch {
    /// Reads what is to run.
    ///
    /// # Errors
    /// What of it cannot be had here.
    pub(super) fn of(tx: &Tx<'_>, cluster: &Cluster, pod: &Value) -> Result<Self, String> {
        let container = &pod["spec"]["containers"][0];
        let words = words(container);
        if words.is_empty() {
            return Err("no command specified: pods that run here have no image".to_owned());
        }
        let text = |key: &str| pod["metadata"][key].as_str().unwrap_or_default();
        let asks = Asks { tx, cluster, pod };
        let env = asks.variables()?;
        Ok(Self {
            scope: cluster.scope.clone(),
            object: id(cluster, Some(text("namespace")), text("name")),
            uid: text("uid").to_owned(),
            words: words.iter().map(|word| expanded(word, &env)).collect(),
            hostname: pod["spec"]["hostname"].as_str().unwrap_or(text("name")).to_owned(),
            below: below(&container["workingDir"]),
            mounts: asks.mounts()?,
            env,
            memory_lasts: Script::of(pod).out_of_memory(),
        })
    }
}

/// A path, never above its root.
fn below(path: &Value) -> PathBuf {
    let parts = Path::new(path.as_str().unwrap_or_default()).components();
    parts.filter(|part| matches!(part, Component::Normal(_))).collect()
}

/// A directory that a container finds below its root.
#[derive(PartialEq, Eq)]
pub(super) struct Mount {
    pub(super) below: PathBuf,
    /// What is in it, by path.
    pub(super) files: Vec<(PathBuf, Vec<u8>)>,
}

/// A pod that asks for variables and volumes.
struct Asks<'a> {
    tx: &'a Tx<'a>,
    cluster: &'a Cluster,
    pod: &'a Value,
}

impl Asks<'_> {
    fn variables(&self) -> Result<Variables, String> {
        let container = &self.pod["spec"]["containers"][0];
        let mut all = Variables::new();
        for source in container["envFrom"].as_array().into_iter().flatten() {
            let prefix = source["prefix"].as_str().unwrap_or_default();
            let found =
                [("secrets", "secretRef"), ("configmaps", "configMapRef")].map(|(of, key)| self.data(of, &source[key]));
            all.extend(found.into_iter().flatten().map(|(name, value)| (format!("{prefix}{name}"), value)));
        }
        for variable in container["env"].as_array().into_iter().flatten() {
            let name = variable["name"].as_str().unwrap_or_default();
            // One that is optional and not there is not set.
            if let Some(value) = self.value(name, variable, &all)? {
                all.push((name.to_owned(), value));
            }
        }
        Ok(all)
    }

    fn value(&self, name: &str, variable: &Value, before: &Variables) -> Result<Option<String>, String> {
        let from = &variable["valueFrom"];
        let listed = |of: &str, by: &Value| self.data(of, by).into_iter().find(|(key, _)| by["key"] == **key);
        if from.is_null() {
            return Ok(Some(expanded(variable["value"].as_str().unwrap_or_default(), before)));
        }
        if let Some(path) = from["fieldRef"]["fieldPath"].as_str() {
            return Ok(Some(field(self.pod, path)));
        }
        for (of, key) in [("secrets", "secretKeyRef"), ("configmaps", "configMapKeyRef")] {
            if !from[key].is_null() {
                return Ok(listed(of, &from[key]).map(|(_, value)| value));
            }
        }
        Err(format!("variable {name}: pods that run here know fields, Secrets and ConfigMaps as sources"))
    }

    /// What a Secret or a ConfigMap holds, as variables have it.
    fn data(&self, of: &str, by: &Value) -> Variables {
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        self.bytes(of, &by["name"]).into_iter().map(|(key, bytes)| (key, text(bytes))).collect()
    }

    /// What a Secret or a ConfigMap holds; nothing where nothing is asked for, or it is not there.
    fn bytes(&self, of: &str, name: &Value) -> Vec<(String, Vec<u8>)> {
        let Some(name) = name.as_str() else { return Vec::new() };
        let kind = Kind::find("", of).expect("a kind of the table");
        let key = id(self.cluster, self.pod["metadata"]["namespace"].as_str(), name);
        let Some(found) = self.tx.get(&self.cluster.scope, filed(kind), &key) else { return Vec::new() };
        let decoded = |text: &str| base64::engine::general_purpose::STANDARD.decode(text).unwrap_or_default();
        let read = |field: &str, encoded: bool| {
            let all = found.doc[field].as_object().into_iter().flatten();
            let value = move |value: &Value| match value.as_str().unwrap_or_default() {
                text if encoded => decoded(text),
                text => text.as_bytes().to_vec(),
            };
            all.map(|(key, it)| (key.clone(), value(it))).collect::<Vec<_>>()
        };
        [read("data", of == "secrets"), read("binaryData", true)].concat()
    }

    /// Its volumes, each where its container mounts it.
    fn mounts(&self) -> Result<Vec<Mount>, String> {
        let mut mounts: Vec<Mount> = Vec::new();
        let mut empty: Vec<&str> = Vec::new();
        for mount in self.pod["spec"]["containers"][0]["volumeMounts"].as_array().into_iter().flatten() {
            let name = mount["name"].as_str().unwrap_or_default();
            let refuse = |why: &str| Err(format!("volume {name}: pods that run here {why}"));
            let all = self.pod["spec"]["volumes"].as_array();
            let Some(volume) = all.and_then(|all| all.iter().find(|it| it["name"] == *name)) else { continue };
            if !mount["subPath"].is_null() || !mount["subPathExpr"].is_null() {
                return refuse("mount volumes whole");
            }
            let (map, secret) = (&volume["configMap"], &volume["secret"]);
            let files = if !map.is_null() {
                files(map, self.bytes("configmaps", &map["name"]))
            } else if !secret.is_null() {
                files(secret, self.bytes("secrets", &secret["secretName"]))
            } else if volume["emptyDir"].is_null() {
                return refuse("have empty directories, ConfigMaps and Secrets as volumes");
            } else if empty.contains(&name) {
                return refuse("mount an empty directory once");
            } else {
                empty.push(name);
                Vec::new()
            };
            mounts.push(Mount { below: below(&mount["mountPath"]), files });
        }
        Ok(mounts)
    }
}

/// The files of a volume made from a Secret or a ConfigMap: all of it, or the items that are named.
fn files(source: &Value, data: Vec<(String, Vec<u8>)>) -> Vec<(PathBuf, Vec<u8>)> {
    let Some(items) = source["items"].as_array() else {
        return data.into_iter().map(|(key, bytes)| (below(&Value::String(key)), bytes)).collect();
    };
    let item = |item: &Value| {
        let (_, bytes) = data.iter().find(|(key, _)| item["key"] == **key)?;
        Some((below(&item["path"]), bytes.clone()))
    };
    items.iter().filter_map(item).collect()
}

/// With `$(NAME)` as the variable says, where it is known; `$$` is a dollar.
fn expanded(text: &str, known: &Variables) -> String {
    let (mut out, mut rest) = (String::new(), text);
    while let Some((before, after)) = rest.split_once('$') {
        out.push_str(before);
        let named = after.strip_prefix('(').and_then(|inner| inner.split_once(')'));
        rest = match (named, after.strip_prefix('$')) {
            (_, Some(after)) => {
                out.push('$');
                after
            }
            (Some((name, after)), None) => {
                match known.iter().rev().find(|(other, _)| other == name) {
                    Some((_, value)) => out.push_str(value),
                    None => out.push_str(&format!("$({name})")),
                }
                after
            }
            (None, None) => {
                out.push('$');
                after
            }
        };
    }
    out + rest
}

/// A field of the pod, as the downward API names it.
fn field(pod: &Value, path: &str) -> String {
    let found = match path.split_once("['") {
        Some((map, key)) => {
            let map = map.replace('.', "/");
            pod.pointer(&format!("/{map}")).and_then(|map| map.get(key.trim_end_matches("']")))
        }
        None => pod.pointer(&format!("/{}", path.replace('.', "/"))),
    };
    found.and_then(Value::as_str).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn variables_are_put_in_as_kubernetes_does() {
        let known = vec![("A".to_owned(), "1".to_owned()), ("A".to_owned(), "2".to_owned())];
        for (text, wanted) in [
            ("plain", "plain"),
            ("a $(A) b$(A)", "a 2 b2"),
            ("$(B) $$(A) $A $", "$(B) $(A) $A $"),
            ("$$$(A) $(", "$2 $("),
        ] {
            assert_eq!(expanded(text, &known), wanted, "{text}");
        }
    }

    #[test]
    fn files_stay_below_their_mount() {
        let data = vec![("a".to_owned(), b"1".to_vec()), ("b".to_owned(), b"2".to_vec())];
        let all = files(&json!({}), data.clone());
        assert_eq!(all, [(PathBuf::from("a"), b"1".to_vec()), (PathBuf::from("b"), b"2".to_vec())]);
        let items = json!({"items": [{"key": "b", "path": "../../deep/b"}, {"key": "c", "path": "c"}]});
        assert_eq!(files(&items, data), [(PathBuf::from("deep/b"), b"2".to_vec())]);
        assert_eq!(below(&json!("/work/../x")), PathBuf::from("work/x"));
    }

    #[test]
    fn fields_are_found_by_path_and_by_key() {
        let pod = json!({"metadata": {"name": "a", "labels": {"x.io/y": "z"}}});
        assert_eq!(
            (field(&pod, "metadata.name").as_str(), field(&pod, "metadata.labels['x.io/y']").as_str()),
            ("a", "z")
        );
        assert_eq!(field(&pod, "spec.nope"), "");
    }
}
