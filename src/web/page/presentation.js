// The presentation of results: charts of columns before and after steps, of predictions beside labels, of scores.

import { html, useEffect, useMemo, useState } from "./vendor/preact.js";
import { call } from "./api.js";
import { Chart } from "./charts.js";
import { number, t } from "./words.js";

const KINDS = ["line", "histogram", "scatter", "labels", "residuals", "threshold"];

// Values as numbers. Texts become their place among all texts, and `show` gives the text again.
function scale(...lists) {
  const texts = [...new Set(lists.flat().filter((value) => typeof value === "string"))].sort();
  const places = new Map(texts.map((text, place) => [text, place]));
  const of = (value) => (typeof value === "string" ? places.get(value) : value);
  const show = (value) => (texts.length > 0 ? texts[value] ?? "" : digits(value));
  return { lists: lists.map((list) => list.map(of)), show };
}

const digits = (value) => (Number.isInteger(value) ? number(value) : String(Number(value.toPrecision(4))));

function histogram(values) {
  const numbers = values.filter((value) => typeof value === "number");
  if (numbers.length === 0) return [[], []];
  const low = numbers.reduce((least, value) => Math.min(least, value)), high = numbers.reduce((most, value) => Math.max(most, value));
  // As many bins as Sturges' rule says.
  const bins = high > low ? Math.ceil(Math.log2(numbers.length)) + 1 : 1;
  const width = (high - low) / bins || 1;
  const counts = Array(bins).fill(0);
  numbers.forEach((value) => { counts[Math.min(Math.floor((value - low) / width), bins - 1)] += 1; });
  return [counts.map((_, bin) => low + (bin + 0.5) * width), counts];
}

// Pairs in the order of x, which charts ask for; what has no x is left out.
function sorted(x, ...ys) {
  const order = [...x.keys()].filter((place) => typeof x[place] === "number").sort((a, b) => x[a] - x[b]);
  return [x, ...ys].map((list) => order.map((place) => list[place] ?? null));
}

// Charts of stages: each has a label, columns, and rows with their numbers `ids`. The same row has the same number in all.
export function Presentation({ stages }) {
  const [kind, setKind] = useState("line");
  const [stage, setStage] = useState(stages.length - 1);
  const [chosen, setChosen] = useState({});
  const [threshold, setThreshold] = useState(0.5);
  const { columns, rows, ids } = stages[Math.min(stage, stages.length - 1)];
  const find = (...parts) => columns.find((name) => parts.some((part) => name.endsWith(part)));
  const first = columns.find((_, place) => rows.some((row) => typeof row[place] === "number")) ?? columns[0];
  const usual = { y: { labels: find("prediction"), residuals: find("prediction"), threshold: find("anomaly_score", "decision") }[kind] ?? first, x: "#", label: columns.find((name) => !name.includes("prediction")) };
  const pick = (what) => (columns.includes(chosen[what]) || (what === "x" && chosen.x === "#") ? chosen[what] : usual[what]);
  const [y, x, label] = ["y", "x", "label"].map(pick);
  const values = (name) => (name === "#" ? ids : rows.map((row) => row[columns.indexOf(name)]));
  const over = x === "#" ? t("row") : x;
  const drawn = useMemo(() => draw(), [rows, kind, y, x, label, threshold]);

  function draw() {
    const numbers = (list) => list.map((value) => (typeof value === "number" ? value : null));
    if (kind === "histogram") return { data: histogram(values(y)), series: [t("rows")], style: "bars", axis: { x: y, y: t("rows") }, show: digits };
    if (kind === "residuals") {
      const [actual, predicted] = [numbers(values(label)), numbers(values(y))];
      const left = actual.map((value, place) => (value === null || predicted[place] === null ? null : value - predicted[place]));
      return { data: sorted(numbers(values(x)), left), series: [`${label} - ${y}`], style: "points", axis: { x: over, y: t("residual") }, show: digits };
    }
    if (kind === "labels") {
      const { lists: [actual, predicted], show } = scale(values(label), values(y));
      return { data: sorted(numbers(values(x)), actual, predicted), series: [label, y], style: "line", axis: { x: over, y: label }, show };
    }
    if (kind === "threshold") {
      const scores = numbers(values(y));
      return { data: sorted(numbers(values(x)), scores, scores.map(() => threshold)), series: [y, t("threshold")], style: "line", axis: { x: over, y }, show: digits };
    }
    const { lists: [of], show } = scale(values(y));
    return { data: sorted(numbers(values(x)), of), series: [y], style: kind === "scatter" ? "points" : "line", axis: { x: over, y }, show };
  }

  const select = (name, text, value, options, set) => html`<label>${text} <select name=${name} value=${value} onChange=${(event) => set(event.target.value)}>
    ${options.map(([key, shown]) => html`<option value=${key}>${shown}</option>`)}</select></label> `;
  const column = (what, text, more = []) => select(`chart-${what}`, text, { y, x, label }[what], [...more, ...columns].map((name) => [name, name === "#" ? t("row") : name]), (name) => setChosen({ ...chosen, [what]: name }));
  const above = drawn.data[1].filter((value) => typeof value === "number" && value > threshold).length;
  return html`<div class="presentation"><p>
      ${select("chart-kind", t("chart"), kind, KINDS.map((name) => [name, t(`chart_${name}`)]), setKind)}
      ${stages.length > 1 && select("chart-stage", t("behindStep"), stage, stages.map((one, place) => [place, one.label]), (place) => setStage(Number(place)))}
      ${column("y", ["labels", "residuals"].includes(kind) ? t("prediction") : t("column"))}
      ${["labels", "residuals"].includes(kind) && column("label", t("label"))}
      ${kind !== "histogram" && column("x", t("over"), ["#"])}
      ${kind === "threshold" && html`<label>${t("threshold")} <input name="chart-threshold" type="number" step="any" value=${threshold} onInput=${(event) => setThreshold(Number(event.target.value))} /></label>`}</p>
    <${Chart} key=${[kind, stage, y, x, label].join("\n")} title=${t(`chart_${kind}`)} data=${drawn.data} series=${drawn.series} style=${drawn.style} axis=${drawn.axis} show=${drawn.show} xs=${digits} free />
    <p role="status">${t("chartRows", number(ids.filter(Number.isInteger).length))}${kind === "threshold" ? ` ${t("aboveThreshold", number(above))}` : ""}</p></div>`;
}

// The sampled rows of a project's last run: what came in, and what the chain made of it.
export function Samples({ name, alive }) {
  const [open, setOpen] = useState(false);
  const [samples, setSamples] = useState([]);
  useEffect(() => {
    if (!open) return;
    const read = () => call("GET", `projects/${name}/samples`).then((text) => setSamples(text.split("\n").filter(Boolean).map(JSON.parse)), () => {});
    read();
    const timer = alive ? setInterval(read, 3000) : null;
    return () => clearInterval(timer);
  }, [open, name, alive]);
  const stages = useMemo(() => ["before", "after"].map((side) => {
    const all = samples.map((sample) => sample[side]).filter((excerpt) => excerpt.columns.length > 0);
    const columns = all.at(-1)?.columns ?? [];
    // A line ends with its message: what came between two samples is not known.
    const gap = ({ ids, rows }) => ({ ids: [...ids, ids.at(-1) + 0.5], rows: [...rows, columns.map(() => null)] });
    const parts = all.filter(({ ids }) => ids.length > 0).map(gap);
    return { label: t(side), columns, rows: parts.flatMap(({ rows }) => rows), ids: parts.flatMap(({ ids }) => ids) };
  }), [samples]);
  return html`<details class="card" id="presentation" onToggle=${(event) => setOpen(event.target.open)}><summary>${t("presentation")}</summary>
    ${open && (stages[1].rows.length > 0 ? html`<${Presentation} stages=${stages} />` : html`<p>${t("noSamples")}</p>`)}</details>`;
}

// A number column of a table's lines over their windows: a line for each of the first keys.
export function TableChart({ columns, rows }) {
  const [chosen, choose] = useState(null);
  const place = (name) => columns.indexOf(name);
  const numbers = columns.filter((name) => rows.some((row) => typeof row[place(name)] === "number"));
  const y = numbers.includes(chosen) ? chosen : numbers.find((name) => name !== "rows") ?? numbers[0];
  const at = place("window");
  const keys = columns.slice(0, Math.max(at, 0));
  const { data, series } = useMemo(() => {
    const key = (row) => keys.map((_, index) => row[index]).join(" ") || y;
    const windows = [...new Set(rows.map((row) => row[at]))].sort();
    const series = [...new Set(rows.map(key))].slice(0, 4);
    const value = (name, window) => rows.find((row) => row[at] === window && key(row) === name)?.[place(y)] ?? null;
    return { data: [windows.map((window) => Date.parse(window) / 1000), ...series.map((name) => windows.map((window) => value(name, window)))], series };
  }, [rows, y]);
  // One window is no line, and what has no windows is no series of times.
  if (at < 0 || !y || data[0].length < 2 || data[0].some(Number.isNaN)) return null;
  return html`<p><label>${t("column")} <select name="table-column" value=${y} onChange=${(event) => choose(event.target.value)}>
      ${numbers.map((name) => html`<option value=${name}>${name}</option>`)}</select></label></p>
    <${Chart} key=${[y, ...series].join("\n")} title=${y} data=${data} series=${series} axis=${{ x: t("window"), y }} show=${digits} xs=${(x) => new Date(x * 1000).toISOString().slice(0, 16).replace("T", " ")} free />`;
}
