//! Ours to the protocol's: positions in UTF-16 units, kinds, edits. The only place that knows both.

use std::collections::BTreeSet;

use dsl::ide::{CandidateKind, Colour, Completion, Outline, OutlineKind, words};
use dsl::source::{SourceFile, Span};
use lsp_types::{
    CompletionItem, CompletionItemKind, CompletionTextEdit, DocumentSymbol, FoldingRange, InsertTextFormat, Position,
    Range, SemanticToken, SemanticTokenType, SymbolKind, TextEdit,
};

/// The place of a byte offset.
pub(super) fn position(file: &SourceFile, offset: u32) -> Position {
    let (line, column) = file.utf16(offset);
    Position::new(line, column)
}

/// The range of bytes.
pub(super) fn range(file: &SourceFile, start: u32, end: u32) -> Range {
    Range::new(position(file, start), position(file, end.max(start)))
}

/// The range of a span in its file.
pub(super) fn span(file: &SourceFile, span: Span) -> Range {
    range(file, span.start, span.end)
}

/// The byte offset of a place.
pub(super) fn offset(file: &SourceFile, position: Position) -> u32 {
    file.offset(position.line, position.character)
}

/// Proposals in their order; with `snippets`, whole lines with places to fill in.
pub(super) fn completions(file: &SourceFile, found: Vec<Completion>, snippets: bool) -> Vec<CompletionItem> {
    let mut seen = BTreeSet::new();
    let mut items = Vec::new();
    for found in found {
        let index = items.len();
        match found.form {
            Some(form) if snippets => {
                let new_text = snippet(form);
                let label = form.to_owned();
                items.push(CompletionItem {
                    filter_text: Some(found.label.clone()),
                    insert_text_format: Some(InsertTextFormat::SNIPPET),
                    text_edit: Some(CompletionTextEdit::Edit(TextEdit::new(span(file, found.replace), new_text))),
                    detail: Some(found.detail.clone()).filter(|detail| *detail != label),
                    label,
                    ..completion(file, index, found)
                });
            }
            _ if seen.insert(found.label.clone()) => items.push(completion(file, index, found)),
            _ => {}
        }
    }
    items
}

/// A form with its names as places to fill in, and its block on lines of its own.
fn snippet(form: &str) -> String {
    let mut filled = 0;
    let mut before = "";
    let mut out = String::new();
    let mut place = |name: &str| {
        filled += 1;
        format!("${{{filled}:{name}}}")
    };
    let mut rest = form;
    while !rest.is_empty() {
        // A text may have blanks in it.
        let length = match rest.strip_prefix('"').and_then(|text| text.find('"')) {
            Some(end) => end + 2,
            None => rest.find(' ').unwrap_or(rest.len()),
        };
        let (piece, after) = rest.split_at(length);
        let word = piece.trim_end_matches([',', ':']);
        let ending = &piece[word.len()..];
        let first = out.is_empty();
        let literal = words().contains(&word) && (first || word != "system") && (before, word) != ("until", "time");
        match word {
            // The last one is where the cursor ends.
            "…" if after.contains('…') => {
                let inner = place("");
                out.push_str(&format!("\n\t{inner}\n"));
            }
            "…" => out.push_str("\n\t$0\n"),
            "{" | "}" | "=" | "->" | "<-" | "<->" | "|" => out.push_str(word),
            _ if literal => out.push_str(word),
            _ => match word.strip_prefix('"').and_then(|text| text.strip_suffix('"')) {
                Some(text) => out.push_str(&format!("\"{}\"", place(text))),
                None => out.push_str(&place(word)),
            },
        }
        out.push_str(ending);
        before = word;
        rest = after.strip_prefix(' ').unwrap_or(after);
        if !rest.is_empty() && word != "…" && !rest.starts_with('…') {
            out.push(' ');
        }
    }
    out
}

/// A proposal; `index` is its rank.
fn completion(file: &SourceFile, index: usize, found: Completion) -> CompletionItem {
    let kind = match found.kind {
        CandidateKind::Keyword => CompletionItemKind::KEYWORD,
        CandidateKind::System => CompletionItemKind::MODULE,
        CandidateKind::Entity => CompletionItemKind::CLASS,
        CandidateKind::Event => CompletionItemKind::EVENT,
        CandidateKind::Field => CompletionItemKind::FIELD,
        CandidateKind::Link => CompletionItemKind::REFERENCE,
        CandidateKind::Operation | CandidateKind::Transform => CompletionItemKind::FUNCTION,
        CandidateKind::Word => CompletionItemKind::ENUM_MEMBER,
        CandidateKind::Table => CompletionItemKind::STRUCT,
        CandidateKind::Column => CompletionItemKind::PROPERTY,
        CandidateKind::Sync | CandidateKind::Workflow => CompletionItemKind::INTERFACE,
        CandidateKind::Step => CompletionItemKind::METHOD,
        CandidateKind::Variable => CompletionItemKind::VARIABLE,
        CandidateKind::Text => CompletionItemKind::VALUE,
    };
    CompletionItem {
        kind: Some(kind),
        detail: Some(found.detail).filter(|detail| !detail.is_empty()),
        sort_text: Some(format!("{index:05}")),
        text_edit: Some(CompletionTextEdit::Edit(TextEdit::new(span(file, found.replace), found.insert))),
        label: found.label,
        ..CompletionItem::default()
    }
}

/// An entry of an outline with what stands in it.
pub(super) fn symbol(file: &SourceFile, found: &Outline) -> DocumentSymbol {
    #[expect(deprecated, reason = "the struct has a field that is no longer used, and no other way to be made")]
    DocumentSymbol {
        // An editor refuses a symbol without a name.
        name: if found.name.is_empty() { "…".to_owned() } else { found.name.clone() },
        detail: Some(found.detail.clone()).filter(|detail| !detail.is_empty()),
        kind: symbol_kind(found.kind),
        tags: None,
        deprecated: None,
        range: span(file, found.span),
        selection_range: span(file, found.name_span),
        children: Some(found.children.iter().map(|inner| symbol(file, inner)).collect()),
    }
}

pub(super) fn symbol_kind(kind: OutlineKind) -> SymbolKind {
    match kind {
        OutlineKind::Edition => SymbolKind::CONSTANT,
        OutlineKind::Choice => SymbolKind::ENUM,
        OutlineKind::Word => SymbolKind::ENUM_MEMBER,
        OutlineKind::Entity => SymbolKind::CLASS,
        OutlineKind::Field => SymbolKind::FIELD,
        OutlineKind::System => SymbolKind::MODULE,
        OutlineKind::Table => SymbolKind::STRUCT,
        OutlineKind::Row => SymbolKind::ARRAY,
        OutlineKind::Sync => SymbolKind::INTERFACE,
        OutlineKind::Mapping => SymbolKind::PROPERTY,
        OutlineKind::Events | OutlineKind::When => SymbolKind::EVENT,
        OutlineKind::Route | OutlineKind::Branch => SymbolKind::KEY,
        OutlineKind::Workflow => SymbolKind::FUNCTION,
        OutlineKind::Step => SymbolKind::METHOD,
        OutlineKind::Wait => SymbolKind::OPERATOR,
        OutlineKind::Test => SymbolKind::FUNCTION,
        OutlineKind::Line => SymbolKind::STRING,
        OutlineKind::Broken => SymbolKind::NULL,
    }
}

/// An entry that takes several lines can be folded.
pub(super) fn folding(file: &SourceFile, found: &Outline) -> Option<FoldingRange> {
    let range = span(file, found.span);
    (range.start.line < range.end.line).then(|| FoldingRange {
        start_line: range.start.line,
        end_line: range.end.line,
        ..FoldingRange::default()
    })
}

/// Every colour; a token names its place in here.
pub(super) const COLOURS: [SemanticTokenType; 8] = [
    SemanticTokenType::COMMENT,
    SemanticTokenType::KEYWORD,
    SemanticTokenType::STRING,
    SemanticTokenType::NUMBER,
    SemanticTokenType::OPERATOR,
    SemanticTokenType::NAMESPACE,
    SemanticTokenType::TYPE,
    SemanticTokenType::VARIABLE,
];

/// Coloured stretches, each placed from the beginning of the one before.
pub(super) fn colours(file: &SourceFile, found: &[(Span, Colour)]) -> Vec<SemanticToken> {
    let mut before = Position::new(0, 0);
    let mut tokens = Vec::with_capacity(found.len());
    for (place, colour) in found {
        let Range { start, end } = span(file, *place);
        let same_line = start.line == before.line;
        tokens.push(SemanticToken {
            delta_line: start.line - before.line,
            delta_start: if same_line { start.character - before.character } else { start.character },
            // A stretch never goes over a line's end.
            length: end.character.saturating_sub(start.character),
            token_type: match colour {
                Colour::Comment => 0,
                Colour::Keyword => 1,
                Colour::Text => 2,
                Colour::Number => 3,
                Colour::Operator => 4,
                Colour::System => 5,
                Colour::Type => 6,
                Colour::Name => 7,
            },
            token_modifiers_bitset: 0,
        });
        before = start;
    }
    tokens
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_becomes_a_line_with_places_to_fill_in() {
        for (form, expected) in [
            ("priority high", "priority high"),
            ("match by field = field", "match by ${1:field} = ${2:field}"),
            ("on delete in system review", "on delete in ${1:system} review"),
            ("system name { … }", "system ${1:name} {\n\t$0\n}"),
            ("wait until time", "wait until ${1:time}"),
            ("notify role \"role\" about name \"a text\"", "notify role \"${1:role}\" about ${2:name} \"${3:a text}\""),
            ("retry 5 times, first after 1 minute", "retry ${1:5} times, first after ${2:1} minute"),
            ("if condition { … } otherwise { … }", "if ${1:condition} {\n\t${2:}\n} otherwise {\n\t$0\n}"),
            (
                "workflow Name with name: system.Entity { … }",
                "workflow ${1:Name} with ${2:name}: ${3:system.Entity} {\n\t$0\n}",
            ),
        ] {
            assert_eq!(snippet(form), expected);
        }
    }
}
