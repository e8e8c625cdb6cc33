//! Builds `src/cost/catalogue.bin` from a folder of CSV price tables.
//!
//!     cargo run --example build_catalogue -- DIR
//!
//! DIR holds `aws.csv`, `aws_extrapolated.csv`, `gcp.csv`, `azure.csv` and `lambda.csv` (columns provider, region,
//! instance_type, vcpus, memory_gib, accelerator_name, accelerator_count, on_demand_usd_hour, spot_usd_hour) and
//! `components.csv` (provider, region, component, unit, usd, source), and `gcp_attachable_gpus.csv` (provider, region,
//! accelerator_name, on_demand_usd_hour_per_gpu, spot_usd_hour_per_gpu), which become components `gpu-t4` and
//! `gpu-t4-spot`. The layout is described in `src/cost/catalogue.rs`. Any value that cannot be stored exactly stops the
//! build.
#![allow(clippy::disallowed_methods, clippy::print_stdout, reason = "a maintainer's tool, not part of the program")]

use serde_json::json;
use std::{collections::BTreeMap, error::Error, fs, path::Path};

/// Dates and origin of each cloud's rows.
const TABLES: [(&str, &[&str], &str, &str, &str); 4] = [
    ("aws", &["aws.csv", "aws_extrapolated.csv"], "2026-07-20", "2024-08-09", "AWS list prices"),
    ("gcp", &["gcp.csv"], "2026-07-30", "2026-07-30", "Google Cloud list prices"),
    ("azure", &["azure.csv"], "2026-06-18", "2026-05-20", "Azure retail prices"),
    ("lambda", &["lambda.csv"], "2026-08-01", "", "Lambda Cloud list prices"),
];

type Fields = Vec<String>;
/// Region → price, spot price, whether it is an estimate.
type Prices = BTreeMap<String, (u64, u64, bool)>;

fn main() -> Result<(), Box<dyn Error>> {
    let dir = std::env::args().nth(1).ok_or("usage: build_catalogue DIR")?;
    let dir = Path::new(&dir);
    let mut blocks = Vec::new();
    let mut clouds = Vec::new();
    for (cloud, files, on_demand, spot, source) in TABLES {
        clouds.push(cloud_table(dir, cloud, files, on_demand, spot, source, &mut blocks)?);
    }
    let mut components = Vec::new();
    for row in rows(&dir.join("components.csv"))? {
        let [cloud, region, name, unit, usd, source] = row.as_slice() else {
            return Err("six columns are wanted".into());
        };
        components.push(json!({"cloud": cloud, "region": region, "name": name, "unit": unit,
            "usd": usd.parse::<f64>()?, "source": source}));
    }
    for row in rows(&dir.join("gcp_attachable_gpus.csv"))? {
        let [cloud, region, gpu, price, spot] = row.as_slice() else {
            return Err("five columns are wanted".into());
        };
        for (market, usd) in [("", price), ("-spot", spot)] {
            if !usd.is_empty() {
                components.push(
                    json!({"cloud": cloud, "region": region, "name": format!("gpu-{}{market}", gpu.to_lowercase()),
                    "unit": "hour", "usd": usd.parse::<f64>()?, "source": "Google Cloud list prices"}),
                );
            }
        }
    }
    let date = TABLES.iter().map(|table| table.2).max().expect("there are tables");
    let header = serde_json::to_vec(&json!({"date": date, "clouds": clouds, "components": components}))?;
    let mut out = b"KWPRICE1".to_vec();
    out.extend(u32::try_from(header.len())?.to_le_bytes());
    out.extend(&header);
    out.extend(&blocks);
    fs::write("src/cost/catalogue.bin", &out)?;
    println!("{} bytes: header {}, prices {}", out.len(), header.len(), blocks.len());
    Ok(())
}

fn cloud_table(
    dir: &Path,
    cloud: &str,
    files: &[&str],
    on_demand: &str,
    spot: &str,
    source: &str,
    blocks: &mut Vec<u8>,
) -> Result<serde_json::Value, Box<dyn Error>> {
    // Type → its own columns and its prices.
    let mut types: BTreeMap<String, (Fields, Prices)> = BTreeMap::new();
    for (index, file) in files.iter().enumerate() {
        for row in rows(&dir.join(file))? {
            let [_, region, name, vcpus, memory, accelerator, count, price, spot] = row.as_slice() else {
                return Err(format!("{file}: nine columns are wanted").into());
            };
            let own = vec![vcpus.clone(), memory.clone(), accelerator.clone(), count.clone()];
            let entry = types.entry(name.clone()).or_insert_with(|| (own.clone(), BTreeMap::new()));
            if entry.0 != own {
                return Err(format!("{file}: {name} is two different machines").into());
            }
            // A listed price wins over an estimated one.
            entry.1.entry(region.clone()).or_insert((units(price)?, units(spot)?, index > 0));
        }
    }
    let mut regions: Vec<&String> = types.values().flat_map(|(_, prices)| prices.keys()).collect();
    regions.sort();
    regions.dedup();
    let mut rows = Vec::new();
    for (name, (own, prices)) in &types {
        let offset = blocks.len();
        let mut sorted: Vec<_> = prices.iter().collect();
        sorted.sort_by_key(|(region, price)| (price.0, *region));
        varint(blocks, sorted.len() as u64);
        let mut last = 0;
        for (region, (price, spot, estimated)) in sorted {
            let at = regions.binary_search(&region).expect("collected above");
            blocks.push(u8::try_from(at)?);
            varint(blocks, (price - last) << 1 | u64::from(*estimated));
            varint(blocks, *spot);
            last = *price;
        }
        let count = if own[3].is_empty() { 0.0 } else { own[3].parse::<f64>()? };
        rows.push(json!([name, own[0].parse::<f64>()?, own[1].parse::<f64>()?, own[2], count, offset]));
    }
    Ok(json!({"cloud": cloud, "on_demand_as_of": on_demand, "spot_as_of": spot, "source": source,
        "regions": regions, "types": rows}))
}

/// USD to units of 1e-5, exactly or not at all; empty is 0.
fn units(usd: &str) -> Result<u64, Box<dyn Error>> {
    if usd.is_empty() {
        return Ok(0);
    }
    let scaled = usd.parse::<f64>()? * 1e5;
    if (scaled - scaled.round()).abs() > 1e-3 || scaled < 0.5 {
        return Err(format!("{usd} USD has more than five decimals or is zero").into());
    }
    Ok(scaled.round() as u64)
}

fn varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// The data rows of a CSV file without quoting, which these tables do not use.
fn rows(path: &Path) -> Result<Vec<Fields>, Box<dyn Error>> {
    let text = fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
    if text.contains('"') {
        return Err(format!("{}: quoted fields are not read", path.display()).into());
    }
    Ok(text.lines().skip(1).map(|line| line.split(',').map(str::to_owned).collect()).collect())
}
