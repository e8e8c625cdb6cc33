//! Bars: never wider than the terminal, whatever its width; gone when it is over; without colours where none are wanted.

use super::pty::Pty;
use crate::lives::rig::World;
use kubewright::sandbox::clock::Speed;

fn build(world: &World, words: &[&str], columns: usize) -> Pty {
    let mut command = world.command();
    command.args(["provision", "demo", "--yes", "--wait", "cloud"]).args(words);
    Pty::spawn(command, columns)
}

/// Escape codes that set a colour or a weight, apart from those that move and erase.
fn colours(raw: &str) -> usize {
    let starts = raw.match_indices("\u{1b}[").map(|(at, _)| &raw[at + 2..]);
    starts
        .filter(|rest| rest.find(|c: char| c.is_ascii_alphabetic()).is_some_and(|end| rest[end..].starts_with('m')))
        .count()
}

#[test]
fn bars_fit_and_go() {
    // Slow enough to be drawn, quick enough to be waited for.
    let world = World::with("", Speed::Times(120));
    for (columns, words) in [(80, &[][..]), (40, &["--no-color"])] {
        let mut pty = build(&world, words, columns);
        pty.expect("cluster ");
        // In 40 columns there is room for the beginning of the cloud's word.
        pty.expect("CREA");
        pty.expect("left");
        let ended = pty.end().expect(0);
        assert!(ended.broken.is_empty(), "wider than {columns}: {:#?}", ended.broken);
        let bars =
            |row: &&str| row.starts_with(|c: char| ('\u{2800}'..='\u{28ff}').contains(&c)) || row.contains("left");
        let left: Vec<_> = ended.text.lines().filter(bars).collect();
        assert!(left.is_empty(), "bars stay behind: {left:#?}\n{}", ended.text);
        assert!(ended.flat().contains("demo  aws/us-east-1  ready"), "{}", ended.text);
        assert_eq!(colours(&ended.raw) > 0, columns == 80, "--no-color is kept to: {:?}", ended.raw);
        let mut command = world.command();
        command.args(["destroy", "demo", "--confirm", "demo"]).env("NO_COLOR", "1");
        let ended = Pty::spawn(command, columns).end().expect(0);
        assert!(ended.broken.is_empty(), "wider than {columns}: {:#?}", ended.broken);
        assert_eq!(colours(&ended.raw), 0, "NO_COLOR is kept to");
    }
    world.assert_empty();
}

#[test]
fn a_terminal_may_change_its_width() {
    let world = World::with("", Speed::Times(120));
    let mut pty = build(&world, &[], 100);
    pty.expect("CREATING");
    for columns in [1, 20, 100] {
        pty.resize(columns);
        let drawn = pty.raw.len();
        // Some frames at this width.
        while pty.raw.len() < drawn + 400 {
            pty.expect_more();
        }
    }
    pty.end().expect(0);
}
