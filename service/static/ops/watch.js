// Server-sent events read with fetch, so that the key travels in a header. Where there are none, the page asks again.

import { headers } from "./api.js";

const LATER = 3000; // milliseconds before a broken stream is opened again

// Call `arrived` whenever the stream brings something, until the signal. Returns at once.
export async function watch(address, signal, arrived) {
  let last = null;
  while (!signal.aborted) {
    try {
      const response = await fetch(address, { headers: { Accept: "text/event-stream", ...headers(), ...(last ? { "Last-Event-ID": last } : {}) }, signal });
      if (!response.ok || !response.headers.get("Content-Type")?.startsWith("text/event-stream")) return;
      const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
      let text = "";
      for (;;) {
        const { value, done } = await reader.read();
        if (done) break;
        text += value;
        const ends = text.lastIndexOf("\n\n");
        if (ends < 0) continue;
        const events = text.slice(0, ends).split("\n\n").filter((event) => event.includes("data:"));
        text = text.slice(ends + 2);
        last = events.map((event) => /^id: ?(.*)$/m.exec(event)?.[1]).findLast((id) => id) ?? last;
        if (events.length) arrived(events.map((event) => JSON.parse(/^data: ?(.*)$/m.exec(event)[1])));
      }
    } catch (error) {
      if (error.name === "AbortError") return;
    }
    await new Promise((done) => setTimeout(done, LATER));
  }
}
