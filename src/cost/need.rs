//! What each node of a comparison must offer: `8vcpu,32gib x3`, `A100:1`. Pure text; knows no cloud.

use super::Catalogue;

/// What a node must offer to pods, and how many nodes.
#[derive(Debug, Clone, PartialEq)]
pub struct Need {
    /// Virtual CPUs.
    pub vcpus: f64,
    /// Memory in GiB.
    pub memory_gib: f64,
    /// Accelerator and how many in one node.
    pub gpu: Option<(String, u32)>,
    /// How many such nodes.
    pub nodes: u32,
}

/// Most nodes of one comparison: what the largest managed clusters take.
const MOST_NODES: u32 = 15_000;

impl Need {
    /// Reads it. GPUs are checked by the names that the price table knows.
    ///
    /// # Errors
    /// Everything that is wrong, each with what to write instead.
    pub fn parse(text: &str, table: &Catalogue) -> Result<Self, Vec<String>> {
        let mut problems = Vec::new();
        let (what, nodes) = counted(text.trim(), &mut problems);
        let mut need = Self { vcpus: 0.0, memory_gib: 0.0, gpu: None, nodes };
        for term in what.split(',').map(str::trim) {
            if let Err(why) = need.take(term, table) {
                problems.push(why);
            }
        }
        if problems.is_empty() { Ok(need) } else { Err(problems) }
    }

    fn take(&mut self, term: &str, table: &Catalogue) -> Result<(), String> {
        let lower = term.to_ascii_lowercase();
        let letters = lower.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.' || c == '-');
        let digits = &lower[..lower.len() - letters.len()];
        let slot = match letters.trim() {
            "" if digits.is_empty() => return Err("an empty need; write 8vcpu,32gib or A100:1".to_owned()),
            "vcpu" | "vcpus" | "cpu" | "cpus" => &mut self.vcpus,
            "gib" | "gb" | "g" => &mut self.memory_gib,
            _ => return self.accelerator(term, table),
        };
        let number: f64 = digits.parse().map_err(|_| format!("`{term}` has no number in front"))?;
        if !(number > 0.0 && number < 1e6) {
            return Err(format!("`{term}`: a need is more than nothing, and less than a million"));
        }
        if *slot > 0.0 {
            return Err(format!("`{term}` is said twice"));
        }
        *slot = number;
        Ok(())
    }

    fn accelerator(&mut self, term: &str, table: &Catalogue) -> Result<(), String> {
        let (name, count) = term.split_once(':').unwrap_or((term, "1"));
        let count: u32 = count
            .parse()
            .ok()
            .filter(|count| (1..=16).contains(count))
            .ok_or_else(|| format!("`{term}`: write how many behind the colon, 1 to 16"))?;
        let known = table.accelerators();
        let Some(exact) = known.iter().find(|known| known.eq_ignore_ascii_case(name)) else {
            let shout = name.to_ascii_uppercase();
            let near =
                known.iter().min_by_key(|known| strsim::damerau_levenshtein(&known.to_ascii_uppercase(), &shout));
            let near = near.filter(|near| strsim::damerau_levenshtein(&near.to_ascii_uppercase(), &shout) <= 2);
            return Err(match near {
                Some(near) => format!("`{name}` is neither a size nor an accelerator; did you mean `{near}`?"),
                None => format!("`{name}` is neither a size (8vcpu, 32gib) nor an accelerator: {}", known.join(", ")),
            });
        };
        if self.gpu.replace(((*exact).to_owned(), count)).is_some() {
            return Err(format!("`{term}`: one kind of accelerator in a node"));
        }
        Ok(())
    }
}

/// Splits `… x3` off.
fn counted<'t>(text: &'t str, problems: &mut Vec<String>) -> (&'t str, u32) {
    let Some((what, count)) = text.rsplit_once([' ', '\t']) else { return (text, 1) };
    let Some(digits) = count.strip_prefix(['x', 'X']) else { return (text, 1) };
    match digits.parse() {
        Ok(nodes) if (1..=MOST_NODES).contains(&nodes) => (what.trim_end(), nodes),
        _ => {
            problems.push(format!("`{count}`: from x1 to x{MOST_NODES} nodes"));
            (what.trim_end(), 1)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cost::catalogue;

    fn need(text: &str) -> Result<Need, String> {
        Need::parse(text, catalogue()).map_err(|problems| problems.join("; "))
    }

    #[test]
    fn sizes_and_accelerators_are_read_in_any_order() {
        let three = need("8vcpu,32gib x3").unwrap();
        assert_eq!((three.vcpus, three.memory_gib, three.nodes, three.gpu), (8.0, 32.0, 3, None));
        let gpu = need("16 GiB, a100:2").unwrap();
        assert_eq!((gpu.memory_gib, gpu.gpu, gpu.nodes), (16.0, Some(("A100".to_owned(), 2)), 1));
        assert_eq!(need("T4").unwrap().gpu, Some(("T4".to_owned(), 1)));
        assert_eq!(need("0.5cpu").unwrap().vcpus, 0.5);
    }

    #[test]
    fn everything_wrong_is_said_at_once_with_the_nearest_name() {
        let words = need("8vcpu,4vcpu,V10O:1,-2gib x0").unwrap_err();
        for part in ["`4vcpu` is said twice", "did you mean `V100`?", "`-2gib`", "`x0`: from x1"] {
            assert!(words.contains(part), "{part} in {words}");
        }
        for wrong in ["", "x3", "8", "vcpu", "A100:0", "A100:many", "T4,L4", "NaNgib", "8vcpu x99999999999"] {
            assert!(need(wrong).is_err(), "{wrong}");
        }
    }
}
