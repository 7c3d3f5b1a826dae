//! Conditions of rules: what they look at, and whether two of them exclude each other.
//!
//! In: expressions as written, and the records that names lead to. Out: facts and values under names that are the
//! same in every rule about one record: `.stage` is a field of the record whose change fires the rule, whatever the
//! rule calls it, and `.user.email` one behind a link of it.
//! Always true: facts hold wherever the condition does, and two lists are told to exclude each other only if no
//! record at all fits both. A condition that is not understood is a fact of its own, which only its opposite
//! excludes.

use std::collections::{BTreeMap, BTreeSet};

use rust_decimal::Decimal;

use crate::ast::{BinaryOp, Expr, ExprKind, Path, TextPart};
use crate::check::facts::declared::Declared;
use crate::schema::EntityName;

/// A record that a rule can name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Known {
    pub(crate) entity: EntityName,
    /// The way to it: empty for the record whose change fires the rule, `.user` over a link, `[app.User.email=.email]`
    /// by a key.
    pub(crate) way: String,
    /// The key that it is found by and its value under its common name, where no link follows.
    pub(crate) key: Option<(String, String)>,
}

impl Known {
    /// One that is no other's way.
    pub(crate) fn at(entity: EntityName, way: String) -> Self {
        Self { entity, way, key: None }
    }
}

/// What names mean in a rule.
#[derive(Debug, Clone, Default)]
pub(crate) struct Scope<'i> {
    records: BTreeMap<&'i str, Known>,
    /// Results and events.
    others: BTreeSet<&'i str>,
    /// The field whose change fires the rule: `old` and `new` are its values.
    pub(crate) changed: Option<&'i str>,
}

impl<'i> Scope<'i> {
    pub(crate) fn bind(&mut self, name: &'i str, record: Known) {
        self.others.remove(name);
        self.records.insert(name, record);
    }

    /// Names something that is no record.
    pub(crate) fn other(&mut self, name: &'i str) {
        self.records.remove(name);
        self.others.insert(name);
    }

    /// The record that a path leads to, from a name over links.
    pub(crate) fn record(&self, declared: &Declared<'_>, names: &[crate::ast::Name]) -> Option<Known> {
        let (first, links) = names.split_first()?;
        let mut known = self.records.get(first.value.as_str())?.clone();
        for link in links {
            let to = declared.entity(&known.entity)?.links.get(&link.value)?.to.clone();
            known.entity = EntityName::new(known.entity.system, to);
            known.key = None;
            known.way.push('.');
            known.way.push_str(&link.value);
        }
        Some(known)
    }

    /// The one record with this value in this field.
    pub(crate) fn by_key(&self, declared: &Declared<'_>, entity: EntityName, field: &str, value: &Expr) -> Known {
        // Whoever holds the value of that very field is that record.
        if let ExprKind::Path(path) = &value.kind
            && let Some((last, front)) = path.names.split_last()
            && last.value == field
            && let Some(known) = self.record(declared, front)
            && known.entity == entity
        {
            return known;
        }
        let value = self.term(value);
        Known { way: format!("[{entity}.{field}={value}]"), key: Some((field.to_owned(), value)), entity }
    }

    fn path(&self, path: &Path) -> String {
        let Some((first, rest)) = path.names.split_first() else { return String::new() };
        let mut term = match (self.records.get(first.value.as_str()), self.changed, first.value.as_str()) {
            (Some(known), ..) => known.way.clone(),
            (None, Some(field), "new") => format!(".{field}"),
            (None, Some(field), "old") => format!("old.{field}"),
            _ if self.others.contains(first.value.as_str()) => first.value.clone(),
            _ if rest.is_empty() => return quoted(&first.value),
            _ => first.value.clone(),
        };
        for name in rest {
            term.push('.');
            term.push_str(&name.value);
        }
        term
    }

    /// The value under its common name.
    pub(crate) fn term(&self, expr: &Expr) -> String {
        match &expr.kind {
            ExprKind::Path(path) => self.path(path),
            // In quotes, as bare words are: a text is the same as its word, and never the path of a field.
            ExprKind::Text(parts) => match parts.as_slice() {
                [] => quoted(""),
                [TextPart::Chars(text)] => quoted(text),
                parts => {
                    let part = |part: &TextPart| match part {
                        TextPart::Chars(text) => quoted(text),
                        TextPart::Expr(inner) => self.term(inner),
                    };
                    parts.iter().map(part).collect::<Vec<_>>().join("+")
                }
            },
            // A number is the same however many zeros end it; a percentage is kept as its fraction.
            ExprKind::Number(n) | ExprKind::Percent(n) => n.normalize().to_string(),
            ExprKind::Flag(yes) => quoted(if *yes { "yes" } else { "no" }),
            ExprKind::Date(date) => date.to_string(),
            ExprKind::Timestamp(at) => format!("{at:?}"),
            ExprKind::Duration(length) => format!("{length:?}"),
            ExprKind::Empty => EMPTY.to_owned(),
            ExprKind::List(items) => {
                format!("[{}]", items.iter().map(|item| self.term(item)).collect::<Vec<_>>().join(","))
            }
            ExprKind::Index { table, key, rest } => {
                let columns: Vec<&str> = rest.iter().map(|name| name.value.as_str()).collect();
                format!("{}[{}].{}", self.term(table), self.term(key), columns.join("."))
            }
            ExprKind::As(of, transform) => {
                let name = match &transform.name {
                    crate::ast::TransformName::Named(name) => name.value.clone(),
                    crate::ast::TransformName::Format(form) => quoted(&form.value),
                };
                let args: Vec<String> = transform.args.iter().map(|arg| self.term(arg)).collect();
                format!("({} as {name}({}))", self.term(of), args.join(","))
            }
            ExprKind::IsEmpty { of, negated } => format!("({} is {negated})", self.term(of)),
            ExprKind::Else(first, second) => format!("({} else {})", self.term(first), self.term(second)),
            ExprKind::Not(of) => format!("(not {})", self.term(of)),
            ExprKind::Binary(left, op, right) => format!("({} {:?} {})", self.term(left), op.value, self.term(right)),
        }
    }

    /// Is it written out, so that it is the same whenever it is looked at?
    pub(crate) fn constant(&self, expr: &Expr) -> bool {
        match &expr.kind {
            ExprKind::Path(path) => {
                let name = path.names[0].value.as_str();
                let change = self.changed.is_some() && matches!(name, "old" | "new");
                path.names.len() == 1 && !change && !self.records.contains_key(name) && !self.others.contains(name)
            }
            ExprKind::Text(parts) => parts.iter().all(|part| matches!(part, TextPart::Chars(_))),
            ExprKind::Number(_)
            | ExprKind::Percent(_)
            | ExprKind::Flag(_)
            | ExprKind::Date(_)
            | ExprKind::Timestamp(_)
            | ExprKind::Empty => true,
            _ => false,
        }
    }

    /// What follows from the condition, or from its opposite.
    pub(crate) fn facts(&self, condition: &Expr, holds: bool, facts: &mut Vec<Fact>) {
        let whole = |term: String, holds: bool| Fact { term, says: Says::Whole(holds) };
        match &condition.kind {
            ExprKind::Flag(_) => {}
            ExprKind::Not(of) => self.facts(of, !holds, facts),
            ExprKind::IsEmpty { of, negated } => {
                facts.push(Fact { term: self.term(of), says: Says::Empty(*negated != holds) });
            }
            ExprKind::Path(_) | ExprKind::Index { .. } => {
                let words = BTreeSet::from([quoted("yes")]);
                facts.push(Fact { term: self.term(condition), says: Says::words(words, holds) });
            }
            ExprKind::Binary(left, op, right) => match op.value {
                BinaryOp::And if holds => [left, right].iter().for_each(|side| self.facts(side, true, facts)),
                BinaryOp::Or if !holds => [left, right].iter().for_each(|side| self.facts(side, false, facts)),
                BinaryOp::And | BinaryOp::Or => {
                    let side = |side: &Expr| {
                        let mut facts = Vec::new();
                        self.facts(side, holds, &mut facts);
                        facts
                    };
                    facts.push(Fact { term: String::new(), says: Says::Any([side(left), side(right)]) });
                }
                BinaryOp::Equal | BinaryOp::NotEqual => {
                    let equal = (op.value == BinaryOp::Equal) == holds;
                    let (left, right) = if self.constant(left) { (right, left) } else { (left, right) };
                    let term = self.term(left);
                    if right.kind == ExprKind::Empty {
                        facts.push(Fact { term, says: Says::Empty(equal) });
                    } else if self.constant(right) {
                        let words = BTreeSet::from([self.term(right)]);
                        facts.push(Fact { term, says: Says::words(words, equal) });
                    } else {
                        let mut sides = [term, self.term(right)];
                        sides.sort();
                        facts.push(whole(sides.join(" = "), equal));
                    }
                }
                BinaryOp::In => match self.list(right) {
                    Some(words) => facts.push(Fact { term: self.term(left), says: Says::words(words, holds) }),
                    None => facts.push(whole(self.term(condition), holds)),
                },
                BinaryOp::Less | BinaryOp::LessOrEqual | BinaryOp::Greater | BinaryOp::GreaterOrEqual => {
                    let below = matches!(op.value, BinaryOp::Less | BinaryOp::LessOrEqual) == holds;
                    let reaches = matches!(op.value, BinaryOp::LessOrEqual | BinaryOp::GreaterOrEqual) == holds;
                    let bound = match &right.kind {
                        ExprKind::Number(n) | ExprKind::Percent(n) => Some(*n),
                        _ => None,
                    };
                    match bound {
                        // The opposite holds for what is missing, too.
                        Some(bound) => facts.push(Fact {
                            term: self.term(left),
                            says: Says::Bound { below, bound, reaches, missing: !holds },
                        }),
                        None => {
                            // `a >= b` excludes `a < b`.
                            let strict = below != reaches;
                            let sign = if strict { "<" } else { "<=" };
                            facts.push(whole(format!("{} {sign} {}", self.term(left), self.term(right)), below));
                        }
                    }
                }
                _ => facts.push(whole(self.term(condition), holds)),
            },
            _ => facts.push(whole(self.term(condition), holds)),
        }
    }

    fn list(&self, list: &Expr) -> Option<BTreeSet<String>> {
        let ExprKind::List(items) = &list.kind else { return None };
        items.iter().map(|item| self.constant(item).then(|| self.term(item))).collect()
    }

    /// What a condition looks at.
    pub(crate) fn reads(&self, expr: &Expr, found: &mut Reads) {
        match &expr.kind {
            ExprKind::Path(path) => {
                let name = path.names[0].value.as_str();
                match (self.records.get(name), path.names.as_slice()) {
                    (Some(known), [_, field]) if known.way.is_empty() => {
                        found.own.insert(field.value.clone());
                    }
                    (Some(_), [_]) => found.records = true,
                    (None, [_]) if self.constant(expr) => {}
                    _ => found.more = true,
                }
            }
            ExprKind::Text(parts) => {
                for part in parts {
                    if let TextPart::Expr(inner) = part {
                        self.reads(inner, found);
                    }
                }
            }
            ExprKind::List(items) => items.iter().for_each(|item| self.reads(item, found)),
            // A table stays as it is while rules run; what looks it up may change.
            ExprKind::Index { key, .. } => self.reads(key, found),
            ExprKind::As(of, transform) => {
                self.reads(of, found);
                transform.args.iter().for_each(|arg| self.reads(arg, found));
            }
            ExprKind::IsEmpty { of, .. } | ExprKind::Not(of) => self.reads(of, found),
            ExprKind::Else(left, right) | ExprKind::Binary(left, _, right) => {
                self.reads(left, found);
                self.reads(right, found);
            }
            ExprKind::Number(_)
            | ExprKind::Percent(_)
            | ExprKind::Flag(_)
            | ExprKind::Date(_)
            | ExprKind::Timestamp(_)
            | ExprKind::Duration(_)
            | ExprKind::Empty => {}
        }
    }
}

/// The common name of `empty`.
const EMPTY: &str = "empty";

fn quoted(text: &str) -> String {
    format!("'{text}'")
}

/// What a condition looks at.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Reads {
    /// Fields and links of the record whose change fires the rule.
    pub(crate) own: BTreeSet<String>,
    /// Whether there is a record.
    pub(crate) records: bool,
    /// Anything else: fields of other records, results, the value before.
    pub(crate) more: bool,
}

/// Something that holds where a rule acts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fact {
    term: String,
    says: Says,
}

/// What is known of a field of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Given<'g> {
    /// It is this value, under its common name.
    Constant(&'g str),
    /// It is not empty.
    Something,
    /// Nothing.
    Unknown,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Says {
    OneOf(BTreeSet<String>),
    NoneOf(BTreeSet<String>),
    Empty(bool),
    /// Below or above a number; `reaches` it, or is `missing` altogether.
    Bound {
        below: bool,
        bound: Decimal,
        reaches: bool,
        missing: bool,
    },
    /// The whole condition, or its opposite.
    Whole(bool),
    /// All of one of these lists.
    Any([Vec<Fact>; 2]),
}

impl Says {
    fn words(words: BTreeSet<String>, holds: bool) -> Self {
        if holds { Self::OneOf(words) } else { Self::NoneOf(words) }
    }
}

impl Fact {
    /// The field whose change fires the rule, or its value before, is one of these words.
    pub(crate) fn one_of(term: String, words: &[&str]) -> Self {
        Self { term, says: Says::OneOf(words.iter().map(|word| quoted(word)).collect()) }
    }

    /// Does it hold of the record whose change fires the rule, whatever else that holds? `given` says what is known
    /// of its fields.
    pub(crate) fn holds<'g>(&self, given: &impl Fn(&str) -> Given<'g>) -> bool {
        if let Says::Any(lists) = &self.says {
            // A side that says nothing of any record is `yes` or `no`.
            return lists.iter().any(|list| !list.is_empty() && list.iter().all(|fact| fact.holds(given)));
        }
        let Some(field) = self.term.strip_prefix('.') else { return false };
        match (&self.says, given(field)) {
            (Says::Empty(empty), Given::Constant(value)) => (value == EMPTY || value == quoted("")) == *empty,
            (Says::Empty(false), Given::Something) => true,
            (Says::OneOf(words), Given::Constant(value)) => words.contains(value),
            (Says::NoneOf(words), Given::Constant(value)) => !words.contains(value),
            _ => false,
        }
    }

    fn excludes(&self, other: &Self) -> bool {
        if self.term != other.term {
            return false;
        }
        match (&self.says, &other.says) {
            (Says::OneOf(a), Says::OneOf(b)) => a.is_disjoint(b),
            (Says::OneOf(a), Says::NoneOf(b)) | (Says::NoneOf(b), Says::OneOf(a)) => a.is_subset(b),
            (Says::Empty(a), Says::Empty(b)) | (Says::Whole(a), Says::Whole(b)) => a != b,
            (Says::Empty(true), Says::OneOf(_)) | (Says::OneOf(_), Says::Empty(true)) => true,
            (Says::Empty(true), Says::Bound { missing, .. }) | (Says::Bound { missing, .. }, Says::Empty(true)) => {
                !missing
            }
            (
                Says::Bound { below: a, bound: x, reaches: c, missing: e },
                Says::Bound { below: b, bound: y, reaches: d, missing: f },
            ) if a != b && !(*e && *f) => {
                let (high, low) = if *a { (x, y) } else { (y, x) };
                high < low || (high == low && !(*c && *d))
            }
            _ => false,
        }
    }
}

/// Can no record fit both lists? Where both leave a choice, it is followed on one side at a time.
pub(crate) fn exclude(a: &[Fact], b: &[Fact]) -> bool {
    narrowed(a, b) || narrowed(b, a)
}

/// The same, with the choices of the first list followed.
fn narrowed(a: &[Fact], b: &[Fact]) -> bool {
    a.iter().any(|fact| match &fact.says {
        Says::Any(lists) => lists.iter().all(|list| narrowed(list, b)),
        _ => b.iter().any(|other| fact.excludes(other)),
    })
}
