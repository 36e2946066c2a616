// The server's API. The token, where one is asked for, lives in this module's memory and nowhere else.

/** What went wrong, in the server's words (problem+json, RFC 9457) or in ours where it said nothing. */
export class Problem extends Error {
  constructor(status, title, detail) {
    super(detail || title);
    this.status = status;
    this.title = title;
    this.detail = detail || title;
  }

  /** Nothing answered: the server is down, or the connection was cut. */
  get silent() {
    return this.status === 0;
  }

  /** It may be well the next time. */
  get passing() {
    return this.silent || this.status >= 500 || [401, 403, 408, 429].includes(this.status);
  }

  /** The server no longer holds the result. */
  get gone() {
    return this.status === 404 || this.status === 410;
  }
}

const LONGEST_WAIT = 30; // seconds
const TRIES = 120;

let token = "";
let askForToken = async () => {
  throw new Problem(401, "Unauthorized", "the server asks for its token");
};

/** What is to be called where the server answers 401: given whether a token was refused, it promises another one. */
export function onLocked(ask) {
  askForToken = ask;
}

/** Waits, unless the signal says stop. */
export function wait(seconds, signal) {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason);
    const timer = setTimeout(resolve, seconds * 1000);
    signal?.addEventListener("abort", () => {
      clearTimeout(timer);
      reject(signal.reason);
    }, { once: true });
    return undefined;
  });
}

async function problemOf(response) {
  let told = {};
  try {
    told = await response.json();
  } catch {
    // A proxy's page, or nothing at all: the status must do.
  }
  const title = typeof told.title === "string" ? told.title : response.statusText || `status ${response.status}`;
  const detail = typeof told.detail === "string" ? told.detail : "";
  return new Problem(response.status, title, detail);
}

async function send(path, options) {
  const headers = new Headers(options.headers);
  if (token) headers.set("Authorization", `Bearer ${token}`);
  try {
    return await fetch(new URL(path, document.baseURI), {
      method: options.method ?? "GET",
      body: options.body,
      headers,
      signal: options.signal,
      credentials: "omit",
      cache: "no-store",
      redirect: "error",
      referrerPolicy: "no-referrer",
    });
  } catch (error) {
    if (options.signal?.aborted) throw options.signal.reason;
    throw new Problem(0, "No answer", "the server did not answer; see whether it still runs, and try again");
  }
}

/**
 * One call; waits and tries again while the server is busy, and asks for the token where it must.
 *
 * @param {string} path relative to the page
 * @param {{method?: string, body?: BodyInit, headers?: HeadersInit, signal?: AbortSignal, busy?: (seconds: number) => void}} options
 * @returns {Promise<Response>} one that is well; everything else is thrown as a Problem
 */
export async function call(path, options = {}) {
  for (let tries = 1; ; tries += 1) {
    const sent = token;
    const response = await send(path, options);
    if (response.ok) return response;
    if (response.status === 401) {
      if (token === sent) token = await askForToken(sent !== "");
      continue;
    }
    if (response.status === 503 && tries < TRIES) {
      const after = Number(response.headers.get("Retry-After"));
      const seconds = Math.min(after > 0 ? after : 1, LONGEST_WAIT);
      options.busy?.(seconds);
      await wait(seconds * (1 + Math.random() / 4), options.signal); // not all at the same instant again
      continue;
    }
    throw await problemOf(response);
  }
}

/** What the server says of itself and its model. */
export const model = async () => (await call("v1/model")).json();

/** Judges one file; its name is not sent. */
export async function judge(file, options = {}) {
  const headers = { "Content-Type": "application/octet-stream" };
  const response = await call("v1/predictions", { method: "POST", body: file, headers, ...options });
  return (await response.json()).predictions[0];
}

/** The film as judged: rows, columns, and their samples, 0 black and 65535 white. */
export async function pixels(id, signal) {
  const response = await call(`v1/predictions/${id}/pixels`, { signal });
  const rows = Number(response.headers.get("X-Rows"));
  const columns = Number(response.headers.get("X-Columns"));
  const data = await response.arrayBuffer();
  if (!(rows > 0 && columns > 0) || data.byteLength !== rows * columns * 2) {
    throw new Problem(0, "Torn film", "the film came incomplete; try again");
  }
  return { rows, columns, samples: new Uint16Array(data) }; // little-endian, as every browser's machine is
}

/** A PNG of the heat: `heat` alone in grey, or as an `overlay` on the film. */
export async function cam(id, { target, layer, kind, opacity }, signal) {
  const query = new URLSearchParams({ target, layer, kind });
  if (opacity !== undefined) query.set("opacity", opacity.toFixed(2));
  return (await call(`v1/predictions/${id}/cam?${query}`, { signal })).blob();
}

/** What speaks against reading that heat: `flagged`, `reasons`, `measures`, `unchecked`. */
export async function flag(id, { target, layer }, signal) {
  return (await call(`v1/predictions/${id}/flag?${new URLSearchParams({ target, layer })}`, { signal })).json();
}

/** The PDF or the DICOM objects of a result. */
export const paper = async (id, kind, query = {}) => (await call(`v1/predictions/${id}/${kind}?${new URLSearchParams(query)}`)).blob();

/** Drops a result on the server; one that is gone already is dropped. */
export async function forget(id) {
  try {
    await call(`v1/predictions/${id}`, { method: "DELETE" });
  } catch (error) {
    if (!(error instanceof Problem && error.gone)) throw error;
  }
}
