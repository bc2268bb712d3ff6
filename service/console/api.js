// Requests to the API that served this page. The session is a cookie that scripts can't read.
import { at } from "./base.js";

export class ApiError extends Error {
  constructor(status, problem) {
    super(problem.detail ?? `the service answered ${status}`);
    this.status = status;
    this.code = problem.code ?? "unknown";
    this.errors = problem.errors ?? [];
  }
}

/** JSON with whole numbers beyond 2^53 (seeds) kept exact, as BigInt. */
export function parse(text) {
  return JSON.parse(text, (name, value, context) =>
    typeof value === "number" &&
    !Number.isSafeInteger(value) &&
    /^-?\d+$/.test(context?.source ?? "")
      ? BigInt(context.source)
      : value,
  );
}

/** JSON of a value that may hold BigInt. */
export function stringify(value, indent) {
  return JSON.stringify(
    value,
    (name, inner) =>
      typeof inner !== "bigint"
        ? inner
        : JSON.rawJSON
          ? JSON.rawJSON(String(inner))
          : Number(inner),
    indent,
  );
}

async function send(path, { method = "GET", body, headers, signal } = {}) {
  const sent = { "X-MatteForge-Console": "1", ...headers };
  const plain = body !== undefined && !(body instanceof Blob || body instanceof FormData);
  if (plain) sent["Content-Type"] = "application/json";
  let answer;
  try {
    answer = await fetch(at(path), {
      method,
      headers: sent,
      signal,
      body: plain ? stringify(body) : body,
    });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ApiError(0, {
      detail: "the service does not answer; is it running?",
      code: "unreachable",
    });
  }
  if (answer.ok) return answer;
  const problem = await answer
    .text()
    .then(parse)
    .catch(() => ({ detail: `${answer.status} ${answer.statusText}` }));
  if (answer.status === 401 && path !== "/session") window.dispatchEvent(new Event("signed-out"));
  throw new ApiError(answer.status, problem);
}

export async function api(path, options) {
  const answer = await send(path, options);
  return answer.status === 204 ? null : parse(await answer.text());
}

/** The answer as it is: for pictures. */
export const raw = send;

let described = null;

/** The API's own description, fetched once. */
export function openapi() {
  described ??= api("/openapi.json").catch((error) => {
    described = null;
    throw error;
  });
  return described;
}

/** Is there such a route here? Forms and galleries show what the service can do. */
export async function offers(path) {
  return path in (await openapi()).paths;
}

/** All pages of a list, up to `most` items. */
export async function pages(path, most, options) {
  const items = [];
  let cursor = null;
  do {
    const query = cursor
      ? `${path.includes("?") ? "&" : "?"}cursor=${encodeURIComponent(cursor)}`
      : "";
    const page = await api(path + query, options);
    items.push(...page.items);
    cursor = page.next_cursor;
  } while (cursor && items.length < most);
  return { items: items.slice(0, most), more: cursor !== null && cursor !== undefined };
}

/** Calls `seen` at each event of a stream until `signal` aborts or the stream's end is told. */
export function follow(path, signal, seen) {
  const source = new EventSource(at(path));
  const close = () => source.close();
  signal.addEventListener("abort", close);
  for (const kind of ["snapshot", "progress", "shard", "state"]) {
    source.addEventListener(kind, (event) => {
      const data = parse(event.data);
      if (kind === "state" && ENDED.has(data.state)) close();
      seen(kind, data);
    });
  }
  return close;
}

export const ENDED = new Set(["completed", "failed", "cancelled"]);
