//! Operations over slots: the hot loop. What is rare is done by the simple way's own functions.
//!
//! Always true: properties are worked out in the order in which they are written; where one of them stops, the lines
//! are gone through once more in the order of the rules, so that what stopped first is told.

use super::cell::Cell;
use super::compile::{Code, Compiled, Line, Missing, Op, To, Usual};
use super::read::Source;
use super::slot::Slot;
use super::{LinkTo, Mapped, Stop, instant, write};
use crate::eval::{self, Fault};
use crate::program::Program;
use crate::schema::Type;
use crate::transforms;
use crate::value::Value;

/// Runs a plan over a record's slots.
pub(super) fn run(
    program: &Program,
    compiled: &Compiled,
    slots: &[Slot<'_>],
    out: &mut Vec<u8>,
) -> Result<Mapped, Stop> {
    let mut machine = Machine { program, compiled, slots, value: Cell::Empty, stack: Vec::new() };
    if let Some(only) = compiled.only {
        machine.run(only).map_err(|halt| halt.stop(None))?;
        if machine.value != Cell::Flag(true) {
            return Ok(Mapped::LeftOut);
        }
    }
    let start = out.len();
    out.reserve(compiled.room);
    let mut links = Vec::new();
    for line in &compiled.lines {
        // Most lines hand on a value that is there; everything else is a matter of operations.
        if let To::Property(target) = &line.to {
            match &line.usual {
                Usual::Copy(slot) => {
                    if let Slot::Text(text) = slots[usize::from(*slot)]
                        && !text.is_empty()
                    {
                        write::append(&target.key, out);
                        write::plain(text, out);
                        continue;
                    }
                }
                Usual::Lowercase(slot) => {
                    if let Slot::Text(text) = slots[usize::from(*slot)]
                        && !text.is_empty()
                        && text.is_ascii()
                    {
                        write::append(&target.key, out);
                        write::plain_lowercase(text, out);
                        continue;
                    }
                }
                Usual::Time(slot) => {
                    if let Slot::Text(text) = slots[usize::from(*slot)]
                        && instant::is_printed(text)
                    {
                        write::append(&target.key, out);
                        write::plain(text, out);
                        continue;
                    }
                }
                Usual::Word(slot, words) => {
                    if let Slot::Text(text) = slots[usize::from(*slot)]
                        && let Some((_, written)) = words.iter().find(|(known, _)| known == text)
                    {
                        write::append(&target.key, out);
                        write::append(written, out);
                        continue;
                    }
                }
                Usual::Load(source) => {
                    if let Ok(value) = machine.load(&compiled.sources[usize::from(*source)])
                        && !value.is_empty()
                    {
                        write::append(&target.key, out);
                        target.write(program, &value, out);
                        continue;
                    }
                }
                Usual::Run => {}
            }
        }
        let verdict = machine.line(line);
        match (verdict, &line.to) {
            (Ok(Verdict::Leave), _) => {}
            (Ok(Verdict::Write), To::Property(target)) => {
                write::append(&target.key, out);
                target.write(program, &machine.value, out);
            }
            (Ok(Verdict::Write), To::Link) => {
                let value = std::mem::take(&mut machine.value).into_value();
                links.push(LinkTo { line: line.index, record: (!value.is_empty()).then(|| value.to_string()) });
            }
            (Ok(Verdict::Skip) | Err(_), _) => {
                out.truncate(start);
                return machine.in_order();
            }
        }
    }
    // A comma stands before every property; before the first one it is the brace.
    match out.get_mut(start) {
        Some(first) => *first = b'{',
        None => out.push(b'{'),
    }
    out.push(b'}');
    Ok(Mapped::Written(links))
}

/// Why there is no value.
enum Halt {
    Fault(Fault),
    Unseen(String),
}

impl Halt {
    fn stop(self, line: Option<usize>) -> Stop {
        match self {
            Self::Fault(fault) => Stop::Fault { line, fault },
            Self::Unseen(field) => Stop::Unseen { line, field },
        }
    }
}

impl From<Fault> for Halt {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

/// What becomes of a line.
enum Verdict {
    /// The current value is written, empty or not.
    Write,
    Leave,
    Skip,
}

struct Machine<'s> {
    program: &'s Program,
    compiled: &'s Compiled,
    slots: &'s [Slot<'s>],
    value: Cell<'s>,
    stack: Vec<Cell<'s>>,
}

impl<'s> Machine<'s> {
    /// What the first line that stops says.
    #[cold]
    fn in_order(&mut self) -> Result<Mapped, Stop> {
        for position in &self.compiled.in_order {
            let line = &self.compiled.lines[*position];
            match self.line(line) {
                Ok(Verdict::Write | Verdict::Leave) => {}
                Ok(Verdict::Skip) => return Ok(Mapped::LeftOut),
                Err(halt) => return Err(halt.stop(Some(line.index))),
            }
        }
        unreachable!("a line that stopped stops again: the record is the same")
    }

    fn line(&mut self, line: &Line) -> Result<Verdict, Halt> {
        self.run(line.code)?;
        if !self.value.is_empty() {
            return Ok(Verdict::Write);
        }
        match line.missing {
            Missing::Leave => Ok(Verdict::Leave),
            Missing::Null => Ok(Verdict::Write),
            Missing::Skip => Ok(Verdict::Skip),
            Missing::Fail => {
                Err(Fault::Arithmetic("there is no value, and the line says `else fail`".to_owned()).into())
            }
        }
    }

    fn run(&mut self, code: Code) -> Result<(), Halt> {
        self.stack.clear();
        self.value = Cell::Empty;
        let compiled = self.compiled;
        let mut at = usize::from(code.start);
        while at < usize::from(code.end) {
            match compiled.ops[at] {
                Op::Load(source) => self.value = self.load(&compiled.sources[usize::from(source)])?,
                Op::Constant(number) => self.value = Cell::borrowed(&compiled.constants[usize::from(number)]),
                Op::JumpIfEmpty(to) => {
                    if self.value.is_empty() {
                        at = usize::from(to);
                        continue;
                    }
                }
                Op::Coerce(number) => self.coerce(usize::from(number))?,
                Op::Options(number) => self.options(usize::from(number))?,
                Op::Lowercase => self.lowercase()?,
                Op::Transform(number) => {
                    if !self.value.is_empty() {
                        let transform = &compiled.transforms[usize::from(number)];
                        self.value = transforms::apply(transform, &self.take())?.into();
                    }
                }
                Op::Invert(number) => {
                    self.value = transforms::invert(&compiled.transforms[usize::from(number)], &self.take())?.into();
                }
                Op::Column(number) => self.column(usize::from(number)),
                Op::Push => self.stack.push(std::mem::take(&mut self.value)),
                Op::Begin => self.stack.push(Cell::Owned(String::new())),
                Op::Print(choice) => self.print(choice),
                Op::End => {
                    self.value = match self.stack.pop() {
                        Some(Cell::Owned(text)) => Cell::owned(text),
                        other => other.unwrap_or_default(),
                    };
                }
                Op::List(length) => {
                    let from = self.stack.len() - usize::from(length);
                    self.value = Cell::Other(Value::List(self.stack.drain(from..).map(Cell::into_value).collect()));
                }
                Op::Truth => self.value = Cell::Flag(self.is_yes()),
                Op::Not => self.value = Cell::Flag(!self.is_yes()),
                Op::IsEmpty => self.value = Cell::Flag(self.value.is_empty()),
                Op::Compare(op) => {
                    let (left, right) = self.both();
                    self.value = Cell::Flag(eval::compare(self.program, op, &left, &right));
                }
                Op::In => {
                    let (of, list) = self.both();
                    self.value = Cell::Flag(eval::is_in(&of, &list));
                }
                Op::Arithmetic(op) => {
                    let (left, right) = self.both();
                    self.value = eval::arithmetic(op, left, right)?.into();
                }
                Op::JumpUnlessEmpty(to) => {
                    if !self.value.is_empty() {
                        at = usize::from(to);
                        continue;
                    }
                }
                Op::JumpIfYes(to) => {
                    if self.is_yes() {
                        at = usize::from(to);
                        continue;
                    }
                }
                Op::JumpIfNo(to) => {
                    if !self.is_yes() {
                        at = usize::from(to);
                        continue;
                    }
                }
            }
            at += 1;
        }
        Ok(())
    }

    fn take(&mut self) -> Value {
        std::mem::take(&mut self.value).into_value()
    }

    fn is_yes(&self) -> bool {
        matches!(self.value, Cell::Flag(true))
    }

    /// What is on the stack and the current value.
    fn both(&mut self) -> (Value, Value) {
        (self.stack.pop().unwrap_or_default().into_value(), self.take())
    }

    fn load(&self, source: &'s Source) -> Result<Cell<'s>, Halt> {
        let slot = &self.slots[usize::from(source.slot)];
        if source.links.is_empty() || !slot.is_empty() {
            return Ok(source.read(self.program, slot)?);
        }
        for (step, link) in source.links.iter().enumerate() {
            match &self.slots[usize::from(*link)] {
                link if link.is_empty() => return Ok(Cell::Empty),
                Slot::Record => {}
                id if source.is_id() && step + 1 == source.links.len() => {
                    return Ok(match id.text() {
                        Some(text) => text.into(),
                        None => Cell::owned(id.to_json().to_string()),
                    });
                }
                _ => return Err(Halt::Unseen(source.path.clone())),
            }
        }
        Ok(Cell::Empty)
    }

    fn coerce(&mut self, number: usize) -> Result<(), Fault> {
        let field = &self.compiled.fields[number];
        match (&field.ty, &self.value) {
            (Type::Text | Type::Enum, Cell::Plain(_) | Cell::Text(_) | Cell::Owned(_))
            | (Type::Number | Type::Money | Type::Percent, Cell::Decimal(_))
            | (Type::Integer, Cell::Integer(_))
            | (Type::Flag, Cell::Flag(_))
            | (Type::Date, Cell::Date(_))
            | (Type::Time, Cell::Time(_))
            | (_, Cell::Empty) => {}
            _ => self.value = eval::coerce(self.take(), field)?.into(),
        }
        Ok(())
    }

    fn options(&mut self, number: usize) -> Result<(), Fault> {
        let options = &self.compiled.options[number];
        let Some(text) = self.value.as_text() else { return Ok(()) };
        if options.words.iter().any(|word| word == text) {
            return Ok(());
        }
        Err(eval::no_option(&options.entity, &options.name, text))
    }

    fn lowercase(&mut self) -> Result<(), Fault> {
        match self.value.as_text() {
            Some(text) if text.bytes().all(|byte| byte.is_ascii() && !byte.is_ascii_uppercase()) => {}
            Some(text) => self.value = Cell::owned(text.to_lowercase()),
            None if self.value.is_empty() => {}
            None => {
                let lowercase = crate::program::Transform { name: "lowercase".to_owned(), args: Vec::new() };
                self.value = transforms::apply(&lowercase, &self.take())?.into();
            }
        }
        Ok(())
    }

    fn column(&mut self, number: usize) {
        let column = &self.compiled.columns[number];
        let key = std::mem::take(&mut self.value);
        let cell = match key.as_text() {
            Some(text) => column
                .texts
                .binary_search_by(|(key, _)| key.as_str().cmp(text))
                .ok()
                .and_then(|row| column.texts.get(row))
                .map(|(_, cell)| cell),
            None => column.others.get(&key.into_value()),
        };
        self.value = cell.map_or(Cell::Empty, Cell::borrowed);
    }

    fn print(&mut self, choice: Option<u16>) {
        let Some(Cell::Owned(text)) = self.stack.last_mut() else {
            unreachable!("a text begins before anything is printed")
        };
        let mut bytes = std::mem::take(text).into_bytes();
        match (&self.value, choice) {
            (Cell::Empty, _) => {}
            (value @ (Cell::Plain(_) | Cell::Text(_) | Cell::Owned(_)), choice) => {
                let word = value.as_text().unwrap_or_default();
                let row = choice.and_then(|choice| self.program.choices[usize::from(choice)].row(word));
                bytes.extend_from_slice(row.map_or(word, |row| row.label.as_str()).as_bytes());
            }
            (Cell::Integer(number), _) => write::integer(*number, &mut bytes),
            (Cell::Decimal(number), _) => write::decimal(number, &mut bytes),
            (Cell::Time(time), _) if instant::print(*time, &mut bytes) => {}
            (other, _) => bytes.extend_from_slice(other.clone().into_value().to_string().as_bytes()),
        }
        *text = String::from_utf8(bytes).expect("what is printed is text");
    }
}
