// An ACP agent without dependencies whose life can be read from a file: while it lives, from its first prompt
// on, it writes "LABEL PID NANOSECONDS" there every few milliseconds. Two processes that ever worked on
// one conversation at a time show as overlapping marks. The prompt is JSON:
// {"label": "...", "chunks": 20, "again": 5, "every": 25, "tool": true, "ask": true}, where "again" is how
// much a later attempt says.
import { appendFileSync } from "node:fs";
import { randomUUID } from "node:crypto";
import { createInterface } from "node:readline";

const MARK_EVERY = 20;
const marks = process.env.MARKS;
let label;
let cancelled = false;
let asked = 0;
const answers = new Map();

const send = (message) => process.stdout.write(JSON.stringify({ jsonrpc: "2.0", ...message }) + "\n");
const pause = (millis) => new Promise((done) => setTimeout(done, millis));
const mark = () => appendFileSync(marks, `${label} ${process.pid} ${process.hrtime.bigint()}\n`);
const update = (sessionId, update) => send({ method: "session/update", params: { sessionId, update } });

function request(method, params) {
  const id = ++asked;
  send({ id, method, params });
  return new Promise((done) => answers.set(id, done));
}

function asks(prompt) {
  const text = prompt.filter((block) => block.type === "text").map((block) => block.text).join("\n");
  return JSON.parse(text.match(/\{[^{}]*\}/g).at(-1));
}

async function prompt({ sessionId, prompt, _meta }) {
  const wish = asks(prompt);
  if (label === undefined) setInterval(mark, MARK_EVERY);
  label = wish.label;
  mark();
  cancelled = false;
  if (wish.tool) {
    update(sessionId, { sessionUpdate: "tool_call", toolCallId: "t1", title: "pay the bill", kind: "execute", status: "pending" });
  }
  if (wish.ask) {
    await request("session/request_permission", {
      sessionId,
      toolCall: { toolCallId: "t1", title: "pay the bill" },
      options: [
        { optionId: "yes", name: "Yes", kind: "allow_once" },
        { optionId: "no", name: "No", kind: "reject_once" },
      ],
    });
  }
  const chunks = (_meta?.turnkeeper?.attempt > 1 && wish.again) || wish.chunks;
  for (let i = 0; i < chunks && !cancelled; i++) {
    update(sessionId, { sessionUpdate: "agent_message_chunk", content: { type: "text", text: `${i} ` } });
    await pause(wish.every);
  }
  if (wish.tool) {
    update(sessionId, { sessionUpdate: "tool_call_update", toolCallId: "t1", status: "completed" });
  }
  return { stopReason: cancelled ? "cancelled" : "end_turn" };
}

const methods = {
  initialize: () => ({
    protocolVersion: 1,
    agentInfo: { name: "marking", version: "1.0.0" },
    agentCapabilities: { loadSession: true, promptCapabilities: {} },
    authMethods: [],
  }),
  "session/new": () => ({ sessionId: randomUUID() }),
  "session/load": () => ({}),
  "session/prompt": prompt,
};

createInterface({ input: process.stdin }).on("line", async (line) => {
  const { id, method, params, result } = JSON.parse(line);
  if (method === "session/cancel") cancelled = true;
  if (method === undefined && answers.has(id)) answers.get(id)(result);
  if (id === undefined || method === undefined) return;
  try {
    if (!methods[method]) throw new Error(`no method ${method}`);
    send({ id, result: await methods[method](params ?? {}) });
  } catch (e) {
    send({ id, error: { code: -32603, message: e.message } });
  }
}).on("close", () => process.exit(0));
