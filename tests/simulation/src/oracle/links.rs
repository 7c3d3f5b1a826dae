//! Associations: the two sides lead to the same thing, and no link that a person made is lost in silence.

use dsl::program::{Direction, Mapping, MappingKind, Side, Sync};
use dsl::schema::EntityName;
use dsl::value::Timestamp;

use super::lives::{Life, Lives, Point, held, is_told, record_of};
use super::values::name;
use super::{Kind, Violation};
use crate::evidence::{Evidence, Pair, Record, Who};

/// A line that moves one link to one link.
struct Line<'p> {
    sync: &'p Sync,
    mapping: &'p Mapping,
    links: [&'p str; 2],
    via: &'p Sync,
    straight: bool,
}

impl<'p> Line<'p> {
    fn of(evidence: &'p Evidence, sync: &'p Sync, mapping: &'p Mapping) -> Option<Self> {
        let MappingKind::Link { left, right, via, straight } = &mapping.kind else { return None };
        let ([left], [right]) = (left.as_slice(), right.as_slice()) else { return None };
        let via = evidence.program.syncs.get(*via)?;
        Some(Self { sync, mapping, links: [left, right], via, straight: *straight })
    }

    fn link(&self, side: Side) -> &'p str {
        self.links[usize::from(side == Side::Right)]
    }

    fn via_side(&self, side: Side) -> Side {
        if self.straight == (side == Side::Left) { Side::Left } else { Side::Right }
    }

    /// The pair that a target belongs to: what links compare by. `Some(None)` where there is no target, nothing where the
    /// target belongs to no pair and nothing can be said.
    fn target(&self, evidence: &Evidence, lives: &Lives, side: Side, targets: &[String]) -> Option<Option<String>> {
        let Some(first) = targets.first() else { return Some(None) };
        let via_side = self.via_side(side);
        let entity: &EntityName = self.via.entity(via_side);
        let living = lives.living(&(entity.clone(), first.clone()));
        let pairs = evidence.pairs.iter().filter(|pair| pair.sync == self.via.name && pair.state == "linked");
        let mut pairs = pairs
            .filter(|pair| record_of(evidence, pair, via_side).is_some_and(|record| lives.living(&record) == living));
        pairs.next().map(|pair| Some(pair.name.clone()))
    }
}

/// Compares the links of every pair, and follows every link that a person made or removed.
pub(super) fn judge(evidence: &Evidence, lives: &Lives, found: &mut Vec<Violation>) {
    for sync in &evidence.program.syncs {
        for mapping in &sync.fields {
            let Some(line) = Line::of(evidence, sync, mapping) else { continue };
            let diverged = equal(evidence, lives, &line, found);
            for (record, life) in lives.all() {
                for side in [Side::Left, Side::Right] {
                    if *sync.entity(side) == record.0 {
                        followed(evidence, lives, &line, side, (record, life), &diverged, found);
                    }
                }
            }
        }
    }
}

fn equal(evidence: &Evidence, lives: &Lives, line: &Line<'_>, found: &mut Vec<Violation>) -> Vec<String> {
    let mut diverged = Vec::new();
    for pair in evidence.pairs.iter().filter(|pair| pair.sync == line.sync.name && pair.state == "linked") {
        if is_told(evidence, pair) {
            continue;
        }
        let target = |side: Side| {
            let (_, held) = held(evidence, lives, pair, side)?;
            let targets = held.links.get(line.link(side)).map(Vec::as_slice).unwrap_or_default();
            line.target(evidence, lives, side, targets)
        };
        let (Some(left), Some(right)) = (target(Side::Left), target(Side::Right)) else { continue };
        if left == right {
            continue;
        }
        let empty_source = match line.mapping.direction {
            Direction::Both => false,
            Direction::ToRight => left.is_none() && line.mapping.on_empty != dsl::program::Outcome::Clear,
            Direction::ToLeft => right.is_none() && line.mapping.on_empty != dsl::program::Outcome::Clear,
        };
        if empty_source {
            continue;
        }
        let print = |target: &Option<String>| target.clone().unwrap_or_else(|| "nothing".to_owned());
        let text = format!("{} {}: {} and {}", pair.name, line.mapping.text, print(&left), print(&right));
        diverged.push(pair.name.clone());
        found.push(Violation::new(Kind::AssociationDiverged, text));
    }
    diverged
}

/// The last link that a person made or removed on a side is final on both sides, or superseded, or named in history.
fn followed(
    evidence: &Evidence,
    lives: &Lives,
    line: &Line<'_>,
    side: Side,
    (record, life): (&Record, &Life),
    diverged: &[String],
    found: &mut Vec<Violation>,
) {
    let Some(end) = evidence.end.get(record) else { return };
    let points = life.links.get(line.link(side)).map(Vec::as_slice).unwrap_or_default();
    let Some(set) = points.iter().rev().find(|point| point.who == Who::Person) else { return };
    let held_now = end.links.get(line.link(side)).map(Vec::as_slice).unwrap_or_default();
    if set.value.first() == held_now.first() {
        // It stands; where the other side leads elsewhere, that is told already.
        return;
    }
    // What it led to must still be there to be led to.
    let Some(wanted) = line.target(evidence, lives, side, &set.value) else { return };
    if line.target(evidence, lives, side, held_now) == Some(wanted.clone()) {
        return;
    }
    let other = side.other();
    let pairs: Vec<&Pair> = evidence
        .pairs
        .iter()
        .filter(|pair| pair.sync == line.sync.name)
        .filter(|pair| record_of(evidence, pair, side).is_some_and(|of| life.ids.contains(&of.1)))
        .collect();
    // A record that is in no pair of this sync is another one's.
    if pairs.is_empty() || pairs.iter().any(|pair| diverged.contains(&pair.name) || is_told(evidence, pair)) {
        return;
    }
    let printed = wanted.clone().unwrap_or_default();
    for pair in &pairs {
        let told = evidence.audit.iter().any(|told| {
            told.rule == line.sync.name
                && told.at >= set.at
                && told.displaced.as_deref() == Some(printed.as_str())
                && told.field.as_deref().is_some_and(|field| field == line.link(side) || field == line.link(other))
                && told.ids.iter().any(|id| pair.ids.iter().flatten().any(|own| own == id))
        });
        let theirs = record_of(evidence, pair, other).and_then(|partner| lives.life(&partner));
        // What is merged in counts as a change of that side.
        if theirs.is_some_and(|life| life.merged.iter().any(|merged| *merged >= set.at)) {
            return;
        }
        let there = theirs.and_then(|life| life.links.get(line.link(other))).map(Vec::as_slice).unwrap_or_default();
        let same = |point: &Point<Vec<String>>| {
            line.target(evidence, lives, other, &point.value).is_none_or(|target| target == wanted)
        };
        let shown_at: Option<Timestamp> = there.iter().find(|point| point.at >= set.at && same(point)).map(|p| p.at);
        // What was never set leads to nothing.
        let standing = there.iter().rev().find(|point| point.at <= set.at).map_or(wanted.is_none(), &same);
        let shown = if standing { Some(set.at) } else { shown_at };
        let superseded =
            shown.is_some_and(|shown| there.iter().any(|point| point.who == Who::Person && point.at > shown));
        if told || superseded {
            return;
        }
    }
    let text = format!(
        "{} {} of {}: it was set to {}, and leads to {} in the end",
        record.0,
        line.link(side),
        name(evidence, record),
        if printed.is_empty() { "nothing" } else { &printed },
        held_now.first().map_or("nothing", String::as_str),
    );
    found.push(Violation::new(Kind::LostAssociation, text));
}
