//! One direction of a sync to flat operations on one value at a time.
//!
//! Always true: jumps lead forward, so a line ends after as many steps as it has operations; every number in an
//! operation points at something that exists.

use std::collections::{BTreeMap, BTreeSet};

use super::cell::Cell;
use super::read::Source;
use super::trie::{Paths, Trie};
use super::write::Target;
use super::{NotCovered, Purpose};
use crate::program::{
    Arithmetic, Compare, Direction, Expr, Mapping, MappingKind, Outcome, Program, Side, Sync, Transform,
};
use crate::schema::{EntityName, Field, Type};
use crate::transforms::{self, Class};
use crate::value::Value;

/// What a plan runs on.
#[derive(Debug)]
pub(super) struct Compiled {
    pub(super) trie: Trie,
    /// How many slots a record has.
    pub(super) slots: usize,
    pub(super) sources: Vec<Source>,
    pub(super) ops: Vec<Op>,
    pub(super) constants: Vec<Value>,
    pub(super) transforms: Vec<Transform>,
    pub(super) columns: Vec<Column>,
    pub(super) fields: Vec<Field>,
    pub(super) options: Vec<Options>,
    /// Bytes that a record usually needs at most.
    pub(super) room: usize,
    /// `only where`.
    pub(super) only: Option<Code>,
    /// Properties in the order of their names, then links in the order of the lines.
    pub(super) lines: Vec<Line>,
    /// Positions in `lines`, in the order of the rules, for telling what went wrong first.
    pub(super) in_order: Vec<usize>,
}

/// A stretch of operations, the end exclusive.
#[derive(Debug, Clone, Copy)]
pub(super) struct Code {
    pub(super) start: u16,
    pub(super) end: u16,
}

/// One step. There is one current value, and a stack for what must wait.
#[derive(Debug, Clone, Copy)]
pub(super) enum Op {
    /// Reads a source.
    Load(u16),
    /// Takes a constant.
    Constant(u16),
    /// Applies a transform, unless the value is empty.
    Transform(u16),
    /// Applies `lowercase`, unless the value is empty.
    Lowercase,
    /// Undoes a transform.
    Invert(u16),
    /// Makes the value what a field holds.
    Coerce(u16),
    /// Refuses text that is none of a field's options.
    Options(u16),
    /// Takes the cell of a table's column in the row of the value.
    Column(u16),
    /// Puts the value on the stack.
    Push,
    /// Puts an empty text on the stack, to print on.
    Begin,
    /// Prints the value, a word of the choice as its label.
    Print(Option<u16>),
    /// Takes the printed text from the stack.
    End,
    /// Takes this many values from the stack, as a list.
    List(u16),
    /// Yes or no: is the value yes?
    Truth,
    Not,
    IsEmpty,
    /// Compares what is on the stack with the value.
    Compare(Compare),
    /// Is what is on the stack one of the values of the list?
    In,
    /// Calculates with what is on the stack and the value.
    Arithmetic(Arithmetic),
    JumpIfEmpty(u16),
    JumpUnlessEmpty(u16),
    JumpIfYes(u16),
    JumpIfNo(u16),
}

/// One line of the sync.
#[derive(Debug)]
pub(super) struct Line {
    /// Its index in the sync's `fields`.
    pub(super) index: usize,
    pub(super) code: Code,
    pub(super) missing: Missing,
    pub(super) to: To,
    pub(super) usual: Usual,
}

/// What a line does to a value that is there.
#[derive(Debug)]
pub(super) enum Usual {
    /// The property takes the text of this slot as it stands.
    Copy(u16),
    /// The property takes the text of this slot in lower case.
    Lowercase(u16),
    /// The property takes the time of this slot as it stands, if it stands in the form in which times are written.
    Time(u16),
    /// The property takes a word of a choice: what is written for each text that may stand in this slot.
    Word(u16, Vec<(String, Vec<u8>)>),
    /// The property takes the value of this source.
    Load(u16),
    /// Its operations.
    Run,
}

/// What a line writes.
#[derive(Debug)]
pub(super) enum To {
    Property(Target),
    Link,
}

/// What an empty value leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Missing {
    /// Nothing is written.
    Leave,
    /// The target is cleared.
    Null,
    /// The record is left out.
    Skip,
    /// A person must look.
    Fail,
}

/// A column of a table: cells by key.
#[derive(Debug)]
pub(super) struct Column {
    /// Of keys that are text, sorted.
    pub(super) texts: Vec<(String, Value)>,
    pub(super) others: BTreeMap<Value, Value>,
}

/// The words that a field takes.
#[derive(Debug)]
pub(super) struct Options {
    pub(super) entity: EntityName,
    pub(super) name: String,
    pub(super) words: Vec<String>,
}

/// Compiles one direction.
pub(super) fn compile(program: &Program, sync: &Sync, to: Side, purpose: Purpose) -> Result<Compiled, NotCovered> {
    let taking_part =
        |mapping: &Mapping| mapping.direction.writes(to) && (purpose == Purpose::Create || !mapping.on_create);
    let lines: Vec<(usize, &Mapping)> = sync.fields.iter().enumerate().filter(|(_, line)| taking_part(line)).collect();
    let from = to.other();
    let mut paths = Paths::default();
    let variable = if from == Side::Left { "left" } else { "right" };
    let mut read = |expr: &Expr| match expr {
        Expr::Field { variable: of, links, field, .. } if of == variable => paths.add(links, field),
        Expr::Reference { variable: of, links } if of == variable => paths.add(links, "id"),
        _ => {}
    };
    for (_, line) in &lines {
        match &line.kind {
            MappingKind::Computed { source, .. } => source.visit(&mut read),
            MappingKind::Field { left, right, .. } => {
                let field = if from == Side::Left { left } else { right };
                read(&field_of(variable, &[], field));
            }
            MappingKind::Link { left, right, .. } => {
                read(&field_of(variable, if from == Side::Left { left } else { right }, "id"));
            }
        }
    }
    if let Some(only) = &sync.only {
        only.visit(&mut read);
    }
    let (trie, slots) = paths.number();
    if slots.len() > usize::from(u16::MAX) {
        return Err(NotCovered::TooLarge);
    }
    let mut compiler = Compiler {
        program,
        from: sync.entity(from),
        variable,
        purpose,
        line: "only where",
        slots: &slots,
        landing: 0,
        made: Compiled {
            trie,
            slots: slots.len(),
            sources: Vec::new(),
            ops: Vec::new(),
            constants: Vec::new(),
            transforms: Vec::new(),
            columns: Vec::new(),
            fields: Vec::new(),
            options: Vec::new(),
            room: 0,
            only: None,
            lines: Vec::new(),
            in_order: Vec::new(),
        },
    };
    if let Some(only) = &sync.only {
        let start = compiler.here()?;
        compiler.expr(only)?;
        compiler.made.only = Some(Code { start, end: compiler.here()? });
    }
    let mut named = BTreeMap::new();
    let mut links = Vec::new();
    for (index, mapping) in lines {
        compiler.line = &mapping.text;
        let (property, line) = compiler.mapping(sync, to, index, mapping)?;
        match property {
            None => links.push(line),
            Some(property) => {
                if named.insert(property.to_owned(), line).is_some() {
                    return Err(NotCovered::TwoLines { property: property.to_owned() });
                }
            }
        }
    }
    let mut made = compiler.made;
    made.room = 2 + 48 * named.len();
    made.lines = named.into_values().chain(links).collect();
    let by_rule: BTreeSet<(usize, usize)> =
        made.lines.iter().enumerate().map(|(position, line)| (line.index, position)).collect();
    made.in_order = by_rule.into_iter().map(|(_, position)| position).collect();
    Ok(made)
}

fn field_of(variable: &str, links: &[String], field: &str) -> Expr {
    Expr::Field { variable: variable.to_owned(), links: links.to_vec(), field: field.to_owned(), entity: None }
}

struct Compiler<'a> {
    program: &'a Program,
    /// The entity of the record that is read.
    from: &'a EntityName,
    /// How expressions call that record.
    variable: &'static str,
    purpose: Purpose,
    /// The text of the line, for messages.
    line: &'a str,
    slots: &'a BTreeMap<Vec<String>, usize>,
    /// Where the last jump leads to that is set.
    landing: usize,
    made: Compiled,
}

impl<'a> Compiler<'a> {
    fn mapping(
        &mut self,
        sync: &'a Sync,
        to: Side,
        index: usize,
        mapping: &'a Mapping,
    ) -> Result<(Option<&'a str>, Line), NotCovered> {
        let start = self.here()?;
        let entity = sync.entity(to);
        let two_way = mapping.direction == Direction::Both;
        let mut ends = Vec::new();
        let (property, optional) = match &mapping.kind {
            MappingKind::Field { left, right, transforms } => {
                let (source, target) = if to == Side::Right { (left, right) } else { (right, left) };
                self.load(&[], source)?;
                // First to the form in which both sides compare, which is the left one's ...
                if to == Side::Right {
                    for transform in transforms {
                        if transforms::class(&transform.name) == Some(Class::Normaliser) {
                            self.transform_any(transform, &mut ends)?;
                        }
                    }
                } else {
                    for transform in transforms.iter().rev() {
                        if transforms::class(&transform.name) == Some(Class::Normaliser) {
                            self.transform_any(transform, &mut ends)?;
                        } else {
                            self.if_any(&mut ends)?;
                            let number = number(self.made.transforms.len())?;
                            self.made.transforms.push(transform.clone());
                            self.made.ops.push(Op::Invert(number));
                        }
                    }
                }
                self.coerce(&sync.left, left, &mut ends)?;
                // ... then to the target's.
                if to == Side::Right {
                    for transform in transforms {
                        self.transform_any(transform, &mut ends)?;
                    }
                }
                self.hold(entity, target, &mut ends)?;
                (Some(target.as_str()), self.program.field(entity, target).is_none_or(|field| field.optional))
            }
            MappingKind::Computed { source, target } => {
                self.expr(source)?;
                self.hold(entity, target, &mut ends)?;
                (Some(target.as_str()), true)
            }
            MappingKind::Link { left, right, .. } => {
                self.load(if to == Side::Right { left } else { right }, "id")?;
                (None, true)
            }
        };
        let end = self.here()?;
        for jump in ends {
            self.made.ops[usize::from(jump)] = Op::JumpIfEmpty(end);
        }
        let cleared = if self.purpose == Purpose::Change && optional { Missing::Null } else { Missing::Leave };
        let missing = match (two_way, &mapping.on_empty) {
            (true, _) | (false, Outcome::Clear) => cleared,
            (false, Outcome::Never) if property.is_none() => cleared,
            (false, Outcome::Keep | Outcome::Never) => Missing::Leave,
            (false, Outcome::Skip) => Missing::Skip,
            (false, Outcome::Fail) => Missing::Fail,
        };
        let to = match property {
            Some(property) => To::Property(Target::new(self.program, entity, property)),
            None => To::Link,
        };
        let usual = match &to {
            To::Property(target) => self.usual(usize::from(start), target),
            To::Link => Usual::Run,
        };
        Ok((property, Line { index, code: Code { start, end }, missing, to, usual }))
    }

    /// What the operations from `start` on do to a value that is there.
    fn usual(&self, start: usize, target: &Target) -> Usual {
        let (source, options) = match self.made.ops[start..] {
            [Op::Load(source)] => (source, None),
            [Op::Load(source), Op::JumpIfEmpty(_), Op::Lowercase] => {
                let read = &self.made.sources[usize::from(source)];
                let straight = read.is_text() && !target.has_words();
                return if straight { Usual::Lowercase(read.slot) } else { Usual::Run };
            }
            [Op::Load(source), Op::Options(number)] => (source, Some(&self.made.options[usize::from(number)])),
            _ => return Usual::Run,
        };
        let read = &self.made.sources[usize::from(source)];
        let written = |text: &str, word: &str| {
            let mut bytes = Vec::new();
            target.write(self.program, &Cell::text(word), &mut bytes);
            (text.to_owned(), bytes)
        };
        match (read.words(), options) {
            (Some(words), options) => {
                let held = words.iter().filter(|(_, word)| options.is_none_or(|options| options.words.contains(word)));
                Usual::Word(read.slot, held.map(|(text, word)| written(text, word)).collect())
            }
            (None, Some(options)) if read.is_text() => {
                Usual::Word(read.slot, options.words.iter().map(|word| written(word, word)).collect())
            }
            (None, Some(_)) => Usual::Run,
            (None, None) if read.is_text() && !target.has_words() => Usual::Copy(read.slot),
            (None, None) if read.is_time() && !target.has_words() => Usual::Time(read.slot),
            (None, None) => Usual::Load(source),
        }
    }

    fn here(&self) -> Result<u16, NotCovered> {
        number(self.made.ops.len())
    }

    /// The last operation, if nothing but it leads to what comes next.
    fn last(&self) -> Option<Op> {
        self.made.ops.last().copied().filter(|_| self.landing < self.made.ops.len())
    }

    /// What follows is skipped where there is no value; the jump's target is set when the end is known.
    fn if_any(&mut self, ends: &mut Vec<u16>) -> Result<(), NotCovered> {
        ends.push(self.here()?);
        self.made.ops.push(Op::JumpIfEmpty(u16::MAX));
        Ok(())
    }

    /// Applies a transform where there is a value.
    fn transform_any(&mut self, transform: &Transform, ends: &mut Vec<u16>) -> Result<(), NotCovered> {
        // What is in lower case stays as it is.
        if transform.name == "lowercase" && matches!(self.last(), Some(Op::Lowercase)) {
            return Ok(());
        }
        self.if_any(ends)?;
        self.transform(transform)
    }

    fn transform(&mut self, transform: &Transform) -> Result<(), NotCovered> {
        let op = if transform.name == "lowercase" {
            Op::Lowercase
        } else {
            let number = number(self.made.transforms.len())?;
            self.made.transforms.push(transform.clone());
            Op::Transform(number)
        };
        self.made.ops.push(op);
        Ok(())
    }

    fn coerce(&mut self, entity: &EntityName, name: &str, ends: &mut Vec<u16>) -> Result<(), NotCovered> {
        let Some(field) = self.program.field(entity, name) else { return Ok(()) };
        // A value straight from a source of the same type is one already; whether it is empty changes nothing.
        let fits = match self.last() {
            Some(Op::Load(source)) => self.made.sources[usize::from(source)].fits(&field.ty),
            Some(Op::Lowercase) => field.ty == Type::Text,
            _ => false,
        };
        if fits {
            return Ok(());
        }
        self.if_any(ends)?;
        self.made.ops.push(Op::Coerce(number(self.made.fields.len())?));
        self.made.fields.push(field.clone());
        Ok(())
    }

    /// Makes the value what the target holds, and refuses an option that it does not have.
    fn hold(&mut self, entity: &EntityName, name: &str, ends: &mut Vec<u16>) -> Result<(), NotCovered> {
        self.coerce(entity, name, ends)?;
        let Some(field) = self.program.field(entity, name).filter(|field| field.ty == Type::Enum) else {
            return Ok(());
        };
        let words = match self.program.choice(entity, name) {
            Some(choice) => choice.words.iter().map(|word| word.word.clone()).collect(),
            None if field.options.is_empty() => return Ok(()),
            None => field.options.clone(),
        };
        self.made.ops.push(Op::Options(number(self.made.options.len())?));
        self.made.options.push(Options { entity: entity.clone(), name: name.to_owned(), words });
        Ok(())
    }

    fn constant(&mut self, value: Value) -> Result<(), NotCovered> {
        self.made.ops.push(Op::Constant(number(self.made.constants.len())?));
        self.made.constants.push(value);
        Ok(())
    }

    /// The field of the record that `links` lead to.
    fn load(&mut self, links: &[String], field: &str) -> Result<(), NotCovered> {
        let mut entity = self.from.clone();
        let mut path = Vec::new();
        let mut on_the_way = Vec::new();
        for link in links {
            path.push(link.clone());
            on_the_way.push(number(self.slots[&path])?);
            let to = self.program.entity(&entity).and_then(|known| known.links.get(link)).map(|link| link.to.clone());
            entity = EntityName::new(entity.system, to.unwrap_or_default());
        }
        path.push(field.to_owned());
        let slot = number(self.slots[&path])?;
        self.made.ops.push(Op::Load(number(self.made.sources.len())?));
        self.made.sources.push(Source::new(self.program, slot, on_the_way, path.join("."), &entity, field));
        Ok(())
    }

    /// A field or id of a variable: the record that is read, or the one that is written.
    fn path(&mut self, variable: &str, links: &[String], field: &str) -> Result<(), NotCovered> {
        if variable == self.variable {
            self.load(links, field)
        } else if self.purpose == Purpose::Create {
            // There is no such record yet.
            self.constant(Value::Empty)
        } else {
            Err(NotCovered::Target { line: self.line.to_owned() })
        }
    }

    fn expr(&mut self, expr: &Expr) -> Result<(), NotCovered> {
        match expr {
            Expr::Literal(value) => self.constant(value.clone())?,
            Expr::Field { variable, links, field, .. } => self.path(variable, links, field)?,
            Expr::Reference { variable, links } => self.path(variable, links, "id")?,
            Expr::Record { .. } => return Err(NotCovered::WholeRecord { line: self.line.to_owned() }),
            Expr::Lookup { .. } => return Err(NotCovered::Lookup { line: self.line.to_owned() }),
            Expr::Join(parts) => {
                self.made.ops.push(Op::Begin);
                for (part, choice) in parts {
                    self.expr(part)?;
                    self.made.ops.push(Op::Print(choice.map(number).transpose()?));
                }
                self.made.ops.push(Op::End);
            }
            Expr::Table { table, key, column } => {
                self.expr(key)?;
                let mut made = Column { texts: Vec::new(), others: BTreeMap::new() };
                for (key, row) in &self.program.tables[*table].rows {
                    let cell = row.get(*column).cloned().unwrap_or_default();
                    match key {
                        Value::Text(key) => made.texts.push((key.clone(), cell)),
                        key => {
                            made.others.insert(key.clone(), cell);
                        }
                    }
                }
                self.made.ops.push(Op::Column(number(self.made.columns.len())?));
                self.made.columns.push(made);
            }
            Expr::Transform(of, transform) => {
                self.expr(of)?;
                self.transform(transform)?;
            }
            Expr::Else(first, second) => self.unless(first, second, Op::JumpUnlessEmpty)?,
            Expr::And(first, second) => self.both(first, second, Op::JumpIfNo)?,
            Expr::Or(first, second) => self.both(first, second, Op::JumpIfYes)?,
            Expr::Not(of) => {
                self.expr(of)?;
                self.made.ops.push(Op::Not);
            }
            Expr::IsEmpty(of) => {
                self.expr(of)?;
                self.made.ops.push(Op::IsEmpty);
            }
            Expr::Compare(op, left, right) => self.two(left, right, Op::Compare(*op))?,
            Expr::In(of, list) => self.two(of, list, Op::In)?,
            Expr::Arithmetic(op, left, right) => self.two(left, right, Op::Arithmetic(*op))?,
            Expr::List(values) => {
                for value in values {
                    self.expr(value)?;
                    self.made.ops.push(Op::Push);
                }
                self.made.ops.push(Op::List(number(values.len())?));
            }
        }
        Ok(())
    }

    /// Both values, then what is done with them.
    fn two(&mut self, left: &Expr, right: &Expr, op: Op) -> Result<(), NotCovered> {
        self.expr(left)?;
        self.made.ops.push(Op::Push);
        self.expr(right)?;
        self.made.ops.push(op);
        Ok(())
    }

    /// The first value; the second where the jump is not taken.
    fn unless(&mut self, first: &Expr, second: &Expr, jump: fn(u16) -> Op) -> Result<(), NotCovered> {
        self.expr(first)?;
        let at = self.made.ops.len();
        self.made.ops.push(jump(u16::MAX));
        self.expr(second)?;
        self.land(at, jump)
    }

    /// Two conditions, the second asked only where the jump is not taken.
    fn both(&mut self, first: &Expr, second: &Expr, jump: fn(u16) -> Op) -> Result<(), NotCovered> {
        self.expr(first)?;
        self.made.ops.push(Op::Truth);
        let at = self.made.ops.len();
        self.made.ops.push(jump(u16::MAX));
        self.expr(second)?;
        self.made.ops.push(Op::Truth);
        self.land(at, jump)
    }

    /// Lets the jump at `at` lead here.
    fn land(&mut self, at: usize, jump: fn(u16) -> Op) -> Result<(), NotCovered> {
        self.landing = self.made.ops.len();
        self.made.ops[at] = jump(self.here()?);
        Ok(())
    }
}

fn number(count: usize) -> Result<u16, NotCovered> {
    u16::try_from(count).map_err(|_| NotCovered::TooLarge)
}
