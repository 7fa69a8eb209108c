// One project: live figures, charts, the dataflow, samples, dead letters, log and report.

import { html, useEffect, useMemo, useState } from "./vendor/preact.js";
import { base, call, listen } from "./api.js";
import { Chart, Spark } from "./charts.js";
import { RunButtons, State, isAlive } from "./overview.js";
import { Samples, TableChart } from "./presentation.js";
import { clock, number, t, time } from "./words.js";

export function Details({ name, admin }) {
  const [told, setTold] = useState(null);
  const [shown, setShown] = useState(null);
  const [paused, setPaused] = useState(false);
  const [lost, setLost] = useState("");
  const [error, setError] = useState("");
  const [about, setAbout] = useState(null);
  useEffect(() => {
    document.title = `${name} - Rowmill`;
    call("GET", `projects/${name}`).then((file) => setAbout(file.summary.about), (refusal) => setError(refusal.message));
    return listen(`projects/${name}/events`, `projects/${name}/live`, setTold, setLost);
  }, [name]);
  useEffect(() => { if (!paused) setShown(told); }, [told, paused]);
  if (!shown) return html`<h1>${name}</h1><p role="status" class=${error ? "error" : ""}>${lost ? t(lost) : error || t("loading")}</p>`;
  const { run, live, advice } = shown;
  return html`
    <div class="head"><h1>${name}</h1><span role="status"><${State} run=${run} /></span>
      ${run.started_ms && html`<span>${t("since")} ${clock(run.ended_ms ?? run.started_ms)}</span>`}
      ${admin && html`<span class="buttons"><${RunButtons} name=${name} run=${run} told=${setError} choose />
        <a class="button" data-go href="${base}/projects/${name}/edit">${t("edit")}</a></span>`}
      ${!admin && html`<a class="button" data-go href="${base}/projects/${name}/edit">${t("configuration")}</a>`}
      ${live && html`<button type="button" aria-pressed=${paused} onClick=${() => setPaused(!paused)}>${t(paused ? "resume" : "pause")}</button>`}
    </div>
    <p class="error" role="alert">${lost ? t(lost) : error}</p>
    ${run.reason && html`<p class="error card" id="reason">${run.reason}</p>`}
    ${about && html`<p>${about.description} <code>${about.source}</code> → <code>${about.sink}</code></p>`}
    ${live && !(run.state === "failed" && live.rows_in === 0) ? html`<${Live} live=${live} advice=${advice} />` : html`<p>${run.state === "failed" ? "" : t(isAlive(run) ? "startingUp" : "noRun")}</p>`}
    ${run.state !== "idle" && html`<${Samples} name=${name} alive=${isAlive(run)} />`}
    <${Tables} name=${name} run=${run} />
    <${Log} name=${name} run=${run} />
    <${Report} name=${name} run=${run} />`;
}

// p99.9 and the like, without the digits that binary fractions add.
const percentile = (quantile) => `p${Number((100 * quantile).toPrecision(7))}`;

const Figure = ({ label, children }) => html`<div class="figure"><dt>${label}</dt><dd>${children}</dd></div>`;

function Live({ live, advice }) {
  const { now, history } = live;
  const dropped = Object.values(live.rows_dropped).reduce((sum, rows) => sum + rows, 0);
  const series = useMemo(() => {
    const of = (key) => history.map((moment) => moment[key]);
    // A second without rows has no latency.
    const times = (key) => of(key).map((ns) => (ns > 0 ? ns / 1e6 : null));
    const x = of("seconds");
    return {
      throughput: [x, of("rows_per_second")],
      latency: [x, times("row_p50"), times("row_p99"), times("message_p50"), times("message_p99")],
      rho: [x, of("rho"), x.map(() => 1)],
      waiting: [x, of("waiting")],
    };
  }, [history]);
  const curve = useMemo(() => {
    const points = live.curve.filter(({ quantile }) => quantile < 1);
    return [points.map(({ quantile }) => 1 / (1 - quantile)), points.map(({ row }) => row / 1e6), points.map(({ message }) => message / 1e6)];
  }, [live.curve]);
  const ms = (value) => time(value * 1e6);
  return html`
    <dl class="figures">
      <${Figure} label=${t("rowsPerSecond")}><span id="rows-per-second">${number(Math.round(now.rows_per_second))}</span></${Figure}>
      <${Figure} label="rho">${now.rho.toFixed(2)} <meter min="0" max="1" low="0.8" high="0.95" optimum="0" value=${now.rho} aria-label="rho">${now.rho}</meter></${Figure}>
      <${Figure} label="p50, ${t("rows")}">${now.row_p50 > 0 ? time(now.row_p50) : t("noRows")}</${Figure}>
      <${Figure} label="p99, ${t("rows")}">${now.row_p99 > 0 ? time(now.row_p99) : t("noRows")}</${Figure}>
      <${Figure} label=${t("rowsIn")}><span id="rows-in">${number(live.rows_in)}</span></${Figure}>
      <${Figure} label=${t("rowsDone")}>${number(live.rows_done)}</${Figure}>
      <${Figure} label=${t("dropped")}>${number(dropped)}</${Figure}>
      <${Figure} label=${t("deadLetters")}>${number(live.dead_letters)}</${Figure}>
      ${live.rows_too_late > 0 && html`<${Figure} label=${t("tooLate")}>${number(live.rows_too_late)}</${Figure}>`}
      ${live.bad_cells > 0 && html`<${Figure} label=${t("badCells")}><span id="bad-cells">${number(live.bad_cells)}</span></${Figure}>`}
      <${Figure} label=${t("inFlight")}>${number(live.in_flight)}</${Figure}>
      <${Figure} label=${t("queued")}>${number(live.queued)} / ${number(live.queue_capacity)}</${Figure}>
      <${Figure} label=${t("workers")}>${live.processes > 1 ? `${live.processes} × ${live.workers / live.processes}` : live.workers}</${Figure}>
    </dl>
    <div class="grid">
      <${Chart} title=${t("throughput")} data=${series.throughput} series=${[t("rowsPerSecond")]} axis=${{ x: t("seconds"), y: t("rowsPerSecond") }} show=${number} />
      <${Chart} title=${t("latencyOverTime")} data=${series.latency} axis=${{ x: t("seconds"), y: "ms" }} show=${ms} logY
        series=${[`p50 ${t("rows")}`, `p99 ${t("rows")}`, `p50 ${t("messages")}`, `p99 ${t("messages")}`]} />
      <${Chart} title=${t("latencyCurve")} data=${curve} series=${[t("rows"), t("messages")]} axis=${{ x: t("percentile"), y: "ms" }} show=${ms} logX
        xs=${(x) => (x ? percentile(1 - 1 / x) : "")} />
      <${Chart} title=${t("utilization")} data=${series.rho} series=${["rho", t("full")]} axis=${{ x: t("seconds"), y: "rho" }} show=${(value) => value.toFixed(2)} />
      <${Chart} title=${t("waiting")} data=${series.waiting} series=${[t("messages")]} axis=${{ x: t("seconds"), y: t("messages") }} show=${number} />
      ${advice && html`<${Planner} advice=${advice} />`}
    </div>
    <${Flow} live=${live} />
    ${live.sample && html`<${Sample} sample=${live.sample} />`}
    <${Letters} letters=${live.letters} />`;
}

function Planner({ advice }) {
  return html`<section class="card"><h2>${t("planner")}</h2>
    ${advice.behind && html`<p class="error">${t("behind")}</p>`}
    <p>${t("plannerHelp")}</p>
    <table><thead><tr><th scope="col">${t("workers")}</th><th scope="col">rho</th><th scope="col">${t("meanWait")}</th></tr></thead>
      <tbody>${advice.outlook.map((line) => html`<tr class=${line.workers === advice.workers ? "current" : ""}>
        <th scope="row">${line.workers}</th><td class="number">${line.rho.toFixed(2)}</td>
        <td class="number">${line.mean_wait_ms === null ? "∞" : line.mean_wait_ms < 0.001 ? "< 1 µs" : time(line.mean_wait_ms * 1e6)}</td></tr>`)}</tbody></table>
  </section>`;
}

// The chain from its sources to the sink, and the tables and several sinks beside it.
function Flow({ live }) {
  const { subtasks, tables, sources = [], sinks = [], branches = [], rows_dropped: dropped } = live;
  const most = Math.max(...subtasks.map(({ mean }) => mean), 1);
  return html`<section class="card" id="dataflow"><h2>${t("dataflow")}</h2><p>${t("dataflowHelp")}</p>
    <ol class="flow"><li class="end">${sources.length === 0 ? t("source") : sources.map(({ source, rows_in: rows }) => html`<span>${t("source")} ${source}</span> <small>${number(rows)}</small> `)}</li>${subtasks.map(({ name, mean, exchange, input }) => html`<li class=${exchange ? "exchange" : ""}><span>${name}</span>${input && html` <small>${input}</small>`}
      <meter min="0" max=${most} value=${mean} aria-label="${name}: ${time(mean)}">${time(mean)}</meter>
      <small>${time(mean)}${dropped[name] ? html`, ${t("dropped").toLowerCase()} ${number(dropped[name])}` : ""}</small></li>`)}<li class="end exchange">${t("sink")}</li></ol>
    ${tables.map(({ name, after }) => html`<ol class="flow branch"><li class="end">${after}</li><li class="exchange">${t("table")} ${name}</li></ol>`)}
    ${(sinks.length > 1 || branches.some(({ takes }) => takes)) && sinks.map(({ sink, rows_out: rows }, index) => {
      const { after, takes } = branches[index] ?? {};
      return html`<ol class="flow branch">${after && html`<li class="end">${after}</li>`}<li class="end exchange"><span>${t("sink")} ${sink}</span> <small>${takes && `${takes}: `}${number(rows)}</small></li></ol>`;
    })}</section>`;
}

const cell = (value) => (value === null ? html`<span class="missing" title=${t("missing")}>·</span>` : typeof value === "number" ? digits(value) : value);
const digits = (value) => (Number.isInteger(value) ? value : value.toPrecision(5).replace(/\.?0+$/, ""));

function Sample({ sample }) {
  const { before, after } = sample;
  const column = (excerpt, name) => {
    const place = excerpt.columns.indexOf(name);
    return place < 0 ? [] : excerpt.rows.map((row) => row[place]);
  };
  const names = [...new Set([...before.columns, ...after.columns])];
  const plots = names.filter((name) => [...column(before, name), ...column(after, name)].some((value) => typeof value === "number"));
  return html`<section class="card"><h2>${t("results")}</h2><p>${t("resultsHelp", number(sample.epoch))}</p>
    <${Rows} title=${t("after")} excerpt=${after} />
    <details><summary>${t("before")}</summary><${Rows} title=${t("before")} excerpt=${before} /></details>
    <details><summary>${t("columns")}</summary>
      <div class="wide" tabindex="0" role="region" aria-label=${t("columns")}><table><thead><tr><th scope="col">${t("column")}</th><th scope="col">${t("before")}</th><th scope="col">${t("after")}</th></tr></thead>
      <tbody>${plots.map((name) => html`<tr><th scope="row">${name}</th>
        <td><${Spark} values=${column(before, name)} label="${name}, ${t("before")}" /></td>
        <td><${Spark} values=${column(after, name)} label="${name}, ${t("after")}" /></td></tr>`)}</tbody></table></div></details>
  </section>`;
}

// A table of rows that scrolls sideways.
export function Rows({ title, excerpt }) {
  return html`<div class="wide" tabindex="0" role="region" aria-label=${title}><table class="rows"><caption>${title}</caption>
    <thead><tr><th scope="col">#</th>${excerpt.columns.map((name) => html`<th scope="col">${name}</th>`)}</tr></thead>
    <tbody>${excerpt.rows.map((row, index) => html`<tr><th scope="row">${excerpt.ids[index]}</th>${row.map((value) => html`<td class="number">${cell(value)}</td>`)}</tr>`)}</tbody></table></div>`;
}

function Letters({ letters }) {
  const head = ["topic", "position", "subtask", "reason", "raw"];
  return html`<section class="card"><h2>${t("deadLetters")}</h2>
    ${letters.length === 0 ? html`<p>${t("noLetters")}</p>` : html`<div class="wide" tabindex="0" role="region" aria-label=${t("deadLetters")}><table id="letters">
      <thead><tr>${head.map((key) => html`<th scope="col">${t(key)}</th>`)}</tr></thead>
      <tbody>${letters.toReversed().map((letter) => html`<tr><td>${letter.topic}</td><td class="number">${letter.position}</td><td>${letter.subtask}</td>
        <td>${letter.reason}</td><td><code>${letter.raw ?? `base64 ${letter.raw_base64}`}</code></td></tr>`)}</tbody></table></div>`}
  </section>`;
}

// The newest windows of the tables of a run.
function Tables({ name, run }) {
  const [tables, setTables] = useState([]);
  const [chosen, choose] = useState(null);
  const [lines, setLines] = useState([]);
  const table = tables.includes(chosen) ? chosen : tables[0];
  const path = `tables/${table}?project=${name}`;
  useEffect(() => {
    if (!isAlive(run)) return setTables([]);
    const of = (all) => setTables(all.filter(({ project }) => project === name).map((found) => found.table));
    call("GET", "tables").then(of, () => {});
  }, [name, run.state]);
  useEffect(() => {
    if (!table) return;
    const read = () => call("GET", `${path}&newest=24`).then((text) => setLines(text.split("\n").filter(Boolean).map(JSON.parse)), () => {});
    read();
    const timer = setInterval(read, 2000);
    return () => clearInterval(timer);
  }, [path, table]);
  if (!table) return null;
  const columns = Object.keys(lines[0] ?? {}).filter((column) => column !== "message" && column !== "row");
  const rows = lines.map((line) => columns.map((column) => line[column]));
  return html`<section class="card" id="tables"><h2>${t("tables")}</h2>
    <p><label>${t("table")} <select value=${table} onChange=${(event) => choose(event.target.value)}>
      ${tables.map((other) => html`<option value=${other}>${other}</option>`)}</select></label>
      <span> <a href="${base}/api/v1/${path}&format=csv" download="${table}.csv">CSV</a> <a href="${base}/api/v1/${path}&format=parquet" download="${table}.parquet">Parquet</a></span></p>
    ${rows.length > 0 && html`<${Rows} title=${t("tableHelp", number(lines[0].message))} excerpt=${{ columns, ids: lines.map(({ row }) => row), rows }} /><${TableChart} columns=${columns} rows=${rows} />`}
  </section>`;
}

function Log({ name, run }) {
  const [text, setText] = useState("");
  useEffect(() => {
    const read = () => call("GET", `projects/${name}/log`).then(setText, () => {});
    read();
    const timer = isAlive(run) ? setInterval(read, 3000) : null;
    return () => clearInterval(timer);
  }, [name, run.state]);
  return text && html`<section class="card"><h2>${t("log")}</h2><pre tabindex="0">${text}</pre></section>`;
}

function Report({ name, run }) {
  const [files, setFiles] = useState([]);
  useEffect(() => { call("GET", `projects/${name}/report`).then(setFiles, () => {}); }, [name, run.state]);
  return html`<section class="card"><h2>${t("report")}</h2>
    ${files.length === 0 ? html`<p>${t("noReport")}</p>` : html`<ul>${files.map((file) => html`<li><a href="${base}/api/v1/projects/${name}/report/${file}" download>${file}</a></li>`)}</ul>`}
  </section>`;
}
