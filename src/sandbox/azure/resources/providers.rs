//! Registrations: a fresh subscription knows neither AKS nor networks, and learns of each within minutes.

use crate::{
    model::Cloud,
    sandbox::{
        azure::{
            SUBSCRIPTION, locations,
            routes::ROUTES,
            store::{self, due, find, mins, secs},
            wire::{Answer, ArmError, Cx, Outcome},
        },
        world::{Kind, Object, Origin, Scope, Tx},
    },
};
use serde_json::{Value, json};

/// A namespace, and whether this subscription uses it.
pub(in super::super) const PROVIDER: Kind = Kind::new("resources", "providers");

/// Namespaces, and how they stand with a fresh subscription.
const NAMESPACES: &[(&str, &str)] = &[
    ("Microsoft.Authorization", "Registered"),
    ("Microsoft.Compute", "Registered"),
    ("Microsoft.ContainerService", "NotRegistered"),
    ("Microsoft.ManagedIdentity", "Registered"),
    ("Microsoft.Network", "NotRegistered"),
    ("Microsoft.Resources", "Registered"),
    ("Microsoft.Storage", "Registered"),
];

fn id(namespace: &str) -> String {
    format!("/subscriptions/{SUBSCRIPTION}/providers/{namespace}")
}

pub(super) fn furnish(tx: &mut Tx<'_>, scope: &Scope) {
    for (namespace, state) in NAMESPACES {
        let mut object = Object::new(scope, PROVIDER, id(namespace), tx.now());
        object.cloud = Cloud::Azure;
        object.name = Some((*namespace).to_owned());
        object.created_by = Origin::Builtin;
        (*state).clone_into(&mut object.state);
        tx.put(object);
    }
}

/// Whether a namespace may be used.
pub(in super::super) fn is_registered(tx: &Tx<'_>, namespace: &str) -> bool {
    find(tx, &id(namespace)).is_none_or(|object| object.state == "Registered")
}

/// Refuses what a subscription does not know.
///
/// # Errors
/// 409 `MissingSubscriptionRegistration`.
pub(in super::super) fn check_registered(tx: &Tx<'_>, namespace: &str) -> Result<(), ArmError> {
    if is_registered(tx, namespace) {
        return Ok(());
    }
    let message = format!(
        "The subscription is not registered to use namespace '{namespace}'. See https://aka.ms/rps-not-found for how to register subscriptions."
    );
    let mut error = ArmError::conflict("MissingSubscriptionRegistration", message.clone());
    error.details = vec![("MissingSubscriptionRegistration".to_owned(), message)];
    Err(error)
}

fn view(object: &Object) -> Value {
    let namespace = object.name.as_deref().unwrap_or_default();
    let places: Vec<&str> = locations::LOCATIONS.iter().map(|row| row.1).collect();
    let types = ROUTES.iter().filter(|route| route.namespace == namespace);
    let types = types.map(|route| {
        let mut versions = route.versions().to_vec();
        versions.reverse();
        json!({"resourceType": route.kind, "locations": places, "apiVersions": versions, "capabilities": "SupportsTags, SupportsLocation"})
    });
    let free = matches!(namespace, "Microsoft.Authorization" | "Microsoft.Resources");
    json!({
        "id": object.id, "namespace": namespace, "registrationState": object.state,
        "registrationPolicy": if free { "RegistrationFree" } else { "RegistrationRequired" },
        "resourceTypes": types.collect::<Vec<Value>>(),
    })
}

pub(super) fn call(cx: &mut Cx<'_, '_>) -> Outcome {
    if !cx.target.named() && cx.verb == "GET" {
        let all: Vec<Value> = store::each(cx.tx, PROVIDER).map(view).collect();
        return Ok(Answer::list(all));
    }
    let namespace = cx.target.names.first().cloned().unwrap_or_default();
    let lost =
        || ArmError::new(404, "InvalidResourceNamespace", format!("The resource namespace '{namespace}' is invalid."));
    let mut object = find(cx.tx, &id(&namespace)).cloned().ok_or_else(lost)?;
    match (cx.verb, cx.target.kind()) {
        ("POST", "register") if matches!(object.state.as_str(), "NotRegistered" | "Unregistered") => {
            "Registering".clone_into(&mut object.state);
            let span = cx.tx.between(mins(1), mins(3));
            object.due = due(cx.tx, span, "registered");
            cx.tx.put(object.clone());
        }
        ("POST", "unregister") => {
            let prefix = format!("{namespace}/");
            let used = store::all(cx.tx).find(|o| o.parent.is_some() && store::type_of(o).starts_with(&prefix));
            if let Some(used) = used {
                let message =
                    format!("Cannot unregister from '{namespace}': resources of it exist, such as '{}'.", used.id);
                return Err(ArmError::conflict("CannotUnregisterNamespace", message));
            }
            "Unregistering".clone_into(&mut object.state);
            object.due = due(cx.tx, secs(60), "unregistered");
            cx.tx.put(object.clone());
        }
        _ => {}
    }
    Ok(Answer::ok(view(&object)))
}

pub(super) fn happen(tx: &mut Tx<'_>, object: &Object, what: &str) {
    let state = match (what, object.doomed) {
        ("registered", false) => "Registered",
        ("registered", true) => "NotRegistered",
        _ => "Unregistered",
    };
    store::change(tx, &object.id, |object| {
        state.clone_into(&mut object.state);
        object.doomed = false;
    });
}
