//! What the history of a project says of one line of its rules.
//!
//! In: a folder that may be in a git checkout, a file in it, a line. Out: a sentence, or nothing where git knows of no
//! such line or is not there: a failing test is told all the same.

use std::path::Path;
use std::process::Command;

/// When `line` of `file` became what it is, and what it was before.
pub(super) fn last_change(folder: &Path, file: &str, line: u32) -> Option<String> {
    let blame = git(folder, &["blame", "--porcelain", &format!("-L{line},{line}"), "--", file])?;
    let mut head = blame.lines().next()?.split(' ');
    let (commit, number) = (head.next()?, head.next()?.parse().ok()?);
    if commit.bytes().all(|byte| byte == b'0') {
        return Some("was last changed in the working copy, not committed yet".to_owned());
    }
    let now = blame.lines().find_map(|line| line.strip_prefix('\t'))?;
    // As it was called then, seen from the root of the checkout.
    let name = blame.lines().find_map(|line| line.strip_prefix("filename "))?;
    let ago = git(folder, &["show", "-s", "--format=%ar", commit])?;
    let said = format!("commit {} ({})", commit.get(..7)?, ago.trim());
    let diff =
        git(folder, &["show", "--format=", "--unified=0", commit, "--", &format!(":/{name}")]).unwrap_or_default();
    Some(match before(&diff, number) {
        Some(old) => match dropped(old, now) {
            Some(transform) => format!("had the transform `{transform}` until {said}"),
            None => format!("was `{}` until {said}", words(old)),
        },
        None => format!("was last changed in {said}"),
    })
}

/// The line that stood in the place of line `number` before this change, where one did.
fn before(diff: &str, number: usize) -> Option<&str> {
    let mut lines = diff.lines();
    while let Some(line) = lines.next() {
        // `@@ -12,2 +12,2 @@`; a count that is missing is one.
        let Some((old, rest)) = line.strip_prefix("@@ -").and_then(|line| line.split_once(" +")) else { continue };
        let count = |text: &str| text.split_once(',').map_or(Some(1), |(_, count)| count.parse::<usize>().ok());
        let new = rest.split_once(' ')?.0;
        let first: usize = new.split(',').next()?.parse().ok()?;
        let (removed, added) = (count(old)?, count(new)?);
        if (first..first + added).contains(&number) {
            // Where lines were put in or taken out besides, nothing says which of them it was.
            return (removed == added).then(|| lines.nth(number - first)?.strip_prefix('-')).flatten();
        }
    }
    None
}

/// The transform that `old` has and `new` lacks, where that is all that they differ in.
fn dropped(old: &str, new: &str) -> Option<String> {
    let (old, new) = (words(old), words(new));
    let start = old.find(" as ")?;
    let end = old[start + 4..].find(' ').map_or(old.len(), |at| start + 4 + at);
    (format!("{}{}", &old[..start], &old[end..]) == new).then(|| old[start + 1..end].to_owned())
}

fn words(line: &str) -> String {
    line.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn git(folder: &Path, arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").args(arguments).current_dir(folder).env_remove("GIT_DIR").output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_transform_that_was_taken_away_is_named() {
        let old = "    firstName           <-> firstname as trimmed  crm wins";
        assert_eq!(dropped(old, "    firstName <-> firstname crm wins").as_deref(), Some("as trimmed"));
        assert_eq!(dropped(old, "    firstName <-> lastname crm wins"), None);
        assert_eq!(dropped("a -> b else keep", "a -> b"), None);
    }

    #[test]
    fn the_line_before_stands_where_as_many_went_as_came() {
        let diff = "diff --git a/x b/x\n@@ -1 +1 @@\n-one\n+ONE\n@@ -4,2 +4,2 @@ sync\n-four\n-five\n+FOUR\n+FIVE\n@@ -8,0 +9,2 @@\n+nine\n+ten\n";
        assert_eq!(before(diff, 1), Some("one"));
        assert_eq!(before(diff, 5), Some("five"));
        assert_eq!(before(diff, 9), None);
        assert_eq!(before(diff, 3), None);
    }
}
