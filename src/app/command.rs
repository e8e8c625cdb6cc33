//! Commands to paste: what the user would type to go on or to take it down.

use crate::env::Env;
use crate::model::doc::Commands;
use crate::model::{Cloud, ClusterName, Region};
use crate::providers::Provider;

/// What every command begins with: in the rehearsal its flag belongs to the name.
pub(super) const fn program(env: &Env) -> &'static str {
    if env.sandbox { "kubewright --sandbox" } else { "kubewright" }
}

/// Where a stack is, as far as a command must say it.
#[derive(Debug, Clone)]
pub(super) struct Place {
    pub(super) name: ClusterName,
    pub(super) cloud: Cloud,
    pub(super) region: Region,
    sandbox: bool,
    yes: bool,
    /// Whose credentials were chosen, as flags: without them the pasted command would be somebody else's.
    caller: String,
    /// The project or subscription, as a flag: a journal knows it, nothing else does.
    account: String,
}

impl Place {
    /// The place of this stack in a cloud that was reached.
    pub(super) fn of(env: &Env, name: &ClusterName, provider: &dyn Provider) -> Self {
        Self::at(env, name.clone(), provider.cloud(), provider.region().clone())
    }

    /// The same where the cloud was not asked.
    pub(super) fn at(env: &Env, name: ClusterName, cloud: Cloud, region: Region) -> Self {
        let flag = |flag: &str, value: &Option<String>| {
            value.as_deref().map_or_else(String::new, |value| format!(" {flag} {}", quoted(value)))
        };
        let caller = match cloud {
            Cloud::Aws => flag("--profile", &env.settings.profile) + &flag("--role-arn", &env.settings.role_arn),
            Cloud::Gcp | Cloud::Azure => String::new(),
        };
        let account = cloud.terms().account_flag.map(|name| {
            let said = env.settings.account_at(cloud, None).map(str::to_owned);
            flag(name, &said)
        });
        let (sandbox, yes) = (env.sandbox, env.settings.yes);
        Self { name, cloud, region, sandbox, yes, caller, account: account.unwrap_or_default() }
    }

    /// The same in the account where the stack was found, whichever is configured.
    #[must_use]
    pub(super) fn in_account(mut self, account: &str) -> Self {
        if let Some(flag) = self.cloud.terms().account_flag {
            self.account = format!(" {flag} {}", quoted(account));
        }
        self
    }

    fn program(&self) -> &'static str {
        if self.sandbox { "kubewright --sandbox" } else { "kubewright" }
    }

    /// Both ways on. With a journal the name is enough.
    pub(super) fn commands(&self) -> Commands {
        let Self { name, caller, .. } = self;
        let yes = if self.yes { " --yes" } else { "" };
        Commands {
            resume: format!("{} provision {name}{caller}{yes}", self.program()),
            destroy: format!("{} destroy {name}{caller} --confirm {name}", self.program()),
        }
    }

    /// Rebuilds the journal.
    pub(super) fn recover(&self) -> String {
        let Self { name, cloud, region, caller, account, .. } = self;
        format!("{} recover {name} --provider {cloud} --region {region}{account}{caller}", self.program())
    }

    /// Removes it where there is no journal to go by.
    pub(super) fn by_tags(&self) -> String {
        let Self { name, cloud, region, caller, account, .. } = self;
        format!(
            "{} destroy {name} --from-tags --confirm {name} --provider {cloud} --region {region}{account}{caller}",
            self.program()
        )
    }

    /// Builds it, with these flags.
    pub(super) fn provision(&self, words: &[String]) -> String {
        let Self { name, cloud, region, caller, account, .. } = self;
        let words: String = words.iter().map(|word| format!(" {}", quoted(word))).collect();
        format!("{} provision {name} --provider {cloud} --region {region}{account}{caller}{words}", self.program())
    }

    /// The same place for commands that are kept: a file outlives a rehearsal.
    pub(super) fn outside_sandbox(&self) -> Self {
        Self { sandbox: false, ..self.clone() }
    }

    /// Any other verb about it.
    pub(super) fn verb(&self, rest: &str) -> String {
        format!("{} {rest}", self.program())
    }
}

/// A value as a shell takes it for one word.
pub(super) fn quoted(value: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.:/@+=,".contains(&byte);
    if !value.is_empty() && value.bytes().all(plain) {
        value.to_owned()
    } else {
        format!("'{}'", value.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(caller: &str) -> Place {
        Place {
            name: "demo".parse().expect("valid"),
            cloud: Cloud::Aws,
            region: Region("us-east-1".to_owned()),
            sandbox: false,
            yes: true,
            caller: caller.to_owned(),
            account: String::new(),
        }
    }

    #[test]
    fn commands_say_what_was_typed() {
        let Commands { resume, destroy } = place(" --profile acme-dev").commands();
        assert_eq!(resume, "kubewright provision demo --profile acme-dev --yes");
        assert_eq!(destroy, "kubewright destroy demo --profile acme-dev --confirm demo");
        assert_eq!(
            place("").by_tags(),
            "kubewright destroy demo --from-tags --confirm demo --provider aws --region us-east-1"
        );
    }

    #[test]
    fn commands_say_in_which_project_a_stack_was_found() {
        let configured = Place { cloud: Cloud::Gcp, account: " --project mine".to_owned(), ..place("") };
        assert!(configured.in_account("theirs").by_tags().ends_with(" --region us-east-1 --project theirs"));
        assert!(place("").in_account("123456789012").by_tags().ends_with("us-east-1"), "AWS has no such flag");
    }

    #[test]
    fn values_survive_a_shell() {
        assert_eq!(quoted("arn:aws:iam::123456789012:role/ops"), "arn:aws:iam::123456789012:role/ops");
        assert_eq!(quoted("it's mine"), r"'it'\''s mine'");
        assert_eq!(quoted(""), "''");
    }
}
