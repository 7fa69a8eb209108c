//! A condition over rows, as `pandas.DataFrame.query` takes it.

use super::ExpressionError;
use super::check::Names;
use super::evaluate::{Blocks, ConstantBlocks, RowBlock};
use super::syntax::parse;
use super::typed::Condition;
use crate::data::{Message, Schema};
use crate::pool::Scratch;

/// A condition over the columns of a schema.
#[derive(Clone, Debug)]
pub struct Predicate {
    condition: Condition,
    constants: Vec<f64>,
}

impl Predicate {
    /// Refuses what is no expression, whatever the columns are.
    ///
    /// # Errors
    /// Where it breaks the grammar.
    pub fn check(text: &str) -> Result<(), ExpressionError> {
        parse(text).map(drop)
    }

    /// A condition whose columns are of a schema.
    ///
    /// # Errors
    /// A text that is no condition, or a column that the schema lacks.
    pub fn new(text: &str, schema: &Schema) -> Result<Predicate, ExpressionError> {
        let condition = Names::of(schema).condition(&parse(text)?)?.fuse();
        let mut constants = Vec::new();
        condition.constants(&mut constants);
        Ok(Predicate { condition, constants })
    }

    /// For each row, whether the condition is true.
    pub fn holds(&self, message: &Message) -> Scratch<bool> {
        let mut flags: Scratch<bool> = Scratch::default();
        flags.resize(message.rows(), false);
        let mut blocks = Blocks::new(self.condition.needs(), message.rows());
        let constants = ConstantBlocks::new(&self.constants, message.rows());
        for (first, count) in RowBlock::blocks(message.rows()) {
            let rows = RowBlock { message, first, count, constants: &constants };
            self.condition.write(&rows, &mut flags[first..first + count], blocks.free());
        }
        flags
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{Kind, TextColumn};
    use proptest::prelude::*;

    const N: f64 = f64::NAN;

    fn schema() -> Schema {
        Schema::new([("a", Kind::Number), ("b c", Kind::Number), ("s", Kind::Text), ("t", Kind::Text)])
    }

    fn message() -> Message {
        let mut message = Message::from_columns(&[vec![1.0, 2.0, N, -3.0, 0.0], vec![2.0, 0.0, 1.0, -2.0, 0.0]]);
        for texts in
            [[Some("x"), Some("y"), None, Some("z"), Some("x")], [Some("x"), Some("x"), Some("x"), None, Some("a")]]
        {
            let mut column = TextColumn::default();
            texts.into_iter().for_each(|text| column.push(text));
            message.texts.push(column);
        }
        message
    }

    fn rows(text: &str) -> Vec<usize> {
        let predicate = Predicate::new(text, &schema()).unwrap_or_else(|error| panic!("{text}: {error}"));
        let flags = predicate.holds(&message());
        (0..flags.len()).filter(|row| flags[*row]).collect()
    }

    /// What pandas 3.1 says of the same rows.
    #[test]
    fn conditions_are_true_where_pandas_says_so() {
        for (text, expected) in [
            ("a > 0", &[0, 1][..]),
            ("a != a", &[2]),
            ("not a > 1 and `b c` > 0", &[0, 2]),
            ("a > 1 & `b c` > 1", &[]),
            ("a > 1 | `b c` > 1 & a < 0", &[1]),
            ("not (a > 1) | `b c` > 1", &[0, 2, 3, 4]),
            ("0 < a < 2", &[0]),
            ("-(a > 1)", &[0, 2, 3, 4]),
            ("(a > 1) + (`b c` > 1)", &[0, 1]),
            ("(a > 1) * (`b c` > 1)", &[]),
            ("(a > 1) > 0", &[1]),
            ("(a > 1) == True", &[1]),
            ("a == True", &[0]),
            ("s == 'x'", &[0, 4]),
            ("'x' == s", &[0, 4]),
            ("s != 'x'", &[1, 2, 3]),
            ("s < 'y'", &[0, 4]),
            ("s == t", &[0]),
            ("s != t", &[1, 2, 3, 4]),
            ("s > t", &[1, 4]),
            ("s in ['x', 'z']", &[0, 3, 4]),
            ("s not in ['x']", &[1, 2, 3]),
            ("s == ('x', 'y',)", &[0, 1, 4]),
            ("a in [1, 2]", &[0, 1]),
            ("a not in [1, 2]", &[2, 3, 4]),
            ("a in []", &[]),
            ("(a > 0) in [1]", &[0, 1]),
            ("a ** 2 > 3 # squares", &[1, 3]),
            ("-a ** 2 == -1", &[0]),
            ("2 ** -a == 8", &[3]),
            ("a // 2 == -2 and a % 2 == 1", &[3]),
            ("a < inf", &[0, 1, 3, 4]),
            ("1 / (a * -0.0) == -inf", &[0, 1, 4]),
            ("1 / (a * -0) == -inf", &[3]),
            ("1 / (-0 * (a > 9) + 0 * -1 * (a > 9)) == inf", &[0, 1, 2, 3, 4]),
            ("a == 0x1 or a == 2e0", &[0, 1]),
            ("a\n > 1_0 / 10", &[1]),
        ] {
            assert_eq!(rows(text), expected, "{text}");
        }
    }

    #[test]
    fn what_stands_to_the_left_of_in_is_one_part() {
        let nested = (0..30).fold("a > 0".to_owned(), |inner, _| format!("({inner}) in [1]"));
        assert_eq!(rows(&nested), [0, 1]);
    }

    #[test]
    fn what_is_wrong_is_named_with_its_place() {
        for (text, place, part) in [
            ("a >", 3..3, "must follow"),
            ("a > 0 b", 6..7, "without an operator"),
            ("a = 1", 2..3, "=="),
            ("(a > 0", 0..1, "not closed"),
            ("a > 'x", 4..5, "not closed"),
            ("aa > 0", 0..2, "no column `aa`"),
            ("a", 0..1, "a number, where a condition must be"),
            ("a and s == 'x'", 0..1, "`and` takes conditions"),
            ("~a", 1..2, "`~` takes conditions"),
            ("~True", 0..5, "over columns"),
            ("s == 1", 0..6, "a text is compared with a number"),
            ("s + 1 > 0", 0..1, "takes no text"),
            ("(a > 1) - (a > 2)", 0..17, "two conditions"),
            ("a in 1", 5..6, "takes a list"),
            ("a in ['x']", 6..9, "holds numbers"),
            ("sine(a) > 0", 0..4, "not a supported function"),
            ("sin(a, a) > 0", 0..9, "one argument"),
            ("sin(a > 1) > 0", 4..9, "takes a number"),
            ("a > 1 / 0", 4..9, "division by zero"),
            ("a > (-8) ** 0.5", 4..15, "no such power"),
            ("a.abs() > 0", 1..2, "no part of an expression"),
            ("a > @x", 4..5, "no part"),
            ("a is b", 2..4, "keyword"),
            ("a > 1__0", 4..8, "no number"),
            ("a > 2x", 4..6, "no number"),
            ("a > 007", 4..7, "no number"),
        ] {
            let error = Predicate::new(text, &schema()).expect_err(text);
            assert!(error.span == place && error.reason.contains(part), "{text}: {error:?}");
        }
        let error = Predicate::new("stationn == 'x'", &Schema::davis()).unwrap_err();
        assert_eq!(error.help.unwrap(), "did you mean `station`?");
        let error = Predicate::new("floot(outTemp) > 1", &Schema::davis()).unwrap_err();
        assert_eq!(error.help.unwrap(), "did you mean `floor`?");
    }

    #[test]
    fn nesting_is_bounded() {
        for deep in [
            format!("{}a{} > 0", "(".repeat(100_000), ")".repeat(100_000)),
            format!("{}a > 0", "-".repeat(100_000)),
            format!("{}a > 0", "not ".repeat(100_000)),
            format!("a{} > 0", " + a".repeat(100_000)),
            format!("a{} > 0", " ** a".repeat(100_000)),
            format!("a{}", " < a".repeat(100_000)),
            format!("a in {}", "[".repeat(100_000)),
        ] {
            let error = Predicate::new(&deep, &schema()).unwrap_err();
            assert!(error.reason.contains("within each other"), "{error}");
        }
        let chains = (0..40).fold("a".to_owned(), |inner, _| format!("a < ({inner}) < a"));
        assert!(Predicate::new(&chains, &schema()).unwrap_err().reason.contains("10000 parts"));
    }

    #[test]
    fn more_rows_than_a_block() {
        let column: Vec<f64> = (0..2000).map(f64::from).collect();
        let message = Message::from_columns(&[column]);
        let schema = Schema::new([("a", Kind::Number)]);
        let predicate = Predicate::new("(a + 1) % 2 == 0 and (a * 2 + (a - 1) * 3 > 50 or a < 3)", &schema).unwrap();
        let flags = predicate.holds(&message);
        let expected = |a: usize| (a + 1).is_multiple_of(2) && (2 * a + 3 * a.saturating_sub(1) > 50 || a < 3);
        assert!((0..2000).all(|row| flags[row] == expected(row)));
    }

    proptest! {
        #[test]
        fn any_text_is_a_condition_or_an_error_within_it(text in "[a-c0-9 .'\"`()\\[\\],<>=!+*/%~&|sinotrd#\\\\\u{e9}-]{0,40}") {
            if let Err(error) = Predicate::new(&text, &schema()) {
                prop_assert!(error.span.start <= error.span.end && error.span.end <= text.len());
                prop_assert!(text.is_char_boundary(error.span.start) && text.is_char_boundary(error.span.end));
            }
        }
    }
}
