//! Expressions whose columns are slots of a message and whose kinds fit.

/// What gives a number a row; missing is NaN.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Number {
    Column(usize),
    Constant(f64),
    Negative(Box<Number>),
    Function(Function, Box<Number>),
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
    Numbers(Comparison, Box<Number>, Box<Number>),
    Texts(Comparison, Text, Text),
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
pub(super) enum Comparison {
    Equal,
    NotEqual,
    Less,
    LessEqual,
    Greater,
    GreaterEqual,
}

/// The functions of one number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Function {
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

impl Function {
    /// All of them, by the names that pandas gives them.
    pub const NAMES: [(&'static str, Function); 21] = [
        ("sin", Function::Sin),
        ("cos", Function::Cos),
        ("tan", Function::Tan),
        ("arcsin", Function::Arcsin),
        ("arccos", Function::Arccos),
        ("arctan", Function::Arctan),
        ("sinh", Function::Sinh),
        ("cosh", Function::Cosh),
        ("tanh", Function::Tanh),
        ("arcsinh", Function::Arcsinh),
        ("arccosh", Function::Arccosh),
        ("arctanh", Function::Arctanh),
        ("abs", Function::Abs),
        ("sqrt", Function::Sqrt),
        ("exp", Function::Exp),
        ("expm1", Function::Expm1),
        ("log", Function::Log),
        ("log1p", Function::Log1p),
        ("log10", Function::Log10),
        ("floor", Function::Floor),
        ("ceil", Function::Ceil),
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
