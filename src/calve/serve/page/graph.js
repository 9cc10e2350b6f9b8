// All tables in their columns, each behind what it comes after, with lines between them.
import { STATES, element, few, icon, lag, nameParts, svg, progressText } from "./format.js";

const EDGES_MAX = 300;   // more are drawn for the chosen table alone

export class Graph {
  constructor(root, choose) {
    this.columns = root.querySelector("#columns");
    this.edges = root.querySelector("#edges");
    this.root = root;
    this.choose = choose;
    this.cards = new Map();
    this.chosen = "";
    new ResizeObserver(() => this.draw()).observe(root);
  }

  // Builds the cards anew where tables came or went, else only brings them up to date.
  show(tables, now) {
    this.tables = tables;
    const shape = JSON.stringify(tables.map((table) => [table.name, table.column, table.after, table.layer]));
    if (shape !== this.shape) { this.shape = shape; this.build(tables); }
    for (const table of tables) this.update(table, now);
    this.draw();
  }

  build(tables) {
    const focused = document.activeElement?.dataset?.table;
    this.cards.clear();
    const columns = [];
    this.isDense = tables.length > 40;
    for (const table of tables) (columns[table.column] ??= []).push(table);
    this.columns.replaceChildren(...columns.filter(Boolean).map((column) => {
      const layers = [...new Set(column.map((table) => table.layer).filter(Boolean))];
      const list = element("ul", {}, ...column.map((table) => this.card(table)));
      return element("div", { class: `column${column.length > 6 ? " wide" : ""}${column.length > 20 ? " dense" : ""}` }, element("h3", {}, layers.join(", ") || (columns.length > 1 ? "tables" : "all")), list);
    }));
    if (focused) this.cards.get(focused)?.button.focus();
  }

  card(table) {
    const name = element("span", { class: "name" }, ...nameParts(table.name));
    const state = element("span", { class: "words" });
    const mark = element("span", { class: "mark" });
    const bar = element("progress", { max: "1", "aria-hidden": "true" });
    const button = element("button", { type: "button", class: "card", "data-table": table.name, title: table.name, "aria-expanded": "false", "aria-controls": "detail" }, mark, name, state, bar);
    const after = table.after.length > 0 ? element("span", { class: "after" }, `after ${few(table.after, 5)}`) : null;
    button.addEventListener("click", () => this.choose(table.name));
    const item = element("li", {}, button, after);
    this.cards.set(table.name, { item, button, state, mark, bar, text: "", shown: "" });
    return item;
  }

  update(table, now) {
    const card = this.cards.get(table.name);
    const behind = table.watermark ? Math.max(0, (now - Date.parse(table.watermark)) / 1000) : null;
    let words = STATES[table.state];
    if (table.state === "running") words += table.running?.share === null || table.running?.share === undefined ? "" : `, ${Math.floor(table.running.share * 100)} %`;
    // Of very many the lag is told where it matters.
    if (behind !== null && !(this.isDense && table.state === "fresh")) words += ` · ${lag(behind)}${this.isDense ? "" : " behind"}`;
    if (table.state === "running" && table.last_failure) words += " · failed before";
    if (card.shown !== table.state) {
      card.button.dataset.state = table.state;
      card.mark.replaceChildren(icon(table.state));
      card.shown = table.state;
    }
    if (card.text !== words) { card.state.textContent = words; card.text = words; }
    card.bar.hidden = table.state !== "running";
    if (table.state === "running") {
      if (table.running?.share !== null && table.running?.share !== undefined) card.bar.value = table.running.share; else card.bar.removeAttribute("value");
      card.button.title = `${table.name}: ${progressText(table.running ?? {})}`;
    } else {
      card.button.title = table.name;
    }
  }

  filter(text) {
    const words = text.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    for (const table of this.tables ?? []) {
      const whole = `${table.name} ${table.layer} ${table.state} ${STATES[table.state]} ${table.target}`.toLowerCase();
      const fits = words.every((word) => whole.includes(word));
      this.cards.get(table.name).item.hidden = !fits;
      if (fits) shown += 1;
    }
    this.draw();
    return shown;
  }

  select(name) {
    for (const [table, { button }] of this.cards) {
      button.setAttribute("aria-expanded", table === name ? "true" : "false");
      button.classList.toggle("chosen", table === name);
    }
    this.chosen = name;
    this.draw();
  }

  draw() {
    if (!this.tables) return;
    const box = this.root.getBoundingClientRect();
    const lines = [];
    const total = this.tables.reduce((sum, table) => sum + table.after.length, 0);
    // In one column (a phone) lines would lead nowhere: each card says in words what it comes after.
    const stacked = getComputedStyle(this.columns).flexDirection === "column";
    this.root.classList.toggle("stacked", stacked);
    for (const table of stacked ? [] : this.tables) {
      for (const parent of table.after) {
        const near = table.name === this.chosen || parent === this.chosen;
        if (!near && total > EDGES_MAX) continue;
        const from = this.cards.get(parent), to = this.cards.get(table.name);
        if (!from || !to || from.item.hidden || to.item.hidden) continue;
        const a = from.button.getBoundingClientRect(), b = to.button.getBoundingClientRect();
        const x1 = a.right - box.left, y1 = a.top + a.height / 2 - box.top, x2 = b.left - box.left, y2 = b.top + b.height / 2 - box.top;
        const bend = Math.max(12, (x2 - x1) / 2);
        const line = svg("path", { d: `M${x1} ${y1}C${x1 + bend} ${y1} ${x2 - bend} ${y2} ${x2} ${y2}`, class: near ? "edge near" : "edge" });
        if (near) lines.push(line); else lines.unshift(line);
      }
    }
    this.edges.setAttribute("width", box.width);
    this.edges.setAttribute("height", box.height);
    this.edges.replaceChildren(...lines);
  }
}
