//! The prices in force: where what `cost refresh` has read is kept, and how it comes to lie over the embedded table.
//!
//! The user's discounts and prices (`config/cost_file.rs`) lie over both.
//!
//! Read when the first price is asked for, and never by a verb that asks for none. A file that cannot be used is said, and
//! the embedded table is in force: no cluster stays up because a cache is damaged.

use super::stacks;
use crate::config::cost_file;
use crate::cost::{Catalogue, Vendor, catalogue, load_prices_with, refresh::carry, table::PriceTable};
use crate::env::{self, Env};
use crate::error::CliError;
use crate::model::{Adjustments, OwnPrice};
use crate::store::{self, FileLock, Holder};
use crate::ui::Ui;
use sha2::{Digest, Sha256};
use std::{
    path::{Path, PathBuf},
    sync::{Arc, OnceLock},
    time::Duration,
};

/// Longest file that is read: twenty times what all regions of all vendors need.
const LIMIT: u64 = 16 << 20;
/// The packed table, and its SHA-256 behind it.
const FILE: &str = "prices.bin";
const SUM: usize = 32;
/// Another refresh lays its prices over the table in less.
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// The file; none where there is no home to keep it in.
pub(super) fn file(env: &Env) -> Option<PathBuf> {
    env::cache_home(&env.vars.all).map(|dir| dir.join(FILE))
}

/// Says how the prices in force are found. Reads nothing yet.
pub fn install(env: &Env) {
    let (path, own) = (file(env), own_file(env));
    let (ui, holder) = (Arc::clone(&env.ui), stacks::holder_of(env, "prices"));
    load_prices_with(Box::new(move || {
        let kept = path.as_ref().and_then(|path| renewed(path, &holder, &ui));
        // Who prices something has been stopped by now; who tears down must not be.
        let own = once(own.as_ref()).clone().unwrap_or_else(|error| {
            let first = error.details.first().map(|first| format!(" ({first})")).unwrap_or_default();
            ui.warn(&format!("{}{first}: list prices are shown", error.message));
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
    once(own_file(env).as_ref()).as_ref().map(|_| ()).map_err(Clone::clone)
}

/// The user's own prices, read once a process: what was checked is what is in force.
fn once(own: Option<&(PathBuf, bool)>) -> &'static Result<Adjustments, CliError> {
    static READ: OnceLock<Result<Adjustments, CliError>> = OnceLock::new();
    READ.get_or_init(|| own.map_or_else(|| Ok(Adjustments::default()), own_prices))
}

fn own_prices((path, named): &(PathBuf, bool)) -> Result<Adjustments, CliError> {
    let text = match named {
        true => store::read_text(path, cost_file::LIMIT),
        // Where nobody named a file a pipe, or whatever else stands there, is not waited for.
        false => match store::read_bytes_if_there(path, cost_file::LIMIT) {
            Ok(None) => return Ok(Adjustments::default()),
            Ok(Some(bytes)) => store::text(path, bytes),
            Err(error) => Err(error),
        },
    };
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
    let region_is_known = found.is_empty();
    if own.is_component {
        let names = || catalogue().component_names(vendor);
        if !names().any(|name| name == own.name) {
            found.push(format!("{}: no component `{}`{}", own.at, own.name, near(&own.name, &mut names())));
        }
    } else {
        let names = || catalogue().prices_of(vendor).map(|(machine, _)| machine.name);
        if !names().any(|name| name == own.name) {
            found.push(format!("{}: no machine type `{}`{}", own.at, own.name, near(&own.name, &mut names())));
        } else if let Some(region) = own.region.as_deref().filter(|_| region_is_known) {
            let sold = |it: &str| {
                catalogue()
                    .prices_of(vendor)
                    .any(|(machine, mut prices)| machine.name == own.name && prices.any(|price| price.region == it))
            };
            if !sold(region) {
                found.push(format!("{}: `{}` is not sold in {region}", own.at, own.name));
            }
        }
    }
    found
}

/// What is kept, and where it was laid over the table of another binary, kept anew: the next start need not do that again.
fn renewed(path: &Path, holder: &Holder, ui: &Ui) -> Option<Catalogue> {
    let (table, moved) = look(path, ui)?;
    if !moved {
        return Some(table);
    }
    // Whoever is writing there has the word; so has a directory in which nothing can be written.
    let Ok(_lock) = FileLock::try_acquire(&path.with_extension("lock"), holder) else { return Some(table) };
    let (table, moved) = look(path, ui)?;
    if moved {
        let _ = store::write_private(path, &sealed(table.bytes().to_vec()));
    }
    Some(table)
}

/// What a refresh has kept, over the table of this binary; none where there is nothing, or nothing that can be used.
pub(super) fn kept(path: &Path, ui: &Ui) -> Option<Catalogue> {
    look(path, ui).map(|(table, _)| table)
}

/// The packed table with its sum behind it.
fn sealed(mut bytes: Vec<u8>) -> Vec<u8> {
    let sum = Sha256::digest(&bytes);
    bytes.extend(sum);
    bytes
}

/// What is kept, and whether it was laid over the table of another binary.
fn look(path: &Path, ui: &Ui) -> Option<(Catalogue, bool)> {
    let unusable = |why: &str| {
        ui.warn(&format!(
            "{why}; prices of {} are in force, `kubewright cost refresh` reads new ones",
            catalogue().date()
        ));
        None
    };
    let mut bytes = match store::read_bytes_if_there(path, LIMIT) {
        Ok(Some(bytes)) => bytes,
        Ok(None) => return None,
        Err(error) => return unusable(&error.message),
    };
    let sum = bytes.len().checked_sub(SUM).map(|end| bytes.split_off(end));
    let read = sum.filter(|sum| *sum == *Sha256::digest(&bytes)).and_then(|_| Catalogue::read(bytes));
    let Some(read) = read else {
        return unusable(&format!("{} is damaged or of another version", path.display()));
    };
    if read.base() == catalogue().fingerprint() {
        return Some((read, false));
    }
    // The binary has been replaced since: what was read after its own dates still counts.
    let mut table = catalogue().unpack();
    carry(&read.unpack(), &mut table);
    table.base = catalogue().fingerprint();
    Some((Catalogue::read(table.pack().ok()?)?, true))
}

/// Changes what is kept, whole or not at all, one process at a time; readable by nobody else.
pub(super) async fn change<T>(
    env: &Env,
    path: &Path,
    change: impl FnOnce(&mut PriceTable) -> Result<T, CliError>,
) -> Result<T, CliError> {
    if let Some(dir) = path.parent() {
        store::make_private_dir(dir)?;
    }
    let holder = stacks::holder_of(env, "cost refresh");
    let _lock = FileLock::acquire(&path.with_extension("lock"), &holder, LONGEST_WAIT, env.wall.as_ref()).await?;
    let mut table = kept(path, &env.ui).as_ref().unwrap_or_else(|| catalogue()).unpack();
    table.base = catalogue().fingerprint();
    let done = change(&mut table)?;
    let bytes = table.pack().map_err(|why| CliError::new("KW-BUG", why.to_string()))?;
    store::write_private(path, &sealed(bytes))?;
    Ok(done)
}
