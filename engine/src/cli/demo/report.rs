//! What the demo found, as text and as JSON.

use std::collections::BTreeMap;

use serde_json::{Value, json};

/// One told story.
#[derive(Debug, Clone)]
pub(super) struct Story {
    pub(super) name: &'static str,
    pub(super) ok: bool,
    pub(super) detail: String,
}

/// Records of one kind on both sides.
#[derive(Debug, Clone, Copy)]
pub(super) struct Entity {
    pub(super) app: usize,
    pub(super) crm: usize,
    pub(super) equal: bool,
    /// Values that were compared.
    pub(super) values: usize,
}

/// Everything.
#[derive(Debug, Default)]
pub(super) struct Report {
    pub(super) stories: Vec<Story>,
    /// The story that is being told.
    pub(super) telling: Option<&'static str>,
    /// By the name of the sync, in lower case.
    pub(super) entities: BTreeMap<String, Entity>,
    /// Values that are not the same on both sides and records without a partner, in plain words.
    pub(super) unequal: Vec<String>,
    pub(super) lost: Vec<String>,
    pub(super) duplicates: Vec<String>,
    /// Values that people wrote, and those of them that history names as written over.
    pub(super) written: usize,
    pub(super) superseded: usize,
    /// Milliseconds from a change to the other side.
    pub(super) to_crm: Vec<u64>,
    pub(super) to_app: Vec<u64>,
    /// Of them, those of changes that were made while nothing else went on.
    pub(super) idle_to_crm: Vec<u64>,
    pub(super) idle_to_app: Vec<u64>,
    pub(super) calls: u64,
    pub(super) per_change: f64,
    pub(super) killed: usize,
    pub(super) resident_mb: Option<u64>,
}

/// The value below which `percent` of 100 are (nearest rank); 0 where there are none.
pub(super) fn percentile(values: &[u64], percent: usize) -> u64 {
    let mut sorted = values.to_vec();
    sorted.sort_unstable();
    let rank = (sorted.len() * percent).div_ceil(100);
    sorted.get(rank.saturating_sub(1)).copied().unwrap_or(0)
}

/// A number as people read it: `2,000`.
pub(super) fn grouped(number: usize) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

impl Report {
    pub(super) fn in_sync(&self) -> bool {
        !self.entities.is_empty() && self.entities.values().all(|entity| entity.equal)
    }

    pub(super) fn fine(&self) -> bool {
        self.in_sync() && self.problems().is_empty()
    }

    /// A story has ended.
    pub(super) fn end(&mut self, ok: bool, detail: String) {
        let name = self.telling.take().unwrap_or("between two stories");
        self.stories.push(Story { name, ok, detail });
    }

    /// The play broke off.
    pub(super) fn broke_off(&mut self, why: String) {
        self.end(false, why);
    }

    /// What is not as told, in plain words.
    fn problems(&self) -> Vec<String> {
        let stories = self.stories.iter().filter(|story| !story.ok);
        let mut problems: Vec<String> = stories.map(|story| format!("{}: {}", story.name, story.detail)).collect();
        problems.extend(self.unequal.iter().map(|text| format!("not equal: {text}")));
        problems.extend(self.lost.iter().map(|text| format!("lost: {text}")));
        problems.extend(self.duplicates.iter().map(|text| format!("too many: {text}")));
        problems
    }

    pub(super) fn json(&self) -> Value {
        let latency = |values: &[u64]| json!({"p50": percentile(values, 50), "p99": percentile(values, 99)});
        let entities: BTreeMap<&String, Value> = self
            .entities
            .iter()
            .map(|(name, e)| (name, json!({"app": e.app, "crm": e.crm, "equal": e.equal, "values": e.values})))
            .collect();
        let stories: Vec<Value> =
            self.stories.iter().map(|s| json!({"name": s.name, "ok": s.ok, "detail": s.detail})).collect();
        json!({
            "schema": 1,
            "in_sync": self.in_sync(),
            "stories": stories,
            "entities": entities,
            "latency_ms": {
                "app_to_crm": latency(&self.to_crm),
                "crm_to_app": latency(&self.to_app),
                "idle": {"app_to_crm": latency(&self.idle_to_crm), "crm_to_app": latency(&self.idle_to_app)},
            },
            "calls": {"total": self.calls, "per_change": self.per_change},
            "killed": self.killed,
            "lost": self.lost.len(),
            "duplicates": self.duplicates.len(),
            "written": self.written,
            "superseded": self.superseded,
            "resident_mb": self.resident_mb,
            "problems": self.problems(),
        })
    }

    pub(super) fn text(&self) -> String {
        let mut text = String::new();
        if !self.entities.is_empty() {
            text.push_str("\nBoth sides, compared field by field\n");
            text.push_str("               the app   HubSpot   values compared\n");
            for (name, entity) in &self.entities {
                let verdict = if entity.equal { "equal" } else { "NOT EQUAL" };
                let (app, crm, values) = (grouped(entity.app), grouped(entity.crm), grouped(entity.values));
                text.push_str(&format!("  {name:<11} {app:>8}  {crm:>8}  {values:>16}   {verdict}\n"));
            }
            text.push_str(&format!(
                "\nPeople wrote {} values on the two sides: {} lost; {} written over by a rule and kept in the history. \
                 Records, e-mails and notices that are one too many: {}.\n",
                grouped(self.written),
                self.lost.len(),
                self.superseded,
                self.duplicates.len()
            ));
        }
        if !self.to_crm.is_empty() && !self.to_app.is_empty() {
            text.push_str(&format!(
                "From a change to the other side: app to HubSpot half within {} ms, 99 of 100 within {} ms; HubSpot to \
                 app half within {} ms, 99 of 100 within {} ms. While nothing else goes on: half within {} ms and {} ms, \
                 99 of 100 within {} ms and {} ms.\n",
                percentile(&self.to_crm, 50),
                percentile(&self.to_crm, 99),
                percentile(&self.to_app, 50),
                percentile(&self.to_app, 99),
                percentile(&self.idle_to_crm, 50),
                percentile(&self.idle_to_app, 50),
                percentile(&self.idle_to_crm, 99),
                percentile(&self.idle_to_app, 99),
            ));
        }
        // Nothing is known of a storm that the play did not come to.
        if self.per_change > 0.0 {
            text.push_str(&format!(
                "Calls to HubSpot: {} in all; in the storm one for every {:.0} changes.\n",
                self.calls,
                1.0 / self.per_change
            ));
        }
        let times = if self.killed == 1 { "once".to_owned() } else { format!("{} times", self.killed) };
        let memory = self.resident_mb.map_or_else(String::new, |mb| format!(", and held at most {mb} MB of memory"));
        text.push_str(&format!("The engine was killed {times}{memory}.\n"));
        let problems = self.problems();
        if self.fine() {
            text.push_str("\nEverything is in step.\n");
            return text;
        }
        text.push_str("\nNot everything is as told:\n");
        for problem in problems.iter().take(SHOWN) {
            text.push_str(&format!("  ✗ {problem}\n"));
        }
        if problems.len() > SHOWN {
            text.push_str(&format!("  … and {} more; `--json` names them all\n", problems.len() - SHOWN));
        }
        text
    }
}

/// How many problems the text names.
const SHOWN: usize = 25;

#[cfg(test)]
mod tests {
    use super::*;

    fn told(ok: bool) -> Report {
        let mut report = Report { telling: Some("users become contacts"), ..Report::default() };
        report.end(ok, "499 of 500 contacts".to_owned());
        let contacts = Entity { app: 500, crm: 500, equal: true, values: 4_000 };
        report.entities.insert("contacts".to_owned(), contacts);
        report
    }

    #[test]
    fn percentiles_are_of_the_nearest_rank() {
        let values: Vec<u64> = (1..=200).rev().collect();
        assert_eq!([50, 99, 100].map(|percent| percentile(&values, percent)), [100, 198, 200]);
        assert_eq!((percentile(&[7], 99), percentile(&[], 99)), (7, 0));
    }

    #[test]
    fn numbers_are_grouped() {
        assert_eq!([0, 999, 1_000, 1_234_567].map(grouped), ["0", "999", "1,000", "1,234,567"]);
    }

    #[test]
    fn each_thing_that_is_wrong_fails_it_and_is_named() {
        assert!(told(true).fine() && !told(false).fine());
        assert!(told(false).text().contains("✗ users become contacts: 499 of 500 contacts"));
        let text = "Contact 7 (ada@example.com), `phone`: the app has `1`, HubSpot has `2`";
        let wrong: [fn(&mut Report) -> &mut Vec<String>; 3] =
            [|r| &mut r.unequal, |r| &mut r.lost, |r| &mut r.duplicates];
        for list in wrong {
            let mut report = told(true);
            list(&mut report).push(text.to_owned());
            assert!(!report.fine() && report.text().contains(text), "{}", report.text());
            assert!(report.json()["problems"][0].as_str().is_some_and(|problem| problem.ends_with(text)));
        }
    }

    #[test]
    fn a_play_that_broke_off_still_gives_the_whole_object() {
        let mut report = Report { telling: Some("a storm of 2,000 changes"), ..Report::default() };
        report.broke_off("it took longer than 60 seconds".to_owned());
        let json = report.json();
        for key in ["schema", "in_sync", "stories", "entities", "latency_ms", "calls", "killed", "lost", "duplicates"] {
            assert!(!json[key].is_null(), "{key}");
        }
        assert_eq!((&json["in_sync"], &json["stories"][0]["ok"]), (&json!(false), &json!(false)));
        assert!(report.text().contains("a storm of 2,000 changes: it took longer"), "{}", report.text());
    }
}
