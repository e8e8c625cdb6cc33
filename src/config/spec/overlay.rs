//! Flags laid over the file: `--set key=value`, `--pool name=gpu,…`, and flags that stand for one key.
//!
//! An overlay changes the tree before it is read, so that its value meets the same rules as the file's; what is wrong
//! with it is placed at the flag.

use super::problem::{Place, SpecProblem, nearest};
use crate::config::yaml::{self, Entry, Kind, Node};

/// Where what no file says comes from: any flag may say otherwise.
pub(super) const NO_FILE: &str = "command line";

/// One flag. Making one cannot fail: what is wrong is told together with everything else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Overlay {
    place: Place,
    edit: Edit,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Edit {
    Set { path: String, value: String },
    Bare(String),
    FirstPool { field: &'static str, value: String },
    Pool(String),
}

impl Overlay {
    /// `--set nodePools.gpu.max=3`. Pools go by name; an empty value takes the key out; `[…]` and `{…}` are YAML.
    pub fn set(argument: &str) -> Self {
        let edit = match argument.split_once('=') {
            Some((path, value)) => Edit::Set { path: path.to_owned(), value: value.to_owned() },
            None => Edit::Bare(argument.to_owned()),
        };
        Self { place: Place::Flag(format!("--set {argument}")), edit }
    }

    /// A flag that stands for one key: `flag("--nat", "network.nat", "none")`.
    pub fn flag(flag: &str, path: &str, value: &str) -> Self {
        let edit = Edit::Set { path: path.to_owned(), value: value.to_owned() };
        Self { place: Place::Flag(format!("{flag} {value}")), edit }
    }

    /// A flag that stands for a key of the first pool, which is made if there is none:
    /// `first_pool("--nodes", "count", "3")`.
    pub fn first_pool(flag: &str, field: &'static str, value: &str) -> Self {
        Self { place: Place::Flag(format!("{flag} {value}")), edit: Edit::FirstPool { field, value: value.to_owned() } }
    }

    /// `--pool name=gpu,type=g5.xlarge,spot,max=4`: changes the pool of that name or adds it.
    pub fn pool(argument: &str) -> Self {
        Self { place: Place::Flag(format!("--pool {argument}")), edit: Edit::Pool(argument.to_owned()) }
    }
}

/// Changes the tree, in order.
pub(super) fn apply(root: &mut Node<Place>, overlays: &[Overlay]) -> Vec<SpecProblem> {
    overlays.iter().filter_map(|overlay| one(root, overlay).err().map(|problem| problem.at(&overlay.place))).collect()
}

fn one(root: &mut Node<Place>, overlay: &Overlay) -> Result<(), SpecProblem> {
    let place = &overlay.place;
    match &overlay.edit {
        Edit::Set { path, value } => set(root, path, value, place),
        Edit::Bare(path) => Err(SpecProblem::new(path, "has no value").instead(format!("write `--set {path}=VALUE`"))),
        Edit::FirstPool { field, value } => {
            let Some(pools) = pools(root, place) else { return Ok(()) };
            if pools.is_empty() {
                pools.push(named("default", place));
            }
            put(&mut pools[0], field, scalar(value, place), place)
        }
        Edit::Pool(argument) => {
            let (name, fields) = pool(argument, place)?;
            let Some(pools) = pools(root, place) else { return Ok(()) };
            let pool = match pools.iter().position(|pool| is_named(pool, &name)) {
                Some(index) => &mut pools[index],
                None => {
                    pools.push(named(&name, place));
                    pools.last_mut().expect("one was just added")
                }
            };
            fields.into_iter().try_for_each(|(key, value)| merge(pool, &key, value, place))
        }
    }
}

fn set(root: &mut Node<Place>, path: &str, value: &str, place: &Place) -> Result<(), SpecProblem> {
    let value = parsed(path, value, place)?;
    let mut node = root;
    let mut rest = path;
    let mut above = "";
    loop {
        // Keys of labels and tags hold dots themselves.
        let whole = matches!(above, "labels" | "tags");
        let (key, more) = match rest.split_once('.') {
            Some((key, more)) if !whole => (key, Some(more)),
            _ => (rest, None),
        };
        if key.is_empty() {
            return Err(SpecProblem::new(path, "is not a key path").instead("write it as in `network.nat`"));
        }
        let child = if above == "nodePools" {
            pool_of(node, key, path, place)?
        } else {
            let Some(more) = more else {
                match value {
                    Some(value) => put(node, key, value, place)
                        .map_err(|problem| SpecProblem { key: path.to_owned(), ..problem })?,
                    None => take(node, key),
                }
                return Ok(());
            };
            let pools = key == "nodePools" && above.is_empty();
            let child = child(node, key, pools, place).ok_or_else(|| {
                SpecProblem::new(path, format!("`{key}` does not hold keys, so `{more}` cannot be set in it"))
            })?;
            (above, rest) = (key, more);
            node = child;
            continue;
        };
        let Some(more) = more else {
            return Err(
                SpecProblem::new(path, "is a whole pool").instead(format!("name a key of it, as in `{path}.count`"))
            );
        };
        (above, rest) = ("pool", more);
        node = child;
    }
}

/// The pool of this name; with no pools at all, `default` is made.
fn pool_of<'n>(
    list: &'n mut Node<Place>,
    name: &str,
    path: &str,
    place: &Place,
) -> Result<&'n mut Node<Place>, SpecProblem> {
    let no_list = || SpecProblem::new(path, "`nodePools` is not a list of pools");
    let Kind::List(pools) = &mut list.kind else { return Err(no_list()) };
    if pools.is_empty() && name == "default" {
        pools.push(named(name, place));
    }
    if let Some(index) = pools.iter().position(|pool| is_named(pool, name)) {
        return Ok(&mut pools[index]);
    }
    let names: Vec<&str> = pools.iter().filter_map(name_of).collect();
    let there = if names.is_empty() { "there are none".to_owned() } else { format!("there are {}", names.join(", ")) };
    let problem = SpecProblem::new(path, format!("no node pool `{name}`; {there}"));
    Err(match nearest(name, &names) {
        Some(near) => SpecProblem { nearest: Some(near.to_owned()), ..problem },
        None => problem.instead(format!("add it with `--pool name={name},type=TYPE`")),
    })
}

/// A value as typed: YAML where it begins like a list, a mapping or a quoted text; nothing where it is empty.
fn parsed(path: &str, value: &str, place: &Place) -> Result<Option<Node<Place>>, SpecProblem> {
    if value.is_empty() {
        return Ok(None);
    }
    if !value.starts_with(['[', '{', '"', '\'']) {
        return Ok(Some(scalar(value, place)));
    }
    let node = yaml::parse(value).map_err(|error| SpecProblem::new(path, error.message))?;
    Ok(Some(node.map_places(&|_| place.clone())))
}

/// A pool's name and its fields.
type NamedPool = (String, Vec<(String, Node<Place>)>);

fn pool(argument: &str, place: &Place) -> Result<NamedPool, SpecProblem> {
    const KEYS: &[&str] =
        &["name", "type", "types", "cpu", "memory", "gpu", "count", "min", "max", "spot", "disk", "label.KEY", "taint"];
    let problem = |message: String| SpecProblem::new("nodePools", message);
    let mut name = None;
    let mut fields: Vec<(String, Node<Place>)> = Vec::new();
    let mut needs = Vec::new();
    let mut given = Vec::new();
    for part in argument.split(',').map(str::trim).filter(|part| !part.is_empty()) {
        let (key, value) = part.split_once('=').unwrap_or((part, ""));
        if !part.contains('=') && key != "spot" {
            return Err(problem(format!("`{key}` has no value")).instead(format!("write `{key}=VALUE`")));
        }
        let known = !key.starts_with("label.") && key != "taint";
        if known && given.contains(&key) {
            return Err(problem(format!("`{key}` is given twice")).instead("write one `--pool` for each pool"));
        }
        given.push(key);
        let mut field = |name: &str, node| fields.push((name.to_owned(), node));
        match key {
            "name" => name = Some(value.to_owned()),
            // EC2 knows no `|` in names: several types, the first preferred.
            "type" | "types" | "instanceType" | "instanceTypes" if value.contains('|') || key.ends_with('s') => {
                let all = value.split('|').map(|one| scalar(one.trim(), place)).collect();
                field("instanceTypes", Node { at: place.clone(), kind: Kind::List(all) });
            }
            "type" | "instanceType" => field("instanceType", scalar(value, place)),
            "cpu" => needs.push(entry("cpu", scalar(value, place), place)),
            "memory" | "memoryGiB" => needs.push(entry("memoryGiB", scalar(value, place), place)),
            "gpu" => needs.push(entry("gpu", scalar(value, place), place)),
            "count" | "min" | "max" => field(key, scalar(value, place)),
            "spot" => field("spot", scalar(if part.contains('=') { value } else { "true" }, place)),
            "disk" | "diskGiB" => field("diskGiB", scalar(value, place)),
            "taint" => field("taints", map_list(taint(value, place)?, place)),
            _ => match key.strip_prefix("label.") {
                Some(label) => field("labels", map(vec![entry(label, scalar(value, place), place)], place)),
                None => {
                    return Err(problem(format!("`{key}` is not a key of --pool"))
                        .nearest(key, KEYS)
                        .instead(format!("keys are {}", KEYS.join(", "))));
                }
            },
        }
    }
    if !needs.is_empty() {
        if fields.iter().any(|(key, _)| key.starts_with("instanceType")) {
            return Err(problem("a pool has a type or needs (cpu, memory, gpu), not both".to_owned()));
        }
        fields.push(("instanceType".to_owned(), map(needs, place)));
    }
    let name = name.ok_or_else(|| problem("the pool has no name".to_owned()).instead("write `--pool name=gpu,…`"))?;
    Ok((name, fields))
}

/// `dedicated=gpu:NoSchedule` as kubectl writes it.
fn taint(text: &str, place: &Place) -> Result<Vec<Entry<Place>>, SpecProblem> {
    let Some((key, effect)) = text.rsplit_once(':') else {
        let problem = SpecProblem::new("nodePools", format!("the taint `{text}` has no effect"));
        return Err(problem.instead("write `taint=dedicated=gpu:NoSchedule`"));
    };
    let (key, value) = key.split_once('=').unwrap_or((key, ""));
    let mut entries = vec![entry("key", scalar(key, place), place), entry("effect", scalar(effect, place), place)];
    if !value.is_empty() {
        entries.push(entry("value", scalar(value, place), place));
    }
    Ok(entries)
}

fn scalar(text: &str, place: &Place) -> Node<Place> {
    Node { at: place.clone(), kind: Kind::Scalar { text: text.to_owned(), plain: true } }
}

fn map(entries: Vec<Entry<Place>>, place: &Place) -> Node<Place> {
    Node { at: place.clone(), kind: Kind::Map(entries) }
}

fn map_list(entries: Vec<Entry<Place>>, place: &Place) -> Node<Place> {
    Node { at: place.clone(), kind: Kind::List(vec![map(entries, place)]) }
}

fn entry(key: &str, value: Node<Place>, place: &Place) -> Entry<Place> {
    Entry { at: place.clone(), key: key.to_owned(), value }
}

fn named(name: &str, place: &Place) -> Node<Place> {
    map(vec![entry("name", scalar(name, place), place)], place)
}

fn name_of(pool: &Node<Place>) -> Option<&str> {
    let Kind::Map(entries) = &pool.kind else { return None };
    match &entries.iter().find(|entry| entry.key == "name")?.value.kind {
        Kind::Scalar { text, .. } => Some(text),
        _ => None,
    }
}

fn is_named(pool: &Node<Place>, name: &str) -> bool {
    name_of(pool) == Some(name)
}

/// The list of pools, made if it is missing; none when the file has something else there, which the reader will tell.
fn pools<'n>(root: &'n mut Node<Place>, place: &Place) -> Option<&'n mut Vec<Node<Place>>> {
    match &mut child(root, "nodePools", true, place)?.kind {
        Kind::List(pools) => Some(pools),
        _ => None,
    }
}

/// What stands under this key, made if there is nothing; none for a value that holds no keys.
fn child<'n>(node: &'n mut Node<Place>, key: &str, list: bool, place: &Place) -> Option<&'n mut Node<Place>> {
    let Kind::Map(entries) = &mut node.kind else { return None };
    let empty = || if list { Kind::List(Vec::new()) } else { Kind::Map(Vec::new()) };
    let index = entries.iter().position(|entry| entry.key == key).unwrap_or_else(|| {
        entries.push(entry(key, Node { at: place.clone(), kind: empty() }, place));
        entries.len() - 1
    });
    let value = &mut entries[index].value;
    if value.is_null() {
        *value = Node { at: place.clone(), kind: empty() };
    }
    (!matches!(value.kind, Kind::Scalar { .. })).then_some(value)
}

/// Keys that say the same thing in two ways.
const RIVALS: [(&str, &str); 2] = [("instanceType", "instanceTypes"), ("instanceTypes", "instanceType")];

/// A flag beats the file; another flag that says something else is a contradiction.
fn put(node: &mut Node<Place>, key: &str, value: Node<Place>, place: &Place) -> Result<(), SpecProblem> {
    let Kind::Map(entries) = &mut node.kind else { return Ok(()) };
    // What the file says in the other way is said anew; another flag is a contradiction, which the rules tell.
    if let Some((_, rival)) = RIVALS.iter().find(|(said, _)| *said == key) {
        let of_the_file = |at: &Place| !matches!(at, Place::Flag(flag) if flag != NO_FILE);
        entries.retain(|entry| entry.key != *rival || !of_the_file(&entry.at));
    }
    match entries.iter_mut().find(|entry| entry.key == key) {
        Some(there) => {
            let plain = |node: &Node<Place>| node.clone().map_places(&|_| ());
            if let Place::Flag(first) = &there.at
                && first != NO_FILE
                && plain(&there.value) != plain(&value)
            {
                let problem = SpecProblem::new(key, format!("`{first}` says otherwise"));
                return Err(problem.instead("leave one of the two out"));
            }
            *there = entry(key, value, place);
        }
        None => entries.push(entry(key, value, place)),
    }
    Ok(())
}

fn take(node: &mut Node<Place>, key: &str) {
    if let Kind::Map(entries) = &mut node.kind {
        entries.retain(|entry| entry.key != key);
    }
}

/// As [`put`], but labels and taints are added to those that are there.
fn merge(pool: &mut Node<Place>, key: &str, value: Node<Place>, place: &Place) -> Result<(), SpecProblem> {
    if !matches!(key, "labels" | "taints") {
        return put(pool, key, value, place);
    }
    let Some(there) = child(pool, key, key == "taints", place) else {
        return put(pool, key, value, place);
    };
    match (&mut there.kind, value.kind) {
        (Kind::List(items), Kind::List(more)) => items.extend(more),
        (Kind::Map(_), Kind::Map(more)) => {
            more.into_iter().try_for_each(|new| put(there, &new.key, new.value, place))?;
        }
        (_, kind) => *there = Node { at: place.clone(), kind },
    }
    Ok(())
}
