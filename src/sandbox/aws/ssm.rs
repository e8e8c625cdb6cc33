//! SSM's public parameters for machine images, and the images they name ([`images`]).

use super::{ApiError, CallCx, Protocol, Reply, Service, protocol::epoch};
use serde::Deserialize;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// Kubernetes minors that have images.
const MINORS: std::ops::RangeInclusive<u32> = 28..=36;

/// A machine image of the vendor's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    /// Parameter that names it.
    pub parameter: String,
    /// `ami-…`, the same in every world, different in every region.
    pub id: String,
    /// Image name.
    pub name: String,
    /// `x86_64` or `arm64`.
    pub arch: &'static str,
}

fn ami(region: &str, parameter: &str) -> String {
    let digest = Sha256::digest(format!("{region}{parameter}"));
    format!("ami-0{}", digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect::<String>())
}

/// All images of a region.
pub fn images(region: &str) -> Vec<Image> {
    let mut all = Vec::new();
    let mut add = |parameter: String, name: String, arch| {
        let id = ami(region, &parameter);
        all.push(Image { parameter, id, name, arch });
    };
    for minor in MINORS {
        for arch in ["x86_64", "arm64"] {
            for variant in ["standard", "nvidia", "neuron"] {
                if arch == "arm64" && variant == "neuron" {
                    continue;
                }
                add(
                    format!(
                        "/aws/service/eks/optimized-ami/1.{minor}/amazon-linux-2023/{arch}/{variant}/recommended/image_id"
                    ),
                    format!("amazon-eks-node-al2023-{arch}-{variant}-1.{minor}-v20261101"),
                    arch,
                );
            }
            for variant in ["", "-nvidia"] {
                add(
                    format!("/aws/service/bottlerocket/aws-k8s-1.{minor}{variant}/{arch}/latest/image_id"),
                    format!("bottlerocket-aws-k8s-1.{minor}{variant}-{arch}-v1.50.0"),
                    arch,
                );
            }
        }
    }
    for arch in ["x86_64", "arm64"] {
        add(
            format!("/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-{arch}"),
            format!("al2023-ami-2023.9.20261101.0-kernel-6.12-{arch}"),
            arch,
        );
        add(
            format!("/aws/service/ami-amazon-linux-latest/al2023-ami-minimal-kernel-default-{arch}"),
            format!("al2023-ami-minimal-2023.9.20261101.0-kernel-6.12-{arch}"),
            arch,
        );
    }
    all
}

/// The value and, of EKS images, the other parameters beside the id.
fn value(region: &str, name: &str) -> Option<String> {
    let images = images(region);
    if let Some(image) = images.iter().find(|image| image.parameter == name) {
        return Some(image.id.clone());
    }
    let whole = format!("{name}/image_id");
    let beside = |last: &str| name.strip_suffix(last).map(|stem| format!("{stem}/image_id"));
    let of = |parameter: &str| images.iter().find(|image| image.parameter == parameter);
    if let Some(image) = beside("/image_name").and_then(|parameter| of(&parameter).cloned()) {
        return Some(image.name);
    }
    if let Some(image) = beside("/release_version").and_then(|parameter| of(&parameter).cloned()) {
        return Some(image.name.rsplit('-').next().unwrap_or_default().to_owned());
    }
    if let Some(image) = beside("/image_version").and_then(|parameter| of(&parameter).cloned()) {
        return Some(image.name.rsplit("-v").next().unwrap_or_default().to_owned());
    }
    let image = of(&whole).filter(|_| name.ends_with("/recommended"))?;
    let document = json!({"schema_version": "2", "image_id": image.id, "image_name": image.name});
    Some(document.to_string())
}

/// The service.
pub struct Ssm;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Get {
    name: String,
    #[serde(default, rename = "WithDecryption")]
    _with_decryption: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct GetMany {
    names: Vec<String>,
    #[serde(default, rename = "WithDecryption")]
    _with_decryption: bool,
}

fn parameter(cx: &CallCx<'_, '_>, name: &str) -> Option<Value> {
    let region = &cx.scope.region;
    let value = value(region, name)?;
    Some(json!({
        "Name": name,
        "Type": "String",
        "Value": value,
        "Version": 1,
        "LastModifiedDate": epoch(jiff::Timestamp::from_second(1_793_491_200).unwrap_or_default()),
        "ARN": format!("arn:aws:ssm:{region}::parameter{name}"),
        "DataType": "text",
    }))
}

impl Service for Ssm {
    fn name(&self) -> &'static str {
        "ssm"
    }

    fn protocol(&self, _: Option<&str>) -> Protocol {
        Protocol::Json("AmazonSSM")
    }

    fn call(&self, cx: &mut CallCx<'_, '_>) -> Result<Reply, ApiError> {
        match cx.op {
            "GetParameter" => {
                let input: Get = cx.json("ValidationException")?;
                let missing = || ApiError::bad("ParameterNotFound", "");
                Ok(json!({ "Parameter": parameter(cx, &input.name).ok_or_else(missing)? }).into())
            }
            "GetParameters" => {
                let input: GetMany = cx.json("ValidationException")?;
                if !(1..=10).contains(&input.names.len()) {
                    let why = "1 validation error detected: Value at 'names' failed to satisfy constraint: Member must have length less than or equal to 10";
                    return Err(ApiError::bad("ValidationException", why));
                }
                let (found, missing): (Vec<_>, Vec<_>) =
                    input.names.iter().map(|name| (name, parameter(cx, name))).partition(|(_, found)| found.is_some());
                let found: Vec<Value> = found.into_iter().filter_map(|(_, parameter)| parameter).collect();
                let missing: Vec<&String> = missing.into_iter().map(|(name, _)| name).collect();
                Ok(json!({ "Parameters": found, "InvalidParameters": missing }).into())
            }
            _ => Err(cx.unknown_operation()),
        }
    }

    fn broken(&self) -> ApiError {
        ApiError::new(500, "InternalServerError", "An error occurred on the server side.")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_have_parameters() {
        let name = "/aws/service/eks/optimized-ami/1.35/amazon-linux-2023/x86_64/standard/recommended/image_id";
        let id = value("us-east-1", name).expect("there");
        assert!(id.starts_with("ami-0") && id.len() == 21, "{id}");
        assert_ne!(value("eu-west-1", name).expect("there"), id);
        let whole = value("us-east-1", name.trim_end_matches("/image_id")).expect("there");
        assert!(whole.contains(&id));
        assert_eq!(
            value(
                "us-east-1",
                "/aws/service/eks/optimized-ami/1.99/amazon-linux-2023/x86_64/standard/recommended/image_id"
            ),
            None
        );
        let mut ids: Vec<String> = images("us-east-1").into_iter().map(|image| image.id).collect();
        let count = ids.len();
        ids.sort();
        ids.dedup();
        assert_eq!(ids.len(), count);
    }
}
