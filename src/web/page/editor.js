// A dataflow file as a form and as text. The text is what counts: the form shows its values, and asks the server to
// change it, so that comments stay.

import { html, useEffect, useRef, useState } from "./vendor/preact.js";
import { base, call } from "./api.js";
import { Conflict } from "./conflict.js";
import { Rows } from "./details.js";
import { hold } from "./leave.js";
import { isAlive } from "./overview.js";
import { Presentation } from "./presentation.js";
import { language, t } from "./words.js";

const choices = (type) => (/^"[^"]*"( \| "[^"]*")*$/.test(type) ? type.split(" | ").map((choice) => JSON.parse(choice)) : null);

// The type of a value in the file's JSON schema, in the words that `read` knows.
function typeOf(property) {
  const inner = property.anyOf ?? property.oneOf;
  if (inner) return inner.map(typeOf).filter((type) => type !== "" && type !== "null").join(" | ");
  if (property.type === "object" && property.additionalProperties?.type) return `map of ${property.additionalProperties.type}s`;
  if (property.enum || "const" in property) return (property.enum ?? [property.const]).filter((choice) => choice !== null).map((choice) => JSON.stringify(choice)).join(" | ");
  return [property.type].flat().filter((type) => type !== "null").map((type) => (type === "array" ? "list of strings" : type)).join(" | ");
}

// The keys of a section that the form does not list by hand: what the program can read, the page shows.
function others(schema, name, listed) {
  const section = schema?.properties?.[name];
  return section ? flat(name, "", { anyOf: alternatives(section).filter((part) => part.properties) })
    .filter(([path]) => !listed.includes(path) && !listed.some((key) => path.startsWith(`${key}.`))) : [];
}

// What a value may be, without alternatives in alternatives.
const alternatives = (property) => (property.anyOf ?? [property]).flatMap((part) => (part.anyOf ? alternatives(part) : [part]));

// A value, and those in it, as fields.
function flat(path, label, property) {
  const parts = alternatives(property);
  // The section's own keys stand over those that sinks of the registry have under the same names.
  const inner = Object.assign({}, ...[property, ...parts].reverse().map((part) => part.properties ?? {}));
  const type = typeOf(property.anyOf ? { anyOf: parts.filter((part) => !part.properties) } : property);
  const own = label && type && !property.properties ? [[path, label, { type, text: property.description, default: property.default ?? undefined }]] : [];
  return [...own, ...Object.entries(inner).flatMap(([key, value]) => flat(`${path}.${key}`, label ? `${label}.${key}` : key, value))];
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

// The file as somebody sees it who may change nothing.
export function Configuration({ name }) {
  const [toml, setToml] = useState(null);
  const [error, setError] = useState("");
  useEffect(() => {
    document.title = `${name} - ${t("configuration")} - Rowmill`;
    call("GET", `projects/${name}`).then((file) => setToml(file.toml), (refusal) => setError(refusal.message));
  }, [name]);
  return html`<div class="head"><h1><a data-go href="${base}/projects/${name}">${name}</a></h1></div>
    <p class="error" role="alert">${error}</p>
    ${toml !== null && html`<section class="card"><h2>${t("configuration")}</h2><pre id="configuration" class="whole" tabindex="0">${toml}</pre></section>`}`;
}

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
  const [theirs, setTheirs] = useState(null);
  // The texts of fields that can't be read, by key, with what is wrong.
  const [wrong, setWrong] = useState({});
  // Edits go to the server one after the other, each on what the one before it gave. An answer to an earlier version of
  // the text than there is now is stale.
  const latest = useRef({ toml: "", version: 0, turn: Promise.resolve(), wrong: {}, tag: null, saved: null, past: [], future: [], typed: 0 });
  const timer = useRef(null);

  const put = (toml) => { latest.current.toml = toml; latest.current.version += 1; };
  const remember = () => { latest.current.past.push(latest.current.toml); latest.current.future = []; };
  const ask = (edits) => {
    latest.current.turn = latest.current.turn.then(async () => {
      for (let stale = true; stale; ) {
        const { toml, version } = latest.current;
        const edited = await call("POST", "edit", { toml, edits }).catch((refusal) => refusal);
        stale = latest.current.version !== version;
        // What has been typed meanwhile is asked about by itself; an edit of the form is made in it.
        if (stale && edits.length === 0) return;
        if (stale) continue;
        if (edited instanceof Error) return setError(edited.message);
        if (edited.toml !== toml) { remember(); put(edited.toml); latest.current.typed = 0; }
        setText(edited);
        setError("");
        hold("text", edited.toml !== latest.current.saved);
      }
    });
    setNote("");
    return latest.current.turn;
  };
  const keep = (toml) => { latest.current.saved = toml; setSaved(toml); };
  const load = (toml) => { put(toml); keep(toml); return ask([]); };
  useEffect(() => {
    document.title = `${name} - ${t("edit")} - Rowmill`;
    call("GET", "subtasks").then(setSubtasks);
    call("GET", "schema").then(setSchema);
    const tag = (tag) => { latest.current.tag = tag; };
    call("GET", `projects/${name}`, undefined, { tag }).then((file) => { setRun(file.summary.run); load(file.toml); }, (refusal) => setError(refusal.message));
    return () => clearTimeout(timer.current);
  }, [name]);
  useEffect(() => { hold("text", saved !== null && text.toml !== saved); return () => hold("text", false); }, [saved, text.toml]);

  const typed = (toml) => {
    // What is typed in one go is undone in one go.
    if (Date.now() - latest.current.typed > 1000) remember();
    latest.current.typed = Date.now();
    put(toml);
    setText((before) => ({ ...before, toml }));
    clearTimeout(timer.current);
    timer.current = setTimeout(() => ask([]), 300);
  };
  const turnBack = (from, to) => {
    if (from.length === 0) return;
    to.push(latest.current.toml);
    put(from.pop());
    latest.current.typed = 0;
    setText((before) => ({ ...before, toml: latest.current.toml }));
    ask([]);
  };
  const undo = () => turnBack(latest.current.past, latest.current.future);
  const redo = () => turnBack(latest.current.future, latest.current.past);
  const pressed = (event) => {
    // Fields undo what is typed in them by themselves.
    if (!(event.ctrlKey || event.metaKey) || /^(INPUT|TEXTAREA)$/.test(event.target.tagName)) return;
    const key = event.key.toLowerCase();
    if (key !== "z" && key !== "y") return;
    event.preventDefault();
    (key === "y" || event.shiftKey ? redo : undo)();
  };
  // `value`: nothing to leave a key to its default, an Error for a text that can't be read, null where that is over.
  const change = (key, value) => {
    const { [key]: before, ...others } = latest.current.wrong;
    latest.current.wrong = value instanceof Error ? { ...others, [key]: value.message } : others;
    if (before !== latest.current.wrong[key]) setWrong(latest.current.wrong);
    hold(`field ${key}`, value instanceof Error);
    if (value instanceof Error || value === null) return;
    hold("text", true);
    ask([value === undefined ? { op: "unset", key } : { op: "set", key, value: wire(value) }]);
  };
  const save = async (match) => {
    clearTimeout(timer.current);
    await ask([]);
    if (Object.keys(latest.current.wrong).length > 0) return;
    const { toml } = latest.current;
    try {
      await call("PUT", `projects/${name}`, { toml }, { match: match ?? latest.current.tag, tag: (tag) => { latest.current.tag = tag; } });
      setTheirs(null);
      keep(toml);
      setError("");
      setNote(t(run && isAlive(run) ? "savedRunning" : "saved"));
    } catch (refusal) {
      if (refusal.status === 412) setTheirs(refusal); else setError(refusal.message);
    }
  };
  const takeTheirs = () => {
    remember();
    latest.current.tag = theirs.tag;
    setTheirs(null);
    load(theirs.current);
  };
  const attempt = async (path, tell) => {
    setBusy(true);
    setError("");
    try {
      await latest.current.turn;
      const { toml, version } = latest.current;
      const told = await call("POST", path, { toml });
      tell(told, latest.current.version !== version);
    } catch (refusal) {
      setError(refusal.message);
    }
    setBusy(false);
  };
  // Some payloads say how they are read; it can be undone.
  const proposed = ({ rows, remarks, ...edited }, stale) => {
    // What has been typed meanwhile is not overwritten.
    if (stale) return setNote(t("proposedLate"));
    remember();
    put(edited.toml);
    setText(edited);
    setNote([t("proposed", rows), ...remarks].join(" "));
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
    ${title === "source" && html`<button type="button" disabled=${busy} onClick=${() => attempt("connect", (told) => setNote(t("connected", told.milliseconds.toFixed(0))))}>${t("testConnection")}</button>
      <button type="button" disabled=${busy} title=${t("proposeHelp")} onClick=${() => attempt("propose", proposed)}>${t("propose")}</button>`}</fieldset>`;
  return html`<div onKeyDown=${pressed}>
    ${theirs && html`<${Conflict} theirs=${theirs.current} mine=${text.toml} keepMine=${() => save(theirs.tag)} takeTheirs=${takeTheirs} close=${() => setTheirs(null)} />`}
    <div class="head"><h1><a data-go href="${base}/projects/${name}">${name}</a></h1>
      ${admin && html`<button type="button" class="first" disabled=${problem !== null || Object.keys(wrong).length > 0 || text.toml === saved} onClick=${() => save()}>${t("save")}</button>
        <button type="button" id="undo" disabled=${latest.current.past.length === 0} onClick=${undo}>${t("undo")}</button>
        <button type="button" id="redo" disabled=${latest.current.future.length === 0} onClick=${redo}>${t("redo")}</button>`}
      <span role="status" id="note">${busy ? t("loading") : note || (saved !== null && text.toml !== saved ? t("unsaved") : "")}</span></div>
    <p class="error" role="alert" id="problem">${error || (problem && `${problem.line ? `${t("line")} ${problem.line}: ` : ""}${problem.message}${problem.help ? ` - ${problem.help}` : ""}`)}</p>
    <div class="columns">
      <form aria-label=${t("form")} onSubmit=${(event) => event.preventDefault()}>
        ${SECTIONS.map(whole).map(section)}
        <${Schema} more=${others(schema, "schema", SCHEMA.map(([path]) => path))} values=${values} problem=${problem} change=${change} />
        <${Chain} steps=${Array.isArray(values.subtask) ? values.subtask : []} subtasks=${subtasks} values=${values} problem=${problem} change=${change} ask=${ask} />
        <${Tables} tables=${Array.isArray(values.table) ? values.table : []} values=${values} problem=${problem} change=${change} ask=${ask} />
        ${AFTER.map(whole).flatMap(each).map(section)}
      </form>
      <div class="card"><label for="toml">${t("toml")}</label>
        <textarea id="toml" spellcheck="false" value=${text.toml} readonly=${!admin} onInput=${(event) => typed(event.target.value)}></textarea></div>
    </div>
    <section class="card"><h2>${t("preview")}</h2><p>${t("previewHelp")}</p>
      <button type="button" id="preview" disabled=${busy || problem !== null} onClick=${() => attempt("preview", setShown)}>${t("runPreview")}</button>
      ${shown && html`<${Preview} shown=${shown} />`}</section></div>`;
}

// The schema: one that has a name, or columns of the project's own.
function Schema({ more, values, problem, change }) {
  const own = values.schema !== null && typeof values.schema === "object";
  const choose = (name) => (name === "columns" ? change("schema.number", []) : change("schema", name || undefined));
  const field = ([path, label, kind]) => html`<${Field} key=${path} path=${path} label=${t(label)} kind=${kind} values=${values} problem=${problem} change=${change} />`;
  return html`<fieldset class="card"><legend>${t("schema")}</legend><div class="fields">
    <div class="field"><label for="field-schema">${t("schema")}</label>
      <select id="field-schema" aria-describedby="field-schema-help" value=${own ? "columns" : values.schema ?? ""} onChange=${(event) => choose(event.target.value)}>
        <option value="">(${t("default")})</option><option value="davis">davis</option><option value="infer">infer</option><option value="columns">${t("ownColumns")}</option></select>
      <small id="field-schema-help">${t("schemaHelp")}${problem?.field === "schema" && html` <span class="error">${problem.message}</span>`}</small></div>
    ${own && SCHEMA.map(field)}</div>
    ${more.length > 0 && html`<details><summary>${t("details")}</summary><div class="fields">${more.map(field)}</div></details>`}</fieldset>`;
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
      ${fields(TABLE, index)}<${Fold} open=${Object.keys(TABLE_MORE).some((key) => problem?.field === `table.${index}.${key}`)} summary=${t("details")}>${fields(TABLE_MORE, index)}</${Fold}></div>`)}
    <button type="button" onClick=${() => ask([{ op: "add_table", name: name() }])}>${t("addTable")}</button></fieldset>`;
}

function Preview({ shown }) {
  const { steps, rejected, rows_from } = shown;
  const stages = steps.filter(({ after }) => after.columns.length > 0).map(({ label, after }) => ({ label, ...after }));
  return html`<p>${t(rows_from === "source" ? "fromSource" : "fromGenerator")}</p>
    ${rejected.length > 0 && html`<p class="error">${t("rejectedRows")}: ${rejected.map(({ row, reason }) => `${row}: ${reason}`).join("; ")}</p>`}
    ${steps.map((step, index) => html`<details open=${index === steps.length - 1}><summary>${step.label}</summary>
      ${step.fault && html`<p class="error">${step.fault}</p>`}
      ${step.after.columns.length > 0 && html`
        ${index > 0 && html`<${Rows} title=${t("before")} excerpt=${steps[index - 1].after} />`}
        <${Rows} title=${t(index > 0 ? "after" : "results")} excerpt=${step.after} />`}</details>`)}
    ${stages.length > 0 && html`<details id="preview-charts"><summary>${t("presentation")}</summary><${Presentation} stages=${stages} /></details>`}`;
}

// A part that opens where something in it is wrong, and stays open when it is mended.
function Fold({ open, summary, children }) {
  const [shown, show] = useState(Boolean(open));
  useEffect(() => { if (open) show(true); }, [open]);
  return html`<details open=${shown} onToggle=${(event) => show(event.target.open)}><summary>${summary}</summary>${children}</details>`;
}

// The subtasks in their order: moved by drag or by buttons.
function Chain({ steps, subtasks, values, problem, change, ask }) {
  const [dragged, setDragged] = useState(null);
  const [target, setTarget] = useState(null);
  const list = useRef(null);
  // The button that was pressed goes with its step; at an end, the other one.
  const refocus = (to, button) => requestAnimationFrame(() => {
    const buttons = [...(list.current?.children[to]?.querySelectorAll(".step-head button") ?? [])];
    (buttons[button]?.disabled ? buttons[1 - button] : buttons[button])?.focus();
  });
  const move = async (from, to, button) => {
    if (from === to || to < 0 || to >= steps.length) return;
    await ask([{ op: "move", from, to }]);
    if (button !== undefined) refocus(to, button);
  };
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
        <span class="buttons"><button type="button" disabled=${index === 0} aria-label="${t("up")}: ${use}" onClick=${() => move(index, index - 1, 0)}>↑</button>
        <button type="button" disabled=${index === steps.length - 1} aria-label="${t("down")}: ${use}" onClick=${() => move(index, index + 1, 1)}>↓</button>
        <button type="button" aria-label="${t("removeSubtask")}: ${use}" onClick=${() => ask([{ op: "remove", index }])}>✕</button></span></div>
      ${problem?.field?.startsWith(`subtask.${index}`) && html`<p class="error">${problem.message}</p>`}
      ${known && html`<p class="help">${known.summary}</p>
        <${Fold} open=${problem?.field?.startsWith(`subtask.${index}.`)} summary=${t("parameters")}><div class="fields">
        ${known.parameters.map((parameter) => html`<${Field} key=${parameter.name} path=${`subtask.${index}.${parameter.name}`} label=${parameter.name}
          kind=${{ type: parameter.type, text: parameter.help, default: parameter.default }} values=${values} problem=${problem} change=${change} />`)}</div></${Fold}>`}
    </li>`;
  };
  return html`<fieldset class="card"><legend>${t("methods")}</legend>
    <ol class="steps" ref=${list}>${steps.map(step)}</ol>
    <label>${t("addSubtask")}<select id="add" onChange=${add}><option value=""></option>
      ${subtasks.filter(({ fixed }) => !fixed).map(({ name, summary }) => html`<option value=${name} title=${summary}>${name}</option>`)}</select></label></fieldset>`;
}

const at = (values, path) => path.split(".").reduce((value, key) => value?.[key], values);

// One value: what is typed is read by its type; what is cleared is left to its default.
function Field({ path, label, kind, values, problem, change }) {
  const [wrong, setWrong] = useState("");
  const report = useRef(null);
  report.current = wrong && change;
  const value = at(values, path);
  const shown = value === undefined ? "" : show(value);
  const id = `field-${path.replaceAll(".", "-")}`;
  // What is being typed is not replaced by an answer to what was typed before.
  const [draft, setDraft] = useState(null);
  const right = () => { setWrong(""); report.current && report.current(path, null); };
  useEffect(() => { if (document.activeElement?.id !== id) { setDraft(null); right(); } }, [shown]);
  // A field that is taken away holds nothing up.
  useEffect(() => () => { hold(`draft ${path}`, false); report.current && report.current(path, null); }, []);
  const error = wrong || (problem?.field === path || problem?.field?.startsWith(`${path}.`) ? problem.message : "");
  const take = (text) => {
    const given = read(kind.type, text);
    hold(`draft ${path}`, false);
    setDraft(text);
    setWrong(given instanceof Error ? given.message : "");
    change(path, given);
  };
  const help = kind.text ?? (kind.help && t(kind.help));
  const fallback = kind.default === undefined || kind.default === null ? "" : `${t("default")}: ${show(kind.default)}`;
  const isTable = (value) => value !== null && typeof value === "object" && !Array.isArray(value);
  const table = Array.isArray(value) ? value.some(isTable) : isTable(value) && !kind.type.startsWith("map of");
  const described = { id, "aria-invalid": error !== "", "aria-describedby": `${id}-help` };
  const options = kind.options ?? choices(kind.type) ?? (kind.type === "boolean" ? [true, false] : null);
  return html`<div class="field ${path.endsWith(".url") ? "long" : ""}"><label for=${id}>${label}</label>
    ${table ? html`<input ...${described} disabled value=${t("other")} />`
    : options ? html`<select ...${described} value=${value === undefined ? "" : String(value)} onChange=${(event) => take(event.target.value)}>
        <option value="">${fallback || `(${t("default")})`}</option>${options.map((option) => html`<option value=${String(option)}>${String(option)}</option>`)}</select>`
    : html`<input ...${described} type=${/\.(password|token)$/.test(path) ? "password" : "text"} autocomplete="off" value=${draft ?? shown} placeholder=${fallback}
        onInput=${(event) => { setDraft(event.target.value); hold(`draft ${path}`, event.target.value !== shown); }} onChange=${(event) => take(event.target.value)} />`}
    <small id="${id}-help">${help}${error && html` <span class="error">${error}</span>`}</small></div>`;
}

// JSON has no word for some numbers.
const wire = (value) => (Array.isArray(value) ? value.map(wire) : typeof value === "number" && !Number.isFinite(value) ? { $float: Number.isNaN(value) ? "nan" : value > 0 ? "inf" : "-inf" } : value);

// Lists of lists with semicolons between them.
const show = (value) => (value !== null && typeof value === "object" && !Array.isArray(value) ? Object.entries(value).map(([key, value]) => `${key} = ${value}`).join(", ") : !Array.isArray(value) ? String(value) : value.map(show).join(value.some(Array.isArray) ? "; " : ", "));

function read(type, text) {
  const trimmed = text.trim();
  if (trimmed === "") return undefined;
  // A decimal comma where one is usual: not in lists, whose items it parts.
  const decimal = (word) => (language === "de" && /^[-+]?\d*,\d+(e[-+]?\d+)?$/i.test(word) ? word.replace(",", ".") : word);
  const special = { nan: NaN, inf: Infinity, "+inf": Infinity, "-inf": -Infinity };
  const asNumber = (word) => Object.hasOwn(special, word.trim().toLowerCase()) ? special[word.trim().toLowerCase()] : (/^[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?$/i.test(word.trim()) ? Number(word) : new Error(t("notNumber")));
  const all = (items) => items.find((item) => item instanceof Error) ?? items;
  const list = (words) => words.split(",").map((item) => item.trim()).filter((item) => item !== "");
  const items = list(trimmed);
  if (type.startsWith("map of")) {
    const pairs = items.map((item) => item.split("=").map((part) => part.trim()));
    if (pairs.some((pair) => pair.length !== 2 || pair.includes(""))) return new Error(t("notPairs"));
    const values = pairs.map(([key, value]) => [key, type === "map of numbers" ? asNumber(value) : value]);
    return values.map(([, value]) => value).find((value) => value instanceof Error) ?? Object.fromEntries(values);
  }
  if (type === "boolean") return trimmed === "true";
  if (type === "list of column names" || type === "list of strings") return items;
  if (type === "list of lists of strings") return trimmed.split(";").map(list);
  if (/^list of (\d+ )?numbers$/.test(type)) return all(items.map(asNumber));
  if (type === "number" || type === "integer") return asNumber(decimal(trimmed));
  if (type === "string" || choices(type)) return trimmed;
  // Of several types: a number if it is one, else a list if it may be one.
  if (type.includes("list of strings")) return asNumber(trimmed) instanceof Error ? items : asNumber(trimmed);
  const given = items.length > 1 ? all(items.map(asNumber)) : asNumber(trimmed);
  return given instanceof Error ? trimmed : given;
}
