//! A form as one line: what must stand, what may stand in `[…]`, what is one of several between `(…|…)`.

use super::part::{Form, New, Part, Says, Slot};

impl Form {
    /// All of the form: words and signs of the language, names that stand in for others, `[…]` around what may be
    /// left out, `[…]…` around what may be repeated, `(…|…)` around what is one of several.
    #[must_use]
    pub fn syntax(&self) -> String {
        let mut line = String::new();
        write(self.parts, &mut line);
        line
    }
}

fn write(parts: &[Part], line: &mut String) {
    for part in parts {
        match part {
            Part::Words(words) => push(words, line),
            Part::Sign(sign) => push(sign, line),
            Part::OneOf(words) | Part::Names(words) => match words {
                [word] => push(word, line),
                _ => push(&format!("({})", words.join("|")), line),
            },
            Part::Slot(slot) => push(stand_in(*slot), line),
            Part::Asked(inner) => push(&of(inner), line),
            Part::Maybe(inner) => bracketed(inner, "]", line),
            Part::Many(inner) => bracketed(inner, "]…", line),
            Part::Either(several) => {
                let several = several.iter().map(|parts| match parts {
                    [Part::OneOf(words)] => words.join("|"),
                    _ => of(parts),
                });
                let several: Vec<String> = several.collect();
                push(&format!("({})", several.join("|")), line);
            }
            Part::Opens(_) => push("{ … }", line),
        }
    }
}

fn of(parts: &[Part]) -> String {
    let mut line = String::new();
    write(parts, &mut line);
    line
}

/// Between brackets; those around one of several say that already.
fn bracketed(parts: &[Part], close: &str, line: &mut String) {
    let inner = of(parts);
    let inner = match parts {
        [Part::Either(_) | Part::OneOf(_) | Part::Names(_)] => inner.trim_start_matches('(').trim_end_matches(')'),
        _ => &inner,
    };
    // A comma stands beside what is before it.
    let joined = inner.starts_with([',', '?']);
    if !joined && !line.is_empty() {
        line.push(' ');
    }
    line.push('[');
    line.push_str(inner);
    line.push_str(close);
}

fn push(piece: &str, line: &mut String) {
    let first = line.is_empty() || line.ends_with(['[', '(', '.']);
    if !first && !matches!(piece, "," | ":" | "?" | "." | "]") {
        line.push(' ');
    }
    line.push_str(piece);
}

/// The name that stands in for what the author says.
fn stand_in(slot: Slot) -> &'static str {
    match slot {
        Slot::New(New::System | New::Step | New::Variable | New::Assigned) | Slot::Path => "name",
        Slot::New(New::Choice | New::Table | New::Sync | New::Workflow) => "Name",
        Slot::New(New::Word) => "word",
        Slot::New(New::Column) => "column",
        Slot::New(New::Field) | Slot::Field(_) | Slot::Member => "field",
        Slot::System | Slot::Side | Slot::Winner => "system",
        Slot::Entity => "system.Entity",
        Slot::EntityOrEvent | Slot::Sent => "system.Event",
        Slot::Operation => "system.operation",
        Slot::Sender => "operation",
        Slot::GlobalField => "system.Entity.field",
        Slot::Link(_) => "link",
        Slot::Value(..) | Slot::Key | Slot::Cell => "value",
        Slot::CellOf => "Table[key].column",
        Slot::Condition => "field = value",
        Slot::Stage => "word",
        Slot::Sync => "Sync",
        Slot::Workflow => "Workflow",
        Slot::Step => "Workflow.step",
        Slot::Transform => "transform",
        Slot::Type => "type",
        Slot::Verify => "scheme",
        Slot::Envelope => "member",
        Slot::Text(Says::Message) => "\"message\"",
        Slot::Text(Says::Template) => "\"template\"",
        Slot::Text(Says::Role) => "\"role\"",
        Slot::Text(Says::Spelling) => "\"spelling\"",
        Slot::Text(Says::Lock) => "\"schemas/name.lock\"",
        Slot::Text(Says::Anything) => "\"text\"",
        Slot::Number => "5",
        Slot::Duration => "7 days",
        Slot::Clock => "09:30",
        Slot::Date => "2026-03-02",
    }
}

#[cfg(test)]
mod tests {
    use crate::forms::forms;

    #[test]
    fn a_form_is_one_line() {
        for (name, syntax) in [
            ("priority", "priority (high|medium|low)"),
            ("match by", "match by field [= field] [then by field [= field]]…"),
            ("choice", "choice Name [ordered] [for system.Entity.field[, system.Entity.field]…] { … }"),
            ("workflow", "workflow Name with name: system.Entity { … }"),
            ("create", "create system.Entity [as name] key field = value { … } [accept duplicates]"),
            ("retry", "retry 5 times[, first after 7 days][, at most 7 days apart]"),
            ("expect call", "expect call system.operation [{ … }] [once|twice|5 times]"),
        ] {
            let form = forms().find(|form| form.name == name).expect(name);
            assert_eq!(form.syntax(), syntax);
        }
    }
}
