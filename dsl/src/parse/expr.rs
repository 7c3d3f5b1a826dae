//! Expressions and texts.

use rust_decimal::Decimal;

use super::cursor::{Builder, Pair, Rule, has, parts};
use super::limits::MAX_EXPRESSION;
use crate::ast::{BinaryOp, Expr, ExprKind, OnEmpty, Outcome, TextPart, Transform, TransformName};
use crate::diagnostic::{Code, Problem};
use crate::source::{Span, Spanned};
use crate::value::Timestamp;

impl Builder<'_> {
    pub(super) fn expr(&mut self, pair: Pair<'_>) -> Expr {
        let span = self.span(&pair);
        let before = self.depth;
        let length = pair.clone().into_inner().count();
        self.depth += length;
        let expr = if self.depth > MAX_EXPRESSION { self.too_complex(span) } else { self.operands(pair) };
        self.depth = before;
        expr
    }

    /// Stands for an expression that is not read.
    fn too_complex(&mut self, span: Span) -> Expr {
        let problem = Problem::new(Code::E0099, "this is too complex to read", span, "here");
        self.problems.push(problem.help("take it apart: into several conditions, or a table"));
        Expr { kind: ExprKind::Empty, span }
    }

    fn operands(&mut self, pair: Pair<'_>) -> Expr {
        let mut operands = Vec::new();
        let mut operators: Vec<Spanned<BinaryOp>> = Vec::new();
        for part in pair.into_inner() {
            match part.as_rule() {
                Rule::unary => {
                    let nots = part.clone().into_inner().filter(|p| p.as_rule() == Rule::k_not);
                    let nots = nots.map(|not| self.span(&not)).collect();
                    operands.push((nots, self.unary(part)));
                }
                Rule::binop => {
                    let span = self.span(&part);
                    operators.push(Spanned::new(operator(part.as_str().trim()), span));
                }
                _ => {}
            }
        }
        climb(&mut operands.into_iter(), &mut operators.into_iter().peekable(), 0)
    }

    fn unary(&mut self, pair: Pair<'_>) -> Expr {
        let span = self.span(&pair);
        // `not` before it and transforms behind it nest as deeply as operators do.
        let length = pair.clone().into_inner().count();
        if self.depth + length > MAX_EXPRESSION {
            return self.too_complex(span);
        }
        self.depth += length;
        let expr = self.unary_parts(pair, span);
        self.depth -= length;
        expr
    }

    fn unary_parts(&mut self, pair: Pair<'_>, span: Span) -> Expr {
        let mut expr: Option<Expr> = None;
        for part in pair.into_inner() {
            let part_span = self.span(&part);
            match part.as_rule() {
                Rule::atom => expr = Some(self.atom(part)),
                Rule::post => {
                    let Some(of) = expr.take() else { continue };
                    // What stands behind a value is applied in the order in which it is written.
                    let whole = of.span.to(part_span);
                    let Some(inner) = part.into_inner().next() else { continue };
                    let kind = match inner.as_rule() {
                        Rule::as_xf => ExprKind::As(Box::new(of), self.transform(inner)),
                        Rule::is_empty => ExprKind::IsEmpty { of: Box::new(of), negated: has(&inner, Rule::k_not) },
                        Rule::index => {
                            let mut inner = inner.into_inner();
                            let key = inner.next().map(|key| self.expr(key));
                            let rest = inner.map(|name| self.name(&name)).collect();
                            match key {
                                Some(key) => ExprKind::Index { table: Box::new(of), key: Box::new(key), rest },
                                None => of.kind,
                            }
                        }
                        _ => match parts(inner).into_iter().next() {
                            Some(value) => {
                                let value = self.atom(value);
                                ExprKind::Else(Box::new(of), Box::new(value))
                            }
                            None => of.kind,
                        },
                    };
                    expr = Some(Expr { kind, span: whole });
                }
                _ => {}
            }
        }
        expr.unwrap_or(Expr { kind: ExprKind::Empty, span })
    }

    fn atom(&mut self, pair: Pair<'_>) -> Expr {
        let span = self.span(&pair);
        let Some(inner) = pair.into_inner().next() else { return Expr { kind: ExprKind::Empty, span } };
        let kind = match inner.as_rule() {
            Rule::moment => {
                let mut date = None;
                let mut minute = 0;
                for part in inner.into_inner() {
                    match part.as_rule() {
                        Rule::date => date = self.date(&part),
                        Rule::clock => minute = self.clock(&part),
                        _ => {}
                    }
                }
                let days = date.map_or(0, crate::value::days_of);
                ExprKind::Timestamp(Timestamp(i64::from(days) * 86_400_000 + i64::from(minute) * 60_000))
            }
            Rule::date => self.date(&inner).map_or(ExprKind::Empty, ExprKind::Date),
            Rule::percent => {
                ExprKind::Percent(self.number(inner.as_str().trim_end_matches('%')) / Decimal::ONE_HUNDRED)
            }
            Rule::duration => ExprKind::Duration(self.duration(&inner).value),
            Rule::number => ExprKind::Number(self.number(inner.as_str())),
            Rule::text => return self.text(inner),
            Rule::flag => ExprKind::Flag(inner.as_str().trim() == "yes"),
            Rule::list => {
                ExprKind::List(inner.into_inner().filter(|p| p.as_rule() == Rule::expr).map(|p| self.expr(p)).collect())
            }
            Rule::path => ExprKind::Path(self.path(&inner)),
            Rule::expr => return Expr { span, ..self.expr(inner) },
            _ => ExprKind::Empty,
        };
        Expr { kind, span }
    }

    /// A literal that stands where no expression may: a cell of a table, a spelling.
    pub(super) fn literal(&mut self, pair: Pair<'_>) -> Expr {
        let span = self.span(&pair);
        let Some(inner) = pair.into_inner().next() else { return Expr { kind: ExprKind::Empty, span } };
        let kind = match inner.as_rule() {
            Rule::percent => {
                ExprKind::Percent(self.number(inner.as_str().trim_end_matches('%')) / Decimal::ONE_HUNDRED)
            }
            Rule::number => ExprKind::Number(self.number(inner.as_str())),
            Rule::flag => ExprKind::Flag(inner.as_str().trim() == "yes"),
            Rule::text => return self.text(inner),
            _ => ExprKind::Path(self.path(&inner)),
        };
        Expr { kind, span }
    }

    fn number(&mut self, text: &str) -> Decimal {
        let digits: String = text.trim().chars().filter(|c| *c != '_').collect();
        digits.parse().unwrap_or(Decimal::MAX)
    }

    pub(super) fn transform(&mut self, pair: Pair<'_>) -> Transform {
        let span = self.span(&pair);
        let mut name = None;
        let mut args = Vec::new();
        for part in parts(pair) {
            match part.as_rule() {
                Rule::text => name = Some(TransformName::Format(self.plain_text(&part))),
                Rule::args => {
                    args = part.into_inner().filter(|p| p.as_rule() == Rule::expr).map(|p| self.expr(p)).collect()
                }
                // A country or a zone is one more argument, written as people say it.
                Rule::as_in => {
                    let span = self.span(&part);
                    let of = parts(part).into_iter().next().map(|of| match of.as_rule() {
                        Rule::text => self.plain_text(&of).value,
                        _ => self.name(&of).value,
                    });
                    let text = vec![TextPart::Chars(of.unwrap_or_default())];
                    args.push(Expr { kind: ExprKind::Text(text), span });
                }
                _ => name = Some(TransformName::Named(self.name(&part))),
            }
        }
        let name = name.unwrap_or_else(|| TransformName::Named(Spanned::new(String::new(), span)));
        Transform { name, args, span }
    }

    /// `else …` at the end of a line.
    pub(super) fn on_empty(&mut self, pair: Pair<'_>) -> OnEmpty {
        let span = self.span(&pair);
        let outcome = match parts(pair).into_iter().next() {
            Some(part) if part.as_rule() == Rule::outcome => match part.as_str().trim() {
                "keep" => Outcome::Keep,
                "clear" => Outcome::Clear,
                "skip" => Outcome::Skip,
                _ => Outcome::Fail,
            },
            Some(part) => Outcome::Value(Box::new(self.atom(part))),
            None => Outcome::Nothing,
        };
        OnEmpty { outcome, span }
    }

    /// Tells of escapes that mean nothing.
    fn escapes(&mut self, pair: &Pair<'_>) {
        let text = pair.as_str();
        let mut chars = text.char_indices();
        while let Some((at, c)) = chars.next() {
            let Some((_, next)) = (if c == '\\' { chars.next() } else { None }) else { continue };
            if !ESCAPED.contains(&next) {
                let start = pair.as_span().start() + at;
                let span = self.at(start, start + 1 + next.len_utf8());
                let message = format!("`\\{}` means nothing in a text", next.escape_default());
                let problem = Problem::new(Code::E0001, message, span, "here");
                self.problems.push(
                    problem.help("write `\\\\` for a backslash; known are `\\\"`, `\\\\`, `\\n`, `\\{` and `\\}`"),
                );
            }
        }
    }

    pub(super) fn text(&mut self, pair: Pair<'_>) -> Expr {
        let span = self.span(&pair);
        let block = pair.as_str().starts_with("\"\"\"");
        let mut pieces: Vec<TextPart> = Vec::new();
        for part in pair.into_inner() {
            match part.as_rule() {
                Rule::chars | Rule::chars_b => {
                    self.escapes(&part);
                    pieces.push(TextPart::Chars(part.as_str().to_owned()));
                }
                Rule::interp => {
                    if let Some(inner) = part.into_inner().find(|p| p.as_rule() == Rule::expr) {
                        pieces.push(TextPart::Expr(self.expr(inner)));
                    }
                }
                _ => {}
            }
        }
        // Lines first, escapes then: a `\n` in a text ends no line of the file.
        if block {
            trim_block(&mut pieces);
        }
        for piece in &mut pieces {
            if let TextPart::Chars(chars) = piece {
                *chars = unescape(chars);
            }
        }
        let mut joined: Vec<TextPart> = Vec::new();
        for piece in pieces {
            match (joined.last_mut(), piece) {
                (_, TextPart::Chars(chars)) if chars.is_empty() => {}
                (Some(TextPart::Chars(before)), TextPart::Chars(chars)) => before.push_str(&chars),
                (_, piece) => joined.push(piece),
            }
        }
        Expr { kind: ExprKind::Text(joined), span }
    }
}

/// A block text drops its first and last line break and the indentation of its closing quotes.
fn trim_block(pieces: &mut [TextPart]) {
    let mut dropped = false;
    if let Some(TextPart::Chars(first)) = pieces.first_mut()
        && let Some(at) = first.find('\n').filter(|at| first[..*at].trim().is_empty())
    {
        first.replace_range(..=at, "");
        dropped = true;
    }
    let mut indent = String::new();
    if let Some(TextPart::Chars(last)) = pieces.last_mut() {
        match last.rfind('\n') {
            Some(at) if last[at + 1..].trim().is_empty() => {
                indent = last[at + 1..].to_owned();
                last.truncate(at);
                if last.ends_with('\r') {
                    last.pop();
                }
            }
            // Nothing but the line of the closing quotes is left.
            None if dropped && last.trim().is_empty() => last.clear(),
            _ => {}
        }
    }
    // What stands in the line of the opening quotes is not indented.
    let mut line_start = dropped;
    for piece in pieces {
        let TextPart::Chars(chars) = piece else {
            line_start = false;
            continue;
        };
        let mut text = String::with_capacity(chars.len());
        for line in chars.split_inclusive('\n') {
            let body = if line_start {
                line.strip_prefix(indent.as_str()).unwrap_or_else(|| line.trim_start_matches([' ', '\t']))
            } else {
                line
            };
            text.push_str(&body.replace("\r\n", "\n"));
            line_start = line.ends_with('\n');
        }
        *chars = text;
    }
}

/// Characters that may follow a backslash; `n` stands for a line end, the others for themselves.
const ESCAPED: [char; 5] = ['n', '"', '\\', '{', '}'];

/// An escape that means nothing stays as it is written; it was told of.
fn unescape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match (c, chars.clone().next()) {
            ('\\', Some('n')) => out.push('\n'),
            ('\\', Some(next)) if ESCAPED.contains(&next) => out.push(next),
            (c, _) => {
                out.push(c);
                continue;
            }
        }
        chars.next();
    }
    out
}

fn operator(text: &str) -> BinaryOp {
    match text {
        "or" => BinaryOp::Or,
        "and" => BinaryOp::And,
        "in" => BinaryOp::In,
        "contains" => BinaryOp::Contains,
        text if text.starts_with("starts") => BinaryOp::StartsWith,
        text if text.starts_with("ends") => BinaryOp::EndsWith,
        "=" => BinaryOp::Equal,
        "!=" => BinaryOp::NotEqual,
        "<" => BinaryOp::Less,
        "<=" => BinaryOp::LessOrEqual,
        ">" => BinaryOp::Greater,
        ">=" => BinaryOp::GreaterOrEqual,
        "+" => BinaryOp::Add,
        "-" => BinaryOp::Subtract,
        "*" => BinaryOp::Multiply,
        _ => BinaryOp::Divide,
    }
}

fn strength(op: BinaryOp) -> u8 {
    match op {
        BinaryOp::Or => 1,
        BinaryOp::And => 2,
        BinaryOp::Add | BinaryOp::Subtract => 4,
        BinaryOp::Multiply | BinaryOp::Divide => 5,
        _ => 3,
    }
}

/// An operand and the places of the `not`s before it.
type Operand = (Vec<Span>, Expr);

/// How strongly `not` binds: less than a comparison, more than `and`. `not a = b` is `not (a = b)`.
const NOT: u8 = 3;

/// Precedence climbing over operands and the operators between them; all operators bind to the left.
fn climb(
    operands: &mut impl Iterator<Item = Operand>,
    operators: &mut std::iter::Peekable<impl Iterator<Item = Spanned<BinaryOp>>>,
    least: u8,
) -> Expr {
    let nothing = || (Vec::new(), Expr { kind: ExprKind::Empty, span: Span::default() });
    let (nots, operand) = operands.next().unwrap_or_else(nothing);
    let mut left = operand;
    if !nots.is_empty() {
        left = join(left, operands, operators, least.max(NOT));
        for not in nots.into_iter().rev() {
            let span = not.to(left.span);
            left = Expr { kind: ExprKind::Not(Box::new(left)), span };
        }
    }
    join(left, operands, operators, least)
}

/// Takes operators of at least this strength, with what stands right of them.
fn join(
    mut left: Expr,
    operands: &mut impl Iterator<Item = Operand>,
    operators: &mut std::iter::Peekable<impl Iterator<Item = Spanned<BinaryOp>>>,
    least: u8,
) -> Expr {
    while let Some(op) = operators.next_if(|op| strength(op.value) >= least) {
        let right = climb(operands, operators, strength(op.value) + 1);
        let span = left.span.to(right.span);
        left = Expr { kind: ExprKind::Binary(Box::new(left), op, Box::new(right)), span };
    }
    left
}
