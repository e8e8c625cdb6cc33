//! One object of the cluster: its name and uid, read and deleted so that only the one that was seen is meant.

use super::error;
use crate::engine::{Deletion, StepError};
use k8s_openapi::{
    NamespaceResourceScope,
    api::{
        core::v1::{PersistentVolume, PersistentVolumeClaim, Pod, Service},
        networking::v1::Ingress,
    },
};
use kube::{
    Api, Client, Error, Resource,
    api::{DeleteParams, ListParams, Preconditions, PropagationPolicy},
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::fmt;

/// How many objects are asked for at once.
const PAGE: u32 = 500;

/// The kinds that this room looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum ObjectKind {
    /// A Service.
    Service,
    /// An Ingress.
    Ingress,
    /// A claim on a volume.
    PersistentVolumeClaim,
    /// A volume; it has no namespace.
    PersistentVolume,
    /// A pod.
    Pod,
}

/// An object as it was seen.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ObjectRef {
    /// Its kind.
    pub kind: ObjectKind,
    /// Its namespace; empty for a volume.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// What tells it from a later one of that name.
    pub uid: String,
}

impl fmt::Display for ObjectRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, namespace, name, .. } = self;
        if namespace.is_empty() { write!(f, "{kind:?} {name}") } else { write!(f, "{kind:?} {namespace}/{name}") }
    }
}

impl ObjectRef {
    pub(super) fn of<K: Resource>(kind: ObjectKind, object: &K) -> Self {
        let meta = object.meta();
        Self {
            kind,
            namespace: meta.namespace.clone().unwrap_or_default(),
            name: meta.name.clone().unwrap_or_default(),
            uid: meta.uid.clone().unwrap_or_default(),
        }
    }
}

/// Deletes this object and no later one of its name: one mutating call. What it holds in the cloud goes later, by its
/// controller; [`is_gone`] tells when.
///
/// # Errors
/// As every call; an object that is gone already is no error.
pub async fn delete(client: &Client, object: &ObjectRef) -> Result<Deletion, StepError> {
    match object.kind {
        ObjectKind::Service => delete_one(&inside::<Service>(client, object), object).await,
        ObjectKind::Ingress => delete_one(&inside::<Ingress>(client, object), object).await,
        ObjectKind::PersistentVolumeClaim => delete_one(&inside::<PersistentVolumeClaim>(client, object), object).await,
        ObjectKind::PersistentVolume => delete_one::<PersistentVolume>(&Api::all(client.clone()), object).await,
        ObjectKind::Pod => delete_one(&inside::<Pod>(client, object), object).await,
    }
}

/// Whether this object is gone: absent by the API server's own word, or another one has its name.
///
/// # Errors
/// As every read.
pub async fn is_gone(client: &Client, object: &ObjectRef) -> Result<bool, StepError> {
    match object.kind {
        ObjectKind::Service => gone(&inside::<Service>(client, object), object).await,
        ObjectKind::Ingress => gone(&inside::<Ingress>(client, object), object).await,
        ObjectKind::PersistentVolumeClaim => gone(&inside::<PersistentVolumeClaim>(client, object), object).await,
        ObjectKind::PersistentVolume => gone::<PersistentVolume>(&Api::all(client.clone()), object).await,
        ObjectKind::Pod => gone(&inside::<Pod>(client, object), object).await,
    }
}

fn inside<K>(client: &Client, object: &ObjectRef) -> Api<K>
where
    K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>,
{
    Api::namespaced(client.clone(), &object.namespace)
}

async fn delete_one<K>(api: &Api<K>, object: &ObjectRef) -> Result<Deletion, StepError>
where
    K: Clone + DeserializeOwned + fmt::Debug,
{
    let only_this = Preconditions { uid: Some(object.uid.clone()), resource_version: None };
    let params = DeleteParams {
        propagation_policy: Some(PropagationPolicy::Background),
        preconditions: Some(only_this),
        ..DeleteParams::default()
    };
    match api.delete(&object.name, &params).await {
        Ok(_) => Ok(Deletion::Started),
        Err(cause) if error::is_absent(&cause) => Ok(Deletion::Gone),
        // The uid is not that of what stands there now: ours is gone.
        Err(Error::Api(status)) if status.code == 409 && status.message.contains("UID in precondition") => {
            Ok(Deletion::Gone)
        }
        Err(cause) => Err(error::map(&format!("delete {object}"), &cause)),
    }
}

async fn gone<K>(api: &Api<K>, object: &ObjectRef) -> Result<bool, StepError>
where
    K: Clone + DeserializeOwned + fmt::Debug + Resource,
{
    match api.get(&object.name).await {
        Ok(now) => Ok(now.meta().uid.as_deref() != Some(&object.uid)),
        Err(cause) if error::is_absent(&cause) => Ok(true),
        Err(cause) => Err(error::map(&format!("read {object}"), &cause)),
    }
}

/// Every object of a kind, page by page.
pub(super) async fn list_all<K>(api: &Api<K>) -> Result<Vec<K>, Error>
where
    K: Clone + DeserializeOwned + fmt::Debug,
{
    let mut all = Vec::new();
    let mut params = ListParams::default().limit(PAGE);
    loop {
        let page = api.list(&params).await?;
        all.extend(page.items);
        match page.metadata.continue_.filter(|next| !next.is_empty()) {
            Some(next) => params = params.continue_token(&next),
            None => return Ok(all),
        }
    }
}
