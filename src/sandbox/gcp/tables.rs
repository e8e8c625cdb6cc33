//! What Google's discovery documents say of the calls served here: verbs, paths, parameters, and the fields of every
//! request, with their types. Requests are held against it; in tests replies are, too.
//!
//! The tables in `tables/` are the documents (Apache-2.0) of the revisions they name, without prose and with no more than
//! these methods reach. A line is `method ID VERB PATH REQUEST REPLY QUERY:TYPE…` or `schema NAME FIELD:TYPE…`; a type is
//! `s`tring, `b`ool, `i`nt32, `l`ong (as a string), `f`loat, `*` anything, `(A|B)` one of these words, `@NAME` a schema,
//! `[T]` a list, `{T}` a map. `tests/peers/tables.py` makes them of the documents.

use super::wire::Refused;
use serde_json::{Value, json};
use std::{collections::BTreeMap, sync::OnceLock};

/// One API as its discovery document has it.
#[derive(Debug)]
pub(in crate::sandbox) struct Api {
    /// `container`.
    pub(in crate::sandbox) service: &'static str,
    methods: Vec<Method>,
    schemas: BTreeMap<&'static str, Schema>,
}

/// A method.
#[derive(Debug)]
pub(in crate::sandbox) struct Method {
    /// `projects.locations.clusters.create`.
    pub(in crate::sandbox) id: &'static str,
    /// `POST`.
    pub(in crate::sandbox) verb: &'static str,
    path: Vec<&'static str>,
    /// The schema of its body, if it takes one.
    pub(in crate::sandbox) request: Option<&'static str>,
    /// The schema of its answer.
    #[cfg(test)]
    pub(in crate::sandbox) reply: &'static str,
    query: Vec<(&'static str, &'static str)>,
}

#[derive(Debug)]
enum Schema {
    Any,
    Fields(BTreeMap<&'static str, &'static str>),
}

impl Method {
    /// Collection and verb: `clusters.create`, as faults name it.
    pub(in crate::sandbox) fn op(&self) -> &'static str {
        let dots: Vec<usize> = self.id.match_indices('.').map(|(at, _)| at).collect();
        match dots.as_slice() {
            [.., before, _] => &self.id[before + 1..],
            _ => self.id,
        }
    }

    /// Whether a call of it changes anything.
    pub(in crate::sandbox) fn mutates(&self) -> bool {
        let verb = self.id.rsplit('.').next().unwrap_or_default();
        self.verb != "GET" && !matches!(verb, "getIamPolicy" | "testIamPermissions" | "wait" | "generateAccessToken")
    }

    fn matches(&self, segments: &[String]) -> Option<BTreeMap<&'static str, String>> {
        if segments.len() != self.path.len() {
            return None;
        }
        let mut found = BTreeMap::new();
        for (pattern, given) in self.path.iter().zip(segments) {
            let (pattern, tail) = match pattern.split_once("}:") {
                Some((name, _)) => (&pattern[..=name.len()], &pattern[name.len() + 1..]),
                None => (*pattern, ""),
            };
            let given = given.strip_suffix(tail)?;
            match pattern.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) {
                // A verb behind a colon belongs to another method; ids have no colon but a domain's.
                Some(_) if tail.is_empty() && given.rsplit_once(':').is_some_and(|(_, verb)| is_verb(verb)) => {
                    return None;
                }
                Some(name) if !given.is_empty() => {
                    found.insert(name, given.to_owned());
                }
                Some(_) => return None,
                None if pattern == given => {}
                None => return None,
            }
        }
        Some(found)
    }
}

fn is_verb(word: &str) -> bool {
    word.starts_with(|c: char| c.is_ascii_lowercase()) && word.chars().all(|c| c.is_ascii_alphabetic())
}

const TABLES: &[(&str, &str)] = &[
    ("compute", include_str!("tables/compute.txt")),
    ("container", include_str!("tables/container.txt")),
    ("cloudresourcemanager", include_str!("tables/cloudresourcemanager_v1.txt")),
    ("cloudresourcemanager", include_str!("tables/cloudresourcemanager_v3.txt")),
    ("cloudbilling", include_str!("tables/cloudbilling.txt")),
    ("iam", include_str!("tables/iam.txt")),
    ("iamcredentials", include_str!("tables/iamcredentials.txt")),
    ("serviceusage", include_str!("tables/serviceusage.txt")),
];

/// All APIs.
pub(in crate::sandbox) fn apis() -> &'static [Api] {
    static APIS: OnceLock<Vec<Api>> = OnceLock::new();
    APIS.get_or_init(|| TABLES.iter().map(|(service, text)| Api::read(service, text)).collect())
}

/// The method that answers this verb and path (decoded, one segment each), with the path's parameters.
pub(in crate::sandbox) fn route(
    verb: &str,
    segments: &[String],
) -> Option<(&'static Api, &'static Method, BTreeMap<&'static str, String>)> {
    apis().iter().find_map(|api| {
        api.methods.iter().filter(|method| method.verb == verb).find_map(|m| Some((api, m, m.matches(segments)?)))
    })
}

impl Api {
    fn read(service: &'static str, text: &'static str) -> Self {
        let mut api = Self { service, methods: Vec::new(), schemas: BTreeMap::new() };
        api.add(text);
        api
    }

    /// Every method served.
    #[cfg(test)]
    pub(in crate::sandbox) fn methods(&self) -> impl Iterator<Item = &Method> {
        self.methods.iter()
    }

    fn add(&mut self, text: &'static str) {
        for line in text.lines() {
            let mut words = line.split(' ');
            let pair = |word: &'static str| word.split_once(':').expect("the tables name types");
            match words.next() {
                Some("method") => {
                    let mut next = || words.next().expect("the tables are whole");
                    let (id, verb, path) = (next(), next(), next().split('/').collect());
                    let (request, _reply) = (Some(next()).filter(|name| *name != "-"), next());
                    let query = words.map(pair).collect();
                    self.methods.push(Method {
                        id,
                        verb,
                        path,
                        request,
                        #[cfg(test)]
                        reply: _reply,
                        query,
                    });
                }
                Some("schema") => {
                    let name = words.next().expect("the tables are whole");
                    let rest: Vec<&'static str> = words.filter(|word| !word.is_empty()).collect();
                    let schema = match rest.as_slice() {
                        ["*"] => Schema::Any,
                        fields => Schema::Fields(fields.iter().map(|word| pair(word)).collect()),
                    };
                    self.schemas.insert(name, schema);
                }
                _ => {}
            }
        }
    }

    /// Refuses query parameters that the method does not have, and values that are none of their type.
    ///
    /// # Errors
    /// As Google words it.
    pub(in crate::sandbox) fn check_query(&self, method: &Method, pairs: &[(String, String)]) -> Result<(), Refused> {
        for (name, value) in pairs {
            if is_system(name) {
                continue;
            }
            // An option of every Compute Engine list, newer than some documents.
            let late = self.service == "compute" && name == "returnPartialSuccess";
            let Some(ty) = method.query.iter().find(|(own, _)| own == name).map(|(_, ty)| *ty).or(late.then_some("b"))
            else {
                let why = format!(
                    "Invalid JSON payload received. Unknown name \"{name}\": Cannot bind query parameter. Field '{name}' could not be found in request message."
                );
                return Err(violation("", why));
            };
            let ty = ty.strip_prefix('[').and_then(|ty| ty.strip_suffix(']')).unwrap_or(ty);
            let fits = match ty {
                "i" => value.parse::<i32>().is_ok(),
                "b" => matches!(value.as_str(), "true" | "false" | "True" | "False" | "1" | "0"),
                ty if ty.starts_with('(') => words_of(ty).any(|word| word == value),
                _ => true,
            };
            if !fits {
                return Err(violation(
                    &snake(name),
                    format!("Invalid value at '{}' ({}), \"{value}\"", snake(name), type_name(ty)),
                ));
            }
        }
        Ok(())
    }

    /// Holds a body against a schema, every unknown name and wrong type at once.
    ///
    /// # Errors
    /// As Google words it.
    pub(in crate::sandbox) fn check(&self, schema: &str, body: &Value) -> Result<(), Refused> {
        let mut wrong = Vec::new();
        self.hold(schema, body, "", &mut wrong);
        if wrong.is_empty() {
            return Ok(());
        }
        let message: Vec<&str> = wrong.iter().filter_map(|one| one["description"].as_str()).collect();
        Err(Refused::invalid(message.join("\n")).violating(wrong))
    }

    fn hold(&self, schema: &str, value: &Value, at: &str, wrong: &mut Vec<Value>) {
        let Some(Schema::Fields(fields)) = self.schemas.get(schema) else { return };
        let Some(map) = value.as_object() else {
            return wrong.push(mismatch(at, "message", value));
        };
        for (name, value) in map {
            let own = fields.get(name.as_str()).or_else(|| {
                // Google reads the fields' own names as well.
                let camel = camel(name);
                name.contains('_').then(|| fields.get(camel.as_str())).flatten()
            });
            match own {
                Some(ty) => self.fit(ty, value, &join(at, &snake(name)), wrong),
                None => {
                    let place = if at.is_empty() { String::new() } else { format!(" at '{at}'") };
                    wrong.push(json!({
                        "field": at,
                        "description": format!("Invalid JSON payload received. Unknown name \"{name}\"{place}: Cannot find field."),
                    }));
                }
            }
        }
    }

    fn fit(&self, ty: &str, value: &Value, at: &str, wrong: &mut Vec<Value>) {
        if value.is_null() {
            return;
        }
        let inner = &ty[1..];
        let fits = match ty.as_bytes()[0] {
            b'@' => return self.hold(inner, value, at, wrong),
            b'[' => match value.as_array() {
                Some(items) => {
                    let item = &inner[..inner.len() - 1];
                    for (index, value) in items.iter().enumerate() {
                        self.fit(item, value, &format!("{at}[{index}]"), wrong);
                    }
                    return;
                }
                None => false,
            },
            b'{' => match value.as_object() {
                Some(map) => {
                    let item = &inner[..inner.len() - 1];
                    for (key, value) in map {
                        self.fit(item, value, &format!("{at}[{key}]"), wrong);
                    }
                    return;
                }
                None => false,
            },
            b'(' => match value {
                Value::String(word) => words_of(ty).any(|own| own == word),
                // Google takes an enum's number; a client that sends numbers would be unreadable here.
                _ => false,
            },
            b's' => value.is_string(),
            b'b' => value.is_boolean(),
            b'i' | b'l' => {
                value.is_i64() || value.is_u64() || value.as_str().is_some_and(|text| text.parse::<i128>().is_ok())
            }
            b'f' => value.is_number(),
            _ => true,
        };
        if !fits {
            wrong.push(mismatch(at, type_name(ty), value));
        }
    }
}

fn mismatch(at: &str, ty: &str, value: &Value) -> Value {
    json!({"field": at, "description": format!("Invalid value at '{at}' ({ty}), {value}")})
}

fn violation(field: &str, why: String) -> Refused {
    let details = vec![json!({"field": field, "description": why})];
    Refused::invalid(why).violating(details)
}

fn words_of(ty: &str) -> impl Iterator<Item = &str> {
    ty.trim_start_matches('(').trim_end_matches(')').split('|')
}

fn type_name(ty: &str) -> &str {
    match ty.as_bytes().first() {
        Some(b's') => "TYPE_STRING",
        Some(b'b') => "TYPE_BOOL",
        Some(b'i') => "TYPE_INT32",
        Some(b'l') => "TYPE_INT64",
        Some(b'f') => "TYPE_DOUBLE",
        Some(b'(') => "TYPE_ENUM",
        _ => "TYPE_MESSAGE",
    }
}

/// Parameters of Google's front end, for every call.
pub(in crate::sandbox) fn is_system(name: &str) -> bool {
    name.starts_with('$')
        || matches!(
            name,
            "alt"
                | "prettyPrint"
                | "fields"
                | "key"
                | "quotaUser"
                | "userIp"
                | "access_token"
                | "oauth_token"
                | "uploadType"
                | "upload_protocol"
                | "callback"
        )
}

fn join(at: &str, name: &str) -> String {
    if at.is_empty() { name.to_owned() } else { format!("{at}.{name}") }
}

fn snake(name: &str) -> String {
    let mut text = String::new();
    for c in name.chars() {
        if c.is_ascii_uppercase() && !text.is_empty() {
            text.push('_');
        }
        text.push(c.to_ascii_lowercase());
    }
    text
}

fn camel(name: &str) -> String {
    let mut up = false;
    let mut text = String::new();
    for c in name.chars() {
        match c {
            '_' => up = true,
            c if up => {
                text.push(c.to_ascii_uppercase());
                up = false;
            }
            c => text.push(c),
        }
    }
    text
}

#[cfg(test)]
pub(in crate::sandbox::gcp) mod replies {
    //! Holds replies against the documents, too.

    use super::*;

    const REPLIES: &[&str] = &[
        include_str!("tables/compute.replies.txt"),
        include_str!("tables/container.replies.txt"),
        include_str!("tables/cloudresourcemanager_v1.replies.txt"),
        include_str!("tables/cloudresourcemanager_v3.replies.txt"),
        include_str!("tables/cloudbilling.replies.txt"),
        include_str!("tables/iam.replies.txt"),
        include_str!("tables/iamcredentials.replies.txt"),
        include_str!("tables/serviceusage.replies.txt"),
    ];

    fn full() -> &'static [Api] {
        static FULL: OnceLock<Vec<Api>> = OnceLock::new();
        FULL.get_or_init(|| {
            let both = TABLES.iter().zip(REPLIES);
            both.map(|((service, text), replies)| {
                let mut api = Api::read(service, text);
                api.add(replies);
                api
            })
            .collect()
        })
    }

    /// What is wrong with a reply to this call, if anything.
    pub(in crate::sandbox::gcp) fn judge(verb: &str, segments: &[String], reply: &Value) -> Result<(), String> {
        let found = full().iter().find_map(|api| {
            api.methods.iter().filter(|m| m.verb == verb).find_map(|m| m.matches(segments).map(|_| (api, m)))
        });
        let (api, method) = found.ok_or("no such method")?;
        assert!(api.schemas.contains_key(method.reply), "{} is not in the tables", method.reply);
        api.check(method.reply, reply).map_err(|refused| format!("{}: {}\n{reply}", method.id, refused.message))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn segments(path: &str) -> Vec<String> {
        path.split('/').map(ToOwned::to_owned).collect()
    }

    #[test]
    fn paths_find_their_methods() {
        for (verb, path, op) in [
            ("POST", "v1/projects/p/locations/l/clusters", "clusters.create"),
            ("POST", "v1/projects/p/locations/l/clusters/c/nodePools/n:setSize", "nodePools.setSize"),
            ("GET", "v1/projects/p", "projects.get"),
            ("POST", "v1/projects/p:testIamPermissions", "projects.testIamPermissions"),
            ("GET", "v1/projects/p/services:batchGet", "services.batchGet"),
            ("GET", "v1/projects/p/services/container.googleapis.com", "services.get"),
            ("POST", "compute/v1/projects/p/regions/r/operations/o/wait", "regionOperations.wait"),
            ("GET", "compute/v1/projects/p/aggregated/disks", "disks.aggregatedList"),
            ("DELETE", "v1/projects/p/serviceAccounts/a@p.iam.gserviceaccount.com", "serviceAccounts.delete"),
        ] {
            assert_eq!(route(verb, &segments(path)).map(|(_, method, _)| method.op()), Some(op), "{verb} {path}");
        }
        assert!(route("PUT", &segments("v1/projects/p")).is_none());
        assert!(route("POST", &segments("v1/projects/p:nonsense")).is_none());
    }

    #[test]
    fn bodies_are_held_to_the_documents() {
        let container = apis().iter().find(|api| api.service == "container").expect("there");
        let good = json!({"cluster": {"name": "c", "releaseChannel": {"channel": "REGULAR"}, "resourceLabels": {"a": "b"},
            "nodePools": [{"name": "n", "config": {"accelerators": [{"acceleratorCount": "1"}]}, "initialNodeCount": 1}]}});
        assert_eq!(container.check("CreateClusterRequest", &good), Ok(()));
        let bad = json!({"cluster": {"releaseChanel": {}, "releaseChannel": {"channel": 2}, "nodePools": [{"initialNodeCount": "x"}]}});
        let refused = container.check("CreateClusterRequest", &bad).expect_err("refused");
        assert_eq!((refused.http, refused.status), (400, "INVALID_ARGUMENT"));
        let fields: Vec<&str> = refused.details[0]["fieldViolations"]
            .as_array()
            .expect("a list")
            .iter()
            .filter_map(|v| v["field"].as_str())
            .collect();
        assert_eq!(fields, ["cluster", "cluster.release_channel.channel", "cluster.node_pools[0].initial_node_count"]);
        assert!(
            refused.message.contains("Unknown name \"releaseChanel\" at 'cluster': Cannot find field."),
            "{}",
            refused.message
        );
    }

    #[test]
    fn parameters_are_known_or_refused() {
        let (api, method, _) = route("GET", &segments("compute/v1/projects/p/global/networks")).expect("there");
        let pair = |name: &str, value: &str| [(name.to_owned(), value.to_owned())];
        for (name, value) in
            [("filter", "name=x"), ("maxResults", "5"), ("alt", "json"), ("$alt", "json;enum-encoding=int")]
        {
            assert_eq!(api.check_query(method, &pair(name, value)), Ok(()), "{name}");
        }
        for (name, value) in [("filters", "x"), ("maxResults", "many")] {
            assert!(api.check_query(method, &pair(name, value)).is_err(), "{name}");
        }
    }

    #[test]
    fn calls_that_change_nothing_are_told_apart() {
        let mutates = |verb: &str, path: &str| route(verb, &segments(path)).expect("there").1.mutates();
        assert!(mutates("POST", "v1/projects/p:setIamPolicy") && mutates("POST", "v1/projects/p/services:batchEnable"));
        assert!(!mutates("POST", "v1/projects/p:getIamPolicy") && !mutates("GET", "v1/projects/p"));
        assert!(!mutates("POST", "compute/v1/projects/p/zones/z/operations/o/wait"));
    }
}
