//! Machine images: the vendor's, as SSM's public parameters name them. Nobody makes images here.

use super::{
    Ec2, fail,
    filter::{self, Filter, Known, Page},
    wire::Request,
};
use crate::sandbox::aws::{ApiError, ssm};
use serde::Deserialize;
use serde_json::{Value, json};

/// The account Amazon's EKS images belong to in most regions.
const OWNER: &str = "602401143452";

const FILTERS: Known = &[
    ("architecture", "architecture"),
    ("ena-support", "enaSupport"),
    ("hypervisor", "hypervisor"),
    ("image-id", "imageId"),
    ("image-type", "imageType"),
    ("is-public", "isPublic"),
    ("name", "name"),
    ("owner-alias", "imageOwnerAlias"),
    ("owner-id", "imageOwnerId"),
    ("root-device-name", "rootDeviceName"),
    ("root-device-type", "rootDeviceType"),
    ("state", "imageState"),
    ("virtualization-type", "virtualizationType"),
];

fn absent(id: &str) -> ApiError {
    fail("InvalidAMIID.NotFound", format!("The image id '[{id}]' does not exist"))
}

/// What an image runs on; refused when there is no such image in the region.
pub(super) fn architecture(region: &str, id: &str) -> Result<&'static str, ApiError> {
    ssm::images(region).into_iter().find(|image| image.id == id).map(|image| image.arch).ok_or_else(|| absent(id))
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct DescribeImages {
    #[serde(default)]
    image_id: Vec<String>,
    #[serde(default)]
    owner: Vec<String>,
    #[serde(default)]
    filter: Vec<Filter>,
    next_token: Option<String>,
    max_results: Option<usize>,
}

pub(super) fn describe(cx: &mut Ec2<'_, '_>, request: Request) -> Result<Value, ApiError> {
    let wanted: DescribeImages = request.read()?;
    let mut images = ssm::images(&cx.scope.region);
    if let Some(id) = wanted.image_id.iter().find(|id| images.iter().all(|image| image.id != **id)) {
        return Err(absent(id));
    }
    images.retain(|image| wanted.image_id.is_empty() || wanted.image_id.contains(&image.id));
    let theirs = |owner: &String| owner == "amazon" || owner == OWNER;
    if !wanted.owner.is_empty() && !wanted.owner.iter().any(theirs) {
        images.clear();
    }
    let rows = images.into_iter().map(|image| {
        json!({
            "imageId": image.id, "imageLocation": format!("amazon/{}", image.name), "imageState": "available",
            "imageOwnerId": OWNER, "imageOwnerAlias": "amazon", "isPublic": true, "architecture": image.arch,
            "imageType": "machine", "name": image.name, "rootDeviceType": "ebs", "rootDeviceName": "/dev/xvda",
            "virtualizationType": "hvm", "hypervisor": "xen", "enaSupport": true,
            "platformDetails": "Linux/UNIX", "creationDate": "2026-11-01T00:00:00.000Z",
        })
    });
    let rows = filter::keep(rows.collect(), &wanted.filter, FILTERS)?;
    filter::page("imagesSet", rows, &Page { token: wanted.next_token, size: wanted.max_results }, 1000)
}
