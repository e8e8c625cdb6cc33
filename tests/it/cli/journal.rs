//! A journal that was damaged, through the real binary: the line is named, nothing is called, the ways on are given
//! and lead somewhere. Every byte of every line is the store's own test; here a seeded sample of each kind of damage.

use crate::support::{Home, Said, serving::Serving};
use sha2::{Digest, Sha256};
use std::{fs, path::PathBuf};

const BUILD: [&str; 9] =
    ["provision", "demo", "--provider", "aws", "--region", "us-east-1", "--yes", "--wait", "cloud"];

/// A world with a stack in it, and the stack's journal.
struct Scene {
    home: Home,
    server: Serving,
    path: PathBuf,
    good: Vec<u8>,
}

impl Scene {
    fn built(faults: &str, exit: i32) -> Self {
        let home = Home::new();
        let server = Serving::faulty(&home, faults);
        home.rehearse(&BUILD).expect(exit);
        let stacks = fs::read_dir(home.path().join("kw/sandbox/stacks")).unwrap();
        let path = stacks.map(|entry| entry.unwrap().path()).find(|path| path.extension().unwrap() == "jsonl").unwrap();
        let good = fs::read(&path).unwrap();
        Self { home, server, path, good }
    }

    fn lines(&self) -> Vec<Vec<u8>> {
        self.good.split_inclusive(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect()
    }

    /// Runs a verb on this journal; whatever it says, the journal stays as it is.
    fn on(&self, journal: &[u8], words: &[&str]) -> Said {
        fs::write(&self.path, journal).unwrap();
        let said = self.home.rehearse(words);
        assert_eq!(fs::read(&self.path).unwrap(), journal, "{words:?} wrote to it: {}", said.err);
        assert!(!said.err.contains("panicked") && !said.err.contains("KW-BUG"), "{words:?}: {}", said.err);
        said
    }

    fn mutating_calls(&self) -> u64 {
        let shown = self.home.run(&["sandbox", "show", "-o", "json"]).expect(0).json();
        shown["requests"]["mutating"].as_u64().unwrap()
    }

    fn objects(&self) -> u64 {
        let shown = self.home.run(&["sandbox", "show", "-o", "json"]).expect(0).json();
        shown["totals"]["objects"].as_u64().unwrap()
    }
}

const STATUS: &[&str] = &["status", "demo"];
const DESTROY: &[&str] = &["destroy", "demo", "--confirm", "demo"];

/// The same numbers for every run.
struct Sample(u64);

impl Sample {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % end
    }
}

/// A kind of damage to line `at` (from 0): the journal with it, and the line that must be named.
type Damage = (&'static str, fn(&mut Vec<Vec<u8>>, usize, usize) -> usize);

fn at(line: &[u8], spot: usize) -> usize {
    spot % (line.len() - 1)
}

const DAMAGES: [Damage; 11] = [
    ("a NUL", |lines, n, spot| replaced(lines, n, spot, 0)),
    ("no UTF-8", |lines, n, spot| replaced(lines, n, spot, 0xff)),
    ("a newline", |lines, n, spot| replaced(lines, n, spot, b'\n')),
    ("a brace", |lines, n, spot| replaced(lines, n, spot, b'{')),
    ("a quote", |lines, n, spot| replaced(lines, n, spot, b'"')),
    ("a digit", |lines, n, spot| {
        let spot = (0..).map(|more| at(&lines[n], spot + more)).find(|at| lines[n][*at].is_ascii_digit()).unwrap();
        lines[n][spot] = b'0' + (lines[n][spot] - b'0' + 1) % 10;
        n + 1
    }),
    ("a deleted byte", |lines, n, spot| {
        let spot = at(&lines[n], spot);
        lines[n].remove(spot);
        n + 1
    }),
    ("a deleted line end", |lines, n, _| {
        lines[n].pop();
        n + 1
    }),
    ("a repeated line", |lines, n, _| {
        lines.insert(n, lines[n].clone());
        n + 2
    }),
    ("swapped lines", |lines, n, _| {
        lines.swap(n, n + 1);
        n + 1
    }),
    ("a lost line", |lines, n, _| {
        lines.remove(n);
        n + 1
    }),
];

fn replaced(lines: &mut [Vec<u8>], n: usize, spot: usize, byte: u8) -> usize {
    let spot = (0..).map(|more| at(&lines[n], spot + more)).find(|at| lines[n][*at] != byte).unwrap();
    lines[n][spot] = byte;
    n + 1
}

#[test]
fn damage_is_named_by_its_line_and_nothing_is_called() {
    let scene = Scene::built("", 0);
    let (calls, mut sample) = (scene.mutating_calls(), Sample(20_261_120));
    let verbs = [STATUS, &BUILD[..], DESTROY, &["history", "demo"], &["status", "demo", "-o", "json"]];
    for (turn, (what, damage)) in DAMAGES.iter().enumerate() {
        // The first line, which holds the plan; one in the middle; the last but one.
        let last = scene.lines().len() - 2;
        for (round, n) in [0, 1 + sample.below(last - 1), last].into_iter().enumerate() {
            let mut lines = scene.lines();
            let named = damage(&mut lines, n, sample.below(100_000));
            let words = verbs[(turn + round) % verbs.len()];
            let said = scene.on(&lines.concat(), words);
            let what = format!("{what} in line {}, {}: {} {}", n + 1, words[0], said.out, said.err);
            assert_eq!(said.code, 8, "{what}");
            assert!(said.err.contains("error[KW-JOURNAL]") && said.err.contains(&format!("line {named} ")), "{what}");
            assert!(said.err.contains("kubewright --sandbox recover demo"), "{what}");
            assert!(said.err.contains("kubewright --sandbox destroy demo --from-tags --confirm demo"), "{what}");
            // The place stands in the first line; where that is whole, the commands can be pasted as they are.
            assert!(n == 0 || said.err.matches(" --provider aws --region us-east-1").count() == 2, "{what}");
        }
    }
    let all = scene.on(b"{\"hello\":1}\n", &["status", "-o", "json"]).expect(11);
    assert_eq!(all.json()["failures"].as_array().unwrap().len(), 1, "a listing goes on with the others: {}", all.out);
    assert!(all.err.contains("line 1 "), "{}", all.err);
    let all = scene.on(b"{\"hello\":1}\n", &["status"]).expect(11);
    assert!(all.out.starts_with("no cluster could be read"), "never that there are none: {}", all.out);
    assert_eq!(scene.mutating_calls(), calls, "a damaged journal leads to no call");

    // What the hint says works, with the damage still there.
    let mut lines = scene.lines();
    lines[3][20] ^= 1;
    fs::write(&scene.path, lines.concat()).unwrap();
    scene.home.rehearse(&["recover", "demo", "--provider", "aws", "--region", "us-east-1"]).expect(0);
    let aside = PathBuf::from(format!("{}.aside-1", scene.path.display()));
    assert_eq!(fs::read(aside).unwrap(), lines.concat(), "the damaged journal is kept");
    let again = scene.home.rehearse(&[&BUILD[..], &["-o", "json"]].concat()).expect(0).json();
    assert_eq!((&again["outcome"], &again["mutatingCalls"]), (&"unchanged".into(), &0.into()));
    scene.home.rehearse(DESTROY).expect(0);
    assert_eq!(scene.objects(), 0);
}

#[test]
fn what_a_kill_or_another_version_leaves_has_its_rule() {
    let scene = Scene::built("eks:CreateNodegroup=error-before", 9);
    let (calls, lines) = (scene.mutating_calls(), scene.lines());
    assert!(calls > 20, "half of it is built");
    for words in [STATUS, &["history", "demo"], &["status", "--local"]] {
        // A torn last line is what a kill leaves: it is dropped, and reading repairs nothing.
        for kept in [1, lines.last().unwrap().len() / 2, lines.last().unwrap().len() - 1] {
            let torn = [lines[..lines.len() - 1].concat(), lines.last().unwrap()[..kept].to_vec()].concat();
            scene.on(&torn, words).expect(0);
        }
        // So is a file cut anywhere: the lines before are what was durable.
        scene.on(&scene.good[..lines[..5].concat().len() + 30], words).expect(0);
        // A newer version is read where it can be understood.
        scene.on(&newer(&lines, |_| {}), words).expect(0);
    }
    let unknown = |body: &mut String| *body = body.replacen("\"event\":\"", "\"event\":\"later-", 1);
    for words in [&BUILD[..], DESTROY, &["protect", "demo", "on"]] {
        let said = scene.on(&newer(&lines, |_| {}), words).expect(8);
        assert!(said.err.contains("newer kubewright") && said.err.contains("does not write"), "{}", said.err);
        let said = scene.on(&newer(&lines, unknown), words).expect(8);
        let line = format!("line {} was written by a newer kubewright", lines.len());
        assert!(said.err.contains(&line) && said.err.contains("use the newer kubewright"), "{}", said.err);
    }
    // Nothing in it: as if there were none, so the cloud is asked whether the name is taken.
    let taken = scene.on(b"", &BUILD).expect(8);
    assert!(taken.err.contains("KW-NAME-TAKEN") && taken.err.contains("recover demo"), "{}", taken.err);
    for foreign in
        [&b"{\"hello\":1}\n"[..], b"[]\n", b"null\n", b"\n", b"not json at all\n", b"{\"v\":1}\n", b"{\"v\":-1}\n"]
    {
        let said = scene.on(foreign, &BUILD).expect(8);
        assert!(said.err.contains("line 1 is damaged"), "{}", said.err);
    }
    assert_eq!(scene.mutating_calls(), calls);

    let mut lines = scene.lines();
    lines[4].remove(7);
    fs::write(&scene.path, lines.concat()).unwrap();
    let from_tags = ["--from-tags", "--provider", "aws", "--region", "us-east-1"];
    scene.home.rehearse(&[DESTROY, &from_tags].concat()).expect(0);
    assert_eq!(scene.objects(), 0, "removed without the journal");
    drop(scene.server);
}

/// The same journal with its last line as a later version would have written it.
fn newer(lines: &[Vec<u8>], change: impl Fn(&mut String)) -> Vec<u8> {
    let (last, before) = lines.split_last().unwrap();
    let last = std::str::from_utf8(last).unwrap();
    let mut body = last.rsplit_once(",\"hash\":").unwrap().0.replacen("{\"v\":1", "{\"v\":2,\"more\":[{}]", 1);
    change(&mut body);
    let hash: String = Sha256::digest(&body).iter().map(|byte| format!("{byte:02x}")).collect();
    [before.concat(), format!("{body},\"hash\":\"{hash}\"}}\n").into_bytes()].concat()
}

#[test]
fn a_journal_in_the_way_of_two_runs_is_written_by_one() {
    let home = Home::new();
    let _server = Serving::faulty(&home, "*:mutating=hold-before@3");
    let mut first = home.command();
    let mut first = first.arg("--sandbox").args(BUILD).stderr(std::process::Stdio::null()).spawn().unwrap();
    let holds = home.path().join("kw/sandbox/holds");
    crate::support::serving::until("a held call", || holds.join("1.json").exists().then_some(()));
    let pid = first.id().to_string();
    for words in [&BUILD[..], DESTROY, &["protect", "demo", "on"]] {
        let said = Said::of(home.command().arg("--sandbox").args(words));
        assert_eq!(said.code, 8, "{words:?}: {}", said.err);
        for told in ["KW-LOCKED", "provision", "ana@", &pid, "--lock-timeout", "nothing was done"] {
            assert!(said.err.contains(told), "{words:?}, {told}: {}", said.err);
        }
    }
    let seen = home.rehearse(&["status", "demo", "--local", "-o", "json"]).expect(0).json();
    assert!(seen["clusters"][0]["lock"]["holder"].as_str().unwrap().contains(&pid), "{seen:#}");
    fs::write(holds.join("1.release"), "").unwrap();
    assert!(first.wait().unwrap().success(), "the one that holds it is not disturbed");
    home.rehearse(DESTROY).expect(0);
}
