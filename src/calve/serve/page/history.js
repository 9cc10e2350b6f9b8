// Cycles as three charts over one another, and the same as a table.
import { bytes, count, element, seconds, svg, timeElement, utc } from "./format.js";

const OUTCOMES = ["done", "failed", "skipped", "stopped"];
const HEIGHT = 64, GAP = 2, BAR_MIN = 5, BAR_MAX = 26, LEFT = 64;

// A round number that is not smaller.
function roundUp(value) {
  if (value <= 0) return 1;
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 5, 10].map((step) => step * power).find((step) => step >= value);
}

const words = (cycle) => OUTCOMES.filter((outcome) => cycle.tables[outcome] > 0).map((outcome) => `${cycle.tables[outcome]} ${outcome}`).join(", ") || (cycle.error ? "failed as a whole" : "no table had work");

function tip(cycle, now) {
  return `${utc(cycle.started_at, now)} (${cycle.cause}): ${words(cycle)}; ${count(cycle.rows)} rows, ${bytes(cycle.bytes)} in ${seconds(cycle.seconds)}${cycle.error ? `; ${cycle.error.message}` : ""}`;
}

// parts(cycle): [class, value] from the bottom up.
function chart(title, cycles, width, parts, label, now) {
  const most = roundUp(Math.max(...cycles.map((cycle) => parts(cycle).reduce((sum, [, value]) => sum + value, 0))));
  const room = width - LEFT;
  const step = Math.min(BAR_MAX, Math.max(BAR_MIN + GAP, Math.floor(room / cycles.length)));
  const drawing = svg("svg", { class: "chart", width, height: HEIGHT + 14, viewBox: `0 0 ${width} ${HEIGHT + 14}`, role: "img", "aria-label": `${title} of the last ${cycles.length} cycles; the table below has the numbers` });
  drawing.append(svg("defs", {}, svg("pattern", { id: `hatch-${title.replace(/\W/g, "")}`, width: 4, height: 4, patternUnits: "userSpaceOnUse", patternTransform: "rotate(45)" }, svg("rect", { width: 4, height: 4, class: "hatch-ground" }), svg("rect", { width: 2, height: 4, class: "hatch-line" }))));
  for (const share of [0, 0.5, 1]) {
    const y = 7 + HEIGHT * (1 - share);
    drawing.append(svg("line", { x1: LEFT, x2: width, y1: y, y2: y, class: "grid" }));
    if (share !== 0.5) drawing.append(svg("text", { x: LEFT - 6, y: y + 4, class: "axis", "text-anchor": "end" }, label(most * share)));
  }
  cycles.forEach((cycle, i) => {
    const bar = svg("g", { class: "bar" }, svg("title", {}, tip(cycle, now)), svg("rect", { x: LEFT + i * step, y: 7, width: step, height: HEIGHT, class: "hit" }));
    let y = 7 + HEIGHT;
    for (const [outcome, value] of parts(cycle)) {
      const height = value > 0 ? Math.max(1.5, (value / most) * HEIGHT) : 0;
      y -= height;
      if (height > 0) bar.append(svg("rect", { x: LEFT + i * step + GAP / 2, y, width: step - GAP, height, class: `part ${outcome}`, ...(outcome === "failed" ? { fill: `url(#hatch-${title.replace(/\W/g, "")})` } : {}) }));
    }
    drawing.append(bar);
  });
  return element("figure", {}, element("figcaption", {}, title), drawing);
}

export function showHistory(root, cycles, now) {
  const width = Math.max(240, Math.floor(root.querySelector("#charts").parentElement.clientWidth));
  const shown = cycles.slice(-Math.floor((width - LEFT) / (BAR_MIN + GAP)));
  root.querySelector("#history-none").hidden = cycles.length > 0;
  for (const id of ["charts", "legend", "history-details"]) root.querySelector(`#${id}`).hidden = cycles.length === 0;
  if (cycles.length === 0) return;
  const whole = (cycle) => (cycle.status === "failed" || cycle.status === "stopped" ? cycle.status : "done");  // of the cycle, whatever became of single tables
  root.querySelector("#charts").replaceChildren(
    chart("Tables by outcome", shown, width, (cycle) => (cycle.error ? [["failed", Math.max(1, ...shown.map((other) => other.tables.done))]] : OUTCOMES.map((outcome) => [outcome, cycle.tables[outcome]])), count, now),
    chart("Duration", shown, width, (cycle) => [[whole(cycle), cycle.seconds]], seconds, now),
    chart("Rows", shown, width, (cycle) => [[whole(cycle), cycle.rows]], (n) => Intl.NumberFormat("en-US", { notation: "compact" }).format(n), now),
  );
  root.querySelector("#history-rows").replaceChildren(...[...cycles].reverse().map((cycle) => element("tr", {},
    element("td", {}, timeElement(cycle.started_at, now, true)), element("td", {}, cycle.cause), element("td", {}, cycle.error ? `${cycle.status}: ${cycle.error.message}` : cycle.status),
    ...[cycle.tables.done, cycle.tables.failed, cycle.tables.skipped].map((n) => element("td", { class: "number" }, count(n))), element("td", { class: "number" }, cycle.seconds.toFixed(1)),
    element("td", { class: "number" }, count(cycle.rows)), element("td", { class: "number" }, count(cycle.files)), element("td", { class: "number" }, bytes(cycle.bytes)))));
}
