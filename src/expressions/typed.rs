//! Expressions whose columns are slots of a message and whose kinds fit.

/// What gives a number a row; missing is NaN.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Number {
    Column(usize),
    Constant(f64),
    Negative(Box<Number>),
    Function(UnaryFunction, Box<Number>),
    Binary(Arithmetic, Box<Number>, Box<Number>),
    Fused(FusedArithmetic),
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

/// Several operators of vector instructions that are one pass over their operands, each with its own rounding.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum FusedArithmetic {
    /// (a first b) then c
    Left([BasicArithmetic; 2], Box<[Number; 3]>),
    /// a then (b first c)
    Right([BasicArithmetic; 2], Box<[Number; 3]>),
    /// (a left b) then (c right d), of products or quotients
    Products([BasicArithmetic; 3], Box<[Number; 4]>),
}

impl FusedArithmetic {
    fn operands(&self) -> &[Number] {
        match self {
            FusedArithmetic::Left(_, operands) | FusedArithmetic::Right(_, operands) => &operands[..],
            FusedArithmetic::Products(_, operands) => &operands[..],
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
    /// Fuses operators, once: what is evaluated for each block of rows is then found.
    pub fn fuse(self) -> Number {
        let fuse = |inner: Box<Number>| Box::new(inner.fuse());
        match self {
            Number::Binary(operator, left, right) => Number::fused(operator, left, right),
            Number::Negative(inner) => Number::Negative(fuse(inner)),
            Number::Function(function, inner) => Number::Function(function, fuse(inner)),
            Number::Condition(condition) => Number::Condition(Box::new(condition.fuse())),
            Number::Column(_) | Number::Constant(_) | Number::Fused(_) => self,
        }
    }

    /// An operator on two operands: it takes one of them apart where this leaves fewer of them to passes of their own.
    fn fused(operator: Arithmetic, left: Box<Number>, right: Box<Number>) -> Number {
        let passes = |operands: [&Number; 3]| operands.iter().filter(|operand| !operand.is_leaf()).count();
        let from_left = left.basic().map(|(_, [a, b])| passes([a, b, &right]));
        let from_right = right.basic().map(|(_, [b, c])| passes([&left, b, c]));
        let takes_left = from_left.is_some_and(|left| from_right.is_none_or(|right| left <= right));
        let are_products = left.is_product() && right.is_product();
        let fused = match (operator, *left, *right) {
            (
                Arithmetic::Basic(then @ (BasicArithmetic::Add | BasicArithmetic::Subtract)),
                Number::Binary(Arithmetic::Basic(of_left), a, b),
                Number::Binary(Arithmetic::Basic(of_right), c, d),
            ) if are_products => FusedArithmetic::Products([of_left, then, of_right], operands([*a, *b, *c, *d])),
            (Arithmetic::Basic(then), Number::Binary(Arithmetic::Basic(first), a, b), right) if takes_left => {
                FusedArithmetic::Left([first, then], operands([*a, *b, right]))
            }
            (Arithmetic::Basic(then), left, Number::Binary(Arithmetic::Basic(first), b, c)) => {
                FusedArithmetic::Right([first, then], operands([left, *b, *c]))
            }
            (operator, left, right) => {
                return Number::Binary(operator, Box::new(left.fuse()), Box::new(right.fuse()));
            }
        };
        Number::Fused(fused)
    }

    fn basic(&self) -> Option<(BasicArithmetic, [&Number; 2])> {
        match self {
            Number::Binary(Arithmetic::Basic(operator), left, right) => Some((*operator, [left, right])),
            _ => None,
        }
    }

    fn is_product(&self) -> bool {
        self.basic()
            .is_some_and(|(operator, _)| matches!(operator, BasicArithmetic::Multiply | BasicArithmetic::Divide))
    }

    /// Adds the constants that passes of several operators take as blocks.
    pub fn constants(&self, found: &mut Vec<f64>) {
        match self {
            Number::Column(_) | Number::Constant(_) => {}
            Number::Negative(inner) | Number::Function(_, inner) => inner.constants(found),
            Number::Binary(_, left, right) => {
                left.constants(found);
                right.constants(found);
            }
            Number::Fused(fused) => {
                for operand in fused.operands() {
                    match operand {
                        Number::Constant(value) => {
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
            Number::Binary(_, left, right) => pair_needs(left, right),
            Number::Fused(fused) => fused.needs(),
            Number::Condition(condition) => condition.needs().beside(0, 1),
        }
    }

    fn operand_needs(&self) -> Needs {
        if self.is_leaf() { Needs::default() } else { self.needs().beside(1, 0) }
    }
}

fn operands<const N: usize>(operands: [Number; N]) -> Box<[Number; N]> {
    Box::new(operands.map(Number::fuse))
}

/// The left one's block is held while the right one is evaluated.
fn pair_needs(left: &Number, right: &Number) -> Needs {
    let held = usize::from(!left.is_leaf());
    left.operand_needs().or(right.operand_needs().beside(held, 0))
}

impl Condition {
    /// As [`Number::fuse`].
    pub fn fuse(self) -> Condition {
        let number = |inner: Box<Number>| Box::new(inner.fuse());
        let condition = |inner: Box<Condition>| Box::new(inner.fuse());
        match self {
            Condition::Numbers(comparison, left, right) => Condition::Numbers(comparison, number(left), number(right)),
            Condition::NumberIn(inner, list) => Condition::NumberIn(number(inner), list),
            Condition::Not(inner) => Condition::Not(condition(inner)),
            Condition::And(left, right) => Condition::And(condition(left), condition(right)),
            Condition::Or(left, right) => Condition::Or(condition(left), condition(right)),
            Condition::Column(_) | Condition::Constant(_) | Condition::Texts(..) | Condition::TextIn(..) => self,
        }
    }

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
