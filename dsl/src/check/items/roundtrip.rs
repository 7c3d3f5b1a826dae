//! Two-way lines: types of both sides, transforms that can be undone, policies.

use std::collections::BTreeSet;

use crate::ast::{self, TransformName};
use crate::check::facts::checker::Checker;
use crate::check::facts::findings::{By, Named, Writer};
use crate::check::facts::phrases;
use crate::check::facts::types::{element, fits, one_choice, type_name};
use crate::check::items::sync::unread;
use crate::diagnostic::{Code, Problem};
use crate::program::{Direction, Mapping, MappingKind, Outcome, Policy, Side, Sync};
use crate::schema::{ChangedAt, Field, Type};
use crate::transforms::Class;

/// Two-way transforms to suggest: those that are useful for what people keep in two systems.
const SUGGESTED: [&str; 5] = ["lowercase", "trimmed", "e164", "cents", "unix_seconds"];

impl Checker<'_> {
    pub(crate) fn policy(
        &mut self,
        sync: &ast::Sync,
        built: &Sync,
        line: &ast::Mapping,
        direction: Direction,
    ) -> Policy {
        let written = line.policy.as_ref().or(sync.conflict.as_ref());
        // The source owns a one-way field, whatever the `conflict` of the sync says of the others.
        if direction != Direction::Both {
            return Policy::Wins(if direction == Direction::ToRight { Side::Left } else { Side::Right });
        }
        let Some(written) = written else {
            if unread(sync, "conflict") {
                return Policy::Review;
            }
            let problem = Problem::new(
                Code::E0402,
                "nothing says who wins when both sides changed this field",
                line.arrow.span,
                "goes both ways",
            );
            self.report(problem.help(format!(
                "end the line with `{} wins`, `{} wins`, `newest wins` or `review`, or give the sync a `conflict` line",
                built.left.system, built.right.system
            )));
            return Policy::Review;
        };
        let side = |name: &ast::Name| {
            if name.value == built.left.system {
                Some(Side::Left)
            } else if name.value == built.right.system {
                Some(Side::Right)
            } else {
                None
            }
        };
        match &written.value {
            ast::Policy::Review => Policy::Review,
            ast::Policy::Wins(name) => match side(name) {
                Some(side) => Policy::Wins(side),
                None => {
                    self.no_such(
                        Named::Side,
                        name,
                        [built.left.system.as_str(), built.right.system.as_str()].into_iter(),
                    );
                    Policy::Review
                }
            },
            ast::Policy::Newest { tie } => {
                for entity in [&built.left, &built.right] {
                    // The times of both changes outside are compared, never the engine's clock.
                    if self.declared.entity(entity).is_some_and(|e| e.changed_at == ChangedAt::Unknown) {
                        let problem = Problem::new(
                            Code::E0306,
                            "`newest wins` needs a change time that this side does not have",
                            written.span,
                            format!("{entity} has no change time"),
                        );
                        self.report(problem.help(format!("write `{} wins` or `review`", entity.system)));
                        break;
                    }
                }
                let tie = match tie {
                    Some(name) => side(name).unwrap_or_else(|| {
                        self.no_such(
                            Named::Side,
                            name,
                            [built.left.system.as_str(), built.right.system.as_str()].into_iter(),
                        );
                        Side::Left
                    }),
                    None => Side::Left,
                };
                Policy::Newest { tie }
            }
        }
    }

    pub(crate) fn two_way(
        &mut self,
        built: &Sync,
        line: &ast::Mapping,
        policy: Policy,
        place: crate::program::Place,
        text: String,
    ) -> Option<Mapping> {
        let left = self.field_of(&built.left.clone(), &line.left);
        let right = self.field_of(&built.right.clone(), &line.right);
        let (left, right) = (left?, right?);
        let mut list = Vec::new();
        let mut ty = left.1.ty.clone();
        for transform in &line.transforms {
            let name = match &transform.name {
                TransformName::Named(name) => &name.value,
                TransformName::Format(form) if !form.value.contains("HH") => {
                    let why = "drops the time of day; 2026-03-02 cannot become 2026-03-02 09:10 again";
                    self.lossy(built, line, transform, why);
                    return None;
                }
                TransformName::Format(_) => {
                    self.lossy(built, line, transform, "is made for people; a text cannot become the time again");
                    return None;
                }
            };
            if self.declared.systems.values().any(|s| s.lock.lookups.contains_key(name)) {
                self.lossy(built, line, transform, "a lookup can miss and cannot be undone");
                return None;
            }
            let (builtin, applied) = self.builtin(transform)?;
            if builtin.class == Class::Lossy {
                self.lossy(built, line, transform, "cannot be undone");
                return None;
            }
            if !fits(&ty, &builtin.takes) {
                let message = format!("`as {}` needs {}", builtin.name, type_name(&builtin.takes));
                let problem = Problem::new(Code::E0201, message, line.left.span, type_name(&ty));
                self.report(problem.label(transform.span, builtin.doc));
                return None;
            }
            ty = builtin.gives.clone();
            list.push(applied);
        }
        for (entity, (name, field)) in [(&built.left, &left), (&built.right, &right)] {
            if field.read_only || name.value == "engine_link_id" {
                let entity = entity.clone();
                self.own_field(&entity, name.span, "use `->` or `<-`");
                return None;
            }
        }
        self.types_of_both(built, line, &left, &right, &ty);
        let wins = match policy {
            Policy::Wins(side) => format!("and the {} wins", phrases::system(&built.entity(side).system)),
            Policy::Newest { .. } => "and the newest wins".to_owned(),
            Policy::Review => "and a person decides conflicts".to_owned(),
        };
        for (entity, (name, _), owner) in [(&built.left, &left, Side::Left), (&built.right, &right, Side::Right)] {
            // The side that wins may be written by rules: its value goes to the other side.
            let owns = policy == Policy::Wins(owner);
            if !owns {
                self.findings.writers.push(Writer {
                    entity: entity.clone(),
                    field: name.value.clone(),
                    span: name.span,
                    by: By::Sync { name: built.name.clone(), wins: wins.clone(), fills: None },
                });
            }
        }
        Some(Mapping {
            direction: Direction::Both,
            kind: MappingKind::Field { left: left.0.value, right: right.0.value, transforms: list },
            on_empty: Outcome::Clear,
            on_create: false,
            policy,
            implicit: false,
            place,
            text,
        })
    }

    pub(crate) fn types_of_both(
        &mut self,
        built: &Sync,
        line: &ast::Mapping,
        left: &(ast::Name, Field),
        right: &(ast::Name, Field),
        after: &Type,
    ) {
        // Without a transform each side must hold every value of the other; a transform that can be undone leads back.
        let percent = (*after == Type::Percent) != (right.1.ty == Type::Percent);
        let stable = fits(after, &right.1.ty) && (fits(&right.1.ty, after) || !line.transforms.is_empty());
        if percent || !stable {
            let code = if percent { Code::E0205 } else { Code::E0201 };
            let problem = Problem::new(
                code,
                format!("{} and {} hold different kinds of values", left.0.value, right.0.value),
                line.left.span,
                type_name(after),
            )
            .label(line.right.span, type_name(&right.1.ty));
            self.report(problem.help("use `->` with a transform, or change one of the fields"));
            return;
        }
        let left_choice = self.declared.choice_of(&built.left, &left.0.value);
        let right_choice = self.declared.choice_of(&built.right, &right.0.value);
        // A choice spells its words one to one, so the options of the two systems need not be the same.
        if left_choice.is_some() && left_choice == right_choice {
            return;
        }
        if *element(&left.1.ty) == Type::Enum || *element(&right.1.ty) == Type::Enum {
            let (a, b): (BTreeSet<&String>, BTreeSet<&String>) =
                (left.1.options.iter().collect(), right.1.options.iter().collect());
            let other = left_choice.is_some() || right_choice.is_some() || a != b;
            if other && !self.declared.may_be_chosen(&right.1.options) {
                let problem = Problem::new(
                    Code::E0202,
                    format!("the options of {} and {} are not the same", left.0.value, right.0.value),
                    line.left.span,
                    left.1.options.join(", "),
                )
                .label(line.right.span, right.1.options.join(", "));
                self.report(problem.help(one_choice(&right.1.ty)));
            }
        }
    }

    /// E0304.
    fn lossy(&mut self, built: &Sync, line: &ast::Mapping, transform: &ast::Transform, why: &str) {
        let problem = Problem::new(
            Code::E0304,
            "a two-way field needs a transform that can be undone",
            line.arrow.span,
            "goes both ways",
        )
        .label(transform.span, why)
        .help(format!(
            "use `->` if the {} owns this field, or a two-way transform ({})",
            phrases::system(&built.left.system),
            SUGGESTED.join(", ")
        ));
        self.report(problem);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transforms;

    #[test]
    fn what_is_suggested_for_a_two_way_field_can_be_undone() {
        for name in SUGGESTED {
            assert!(transforms::named(name).is_some_and(|builtin| builtin.class != Class::Lossy), "{name}");
        }
    }
}
