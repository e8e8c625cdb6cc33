//! What the pretend clouds allow and how sluggish they are, where somebody wants it otherwise: quotas, sold-out
//! machines, lags. Read from flags and variables; what is not said stays as the world has it.

use super::{
    aws::{ec2, iam, regions, servicequotas},
    azure, gcp,
    world::{Closed, Settings},
};
use crate::model::time::parse_span;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What is to be otherwise.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Conditions {
    /// Quotas: `ec2/L-0263D0A3` → 2.
    pub quotas: BTreeMap<String, f64>,
    /// How many machines of a type there are: `capacity/m6a.large` or `capacity/us-east-1a/m6a.large` → 0.
    pub stock: BTreeMap<String, f64>,
    /// Until a search sees a new object, in virtual milliseconds.
    pub lag_ms: Option<u64>,
    /// Until other services see an IAM change, in virtual milliseconds.
    pub iam_lag_ms: Option<u64>,
    /// Regions that are of no use: `eu-west-3` → denied.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub closed: BTreeMap<String, Closed>,
    /// IAM policies of the pretend credentials, which may then do what these say and no more.
    pub policies: Vec<String>,
}

impl Conditions {
    /// The settings with this over them.
    pub fn over(&self, settings: &Settings) -> Settings {
        let mut settings = settings.clone();
        settings.quotas.extend(self.quotas.iter().chain(&self.stock).map(|(name, value)| (name.clone(), *value)));
        settings.closed.extend(self.closed.iter().map(|(region, why)| (region.clone(), *why)));
        settings.read_lag_ms = self.lag_ms.map_or(settings.read_lag_ms, |ms| (ms, ms));
        settings.iam_lag_ms = self.iam_lag_ms.map_or(settings.iam_lag_ms, |ms| (ms, ms));
        if !self.policies.is_empty() {
            settings.policies.clone_from(&self.policies);
        }
        settings
    }

    /// Takes `L-0263D0A3=2`, or several with commas between.
    ///
    /// # Errors
    /// Why it cannot be understood.
    pub fn set_quotas(&mut self, text: &str) -> Result<(), String> {
        self.quotas = listed(text)
            .map(|one| {
                let (code, number) = one.split_once('=').ok_or_else(|| format!("`{one}` is no CODE=N"))?;
                let value = number.parse().ok().filter(|value: &f64| value.is_finite() && *value >= 0.0);
                let value = value.ok_or_else(|| format!("`{number}` is no number of things one may have"))?;
                // The service in front may be left out: codes are unique.
                let code = code.rsplit('/').next().unwrap_or(code);
                let name =
                    servicequotas::name_of(code).or_else(|| gcp::quota_name(code)).or_else(|| azure::quota_name(code));
                let name = name.ok_or_else(|| {
                    format!(
                        "`{code}` is no quota of the sandbox; aws service-quotas list-service-quotas, gcloud compute \
                         regions describe and az vm list-usage list them"
                    )
                })?;
                Ok((name, value))
            })
            .collect::<Result<_, String>>()?;
        Ok(())
    }

    /// Takes `m6a.large` or `m6a.large@us-east-1a`, or several with commas between.
    ///
    /// # Errors
    /// Why it cannot be understood.
    pub fn set_sold_out(&mut self, text: &str) -> Result<(), String> {
        self.stock = listed(text)
            .map(|one| {
                let (kind, zone) = one.split_once('@').map_or((one, None), |(kind, zone)| (kind, Some(zone)));
                if !ec2::is_machine_type(kind) && !gcp::is_machine_type(kind) && !azure::is_machine_size(kind) {
                    return Err(format!("`{kind}` is no machine type"));
                }
                match zone {
                    None => Ok((format!("capacity/{kind}"), 0.0)),
                    Some(zone) if is_zone(zone) || gcp::is_zone(zone) || azure::is_zone(zone) => {
                        Ok((format!("capacity/{zone}/{kind}"), 0.0))
                    }
                    Some(zone) => Err(format!("`{zone}` is no zone")),
                }
            })
            .collect::<Result<_, String>>()?;
        Ok(())
    }

    /// Takes `eu-west-3=denied`, or several with commas between; without a word the region is off.
    ///
    /// # Errors
    /// Why it cannot be understood.
    pub fn set_closed(&mut self, text: &str) -> Result<(), String> {
        self.closed = listed(text)
            .map(|one| {
                let (region, word) = one.split_once('=').unwrap_or((one, "off"));
                if !regions::exists(region) && !gcp::is_region(region) && !azure::is_location(region) {
                    return Err(format!("`{region}` is no region"));
                }
                let why = match word {
                    "off" => Closed::Off,
                    "denied" => Closed::Denied,
                    "silent" => Closed::Silent,
                    other => return Err(format!("`{other}` is not one of off, denied, silent")),
                };
                Ok((region.to_owned(), why))
            })
            .collect::<Result<_, String>>()?;
        Ok(())
    }

    /// Takes `20s`.
    ///
    /// # Errors
    /// Why it cannot be understood.
    pub fn set_lag(&mut self, text: &str) -> Result<(), String> {
        self.lag_ms = Some(millis(text)?);
        Ok(())
    }

    /// Takes `40s`.
    ///
    /// # Errors
    /// Why it cannot be understood.
    pub fn set_iam_lag(&mut self, text: &str) -> Result<(), String> {
        self.iam_lag_ms = Some(millis(text)?);
        Ok(())
    }

    /// Takes the text of a file of IAM policies of AWS, or custom roles of Google or Azure: one document, or several in a row.
    /// More files add up.
    ///
    /// # Errors
    /// Why it cannot be understood.
    pub fn add_policies(&mut self, text: &str) -> Result<(), String> {
        let (mut roles, rest) = gcp::read_roles(text)?;
        let (azures, rest) = azure::read_roles(&rest);
        roles.extend(azures);
        if roles.is_empty() || !rest.trim().is_empty() {
            self.policies.extend(iam::read_policies(&rest)?);
        }
        self.policies.extend(roles);
        Ok(())
    }
}

fn listed(text: &str) -> impl Iterator<Item = &str> {
    text.split(',').map(str::trim).filter(|one| !one.is_empty())
}

fn is_zone(zone: &str) -> bool {
    zone.strip_suffix(|letter: char| letter.is_ascii_lowercase()).is_some_and(regions::exists)
}

fn millis(text: &str) -> Result<u64, String> {
    if text == "0" {
        return Ok(0);
    }
    let span = parse_span(text).map_err(|why| why.to_string())?;
    Ok(u64::try_from(span.as_millis()).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_goes_over_what_the_world_has() {
        let mut said = Conditions::default();
        said.set_quotas("L-0263D0A3=2, vpc/L-F678F1CE=0").expect("known quotas");
        said.set_sold_out("m6a.large,t3.large@us-east-1b").expect("known types");
        said.set_lag("20s").expect("a span");
        said.set_closed("eu-west-3=denied, ap-east-1").expect("regions");
        let world = Settings { quotas: BTreeMap::from([("eks/L-1194D53C".to_owned(), 1.0)]), ..Settings::default() };
        let now = said.over(&world);
        let quotas: Vec<(&str, f64)> = now.quotas.iter().map(|(name, value)| (name.as_str(), *value)).collect();
        assert_eq!(
            quotas,
            [
                ("capacity/m6a.large", 0.0),
                ("capacity/us-east-1b/t3.large", 0.0),
                ("ec2/L-0263D0A3", 2.0),
                ("eks/L-1194D53C", 1.0),
                ("vpc/L-F678F1CE", 0.0),
            ]
        );
        assert_eq!((now.read_lag_ms, now.iam_lag_ms), ((20_000, 20_000), world.iam_lag_ms));
        let closed: Vec<(&str, Closed)> = now.closed.iter().map(|(region, why)| (region.as_str(), *why)).collect();
        assert_eq!(closed, [("ap-east-1", Closed::Off), ("eu-west-3", Closed::Denied)]);
        assert_eq!(Conditions::default().over(&world), world);
    }

    #[test]
    fn the_same_switches_know_googles_words() {
        let mut said = Conditions::default();
        said.set_quotas("compute/CPUS=4, SERVICE_ACCOUNTS=0, L-0263D0A3=2").expect("known quotas");
        said.set_sold_out("e2-standard-2@europe-west4-c").expect("a known type");
        said.set_closed("europe-west4=denied").expect("a region");
        said.add_policies(r#"{"title": "t", "includedPermissions": ["compute.networks.get"]}"#).expect("a role");
        let names: Vec<&str> = said.quotas.keys().map(String::as_str).collect();
        assert_eq!(names, ["compute/CPUS", "ec2/L-0263D0A3", "iam/SERVICE_ACCOUNTS"]);
        assert_eq!(said.stock.keys().next().map(String::as_str), Some("capacity/europe-west4-c/e2-standard-2"));
        assert_eq!((said.closed.len(), said.policies.len()), (1, 1));
        let refused = Conditions::default().add_policies(r#"{"includedPermissions": ["compute.networks"]}"#);
        assert!(refused.is_err_and(|why| why.contains("is no permission")));
    }

    #[test]
    fn the_same_switches_know_azures_words() {
        let mut said = Conditions::default();
        said.set_quotas("compute/standardDASv5Family=4, cores=8, network/PublicIPAddresses=0").expect("known quotas");
        said.set_sold_out("Standard_D2as_v5@eastus-3,Standard_NC4as_T4_v3").expect("known sizes");
        said.set_closed("westeurope=denied").expect("a location");
        let role = r#"{"Name": "r", "Actions": ["*/read"], "AssignableScopes": ["/"]}"#;
        said.add_policies(&format!("{role}\n{role}")).expect("roles");
        let names: Vec<&str> = said.quotas.keys().map(String::as_str).collect();
        assert_eq!(names, ["compute/cores", "compute/standardDASv5Family", "network/PublicIPAddresses"]);
        let stock: Vec<&str> = said.stock.keys().map(String::as_str).collect();
        assert_eq!(stock, ["capacity/Standard_NC4as_T4_v3", "capacity/eastus-3/Standard_D2as_v5"]);
        assert_eq!((said.closed.len(), said.policies.len()), (1, 2));
        for bad in ["Standard_D2as_v5@eastus", "Standard_D2as_v5@westus-1", "Standard_X"] {
            assert!(Conditions::default().set_sold_out(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn policies_are_read_as_iam_would() {
        let allow =
            r#"{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "ec2:*", "Resource": "*"}}"#;
        let mut said = Conditions::default();
        said.add_policies(&format!("{allow}\n{allow}\n")).expect("two documents");
        assert_eq!(said.over(&Settings::default()).policies.len(), 2);
        let judged =
            allow.replace("\"*\"}", "\"*\", \"Condition\": {\"IpAddress\": {\"aws:SourceIp\": \"10.0.0.0/8\"}}}");
        let long = allow.replace("ec2:*", &format!("ec2:{}", "x".repeat(7_000)));
        for (bad, why) in
            [("", "no policy"), ("{", "no JSON"), ("{}", "Syntax"), (&judged, "IpAddress"), (&long, "6144")]
        {
            let refused = Conditions::default().add_policies(bad).expect_err(bad);
            assert!(refused.contains(why), "{bad}: {refused}");
        }
    }

    #[test]
    fn what_names_nothing_is_refused() {
        for bad in ["L-0263D0A3", "L-0263D0A3=many", "L-0263D0A3=-1", "L-0263D0A3=inf", "L-NOPE=1"] {
            assert!(Conditions::default().set_quotas(bad).is_err(), "{bad}");
        }
        for bad in ["m6a.tiny", "m6a.large@us-east-1", "m6a.large@nowhere-1a"] {
            assert!(Conditions::default().set_sold_out(bad).is_err(), "{bad}");
        }
        for bad in ["mars-1", "eu-west-3=shut", "eu-west-3="] {
            assert!(Conditions::default().set_closed(bad).is_err(), "{bad}");
        }
        for bad in ["NETWORK=1", "compute/cpus=4"] {
            assert!(Conditions::default().set_quotas(bad).is_err(), "{bad}");
        }
        for bad in ["e2-standard-2@europe-west4", "e2-standard-3", "e2-standard-2@europe-west1-a"] {
            assert!(Conditions::default().set_sold_out(bad).is_err(), "{bad}");
        }
        assert!(Conditions::default().set_lag("soon").is_err());
        assert_eq!(Conditions::default().set_iam_lag("0"), Ok(()));
    }
}
