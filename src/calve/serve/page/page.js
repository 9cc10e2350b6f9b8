// The status page: what the server tells, put on the screen, and what is asked of it.
import { Events, get, post, token } from "./api.js";
import { STATES, URGENCY, count, element, icon, progressText, seconds, setTime, utc, withoutName } from "./format.js";
import { Graph } from "./graph.js";
import { Detail } from "./detail.js";
import { showHistory } from "./history.js";

const at = (id) => document.getElementById(id);
const status = { server: null, tables: new Map(), cycles: [] };
let ahead = 0;        // by how much the server's clock is ahead of this one's
let lostAt = null;
const now = () => Date.now() + ahead;

// --- what is said aloud and shown for a while --------------------------------------------------------------------
const announce = (text) => { at("polite").textContent = text; };

function tell(text, remedy = "", wrong = false) {
  at("told").hidden = false;
  at("told").classList.toggle("wrong", wrong);
  at("told-text").textContent = text;
  at("told-remedy").textContent = remedy;
  clearTimeout(tell.timer);
  if (!wrong) tell.timer = setTimeout(() => { at("told").hidden = true; }, 15_000);
  at(wrong ? "assertive" : "polite").textContent = `${text} ${remedy}`;
}
at("told-close").addEventListener("click", () => { at("told").hidden = true; });

// --- actions -----------------------------------------------------------------------------------------------------
const dialog = at("token-dialog");
let afterToken = null;

function askForToken(why = "", then = null) {
  afterToken = then;
  at("token-error").textContent = why;
  at("token").value = "";
  at("token-forget").hidden = !token.get();
  if (!dialog.open) dialog.showModal();
  at("token").focus();
}

function showToken() { at("token-open").textContent = token.get() ? "Token is set" : "Enter token"; }

at("token-open").addEventListener("click", () => askForToken());
at("token-cancel").addEventListener("click", () => dialog.close());
at("token-forget").addEventListener("click", () => { token.set(""); showToken(); dialog.close(); tell("The token is forgotten."); });
at("token-form").addEventListener("submit", async (event) => {
  event.preventDefault();
  const given = at("token").value.trim();
  if (!given) { at("token-error").textContent = "Type or paste the token."; return; }
  try {
    await get("cycles", given);
  } catch (error) {
    at("token-error").textContent = error.status === 401 ? "The token is wrong." : `${error.message}${error.remedy ? `. ${error.remedy}` : ""}`;
    at("token").select();
    return;
  }
  token.set(given);
  showToken();
  dialog.close();
  events.again();
  const then = afterToken;
  afterToken = null;
  if (then) await then(); else announce("The token is right.");
});

// Without a token it asks for one, and goes on once it has it.
async function act(path, body, done) {
  if (status.server && !status.server.takes_actions) {
    tell("No token is configured, so nobody may act here.", "Name a file with one as serve.token_file, or set CALVE_SERVE_TOKEN, and start calve serve anew.", true);
    return;
  }
  if (!token.get()) { askForToken("", () => act(path, body, done)); return; }
  try {
    done(await post(path, body));
  } catch (error) {
    if (error.status === 401) {
      token.set("");
      showToken();
      askForToken(error.message, () => act(path, body, done));
      return;
    }
    tell(error.message, error.remedy ?? "", true);
  }
}

at("run-now").addEventListener("click", () => act("cycles", {}, (answer) =>
  tell(answer.begins === "now" ? "A cycle begins." : "Another cycle begins when the one that runs has ended.")));

// --- the parts of the page ---------------------------------------------------------------------------------------
const graph = new Graph(at("graph"), (name) => choose(name === detail.name ? "" : name, true));
const detail = new Detail({ act, tell, now, close: () => { const name = detail.name; choose("", false); graph.cards.get(name)?.button.focus(); } });

function choose(name, move) {
  const table = status.tables.get(name);
  const wanted = table ? `#table=${encodeURIComponent(name)}` : "#";
  if (location.hash !== wanted && (table || location.hash)) history.replaceState(null, "", table ? wanted : location.pathname);
  graph.select(table ? name : "");
  detail.open(table);
  if (table && move) {
    at("detail").focus({ preventScroll: true });
    at("detail").scrollIntoView({ block: "nearest" });
  }
}
const nameInHash = () => decodeURIComponent((location.hash.match(/^#table=(.*)$/) ?? ["", ""])[1]);
window.addEventListener("hashchange", () => choose(nameInHash(), true));

function showFilter() {
  const text = at("filter").value.trim();
  const shown = graph.filter(text);
  at("filter-count").textContent = text ? `${shown} of ${status.tables.size}` : "";
}
at("filter").addEventListener("input", showFilter);

function showServer() {
  const server = status.server;
  const cycle = server.cycle;
  at("version").textContent = server.version;
  at("config-file").textContent = server.config_file;
  at("schedule").textContent = server.schedule;
  setTime(at("since"), server.started_at, now());
  at("problem").hidden = !server.problem;
  at("problem").textContent = server.problem;
  at("run-now").disabled = server.stopping;
  showNext();
  at("running-none").hidden = Boolean(cycle);
  at("running-none").textContent = server.stopping ? "calve serve is stopping." : "No cycle runs.";
}

function showNext() {
  const server = status.server;
  if (!server) return;
  const next = server.next_cycle;
  let text = "";
  if (server.stopping) text = "stopping";
  else if (server.cycle) text = `cycle runs (${server.cycle.cause}): ${server.cycle.ended} of ${server.cycle.tables} tables ended${server.run_requested ? "; another one follows" : ""}`;
  else if (server.run_requested) text = "a cycle begins";
  else if (next) {
    const left = (Date.parse(next.at) - now()) / 1000;
    text = left > 0 ? `next cycle in ${seconds(left > 99 ? left : Math.ceil(left))}, at ${utc(next.at, now())}` : "a cycle begins";
  }
  if (at("next").textContent !== text) at("next").textContent = text;
}

function showSummary() {
  const counts = {};
  for (const table of status.tables.values()) counts[table.state] = (counts[table.state] ?? 0) + 1;
  const parts = URGENCY.filter((state) => counts[state]).map((state) => `${counts[state]} ${STATES[state]}`);
  const text = `${count(status.tables.size)} ${status.tables.size === 1 ? "table" : "tables"}: ${parts.join(", ")}`;
  if (at("summary").textContent !== text) at("summary").textContent = text;
  const bad = (counts.failed ?? 0) + (counts["put-aside"] ?? 0) + (counts.overdue ?? 0);
  document.title = bad > 0 ? `(${bad}) calve` : "calve";
}

const rows = new Map();  // of what runs, by "table" or "verify table"
function showRunning() {
  const wanted = new Map();
  for (const table of status.tables.values()) {
    if (table.running) wanted.set(table.name, [table.name, table.running]);
    if (table.verify?.state === "running") wanted.set(`verify ${table.name}`, [`verify ${table.name}`, table.verify.progress ?? {}]);
  }
  for (const [key, row] of rows) if (!wanted.has(key)) { row.item.remove(); rows.delete(key); }
  for (const [key, [label, running]] of wanted) {
    let row = rows.get(key);
    if (!row) {
      const id = `bar-${rows.size}-${key.replace(/\W/g, "-")}`;
      const bar = element("progress", { max: "1", id });
      const words = element("span", { class: "words" });
      row = { item: element("li", {}, element("label", { for: id }, label), bar, words), bar, words };
      rows.set(key, row);
      at("running-list").append(row.item);
    }
    if (running.share === null || running.share === undefined) row.bar.removeAttribute("value"); else row.bar.value = running.share;
    row.words.textContent = progressText(running);
  }
  at("running-none").hidden = rows.size > 0 || Boolean(status.server?.cycle);
}

function showErrors() {
  const failed = [...status.tables.values()].filter((table) => table.last_failure || table.put_aside || table.verify?.error || (table.verify?.result && !table.verify.result.equal));
  const last = status.cycles.at(-1);
  const items = [];
  if (last?.error) items.push(problem("The last cycle failed as a whole", last.error.message, last.error.remedy, last.finished_at));
  for (const table of failed) {
    const link = element("a", { href: `#table=${encodeURIComponent(table.name)}` }, table.name);
    if (table.last_failure?.error) items.push(problem(link, `${withoutName(table.last_failure.error.message, table.name)}${table.failures > 1 ? ` (${table.failures} times in a row)` : ""}`, [table.last_failure.error.remedy, table.put_aside && `It is ${table.put_aside.split(":")[0]}.`].filter(Boolean).join(" "), table.last_failure.finished_at));
    if (table.verify?.error) items.push(problem(link.cloneNode(true), `verify: ${table.verify.error.message}`, table.verify.error.remedy, table.verify.finished_at));
    if (table.verify?.result && !table.verify.result.equal) items.push(problem(link.cloneNode(true), "verify found differences between ClickHouse and the cold table", table.verify.result.remedy, table.verify.finished_at));
  }
  const text = items.map((item) => item.textContent).join("\n");
  at("errors").hidden = items.length === 0;
  if (showErrors.shown === text) return;
  showErrors.shown = text;
  at("errors-list").replaceChildren(...items);
}

function problem(subject, message, remedy, when) {
  const time = element("time");
  setTime(time, when, now());
  return element("li", {}, element("p", { class: "what" }, icon("failed"), " ", subject, ": ", message), remedy ? element("p", { class: "remedy" }, remedy) : null, element("p", { class: "when" }, time));
}

// --- events ------------------------------------------------------------------------------------------------------
let due = new Set();
function showSoon(...parts) {
  if (due.size === 0) requestAnimationFrame(show);
  for (const part of parts) due.add(part);
}
function show() {
  const parts = due;
  due = new Set();
  const tables = [...status.tables.values()];
  if (parts.has("server")) showServer();
  if (parts.has("tables")) {
    graph.show(tables, now());
    showSummary();
    showErrors();
    if (at("filter").value) showFilter();
    detail.update(status.tables.get(detail.name));
  }
  if (parts.has("tables") || parts.has("running")) showRunning();
  if (parts.has("cycles")) showHistory(document, status.cycles, now());
}

function clock(text) { ahead = Date.parse(text) - Date.now(); }

const takers = {
  status(data) {
    const first = status.server === null;
    clock(data.server.now);
    status.server = data.server;
    status.tables = new Map(data.tables.map((table) => [table.name, table]));
    status.cycles = data.cycles;
    showSoon("server", "tables", "cycles");
    if (first) requestAnimationFrame(() => choose(nameInHash(), false));
    else if (detail.name && !status.tables.has(detail.name)) choose("", false);
  },
  server(data) {
    clock(data.now);
    if (data.cycle && !status.server?.cycle) announce("A cycle begins.");
    status.server = data;
    showSoon("server", "running");
  },
  table(data) {
    const before = status.tables.get(data.name);
    if (data.last_failure && !before?.last_failure) announce(`${data.name} failed: ${data.last_failure.error?.message ?? ""}`);
    if (["queued", "running"].includes(before?.verify?.state) && data.verify?.state === "done") {
      if (data.verify.result.equal) tell(`${data.name}: ClickHouse and the cold table hold the same ${count(data.verify.result.rows_cold)} rows.`);
      else tell(`${data.name}: there are differences.`, data.verify.result.remedy, true);
    }
    status.tables.set(data.name, data);
    showSoon("tables");
  },
  cycle(data) {
    status.cycles = [...status.cycles, data].slice(-200);
    announce(`The cycle has ended: ${data.tables.done} done, ${data.tables.failed} failed, ${count(data.rows)} rows.`);
    showSoon("cycles", "tables");
  },
  progress(data) {
    for (const [name, running] of Object.entries(data.running)) {
      const table = status.tables.get(name);
      if (table) status.tables.set(name, { ...table, running, state: "running" });
    }
    showSoon("running", "tables");
  },
};

function link(state, more) {
  at("link").dataset.link = state;
  at("link-text").textContent = { live: "live", lost: "reconnecting", refused: "token needed" }[state];
  if (state === "live") {
    if (lostAt) announce("The connection is back.");
    lostAt = null;
    at("lost").hidden = true;
    return;
  }
  if (state === "refused") {
    at("lost").hidden = false;
    at("lost").textContent = `${more.message}. ${more.remedy}`;
    if (more.status === 401) askForToken(token.get() ? more.message : "");
    return;
  }
  lostAt ??= new Date(now()).toISOString();
  at("lost").hidden = false;
  const text = status.server ? `The connection to calve serve is lost. What is shown is as of ${utc(lostAt, now())}; it is tried again.` : "calve serve does not answer; it is tried again.";
  if (at("lost").textContent !== text) at("lost").textContent = text;
}

showToken();
const events = new Events((name, data) => takers[name]?.(data), link);

// Lags grow and tables become late while nothing happens.
setInterval(() => {
  showNext();
  for (const [name, table] of status.tables) {
    if (table.state !== "fresh" && table.state !== "late") continue;
    const state = now() >= Date.parse(table.overdue_at) ? "overdue" : now() >= Date.parse(table.late_at) ? "late" : "fresh";
    if (state !== table.state) status.tables.set(name, { ...table, state });
  }
}, 1000);
setInterval(() => { if (status.server) showSoon("tables"); }, 10_000);
// The charts are as wide as there is room.
let width = 0;
new ResizeObserver(([entry]) => {
  if (Math.abs(entry.contentRect.width - width) < 2) return;
  width = entry.contentRect.width;
  if (status.server) showSoon("cycles");
}).observe(at("history"));
