// A dataflow file as a form and as text. The text is what counts: the form shows its values, and asks the server to
// change it, so that comments stay.

import { html, useEffect, useRef, useState } from "./vendor/preact.js";
import { call } from "./api.js";
import { Rows } from "./details.js";
import { isAlive } from "./overview.js";
import { t } from "./words.js";

const choices = (type) => (/^"[^"]*"( \| "[^"]*")*$/.test(type) ? type.split(" | ").map((choice) => JSON.parse(choice)) : null);

// The type of a value in the file's JSON schema, in the words that `read` knows.
function typeOf(property) {
  const inner = property.anyOf ?? property.oneOf;
  if (inner) return inner.map(typeOf).filter((type) => type !== "null").join(" | ");
  if (property.enum || "const" in property) return (property.enum ?? [property.const]).filter((choice) => choice !== null).map((choice) => JSON.stringify(choice)).join(" | ");
  return [property.type].flat().filter((type) => type !== "null").map((type) => (type === "array" ? "list of strings" : type)).join(" | ");
}

// The keys of a section that the form does not list by hand: what the program can read, the page shows.
function others(schema, name, listed) {
  const section = schema?.properties?.[name];
  const keys = Object.assign({}, ...[section, ...(section?.anyOf ?? [])].map((part) => part?.properties ?? {}));
  const rest = Object.entries(keys).filter(([key]) => !listed.includes(`${name}.${key}`));
  return rest.map(([key, property]) => [`${name}.${key}`, key, { type: typeOf(property), text: property.description, default: property.default }]);
}

const TEXT = { type: "string" };
const WHOLE = { type: "integer" };

// The sections beside the subtasks: key, label, type and help of each field.
const MQTT = (section) => [
  [`${section}.qos`, "qos", { type: "integer", options: [0, 1, 2] }], [`${section}.user`, "login", TEXT], [`${section}.password`, "password", { type: "string", help: "passwordHelp" }],
  [`${section}.client_id`, "client", TEXT], [`${section}.ca`, "ca", TEXT], [`${section}.certificate`, "certificate", TEXT], [`${section}.key`, "key", TEXT],
];
const SECTIONS = [
  ["project", [["name", "title", TEXT], ["description", "description", TEXT], ["workers", "workers", { ...WHOLE, help: "workersHelp" }], ["processes", "processes", WHOLE],
    ["placement", "placement", { type: "string", options: ["message", "subtask"] }]]],
  ["source", [["source.url", "url", { type: "string", help: "urlHelp" }]], [...MQTT("source"), ["source.session", "session", { type: "boolean" }], ["source.max_payload", "maxPayload", WHOLE],
    ["source.connect_timeout", "connectTimeout", TEXT], ["source.reconnect_timeout", "reconnectTimeout", TEXT], ["checkpoint.every", "checkpointEvery", TEXT]]],
  ["buffer", [["buffer.bucket_size", "bucketSize", WHOLE], ["buffer.delay", "delay", TEXT]]],
];
const COLUMNS = { type: "list of column names" };
// The columns of rows that a project describes by itself.
const SCHEMA = [["schema.number", "numberColumns", COLUMNS], ["schema.text", "textColumns", COLUMNS], ["schema.id", "idColumn", TEXT]];
// What a [[table]] takes; words.js has the help, under table_ and the key's name.
const TABLE = {
  name: "string", input: "string", key: COLUMNS.type, window: "string", columns: COLUMNS.type, aggregates: "list of strings", upsert: COLUMNS.type, "sink.url": "string",
};
const TABLE_MORE = {
  time: "string", hop: "string", interval: "string", delete: "string", retention: "string", max_future: "string", late: '"dead_letter" | "drop"', "reference.path": "string", "reference.key": "string", changes: '"upserts" | "differences"',
};
const AFTER = [
  ["sink", [["sink.url", "url", { type: "string", help: "sinkHelp" }], ["sink.parts", "parts", { type: "boolean" }]], [...MQTT("sink"), ["sink.properties", "properties", { type: "boolean" }]]],
  ["deadLetter", [["dead_letter.url", "url", { type: "string", help: "sinkHelp" }]], MQTT("dead_letter")],
];

export function Editor({ name, admin, go }) {
  const [saved, setSaved] = useState(null);
  const [text, setText] = useState({ toml: "", values: {}, problem: null });
  const [run, setRun] = useState(null);
  const [subtasks, setSubtasks] = useState([]);
  const [schema, setSchema] = useState(null);
  const [note, setNote] = useState("");
  const [error, setError] = useState("");
  const [shown, setShown] = useState(null);
  const [busy, setBusy] = useState(false);
  // Edits go to the server one after the other, each on what the one before it gave.
  const latest = useRef({ toml: "", turn: Promise.resolve() });
  const timer = useRef(null);

  const ask = (edits, toml) => {
    latest.current.turn = latest.current.turn.then(async () => {
      if (toml !== undefined) latest.current.toml = toml;
      try {
        const edited = await call("POST", "edit", { toml: latest.current.toml, edits });
        latest.current.toml = edited.toml;
        setText(edited);
        setError("");
      } catch (refusal) {
        setError(refusal.message);
      }
    });
    setNote("");
    return latest.current.turn;
  };
  useEffect(() => {
    document.title = `${name} - ${t("edit")} - Rowmill`;
    call("GET", "subtasks").then(setSubtasks);
    call("GET", "schema").then(setSchema);
    call("GET", `projects/${name}`).then((file) => { setSaved(file.toml); setRun(file.summary.run); ask([], file.toml); }, (refusal) => setError(refusal.message));
  }, [name]);

  const typed = (toml) => {
    latest.current.toml = toml;
    setText({ ...text, toml });
    clearTimeout(timer.current);
    timer.current = setTimeout(() => ask([], toml), 300);
  };
  const change = (key, value) => ask([value === undefined ? { op: "unset", key } : { op: "set", key, value }]);
  const save = async () => {
    try {
      await latest.current.turn;
      const { toml } = latest.current;
      await call("PUT", `projects/${name}`, { toml });
      setSaved(toml);
      setError("");
      setNote(t(run && isAlive(run) ? "savedRunning" : "saved"));
    } catch (refusal) {
      setError(refusal.message);
    }
  };
  const attempt = async (path, tell) => {
    setBusy(true);
    setError("");
    try {
      await latest.current.turn;
      tell(await call("POST", path, { toml: latest.current.toml }));
    } catch (refusal) {
      setError(refusal.message);
    }
    setBusy(false);
  };
  const { values, problem } = text;
  const field = ([key, label, kind]) => html`<${Field} key=${key} path=${key} label=${t(label)} kind=${kind} values=${values} problem=${problem} change=${change} />`;
  const whole = ([title, fields, more = []]) => {
    const name = fields[0][0].split(".")[0];
    return [title, fields, [...more, ...others(schema, name, [...fields, ...more].map(([path]) => path))]];
  };
  // One section for each of several sinks.
  const each = ([title, fields, more]) => {
    const name = fields[0][0].split(".")[0];
    const of = (index, fields) => fields.map(([path, ...rest]) => [path.replace(`${name}.`, `${name}.${index}.`), ...rest]);
    const several = Array.isArray(values[name]) ? values[name] : null;
    return several?.map((_, index) => [title, of(index, fields), of(index, more), index + 1]) ?? [[title, fields, more]];
  };
  const section = ([title, fields, more, number = ""]) => html`<fieldset class="card"><legend>${t(title)} ${number}</legend><div class="fields">${fields.map(field)}</div>
    ${more.length > 0 && html`<details><summary>${t("details")}</summary><div class="fields">${more.map(field)}</div></details>`}
    ${title === "source" && html`<button type="button" disabled=${busy} onClick=${() => attempt("connect", (told) => setNote(t("connected", told.milliseconds.toFixed(0))))}>${t("testConnection")}</button>`}</fieldset>`;
  return html`
    <div class="head"><h1><a data-go href="/projects/${name}">${name}</a></h1>
      ${admin && html`<button type="button" class="first" disabled=${problem !== null || text.toml === saved} onClick=${save}>${t("save")}</button>`}
      <span role="status" id="note">${busy ? t("loading") : note || (saved !== null && text.toml !== saved ? t("unsaved") : "")}</span></div>
    <p class="error" role="alert" id="problem">${error || (problem && `${problem.line ? `${t("line")} ${problem.line}: ` : ""}${problem.message}${problem.help ? ` - ${problem.help}` : ""}`)}</p>
    <div class="columns">
      <form aria-label=${t("form")} onSubmit=${(event) => event.preventDefault()}>
        ${SECTIONS.map(whole).map(section)}
        <${Schema} values=${values} problem=${problem} change=${change} />
        <${Chain} steps=${Array.isArray(values.subtask) ? values.subtask : []} subtasks=${subtasks} values=${values} problem=${problem} change=${change} ask=${ask} />
        <${Tables} tables=${Array.isArray(values.table) ? values.table : []} values=${values} problem=${problem} change=${change} ask=${ask} />
        ${AFTER.map(whole).flatMap(each).map(section)}
      </form>
      <div class="card"><label for="toml">${t("toml")}</label>
        <textarea id="toml" spellcheck="false" value=${text.toml} readonly=${!admin} onInput=${(event) => typed(event.target.value)}></textarea></div>
    </div>
    <section class="card"><h2>${t("preview")}</h2><p>${t("previewHelp")}</p>
      <button type="button" id="preview" disabled=${busy || problem !== null} onClick=${() => attempt("preview", setShown)}>${t("runPreview")}</button>
      ${shown && html`<${Preview} shown=${shown} />`}</section>`;
}

// The schema: one that has a name, or columns of the project's own.
function Schema({ values, problem, change }) {
  const own = values.schema !== null && typeof values.schema === "object";
  const choose = (name) => (name === "columns" ? change("schema.number", []) : change("schema", name || undefined));
  const field = ([path, label, kind]) => html`<${Field} key=${path} path=${path} label=${t(label)} kind=${kind} values=${values} problem=${problem} change=${change} />`;
  return html`<fieldset class="card"><legend>${t("schema")}</legend><div class="fields">
    <div class="field"><label for="field-schema">${t("schema")}</label>
      <select id="field-schema" aria-describedby="field-schema-help" value=${own ? "columns" : values.schema ?? ""} onChange=${(event) => choose(event.target.value)}>
        <option value="">(${t("default")})</option><option value="davis">davis</option><option value="infer">infer</option><option value="columns">${t("ownColumns")}</option></select>
      <small id="field-schema-help">${t("schemaHelp")}${problem?.field === "schema" && html` <span class="error">${problem.message}</span>`}</small></div>
    ${own && SCHEMA.map(field)}</div></fieldset>`;
}

// The tables beside the chain.
function Tables({ tables, values, problem, change, ask }) {
  const fields = (kinds, index) => html`<div class="fields">${Object.entries(kinds).map(([key, type]) => html`<${Field} key=${key} path=${`table.${index}.${key}`} label=${key}
    kind=${{ type, help: `table_${key}` }} values=${values} problem=${problem} change=${change} />`)}</div>`;
  const name = () => {
    const taken = tables.map((table) => table.name);
    return ["table", ...tables.map((_, index) => `table_${index + 2}`)].find((free) => !taken.includes(free));
  };
  return html`<fieldset class="card" id="edit-tables"><legend>${t("tables")}</legend><p class="help">${t("tablesHelp")}</p>
    ${tables.map((table, index) => html`<div class="card step"><div class="step-head plain"><strong>${table.name}</strong>
      <span class="buttons"><button type="button" aria-label="${t("removeTable")}: ${table.name}" onClick=${() => ask([{ op: "remove_table", index }])}>✕</button></span></div>
      ${problem?.field?.startsWith(`table.${index}`) && html`<p class="error">${problem.message}</p>`}
      ${fields(TABLE, index)}<details open=${Object.keys(TABLE_MORE).some((key) => problem?.field === `table.${index}.${key}`)}><summary>${t("details")}</summary>${fields(TABLE_MORE, index)}</details></div>`)}
    <button type="button" onClick=${() => ask([{ op: "add_table", name: name() }])}>${t("addTable")}</button></fieldset>`;
}

function Preview({ shown }) {
  const { steps, rejected, rows_from } = shown;
  return html`<p>${t(rows_from === "source" ? "fromSource" : "fromGenerator")}</p>
    ${rejected.length > 0 && html`<p class="error">${t("rejectedRows")}: ${rejected.map(({ row, reason }) => `${row}: ${reason}`).join("; ")}</p>`}
    ${steps.map((step, index) => html`<details open=${index === steps.length - 1}><summary>${step.label}</summary>
      ${step.fault && html`<p class="error">${step.fault}</p>`}
      ${step.after.columns.length > 0 && html`
        ${index > 0 && html`<${Rows} title=${t("before")} excerpt=${steps[index - 1].after} />`}
        <${Rows} title=${t(index > 0 ? "after" : "results")} excerpt=${step.after} />`}</details>`)}`;
}

// The subtasks in their order: moved by drag or by buttons.
function Chain({ steps, subtasks, values, problem, change, ask }) {
  const [dragged, setDragged] = useState(null);
  const [target, setTarget] = useState(null);
  const move = (from, to) => from !== to && to >= 0 && to < steps.length && ask([{ op: "move", from, to }]);
  const drop = (event, to) => {
    event.preventDefault();
    if (dragged !== null) move(dragged, to);
    setDragged(null);
    setTarget(null);
  };
  const add = (event) => {
    const subtask = event.target.value;
    event.target.value = "";
    if (subtask) ask([{ op: "insert", index: steps.length, subtask }]);
  };
  const step = ({ use }, index) => {
    const known = subtasks.find(({ name }) => name === use);
    return html`<li key=${`${index}-${use}`} class="card step ${target === index ? "target" : ""}" onDragOver=${(event) => { event.preventDefault(); setTarget(index); }} onDrop=${(event) => drop(event, index)}>
      <div class="step-head" draggable onDragStart=${(event) => { setDragged(index); event.dataTransfer.setData("text/plain", use); }} onDragEnd=${() => { setDragged(null); setTarget(null); }}>
        <span class="grip" aria-hidden="true" title=${t("dragHelp")}>⠿</span><strong>${index + 1}. ${use}</strong>
        <span class="buttons"><button type="button" disabled=${index === 0} aria-label="${t("up")}: ${use}" onClick=${() => move(index, index - 1)}>↑</button>
        <button type="button" disabled=${index === steps.length - 1} aria-label="${t("down")}: ${use}" onClick=${() => move(index, index + 1)}>↓</button>
        <button type="button" aria-label="${t("removeSubtask")}: ${use}" onClick=${() => ask([{ op: "remove", index }])}>✕</button></span></div>
      ${problem?.field?.startsWith(`subtask.${index}`) && html`<p class="error">${problem.message}</p>`}
      ${known && html`<p class="help">${known.summary}</p>
        <details open=${problem?.field?.startsWith(`subtask.${index}.`)}><summary>${t("parameters")}</summary><div class="fields">
        ${known.parameters.map((parameter) => html`<${Field} key=${parameter.name} path=${`subtask.${index}.${parameter.name}`} label=${parameter.name}
          kind=${{ type: parameter.type, text: parameter.help, default: parameter.default }} values=${values} problem=${problem} change=${change} />`)}</div></details>`}
    </li>`;
  };
  return html`<fieldset class="card"><legend>${t("methods")}</legend>
    <ol class="steps">${steps.map(step)}</ol>
    <label>${t("addSubtask")}<select id="add" onChange=${add}><option value=""></option>
      ${subtasks.filter(({ fixed }) => !fixed).map(({ name, summary }) => html`<option value=${name} title=${summary}>${name}</option>`)}</select></label></fieldset>`;
}

const at = (values, path) => path.split(".").reduce((value, key) => value?.[key], values);

// One value: what is typed is read by its type; what is cleared is left to its default.
function Field({ path, label, kind, values, problem, change }) {
  const [wrong, setWrong] = useState("");
  const value = at(values, path);
  const shown = value === undefined ? "" : show(value);
  const id = `field-${path.replaceAll(".", "-")}`;
  // What is being typed is not replaced by an answer to what was typed before.
  const [draft, setDraft] = useState(null);
  useEffect(() => { if (document.activeElement?.id !== id) setDraft(null); }, [shown]);
  const error = wrong || (problem?.field === path || problem?.field?.startsWith(`${path}.`) ? problem.message : "");
  const take = (text) => {
    const given = read(kind.type, text);
    setWrong(given instanceof Error ? given.message : "");
    if (!(given instanceof Error)) change(path, given);
  };
  const help = kind.text ?? (kind.help && t(kind.help));
  const fallback = kind.default === undefined || kind.default === null ? "" : `${t("default")}: ${show(kind.default)}`;
  const table = value !== null && typeof value === "object" && !Array.isArray(value);
  const described = { id, "aria-invalid": error !== "", "aria-describedby": `${id}-help` };
  const options = kind.options ?? choices(kind.type) ?? (kind.type === "boolean" ? [true, false] : null);
  return html`<div class="field ${path.endsWith(".url") ? "long" : ""}"><label for=${id}>${label}</label>
    ${table ? html`<input ...${described} disabled value=${t("other")} />`
    : options ? html`<select ...${described} value=${value === undefined ? "" : String(value)} onChange=${(event) => take(event.target.value)}>
        <option value="">${fallback || `(${t("default")})`}</option>${options.map((option) => html`<option value=${String(option)}>${String(option)}</option>`)}</select>`
    : html`<input ...${described} type=${path.endsWith(".password") ? "password" : "text"} autocomplete="off" value=${draft ?? shown} placeholder=${fallback}
        onInput=${(event) => setDraft(event.target.value)} onChange=${(event) => take(event.target.value)} />`}
    <small id="${id}-help">${help}${error && html` <span class="error">${error}</span>`}</small></div>`;
}

// Lists of lists with semicolons between them.
const show = (value) => (!Array.isArray(value) ? String(value) : value.map(show).join(value.some(Array.isArray) ? "; " : ", "));

function read(type, text) {
  const trimmed = text.trim();
  if (trimmed === "") return undefined;
  const asNumber = (word) => (/^[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?$/i.test(word.trim()) ? Number(word) : new Error(t("notNumber")));
  const all = (items) => items.find((item) => item instanceof Error) ?? items;
  const list = (words) => words.split(",").map((item) => item.trim()).filter((item) => item !== "");
  const items = list(trimmed);
  if (type === "boolean") return trimmed === "true";
  if (type === "list of column names" || type === "list of strings") return items;
  if (type === "list of lists of strings") return trimmed.split(";").map(list);
  if (/^list of (\d+ )?numbers$/.test(type)) return all(items.map(asNumber));
  if (type === "number" || type === "integer") return asNumber(trimmed);
  if (type === "string" || choices(type)) return trimmed;
  // Of several types: a number if it is one, else a list if it may be one.
  if (type.includes("list of strings")) return asNumber(trimmed) instanceof Error ? items : Number(trimmed);
  const given = items.length > 1 ? all(items.map(asNumber)) : asNumber(trimmed);
  return given instanceof Error ? trimmed : given;
}
