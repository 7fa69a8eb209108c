// The table of projects.

import { html, useEffect, useMemo, useState } from "./vendor/preact.js";
import { base, call, listen } from "./api.js";
import { clock, number, t } from "./words.js";

export const isAlive = (run) => !["idle", "done", "failed"].includes(run.state);

export function State({ run }) {
  return html`<span class="state ${run.state}">${t(run.state)}${run.since_ms ? ` ${t("since")} ${clock(run.since_ms)}` : ""}</span>${run.sink && html` <small class="which">${t("sink")} ${run.sink}</small>`}`;
}

// The buttons of a run; `told` is called with what goes wrong, or with nothing.
export function RunButtons({ name, run, told, choose = false }) {
  const [results, setResults] = useState("append");
  const begin = (results) => (results !== "replace" || confirm(t("reallyAnew", name))) && act(`start?results=${results}`);
  const act = (what) => call("POST", `projects/${name}/${what}`).then(() => told(""), (refusal) => told(refusal.message));
  return isAlive(run)
    ? html`<button type="button" onClick=${() => act("stop")} aria-label="${t("stop")} ${name}">${t("stop")}</button>
        <button type="button" onClick=${() => act("restart")} aria-label="${t("restart")} ${name}">${t("restart")}</button>`
    : html`<button type="button" onClick=${() => begin(results)} aria-label="${t("start")} ${name}">${t("start")}</button>
        ${choose && html`<label class="inline">${t("earlierResults")} <select id="results" value=${results} onChange=${(event) => setResults(event.target.value)}>
          ${["append", "new", "replace"].map((choice) => html`<option value=${choice}>${t(`results_${choice}`)}</option>`)}</select></label>`}
        ${!choose && run.state === "failed" && run.reason.includes("--fresh") && html`
          <button type="button" onClick=${() => begin("new")} aria-label="${t("newFile")} ${name}">${t("newFile")}</button>
          <button type="button" onClick=${() => begin("replace")} aria-label="${t("anew")} ${name}">${t("anew")}</button>`}`;
}

// Heading, and what a line is sorted by.
const COLUMNS = [
  ["name", (project) => project.name],
  ["state", (project) => project.run.state],
  ["broker", (project) => project.about.broker ?? project.about.source],
  ["client", (project) => project.about.client_id ?? ""],
  ["topic", (project) => project.about.topic ?? ""],
  ["methods", (project) => project.about.methods.length],
  ["bucketSize", (project) => project.about.bucket_size],
  ["delay", (project) => project.about.delay_ms],
  ["workers", (project) => project.about.workers * project.about.processes],
  ["rowsPerSecond", (project) => project.figures?.rows_per_second ?? -1],
  ["rho", (project) => project.figures?.rho ?? -1],
  ["p99", (project) => project.figures?.p99_ms ?? -1],
];

export function Overview({ admin, go }) {
  const [projects, setProjects] = useState(null);
  const [lost, setLost] = useState("");
  const [filter, setFilter] = useState("");
  const [sort, setSort] = useState({ column: 0, down: false });
  const [error, setError] = useState("");
  const [asking, setAsking] = useState(null);
  useEffect(() => { document.title = "Rowmill"; return listen("events", "projects", setProjects, setLost); }, []);
  const lines = useMemo(() => arrange(projects ?? [], filter, sort), [projects, filter, sort]);
  const make = (path, thenEdit) => async (name) => {
    await call("POST", path, { name });
    setAsking(null);
    if (thenEdit) go(`/projects/${name}/edit`);
  };
  const remove = (name) => confirm(t("reallyRemove", name)) && call("DELETE", `projects/${name}`).then(() => setError(""), (refusal) => setError(refusal.message));
  const heading = ([key], column) => html`<th scope="col" aria-sort=${sort.column !== column ? "none" : sort.down ? "descending" : "ascending"}>
    <button type="button" class="sort" aria-label=${t("sortBy", t(key))} onClick=${() => setSort({ column, down: sort.column === column && !sort.down })}>
      ${t(key)}${sort.column === column ? (sort.down ? " ↓" : " ↑") : ""}</button></th>`;
  const buttons = (project) => html`<td class="buttons">
    <${RunButtons} name=${project.name} run=${project.run} told=${setError} />
    <a class="button" data-go href="${base}/projects/${project.name}/edit" aria-label="${t("edit")} ${project.name}">${t("edit")}</a>
    <button type="button" onClick=${() => setAsking({ title: t("nameOfCopy"), make: make(`projects/${project.name}/duplicate`) })} aria-label="${t("duplicate")} ${project.name}">${t("duplicate")}</button>
    <button type="button" onClick=${() => remove(project.name)} aria-label="${t("remove")} ${project.name}">${t("remove")}</button></td>`;
  return html`
    <div class="head"><h1>${t("projects")}</h1>
      <label class="inline">${t("filter")} <input type="search" value=${filter} onInput=${(event) => setFilter(event.target.value)} /></label>
      ${admin && html`<button type="button" class="first" onClick=${() => setAsking({ title: t("nameOfNew"), make: make("projects", true) })}>${t("newProject")}</button>`}
    </div>
    ${!admin && html`<p>${t("viewer")}</p>`}
    <p class="error" role="alert">${lost ? t(lost) : error}</p>
    ${asking && html`<${Ask} ...${asking} cancel=${() => setAsking(null)} />`}
    ${projects === null ? html`<p role="status">${t("loading")}</p>` : html`
    <div class="wide" tabindex="0" role="region" aria-label=${t("projects")}><table class="projects">
      <thead><tr>${COLUMNS.map(heading)}<th scope="col">${t("details")}</th>${admin && html`<th scope="col">${t("actions")}</th>`}</tr></thead>
      <tbody>${lines.map((project) => html`<tr key=${project.name}>
        <th scope="row"><a data-go href="${base}/projects/${project.name}">${project.name}</a></th>
        <td data-label=${t("state")}><${State} run=${project.run} />${project.run.reason && html`<small class="error">${project.run.reason}</small>`}</td>
        <td data-label=${t("broker")} class="text">${project.about.broker ?? project.about.source}</td>
        <td data-label=${t("client")} class="text">${project.about.client_id}</td>
        <td data-label=${t("topic")} class="text">${project.about.topic}</td>
        <td data-label=${t("methods")} title=${project.about.methods.join(", ")}>${project.about.methods.length || ""}</td>
        <td data-label=${t("bucketSize")} class="number">${project.about.bucket_size ? number(project.about.bucket_size) : ""}</td>
        <td data-label=${t("delay")} class="number">${project.about.methods.length ? `${number(project.about.delay_ms)} ms` : ""}</td>
        <td data-label=${t("workers")} class="number">${project.about.methods.length ? workers(project.about) : ""}</td>
        <td data-label=${t("rowsPerSecond")} class="number">${project.figures && number(Math.round(project.figures.rows_per_second))}</td>
        <td data-label=${t("rho")} class="number">${project.figures && project.figures.rho.toFixed(2)}</td>
        <td data-label=${t("p99")} class="number">${project.figures?.p99_ms > 0 && `${number(project.figures.p99_ms)} ms`}</td>
        <td data-label=${t("details")} class="text whole">${project.about.problem ? html`<span class="error">${project.about.problem.message}</span>` : project.about.description}</td>
        ${admin && buttons(project)}</tr>`)}</tbody></table></div>
    ${lines.length === 0 && html`<p>${t(projects.length === 0 ? "none" : "noMatch")}</p>`}`}`;
}

const workers = ({ workers, processes }) => (processes > 1 ? `${processes} × ${workers}` : workers);

function arrange(projects, filter, { column, down }) {
  const text = (project) => [project.name, project.run.state, t(project.run.state), project.about.source, project.about.description, ...project.about.methods].join(" ").toLowerCase();
  const of = COLUMNS[column][1];
  const order = (a, b) => (of(a) < of(b) ? -1 : of(a) > of(b) ? 1 : 0) * (down ? -1 : 1);
  return projects.filter((project) => text(project).includes(filter.toLowerCase())).sort(order);
}

// Asks for a name.
function Ask({ title, make, cancel }) {
  const [error, setError] = useState("");
  const submit = (event) => {
    event.preventDefault();
    make(new FormData(event.target).get("name")).catch((refusal) => setError(refusal.message));
  };
  return html`<form class="card narrow" onSubmit=${submit}>
    <label>${title}<input name="name" pattern="[A-Za-z0-9_\\-]{1,64}" required autofocus /></label>
    <p class="error" role="alert">${error}</p>
    <button class="first">${t("create")}</button> <button type="button" onClick=${cancel}>${t("cancel")}</button>
  </form>`;
}
