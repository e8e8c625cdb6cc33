//! GKE's add-ons, by the names that gcloud gives them, and how a cluster's body turns them on and off.

use serde_json::{Map, Value, json};

/// One add-on: gcloud's name, its key in `addonsConfig`, and whether that says what is on rather than what is off.
struct Addon {
    name: &'static str,
    key: &'static str,
    says_on: bool,
}

const fn addon(name: &'static str, key: &'static str, says_on: bool) -> Addon {
    Addon { name, key, says_on }
}

/// All that may be asked for. Network policy is none of them: Dataplane V2 has it.
const ADDONS: [Addon; 8] = [
    addon("HttpLoadBalancing", "httpLoadBalancing", false),
    addon("HorizontalPodAutoscaling", "horizontalPodAutoscaling", false),
    addon("GcePersistentDiskCsiDriver", "gcePersistentDiskCsiDriverConfig", true),
    addon("NodeLocalDNS", "dnsCacheConfig", true),
    addon("GcpFilestoreCsiDriver", "gcpFilestoreCsiDriverConfig", true),
    addon("GcsFuseCsiDriver", "gcsFuseCsiDriverConfig", true),
    addon("BackupRestore", "gkeBackupAgentConfig", true),
    addon("RayOperator", "rayOperatorConfig", true),
];

/// On when nothing is said: what GKE itself turns on.
pub const USUAL: [&str; 3] = ["HttpLoadBalancing", "HorizontalPodAutoscaling", "GcePersistentDiskCsiDriver"];

/// The names that may be asked for.
pub fn names() -> impl Iterator<Item = &'static str> {
    ADDONS.iter().map(|addon| addon.name)
}

/// The `addonsConfig` of a cluster that has exactly these. What is off and is off by default is left out.
pub fn config(on: &[String]) -> Value {
    let mut config = Map::new();
    for addon in &ADDONS {
        let wanted = on.iter().any(|name| name == addon.name);
        if !wanted && !USUAL.contains(&addon.name) {
            continue;
        }
        let said = if addon.says_on { json!({"enabled": wanted}) } else { json!({"disabled": !wanted}) };
        config.insert(addon.key.to_owned(), said);
    }
    Value::Object(config)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_usual_is_said_either_way() {
        let usual = config(&USUAL.map(str::to_owned));
        assert_eq!(
            usual,
            json!({"httpLoadBalancing": {"disabled": false}, "horizontalPodAutoscaling": {"disabled": false},
                "gcePersistentDiskCsiDriverConfig": {"enabled": true}})
        );
        let none = config(&[]);
        assert_eq!(none["httpLoadBalancing"]["disabled"], true);
        assert_eq!(none["gcePersistentDiskCsiDriverConfig"]["enabled"], false);
        assert_eq!(config(&["NodeLocalDNS".to_owned()])["dnsCacheConfig"], json!({"enabled": true}));
        assert!(USUAL.iter().all(|name| names().any(|known| known == *name)));
    }
}
