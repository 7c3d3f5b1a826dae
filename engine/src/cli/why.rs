//! `engine why`: everything the daemon knows about one record, link or run.

use super::client::{self, Reach};
use super::lists;
use super::output::{Output, print_json};
use crate::decide::Event;
use crate::decide::views::{Held, PairLine};

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// A record's id or the value of a match key, a link (`l12`), a run (`r7`) or a message that is kept (`m3`).
    about: String,
    /// Only this field, by its name on either side.
    field: Option<String>,
    /// Most lines of history.
    #[arg(long, default_value_t = 200)]
    limit: usize,
    #[command(flatten)]
    reach: Reach,
    #[command(flatten)]
    output: Output,
}

pub(super) fn run(arguments: &Arguments) -> u8 {
    let (about, limit) = (&arguments.about, Some(arguments.limit));
    let asked = client::ask(&arguments.reach, async |engine| match &arguments.field {
        Some(field) => engine.why_field(about, field, limit).await,
        None => engine.why(about, limit).await,
    });
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
    for line in &found.lines {
        say!("line  {}", pair_line(line));
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
        if message.count > 1 {
            say!("{} came for this cause by this door; the next of them:", message.count);
        }
        for like in &message.like_it {
            say!("came by {}:", like.source);
            say!("{}", like.payload);
        }
    }
    for event in &found.history {
        say!("{}", event_line(event));
    }
    if !known {
        say!("nothing is known of {}", arguments.about);
    }
    u8::from(!known)
}

/// `phone <-> phone  "+44…" since …, "+44…" since …; agreed on "+44…"`
fn pair_line(line: &PairLine) -> String {
    let held = |held: &Option<Held>| {
        held.as_ref().map_or_else(|| "not known".to_owned(), |held| format!("{:?} since {}", held.value, held.since))
    };
    let base = line.base.as_ref().map(|base| format!("; agreed on {base:?}")).unwrap_or_default();
    let parked = line.parked.as_ref().map(|why| format!("; waits: {why}")).unwrap_or_default();
    format!("{}  {} | {}{base}{parked}  {}", line.line, held(&line.left), held(&line.right), line.place)
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
