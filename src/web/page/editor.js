// A dataflow file as a form and as text. The text is what counts: the form shows its values, and asks the server to
// change it, so that comments stay.

import { html, useEffect, useRef, useState } from "./vendor/preact.js";
import { base, call } from "./api.js";
import { Conflict } from "./conflict.js";
import { Rows } from "./details.js";
import { hold } from "./leave.js";
import { isAlive } from "./overview.js";
import { Presentation } from "./presentation.js";
import { alternatives, choices, fits, inner, own, read, show, wire } from "./values.js";
import { t } from "./words.js";

// The sections beside the subtasks, each with its keys that have a label in words.js, and the key of a help there: those
// in front, and those behind them. What else the schema has follows.
const MQTT = [["qos", "qos"], ["user", "login"], ["password", "password", "passwordHelp"], ["client_id", "client"], ["ca", "ca"], ["certificate", "certificate"], ["key", "key"]];
const SECTIONS = {
  source: { front: [["url", "url", "urlHelp"]], behind: [...MQTT, ["session", "session"], ["max_payload", "maxPayload"], ["connect_timeout", "connectTimeout"], ["reconnect_timeout", "reconnectTimeout"]] },
  checkpoint: { front: [["every", "checkpointEvery"]], behind: [] },
  buffer: { front: [["bucket_size", "bucketSize"], ["delay", "delay"]], behind: [] },
  sink: { front: [["url", "url", "sinkHelp"], ["parts", "parts"]], behind: [...MQTT, ["properties", "properties"]] },
  dead_letter: { front: [["url", "url", "sinkHelp"]], behind: MQTT },
};
const PROJECT = [["name", "title"], ["description", "description"], ["workers", "workers", "workersHelp"], ["processes", "processes"], ["placement", "placement"]];
// The columns of rows that a project describes by itself.
const COLUMNS = [["number", "numberColumns"], ["text", "textColumns"], ["id", "idColumn"]];
// The keys of a [[table]] that stand in front; words.js has the help of some keys, under table_ and the key's name.
const TABLE = ["name", "input", "key", "window", "columns", "aggregates", "upsert", "sink.url"];

// A value, and those in it, as fields.
function flat(path, label, property) {
  const field = { path, label, parts: own(property), help: property.description, fallback: property.default };
  return [...(field.parts.length > 0 ? [field] : []), ...Object.entries(inner(property)).flatMap(([key, value]) => flat(`${path}.${key}`, `${label}.${key}`, value))];
}

// The fields of a table's keys.
const keys = (properties, prefix) => Object.entries(properties).flatMap(([key, property]) => flat(`${prefix}${key}`, key, property));

// The fields of some paths, with their labels and helps in the page's language; then all others.
function arranged(fields, prefix, listed) {
  const named = listed.map(([key, label, help]) => [fields.find(({ path }) => path === prefix + key), label, help]).filter(([field]) => field);
  const first = named.map(([field, label, help]) => ({ ...field, label: t(label), help: help && t(help) }));
  return [first, fields.filter((field) => !named.some(([other]) => other === field))];
}

// What a section takes: its address decides between kinds of sources and sinks.
function kindOf(section, url) {
  const kinds = alternatives(section).filter((kind) => kind.properties);
  const pattern = (kind) => kind.properties.url?.pattern;
  return kinds.find((kind) => pattern(kind) && new RegExp(pattern(kind)).test(url ?? "")) ?? kinds[0];
}

// The fields of a section, or of one of several: those that are always in sight, and the others.
function section(schema, name, prefix, url, several = false) {
  const { behind } = SECTIONS[name];
  const front = several ? [["name", "name"], ...SECTIONS[name].front] : SECTIONS[name].front;
  const whole = schema.properties[name];
  const kind = kindOf(several ? alternatives(whole).find(({ items }) => items).items : whole, url);
  const fields = keys(kind.properties, prefix);
  // Kinds of the registry have keys of their own, also under names that mean something else elsewhere.
  if (kind.title) {
    const [first, rest] = arranged(fields, prefix, front.filter(([key]) => key === "url" || key === "name"));
    const needed = ({ path }) => kind.required?.includes(path.slice(prefix.length));
    return [[...first, ...rest.filter(needed)], rest.filter((field) => !needed(field))];
  }
  const [first, rest] = arranged(fields, prefix, front);
  const [second, third] = arranged(rest, prefix, behind);
  return [first, [...second, ...third]];
}

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
  // The source whose rows the preview shows; the first if it is none of them.
  const [chosen, choose] = useState(null);
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
  const attempt = async (path, tell, more) => {
    setBusy(true);
    setError("");
    try {
      await latest.current.turn;
      const { toml, version } = latest.current;
      const told = await call("POST", path, { toml, ...more });
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
  const field = (of) => html`<${Field} key=${of.path} ...${of} values=${values} problem=${problem} change=${change} />`;
  const card = (title, [front, more], button) => html`<fieldset class="card"><legend>${title}</legend><div class="fields">${front.map(field)}</div>
    ${more.length > 0 && html`<details><summary>${t("details")}</summary><div class="fields">${more.map(field)}</div></details>`}${button && html`<p class="buttons">${button}</p>`}</fieldset>`;
  const of = (name) => section(schema, name, `${name}.`, values?.[name]?.url);
  const tries = (more) => html`<button type="button" disabled=${busy} onClick=${() => attempt("connect", (told) => setNote(t("connected", told.milliseconds.toFixed(0))), more)}>${t("testConnection")}</button>`;
  const proposes = html`<button type="button" disabled=${busy} title=${t("proposeHelp")} onClick=${() => attempt("propose", proposed)}>${t("propose")}</button>`;
  const source = () => {
    const [[front, more], every] = [of("source"), of("checkpoint")];
    return [front, [...more, ...every.flat()]];
  };
  // Each of several sources has a name and columns of its own, too; what is of all stands in the first.
  const sources = Array.isArray(values?.source) ? values.source : null;
  const several = sources?.length > 1;
  const sourceCards = () => sources?.map((one, index) => {
    const [front, more] = section(schema, "source", `source.${index}.`, one?.url, true);
    const buttons = several && html`${tries({ source: one?.name })} <button type="button" onClick=${() => ask([{ op: "remove_source", index }])} aria-label="${t("removeSource")} ${index + 1}">${t("removeSource")}</button>`;
    return card(`${t("source")} ${index + 1}`, [front, index === 0 ? [...more, ...of("checkpoint").flat()] : more], buttons);
  }) ?? card(t("source"), source(), html`${tries()} ${proposes}`);
  // A source that was taken away is not chosen any more.
  const names = several ? sources.map((one) => one?.name).filter(Boolean) : [];
  const ofSource = names.includes(chosen) ? { source: chosen } : {};
  // Keys of the file itself that hold a value.
  const root = () => keys(Object.fromEntries(Object.entries(schema.properties).filter(([name]) => !["schema", "subtask", "table", ...Object.keys(SECTIONS)].includes(name))), "");
  const sinks = Array.isArray(values?.sink) ? values.sink : null;
  const sinkCards = () => (sinks ?? [values?.sink]).map((sink, index) => {
    const remove = sinks?.length > 1 && html`<button type="button" onClick=${() => ask([{ op: "remove_sink", index }])} aria-label="${t("removeSink")} ${index + 1}">${t("removeSink")}</button>`;
    return card(`${t("sink")} ${sinks ? index + 1 : ""}`, section(schema, "sink", sinks ? `sink.${index}.` : "sink.", sink?.url), remove);
  });
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
        ${schema === null ? html`<p role="status">${t("loading")}</p>` : html`
        ${card(t("project"), arranged(root(), "", PROJECT))}
        ${sourceCards()}
        <p><button type="button" onClick=${() => ask([{ op: "add_source" }])}>${t("addSource")}</button></p>
        ${card(t("buffer"), of("buffer"))}
        <${Schema} schema=${schema} values=${values} problem=${problem} change=${change} />
        <${Chain} steps=${Array.isArray(values?.subtask) ? values.subtask : []} subtasks=${subtasks} schema=${schema} values=${values} problem=${problem} change=${change} ask=${ask} />
        <${Tables} tables=${Array.isArray(values?.table) ? values.table : []} schema=${schema} values=${values} problem=${problem} change=${change} ask=${ask} />
        ${sinkCards()}
        <p><button type="button" onClick=${() => ask([{ op: "add_sink" }])}>${t("addSink")}</button></p>
        ${card(t("deadLetter"), of("dead_letter"))}`}
      </form>
      <div class="card"><label for="toml">${t("toml")}</label>
        <textarea id="toml" spellcheck="false" value=${text.toml} readonly=${!admin} onInput=${(event) => typed(event.target.value)}></textarea></div>
    </div>
    <section class="card"><h2>${t("preview")}</h2><p>${t("previewHelp")}</p>
      ${several && html`<label for="preview-source">${t("source")}</label> <select id="preview-source" value=${ofSource.source ?? names[0]} onChange=${(event) => { choose(event.target.value); setShown(null); }}>
        ${names.map((name) => html`<option value=${name}>${name}</option>`)}</select> `}
      <button type="button" id="preview" disabled=${busy || problem !== null} onClick=${() => attempt("preview", setShown, ofSource)}>${t("runPreview")}</button>
      ${shown && html`<${Preview} shown=${shown} />`}</section></div>`;
}

// The schema: one that has a name, or columns of the project's own.
function Schema({ schema, values, problem, change }) {
  const given = values?.schema;
  const own = given !== null && typeof given === "object";
  const choose = (name) => (name === "columns" ? change("schema.number", []) : change("schema", name || undefined));
  const field = (of) => html`<${Field} key=${of.path} ...${of} values=${values} problem=${problem} change=${change} />`;
  const [columns, more] = arranged(keys(inner(schema.properties.schema), "schema."), "schema.", COLUMNS);
  return html`<fieldset class="card"><legend>${t("schema")}</legend><div class="fields">
    <div class="field"><label for="field-schema">${t("schema")}</label>
      <select id="field-schema" aria-describedby="field-schema-help" value=${own ? "columns" : given ?? ""} onChange=${(event) => choose(event.target.value)}>
        <option value="">(${t("default")})</option>${choices(alternatives(schema.properties.schema).filter((part) => !part.properties)).map((name) => html`<option value=${name}>${name}</option>`)}<option value="columns">${t("ownColumns")}</option></select>
      <small id="field-schema-help">${t("schemaHelp")}${problem?.field === "schema" && html` <span class="error">${problem.message}</span>`}</small></div>
    ${own && columns.map(({ help, ...of }) => field({ ...of, help: t("columnsHelp") }))}</div>
    <details><summary>${t("details")}</summary><div class="fields">${more.map(field)}</div></details></fieldset>`;
}

// The tables beside the chain.
function Tables({ tables, schema, values, problem, change, ask }) {
  const of = (index) => keys(schema.properties.table.items.properties, `table.${index}.`).map((field) => {
    const help = `table_${field.label}`;
    return { ...field, help: t(help) === help ? field.help : t(help) };
  });
  const shown = (fields) => html`<div class="fields">${fields.map((of) => html`<${Field} key=${of.path} ...${of} values=${values} problem=${problem} change=${change} />`)}</div>`;
  const isFront = ({ label }) => TABLE.includes(label);
  const front = (fields) => TABLE.map((key) => fields.find(({ label }) => label === key)).filter(Boolean);
  const wrong = (field) => problem?.field === field.path;
  const name = () => {
    const taken = tables.map((table) => table.name);
    return ["table", ...tables.map((_, index) => `table_${index + 2}`)].find((free) => !taken.includes(free));
  };
  return html`<fieldset class="card" id="edit-tables"><legend>${t("tables")}</legend><p class="help">${t("tablesHelp")}</p>
    ${tables.map((table, index) => [table, index, of(index)]).map(([table, index, fields]) => html`<div class="card step"><div class="step-head plain"><strong>${table.name}</strong>
      <span class="buttons"><button type="button" aria-label="${t("removeTable")}: ${table.name}" onClick=${() => ask([{ op: "remove_table", index }])}>✕</button></span></div>
      ${problem?.field?.startsWith(`table.${index}`) && html`<p class="error">${problem.message}</p>`}
      ${shown(front(fields))}<${Fold} open=${fields.some((field) => !isFront(field) && wrong(field))} summary=${t("details")}>${shown(fields.filter((field) => !isFront(field)))}</${Fold}></div>`)}
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
function Chain({ steps, subtasks, schema, values, problem, change, ask }) {
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
  const several = Array.isArray(values?.source) && values.source.length > 1;
  const step = ({ use }, index) => {
    const known = subtasks.find(({ name }) => name === use);
    const properties = schema.properties.subtask.items.oneOf.find(({ title }) => title === use)?.properties;
    const fields = () => known.parameters.flatMap(({ name, help }) => flat(`subtask.${index}.${name}`, name, { ...properties[name], description: help }))
      .concat(several && properties.input ? flat(`subtask.${index}.input`, "input", properties.input) : []);
    return html`<li key=${`${index}-${use}`} class="card step ${target === index ? "target" : ""}" onDragOver=${(event) => { event.preventDefault(); setTarget(index); }} onDrop=${(event) => drop(event, index)}>
      <div class="step-head" draggable onDragStart=${(event) => { setDragged(index); event.dataTransfer.setData("text/plain", use); }} onDragEnd=${() => { setDragged(null); setTarget(null); }}>
        <span class="grip" aria-hidden="true" title=${t("dragHelp")}>⠿</span><strong>${index + 1}. ${use}</strong>
        <span class="buttons"><button type="button" disabled=${index === 0} aria-label="${t("up")}: ${use}" onClick=${() => move(index, index - 1, 0)}>↑</button>
        <button type="button" disabled=${index === steps.length - 1} aria-label="${t("down")}: ${use}" onClick=${() => move(index, index + 1, 1)}>↓</button>
        <button type="button" aria-label="${t("removeSubtask")}: ${use}" onClick=${() => ask([{ op: "remove", index }])}>✕</button></span></div>
      ${problem?.field?.startsWith(`subtask.${index}`) && html`<p class="error">${problem.message}</p>`}
      ${known && html`<p class="help">${known.summary}</p>
        <${Fold} open=${problem?.field?.startsWith(`subtask.${index}.`)} summary=${t("parameters")}><div class="fields">
        ${fields().map((of) => html`<${Field} key=${of.path} ...${of} values=${values} problem=${problem} change=${change} />`)}</div></${Fold}>`}
    </li>`;
  };
  return html`<fieldset class="card"><legend>${t("methods")}</legend>
    <ol class="steps" ref=${list}>${steps.map(step)}</ol>
    <label>${t("addSubtask")}<select id="add" onChange=${add}><option value=""></option>
      ${subtasks.filter(({ fixed }) => !fixed).map(({ name, summary }) => html`<option value=${name} title=${summary}>${name}</option>`)}</select></label></fieldset>`;
}

const at = (values, path) => path.split(".").reduce((value, key) => value?.[key], values);

// One value: what is typed is read by its type; what is cleared is left to its default.
function Field({ path, label, parts, help, fallback, values, problem, change }) {
  const [wrong, setWrong] = useState("");
  const report = useRef(null);
  report.current = wrong && change;
  const value = at(values, path);
  const secret = /\.(password|token)$/.test(path);
  const shown = value === undefined ? "" : secret ? String(value) : show(value);
  const id = `field-${path.replaceAll(".", "-")}`;
  // What is being typed is not replaced by an answer to what was typed before.
  const [draft, setDraft] = useState(null);
  const right = () => { setWrong(""); report.current && report.current(path, null); };
  useEffect(() => { if (document.activeElement?.id !== id) { setDraft(null); right(); } }, [shown]);
  // A field that is taken away holds nothing up.
  useEffect(() => () => { hold(`draft ${path}`, false); report.current && report.current(path, null); }, []);
  const error = wrong || (problem?.field === path || problem?.field?.startsWith(`${path}.`) ? problem.message : "");
  const take = (text) => {
    // A password is what is typed.
    const given = secret ? text || undefined : read(parts, text);
    hold(`draft ${path}`, false);
    setDraft(text);
    setWrong(given instanceof Error ? given.message : "");
    change(path, given);
  };
  const kept = fallback === undefined || fallback === null || show(fallback) === "" ? "" : `${t("default")}: ${show(fallback)}`;
  const table = !fits(parts, value);
  const described = { id, "aria-invalid": error !== "", "aria-describedby": `${id}-help` };
  const options = choices(parts);
  return html`<div class="field ${path.endsWith(".url") ? "long" : ""}"><label for=${id}>${label}</label>
    ${table ? html`<input ...${described} disabled value=${t("other")} />`
    : options ? html`<select ...${described} value=${value === undefined ? "" : String(value)} onChange=${(event) => take(event.target.value)}>
        <option value="">${kept || `(${t("default")})`}</option>${options.map((option) => html`<option value=${String(option)}>${String(option)}</option>`)}</select>`
    : html`<input ...${described} type=${secret ? "password" : "text"} autocomplete="off" value=${draft ?? shown} placeholder=${kept}
        onInput=${(event) => { setDraft(event.target.value); hold(`draft ${path}`, event.target.value !== shown); }} onChange=${(event) => take(event.target.value)} />`}
    <small id="${id}-help">${help}${error && html` <span class="error">${error}</span>`}</small></div>`;
}
