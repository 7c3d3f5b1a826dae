//! Columns: how the statements of one kind of block stand under each other.
//!
//! In: statements that stand in one line. Out: the same as lines. A column is as wide as its widest cell with
//! something behind it; statements that have no columns stay as they are.

use super::line::joined;
use super::tree::{Piece, Statement};
use crate::forms::Place;

/// A cell that is wider does not make its column wider: one long expression would push all others away.
const WIDEST: usize = 48;

/// The cells of a statement; one where it has no columns.
pub(super) fn cells(text: &str, within: Place, statement: &Statement) -> Vec<String> {
    let whole = || vec![joined(text, within, &statement.pieces)];
    let split = |places: &[usize]| {
        let mut cells = Vec::new();
        let mut from = 0;
        for place in places.iter().chain([&statement.pieces.len()]) {
            let place = (*place).clamp(from, statement.pieces.len());
            cells.push(joined(text, within, &statement.pieces[from..place]));
            from = place;
        }
        cells
    };
    let is = |piece: &Piece, words: &[&str]| match piece {
        Piece::Token(token) => words.contains(&&text[token.start..token.end]),
        _ => false,
    };
    let find = |words: &[&str]| statement.pieces.iter().position(|piece| is(piece, words));
    let word = statement.word(text);
    match within {
        Place::Choice => {
            // word, label, spellings, final
            let mut places = Vec::new();
            let labelled = matches!(statement.pieces.get(1), Some(Piece::Token(t)) if text[t.start..].starts_with('"'));
            if labelled {
                places.push(1);
            }
            let tails = statement.pieces.iter().enumerate().skip(1).filter(|(_, piece)| is(piece, &["in", "final"]));
            places.extend(tails.map(|(place, _)| place));
            let mut cells = split(&places);
            // Without a label its column stays empty, so that the spellings stand under each other.
            if !labelled {
                cells.insert(1, String::new());
            }
            cells
        }
        Place::Entity if is(&statement.pieces[0], &["changed"]) => whole(),
        Place::Entity => find(&[":"]).map_or_else(whole, |colon| split(&[colon + 1])),
        Place::System if word == "limit" => split(&[1, 2.min(statement.pieces.len())]),
        Place::System => split(&[1]),
        Place::Table => {
            let bars = statement.pieces.iter().enumerate().filter(|(_, piece)| is(piece, &["|"]));
            split(&bars.map(|(place, _)| place).collect::<Vec<_>>())
        }
        Place::Sync if ["run", "sweep", "priority", "match", "create", "conflict"].contains(&word) => split(&[1]),
        Place::Events => find(&["->"]).map_or_else(whole, |arrow| split(&[arrow])),
        Place::Fields => fields(statement, &is).map_or_else(whole, |places| split(&places)),
        Place::Record => match (find(&["="]), find(&["else"])) {
            (Some(equals), Some(other)) if other > equals => split(&[equals, other]),
            (Some(equals), _) => split(&[equals]),
            _ => whole(),
        },
        _ => whole(),
    }
}

/// Where the arrow, the right side, what comes with it and the policy begin. The right side takes `via` along.
fn fields(statement: &Statement, is: &dyn Fn(&Piece, &[&str]) -> bool) -> Option<Vec<usize>> {
    let pieces = &statement.pieces;
    let arrow = pieces.iter().position(|piece| is(piece, &["<->", "->", "<-"]))?;
    let after = |from: usize, words: &[&str]| (from..pieces.len()).find(|place| is(&pieces[*place], words));
    let end = pieces.len();
    let outcome = after(arrow, &["else"]).unwrap_or(end);
    let created = (arrow..end)
        .find(|place| is(&pieces[*place], &["on"]) && pieces.get(place + 1).is_some_and(|next| is(next, &["create"])));
    // Left of an arrow to the left, transforms belong to the expression on its right and stand with the others.
    let transform = after(arrow, &["as"]).unwrap_or(end);
    let policy = after(arrow, &["wins"]).map(|wins| wins - 1);
    let policy =
        policy.or_else(|| after(arrow, &["review"]).filter(|place| *place + 1 == end || created == Some(place + 1)));
    let last = policy.or(created).unwrap_or(end);
    let middle = transform.min(outcome).min(last);
    // What comes fifth: `else` behind a transform, or the policy.
    let fifth = if transform < outcome && outcome < end { outcome.min(last) } else { last };
    Some(vec![arrow, arrow + 1, middle, fifth.max(middle)])
}

/// Puts rows under each other.
pub(super) fn rows(within: Place, rows: &[Vec<String>]) -> Vec<String> {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |text: &str| text.chars().count();
    let mut widths = vec![0; columns];
    for row in rows {
        for (column, cell) in row.iter().enumerate() {
            let more = row[column + 1..].iter().any(|cell| !cell.is_empty());
            let counts = more && (within != Place::Fields || width(cell) <= WIDEST);
            if counts {
                widths[column] = widths[column].max(width(cell));
            }
        }
    }
    // An arrow in one direction stands where the head of the two-way arrow would stand.
    let two_way = within == Place::Fields && rows.iter().any(|row| row.get(1).is_some_and(|arrow| arrow == "<->"));
    if two_way {
        widths[1] = 3;
    }
    let gap = |column: usize| if within == Place::Fields && column == 4 { 2 } else { 1 };
    // Where columns begin; one that nothing follows or that is empty takes no room.
    let mut starts = vec![0; columns];
    for column in 1..columns {
        let before = widths[column - 1];
        let room = if before > 0 { before + 1 } else { 0 };
        starts[column] = starts[column - 1] + room + gap(column) - 1;
    }
    let line = |row: &Vec<String>| {
        let mut line = String::new();
        for (column, cell) in row.iter().enumerate().filter(|(_, cell)| !cell.is_empty()) {
            if column > 0 {
                // At least the gap, also behind a cell that is too wide for its column.
                let place = starts[column].max(width(&line) + gap(column));
                line.extend(std::iter::repeat_n(' ', place - width(&line)));
            }
            if two_way && column == 1 && cell == "->" {
                line.push(' ');
            }
            line.push_str(cell);
        }
        line
    };
    rows.iter().map(line).collect()
}
