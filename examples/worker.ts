// A worker for an agent of kind remote that asks for work: Node 20 or later, no packages.
//
// TURNKEEPER_URL and TURNKEEPER_API_KEY (a key of role worker) say where and as whom. Replace answer(): everything else
// is the protocol, and may stay as it is.

interface Given {
  run_id: string;
  thread_id: string;
  attempt: number;
  interrupted: boolean;
  input: { messages?: { content: string }[] };
  token: string;
  deadline_ms: number;
}

interface Told {
  cancel: string | null;
  input: { answers: { id: string; outcome: string; option_id?: string }[]; pending: unknown[] };
  token: string;
}

const url = (process.env.TURNKEEPER_URL ?? "").replace(/\/$/, "");
const key = process.env.TURNKEEPER_API_KEY ?? "";
const name = process.env.WORKER_NAME ?? `node-${process.pid}`;
const concurrency = Number(process.env.WORKER_CONCURRENCY ?? "4");

/** Answers one run. What it remembers of the conversation is in the snapshot. */
async function answer(run: Run): Promise<void> {
  const memory: string[] = JSON.parse((await run.snapshot()) ?? "[]");
  const said = run.given.input.messages?.at(-1)?.content ?? "";
  await run.say(`${name} heard: `);
  if (said.startsWith("May I")) {
    const chosen = await run.ask("Go on?", [
      { optionId: "yes", name: "Yes", kind: "allow_once" },
      { optionId: "no", name: "No", kind: "reject_once" },
    ]);
    await run.say(chosen === "yes" ? "you may. " : "you may not. ");
  }
  for (const word of said.split(" ")) {
    await run.say(`${word.toUpperCase()} `);
  }
  memory.push(said);
  await run.say(`(message ${memory.length} here)`);
  await run.keep(JSON.stringify(memory));
}

class Refused extends Error {
  constructor(
    readonly status: number,
    message: string,
  ) {
    super(message);
  }
}

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/** One request. A server that is away or busy is asked again; a refusal is thrown. */
async function call<T>(method: string, path: string, token: string, body?: unknown): Promise<T> {
  for (let attempt = 0; ; attempt++) {
    try {
      const response = await fetch(url + path, {
        method,
        headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
        body: body === undefined ? undefined : JSON.stringify(body),
        signal: AbortSignal.timeout(40_000),
      });
      if (response.ok) return (await response.json()) as T;
      const problem = await response.text();
      if (response.status < 500) throw new Refused(response.status, problem);
    } catch (failed) {
      if (failed instanceof Refused || attempt >= 7) throw failed;
    }
    await pause(Math.min(5_000, 200 * 2 ** attempt));
  }
}

class Run {
  private seq = 0;
  private token: string;
  private told: Told | undefined;
  private stopped = false;
  private timer: ReturnType<typeof setInterval>;

  constructor(readonly given: Given) {
    this.token = given.token;
    this.timer = setInterval(() => void this.look(), given.deadline_ms / 3);
  }

  /** Shows that we live; the token is renewed, and a cancel or an answer heard. */
  async look(): Promise<void> {
    try {
      this.told = await call<Told>("POST", "/worker/heartbeat", this.token, {});
      this.token = this.told.token;
      if (this.told.cancel) this.stopped = true;
    } catch {
      this.stopped = true;
    }
  }

  /** Events are numbered from 1, so one that is sent again is not taken twice. */
  async send(event: Record<string, unknown>): Promise<void> {
    if (this.stopped && event.type !== "result") throw new Error("stopped");
    this.seq += 1;
    await call("POST", "/worker/response", this.token, { events: [{ ...event, seq: this.seq }] });
  }

  say(text: string): Promise<void> {
    return this.send({ type: "text", text });
  }

  /** Asks a person; the answer comes with a heartbeat. Empty when there will be none. */
  async ask(title: string, options: Record<string, string>[]): Promise<string> {
    const id = `question-${this.seq + 1}`;
    await this.send({ type: "permission", id, tool_call: { title }, options });
    while (!this.stopped) {
      await pause(500);
      await this.look();
      const given = this.told?.input.answers.find((it) => it.id === id);
      if (given) return given.option_id ?? "";
    }
    return "";
  }

  async snapshot(): Promise<string | undefined> {
    try {
      const kept = await call<{ snapshot: string }>("GET", "/worker/transcript/snapshot", this.token);
      return kept.snapshot;
    } catch (refused) {
      if (refused instanceof Refused && refused.status === 404) return undefined;
      throw refused;
    }
  }

  async keep(snapshot: string): Promise<void> {
    await call("POST", "/worker/transcript/snapshot", this.token, { run_id: this.given.run_id, snapshot });
  }

  async work(): Promise<void> {
    try {
      await answer(this);
      await this.send({ type: "result", status: "completed" });
    } catch (failed) {
      const error = { message: String(failed) };
      await this.send({ type: "result", status: "failed", error }).catch(() => undefined);
    } finally {
      clearInterval(this.timer);
    }
  }
}

const working = new Set<Promise<void>>();
console.log("asking as", name);
while (true) {
  if (working.size >= concurrency) {
    await Promise.race(working);
    continue;
  }
  const asked = { worker: name, concurrency, max: concurrency - working.size, wait_ms: 20_000 };
  const got = await call<{ runs: Given[] }>("POST", "/worker/claim", key, asked);
  for (const given of got.runs) {
    const work: Promise<void> = new Run(given).work().finally(() => working.delete(work));
    working.add(work);
  }
}
