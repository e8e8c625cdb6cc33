//! The prices in force: where what `cost refresh` has read is kept, and how it comes to lie over the embedded table.
//!
//! The user's discounts and prices (`config/cost_file.rs`) lie over both.
//!
//! Read when the first price is asked for, and never by a verb that asks for none. A file that cannot be used is said, and
//! the embedded table is in force: no cluster stays up because a cache is damaged.

use crate::config::cost_file;
use crate::cost::{Catalogue, Vendor, catalogue, load_prices_with, refresh::carry};
use crate::env::{self, Env};
use crate::error::CliError;
use crate::model::{Adjustments, OwnPrice};
use crate::store;
use crate::ui::Ui;
use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

/// Longest file that is read: twenty times what all regions of all vendors need.
const LIMIT: u64 = 16 << 20;
const FILE: &str = "prices.bin";

/// The file; none where there is no home to keep it in.
pub(super) fn file(env: &Env) -> Option<PathBuf> {
    env::cache_home(&env.vars.all).map(|dir| dir.join(FILE))
}

/// Says how the prices in force are found. Reads nothing yet.
pub fn install(env: &Env) {
    let (path, own) = (file(env), own_file(env));
    let ui = Arc::clone(&env.ui);
    load_prices_with(Box::new(move || {
        let kept = path.as_ref().and_then(|path| kept(path, &ui));
        // Who prices something has been stopped by now; who tears down must not be.
        let own = own.as_ref().map(own_prices).unwrap_or_else(|| Ok(Adjustments::default()));
        let own = own.unwrap_or_else(|error| {
            ui.warn(&format!("{}: list prices are shown", error.message));
            Adjustments::default()
        });
        match kept {
            Some(table) => Some(table.adjusted(own)),
            None => (!own.is_empty()).then(|| Catalogue::embedded(own)),
        }
    }));
}

/// The user's own prices: where they are, and whether the user named the file.
fn own_file(env: &Env) -> Option<(PathBuf, bool)> {
    let named = env.vars.all.get("KUBEWRIGHT_COST").filter(|path| !path.is_empty());
    match named {
        Some(path) => Some((env.here.join(path), true)),
        None => env::config_home(&env.vars.all).map(|dir| (dir.join("cost.yaml"), false)),
    }
}

/// Refuses to price anything by a file of prices that is broken.
pub fn check(env: &Env) -> Result<(), CliError> {
    own_file(env).as_ref().map_or(Ok(()), |own| own_prices(own).map(|_| ()))
}

fn own_prices((path, named): &(PathBuf, bool)) -> Result<Adjustments, CliError> {
    let text = match named {
        true => Some(store::read_text(path, cost_file::LIMIT)),
        false => store::read_text_if_there(path, cost_file::LIMIT).transpose(),
    };
    let Some(text) = text else { return Ok(Adjustments::default()) };
    let text = text.map_err(|error| CliError::usage(error.message))?;
    let shown = path.display().to_string();
    let problems = match cost_file::parse(&text, &shown) {
        Ok(own) => {
            let unknown: Vec<String> = own.prices.iter().flat_map(unknown).collect();
            if unknown.is_empty() {
                return Ok(own);
            }
            unknown
        }
        Err(problems) => problems.iter().map(ToString::to_string).collect(),
    };
    let mut error = CliError::usage(format!("{shown} cannot be used"));
    error.details = problems;
    Err(error)
}

/// What a price names that is nowhere in the table: it would silently stand for nothing.
fn unknown(own: &OwnPrice) -> Vec<String> {
    let Ok(vendor) = own.provider.parse::<Vendor>() else { return Vec::new() };
    let near = |word: &str, known: &mut dyn Iterator<Item = &str>| {
        let near = known.min_by_key(|known| strsim::damerau_levenshtein(known, word));
        near.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default()
    };
    let mut found = Vec::new();
    let regions = || catalogue().regions(vendor).iter().map(String::as_str);
    if let Some(region) = own.region.as_deref().filter(|region| !regions().any(|name| name == *region)) {
        found.push(format!("{}: no region `{region}`{}", own.at, near(region, &mut regions())));
    }
    if own.is_component {
        let names = || catalogue().component_names(vendor);
        if !names().any(|name| name == own.name) {
            found.push(format!("{}: no component `{}`{}", own.at, own.name, near(&own.name, &mut names())));
        }
    } else {
        let names = || catalogue().prices_of(vendor).map(|(machine, _)| machine.name);
        if !names().any(|name| name == own.name) {
            found.push(format!("{}: no machine type `{}`{}", own.at, own.name, near(&own.name, &mut names())));
        }
    }
    found
}

/// What a refresh has kept, over the table of this binary; none where there is nothing, or nothing that can be used.
pub(super) fn kept(path: &Path, ui: &Ui) -> Option<Catalogue> {
    let unusable = |why: &str| {
        ui.warn(&format!(
            "{why}; prices of {} are in force, `kubewright cost refresh` reads new ones",
            catalogue().date()
        ));
        None
    };
    let bytes = match store::read_bytes_if_there(path, LIMIT) {
        Ok(Some(bytes)) => bytes,
        Ok(None) => return None,
        Err(error) => return unusable(&error.message),
    };
    let Some(read) = Catalogue::read(bytes) else {
        return unusable(&format!("{} is damaged or of another version", path.display()));
    };
    if read.base() == catalogue().date() {
        return Some(read);
    }
    // The binary has been replaced since: what was read after its own date still counts.
    let mut table = catalogue().unpack();
    carry(&read.unpack(), &mut table);
    Catalogue::read(table.pack().ok()?)
}

/// Keeps a table, whole or not at all, readable by nobody else.
pub(super) fn keep(path: &Path, bytes: &[u8]) -> Result<(), CliError> {
    if let Some(dir) = path.parent() {
        store::make_private_dir(dir)?;
    }
    Ok(store::write_private(path, bytes)?)
}
