//! `status --watch` and `--wait`: looking again until it changes, is as wished for, or cannot be any more.

use super::{Goal, StatusRequest, empty, look, report};
use crate::app::command::program;
use crate::env::Env;
use crate::error::{CliError, Exit};
use crate::model::ClusterName;
use crate::model::doc::{Phase, StatusCluster, StatusFailure};
use std::time::Duration;

/// How often a watched or awaited cluster is looked at.
const LOOK_AGAIN: Duration = Duration::from_secs(10);
/// The same for every region at once: hundreds of calls.
const LOOK_WIDE_AGAIN: Duration = Duration::from_secs(60);

/// Shows it again whenever it changes, until a signal.
pub(super) async fn watch(env: &Env, request: &StatusRequest) -> Result<Exit, CliError> {
    let mut last = None;
    loop {
        let status = env.reading(look(env, request)).await?;
        // Money runs; only what stands beside it counts as a change.
        let mut without_money = status.clone();
        without_money.clusters.iter_mut().for_each(|cluster| cluster.accrued_usd = None);
        if last.as_ref() != Some(&without_money) {
            env.ui.show(env.now(), &status, None);
            last = Some(without_money);
        }
        env.reading(async {
            env.clock.sleep(if request.all { LOOK_WIDE_AGAIN } else { LOOK_AGAIN }).await;
            Ok(())
        })
        .await?;
    }
}

/// A place that answered, and said no.
fn is_refusal(failure: &StatusFailure) -> bool {
    !matches!(failure.error.class.as_str(), "unreachable" | "timeout" | "interrupted")
}

/// A removal that was begun here and that no process here goes on with.
fn is_abandoned(cluster: &StatusCluster) -> bool {
    cluster.phase == Phase::Deleting && cluster.lock.is_none()
}

/// Returns when the goal is reached, or cannot be any more.
pub(super) async fn wait(env: &Env, request: &StatusRequest, name: &ClusterName, goal: Goal) -> Result<Exit, CliError> {
    let mut waiting = env.ui.waiting(&format!("waiting for {name}"));
    loop {
        let seen = env.reading(look(env, request)).await;
        let word = match &seen {
            Ok(status) => status.clusters.first().map_or("absent", |cluster| cluster.phase.as_str()),
            Err(error) if error.id == "KW-NOT-FOUND" => "absent",
            Err(_) => "unknown",
        };
        match (goal, seen) {
            // What the cloud refuses today it refuses tomorrow: wrong account, no permission, dead credentials.
            (_, Ok(status)) if status.failures.iter().any(is_refusal) => {
                drop(waiting);
                return report(env, request, &status);
            }
            (Goal::Ready, Ok(status)) => match status.clusters.first().map(|cluster| cluster.phase) {
                Some(Phase::Ready) if status.complete => {
                    drop(waiting);
                    return report(env, request, &status);
                }
                Some(Phase::Failed | Phase::Deleting | Phase::Incomplete) => {
                    drop(waiting);
                    let error = CliError::new(
                        "KW-INCOMPLETE",
                        format!("`{name}` is {word} and will not become ready by itself"),
                    )
                    .hint(if word == Phase::Deleting.as_str() {
                        format!("{} destroy {name} --confirm {name}", program(env))
                    } else {
                        format!("{} provision {name}", program(env))
                    });
                    env.ui.show(env.now(), &status, Some(&error));
                    return Err(error);
                }
                _ => {}
            },
            (Goal::Deleted, Err(error)) if error.id == "KW-NOT-FOUND" => {
                drop(waiting);
                env.ui.show(env.now(), &empty(), None);
                return Ok(Exit::DONE);
            }
            // The cloud may come back; a wrong account, a typing error or a signal will not.
            (_, Err(error)) if error.id == "KW-UNREACHABLE" => {}
            (_, Err(error)) => return Err(error),
            (Goal::Deleted, Ok(status)) if status.clusters.first().is_some_and(is_abandoned) => {
                drop(waiting);
                let error = CliError::new(
                    "KW-INCOMPLETE",
                    format!("the removal of `{name}` has begun and nobody is at work on it any more"),
                )
                .hint(format!("{} destroy {name} --confirm {name}", program(env)));
                env.ui.show(env.now(), &status, Some(&error));
                return Err(error);
            }
            (Goal::Deleted, Ok(_)) => {}
        }
        waiting.note(&env.ui, &format!("{name}: {word}"));
        env.reading(async {
            env.clock.sleep(LOOK_AGAIN).await;
            Ok(())
        })
        .await?;
    }
}
