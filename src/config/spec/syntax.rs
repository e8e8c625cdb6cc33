//! The small languages inside values: Kubernetes labels, address ranges, accelerators.

use ipnet::Ipv4Net;

/// Why a label, taint or tag was refused; reads after its key.
type Refusal = Result<(), String>;

/// A Kubernetes label or taint key: `name` or `prefix/name`.
pub(super) fn label_key(key: &str) -> Refusal {
    let (prefix, name) = match key.split_once('/') {
        Some((prefix, name)) => (Some(prefix), name),
        None => (None, key),
    };
    if name.is_empty() {
        return Err("a key has at least one character".to_owned());
    }
    label_word(name).map_err(|why| format!("the key `{key}` is no label key: {why}"))?;
    let Some(prefix) = prefix else { return Ok(()) };
    let part = |part: &str| {
        !part.is_empty()
            && part.len() <= 63
            && part.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-'))
            && !part.starts_with('-')
            && !part.ends_with('-')
    };
    if prefix.len() > 253 || !prefix.split('.').all(part) {
        return Err(format!("the part before `/` in `{key}` must be a DNS name, as in `example.com/team`"));
    }
    Ok(())
}

/// A Kubernetes label value; empty is allowed.
pub(super) fn label_value(value: &str) -> Refusal {
    if value.is_empty() { Ok(()) } else { label_word(value) }
}

fn label_word(word: &str) -> Refusal {
    let count = word.chars().count();
    if count > 63 {
        return Err(format!("at most 63 characters, this has {count}"));
    }
    if let Some(bad) = word.chars().find(|c| !matches!(c, 'a'..='z' | 'A'..='Z' | '0'..='9' | '-' | '_' | '.')) {
        return Err(format!("only letters, digits, `-`, `_` and `.` are allowed, not {bad:?}"));
    }
    let ends = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
    if ends(word.chars().next()) && ends(word.chars().last()) {
        Ok(())
    } else {
        Err("it must begin and end with a letter or a digit".to_owned())
    }
}

/// Whether Kubernetes or EKS keeps keys with this prefix to itself; kubelets may set only two kinds of them.
pub(super) fn reserved_label(key: &str) -> bool {
    let Some((prefix, _)) = key.split_once('/') else { return false };
    let within = |domain: &str| prefix == domain || prefix.ends_with(&format!(".{domain}"));
    (within("kubernetes.io") || within("k8s.io") || within("eks.amazonaws.com"))
        && !matches!(prefix, "node.kubernetes.io" | "kubelet.kubernetes.io")
}

/// `11111111-2222-3333-4444-555555555555`, in any case of letters.
pub(super) fn is_guid(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(at, b)| match at {
            8 | 13 | 18 | 23 => b == b'-',
            _ => b.is_ascii_hexdigit(),
        })
}

/// A pool name: it becomes a step id, a label value and part of cloud names.
pub(super) fn pool_name(name: &str) -> Refusal {
    let count = name.chars().count();
    if name.is_empty() || count > 63 {
        return Err(format!("a pool name has 1 to 63 characters, this has {count}"));
    }
    if let Some(bad) = name.chars().find(|c| !matches!(c, 'a'..='z' | '0'..='9' | '-')) {
        return Err(format!("only a-z, 0-9 and `-` are allowed in a pool name, not {bad:?}"));
    }
    if !name.starts_with(|c: char| c.is_ascii_lowercase()) || name.ends_with('-') {
        return Err("a pool name begins with a letter and ends with a letter or a digit".to_owned());
    }
    Ok(())
}

/// An address range without host bits.
pub(super) fn cidr(text: &str) -> Result<Ipv4Net, (String, String)> {
    if let Ok(address) = text.parse::<std::net::Ipv4Addr>() {
        return Err((format!("`{text}` is an address without a range"), format!("{address}/32")));
    }
    let Ok(net) = text.parse::<Ipv4Net>() else {
        let message = if text.contains("::") {
            format!("`{text}` is an IPv6 range, which is not supported here")
        } else {
            format!("`{text}` is not an IPv4 address range")
        };
        return Err((message, "10.0.0.0/16".to_owned()));
    };
    if net.addr() != net.network() {
        return Err((format!("`{text}` has bits set after the prefix"), net.trunc().to_string()));
    }
    Ok(net)
}

/// An accelerator wish, `T4:1`.
pub(super) fn gpu(text: &str) -> Result<(), String> {
    let refuse = || format!("`{text}` is not NAME:COUNT");
    let (name, count) = text.split_once(':').ok_or_else(refuse)?;
    let named = name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'));
    let counted =
        count.bytes().all(|b| b.is_ascii_digit()) && count.parse::<u32>().is_ok_and(|n| (1..=64).contains(&n));
    if named && counted { Ok(()) } else { Err(refuse()) }
}

/// A Kubernetes minor version, `1.35`.
pub(super) fn minor_version(text: &str) -> Result<(), Option<String>> {
    let minor = |text: &str| {
        text.strip_prefix("1.")
            .is_some_and(|minor| (1..=3).contains(&minor.len()) && minor.bytes().all(|b| b.is_ascii_digit()))
    };
    if minor(text) {
        return Ok(());
    }
    // `v1.35` and `1.35.2` are the usual slips.
    let meant: Vec<&str> = text.trim_start_matches(['v', 'V']).split('.').take(2).collect();
    let meant = meant.join(".");
    Err(minor(&meant).then_some(meant))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_keep_to_the_syntax() {
        for good in ["a", "example.com/team", "A_b.c-1", "node.kubernetes.io/x"] {
            assert_eq!(label_key(good), Ok(()), "{good}");
        }
        for bad in ["", "-a", "a-", "a b", "é", "/a", "a/", "a/b/c", "Ex.com/a", "a..b/c", &"a".repeat(64)] {
            assert!(label_key(bad).is_err(), "{bad}");
        }
        assert_eq!(label_value(""), Ok(()));
        assert!(label_value("a/b").is_err());
        assert!(reserved_label("kubernetes.io/arch") && reserved_label("topology.kubernetes.io/zone"));
        assert!(!reserved_label("node.kubernetes.io/role") && !reserved_label("notkubernetes.io/x"));
    }

    #[test]
    fn versions_say_what_was_meant() {
        assert_eq!(minor_version("1.35"), Ok(()));
        assert_eq!(minor_version("v1.35"), Err(Some("1.35".into())));
        assert_eq!(minor_version("1.35.2"), Err(Some("1.35".into())));
        for bad in ["latest", "1", "2.1", "1.", "1.x", ""] {
            assert_eq!(minor_version(bad), Err(None), "{bad}");
        }
    }

    #[test]
    fn ranges_say_what_was_meant() {
        assert!(cidr("10.0.0.0/16").is_ok());
        assert_eq!(cidr("10.0.0.1/16").unwrap_err().1, "10.0.0.0/16");
        assert_eq!(cidr("203.0.113.7").unwrap_err().1, "203.0.113.7/32");
        for bad in ["10.0.0.0/33", "10.0.0/8", "::/0", "", "anywhere"] {
            assert!(cidr(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn accelerators_are_named_and_counted() {
        assert_eq!(gpu("T4:1"), Ok(()));
        for bad in ["T4", "T4:0", "T4:", ":1", "T4:x", "T4:+1", "T4:1:2", "T4:65"] {
            assert!(gpu(bad).is_err(), "{bad}");
        }
    }
}
