//! Input that cannot be: a clear error with the right exit code, all problems at once and with their place, never a
//! panic, and nothing made: no call that changes anything, no file of state.

use crate::support::{Home, Said, serving::Serving};
use std::os::unix::fs::PermissionsExt;

/// A home with the sandbox up, and the count of what was changed.
struct Bench {
    home: Home,
    _server: Serving,
}

impl Bench {
    fn new() -> Self {
        let home = Home::new();
        let server = Serving::start(&home);
        Self { home, _server: server }
    }

    fn run(&self, words: &[&str]) -> Said {
        sane(words, self.home.rehearse(words))
    }

    /// Provision with these words more.
    fn asked(&self, words: &[&str]) -> Said {
        self.run(&[&["provision", "demo", "--provider", "aws", "--region", "us-east-1", "--yes"], words].concat())
    }

    /// Provision what this file says.
    fn file(&self, text: impl AsRef<[u8]>) -> Said {
        std::fs::write(self.home.path().join("c.yaml"), text).unwrap();
        self.run(&["provision", "-f", "c.yaml", "--yes"])
    }

    fn nothing_was_made(&self) {
        let shown = self.home.run(&["sandbox", "show", "-o", "json"]).expect(0).json();
        assert_eq!(shown["requests"]["mutating"], 0, "{shown:#}");
        assert_eq!(shown["totals"]["objects"], 0);
        assert!(!self.home.path().join("kw/sandbox/stacks").exists(), "a journal was begun");
    }
}

fn sane(words: &[&str], said: Said) -> Said {
    for fault in ["panicked", "KW-BUG", "RUST_BACKTRACE"] {
        assert!(!said.err.contains(fault), "{words:?}: {}", said.err);
    }
    assert!(said.code == 0 || said.err.contains("error[KW-"), "{words:?}: {} {}", said.code, said.err);
    said
}

const HEAD: &str = "apiVersion: kubewright/v1\nkind: Cluster\nname: demo\nprovider: aws\nregion: us-east-1\n";

#[test]
fn a_file_full_of_mistakes_is_told_all_of_them_with_their_places() {
    let bench = Bench::new();
    let said = bench
        .file(format!(
            "{HEAD}regoin: x\nversion: 1.35.2\nttl: 5\nprotect: perhaps\nname: demo\nbudget: {{ hourlyUsd: -1, weekly: 3 }}\n\
             network: {{ cidr: 10.0.0.0/24, zoneCount: 9, nat: maybe, apiAllow: [1.2.3.4, 5.0.0.0/8, 5.6.0.0/16] }}\n\
             nodePools:\n  - {{ name: a, count: 0, cout: 1 }}\n  - {{ name: a, min: 5, max: 2 }}\n  - {{ name: Ä, instanceType: m6a.large, diskGiB: 1 }}\n"
        ))
        .expect(2);
    for told in [
        "c.yaml:6:1: regoin: unknown key; did you mean `region`?",
        "c.yaml:7:10: version: `1.35.2` is not a Kubernetes minor version",
        "c.yaml:8:6: ttl: `5` is not a span",
        "c.yaml:9:10: protect: expected true or false",
        "c.yaml:10:1: name: this key is given twice",
        "c.yaml:11:22: budget.hourlyUsd: must be a number above 0",
        "c.yaml:11:26: budget.weekly: unknown key",
        "c.yaml:12:18: network.cidr: a network of /24 cannot be used, only /16 to /23; write `10.0.0.0/23`",
        "c.yaml:12:42: network.zoneCount: must be between",
        "c.yaml:12:50: network.nat: `maybe` is not one of none, single, per-zone",
        "network.apiAllow[0]: `1.2.3.4` is an address without a range; write `1.2.3.4/32`",
        "network.apiAllow[2]: `5.6.0.0/16` lies within `5.0.0.0/8`",
        "c.yaml:14:26: nodePools[0].cout: unknown key; did you mean `count`?",
        "nodePools[1].name: `a` is also the name of nodePools[0]",
        "nodePools[1].min: min 5 is more than max 2",
        "nodePools[2].name",
        "nodePools[2].diskGiB",
        "problems in what was asked for; nothing was created",
    ] {
        assert!(said.err.contains(told), "{told} is missing in\n{}", said.err);
    }
    let doc = bench.run(&["provision", "-f", "c.yaml", "--yes", "-o", "json"]).expect(2).json();
    assert_eq!(doc["error"]["id"], "KW-SPEC");
    assert!(doc["error"]["details"].as_array().unwrap().len() >= 17, "programs get them all too: {doc:#}");
    bench.nothing_was_made();
}

#[test]
fn whatever_stands_in_a_file_is_refused_in_one_line_of_words() {
    let bench = Bench::new();
    let bomb = (1..20).fold("a0: &a0 [x]\n".to_owned(), |text, n| {
        let (old, new) = (n - 1, n);
        format!("{text}a{new}: &a{new} [*a{old},*a{old},*a{old},*a{old}]\n")
    });
    let deep = format!("{HEAD}tags: {}1{}", "{ a: ".repeat(5_000), " }".repeat(5_000));
    let stairs: String = (0..300).map(|n| format!("{}a:\n", " ".repeat(n))).collect();
    let cases: Vec<(Vec<u8>, &str)> = vec![
        (b"".to_vec(), "apiVersion: missing"),
        (b"\n# nothing\n".to_vec(), "kind: missing"),
        (b"\0\0\0\0".to_vec(), "c.yaml:1:1"),
        (vec![0xff, 0xfe, b'a', 0, b':', 0], "is not UTF-8"),
        ((0..=255).cycle().take(100_000).collect(), "is not UTF-8"),
        (b"\x7fELF\x02\x01\x01\0\0\0".to_vec(), "c.yaml:1:"),
        (b"[1, 2]".to_vec(), "c.yaml:1:1: expected a mapping, found a list"),
        (b"just text".to_vec(), "c.yaml:1:1: expected a mapping"),
        (format!("{HEAD}\tttl: 8h\n").into_bytes(), "indent with spaces"),
        (format!("{HEAD}network:\n\tnat: none\n").into_bytes(), "indent with spaces"),
        (format!("{HEAD}---\n{HEAD}").into_bytes(), "c.yaml:6:1: a second document begins here"),
        (format!("{HEAD}tags: &t {{a: b}}\n").into_bytes(), "c.yaml:6:"),
        (bomb.into_bytes(), "anchors (`&name`) are not read here"),
        (format!("{HEAD}<<: {{a: b}}\n").into_bytes(), "merge keys"),
        (format!("{HEAD}version: !!float 1.30\n").into_bytes(), "tags (`!!float`) are not read here"),
        (deep.into_bytes(), "deep"),
        (stairs.into_bytes(), "nested deeper"),
        (format!("{HEAD}tags: {{ note: {} }}\n", "x".repeat(300_000)).into_bytes(), "longer than"),
        (vec![b'#'; 3_000_000], "longer than"),
        (format!("{HEAD}nodePools: 3\n").into_bytes(), "c.yaml:6:12: nodePools: expected a list"),
        (format!("{HEAD}nodePools: []\n").into_bytes(), "the cluster would have no nodes"),
        (format!("{HEAD}network: [none]\n").into_bytes(), "c.yaml:6:10: network: expected a mapping"),
        (format!("{HEAD}tags: {{ \"aws:x\": y }}\n").into_bytes(), "c.yaml:6:"),
        (format!("{HEAD}tags: {{ kubewright-stack: y }}\n").into_bytes(), "c.yaml:6:"),
        (HEAD.replace("name: demo", "name: \"de\\u0000mo\"").into_bytes(), "c.yaml:3:7: name"),
        (HEAD.replace("name: demo", "name: démo").into_bytes(), "c.yaml:3:7: name"),
        (HEAD.replace("kubewright/v1", "kubewright/v2").into_bytes(), "c.yaml:1:13: apiVersion"),
        (HEAD.replace("Cluster", "Deployment").into_bytes(), "c.yaml:2:7: kind"),
    ];
    for (text, told) in &cases {
        let said = bench.file(text).expect(2);
        assert!(said.err.contains(told), "{told} is missing in {}", said.err);
        assert!(said.err.len() < 3_000, "too much: {}", said.err);
    }
    // What is harmless is no mistake: a byte order mark, line ends of another system.
    let dry = |text: String| {
        std::fs::write(bench.home.path().join("c.yaml"), text).unwrap();
        bench.run(&["provision", "-f", "c.yaml", "--dry-run", "-o", "json"]).expect(0).json()["planHash"].clone()
    };
    assert_eq!(dry(HEAD.to_owned()), dry(format!("\u{feff}{}", HEAD.replace('\n', "\r\n"))));
    for (file, told) in [(".", "is a directory"), ("none.yaml", "no such file"), ("/dev/zero", "longer than")] {
        let said = bench.run(&["provision", "-f", file, "--yes"]).expect(2);
        assert!(said.err.contains("KW-USAGE") && said.err.contains(told), "{file}: {}", said.err);
    }
    bench.nothing_was_made();
}

#[test]
fn what_cannot_be_is_refused_whoever_asks_for_it() {
    let bench = Bench::new();
    let cases: &[(&[&str], &str)] = &[
        (&["--nodes", "0"], "the cluster would have no nodes"),
        (&["--nodes", "-1"], "'-1' for '--nodes"),
        (&["--nodes", "100000"], "must be between"),
        (&["--nodes", "two"], "'two' for '--nodes"),
        (&["--pool", "name=a,min=5,max=2"], "min 5 is more than max 2"),
        (&["--pool", "name=a,min=0,max=3"], "autoscaler"),
        (&["--pool", "name=a,name=b"], "`name` is given twice"),
        (&["--pool", "nonsense"], "has no value"),
        (&["--pool", "type=m6a.large"], "the pool has no name"),
        (&["--pool", ""], "the pool has no name"),
        (&["--node-type", "m99.huge"], "no instance type m99.huge in us-east-1"),
        (&["--node-type", "m6a.larg"], "did you mean m6a.large?"),
        (&["--node-type", "inf2.xlarge"], "drivers are installed for NVIDIA GPUs only"),
        (&["--node-type", "mac2.metal"], "mac2.metal"),
        (&["--node-type", "../../etc"], "../../etc"),
        (&["--zones", "us-east-1a,eu-west-1a"], "no zone eu-west-1a in us-east-1"),
        (&["--zones", "us-east-1a"], "at least 2 zones"),
        (&["--zones", "us-east-1a,us-east-1a"], "is in the list twice"),
        (&["--zones", "us-east-1a,us-east-1e"], "us-east-1e"),
        (&["--zone-count", "7"], "must be between"),
        (&["--zone-count", "1"], "2 zones"),
        (&["--zone-count", "300"], "300"),
        (&["--zone-count", "2", "--zones", "us-east-1a,us-east-1b"], "cannot be used with"),
        (&["--version", "1.99"], "EKS does not offer Kubernetes 1.99"),
        (&["--version", "latest"], "is not a Kubernetes minor version"),
        (&["--network-cidr", "10.0.0.0/8"], "only /16 to /23"),
        (&["--network-cidr", "10.0.0.0/24"], "only /16 to /23"),
        (&["--network-cidr", "10.0.0.1/16"], "has bits set after the prefix"),
        (&["--network-cidr", "127.0.0.0/16"], "hosts can have"),
        (&["--network-cidr", "224.0.0.0/16"], "hosts can have"),
        (&["--network-cidr", "10.0.0.0/33"], "10.0.0.0/33"),
        (&["--network-cidr", "fd00::/48"], "fd00::/48"),
        (&["--api-allow", "10.0.0.0/8"], "is a private range"),
        (&["--api-allow", "5.6.7.0/24,5.6.0.0/16"], "lies within"),
        (&["--ttl", "yesterday"], "yesterday"),
        (&["--max-hourly-cost", "-1"], "'-1' for '--max-hourly-cost"),
        (&["--max-hourly-cost", "inf"], "is not an amount in USD"),
        (&["--set", "network"], "has no value"),
        (&["--set", "=x"], "is not a key path"),
        (&["--set", "network.nat=maybe"], "is not one of none, single, per-zone"),
        (&["--set", "netwrk.nat=none"], "did you mean `network`?"),
        (&["--set", "nodePools=[{"], "this is not YAML"),
        (&["--set", "nodePools.gpu.count=1"], "no node pool `gpu`"),
        (&["--set", "tags.a=b,c"], "AWS takes"),
        (&["--set", "provider=gcp"], "--provider says `aws`"),
        (&["--set", "region=eu-west-1"], "--region says `us-east-1`"),
        (&["--set", "name=other"], "NAME says `demo`"),
        (&["--nat", "none", "--set", "network.nat=single"], "`--nat none` says otherwise"),
        (&["--nodes", "3", "--pool", "name=default,count=4"], "`--nodes 3` says otherwise"),
        (&["--wait", "forever"], "forever"),
        (&["--on-failure", "cry"], "cry"),
        (&["--timeout", "soon"], "soon"),
        (&["--region", "us-east-1"], "--region"),
        (&["-o", "json", "--events", "-"], "owns stdout"),
        (&["-o", "xml"], "xml"),
        (&["--events", "."], "is a directory"),
        (&["--dotenv", "none.env"], "no such file"),
        (&["extra"], "extra"),
    ];
    for (words, told) in cases {
        let said = bench.asked(words);
        assert_eq!(said.code, 2, "{words:?}: {}", said.err);
        assert!(said.err.contains(told), "{words:?}: {told} is missing in {}", said.err);
    }
    let unlike = bench.asked(&["--expect-plan", "nonsense"]).expect(8);
    assert!(unlike.err.contains("instead of nonsense; nothing was created"), "{}", unlike.err);
    bench.nothing_was_made();
}

#[test]
fn names_and_regions_that_are_none_are_told_without_asking_a_cloud() {
    let home = Home::new();
    let long = "a".repeat(101);
    for name in [
        "a",
        &long,
        "dé",
        "演示",
        "Demo",
        "de mo",
        "-x",
        "demo-",
        "1demo",
        "de_mo",
        "de.mo",
        "",
        "demo\u{301}",
        "../up",
        "demo\n",
    ] {
        for verb in [
            &["provision", "--provider", "aws"][..],
            &["destroy", "--confirm", "x"],
            &["status"],
            &["recover"],
            &["history"],
        ] {
            let words = [&verb[..1], &["--region", "us-east-1"], &verb[1..], &["--", name]].concat();
            let said = sane(&words, home.run(&words)).expect(2);
            assert!(said.err.contains("<NAME>") || said.err.contains("[NAME]"), "{words:?}: {}", said.err);
        }
    }
    for (region, told) in [
        ("us-esat-1", "did you mean `us-east-1`?"),
        ("eastus", "is a region of azure"),
        ("europe-west1", "is a region of gcp"),
        ("us-east-1a", "us-east-1"),
        ("US-EAST-1", "us-east-1"),
        ("us east 1", "no region's name"),
        ("", "no region's name"),
        ("ру-восток-1", "no region's name"),
    ] {
        for verb in [&["provision", "demo", "--dry-run"][..], &["status", "demo"], &["recover", "demo"]] {
            let words = [verb, &["--provider", "aws", "--region", region]].concat();
            let said = sane(&words, home.run(&words)).expect(2);
            assert!(said.err.contains(told), "{words:?}: {told} is missing in {}", said.err);
        }
    }
    for provider in ["gcp", "azure", "ibm", "AWS ", ""] {
        let words = ["provision", "demo", "--provider", provider, "--region", "us-east-1"];
        sane(&words, home.run(&words)).expect(2);
    }
    assert!(!home.path().join("kw").exists(), "a refusal left a trace");
}

#[test]
fn variables_and_files_of_settings_are_judged_like_flags() {
    let home = Home::new();
    let with = |name: &str, value: &str| Said::of(home.command().env(name, value).args(["status", "--local"]));
    for (name, value) in [
        ("KUBEWRIGHT_OUTPUT", "xml"),
        ("KUBEWRIGHT_TIMEOUT", "soon"),
        ("KUBEWRIGHT_LOCK_TIMEOUT", "-3"),
        ("KUBEWRIGHT_PROVIDER", "ibm"),
        ("KUBEWRIGHT_REGION", "us east"),
        ("KUBEWRIGHT_DOTENV", "none.env"),
    ] {
        let said = sane(&[name], with(name, value)).expect(2);
        assert!(said.err.contains(name) || said.err.contains(value), "{name}: {}", said.err);
    }
    let misspelt = with("KUBEWRIGHT_REGOIN", "us-east-1").expect(0);
    assert!(misspelt.err.contains("did you mean KUBEWRIGHT_REGION?"), "{}", misspelt.err);
    for (text, told) in [
        ("AWS_REGION", "bad.env:1: "),
        ("KUBEWRIGHT_REGION=us-east-1\n1A=b\n", "bad.env:2: "),
        ("A='b\n", "the quote is not closed"),
    ] {
        home.write("bad.env", text);
        let said = home.run(&["status", "--local", "--dotenv", "bad.env"]).expect(2);
        assert!(said.err.contains(told), "{}", said.err);
    }
    std::fs::write(home.path().join("bad.env"), [b'A', b'=', 0xff]).unwrap();
    home.run(&["status", "--local", "--dotenv", "bad.env"]).expect(2);
    std::fs::create_dir_all(home.path().join(".config/kubewright")).unwrap();
    for text in ["regoin: x\n", "[", "region: [a]\n"] {
        home.write(".config/kubewright/config.yaml", text);
        let said = sane(&[text], home.run(&["status", "--local"])).expect(2);
        assert!(said.err.contains("config.yaml"), "{}", said.err);
    }
    assert!(!home.path().join("kw").exists(), "a refusal left a trace");
}

#[test]
fn a_state_directory_that_cannot_be_used_is_named_before_anything_is_made() {
    // Where this test runs as root every mode is open to it: then only what is no directory can be in the way.
    let bench = Bench::new();
    let server = &bench._server;
    let build = ["provision", "demo", "--provider", "aws", "--region", "us-east-1", "--yes"];
    bench.home.write("file", "not a directory");
    let sealed = bench.home.path().join("sealed");
    std::fs::create_dir(&sealed).unwrap();
    std::fs::set_permissions(&sealed, PermissionsExt::from_mode(0o555)).unwrap();
    let is_root = std::fs::write(sealed.join("try"), "").is_ok();
    let mut places = vec!["file", "file/below", "/dev/null", "/proc/self/nothing"];
    if !is_root {
        places.push("sealed/below");
    }
    for place in places {
        let mut command = server.command(&bench.home, &server.url);
        command.env("KUBEWRIGHT_HOME", bench.home.path().join(place)).args(build);
        let said = sane(&[place], Said::of(&mut command)).expect(8);
        assert!(said.err.contains("KW-STATE") && said.err.contains("KUBEWRIGHT_HOME"), "{place}: {}", said.err);
    }
    bench.nothing_was_made();
}
