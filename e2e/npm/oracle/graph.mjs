// The test agent as a graph, for the published in-memory server. Its state is a Zod
// schema, for that server then tells the schemas without the TypeScript compiler, which takes it long.
import { AIMessageChunk } from "@langchain/core/messages";
import { BaseChatModel } from "@langchain/core/language_models/chat_models";
import { ChatGenerationChunk } from "@langchain/core/outputs";
import { END, MessagesZodState, START, StateGraph } from "@langchain/langgraph";
import { replyTo } from "../agents/replies.mjs";

class EchoModel extends BaseChatModel {
  _llmType() {
    return "echo";
  }

  async *_streamResponseChunks(messages, options, manager) {
    const asked = messages.filter((m) => m.getType() === "human").map((m) => String(m.content));
    const signal = { get aborted() { return options.signal?.aborted ?? false; } };
    for await (const text of replyTo(asked, signal)) {
      const chunk = new ChatGenerationChunk({ text, message: new AIMessageChunk(text) });
      yield chunk;
      await manager?.handleLLMNewToken(text, undefined, undefined, undefined, undefined, { chunk });
    }
  }

  async _generate(messages, options, manager) {
    let whole;
    for await (const chunk of this._streamResponseChunks(messages, options, manager)) {
      whole = whole ? whole.concat(chunk) : chunk;
    }
    return { generations: [{ text: whole.text, message: whole.message }] };
  }
}

const model = new EchoModel({});

export const graph = new StateGraph(MessagesZodState)
  .addNode("agent", async (state, config) => {
    config.writer?.({ note: "the test agent thinks" });
    return { messages: [await model.invoke(state.messages, config)] };
  })
  .addEdge(START, "agent")
  .addEdge("agent", END)
  .compile();
