//! What all steps share: how a listing is narrowed, how an answer becomes evidence, which answers mean "not there".

use crate::engine::{Deletion, ErrorClass, Lookup, Scope, StepError};
use crate::model::Stack;
use crate::providers::aws::error::{self, fail, is_absent};
use crate::providers::aws::names;
use crate::providers::aws::tags::{self, Tags};
use crate::providers::kit;
pub(in crate::providers::aws) use crate::providers::kit::{
    all_tags, broken, child_key, lacking, never_made, seen, seen_child, what,
};
use aws_sdk_ec2::types::Filter;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::{DateTime, error::metadata::ProvideErrorMetadata};
use jiff::Timestamp;
use std::collections::BTreeMap;
use std::error::Error as StdError;

/// Which objects of a kind an EC2 listing returns.
#[derive(Debug, Clone, Default)]
pub(in crate::providers::aws) struct Select {
    /// Exactly these ids.
    pub ids: Option<Vec<String>>,
    /// All that match.
    pub filters: Option<Vec<Filter>>,
}

impl Select {
    /// By id, or by both of our tags.
    pub fn of(at: Scope<'_>, by: Lookup<'_>) -> Self {
        match by {
            Lookup::Id(it) => Self::id(&it.id),
            Lookup::Identity => {
                Self { ids: None, filters: Some(tags::ec2_filters(at.stack, Some(&at.step.tag_value()))) }
            }
        }
    }

    /// By id.
    pub fn id(id: &str) -> Self {
        Self { ids: Some(vec![id.to_owned()]), filters: None }
    }

    /// Everything of a stack.
    pub fn stack(stack: &Stack) -> Self {
        Self { ids: None, filters: Some(tags::ec2_filters(stack, None)) }
    }

    /// By one attribute.
    pub fn by(name: &str, value: &str) -> Self {
        Self { ids: None, filters: Some(vec![tags::filter(name, value)]) }
    }
}

/// The `Name` tag of EC2 objects, for people who look at the console: nothing is ever found by it.
pub(super) fn shown_name(at: Scope<'_>) -> String {
    names::named(at.stack, &at.step.as_str().replace('/', "-"), names::SECURITY_GROUP_MAX)
}

/// Whether these tags name this stack.
pub(super) fn is_of_stack(stack: &Stack, tags: &Tags) -> bool {
    tags::stack_of(tags).as_ref() == Some(stack)
}

/// The SDK's time as ours.
pub(in crate::providers::aws) fn time(at: Option<&DateTime>) -> Option<Timestamp> {
    Timestamp::from_second(at?.secs()).ok()
}

/// A read: nothing where AWS itself says that it is not there.
pub(in crate::providers::aws) fn read<T, E>(
    op: &'static str,
    what: &str,
    answer: Result<T, SdkError<E, HttpResponse>>,
) -> Result<Option<T>, StepError>
where
    E: ProvideErrorMetadata + StdError + Send + Sync + 'static,
{
    match answer {
        Ok(it) => Ok(Some(it)),
        Err(err) if is_absent(&err) => Ok(None),
        Err(err) => Err(fail(op, what, err)),
    }
}

/// A listing: empty where AWS says that the id asked for is not there.
pub(in crate::providers::aws) fn list<T, E>(
    op: &'static str,
    what: &str,
    answer: Result<Vec<T>, SdkError<E, HttpResponse>>,
) -> Result<Vec<T>, StepError>
where
    E: ProvideErrorMetadata + StdError + Send + Sync + 'static,
{
    Ok(read(op, what, answer)?.unwrap_or_default())
}

/// The tags of many things, some at a time. One thing that went meanwhile makes the answer about none of those asked for
/// with it: they are then asked for one by one, for without its tags a thing of ours would pass for somebody else's.
pub(super) async fn in_chunks<'a, Asked>(
    all: &'a [String],
    at_once: usize,
    ask: impl Fn(&'a [String]) -> Asked,
) -> Result<BTreeMap<String, Tags>, StepError>
where
    Asked: Future<Output = Result<Option<BTreeMap<String, Tags>>, StepError>>,
{
    let mut found = BTreeMap::new();
    for some in all.chunks(at_once) {
        if let Some(told) = ask(some).await? {
            found.extend(told);
            continue;
        }
        for one in some.chunks(1).filter(|_| some.len() > 1) {
            found.extend(ask(one).await?.unwrap_or_default());
        }
    }
    Ok(found)
}

/// A call that must succeed.
pub(super) fn done<T, E>(
    op: &'static str,
    what: &str,
    answer: Result<T, SdkError<E, HttpResponse>>,
) -> Result<T, StepError>
where
    E: ProvideErrorMetadata + StdError + Send + Sync + 'static,
{
    answer.map_err(|err| fail(op, what, err))
}

/// A delete call: absent is gone.
pub(super) fn deleted<T, E>(
    op: &'static str,
    what: &str,
    then: Deletion,
    answer: Result<T, SdkError<E, HttpResponse>>,
) -> Result<Deletion, StepError>
where
    E: ProvideErrorMetadata + StdError + Send + Sync + 'static,
{
    Ok(if read(op, what, answer)?.is_some() { then } else { Deletion::Gone })
}

/// See [`kit::visible`].
pub(in crate::providers::aws) fn visible<T>(what: &str, found: Option<T>) -> Result<T, StepError> {
    kit::visible(error::NOT_YET, what, found)
}

/// A creating call answered without saying what it made.
pub(super) fn no_id(what: &str) -> StepError {
    StepError::new(ErrorClass::Transient, error::ANSWER, format!("cannot create {what}: the answer holds no id"))
}

/// See [`kit::busy`].
pub(in crate::providers::aws) fn busy(what: &str, why: impl std::fmt::Display) -> StepError {
    kit::busy(error::NOT_YET, what, why)
}

/// Something that is not ours is in the way of a delete.
pub(super) fn blocked(what: &str, why: impl std::fmt::Display) -> StepError {
    kit::blocked("KW-AWS-BLOCKED", what, why)
}

/// EKS refuses to delete what it is still making or changing, under several codes and in changing words: the state read
/// a moment before says that this is what the refusal is about.
pub(super) fn refused_for_its_state<T, E: ProvideErrorMetadata>(answer: &Result<T, SdkError<E, HttpResponse>>) -> bool {
    let codes =
        ["ResourceInUseException", "InvalidRequestException", "InvalidParameterException", "InvalidStateException"];
    code_of_result(answer).is_some_and(|code| codes.contains(&code))
}

/// The vendor's code of a failed call.
pub(super) fn code_of_result<T, E: ProvideErrorMetadata>(
    answer: &Result<T, SdkError<E, HttpResponse>>,
) -> Option<&str> {
    error::code_of(answer.as_ref().err()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn one_that_went_meanwhile_does_not_hide_the_tags_of_the_others() {
        let all: Vec<String> = ["a", "gone", "b", "c"].map(str::to_owned).into();
        // As AWS answers: all of them, or that one is not there.
        let ask = |some: &[String]| {
            let tagged = |it: &String| (it.clone(), Tags::from([("of".to_owned(), it.clone())]));
            let gone = some.iter().any(|it| it == "gone");
            std::future::ready(Ok((!gone).then(|| some.iter().map(tagged).collect())))
        };
        let found = in_chunks(&all, 3, ask).await.unwrap();
        assert_eq!(found.keys().collect::<Vec<_>>(), ["a", "b", "c"]);
        assert_eq!(found["b"]["of"], "b");
    }
}
