//! The error ids with their explanations: what `help KW-…` prints. They stand here only.

use super::Class;

/// An error id with what `help KW-…` says about it.
#[derive(Debug, Clone, Copy)]
pub struct Entry {
    /// The id.
    pub id: &'static str,
    /// Its class.
    pub class: Class,
    /// What it means and what to do.
    pub text: &'static str,
}

const fn entry(id: &'static str, class: Class, text: &'static str) -> Entry {
    Entry { id, class, text }
}

/// Every error id. Providers add theirs here too, so that `help` knows them all.
pub const CATALOGUE: &[Entry] = &[
    entry(
        "KW-BUG",
        Class::Unexpected,
        "A fault of kubewright itself. What was built is in the journal: the same command continues, `kubewright destroy NAME` removes it.",
    ),
    entry(
        "KW-USAGE",
        Class::Usage,
        "The command line is wrong. The message names the flag or the missing choice; `kubewright help COMMAND` lists what there is.",
    ),
    entry(
        "KW-SPEC",
        Class::Spec,
        "The cluster as asked for cannot be built. All problems are listed at once, with line, column and the nearest valid key where a file is to blame.",
    ),
    entry(
        "KW-DAY2",
        Class::Conflict,
        "The cluster is finished and the spec differs from what was built. `provision` never changes a finished cluster; put the spec back, or destroy the cluster and build it anew.",
    ),
    entry(
        "KW-NAME-TAKEN",
        Class::Conflict,
        "A live stack or cluster of that name exists in the cloud, and this machine has no journal of it. `kubewright recover NAME` rebuilds the journal; or choose another name.",
    ),
    entry(
        "KW-NOT-OURS",
        Class::Conflict,
        "The object carries no proof of being made by this stack. kubewright changes and deletes only what is provably its own.",
    ),
    entry(
        "KW-PLAN-CHANGED",
        Class::Conflict,
        "The plan is not the one that `--expect-plan` names. Look at the new one with `--dry-run` and pass its hash.",
    ),
    entry(
        "KW-PLAN",
        Class::Unexpected,
        "The plan does not hold together: a fault of kubewright, or a journal edited by hand.",
    ),
    entry(
        "KW-NOT-FOUND",
        Class::NotFound,
        "No stack of that name: neither in the local journals nor, where the cloud was asked, in the account and region.",
    ),
    entry(
        "KW-NOTHING-RECORDED",
        Class::NotFound,
        "There is no journal of that name on this machine. `kubewright recover NAME` looks in the cloud.",
    ),
    entry("KW-AMBIGUOUS", Class::Conflict, "More than one stack bears that name. `--stack ID` says which."),
    entry("KW-LOCKED", Class::Conflict, "Another kubewright works on that stack. `--lock-timeout 10m` waits for it."),
    entry(
        "KW-STATE",
        Class::State,
        "The state directory cannot be used: not readable, not writable, full, or holding something unexpected. `KUBEWRIGHT_HOME` moves it.",
    ),
    entry(
        "KW-JOURNAL",
        Class::State,
        "A line of the journal is damaged or was written by a newer kubewright. The line is named. `destroy NAME --from-tags` removes the stack without it; moving the file away and `recover NAME` rebuilds it.",
    ),
    entry(
        "KW-DELETING",
        Class::Conflict,
        "The removal of this stack has begun; it must be finished before anything is built: `kubewright destroy NAME`.",
    ),
    entry("KW-PROTECTED", Class::Conflict, "The stack is protected. `kubewright protect NAME off` lifts that."),
    entry(
        "KW-BUDGET",
        Class::Budget,
        "The plan at its maximum costs more than a limit allows. Nothing was created. `--override-budget` passes the limits and is written to the journal; `--yes` does not.",
    ),
    entry("KW-DECLINED", Class::Declined, "The question was answered with no. Nothing was changed."),
    entry(
        "KW-ANSWER-MISSING",
        Class::Declined,
        "A question must be answered and there is no terminal to ask at. The message names the flag that answers it.",
    ),
    entry(
        "KW-INCOMPLETE",
        Class::Incomplete,
        "Something of ours remains in the cloud. Both ways on are printed: continue, or destroy.",
    ),
    entry("KW-CHECK", Class::Check, "`--check` found the cluster unhealthy or changed."),
    entry(
        "KW-DRIFT",
        Class::Conflict,
        "The cloud and the journal disagree: something recorded is gone, or something of ours is not recorded.",
    ),
    entry("KW-UNREACHABLE", Class::Unreachable, "The cloud did not answer, or not in full."),
    entry("KW-TIMEOUT", Class::Timeout, "The time given by `--timeout` ran out."),
    entry(
        "KW-DEADLINE",
        Class::Timeout,
        "A step took longer than it ever should. The same command goes on waiting; `destroy` removes what there is.",
    ),
    entry(
        "KW-INTERRUPTED",
        Class::Interrupted,
        "A signal ended the run. What was in flight is recorded; the same command continues.",
    ),
    entry(
        "KW-NODES",
        Class::Incomplete,
        "The nodes did not become Ready in time although the cloud's objects are. `--wait cloud` does not wait for them.",
    ),
    entry(
        "KW-SANDBOX",
        Class::Unexpected,
        "The rehearsal world cannot be started or reached. `kubewright sandbox reset` starts a new one.",
    ),
    entry("KW-PREFLIGHT", Class::Spec, "A check before the first write failed. Nothing was created."),
    entry(
        "KW-ACCOUNT",
        Class::Auth,
        "The credentials belong to another account than the one that is pinned or recorded.",
    ),
    entry(
        "KW-ROLLED-BACK",
        Class::Incomplete,
        "The build failed and `--on-failure rollback` removed what it had made.",
    ),
    entry(
        "KW-AWS-CREDENTIALS",
        Class::Auth,
        "No AWS credentials were found, or AWS refused them. Nothing was tried. `aws configure`, `AWS_PROFILE`, or rehearse with `--sandbox`.",
    ),
    entry(
        "KW-AWS-EXPIRED",
        Class::Auth,
        "The AWS credentials have expired. Sign in again (`aws sso login --profile NAME`); the same command then continues.",
    ),
    entry(
        "KW-AWS-DENIED",
        Class::Auth,
        "AWS does not allow these credentials to do that. The message names the action.",
    ),
    entry(
        "KW-AWS-QUOTA",
        Class::Quota,
        "A limit of the AWS account is too low. The hint holds the request that raises it.",
    ),
    entry(
        "KW-AWS-CAPACITY",
        Class::Capacity,
        "AWS has no such machine left in these zones now. Continue with another `--node-type`, other `--zones`, or later.",
    ),
    entry("KW-AWS-VERSION", Class::Spec, "EKS does not offer that Kubernetes version."),
    entry("KW-AWS-ZONE", Class::Spec, "A zone is not in the region, or EKS or the instance type is not offered there."),
    entry("KW-AWS-TYPE", Class::Spec, "The instance type is not offered in the region, or not fit for the cluster."),
    entry(
        "KW-NET-EGRESS",
        Class::Spec,
        "Nodes in an adopted subnet would not reach the services they need, so they would never join.",
    ),
    entry("KW-NET-IPS", Class::Spec, "An adopted subnet has too few free addresses."),
    entry("KW-NET", Class::Spec, "The network as asked for cannot work."),
];

/// The catalogue's entry for an id.
pub fn explain(id: &str) -> Option<&'static Entry> {
    CATALOGUE.iter().find(|entry| entry.id.eq_ignore_ascii_case(id))
}

#[cfg(test)]
mod tests {
    use super::super::EXIT_CODES;
    use super::*;

    #[test]
    fn ids_are_unique_and_well_formed() {
        for (at, entry) in CATALOGUE.iter().enumerate() {
            assert!(entry.id.starts_with("KW-"), "{}", entry.id);
            assert!(entry.text.ends_with('.') || entry.text.ends_with('`'), "{}", entry.id);
            assert!(CATALOGUE[at + 1..].iter().all(|other| other.id != entry.id), "{} stands twice", entry.id);
        }
    }

    #[test]
    fn every_class_leads_to_a_listed_exit_code() {
        for entry in CATALOGUE {
            assert!(EXIT_CODES.iter().any(|(exit, _)| *exit == entry.class.exit()), "{}", entry.id);
        }
    }
}
