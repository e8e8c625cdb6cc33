//! Launch templates and their versions. What a version holds is stored as sent and shown in the reply's own spelling.

use super::{
    Ec2, Stored, Thing, fail,
    filter::{self, Filter, Known, Page},
    kinds::thing,
    tags::{self, TagSpecification},
    time,
    wire::{Request, camel, named_items},
};
use crate::sandbox::{aws::ApiError, world::Origin};
use base64::{Engine, engine::general_purpose::STANDARD};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

/// A launch template.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Template {
    pub(crate) name: String,
    pub(crate) default: u64,
    pub(crate) latest: u64,
    pub(crate) versions: Vec<Version>,
    pub(crate) creator: String,
}

/// One version: never changes.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Version {
    pub(crate) number: u64,
    pub(crate) description: Option<String>,
    pub(crate) at: Timestamp,
    /// The `LaunchTemplateData` of the request.
    pub(crate) data: Value,
    pub(crate) token: Option<String>,
}

thing!(
    Template,
    "launch-template",
    "lt",
    "InvalidLaunchTemplateId.NotFound",
    "InvalidLaunchTemplateId.Malformed",
    "The specified launch template, with template ID {}, does not exist."
);

impl Template {
    /// The version a number, `$Latest` or `$Default` stands for.
    pub(crate) fn version(&self, wanted: &str) -> Option<&Version> {
        let number = match wanted {
            "$Latest" => self.latest,
            "$Default" | "" => self.default,
            number => number.parse().ok()?,
        };
        self.versions.iter().find(|version| version.number == number)
    }
}

const FILTERS: Known = &[("create-time", "createTime"), ("launch-template-name", "launchTemplateName")];

const VERSION_FILTERS: Known = &[
    ("create-time", "createTime"),
    ("ebs-optimized", "launchTemplateData.ebsOptimized"),
    ("http-endpoint", "launchTemplateData.metadataOptions.httpEndpoint"),
    ("http-tokens", "launchTemplateData.metadataOptions.httpTokens"),
    ("iam-instance-profile", "launchTemplateData.iamInstanceProfile.arn"),
    ("image-id", "launchTemplateData.imageId"),
    ("instance-type", "launchTemplateData.instanceType"),
    ("is-default-version", "defaultVersion"),
];

fn view(template: &Stored<Template>) -> Value {
    json!({
        "launchTemplateId": template.id(), "launchTemplateName": template.doc.name,
        "createTime": time(template.object.created_at), "createdBy": template.doc.creator,
        "defaultVersionNumber": template.doc.default, "latestVersionNumber": template.doc.latest,
        "tagSet": template.tag_set(),
    })
}

fn version_view(template: &Stored<Template>, version: &Version) -> Value {
    json!({
        "launchTemplateId": template.id(), "launchTemplateName": template.doc.name, "versionNumber": version.number,
        "versionDescription": version.description, "createTime": time(version.at), "createdBy": template.doc.creator,
        "defaultVersion": version.number == template.doc.default, "launchTemplateData": as_reply(&version.data, ""),
    })
}

/// A request's tree in the spelling of replies: `TagSpecification` is `tagSpecificationSet`, its `Tag` is `tagSet`.
fn as_reply(tree: &Value, inside: &str) -> Value {
    match tree {
        Value::Object(fields) => {
            let pair = |(name, value): (&String, &Value)| {
                let reply_name = match (name.as_str(), value) {
                    // Groups of an interface are a list of `groupId` elements.
                    ("SecurityGroupId", Value::Array(items)) if inside == "NetworkInterface" => {
                        return ("groupSet".to_owned(), named_items("groupId", items.clone()));
                    }
                    ("LicenseSpecification", _) => "licenseSet".to_owned(),
                    (name, Value::Array(_)) => format!("{}Set", camel(name)),
                    (name, _) => camel(name),
                };
                (reply_name, as_reply(value, name))
            };
            Value::Object(fields.iter().map(pair).collect())
        }
        Value::Array(items) => items.iter().map(|item| as_reply(item, inside)).collect(),
        scalar => scalar.clone(),
    }
}

/// What a machine can be launched from, checked as far as EC2 checks it when the template is made.
fn checked(data: Option<Map<String, Value>>) -> Result<Value, ApiError> {
    let Some(data) = data.filter(|data| !data.is_empty()) else {
        return Err(fail("MissingParameter", "The request must contain the parameter launchTemplateData"));
    };
    let data = Value::Object(data);
    let specs: Vec<TagSpecification> = read(&data, "TagSpecification")?.unwrap_or_default();
    tags::by_type(specs, &["instance", "volume", "network-interface", "spot-instances-request", "elastic-gpu"])?;
    if let Some(text) = data["UserData"].as_str() {
        match STANDARD.decode(text) {
            Err(_) => return Err(fail("InvalidUserData.Malformed", "Invalid BASE64 encoding of user data.")),
            Ok(bytes) if bytes.len() > 16_384 => {
                return Err(fail("InvalidParameterValue", "User data is limited to 16384 bytes"));
            }
            Ok(_) => {}
        }
    }
    if let Some(image) =
        data["ImageId"].as_str().filter(|id| !id.starts_with("ami-") && !id.starts_with("resolve:ssm:"))
    {
        let message = format!("Invalid id: \"{image}\" (expecting \"ami-...\")");
        return Err(fail("InvalidAMIID.Malformed", message));
    }
    let interfaces = data["NetworkInterface"].as_array().is_some_and(|list| !list.is_empty());
    if interfaces && data["SecurityGroupId"].is_array() {
        let message =
            "Network interfaces and an instance-level security groups may not be specified on the same request";
        return Err(fail("InvalidParameterCombination", message));
    }
    for disk in data["BlockDeviceMapping"].as_array().into_iter().flatten() {
        let Some(gib) = disk["Ebs"]["VolumeSize"].as_u64() else { continue };
        let volume_type = disk["Ebs"]["VolumeType"].as_str().unwrap_or("gp3");
        super::volume::check_size(volume_type, u32::try_from(gib).unwrap_or(u32::MAX))?;
    }
    match data["MetadataOptions"]["HttpPutResponseHopLimit"].as_i64() {
        Some(hops) if !(1..=64).contains(&hops) => {
            let message =
                format!("Value ({hops}) for parameter HttpPutResponseHopLimit is invalid. Must be between 1 and 64.");
            Err(fail("InvalidParameterValue", message))
        }
        _ => Ok(data),
    }
}

/// A typed look at one field of launch data.
pub(super) fn read<T: serde::de::DeserializeOwned>(data: &Value, field: &str) -> Result<Option<T>, ApiError> {
    let value = data.get(field).filter(|value| !value.is_null());
    let parsed = value.map(|value| serde_json::from_value(value.clone())).transpose();
    parsed.map_err(|error| fail("InvalidParameterValue", format!("Invalid {field}: {error}")))
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct CreateLaunchTemplate {
    launch_template_name: String,
    version_description: Option<String>,
    launch_template_data: Option<Map<String, Value>>,
    client_token: Option<String>,
    #[serde(default)]
    tag_specification: Vec<TagSpecification>,
}

pub(super) fn create(cx: &mut Ec2<'_, '_>, request: Request) -> Result<Value, ApiError> {
    let print = request.print();
    let wanted: CreateLaunchTemplate = request.read()?;
    let tags = tags::for_type(wanted.tag_specification, "launch-template")?;
    let name = wanted.launch_template_name;
    let allowed = |c: char| c.is_ascii_alphanumeric() || "-()./_".contains(c);
    if !(3..=128).contains(&name.len()) || !name.chars().all(allowed) {
        let message = format!(
            "The launch template name '{name}' is invalid. Names must be between 3 and 128 characters, and may contain \
             letters, numbers, and the following characters: - ( ) . / _"
        );
        return Err(fail("InvalidLaunchTemplateName.MalformedException", message));
    }
    if let Some(template) = cx.repeated::<Template>(wanted.client_token.as_deref(), &print)? {
        return Ok(json!({"launchTemplate": view(&template)}));
    }
    let data = checked(wanted.launch_template_data)?;
    if cx.all::<Template>().iter().any(|other| other.doc.name == name) {
        let message = "Launch template name already in use.";
        return Err(fail("InvalidLaunchTemplateName.AlreadyExistsException", message));
    }
    let first = Version { number: 1, description: wanted.version_description, at: cx.tx.now(), data, token: None };
    let creator = format!("arn:aws:iam::{}:user/sandbox", cx.scope.account);
    let doc = Template { name: name.clone(), default: 1, latest: 1, versions: vec![first], creator };
    let mut template = cx.draft(doc, "available", tags);
    template.object.name = Some(name);
    template.object.token = wanted.client_token.map(|token| format!("{token}/{print}"));
    let reply = json!({"launchTemplate": view(&template)});
    cx.save(template);
    Ok(reply)
}

/// Puts a template of a service's own making (EKS keeps one per node group).
pub(super) fn make(cx: &mut Ec2<'_, '_>, name: &str, data: Value) -> String {
    let first = Version { number: 1, description: None, at: cx.tx.now(), data, token: None };
    let creator = format!("arn:aws:sts::{}:assumed-role/AWSServiceRoleForAmazonEKSNodegroup/EKS", cx.scope.account);
    let doc = Template { name: name.to_owned(), default: 1, latest: 1, versions: vec![first], creator };
    let mut template = cx.draft_by(Origin::Controller, doc, "available");
    template.object.name = Some(name.to_owned());
    let id = template.id().to_owned();
    cx.save(template);
    id
}

/// The template of a request, by id or name; exactly one of the two.
pub(super) fn named(cx: &Ec2<'_, '_>, id: Option<&str>, name: Option<&str>) -> Result<Stored<Template>, ApiError> {
    match (id, name) {
        (Some(id), None) => cx.find::<Template>(id),
        (None, Some(name)) => {
            cx.all::<Template>().into_iter().find(|template| template.doc.name == name).ok_or_else(|| {
                let message = format!("The specified launch template, with template name {name}, does not exist.");
                fail("InvalidLaunchTemplateName.NotFoundException", message)
            })
        }
        (Some(_), Some(_)) => {
            let message = "Either a launch template id or a launch template name may be specified, but not both";
            Err(fail("InvalidParameterCombination", message))
        }
        (None, None) => {
            Err(fail("MissingParameter", "Either a launch template id or a launch template name must be specified"))
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct DescribeLaunchTemplates {
    #[serde(default)]
    launch_template_id: Vec<String>,
    #[serde(default)]
    launch_template_name: Vec<String>,
    #[serde(default)]
    filter: Vec<Filter>,
    next_token: Option<String>,
    max_results: Option<usize>,
}

pub(super) fn describe(cx: &mut Ec2<'_, '_>, request: Request) -> Result<Value, ApiError> {
    let wanted: DescribeLaunchTemplates = request.read()?;
    let mut found = cx.listed::<Template>(&wanted.launch_template_id)?;
    if !wanted.launch_template_name.is_empty() {
        let absent = wanted.launch_template_name.iter().any(|name| found.iter().all(|it| it.doc.name != *name));
        if absent {
            let message = "At least one of the launch templates specified in the request does not exist.";
            return Err(fail("InvalidLaunchTemplateName.NotFoundException", message));
        }
        found.retain(|template| wanted.launch_template_name.contains(&template.doc.name));
    }
    let rows = filter::keep(found.iter().map(view).collect(), &wanted.filter, FILTERS)?;
    filter::page("launchTemplates", rows, &Page { token: wanted.next_token, size: wanted.max_results }, 200)
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct TemplateOnly {
    launch_template_id: Option<String>,
    launch_template_name: Option<String>,
}

pub(super) fn delete(cx: &mut Ec2<'_, '_>, request: Request) -> Result<Value, ApiError> {
    let wanted: TemplateOnly = request.read()?;
    let template = named(cx, wanted.launch_template_id.as_deref(), wanted.launch_template_name.as_deref())?;
    cx.drop_object::<Template>(template.id());
    Ok(json!({"launchTemplate": view(&template)}))
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct CreateVersion {
    launch_template_id: Option<String>,
    launch_template_name: Option<String>,
    source_version: Option<String>,
    version_description: Option<String>,
    launch_template_data: Option<Map<String, Value>>,
    client_token: Option<String>,
}

pub(super) fn create_version(cx: &mut Ec2<'_, '_>, request: Request) -> Result<Value, ApiError> {
    let print = request.print();
    let wanted: CreateVersion = request.read()?;
    let mut template = named(cx, wanted.launch_template_id.as_deref(), wanted.launch_template_name.as_deref())?;
    let token = wanted.client_token.map(|token| format!("{token}/{print}"));
    if let Some(made) = template.doc.versions.iter().find(|it| token.is_some() && it.token == token) {
        return Ok(json!({"launchTemplateVersion": version_view(&template, made)}));
    }
    let mut data = match &wanted.source_version {
        None => Map::new(),
        Some(source) => match template.doc.version(source) {
            Some(source) => source.data.as_object().cloned().unwrap_or_default(),
            None => return Err(no_version(&template, source)),
        },
    };
    data.extend(wanted.launch_template_data.unwrap_or_default());
    let number = template.doc.latest + 1;
    let data = checked(Some(data))?;
    let version = Version { number, description: wanted.version_description, at: cx.tx.now(), data, token };
    template.doc.latest = number;
    template.doc.versions.push(version.clone());
    let reply = json!({"launchTemplateVersion": version_view(&template, &version)});
    cx.save(template);
    Ok(reply)
}

fn no_version(template: &Stored<Template>, version: &str) -> ApiError {
    let message =
        format!("Could not find the specified version {version} for the launch template with ID {}.", template.id());
    fail("InvalidLaunchTemplateId.VersionNotFound", message)
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct DescribeVersions {
    launch_template_id: Option<String>,
    launch_template_name: Option<String>,
    #[serde(default)]
    launch_template_version: Vec<String>,
    min_version: Option<String>,
    max_version: Option<String>,
    #[serde(default)]
    filter: Vec<Filter>,
    next_token: Option<String>,
    max_results: Option<usize>,
}

pub(super) fn describe_versions(cx: &mut Ec2<'_, '_>, request: Request) -> Result<Value, ApiError> {
    let wanted: DescribeVersions = request.read()?;
    let mut rows = Vec::new();
    if wanted.launch_template_id.is_none() && wanted.launch_template_name.is_none() {
        // Across all templates only the two names make sense.
        let aliases = |version: &String| matches!(version.as_str(), "$Latest" | "$Default");
        if wanted.launch_template_version.is_empty() || !wanted.launch_template_version.iter().all(aliases) {
            let message = "Either a launch template id or a launch template name must be specified";
            return Err(fail("MissingParameter", message));
        }
        for template in cx.listed::<Template>(&[])? {
            let versions = wanted.launch_template_version.iter().filter_map(|name| template.doc.version(name));
            rows.extend(versions.map(|version| version_view(&template, version)));
        }
    } else {
        let template = named(cx, wanted.launch_template_id.as_deref(), wanted.launch_template_name.as_deref())?;
        let bound = |text: &Option<String>, default: u64| match text {
            None => Ok(default),
            Some(text) => text.parse::<u64>().map_err(|_| no_version(&template, text)),
        };
        let (low, high) = (bound(&wanted.min_version, 0)?, bound(&wanted.max_version, u64::MAX)?);
        if wanted.launch_template_version.is_empty() {
            let newest_first = template.doc.versions.iter().rev().filter(|it| (low..=high).contains(&it.number));
            rows.extend(newest_first.map(|version| version_view(&template, version)));
        }
        for name in &wanted.launch_template_version {
            let version = template.doc.version(name).ok_or_else(|| no_version(&template, name))?;
            rows.push(version_view(&template, version));
        }
    }
    let rows = filter::keep(rows, &wanted.filter, VERSION_FILTERS)?;
    let page = Page { token: wanted.next_token, size: wanted.max_results };
    filter::page("launchTemplateVersionSet", rows, &page, 200)
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct ModifyLaunchTemplate {
    launch_template_id: Option<String>,
    launch_template_name: Option<String>,
    set_default_version: String,
    #[expect(dead_code, reason = "setting a default twice changes nothing, so no token is needed")]
    client_token: Option<String>,
}

pub(super) fn modify(cx: &mut Ec2<'_, '_>, request: Request) -> Result<Value, ApiError> {
    let wanted: ModifyLaunchTemplate = request.read()?;
    let mut template = named(cx, wanted.launch_template_id.as_deref(), wanted.launch_template_name.as_deref())?;
    let Some(version) = template.doc.version(&wanted.set_default_version) else {
        return Err(no_version(&template, &wanted.set_default_version));
    };
    template.doc.default = version.number;
    let reply = json!({"launchTemplate": view(&template)});
    cx.save(template);
    Ok(reply)
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct DeleteVersions {
    launch_template_id: Option<String>,
    launch_template_name: Option<String>,
    launch_template_version: Vec<String>,
}

pub(super) fn delete_versions(cx: &mut Ec2<'_, '_>, request: Request) -> Result<Value, ApiError> {
    let wanted: DeleteVersions = request.read()?;
    let mut template = named(cx, wanted.launch_template_id.as_deref(), wanted.launch_template_name.as_deref())?;
    let (mut done, mut failed) = (Vec::new(), Vec::new());
    for text in wanted.launch_template_version {
        let row = json!({
            "launchTemplateId": template.id(), "launchTemplateName": template.doc.name,
            "versionNumber": text.parse::<u64>().ok(),
        });
        let known =
            text.parse::<u64>().ok().filter(|number| template.doc.versions.iter().any(|it| it.number == *number));
        let refuse = |code: &str, message: String| {
            let mut row = row.clone();
            row["responseError"] = json!({"code": code, "message": message});
            row
        };
        match known {
            None => {
                let error = no_version(&template, &text);
                failed.push(refuse("launchTemplateVersionDoesNotExist", error.message));
            }
            Some(number) if number == template.doc.default => {
                let message = "The default version of a launch template cannot be deleted.".to_owned();
                failed.push(refuse("unexpectedError", message));
            }
            Some(number) => {
                template.doc.versions.retain(|version| version.number != number);
                done.push(row);
            }
        }
    }
    cx.save(template);
    Ok(json!({
        "successfullyDeletedLaunchTemplateVersionSet": done,
        "unsuccessfullyDeletedLaunchTemplateVersionSet": failed,
    }))
}

/// What a template gives to a machine: the fields node groups and launches look at.
#[derive(Debug, Clone, Default)]
pub struct LaunchData {
    /// Id of the template.
    pub id: String,
    /// Name of the template.
    pub name: String,
    /// Number of the version.
    pub version: u64,
    /// The version's data as sent: `ImageId`, `InstanceType`, `BlockDeviceMapping` …
    pub data: Value,
}

impl LaunchData {
    /// Tags for one of the types a launch makes.
    pub fn tags(&self, resource_type: &str) -> std::collections::BTreeMap<String, String> {
        let specs = read(&self.data, "TagSpecification").ok().flatten().unwrap_or_default();
        let allowed = ["instance", "volume", "network-interface", "spot-instances-request", "elastic-gpu"];
        // Checked when the version was made.
        tags::by_type(specs, &allowed).ok().and_then(|mut all| all.remove(resource_type)).unwrap_or_default()
    }

    /// Size of the root disk, if it says one.
    pub fn disk_gib(&self) -> Option<u32> {
        let first = self.data["BlockDeviceMapping"].as_array()?.first()?;
        u32::try_from(first["Ebs"]["VolumeSize"].as_u64()?).ok()
    }

    /// Security groups of the first interface, or of the machine.
    pub fn groups(&self) -> Vec<String> {
        let of = |value: &Value| -> Vec<String> { serde_json::from_value(value.clone()).unwrap_or_default() };
        let own = of(&self.data["SecurityGroupId"]);
        if own.is_empty() { of(&self.data["NetworkInterface"][0]["SecurityGroupId"]) } else { own }
    }
}

/// The launch data of a template, by id or name, in one of its versions.
pub(super) fn launch_data(
    tx: &crate::sandbox::world::Tx<'_>,
    scope: &crate::sandbox::world::Scope,
    id: Option<&str>,
    name: Option<&str>,
    version: Option<&str>,
) -> Result<LaunchData, ApiError> {
    let mut all = super::store::all::<Template>(tx, scope).into_iter();
    let found = all.find(|template| id == Some(template.id()) || name == Some(&template.doc.name));
    let Some(template) = found else {
        return Err(match (id, name) {
            (None, Some(name)) => fail(
                "InvalidLaunchTemplateName.NotFoundException",
                format!("The specified launch template, with template name {name}, does not exist."),
            ),
            _ => fail(Template::NOT_FOUND, Template::absent(id.unwrap_or_default())),
        });
    };
    let wanted = version.unwrap_or("$Default");
    let version = template.doc.version(wanted).ok_or_else(|| no_version(&template, wanted))?;
    Ok(LaunchData {
        id: template.id().to_owned(),
        name: template.doc.name.clone(),
        version: version.number,
        data: version.data.clone(),
    })
}
