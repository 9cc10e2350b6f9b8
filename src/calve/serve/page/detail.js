// One table: facts, its error with the remedy, its snapshots, and what can be done with it.
import { get } from "./api.js";
import { STATES, bytes, count, element, few, icon, lag, nameParts, seconds, setTime, timeElement, withoutName } from "./format.js";

const at = (id) => document.getElementById(id);

export class Detail {
  constructor({ act, tell, now, close }) {
    Object.assign(this, { tell, now, name: "", known: "" });
    at("detail-close").addEventListener("click", close);
    at("detail").addEventListener("keydown", (event) => { if (event.key === "Escape") close(); });
    const path = (action) => `tables/${encodeURIComponent(this.name)}/${action}`;
    at("pause").addEventListener("click", () => {
      const name = this.name;
      if (this.table?.paused_since) act(path("resume"), {}, () => tell(`${name} is resumed: the next cycle takes it.`));
      else act(path("pause"), {}, (table) => tell(`${name} is paused${table.running ? ": what runs is finished" : ""}. Cycles pass over it until it is resumed.`));
    });
    at("verify").addEventListener("click", () => {
      const name = this.name, span = Number(at("verify-range").value);
      const from = span && this.table?.watermark ? { from: new Date(Date.parse(this.table.watermark) - span * 1000).toISOString() } : {};
      act(path("verify"), from, () => tell(`${name} is being compared with ClickHouse. The outcome will be shown here.`));
    });
  }

  open(table) {
    this.name = table?.name ?? "";
    this.known = "";
    at("detail").hidden = !table;
    at("snapshots").replaceChildren();
    at("snapshots-more").textContent = "";
    this.update(table);
  }

  update(table) {
    this.table = table;
    if (!table) return;
    if (at("detail-name").textContent !== table.name) at("detail-name").replaceChildren(...nameParts(table.name));
    at("detail-state").replaceChildren(icon(table.state), ` ${STATES[table.state]}`);
    at("detail-state").dataset.state = table.state;
    at("pause").textContent = table.paused_since ? "Resume" : "Pause";
    at("verify").disabled = ["queued", "running"].includes(table.verify?.state);
    this.facts(table);
    this.error(table);
    this.verified(table);
    const shown = `${table.name} ${table.watermark} ${table.snapshots} ${table.last_run?.finished_at}`;
    if (shown !== this.known) { this.known = shown; this.snapshots(table.name); }
  }

  facts(table) {
    const now = this.now();
    const run = table.last_run;
    const facts = [
      ["From", table.source], ["To", table.target], ["Layer", table.layer], ["After", few(table.after, 12)],
      ["Watermark", table.watermark && timeElement(table.watermark, now)],
      ["Behind", table.watermark && `${lag((now - Date.parse(table.watermark)) / 1000)}${table.delay_seconds > 0 ? `, of which ${seconds(table.delay_seconds)} are wanted` : ""}`],
      ["Rows", table.rows !== null && count(table.rows)], ["Files", table.files !== null && `${count(table.files)}, ${bytes(table.bytes)}`],
      ["Last turn", run && [run.finished_at ? timeElement(run.finished_at, now) : "", ` ${run.state}${run.reason ? `: ${run.reason}` : ""}${run.state === "done" ? `, ${count(run.rows + run.late_rows)} rows in ${seconds(run.seconds)}` : ""}${run.backlog ? "; more is left" : ""}`]],
      ["Paused", table.paused_since && [timeElement(table.paused_since, now), "; calve run and calve offload still take it"]],
      ["Put aside", table.put_aside],
    ];
    const parts = facts.filter(([, value]) => value).map(([name, value]) => element("div", {}, element("dt", {}, name), element("dd", {}, ...[value].flat())));
    const text = parts.map((part) => part.textContent).join("\n");
    if (text === this.factsShown) return;
    this.factsShown = text;
    at("detail-facts").replaceChildren(...parts);
  }

  error(table) {
    const error = table.last_failure?.error ?? null;
    at("detail-error").hidden = !error;
    if (!error) return;
    at("detail-error").replaceChildren(element("p", { class: "what" }, withoutName(error.message, table.name)), element("p", { class: "remedy" }, error.remedy));
  }

  verified(table) {
    const job = table.verify;
    at("detail-verify").hidden = !job;
    if (!job) return;
    const when = element("time");
    setTime(when, job.finished_at ?? job.asked_at, this.now());
    const lines = [];
    if (job.state === "queued") lines.push("Verify waits for its turn.");
    if (job.state === "running") lines.push(`Verify reads both sides: ${count(job.progress?.rows ?? 0)} rows so far.`);
    if (job.state === "failed") lines.push(`Verify failed: ${job.error.message} ${job.error.remedy}`);
    if (job.state === "done") {
      const found = job.result;
      lines.push(found.equal ? `Verify found no difference: ${count(found.rows_hot)} rows in ClickHouse, ${count(found.rows_cold)} cold, in ${seconds(found.seconds)}.`
        : `Verify found DIFFERENCES in ${count(found.buckets_different)} of ${count(found.buckets)} hours: ${count(found.missing)} missing, ${count(found.extra)} extra, ${count(found.changed)} changed, ${count(found.duplicates)} doubled.`);
      if (found.extra_allowed > 0) lines.push(`${count(found.extra_allowed)} rows are only cold, which is expected: ClickHouse has let them go.`);
      if (found.remedy) lines.push(found.remedy);
    }
    at("detail-verify").classList.toggle("error", job.state === "failed" || (job.state === "done" && !job.result.equal));
    at("detail-verify").replaceChildren(...lines.map((line) => element("p", {}, line)), element("p", { class: "when" }, when));
  }

  async snapshots(name) {
    let answer;
    try { answer = await get(`tables/${encodeURIComponent(name)}/snapshots`); } catch { return; }   // the next event asks again
    if (name !== this.name) return;
    at("snapshots").replaceChildren(...answer.snapshots.map((snapshot) => element("tr", {},
      element("td", {}, timeElement(snapshot.committed_at, this.now(), true)), element("td", {}, snapshot.kind || `${snapshot.operation} (not calve's)`),
      element("td", {}, snapshot.window_to ? timeElement(snapshot.window_to, this.now(), true) : "–"), ...["rows", "files"].map((key) => element("td", { class: "number" }, count(snapshot[key] ?? 0))),
      element("td", { class: "number" }, bytes(snapshot.bytes ?? 0)), element("td", {}, element("code", {}, snapshot.id)))));
    at("snapshots-more").textContent = answer.count === null ? "" : answer.count === 0 ? "The table has none yet." : answer.count > answer.snapshots.length ? `The newest ${answer.snapshots.length} of ${count(answer.count)}.` : "";
  }
}
