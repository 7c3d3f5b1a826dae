//! Links: what they lead to, and the sync that pairs their records.

use crate::ast::{self, ExprKind, Outcome as Written};
use crate::check::facts::checker::Checker;
use crate::check::facts::declared::DeclaredSync;
use crate::check::facts::findings::{By, Writer};
use crate::check::facts::phrases::{self, an_entity, plural};
use crate::diagnostic::{Code, Problem};
use crate::program::{Direction, LinkValue, Mapping, MappingKind, Outcome, Policy, Side, Sync};
use crate::schema::EntityName;
use crate::source::Span;

impl Checker<'_> {
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
        let syncs = &self.declared.syncs;
        let found = syncs.iter().position(|sync| sync.name == via.value && sync.pairs(&left_to, &right_to));
        let Some(index) = found else {
            let pairing = syncs.iter().filter(|sync| sync.pairs(&left_to, &right_to)).collect();
            self.wrong_via((&left_to, line.left.span), (&right_to, Some(line.right.span)), via, pairing);
            return None;
        };
        let straight = syncs[index].left == left_to;
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
                self.report(problem.help("use a sync of that entity, or turn the arrow"));
                return None;
            };
            if let (true, Outcome::Clear | Outcome::Keep, Some(written)) =
                (built.create.contains(&side), &on_empty, &line.on_empty)
            {
                self.lacks(entity, link, written.span);
            }
            if line.on_create.is_none() {
                self.clears(entity, link, &on_empty, line.on_empty.as_ref().map(|written| written.span));
            }
            // The side that wins may be written by rules: its link goes to the other side. What is only written into a
            // new record is a first value.
            if line.on_create.is_some() || direction == Direction::Both && policy == Policy::Wins(side) {
                continue;
            }
            self.findings.writers.push(Writer {
                entity: entity.clone(),
                field: link.clone(),
                span,
                by: By::Sync {
                    name: built.name.clone(),
                    wins: format!("and the {} owns it", phrases::system(&built.entity(side.other()).system)),
                    fills: None,
                },
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
                self.report(problem.help("write `else clear`, `else skip` or `else fail`"));
                Outcome::Clear
            }
        }
    }

    /// Links from an entity; the entity they lead to.
    pub(crate) fn links(&mut self, entity: &EntityName, expr: &ast::Expr) -> Option<(Vec<String>, EntityName)> {
        let ExprKind::Path(path) = &expr.kind else {
            let problem = Problem::new(Code::E0201, "a link stands here", expr.span, "not a link");
            self.report(problem);
            return None;
        };
        let mut at = entity.clone();
        let mut names = Vec::new();
        for name in &path.names {
            let Some(link) = self.declared.entity(&at).and_then(|e| e.links.get(&name.value)).cloned() else {
                if self.declared.entity(&at).is_some_and(|e| e.fields.contains_key(&name.value)) {
                    let problem = Problem::new(
                        Code::E0101,
                        format!("{at}.{} is a value and links nothing", name.value),
                        name.span,
                        "no link",
                    );
                    let links: Vec<String> =
                        self.declared.entity(&at).map(|e| e.links.keys().cloned().collect()).unwrap_or_default();
                    self.report(problem.help(format!("links of {at} are: {}", links.join(", "))));
                } else {
                    self.no_field(&at, name);
                }
                return None;
            };
            self.findings.uses_link(&at, &name.value);
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
        let declared = self.declared;
        let pairing: Vec<(usize, &DeclaredSync)> =
            declared.syncs.iter().enumerate().filter(|(_, sync)| sync.pairs(from, wanted)).collect();
        let by = |(index, sync): &(usize, &DeclaredSync)| {
            LinkValue::Via(*index, if sync.left == *from { Side::Left } else { Side::Right })
        };
        if let Some(via) = via {
            if let Some(named) = pairing.iter().find(|(_, sync)| sync.name == via.value) {
                return Some(by(named));
            }
            let pairing = pairing.into_iter().map(|(_, sync)| sync).collect();
            self.wrong_via((from, span), (wanted, None), via, pairing);
            return None;
        }
        match pairing.as_slice() {
            [one] => Some(by(one)),
            [] => {
                // One whose header was not understood may have been the one.
                if declared.unparsed_names.contains("sync")
                    || declared.syncs.iter().any(|sync| !declared.can_pair(&sync.left, &sync.right))
                {
                    return None;
                }
                let problem = Problem::new(
                    Code::E0307,
                    format!("no sync pairs {from} with {wanted}"),
                    span,
                    format!("a record of {from}"),
                );
                self.report(problem.help(format!("write a sync between {from} and {wanted} first")));
                None
            }
            several => {
                let names: Vec<&str> = several.iter().map(|(_, sync)| sync.name.as_str()).collect();
                let problem = Problem::new(
                    Code::E0308,
                    format!("several syncs pair {from} with {wanted}"),
                    span,
                    "which one is meant?",
                );
                self.report(problem.help(format!("write `via {}`", names.join("` or `via "))));
                None
            }
        }
    }

    /// E0307: a sync that pairs something else, and the one that is meant.
    fn wrong_via(
        &mut self,
        from: (&EntityName, Span),
        wanted: (&EntityName, Option<Span>),
        via: &ast::Name,
        pairing: Vec<&DeclaredSync>,
    ) {
        let Some(index) = self.has_sync(via) else { return };
        let declared = self.declared;
        let DeclaredSync { left, right, .. } = &declared.syncs[index];
        if !declared.can_pair(left, right) {
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
        if let Some(DeclaredSync { name, span, .. }) = pairing.first() {
            let place = declared.place(*span);
            problem = problem.help(format!("write `via {name}`, which pairs {from} with {wanted} ({place})")).fix(
                format!("write `via {name}`"),
                false,
                vec![(via.span, name.clone())],
            );
        } else {
            problem = problem.help(format!("write a sync between {from} and {wanted} first"));
        }
        self.report(problem);
    }
}
