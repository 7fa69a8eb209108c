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
    Add,
    Subtract,
    Multiply,
    Divide,
    FloorDivide,
    Remainder,
    Power,
    Arctan2,
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

impl Number {
    /// Whether it needs no block of its own.
    pub fn is_leaf(&self) -> bool {
        matches!(self, Number::Column(_) | Number::Constant(_))
    }

    pub fn needs(&self) -> Needs {
        match self {
            Number::Column(_) | Number::Constant(_) => Needs::default(),
            Number::Negative(inner) | Number::Function(_, inner) => inner.operand_needs(),
            Number::Binary(_, left, right) => pair_needs(left, right),
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
