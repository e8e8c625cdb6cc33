//! One word about a stack, in a tag on every object of it that can be found without a journal: put there, and looked at
//! again until no object says otherwise.

use crate::engine::proof::prove_found;
use crate::engine::{Owned, Swept};
use crate::env::Env;
use crate::error::CliError;
use crate::model::Stack;
use crate::providers::Provider;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// How often the objects are looked at again before they count as not following.
const LOOKS: u32 = 40;
/// Between two looks: listings lag behind the calls that change tags, and a cluster that is being changed takes no other
/// change before that is done.
const BETWEEN: Duration = Duration::from_secs(3);

/// What the objects are to say.
pub(super) struct Word<'a> {
    /// The tag.
    pub(super) key: &'a str,
    /// Its value.
    pub(super) value: String,
    /// Whether tags say so already, or something that is as good.
    pub(super) says: &'a (dyn Fn(&BTreeMap<String, String>) -> bool + Send + Sync),
}

impl Word<'_> {
    /// The objects of the stack that say otherwise.
    pub(super) async fn differing(
        &self,
        env: &Env,
        provider: &dyn Provider,
        stack: &Stack,
    ) -> Result<Vec<Owned>, CliError> {
        let swept = env.reading(async { Ok(provider.backend().sweep(stack).await?) }).await?;
        let differs = |(owned, tags): &(Owned, &BTreeMap<String, String>)| {
            provider.retags(&owned.reference().kind) && !(self.says)(tags)
        };
        Ok(speakers(stack, &swept).filter(differs).map(|(owned, _)| owned).collect())
    }

    /// Tags what differs until nothing does. Safe to be killed anywhere, and to repeat.
    pub(super) async fn spread(
        &self,
        env: &Env,
        provider: &dyn Provider,
        stack: &Stack,
        mut left: Vec<Owned>,
    ) -> Result<(), CliError> {
        for _ in 0..LOOKS {
            if left.is_empty() {
                break;
            }
            left = self.follow(env, provider, stack, &left).await?;
        }
        match left.first() {
            None => Ok(()),
            Some(one) => {
                let what = format!("{} {} does not show the new tag yet", one.reference().kind, one.id());
                Err(CliError::new("KW-UNREACHABLE", what))
            }
        }
    }

    async fn follow(
        &self,
        env: &Env,
        provider: &dyn Provider,
        stack: &Stack,
        left: &[Owned],
    ) -> Result<Vec<Owned>, CliError> {
        let tag = BTreeMap::from([(self.key.to_owned(), self.value.clone())]);
        let told = env.reading(async { Ok(provider.retag(stack, left, &tag).await) }).await?;
        if let Err(error) = told {
            if !error.class.is_retried() {
                return Err(error.into());
            }
            env.ui.detail(&format!("not yet: {error}"));
        }
        let left = self.differing(env, provider, stack).await?;
        if left.is_empty() {
            return Ok(left);
        }
        env.reading(async {
            env.clock.sleep(BETWEEN).await;
            Ok(())
        })
        .await?;
        self.differing(env, provider, stack).await
    }
}

/// The objects whose tags speak for the stack: those that both of our tags prove to be its own.
pub(super) fn speakers<'a>(
    stack: &'a Stack,
    swept: &'a [Swept],
) -> impl Iterator<Item = (Owned, &'a BTreeMap<String, String>)> {
    swept.iter().filter_map(|item| {
        let mut seen = item.seen.clone();
        // Where it stands is no matter here: what carries no tags of its own says nothing.
        seen.evidence.caused = None;
        let owned = prove_found(stack, seen, &BTreeSet::new(), None).ok()?;
        Some((owned, &item.seen.evidence.tags))
    })
}
