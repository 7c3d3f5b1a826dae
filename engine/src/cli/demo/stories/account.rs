//! A new HubSpot account: the app that the rules need, and what they need in the account, by the commands of an operator.

use std::time::Instant;

use serde_json::Value as Json;

use super::{begin, end, took};
use crate::cli::demo::Failed;
use crate::cli::demo::report::Report;
use crate::cli::demo::stage::Stage;

pub(super) async fn tell(stage: &mut Stage, report: &mut Report) -> Result<(), Failed> {
    begin(
        stage,
        report,
        "a new account gets what the rules need",
        "The HubSpot account is new. `engine hubspot project` writes an app that asks for what the rules need, which is\n\
         uploaded; `engine hubspot setup` compares the account with the rules and makes what is missing.",
    );
    let began = Instant::now();
    stage.daemon.command(&["hubspot", "project", "app"]).await?;
    upload(stage)?;
    let made = setup(stage, &["--yes"]).await?;
    let took = took(began.elapsed());
    let steps = made["steps"].as_array().into_iter().flatten();
    let properties = steps
        .filter(|step| step["result"] == "made" && step["name"].as_str().is_some_and(|name| !name.contains("group")))
        .count();
    for finding in told(&made) {
        stage.say(&format!("  … it says: {finding}"));
    }
    stage.say("  … nobody wants that stage: it is taken out of the pipeline");
    let now = stage.now();
    stage.crm().remove_stage("Deal", "default", "contractsent", now).map_err(|error| Failed::at("a stage")(&error))?;
    let left = told(&setup(stage, &["--check", "--webhooks", "app/src/app/webhooks/webhooks-hsmeta.json"]).await?);
    let checked = if left.is_empty() { "nothing more".to_owned() } else { left.join("; ") };
    let detail = format!("{properties} properties made, {took}; `--check` finds {checked}");
    end(stage, report, properties > 0 && left.is_empty(), detail);
    Ok(())
}

/// What `hs project upload` brings to HubSpot.
fn upload(stage: &Stage) -> Result<(), Failed> {
    let file = |path: &str| -> Result<Json, Failed> {
        let text = std::fs::read(stage.daemon.folder.join("app/src/app").join(path));
        let text = text.map_err(|error| Failed::at("the app's files")(&error))?;
        serde_json::from_slice(&text).map_err(|error| Failed::at("the app's files")(&error))
    };
    let (app, webhooks) = (file("app-hsmeta.json")?, file("webhooks/webhooks-hsmeta.json")?);
    let now = stage.now();
    stage.crm().upload(Some(&app), Some(&webhooks), now).map_err(|error| Failed::at("the upload")(&error))
}

/// What `engine hubspot setup` prints.
async fn setup(stage: &Stage, how: &[&str]) -> Result<Json, Failed> {
    let printed = stage.daemon.command(&[&["hubspot", "setup", "--json"], how].concat()).await?;
    serde_json::from_str(&printed).map_err(|error| Failed::at("`engine hubspot setup`")(&error))
}

fn told(report: &Json) -> Vec<String> {
    let findings = report["findings"].as_array().into_iter().flatten();
    let text = |json: &Json| json.as_str().unwrap_or_default().to_owned();
    findings.map(|finding| format!("{}: {}", text(&finding["about"]), text(&finding["what"]))).collect()
}
