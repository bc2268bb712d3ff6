// Where this service lies: "" at the root of its host, "/mf" behind a proxy that strips that prefix.

export const BASE = new URL("..", import.meta.url).pathname.slice(0, -1);

/** What to write into commands that reach this service. */
export const ADDRESS = location.origin + BASE;

/** A path of the API, as the browser must ask for it. Other addresses stay as they are. */
export function at(path) {
  return /^\/(?!\/)/.test(path) ? BASE + path : path;
}
