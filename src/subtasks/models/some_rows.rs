//! A model that is asked about some rows of a message alone: in its columns, the others have no values.

use crate::data::{Kind, Message, TextColumn};

/// Appends the columns of these kinds that `taken`, some rows of a message, has behind those of the message; its other
/// rows have no values there.
pub(super) fn append_of_some(message: &mut Message, taken: &Message, new: &[(String, Kind)]) {
    let mut rest = taken.ids.iter().zip(0..).peekable();
    let places = message.ids.iter().map(|id| rest.next_if(|(of, _)| *of == id).map(|(_, place)| place));
    let places: Vec<Option<usize>> = places.collect();
    let (mut numbers, mut texts) = (message.number_columns(), message.texts.len());
    for (_, kind) in new {
        if *kind == Kind::Number {
            let value = |place: &Option<usize>| place.map_or(f64::NAN, |place| taken.column(numbers)[place]);
            let column = places.iter().map(value).collect();
            message.push_column(column);
            numbers += 1;
        } else {
            let mut column = TextColumn::default();
            places.iter().for_each(|place| column.push(place.and_then(|place| taken.texts[texts].get(place))));
            message.texts.push(column);
            texts += 1;
        }
    }
}
