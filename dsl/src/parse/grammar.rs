//! The grammar of the language, and how deep a text may lead it.
//!
//! In: a rule and a text. Out: pairs of the grammar, or where it stopped.
//! Always true: what is parsed fits the stack of a thread of [`on_known_stack`](crate::stack::on_known_stack). Every
//! rule that leads to itself goes over a bracket first, so a text leads no deeper than it has brackets that open,
//! whatever they are part of. pest can look at the room that is left at every rule; that was a quarter of parsing.

use pest::error::{Error, ErrorVariant};
use pest::iterators::Pairs;
use pest::{Parser, Position};

use crate::stack::{self, MAX_OPEN};

#[derive(pest_derive::Parser)]
#[grammar = "grammar/rules.pest"]
struct Grammar;

/// The most brackets that open in a text where the stack is not known, because the system gives no thread.
const MAX_OPEN_ANYWHERE: usize = 200;

/// Parses all that `rule` takes of `text`. Where that may need more calls or more stack than there is, it gives up:
/// the error says so in words of its own.
pub(super) fn parse(rule: Rule, text: &str) -> Result<Pairs<'_, Rule>, Error<Rule>> {
    let open = text.bytes().filter(|byte| matches!(byte, b'{' | b'(' | b'[')).count();
    if open > if stack::is_known() { MAX_OPEN } else { MAX_OPEN_ANYWHERE } {
        let message = "too many brackets".to_owned();
        return Err(Error::new_from_pos(ErrorVariant::CustomError { message }, Position::from_start(text)));
    }
    Grammar::parse(rule, text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parse::recovery::gave_up;
    use crate::stack::on_known_stack;

    #[test]
    fn as_many_brackets_as_may_be_fit_the_stack_and_more_are_refused() {
        // Each way in which a rule leads to itself: what opens, what closes, and how many brackets that are.
        let shapes = [
            (Rule::expr, "", "(", "a", ")", 1),
            (Rule::expr, "", "[", "a", "]", 1),
            (Rule::expr, "", "a as f(", "a", ")", 1),
            (Rule::expr, "", "a[", "a", "]", 1),
            (Rule::expr, "", "a else (", "a", ")", 1),
            (Rule::expr, "", "\"{", "a", "}\"", 1),
            (Rule::expr, "", "\"\"\"{", "a", "}\"\"\"", 1),
            (Rule::expr, "", "[(a as f(\"{", "a", "}\"))]", 4),
            (Rule::only_item, "sync A between a.B and c.D {\n", "x ? {", "", "}", 1),
            (Rule::only_item, "sync A between a.B and c.D {\n", "x ? {\n", "", "", 1),
            (Rule::only_item, "when a.B is created {\n", "if a {\n", "nothing\n", "}\n", 1),
            (Rule::only_item, "when a.B is created {\n", "call a.b { c = \"{", "d", "}\" }\n", 2),
        ];
        on_known_stack(|| {
            for (rule, head, open, inner, close, count) in shapes {
                let text = |times: usize| format!("{head}{}{inner}{}", open.repeat(times), close.repeat(times));
                let times = (MAX_OPEN - head.matches('{').count()) / count;
                // Some of them are no text of the language; what matters is how far they lead.
                assert!(!parse(rule, &text(times)).is_err_and(|error| gave_up(&error)), "{open}");
                assert!(parse(rule, &text(times + 1)).is_err_and(|error| gave_up(&error)), "{open}");
            }
        });
    }
}
