// Talking to the server: requests with the token, and the stream of events, which is read with fetch, since an
// EventSource cannot send a token.

const KEY = "calve-token";
const SILENCE_MS = 40_000;   // the server says something every 15 s
const WAITS_MS = [500, 1000, 2000, 5000, 10_000];

export const token = {
  get: () => sessionStorage.getItem(KEY) ?? "",
  set: (value) => (value ? sessionStorage.setItem(KEY, value) : sessionStorage.removeItem(KEY)),
};

function headers(more = {}, given = token.get()) {
  return given ? { ...more, Authorization: `Bearer ${given}` } : more;
}

export class ApiError extends Error {
  constructor(status, error) {
    super(error.message || `the server answered ${status}`);
    this.status = status;
    this.kind = error.kind ?? "";
    this.remedy = error.remedy ?? "";
  }
}

async function outcome(answer) {
  let body = {};
  try { body = await answer.json(); } catch { /* no JSON: the status says it */ }
  if (!answer.ok) throw new ApiError(answer.status, body.error ?? {});
  return body;
}

const options = { cache: "no-store", credentials: "omit", referrerPolicy: "no-referrer" };

export const get = async (path, given) => outcome(await fetch(`api/v1/${path}`, { ...options, headers: headers({}, given) }));

export const post = async (path, body = {}) =>
  outcome(await fetch(`api/v1/${path}`, { ...options, method: "POST", headers: headers({ "Content-Type": "application/json" }), body: JSON.stringify(body) }));

// Calls take(name, data) for each event; the first after each connection is the whole status. state(what, detail): "live",
// "lost" (with the milliseconds until the next try), "refused" (with the error: somebody has to do something).
export class Events {
  constructor(take, state) {
    this.take = take;
    this.state = state;
    this.tries = 0;
    this.run();
    document.addEventListener("visibilitychange", () => { if (!document.hidden) this.hurry?.(); });
    window.addEventListener("online", () => this.hurry?.());
  }

  again() { this.abort?.abort(); this.hurry?.(); }

  async run() {
    for (;;) {
      try {
        await this.listen();
      } catch (error) {
        if (error instanceof ApiError && (error.status === 401 || error.status === 403)) {
          this.state("refused", error);
          await new Promise((go) => { this.hurry = go; });
          continue;
        }
      }
      const wait = WAITS_MS[Math.min(this.tries, WAITS_MS.length - 1)];
      this.tries += 1;
      this.state("lost", wait);
      await new Promise((go) => { this.hurry = go; setTimeout(go, wait); });
    }
  }

  async listen() {
    this.abort = new AbortController();
    let timer = setTimeout(() => this.abort.abort(), SILENCE_MS);
    try {
      const answer = await fetch("api/v1/events", { ...options, headers: headers({ Accept: "text/event-stream" }), signal: this.abort.signal });
      if (!answer.ok) await outcome(answer);
      const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
      let text = "";
      for (;;) {
        const { done, value } = await reader.read();
        if (done) return;
        clearTimeout(timer);
        timer = setTimeout(() => this.abort.abort(), SILENCE_MS);
        text += value;
        const blocks = text.split("\n\n");
        text = blocks.pop();
        for (const block of blocks) this.event(block);
      }
    } finally {
      clearTimeout(timer);
    }
  }

  event(block) {
    let name = "", data = "";
    for (const line of block.split("\n")) {
      if (line.startsWith("event: ")) name = line.slice(7);
      if (line.startsWith("data: ")) data += line.slice(6);
    }
    if (!data) return;
    if (name === "status") { this.tries = 0; this.state("live"); }
    this.take(name, JSON.parse(data));
  }
}
