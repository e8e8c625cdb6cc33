//! Every error id that the source speaks of is explained by `help KW-…`, and nothing is explained that never comes.

use kubewright::error::CATALOGUE;
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

/// The ids written as strings in the product's own code: what tests make up is not the user's business.
fn spoken(dir: &Path, found: &mut BTreeMap<String, String>) {
    for entry in fs::read_dir(dir).expect("src is readable") {
        let path = entry.expect("src is readable").path();
        let name = path.file_name().expect("a file").to_string_lossy().into_owned();
        if path.is_dir() {
            spoken(&path, found);
        } else if name.ends_with(".rs") && name != "catalogue.rs" && !name.ends_with("tests.rs") {
            let text = fs::read_to_string(&path).expect("sources are text");
            let product = text.split("#[cfg(test)]\nmod tests").next().expect("a first part");
            for (at, _) in product.match_indices("\"KW-") {
                let id = product[at + 1..].split('"').next().expect("a first part");
                if !id.ends_with('-') && id.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '-') {
                    found.insert(id.to_owned(), path.display().to_string());
                }
            }
        }
    }
}

#[test]
fn every_error_id_is_explained_and_every_explanation_is_needed() {
    let mut found = BTreeMap::new();
    spoken(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut found);
    assert!(found.len() > 40, "only {} ids seen: the test looks in the wrong place", found.len());
    let known: BTreeSet<&str> = CATALOGUE.iter().map(|entry| entry.id).collect();
    let missing: Vec<_> = found.iter().filter(|(id, _)| !known.contains(id.as_str())).collect();
    assert!(missing.is_empty(), "not in the catalogue: {missing:?}");
    let unused: Vec<_> = known.iter().filter(|id| !found.contains_key(**id)).collect();
    assert!(unused.is_empty(), "in the catalogue and nowhere else: {unused:?}");
}
