//! `engine why`: everything the daemon knows about one record, link or run.

use super::client::{self, Reach};
use super::lists;
use super::output::{Output, print_json};
use crate::decide::Event;

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// A record's id, a link (`l12`), a run (`r7`) or a message that is kept (`m3`).
    about: String,
    /// Most lines of history.
    #[arg(long, default_value_t = 200)]
    limit: usize,
    #[command(flatten)]
    reach: Reach,
    #[command(flatten)]
    output: Output,
}

pub(super) fn run(arguments: &Arguments) -> u8 {
    let asked = client::ask(&arguments.reach, async |engine| engine.why(&arguments.about, Some(arguments.limit)).await);
    let found = match asked {
        Ok(found) => found,
        Err(error) => return error.exit(),
    };
    let known =
        !(found.links.is_empty() && found.runs.is_empty() && found.incidents.is_empty() && found.history.is_empty());
    if arguments.output.json() {
        print_json(&found);
        return u8::from(!known);
    }
    for link in &found.links {
        say!("link  {}", lists::link_line(link));
    }
    for run in &found.runs {
        say!("run   {}", lists::run_line(run));
    }
    for line in lists::incident_lines(&found.incidents) {
        say!("{line}");
    }
    if let Some(message) = &found.message {
        say!("came by {}:", message.source);
        say!("{}", message.payload);
    }
    for event in &found.history {
        say!("{}", event_line(event));
    }
    if !known {
        say!("nothing is known of {}", arguments.about);
    }
    u8::from(!known)
}

fn event_line(event: &Event) -> String {
    let Event { at, action, place, entity, detail, .. } = event;
    let ids: Vec<&str> = [&event.left, &event.right].into_iter().flatten().map(String::as_str).collect();
    let ids: Vec<&str> = ids.into_iter().filter(|id| !id.is_empty()).collect();
    let field = event.field.as_ref().map_or_else(String::new, |field| format!(".{field}"));
    let value = match (&event.displaced, &event.value) {
        (Some(displaced), Some(value)) => format!("  {displaced:?} -> {value:?}"),
        (None, Some(value)) => format!("  {value:?}"),
        _ => String::new(),
    };
    format!("{at}  {action:<10} {entity}{field} {}{value}  {place}  {detail}", ids.join(" = "))
}
