//! P8: history tells of every value that the engine wrote, for which record and which field, when it was there or later.

use super::lives::Lives;
use super::{Kind, Violation};
use crate::evidence::{Evidence, Line, What, Who};

/// Looks for the line of every write.
pub(super) fn judge(evidence: &Evidence, lives: &Lives, found: &mut Vec<Violation>) {
    for change in evidence.changes.iter().filter(|change| change.who == Who::Engine) {
        let What::Field(field, _, value) = &change.what else { continue };
        let Some(life) = lives.life(&change.record) else { continue };
        let syncs: Vec<&str> = evidence
            .program
            .syncs
            .iter()
            .filter(|sync| sync.left == change.record.0 || sync.right == change.record.0)
            .map(|sync| sync.name.as_str())
            .collect();
        // What a `when` or a workflow does is told of the record that it is about.
        if syncs.is_empty() {
            continue;
        }
        let made = life.made == Some((change.at, Who::Engine));
        let tells = |line: &Line| {
            let names = |part: &str| part.trim() == field;
            let about = line.ids.iter().any(|id| life.ids.contains(id));
            // A write whose answer did not come is told when it is given up, and may land later.
            let doubted = line.action == "in doubt";
            let named = line.field.as_deref().is_some_and(|fields| fields.split(',').any(names));
            let found = matches!(line.action.as_str(), "unchanged" | "adopt" | "link");
            // A create in doubt names the one record that there is.
            let created = made && doubted && line.ids.len() == 1 && syncs.contains(&line.rule.as_str());
            // A system gives a new record values of its own, such as when it was made: its making explains them.
            let makes = made && line.action == "create" && line.at >= change.at;
            // A workflow may make a record that a sync looks at too: that is told of what the workflow is about.
            let caused = made && line.action == "effect" && line.at >= change.at;
            created || caused || about && (doubted || makes || (line.at >= change.at && (named || found)))
        };
        if !evidence.audit.iter().any(tells) {
            let text = format!("{} {field} of {} became `{value}` at {}", change.record.0, change.record.1, change.at);
            found.push(Violation::new(Kind::Unexplained, text));
        }
    }
}
