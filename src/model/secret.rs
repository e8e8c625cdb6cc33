//! What must not be shown: a value that prints as `***`, the values known to be secret, and how a foreign text looks
//! where it shows one.
//!
//! Three nets, each for what the others cannot know. [`Secret`] keeps our own values from being formatted. [`Secrets`]
//! finds values we were given (variables, files, credentials in use) wherever they come back, whatever stands around
//! them. [`without_secrets`] finds what we were never given by the words beside it: `Authorization:`, `token=`.

use std::{
    borrow::Cow,
    fmt,
    sync::{Arc, PoisonError, RwLock},
};

/// What stands in place of a secret.
const HIDDEN: &str = "***";

/// Wraps a credential, token or key so that no format string can show it.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret<T>(T);

impl<T> Secret<T> {
    /// Takes the value in.
    pub const fn new(value: T) -> Self {
        Self(value)
    }

    /// Hands the value out; the caller must not print it.
    pub const fn reveal(&self) -> &T {
        &self.0
    }
}

impl<T> fmt::Debug for Secret<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(HIDDEN)
    }
}

impl<T> fmt::Display for Secret<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(HIDDEN)
    }
}

/// Values that were given to us in confidence. Clones share what they know.
#[derive(Clone, Default)]
pub struct Secrets(Arc<RwLock<Vec<String>>>);

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(HIDDEN)
    }
}

impl Secrets {
    /// The secrets among these variables, by their names.
    pub fn of_variables<'v>(variables: impl IntoIterator<Item = (&'v String, &'v String)>) -> Self {
        let secrets = Self::default();
        for (name, value) in variables {
            if names_a_secret(name) {
                secrets.learn(value);
            } else if let Some((_, rest)) = value.split_once("://")
                && let Some((user, _)) = rest.split('/').next().unwrap_or_default().rsplit_once('@')
            {
                // A proxy or an endpoint with its password in it.
                secrets.learn(user.split_once(':').map_or(user, |(_, password)| password));
            }
        }
        secrets
    }

    /// From now on this value is one. Words that are too short or too common to be told from others are not.
    pub fn learn(&self, value: &str) {
        let value = value.trim();
        let telling = value.len() >= 16 || value.len() >= 8 && !value.bytes().all(|b| b.is_ascii_lowercase());
        if !telling {
            return;
        }
        let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let quoted = serde_json::Value::from(value).to_string();
        for form in [value.to_owned(), percent_encoded(value), quoted[1..quoted.len() - 1].to_owned()] {
            if !known.contains(&form) {
                known.push(form);
            }
        }
        // A secret that holds another goes as a whole.
        known.sort_by_key(|form| std::cmp::Reverse(form.len()));
    }

    /// The text with every known secret hidden.
    pub fn mask<'t>(&self, text: &'t str) -> Cow<'t, str> {
        let known = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let mut masked = Cow::Borrowed(text);
        for secret in known.iter() {
            if masked.contains(secret.as_str()) {
                masked = Cow::Owned(masked.replace(secret.as_str(), HIDDEN));
            }
        }
        masked
    }

    /// Hides them in place.
    pub fn mask_in(&self, text: &mut String) {
        if let Cow::Owned(masked) = self.mask(text) {
            *text = masked;
        }
    }
}

/// As it stands in a URL.
fn percent_encoded(value: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-._~".contains(&b);
    value.bytes().map(|b| if plain(b) { char::from(b).to_string() } else { format!("%{b:02X}") }).collect()
}

/// Whether a variable of this name holds a secret itself, not the place of one.
fn names_a_secret(name: &str) -> bool {
    const WORDS: &[&str] = &[
        "SECRET",
        "TOKEN",
        "PASSWORD",
        "PASSWD",
        "PASSPHRASE",
        "API_KEY",
        "APIKEY",
        "ACCESS_KEY",
        "PRIVATE_KEY",
        "ACCOUNT_KEY",
        "AUTHORIZATION",
        "CREDENTIAL",
    ];
    // The header that a managed identity is asked with, and keys that are not called so.
    const ALSO: &[&str] = &["IDENTITY_HEADER", "STORAGE_KEY", "CONNECTION_STRING"];
    const PLACES: &[&str] = &["_FILE", "_PATH", "_DIR", "_URL", "_URI", "_ARN", "_ENDPOINT", "_NAME"];
    // Places and choices that are called otherwise.
    const NONE: &[&str] = &[
        "GOOGLE_APPLICATION_CREDENTIALS",
        "CLOUDSDK_AUTH_CREDENTIAL_FILE_OVERRIDE",
        "CLOUDSDK_AUTH_DISABLE_CREDENTIALS",
        "AZURE_TOKEN_CREDENTIALS",
    ];
    let name = name.to_ascii_uppercase();
    if NONE.contains(&name.as_str()) {
        return false;
    }
    WORDS.iter().chain(ALSO).any(|word| name.contains(word)) && !PLACES.iter().any(|place| name.ends_with(place))
}

/// A foreign sentence on one line, with everything hidden that looks like a credential by itself or stands where one
/// stands: after `token=`, in `<SecretAccessKey>`, behind `Authorization:`.
pub fn without_secrets(text: &str) -> String {
    // A document quoted in a sentence of another one.
    let text = text.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"");
    let mut shown = Vec::new();
    let mut follows = Follows::Text;
    for word in text.split_whitespace() {
        let kind = bare(word).to_ascii_lowercase();
        let scheme = kind == "bearer" || follows == Follows::Value && kind == "basic";
        if looks_secret(word) || follows == Follows::Value && reads_like_a_value(word) && !scheme {
            shown.push(HIDDEN.to_owned());
            follows = Follows::Text;
            continue;
        }
        let parted = matches!(word, "=" | ":") && shown.last().is_some_and(|key: &String| is_telling(key));
        let (word, open) = without_values(word);
        let open = open || parted;
        follows = if open || scheme { Follows::Value } else { Follows::Text };
        shown.push(word);
    }
    shown.join(" ")
}

#[derive(PartialEq)]
enum Follows {
    Text,
    Value,
}

fn bare(word: &str) -> &str {
    word.trim_matches(|c: char| !c.is_ascii_alphanumeric())
}

/// Access keys, secret keys, signed requests, bearer tokens: known by their form.
fn looks_secret(word: &str) -> bool {
    const MARKS: &[&str] = &["X-Amz-", "AWS4-HMAC", "Signature=", "k8s-aws-v1.", "-----BEGIN"];
    const PREFIXES: &[&str] =
        &["hf_", "ghp_", "gho_", "ghs_", "github_pat_", "glpat-", "xoxb-", "ya29.", "eyJ", "1//0"];
    let bare = bare(word);
    let key = bare.len() == 20 && (bare.starts_with("AKIA") || bare.starts_with("ASIA"));
    let has = |test: fn(&u8) -> bool| bare.as_bytes().iter().any(test);
    let secret_key = bare.len() == 40
        && bare.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'/' || b == b'+')
        && has(u8::is_ascii_uppercase)
        && has(u8::is_ascii_lowercase)
        && has(u8::is_ascii_digit);
    let prefixed = bare.len() >= 16 && PREFIXES.iter().any(|prefix| bare.starts_with(prefix));
    // Secrets of Entra applications have this in their fourth to sixth place.
    let entra = (32..=44).contains(&bare.len()) && bare.get(3..6) == Some("8Q~");
    // Names of Azure's resources are long, and no secret.
    let long = bare.len() > 200 && !word.to_ascii_lowercase().contains("/subscriptions/");
    key || secret_key || prefixed || entra || long || MARKS.iter().any(|mark| word.contains(mark))
}

/// Not a word of the sentence that goes on: `InvalidToken: The token …` names no token.
fn reads_like_a_value(word: &str) -> bool {
    let bare = bare(word);
    bare.len() >= 16 || bare.len() >= 4 && !bare.bytes().all(|b| b.is_ascii_alphabetic())
}

/// The word without what stands behind a telling key in it, and whether the value is yet to come.
fn without_values(word: &str) -> (String, bool) {
    const CLOSING: &[char] = &['"', '\'', '<', '>', '&', ',', ';', ')', '}', ']'];
    const OPENING: &[char] = &['=', ':', '>', '"', '\''];
    let mut shown = String::new();
    let mut rest = word;
    while let Some(at) = rest.find(['=', ':', '>']) {
        if rest[at..].starts_with("://") {
            let (head, tail) = rest.split_at(at + 3);
            shown.push_str(head);
            let host = tail.find(['/', '?', '"', '\'', '<', '>']).unwrap_or(tail.len());
            rest = match tail[..host].rfind('@') {
                Some(user) => {
                    shown.push_str(HIDDEN);
                    &tail[user..]
                }
                None => tail,
            };
            continue;
        }
        let telling = is_telling(&rest[..at]);
        let value = at + rest[at..].find(|c| !OPENING.contains(&c)).unwrap_or(rest.len() - at);
        shown.push_str(&rest[..value]);
        rest = &rest[value..];
        if telling {
            if rest.is_empty() {
                return (shown, true);
            }
            let end = rest.find(CLOSING).unwrap_or(rest.len());
            if end > 0 {
                shown.push_str(HIDDEN);
            }
            rest = &rest[end..];
        }
    }
    shown.push_str(rest);
    (shown, false)
}

/// Whether the key at the end of this text is one whose value is secret.
fn is_telling(text: &str) -> bool {
    const KEYS: &[&str] = &[
        "token",
        "secret",
        "password",
        "passwd",
        "pwd",
        "apikey",
        "accesskey",
        "accesskeyid",
        "secretkey",
        "privatekey",
        "signature",
        "sig",
        "credential",
        "authorization",
    ];
    let text = text.trim_end_matches(['"', '\'']);
    let begin = text.rfind(|c: char| !c.is_ascii_alphanumeric() && c != '-' && c != '_').map_or(0, |at| at + 1);
    let key: String =
        text[begin..].chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_ascii_lowercase();
    KEYS.iter().any(|known| key.ends_with(known))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_does_not_print() {
        let secret = Secret::new("hunter2".to_owned());
        assert_eq!(format!("{secret} {secret:?} {:?}", Some(&secret)), "*** *** Some(***)");
    }

    #[test]
    fn what_was_given_in_confidence_is_found_wherever_it_comes_back() {
        let vars = [
            ("AWS_SECRET_ACCESS_KEY", "abc/def+123"),
            ("HF_TOKEN", "hf_canary1"),
            ("HTTPS_PROXY", "http://me:pass-word@proxy:3128"),
            ("GITHUB_TOKEN", "production"),
            ("DB_PASSWORD", "dev"),
            ("AWS_WEB_IDENTITY_TOKEN_FILE", "/run/web/identity-1"),
            ("AWS_REGION", "us-east-1"),
            ("AZURE_CLIENT_SECRET", "abc8Q~azure-canary1"),
            ("IDENTITY_HEADER", "header-canary1"),
            ("GOOGLE_APPLICATION_CREDENTIALS", "/run/keys/builder.json"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()));
        let secrets = Secrets::of_variables(vars.iter().map(|(name, value)| (name, value)));
        for text in [
            "x abc/def+123 y",
            "x abc%2Fdef%2B123 y",
            "xhf_canary1y",
            "http://me:pass-word@proxy",
            "AADSTS7000215: abc8Q~azure-canary1",
            "header-canary1",
        ] {
            let masked = secrets.mask(text);
            assert!(masked.contains(HIDDEN) && !masked.contains("123") && !masked.contains("canary"), "{masked}");
        }
        let plain = "dev in us-east-1 of production, see /run/web/identity-1 and /run/keys/builder.json";
        assert_eq!(secrets.mask(plain), plain);
        let twin = secrets.clone();
        secrets.learn("learnt-later-0n");
        assert_eq!(twin.mask("it was learnt-later-0n!"), "it was ***!");
        assert_eq!(format!("{secrets:?}"), "***");
    }

    #[test]
    fn credentials_are_known_by_the_words_beside_them() {
        for (text, shown) in [
            ("Authorization: Bearer canary-1 failed", "Authorization: Bearer *** failed"),
            ("authorization: Basic Y2FuYXJ5MQ==", "authorization: Basic ***"),
            ("{\"SecretAccessKey\":\"canary\",\"b\":1}", "{\"SecretAccessKey\":\"***\",\"b\":1}"),
            ("<SessionToken>canary</SessionToken><A>b</A>", "<SessionToken>***</SessionToken><A>b</A>"),
            ("&lt;Password&gt;canary&lt;/Password&gt;", "<Password>***</Password>"),
            ("x-amz-security-token: canary/1 end", "x-amz-security-token: *** end"),
            ("url?a=1&token=canary&b=2", "url?a=1&token=***&b=2"),
            ("password = canary-1 then", "password = *** then"),
            ("password=canary", "password=***"),
            ("db_password: 'canary1'", "db_password: ***"),
            ("https://me:canary@host/path", "https://***@host/path"),
            ("Credential=AKIAX/2026/us-east-1/sts/aws4_request, x", "Credential=***, x"),
            ("k8s-aws-v1.aHR0cHM6Ly9z", "***"),
            ("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKE1 is it", "*** is it"),
            ("abc8Q~aaaabbbbccccddddeeeeffff0000.1111 is it", "*** is it"),
            ("1//0gAbCdEfGhIjKlMn is it", "*** is it"),
            (
                "https://x.blob.core.windows.net/a?sv=1&sig=canary&se=2",
                "https://x.blob.core.windows.net/a?sv=1&sig=***&se=2",
            ),
        ] {
            assert_eq!(without_secrets(text), shown);
        }
    }

    #[test]
    fn ordinary_sentences_stay_whole() {
        for text in [
            "InvalidClientTokenId: The security token included in the request is invalid",
            "ExpiredToken: the token is from yesterday",
            "Role with arn: arn:aws:iam::123456789012:role/kw-demo-0a1b2c3d-cluster does not exist",
            "You are not authorized to perform: ec2:CreateVpc on resource: arn:aws:ec2:us-east-1:1:vpc/*",
            "see https://docs.aws.amazon.com/eks/latest/userguide/a.html#b",
            "commit 0123456789abcdef0123456789abcdef01234567, request 0a1b2c3d-0000-1111-2222-333344445555",
            "a > b; c = d",
            concat!(
                "/subscriptions/5a4d0000-0000-4000-8000-000000000001/resourceGroups/kw-a-rather-long-name-of-a-cluster-0a1b2c3d",
                "/providers/Microsoft.ContainerService/managedClusters/kw-a-rather-long-name-of-a-cluster-0a1b2c3d/agentPools/x",
                " is not there"
            ),
        ] {
            assert_eq!(without_secrets(text), text);
        }
    }
}
