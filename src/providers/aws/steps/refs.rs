//! Newtypes for ids and names that AWS gave or takes, so that a subnet's id cannot stand where a VPC's is asked for.

use serde::{Deserialize, Serialize};
use std::fmt;

macro_rules! refs {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub String);

        impl $name {
            /// As sent.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                Self(text.to_owned())
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    )*};
}

refs! {
    /// `vpc-…`
    VpcId;
    /// `subnet-…`
    SubnetId;
    /// `igw-…`
    InternetGatewayId;
    /// `eipalloc-…`
    AllocationId;
    /// `nat-…`
    NatGatewayId;
    /// `rtb-…`
    RouteTableId;
    /// `sg-…`
    SecurityGroupId;
    /// `lt-…`
    LaunchTemplateId;
    /// An IAM role's name, without its path.
    RoleName;
    /// An IAM role's ARN.
    RoleArn;
    /// An EKS cluster's name.
    EksName;
}
