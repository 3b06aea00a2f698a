// An ACP agent whose tool uses the API as the run that it works on: it says what each route answered, and with what
// token, as JSON.
import { randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";

const send = (message) => process.stdout.write(JSON.stringify({ jsonrpc: "2.0", ...message }) + "\n");

async function tried(token) {
  const answers = {};
  const ask = async (method, path, body) => {
    const response = await fetch(process.env.TURNKEEPER_URL + path, {
      method,
      headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
      body: body && JSON.stringify(body),
    });
    answers[`${method} ${path}`] = response.status;
    return response.text();
  };
  answers.thread = JSON.parse(await ask("GET", "/worker/thread")).messages?.length;
  await ask("POST", "/worker/heartbeat", {});
  await ask("POST", "/worker/events", { data: { from: "a tool" } });
  await ask("POST", "/worker/response", { events: [{ seq: 1, type: "text", text: "x" }] });
  await ask("GET", "/worker/transcript/snapshot");
  await ask("POST", "/worker/transcript/snapshot", { run_id: randomUUID(), snapshot: "x" });
  await ask("DELETE", "/worker/transcript/snapshot");
  await ask("GET", "/worker/stream");
  await ask("POST", "/worker/claim", {});
  await ask("POST", "/threads", {});
  await ask("POST", "/threads/search", {});
  await ask("POST", "/runs", { assistant_id: "tools", input: {} });
  await ask("GET", "/admin/whoami");
  await ask("GET", "/admin/agents");
  await ask("POST", "/assistants/search", {});
  return answers;
}

async function prompt({ sessionId, prompt }) {
  const token = readFileSync(process.env.TURNKEEPER_RUN_TOKEN_FILE, "utf8");
  const said = { ...(await tried(token)), pid: process.pid, token };
  send({
    method: "session/update",
    params: {
      sessionId,
      update: { sessionUpdate: "agent_message_chunk", content: { type: "text", text: JSON.stringify(said) } },
    },
  });
  return { stopReason: "end_turn" };
}

const methods = {
  initialize: () => ({ protocolVersion: 1, agentCapabilities: {}, authMethods: [] }),
  "session/new": () => ({ sessionId: randomUUID() }),
  "session/prompt": prompt,
};

createInterface({ input: process.stdin }).on("line", async (line) => {
  const { id, method, params } = JSON.parse(line);
  if (id === undefined || !methods[method]) return;
  try {
    send({ id, result: await methods[method](params ?? {}) });
  } catch (e) {
    send({ id, error: { code: -32603, message: String(e) } });
  }
}).on("close", () => process.exit(0));
