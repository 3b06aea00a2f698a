// A small ACP agent without dependencies. It keeps what it was told in $HOME/echo/<session>.json, so it
// remembers exactly as far as its HOME was kept.
import { mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { randomUUID } from "node:crypto";
import { createInterface } from "node:readline";
import { join } from "node:path";
import { replyTo } from "./replies.mjs";

const folder = join(process.env.HOME, "echo");
const sessions = new Map();
const turns = new Map();

const send = (message) => process.stdout.write(JSON.stringify({ jsonrpc: "2.0", ...message }) + "\n");

function keep(session) {
  mkdirSync(folder, { recursive: true });
  const file = join(folder, `${session}.json`);
  writeFileSync(`${file}.new`, JSON.stringify(sessions.get(session)));
  renameSync(`${file}.new`, file);
}

function recall(session) {
  if (!/^[0-9a-f-]{36}$/.test(session)) throw refusal(-32602, "not a session id");
  try {
    sessions.set(session, JSON.parse(readFileSync(join(folder, `${session}.json`), "utf8")));
  } catch {
    throw refusal(-32002, `session ${session} is not known here`);
  }
}

function refusal(code, message) {
  return Object.assign(new Error(message), { code });
}

async function prompt({ sessionId, prompt }) {
  const asked = sessions.get(sessionId);
  if (!asked) throw refusal(-32002, `session ${sessionId} is not known here`);
  const turn = { aborted: false };
  turns.set(sessionId, turn);
  const text = prompt.filter((block) => block.type === "text").map((block) => block.text).join("\n");
  // A server that could not bring the session back says what came before; the message is what follows.
  asked.push(text.split("[End of the conversation so far. What follows is new.]").at(-1).trim());
  keep(sessionId);
  try {
    for await (const text of replyTo(asked, turn)) {
      send({
        method: "session/update",
        params: {
          sessionId,
          update: { sessionUpdate: "agent_message_chunk", content: { type: "text", text } },
        },
      });
    }
  } finally {
    turns.delete(sessionId);
  }
  return { stopReason: turn.aborted ? "cancelled" : "end_turn" };
}

const methods = {
  initialize: () => ({
    protocolVersion: 1,
    agentInfo: { name: "echo", version: "1.0.0" },
    agentCapabilities: {
      loadSession: true,
      promptCapabilities: {},
      sessionCapabilities: { resume: {} },
    },
    authMethods: [],
  }),
  "session/new": () => {
    const sessionId = randomUUID();
    sessions.set(sessionId, []);
    keep(sessionId);
    return { sessionId };
  },
  "session/load": ({ sessionId }) => (recall(sessionId), {}),
  "session/resume": ({ sessionId }) => (recall(sessionId), {}),
  "session/prompt": prompt,
};

createInterface({ input: process.stdin }).on("line", async (line) => {
  const { id, method, params } = JSON.parse(line);
  if (method === "session/cancel") {
    const turn = turns.get(params.sessionId);
    if (turn) turn.aborted = true;
    return;
  }
  if (id === undefined || method === undefined) return;
  try {
    if (!methods[method]) throw refusal(-32601, `no method ${method}`);
    send({ id, result: await methods[method](params ?? {}) });
  } catch (e) {
    send({ id, error: { code: e.code ?? -32603, message: e.message } });
  }
}).on("close", () => process.exit(0));
