// Numbers, times and words as people read them.

export const STATES = {
  running: "running", fresh: "fresh", late: "late", overdue: "overdue", failed: "failed", "held-up": "held up",
  "put-aside": "put aside", paused: "paused", empty: "nothing yet", unknown: "not looked at yet",
};
// The most urgent first.
export const URGENCY = ["failed", "put-aside", "held-up", "overdue", "late", "running", "paused", "unknown", "empty", "fresh"];

export const count = (n) => (n === null || n === undefined ? "–" : Math.round(n).toLocaleString("en-US"));

export function bytes(n) {
  if (n === null || n === undefined) return "–";
  const units = ["B", "kB", "MB", "GB", "TB", "PB"];
  let at = 0;
  while (n >= 999.5 && at < units.length - 1) { n /= 1000; at += 1; }
  return `${at === 0 || n >= 100 ? Math.round(n) : n.toFixed(1)} ${units[at]}`;
}

export function seconds(s) {
  if (s === null || s === undefined) return "–";
  if (s < 0.0995) return s <= 0 ? "0 s" : `${Math.max(1, Math.round(s * 1000))} ms`;
  if (s < 9.95) return `${s.toFixed(1)} s`;
  if (s < 99.5) return `${Math.round(s)} s`;
  const minutes = Math.round(s / 60);
  if (minutes < 100) return `${minutes} min`;
  if (minutes < 60 * 48) return `${Math.floor(minutes / 60)} h ${String(minutes % 60).padStart(2, "0")} min`;
  return `${Math.floor(minutes / 1440)} d ${Math.floor((minutes % 1440) / 60)} h`;
}

// A lag need not flicker by the second.
export const lag = (s) => (s < 60 ? "under 1 min" : seconds(Math.floor(s / 60) * 60));

// UTC, with the date where it is another day than today; the reader's own time is the tooltip.
export function utc(text, now) {
  if (!text) return "–";
  const day = text.slice(0, 10), time = text.slice(11, 19);
  return now && day === new Date(now).toISOString().slice(0, 10) ? `${time} UTC` : `${day} ${time} UTC`;
}
// In a column that says UTC itself.
export const shortUtc = (text, now) => utc(text, now).replace(/ UTC$/, "");
export const local = (text) => `${new Date(text).toLocaleString()} (local time)`;

export function timeElement(text, now, short = false) {
  const element = document.createElement("time");
  setTime(element, text, now);
  if (short) element.textContent = shortUtc(text, now);
  return element;
}

// A name that may be broken where its words end.
export function nameParts(name) {
  return name.split(/(?<=[_.\-])/).flatMap((part, i) => (i === 0 ? [part] : [document.createElement("wbr"), part]));
}

// The first ones, and how many more there are.
export const few = (names, most) => (names.length > most + 1 ? `${names.slice(0, most).join(", ")} and ${names.length - most} more` : names.join(", "));

// Errors of a table begin with its name, which is beside them already.
export const withoutName = (message, name) => (message.startsWith(`${name}: `) ? message.slice(name.length + 2) : message);
export function setTime(element, text, now) {
  element.textContent = utc(text, now);
  if (!text) return;
  element.dateTime = text;
  element.title = local(text);
}

export function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === false || value === null || value === undefined) continue;
    if (name === "class") made.className = value; else made.setAttribute(name, value);
  }
  made.append(...children.filter((child) => child !== null && child !== undefined && child !== ""));
  return made;
}

const SVG = "http://www.w3.org/2000/svg";
export function svg(tag, attributes = {}, ...children) {
  const made = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

export function icon(state) {
  return svg("svg", { class: "icon", "aria-hidden": "true", focusable: "false" }, svg("use", { href: `#i-${state}` }));
}

export function progressText(running) {
  const parts = [];
  if (running.phase) parts.push(running.phase);
  parts.push(`${count(running.rows)}${running.rows_expected ? ` of ${count(running.rows_expected)}` : ""} rows`);
  if (running.rows > 0) parts.push(`${count(running.rows_per_second)} rows/s`);
  if (running.bytes_written > 0) parts.push(`${bytes(running.bytes_written)} written`);
  else if (running.bytes_read > 0) parts.push(`${bytes(running.bytes_read)} read`);
  if (running.share !== null && running.share !== undefined) parts.push(`${Math.floor(running.share * 100)} %`);
  if (running.seconds_left !== null && running.seconds_left !== undefined && running.rows > 0) parts.push(`${seconds(running.seconds_left)} left`);
  return parts.join(" · ");
}
