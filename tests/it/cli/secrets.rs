//! What must stay confidential does: planted secrets turn up in no output, no file and no command line, whatever the
//! cloud answers; and what kubewright writes is for its owner alone.

use crate::support::{
    Home, Said,
    canary::{ArgvWatch, Canaries, files, open_to_others},
    gateway::{Answer, Asked, Gateway},
    serving::{Serving, until},
};
use std::{
    os::unix::fs::PermissionsExt,
    path::PathBuf,
    process::Command,
    sync::atomic::{AtomicBool, Ordering::Relaxed},
};

/// In variables that every command of a test is started with.
const PLANTED: [(&str, &str); 5] = [
    ("HF_TOKEN", "hf_CanaryHub0123456789"),
    ("GITHUB_TOKEN", "canary-git-7731"),
    ("DB_PASSWORD", "canary-db-7732"),
    ("AZURE_CLIENT_SECRET", "canary-azure-7733"),
    ("HTTPS_PROXY_WITH_USER", "http://me:canary-proxy-7734@127.0.0.1:9"),
];
/// What only replies hold: nobody told kubewright that they are secret.
const REPLIED: [&str; 7] =
    ["canary-r1", "canary-r2", "canary-r3", "canary-r4", "canary-r5", "AKIACANARYCANARYCANA", "canary-r7"];

/// A sentence as a careless server or a proxy in between might write it.
fn indiscreet(asked: &Asked, more: &str) -> String {
    format!(
        "refused. Authorization: {} x-amz-security-token: {} you sent {more} SecretAccessKey=canary-r1 \
         {{\"SessionToken\":\"canary-r2\"}} <Password>canary-r3</Password> Bearer canary-r4 \
         https://me:canary-r5@proxy/ AKIACANARYCANARYCANA k8s-aws-v1.canary-r7",
        asked.header("authorization"),
        asked.header("x-amz-security-token"),
    )
}

/// `Authorization:` of any request made with these credentials holds neither, but what signs with them counts too.
fn all_of(more: &[&str]) -> Canaries {
    let planted = PLANTED.iter().map(|(_, value)| value.strip_prefix("http://me:").unwrap_or(value));
    let planted = planted.map(|value| value.split('@').next().unwrap_or(value));
    Canaries::of(planted.chain(REPLIED).chain(more.iter().copied()).chain(["AWS4-HMAC-SHA256", "k8s-aws-v1."]))
}

fn told(said: &Said, code: i32, word: &str) {
    assert_eq!(said.code, code, "stdout: {}\nstderr: {}", said.out, said.err);
    assert!(said.err.contains(word) || said.out.contains(word), "no {word}: {}\n{}", said.out, said.err);
}

#[test]
fn a_whole_life_with_an_indiscreet_cloud_shows_no_secret() {
    let home = Home::new();
    let server = Serving::start(&home);
    let (throttled, refused, kept) = (AtomicBool::new(false), AtomicBool::new(false), AtomicBool::new(false));
    let secret = server.env["AWS_SECRET_ACCESS_KEY"].clone();
    let words = format!("{} {} {}", secret, PLANTED[0].1, PLANTED[1].1);
    let gateway = Gateway::start(Some(server.url.clone()), move |asked| {
        let once = |flag: &AtomicBool| !flag.swap(true, Relaxed);
        match (asked.action(), asked.line()) {
            ("CreateNatGateway", _) if once(&throttled) => {
                Some(asked.refuse(503, "RequestLimitExceeded", &indiscreet(asked, &words)))
            }
            (_, "POST /clusters/demo/node-groups") if once(&refused) => {
                Some(asked.refuse(400, "InvalidParameterException", &indiscreet(asked, &words)))
            }
            ("DeleteVpc", _) if once(&kept) => {
                Some(asked.refuse(400, "OperationNotPermitted", &indiscreet(asked, &words)))
            }
            _ => None,
        }
    });
    let canaries = all_of(&[&secret]);
    let watch = ArgvWatch::start(home.path());
    let run = |words: &[&str]| {
        let mut command = server.command(&home, &gateway.url());
        let said = Said::of(command.envs(PLANTED).args(words));
        canaries.assert_unsaid(&words.join(" "), &said);
        said
    };
    let build = ["provision", "demo", "--provider", "aws", "--region", "us-east-1", "--yes", "--wait", "cloud"];
    let failed = run(&[&build[..], &["-vv", "--events", "events-1"]].concat());
    told(&failed, 9, "nodes/pool/default");
    assert!(failed.err.contains("aws call") && failed.err.contains("***"), "calls, and hidden words: {}", failed.err);
    assert!(failed.err.contains("again in"), "the throttled call is told: {}", failed.err);
    told(&run(&["status", "demo", "-vv"]), 0, "FAILED");
    told(&run(&["history", "demo"]), 0, "***");
    told(&run(&[&build[..], &["-o", "json", "--events", "events-2"]].concat()), 0, "resumed");
    for words in [&["status", "demo"][..], &["status", "-o", "json"], &["history", "demo", "-o", "json"]] {
        run(words).expect(0);
    }
    run(&["protect", "demo", "on"]).expect(0);
    run(&["protect", "demo", "off"]).expect(0);
    told(&run(&["destroy", "demo", "--confirm", "demo", "--events", "-", "-vv"]), 9, "***");
    run(&["destroy", "demo", "--confirm", "demo", "-o", "json"]).expect(0);

    let commands = watch.end();
    assert!(commands.iter().any(|words| words.windows(7).any(|part| part == b"history")), "no process was seen");
    for words in &commands {
        assert_eq!(canaries.found_in(words), [""; 0], "{}", String::from_utf8_lossy(words));
    }
    let searched = canaries.assert_not_below(home.path(), &[home.path().join("served/env")]);
    assert!(searched > 8, "journal, locks, events, world: only {searched} files");
    let journal =
        files(&home.path().join("kw/stacks")).into_iter().find(|file| file.extension().is_some_and(|e| e == "jsonl"));
    let journal = std::fs::read_to_string(journal.unwrap()).unwrap();
    assert!(journal.contains("InvalidParameterException") && journal.contains("***"), "the failure is recorded");
}

/// Knows who we are and refuses everything else, telling all it knows.
fn gossip(more: &'static str) -> Gateway {
    Gateway::start(None, move |asked| {
        Some(match asked.action() {
            "GetCallerIdentity" if more.is_empty() => asked.refuse(403, "InvalidClientTokenId", &indiscreet(asked, more)),
            "GetCallerIdentity" => Answer {
                status: 200,
                headers: "content-type: text/xml\r\n".to_owned(),
                body: "<GetCallerIdentityResponse><GetCallerIdentityResult><Arn>arn:aws:iam::123456789012:user/ana</Arn><UserId>AIDA</UserId><Account>123456789012</Account></GetCallerIdentityResult><ResponseMetadata><RequestId>r</RequestId></ResponseMetadata></GetCallerIdentityResponse>".to_owned(),
            },
            // An answer that is none: cut off in the middle, with everything in it.
            "DescribeVpcs" => Answer { status: 200, headers: String::new(), body: format!("<Desc {}", indiscreet(asked, more)) },
            _ => asked.refuse(400, "ValidationException", &indiscreet(asked, more)),
        })
    })
}

const SECRET: &str = "wJalrCanary/K7MDENG+bPxRfiCYCanarySecret";
const SESSION: &str = "canary/session+token/0123456789==";

#[test]
fn credentials_from_everywhere_stay_hidden_when_the_cloud_echoes_them() {
    let knows = gossip("wJalrCanary/K7MDENG+bPxRfiCYCanarySecret canary/session+token/0123456789== canary-git-7731");
    let refuses = gossip("");
    let canaries = all_of(&[SECRET, SESSION]);
    let home = Home::new();
    let keys = format!(
        "AWS_ACCESS_KEY_ID=AKIACANARYCANARYCANA\nAWS_SECRET_ACCESS_KEY={SECRET}\nAWS_SESSION_TOKEN={SESSION}\n"
    );
    let shared = format!(
        "[default]\naws_access_key_id = AKIACANARYCANARYCANA\naws_secret_access_key = {SECRET}\naws_session_token = {SESSION}\n"
    );
    home.write("keys.env", &keys);
    home.write("broken.env", &format!("{keys}\nthis line is {SECRET}\n"));
    home.write("shared", &shared);
    home.write("broken", &format!("[default]\naws_secret_access_key {SECRET}\n[oops {SESSION}\n"));
    home.write("process", "[default]\ncredential_process = sh helper.sh\n");
    home.write(
        "helper.sh",
        &format!("echo 'cannot: token {SESSION} secret {SECRET}' >&2; echo 'password={SECRET}'; exit 3\n"),
    );
    let planted: Vec<PathBuf> = files(home.path());
    assert_eq!(canaries.found_in(&std::fs::read(home.path().join("keys.env")).unwrap()).len(), 3, "the search finds");

    let from_env = |command: &mut Command| {
        command.env("AWS_ACCESS_KEY_ID", "AKIACANARYCANARYCANA").env("AWS_SECRET_ACCESS_KEY", SECRET);
        command.env("AWS_SESSION_TOKEN", SESSION);
    };
    type Source<'a> = (&'a str, &'a dyn Fn(&mut Command));
    let sources: [Source<'_>; 6] = [
        ("environment", &from_env),
        ("dotenv", &|command| _ = command.args(["--dotenv", "keys.env"])),
        ("broken dotenv", &|command| _ = command.args(["--dotenv", "broken.env"])),
        ("shared file", &|command| _ = command.env("AWS_SHARED_CREDENTIALS_FILE", home.path().join("shared"))),
        ("broken shared file", &|command| _ = command.env("AWS_SHARED_CREDENTIALS_FILE", home.path().join("broken"))),
        ("process", &|command| _ = command.env("AWS_CONFIG_FILE", home.path().join("process"))),
    ];
    let verbs: [&[&str]; 5] = [
        &["provision", "demo", "--provider", "aws", "--yes"],
        &["provision", "demo", "--provider", "aws", "--dry-run", "-o", "json"],
        &["status", "demo", "-o", "yaml"],
        &["destroy", "demo", "--from-tags", "--confirm", "demo", "--events", "-"],
        &["recover", "demo", "--events", "events"],
    ];
    for (at, (source, plant)) in sources.iter().enumerate() {
        for (verb, words) in verbs.iter().enumerate() {
            // Half of them meet the server that knows us, the others the one that does not.
            let server = if (at + verb) % 2 == 0 { &knows } else { &refuses };
            let mut command = home.command();
            command
                .envs(PLANTED)
                .env("KUBEWRIGHT_PROVIDER", "aws")
                .env("AWS_ENDPOINT_URL", server.url())
                .env("AWS_REGION", "us-east-1");
            command.env("AWS_EC2_METADATA_DISABLED", "true").arg("-vv").args(*words);
            plant(&mut command);
            let said = Said::of(&mut command);
            let what = format!("{source}, {}", words.join(" "));
            canaries.assert_unsaid(&what, &said);
            assert!((1..=11).contains(&said.code), "{what}: {} {}", said.code, said.err);
            assert!(said.err.contains("error[KW-") && !said.err.contains("KW-BUG"), "{what}: {}", said.err);
        }
    }
    assert!(knows.asked() > 20 && refuses.asked() > 5, "{} {}", knows.asked(), refuses.asked());
    canaries.assert_not_below(home.path(), &planted);
}

#[test]
fn the_search_for_secrets_finds_what_is_shown() {
    let home = Home::new();
    let shown = home.run(&["help", "canary-in-plain-sight"]).expect(2);
    let canaries = Canaries::of(["canary-in-plain-sight", "never/planted+1"]);
    assert_eq!(canaries.found_in(shown.err.as_bytes()), ["canary-in-plain-sight"]);
    assert_eq!(canaries.found_in(b"?x=never%2Fplanted%2B1"), ["never/planted+1"]);
    let hidden =
        Said::of(home.command().env("MY_TOKEN", "canary-in-plain-sight").args(["help", "canary-in-plain-sight"]));
    assert_eq!(canaries.found_in(hidden.expect(2).err.as_bytes()), [""; 0], "what a variable calls a token is one");
    let watch = ArgvWatch::start(home.path());
    until("a command line", || {
        home.run(&["help", "canary-in-plain-sight"]);
        watch.has_seen("canary-in-plain-sight").then_some(())
    });
    assert!(watch.end().iter().any(|words| !canaries.found_in(words).is_empty()));
}

/// The binary under a mask that hides nothing.
fn unmasked(home: &Home) -> Command {
    let mut command = home.command();
    let program = command.get_program().to_owned();
    let mut shell = Command::new("sh");
    shell.env_clear().current_dir(home.path());
    shell.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    shell.args(["-c", "umask 000; exec \"$0\" \"$@\""]).arg(program);
    command.env_clear();
    shell
}

#[test]
fn whatever_the_umask_files_are_for_their_owner_alone() {
    let home = Home::new();
    let run = |words: &[&str]| Said::of(unmasked(&home).args(words));
    let check = |when: &str| {
        let (open, seen) = open_to_others(home.path());
        assert_eq!(open, [""; 0], "{when}");
        seen
    };
    {
        let mut command = unmasked(&home);
        command.env("KUBEWRIGHT_SANDBOX_FAULT", "*:mutating=hold-before@3");
        let _server = Serving::with(&home, command);
        let build = ["--sandbox", "provision", "demo", "--provider", "aws", "--region", "us-east-1", "--yes"];
        let mut held = unmasked(&home).args(build).args(["--events", "events"]).spawn().unwrap();
        until("a held call", || home.path().join("kw/sandbox/holds/1.json").exists().then_some(()));
        assert!(check("while a call is held") > 12);
        held.kill().unwrap();
        held.wait().unwrap();
    }
    run(&["--sandbox", "provision", "demo", "--yes", "--wait", "cloud"]).expect(0);
    check("built");
    run(&["--sandbox", "recover", "demo"]).expect(8);
    run(&["--sandbox", "destroy", "demo", "--from-tags", "--confirm", "demo"]).expect(0);
    assert!(check("destroyed from the tags, the old journal set aside") > 14);
    run(&["sandbox", "reset"]).expect(0);
    check("reset");
    // The negative control: what others may read is told.
    std::fs::set_permissions(home.path().join("kw"), PermissionsExt::from_mode(0o755)).unwrap();
    assert_eq!(open_to_others(home.path()).0.len(), 1);
}

#[test]
fn directories_that_are_there_keep_their_mode_and_files_in_them_are_private() {
    let home = Home::new();
    for dir in ["kw", "kw/sandbox", "kw/sandbox/stacks"] {
        std::fs::create_dir(home.path().join(dir)).unwrap();
        std::fs::set_permissions(home.path().join(dir), PermissionsExt::from_mode(0o755)).unwrap();
    }
    let held = ["--sandbox", "provision", "demo", "--provider", "aws", "--region", "us-east-1", "--yes"];
    let failed = Said::of(unmasked(&home).env("KUBEWRIGHT_SANDBOX_FAULT", "ec2:CreateSubnet=capacity").args(held));
    assert_eq!(failed.code, 9, "{}", failed.err);
    let open = open_to_others(&home.path().join("kw")).0;
    let open: Vec<&str> = open.iter().map(|line| line.rsplit('/').next().unwrap()).collect();
    assert_eq!(open, ["sandbox", "stacks"]);
    assert!(files(&home.path().join("kw/sandbox/stacks")).len() >= 2, "journal and lock");
}
