//! The error ids with their explanations: what `help KW-…` prints. They stand here only.

use super::Class;

/// An error id with what `help KW-…` says about it.
#[derive(Debug, Clone, Copy)]
pub struct Entry {
    /// The id.
    pub id: &'static str,
    /// Its class, where the failure itself knows no better one.
    pub class: Class,
    /// What it means.
    pub meaning: &'static str,
    /// What to do.
    pub remedy: &'static str,
}

const fn entry(id: &'static str, class: Class, meaning: &'static str, remedy: &'static str) -> Entry {
    Entry { id, class, meaning, remedy }
}

/// Every error id. Providers add theirs here too, so that `help` knows them all.
pub const CATALOGUE: &[Entry] = &[
    entry(
        "KW-BUG",
        Class::Unexpected,
        "A fault of kubewright itself.",
        "Whatever was built is in the journal: the same command continues, `kubewright destroy NAME` removes it. Please report what was printed.",
    ),
    entry(
        "KW-USAGE",
        Class::Usage,
        "The command line is wrong: the message names the flag or the missing choice.",
        "`kubewright help COMMAND` lists what there is.",
    ),
    entry(
        "KW-SPEC",
        Class::Spec,
        "The cluster as asked for cannot be built. All problems are listed at once, with line, column and the nearest valid key where a file is to blame.",
        "Correct them in the file or the flags; `--dry-run` looks without building.",
    ),
    entry(
        "KW-FILE-EXISTS",
        Class::Conflict,
        "`init` found something under the name it was to write, and overwrites nothing unasked.",
        "Name another file, or pass `--force`, which replaces a plain file; links and directories are always left alone.",
    ),
    entry(
        "KW-DAY2",
        Class::Conflict,
        "The spec differs from what was built, and `provision` never changes what stands.",
        "Put the spec back, or destroy the cluster and build it anew. The message names the verb that makes the change, where there is one.",
    ),
    entry(
        "KW-NAME-TAKEN",
        Class::Conflict,
        "A live stack or cluster of that name exists in the cloud, and this machine has no journal of it.",
        "`kubewright recover NAME` rebuilds the journal; or choose another name.",
    ),
    entry(
        "KW-NOT-OURS",
        Class::Conflict,
        "The object carries no proof of being made by this stack. kubewright changes and deletes only what is provably its own.",
        "Remove it with the tool that made it; the hint names that tool where its marks are known.",
    ),
    entry(
        "KW-PLAN-CHANGED",
        Class::Conflict,
        "The plan is not the one that `--expect-plan` names.",
        "Look at the new one with `--dry-run` and pass its hash.",
    ),
    entry(
        "KW-PLAN",
        Class::Unexpected,
        "The plan does not hold together: a fault of kubewright, a journal of another version, or one edited by hand.",
        "Use the version that made the plan; or remove the stack without it: `kubewright destroy NAME --from-tags`.",
    ),
    entry(
        "KW-NOT-FOUND",
        Class::NotFound,
        "There is nothing of that name: neither in the local journals nor, where the cloud was asked, in the account and region.",
        "Check the name, `--region` and `--profile`; `kubewright status` lists the stacks known here.",
    ),
    entry(
        "KW-NO-MATCH",
        Class::NotFound,
        "No machine of the price table has what `--need` asks for, in the regions and of the kinds that were allowed.",
        "Ask for less, allow more regions or vendors, ARM machines with --arm, or on-demand ones without --spot.",
    ),
    entry(
        "KW-NOTHING-RECORDED",
        Class::NotFound,
        "There is no journal of that name on this machine.",
        "`kubewright recover NAME` looks in the cloud and rebuilds it.",
    ),
    entry(
        "KW-AMBIGUOUS",
        Class::Conflict,
        "More than one stack bears that name.",
        "`--stack ID` says which; the hints list the ids.",
    ),
    entry(
        "KW-LOCKED",
        Class::Conflict,
        "Another kubewright works on that stack.",
        "`--lock-timeout 10m` waits for it.",
    ),
    entry(
        "KW-STATE",
        Class::State,
        "The state directory cannot be used: not readable, not writable, full, or holding something unexpected.",
        "Make it readable and writable, free some space, or let `KUBEWRIGHT_HOME` name another one.",
    ),
    entry(
        "KW-JOURNAL",
        Class::State,
        "A line of the journal is damaged or was written by a newer kubewright. The line is named.",
        "`kubewright destroy NAME --from-tags` removes the stack without it; `kubewright recover NAME` rebuilds it from the cloud.",
    ),
    entry(
        "KW-DELETING",
        Class::Conflict,
        "The removal of this stack has begun; it must be finished before anything is built.",
        "`kubewright destroy NAME`.",
    ),
    entry(
        "KW-PROTECTED",
        Class::Conflict,
        "The stack is protected: the journal here or the tag `kubewright-protect` on one of its objects says so.",
        "`kubewright protect NAME off` lifts that, on this machine and in the cloud.",
    ),
    entry(
        "KW-BUDGET",
        Class::Budget,
        "The plan at its maximum costs more than a limit allows. Nothing was created.",
        "Ask for less, raise the limit, or pass `--override-budget`, which is written to the journal; `--yes` does not pass it.",
    ),
    entry(
        "KW-KUBECONFIG",
        Class::State,
        "A kubeconfig cannot be read or written: broken, read-only, or holding an entry of somebody else under the same name. Nothing was written.",
        "Mend the file, or go past it: `--kubeconfig FILE` takes another one, `--print` none.",
    ),
    entry(
        "KW-NOT-READY",
        Class::NotFound,
        "The cluster is there, but its API server is not yet.",
        "`kubewright status NAME --wait ready` waits for it.",
    ),
    entry(
        "KW-DECLINED",
        Class::Declined,
        "The question was answered with no. Nothing was changed.",
        "Run the command again to be asked again.",
    ),
    entry(
        "KW-ANSWER-MISSING",
        Class::Declined,
        "A question must be answered and there is no terminal to ask at.",
        "Pass the flag that the message names.",
    ),
    entry(
        "KW-INCOMPLETE",
        Class::Incomplete,
        "Something of ours remains in the cloud.",
        "Both ways on are printed: continue, or destroy.",
    ),
    entry(
        "KW-CHECK",
        Class::Check,
        "`--check` found the cluster unhealthy or changed.",
        "`kubewright status NAME` shows what; `kubewright provision NAME` makes anew what is gone.",
    ),
    entry(
        "KW-DRIFT",
        Class::Conflict,
        "The cloud and the journal disagree: something recorded is gone.",
        "`kubewright status NAME` lists it; `kubewright provision NAME` makes anew what is gone, after asking.",
    ),
    entry(
        "KW-UNRECORDED",
        Class::Conflict,
        "Something carries the tags of this stack and is not in its journal: a copy that took the tags along, or the work of another kubewright. Nothing of the stack is missing, and nothing was done to it.",
        "Take the tag `kubewright-stack` off what is not the stack's; what is the stack's goes with `kubewright destroy NAME`.",
    ),
    entry(
        "KW-UNREACHABLE",
        Class::Unreachable,
        "The cloud did not answer, or not in full.",
        "Check the network and proxies, then run the same command again: what was begun continues.",
    ),
    entry(
        "KW-TIMEOUT",
        Class::Timeout,
        "The time given by `--timeout` ran out.",
        "Run the same command again with more time: what was begun continues.",
    ),
    entry(
        "KW-DEADLINE",
        Class::Timeout,
        "A step took longer than it ever should.",
        "The same command goes on waiting; `kubewright destroy NAME` removes what there is.",
    ),
    entry(
        "KW-INTERRUPTED",
        Class::Interrupted,
        "A signal ended the run. What was in flight is recorded.",
        "The same command continues; `kubewright destroy NAME` removes what there is.",
    ),
    entry(
        "KW-NODES",
        Class::Incomplete,
        "The nodes did not become Ready in time although the cloud's objects are.",
        "`kubewright status NAME` shows them; `--wait cloud` does not wait for them.",
    ),
    entry(
        "KW-SANDBOX",
        Class::Unexpected,
        "The rehearsal world cannot be started or reached.",
        "`kubewright sandbox reset` starts a new one.",
    ),
    entry(
        "KW-PREFLIGHT",
        Class::Spec,
        "A check before the first write failed. Nothing was created.",
        "The message says which and what it needs.",
    ),
    entry(
        "KW-ACCOUNT",
        Class::Auth,
        "The credentials belong to another account than the one that is pinned or recorded.",
        "`--profile` or `AWS_PROFILE` with credentials of that account.",
    ),
    entry(
        "KW-AWS-CLOCK",
        Class::Auth,
        "The clock of this machine is so far off that AWS takes no signature made here: five minutes is the most.",
        "Set the clock (`timedatectl set-ntp true`), then run the same command again.",
    ),
    entry(
        "KW-AWS-CREDENTIALS",
        Class::Auth,
        "No AWS credentials were found, or AWS refused them. Nothing was tried.",
        "`aws configure`, `AWS_PROFILE`, or rehearse with `--sandbox`.",
    ),
    entry(
        "KW-AWS-EXPIRED",
        Class::Auth,
        "The AWS credentials have expired.",
        "Sign in again (`aws sso login --profile NAME`); the same command then continues.",
    ),
    entry(
        "KW-AWS-DENIED",
        Class::Auth,
        "AWS does not allow these credentials to do that. The message names the action.",
        "Have that action allowed, or use other credentials. `kubewright policy NAME` prints all that the cluster needs, as IAM policies.",
    ),
    entry(
        "KW-AWS-QUOTA",
        Class::Quota,
        "A limit of the AWS account is too low.",
        "The hint holds the request that raises it; a smaller plan, other machine types or another region may fit today.",
    ),
    entry(
        "KW-AWS-CAPACITY",
        Class::Capacity,
        "AWS has no such machine left in these zones now.",
        "Continue with another `--node-type`, other `--zones`, or later.",
    ),
    entry(
        "KW-AWS-VERSION",
        Class::Spec,
        "EKS does not offer that Kubernetes version.",
        "Choose one that the message lists, or leave `version` out.",
    ),
    entry(
        "KW-AWS-ZONE",
        Class::Spec,
        "A zone is not in the region, or EKS or the instance type is not offered there.",
        "Choose others with `--zones`, or leave them out.",
    ),
    entry(
        "KW-AWS-TYPE",
        Class::Spec,
        "The instance type is not offered in the region, or not fit for the cluster.",
        "Choose another with `--node-type`.",
    ),
    entry(
        "KW-AWS-THROTTLED",
        Class::Unreachable,
        "AWS asked to slow down, again and again, until the retries were used up. Nothing is lost.",
        "Run the same command again in a minute: what was begun continues. Something else in the account may be calling too often.",
    ),
    entry(
        "KW-AWS-SERVER",
        Class::Unreachable,
        "AWS had a fault of its own, and trying again did not help in time.",
        "Run the same command again: what was begun continues. The AWS Health Dashboard tells of outages.",
    ),
    entry(
        "KW-AWS-ANSWER",
        Class::Unreachable,
        "What answered is not AWS, or cannot be read: a proxy, a sign-in page of a network, a wrong endpoint, an emulator without this operation.",
        "Check proxies and `AWS_ENDPOINT_URL`, then run the same command again.",
    ),
    entry(
        "KW-AWS-NOT-YET",
        Class::Timeout,
        "Something that was made is not visible or not ready at AWS yet.",
        "Run the same command again: it goes on waiting.",
    ),
    entry(
        "KW-AWS-EXISTS",
        Class::Conflict,
        "Something with that name or in that place is there already and is not this stack's.",
        "Remove or rename it, or choose another name or address range, then run the same command again.",
    ),
    entry(
        "KW-AWS-ABSENT",
        Class::Conflict,
        "Something that the call needs is not there any more: it was deleted outside of kubewright, or a journal tells of another account.",
        "`kubewright status NAME` shows what is missing; `kubewright provision NAME` makes it anew, `kubewright destroy NAME` removes the rest.",
    ),
    entry(
        "KW-AWS-BLOCKED",
        Class::Conflict,
        "Something that is not ours, or a switch that somebody turned on, keeps an object from being deleted.",
        "The message names it. Remove it or turn it off, then run `kubewright destroy NAME` again.",
    ),
    entry(
        "KW-AWS-REFUSED",
        Class::Spec,
        "AWS refused the request as it stands. The message holds its own words.",
        "Correct what the words name in the spec and continue; `kubewright destroy NAME` removes what there is.",
    ),
    entry(
        "KW-PRICES",
        Class::Unreachable,
        "A price API's answer cannot be used: another form or currency, half of what there must be, or a refusal.",
        "The prices that were known stay in force. `kubewright cost refresh` asks again; check the endpoint variables.",
    ),
    entry(
        "KW-PRICES-CREDENTIALS",
        Class::Auth,
        "The vendor says its prices to customers only, and nobody is signed in who may ask.",
        "Sign in, or name other vendors: `kubewright cost refresh --providers azure` needs nobody.",
    ),
    entry(
        "KW-GARBLED",
        Class::Unreachable,
        "What answered cannot be read as the cloud's: half a reply, a page for people, a proxy in between.",
        "Run the same command again: what was begun continues. Check proxies and the endpoint variables.",
    ),
    entry(
        "KW-GCP-CREDENTIALS",
        Class::Auth,
        "No Google credentials were found, or Google refused them. Nothing was tried.",
        "`gcloud auth application-default login`, `GOOGLE_APPLICATION_CREDENTIALS` with a key or federation file, or rehearse with `--sandbox`.",
    ),
    entry(
        "KW-GCP-EXPIRED",
        Class::Auth,
        "The Google credentials have ended, or their key was deleted.",
        "Sign in again (`gcloud auth application-default login`); the same command then continues.",
    ),
    entry(
        "KW-GCP-DENIED",
        Class::Auth,
        "Google does not allow these credentials to do that. The message names the permission.",
        "Have that permission given, or use other credentials. `kubewright policy NAME` prints all that the cluster needs, as a custom role.",
    ),
    entry(
        "KW-GCP-PROJECT",
        Class::Auth,
        "The Google Cloud project is not there, is being deleted, or is hidden from these credentials.",
        "Name the right one with `--project`; `gcloud projects list` shows what these credentials see.",
    ),
    entry(
        "KW-GCP-API-DISABLED",
        Class::Auth,
        "A service of Google's that is needed is off in the project.",
        "The hint switches it on; `provision` does so itself where it may.",
    ),
    entry(
        "KW-GCP-BILLING",
        Class::Auth,
        "The project has no billing account that pays, so that nothing can be made in it.",
        "`gcloud billing projects link PROJECT --billing-account ID`, then run the same command again.",
    ),
    entry(
        "KW-GCP-QUOTA",
        Class::Quota,
        "A limit of the Google Cloud project is too low.",
        "Ask for more under IAM & Admin, Quotas; a smaller plan, other machine types or another region may fit today.",
    ),
    entry(
        "KW-GCP-CAPACITY",
        Class::Capacity,
        "Google has no such machine left in these zones now.",
        "Continue with another `--node-type`, other `--zones`, or later.",
    ),
    entry(
        "KW-GCP-VERSION",
        Class::Spec,
        "GKE does not offer that Kubernetes version in the release channel.",
        "Choose one that the message lists, or leave `version` out.",
    ),
    entry(
        "KW-GCP-ZONE",
        Class::Spec,
        "A zone is not in the region, or the machine type is not offered there.",
        "Choose others with `--zones`, or leave them out.",
    ),
    entry(
        "KW-GCP-TYPE",
        Class::Spec,
        "The machine type is not offered in the region, or not fit for the cluster.",
        "Choose another with `--node-type`.",
    ),
    entry(
        "KW-GCP-THROTTLED",
        Class::Unreachable,
        "Google asked to slow down, again and again, until the retries were used up. Nothing is lost.",
        "Run the same command again in a minute: what was begun continues. Something else in the project may be calling too often.",
    ),
    entry(
        "KW-GCP-SERVER",
        Class::Unreachable,
        "Google had a fault of its own, and trying again did not help in time.",
        "Run the same command again: what was begun continues. status.cloud.google.com tells of outages.",
    ),
    entry(
        "KW-GCP-ANSWER",
        Class::Unreachable,
        "What answered is not Google, or cannot be read: a proxy, a sign-in page of a network, a wrong endpoint.",
        "Check proxies and the endpoint variables (`KUBEWRIGHT_GCP_…_ENDPOINT`, `CLOUDSDK_API_ENDPOINT_OVERRIDES_…`), then run the same command again.",
    ),
    entry(
        "KW-GCP-NOT-YET",
        Class::Timeout,
        "Something that was made is not visible or not ready at Google yet, or another operation holds it.",
        "Run the same command again: it goes on waiting.",
    ),
    entry(
        "KW-GCP-EXISTS",
        Class::Conflict,
        "Something with that name or in that place is there already and is not this stack's.",
        "Remove or rename it, or choose another name or address range, then run the same command again.",
    ),
    entry(
        "KW-GCP-ABSENT",
        Class::Conflict,
        "Something that the call needs is not there any more: it was deleted outside of kubewright, or a journal tells of another project.",
        "`kubewright status NAME` shows what is missing; `kubewright provision NAME` makes it anew, `kubewright destroy NAME` removes the rest.",
    ),
    entry(
        "KW-GCP-BLOCKED",
        Class::Conflict,
        "Something that is not ours keeps an object from being deleted.",
        "The message names it, and the hint removes it. Then run `kubewright destroy NAME` again.",
    ),
    entry(
        "KW-GCP-REFUSED",
        Class::Spec,
        "Google refused the request as it stands. The message holds its own words.",
        "Correct what the words name in the spec and continue; `kubewright destroy NAME` removes what there is.",
    ),
    entry(
        "KW-AZURE-CREDENTIALS",
        Class::Auth,
        "No Azure credentials were found, Entra refused them, or they do not see that subscription. Nothing was tried.",
        "`az login`, the variables `AZURE_TENANT_ID`, `AZURE_CLIENT_ID` and `AZURE_CLIENT_SECRET`, `--subscription`, or rehearse with `--sandbox`.",
    ),
    entry(
        "KW-AZURE-SUBSCRIPTION",
        Class::Auth,
        "The subscription is not to be seen with these credentials, is switched off, or several can be meant.",
        "Name one with `--subscription ID` or `AZURE_SUBSCRIPTION_ID`: the hints list those that can be seen.",
    ),
    entry(
        "KW-AZURE-TENANT",
        Class::Auth,
        "The credentials are of another tenant than the subscription.",
        "Sign in to the subscription's tenant: `az login --tenant ID`, or `AZURE_TENANT_ID` with an application of that tenant.",
    ),
    entry(
        "KW-AZURE-VERSION",
        Class::Spec,
        "AKS does not offer that Kubernetes version in the region, or supports it no more.",
        "Choose one that the message lists, or leave `version` out.",
    ),
    entry(
        "KW-AZURE-ZONE",
        Class::Spec,
        "A zone is not in the region, or the region has none.",
        "Zones are `1`, `2` and `3`: choose with `--zones`, or leave them out.",
    ),
    entry(
        "KW-AZURE-SIZE",
        Class::Spec,
        "The VM size is not offered in the region or its zones, not to this subscription, or not fit for the cluster.",
        "Choose another with `--node-type`; Azure's support lifts restrictions of a subscription on request.",
    ),
    entry(
        "KW-AZURE-EXPIRED",
        Class::Auth,
        "The Azure token, or the secret behind it, has expired.",
        "Sign in again (`az login`), or renew the secret; the same command then continues.",
    ),
    entry(
        "KW-AZURE-DENIED",
        Class::Auth,
        "Azure does not allow these credentials to do that. The message names the action, and where.",
        "Have that action allowed there, or use other credentials. `kubewright policy NAME` prints all that the cluster needs.",
    ),
    entry(
        "KW-AZURE-POLICY",
        Class::Auth,
        "A policy of the subscription forbids it.",
        "Ask whoever manages the policies, or build in another subscription.",
    ),
    entry(
        "KW-AZURE-LOCKED",
        Class::Conflict,
        "A lock keeps the object, or something around it, from being changed or removed.",
        "`az lock list -o table` shows it; whoever put it there can lift it. The same command then continues.",
    ),
    entry(
        "KW-AZURE-UNREGISTERED",
        Class::Spec,
        "A resource provider is not registered in the subscription.",
        "`az provider register --namespace NAMESPACE --wait`, then the same command again.",
    ),
    entry(
        "KW-AZURE-QUOTA",
        Class::Quota,
        "A limit of the subscription in this region is too low. The message has the numbers.",
        "Raise it in the portal under Quotas; a smaller plan, another machine family or another region may fit today.",
    ),
    entry(
        "KW-AZURE-CAPACITY",
        Class::Capacity,
        "Azure has no such machine left in these zones now, or does not sell it to this subscription.",
        "Continue with another `--node-type`, other `--zones`, or later.",
    ),
    entry(
        "KW-AZURE-BOOTSTRAP",
        Class::Spec,
        "Machines came up and could not join the cluster: no way out, no DNS, or no way to the API server.",
        "Look at routes, firewalls, DNS and `network.apiAllow`, then run the same command again.",
    ),
    entry(
        "KW-AZURE-THROTTLED",
        Class::Unreachable,
        "Azure asked to slow down, again and again, until the retries were used up. Nothing is lost.",
        "Run the same command again in a minute: what was begun continues. Something else in the subscription may be calling too often.",
    ),
    entry(
        "KW-AZURE-SERVER",
        Class::Unreachable,
        "Azure had a fault of its own, and trying again did not help in time.",
        "Run the same command again: what was begun continues. Azure Service Health tells of outages.",
    ),
    entry(
        "KW-AZURE-ANSWER",
        Class::Unreachable,
        "What answered is not Azure, or cannot be read: a proxy, a sign-in page of a network, a wrong endpoint, an emulator without this operation.",
        "Check proxies and `KUBEWRIGHT_ARM_ENDPOINT`, then run the same command again.",
    ),
    entry(
        "KW-AZURE-NOT-YET",
        Class::Timeout,
        "Something that was made is not visible or not ready at Azure yet, or another operation has it.",
        "Run the same command again: it goes on waiting.",
    ),
    entry(
        "KW-AZURE-EXISTS",
        Class::Conflict,
        "Something with that name or in that place is there already and is not this stack's.",
        "Remove or rename it, or choose another name or address range, then run the same command again.",
    ),
    entry(
        "KW-AZURE-ABSENT",
        Class::Conflict,
        "Something that the call needs is not there any more: it was deleted outside of kubewright, or a journal tells of another subscription.",
        "`kubewright status NAME` shows what is missing; `kubewright provision NAME` makes it anew, `kubewright destroy NAME` removes the rest.",
    ),
    entry(
        "KW-AZURE-BLOCKED",
        Class::Conflict,
        "Something that is not ours keeps an object from being deleted.",
        "The message names it. Remove it, then run `kubewright destroy NAME` again.",
    ),
    entry(
        "KW-AZURE-REFUSED",
        Class::Spec,
        "Azure refused the request as it stands. The message holds its own words.",
        "Correct what the words name in the spec and continue; `kubewright destroy NAME` removes what there is.",
    ),
    entry(
        "KW-NET-EGRESS",
        Class::Spec,
        "Nodes in an adopted subnet would not reach the services they need, so they would never join.",
        "Give the subnet a route to a NAT gateway, or endpoints for those services.",
    ),
    entry(
        "KW-NET-IPS",
        Class::Spec,
        "An adopted subnet has too few free addresses.",
        "Choose a larger subnet or fewer nodes.",
    ),
    entry(
        "KW-NET",
        Class::Spec,
        "The network as asked for cannot work.",
        "The message says why; change `network` in the file or the flags.",
    ),
    entry(
        "KW-K8S-ACCESS",
        Class::Unreachable,
        "The cluster's address or certificate, as the cloud gives it, cannot be used for a connection.",
        "`kubewright status NAME` shows what the cloud says of the cluster; continue once it is active.",
    ),
    entry(
        "KW-K8S-UNAUTHORIZED",
        Class::Auth,
        "The cluster's API server does not know these credentials.",
        "Use credentials of the account and identity that built it, or have an access entry made: `admins:` in the file when building.",
    ),
    entry(
        "KW-K8S-FORBIDDEN",
        Class::Auth,
        "The cluster's API server knows these credentials and does not allow that.",
        "Have an access policy or role binding given to them.",
    ),
    entry(
        "KW-K8S-CONFLICT",
        Class::Conflict,
        "An object in the cluster was changed by somebody else meanwhile.",
        "Run the same command again.",
    ),
    entry(
        "KW-K8S-THROTTLED",
        Class::Unreachable,
        "The cluster's API server asked to slow down until the retries were used up.",
        "Run the same command again in a minute.",
    ),
    entry(
        "KW-K8S-UNAVAILABLE",
        Class::Unreachable,
        "The cluster's API server had a fault of its own.",
        "Run the same command again; `kubewright status NAME` shows the cluster's health.",
    ),
    entry(
        "KW-K8S-UNREACHABLE",
        Class::Unreachable,
        "The cluster's API server does not answer from here.",
        "Check the network, proxies and `network.apiAllow`, which says who may connect.",
    ),
    entry(
        "KW-K8S-ANSWER",
        Class::Unreachable,
        "What answered is not a Kubernetes API server: a proxy, or a sign-in page of a network.",
        "Check proxies, then run the same command again.",
    ),
    entry(
        "KW-K8S-REQUEST",
        Class::Unexpected,
        "A request to the cluster could not be made: a fault of kubewright.",
        "Run the same command again with `-vv` and report what it prints.",
    ),
    entry(
        "KW-K8S-REFUSED",
        Class::Unexpected,
        "The cluster's API server refused the request. The message holds its own words.",
        "`kubewright status NAME` shows the cluster; a policy or webhook in it may be what refuses.",
    ),
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
            for text in [entry.meaning, entry.remedy] {
                assert!(text.len() > 10 && text.ends_with('.'), "{}: `{text}`", entry.id);
            }
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
