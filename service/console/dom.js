// Elements without a framework. Text is always text: nothing here parses HTML.
import { at } from "./base.js";

const SVG = "http://www.w3.org/2000/svg";

const shown = (child) => child !== null && child !== undefined && child !== false;

/** Puts children in the place of what an element held; null and false are left out. */
export function put(element, ...children) {
  element.replaceChildren(...children.flat(Infinity).filter(shown));
}

/** Puts children as `put` does; details that somebody unfolded stay so. */
export function redraw(element, ...children) {
  const title = (details) => details.firstChild.textContent.replace(/\d/g, "");
  const open = new Set([...element.querySelectorAll("details[open]")].map(title));
  put(element, ...children);
  element.querySelectorAll("details").forEach((details) => {
    if (open.has(title(details))) details.open = true;
  });
}

function fill(made, attributes, children) {
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (name === "value" || name === "checked") made[name] = value;
    else if (name === "href" || name === "src") made.setAttribute(name, at(value));
    else made.setAttribute(name, value === true ? "" : String(value));
  }
  made.append(...children.flat(Infinity).filter(shown));
  return made;
}

/** An element: h("a", {href: "/docs"}, "reference"). Attributes that start with "on" are
 * listeners; addresses that start with "/" are this service's own. */
export function h(name, attributes, ...children) {
  return fill(document.createElement(name), attributes, children);
}

export function svg(name, attributes, ...children) {
  return fill(document.createElementNS(SVG, name), attributes, children);
}

export function button(text, action, attributes) {
  return h("button", { type: "button", onclick: action, ...attributes }, text);
}

/** A list of terms and what they are; pairs without a value are left out. */
export function facts(pairs) {
  const known = pairs.filter(([, value]) => value !== null && value !== undefined && value !== "");
  return h(
    "dl",
    { class: "facts" },
    known.map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, value))),
  );
}

/** What stands where nothing is yet, and what to do about it. */
export function empty(title, ...teaching) {
  return h("div", { class: "empty" }, h("h2", {}, title), teaching);
}

/** A box of code with a button that copies it. */
export function code(text, label = "Code") {
  const copy = button(
    "Copy",
    async () => {
      await copyText(text);
      copy.textContent = "Copied";
      setTimeout(() => {
        copy.textContent = "Copy";
      }, 2000);
    },
    { class: "small" },
  );
  return h(
    "div",
    { class: "code" },
    copy,
    h("pre", { tabindex: "0", role: "region", "aria-label": label }, h("code", {}, text)),
  );
}

/** A secret, shown once: it is gone with this page. `about` is a sentence on it, or elements. */
export function secretOnce(box, title, secret, about) {
  put(
    box,
    h(
      "section",
      { class: "secret" },
      h("h2", {}, title),
      h("p", {}, "Copy it now: it is not shown again. ", about),
      code(secret, "The secret"),
      button("I have it", () => put(box), { class: "small" }),
    ),
  );
  box.scrollIntoView({ block: "nearest" });
}

/** Details whose content is made when they are opened first. */
export function unfolding(title, make) {
  const details = h(
    "details",
    {
      ontoggle: async () => {
        if (!details.open || details.dataset.made) return;
        details.dataset.made = "1";
        details.append(...[await make()].flat().filter(shown));
      },
    },
    h("summary", {}, title),
  );
  return details;
}

async function copyText(text) {
  if (navigator.clipboard) return navigator.clipboard.writeText(text);
  const area = h("textarea", { value: text, "aria-hidden": "true" });
  document.body.append(area);
  area.select();
  document.execCommand("copy");
  area.remove();
}

/** A table in a box that scrolls by itself: a wide one never widens the page. */
export function table(label, heads, rows) {
  const body = rows.map((cells) =>
    h(
      "tr",
      {},
      cells.map((cell, i) => h("td", { "data-label": heads[i] }, cell)),
    ),
  );
  return h(
    "div",
    { class: "scroll", tabindex: "0", role: "region", "aria-label": label },
    h(
      "table",
      {},
      h(
        "thead",
        {},
        h(
          "tr",
          {},
          heads.map((head) => h("th", { scope: "col" }, head)),
        ),
      ),
      h("tbody", {}, body),
    ),
  );
}

/** A value of any depth, readable: cards and figures. */
export function tree(value) {
  if (Array.isArray(value)) {
    const flat = value.every((item) => typeof item !== "object" || item === null);
    return flat
      ? value.map(String).join(", ")
      : h(
          "ol",
          {},
          value.map((item) => h("li", {}, tree(item))),
        );
  }
  if (value === null || typeof value !== "object") return format(value);
  return h(
    "dl",
    { class: "tree" },
    Object.entries(value).map(([name, inner]) =>
      h("div", {}, h("dt", {}, name), h("dd", {}, tree(inner))),
    ),
  );
}

export function format(value) {
  if (typeof value === "number" && !Number.isInteger(value)) return String(+value.toPrecision(4));
  return value === null ? "–" : String(value);
}

export function seconds(value) {
  if (value === null || value === undefined) return "";
  if (value < 90) return `${Math.ceil(value)} s`;
  if (value < 5400) return `${Math.round(value / 60)} min`;
  return value < 172800 ? `${(value / 3600).toFixed(1)} h` : `${(value / 86400).toFixed(1)} days`;
}

export function bytes(value) {
  if (value < 1e3) return `${value} B`;
  const steps = [
    [1e6, "kB", 1e3],
    [1e9, "MB", 1e6],
    [1e12, "GB", 1e9],
    [Infinity, "TB", 1e12],
  ];
  const [, unit, size] = steps.find(([limit]) => value < limit);
  return `${(value / size).toFixed(value / size < 10 ? 1 : 0)} ${unit}`;
}

export function date(text) {
  return text
    ? h(
        "time",
        { datetime: text, title: text },
        new Date(text).toLocaleString([], { dateStyle: "medium", timeStyle: "short" }),
      )
    : "";
}

export function short(digest) {
  return h("code", { title: digest }, digest?.replace("sha256:", "").slice(0, 12));
}

export function badge(state) {
  return h("span", { class: `badge ${state}` }, state);
}
