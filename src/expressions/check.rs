//! From a tree to a typed expression: columns are found, and kinds must fit.

use std::cell::Cell;
use std::collections::HashMap;
use std::ops::Range;

use super::ExpressionError;
use super::syntax::{Expr, ExprKind};
use super::typed::{Arithmetic, BasicArithmetic, CompareOp, Condition, Number, Text, UnaryFunction};
use crate::data::{Kind, Schema, did_you_mean};
use crate::kernels::division::{floor_divide, floor_remainder};

/// What a part of an expression is.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Typed {
    Number(Number),
    Condition(Condition),
    Text(Text),
}

/// The columns that an expression may name, in their order.
#[derive(Clone, Debug, Default)]
pub(super) struct Names {
    order: Vec<String>,
    values: HashMap<String, Typed>,
    /// How many parts have been checked: those in the middle of a chain of comparisons stand for two.
    checked: Cell<usize>,
}

/// Larger expressions are refused.
const MAX_PARTS: usize = 10_000;

impl Names {
    pub fn of(schema: &Schema) -> Names {
        let mut names = Names::default();
        for column in schema.columns() {
            let value = match column.kind {
                Kind::Number => Typed::Number(Number::Column(column.slot)),
                Kind::Text => Typed::Text(Text::Column(column.slot)),
            };
            names.put(&column.name, value);
        }
        names
    }

    /// A name for a value from now on; a new name comes last.
    pub fn put(&mut self, name: &str, value: Typed) {
        if self.values.insert(name.to_owned(), value).is_none() {
            self.order.push(name.to_owned());
        }
    }

    pub fn get(&self, name: &str) -> Option<&Typed> {
        self.values.get(name)
    }

    pub fn iter(&self) -> impl Iterator<Item = (&str, &Typed)> {
        self.order.iter().map(|name| (name.as_str(), &self.values[name]))
    }

    /// What a tree is.
    pub fn value(&self, node: &Expr) -> Result<Typed, ExpressionError> {
        self.checked.set(self.checked.get() + 1);
        if self.checked.get() > MAX_PARTS {
            let reason = format!("an expression has {MAX_PARTS} parts at most, and chains of comparisons count twice");
            return Err(ExpressionError::new(node.span.clone(), reason));
        }
        match &node.part {
            ExprKind::Number(value, _) => Ok(Typed::Number(Number::Constant(*value))),
            ExprKind::Truth(value) => Ok(Typed::Condition(Condition::Constant(*value))),
            ExprKind::Text(value) => Ok(Typed::Text(Text::Constant(value.clone()))),
            ExprKind::Name(name, quoted) => self.column(name, *quoted, &node.span),
            ExprKind::List(_) => {
                Err(ExpressionError::new(node.span.clone(), "a list stands to the right of `in` only"))
            }
            ExprKind::Call(name, arguments) => self.call(name, arguments, &node.span).map(Typed::Number),
            ExprKind::Unary(symbol, inner) => self.unary(symbol, inner, node),
            ExprKind::Binary(symbol @ ("and" | "or"), left, right) => {
                let (left, right) = (self.operand_of(symbol, left)?, self.operand_of(symbol, right)?);
                if let (Condition::Constant(_), Condition::Constant(_)) = (&left, &right) {
                    return Err(ExpressionError::new(node.span.clone(), "cannot evaluate scalar only bool ops"));
                }
                Ok(Typed::Condition(joined(symbol, left, right)))
            }
            ExprKind::Binary(symbol, left, right) => self.arithmetic(symbol, left, right, node),
            ExprKind::Compare(first, others) => self.comparisons(first, others).map(Typed::Condition),
        }
    }

    /// A condition, as `query` needs it.
    pub fn condition(&self, node: &Expr) -> Result<Condition, ExpressionError> {
        match self.value(node)? {
            Typed::Condition(condition) => Ok(condition),
            other => {
                let reason = format!("this is {}, where a condition must be", kind_of(&other));
                Err(ExpressionError::new(node.span.clone(), reason).help("compare it, such as with > 0"))
            }
        }
    }

    fn column(&self, name: &str, quoted: bool, span: &Range<usize>) -> Result<Typed, ExpressionError> {
        match self.values.get(name) {
            Some(value) => Ok(value.clone()),
            None if !quoted && (name == "inf" || name == "Inf") => Ok(Typed::Number(Number::Constant(f64::INFINITY))),
            None => {
                let error = ExpressionError::new(span.clone(), format!("there is no column `{name}`"));
                Err(error.maybe_help(did_you_mean(name, self.order.iter().map(String::as_str))))
            }
        }
    }

    fn operand_of(&self, symbol: &str, node: &Expr) -> Result<Condition, ExpressionError> {
        match self.value(node)? {
            Typed::Condition(condition) => Ok(condition),
            other => {
                let reason = format!("`{symbol}` takes conditions, and this is {}", kind_of(&other));
                Err(ExpressionError::new(node.span.clone(), reason).help("compare it, such as with != 0"))
            }
        }
    }

    fn unary(&self, symbol: &'static str, inner: &Expr, node: &Expr) -> Result<Typed, ExpressionError> {
        if symbol == "~" || symbol == "not" {
            return match self.operand_of(symbol, inner)? {
                Condition::Constant(_) => {
                    let reason = format!("`{symbol}` takes a condition over columns");
                    Err(ExpressionError::new(node.span.clone(), reason))
                }
                condition => Ok(Typed::Condition(Condition::Not(Box::new(condition)))),
            };
        }
        match (symbol, self.value(inner)?) {
            (_, Typed::Condition(Condition::Constant(value))) => {
                let value = f64::from(u8::from(value));
                Ok(Typed::Number(Number::Constant(if symbol == "-" { -value } else { value })))
            }
            // pandas turns the sign of conditions as `~` does.
            ("-", Typed::Condition(condition)) => Ok(Typed::Condition(Condition::Not(Box::new(condition)))),
            ("-", Typed::Number(Number::Constant(value))) => Ok(constant(-value, node)),
            ("-", Typed::Number(number)) => Ok(Typed::Number(Number::Negative(Box::new(number)))),
            (_, Typed::Text(_)) => Err(ExpressionError::new(inner.span.clone(), format!("`{symbol}` takes no text"))),
            (_, value) => Ok(value),
        }
    }

    fn arithmetic(
        &self,
        symbol: &'static str,
        left: &Expr,
        right: &Expr,
        node: &Expr,
    ) -> Result<Typed, ExpressionError> {
        let user = format!("`{symbol}`");
        let (left, right) = match (self.value(left)?, self.value(right)?) {
            (Typed::Condition(one), Typed::Condition(other))
                if !matches!((&one, &other), (Condition::Constant(_), Condition::Constant(_))) =>
            {
                return match symbol {
                    "+" => Ok(Typed::Condition(joined("or", one, other))),
                    "*" => Ok(Typed::Condition(joined("and", one, other))),
                    _ => Err(ExpressionError::new(node.span.clone(), format!("{user} does not take two conditions"))),
                };
            }
            (one, other) => (number_of(one, left, &user)?, number_of(other, right, &user)?),
        };
        let operator = match symbol {
            "+" => Arithmetic::Basic(BasicArithmetic::Add),
            "-" => Arithmetic::Basic(BasicArithmetic::Subtract),
            "*" => Arithmetic::Basic(BasicArithmetic::Multiply),
            "/" => Arithmetic::Basic(BasicArithmetic::Divide),
            "//" => Arithmetic::FloorDivide,
            "%" => Arithmetic::Remainder,
            _ => Arithmetic::Power,
        };
        if let (Number::Constant(one), Number::Constant(other)) = (&left, &right) {
            let value = folded(operator, *one, *other);
            let value = value.map_err(|reason| ExpressionError::new(node.span.clone(), reason))?;
            return Ok(constant(value, node));
        }
        Ok(Typed::Number(Number::Binary(operator, Box::new(left), Box::new(right))))
    }

    fn call(&self, name: &str, arguments: &[Expr], span: &Range<usize>) -> Result<Number, ExpressionError> {
        let function = UnaryFunction::NAMES.iter().find(|(known, _)| *known == name);
        if function.is_none() && name != "arctan2" {
            let known = UnaryFunction::NAMES.iter().map(|(known, _)| *known).chain(["arctan2"]);
            let nearest = did_you_mean(name, known.clone());
            let help = nearest.unwrap_or_else(|| format!("there are {}", known.collect::<Vec<_>>().join(", ")));
            let at = span.start..span.start + name.len();
            return Err(ExpressionError::new(at, format!("{name:?} is not a supported function")).help(help));
        }
        let numbers: Result<Vec<Number>, ExpressionError> = arguments
            .iter()
            .map(|argument| match self.value(argument)? {
                Typed::Number(number) => Ok(number),
                other => {
                    let reason = format!("{name} takes a number, and this is {}", kind_of(&other));
                    Err(ExpressionError::new(argument.span.clone(), reason))
                }
            })
            .collect();
        let mut numbers = numbers?.into_iter();
        match (function, numbers.next(), numbers.next(), numbers.next()) {
            (Some((_, function)), Some(only), None, None) => Ok(Number::Function(*function, Box::new(only))),
            (None, Some(y), Some(x), None) => Ok(Number::Binary(Arithmetic::Arctan2, Box::new(y), Box::new(x))),
            (function, ..) => {
                let count = if function.is_some() { "one argument" } else { "two arguments" };
                Err(ExpressionError::new(span.clone(), format!("{name} takes {count}")))
            }
        }
    }

    /// Comparisons in a row are joined by `and`.
    fn comparisons(&self, first: &Expr, others: &[(&'static str, Expr)]) -> Result<Condition, ExpressionError> {
        let mut left = first;
        let mut all: Option<Condition> = None;
        for (symbol, right) in others {
            let one = self.compared(symbol, left, right)?;
            left = right;
            all = Some(match all {
                None => one,
                Some(Condition::Constant(before)) if matches!(one, Condition::Constant(_)) => {
                    Condition::Constant(before && one == Condition::Constant(true))
                }
                Some(before) => joined("and", before, one),
            });
        }
        Ok(all.unwrap_or(Condition::Constant(true)))
    }

    fn compared(&self, symbol: &'static str, left: &Expr, right: &Expr) -> Result<Condition, ExpressionError> {
        if let ExprKind::List(items) = &right.part {
            return match symbol {
                "in" | "==" => self.contained(left, items),
                "not in" | "!=" => self.contained(left, items).map(|within| Condition::Not(Box::new(within))),
                _ => Err(ExpressionError::new(right.span.clone(), format!("`{symbol}` takes no list"))),
            };
        }
        if symbol == "in" || symbol == "not in" {
            let error = ExpressionError::new(right.span.clone(), format!("`{symbol}` takes a list"));
            return Err(error.help("such as [1, 2] or ['a', 'b']"));
        }
        let comparison = match symbol {
            "==" => CompareOp::Equal,
            "!=" => CompareOp::NotEqual,
            "<" => CompareOp::Less,
            "<=" => CompareOp::LessEqual,
            ">" => CompareOp::Greater,
            _ => CompareOp::GreaterEqual,
        };
        match (self.value(left)?, self.value(right)?) {
            (Typed::Text(Text::Constant(one)), Typed::Text(Text::Constant(other))) => {
                Ok(Condition::Constant(comparison.holds(&one, &other)))
            }
            (Typed::Text(one), Typed::Text(other)) => Ok(Condition::Texts(comparison, one, other)),
            (Typed::Text(_), other) | (other, Typed::Text(_)) => {
                let reason = format!("a text is compared with {} here", kind_of(&other));
                let error = ExpressionError::new(left.span.start..right.span.end, reason);
                Err(error.help("texts stand in quotes, numbers without"))
            }
            (one, other) => {
                let user = format!("`{symbol}`");
                let (one, other) = (number_of(one, left, &user)?, number_of(other, right, &user)?);
                if let (Number::Constant(one), Number::Constant(other)) = (&one, &other) {
                    return Ok(Condition::Constant(comparison.holds(one, other)));
                }
                Ok(Condition::Numbers(comparison, Box::new(one), Box::new(other)))
            }
        }
    }

    fn contained(&self, left: &Expr, items: &[Expr]) -> Result<Condition, ExpressionError> {
        let mismatch = |item: &Expr, wanted: &str| {
            ExpressionError::new(item.span.clone(), format!("a list beside a {wanted} holds {wanted}s alone"))
        };
        let left_value = self.value(left)?;
        if let Typed::Text(text) = left_value {
            let item = |item: &Expr| match self.value(item)? {
                Typed::Text(Text::Constant(value)) => Ok(value),
                _ => Err(mismatch(item, "text")),
            };
            let list: Vec<String> = items.iter().map(item).collect::<Result<_, _>>()?;
            return Ok(match text {
                Text::Constant(value) => Condition::Constant(list.contains(&value)),
                column => Condition::TextIn(column, list),
            });
        }
        let item = |item: &Expr| match self.value(item)? {
            Typed::Number(Number::Constant(value)) => Ok(value),
            Typed::Condition(Condition::Constant(value)) => Ok(f64::from(u8::from(value))),
            _ => Err(mismatch(item, "number")),
        };
        let list: Vec<f64> = items.iter().map(item).collect::<Result<_, _>>()?;
        Ok(match number_of(left_value, left, "`in`")? {
            Number::Constant(value) => Condition::Constant(list.contains(&value)),
            number => Condition::NumberIn(Box::new(number), list),
        })
    }
}

fn constant(value: f64, node: &Expr) -> Typed {
    // Integers have no negative zero.
    Typed::Number(Number::Constant(if value == 0.0 && node.is_integer() { 0.0 } else { value }))
}

/// A number; a condition counts as 1 and 0.
fn number_of(value: Typed, node: &Expr, user: &str) -> Result<Number, ExpressionError> {
    match value {
        Typed::Number(number) => Ok(number),
        Typed::Condition(condition) => Ok(counted(condition)),
        Typed::Text(_) => Err(ExpressionError::new(node.span.clone(), format!("{user} takes no text"))),
    }
}

fn kind_of(value: &Typed) -> &'static str {
    match value {
        Typed::Number(_) => "a number",
        Typed::Condition(_) => "a condition",
        Typed::Text(_) => "a text",
    }
}

fn counted(condition: Condition) -> Number {
    match condition {
        Condition::Constant(value) => Number::Constant(f64::from(u8::from(value))),
        condition => Number::Condition(Box::new(condition)),
    }
}

fn joined(symbol: &str, left: Condition, right: Condition) -> Condition {
    let (left, right) = (Box::new(left), Box::new(right));
    if symbol == "and" { Condition::And(left, right) } else { Condition::Or(left, right) }
}

/// The value of two constants, or why Python has none.
fn folded(operator: Arithmetic, a: f64, b: f64) -> Result<f64, &'static str> {
    use Arithmetic::{Arctan2, Basic, FloorDivide, Power, Remainder};
    use BasicArithmetic::{Add, Divide, Multiply, Subtract};
    if matches!(operator, Basic(Divide) | FloorDivide | Remainder) && b == 0.0 {
        return Err("division by zero");
    }
    if operator == Power && a == 0.0 && b < 0.0 {
        return Err("0.0 cannot be raised to a negative power");
    }
    if operator == Power && a < 0.0 && b.fract() != 0.0 {
        return Err("a negative number has no such power");
    }
    let value = match operator {
        Basic(Add) => a + b,
        Basic(Subtract) => a - b,
        Basic(Multiply) => a * b,
        Basic(Divide) => a / b,
        FloorDivide => floor_divide(a, b),
        Remainder => floor_remainder(a, b),
        Power => a.powf(b),
        Arctan2 => a.atan2(b),
    };
    match operator {
        Power if value.is_infinite() && a.is_finite() && b.is_finite() => Err("the power is too large for a number"),
        _ => Ok(value),
    }
}
