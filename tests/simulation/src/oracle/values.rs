//! Fields: what people set is on both sides, or they are told (P1, P2 and the policies of section 3).

use std::collections::BTreeSet;

use dsl::eval::canonical;
use dsl::program::{Direction, Expr, Mapping, MappingKind, Outcome, Policy, Side, Sync};
use dsl::value::{Duration, Timestamp, Value};

use super::lives::{Life, Lives, Point, held, is_told, record_of};
use super::{Kind, Violation};
use crate::evidence::{Evidence, Line, Pair, Record, Request, Who};

/// A line of a sync that moves one field to one field.
pub(super) struct Plain<'p> {
    sync: &'p Sync,
    mapping: &'p Mapping,
    fields: [String; 2],
}

impl<'p> Plain<'p> {
    fn of(sync: &'p Sync, mapping: &'p Mapping) -> Option<Self> {
        if mapping.implicit || mapping.on_create {
            return None;
        }
        let fields = match &mapping.kind {
            MappingKind::Field { left, right, .. } => [left.clone(), right.clone()],
            MappingKind::Computed { source: Expr::Field { links, field, .. }, target } if links.is_empty() => {
                match mapping.direction {
                    Direction::ToRight => [field.clone(), target.clone()],
                    Direction::ToLeft => [target.clone(), field.clone()],
                    Direction::Both => return None,
                }
            }
            _ => return None,
        };
        // A field that is looked up compares by its own value on no side.
        Some(Self { sync, mapping, fields })
    }

    fn field(&self, side: Side) -> &str {
        &self.fields[usize::from(side == Side::Right)]
    }

    /// The value in the domain in which the two sides compare.
    fn common(&self, evidence: &Evidence, side: Side, value: &Value) -> Value {
        match self.mapping.kind {
            MappingKind::Field { .. } => {
                canonical(&evidence.program, self.sync, self.mapping, side, value).unwrap_or_else(|_| value.clone())
            }
            _ => value.clone(),
        }
    }

    fn points(&self, evidence: &Evidence, life: &Life, side: Side) -> Vec<Point<Value>> {
        let points = life.fields.get(self.field(side)).map(Vec::as_slice).unwrap_or_default();
        let common = |point: &Point<Value>| Point { value: self.common(evidence, side, &point.value), ..point.clone() };
        points.iter().map(common).collect()
    }

    /// The side that may not be empty, where there is one.
    fn requires(&self, evidence: &Evidence, side: Side) -> bool {
        let field = evidence.program.field(self.sync.entity(side), self.field(side));
        field.is_some_and(|field| !field.optional)
    }
}

/// Compares the two sides of every pair, and follows every value that a person set.
pub(super) fn judge(evidence: &Evidence, lives: &Lives, found: &mut Vec<Violation>) {
    for sync in &evidence.program.syncs {
        let lines: Vec<Plain<'_>> = sync.fields.iter().filter_map(|mapping| Plain::of(sync, mapping)).collect();
        for line in &lines {
            equal(evidence, lives, line, found);
            for (record, life) in lives.all() {
                for side in [Side::Left, Side::Right] {
                    if *sync.entity(side) == record.0 {
                        followed(evidence, lives, line, side, (record, life), found);
                    }
                }
            }
            winners(evidence, lives, line, found);
        }
    }
}

/// P1: the two sides of a pair hold the same, or people are told.
fn equal(evidence: &Evidence, lives: &Lives, line: &Plain<'_>, found: &mut Vec<Violation>) {
    for pair in evidence.pairs.iter().filter(|pair| pair.sync == line.sync.name && pair.state == "linked") {
        let sides = [Side::Left, Side::Right].map(|side| held(evidence, lives, pair, side).map(|held| (side, held)));
        let [Some(left), Some(right)] = sides else { continue };
        let value = |(side, (_, held)): &(Side, (Record, &crate::evidence::Held))| {
            line.common(evidence, *side, held.fields.get(line.field(*side)).unwrap_or(&Value::Empty))
        };
        let values = [value(&left), value(&right)];
        if values[0] == values[1] || is_told(evidence, pair) {
            continue;
        }
        let source = match line.mapping.direction {
            Direction::Both => None,
            Direction::ToRight => Some(0),
            Direction::ToLeft => Some(1),
        };
        // An empty source may leave the target alone.
        let kept = source.is_some_and(|source| values[source].is_empty() && line.mapping.on_empty != Outcome::Clear);
        if kept {
            continue;
        }
        let required = [Side::Left, Side::Right]
            .into_iter()
            .any(|side| line.requires(evidence, side) && values[usize::from(side == Side::Left)].is_empty());
        let kind = if required { Kind::ClearOfRequired } else { Kind::Diverged };
        let text = format!("{} {}: `{}` and `{}`", pair.name, line.mapping.text, values[0], values[1]);
        found.push(Violation::new(kind, text));
    }
}

/// P2: each value that a person set is final on both sides, or superseded, or named in history.
fn followed(
    evidence: &Evidence,
    lives: &Lives,
    line: &Plain<'_>,
    side: Side,
    (record, life): (&Record, &Life),
    found: &mut Vec<Violation>,
) {
    let points = line.points(evidence, life, side);
    // Only the last one that a person set on this side counts; what came before was superseded there.
    let Some((index, set)) = points.iter().enumerate().rev().find(|(_, point)| point.who == Who::Person) else {
        return;
    };
    let Some(end) = evidence.end.get(record) else { return };
    let here = line.common(evidence, side, end.fields.get(line.field(side)).unwrap_or(&Value::Empty));
    let stands_here = here == set.value;
    let pairs: Vec<&Pair> = evidence
        .pairs
        .iter()
        .filter(|pair| pair.sync == line.sync.name)
        .filter(|pair| record_of(evidence, pair, side).is_some_and(|of| life.ids.contains(&of.1)))
        .collect();
    // A record that is in no pair of this sync is another one's.
    if pairs.is_empty() {
        return;
    }
    let other = side.other();
    let partners: Vec<(&Pair, Option<(Record, Value)>)> = pairs
        .iter()
        .map(|pair| {
            let partner = held(evidence, lives, pair, other).map(|(record, held)| {
                let value = held.fields.get(line.field(other)).unwrap_or(&Value::Empty);
                (record, line.common(evidence, other, value))
            });
            (*pair, partner)
        })
        .collect();
    let open = |pair: &Pair| pair.state == "linked";
    // Nothing moves between records that are not paired, or of which people have been told.
    let settled = partners.iter().filter(|(pair, _)| open(pair) && !is_told(evidence, pair));
    let settled: Vec<&(Record, Value)> = settled.filter_map(|(_, partner)| partner.as_ref()).collect();
    if stands_here && settled.iter().all(|(_, there)| *there == set.value) {
        return;
    }
    let source = match line.mapping.direction {
        Direction::Both => true,
        Direction::ToRight => side == Side::Left,
        Direction::ToLeft => side == Side::Right,
    };
    if stands_here && line.mapping.direction != Direction::Both && (!source || set.value.is_empty()) {
        // A one-way line may leave its target alone where the source is empty; where it may not, the two sides are told
        // as different.
        return;
    }
    let mut ids: BTreeSet<String> = life.ids.clone();
    for (pair, _) in &partners {
        if let Some(partner) = record_of(evidence, pair, other) {
            let life = lives.life(&partner);
            ids.extend(life.into_iter().flat_map(|life| life.ids.iter().cloned()));
            ids.insert(partner.1);
        }
    }
    let names = |told: &Line| told.ids.iter().any(|id| ids.contains(id));
    let printed = set.value.to_string();
    let told = evidence.audit.iter().any(|told| {
        told.rule == line.sync.name
            && told.at >= set.at
            && told.displaced.as_deref() == Some(printed.as_str())
            && told.field.as_deref().is_some_and(|field| field == line.field(side) || field == line.field(other))
            && names(told)
    });
    if told {
        return;
    }
    for (pair, _) in &partners {
        let Some(partner) = record_of(evidence, pair, other) else { continue };
        let Some(theirs) = lives.life(&partner) else { continue };
        let there = line.points(evidence, theirs, other);
        // What is merged in counts as a change of that side.
        if theirs.merged.iter().any(|merged| *merged >= set.at) {
            return;
        }
        if superseded_there(set, &there)
            || is_no_change(&points[..index], &there, set)
            || is_merged_base(evidence, lives, line, (side, life), &there, set)
            || is_filled(evidence, pair, set)
        {
            return;
        }
    }
    let supersedes = |partner: &Life| superseded_there(set, &line.points(evidence, partner, other));
    if earlier_partners(evidence, lives, line, other, life).any(supersedes) {
        return;
    }
    if set.value.is_empty() && line.requires(evidence, other) {
        let text =
            format!("{} {} of {}: cleared, and nobody is told", record.0, line.field(side), name(evidence, record));
        found.push(Violation::new(Kind::ClearOfRequired, text));
        return;
    }
    let there: Vec<String> = settled.iter().map(|(_, value)| format!("`{value}`")).collect();
    let text = format!(
        "{} {} of {}: `{printed}` was set, and in the end there is `{here}`, on the other side {}",
        record.0,
        line.field(side),
        name(evidence, record),
        if there.is_empty() { "nothing".to_owned() } else { there.join(", ") },
    );
    found.push(Violation::new(Kind::LostValue, text));
}

/// Records that were once paired with this life, as history tells: a pair whose record is deleted lets go of the other one.
fn earlier_partners<'a>(
    evidence: &'a Evidence,
    lives: &'a Lives,
    line: &'a Plain<'_>,
    other: Side,
    life: &'a Life,
) -> impl Iterator<Item = &'a Life> {
    let entity = line.sync.entity(other);
    let paired = move |told: &&Line| {
        told.rule == line.sync.name && told.action == "link" && told.ids.iter().any(|id| life.ids.contains(id))
    };
    let told = evidence.audit.iter().filter(paired).flat_map(|told| &told.ids).filter(|id| !life.ids.contains(*id));
    told.filter_map(move |id| lives.life(&(entity.clone(), id.clone())))
}

/// A person changed the other side after it had shown the value.
fn superseded_there(set: &Point<Value>, there: &[Point<Value>]) -> bool {
    // What was never set is empty.
    let showed_then = *Point::at(there, set.at).unwrap_or(&Value::Empty) == set.value;
    let shown = there.iter().position(|point| point.at >= set.at && (showed_then || point.value == set.value));
    // In the order in which it happened, which times of one moment do not tell.
    shown.is_some_and(|shown| {
        let from = if showed_then { shown } else { shown + 1 };
        there[from..].iter().any(|point| point.who == Who::Person)
    })
}

/// The value is the one that both sides had agreed on last: there and back again within one observation is no change, by
/// design.
fn is_no_change(before: &[Point<Value>], there: &[Point<Value>], set: &Point<Value>) -> bool {
    let mut times: Vec<Timestamp> =
        before.iter().chain(there).map(|point| point.at).filter(|at| *at < set.at).collect();
    times.sort();
    // What was never set is empty.
    let at = |points: &[Point<Value>], at: Timestamp| Point::at(points, at).cloned().unwrap_or(Value::Empty);
    let agreed = times.iter().rev().find_map(|time| {
        let here = at(before, *time);
        (at(there, *time) == here).then_some(here)
    });
    // Before anything was set, both were empty.
    agreed.unwrap_or(Value::Empty) == set.value
}

/// The value is the one that a record which gave way in a merge held, and on which its pair had agreed: the pair lives on
/// with its base, so that this value is no change (section 9).
fn is_merged_base(
    evidence: &Evidence,
    lives: &Lives,
    line: &Plain<'_>,
    (side, life): (Side, &Life),
    there: &[Point<Value>],
    set: &Point<Value>,
) -> bool {
    life.absorbed.iter().filter(|(_, merged)| *merged >= set.at).any(|(record, merged)| {
        let Some(theirs) = lives.life(record) else { return false };
        let held = Point::at(&line.points(evidence, theirs, side), *merged).cloned();
        let agreed = there.iter().any(|point| point.at <= *merged && point.value == set.value);
        held.as_ref() == Some(&set.value) && agreed
    })
}

/// A field was cleared before the pair was made: where the other side holds a value it is filled (section 3, case 6).
fn is_filled(evidence: &Evidence, pair: &Pair, set: &Point<Value>) -> bool {
    let made = evidence.audit.iter().any(|told| {
        let names = pair.ids.iter().flatten().all(|id| told.ids.contains(id));
        told.action == "link" && told.at >= set.at && told.rule == pair.sync && names
    });
    set.value.is_empty() && made
}

/// Case 5: of two edits that met, the one stands that the line says.
fn winners(evidence: &Evidence, lives: &Lives, line: &Plain<'_>, found: &mut Vec<Violation>) {
    if line.mapping.direction != Direction::Both || evidence.reloaded {
        return;
    }
    let actions = ["conflict", "first link"];
    let met = |told: &&Line| told.rule == line.sync.name && actions.contains(&told.action.as_str());
    let conflicts = evidence.audit.iter().filter(met);
    for told in conflicts {
        let (Some(value), Some(displaced), Some(field)) = (&told.value, &told.displaced, &told.field) else { continue };
        if field != line.field(Side::Left) && field != line.field(Side::Right) {
            continue;
        }
        // The record and the time of the edit behind a printed value: the last one that a person made until then.
        let edit = |side: Side, printed: &str| -> Option<(Timestamp, usize)> {
            let entity = line.sync.entity(side);
            let records = lives
                .all()
                .filter(|(record, life)| record.0 == *entity && told.ids.iter().any(|id| life.ids.contains(id)));
            let points = records.flat_map(|(_, life)| line.points(evidence, life, side));
            let edits: Vec<Point<Value>> =
                points.filter(|point| point.who == Who::Person && point.at <= told.at).collect();
            let ahead = evidence.ahead.get(&entity.system).map_or(0, |ahead| ahead.0);
            let last = edits.last().filter(|point| point.value.to_string() == printed)?;
            Some((Timestamp(last.at.0 + ahead), edits.len()))
        };
        let sides = [(Side::Left, Side::Right), (Side::Right, Side::Left)];
        // A value that the engine itself brought over, and that its own source has changed since, wins against nothing.
        // A side that wins, and cannot be without a value, gets back what the other side has cleared.
        let put_back = |winner: Side| {
            displaced.is_empty() && line.requires(evidence, winner) && line.mapping.policy == Policy::Wins(winner)
        };
        let older = sides.into_iter().filter(|(winner, _)| !put_back(*winner)).find(|(winner, loser)| {
            edit(*loser, displaced).is_some() && is_own_older(evidence, lives, line, told, (*winner, *loser), value)
        });
        if older.is_some() {
            let text =
                format!("{} at {}: the older `{value}` comes back over `{displaced}`", line.mapping.text, told.at);
            found.push(Violation::new(Kind::WrongWinner, text));
            continue;
        }
        let met = sides.into_iter().find_map(|(winner, loser)| {
            // Where both printed values were set on one side, it cannot be told which met.
            Some((winner, edit(winner, value)?.0, edit(loser, displaced)?.0))
        });
        let Some((winner, won, lost)) = met else { continue };
        if told.action != "conflict" {
            continue;
        }
        let wrong = match line.mapping.policy {
            Policy::Wins(side) => winner != side,
            // Where each side has its own again and people are asked, nothing was decided.
            Policy::Review => !evidence
                .pairs
                .iter()
                .any(|pair| pair.ids.iter().flatten().any(|id| told.ids.contains(id)) && is_told(evidence, pair)),
            Policy::Newest { tie } => {
                // A system gives two changes of one moment two times.
                let (guard, moment) = (evidence.skew_guard.0, 2);
                let later = lost.0 - won.0;
                // An answer tells the time of its record and not of each field: where one may have shown an edit first,
                // the order is unknown, and the tie side stands (section 1).
                let unknown = [winner, winner.other()].into_iter().any(|side| {
                    let system = &line.sync.entity(side).system;
                    let ahead = evidence.ahead.get(system).map_or(0, |ahead| ahead.0);
                    let edit = if side == winner { won } else { lost };
                    is_answered_since(evidence, system, Timestamp(edit.0 - ahead), told.at)
                });
                if winner == tie { later > guard + moment && !unknown } else { later >= moment - guard }
            }
        };
        if wrong {
            let text = format!(
                "{} at {}: `{value}` of {won} stands, `{displaced}` of {lost} does not",
                line.mapping.text, told.at
            );
            found.push(Violation::new(Kind::WrongWinner, text));
        }
    }
}

/// A request to the system was answered in this time, or may have been: an answer shows the record.
fn is_answered_since(evidence: &Evidence, system: &str, from: Timestamp, to: Timestamp) -> bool {
    let shows = |request: &Request| request.system == system && request.kind != "call" && request.kind != "delete";
    let answered = |request: &Request| request.sent <= to && request.sent.0 + LONGEST_WAIT.0 >= from.0;
    evidence.requests.iter().any(|request| shows(request) && answered(request))
}

/// How long an answer is waited for.
const LONGEST_WAIT: Duration = Duration::seconds(30);

/// The value stands on the winning side because the engine wrote it there from the losing one, where it was replaced.
fn is_own_older(
    evidence: &Evidence,
    lives: &Lives,
    line: &Plain<'_>,
    told: &Line,
    (winner, loser): (Side, Side),
    value: &str,
) -> bool {
    let points = |side: Side| -> Vec<Point<Value>> {
        let records = lives.all().filter(|(record, life)| {
            record.0 == *line.sync.entity(side) && told.ids.iter().any(|id| life.ids.contains(id))
        });
        // The write that is told of happens in the same moment.
        let before = |point: &Point<Value>| point.at < told.at || (point.at == told.at && point.who == Who::Person);
        records.flat_map(|(_, life)| line.points(evidence, life, side)).filter(before).collect()
    };
    let (won, lost) = (points(winner), points(loser));
    let ours = won.last().is_some_and(|point| point.who == Who::Engine && point.value.to_string() == value);
    ours && lost.iter().any(|point| point.value.to_string() == value)
}

/// What people call a record.
pub(super) fn name(evidence: &Evidence, record: &Record) -> String {
    evidence.names.get(record).map_or_else(|| record.1.clone(), |name| format!("{name} ({})", record.1))
}
