// Charts over uPlot, in the page's colours; sparklines as small SVG.

import { html, useEffect, useRef } from "./vendor/preact.js";
import uPlot from "./vendor/uplot.js";

const HEIGHT = 200;

function colours() {
  const style = getComputedStyle(document.documentElement);
  return { text: style.getPropertyValue("--text"), grid: style.getPropertyValue("--line"), series: [1, 2, 3, 4].map((n) => style.getPropertyValue(`--series-${n}`)) };
}

const DASHES = [[], [6, 3], [2, 3], [8, 3, 2, 3]];

const STYLES = {
  line: () => ({ points: { show: false } }),
  points: (ink) => ({ paths: () => null, points: { show: true, size: 4, fill: ink } }),
  bars: (ink) => ({ paths: uPlot.paths.bars({ size: [0.9] }), fill: ink, points: { show: false } }),
};

// A chart of `data`: x values, then one list a series. `series`: names; `axis`: { x, y } labels; `show`: y values as text;
// `style`: line, points or bars; `free`: y need not begin at 0.
export function Chart({ title, data, series, axis, show, logX = false, logY = false, xs, style = "line", free = false }) {
  const place = useRef(null);
  const chart = useRef(null);
  useEffect(() => {
    const draw = () => {
      chart.current?.destroy();
      const { text, grid, series: inks } = colours();
      const line = { stroke: text, grid: { stroke: grid, width: 1 }, ticks: { stroke: grid } };
      // The first and the last bar stand whole.
      const half = style === "bars" ? (data[0][1] - data[0][0]) / 2 || 0.5 : 0;
      const options = {
        width: Math.max(place.current.clientWidth, 200),
        height: HEIGHT,
        scales: { x: { time: false, distr: logX ? 3 : 1, range: (_, low, high) => [low - half, high + half] }, y: { distr: logY ? 3 : 1, range: logY || (free && style !== "bars") ? undefined : (_, low, high) => [0, high > 0 ? high * 1.05 : 1] } },
        axes: [
          { ...line, label: axis.x, labelSize: 20, values: xs && ((_, ticks) => ticks.map(xs)) },
          { ...line, label: axis.y, labelSize: 20, size: 70, values: (_, ticks) => ticks.map((tick) => (tick === null ? "" : show(tick))) },
        ],
        series: [{ label: axis.x, value: xs && ((_, x) => (x === null ? "" : xs(x))) }, ...series.map((label, index) => ({
          label, stroke: inks[index], width: 2, dash: DASHES[index], ...STYLES[style](inks[index]), value: (_, y) => (y === null || y === undefined ? "" : show(y)),
        }))],
      };
      chart.current = new uPlot(options, data, place.current);
    };
    draw();
    // It may still be told of a place that is gone.
    const size = new ResizeObserver(() => place.current && chart.current?.setSize({ width: Math.max(place.current.clientWidth, 200), height: HEIGHT }));
    size.observe(place.current);
    const dark = matchMedia("(prefers-color-scheme: dark)");
    dark.addEventListener("change", draw);
    return () => { size.disconnect(); dark.removeEventListener("change", draw); chart.current?.destroy(); chart.current = null; };
  }, []);
  useEffect(() => chart.current?.setData(data), [data]);
  return html`<figure class="card chart"><figcaption>${title}</figcaption><div ref=${place}></div></figure>`;
}

// A small plot of some values; what is no number leaves a gap.
export function Spark({ values, label }) {
  const numbers = values.filter((value) => typeof value === "number");
  if (numbers.length === 0) return "";
  const [low, high] = [Math.min(...numbers), Math.max(...numbers)];
  const x = (index) => 2 + (index * 96) / Math.max(values.length - 1, 1);
  const y = (value) => (high === low ? 12 : 22 - (20 * (value - low)) / (high - low));
  const parts = [[]];
  values.forEach((value, index) => (typeof value === "number" ? parts.at(-1).push(`${x(index).toFixed(1)},${y(value).toFixed(1)}`) : parts.push([])));
  return html`<svg class="spark" viewBox="0 0 100 24" role="img" aria-label=${label}>
    ${parts.filter((part) => part.length).map((part) => html`<polyline points=${part.join(" ")} />`)}</svg>`;
}
