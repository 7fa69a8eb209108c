//! Puts values of the command line in place of those of the file.

use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// Puts a value at a key of dotted parts.
pub(super) fn put<'i>(table: &mut DeTable<'i>, key: &'i str, value: Spanned<DeValue<'i>>) -> Result<(), String> {
    let Some((first, rest)) = key.split_once('.') else {
        table.insert(Spanned::new(value.span(), key.into()), value);
        return Ok(());
    };
    match first {
        "subtask" => return put_in_list(table, "subtask", "use", rest, value),
        "table" => return put_in_list(table, "table", "name", rest, value),
        "sink" | "source" if table.get(first).is_some_and(|found| found.get_ref().as_array().is_some()) => {
            return put_in_named(table, first, rest, value);
        }
        _ => {}
    }
    let inner = table
        .entry(Spanned::new(value.span(), first.into()))
        .or_insert_with(|| Spanned::new(value.span(), DeValue::Table(DeTable::new())));
    match inner.get_mut() {
        DeValue::Table(inner) => put(inner, rest, value),
        _ => Err(format!("{first} is no section")),
    }
}

/// `LIST.NAME.key` or `LIST.NUMBER.key`; `LIST.key` where there is one alone.
fn put_in_named<'i>(
    table: &mut DeTable<'i>,
    list: &str,
    key: &'i str,
    value: Spanned<DeValue<'i>>,
) -> Result<(), String> {
    if let Some(DeValue::Array(items)) = table.get_mut(list).map(Spanned::get_mut)
        && let [one] = &mut **items
        && let DeValue::Table(one) = one.get_mut()
    {
        let name = one.get("name").and_then(|name| name.get_ref().as_str()).unwrap_or_default();
        let named = key.split_once('.').is_some_and(|(which, _)| which == name || which == "0");
        if !named {
            return put(one, key, value);
        }
    }
    if !key.contains('.') {
        return Err(format!("the file has several {list}s: write {list}.NAME.{key}=VALUE, or {list}.0.{key}=VALUE"));
    }
    put_in_list(table, list, "name", key, value)
}

/// `LIST.NAME.parameter` or `LIST.NUMBER.parameter`, for tables whose `name` tells them apart.
fn put_in_list<'i>(
    table: &mut DeTable<'i>,
    list: &str,
    name: &str,
    key: &'i str,
    value: Spanned<DeValue<'i>>,
) -> Result<(), String> {
    let (which, parameter) = key.split_once('.').ok_or(format!("write {list}.NAME.PARAMETER=VALUE"))?;
    let Some(DeValue::Array(items)) = table.get_mut(list).map(Spanned::get_mut) else {
        return Err(format!("the file has no [[{list}]]"));
    };
    let mut found = false;
    for (number, item) in items.iter_mut().enumerate() {
        let DeValue::Table(item) = item.get_mut() else { continue };
        let own = item.get(name).and_then(|name| name.get_ref().as_str()).unwrap_or_default();
        if own == which || number.to_string() == which {
            found = true;
            put(item, parameter, value.clone())?;
        }
    }
    if found { Ok(()) } else { Err(format!("the file has no {list} {which}")) }
}
