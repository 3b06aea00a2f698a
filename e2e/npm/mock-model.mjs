// A model server for tests: OpenAI's chat completions and Gemini's generateContent, streamed or not.
// It answers deterministic text, ignores tools and remembers every request body.
//   node mock-model.mjs [PORT]      prints "ready <port>"; GET /requests lists what it was asked
import { createServer } from "node:http";

const requests = [];

const server = createServer(async (request, response) => {
  if (request.url === "/requests") {
    return json(response, requests);
  }
  let body = "";
  for await (const chunk of request) body += chunk;
  const url = new URL(request.url, "http://mock");
  let parsed = null;
  try {
    parsed = body ? JSON.parse(body) : null;
  } catch {
    parsed = { unreadable: body };
  }
  requests.push({ method: request.method, path: url.pathname, body: parsed });
  if (url.pathname.endsWith("/chat/completions")) return openai(response, parsed);
  if (/:streamGenerateContent$/.test(url.pathname)) return gemini(response, parsed, true);
  if (/:generateContent$/.test(url.pathname)) return gemini(response, parsed, false);
  if (/:countTokens$/.test(url.pathname)) return json(response, { totalTokens: 7 });
  if (url.pathname.endsWith("/models")) {
    return json(response, { object: "list", data: [{ id: "mock", object: "model" }] });
  }
  response.writeHead(404).end();
});

function json(response, value) {
  response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(value));
}

const plain = (content) =>
  typeof content === "string" ? content : (content ?? []).map((part) => part.text ?? "").join("");

/** Says how much it was shown. It repeats nothing: agents put marks into prompts that mean something to them. */
function answer(asked) {
  return `I was shown ${asked.length} of your messages, ${asked.join("").length} characters in all.`;
}

function openai(response, body) {
  const asked = (body.messages ?? []).filter((m) => m.role === "user").map((m) => plain(m.content));
  const text = answer(asked);
  const head = { id: "chatcmpl-mock", created: 1, model: body.model ?? "mock" };
  const usage = { prompt_tokens: 7, completion_tokens: 9, total_tokens: 16 };
  if (!body.stream) {
    const message = { role: "assistant", content: text };
    const choices = [{ index: 0, message, finish_reason: "stop" }];
    return json(response, { ...head, object: "chat.completion", choices, usage });
  }
  response.writeHead(200, { "content-type": "text/event-stream" });
  const chunk = (delta, finish_reason = null, more = {}) =>
    response.write(
      `data: ${JSON.stringify({
        ...head,
        object: "chat.completion.chunk",
        choices: [{ index: 0, delta, finish_reason }],
        ...more,
      })}\n\n`,
    );
  chunk({ role: "assistant", content: "" });
  for (const word of text.match(/\S+\s*/g)) chunk({ content: word });
  chunk({}, "stop", { usage });
  response.end("data: [DONE]\n\n");
}

function gemini(response, body, streamed) {
  const asked = (body.contents ?? []).filter((c) => c.role === "user").map((c) => plain(c.parts));
  // Some requests are the CLI's own questions and want JSON.
  const wantsJson = body.generationConfig?.responseMimeType === "application/json";
  const text = wantsJson ? "{}" : answer(asked);
  const part = (parts, finishReason) => ({
    candidates: [{ index: 0, content: { role: "model", parts }, ...(finishReason && { finishReason }) }],
    usageMetadata: { promptTokenCount: 7, candidatesTokenCount: 9, totalTokenCount: 16 },
    modelVersion: "mock",
  });
  if (!streamed) return json(response, part([{ text }], "STOP"));
  response.writeHead(200, { "content-type": "text/event-stream" });
  const pieces = text.match(/\S+\s*/g);
  pieces.forEach((word, i) =>
    response.write(
      `data: ${JSON.stringify(part([{ text: word }], i === pieces.length - 1 && "STOP"))}\r\n\r\n`,
    ),
  );
  response.end();
}

server.listen(Number(process.argv[2] ?? 0), "127.0.0.1", () => {
  console.log(`ready ${server.address().port}`);
});
// Ends with whoever started it.
process.stdin.on("end", () => process.exit(0)).resume();
