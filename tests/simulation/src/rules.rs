//! The rule sets that histories run under: the shipped one, and small ones that put each policy in the way.

use std::sync::Arc;

use dsl::program::Program;
use engine::testing::rules::Texts;

/// Small sets, by name: each stands in place of all shipped files but the ones that name systems and words.
const SMALL: [(&str, &str); 5] = [
    ("policies", include_str!("../rules/policies.rules")),
    ("one-way", include_str!("../rules/one-way.rules")),
    ("links", include_str!("../rules/links.rules")),
    ("one-field", include_str!("../rules/one-field.rules")),
    ("archive", include_str!("../rules/archive.rules")),
];

/// The shipped set with one text in place of another, by name.
const VARIANTS: [(&str, &str, &str, &str); 2] = [
    ("shipped-app-wins", "contacts.rules", "conflict newest wins, tie crm", "conflict app wins"),
    ("shipped-tie-app", "contacts.rules", "conflict newest wins, tie crm", "conflict newest wins, tie app"),
];

/// A rule set by its name.
///
/// # Errors
/// Where there is no such set, or it does not hold.
pub(crate) fn program(name: &str) -> Result<Arc<Program>, String> {
    let mut texts = Texts::shipped();
    texts.files.retain(|(file, _)| !file.ends_with(".test.rules"));
    if let Some((_, small)) = SMALL.iter().find(|(known, _)| *known == name) {
        texts.files.retain(|(file, _)| file == "systems.rules" || file == "words.rules");
        texts.files.push((format!("{name}.rules"), (*small).to_owned()));
    } else if let Some((_, file, from, to)) = VARIANTS.iter().find(|(known, ..)| *known == name) {
        let text = texts.files.iter_mut().find(|(known, _)| known == file).map(|(_, text)| text);
        let text = text.ok_or_else(|| format!("the shipped rules have no {file}"))?;
        if !text.contains(from) {
            return Err(format!("{file} does not say `{from}`"));
        }
        *text = text.replacen(from, to, 1);
    } else if name != "shipped" {
        return Err(format!("there is no rule set `{name}`"));
    }
    let compiled = texts.compile(None);
    let told: Vec<&str> = compiled.problems.iter().map(|problem| problem.message.as_str()).collect();
    let wrong = format!("the rule set `{name}` does not hold: {}", told.join("; "));
    compiled.program.map(Arc::new).ok_or(wrong)
}
