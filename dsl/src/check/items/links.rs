//! Links: what they lead to, and the sync that pairs their records.

use crate::ast::{self, ExprKind, Outcome as Written};
use crate::check::facts::findings::{Writer, note};
use crate::check::facts::phrases::{self, an_entity, plural};
use crate::check::facts::world::World;
use crate::diagnostic::{Code, Problem};
use crate::program::{Direction, LinkValue, Mapping, MappingKind, Outcome, Policy, Side, Sync};
use crate::schema::EntityName;
use crate::source::Span;

impl World<'_> {
    pub(crate) fn link_mapping(
        &mut self,
        built: &Sync,
        line: &ast::Mapping,
        direction: Direction,
        policy: Policy,
        place: crate::program::Place,
        text: String,
    ) -> Option<Mapping> {
        let left = self.links(&built.left.clone(), &line.left);
        let right = self.links(&built.right.clone(), &line.right);
        let ((left, left_to), (right, right_to)) = (left?, right?);
        let via = line.via.as_ref()?;
        let found = self.sync_names.iter().position(|(n, l, r, _)| {
            *n == via.value && ((*l == left_to && *r == right_to) || (*l == right_to && *r == left_to))
        });
        let Some(index) = found else {
            let pairs: Vec<String> = self
                .sync_names
                .iter()
                .filter(|(_, l, r, _)| (*l == left_to && *r == right_to) || (*l == right_to && *r == left_to))
                .map(|(n, ..)| n.clone())
                .collect();
            self.wrong_via((&left_to, line.left.span), (&right_to, Some(line.right.span)), via, &pairs);
            return None;
        };
        let straight = self.sync_names[index].1 == left_to;
        let on_empty = self.link_outcome(line.on_empty.as_ref(), line.on_create.is_some());
        for (side, entity, path, span) in
            [(Side::Left, &built.left, &left, line.left.span), (Side::Right, &built.right, &right, line.right.span)]
        {
            if !direction.writes(side) {
                continue;
            }
            let [link] = path.as_slice() else {
                let label = format!("belongs to the {}", path[0]);
                let message = "a link of another record cannot be written here";
                let problem = Problem::new(Code::E0301, message, span, label);
                self.tell(problem.help("use a sync of that entity, or turn the arrow"));
                return None;
            };
            if let (true, Outcome::Clear | Outcome::Keep, Some(written)) =
                (built.create.contains(&side), &on_empty, &line.on_empty)
            {
                self.lacks(entity, link, written.span);
            }
            if line.on_create.is_none() {
                self.clears(entity, link, &on_empty, line.on_empty.as_ref());
            }
            // The side that wins may be written by rules: its link goes to the other side. What is only written into a
            // new record is a first value.
            if line.on_create.is_some() || direction == Direction::Both && policy == Policy::Wins(side) {
                continue;
            }
            self.found.writers.push(Writer {
                entity: entity.clone(),
                field: link.clone(),
                span,
                by: format!("sync {}", built.name),
                sync: true,
                wins: format!("and the {} owns it", phrases::system(&built.entity(side.other()).system)),
                fills: None,
            });
        }
        Some(Mapping {
            direction,
            kind: MappingKind::Link { left, right, via: index, straight },
            on_empty,
            on_create: line.on_create.is_some(),
            policy,
            implicit: false,
            place,
            text,
        })
    }

    /// `else …` of a link.
    pub(crate) fn link_outcome(&mut self, on_empty: Option<&ast::OnEmpty>, new: bool) -> Outcome {
        let Some(written) = on_empty else { return Outcome::Never };
        match &written.outcome {
            Written::Clear => Outcome::Clear,
            Written::Keep if !new => Outcome::Keep,
            Written::Skip | Written::Nothing => Outcome::Skip,
            Written::Fail => Outcome::Fail,
            Written::Keep | Written::Value(_) => {
                let message = if new { "a new record has nothing to keep" } else { "a link takes no other value" };
                let problem = Problem::new(Code::E0209, message, written.span, "does not belong here");
                self.tell(problem.help("write `else clear`, `else skip` or `else fail`"));
                Outcome::Clear
            }
        }
    }

    /// Links from an entity; the entity they lead to.
    pub(crate) fn links(&mut self, entity: &EntityName, expr: &ast::Expr) -> Option<(Vec<String>, EntityName)> {
        let ExprKind::Path(path) = &expr.kind else {
            let problem = Problem::new(Code::E0201, "a link stands here", expr.span, "not a link");
            self.tell(problem);
            return None;
        };
        let mut at = entity.clone();
        let mut names = Vec::new();
        for name in &path.names {
            let Some(link) = self.entity(&at).and_then(|e| e.links.get(&name.value)).cloned() else {
                if self.entity(&at).is_some_and(|e| e.fields.contains_key(&name.value)) {
                    let problem = Problem::new(
                        Code::E0101,
                        format!("{at}.{} is a value and links nothing", name.value),
                        name.span,
                        "no link",
                    );
                    let links: Vec<String> =
                        self.entity(&at).map(|e| e.links.keys().cloned().collect()).unwrap_or_default();
                    self.tell(problem.help(format!("links of {at} are: {}", links.join(", "))));
                } else {
                    self.no_field(&at, name);
                }
                return None;
            };
            note(&mut self.found.used, &at, &name.value, true);
            names.push(name.value.clone());
            at = EntityName::new(&at.system, &link.to);
        }
        Some((names, at))
    }

    /// How a record of `from` becomes one of `wanted`.
    pub(crate) fn link_value(
        &mut self,
        from: &EntityName,
        wanted: &EntityName,
        via: Option<&ast::Name>,
        span: Span,
    ) -> Option<LinkValue> {
        if from == wanted && via.is_none() {
            return Some(LinkValue::Same);
        }
        let pairs: Vec<(usize, String, Side)> = self
            .sync_names
            .iter()
            .enumerate()
            .filter_map(|(index, (name, left, right, _))| {
                if left == from && right == wanted {
                    Some((index, name.clone(), Side::Left))
                } else if right == from && left == wanted {
                    Some((index, name.clone(), Side::Right))
                } else {
                    None
                }
            })
            .collect();
        if let Some(via) = via {
            if let Some((index, _, side)) = pairs.iter().find(|(_, name, _)| *name == via.value) {
                return Some(LinkValue::Via(*index, *side));
            }
            let names: Vec<String> = pairs.into_iter().map(|(_, name, _)| name).collect();
            self.wrong_via((from, span), (wanted, None), via, &names);
            return None;
        }
        match pairs.as_slice() {
            [(index, _, side)] => Some(LinkValue::Via(*index, *side)),
            [] => {
                // One whose header was not understood may have been the one.
                if self.lost.contains("sync")
                    || self.sync_names.iter().any(|(_, left, right, _)| !self.sound(left, right))
                {
                    return None;
                }
                let problem = Problem::new(
                    Code::E0307,
                    format!("no sync pairs {from} with {wanted}"),
                    span,
                    format!("a record of {from}"),
                );
                self.tell(problem.help(format!("write a sync between {from} and {wanted} first")));
                None
            }
            several => {
                let names: Vec<String> = several.iter().map(|(_, name, _)| name.clone()).collect();
                let problem = Problem::new(
                    Code::E0308,
                    format!("several syncs pair {from} with {wanted}"),
                    span,
                    "which one is meant?",
                );
                self.tell(problem.help(format!("write `via {}`", names.join("` or `via "))));
                None
            }
        }
    }

    /// Are these the two sides of a sync?
    pub(crate) fn sound(&self, left: &EntityName, right: &EntityName) -> bool {
        left.system != right.system && self.entity(left).is_some() && self.entity(right).is_some()
    }

    /// E0307: a sync that pairs something else, and the one that is meant.
    fn wrong_via(
        &mut self,
        from: (&EntityName, Span),
        wanted: (&EntityName, Option<Span>),
        via: &ast::Name,
        pairs: &[String],
    ) {
        let Some((_, left, right, _)) = self.sync_names.iter().find(|(n, ..)| *n == via.value).cloned() else {
            let names: Vec<String> = self.sync_names.iter().map(|(n, ..)| n.clone()).collect();
            self.no_such("sync", via, names.iter().map(String::as_str));
            return;
        };
        if !self.sound(&left, &right) {
            return;
        }
        let (from, span) = from;
        let (wanted, target) = wanted;
        let message =
            format!("sync {} does not pair {} with {}", via.value, plural(&from.entity), plural(&wanted.entity));
        let mut problem = Problem::new(Code::E0307, message, span, an_entity(from));
        if let Some(target) = target {
            problem = problem.label(target, an_entity(wanted));
        }
        problem = problem.label(via.span, format!("pairs {left} with {right}"));
        if let Some(name) = pairs.first() {
            let place = self.sync_names.iter().find(|(n, ..)| n == name).map(|(.., span)| self.place(*span));
            let at = place.map_or_else(String::new, |p| format!(" ({p})"));
            problem = problem.help(format!("write `via {name}`, which pairs {from} with {wanted}{at}")).fix(
                format!("write `via {name}`"),
                false,
                vec![(via.span, name.clone())],
            );
        } else {
            problem = problem.help(format!("write a sync between {from} and {wanted} first"));
        }
        self.tell(problem);
    }
}
