//! Two commands in one sandbox without `sandbox serve`: the server that the first one started outlives it as long as
//! the second one works.

use crate::support::{Home, Said, serving::until};
use std::{
    path::PathBuf,
    process::{Child, Command, Stdio},
};

fn start(command: &mut Command) -> Child {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

fn ended(child: Child) -> Said {
    let output = child.wait_with_output().unwrap();
    Said {
        code: output.status.code().unwrap_or(-1),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

#[test]
fn a_server_stays_up_for_the_command_that_came_second() {
    let home = Home::new();
    let hold = |n: u32, ending: &str| -> PathBuf { home.path().join(format!("kw/sandbox/holds/{n}.{ending}")) };
    let rehearse = |words: &[&str]| {
        let mut command = home.command();
        command.env("KUBEWRIGHT_SANDBOX_FAULT", "sts:*=hold-before@1,ec2:CreateVpc=hold-before@1");
        command.env("KUBEWRIGHT_REGION", "us-east-1").env("KUBEWRIGHT_PROVIDER", "aws").arg("--sandbox").args(words);
        command
    };
    // The first is the one that serves. Its only call is held until the second has come.
    let mut first = start(&mut rehearse(&["kubeconfig", "nobody"]));
    until("the first call", || hold(1, "json").exists().then_some(()));
    let second = start(&mut rehearse(&["provision", "demo", "--yes", "--wait", "cloud", "-o", "json"]));
    until("the second command's call", || hold(2, "json").exists().then_some(()));
    std::fs::write(hold(1, "release"), "go").unwrap();
    // Whoever the first one was started by sees that it waits; nothing else tells that its own work is done.
    let mut told = String::new();
    let stderr = first.stderr.take().unwrap();
    let mut lines = std::io::BufRead::lines(std::io::BufReader::new(stderr));
    until("the first to wait", || {
        let line = lines.next()?.unwrap();
        told += &format!("{line}\n");
        line.contains("its server stays up").then_some(())
    });
    assert!(told.contains("KW-NOT-FOUND"), "its own work is done: {told}");
    assert!(first.try_wait().unwrap().is_none(), "{told}");
    std::fs::write(hold(2, "release"), "go").unwrap();
    let built = ended(second).expect(0).json();
    assert_eq!(built["outcome"], "created");
    assert_eq!(first.wait().unwrap().code(), Some(4));
    // And the next one has a server of its own, with the same world.
    assert_eq!(
        home.rehearse(&["destroy", "demo", "--confirm", "demo", "-o", "json"]).expect(0).json()["outcome"],
        "destroyed"
    );
}

/// kubectl shows its user whatever the plugin says.
#[test]
fn the_plugin_says_nothing_of_the_sandbox() {
    let home = Home::new();
    let words = ["token", "--cluster", "demo", "--region", "us-east-1", "--provider", "aws"];
    let mut command = home.command();
    let said = Said::of(command.env("KUBEWRIGHT_SANDBOX", "1").args(words)).expect(0);
    assert_eq!(said.err, "");
    assert_eq!(said.json()["kind"], "ExecCredential");
}
