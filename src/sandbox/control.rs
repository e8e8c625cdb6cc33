//! The control endpoints, `/_sandbox/…` on the plain port: clock (read, sleep, skip ahead), show, usage, settings, reset.
//! For kubewright and harnesses only.

use super::{
    clock::Sleep,
    conditions::Conditions,
    faults::Faults,
    hub::Hub,
    server::{Body, full},
    show,
    world::Settings,
};
use hyper::Response;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::time::Duration;

/// What the reset endpoint takes.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reset {
    /// The new world's seed.
    pub seed: Option<u64>,
    /// The new faults.
    #[serde(default)]
    pub faults: String,
    /// What the new world's clouds allow and how sluggish they are, where that is not the usual.
    #[serde(default)]
    pub conditions: Conditions,
}

fn answer(status: u16, body: &Value) -> Response<Body> {
    Response::builder()
        .status(status)
        .header("content-type", "application/json")
        .body(full(body.to_string()))
        .expect("fixed headers are valid")
}

fn as_answer<T: Serialize>(value: &T) -> Response<Body> {
    answer(200, &serde_json::to_value(value).expect("control documents have string keys"))
}

/// Blocks until virtual time has passed.
pub async fn sleep(hub: &Hub, sleep: Sleep) -> Response<Body> {
    let until = match (sleep.until, sleep.ms) {
        (Some(until), None) => until,
        (None, Some(ms)) => hub.now().saturating_add(Duration::from_millis(ms)).unwrap_or(jiff::Timestamp::MAX),
        _ => return answer(400, &json!({"error": "give `until` or `ms`"})),
    };
    as_answer(&hub.sleep_until(until).await)
}

/// Everything but sleeping.
pub fn handle(hub: &Hub, method: &str, path: &str, body: &[u8]) -> Response<Body> {
    let refused = |why: String| answer(400, &json!({"error": why}));
    match (method, path) {
        ("GET", "clock") => as_answer(&hub.reading()),
        ("POST", "clock/skip") => match serde_json::from_slice::<Sleep>(body) {
            Ok(Sleep { until: None, ms: Some(ms) }) => as_answer(&hub.skip(Duration::from_millis(ms))),
            _ => refused("give `ms`".to_owned()),
        },
        ("GET", "show") => as_answer(&show::of_hub(hub)),
        ("GET", "usage") => {
            let now = hub.now();
            as_answer(&hub.look(|world| json!({"now": now, "spans": world.spans().collect::<Vec<_>>()})))
        }
        ("GET", "settings") => as_answer(&hub.look(|world| world.in_force().clone())),
        ("PUT", "settings") => match serde_json::from_slice::<Settings>(body) {
            Ok(settings) => match hub.change_settings(settings) {
                Ok(()) => answer(200, &json!({})),
                Err(error) => answer(500, &json!({"error": error.to_string()})),
            },
            Err(error) => refused(error.to_string()),
        },
        ("POST", "reset") => match serde_json::from_slice::<Reset>(body) {
            Ok(Reset { seed, faults, conditions }) => match Faults::parse(&faults) {
                Ok(faults) => match hub.reset(seed, faults, &conditions) {
                    Ok(()) => answer(200, &json!({})),
                    Err(error) => answer(500, &json!({"error": error.to_string()})),
                },
                Err(error) => refused(error.to_string()),
            },
            Err(error) => refused(error.to_string()),
        },
        _ => answer(404, &json!({"error": format!("no control endpoint {method} {path}")})),
    }
}
