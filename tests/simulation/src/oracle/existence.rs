//! Records and pairs: one pair for each record, no pair of the dead, no second record for one thing, nothing of the
//! erased (P3, P6, section 4).

use std::collections::BTreeMap;

use dsl::program::{Run, Side};

use super::lives::{Lives, held, is_told, record_of};
use super::values::name;
use super::{Kind, Violation};
use crate::evidence::{Evidence, Pair, Record, Who};

/// Looks at every pair and every record.
pub(super) fn judge(evidence: &Evidence, lives: &Lives, found: &mut Vec<Violation>) {
    pairs(evidence, lives, found);
    in_no_pair(evidence, lives, found);
    twins(evidence, found);
    erased(evidence, lives, found);
}

fn pairs(evidence: &Evidence, lives: &Lives, found: &mut Vec<Violation>) {
    let mut holders: BTreeMap<(String, Record), Vec<String>> = BTreeMap::new();
    for pair in evidence.pairs.iter().filter(|pair| pair.state != "gone" && !is_left_over(evidence, pair)) {
        for side in [Side::Left, Side::Right] {
            if let Some(record) = record_of(evidence, pair, side) {
                let record = lives.living(&record);
                holders.entry((pair.sync.clone(), record)).or_default().push(pair.name.clone());
            }
        }
    }
    for ((sync, record), names) in &holders {
        let waits = |wanted: &String| {
            evidence.pairs.iter().any(|pair| pair.name == *wanted && pair.state == "parked" && is_told(evidence, pair))
        };
        // A pair that waits for a person because of the other one does not hold it.
        let held = names.iter().filter(|name| !waits(name)).count();
        if held > 1 {
            let text = format!("{sync}: {} {} is in {}", record.0, name(evidence, record), names.join(" and "));
            found.push(Violation::new(Kind::TwoPairs, text));
        }
    }
    for pair in &evidence.pairs {
        let told = is_told(evidence, pair);
        let lives_on = [Side::Left, Side::Right].map(|side| held(evidence, lives, pair, side).is_some());
        let known = pair.ids.iter().flatten().count();
        let print = || {
            let id = |id: &Option<String>| id.clone().unwrap_or_else(|| "-".to_owned());
            format!("{} of {} ({} and {})", pair.name, pair.sync, id(&pair.ids[0]), id(&pair.ids[1]))
        };
        match pair.state.as_str() {
            "linked" => {
                for (side, id) in [Side::Left, Side::Right].into_iter().zip(&pair.ids) {
                    let dead = id.is_some() && held(evidence, lives, pair, side).is_none();
                    if dead && !told {
                        let text = format!("{}: the {side:?} record is gone", print());
                        found.push(Violation::new(Kind::DeadRecord, text.to_lowercase()));
                    }
                    // An id that leads elsewhere reaches nothing in a batch.
                    let record = record_of(evidence, pair, side);
                    let stale = record.is_some_and(|record| lives.living(&record) != record);
                    if stale && !told {
                        let text = format!("{}: the {side:?} record lives under another id", print());
                        found.push(Violation::new(Kind::DeadRecord, text.to_lowercase()));
                    }
                }
                if !pair.detail.is_empty() && !told {
                    found.push(Violation::new(Kind::ParkedInSilence, format!("{}: {}", print(), pair.detail)));
                }
            }
            "parked" if !told => {
                found.push(Violation::new(Kind::ParkedInSilence, format!("{}: {}", print(), pair.detail)));
            }
            "looking" | "being made" if !told && !is_left_over(evidence, pair) => {
                found.push(Violation::new(Kind::StandsStill, format!("{}: {}", print(), pair.state)));
            }
            "gone" if known == 2 && lives_on == [true, true] => {
                let elsewhere = [Side::Left, Side::Right].into_iter().any(|side| {
                    let Some(record) = record_of(evidence, pair, side) else { return false };
                    in_another(evidence, lives, pair, side, &lives.living(&record))
                });
                if !elsewhere && !told {
                    found.push(Violation::new(Kind::GoneThoughBothLive, print()));
                }
            }
            _ => {}
        }
    }
}

/// A pair of one record that lives no more under its id: nothing hangs on it.
fn is_left_over(evidence: &Evidence, pair: &Pair) -> bool {
    let records = [Side::Left, Side::Right].map(|side| record_of(evidence, pair, side));
    records.iter().flatten().count() == 1 && records.iter().flatten().all(|record| !evidence.end.contains_key(record))
}

fn in_another(evidence: &Evidence, lives: &Lives, pair: &Pair, side: Side, record: &Record) -> bool {
    let others = evidence.pairs.iter().filter(|other| other.sync == pair.sync && other.name != pair.name);
    others
        .filter(|other| other.state != "gone")
        .any(|other| record_of(evidence, other, side).is_some_and(|of| lives.living(&of) == *record))
}

/// A record whose partner is to be made is in a pair, or people are told.
fn in_no_pair(evidence: &Evidence, lives: &Lives, found: &mut Vec<Violation>) {
    for sync in evidence.program.syncs.iter().filter(|sync| sync.run == Run::OnChange && sync.only.is_none()) {
        for side in [Side::Left, Side::Right].into_iter().filter(|side| sync.create.contains(&side.other())) {
            for record in evidence.end.keys().filter(|record| record.0 == *sync.entity(side)) {
                let paired = evidence
                    .pairs
                    .iter()
                    .filter(|pair| pair.sync == sync.name)
                    .any(|pair| record_of(evidence, pair, side).is_some_and(|of| lives.living(&of) == *record));
                let told = evidence.incidents.iter().any(|incident| incident.id == record.1);
                if !paired && !told {
                    let text = format!("{}: {} {} is in no pair", sync.name, record.0, name(evidence, record));
                    found.push(Violation::new(Kind::InNoPair, text));
                }
            }
        }
    }
}

/// One thing is one record in each system.
fn twins(evidence: &Evidence, found: &mut Vec<Violation>) {
    let mut records: BTreeMap<(String, String), Vec<&str>> = BTreeMap::new();
    for (record, thing) in evidence.names.iter().filter(|(record, _)| evidence.end.contains_key(*record)) {
        records.entry((thing.clone(), record.0.to_string())).or_default().push(&record.1);
    }
    for ((thing, entity), ids) in records.into_iter().filter(|(_, ids)| ids.len() > 1) {
        found.push(Violation::new(Kind::Twin, format!("{thing} is {entity} {}", ids.join(" and "))));
    }
}

/// P6: nothing of an erased record is kept, and nothing makes it again.
fn erased(evidence: &Evidence, lives: &Lives, found: &mut Vec<Violation>) {
    for (value, key) in &evidence.kept {
        let key: String = key.chars().filter(|letter| !letter.is_control()).collect();
        found.push(Violation::new(Kind::ErasedStays, format!("`{value}` of an erased record stands in `{key}`")));
    }
    for (record, life) in lives.all() {
        let Some(at) = life.erased else { continue };
        let thing = evidence.names.get(record);
        let again = lives.all().find(|(other, life)| {
            other.0 == record.0
                && *other != record
                && thing.is_some()
                && evidence.names.get(*other) == thing
                && life.made.is_some_and(|(made, who)| made > at && who == Who::Engine)
        });
        if let Some((other, _)) = again {
            let text = format!("{} {} was erased and made again as {}", record.0, name(evidence, record), other.1);
            found.push(Violation::new(Kind::ErasedStays, text));
        }
    }
}
