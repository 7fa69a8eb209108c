//! Products of columns.

use schemars::JsonSchema;
use serde::Deserialize;

use super::by_column::refuse_not_finite;
use super::{BatchSubtask, Fault, Refusal, Scope, Subtask, Traits};
use crate::data::{Kind, Message, Schema};

/// Appends the products of the columns in scope, up to a degree.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct PolynomialFeatures {
    /// The highest degree.
    degree: usize,
    /// Whether a column may stand only once in a product.
    interaction_only: bool,
    /// Whether a column of ones is appended, named `1`.
    include_bias: bool,
}

impl Default for PolynomialFeatures {
    fn default() -> PolynomialFeatures {
        PolynomialFeatures { degree: 2, interaction_only: false, include_bias: true }
    }
}

/// The most products: more columns than a message should have.
const MAX_PRODUCTS: usize = 10_000;

impl Subtask for PolynomialFeatures {
    const EQUALS: &'static str = "sklearn.preprocessing.PolynomialFeatures";
    const TRAITS: Traits<PolynomialFeatures> = Traits::by_message().by_row();

    fn check(&self) -> Result<(), Refusal> {
        if self.degree > 0 {
            return Ok(());
        }
        Err(Refusal::new("degree", "a degree of 1 or more"))
    }
}

impl BatchSubtask for PolynomialFeatures {
    fn apply(&self, message: &mut Message, scope: &Scope) -> Result<(), Fault> {
        scope.refuse(message, refuse_not_finite)?;
        if self.include_bias {
            message.push_column(vec![1.0; message.rows()]);
        }
        for product in self.products(scope.numbers.len()) {
            let mut values = vec![1.0; message.rows()];
            // From the last factor on, as scikit-learn multiplies: it matters where a product underflows.
            for place in product.into_iter().rev() {
                let column = message.column(scope.numbers[place]);
                values.iter_mut().zip(column).for_each(|(product, x)| *product *= x);
            }
            message.push_column(values);
        }
        Ok(())
    }

    fn refuses_first(&self) -> bool {
        true
    }

    fn columns_after(&self, schema: &Schema, scope: &Scope) -> Schema {
        schema.clone().with(self.new_names(scope).into_iter().map(|name| (name, Kind::Number)))
    }

    fn check_schema(&self, schema: &Schema, scope: &Scope) -> Result<(), Refusal> {
        Refusal::if_taken("columns", self.new_names(scope), schema, "name other columns, or no bias")
    }

    fn check_scope(&self, scope: &Scope) -> Result<(), Refusal> {
        let columns = self.product_count(scope.numbers.len());
        if columns <= MAX_PRODUCTS {
            return Ok(());
        }
        Err(Refusal::new("degree", format!("more than {MAX_PRODUCTS} new columns: lower it, or name fewer `columns`")))
    }
}

impl PolynomialFeatures {
    /// The columns that it appends.
    fn new_names(&self, scope: &Scope) -> Vec<String> {
        let names: Vec<&str> = scope.named().map(|(_, name)| name).collect();
        let bias = self.include_bias.then(|| "1".to_owned());
        let products = self.products(names.len()).into_iter().map(|product| name(&product, &names));
        bias.into_iter().chain(products).collect()
    }

    /// How many products there are, or a number above the most.
    fn product_count(&self, columns: usize) -> usize {
        let (mut of_degree, mut count) = (columns, 0_usize);
        for degree in 2..=self.degree {
            let choices =
                if self.interaction_only { (columns + 1).saturating_sub(degree) } else { columns + degree - 1 };
            of_degree = of_degree.saturating_mul(choices) / degree;
            count = count.saturating_add(of_degree);
            if count > MAX_PRODUCTS || of_degree == 0 {
                break;
            }
        }
        count
    }

    /// The products of degree 2 and more of `count` columns, in scikit-learn's order: indices of columns, ascending.
    fn products(&self, count: usize) -> Vec<Vec<usize>> {
        let mut all = Vec::new();
        let mut last: Vec<Vec<usize>> = (0..count).map(|place| vec![place]).collect();
        for _ in 2..=self.degree {
            let longer = last.iter().flat_map(|product| {
                let first = product[product.len() - 1] + usize::from(self.interaction_only);
                (first..count).map(move |place| product.iter().copied().chain([place]).collect::<Vec<usize>>())
            });
            last = longer.collect();
            if last.is_empty() {
                break;
            }
            all.extend(last.iter().cloned());
        }
        all
    }
}

/// A product's name as scikit-learn writes it, such as `a^2 b`.
fn name(product: &[usize], names: &[&str]) -> String {
    let factors = product.chunk_by(|a, b| a == b).map(|equal| match equal.len() {
        1 => names[equal[0]].to_owned(),
        power => format!("{}^{power}", names[equal[0]]),
    });
    factors.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn products_are_appended_with_their_names() {
        let schema = Schema::new([("a", Kind::Number), ("b", Kind::Number)]);
        let scope = Scope::of(&schema, |_| true);
        let features = PolynomialFeatures::default();
        let after = features.columns_after(&schema, &scope);
        assert_eq!(after.names().collect::<Vec<_>>(), ["a", "b", "1", "a^2", "a b", "b^2"]);
        let mut message = Message::from_columns(&[vec![2.0], vec![3.0]]);
        features.apply(&mut message, &scope).unwrap();
        assert_eq!(message.flat(), [2.0, 3.0, 1.0, 4.0, 6.0, 9.0]);
    }

    #[test]
    fn products_are_counted_before_they_are_made() {
        for interaction_only in [false, true] {
            for (degree, columns) in [(1, 5), (2, 26), (3, 7), (5, 4)] {
                let features = PolynomialFeatures { degree, interaction_only, include_bias: false };
                assert_eq!(features.product_count(columns), features.products(columns).len());
            }
        }
        let features = PolynomialFeatures { degree: usize::MAX, ..Default::default() };
        assert!(features.check_scope(&Scope::numbers(26)).is_err());
        assert!(features.check_scope(&Scope::numbers(1)).is_err());
        let features = PolynomialFeatures { interaction_only: true, ..features };
        assert_eq!(features.products(3).len(), 4);
    }

    #[test]
    fn interactions_alone() {
        let features = PolynomialFeatures { degree: 3, interaction_only: true, include_bias: false };
        assert_eq!(features.products(3), [vec![0, 1], vec![0, 2], vec![1, 2], vec![0, 1, 2]]);
    }
}
