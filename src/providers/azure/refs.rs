//! Resource ids: what names every object of Azure, and the path its calls go to.
//!
//! Azure compares ids without regard to case and answers in whatever case it likes, so an id in here is always the one
//! that we build ourselves, and foreign spellings are compared by [`ArmId::is`].

use crate::providers::rest::encoded;
use serde::{Deserialize, Serialize};
use std::fmt;

/// `/subscriptions/…`
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ArmId(pub String);

impl ArmId {
    /// A subscription.
    pub fn subscription(subscription: &str) -> Self {
        Self(format!("/subscriptions/{subscription}"))
    }

    /// A resource group.
    pub fn group(subscription: &str, name: &str) -> Self {
        Self(format!("/subscriptions/{subscription}/resourceGroups/{name}"))
    }

    /// Something inside this group: `kind` is `Microsoft.Network/virtualNetworks`.
    #[must_use]
    pub fn inside(&self, kind: &str, name: &str) -> Self {
        Self(format!("{}/providers/{kind}/{name}", self.0))
    }

    /// A part of this: a subnet, an agent pool.
    #[must_use]
    pub fn part(&self, collection: &str, name: &str) -> Self {
        Self(format!("{}/{collection}/{name}", self.0))
    }

    /// As written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The last part: the object's own name.
    pub fn name(&self) -> &str {
        self.0.rsplit('/').next().unwrap_or_default()
    }

    /// What stands behind this word, whatever its case: `resourceGroups`, `virtualNetworks`.
    pub fn segment(&self, word: &str) -> Option<&str> {
        let mut parts = self.0.split('/').skip_while(|part| !part.eq_ignore_ascii_case(word));
        parts.next()?;
        parts.next().filter(|part| !part.is_empty())
    }

    /// The name of the group it is in.
    pub fn group_name(&self) -> Option<&str> {
        self.segment("resourceGroups")
    }

    /// The id of the group it is in.
    pub fn group_id(&self) -> Option<Self> {
        Some(Self::group(self.segment("subscriptions")?, self.group_name()?))
    }

    /// What this is a part of: the network of a subnet. None where it is part of nothing.
    pub fn parent(&self) -> Option<Self> {
        let parts: Vec<&str> = self.0.split('/').collect();
        let provider = parts.iter().rposition(|part| part.eq_ignore_ascii_case("providers"))?;
        // providers, namespace, type, name, and two more for each part of a part.
        (parts.len() > provider + 4).then(|| Self(parts[..parts.len() - 2].join("/")))
    }

    /// Namespace and type, `Microsoft.Network/virtualNetworks/subnets`, as spelled here.
    pub fn kind(&self) -> Option<String> {
        let parts: Vec<&str> = self.0.split('/').collect();
        let provider = parts.iter().rposition(|part| part.eq_ignore_ascii_case("providers"))?;
        let namespace = parts.get(provider + 1)?;
        let types = parts[provider + 2..].iter().step_by(2);
        Some(std::iter::once(namespace).chain(types).copied().collect::<Vec<_>>().join("/"))
    }

    /// Whether both name the same object.
    pub fn is(&self, other: &str) -> bool {
        self.0.trim_end_matches('/').eq_ignore_ascii_case(other.trim_end_matches('/'))
    }

    /// Whether that is this, or in it.
    pub fn holds(&self, other: &str) -> bool {
        let own = self.0.trim_end_matches('/');
        match other.split_at_checked(own.len()) {
            Some((start, rest)) => start.eq_ignore_ascii_case(own) && (rest.is_empty() || rest.starts_with('/')),
            None => false,
        }
    }

    /// As it stands in an address.
    pub(super) fn path(&self) -> String {
        self.0.split('/').map(encoded).collect::<Vec<_>>().join("/")
    }
}

impl From<&str> for ArmId {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl fmt::Display for ArmId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// An Entra object: whom a role is given to.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PrincipalId(pub String);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_taken_apart_whatever_their_case() {
        let subnet: ArmId =
            "/subscriptions/s/RESOURCEGROUPS/Net/providers/microsoft.network/virtualNetworks/v/subnets/n".into();
        assert_eq!(subnet.group_name(), Some("Net"));
        assert_eq!(subnet.name(), "n");
        assert_eq!(subnet.kind().as_deref(), Some("microsoft.network/virtualNetworks/subnets"));
        let network = subnet.parent().unwrap();
        assert_eq!(network.name(), "v");
        assert_eq!(network.parent(), None);
        assert!(subnet.group_id().unwrap().holds(subnet.as_str()));
        assert!(network.is(&network.as_str().to_uppercase()));
    }

    #[test]
    fn a_group_whose_name_begins_the_same_holds_nothing_of_the_other() {
        let group = ArmId::group("s", "kw-demo");
        assert!(group.holds("/subscriptions/S/resourcegroups/KW-DEMO/providers/x/y/z"));
        assert!(!group.holds("/subscriptions/s/resourceGroups/kw-demo-2/providers/x/y/z"));
        assert!(!group.holds("/subscriptions/s"));
    }
}
