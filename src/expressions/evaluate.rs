//! Evaluates a typed expression over a block of rows.

use multiversion::multiversion;

use super::typed::{
    Arithmetic, BasicArithmetic, CompareOp, Condition, FusedArithmetic, Needs, Number, Text, UnaryFunction,
};
use crate::data::Message;
use crate::kernels::division::{floor_divide, floor_remainder};
use crate::kernels::inverse_hyperbolic::{arccosh, arcsinh, arctanh};
use crate::pool::Scratch;

/// So many rows are evaluated at once: some blocks of them fit in the L1 cache. Blocks of 4096 bytes would all begin at
/// the same place of a page, where a read waits for the write before it.
pub(super) const BLOCK: usize = 256;

/// Some consecutive rows of a message.
pub(super) struct RowBlock<'a> {
    pub message: &'a Message,
    pub first: usize,
    pub count: usize,
    pub constants: &'a ConstantBlocks<'a>,
}

/// Constants that stand in blocks, so that a pass of several operators reads all its operands alike.
pub(super) struct ConstantBlocks<'a> {
    values: &'a [f64],
    blocks: Scratch<f64>,
    width: usize,
}

impl<'a> ConstantBlocks<'a> {
    /// Blocks for a message of so many rows.
    pub fn new(values: &'a [f64], rows: usize) -> ConstantBlocks<'a> {
        let width = BLOCK.min(rows);
        let mut blocks: Scratch<f64> = Scratch::default();
        blocks.extend(values.iter().flat_map(|value| std::iter::repeat_n(*value, width)));
        ConstantBlocks { values, blocks, width }
    }

    fn block(&self, value: f64, count: usize) -> &[f64] {
        let place = self.values.iter().position(|other| other.to_bits() == value.to_bits());
        let start = place.expect("each constant of such a pass has a block") * self.width;
        &self.blocks[start..start + count]
    }
}

impl<'a> RowBlock<'a> {
    /// The blocks of a message, by their first row and their count.
    pub fn blocks(rows: usize) -> impl Iterator<Item = (usize, usize)> {
        (0..rows).step_by(BLOCK).map(move |first| (first, BLOCK.min(rows - first)))
    }

    fn column(&self, slot: usize) -> &'a [f64] {
        &self.message.column(slot)[self.first..self.first + self.count]
    }
}

/// The blocks that an evaluation writes in between.
pub(super) struct Blocks {
    numbers: Scratch<f64>,
    flags: Scratch<bool>,
    width: usize,
}

impl Blocks {
    /// Blocks for a message of so many rows.
    pub fn new(needs: Needs, rows: usize) -> Blocks {
        let mut blocks = Blocks { numbers: Scratch::default(), flags: Scratch::default(), width: BLOCK.min(rows) };
        blocks.numbers.resize(needs.numbers * blocks.width, 0.0);
        blocks.flags.resize(needs.flags * blocks.width, false);
        blocks
    }

    pub fn free(&mut self) -> Free<'_> {
        Free { numbers: &mut self.numbers, flags: &mut self.flags, width: self.width }
    }
}

/// The blocks that are not in use.
pub(super) struct Free<'a> {
    numbers: &'a mut [f64],
    flags: &'a mut [bool],
    width: usize,
}

impl Free<'_> {
    fn reborrow(&mut self) -> Free<'_> {
        Free { numbers: self.numbers, flags: self.flags, width: self.width }
    }
}

/// A value a row, or one for all.
#[derive(Clone, Copy)]
enum Operand<'a> {
    Each(&'a [f64]),
    All(f64),
}

impl Number {
    /// Writes the value of each row.
    pub fn write(&self, rows: &RowBlock<'_>, out: &mut [f64], mut free: Free<'_>) {
        match self {
            Number::Column(slot) => out.copy_from_slice(rows.column(*slot)),
            Number::Constant(value) => out.fill(*value),
            Number::Negative(inner) => {
                let (x, _) = inner.operand(rows, free);
                map(out, x, |x| -x);
            }
            Number::Function(function, inner) => {
                let (x, _) = inner.operand(rows, free);
                function.write(out, x);
            }
            Number::Binary(operator, left, right) => {
                let (left, free) = left.operand(rows, free);
                let (right, _) = right.operand(rows, free);
                operator.write(out, left, right);
            }
            Number::Fused(fused) => match fused {
                FusedArithmetic::Left(operators, operands) => left_pass(*operators, out, blocks(operands, rows, free)),
                FusedArithmetic::Right(operators, operands) => {
                    right_pass(*operators, out, blocks(operands, rows, free))
                }
                FusedArithmetic::Products(operators, operands) => {
                    products_pass(*operators, out, blocks(operands, rows, free))
                }
            },
            Number::Condition(condition) => {
                let (own, flags) = std::mem::take(&mut free.flags).split_at_mut(free.width);
                let own = &mut own[..rows.count];
                condition.write(rows, own, Free { numbers: free.numbers, flags, width: free.width });
                out.iter_mut().zip(&*own).for_each(|(out, flag)| *out = f64::from(u8::from(*flag)));
            }
        }
    }

    /// The value of each row, in place where it is a column, and the blocks that are then still free.
    fn operand<'a>(&self, rows: &RowBlock<'a>, free: Free<'a>) -> (Operand<'a>, Free<'a>) {
        match self {
            Number::Column(slot) => (Operand::Each(rows.column(*slot)), free),
            Number::Constant(value) => (Operand::All(*value), free),
            _ => {
                let (own, numbers) = free.numbers.split_at_mut(free.width);
                let own = &mut own[..rows.count];
                let mut rest = Free { numbers, flags: free.flags, width: free.width };
                self.write(rows, own, rest.reborrow());
                (Operand::Each(own), rest)
            }
        }
    }
}

/// The value of each row of all operands.
///
/// What is free is kept in registers: a processor waits where it reads as one what it has just written in parts.
#[inline(always)]
fn blocks<'a, const N: usize>(operands: &[Number; N], rows: &RowBlock<'a>, free: Free<'a>) -> [&'a [f64]; N] {
    let Free { mut numbers, flags, width } = free;
    let mut values: [&'a [f64]; N] = [&[]; N];
    for (value, operand) in values.iter_mut().zip(operands) {
        *value = match operand {
            Number::Column(slot) => rows.column(*slot),
            Number::Constant(constant) => rows.constants.block(*constant, rows.count),
            other => {
                let (own, rest) = numbers.split_at_mut(width);
                let own = &mut own[..rows.count];
                numbers = rest;
                other.write(rows, own, Free { numbers, flags, width });
                own
            }
        };
    }
    values
}

impl Condition {
    /// Writes whether it is true of each row.
    pub fn write(&self, rows: &RowBlock<'_>, out: &mut [bool], mut free: Free<'_>) {
        match self {
            Condition::Column(slot) => {
                out.iter_mut().zip(rows.column(*slot)).for_each(|(out, x)| *out = *x != 0.0);
            }
            Condition::Constant(value) => out.fill(*value),
            Condition::Numbers(comparison, left, right) => {
                let (left, free) = left.operand(rows, free);
                let (right, _) = right.operand(rows, free);
                comparison.write(out, left, right);
            }
            Condition::Texts(comparison, left, right) => {
                for (row, out) in out.iter_mut().enumerate() {
                    let pair = (left.of(rows, row), right.of(rows, row));
                    *out = match pair {
                        (Some(left), Some(right)) => comparison.holds(left, right),
                        // As with a missing number.
                        _ => *comparison == CompareOp::NotEqual,
                    };
                }
            }
            Condition::NumberIn(inner, list) => {
                let (x, _) = inner.operand(rows, free);
                match x {
                    Operand::All(x) => out.fill(list.contains(&x)),
                    Operand::Each(column) => {
                        out.iter_mut().zip(column).for_each(|(out, x)| *out = list.contains(x));
                    }
                }
            }
            Condition::TextIn(text, list) => {
                for (row, out) in out.iter_mut().enumerate() {
                    *out = text.of(rows, row).is_some_and(|text| list.iter().any(|item| item == text));
                }
            }
            Condition::Not(inner) => {
                inner.write(rows, out, free);
                out.iter_mut().for_each(|flag| *flag = !*flag);
            }
            Condition::And(left, right) => {
                left.write(rows, out, free.reborrow());
                right.with_flags(rows, free, |other| out.iter_mut().zip(other).for_each(|(out, other)| *out &= other));
            }
            Condition::Or(left, right) => {
                left.write(rows, out, free.reborrow());
                right.with_flags(rows, free, |other| out.iter_mut().zip(other).for_each(|(out, other)| *out |= other));
            }
        }
    }

    /// Evaluates it into a free block, and hands that over.
    fn with_flags(&self, rows: &RowBlock<'_>, free: Free<'_>, then: impl FnOnce(&[bool])) {
        let (own, flags) = free.flags.split_at_mut(free.width);
        let own = &mut own[..rows.count];
        self.write(rows, own, Free { numbers: free.numbers, flags, width: free.width });
        then(own);
    }
}

impl Text {
    fn of<'a>(&'a self, rows: &RowBlock<'a>, row: usize) -> Option<&'a str> {
        match self {
            Text::Column(slot) => rows.message.texts[*slot].get(rows.first + row),
            Text::Constant(text) | Text::Filled(text) => Some(text),
        }
    }
}

impl CompareOp {
    pub fn holds<T: PartialOrd + ?Sized>(self, a: &T, b: &T) -> bool {
        match self {
            CompareOp::Equal => a == b,
            CompareOp::NotEqual => a != b,
            CompareOp::Less => a < b,
            CompareOp::LessEqual => a <= b,
            CompareOp::Greater => a > b,
            CompareOp::GreaterEqual => a >= b,
        }
    }

    fn write(self, out: &mut [bool], a: Operand<'_>, b: Operand<'_>) {
        match self {
            CompareOp::Equal => zip(out, a, b, |a, b| a == b),
            CompareOp::NotEqual => zip(out, a, b, |a, b| a != b),
            CompareOp::Less => zip(out, a, b, |a, b| a < b),
            CompareOp::LessEqual => zip(out, a, b, |a, b| a <= b),
            CompareOp::Greater => zip(out, a, b, |a, b| a > b),
            CompareOp::GreaterEqual => zip(out, a, b, |a, b| a >= b),
        }
    }
}

impl Arithmetic {
    fn write(self, out: &mut [f64], a: Operand<'_>, b: Operand<'_>) {
        match self {
            Arithmetic::Basic(operator) => basic(operator, out, a, b),
            Arithmetic::FloorDivide => zip(out, a, b, floor_divide),
            Arithmetic::Remainder => zip(out, a, b, floor_remainder),
            Arithmetic::Arctan2 => zip(out, a, b, f64::atan2),
            Arithmetic::Power => match b {
                // NumPy's own short cuts, which round otherwise than `pow`.
                Operand::All(2.0) => map(out, a, |a| a * a),
                Operand::All(0.5) => map(out, a, f64::sqrt),
                Operand::All(-1.0) => map(out, a, |a| 1.0 / a),
                _ => zip(out, a, b, f64::powf),
            },
        }
    }
}

impl UnaryFunction {
    fn write(self, out: &mut [f64], x: Operand<'_>) {
        match self {
            UnaryFunction::Sin => map(out, x, f64::sin),
            UnaryFunction::Cos => map(out, x, f64::cos),
            UnaryFunction::Tan => map(out, x, f64::tan),
            UnaryFunction::Arcsin => map(out, x, f64::asin),
            UnaryFunction::Arccos => map(out, x, f64::acos),
            UnaryFunction::Arctan => map(out, x, f64::atan),
            UnaryFunction::Sinh => map(out, x, f64::sinh),
            UnaryFunction::Cosh => map(out, x, f64::cosh),
            UnaryFunction::Tanh => map(out, x, f64::tanh),
            UnaryFunction::Arcsinh => map(out, x, arcsinh),
            UnaryFunction::Arccosh => map(out, x, arccosh),
            UnaryFunction::Arctanh => map(out, x, arctanh),
            UnaryFunction::Abs => map(out, x, f64::abs),
            UnaryFunction::Sqrt => map(out, x, f64::sqrt),
            UnaryFunction::Exp => map(out, x, f64::exp),
            UnaryFunction::Expm1 => map(out, x, f64::exp_m1),
            UnaryFunction::Log => map(out, x, f64::ln),
            UnaryFunction::Log1p => map(out, x, f64::ln_1p),
            UnaryFunction::Log10 => map(out, x, f64::log10),
            UnaryFunction::Floor => map(out, x, f64::floor),
            UnaryFunction::Ceil => map(out, x, f64::ceil),
        }
    }
}

/// A block of code with the closure of an operator.
macro_rules! with {
    (@ |$a:ident, $b:ident| $value:expr, $name:ident => $then:expr) => {{
        let $name = |$a: f64, $b: f64| $value;
        $then
    }};
    ($operator:expr, $name:ident => $then:expr) => {
        match $operator {
            BasicArithmetic::Add => with!(@ |a, b| a + b, $name => $then),
            BasicArithmetic::Subtract => with!(@ |a, b| a - b, $name => $then),
            BasicArithmetic::Multiply => with!(@ |a, b| a * b, $name => $then),
            BasicArithmetic::Divide => with!(@ |a, b| a / b, $name => $then),
        }
    };
}

/// One pass, as wide as the machine has the instruction; so are those of several operators.
#[multiversion(targets("x86_64+avx512f+avx512dq", "x86_64+avx2", "x86_64+sse4.2"))]
fn basic<'a>(operator: BasicArithmetic, out: &mut [f64], a: Operand<'a>, b: Operand<'a>) {
    with!(operator, f => zip(out, a, b, f));
}

#[multiversion(targets("x86_64+avx512f+avx512dq", "x86_64+avx2", "x86_64+sse4.2"))]
fn left_pass(operators: [BasicArithmetic; 2], out: &mut [f64], operands: [&[f64]; 3]) {
    let [first, then] = operators;
    with!(first, f => with!(then, g => three(out, operands, |a, b, c| g(f(a, b), c))));
}

#[multiversion(targets("x86_64+avx512f+avx512dq", "x86_64+avx2", "x86_64+sse4.2"))]
fn right_pass(operators: [BasicArithmetic; 2], out: &mut [f64], operands: [&[f64]; 3]) {
    let [first, then] = operators;
    with!(first, f => with!(then, g => three(out, operands, |a, b, c| g(a, f(b, c)))));
}

#[multiversion(targets("x86_64+avx512f+avx512dq", "x86_64+avx2", "x86_64+sse4.2"))]
fn products_pass(operators: [BasicArithmetic; 3], out: &mut [f64], operands: [&[f64]; 4]) {
    let multiplies = operators.map(|operator| operator == BasicArithmetic::Multiply);
    let adds = operators[1] == BasicArithmetic::Add;
    match (multiplies[0], adds, multiplies[2]) {
        (true, true, true) => four(out, operands, |a, b, c, d| a * b + c * d),
        (true, true, false) => four(out, operands, |a, b, c, d| a * b + c / d),
        (true, false, true) => four(out, operands, |a, b, c, d| a * b - c * d),
        (true, false, false) => four(out, operands, |a, b, c, d| a * b - c / d),
        (false, true, true) => four(out, operands, |a, b, c, d| a / b + c * d),
        (false, true, false) => four(out, operands, |a, b, c, d| a / b + c / d),
        (false, false, true) => four(out, operands, |a, b, c, d| a / b - c * d),
        (false, false, false) => four(out, operands, |a, b, c, d| a / b - c / d),
    }
}

#[inline(always)]
fn three(out: &mut [f64], [a, b, c]: [&[f64]; 3], f: impl Fn(f64, f64, f64) -> f64) {
    let operands = a.iter().zip(b).zip(c);
    out.iter_mut().zip(operands).for_each(|(out, ((a, b), c))| *out = f(*a, *b, *c));
}

#[inline(always)]
fn four(out: &mut [f64], [a, b, c, d]: [&[f64]; 4], f: impl Fn(f64, f64, f64, f64) -> f64) {
    let operands = a.iter().zip(b).zip(c.iter().zip(d));
    out.iter_mut().zip(operands).for_each(|(out, ((a, b), (c, d)))| *out = f(*a, *b, *c, *d));
}

fn map(out: &mut [f64], x: Operand<'_>, f: impl Fn(f64) -> f64) {
    match x {
        Operand::Each(column) => out.iter_mut().zip(column).for_each(|(out, x)| *out = f(*x)),
        Operand::All(x) => out.fill(f(x)),
    }
}

/// A loop for each pair of operands, so that the compiler makes vector instructions of each.
#[inline(always)]
fn zip<T: Clone>(out: &mut [T], a: Operand<'_>, b: Operand<'_>, f: impl Fn(f64, f64) -> T) {
    match (a, b) {
        (Operand::Each(a), Operand::Each(b)) => {
            out.iter_mut().zip(a.iter().zip(b)).for_each(|(out, (a, b))| *out = f(*a, *b));
        }
        (Operand::Each(a), Operand::All(b)) => out.iter_mut().zip(a).for_each(|(out, a)| *out = f(*a, b)),
        (Operand::All(a), Operand::Each(b)) => out.iter_mut().zip(b).for_each(|(out, b)| *out = f(a, *b)),
        (Operand::All(a), Operand::All(b)) => out.fill(f(a, b)),
    }
}
