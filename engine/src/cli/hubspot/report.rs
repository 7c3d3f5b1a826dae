//! How a setup is told: lines as it goes on, or one object of JSON at its end.

use connectors::hubspot::setup::Identity;
use connectors::hubspot::setup::plan::{Finding, Plan, Step};
use serde_json::{Value as Json, json};

/// What is told.
pub(super) struct Report {
    identity: Identity,
    json: bool,
    told: Json,
    steps: Vec<Json>,
}

impl Report {
    pub(super) fn new(system: &str, identity: &Identity, version: &str, json: bool) -> Self {
        let told = json!({
            "schema": 1, "system": system, "api_version": version,
            "account": {"id": identity.portal, "kind": identity.kind, "time_zone": identity.time_zone,
                        "app": identity.app, "scopes": identity.scopes},
        });
        Self { identity: identity.clone(), json, told, steps: Vec::new() }
    }

    /// Whose the token is.
    pub(super) fn whose(&self) {
        if self.json {
            return;
        }
        let Identity { portal, kind, time_zone, app, scopes } = &self.identity;
        let app = app.map(|app| format!(", app {app}")).unwrap_or_default();
        let (system, version) = (self.told["system"].as_str().unwrap_or_default(), &self.told["api_version"]);
        let version = version.as_str().unwrap_or_default();
        say!(
            "{system} is the HubSpot account {portal} ({kind}, {time_zone}){app}; its API is asked in version {version}"
        );
        match scopes {
            Some(scopes) => {
                say!(
                    "the token has {} scopes: {}",
                    scopes.len(),
                    scopes.iter().cloned().collect::<Vec<_>>().join(", ")
                );
            }
            None => say!("HubSpot does not tell the scopes of this token; what it lacks shows where it is refused"),
        }
    }

    /// Whether engine.yaml says which account it is; if not, the line that says so.
    pub(super) fn said(&mut self, said: bool) {
        let line = format!("portal_id: {}", self.identity.portal);
        self.told["portal_id_set"] = said.into();
        if !self.json && !said {
            let system = self.told["system"].as_str().unwrap_or_default();
            say!(
                "engine.yaml does not say the account: `{line}` under `systems.{system}` refuses deliveries of others"
            );
        }
    }

    /// What can be made.
    pub(super) fn missing(&mut self, plan: &Plan) {
        let step = |step: &Step| json!({"name": step.name(), "detail": step.detail(), "result": "missing"});
        self.steps = plan.steps.iter().map(step).collect();
        if self.json {
            return;
        }
        match plan.steps.len() {
            0 => say!("nothing is missing that could be made"),
            1 => say!("1 thing is missing and can be made:"),
            count => say!("{count} things are missing and can be made:"),
        }
        let width = plan.steps.iter().map(|step| step.name().len()).max().unwrap_or_default();
        for step in &plan.steps {
            say!("  + {:width$}  {}", step.name(), step.detail());
        }
    }

    /// Whether subscriptions were looked at: what was not compared is not told to be fine.
    pub(super) fn compared(&mut self, subscriptions: bool) {
        self.told["subscriptions_compared"] = subscriptions.into();
        if !self.json && !subscriptions {
            say!("subscriptions are not compared: `--webhooks` names the app's webhooks-hsmeta.json");
        }
    }

    /// A step was taken.
    pub(super) fn made(&mut self, number: usize, all: usize, step: &Step, result: &str) {
        if let Some(told) = self.steps.get_mut(number - 1) {
            told["result"] = result.into();
        }
        if !self.json {
            say!("  [{number}/{all}] {}: {result}", step.name());
        }
    }

    /// The end, with everything that is left to a person.
    pub(super) fn end(mut self, findings: &[Finding], last: &str) {
        let finding = |finding: &Finding| json!({"about": finding.about, "what": finding.what, "help": finding.help});
        if self.json {
            self.told["steps"] = self.steps.into();
            self.told["findings"] = findings.iter().map(finding).collect::<Vec<_>>().into();
            say!("{}", self.told);
            return;
        }
        for Finding { about, what, help } in findings {
            say!("  × {about}: {what}");
            say!("    help: {help}");
        }
        let left = match findings.len() {
            0 if self.steps.iter().all(|step| step["result"] != "missing") => {
                "the account has what the rules need".to_owned()
            }
            0 => String::new(),
            1 => "1 finding".to_owned(),
            count => format!("{count} findings"),
        };
        for line in [left.as_str(), last].into_iter().filter(|line| !line.is_empty() && !line.starts_with("--")) {
            say!("{line}");
        }
    }
}
