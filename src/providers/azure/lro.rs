//! Long-running operations: one algorithm for all of Resource Manager.
//!
//! A call that takes its time names an operation. Its address travels in the [`ResourceRef`] through the journal, opaque
//! as Azure gave it, and a probe reads it once; no token of ours goes to another host than Resource Manager's. How the
//! object itself stands decides, for an operation may be lost, forgotten, or be followed by another: the operation says
//! how far it is and why it failed. Source: "Track asynchronous Azure operations", read 2026-11.

use super::client::{AzureCx, Op};
use super::error::{self, DENIED, Fault, NOT_YET, absent};
use crate::engine::{ErrorClass, Probe, Residue, ResourceRef, StepError};
use crate::providers::rest::Answer;
use serde_json::Value;
use std::time::Duration;

/// The part of a reference that holds the address of an operation with a status document.
pub const PART_OPERATION: &str = "operation";
/// The part that holds an address which answers 202 until it is done.
pub const PART_LOCATION: &str = "location";

/// The look itself: whatever the operation does, this only reads.
const LOOK: &str = "resources:operations.get";
/// A deletion or a change that is not there any more, or an object that is not visible yet, is not waited for longer.
const LOST_FOR: Duration = Duration::from_secs(90);
/// Azure asks for no more patience than this between two looks, whatever it says.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// How an operation stands.
#[derive(Debug, Clone, PartialEq)]
#[expect(clippy::large_enum_variant, reason = "one at a time, taken apart where it is made; a box would only be noise")]
enum State {
    /// Under way: Azure's own word, and how long it wants to be left alone.
    Running(String, Duration),
    /// At its end, and well.
    Done,
    /// At its end, and not.
    Failed(StepError),
    /// There is none, or nothing can be known of it.
    Unknown,
}

/// Where to look after what this answer began; none when it began nothing that is not done.
fn address<'a>(cx: &AzureCx, answer: &'a Answer) -> Option<(&'static str, &'a str)> {
    let named = [(PART_OPERATION, "azure-asyncoperation"), (PART_LOCATION, "location")];
    let mut found = named.into_iter().filter_map(|(part, header)| Some((part, answer.header(header)?)));
    // A 200 or 201 may carry the address of the thing itself under the second name.
    found.find(|(part, url)| (*part == PART_OPERATION || answer.status == 202) && cx.is_own(url))
}

/// The reference with the operation that makes it.
pub fn begun(cx: &AzureCx, mut made: ResourceRef, answer: &Answer) -> ResourceRef {
    if let Some((part, url)) = address(cx, answer) {
        made.parts.insert(part.to_owned(), url.to_owned());
    }
    made
}

/// Remembers the operation that removes it.
pub fn removing(cx: &AzureCx, id: &str, answer: &Answer) {
    let deletion = begun(cx, ResourceRef::new("", id), answer);
    if !deletion.parts.is_empty() {
        cx.remember_deletion(deletion);
    }
}

/// Remembers the operation that repairs it: the one that made it has ended.
pub fn repairing(cx: &AzureCx, id: &str, answer: &Answer) {
    let repair = begun(cx, ResourceRef::new("", id), answer);
    if !repair.parts.is_empty() {
        cx.remember_repair(repair);
    }
}

/// Why a deletion that this process asked for left the thing standing; nothing where it did not fail.
///
/// # Errors
/// What the operation failed with, once: the next look finds the thing as it stands.
pub async fn surface(cx: &AzureCx, op: Op, what: &str, id: &str, provisioning: Option<&str>) -> Result<(), StepError> {
    if provisioning.is_some_and(|state| state.eq_ignore_ascii_case("deleting")) {
        return Ok(());
    }
    let Some(deletion) = cx.deletion(id) else { return Ok(()) };
    // A look that fails says nothing: the address is kept for the next one.
    let state = follow(cx, op, what, &deletion).await?;
    if let State::Running(..) = state {
        return Ok(());
    }
    cx.forget_deletion(&deletion);
    match state {
        State::Failed(why) => Err(why),
        _ => Ok(()),
    }
}

/// How the object of `it` stands. `read` is its provisioning state: none where the object is not there, none inside
/// where its kind has no such state.
///
/// # Errors
/// As the calls'; `NotYet` for an object that is not visible.
pub async fn probe<Read>(cx: &AzureCx, op: Op, what: &str, it: &ResourceRef, read: Read) -> Result<Probe, StepError>
where
    Read: Future<Output = Result<Option<Option<String>>, StepError>>,
{
    let repair = cx.repair(&it.id);
    let operation = follow(cx, op, what, repair.as_ref().unwrap_or(it)).await?;
    if let State::Running(note, pause) = operation {
        return Ok(if pause.is_zero() { Probe::NotYet(note) } else { Probe::NotBefore(note, pause) });
    }
    let why = match operation {
        State::Failed(why) => Some(why),
        _ => None,
    };
    let Some(provisioning) = read.await? else {
        return match why {
            Some(why) => Ok(Probe::Broken(why)),
            None => Err(invisible(what)),
        };
    };
    Ok(judged(what, it, provisioning.as_deref(), why))
}

/// What a provisioning state means, where `why` is what the operation failed with.
fn judged(what: &str, it: &ResourceRef, provisioning: Option<&str>, why: Option<StepError>) -> Probe {
    let broken = |class, id: &str, words: String| {
        let why = StepError::new(class, id, words);
        Probe::Broken(why.with_residue(Residue::Some(it.clone())))
    };
    let named = |why: Option<StepError>, word: &str| match why {
        Some(why) => Probe::Broken(why.with_residue(Residue::Some(it.clone()))),
        None => broken(ErrorClass::Transient, error::SERVER, format!("{what} ended {word}, and Azure gives no reason")),
    };
    match provisioning.map(str::to_ascii_lowercase).as_deref() {
        None | Some("succeeded") => Probe::Ready,
        Some("failed") => named(why, "Failed"),
        Some("canceled") => named(why, "Canceled"),
        Some("deleting") => {
            broken(ErrorClass::Transient, error::ABSENT, format!("{what} is being deleted by somebody else"))
        }
        Some(_) => Probe::NotYet(provisioning.unwrap_or_default().to_owned()),
    }
}

/// Of an object that exists but is not visible yet, or is gone: the engine bounds the wait and looks again.
pub fn invisible(what: &str) -> StepError {
    let mut made = StepError::new(ErrorClass::NotYet, NOT_YET, format!("cannot read {what}: it is not visible yet"));
    made.retry_for = Some(LOST_FOR);
    made.with_residue(Residue::None)
}

/// One look at the operation that a reference holds.
async fn follow(cx: &AzureCx, op: Op, what: &str, it: &ResourceRef) -> Result<State, StepError> {
    if let Some(url) = it.parts.get(PART_OPERATION) {
        return status(cx, op, what, url).await;
    }
    let Some(url) = it.parts.get(PART_LOCATION).filter(|url| cx.is_own(url)) else { return Ok(State::Unknown) };
    match cx.read_url(LOOK, what, url).await {
        Ok(answer) if answer.status == 202 => Ok(State::Running("Accepted".to_owned(), pause(&answer))),
        Ok(_) => Ok(State::Done),
        Err(failed) => unread_or_failed(failed),
    }
}

/// Such an address answers with the operation's own error where that failed ("Track asynchronous Azure operations").
fn unread_or_failed(failed: StepError) -> Result<State, StepError> {
    match failed.class {
        ErrorClass::Transient | ErrorClass::Throttled | ErrorClass::Auth => unread(failed),
        _ if absent(&failed) || failed.code.is_none() => unread(failed),
        _ => Ok(State::Failed(failed)),
    }
}

/// One look at an operation with a status document. Addresses that a journal does not have from Azure are not followed.
async fn status(cx: &AzureCx, op: Op, what: &str, url: &str) -> Result<State, StepError> {
    if !cx.is_own(url) {
        return Ok(State::Unknown);
    }
    match cx.read_url(LOOK, what, url).await {
        Ok(answer) => Ok(told(op, what, &answer)),
        Err(failed) => unread(failed),
    }
}

/// Operations are forgotten after some time, and may be hidden from whoever may see the object: the object itself tells.
fn unread(failed: StepError) -> Result<State, StepError> {
    if absent(&failed) || failed.id == DENIED {
        tracing::debug!(%failed, "the operation cannot be read");
        return Ok(State::Unknown);
    }
    Err(failed)
}

/// What a status document says.
fn told(op: Op, what: &str, answer: &Answer) -> State {
    let word = answer.body.get("status").and_then(Value::as_str).unwrap_or_default();
    match word.to_ascii_lowercase().as_str() {
        "succeeded" => State::Done,
        "failed" | "canceled" => {
            let failed = match answer.body.get("error").and_then(Fault::of) {
                Some(fault) => error::failed(op.name, what, 200, &fault),
                None => {
                    let words = format!("cannot {} {what}: the operation ended {word}", error::verb(op.name));
                    StepError::new(ErrorClass::Transient, error::SERVER, words)
                }
            };
            State::Failed(failed)
        }
        "" => State::Unknown,
        _ => {
            let percent = answer.body.get("percentComplete").and_then(Value::as_f64);
            let note = percent.map_or_else(|| word.to_owned(), |percent| format!("{word} {percent:.0} %"));
            State::Running(note, pause(answer))
        }
    }
}

fn pause(answer: &Answer) -> Duration {
    answer.retry_after().unwrap_or_default().min(LONGEST_PAUSE)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::k8s::testing::{Answer as Reply, Server};
    use crate::providers::azure::testing;
    use serde_json::json;

    const OP: Op = Op::new("containerservice:managedClusters.createOrUpdate", "1");

    fn answer(status: u16, headers: &[(&str, &str)], body: Value) -> Answer {
        let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Answer { status, headers, body }
    }

    fn it() -> ResourceRef {
        ResourceRef::new("azure/x", "/subscriptions/s")
    }

    #[test]
    fn an_operation_of_our_own_host_is_kept_as_given_and_no_other() {
        let cx = testing::cx();
        let own = format!(
            "{}/subscriptions/s/operations/1?api-version=2016-03-30&t=a%2Fb",
            crate::providers::azure::client::ARM
        );
        let both =
            answer(201, &[("azure-asyncoperation", &own), ("location", "https://management.azure.com/l")], Value::Null);
        assert_eq!(begun(&cx, it(), &both).parts, [(PART_OPERATION.to_owned(), own.clone())].into());
        let location = answer(202, &[("location", &own)], Value::Null);
        assert_eq!(begun(&cx, it(), &location).parts, [(PART_LOCATION.to_owned(), own.clone())].into());
        for none in [
            answer(201, &[("location", &own)], Value::Null),
            answer(201, &[("azure-asyncoperation", "https://elsewhere.example/op")], Value::Null),
            answer(200, &[], Value::Null),
        ] {
            assert!(begun(&cx, it(), &none).parts.is_empty(), "{none:?}");
        }
    }

    #[test]
    fn status_documents_are_read_whatever_their_case() {
        let state = |body: Value| told(OP, "cluster", &answer(200, &[("retry-after", "15")], body));
        assert_eq!(state(json!({"status": "succeeded"})), State::Done);
        assert_eq!(
            state(json!({"status": "InProgress"})),
            State::Running("InProgress".to_owned(), Duration::from_secs(15))
        );
        let far = state(json!({"status": "Running", "percentComplete": 40.0}));
        assert!(matches!(far, State::Running(note, _) if note == "Running 40 %"));
        assert_eq!(state(json!({})), State::Unknown);
        let State::Failed(quota) =
            state(json!({"status": "Failed", "error": {"code": "QuotaExceeded", "message": "no"}}))
        else {
            panic!("it failed")
        };
        assert_eq!(quota.class, ErrorClass::Quota);
        let State::Failed(canceled) = state(json!({"status": "CANCELED"})) else { panic!("it was canceled") };
        assert_eq!(canceled.class, ErrorClass::Transient);
    }

    #[test]
    fn the_object_itself_decides() {
        let why = || Some(StepError::new(ErrorClass::Quota, error::QUOTA, "no"));
        assert_eq!(judged("it", &it(), None, None), Probe::Ready);
        assert_eq!(judged("it", &it(), Some("Succeeded"), why()), Probe::Ready);
        assert_eq!(judged("it", &it(), Some("Updating"), why()), Probe::NotYet("Updating".to_owned()));
        let class = |probe| match probe {
            Probe::Broken(why) => why.class,
            other => panic!("{other:?}"),
        };
        assert_eq!(class(judged("it", &it(), Some("Failed"), why())), ErrorClass::Quota);
        assert_eq!(class(judged("it", &it(), Some("failed"), None)), ErrorClass::Transient);
        assert_eq!(class(judged("it", &it(), Some("Canceled"), None)), ErrorClass::Transient);
        assert_eq!(class(judged("it", &it(), Some("Deleting"), None)), ErrorClass::Transient);
    }

    /// What looks at a thing tell whose deletion ended in the given answers, one after the other.
    async fn told_of_deletion(header: &'static str, answers: Vec<Reply>) -> Vec<Result<(), ErrorClass>> {
        let count = answers.len();
        let left = std::sync::Mutex::new(answers.into_iter());
        let server = Server::start(move |_| left.lock().unwrap().next().unwrap()).await;
        let cx = testing::cx_at(&server.url());
        removing(&cx, "/subscriptions/s", &answer(202, &[(header, &format!("{}/op", server.url()))], Value::Null));
        let delete = Op::new("containerservice:managedClusters.delete", "1");
        let mut told = Vec::new();
        for _ in 0..count {
            let look = surface(&cx, delete, "cluster", "/subscriptions/s", Some("Succeeded")).await;
            told.push(look.map_err(|why| why.class));
        }
        assert_eq!(surface(&cx, delete, "cluster", "/subscriptions/s", None).await, Ok(()), "told once");
        assert_eq!(server.requests().len(), count);
        told
    }

    #[tokio::test]
    async fn why_a_deletion_failed_is_told_whatever_header_named_it_and_after_a_look_that_failed() {
        let busy = || Reply::of(503, json!({"error": {"code": "ServerTimeout", "message": "later"}}));
        let locked = json!({"code": "ScopeLocked", "message": "a lock"});
        let later = Err(ErrorClass::Transient);
        let failed = Reply::of(200, json!({"status": "Failed", "error": locked}));
        let running = Reply::of(200, json!({"status": "InProgress"}));
        let told = told_of_deletion("azure-asyncoperation", vec![busy(), running, failed]).await;
        assert_eq!(told, [later, Ok(()), Err(ErrorClass::Permanent)]);
        let failed = Reply::of(409, json!({"error": locked}));
        let told = told_of_deletion("location", vec![busy(), Reply::text(202, ""), failed]).await;
        assert_eq!(told, [later, Ok(()), Err(ErrorClass::Permanent)]);
        assert_eq!(told_of_deletion("location", vec![Reply::text(204, "")]).await, [Ok(())]);
    }

    #[tokio::test]
    async fn why_a_repair_failed_is_told_by_its_own_operation() {
        let server = Server::start(|asked| match &*asked.path {
            "/made" => Reply::of(200, json!({"status": "Failed", "error": {"code": "ServerTimeout", "message": "no"}})),
            _ => Reply::of(200, json!({"status": "Failed", "error": {"code": "QuotaExceeded", "message": "no"}})),
        })
        .await;
        let cx = testing::cx_at(&server.url());
        let header =
            |path: &str| answer(201, &[("azure-asyncoperation", &format!("{}{path}", server.url()))], Value::Null);
        let made = begun(&cx, it(), &header("/made"));
        let why = async || match probe(&cx, OP, "cluster", &made, async { Ok(Some(Some("Failed".to_owned()))) }).await {
            Ok(Probe::Broken(why)) => why.class,
            other => panic!("{other:?}"),
        };
        assert_eq!(why().await, ErrorClass::Transient);
        repairing(&cx, &made.id, &header("/repair"));
        assert_eq!(why().await, ErrorClass::Quota);
    }
}
