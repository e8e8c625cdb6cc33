//! Tab in every shell: through each one's own protocol, and in a real bash where there is one.

use crate::support::Home;
use std::process::Command;

const SHELLS: [&str; 5] = ["bash", "zsh", "fish", "elvish", "powershell"];

/// What the shell is told at the last of these words, a line per candidate.
fn tab(home: &Home, shell: &str, words: &[&str]) -> Vec<String> {
    let mut command = home.command();
    let last = words.last().copied().unwrap_or_default();
    command.env("KUBEWRIGHT_COMPLETE", shell).env("_CLAP_COMPLETE_INDEX", (words.len() - 1).to_string());
    command.env("_CLAP_COMPLETE_WORD", last).env("_CLAP_COMPLETE_COMP_TYPE", "9");
    let output = command.arg("--").args(words).output().unwrap();
    assert!(output.status.success() && output.stderr.is_empty(), "{shell} {words:?}: {output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    text.split(['\n', '\u{b}']).filter(|line| !line.is_empty()).map(str::to_owned).collect()
}

/// The candidates without what is said of them.
fn names(home: &Home, words: &[&str]) -> Vec<String> {
    tab(home, "fish", words).into_iter().map(|line| line.split('\t').next().unwrap().to_owned()).collect()
}

fn journal(home: &Home) -> std::path::PathBuf {
    let dir = std::fs::read_dir(home.path().join("kw/sandbox/stacks")).unwrap();
    let mut found = dir.map(|entry| entry.unwrap().path());
    found.find(|path| path.extension().is_some_and(|end| end == "jsonl")).expect("there is a journal")
}

#[test]
fn clusters_come_with_where_they_are_and_what_they_cost() {
    let home = Home::new();
    home.rehearse(&["provision", "demo", "--yes", "--wait", "cloud", "--provider", "aws", "--region", "us-east-1"])
        .expect(0);
    home.rehearse(&["provision", "old", "--yes", "--wait", "cloud", "--provider", "aws", "--region", "eu-west-1"])
        .expect(0);
    let destroy = ["kubewright", "--sandbox", "destroy", ""];
    assert_eq!(
        tab(&home, "fish", &destroy),
        ["demo\taws/us-east-1, ready, $0.33/h", "old\taws/eu-west-1, ready, $0.35/h"]
    );
    assert_eq!(tab(&home, "zsh", &destroy)[0], "demo:aws/us-east-1, ready, $0.33/h");
    assert_eq!(tab(&home, "powershell", &destroy)[0], "demo\taws/us-east-1, ready, $0.33/h");
    assert_eq!(tab(&home, "elvish", &destroy), ["demo", "old"]);
    assert_eq!(
        tab(&home, "bash", &destroy),
        ["demo  (aws/us-east-1, ready, $0.33/h)", "old   (aws/eu-west-1, ready, $0.35/h)"]
    );
    // One that is alone is inserted, so nothing stands beside it.
    assert_eq!(tab(&home, "bash", &["kubewright", "--sandbox", "destroy", "d"]), ["demo"]);
    // Rehearsed stacks are no real ones.
    assert!(names(&home, &["kubewright", "destroy", ""]).iter().all(|name| name.starts_with('-')));

    // Neither the protected nor the destroyed are offered to destroy; their history stays.
    home.rehearse(&["protect", "demo", "on"]).expect(0);
    home.rehearse(&["destroy", "old", "--confirm", "old"]).expect(0);
    let offered = |verb: &str| {
        let all = names(&home, &["kubewright", "--sandbox", verb, ""]);
        all.into_iter().filter(|name| !name.starts_with('-')).collect::<Vec<_>>()
    };
    assert_eq!(offered("destroy"), [""; 0]);
    assert_eq!(offered("status"), ["demo"]);
    assert_eq!(offered("history"), ["demo", "old"]);
    let ids = names(&home, &["kubewright", "--sandbox", "history", "demo", "--stack", ""]);
    assert!(ids.len() == 1 && ids[0].len() == 8, "{ids:?}");

    // A journal that cannot be read breaks no Tab, in no shell, and puts nothing on the terminal.
    let path = std::fs::read_dir(home.path().join("kw/sandbox/stacks")).unwrap().map(|entry| entry.unwrap().path());
    for path in path.filter(|path| path.to_string_lossy().ends_with(".jsonl")) {
        std::fs::write(path, "\u{1b}[2J{\"event\":\"runStarted\"\n\0\n`rm -rf $HOME`\n").unwrap();
    }
    for shell in SHELLS {
        let told = tab(&home, shell, &["kubewright", "--sandbox", "status", "demo"]).join("\n");
        assert!(told.contains("demo") && !told.chars().any(|c| c.is_control() && c != '\t' && c != '\n'), "{told:?}");
    }
    assert_eq!(tab(&home, "fish", &["kubewright", "--sandbox", "status", "d"]), ["demo\tjournal unreadable"]);
    std::fs::remove_file(journal(&home)).unwrap();
    std::fs::create_dir(home.path().join("kw/sandbox/stacks/odd-00000000.jsonl")).unwrap();
    assert!(names(&home, &["kubewright", "--sandbox", "status", ""]).contains(&"odd".to_owned()));
}

#[test]
fn places_versions_and_machines_come_from_what_this_build_knows() {
    let home = Home::new();
    let at = ["kubewright", "provision", "x", "--provider", "aws", "--region", "us-east-1"];
    let more = |words: &[&str]| tab(&home, "fish", &[&at[..], words].concat());
    assert_eq!(more(&["--node-type", "g5.xl"]), ["g5.xlarge\t4 vCPU 16 GiB 1xA10G $1.0060/h"]);
    assert!(more(&["--node-type", ""]).contains(&"m6a.large\t2 vCPU 8 GiB $0.0864/h".to_owned()));
    assert!(more(&["--node-type", ""]).len() < 10, "not all there are");
    assert_eq!(more(&["--zones", "us-east-1a,us-east-1"]).len(), 6);
    assert_eq!(more(&["--zones", "us-east-1a,us-east-1b"]), ["us-east-1a,us-east-1b"]);
    assert!(more(&["--version", "1.3"]).iter().any(|line| line.starts_with("1.36\tsupported until 2027-08-02")));
    assert!(more(&["--pool", "name=gpu,"]).iter().any(|line| line.starts_with("name=gpu,type=\t")));
    assert_eq!(more(&["--pool", "name=gpu,type=g5.xl"]), ["name=gpu,type=g5.xlarge\t4 vCPU 16 GiB 1xA10G $1.0060/h"]);
    // Without a region there is no price; with another one it is another.
    let typed = |words: &[&str]| tab(&home, "fish", &[&["kubewright", "provision", "x"], words].concat());
    assert_eq!(typed(&["--node-type", "m6a.large"]), ["m6a.large\t2 vCPU 8 GiB"]);
    let other = typed(&["--region=eu-west-1", "--node-type", "m6a.large"]);
    assert!(other[0].contains('$') && !other[0].contains("0.0864"), "{other:?}");
    assert_eq!(typed(&["--region", "eu-central-1"]), ["eu-central-1\tFrankfurt"]);
    assert!(typed(&["--region=eu-central-1"])[0].starts_with("--region=eu-central-1"));
    assert_eq!(names(&home, &["kubewright", "provision", "--provider", ""]), ["aws", "gcp", "azure"]);
    assert!(
        names(&home, &["kubewright", "provision", "--provider", "azure", "--region", "eastus"])
            .contains(&"eastus2".to_owned())
    );
    assert_eq!(names(&home, &["kubewright", "help", "KW-LOC"]), ["KW-LOCKED"]);
    assert!(names(&home, &["kubewright", "help", ""]).contains(&"exit-codes".to_owned()));
    assert_eq!(names(&home, &["kubewright", "help", "sandbox", "se"]), ["serve"]);
    assert_eq!(names(&home, &["kubewright", "completion", "e"]), ["elvish"]);
    assert!(!home.path().join("kw").exists(), "completion left a trace");
    assert!(names(&home, &["kubewright", "provision", "--nonsense", "--region", "\u{1b}"]).is_empty());
}

/// Asks the committed script in a real bash; each case is the words as bash cuts them, the one at the cursor, and the
/// candidates.
#[test]
fn bash_itself_completes() {
    let Ok(found) = Command::new("bash").arg("--version").output() else {
        println!("skipped: there is no bash here");
        return;
    };
    assert!(found.status.success());
    let home = Home::new();
    let script = home.run(&["completion", "bash"]).expect(0).out;
    home.write("kubewright.bash", &script);
    let binary = home.command().get_program().to_owned();
    let dir = std::path::Path::new(&binary).parent().unwrap().to_owned();
    let ask = |words: &[&str], word: &str| {
        let quoted: Vec<String> = words.iter().map(|word| format!("'{word}'")).collect();
        // In a directory with files that a `*` or `[` in a description would match, and with unmatched ones forbidden.
        let line = format!(
            "shopt -s failglob; touch d e; . ./kubewright.bash; COMP_WORDS=({}); COMP_CWORD={}; COMP_TYPE=9; \
             _clap_complete_kubewright kubewright '{word}' ''; printf '%s\\n' \"${{COMPREPLY[@]}}\"",
            quoted.join(" "),
            words.len() - 1
        );
        let own = home.command();
        let mut bash = Command::new("bash");
        bash.env_clear().current_dir(home.path()).args(["--norc", "--noprofile", "-c", &line]);
        bash.envs(own.get_envs().filter_map(|(name, value)| Some((name, value?))));
        bash.env("PATH", format!("{}:{}", dir.display(), std::env::var("PATH").unwrap_or_default()));
        let output = bash.output().unwrap();
        assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(ask(&["kubewright", "prov"], "prov"), ["provision"]);
    // bash cuts words at `=`: what is answered is only the part behind it.
    assert_eq!(ask(&["kubewright", "status", "--region", "=", "us-west-1"], "us-west-1"), ["us-west-1"]);
    assert!(ask(&["kubewright", "status", "--region", "="], "").iter().any(|line| line.starts_with("us-east-1 ")));
    let pool = ["kubewright", "provision", "x", "--pool", "name", "=", "gpu,type", "=", "g5.xl"];
    assert_eq!(ask(&pool, "g5.xl"), ["g5.xlarge"]);
    assert_eq!(ask(&["kubewright", "provision", "x", "--pool", "na"], "na"), ["name="]);
    // Descriptions with brackets and blanks are one candidate each, however bash expands.
    let flags = ask(&["kubewright", "provision", "--no"], "--no");
    assert!(flags.iter().any(|line| line.starts_with("--nodes ") && line.ends_with(')')), "{flags:?}");
    assert!(flags.iter().all(|line| line.starts_with("--no")), "{flags:?}");
    assert!(ask(&["kubewright", "$(touch pwned)", ""], "").len() < 100);
    assert!(!home.path().join("pwned").exists());
}
