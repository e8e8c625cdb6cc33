//! aws-sdk-ec2 builds a network in the sandbox, reads everything back, and takes it down.

use super::rig::Rig;
use aws_sdk_ec2::{
    Client,
    error::ProvideErrorMetadata,
    types::{
        AttributeBooleanValue, BlockDeviceMapping, Filter, IpPermission, LaunchTemplateBlockDeviceMappingRequest,
        LaunchTemplateEbsBlockDeviceRequest, LaunchTemplateTagSpecificationRequest, NatGatewayState,
        RequestLaunchTemplateData, ResourceType, RouteState, Tag, TagSpecification, UserIdGroupPair, VolumeType,
        VpcAttributeName,
    },
};

fn tags(kind: ResourceType) -> TagSpecification {
    let tag = Tag::builder().key("kubewright-stack").value("demo-0000beef").build();
    TagSpecification::builder().resource_type(kind).tags(tag).build()
}

fn filter(name: &str, value: &str) -> Filter {
    Filter::builder().name(name).values(value).build()
}

fn ours() -> Filter {
    filter("tag:kubewright-stack", "demo-0000beef")
}

fn code<T: std::fmt::Debug, E: ProvideErrorMetadata + std::fmt::Debug>(result: Result<T, E>) -> String {
    result.unwrap_err().code().unwrap_or("no code").to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_official_client_reads_every_reply() {
    let rig = Rig::start().await;
    let ec2 = Client::new(&rig.config);

    let default = ec2.describe_vpcs().filters(filter("is-default", "true")).send().await.unwrap();
    assert_eq!(default.vpcs()[0].cidr_block(), Some("172.31.0.0/16"));
    let zones = ec2.describe_availability_zones().send().await.unwrap();
    let zone = |place: usize| zones.availability_zones()[place].zone_name().unwrap().to_owned();
    assert!(zones.availability_zones().iter().any(|zone| zone.zone_id() == Some("use1-az3")));

    let vpc = ec2.create_vpc().cidr_block("10.0.0.0/16").tag_specifications(tags(ResourceType::Vpc)).send().await;
    let vpc = vpc.unwrap().vpc.unwrap().vpc_id.unwrap();
    rig.minutes(1).await;
    let seen = ec2.describe_vpcs().filters(ours()).send().await.unwrap();
    assert_eq!(seen.vpcs()[0].vpc_id(), Some(vpc.as_str()));
    assert_eq!(seen.vpcs()[0].tags()[0].key(), Some("kubewright-stack"));
    let on = AttributeBooleanValue::builder().value(true).build();
    ec2.modify_vpc_attribute().vpc_id(&vpc).enable_dns_hostnames(on.clone()).send().await.unwrap();
    let dns = ec2.describe_vpc_attribute().vpc_id(&vpc).attribute(VpcAttributeName::EnableDnsHostnames).send().await;
    assert_eq!(dns.unwrap().enable_dns_hostnames().and_then(AttributeBooleanValue::value), Some(true));

    let mut subnets = Vec::new();
    for (place, cidr) in [(0, "10.0.0.0/24"), (1, "10.0.1.0/24")] {
        let made = ec2.create_subnet().vpc_id(&vpc).cidr_block(cidr).availability_zone(zone(place));
        let made = made.tag_specifications(tags(ResourceType::Subnet)).send().await.unwrap();
        subnets.push(made.subnet.unwrap().subnet_id.unwrap());
    }
    let gateway = ec2.create_internet_gateway().tag_specifications(tags(ResourceType::InternetGateway)).send().await;
    let gateway = gateway.unwrap().internet_gateway.unwrap().internet_gateway_id.unwrap();
    let address = ec2.allocate_address().domain(aws_sdk_ec2::types::DomainType::Vpc);
    let address =
        address.tag_specifications(tags(ResourceType::ElasticIp)).send().await.unwrap().allocation_id.unwrap();
    rig.minutes(1).await;
    ec2.attach_internet_gateway().internet_gateway_id(&gateway).vpc_id(&vpc).send().await.unwrap();
    ec2.modify_subnet_attribute().subnet_id(&subnets[0]).map_public_ip_on_launch(on).send().await.unwrap();

    let make = || {
        let make = ec2.create_nat_gateway().subnet_id(&subnets[0]).allocation_id(&address).client_token("token-1");
        make.tag_specifications(tags(ResourceType::Natgateway)).send()
    };
    let nat = make().await.unwrap().nat_gateway.unwrap();
    assert_eq!(nat.state(), Some(&NatGatewayState::Pending));
    let nat = nat.nat_gateway_id.unwrap();
    assert_eq!(make().await.unwrap().nat_gateway.unwrap().nat_gateway_id, Some(nat.clone()));

    let table = ec2.create_route_table().vpc_id(&vpc).tag_specifications(tags(ResourceType::RouteTable)).send().await;
    let table = table.unwrap().route_table.unwrap().route_table_id.unwrap();
    rig.minutes(4).await;
    let route =
        || ec2.create_route().route_table_id(&table).destination_cidr_block("0.0.0.0/0").nat_gateway_id(&nat).send();
    route().await.unwrap();
    assert_eq!(code(route().await), "RouteAlreadyExists");
    let bound = ec2.associate_route_table().route_table_id(&table).subnet_id(&subnets[1]).send().await.unwrap();
    let bound = bound.association_id.unwrap();
    let shown = ec2.describe_route_tables().route_table_ids(&table).send().await.unwrap();
    let routes = shown.route_tables()[0].routes();
    assert_eq!(routes.len(), 2);
    assert!(routes.iter().all(|route| route.state() == Some(&RouteState::Active)));
    assert_eq!(shown.route_tables()[0].associations()[0].subnet_id(), Some(subnets[1].as_str()));
    let nats = ec2.describe_nat_gateways().filter(filter("vpc-id", &vpc)).send().await.unwrap();
    assert!(nats.nat_gateways()[0].create_time().is_some());
    assert_eq!(nats.nat_gateways()[0].nat_gateway_addresses()[0].allocation_id(), Some(address.as_str()));

    let group = ec2.create_security_group().group_name("nodes").description("nodes of demo").vpc_id(&vpc);
    let group = group.tag_specifications(tags(ResourceType::SecurityGroup)).send().await.unwrap().group_id.unwrap();
    rig.minutes(1).await;
    let pair = UserIdGroupPair::builder().group_id(&group).description("among nodes").build();
    let permission =
        IpPermission::builder().ip_protocol("tcp").from_port(443).to_port(443).user_id_group_pairs(pair).build();
    let rule = || ec2.authorize_security_group_ingress().group_id(&group).ip_permissions(permission.clone()).send();
    let rules = rule().await.unwrap();
    assert_eq!(rules.security_group_rules()[0].from_port(), Some(443));
    assert_eq!(code(rule().await), "InvalidPermission.Duplicate");
    let groups = ec2.describe_security_groups().group_ids(&group).send().await.unwrap();
    assert_eq!(
        groups.security_groups()[0].ip_permissions()[0].user_id_group_pairs()[0].group_id(),
        Some(group.as_str())
    );

    let endpoint =
        ec2.create_vpc_endpoint().vpc_id(&vpc).service_name("com.amazonaws.us-east-1.s3").route_table_ids(&table);
    let endpoint = endpoint.client_token("e").tag_specifications(tags(ResourceType::VpcEndpoint)).send().await.unwrap();
    let endpoint = endpoint.vpc_endpoint.unwrap().vpc_endpoint_id.unwrap();

    let ebs = LaunchTemplateEbsBlockDeviceRequest::builder().volume_size(50).volume_type(VolumeType::Gp3).build();
    let disk = LaunchTemplateBlockDeviceMappingRequest::builder().device_name("/dev/xvda").ebs(ebs).build();
    let tagged = LaunchTemplateTagSpecificationRequest::builder()
        .resource_type(ResourceType::Volume)
        .tags(Tag::builder().key("a").value("b").build())
        .build();
    let data = RequestLaunchTemplateData::builder().block_device_mappings(disk).tag_specifications(tagged).build();
    let template = ec2.create_launch_template().launch_template_name("kw-demo").launch_template_data(data);
    let template = template.tag_specifications(tags(ResourceType::LaunchTemplate)).send().await.unwrap();
    let template = template.launch_template.unwrap().launch_template_id.unwrap();
    rig.minutes(1).await;
    let versions =
        ec2.describe_launch_template_versions().launch_template_id(&template).versions("$Latest").send().await;
    let versions = versions.unwrap();
    let shown = versions.launch_template_versions()[0].launch_template_data().unwrap();
    assert_eq!(shown.block_device_mappings()[0].ebs().and_then(|ebs| ebs.volume_size()), Some(50));
    assert_eq!(shown.tag_specifications()[0].tags()[0].value(), Some("b"));

    let interfaces = ec2.describe_network_interfaces().filters(filter("vpc-id", &vpc)).send().await.unwrap();
    let nat_eni = &interfaces.network_interfaces()[0];
    assert_eq!(nat_eni.requester_managed(), Some(true));
    assert!(nat_eni.association().and_then(|it| it.public_ip()).is_some());

    assert_eq!(code(ec2.delete_vpc().vpc_id(&vpc).send().await), "DependencyViolation");
    assert_eq!(code(ec2.create_vpc().cidr_block("10.0.0.0/16").dry_run(true).send().await), "DryRunOperation");
    assert_eq!(code(ec2.describe_vpcs().vpc_ids("vpc-0123456789abcdef0").send().await), "InvalidVpcID.NotFound");

    ec2.delete_launch_template().launch_template_id(&template).send().await.unwrap();
    ec2.delete_vpc_endpoints().vpc_endpoint_ids(&endpoint).send().await.unwrap();
    ec2.delete_nat_gateway().nat_gateway_id(&nat).send().await.unwrap();
    rig.minutes(3).await;
    let nats = ec2.describe_nat_gateways().nat_gateway_ids(&nat).send().await.unwrap();
    assert_eq!(nats.nat_gateways()[0].state(), Some(&NatGatewayState::Deleted));
    ec2.release_address().allocation_id(&address).send().await.unwrap();
    ec2.disassociate_route_table().association_id(&bound).send().await.unwrap();
    ec2.delete_route_table().route_table_id(&table).send().await.unwrap();
    ec2.detach_internet_gateway().internet_gateway_id(&gateway).vpc_id(&vpc).send().await.unwrap();
    ec2.delete_internet_gateway().internet_gateway_id(&gateway).send().await.unwrap();
    for subnet in &subnets {
        ec2.delete_subnet().subnet_id(subnet).send().await.unwrap();
    }
    ec2.delete_security_group().group_id(&group).send().await.unwrap();
    ec2.delete_vpc().vpc_id(&vpc).send().await.unwrap();
    let left = ec2.describe_tags().filters(filter("key", "kubewright-stack")).send().await.unwrap();
    let left: Vec<_> = left.tags().iter().filter(|tag| tag.resource_id() != Some(nat.as_str())).collect();
    assert!(left.is_empty(), "{left:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn machines_types_and_disks_are_read_too() {
    let rig = Rig::start().await;
    let ec2 = Client::new(&rig.config);
    let mut types = ec2.describe_instance_types().into_paginator().items().send();
    let mut count = 0;
    while let Some(kind) = types.next().await {
        let kind = kind.unwrap();
        count += 1;
        assert!(kind.v_cpu_info().and_then(|it| it.default_v_cpus()).is_some() && kind.memory_info().is_some());
    }
    assert!(count > 300, "{count} types in us-east-1");
    let offered = ec2
        .describe_instance_type_offerings()
        .location_type(aws_sdk_ec2::types::LocationType::AvailabilityZone)
        .filters(filter("instance-type", "m6a.large"))
        .send()
        .await
        .unwrap();
    assert_eq!(offered.instance_type_offerings().len(), 5);

    let images = ec2.describe_images().owners("amazon").filters(filter("architecture", "x86_64")).send().await.unwrap();
    let image = images.images()[0].image_id().unwrap().to_owned();
    let run = ec2.run_instances().image_id(image).instance_type("t3.micro".into()).min_count(1).max_count(1);
    let run = run.client_token("r").tag_specifications(tags(ResourceType::Instance)).send().await.unwrap();
    let id = run.instances()[0].instance_id().unwrap().to_owned();
    rig.minutes(1).await;
    let seen = ec2.describe_instances().filters(ours()).send().await.unwrap();
    let instance = &seen.reservations()[0].instances()[0];
    assert_eq!(instance.instance_id(), Some(id.as_str()));
    assert_eq!(instance.state().and_then(|it| it.code()), Some(16));
    assert!(instance.launch_time().is_some() && instance.public_ip_address().is_some());
    let disk = instance.block_device_mappings()[0].ebs().and_then(|ebs| ebs.volume_id()).unwrap().to_owned();
    assert_eq!(code(ec2.delete_volume().volume_id(&disk).send().await), "VolumeInUse");
    let snapshot = ec2.create_snapshot().volume_id(&disk).send().await.unwrap().snapshot_id.unwrap();
    ec2.terminate_instances().instance_ids(&id).send().await.unwrap();
    rig.minutes(2).await;
    let gone = ec2.describe_volumes().volume_ids(&disk).send().await;
    assert_eq!(code(gone), "InvalidVolume.NotFound");
    let snapshots = ec2.describe_snapshots().owner_ids("self").send().await.unwrap();
    assert_eq!(snapshots.snapshots()[0].snapshot_id(), Some(snapshot.as_str()));
    ec2.delete_snapshot().snapshot_id(&snapshot).send().await.unwrap();
    for empty in [
        ec2.describe_vpc_peering_connections().send().await.unwrap().vpc_peering_connections().len(),
        ec2.describe_transit_gateway_vpc_attachments().send().await.unwrap().transit_gateway_vpc_attachments().len(),
        ec2.describe_key_pairs().send().await.unwrap().key_pairs().len(),
    ] {
        assert_eq!(empty, 0);
    }
    let unknown = ec2.run_instances().image_id("ami-00000000000000000").min_count(1).max_count(1);
    let mapping = BlockDeviceMapping::builder().device_name("/dev/xvda").build();
    let refused = unknown.clone().block_device_mappings(mapping).send().await;
    assert_eq!(code(refused), "UnsupportedOperation", "what is not rehearsed is refused, not dropped");
    assert_eq!(code(unknown.send().await), "InvalidAMIID.NotFound");
}
