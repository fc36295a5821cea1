// The style sheet and the program of a report, as document.cc puts them into the file.
#ifndef PERENNIAL_COMMON_REPORT_DOCUMENT_ASSETS_H_
#define PERENNIAL_COMMON_REPORT_DOCUMENT_ASSETS_H_

namespace perennial::report {

inline constexpr char kReportStyle[] = R"css(
:root {
  --page: #f6f7f9; --card: #ffffff; --ink: #1c2430; --soft: #5a6676; --line: #dfe3e9;
  --grid: #e7eaef; --accent: #0b62a8; --head: #f0f3f7;
}
@media (prefers-color-scheme: dark) {
  :root {
    --page: #12161c; --card: #1a2028; --ink: #e6eaf0; --soft: #9aa7b7; --line: #303945;
    --grid: #2a323d; --accent: #6db5f2; --head: #222a34;
  }
}
* { box-sizing: border-box; }
html { scroll-behavior: smooth; -webkit-text-size-adjust: 100%; }
body {
  margin: 0; background: var(--page); color: var(--ink);
  font: 16px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif;
}
header, main { max-width: 1240px; margin: 0 auto; padding: 0 clamp(0.75rem, 3vw, 2rem); }
header { padding-top: clamp(1.25rem, 4vw, 2.5rem); }
h1 { margin: 0; font-size: clamp(1.4rem, 4vw, 2rem); line-height: 1.2; letter-spacing: -0.01em;
     overflow-wrap: anywhere; }
h2 { margin: 0 0 0.6rem; font-size: 1.2rem; }
h3 { margin: 1.2rem 0 0.4rem; font-size: 1rem; }
p { margin: 0.4rem 0 0.8rem; max-width: 75ch; }
.subtitle { color: var(--soft); overflow-wrap: anywhere; }
.note { color: var(--soft); }
nav { display: flex; flex-wrap: wrap; gap: 0.4rem 1.1rem; margin-top: 0.8rem; font-size: 0.92rem; }
a { color: var(--accent); text-decoration: none; }
a:hover { text-decoration: underline; }
section {
  margin: 1.2rem 0; padding: clamp(0.9rem, 2.2vw, 1.5rem); background: var(--card);
  border: 1px solid var(--line); border-radius: 12px;
}
.scroll { overflow-x: auto; margin: 0.6rem 0 1rem; }
table { border-collapse: separate; border-spacing: 0; min-width: min(100%, 32rem); font-size: 0.93rem; }
.caption { color: var(--soft); margin: 0.6rem 0 0; font-size: 0.9rem; }
th, td { padding: 0.42rem 0.8rem; text-align: left; white-space: nowrap; }
thead th { font-weight: 600; background: var(--head); white-space: normal; vertical-align: bottom; }
tbody th { font-weight: 500; position: sticky; left: 0; background: var(--card); }
/* Above, as a cell that sticks may cover the pixel below the one before it. */
tbody > tr > * { border-top: 1px solid var(--line); }
td:not(.number) { white-space: normal; overflow-wrap: anywhere; min-width: 10rem; }
table:not(:has(.number)) tbody th { white-space: normal; overflow-wrap: anywhere; }
.number { text-align: right; font-variant-numeric: tabular-nums; }
.grid { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 27rem), 1fr));
        gap: 1rem 1.5rem; margin: 0.8rem 0; }
figure { margin: 0; min-width: 0; break-inside: avoid; }
.wide { grid-column: 1 / -1; }
details.plots > .grid { margin-top: 0.8rem; }
figcaption { font-weight: 600; font-size: 0.95rem; margin-bottom: 0.2rem; }
.plot { min-height: 250px; }
.series { display: flex; flex-wrap: wrap; gap: 0.1rem 0.2rem; margin: 0.2rem 0 0 clamp(0rem, 8vw - 2rem, 2.6rem); }
.series button { display: inline-flex; align-items: center; gap: 0.35rem; margin: 0; border: none;
                 padding: 0.1rem 0.25rem; background: none; color: var(--ink); cursor: pointer;
                 font: inherit; font-size: 0.8rem; overflow-wrap: anywhere; text-align: left;
                 border-radius: 4px; }
.series button:hover { background: var(--head); }
.series button[aria-pressed="false"] { opacity: 0.4; text-decoration: line-through; }
.series svg { flex: none; width: 26px; height: 12px; }
dl { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 24rem), 1fr));
     gap: 0 2rem; margin: 0.4rem 0 1rem; }
dl div { display: flex; gap: 0.8rem; padding: 0.32rem 0; border-bottom: 1px solid var(--line); }
dt { flex: 0 0 8.5rem; color: var(--soft); font-size: 0.92rem; }
dd { margin: 0; overflow-wrap: anywhere; font-size: 0.92rem; }
details { margin: 0.6rem 0; }
summary { cursor: pointer; font-weight: 600; font-size: 0.95rem; }
pre { overflow-x: auto; margin: 0.5rem 0 0; padding: 0.8rem 1rem; background: var(--head);
      border-radius: 8px; font: 0.84rem/1.5 ui-monospace, "SF Mono", Menlo, Consolas, monospace; }
@media print {
  :root { --page: #fff; --card: #fff; --ink: #000; --soft: #444; --line: #bbb; --grid: #ddd;
          --head: #f2f2f2; }
  body { font-size: 11pt; }
  nav { display: none; }
  header, main, section { border: none; padding: 0; }
  h2, h2 + p, h3, .caption, figcaption { break-after: avoid; }
  tr { break-inside: avoid; }
  .grid { grid-template-columns: repeat(2, minmax(0, 1fr)); }
  .plot { min-height: 0; }
  details.plots:not([open]) { display: none; }
  .scroll { overflow: visible; }
  th, td { white-space: normal; }
  tbody th { position: static; }
  pre { white-space: pre-wrap; }
}
)css";

inline constexpr char kReportScript[] = R"js(
(function () {
  "use strict";
  // Okabe and Ito's colours, darkened or lightened to stand out from the page.
  const PALETTE = {
    light: ["#0072b2", "#d55e00", "#00875f", "#b5528c", "#b87d00", "#2b93cf", "#4d4d4d", "#8a6d3b"],
    dark: ["#5aaef0", "#f58b4c", "#3fcfa4", "#e79cca", "#f0bb45", "#9ad7fa", "#c9ced6", "#cfae77"],
  };
  const DASHES = ["solid", "dash", "dot", "dashdot"];
  // Plotly's names, and how the legend draws them.
  const MARKS = {
    "circle": "M-3.5,0a3.5,3.5 0 1,0 7,0a3.5,3.5 0 1,0 -7,0z",
    "square": "M-3,-3h6v6h-6z",
    "diamond": "M0,-4L4,0L0,4L-4,0z",
    "triangle-up": "M0,-3.5L3.5,3H-3.5z",
    "triangle-down": "M0,3.5L3.5,-3H-3.5z",
    "x": "M-3,-3L3,3M3,-3L-3,3",
    "cross": "M-4,0H4M0,-4V4",
    "star": "M0,-4.5L1.2,-1.4L4.3,-1.4L1.8,0.6L2.6,3.6L0,1.9L-2.6,3.6L-1.8,0.6L-4.3,-1.4L-1.2,-1.4z",
  };
  const SYMBOLS = Object.keys(MARKS);
  const DASH_LENGTHS = { solid: "", dash: "6 3", dot: "2 2", dashdot: "6 2 2 2" };
  // More series than these are drawn without bands; more bars than those as a list of points.
  const MOST_BANDS = 8;
  const MOST_BARS = 16;
  const PAGE = 700;  // Width of a printed page; a little less than A4 and Letter have.
  const media = window.matchMedia("(prefers-color-scheme: dark)");
  let printing = false;

  function theme() {
    const style = getComputedStyle(document.documentElement);
    const dark = media.matches && !printing;
    return {
      dark: dark,
      palette: dark ? PALETTE.dark : PALETTE.light,
      ink: printing ? "#000" : style.getPropertyValue("--ink").trim(),
      soft: printing ? "#444" : style.getPropertyValue("--soft").trim(),
      grid: printing ? "#ddd" : style.getPropertyValue("--grid").trim(),
      card: printing ? "#fff" : style.getPropertyValue("--card").trim(),
    };
  }

  function faded(color, alpha) {
    const value = parseInt(color.slice(1), 16);
    return `rgba(${value >> 16}, ${(value >> 8) & 255}, ${value & 255}, ${alpha})`;
  }

  // Plotly reads a few HTML tags and %{...} in texts; ours are plain.
  function label(text) {
    return text.replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/%/g, "&#37;");
  }

  function axis(t, text) {
    return {
      title: { text: label(text), standoff: 8, font: { size: 13, color: t.soft } },
      gridcolor: t.grid, linecolor: t.grid, zerolinecolor: t.grid,
      tickfont: { color: t.soft }, automargin: true,
    };
  }

  function layout(t, plot) {
    return {
      height: plot.x_label ? 310 : 290, margin: { l: 52, r: 12, t: 12, b: plot.x_label ? 44 : 24 },
      paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)",
      font: { family: "system-ui, sans-serif", size: 12, color: t.ink },
      hoverlabel: { bgcolor: t.card, bordercolor: t.grid, font: { color: t.ink } },
      xaxis: axis(t, plot.x_label || ""), yaxis: axis(t, plot.y_label || ""),
      showlegend: false, uirevision: "kept",
    };
  }

  // A band as closed shapes, one for each stretch without a gap.
  function band(series) {
    const x = [];
    const y = [];
    for (let begin = 0; begin < series.x.length; ++begin) {
      if (series.low[begin] === null) continue;
      let end = begin;
      while (end < series.x.length && series.low[end] !== null) ++end;
      if (x.length > 0) {
        x.push(null);
        y.push(null);
      }
      x.push(...series.x.slice(begin, end), ...series.x.slice(begin, end).reverse());
      y.push(...series.high.slice(begin, end), ...series.low.slice(begin, end).reverse());
      begin = end;
    }
    return { x: x, y: y };
  }

  // A series' look, by its number: colours come again with another dash and another mark. A
  // reference has none.
  function look(t, index) {
    if (index < 0) return { color: t.soft, dash: "dash", symbol: null, pattern: "" };
    const turn = Math.floor(index / t.palette.length);
    return {
      color: t.palette[index % t.palette.length],
      dash: DASHES[turn % DASHES.length],
      symbol: SYMBOLS[(index + turn) % SYMBOLS.length],
      pattern: ["", "/", ".", "x"][turn % 4],
    };
  }

  // A histogram's outline, from the left side of its first bin to the right side of its last.
  function asSteps(trace, color) {
    const half = (trace.x[1] - trace.x[0]) / 2;
    const last = trace.x.length - 1;
    return {
      ...trace, x: [trace.x[0] - half, ...trace.x, trace.x[last] + half],
      y: [trace.y[0], ...trace.y, trace.y[last]], line: { ...trace.line, shape: "hvh", width: 1.5 },
      fill: "tozeroy", fillcolor: faded(color, 0.15),
    };
  }

  function line(t, plot) {
    const traces = [];
    plot.series.forEach((series) => {
      const its = look(t, series.color);
      if (series.low && plot.series.length <= MOST_BANDS) {
        traces.push({ ...band(series), mode: "lines", fill: "toself",
                      line: { width: 0.7, color: faded(its.color, 0.45) },
                      fillcolor: faded(its.color, Math.min(0.2, 0.25 / Math.sqrt(plot.series.length))),
                      hoverinfo: "skip", showlegend: false,
                      legendgroup: series.name });
      }
      const isMarked = its.symbol && !plot.steps && (plot.markers || series.x.length === 1);
      const isThin = !its.symbol || plot.series.length > MOST_BANDS;
      const trace = {
        x: series.x, y: series.y, name: label(series.name), legendgroup: series.name,
        mode: isMarked ? "lines+markers" : "lines",
        line: { color: its.color, width: isThin ? 1.5 : 2, dash: its.dash },
        marker: { color: its.color, size: 6, symbol: its.symbol },
      };
      traces.push(plot.steps && its.symbol ? asSteps(trace, its.color) : trace);
    });
    const result = layout(t, plot);
    result.hovermode = plot.series.length > MOST_BANDS ? "closest" : "x unified";
    const xs = plot.series.flatMap((series) => series.x);
    if (xs.every(Number.isInteger) && Math.max(...xs) - Math.min(...xs) <= 10) result.xaxis.dtick = 1;
    if (plot.steps) result.yaxis.rangemode = "tozero";
    if (plot.log_x) result.xaxis.type = "log";
    if (plot.log_y) result.yaxis.type = "log";
    return [traces, result];
  }

  // The axis of a list: a name a row, the first on top, cut to a share of the width.
  function listAxis(t, names, width) {
    const most = Math.max(10, Math.floor(width / 16));
    const short = (name) => name.length > most ? name.slice(0, most - 1) + "\u2026" : name;
    return {
      ...axis(t, ""), autorange: false, range: [names.length - 0.5, -0.5],
      showgrid: names.length <= 80, tickmode: "array", tickvals: names.map((_, i) => i),
      ticktext: names.map((name) => label(short(name))),
      tickfont: { color: t.soft, size: names.length > 80 ? 10 : 11 },
    };
  }

  // Many bars: a list of points, one a row, in the order of the table.
  function points(t, plot, width) {
    const several = plot.groups.length > 1;
    const rows = [];
    plot.series.forEach((series) => series.x.forEach((group, i) => rows.push({
      name: several ? `${series.name} (${group})` : series.name, color: look(t, series.color).color,
      value: series.y[i], up: series.up[i], down: series.down[i],
    })));
    const trace = {
      type: "scatter", mode: "markers", x: rows.map((row) => row.value), y: rows.map((_, i) => i),
      text: rows.map((row) => label(row.name)), hovertemplate: "%{text}: %{x:.4g}<extra></extra>",
      marker: { color: rows.map((row) => row.color), size: 7 },
      error_x: { type: "data", symmetric: false, array: rows.map((row) => row.up),
                 arrayminus: rows.map((row) => row.down), color: t.soft, thickness: 1.2, width: 3 },
    };
    const result = layout(t, { ...plot, series: [] });
    result.height = 80 + (rows.length > 80 ? 13 : 17) * rows.length;
    result.xaxis = axis(t, plot.y_label);
    result.yaxis = listAxis(t, rows.map((row) => row.name), width);
    return [[trace], result];
  }

  // A mark a series in each row.
  function rows(t, plot, width) {
    const traces = plot.series.map((series) => {
      const its = look(t, series.color);
      return {
        type: "scatter", mode: "markers", name: label(series.name), legendgroup: series.name,
        x: series.x, y: plot.rows.map((_, i) => i), text: plot.rows.map(label),
        hovertemplate: `%{text}: %{x:.4g} (${label(series.name)})<extra></extra>`,
        marker: { color: its.color, size: 9, symbol: its.symbol },
      };
    });
    const result = layout(t, plot);
    result.height = 80 + 22 * plot.rows.length;
    result.yaxis = listAxis(t, plot.rows, width);
    result.xaxis.zerolinecolor = t.soft;
    if (plot.reference !== null) {
      traces.unshift({
        type: "scatter", mode: "lines", x: [plot.reference, plot.reference],
        y: [-0.5, plot.rows.length - 0.5], hoverinfo: "skip",
        line: { color: t.soft, width: 1.5, dash: "dash" },
      });
    }
    return [traces, result];
  }

  // On a dark page intervals are light, and would not stand out from light bars.
  function barFill(t, color) {
    return t.dark ? faded(color, 0.55) : color;
  }

  function isList(plot) {
    return plot.kind === "bar" &&
        plot.series.reduce((sum, series) => sum + series.x.length, 0) > MOST_BARS;
  }

  function bar(t, plot, width) {
    if (isList(plot)) return points(t, plot, width);
    const traces = plot.series.map((series) => ({
      type: "bar", x: series.x, y: series.y, name: label(series.name), legendgroup: series.name,
      marker: { color: barFill(t, look(t, series.color).color),
                line: { color: look(t, series.color).color, width: 1 },
                pattern: { shape: look(t, series.color).pattern } },
      error_y: { type: "data", symmetric: false, array: series.up, arrayminus: series.down,
                 color: t.ink, thickness: 1.2, width: 4 },
    }));
    const result = layout(t, plot);
    result.barmode = "group";
    result.yaxis.zerolinecolor = t.soft;
    result.bargap = 0.3;
    result.xaxis.type = "category";
    result.xaxis.categoryorder = "array";
    result.xaxis.categoryarray = plot.groups;
    return [traces, result];
  }

  // Two decimals; of numbers with a scale of their own, two digits of small ones.
  function cellText(value, ownScale) {
    const size = Math.abs(value);
    if (ownScale && size < 0.1) return String(Number(value.toPrecision(2)));
    return size < 100 ? value.toFixed(2) : value.toPrecision(3);
  }

  // The numbers of a matrix, light on the dark half of the scale.
  function cellTexts(plot) {
    const values = plot.values.flat().filter((value) => value !== null);
    const low = plot.min !== null ? plot.min : Math.min(...values);
    const high = plot.max !== null ? plot.max : Math.max(...values);
    const cells = plot.values.flatMap((row, r) => row.map(
        (value, c) => ({ row: plot.rows[r], column: plot.columns[c], value: value })))
      .filter((one) => one.value !== null);
    return {
      type: "scatter", mode: "text", x: cells.map((one) => one.column),
      y: cells.map((one) => one.row), hoverinfo: "skip",
      text: cells.map((one) => cellText(one.value, plot.max === null)),
      textfont: { size: 11, color: cells.map(
        (one) => (one.value - low) / (high - low) < 0.47 ? "#fff" : "#000") },
    };
  }

  function heatmap(t, plot, width) {
    const cell = width / Math.max(plot.columns.length, 1);
    const trace = {
      type: "heatmap", x: plot.columns, y: plot.rows, z: plot.values, colorscale: "Viridis",
      hoverongaps: false, xgap: 1, ygap: 1,
      colorbar: { title: { text: label(plot.value_label), side: "right" }, thickness: 10, outlinewidth: 0,
                  tickfont: { color: t.soft } },
      hovertemplate: `${label(plot.x_label)} %{x}<br>${label(plot.y_label)} %{y}` +
          "<br>%{z:.4g}<extra></extra>",
    };
    if (plot.min !== null) trace.zmin = plot.min;
    if (plot.max !== null) trace.zmax = plot.max;
    if (plot.min !== null || plot.max !== null) trace.zauto = false;
    const traces = [trace];
    if (cell > 44) traces.push(cellTexts(plot));
    const result = layout(t, plot);
    // Cells that are nearly squares, within bounds.
    result.height = Math.min(480, Math.max(250, Math.min(110 + 22 * plot.rows.length, 1.05 * width)));
    result.xaxis.type = "category";
    result.yaxis.type = "category";
    result.xaxis.showgrid = result.yaxis.showgrid = false;
    result.yaxis.autorange = "reversed";
    return [traces, result];
  }

  // Series that a reader hid, by plot.
  const hidden = new Map();
  function hiddenIn(element) {
    if (!hidden.has(element)) hidden.set(element, new Set());
    return hidden.get(element);
  }

  function swatch(t, plot, series) {
    const its = look(t, series.color);
    const drawing = new DOMParser().parseFromString("<svg></svg>", "text/html").body.firstChild;
    const add = (path, attributes) => {
      const shape = document.createElementNS(drawing.namespaceURI, "path");
      shape.setAttribute("d", path);
      Object.entries(attributes).forEach(([name, value]) => shape.setAttribute(name, value));
      drawing.append(shape);
    };
    drawing.setAttribute("viewBox", "-13 -6 26 12");
    if (plot.kind === "bar") {
      add("M-5,-5h10v10h-10z", { fill: barFill(t, its.color), stroke: its.color });
      if (its.pattern) add("M-5,3L3,-5M-3,5L5,-3", { stroke: t.card, "stroke-width": 1.5 });
      return drawing;
    }
    if (plot.kind !== "rows") {
      add("M-13,0H13", { stroke: its.color, "stroke-width": its.symbol ? 2 : 1.5,
                         "stroke-dasharray": DASH_LENGTHS[its.dash] });
    }
    if (its.symbol && (plot.markers || plot.kind === "rows") && !plot.steps) {
      add(MARKS[its.symbol], { fill: its.color, stroke: its.color, "stroke-width": 1.5 });
    }
    return drawing;
  }

  // Below the plot, in the page's own flow: it wraps, prints, and cannot be cut. A click hides or
  // shows a series; with Shift it stays alone; a click on the last one shows all again.
  function addLegend(t, plot, element) {
    const isLegend = element.nextElementSibling.className === "series";
    if (isLegend) element.nextElementSibling.remove();
    if (!plot.series || plot.series.length < 2 || isList(plot)) return;
    const legend = document.createElement("div");
    legend.className = "series";
    const off = hiddenIn(element);
    const change = (action) => {
      action();
      draw(element);
    };
    plot.series.forEach((series) => {
      const button = document.createElement("button");
      const name = document.createElement("span");
      name.textContent = series.name;
      button.append(swatch(t, plot, series), name);
      button.setAttribute("aria-pressed", String(!off.has(series.name)));
      button.addEventListener("click", (event) => change(() => {
        const alone = plot.series.length - off.size === 1 && !off.has(series.name);
        if (event.shiftKey || alone) {
          off.clear();
          if (!alone) plot.series.forEach((one) => off.add(one.name));
          off.delete(series.name);
        } else if (!off.delete(series.name)) {
          off.add(series.name);
        }
      }));
      legend.append(button);
    });
    element.after(legend);
  }

  const KINDS = { line: line, bar: bar, heatmap: heatmap, rows: rows };
  const drawn = new Set();

  function draw(element) {
    const plot = JSON.parse(document.getElementById(element.id + "-data").textContent);
    const width = !printing ? element.clientWidth : element.closest(".wide") ? PAGE : PAGE / 2 - 14;
    const [traces, result] = KINDS[plot.kind](theme(), plot, width);
    if (printing) result.width = width;
    traces.forEach((trace) => { trace.visible = !hiddenIn(element).has(trace.legendgroup); });
    Plotly.react(element, traces, result, {
      responsive: true, displaylogo: false,
      displayModeBar: window.matchMedia("(hover: hover)").matches ? "hover" : false,
      modeBarButtonsToRemove: ["select2d", "lasso2d", "autoScale2d"],
    });
    addLegend(theme(), plot, element);
    drawn.add(element);
  }

  // A report may hold hundreds of plots; each is drawn when it comes near the window.
  const plots = Array.from(document.querySelectorAll(".plot"));
  const watcher = new IntersectionObserver((entries) => {
    for (const entry of entries) {
      if (!entry.isIntersecting) continue;
      watcher.unobserve(entry.target);
      draw(entry.target);
    }
  }, { rootMargin: "400px" });
  plots.forEach((element) => watcher.observe(element));

  media.addEventListener("change", () => drawn.forEach(draw));
  const folded = [];
  window.addEventListener("beforeprint", () => {
    printing = true;
    document.querySelectorAll("details:not([open]):not(.plots)").forEach((details) => {
      folded.push(details);
      details.open = true;
    });
    plots.filter((element) => !element.closest("details.plots:not([open])")).forEach(draw);
  });
  window.addEventListener("afterprint", () => {
    printing = false;
    folded.splice(0).forEach((details) => { details.open = false; });
    drawn.forEach(draw);
  });
})();
)js";

}  // namespace perennial::report

#endif  // PERENNIAL_COMMON_REPORT_DOCUMENT_ASSETS_H_
