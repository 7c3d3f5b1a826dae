//! What cannot be taken back, e-mails, surveys and notices: no more often than its cause (RUNTIME section 4).
//!
//! The shipped rules ask why at a deal that is lost, welcome at one that is won, and tell the sales manager of one in
//! negotiation. Only a notice may come twice, where its answer was in doubt.

use super::{Kind, Violation};
use crate::evidence::{Evidence, What, Who};

/// What is sent, at which stage, and whether a fault may repeat it.
const EFFECTS: [(&str, &str, bool); 3] =
    [("closed-lost", "closedlost", false), ("welcome", "closedwon", false), ("sales-manager", "negotiation", true)];

/// Counts what was sent against what people did.
pub(super) fn judge(evidence: &Evidence, found: &mut Vec<Violation>) {
    for (effect, stage, repeatable) in EFFECTS {
        let sent = evidence.sent.iter().filter(|sent| sent.what.contains(effect)).count();
        let entered = |what: &What| match what {
            What::Field(field, _, value) => {
                matches!(field.as_str(), "stage" | "dealstage") && is_stage(&value.to_string(), stage)
            }
            _ => false,
        };
        let causes =
            evidence.changes.iter().filter(|change| change.who == Who::Person && entered(&change.what)).count();
        let most = causes + if repeatable { evidence.faults } else { 0 };
        if sent > most {
            found.push(Violation::new(Kind::EffectRepeated, format!("{effect} was sent {sent} times for {causes}")));
        }
    }
}

/// A stage by its word, or as the CRM spells it.
fn is_stage(value: &str, stage: &str) -> bool {
    value == stage || (stage == "negotiation" && value == "decisionmakerboughtin")
}
