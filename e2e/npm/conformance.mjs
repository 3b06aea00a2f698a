// One script over the calls of the LangGraph client that Turnkeeper serves, run against the published
// in-memory server (the oracle) and against Turnkeeper, with two versions of the client:
//
//   node conformance.mjs --url URL --sdk 1.9.31|1.15.0 --server oracle|turnkeeper [--key KEY] [--agent NAME]
//
// Prints one line per check and "N passed, N failed"; exits 1 when one failed.
//
// Where Turnkeeper differs from the in-memory server on purpose, this table says so, and nothing else in
// the script asks which server it talks to:
const DIFFERENCES = {
  oracle: {
    // A message for a busy thread is refused unless the client says otherwise.
    defaultMultitaskStrategy: "reject",
    // Ids of events are gone with the run, so a client that comes back later gets nothing.
    resumesAfterTheEnd: false,
    // A thread id must be a UUID.
    anyThreadId: false,
    // A run with the same Idempotency-Key is a new run.
    idempotencyKeys: false,
    // What a body that breaks the schema gets.
    statusOfBadInput: 400,
    // A run for a thread that is not there is refused with this (the hosted server says 404).
    statusOfMissingThread: 422,
    // The order of runs.list.
    listsNewestFirst: false,
    // What the `custom` stream mode carries is whatever the graph writes.
    customEvents: (data) => data.note === "the test agent thinks",
  },
  turnkeeper: {
    // A message for a busy thread waits its turn.
    defaultMultitaskStrategy: "enqueue",
    // Every event has a durable id: a client that comes back later gets the rest, each event once.
    resumesAfterTheEnd: true,
    // A thread id is any text that the client likes.
    anyThreadId: true,
    // The same Idempotency-Key gives the same run.
    idempotencyKeys: true,
    statusOfBadInput: 422,
    statusOfMissingThread: 404,
    listsNewestFirst: true,
    // `custom` carries the agent's own updates as they are.
    customEvents: (data) => typeof data.sessionUpdate === "string",
  },
};

const options = Object.fromEntries(
  process.argv.slice(2).flatMap((word, i, all) => (word.startsWith("--") ? [[word.slice(2), all[i + 1]]] : [])),
);
const { url, key, sdk = "1.15.0", server = "turnkeeper", agent = "echo", only } = options;
const differs = DIFFERENCES[server];
if (!url || !differs) {
  console.error("usage: conformance.mjs --url URL --server oracle|turnkeeper [--sdk VERSION] [--key KEY] [--agent NAME]");
  process.exit(2);
}
const { Client } = await import(`sdk-${sdk}`);
const client = new Client({ apiUrl: url, apiKey: key ?? null, callerOptions: { maxRetries: 0 } });
const headers = { "content-type": "application/json", ...(key && { "x-api-key": key }) };
const CHECK_TIMEOUT_MS = 60_000;

let passed = 0;
let failed = 0;

async function check(name, body) {
  if (only && !name.includes(only)) return;
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no end after ${CHECK_TIMEOUT_MS} ms`)), CHECK_TIMEOUT_MS);
  });
  try {
    await Promise.race([body(), late]);
    passed++;
    console.log(`ok      ${name}`);
  } catch (e) {
    failed++;
    console.log(`FAILED  ${name}\n        ${String(e.stack ?? e).split("\n").slice(0, 4).join("\n        ")}`);
  } finally {
    clearTimeout(timer);
  }
}

const show = (value) => {
  const text = JSON.stringify(value) ?? String(value);
  return text.length > 600 ? `${text.slice(0, 600)}…` : text;
};
function that(condition, what, value) {
  if (!condition) throw new Error(value === undefined ? what : `${what}, was: ${show(value)}`);
}
function same(actual, expected, what) {
  that(JSON.stringify(actual) === JSON.stringify(expected), `${what} should be ${show(expected)}`, actual);
}
const isTime = (text) => typeof text === "string" && !Number.isNaN(Date.parse(text));
const isId = (text) => typeof text === "string" && text.length > 0;
const say = (content) => ({ input: { messages: [{ role: "user", content }] } });
const texts = (values) => values.messages.map((m) => [m.type, m.content]);
const collect = async (stream) => {
  const parts = [];
  for await (const part of stream) parts.push(part);
  return parts;
};
const of = (parts, event) => parts.filter((part) => part.event === event);

async function refusedWith(status, call) {
  let result;
  try {
    result = await call();
  } catch (e) {
    same(e.status, status, `the status of "${String(e.message).slice(0, 200)}"`);
    return e;
  }
  throw new Error(`should be refused with ${status}, was: ${show(result)}`);
}

/** Reads until `done` says so; every wait has a deadline. */
async function eventually(what, read, done) {
  const until = Date.now() + 20_000;
  for (;;) {
    const value = await read();
    if (done(value)) return value;
    if (Date.now() > until) throw new Error(`${what}: not within 20 s, last: ${show(value)}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
const ended = (thread, run) =>
  eventually(
    "the run ends",
    () => client.runs.get(thread, run),
    (r) => r.status !== "pending" && r.status !== "running",
  );
const running = (thread, run) =>
  eventually("the run starts", () => client.runs.get(thread, run), (r) => r.status === "running");

function isThread(thread) {
  that(isId(thread.thread_id), "thread_id", thread);
  that(isTime(thread.created_at) && isTime(thread.updated_at), "created_at and updated_at are times", thread);
  that(["idle", "busy", "interrupted", "error"].includes(thread.status), "status", thread);
  that(thread.metadata !== null && typeof thread.metadata === "object", "metadata is an object", thread);
}
function isRun(run) {
  for (const field of ["run_id", "thread_id", "assistant_id"]) that(isId(run[field]), field, run);
  that(isTime(run.created_at) && isTime(run.updated_at), "created_at and updated_at are times", run);
  that(["pending", "running", "error", "success", "timeout", "interrupted"].includes(run.status), "status", run);
  that(typeof run.metadata === "object" && typeof run.kwargs === "object", "metadata and kwargs", run);
  that(typeof run.multitask_strategy === "string", "multitask_strategy", run);
}
function isMessage(message) {
  that(["human", "ai", "tool", "system"].includes(message.type), "message.type", message);
  that(isId(message.id), "message.id", message);
  that(message.content !== undefined, "message.content", message);
}

// --- meta ------------------------------------------------------------------------------------------

await check("GET /ok answers {ok: true}", async () => {
  same(await (await fetch(`${url}/ok`)).json(), { ok: true }, "the body");
});
await check("GET /info says what is served", async () => {
  const info = await (await fetch(`${url}/info`, { headers })).json();
  that(typeof info.flags === "object" && info.flags.assistants === true, "flags.assistants", info);
});

// --- assistants ------------------------------------------------------------------------------------

let assistantId;
await check("assistants.search finds the agent by graph id", async () => {
  const found = await client.assistants.search({ graphId: agent });
  same(found.length, 1, "how many");
  const it = found[0];
  that(isId(it.assistant_id) && it.graph_id === agent, "assistant_id and graph_id", it);
  that(isTime(it.created_at) && isTime(it.updated_at), "times", it);
  that(typeof it.config === "object" && typeof it.metadata === "object", "config and metadata", it);
  that(typeof it.version === "number" && typeof it.name === "string", "version and name", it);
  assistantId = it.assistant_id;
});
await check("assistants.search of a graph id that is not there finds nothing", async () => {
  same(await client.assistants.search({ graphId: "no-such-agent" }), [], "the answer");
});
await check("assistants.search pages", async () => {
  same((await client.assistants.search({ limit: 1 })).length, 1, "how many");
  same((await client.assistants.search({ limit: 10, offset: 1000 })).length, 0, "how many past the end");
});
await check("assistants.get by id", async () => {
  const it = await client.assistants.get(assistantId);
  same([it.assistant_id, it.graph_id], [assistantId, agent], "ids");
});
await check("assistants.get by name", async () => {
  same((await client.assistants.get(agent)).assistant_id, assistantId, "assistant_id");
});
await check("assistants.get of none is 404", () =>
  refusedWith(404, () => client.assistants.get("00000000-0000-4000-8000-000000000000")));
await check("assistants.count", async () => {
  same(await client.assistants.count({ graphId: agent }), 1, "the count");
});
await check("assistants.getSchemas", async () => {
  const schemas = await client.assistants.getSchemas(assistantId);
  same(schemas.graph_id, agent, "graph_id");
  for (const name of ["input_schema", "output_schema", "state_schema"]) {
    that(schemas[name]?.type === "object" || schemas[name]?.$ref || schemas[name]?.definitions, name, schemas[name]);
  }
});

// --- threads ---------------------------------------------------------------------------------------

await check("threads.create and get", async () => {
  const made = await client.threads.create({ metadata: { color: "red" } });
  isThread(made);
  same([made.status, made.metadata.color], ["idle", "red"], "status and metadata");
  const got = await client.threads.get(made.thread_id);
  isThread(got);
  same(got.thread_id, made.thread_id, "thread_id");
});
await check("threads.create with an id of the client's; if_exists raise and do_nothing", async () => {
  const threadId = crypto.randomUUID();
  same((await client.threads.create({ threadId, metadata: { n: 1 } })).thread_id, threadId, "thread_id");
  await refusedWith(409, () => client.threads.create({ threadId }));
  await refusedWith(409, () => client.threads.create({ threadId, ifExists: "raise" }));
  const again = await client.threads.create({ threadId, ifExists: "do_nothing", metadata: { n: 2 } });
  same([again.thread_id, again.metadata.n], [threadId, 1], "the thread as it was");
});
await check("threads.create with an id that is no UUID", async () => {
  const threadId = `user:42/${crypto.randomUUID()}`;
  if (!differs.anyThreadId) {
    await refusedWith(differs.statusOfBadInput, () => client.threads.create({ threadId: "user:42" }));
    return;
  }
  same((await client.threads.create({ threadId })).thread_id, threadId, "thread_id");
});
await check("threads.create with a graph id keeps it in the metadata", async () => {
  same((await client.threads.create({ graphId: agent })).metadata.graph_id, agent, "metadata.graph_id");
});
await check("threads.get of none is 404", () => refusedWith(404, () => client.threads.get(crypto.randomUUID())));
await check("threads.update merges metadata", async () => {
  const { thread_id } = await client.threads.create({ metadata: { a: 1, b: 1 } });
  const changed = await client.threads.update(thread_id, { metadata: { b: 2, c: 3 } });
  isThread(changed);
  same([changed.metadata.a, changed.metadata.b, changed.metadata.c], [1, 2, 3], "metadata");
});
await check("threads.update of none is 404", () =>
  refusedWith(404, () => client.threads.update(crypto.randomUUID(), { metadata: {} })));
await check("threads.search and count by metadata, paged and sorted", async () => {
  const mark = crypto.randomUUID();
  const made = [];
  for (let i = 0; i < 3; i++) made.push((await client.threads.create({ metadata: { mark, i } })).thread_id);
  const metadata = { mark };
  same(await client.threads.count({ metadata }), 3, "the count");
  const found = await client.threads.search({ metadata, sortBy: "created_at", sortOrder: "asc" });
  found.forEach(isThread);
  same(found.map((t) => t.thread_id), made, "oldest first");
  const newest = await client.threads.search({ metadata, sortBy: "created_at", sortOrder: "desc", limit: 2 });
  same(newest.map((t) => t.thread_id), made.toReversed().slice(0, 2), "newest first, two of them");
  const rest = await client.threads.search({
    metadata, sortBy: "created_at", sortOrder: "desc", limit: 2, offset: 2,
  });
  same(rest.map((t) => t.thread_id), [made[0]], "the rest");
  same((await client.threads.search({ metadata, status: "idle" })).length, 3, "idle ones");
  same(await client.threads.search({ metadata, status: "busy" }), [], "busy ones");
  same(await client.threads.search({ metadata: { mark: "none" } }), [], "none");
});
await check("threads.search by ids", async () => {
  const { thread_id } = await client.threads.create();
  const found = await client.threads.search({ ids: [thread_id, crypto.randomUUID()] });
  same(found.map((t) => t.thread_id), [thread_id], "the one");
});
await check("threads.delete, then it is gone", async () => {
  const { thread_id } = await client.threads.create();
  await client.threads.delete(thread_id);
  await refusedWith(404, () => client.threads.get(thread_id));
});
await check("threads.getState of an empty thread", async () => {
  const { thread_id } = await client.threads.create();
  const state = await client.threads.getState(thread_id);
  same([state.next, state.tasks], [[], []], "next and tasks");
  that(!state.values?.messages?.length, "no messages", state.values);
});
await check("threads.getHistory of an empty thread", async () => {
  const { thread_id } = await client.threads.create();
  same(await client.threads.getHistory(thread_id), [], "the history");
});

// --- runs on threads -------------------------------------------------------------------------------

await check("runs.wait gives the final values; the second turn knows the first", async () => {
  const { thread_id } = await client.threads.create();
  const first = await client.runs.wait(thread_id, agent, say("hello there"));
  first.messages.forEach(isMessage);
  same(texts(first), [["human", "hello there"], ["ai", "Message 1, you said: hello there"]], "messages");
  const second = await client.runs.wait(thread_id, assistantId, say("what did I say first?"));
  same(texts(second).slice(2), [
    ["human", "what did I say first?"],
    ["ai", "Your first words were: hello there"],
  ], "the second turn");
  const ids = second.messages.map((m) => m.id);
  same(new Set(ids).size, 4, "different message ids");
  same(ids.slice(0, 2), first.messages.map((m) => m.id), "ids stay");
});
await check("the state and the thread hold the conversation afterwards", async () => {
  const { thread_id } = await client.threads.create();
  const values = await client.runs.wait(thread_id, agent, say("one"));
  const state = await client.threads.getState(thread_id);
  same(texts(state.values), texts(values), "state.values.messages");
  same(state.next, [], "next");
  that(Array.isArray(state.tasks), "tasks", state);
  that(isId(state.checkpoint?.checkpoint_id) && state.checkpoint.thread_id === thread_id, "checkpoint", state);
  that(isTime(state.created_at), "created_at", state);
  const thread = await client.threads.get(thread_id);
  same(thread.status, "idle", "status");
  same(texts(thread.values), texts(values), "thread.values.messages");
});
await check("threads.getHistory is newest first and its newest is the state", async () => {
  const { thread_id } = await client.threads.create();
  await client.runs.wait(thread_id, agent, say("one"));
  await client.runs.wait(thread_id, agent, say("two"));
  const history = await client.threads.getHistory(thread_id, { limit: 50 });
  that(history.length >= 2, "at least a state per turn", history.length);
  const state = await client.threads.getState(thread_id);
  same(history[0].checkpoint.checkpoint_id, state.checkpoint.checkpoint_id, "the newest");
  same(texts(history[0].values).length, 4, "messages in the newest");
  that(history.some((s) => s.values?.messages?.length === 2), "the state after the first turn", history.length);
  same((await client.threads.getHistory(thread_id, { limit: 1 })).length, 1, "with limit 1");
});
await check("threads.getState at a checkpoint of the history", async () => {
  const { thread_id } = await client.threads.create();
  await client.runs.wait(thread_id, agent, say("one"));
  await client.runs.wait(thread_id, agent, say("two"));
  const history = await client.threads.getHistory(thread_id, { limit: 50 });
  const then = history.find((s) => s.values?.messages?.length === 2);
  const state = await client.threads.getState(thread_id, then.checkpoint.checkpoint_id);
  same(texts(state.values), texts(then.values), "the values then");
});
await check("runs.create, get, join and list", async () => {
  const { thread_id } = await client.threads.create();
  const run = await client.runs.create(thread_id, agent, { ...say("hi"), metadata: { why: "test" } });
  isRun(run);
  same([run.thread_id, run.assistant_id, run.metadata.why], [thread_id, assistantId, "test"], "the run");
  const values = await client.runs.join(thread_id, run.run_id);
  same(texts(values).at(-1), ["ai", "Message 1, you said: hi"], "the joined values");
  const got = await ended(thread_id, run.run_id);
  isRun(got);
  same(got.status, "success", "status");
  await client.runs.wait(thread_id, agent, say("again"));
  const list = await client.runs.list(thread_id);
  list.forEach(isRun);
  same(list.length, 2, "how many");
  const inOrder = differs.listsNewestFirst ? list : list.toReversed();
  same(inOrder[1].run_id, run.run_id, "the older one");
  same((await client.runs.list(thread_id, { limit: 1 })).length, 1, "with limit 1");
  same((await client.runs.list(thread_id, { limit: 5, offset: 1 })).map((r) => r.run_id), [list[1].run_id], "offset");
  same((await client.runs.list(thread_id, { status: "success" })).length, 2, "with status success");
  same((await client.runs.list(thread_id, { status: "error" })).length, 0, "with status error");
});
await check("runs.create tells the run's id by onRunCreated", async () => {
  const { thread_id } = await client.threads.create();
  let told;
  const run = await client.runs.create(thread_id, agent, { ...say("hi"), onRunCreated: (it) => (told = it) });
  same(told, { run_id: run.run_id, thread_id }, "what onRunCreated got");
  await client.runs.join(thread_id, run.run_id);
});
await check("runs.get of none is 404", async () => {
  const { thread_id } = await client.threads.create();
  await refusedWith(404, () => client.runs.get(thread_id, crypto.randomUUID()));
});
await check("runs.create on a thread that is not there is 404, and makes it with if_not_exists", async () => {
  const missing = crypto.randomUUID();
  await refusedWith(differs.statusOfMissingThread, () => client.runs.create(missing, agent, say("hi")));
  const run = await client.runs.create(missing, agent, { ...say("hi"), ifNotExists: "create" });
  same(run.thread_id, missing, "thread_id");
  await client.runs.join(missing, run.run_id);
});
await check("runs.create with an assistant that is not there is 404", async () => {
  const { thread_id } = await client.threads.create();
  await refusedWith(404, () => client.runs.create(thread_id, "no-such-agent", say("hi")));
});
await check("runs.delete, then it is gone", async () => {
  const { thread_id } = await client.threads.create();
  const run = await client.runs.create(thread_id, agent, say("hi"));
  await client.runs.join(thread_id, run.run_id);
  await ended(thread_id, run.run_id);
  await client.runs.delete(thread_id, run.run_id);
  await refusedWith(404, () => client.runs.get(thread_id, run.run_id));
});

// --- streams ---------------------------------------------------------------------------------------

const streamed = async (streamMode, text = "hello there", more = {}) => {
  const { thread_id } = await client.threads.create();
  const parts = await collect(client.runs.stream(thread_id, agent, { ...say(text), streamMode, ...more }));
  return { thread_id, parts };
};
const ANSWER = "Message 1, you said: hello there";

await check("runs.stream begins with the metadata and says the run by onRunCreated", async () => {
  let told;
  const { thread_id, parts } = await streamed("values", "hi", { onRunCreated: (it) => (told = it) });
  same(parts[0].event, "metadata", "the first event");
  that(isId(parts[0].data.run_id) && parts[0].data.attempt === 1, "run_id and attempt", parts[0]);
  same(told, { run_id: parts[0].data.run_id, thread_id }, "what onRunCreated got");
  same((await ended(thread_id, told.run_id)).status, "success", "status");
});
await check("runs.stream without a mode streams values", async () => {
  const { thread_id } = await client.threads.create();
  const parts = await collect(client.runs.stream(thread_id, agent, say("hi")));
  same([...new Set(parts.map((p) => p.event))], ["metadata", "values"], "the events");
});
await check("runs.stream values: the question first, the whole conversation last", async () => {
  const { parts } = await streamed("values");
  const values = of(parts, "values");
  same(texts(values[0].data), [["human", "hello there"]], "the first values");
  same(texts(values.at(-1).data), [["human", "hello there"], ["ai", ANSWER]], "the last values");
});
await check("runs.stream messages: metadata, then a growing message, then the complete one", async () => {
  const { parts } = await streamed("messages");
  const partial = of(parts, "messages/partial").map((p) => p.data[0]);
  that(partial.length >= 3, "several partial messages", partial.length);
  for (let i = 1; i < partial.length; i++) {
    that(partial[i].content.startsWith(partial[i - 1].content), "each continues the one before", partial[i]);
    same(partial[i].id, partial[0].id, "the id stays");
  }
  same([partial.at(-1).content, partial.at(-1).type], [ANSWER, "ai"], "the last partial message");
  const about = of(parts, "messages/metadata");
  that(about.length >= 1 && about[0].data[partial[0].id]?.metadata, "metadata of that id", about);
  that(parts.indexOf(about[0]) < parts.findIndex((p) => p.event === "messages/partial"), "metadata comes first");
  const complete = of(parts, "messages/complete").flatMap((p) => p.data);
  same(complete.filter((m) => m.type === "ai").map((m) => [m.id, m.content]), [[partial[0].id, ANSWER]], "complete");
});
await check("runs.stream messages-tuple: chunks that add up to the answer", async () => {
  const { parts } = await streamed("messages-tuple");
  const chunks = of(parts, "messages").map((p) => p.data);
  that(chunks.length >= 3, "several chunks", chunks.length);
  chunks.forEach(([message, metadata]) => {
    that(typeof metadata === "object" && metadata !== null, "metadata", metadata);
    that(isId(message.id), "id", message);
  });
  const ai = chunks.map(([message]) => message).filter((m) => m.type === "ai" || m.type === "AIMessageChunk");
  same(ai.map((m) => m.content).join(""), ANSWER, "the chunks together");
  same(new Set(ai.map((m) => m.id)).size, 1, "one id");
});
await check("runs.stream updates: what the turn added, by node", async () => {
  const { parts } = await streamed("updates");
  const updates = of(parts, "updates");
  that(updates.length >= 1, "at least one", parts);
  const messages = updates.flatMap((p) => Object.values(p.data)).flatMap((u) => u?.messages ?? []);
  same(messages.filter((m) => m.type === "ai").map((m) => m.content), [ANSWER], "the answer");
});
await check("runs.stream custom", async () => {
  const { parts } = await streamed("custom");
  const custom = of(parts, "custom");
  that(custom.length >= 1, "at least one", parts);
  custom.forEach((p) => that(differs.customEvents(p.data), "its shape", p.data));
});
await check("runs.stream of several modes at once", async () => {
  const { parts } = await streamed(["values", "messages-tuple", "updates", "custom"]);
  for (const event of ["metadata", "values", "messages", "updates", "custom"]) {
    that(of(parts, event).length >= 1, event, parts.map((p) => p.event));
  }
  same(parts.at(-1).event, "values", "the last event");
});
await check("runs.stream events does no harm", async () => {
  const { thread_id, parts } = await streamed(["values", "events"]);
  same(texts(of(parts, "values").at(-1).data).at(-1), ["ai", ANSWER], "the answer");
  same(texts((await client.threads.getState(thread_id)).values).length, 2, "messages");
});
await check("runs.stream with an unknown mode is refused", async () => {
  const { thread_id } = await client.threads.create();
  await refusedWith(differs.statusOfBadInput, () => collect(client.runs.stream(thread_id, agent, { ...say("hi"), streamMode: "nonsense" })));
});
await check("runs.joinStream of a run under way sees its end", async () => {
  const { thread_id } = await client.threads.create();
  const run = await client.runs.create(thread_id, agent, {
    ...say("count slowly to 10"), streamMode: ["values"], streamResumable: true,
  });
  await running(thread_id, run.run_id);
  const parts = await collect(client.runs.joinStream(thread_id, run.run_id, { streamMode: "values" }));
  const last = of(parts, "values").at(-1);
  same(texts(last.data).at(-1), ["ai", "1 2 3 4 5 6 7 8 9 10 "], "the answer");
});
await check("runs.joinStream with lastEventId -1 sees everything from the beginning", async () => {
  const { thread_id } = await client.threads.create();
  const run = await client.runs.create(thread_id, agent, {
    ...say("count slowly to 8"), streamMode: ["messages-tuple"], streamResumable: true,
  });
  await running(thread_id, run.run_id);
  await new Promise((resolve) => setTimeout(resolve, 300));
  const parts = await collect(
    client.runs.joinStream(thread_id, run.run_id, { lastEventId: "-1", streamMode: ["messages-tuple"] }),
  );
  same(of(parts, "messages").map((p) => p.data[0].content).join(""), "1 2 3 4 5 6 7 8 ", "all tokens, each once");
});
await check("runs.joinStream resumes after any event, also when the run has ended", async () => {
  const { thread_id } = await client.threads.create();
  let told;
  const parts = await collect(
    client.runs.stream(thread_id, agent, {
      ...say("hello there"), streamMode: ["messages-tuple", "values"], streamResumable: true,
      onRunCreated: (it) => (told = it),
    }),
  );
  if (!differs.resumesAfterTheEnd) return;
  that(parts.every((p) => isId(p.id)), "every event has an id", parts);
  same(new Set(parts.map((p) => p.id)).size, parts.length, "ids differ");
  for (let i = 0; i < parts.length; i++) {
    const rest = await collect(
      client.runs.joinStream(thread_id, told.run_id, {
        lastEventId: parts[i].id, streamMode: ["messages-tuple", "values"],
      }),
    );
    same(rest, parts.slice(i + 1), `what follows event ${parts[i].id}`);
  }
});

// --- failures --------------------------------------------------------------------------------------

await check("a run that fails: runs.wait throws, the run is in error, so is the thread", async () => {
  const { thread_id } = await client.threads.create();
  let thrown;
  await client.runs.wait(thread_id, agent, say("please fail")).catch((e) => (thrown = e));
  that(thrown instanceof Error, "runs.wait throws", thrown);
  that(/fails as it was asked to/.test(thrown.message), "the agent's own words", thrown.message);
  const [run] = await client.runs.list(thread_id);
  same((await ended(thread_id, run.run_id)).status, "error", "the run");
  same((await client.threads.get(thread_id)).status, "error", "the thread");
});
await check("a run that fails: the stream ends with an error event", async () => {
  const { thread_id } = await client.threads.create();
  const parts = [];
  try {
    for await (const part of client.runs.stream(thread_id, agent, say("please fail"))) parts.push(part);
  } catch (e) {
    // Newer clients throw what the event says.
    parts.push({ event: "error", data: { error: e.name, message: e.message } });
  }
  const last = parts.at(-1);
  same(last.event, "error", "the last event");
  that(isId(last.data.error) && /fails as it was asked to/.test(last.data.message), "error and message", last.data);
});
await check("a run after a failed one works", async () => {
  const { thread_id } = await client.threads.create();
  await client.runs.wait(thread_id, agent, say("please fail")).catch(() => {});
  const values = await client.runs.wait(thread_id, agent, say("hello"));
  that(/you said: hello$/.test(values.messages.at(-1).content), "the answer", values.messages.at(-1));
  same((await client.threads.get(thread_id)).status, "idle", "the thread");
});

// --- cancel, and more than one run -----------------------------------------------------------------

const busy = async () => {
  const { thread_id } = await client.threads.create();
  const run = await client.runs.create(thread_id, agent, say("count slowly to 100"));
  await running(thread_id, run.run_id);
  return { thread_id, run };
};
await check("a thread with a run is busy", async () => {
  const { thread_id, run } = await busy();
  same((await client.threads.get(thread_id)).status, "busy", "status");
  await client.runs.cancel(thread_id, run.run_id, true);
});
await check("runs.cancel and wait: the run is interrupted, the thread idle", async () => {
  const { thread_id, run } = await busy();
  await client.runs.cancel(thread_id, run.run_id, true, "interrupt");
  same((await client.runs.get(thread_id, run.run_id)).status, "interrupted", "the run");
  await eventually("idle", () => client.threads.get(thread_id), (t) => t.status !== "busy");
});
await check("runs.cancel without waiting", async () => {
  const { thread_id, run } = await busy();
  await client.runs.cancel(thread_id, run.run_id);
  same((await ended(thread_id, run.run_id)).status, "interrupted", "the run");
});
await check("runs.cancel of none is 404", async () => {
  const { thread_id } = await client.threads.create();
  await refusedWith(404, () => client.runs.cancel(thread_id, crypto.randomUUID()));
});
await check("a thread works after a cancelled run", async () => {
  const { thread_id, run } = await busy();
  await client.runs.cancel(thread_id, run.run_id, true);
  const values = await client.runs.wait(thread_id, agent, { ...say("hello"), multitaskStrategy: "enqueue" });
  that(/you said: hello$/.test(values.messages.at(-1).content), "the answer", values.messages.at(-1));
});
await check("multitask_strategy reject", async () => {
  const { thread_id, run } = await busy();
  await refusedWith(422, () =>
    client.runs.create(thread_id, agent, { ...say("me too"), multitaskStrategy: "reject" }));
  same((await client.runs.list(thread_id)).length, 1, "the runs");
  await client.runs.cancel(thread_id, run.run_id, true);
});
await check("multitask_strategy interrupt", async () => {
  const { thread_id, run } = await busy();
  const next = await client.runs.create(thread_id, agent, { ...say("me now"), multitaskStrategy: "interrupt" });
  const values = await client.runs.join(thread_id, next.run_id);
  that(/you said: me now$/.test(values.messages.at(-1).content), "the answer", values.messages.at(-1));
  same((await ended(thread_id, run.run_id)).status, "interrupted", "the first run");
  same((await ended(thread_id, next.run_id)).status, "success", "the second run");
});
await check("multitask_strategy enqueue runs them in order", async () => {
  const { thread_id } = await client.threads.create();
  const runs = [];
  for (const text of ["count slowly to 3", "two", "three"]) {
    runs.push(await client.runs.create(thread_id, agent, { ...say(text), multitaskStrategy: "enqueue" }));
  }
  for (const run of runs) await client.runs.join(thread_id, run.run_id);
  for (const run of runs) same((await ended(thread_id, run.run_id)).status, "success", "status");
  const { values } = await client.threads.getState(thread_id);
  same(texts(values), [
    ["human", "count slowly to 3"], ["ai", "1 2 3 "],
    ["human", "two"], ["ai", "Message 2, you said: two"],
    ["human", "three"], ["ai", "Message 3, you said: three"],
  ], "the conversation");
});
await check("what a busy thread does by default", async () => {
  const { thread_id, run } = await busy();
  const second = client.runs.create(thread_id, agent, say("and me"));
  if (differs.defaultMultitaskStrategy === "reject") {
    await refusedWith(422, () => second);
    await client.runs.cancel(thread_id, run.run_id, true);
  } else {
    const waiting = await second;
    same([waiting.status, waiting.multitask_strategy], ["pending", "enqueue"], "the second run");
    await client.runs.cancel(thread_id, run.run_id, true);
    await client.runs.join(thread_id, waiting.run_id);
    same((await ended(thread_id, waiting.run_id)).status, "success", "status");
  }
});
await check("runs.cancel of a run that waits", async () => {
  const { thread_id, run } = await busy();
  const second = await client.runs.create(thread_id, agent, { ...say("never"), multitaskStrategy: "enqueue" });
  await client.runs.cancel(thread_id, second.run_id);
  await client.runs.cancel(thread_id, run.run_id, true);
  same((await ended(thread_id, second.run_id)).status, "interrupted", "the run that waited");
});
await check("a client that leaves with on_disconnect cancel ends the run; with continue it does not", async () => {
  for (const [onDisconnect, status] of [["cancel", "interrupted"], ["continue", "success"]]) {
    const { thread_id } = await client.threads.create();
    const leave = new AbortController();
    let told;
    try {
      const stream = client.runs.stream(thread_id, agent, {
        ...say("count slowly to 15"), streamMode: ["messages-tuple"], onDisconnect, signal: leave.signal,
        onRunCreated: (it) => (told = it),
      });
      for await (const part of stream) if (part.event === "messages") break;
      leave.abort();
    } catch (e) {
      if (!leave.signal.aborted) throw e;
    }
    same((await ended(thread_id, told.run_id)).status, status, `with ${onDisconnect}`);
  }
});
await check("an Idempotency-Key makes one run of two requests", async () => {
  const { thread_id } = await client.threads.create();
  const post = async () => {
    const response = await fetch(`${url}/threads/${thread_id}/runs`, {
      method: "POST",
      headers: { ...headers, "idempotency-key": `key-${thread_id}` },
      body: JSON.stringify({ assistant_id: agent, multitask_strategy: "enqueue", ...say("once") }),
    });
    return (await response.json()).run_id;
  };
  const [first, second] = [await post(), await post()];
  same(first === second, differs.idempotencyKeys, "whether it is the same run");
  await client.runs.join(thread_id, second);
});

// --- stateless runs --------------------------------------------------------------------------------

await check("stateless runs.wait", async () => {
  const values = await client.runs.wait(null, agent, say("hello there"));
  same(texts(values), [["human", "hello there"], ["ai", ANSWER]], "messages");
});
await check("stateless runs.stream", async () => {
  let told;
  const parts = await collect(
    client.runs.stream(null, agent, {
      ...say("hello there"), streamMode: ["values", "messages-tuple"], onRunCreated: (it) => (told = it),
    }),
  );
  same(parts[0].event, "metadata", "the first event");
  same(told?.run_id, parts[0].data.run_id, "what onRunCreated got");
  same(of(parts, "messages").map((p) => p.data[0].content).join(""), ANSWER, "the chunks together");
  same(texts(of(parts, "values").at(-1).data).at(-1), ["ai", ANSWER], "the last values");
});
await check("stateless runs.create", async () => {
  const run = await client.runs.create(null, agent, say("hello there"));
  isRun(run);
});
await check("stateless runs that are over leave no thread behind", async () => {
  let told;
  const stream = client.runs.stream(null, agent, { ...say("hi"), onRunCreated: (it) => (told = it) });
  const parts = await collect(stream);
  that(parts.length > 1, "events", parts);
  if (told?.thread_id) {
    await eventually(
      "the thread is gone",
      () => client.threads.search({ ids: [told.thread_id] }),
      (found) => found.length === 0,
    );
  }
});

console.log(`${passed} passed, ${failed} failed`);
process.exit(failed === 0 ? 0 : 1);
