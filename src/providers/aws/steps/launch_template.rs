//! What every machine of a node pool has: our tags on itself and its disks, IMDSv2, an encrypted disk of the right size.

use super::ExtraTags;
use super::refs::LaunchTemplateId;
use super::support::{self, Select, all_tags, deleted, done, no_id, seen, shown_name, time, visible, what};
use crate::engine::{
    Deletion, Found, Lookup, Observed, OutputKey, Outputs, Owned, Probe, ResourceRef, Scope, Step, StepError, Token,
};
use crate::providers::aws::{client::AwsCx, tags};
use async_trait::async_trait;
use aws_sdk_ec2::types::{
    LaunchTemplate as Ec2Template, LaunchTemplateBlockDeviceMappingRequest, LaunchTemplateEbsBlockDeviceRequest,
    LaunchTemplateHttpTokensState, LaunchTemplateInstanceMetadataOptionsRequest, LaunchTemplateTagSpecificationRequest,
    RequestLaunchTemplateData, ResourceType, Tag, VolumeType,
};
use serde::{Deserialize, Serialize};

/// How plans name this kind.
pub const KIND: &str = "aws/launch-template";
/// The template's id.
pub const ID: OutputKey<LaunchTemplateId> = OutputKey::new("id");
/// The version to use.
pub const VERSION: OutputKey<String> = OutputKey::new("version");

/// A launch template. Identity: `Tags`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LaunchTemplate {
    /// Name, at most 128 characters, holding the stack id.
    pub name: String,
    /// The `Name` tag of the machines.
    pub node_name: String,
    /// Root disk, gp3.
    pub disk_gib: u32,
    /// Root device of the image: `/dev/xvda` on Amazon Linux.
    pub root_device: String,
}

/// Launch templates.
pub(in crate::providers::aws) async fn list(
    cx: &AwsCx,
    select: Select,
) -> Result<Vec<(Observed, Ec2Template)>, StepError> {
    let request = cx.ec2.describe_launch_templates().set_launch_template_ids(select.ids).set_filters(select.filters);
    let answer = request.into_paginator().items().send().collect().await;
    let templates = support::list("ec2:DescribeLaunchTemplates", "launch templates", answer)?;
    let observe = |template: Ec2Template| {
        let mut seen = seen(KIND, template.launch_template_id()?, tags::from_ec2(template.tags()));
        seen.reference.name = template.launch_template_name().map(str::to_owned);
        seen.evidence.name = template.launch_template_name().map(str::to_owned);
        seen.created_at = time(template.create_time());
        Some((seen, template))
    };
    Ok(templates.into_iter().filter_map(observe).collect())
}

impl LaunchTemplate {
    /// What every machine gets. EKS adds image, bootstrap and security group.
    fn data(&self, at: Scope<'_>) -> RequestLaunchTemplateData {
        let disk = LaunchTemplateEbsBlockDeviceRequest::builder()
            .volume_type(VolumeType::Gp3)
            .volume_size(i32::try_from(self.disk_gib).unwrap_or(i32::MAX))
            .encrypted(true)
            .delete_on_termination(true)
            .build();
        let root = LaunchTemplateBlockDeviceMappingRequest::builder().device_name(&self.root_device).ebs(disk).build();
        // Two hops: pods with their own network reach the metadata service only so, and only with a session token.
        let metadata = LaunchTemplateInstanceMetadataOptionsRequest::builder()
            .http_tokens(LaunchTemplateHttpTokensState::Required)
            .http_put_response_hop_limit(2)
            .build();
        let all = all_tags(at, &ExtraTags::new());
        let mut tagged = tags::ec2_list(&all);
        if !all.contains_key("Name") {
            tagged.push(Tag::builder().key("Name").value(&self.node_name).build());
        }
        let carriers = [ResourceType::Instance, ResourceType::Volume, ResourceType::NetworkInterface];
        let specifications = carriers.map(|kind| {
            let specification = LaunchTemplateTagSpecificationRequest::builder().resource_type(kind);
            specification.set_tags(Some(tagged.clone())).build()
        });
        RequestLaunchTemplateData::builder()
            .block_device_mappings(root)
            .metadata_options(metadata)
            .set_tag_specifications(Some(specifications.into()))
            .build()
    }
}

#[async_trait]
impl Step<AwsCx> for LaunchTemplate {
    async fn find(&self, cx: &AwsCx, at: Scope<'_>, by: Lookup<'_>) -> Result<Found, StepError> {
        let found = list(cx, Select::of(at, by)).await?;
        Ok(found.into_iter().map(|(seen, _)| seen).collect::<Vec<_>>().into())
    }

    async fn create(&self, cx: &AwsCx, at: Scope<'_>, token: &Token) -> Result<ResourceRef, StepError> {
        let what = what("launch template", at);
        let tagged = tags::ec2(ResourceType::LaunchTemplate, &all_tags(at, &ExtraTags::new()), Some(&shown_name(at)));
        let call = cx.ec2.create_launch_template().launch_template_name(&self.name);
        let call = call.launch_template_data(self.data(at)).client_token(token.as_str()).tag_specifications(tagged);
        let answer = done("ec2:CreateLaunchTemplate", &what, call.send().await)?;
        let id = answer.launch_template().and_then(Ec2Template::launch_template_id).ok_or_else(|| no_id(&what))?;
        let mut made = ResourceRef::new(KIND, id);
        made.name = Some(self.name.clone());
        Ok(made)
    }

    async fn converge(&self, _: &AwsCx, _: Scope<'_>, _: &Owned) -> Result<(), StepError> {
        Ok(())
    }

    async fn probe(&self, cx: &AwsCx, at: Scope<'_>, it: &ResourceRef) -> Result<Probe, StepError> {
        visible(&what("launch template", at), list(cx, Select::id(&it.id)).await?.first())?;
        Ok(Probe::Ready)
    }

    async fn outputs(&self, cx: &AwsCx, at: Scope<'_>, it: &ResourceRef) -> Result<Outputs, StepError> {
        let found = list(cx, Select::id(&it.id)).await?.into_iter().next();
        let (_, template) = visible(&what("launch template", at), found)?;
        let version = template.default_version_number().unwrap_or(1).to_string();
        Ok(Outputs::new().with(ID, &LaunchTemplateId(it.id.clone())).with(VERSION, &version))
    }

    async fn delete(&self, cx: &AwsCx, at: Scope<'_>, owned: &Owned) -> Result<Deletion, StepError> {
        let answer = cx.ec2.delete_launch_template().launch_template_id(owned.id()).send().await;
        deleted("ec2:DeleteLaunchTemplate", &what("launch template", at), Deletion::Gone, answer)
    }
}
