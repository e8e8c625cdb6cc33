//! The vendors' price APIs: which pages are asked for, with whose credentials. What the pages say is read by
//! `cost::refresh`; this room fetches, follows marks to the next page, and words what went wrong. It reads only.

#[cfg(feature = "aws")]
mod aws;
mod azure;
#[cfg(feature = "gcp")]
mod gcp;
mod lambda;

use super::OpenOptions;
use super::patience::patient;
use super::rest::{Answer, Call, GARBLED, Rest, Verb};
use crate::cost::refresh::{Fresh, Unreadable};
use crate::cost::{Catalogue, Vendor};
use crate::engine::{ErrorClass, Residue, StepError};
use crate::model::{Cloud, Secret};
use serde_json::Value;
use std::collections::BTreeMap;

/// A price API said something that cannot be used.
pub const UNUSABLE: &str = "KW-PRICES";
/// Nobody is signed in who may ask.
pub const SIGNED_OUT: &str = "KW-PRICES-CREDENTIALS";
/// More pages than any vendor has: the marks go in a circle.
const MOST_PAGES: usize = 5_000;

/// What is asked for.
#[derive(Clone, Copy)]
pub struct Asked<'a> {
    /// Whose prices.
    pub vendor: Vendor,
    /// In which regions, at least one.
    pub regions: &'a [String],
    /// What is known: whose machines are put together from parts is known by it.
    pub table: &'a Catalogue,
}

/// Reads a vendor's prices. `told` hears of every page.
///
/// # Errors
/// `Auth` where the vendor wants credentials and there are none; `Transient` where it cannot be reached; `Permanent` for an
/// answer that cannot be used, with the reason.
pub async fn read(asked: Asked<'_>, options: &OpenOptions, told: &(dyn Fn(usize) + Sync)) -> Result<Fresh, StepError> {
    let pages = Pages { rest: Rest::new((options.http)()?), options, told };
    match asked.vendor {
        #[cfg(feature = "aws")]
        Vendor::Cloud(Cloud::Aws) => aws::read(asked, &pages).await,
        #[cfg(feature = "gcp")]
        Vendor::Cloud(Cloud::Gcp) => gcp::read(asked, &pages).await,
        Vendor::Cloud(Cloud::Azure) => azure::read(asked, &pages).await,
        Vendor::Lambda => lambda::read(asked, &pages).await,
        #[cfg(not(all(feature = "aws", feature = "gcp")))]
        Vendor::Cloud(cloud) => Err(failed(ErrorClass::Permanent, format!("this build cannot ask {cloud} for prices"))),
    }
}

/// Whether whoever could ask this vendor is in sight, without trying. Azure asks for nobody.
pub fn may_ask(vendor: Vendor, vars: &BTreeMap<String, String>, is_there: &dyn Fn(&std::path::Path) -> bool) -> bool {
    match vendor {
        Vendor::Cloud(Cloud::Azure) => true,
        Vendor::Cloud(cloud) => super::credentials_in_sight(cloud, vars, is_there),
        Vendor::Lambda => lambda::key(vars).is_some(),
    }
}

/// Where a vendor's prices are asked for: `KUBEWRIGHT_PRICE_<VENDOR>_ENDPOINT`, else `usual`.
fn endpoint(options: &OpenOptions, variable: &str, usual: &str) -> String {
    let said = options.vars.get(variable).filter(|url| !url.is_empty());
    said.map_or(usual, String::as_str).trim_end_matches('/').to_owned()
}

/// Fetches pages, one after the other.
struct Pages<'a> {
    rest: Rest,
    options: &'a OpenOptions,
    told: &'a (dyn Fn(usize) + Sync),
}

impl Pages<'_> {
    /// One page. A token is sent where there is one.
    async fn get(
        &self,
        op: &'static str,
        what: &str,
        url: &str,
        token: Option<&Secret<String>>,
    ) -> Result<Value, StepError> {
        let ask = || async {
            let url = url.to_owned();
            let call = Call { op, what, verb: Verb::Get, url, headers: Vec::new(), body: None, mutating: false };
            let answer = match token {
                Some(token) => self.rest.send(call, token).await,
                None => self.rest.send_open(call).await,
            };
            let answer = answer.map_err(|mut error| {
                // Who answers with a page for people does so again.
                if error.id == GARBLED {
                    error.class = ErrorClass::Permanent;
                }
                error.with_residue(Residue::None)
            })?;
            whole(op, what, answer)
        };
        patient(&*self.options.clock, ask).await
    }
}

/// Follows marks from page to page: `ask` gets a mark and a number of pages so far, and returns the next mark.
async fn follow<F, Made>(pages: &Pages<'_>, what: &str, mut ask: F) -> Result<(), StepError>
where
    F: FnMut(Option<String>) -> Made,
    Made: Future<Output = Result<Option<String>, StepError>>,
{
    let mut mark = None;
    for number in 1..=MOST_PAGES {
        let next = ask(mark.clone()).await?;
        (pages.told)(number);
        match next {
            None => return Ok(()),
            next if next == mark => return Err(unusable(what, "the mark of the next page is this page's own")),
            next => mark = next,
        }
    }
    Err(unusable(what, "the pages do not end"))
}

/// A document, or why there is none.
fn whole(op: &str, what: &str, answer: Answer) -> Result<Value, StepError> {
    if answer.is_ok() && !answer.body.is_null() {
        return Ok(answer.body);
    }
    let words = ["/error/message", "/Error/Message", "/message", "/Message", "/error"];
    let words = words.iter().find_map(|at| answer.body.pointer(at)?.as_str()).unwrap_or("no reason given");
    let words: String = words.chars().filter(|c| !c.is_control()).take(300).collect();
    let message = format!("{op} on {what}: {words} (HTTP {})", answer.status);
    Err(match answer.status {
        401 | 403 => StepError::new(ErrorClass::Auth, SIGNED_OUT, message).with_residue(Residue::None),
        429 => {
            let mut error = failed(ErrorClass::Throttled, message);
            error.retry_after = answer.retry_after();
            error
        }
        500.. => failed(ErrorClass::Transient, message),
        _ => failed(ErrorClass::Permanent, message),
    })
}

fn failed(class: ErrorClass, message: String) -> StepError {
    StepError::new(class, UNUSABLE, message).with_residue(Residue::None)
}

fn unusable(what: &str, why: impl std::fmt::Display) -> StepError {
    failed(ErrorClass::Permanent, format!("prices of {what}: {why}"))
}

fn unreadable(what: &str) -> impl Fn(Unreadable) -> StepError {
    move |why| unusable(what, why)
}
