// Values of a dataflow file: what is typed for one is read, and what the file holds is shown, as the file's JSON schema
// says.

import { language, t } from "./words.js";

// What a value may be: alternatives without those in them, of one type each, and without null.
export function alternatives(property) {
  const inner = property.anyOf ?? property.oneOf;
  if (inner) return inner.flatMap(alternatives);
  if (Array.isArray(property.type)) return property.type.flatMap((type) => alternatives({ ...property, type }));
  return property.type === "null" ? [] : [property];
}

const constants = (part) => (part.enum ?? ("const" in part ? [part.const] : null))?.filter((choice) => choice !== null);
// A column of the schema: its name alone, or with the path to it.
const isColumn = (part) => Boolean(part.properties?.name && part.properties?.from);
const isMap = (part) => part.type === "object" && !part.properties && Boolean(part.additionalProperties);

// What a field of a form takes; the keys of a table in it have fields of their own.
export const own = (property) => alternatives(property).filter((part) => isColumn(part) || !part.properties);

// The keys of the tables that a value may be, with what each may be.
export const inner = (property) => Object.assign({}, ...alternatives(property).filter((part) => !isColumn(part)).map((part) => part.properties ?? {}));

// All that a value may be, if that is little.
export function choices(parts) {
  if (parts.length > 0 && parts.every(constants)) return parts.flatMap(constants);
  const [part] = parts;
  if (parts.length !== 1) return null;
  if (part.type === "boolean") return [true, false];
  return part.type === "integer" && part.maximum - part.minimum < 4 ? Array.from({ length: part.maximum - part.minimum + 1 }, (_, index) => part.minimum + index) : null;
}

// A text that would be read as another one stands in quotes, with JSON's escapes.
const isQuoted = (text) => /^"(?:[^"\\]|\\.)*"$/.test(text);
const quoted = (text, others) => (/^\s|\s$|[\u0000-\u001f]/.test(text) || text === "" || isQuoted(text) || others.test(text) ? JSON.stringify(text) : text);
const NONE = /(?!)/;

function unquoted(text) {
  try {
    return isQuoted(text) ? JSON.parse(text) : text;
  } catch {
    return text;
  }
}

// The parts of a text between separators; none within quotes.
function split(text, separator) {
  const parts = [""];
  let inside = false;
  for (const [at, letter] of [...text].entries()) {
    if (letter === '"' && text[at - 1] !== "\\") inside = !inside;
    if (letter === separator && !inside) parts.push(""); else parts[parts.length - 1] += letter;
  }
  return parts.map((part) => part.trim()).filter((part) => part !== "");
}

const SPECIAL = { nan: NaN, inf: Infinity, "+inf": Infinity, "-inf": -Infinity };

// A decimal comma where one is usual, if the text is a number alone: in lists a comma parts items, in texts it is itself.
const decimal = (text) => (language === "de" && /^[-+]?\d*,\d+(e[-+]?\d+)?$/i.test(text) ? text.replace(",", ".") : text);

function asNumber(text) {
  const special = SPECIAL[text.toLowerCase()];
  if (special !== undefined) return special;
  return /^[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?$/i.test(text) ? Number(text) : new Error(t("notNumber"));
}

const all = (values) => values.find((value) => value instanceof Error) ?? values;

function asMap(part, text) {
  const pairs = split(text, ",").map((pair) => split(pair, "="));
  if (pairs.some((pair) => pair.length !== 2)) return new Error(t("notPairs"));
  const values = all(pairs.map(([, value]) => readAny(alternatives(part.additionalProperties), value)));
  return values instanceof Error ? values : Object.fromEntries(pairs.map(([key], index) => [unquoted(key), values[index]]));
}

function asList(part, text) {
  const of = (index) => alternatives(part.prefixItems?.[index] ?? part.items ?? {});
  const separator = of(0).some((item) => item.type === "array") ? ";" : ",";
  return all(split(text, separator).map((item, index) => readAny(of(index), item)));
}

function readAs(part, text) {
  const known = constants(part);
  if (known) return known.find((choice) => String(choice) === text) ?? new Error(t("notOneOf", known.join(", ")));
  if (part.type === "boolean") return text === "true" || (text === "false" ? false : new Error(t("notOneOf", "true, false")));
  if (part.type === "number" || part.type === "integer") return asNumber(text);
  if (part.type === "array") return asList(part, text);
  if (isMap(part)) return asMap(part, text);
  if (isColumn(part)) {
    const [, name, from] = /^([^="[\]]+?)\s*=\s*(.+)$/.exec(text) ?? [];
    return name ? { name, from } : new Error(t("notPairs"));
  }
  return unquoted(text);
}

// A text is what is nothing else.
const rank = (part) => (part.type === "string" && !constants(part) ? 2 : part.type === "array" ? 1 : 0);

function readAny(parts, text) {
  const read = [...parts].sort((a, b) => rank(a) - rank(b)).map((part) => readAs(part, text));
  return read.find((value) => !(value instanceof Error)) ?? read[0] ?? unquoted(text);
}

// What a text says, nothing if it is empty, or an Error with what is wrong with it.
export function read(parts, text) {
  const trimmed = text.trim();
  const types = parts.map(({ type }) => type);
  const isNumber = !types.includes("array") && (types.includes("number") || types.includes("integer"));
  return trimmed === "" ? undefined : readAny(parts, isNumber ? decimal(trimmed) : trimmed);
}

const isTable = (value) => value !== null && typeof value === "object" && !Array.isArray(value);

function shown(value, others) {
  if (typeof value === "string") return quoted(value, others);
  if (Array.isArray(value)) return value.map((item) => shown(item, Array.isArray(item) ? NONE : /[,;]/)).join(value.some(Array.isArray) ? "; " : ", ");
  if (!isTable(value)) return String(value);
  if (typeof value.name === "string" && Object.keys(value).every((key) => key === "name" || key === "from")) return value.from === undefined ? value.name : `${value.name} = ${value.from}`;
  return Object.entries(value).map(([key, value]) => `${quoted(key, /[,;=]/)} = ${shown(value, /[,;=]/)}`).join(", ");
}

// A value as `read` reads it.
export const show = (value) => shown(value, NONE);

// Whether a field can show a value: not a table that has no notation here.
export function fits(parts, value) {
  if (Array.isArray(value)) return value.every((item) => !isTable(item)) || parts.some((part) => part.items && alternatives(part.items).some(isColumn));
  return !isTable(value) || parts.some((part) => isMap(part) || isColumn(part));
}

// JSON has no word for some numbers.
export function wire(value) {
  if (Array.isArray(value)) return value.map(wire);
  if (isTable(value)) return Object.fromEntries(Object.entries(value).map(([key, value]) => [key, wire(value)]));
  return typeof value === "number" && !Number.isFinite(value) ? { $float: Number.isNaN(value) ? "nan" : value > 0 ? "inf" : "-inf" } : value;
}
