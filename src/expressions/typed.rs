//! Expressions whose columns are slots of a message and whose kinds fit.

/// What gives a number a row; missing is NaN.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Number {
    Column(usize),
    Constant(f64),
    Negative(Box<Number>),
    Function(UnaryFunction, Box<Number>),
    Binary(Arithmetic, Box<Number>, Box<Number>),
    /// 1 where it is true, 0 elsewhere.
    Condition(Box<Condition>),
}

/// What is true or false a row.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Condition {
    /// A number column that an earlier assignment filled with 1 and 0.
    Column(usize),
    Constant(bool),
    Numbers(CompareOp, Box<Number>, Box<Number>),
    Texts(CompareOp, Text, Text),
    NumberIn(Box<Number>, Vec<f64>),
    TextIn(Text, Vec<String>),
    Not(Box<Condition>),
    And(Box<Condition>, Box<Condition>),
    Or(Box<Condition>, Box<Condition>),
}

/// What gives a text a row, or none where it is missing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Text {
    Column(usize),
    Constant(String),
    /// A column that an earlier assignment filled with one text.
    Filled(String),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Arithmetic {
    Basic(BasicArithmetic),
    FloorDivide,
    Remainder,
    Power,
    Arctan2,
}

/// What is a vector instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BasicArithmetic {
    Add,
    Subtract,
    Multiply,
    Divide,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CompareOp {
    Equal,
    NotEqual,
    Less,
    LessEqual,
    Greater,
    GreaterEqual,
}

/// The functions of one number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum UnaryFunction {
    Sin,
    Cos,
    Tan,
    Arcsin,
    Arccos,
    Arctan,
    Sinh,
    Cosh,
    Tanh,
    Arcsinh,
    Arccosh,
    Arctanh,
    Abs,
    Sqrt,
    Exp,
    Expm1,
    Log,
    Log1p,
    Log10,
    Floor,
    Ceil,
}

impl UnaryFunction {
    /// All of them, by the names that pandas gives them.
    pub const NAMES: [(&'static str, UnaryFunction); 21] = [
        ("sin", UnaryFunction::Sin),
        ("cos", UnaryFunction::Cos),
        ("tan", UnaryFunction::Tan),
        ("arcsin", UnaryFunction::Arcsin),
        ("arccos", UnaryFunction::Arccos),
        ("arctan", UnaryFunction::Arctan),
        ("sinh", UnaryFunction::Sinh),
        ("cosh", UnaryFunction::Cosh),
        ("tanh", UnaryFunction::Tanh),
        ("arcsinh", UnaryFunction::Arcsinh),
        ("arccosh", UnaryFunction::Arccosh),
        ("arctanh", UnaryFunction::Arctanh),
        ("abs", UnaryFunction::Abs),
        ("sqrt", UnaryFunction::Sqrt),
        ("exp", UnaryFunction::Exp),
        ("expm1", UnaryFunction::Expm1),
        ("log", UnaryFunction::Log),
        ("log1p", UnaryFunction::Log1p),
        ("log10", UnaryFunction::Log10),
        ("floor", UnaryFunction::Floor),
        ("ceil", UnaryFunction::Ceil),
    ];
}

impl Text {
    /// It as the value of a column, which is not one constant for the operators.
    pub fn into_column(self) -> Text {
        match self {
            Text::Constant(text) => Text::Filled(text),
            column => column,
        }
    }
}

/// How many blocks an evaluation holds at once, beside the one that it writes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Needs {
    pub numbers: usize,
    pub flags: usize,
}

impl Needs {
    pub fn or(self, other: Needs) -> Needs {
        Needs { numbers: self.numbers.max(other.numbers), flags: self.flags.max(other.flags) }
    }

    fn beside(self, numbers: usize, flags: usize) -> Needs {
        Needs { numbers: self.numbers + numbers, flags: self.flags + flags }
    }
}

/// Arithmetic that is one pass over its operands: up to three operators of vector instructions, each with its own
/// rounding.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum ArithmeticPass<'a> {
    /// a op b
    One(Arithmetic, [&'a Number; 2]),
    /// (a first b) then c
    Left([BasicArithmetic; 2], [&'a Number; 3]),
    /// a then (b first c)
    Right([BasicArithmetic; 2], [&'a Number; 3]),
    /// (a left b) then (c right d), of products or quotients
    Products([BasicArithmetic; 3], [&'a Number; 4]),
}

impl<'a> ArithmeticPass<'a> {
    /// That of two operands: it takes one of them apart where this leaves fewer of them to passes of their own.
    pub fn of(operator: Arithmetic, left: &'a Number, right: &'a Number) -> ArithmeticPass<'a> {
        let whole = ArithmeticPass::One(operator, [left, right]);
        let Arithmetic::Basic(then) = operator else { return whole };
        if let (Some((of_left, [a, b])), Some((of_right, [c, d]))) = (left.product(), right.product())
            && matches!(then, BasicArithmetic::Add | BasicArithmetic::Subtract)
        {
            return ArithmeticPass::Products([of_left, then, of_right], [a, b, c, d]);
        }
        let from_left = left.basic().map(|(first, [a, b])| ArithmeticPass::Left([first, then], [a, b, right]));
        let from_right = right.basic().map(|(first, [b, c])| ArithmeticPass::Right([first, then], [left, b, c]));
        let passes = |pass: &ArithmeticPass| pass.operands().iter().filter(|operand| !operand.is_leaf()).count();
        from_left.into_iter().chain(from_right).min_by_key(passes).unwrap_or(whole)
    }

    pub fn operands(&self) -> &[&'a Number] {
        match self {
            ArithmeticPass::One(_, operands) => operands,
            ArithmeticPass::Left(_, operands) | ArithmeticPass::Right(_, operands) => operands,
            ArithmeticPass::Products(_, operands) => operands,
        }
    }

    /// Each operand's block is held while the next ones are evaluated.
    fn needs(&self) -> Needs {
        let (mut needs, mut held) = (Needs::default(), 0);
        for operand in self.operands() {
            needs = needs.or(operand.operand_needs().beside(held, 0));
            held += usize::from(!operand.is_leaf());
        }
        needs
    }
}

impl Number {
    fn basic(&self) -> Option<(BasicArithmetic, [&Number; 2])> {
        match self {
            Number::Binary(Arithmetic::Basic(operator), left, right) => Some((*operator, [left, right])),
            _ => None,
        }
    }

    fn product(&self) -> Option<(BasicArithmetic, [&Number; 2])> {
        self.basic().filter(|(operator, _)| matches!(operator, BasicArithmetic::Multiply | BasicArithmetic::Divide))
    }

    /// Adds the constants that passes of several operators take as blocks.
    pub fn constants(&self, found: &mut Vec<f64>) {
        match self {
            Number::Column(_) | Number::Constant(_) => {}
            Number::Negative(inner) | Number::Function(_, inner) => inner.constants(found),
            Number::Binary(operator, left, right) => {
                let pass = ArithmeticPass::of(*operator, left, right);
                for operand in pass.operands() {
                    match operand {
                        Number::Constant(value) if !matches!(pass, ArithmeticPass::One(..)) => {
                            if found.iter().all(|other| other.to_bits() != value.to_bits()) {
                                found.push(*value);
                            }
                        }
                        other => other.constants(found),
                    }
                }
            }
            Number::Condition(condition) => condition.constants(found),
        }
    }

    /// Whether it needs no block of its own.
    pub fn is_leaf(&self) -> bool {
        matches!(self, Number::Column(_) | Number::Constant(_))
    }

    pub fn needs(&self) -> Needs {
        match self {
            Number::Column(_) | Number::Constant(_) => Needs::default(),
            Number::Negative(inner) | Number::Function(_, inner) => inner.operand_needs(),
            Number::Binary(operator, left, right) => ArithmeticPass::of(*operator, left, right).needs(),
            Number::Condition(condition) => condition.needs().beside(0, 1),
        }
    }

    fn operand_needs(&self) -> Needs {
        if self.is_leaf() { Needs::default() } else { self.needs().beside(1, 0) }
    }
}

/// The left one's block is held while the right one is evaluated.
fn pair_needs(left: &Number, right: &Number) -> Needs {
    let held = usize::from(!left.is_leaf());
    left.operand_needs().or(right.operand_needs().beside(held, 0))
}

impl Condition {
    /// As [`Number::constants`].
    pub fn constants(&self, found: &mut Vec<f64>) {
        match self {
            Condition::Column(_) | Condition::Constant(_) | Condition::Texts(..) | Condition::TextIn(..) => {}
            Condition::Numbers(_, left, right) => {
                left.constants(found);
                right.constants(found);
            }
            Condition::NumberIn(inner, _) => inner.constants(found),
            Condition::Not(inner) => inner.constants(found),
            Condition::And(left, right) | Condition::Or(left, right) => {
                left.constants(found);
                right.constants(found);
            }
        }
    }

    pub fn needs(&self) -> Needs {
        match self {
            Condition::Column(_) | Condition::Constant(_) | Condition::Texts(..) | Condition::TextIn(..) => {
                Needs::default()
            }
            Condition::Numbers(_, left, right) => pair_needs(left, right),
            Condition::NumberIn(inner, _) => inner.operand_needs(),
            Condition::Not(inner) => inner.needs(),
            Condition::And(left, right) | Condition::Or(left, right) => left.needs().or(right.needs().beside(0, 1)),
        }
    }
}
