//! Which values of JSON rows go to which columns: a tree of the columns' paths, walked along with a row.
//!
//! Each object of the tree remembers its keys in the order in which they came last: stations send their keys in one
//! order, and a key in its place is compared, not parsed and looked up.

use std::collections::HashMap;

use super::column_units::{ColumnUnits, UnitNotice, own_conversion};
use super::decoding::Decoding;
use super::json_cursor::{JsonCell, JsonCursor};
use super::path::{self, PathStep};
use super::units::Conversion;
use super::unmatched_names::UnmatchedNames;
use crate::data::Schema;

/// How a value names its column. Of a column's values in one row an exact one counts whatever else comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Match {
    /// By a key of the row that is the column's.
    Exact,
    /// By a path, or by a key with a unit label.
    Derived,
}

/// What a key leads to.
#[derive(Clone, Copy)]
enum KeyTarget {
    Nothing,
    Column(usize, Match),
    /// A column of another unit: its place, and that of the conversion.
    Converted(usize, usize),
    Node(usize),
}

/// Keys in the order of the last object; without those that are escaped.
type Order = Vec<(Option<Box<str>>, KeyTarget)>;

/// The columns of the values in one object or array.
#[derive(Default)]
struct LayoutNode {
    /// The column of the value itself.
    column: Option<(usize, Match)>,
    keys: HashMap<String, usize>,
    indices: Vec<(usize, usize)>,
    /// Elements that are counted from the end, from 1.
    last: Vec<(usize, usize)>,
    elements: Vec<(String, String, usize)>,
    /// All columns of values inside of it.
    below: Vec<usize>,
    /// The last row that had it.
    row: u64,
    order: Order,
}

impl LayoutNode {
    fn is_leaf(&self) -> bool {
        self.below.is_empty()
    }

    /// Whether elements of an array lead to columns.
    fn has_elements(&self) -> bool {
        !self.indices.is_empty() || !self.last.is_empty() || !self.elements.is_empty()
    }
}

const ROOT: usize = 0;
/// How many known keys may be missing in a row before the keys behind them are looked up.
const MAX_MISSING: usize = 16;

/// The tree of all columns' paths.
pub(crate) struct JsonLayout {
    nodes: Vec<LayoutNode>,
    row: u64,
    /// By column, the last row in which an exact key filled it; where nothing else can fill it, not kept.
    exact: Vec<u64>,
    contested: bool,
    units: ColumnUnits,
    conversions: Vec<Conversion>,
    /// By column, the conversion of a unit that its key says itself.
    own: Vec<Option<Conversion>>,
    /// Keys of rows that are no column's.
    unmatched: UnmatchedNames,
}

/// Takes the cells of rows.
pub(crate) trait CellSink {
    /// The column at a place has this cell; of several the last one counts.
    ///
    /// # Errors
    /// A cell that the column can't hold.
    fn put(&mut self, place: usize, cell: JsonCell<'_>) -> Result<(), String>;

    /// The cell that was put last into the column at a place is a number of another unit.
    fn convert(&mut self, place: usize, conversion: Conversion);

    /// The column at a place has none of the cells that were put.
    fn take_back(&mut self, place: usize);
}

/// The columns, how their names are read, and who takes their cells.
struct Walk<'a, S> {
    schema: &'a Schema,
    decoding: &'a Decoding,
    sink: &'a mut S,
}

/// What is wrong with a value that is no object, if it is one.
#[cold]
fn lone_value(bytes: &[u8]) -> Option<String> {
    const LONGEST: usize = 40;
    let mut cursor = JsonCursor::new(bytes);
    cursor.cell().and_then(|_| cursor.end()).ok()?;
    let shown = String::from_utf8_lossy(bytes.trim_ascii());
    let shown = if shown.len() > LONGEST { "a value".into() } else { shown };
    Some(format!(
        "no JSON object: {shown} has no key: where `rows` of [source] leads to its array, a column that is read from \
         \"value\" takes it"
    ))
}

impl JsonLayout {
    pub fn new(schema: &Schema, decoding: &Decoding) -> JsonLayout {
        let exact = vec![0; schema.columns().len()];
        let mut layout = JsonLayout {
            nodes: vec![LayoutNode::default()],
            row: 0,
            exact,
            contested: decoding.units,
            units: ColumnUnits::default(),
            conversions: Vec::new(),
            own: schema.columns().iter().map(|column| own_conversion(column, decoding)).collect(),
            unmatched: UnmatchedNames::default(),
        };
        let keys: Vec<&str> = schema.names().map(|name| decoding.keys.key(name)).collect();
        for (place, key) in keys.iter().enumerate() {
            let node = layout.child(ROOT, &PathStep::Key((*key).to_owned()));
            layout.nodes[node].column = Some((place, Match::Exact));
        }
        for (place, key) in keys.iter().enumerate() {
            let Ok(steps) = path::parse(key) else { continue };
            let mut node = ROOT;
            let mut above = Vec::new();
            for step in &steps {
                above.push(node);
                node = layout.child(node, step);
            }
            let column = &mut layout.nodes[node].column;
            if column.is_none() {
                *column = Some((place, Match::Derived));
                layout.contested = true;
                above.into_iter().for_each(|node| layout.nodes[node].below.push(place));
            }
        }
        layout
    }

    fn child(&mut self, node: usize, step: &PathStep) -> usize {
        let new = self.nodes.len();
        let LayoutNode { keys, indices, last, elements, .. } = &mut self.nodes[node];
        let child = match step {
            PathStep::Key(key) => *keys.entry(key.clone()).or_insert(new),
            PathStep::Last(index) => match last.iter().find(|(known, _)| known == index) {
                Some((_, child)) => *child,
                None => {
                    last.push((*index, new));
                    new
                }
            },
            PathStep::Index(index) => match indices.iter().find(|(known, _)| known == index) {
                Some((_, child)) => *child,
                None => {
                    indices.push((*index, new));
                    new
                }
            },
            PathStep::Element { key, value } => {
                match elements.iter().find(|known| (&known.0, &known.1) == (key, value)) {
                    Some((.., child)) => *child,
                    None => {
                        elements.push((key.clone(), value.clone(), new));
                        new
                    }
                }
            }
        };
        if child == new {
            self.nodes.push(LayoutNode::default());
        }
        child
    }

    /// Hands the cells of a row to a sink.
    ///
    /// # Errors
    /// Bytes that are no JSON object, or the first error of the sink.
    pub fn read(
        &mut self,
        bytes: &[u8],
        schema: &Schema,
        decoding: &Decoding,
        sink: &mut impl CellSink,
    ) -> Result<(), String> {
        self.row += 1;
        let mut cursor = JsonCursor::new(bytes);
        let mut walk = Walk { schema, decoding, sink };
        match cursor.peek() {
            None | Some(b'{') => self.object(ROOT, &mut cursor, &mut walk)?,
            Some(b'[') if self.nodes[ROOT].has_elements() => self.array(ROOT, &mut cursor, &mut walk)?,
            Some(b'"') => {
                // It was written as JSON twice.
                let text = cursor.string()?;
                let mut inside = JsonCursor::new(text.as_bytes());
                self.object(ROOT, &mut inside, &mut walk)?;
                inside.end()?;
            }
            Some(b'[') => return Err(cursor.wrong("an object, or columns that are elements such as `[0]`")),
            Some(_) => return Err(lone_value(bytes).unwrap_or_else(|| cursor.wrong("an object"))),
        }
        cursor.end()
    }

    /// The keys that no column takes, and that came for the first time since the last call.
    pub fn take_new_names(&mut self) -> Vec<String> {
        self.unmatched.take_new()
    }

    /// What is to be told of the columns' units.
    pub fn take_unit_notices(&mut self) -> Vec<UnitNotice> {
        self.units.take_notices()
    }

    fn object<S: CellSink>(
        &mut self,
        node: usize,
        cursor: &mut JsonCursor<'_>,
        walk: &mut Walk<'_, S>,
    ) -> Result<(), String> {
        cursor.open(b'{')?;
        let mut more = !cursor.close(b'}');
        let mut place = 0;
        // It is learned anew behind an object that can't be read.
        let mut order = std::mem::take(&mut self.nodes[node].order);
        while more {
            let target = match order.get(place) {
                Some((Some(key), target)) if cursor.take_key(key) => *target,
                _ => self.look_up(node, &mut order, &mut place, cursor, walk)?,
            };
            place += 1;
            cursor.expect(b':')?;
            match target {
                KeyTarget::Column(column, by) => match cursor.plain_cell() {
                    Some(cell) => {
                        if self.counts(column, by) {
                            walk.sink.put(column, cell)?;
                        }
                    }
                    None => self.put(column, by, cursor, walk)?,
                },
                KeyTarget::Nothing => {
                    if cursor.plain_cell().is_none() {
                        cursor.skip()?;
                    }
                }
                KeyTarget::Node(child) => self.value(child, cursor, walk)?,
                KeyTarget::Converted(column, conversion) => {
                    if self.counts(column, Match::Derived) {
                        self.put(column, Match::Derived, cursor, walk)?;
                        walk.sink.convert(column, self.conversions[conversion]);
                    } else {
                        cursor.skip()?;
                    }
                }
            }
            more = cursor.another(b'}')?;
        }
        self.nodes[node].order = order;
        Ok(())
    }

    /// What a key leads to that does not come next in the order.
    #[cold]
    fn look_up<S>(
        &mut self,
        node: usize,
        order: &mut Order,
        place: &mut usize,
        cursor: &mut JsonCursor<'_>,
        walk: &Walk<'_, S>,
    ) -> Result<KeyTarget, String> {
        let key = match cursor.peek() {
            Some(b'"') | None => cursor.string()?,
            Some(_) => return Err(cursor.wrong("a key")),
        };
        let ahead = order.iter().enumerate().skip(*place).take(MAX_MISSING);
        let mut ahead = ahead.filter(|(_, (known, _))| known.as_deref() == Some(&*key));
        if let Some((found, (_, target))) = ahead.next() {
            *place = found;
            return Ok(*target);
        }
        let child = self.nodes[node].keys.get(&*key).copied();
        let target = match child {
            Some(child) if !self.nodes[child].is_leaf() => KeyTarget::Node(child),
            Some(child) => match self.nodes[child].column {
                Some((place, by)) => {
                    if node == ROOT {
                        self.units.conversion(&key, Some(place), walk.schema, walk.decoding);
                    }
                    if self.own[place].is_some() { KeyTarget::Node(child) } else { KeyTarget::Column(place, by) }
                }
                None => KeyTarget::Node(child),
            },
            None if node == ROOT => {
                let column = walk.decoding.place(walk.schema, &key);
                if column.is_none() {
                    self.unmatched.meet(&key, walk.schema, walk.decoding);
                }
                self.labelled(&key, column, walk)
            }
            None => KeyTarget::Nothing,
        };
        order.truncate(*place);
        let plain = matches!(key, std::borrow::Cow::Borrowed(_));
        order.push((plain.then(|| key.as_ref().into()), target));
        Ok(target)
    }

    /// What a key leads to that is no column's own, but may carry a unit label.
    fn labelled<S>(&mut self, key: &str, place: Option<usize>, walk: &Walk<'_, S>) -> KeyTarget {
        let conversion = self.units.conversion(key, place, walk.schema, walk.decoding);
        let Some(place) = place else { return KeyTarget::Nothing };
        let Some(conversion) = conversion else { return KeyTarget::Column(place, Match::Derived) };
        let known = self.conversions.iter().position(|known| *known == conversion);
        let number = known.unwrap_or(self.conversions.len());
        if known.is_none() {
            self.conversions.push(conversion);
        }
        KeyTarget::Converted(place, number)
    }

    /// The value of a key or an element with columns inside of it.
    fn value<S: CellSink>(
        &mut self,
        node: usize,
        cursor: &mut JsonCursor<'_>,
        walk: &mut Walk<'_, S>,
    ) -> Result<(), String> {
        let row = self.row;
        if std::mem::replace(&mut self.nodes[node].row, row) == row {
            // Of a key that occurs twice in a row the last one counts, as everywhere in JSON.
            for place in self.nodes[node].below.clone() {
                if self.counts(place, Match::Derived) {
                    walk.sink.take_back(place);
                }
            }
            if let Some((place, by)) = self.nodes[node].column
                && self.counts(place, by)
            {
                walk.sink.take_back(place);
            }
        }
        let LayoutNode { column, keys, .. } = &self.nodes[node];
        match (cursor.peek(), column) {
            (Some(b'{'), _) if !keys.is_empty() => self.object(node, cursor, walk),
            (Some(b'['), _) if self.nodes[node].has_elements() => self.array(node, cursor, walk),
            (Some(b'"'), column) if !self.nodes[node].is_leaf() => {
                if let Some((place, by)) = *column {
                    self.put(place, by, &mut cursor.clone(), walk)?;
                }
                self.text(node, cursor, walk)
            }
            (_, Some((place, by))) => {
                let (place, by) = (*place, *by);
                self.put(place, by, cursor, walk)
            }
            (_, None) => cursor.skip(),
        }
    }

    /// A text with columns inside of it: an object or an array that was written as JSON once more.
    fn text<S: CellSink>(
        &mut self,
        node: usize,
        cursor: &mut JsonCursor<'_>,
        walk: &mut Walk<'_, S>,
    ) -> Result<(), String> {
        let text = cursor.string()?;
        let mut inside = JsonCursor::new(text.as_bytes());
        if !matches!(inside.peek(), Some(b'{' | b'[')) {
            return Ok(());
        }
        // What is no JSON is a text as any other. Each text is a step of a path further in: their depth has a bound.
        let mut whole = inside.clone();
        if whole.skip().and_then(|()| whole.end()).is_err() {
            return Ok(());
        }
        let LayoutNode { keys, .. } = &self.nodes[node];
        match inside.peek() {
            Some(b'{') if !keys.is_empty() => self.object(node, &mut inside, walk),
            Some(b'[') if self.nodes[node].has_elements() => self.array(node, &mut inside, walk),
            _ => Ok(()),
        }
    }

    fn array<S: CellSink>(
        &mut self,
        node: usize,
        cursor: &mut JsonCursor<'_>,
        walk: &mut Walk<'_, S>,
    ) -> Result<(), String> {
        let length = if self.nodes[node].last.is_empty() { 0 } else { cursor.elements()? };
        cursor.open(b'[')?;
        let mut more = !cursor.close(b']');
        let mut index = 0;
        while more {
            let element = cursor.clone();
            cursor.skip()?;
            let LayoutNode { indices, last, elements, .. } = &self.nodes[node];
            let by_index = indices.iter().find(|(known, _)| *known == index).map(|(_, child)| *child);
            let by_index = by_index
                .into_iter()
                .chain(last.iter().filter(|(from_end, _)| index + from_end == length).map(|(_, child)| *child));
            let named = elements.iter().filter(|(key, value, _)| element.has_value(key, value));
            let children: Vec<usize> = by_index.chain(named.map(|(.., child)| *child)).collect();
            for child in children {
                self.value(child, &mut element.clone(), walk)?;
            }
            index += 1;
            more = cursor.another(b']')?;
        }
        Ok(())
    }

    /// Whether a cell counts: it does not beside an exact one.
    #[inline(always)]
    fn counts(&mut self, place: usize, by: Match) -> bool {
        if self.contested {
            match by {
                Match::Exact => self.exact[place] = self.row,
                Match::Derived => return self.exact[place] != self.row,
            }
        }
        true
    }

    /// Puts the cell that is next, however it is written.
    #[inline(never)]
    fn put<S: CellSink>(
        &mut self,
        place: usize,
        by: Match,
        cursor: &mut JsonCursor<'_>,
        walk: &mut Walk<'_, S>,
    ) -> Result<(), String> {
        let cell = cursor.cell()?;
        if !self.counts(place, by) {
            return Ok(());
        }
        walk.sink.put(place, cell)?;
        if let Some(conversion) = self.own[place] {
            walk.sink.convert(place, conversion);
        }
        Ok(())
    }
}
