// What the test agent says, shared by its two shapes: the ACP agent that Turnkeeper runs and the graph
// that the oracle runs. The same words on both sides, so that one script can check both.

/**
 * The reply to the newest of a conversation's messages of the user's, token by token.
 *
 * @param {string[]} asked every message of the user's so far, oldest first
 * @param {{aborted: boolean}} signal looked at between tokens
 */
export async function* replyTo(asked, signal = { aborted: false }) {
  const text = asked.at(-1) ?? "";
  const slow = /^count slowly to (\d{1,4})$/.exec(text);
  if (slow) {
    for (let i = 1; i <= Number(slow[1]) && !signal.aborted; i++) {
      yield `${i} `;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    return;
  }
  if (text === "please fail") {
    yield "I am ";
    throw new Error("the test agent fails as it was asked to");
  }
  if (text === "what did I say first?") {
    yield* words(`Your first words were: ${asked[0]}`);
    return;
  }
  yield* words(`Message ${asked.length}, you said: ${text}`);
}

async function* words(text) {
  for (const word of text.match(/\S+\s*/g) ?? []) {
    yield word;
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
