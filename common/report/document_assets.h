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
table { border-collapse: collapse; min-width: min(100%, 32rem); font-size: 0.93rem; }
caption { caption-side: top; text-align: left; color: var(--soft); padding-bottom: 0.5rem;
          font-size: 0.9rem; }
th, td { padding: 0.42rem 0.8rem; border-bottom: 1px solid var(--line); text-align: left;
         white-space: nowrap; }
thead th { font-weight: 600; background: var(--head); border-bottom: 1px solid var(--line); }
tbody th { font-weight: 500; position: sticky; left: 0; background: var(--card); }
tbody tr:last-child > * { border-bottom: none; }
.number { text-align: right; font-variant-numeric: tabular-nums; }
.grid { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 27rem), 1fr));
        gap: 1rem 1.5rem; margin: 0.8rem 0; }
figure { margin: 0; min-width: 0; break-inside: avoid; }
figcaption { font-weight: 600; font-size: 0.95rem; margin-bottom: 0.2rem; }
.plot { min-height: 340px; }
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
  section { border: none; padding: 0; }
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
  const SYMBOLS = ["circle", "square", "diamond", "triangle-up", "triangle-down", "x", "cross",
                   "star"];
  const media = window.matchMedia("(prefers-color-scheme: dark)");
  let printing = false;

  function theme() {
    const style = getComputedStyle(document.documentElement);
    const dark = media.matches && !printing;
    return {
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

  // A legend of several rows must not eat the plot.
  function legendRows(plot, width) {
    const series = plot.series || [];
    if (series.length < 2) return 0;
    const entry = 50 + 7 * Math.max(...series.map((one) => one.name.length));
    return Math.ceil(series.length / Math.max(1, Math.floor((width - 60) / entry)));
  }

  function layout(t, plot, width) {
    return {
      height: 340 + 22 * Math.max(0, legendRows(plot, width) - 1), margin: { l: 52, r: 12, t: 12, b: 44 },
      paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)",
      font: { family: "system-ui, sans-serif", size: 12, color: t.ink },
      hoverlabel: { bgcolor: t.card, bordercolor: t.grid, font: { color: t.ink } },
      legend: { orientation: "h", x: 0, y: 0, xanchor: "left", yanchor: "bottom",
                yref: "container", font: { color: t.ink } },
      xaxis: axis(t, plot.x_label || ""), yaxis: axis(t, plot.y_label || ""),
      showlegend: (plot.series || []).length > 1,
    };
  }

  function line(t, plot, width) {
    const traces = [];
    plot.series.forEach((series) => {
      const color = t.palette[series.color % t.palette.length];
      if (series.low) {
        const edge = { x: series.x, mode: "lines", line: { width: 0 }, hoverinfo: "skip",
                       showlegend: false, legendgroup: series.name };
        traces.push({ ...edge, y: series.low });
        traces.push({ ...edge, y: series.high, fill: "tonexty", fillcolor: faded(color, 0.16) });
      }
      traces.push({
        x: series.x, y: series.y, name: label(series.name), legendgroup: series.name,
        mode: plot.markers ? "lines+markers" : "lines",
        line: { color: color, width: 2,
                dash: DASHES[Math.floor(series.color / t.palette.length) % DASHES.length] },
        marker: { color: color, size: 6, symbol: SYMBOLS[series.color % SYMBOLS.length] },
      });
    });
    const result = layout(t, plot, width);
    result.hovermode = plot.series.length > 8 ? "closest" : "x unified";
    if (plot.log_x) result.xaxis.type = "log";
    if (plot.log_y) result.yaxis.type = "log";
    return [traces, result];
  }

  function bar(t, plot, width) {
    const traces = plot.series.map((series) => ({
      type: "bar", x: series.x, y: series.y, name: label(series.name),
      marker: { color: t.palette[series.color % t.palette.length],
                pattern: { shape: ["", "/", ".", "x"][
                  Math.floor(series.color / t.palette.length) % 4] } },
      error_y: { type: "data", symmetric: false, array: series.up, arrayminus: series.down,
                 color: t.ink, thickness: 1.2, width: 4 },
    }));
    const result = layout(t, plot, width);
    result.barmode = "group";
    result.bargap = 0.3;
    result.xaxis.type = "category";
    result.xaxis.categoryorder = "array";
    result.xaxis.categoryarray = plot.groups;
    return [traces, result];
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
    if (cell > 44) {
      trace.texttemplate = "%{z:.2f}";
      trace.textfont = { size: 11 };
    }
    const result = layout(t, plot, width);
    result.height = Math.min(460, Math.max(340, 110 + 22 * plot.rows.length));
    result.xaxis.type = "category";
    result.yaxis.type = "category";
    result.xaxis.showgrid = result.yaxis.showgrid = false;
    result.yaxis.autorange = "reversed";
    return [[trace], result];
  }

  const KINDS = { line: line, bar: bar, heatmap: heatmap };
  const drawn = new Set();

  function draw(element) {
    const plot = JSON.parse(document.getElementById(element.id + "-data").textContent);
    const [traces, result] = KINDS[plot.kind](theme(), plot, element.clientWidth);
    Plotly.react(element, traces, result, {
      responsive: true, displaylogo: false,
      displayModeBar: window.matchMedia("(hover: hover)").matches ? "hover" : false,
      modeBarButtonsToRemove: ["select2d", "lasso2d", "autoScale2d"],
    });
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
    document.querySelectorAll("details:not([open])").forEach((details) => {
      folded.push(details);
      details.open = true;
    });
    plots.forEach(draw);
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
