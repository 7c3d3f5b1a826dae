//! What the demo found, as text and as JSON.

use std::collections::BTreeMap;

use serde_json::{Value, json};

/// One told story.
#[derive(Debug, Clone)]
pub(super) struct Story {
    pub(super) name: String,
    pub(super) ok: bool,
    pub(super) detail: String,
}

/// Records of one kind on both sides.
#[derive(Debug, Clone, Copy)]
pub(super) struct Entity {
    pub(super) app: usize,
    pub(super) crm: usize,
    pub(super) equal: bool,
}

/// Everything.
#[derive(Debug, Default)]
pub(super) struct Report {
    pub(super) stories: Vec<Story>,
    pub(super) entities: BTreeMap<&'static str, Entity>,
    pub(super) to_crm: Vec<u64>,
    pub(super) to_app: Vec<u64>,
    pub(super) calls: u64,
    pub(super) per_change: f64,
    pub(super) killed: u64,
    pub(super) lost: u64,
    pub(super) duplicates: u64,
    pub(super) resident_mb: u64,
}

fn percentile(values: &[u64], percent: usize) -> u64 {
    let mut sorted = values.to_vec();
    sorted.sort_unstable();
    sorted.get((sorted.len() * percent / 100).min(sorted.len().saturating_sub(1))).copied().unwrap_or(0)
}

impl Report {
    pub(super) fn in_sync(&self) -> bool {
        !self.entities.is_empty() && self.entities.values().all(|entity| entity.equal)
    }

    pub(super) fn fine(&self) -> bool {
        self.in_sync() && self.lost == 0 && self.duplicates == 0 && self.stories.iter().all(|story| story.ok)
    }

    pub(super) fn json(&self) -> Value {
        let latency = |values: &[u64]| json!({"p50": percentile(values, 50), "p99": percentile(values, 99)});
        let entities: BTreeMap<&str, Value> = self
            .entities
            .iter()
            .map(|(name, e)| (*name, json!({"app": e.app, "crm": e.crm, "equal": e.equal})))
            .collect();
        let stories: Vec<Value> =
            self.stories.iter().map(|s| json!({"name": s.name, "ok": s.ok, "detail": s.detail})).collect();
        json!({
            "schema": 1,
            "in_sync": self.in_sync(),
            "stories": stories,
            "entities": entities,
            "latency_ms": {"app_to_crm": latency(&self.to_crm), "crm_to_app": latency(&self.to_app)},
            "calls": {"total": self.calls, "per_change": self.per_change},
            "killed": self.killed,
            "lost": self.lost,
            "duplicates": self.duplicates,
            "resident_mb": self.resident_mb,
        })
    }

    pub(super) fn text(&self) -> String {
        let mut text = String::from("\nBoth sides, compared field by field\n");
        for (name, entity) in &self.entities {
            let verdict = if entity.equal { "equal" } else { "NOT EQUAL" };
            text.push_str(&format!("  {name:<11} app {:>5}   CRM {:>5}   {verdict}\n", entity.app, entity.crm));
        }
        text.push_str(&format!(
            "\nFrom a change to the other side: app to CRM half within {} ms, 99 of 100 within {} ms; CRM to app {} and {} ms\n",
            percentile(&self.to_crm, 50),
            percentile(&self.to_crm, 99),
            percentile(&self.to_app, 50),
            percentile(&self.to_app, 99),
        ));
        text.push_str(&format!(
            "Calls to the CRM: {} in all; in the storm one for every {:.0} changes\n",
            self.calls,
            if self.per_change > 0.0 { 1.0 / self.per_change } else { 0.0 }
        ));
        text.push_str(&format!(
            "The engine was killed {} time{}; lost {}, duplicates {}; it held {} MB of memory\n",
            self.killed,
            if self.killed == 1 { "" } else { "s" },
            self.lost,
            self.duplicates,
            self.resident_mb
        ));
        text.push_str(if self.fine() { "Everything is in step.\n" } else { "NOT everything is as told.\n" });
        text
    }
}
