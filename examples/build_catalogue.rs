//! Builds `src/cost/catalogue.bin` from a folder of CSV price tables.
//!
//!     cargo run --example build_catalogue -- DIR
//!
//! DIR holds `aws.csv`, `aws_extrapolated.csv`, `gcp.csv`, `azure.csv` and `lambda.csv` (columns provider, region,
//! instance_type, vcpus, memory_gib, accelerator_name, accelerator_count, on_demand_usd_hour, spot_usd_hour) and
//! `components.csv` (provider, region, component, unit, usd, source), and `gcp_attachable_gpus.csv` (provider, region,
//! accelerator_name, on_demand_usd_hour_per_gpu, spot_usd_hour_per_gpu), which become components `gpu-t4` and
//! `gpu-t4-spot`. The packed form is `kubewright::cost::table`'s. Any value that cannot be stored exactly stops the
//! build; a price that cannot be right (see `cost/outliers.rs`) is printed, and an estimate stands in its place.
#![allow(clippy::disallowed_methods, clippy::print_stdout, reason = "a maintainer's tool, not part of the program")]

use kubewright::cost::{
    outliers::correct,
    table::{ComponentRow, PriceTable, RowPrice, TypePrices, UNITS_PER_USD, VendorTable},
};
use std::{error::Error, fs, path::Path};

/// Dates and origin of each cloud's rows.
const TABLES: [(&str, &[&str], &str, &str, &str); 4] = [
    ("aws", &["aws.csv", "aws_extrapolated.csv"], "2026-07-20", "2024-08-09", "AWS list prices"),
    ("gcp", &["gcp.csv"], "2026-07-30", "2026-07-30", "Google Cloud list prices"),
    ("azure", &["azure.csv"], "2026-06-18", "2026-05-20", "Azure retail prices"),
    ("lambda", &["lambda.csv"], "2026-08-01", "", "Lambda Cloud list prices"),
];

type Fields = Vec<String>;

fn main() -> Result<(), Box<dyn Error>> {
    let dir = std::env::args().nth(1).ok_or("usage: build_catalogue DIR")?;
    let dir = Path::new(&dir);
    let mut vendors = Vec::new();
    for (cloud, files, on_demand, spot, source) in TABLES {
        let mut table = VendorTable {
            vendor: cloud.to_owned(),
            on_demand_as_of: on_demand.to_owned(),
            spot_as_of: spot.to_owned(),
            source: source.to_owned(),
            ..VendorTable::default()
        };
        fill(dir, files, &mut table)?;
        for odd in correct(&mut table) {
            let usd = |units| units as f64 / UNITS_PER_USD;
            println!(
                "{cloud}/{} {}: {} cannot be right; estimated at {}",
                odd.region,
                odd.name,
                usd(odd.price),
                usd(odd.expected)
            );
        }
        vendors.push(table);
    }
    let date = TABLES.iter().map(|table| table.2).max().expect("there are tables");
    let table = PriceTable { date: date.to_owned(), base: String::new(), vendors, components: components(dir)? };
    let out = table.pack()?;
    fs::write("src/cost/catalogue.bin", &out)?;
    println!("{} bytes", out.len());
    Ok(())
}

fn components(dir: &Path) -> Result<Vec<ComponentRow>, Box<dyn Error>> {
    let mut all = Vec::new();
    let row = |cloud: &String, region: &String, name: String, unit: &str, usd: &str, source: &str| {
        let (cloud, region, unit, source) = (cloud.clone(), region.clone(), unit.to_owned(), source.to_owned());
        Ok::<_, Box<dyn Error>>(ComponentRow {
            cloud,
            region,
            name,
            unit,
            usd: usd.parse()?,
            source,
            as_of: String::new(),
        })
    };
    for fields in rows(&dir.join("components.csv"))? {
        let [cloud, region, name, unit, usd, source] = fields.as_slice() else {
            return Err("six columns are wanted".into());
        };
        all.push(row(cloud, region, name.clone(), unit, usd, source)?);
    }
    for fields in rows(&dir.join("gcp_attachable_gpus.csv"))? {
        let [cloud, region, gpu, price, spot] = fields.as_slice() else {
            return Err("five columns are wanted".into());
        };
        for (market, usd) in [("", price), ("-spot", spot)] {
            if !usd.is_empty() {
                let name = format!("gpu-{}{market}", gpu.to_lowercase());
                all.push(row(cloud, region, name, "hour", usd, "Google Cloud list prices")?);
            }
        }
    }
    Ok(all)
}

fn fill(dir: &Path, files: &[&str], table: &mut VendorTable) -> Result<(), Box<dyn Error>> {
    for (index, file) in files.iter().enumerate() {
        for row in rows(&dir.join(file))? {
            let [_, region, name, vcpus, memory, accelerator, count, price, spot] = row.as_slice() else {
                return Err(format!("{file}: nine columns are wanted").into());
            };
            let own = TypePrices {
                vcpus: vcpus.parse()?,
                memory_gib: memory.parse()?,
                accelerator: accelerator.clone(),
                accelerators: if count.is_empty() { 0.0 } else { count.parse()? },
                ..TypePrices::default()
            };
            let known = table.types.entry(name.clone()).or_insert_with(|| own.clone());
            if (TypePrices { prices: known.prices.clone(), ..own }) != *known {
                return Err(format!("{file}: {name} is two different machines").into());
            }
            let price = RowPrice {
                on_demand: exactly(price)?,
                spot: exactly(spot)?,
                estimated: index > 0,
                ..RowPrice::default()
            };
            // A listed price wins over an estimated one.
            known.prices.entry(region.clone()).or_insert(price);
        }
    }
    Ok(())
}

/// USD to units of 1e-5, exactly or not at all; empty is 0.
fn exactly(usd: &str) -> Result<u64, Box<dyn Error>> {
    if usd.is_empty() {
        return Ok(0);
    }
    let scaled = usd.parse::<f64>()? * UNITS_PER_USD;
    if (scaled - scaled.round()).abs() > 1e-3 || scaled < 0.5 {
        return Err(format!("{usd} USD has more than five decimals or is zero").into());
    }
    Ok(scaled.round() as u64)
}

/// The data rows of a CSV file without quoting, which these tables do not use.
fn rows(path: &Path) -> Result<Vec<Fields>, Box<dyn Error>> {
    let text = fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
    if text.contains('"') {
        return Err(format!("{}: quoted fields are not read", path.display()).into());
    }
    Ok(text.lines().skip(1).map(|line| line.split(',').map(str::to_owned).collect()).collect())
}
