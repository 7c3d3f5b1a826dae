//! What an account lacks: the lock and what rules use, compared with what the account has.
//!
//! In: lock, needs, account. Out: steps that make what is missing, and findings that no step mends.
//! Always true: a plan that was carried out is empty when it is made again; nothing that is there is replaced, taken
//! away or given another type. Not here: asking and making (see [`super`]), what rules use.

use std::collections::{BTreeMap, BTreeSet};

use dsl::schema::{Entity, Field, Lock, Type};
use serde_json::Value as Json;

use super::super::limits::is_owner;
use super::{GROUP, Holding, Property, Stage};

/// What rules do with one entity.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Need {
    /// Fields that they read or write.
    pub fields: BTreeSet<String>,
    /// Records are made, changed or deleted.
    pub writes: bool,
    /// Fields whose changes lead to something.
    pub heard: BTreeSet<String>,
    /// Messages about it that the rules take, by their names in the lock.
    pub messages: BTreeSet<String>,
    /// What the rules' words for a field are spelled here, by field; one without words of its own is not among them.
    pub spelled: BTreeMap<String, BTreeSet<String>>,
}

/// What an account said.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Account {
    /// What it has, by entity, or why it does not say.
    pub entities: BTreeMap<String, Result<Holding, String>>,
    /// What the token may do, where that is known.
    pub scopes: Option<BTreeSet<String>>,
}

/// Something that can be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// The group that properties are made in.
    Group {
        /// Of which entity.
        entity: String,
    },
    /// A property.
    Property {
        /// Of which entity.
        entity: String,
        /// Its name.
        name: String,
        /// HubSpot's words for type and input: `enumeration`, `select`.
        shape: (&'static str, &'static str),
        /// Its options, in order.
        options: Vec<String>,
        /// No two records share a value.
        unique: bool,
    },
    /// Options of a property that is there.
    Options {
        /// Of which entity.
        entity: String,
        /// Which property.
        property: String,
        /// Options that are there, as HubSpot keeps them.
        there: Vec<Json>,
        /// Options to be added, in order.
        added: Vec<String>,
    },
}

impl Step {
    /// The entity of the lock.
    #[must_use]
    pub fn entity(&self) -> &str {
        match self {
            Self::Group { entity } | Self::Property { entity, .. } | Self::Options { entity, .. } => entity,
        }
    }

    /// What it makes, such as `Contact.signed_up_at`.
    #[must_use]
    pub fn name(&self) -> String {
        match self {
            Self::Group { entity } => format!("{entity}, group `{GROUP}`"),
            Self::Property { entity, name, .. } => format!("{entity}.{name}"),
            Self::Options { entity, property, .. } => format!("{entity}.{property}"),
        }
    }

    /// How it is made, such as `enumeration (select): free, pro`.
    #[must_use]
    pub fn detail(&self) -> String {
        match self {
            Self::Group { .. } => "a group for the properties below".to_owned(),
            Self::Property { shape: (ty, input), options, unique, .. } => {
                let unique = if *unique { ", unique" } else { "" };
                let options = if options.is_empty() { String::new() } else { format!(": {}", options.join(", ")) };
                format!("{ty} ({input}){unique}{options}")
            }
            Self::Options { added, .. } => format!("with the options {}", added.join(", ")),
        }
    }
}

/// Something that no step mends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What it is about, such as `Contact.health_score`.
    pub about: String,
    /// What is wrong.
    pub what: String,
    /// What to do.
    pub help: String,
}

impl Finding {
    fn new(about: impl Into<String>, what: impl Into<String>, help: impl Into<String>) -> Self {
        Self { about: about.into(), what: what.into(), help: help.into() }
    }
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Plan {
    /// What can be made, in order.
    pub steps: Vec<Step>,
    /// What no step mends.
    pub findings: Vec<Finding>,
}

/// Compares what `lock` and `needs` ask for with what the account has.
#[must_use]
pub fn plan(lock: &Lock, needs: &BTreeMap<String, Need>, account: &Account) -> Plan {
    let mut plan = Plan::default();
    for (name, need) in needs {
        let Some(entity) = lock.entities.get(name) else { continue };
        for (scope, why) in scopes(name, entity, need) {
            plan.findings.extend(lacks(account, &scope).then(|| missing_scope(name, &scope, why)));
        }
        match account.entities.get(name) {
            None => {}
            Some(Err(reason)) => {
                let help = "give the token what HubSpot asks for, then run this again";
                plan.findings.push(Finding::new(name, format!("its properties cannot be read: {reason}"), help));
            }
            Some(Ok(holding)) => {
                of_entity(&mut plan, (name, entity), need, holding, account);
                plan.findings.extend(unspelled(name, need, holding));
            }
        }
    }
    plan
}

fn of_entity(plan: &mut Plan, (name, entity): (&str, &Entity), need: &Need, holding: &Holding, account: &Account) {
    let mut steps = Vec::new();
    for field in need.fields.iter().filter(|field| *field != "id") {
        let Some(wanted) = entity.fields.get(field) else { continue };
        let about = format!("{name}.{field}");
        match holding.properties.get(field) {
            None if wanted.custom => match shape(&wanted.ty) {
                Some(shape) => steps.push(Step::Property {
                    entity: name.to_owned(),
                    name: field.clone(),
                    shape,
                    options: options(wanted),
                    unique: wanted.unique,
                }),
                None => {
                    let help = "make a property that can hold it by hand, and run `engine schema pull`";
                    plan.findings.push(Finding::new(about, format!("no property holds {}", wanted.ty), help));
                }
            },
            None => {
                let what = "the account does not have it, and it is HubSpot's own by the lock";
                let help = "run `engine schema pull`, then `engine validate` says which rules need another property";
                plan.findings.push(Finding::new(about, what, help));
            }
            Some(there) => {
                if let Some(finding) = differs(&about, wanted, there) {
                    plan.findings.push(finding);
                    continue;
                }
                match (&holding.stages, missing_options(wanted, there, field, holding)) {
                    (_, added) if added.is_empty() => {}
                    (Some((stages, _)), added) if stages == field => {
                        // A stage for which the rules have no word may go.
                        let spelled = need.spelled.get(field);
                        let added: Vec<String> =
                            added.into_iter().filter(|id| spelled.is_none_or(|words| words.contains(id))).collect();
                        if added.is_empty() {
                            continue;
                        }
                        let what = format!("no pipeline has the stages {}", added.join(", "));
                        let help = "make them in HubSpot's settings of the pipeline, or run `engine schema pull` and \
                                    write the account's stages into the rules";
                        plan.findings.push(Finding::new(about, what, help));
                    }
                    (_, added) if there.field.custom && !there.fixed_options => steps.push(Step::Options {
                        entity: name.to_owned(),
                        property: field.clone(),
                        there: there.options.clone(),
                        added,
                    }),
                    (_, added) => {
                        let what = format!("it lacks the options {}", added.join(", "));
                        let help = "it is HubSpot's own: add them in HubSpot's settings of the property, or run \
                                    `engine schema pull` and leave them out of the rules";
                        plan.findings.push(Finding::new(about, what, help));
                    }
                }
            }
        }
    }
    if steps.is_empty() {
        return;
    }
    let scope = scope("schemas", entity, "write");
    if lacks(account, &scope) {
        let names: Vec<String> = steps.iter().map(Step::name).collect();
        let what = format!("{} cannot be made: the token lacks the scope {scope}", names.join(", "));
        let help = format!("add {scope} to the app, or make them by hand as `--plan` with such a token shows them");
        plan.findings.push(Finding::new(name, what, help));
        return;
    }
    let group = steps.iter().any(|step| matches!(step, Step::Property { .. })) && !holding.groups.contains(GROUP);
    plan.steps.extend(group.then(|| Step::Group { entity: name.to_owned() }));
    plan.steps.append(&mut steps);
}

/// A stage to which somebody can move a record, and for which the rules have no word.
fn unspelled<'a>(name: &'a str, need: &'a Need, holding: &'a Holding) -> impl Iterator<Item = Finding> + 'a {
    let known = holding.stages.iter().filter_map(|(field, stages)| Some((field, need.spelled.get(field)?, stages)));
    known.flat_map(move |(field, spelled, stages)| {
        stages.iter().filter(|stage| !stage.archived && !spelled.contains(&stage.id)).map(move |stage| {
            let Stage { id, label, pipeline, .. } = stage;
            let what = format!("no row of the rules spells the stage `{id}` ({label}, in the pipeline {pipeline})");
            let help = format!(
                "add a row with `in` and \"{id}\" to the field's `choice`, or take the stage out of the pipeline; until \
                 then a record in it waits for a person"
            );
            Finding::new(format!("{name}.{field}"), what, help)
        })
    })
}

/// How a property that is there is another one than the lock's.
fn differs(about: &str, wanted: &Field, there: &Property) -> Option<Finding> {
    let other = "HubSpot never changes this: make another property, name it in the lock and the rules, and archive this \
                 one if nothing else uses it; or run `engine schema pull` and change the rules to what is there";
    if there.field.ty != wanted.ty {
        let (ty, input) = &there.kind;
        let what = format!("it is {} in the lock, the account has {ty} ({input})", wanted.ty);
        return Some(Finding::new(about, what, other));
    }
    if wanted.unique && !there.field.unique {
        return Some(Finding::new(
            about,
            "it is unique in the lock, in the account two records may share a value",
            other,
        ));
    }
    if !wanted.read_only && there.field.read_only {
        let what = "the lock says that it can be written, HubSpot sets it itself";
        let help = "run `engine schema pull`, then `engine validate` says which rules write it";
        return Some(Finding::new(about, what, help));
    }
    None
}

/// Options of the lock that the account does not have, in the lock's order.
fn missing_options(wanted: &Field, there: &Property, field: &str, holding: &Holding) -> Vec<String> {
    let has = |option: &String| match &holding.stages {
        Some((property, stages)) if property == field => stages.iter().any(|stage| stage.id == *option),
        _ => there.options.iter().any(|known| known["value"] == option.as_str()),
    };
    wanted.options.iter().filter(|option| !has(option)).cloned().collect()
}

fn options(field: &Field) -> Vec<String> {
    match field.ty {
        // HubSpot wants both to be named.
        Type::Flag => vec!["true".to_owned(), "false".to_owned()],
        _ => field.options.clone(),
    }
}

/// HubSpot's words for type and input (CONTRACT 3.8); `None` where no property holds such a value.
fn shape(ty: &Type) -> Option<(&'static str, &'static str)> {
    Some(match ty {
        Type::Text => ("string", "text"),
        Type::Record => ("string", "textarea"),
        Type::Integer | Type::Number | Type::Money | Type::Percent => ("number", "number"),
        Type::Flag => ("bool", "booleancheckbox"),
        Type::Date => ("date", "date"),
        Type::Time => ("datetime", "date"),
        Type::Enum => ("enumeration", "select"),
        Type::List(of) if **of == Type::Enum => ("enumeration", "checkbox"),
        Type::List(_) => return None,
    })
}

/// Scopes that an entity needs with these rules, and what each is for.
fn scopes(name: &str, entity: &Entity, need: &Need) -> Vec<(String, &'static str)> {
    if is_owner(name) {
        return vec![("crm.objects.owners.read".to_owned(), "owners are read")];
    }
    let mut all = vec![
        (scope("objects", entity, "read"), "records are read"),
        (scope("schemas", entity, "read"), "properties are read"),
    ];
    if need.writes {
        all.push((scope("objects", entity, "write"), "records are written"));
    }
    all.dedup_by(|later, earlier| later.0 == earlier.0);
    all
}

/// Every scope that these rules need, making the properties of the lock's own included.
pub(super) fn required_scopes(lock: &Lock, needs: &BTreeMap<String, Need>) -> BTreeSet<String> {
    let mut all = BTreeSet::new();
    for (name, need) in needs {
        let Some(entity) = lock.entities.get(name) else { continue };
        all.extend(scopes(name, entity, need).into_iter().map(|(scope, _)| scope));
        let custom = |field: &String| entity.fields.get(field).is_some_and(|field| field.custom);
        all.extend(need.fields.iter().any(custom).then(|| scope("schemas", entity, "write")));
    }
    all
}

/// The scope for `what` on an entity's `objects` or `schemas` (CONTRACT 2).
fn scope(door: &str, entity: &Entity, what: &str) -> String {
    let (door, name) = match entity.remote.as_deref().unwrap_or_default() {
        "0-1" => (door, "contacts"),
        "0-2" => (door, "companies"),
        "0-3" => (door, "deals"),
        "0-5" => return "tickets".to_owned(),
        "0-7" => (door, "products"),
        "0-8" => (door, "line_items"),
        kind if kind.starts_with("2-") => (door, "custom"),
        // Activities go by those of contacts' records, their definitions too.
        _ => ("objects", "contacts"),
    };
    format!("crm.{door}.{name}.{what}")
}

fn lacks(account: &Account, scope: &str) -> bool {
    account.scopes.as_ref().is_some_and(|scopes| !scopes.contains(scope))
}

fn missing_scope(entity: &str, scope: &str, why: &str) -> Finding {
    let help = format!("add {scope} to the app and let it be installed again; a token that has it is taken at once");
    Finding::new(entity, format!("the token lacks the scope {scope}: {why}"), help)
}

#[cfg(test)]
mod tests {
    use dsl::schema::read_lock;
    use serde_json::json;

    use super::*;

    const LOCK: &str = r#"
lock: 1
system: crm
connector: hubspot
product: HubSpot
pulled: 2026-11-20

entities:
  Contact:
    remote: "0-1"
    fields:
      id:        { type: text, unique: true, read_only: true }
      email:     { type: text, unique: true, optional: true }
      plan:      { type: enum, options: [free, pro], optional: true, custom: true }
      our_id:    { type: text, unique: true, optional: true, custom: true }
      score:     { type: integer, optional: true, custom: true }
      agrees:    { type: flag, optional: true, custom: true }
      unused:    { type: text, optional: true, custom: true }
  Deal:
    remote: "0-3"
    fields:
      id:        { type: text, unique: true, read_only: true }
      dealstage: { type: enum, options: [first, won] }
  Owner:
    fields:
      id:        { type: text, unique: true, read_only: true }
"#;

    fn needs(entity: &str, fields: &[&str]) -> BTreeMap<String, Need> {
        let fields = fields.iter().map(|field| (*field).to_owned()).collect();
        [(entity.to_owned(), Need { fields, writes: true, ..Need::default() })].into()
    }

    fn there(ty: Type, kind: (&str, &str), options: &[&str]) -> Property {
        let options = options.iter().map(|option| json!({"value": option, "label": option})).collect();
        let field = Field { optional: true, custom: true, ..Field::of(ty) };
        Property { field, kind: (kind.0.to_owned(), kind.1.to_owned()), options, fixed_options: false }
    }

    fn account(entity: &str, properties: impl IntoIterator<Item = (&'static str, Property)>) -> Account {
        let properties = properties.into_iter().map(|(name, property)| (name.to_owned(), property)).collect();
        let holding = Holding { properties, ..Holding::default() };
        Account { entities: [(entity.to_owned(), Ok(holding))].into(), scopes: None }
    }

    fn planned(needs: &BTreeMap<String, Need>, account: &Account) -> (Vec<String>, Vec<String>) {
        let plan = plan(&read_lock(LOCK).expect("a lock"), needs, account);
        let steps = plan.steps.iter().map(|step| format!("{}: {}", step.name(), step.detail())).collect();
        (steps, plan.findings.iter().map(|finding| format!("{}: {}", finding.about, finding.what)).collect())
    }

    const NOTHING: [String; 0] = [];

    #[test]
    fn what_rules_use_and_the_account_lacks_is_made_with_its_group_first() {
        let needs = needs("Contact", &["id", "plan", "our_id", "score", "agrees"]);
        let (steps, findings) = planned(&needs, &account("Contact", []));
        let wanted = [
            "Contact, group `engine`: a group for the properties below",
            "Contact.agrees: bool (booleancheckbox): true, false",
            "Contact.our_id: string (text), unique",
            "Contact.plan: enumeration (select): free, pro",
            "Contact.score: number (number)",
        ];
        assert_eq!(steps, wanted);
        assert_eq!(findings, NOTHING);
        let mut grouped = account("Contact", []);
        let Some(Ok(holding)) = grouped.entities.get_mut("Contact") else { panic!("it is there") };
        holding.groups.insert(GROUP.to_owned());
        assert_eq!(planned(&needs, &grouped).0, wanted[1..]);
    }

    #[test]
    fn what_is_there_as_the_lock_says_is_left_alone() {
        let account = account(
            "Contact",
            [
                ("plan", there(Type::Enum, ("enumeration", "radio"), &["pro", "free", "gold"])),
                ("score", there(Type::Integer, ("number", "number"), &[])),
            ],
        );
        assert_eq!(planned(&needs("Contact", &["plan", "score"]), &account), (vec![], vec![]));
    }

    #[test]
    fn a_property_of_another_kind_is_told_and_never_made_again() {
        let mut fixed = there(Type::Text, ("string", "text"), &[]);
        fixed.field.unique = true;
        fixed.field.read_only = true;
        for (name, property, told) in [
            (
                "score",
                there(Type::Text, ("string", "text"), &[]),
                "it is integer in the lock, the account has string (text)",
            ),
            ("our_id", there(Type::Text, ("string", "text"), &[]), "it is unique in the lock"),
            ("our_id", fixed, "HubSpot sets it itself"),
        ] {
            let (steps, findings) = planned(&needs("Contact", &[name]), &account("Contact", [(name, property)]));
            assert_eq!(steps, NOTHING);
            let [finding] = findings.as_slice() else { panic!("{findings:?}") };
            assert!(finding.starts_with(&format!("Contact.{name}: ")) && finding.contains(told), "{finding}");
        }
        let (steps, findings) = planned(&needs("Contact", &["email"]), &account("Contact", []));
        assert_eq!((steps.len(), findings.len()), (0, 1), "{findings:?}");
        assert!(findings[0].contains("HubSpot's own"), "{findings:?}");
    }

    #[test]
    fn missing_options_are_added_where_the_account_may() {
        let needs = needs("Contact", &["plan"]);
        let own = there(Type::Enum, ("enumeration", "select"), &["free"]);
        let lock = read_lock(LOCK).expect("a lock");
        let made = plan(&lock, &needs, &account("Contact", [("plan", own.clone())]));
        let [Step::Options { there, added, .. }] = made.steps.as_slice() else { panic!("{:?}", made.steps) };
        assert_eq!((there, added), (&own.options, &vec!["pro".to_owned()]));
        for fixed in [true, false] {
            let mut other = own.clone();
            (other.fixed_options, other.field.custom) = (fixed, fixed);
            let (steps, findings) = planned(&needs, &account("Contact", [("plan", other)]));
            assert_eq!(steps, NOTHING);
            assert_eq!(findings, ["Contact.plan: it lacks the options pro"]);
        }
    }

    #[test]
    fn stages_are_those_of_all_pipelines() {
        let mut account = account("Deal", [("dealstage", there(Type::Enum, ("enumeration", "radio"), &[]))]);
        let Some(Ok(holding)) = account.entities.get_mut("Deal") else { panic!("it is there") };
        let stage = |id: &str, archived| Stage {
            id: id.to_owned(),
            label: id.to_uppercase(),
            pipeline: "Sales".to_owned(),
            archived,
        };
        let stages = vec![stage("first", false), stage("legal", false), stage("old", true)];
        holding.stages = Some(("dealstage".to_owned(), stages));
        let mut needs = needs("Deal", &["dealstage"]);
        let (steps, findings) = planned(&needs, &account);
        assert_eq!(steps, NOTHING);
        assert_eq!(findings, ["Deal.dealstage: no pipeline has the stages won"]);
        let words = ["first", "won"].map(str::to_owned).into();
        needs.get_mut("Deal").expect("it is there").spelled.insert("dealstage".to_owned(), words);
        let unspelled = "Deal.dealstage: no row of the rules spells the stage `legal` (LEGAL, in the pipeline Sales)";
        assert_eq!(planned(&needs, &account).1, ["Deal.dealstage: no pipeline has the stages won", unspelled]);
    }

    #[test]
    fn a_scope_that_the_token_lacks_is_named_and_nothing_of_it_is_tried() {
        let mut account = account("Contact", []);
        let scopes = ["crm.objects.contacts.read", "crm.objects.contacts.write", "crm.schemas.contacts.read"];
        account.scopes = Some(scopes.into_iter().map(str::to_owned).collect());
        let (steps, findings) = planned(&needs("Contact", &["score"]), &account);
        assert_eq!(steps, NOTHING);
        assert_eq!(
            findings,
            ["Contact: Contact.score cannot be made: the token lacks the scope crm.schemas.contacts.write"]
        );
        account.scopes = Some(std::collections::BTreeSet::new());
        let (_, findings) = planned(&needs("Contact", &[]), &account);
        for scope in scopes {
            assert!(
                findings.iter().any(|finding| finding.contains(&format!("lacks the scope {scope}:"))),
                "{findings:?}"
            );
        }
        let (_, findings) = planned(&needs("Owner", &["id"]), &account);
        assert_eq!(findings, ["Owner: the token lacks the scope crm.objects.owners.read: owners are read"]);
    }

    #[test]
    fn an_entity_that_the_account_does_not_show_is_a_finding() {
        let account =
            Account { entities: [("Contact".to_owned(), Err("HTTP 403: no".to_owned()))].into(), ..Account::default() };
        let (steps, findings) = planned(&needs("Contact", &["score"]), &account);
        assert_eq!(steps, NOTHING);
        assert_eq!(findings, ["Contact: its properties cannot be read: HTTP 403: no"]);
    }
}
