//! Kubeconfig files as text: what is in them, and the same text with our entries put in or taken out.
//!
//! Pure: no file is read or written here. Whatever is not ours stays as it was, byte for byte where the file is in
//! block style; every edit is read back and compared with what it should mean before it is handed out, and a file in
//! another style is written anew with the same meaning. A file that kubectl could not read is refused, never mended.

mod entry;
mod render;
mod surgery;
#[cfg(test)]
mod tests;

pub use entry::{Entry, ExecCommand, Login, mark_of};

use entry::EXTENSION;
use serde_json::{Value as Json, json};
use serde_yaml::{Mapping, Value};

/// Longest file that is read: far above what thousands of clusters need.
pub const LIMIT: u64 = 16 * 1024 * 1024;

/// Why a kubeconfig cannot be worked with, in words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct KubeconfigError(pub String);

/// How a file is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Style {
    Yaml,
    Json,
}

/// The lists of named things.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum List {
    Clusters,
    Contexts,
    Users,
}

impl List {
    const ALL: [Self; 3] = [Self::Clusters, Self::Contexts, Self::Users];

    const fn key(self) -> &'static str {
        match self {
            Self::Clusters => "clusters",
            Self::Contexts => "contexts",
            Self::Users => "users",
        }
    }
}

/// One change.
#[derive(Debug, Clone, PartialEq)]
enum Edit {
    Put(List, String, Json),
    Drop(List, String),
    Current(Option<String>),
}

/// A context as it stands in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContextSeen {
    /// Its name.
    pub name: String,
    /// The cluster entry it names.
    pub cluster: String,
    /// The user entry it names.
    pub user: String,
    /// The mark of the cluster it is for, where kubewright wrote it.
    pub mark: Option<String>,
}

/// A kubeconfig.
#[derive(Debug, Clone, PartialEq)]
pub struct Kubeconfig {
    text: String,
    root: Mapping,
    style: Style,
}

impl Kubeconfig {
    /// One without anything in it.
    pub fn empty() -> Self {
        Self { text: String::new(), root: Mapping::new(), style: Style::Yaml }
    }

    /// Reads a file's text. An empty one is an empty kubeconfig.
    ///
    /// # Errors
    /// What kubectl would refuse too: not YAML or JSON, not a mapping, lists that are none, names that occur twice.
    pub fn parse(text: &str) -> Result<Self, KubeconfigError> {
        let bare = text.strip_prefix('\u{feff}').unwrap_or(text);
        let as_json = || serde_json::from_str::<Json>(bare).ok();
        let (value, style) = match bare.trim_start().starts_with('{').then(as_json).flatten() {
            Some(json) => (serde_yaml::to_value(json).map_err(|why| refused(&why.to_string()))?, Style::Json),
            None => (serde_yaml::from_str(bare).map_err(|why| refused(&why.to_string()))?, Style::Yaml),
        };
        let root = match value {
            Value::Null => Mapping::new(),
            Value::Mapping(root) => root,
            _ => return Err(refused("it is not a mapping of keys to values")),
        };
        let read = Self { text: text.to_owned(), root, style };
        for list in List::ALL {
            let mut names = std::collections::BTreeSet::new();
            for item in read.items(list)? {
                let Some(name) = name_of(item) else {
                    return Err(refused(&format!("an entry of `{}` has no name", list.key())));
                };
                if !names.insert(name) {
                    return Err(refused(&format!(
                        "`{name}` stands twice in `{}`; kubectl refuses that too",
                        list.key()
                    )));
                }
            }
        }
        if let Some(current) = read.root.get("current-context")
            && !matches!(current, Value::Null | Value::String(_))
        {
            return Err(refused("`current-context` is not text"));
        }
        Ok(read)
    }

    /// The file's text.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The context that kubectl uses unasked.
    pub fn current(&self) -> Option<&str> {
        self.root.get("current-context")?.as_str().filter(|name| !name.is_empty())
    }

    /// All contexts.
    pub fn contexts(&self) -> Vec<ContextSeen> {
        let items = self.items(List::Contexts).unwrap_or_default();
        let seen = |item: &Value| {
            let context = item.get("context");
            let word = |key: &str| context.and_then(|it| it.get(key)?.as_str()).unwrap_or_default().to_owned();
            Some(ContextSeen {
                name: name_of(item)?.to_owned(),
                cluster: word("cluster"),
                user: word("user"),
                mark: context.and_then(mark_in),
            })
        };
        items.iter().filter_map(seen).collect()
    }

    /// The context that kubewright wrote for the cluster of this mark.
    pub fn ours(&self, mark: &str) -> Option<ContextSeen> {
        self.contexts().into_iter().find(|context| context.mark.as_deref() == Some(mark))
    }

    /// With the entry in it; the one that kubewright wrote for the same cluster before goes, under whatever name.
    /// The current context follows a rename and moves in no other case.
    ///
    /// # Errors
    /// When an entry of somebody else has one of the names.
    pub fn with(&self, entry: &Entry) -> Result<Self, KubeconfigError> {
        let mut edits = Vec::new();
        if let Some(old) = self.ours(&entry.mark)
            && old.name != entry.context
        {
            edits.push(Edit::Drop(List::Contexts, old.name.clone()));
            if self.current() == Some(old.name.as_str()) {
                edits.push(Edit::Current(Some(entry.context.clone())));
            }
        }
        for (list, name, value) in entry.items() {
            if let Some(there) = self.item(list, &name)
                && !self.is_ours(list, there, &entry.mark)
            {
                let what = list.key().trim_end_matches('s');
                return Err(KubeconfigError(format!(
                    "a {what} `{name}` is there already and was not written by kubewright"
                )));
            }
            edits.push(Edit::Put(list, name, value));
        }
        self.apply(&edits)
    }

    /// Without what kubewright wrote for the cluster of this mark. A cluster or user entry that a context of somebody
    /// else uses as well stays. A current context that goes leaves none behind.
    ///
    /// # Errors
    /// As [`Self::parse`], for a file that cannot be written in any style.
    pub fn without(&self, mark: &str) -> Result<Self, KubeconfigError> {
        let contexts = self.contexts();
        let (gone, kept): (Vec<_>, Vec<_>) = contexts.iter().partition(|context| context.mark.as_deref() == Some(mark));
        let mut edits: Vec<Edit> = gone.iter().map(|it| Edit::Drop(List::Contexts, it.name.clone())).collect();
        for list in [List::Clusters, List::Users] {
            let used =
                |name: &str| kept.iter().any(|it| name == if list == List::Users { &it.user } else { &it.cluster });
            for item in self.items(list)? {
                if let Some(name) = name_of(item)
                    && self.is_ours(list, item, mark)
                    && !used(name)
                {
                    edits.push(Edit::Drop(list, name.to_owned()));
                }
            }
        }
        if gone.iter().any(|context| self.current() == Some(context.name.as_str())) {
            edits.push(Edit::Current(None));
        }
        self.apply(&edits)
    }

    /// With another current context.
    ///
    /// # Errors
    /// As [`Self::without`].
    pub fn with_current(&self, name: Option<&str>) -> Result<Self, KubeconfigError> {
        if self.current() == name {
            return Ok(self.clone());
        }
        self.apply(&[Edit::Current(name.map(str::to_owned))])
    }

    fn items(&self, list: List) -> Result<&[Value], KubeconfigError> {
        match self.root.get(list.key()) {
            None | Some(Value::Null) => Ok(&[]),
            Some(Value::Sequence(items)) => Ok(items),
            Some(_) => Err(refused(&format!("`{}` is not a list", list.key()))),
        }
    }

    fn item(&self, list: List, name: &str) -> Option<&Value> {
        self.items(list).ok()?.iter().find(|item| name_of(item) == Some(name))
    }

    /// Whether kubewright wrote an entry for the cluster of this mark. Users cannot carry a mark of their own, so
    /// theirs is in the name, which nobody else gives.
    fn is_ours(&self, list: List, item: &Value, mark: &str) -> bool {
        match list {
            List::Contexts => item.get("context").and_then(mark_in).as_deref() == Some(mark),
            List::Clusters => item.get("cluster").and_then(mark_in).as_deref() == Some(mark),
            List::Users => name_of(item) == Some(entry::entry_name(mark).as_str()),
        }
    }

    fn apply(&self, edits: &[Edit]) -> Result<Self, KubeconfigError> {
        let mut root = self.root.clone();
        for edit in edits {
            apply_one(&mut root, edit)?;
        }
        if root == self.root {
            return Ok(self.clone());
        }
        // Keys that kubectl expects in every file, once something of ours is in it.
        let fresh = self.root.is_empty();
        if fresh {
            let mut head = Mapping::new();
            head.insert("apiVersion".into(), "v1".into());
            head.insert("kind".into(), "Config".into());
            head.extend(root);
            root = head;
        }
        if self.style == Style::Json {
            let json = serde_json::to_value(&root).map_err(|why| refused(&why.to_string()))?;
            let text = serde_json::to_string_pretty(&json).map_err(|why| refused(&why.to_string()))? + "\n";
            return Ok(Self { text, root, style: Style::Json });
        }
        let base = if fresh {
            format!("{}apiVersion: v1\nkind: Config\n", surgery::ended(&self.text))
        } else {
            self.text.clone()
        };
        let edited = surgery::apply(&base, edits).and_then(|text| Self::parse(&text).ok()).filter(|it| it.root == root);
        if let Some(edited) = edited {
            return Ok(edited);
        }
        let text = serde_yaml::to_string(&root).map_err(|why| refused(&why.to_string()))?;
        let again = Self::parse(&text)?;
        if again.root != root {
            return Err(refused("it holds something that cannot be written back unchanged"));
        }
        Ok(again)
    }
}

fn apply_one(root: &mut Mapping, edit: &Edit) -> Result<(), KubeconfigError> {
    let of = |root: &mut Mapping, list: List| -> Vec<Value> {
        match root.get(list.key()) {
            Some(Value::Sequence(items)) => items.clone(),
            _ => Vec::new(),
        }
    };
    match edit {
        Edit::Current(None) if !root.contains_key("current-context") => {}
        Edit::Current(name) => {
            root.insert("current-context".into(), name.clone().unwrap_or_default().into());
        }
        Edit::Drop(list, name) => {
            let mut items = of(root, *list);
            items.retain(|item| name_of(item) != Some(name));
            root.insert(list.key().into(), Value::Sequence(items));
        }
        Edit::Put(list, name, value) => {
            let value = serde_yaml::to_value(value).map_err(|why| refused(&why.to_string()))?;
            let mut items = of(root, *list);
            match items.iter_mut().find(|item| name_of(item) == Some(name)) {
                Some(old) => *old = value,
                None => items.push(value),
            }
            root.insert(list.key().into(), Value::Sequence(items));
        }
    }
    Ok(())
}

fn name_of(item: &Value) -> Option<&str> {
    item.get("name")?.as_str()
}

fn mark_in(body: &Value) -> Option<String> {
    let extensions = body.get("extensions")?.as_sequence()?;
    let ours = extensions.iter().find(|it| name_of(it) == Some(EXTENSION))?;
    Some(ours.get("extension")?.get("cluster")?.as_str()?.to_owned())
}

fn refused(why: &str) -> KubeconfigError {
    KubeconfigError(why.to_owned())
}

/// The stanza of kubectl's own preferences (`~/.kube/kuberc`, Kubernetes 1.35) that lets kubeconfigs run this plugin
/// and no other. Source: Kubernetes documentation, "kuberc", `credentialPluginPolicy`.
pub fn allowlist(command: &str) -> String {
    let stanza = json!({
        "apiVersion": "kubectl.config.k8s.io/v1beta1",
        "kind": "Preference",
        "credentialPluginPolicy": "Allowlist",
        "credentialPluginAllowlist": [{ "name": command }],
    });
    render::block(&stanza, 0)
}
