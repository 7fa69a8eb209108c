//! Columns that expressions give, as `pandas.DataFrame.eval` assigns them.

use super::check::{Names, Typed};
use super::evaluate::{Blocks, ConstantBlocks, RowBlock};
use super::syntax::{Expr, parse, target};
use super::typed::{Condition, Needs, Number, Text};
use super::{Constant, ExpressionError};
use crate::data::{Kind, Message, Schema, TextColumn};
use crate::pool::Scratch;

/// Assignments, one a line: each adds a column or replaces one, and may name those of the lines before.
#[derive(Clone, Debug)]
pub struct Assignments {
    /// Number columns in the order of the lines, with the slot that each writes.
    numbers: Vec<(usize, Number)>,
    /// How many number columns are appended.
    added: usize,
    needs: Needs,
    /// The constants that passes of several operators take.
    constants: Vec<f64>,
    /// The slots of the number columns that stay, in the order of the schema after it; `None` if all stay in place.
    order: Option<Vec<usize>>,
    /// What each text column of the schema after it holds; `None` if they stay in place.
    texts: Option<Vec<Text>>,
    after: Schema,
}

/// Gathers assignments, each of which sees the names of those before.
struct Builder {
    names: Names,
    /// How many number columns there are.
    slots: usize,
    numbers: Vec<(usize, Number)>,
}

impl Builder {
    fn new(schema: &Schema) -> Builder {
        Builder { names: Names::of(schema), slots: schema.number_count(), numbers: Vec::new() }
    }

    fn assign(&mut self, name: &str, value: Typed) {
        let (number, is_condition) = match value {
            Typed::Text(text) => return self.names.put(name, Typed::Text(text.into_column())),
            Typed::Number(number) => (number, false),
            Typed::Condition(condition) => (Number::Condition(Box::new(condition)), true),
        };
        let slot = match self.names.get(name) {
            Some(Typed::Number(Number::Column(slot)) | Typed::Condition(Condition::Column(slot))) => *slot,
            _ => {
                self.slots += 1;
                self.slots - 1
            }
        };
        self.numbers.push((slot, number));
        let condition = || Typed::Condition(Condition::Column(slot));
        self.names.put(name, if is_condition { condition() } else { Typed::Number(Number::Column(slot)) });
    }

    fn finish(self, schema: &Schema) -> Assignments {
        let Builder { names, slots, numbers } = self;
        let numbers: Vec<_> = numbers.into_iter().map(|(slot, number)| (slot, number.fuse())).collect();
        let needs = numbers.iter().fold(Needs::default(), |needs, (_, number)| needs.or(number.needs()));
        let mut constants = Vec::new();
        numbers.iter().for_each(|(_, number)| number.constants(&mut constants));
        let (mut order, mut texts, mut columns) = (Vec::new(), Vec::new(), Vec::new());
        for (name, value) in names.iter() {
            let kind = match value {
                Typed::Number(Number::Column(slot)) | Typed::Condition(Condition::Column(slot)) => {
                    order.push(*slot);
                    Kind::Number
                }
                Typed::Text(text) => {
                    texts.push(text.clone());
                    Kind::Text
                }
                Typed::Number(_) | Typed::Condition(_) => unreachable!("a column has a slot"),
            };
            columns.push((name, kind));
        }
        let in_place = order.iter().copied().eq(0..slots);
        let texts_in_place = texts.iter().cloned().eq((0..schema.text_count()).map(Text::Column));
        Assignments {
            numbers,
            added: slots - schema.number_count(),
            needs,
            constants,
            order: (!in_place).then_some(order),
            texts: (!texts_in_place).then_some(texts),
            after: Schema::new(columns),
        }
    }
}

struct AssignmentLine<'a> {
    name: String,
    text: &'a str,
    start: usize,
}

impl Assignments {
    /// Refuses what is no assignment, whatever the columns are.
    ///
    /// # Errors
    /// Where it breaks the grammar.
    pub fn check(text: &str) -> Result<(), ExpressionError> {
        lines(text)?.iter().try_for_each(|line| line.parse().map(drop))
    }

    /// Assignments whose columns are of a schema.
    ///
    /// # Errors
    /// A text that is no assignment, or a column that the schema lacks.
    pub fn new(text: &str, schema: &Schema) -> Result<Assignments, ExpressionError> {
        let mut builder = Builder::new(schema);
        for line in lines(text)? {
            let value = builder.names.value(&line.parse()?).map_err(|error| error.moved(line.start))?;
            builder.assign(&line.name, value);
        }
        Ok(builder.finish(schema))
    }

    /// Columns of one value each.
    pub fn of_constants<'a>(
        constants: impl IntoIterator<Item = (&'a str, &'a Constant)>,
        schema: &Schema,
    ) -> Assignments {
        let mut builder = Builder::new(schema);
        for (name, constant) in constants {
            let value = match constant {
                Constant::Truth(value) => Typed::Condition(Condition::Constant(*value)),
                Constant::Number(value) => Typed::Number(Number::Constant(*value)),
                Constant::Text(value) => Typed::Text(Text::Constant(value.clone())),
            };
            builder.assign(name, value);
        }
        builder.finish(schema)
    }

    /// The columns after it.
    pub fn schema_after(&self) -> &Schema {
        &self.after
    }

    /// Adds and replaces the columns.
    pub fn apply(&self, message: &mut Message) {
        message.add_columns(self.added);
        let mut blocks = Blocks::new(self.needs, message.rows());
        let constants = ConstantBlocks::new(&self.constants, message.rows());
        let mut out: Scratch<f64> = Scratch::default();
        for (first, count) in RowBlock::blocks(message.rows()) {
            out.resize(count, 0.0);
            for (slot, number) in &self.numbers {
                let rows = RowBlock { message: &*message, first, count, constants: &constants };
                number.write(&rows, &mut out, blocks.free());
                message.column_mut(*slot)[first..first + count].copy_from_slice(&out);
            }
        }
        if let Some(texts) = &self.texts {
            let (rows, mut before) = (message.rows(), std::mem::take(&mut message.texts));
            let column = |(place, text): (usize, &Text)| match text {
                Text::Column(slot) if texts[place + 1..].contains(text) => before[*slot].clone(),
                Text::Column(slot) => std::mem::take(&mut before[*slot]),
                Text::Constant(text) | Text::Filled(text) => TextColumn::repeated(text, rows),
            };
            message.texts = texts.iter().enumerate().map(column).collect();
        }
        if let Some(order) = &self.order {
            message.select_columns(order);
        }
    }
}

/// The lines that are not empty.
fn lines(text: &str) -> Result<Vec<AssignmentLine<'_>>, ExpressionError> {
    let mut lines = Vec::new();
    let mut start = 0;
    for whole in text.split_inclusive('\n') {
        let line = whole.trim_end();
        let is_comment = line.trim_start().starts_with('#');
        if !line.trim().is_empty() && !is_comment {
            let assigned = target(line).map_err(|error| error.moved(start))?;
            let Some((name, _, behind)) = assigned else {
                let at = start + line.len() - line.trim_start().len()..start + line.len();
                let error = ExpressionError::new(at, "this line assigns nothing");
                return Err(error.help("write name = expression; a name with other signs stands in backticks"));
            };
            lines.push(AssignmentLine { name, text: &line[behind..], start: start + behind });
        }
        start += whole.len();
    }
    if lines.is_empty() {
        return Err(ExpressionError::new(0..text.len(), "there is no assignment").help("write name = expression"));
    }
    Ok(lines)
}

impl AssignmentLine<'_> {
    fn parse(&self) -> Result<Expr, ExpressionError> {
        parse(self.text).map_err(|error| error.moved(self.start))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const N: f64 = f64::NAN;

    fn schema() -> Schema {
        Schema::new([("s", Kind::Text), ("a", Kind::Number), ("t", Kind::Text), ("b", Kind::Number)])
    }

    fn evaluated(text: &str) -> (Vec<String>, Vec<String>) {
        let mut message = Message::from_columns(&[vec![1.0, N, -3.0], vec![2.0, 0.0, -2.0]]);
        for texts in [[Some("x"), None, Some("z")], [Some("p"), Some("q"), Some("r")]] {
            let mut column = TextColumn::default();
            texts.into_iter().for_each(|text| column.push(text));
            message.texts.push(column);
        }
        let assignments = Assignments::new(text, &schema()).unwrap_or_else(|error| panic!("{text}: {error}"));
        assignments.apply(&mut message);
        let after = assignments.schema_after();
        let shown = after.columns().iter().map(|column| match column.kind {
            Kind::Number => format!("{}={:?}", column.name, message.column(column.slot)),
            Kind::Text => {
                let text = &message.texts[column.slot];
                format!("{}={:?}", column.name, (0..text.len()).map(|row| text.get(row)).collect::<Vec<_>>())
            }
        });
        assert_eq!(message.texts.len(), after.text_count());
        (shown.collect(), after.names().map(str::to_owned).collect())
    }

    #[test]
    fn columns_are_added_and_replaced_and_lines_see_those_before() {
        let (shown, names) =
            evaluated("c = a + b\n\n  b = c * 2  # twice\nwarm = a > 0\nd = ~warm and b > 0\nd2 = d + 0");
        assert_eq!(names, ["s", "a", "t", "b", "c", "warm", "d", "d2"]);
        assert_eq!(
            shown[3..],
            [
                "b=[6.0, NaN, -10.0]",
                "c=[3.0, NaN, -5.0]",
                "warm=[1.0, 0.0, 0.0]",
                "d=[0.0, 0.0, 0.0]",
                "d2=[0.0, 0.0, 0.0]"
            ]
        );
        let (shown, names) = evaluated("u = t\nv = t");
        assert_eq!(names, ["s", "a", "t", "b", "u", "v"]);
        let t = "[Some(\"p\"), Some(\"q\"), Some(\"r\")]";
        assert_eq!([&shown[2], &shown[4], &shown[5]], [&format!("t={t}"), &format!("u={t}"), &format!("v={t}")]);
        let (shown, _) = evaluated("a = a // 2");
        assert_eq!(shown[1], "a=[0.0, NaN, -2.0]");
    }

    #[test]
    fn a_column_keeps_its_place_when_its_kind_changes() {
        let (shown, names) =
            evaluated("s = a + 1\nb = t\nt = 'new'\nold = b == 'q'\n`a name` = 1\nis_new = not t < 'm'");
        assert_eq!(names, ["s", "a", "t", "b", "old", "a name", "is_new"]);
        assert_eq!(
            shown,
            [
                "s=[2.0, NaN, -2.0]",
                "a=[1.0, NaN, -3.0]",
                "t=[Some(\"new\"), Some(\"new\"), Some(\"new\")]",
                "b=[Some(\"p\"), Some(\"q\"), Some(\"r\")]",
                "old=[0.0, 1.0, 0.0]",
                "a name=[1.0, 1.0, 1.0]",
                "is_new=[1.0, 1.0, 1.0]"
            ]
        );
    }

    #[test]
    fn what_is_wrong_is_named_with_its_place() {
        for (text, place, part) in [
            ("", 0..0, "no assignment"),
            ("a + 1", 0..5, "assigns nothing"),
            ("c = a\n  c + 1", 8..13, "assigns nothing"),
            ("c = a\nd = e + 1", 10..11, "no column `e`"),
            ("c = d = 1", 6..7, "`=` assigns"),
            ("c = ", 3..3, "must follow"),
            ("c += 1", 0..6, "assigns nothing"),
            ("c = [1]", 4..7, "a list stands"),
        ] {
            let error = Assignments::new(text, &schema()).expect_err(text);
            assert!(error.span == place && error.reason.contains(part), "{text}: {error:?}");
        }
    }

    /// Passes of several operators round as one operator after the other does.
    #[test]
    fn passes_of_several_operators_round_each() {
        let (a, b) = ([1.0, N, -3.0], [2.0, 0.0, -2.0]);
        type Operator = (&'static str, fn(f64, f64) -> f64);
        let operators: [Operator; 4] =
            [("+", |a, b| a + b), ("-", |a, b| a - b), ("*", |a, b| a * b), ("/", |a, b| a / b)];
        for (one, f) in operators {
            for (two, g) in operators {
                for (three, h) in operators {
                    let text = format!(
                        "l = (a {one} 0.1) {two} b\nr = b {two} (0.1 {one} a)\np = (a {one} 0.1) {two} (b {three} 0.3)\n\
                         q = ((a {one} b) {two} 0.1 {two} a) {two} (b {three} (a {two} (0.1 {one} b)))"
                    );
                    let (shown, _) = evaluated(&text);
                    let each = |name: &str, value: &dyn Fn(f64, f64) -> f64| {
                        format!("{name}={:?}", a.iter().zip(b).map(|(a, b)| value(*a, b)).collect::<Vec<_>>())
                    };
                    // Python's own precedence, as the brackets leave it.
                    let left = |a: f64, b: f64| {
                        let inner = f(a, b);
                        g(g(inner, 0.1), a)
                    };
                    let expected = [
                        each("l", &|a, b| g(f(a, 0.1), b)),
                        each("r", &|a, b| g(b, f(0.1, a))),
                        each("p", &|a, b| g(f(a, 0.1), h(b, 0.3))),
                        each("q", &|a, b| g(left(a, b), h(b, g(a, f(0.1, b))))),
                    ];
                    assert_eq!(shown[4..], expected, "{text}");
                }
            }
        }
    }
}
