// Sends files one by one, two at a time, so that a thousand of them neither flood the server nor this machine.

import { judge, Problem } from "./api.js";
import { bytes } from "./words.js";

const AT_ONCE = 2;

/** Files that wait for their turn; tells of changes by the event `progress`. */
export class Queue extends EventTarget {
  constructor(items) {
    super();
    this.items = items;
    this.waiting = [];
    this.running = new Map();
    this.paused = false;
    this.busy = "";
    this.limit = Infinity;
  }

  add(items) {
    this.waiting.push(...items);
    this.next();
  }

  /** Sends one again, before all others. */
  again(item) {
    Object.assign(item, { state: "waiting", problem: null, prediction: null });
    this.items.touch(item);
    this.waiting.unshift(item);
    this.next();
  }

  pause(paused) {
    this.paused = paused;
    this.next();
  }

  /** Drops one, or all, wherever they are. */
  drop(item) {
    this.waiting = this.waiting.filter((each) => each !== item);
    this.running.get(item)?.abort(new DOMException("forgotten", "AbortError"));
  }

  clear() {
    this.waiting = [];
    this.running.forEach((control) => control.abort(new DOMException("forgotten", "AbortError")));
  }

  next() {
    while (!this.paused && this.running.size < AT_ONCE && this.waiting.length) this.run(this.waiting.shift());
    if (!this.running.size) this.busy = "";
    this.dispatchEvent(new Event("progress"));
  }

  async run(item) {
    const control = new AbortController();
    this.running.set(item, control);
    item.state = "sending";
    this.items.touch(item);
    try {
      if (item.file.size > this.limit) {
        const most = `${bytes(item.file.size)}; at most ${bytes(this.limit)} are accepted`;
        throw new Problem(413, "Too large", `the file is too large (${most})`);
      }
      const busy = (seconds) => {
        this.busy = `the server is busy, trying again in ${Math.ceil(seconds)} s`;
        this.dispatchEvent(new Event("progress"));
      };
      item.prediction = await judge(item.file, { signal: control.signal, busy });
      this.busy = "";
      item.state = "done";
    } catch (error) {
      if (control.signal.aborted) return;
      item.problem = error instanceof Problem ? error : new Problem(0, "Fault in the page", String(error));
      if (item.problem.silent && !(await readable(item.file))) {
        item.problem = new Problem(0, "Unreadable", "the file cannot be read any more; was it moved or changed?");
      }
      item.state = "failed";
    } finally {
      this.running.delete(item);
      if (!control.signal.aborted) this.items.touch(item);
      this.next();
    }
  }
}

async function readable(file) {
  try {
    await file.slice(0, 1).arrayBuffer();
    return true;
  } catch {
    return false;
  }
}
