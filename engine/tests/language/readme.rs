//! The first rule of the README, made step by step as it says.

use std::path::Path;

use crate::folder::Folder;

/// The fenced blocks of a section, as language and text.
fn blocks(section: &str) -> Vec<(String, String)> {
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("../README.md");
    let readme = std::fs::read_to_string(readme).expect("the README");
    let section = readme.split("\n## ").find(|part| part.starts_with(section)).expect("the section").to_owned();
    let mut blocks = Vec::new();
    let mut parts = section.split("\n```");
    parts.next();
    while let (Some(block), Some(_)) = (parts.next(), parts.next()) {
        let (language, text) = block.split_once('\n').expect("a block has lines");
        blocks.push((language.to_owned(), text.to_owned() + "\n"));
    }
    blocks
}

/// Runs every `$ engine …` of a block and holds what it prints to what stands below it.
fn run(folder: &Folder, block: &str) {
    for part in block.split("$ engine ").skip(1) {
        let (command, expected) = part.split_once('\n').expect("a command and what it prints");
        let arguments: Vec<&str> = command.split_whitespace().collect();
        let output = folder.command(&arguments).output().expect("the engine runs");
        let printed = String::from_utf8_lossy(&output.stdout).into_owned();
        assert_eq!(timeless(&printed), timeless(expected), "engine {command}");
    }
}

/// How long something took is not held against it.
fn timeless(text: &str) -> String {
    let line = |line: &str| match line.strip_suffix(" ms").and_then(|line| line.rsplit_once(' ')) {
        Some((line, _)) => format!("{line} N ms"),
        None => line.trim_end().to_owned(),
    };
    text.trim_end().lines().map(line).collect::<Vec<_>>().join("\n")
}

#[test]
fn the_first_rule_of_the_readme_is_made_as_it_says() {
    let blocks = blocks("A first rule of your own");
    let languages: Vec<&str> = blocks.iter().map(|(language, _)| language.as_str()).collect();
    assert_eq!(languages, ["rules", "text", "rules", "rules", "text", "yaml"]);
    let folder = Folder::new();
    let write = |file: &str, text: &str| std::fs::write(folder.rules.join(file), text).expect("written");
    write("urgent.rules", &blocks[0].1);
    run(&folder, &blocks[1].1);
    write("urgent.rules", &blocks[2].1);
    write("urgent.test.rules", &blocks[3].1);
    run(&folder, &blocks[4].1);
    folder.run(&["fmt", "--check"], 0);
}
