//! The list of everything, of a subscription or of a group. It follows what happens by some seconds.

use super::generic;
use crate::sandbox::{
    azure::{
        lro,
        path::within,
        store,
        wire::{Answer, ArmError, Cx, Outcome},
    },
    world::Object,
};

/// One condition of a filter.
#[derive(Debug, PartialEq, Eq)]
enum Test {
    TagName(String),
    TagValue(String),
    Type(String),
    Name(String),
    Group(String),
    Location(String),
}

impl Test {
    fn fits(&self, object: &Object) -> bool {
        match self {
            // What a value belongs to is said beside it.
            Self::TagName(name) => object.tags.keys().any(|key| key.eq_ignore_ascii_case(name)),
            Self::TagValue(_) => true,
            Self::Type(kind) => store::type_of(object).eq_ignore_ascii_case(kind),
            Self::Name(name) => object.name.as_deref().is_some_and(|own| own.eq_ignore_ascii_case(name)),
            Self::Group(group) => {
                let own = crate::sandbox::azure::path::group_of(&object.id).unwrap_or_default();
                crate::sandbox::azure::path::name_of(&own).eq_ignore_ascii_case(group)
            }
            Self::Location(location) => object.region.eq_ignore_ascii_case(location),
        }
    }
}

/// Reads `a eq 'x' and b eq 'y'`.
fn read(filter: &str) -> Result<Vec<Test>, ArmError> {
    let refuse = || {
        ArmError::bad(
            "InvalidFilterInQueryString",
            format!("Invalid $filter '{filter}' specified in the query string."),
        )
    };
    let mut tests = Vec::new();
    for part in filter.split(" and ") {
        let (name, value) = part.trim().split_once(" eq ").ok_or_else(refuse)?;
        let value = value.trim().strip_prefix('\'').and_then(|rest| rest.strip_suffix('\'')).ok_or_else(refuse)?;
        let value = value.replace("''", "'");
        tests.push(match name.trim().to_ascii_lowercase().as_str() {
            "tagname" => Test::TagName(value),
            "tagvalue" => Test::TagValue(value),
            "resourcetype" => Test::Type(value),
            "name" => Test::Name(value),
            "resourcegroup" => Test::Group(value),
            "location" => Test::Location(value),
            _ => return Err(refuse()),
        });
    }
    let by_tag = tests.iter().any(|test| matches!(test, Test::TagName(_) | Test::TagValue(_)));
    let other = tests.iter().any(|test| !matches!(test, Test::TagName(_) | Test::TagValue(_)));
    if by_tag && other {
        let message = "Filtering by tags cannot be combined with any other filter.";
        return Err(ArmError::bad("InvalidFilterInQueryString", message));
    }
    Ok(tests)
}

/// Whether what it is may be asked for by a filter.
pub(super) fn fits(filter: Option<&str>, object: &Object) -> Result<bool, ArmError> {
    let Some(filter) = filter.filter(|filter| !filter.is_empty()) else { return Ok(true) };
    let tests = read(filter)?;
    let value = tests.iter().find_map(|test| if let Test::TagValue(value) = test { Some(value) } else { None });
    let name = tests.iter().find_map(|test| if let Test::TagName(name) = test { Some(name) } else { None });
    let tag = match (name, value) {
        (Some(name), Some(value)) => {
            object.tags.iter().any(|(key, own)| key.eq_ignore_ascii_case(name) && own == value)
        }
        _ => true,
    };
    Ok(tag && tests.iter().all(|test| test.fits(object)))
}

/// Whether it is one of those that the list of everything shows: what stands in a group, with a location of its own.
pub(super) fn is_listed(object: &Object) -> bool {
    let own = object.is(lro::OPERATION) || object.is(store::GROUP) || object.service == "authorization";
    object.parent.is_some() && !object.kind.contains('/') && !own
}

pub(super) fn list(cx: &mut Cx<'_, '_>) -> Outcome {
    let scope = if cx.target.group.is_some() { cx.target.group_id() } else { cx.target.subscription_id() };
    if cx.target.group.is_some() {
        super::groups::check_stands(cx.tx, &scope, "GET")?;
    }
    let (filter, expand) = (cx.asked("$filter"), cx.asked("$expand").unwrap_or_default());
    let now = cx.tx.now();
    let mut found = Vec::new();
    for object in store::all(cx.tx).filter(|object| is_listed(object) && within(&object.id, &scope)) {
        if object.visible_at.is_none_or(|at| at <= now) && fits(filter, object)? {
            found.push(generic(object, expand));
        }
    }
    if let Some(top) = cx.asked("$top").and_then(|top| top.parse().ok()) {
        found.truncate(top);
    }
    Ok(Answer::list(found))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_are_read_as_arm_reads_them() {
        let both = read("tagName eq 'kubewright-stack' and tagValue eq 'it''s'").expect("a filter");
        assert_eq!(both, [Test::TagName("kubewright-stack".to_owned()), Test::TagValue("it's".to_owned())]);
        for bad in ["tagName = 'x'", "colour eq 'red'", "tagName eq x", "tagName eq 'x' and resourceType eq 'y'"] {
            assert_eq!(read(bad).expect_err("refused").code, "InvalidFilterInQueryString", "{bad}");
        }
    }
}
