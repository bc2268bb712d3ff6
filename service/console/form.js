// A whole form from a schema: live checks, the service's refusals beside the fields that they name.
import { h } from "./dom.js";
import { field } from "./fields.js";
import { guard, tell } from "./notices.js";

/** {element, read(), write(values), refuse(apiError)}; `first` are shown at once, the others below "More". */
export function schemaForm(schema, root, { first, suggest, changed = () => {} }) {
  const required = new Set(schema.required ?? []);
  const names = Object.keys(schema.properties).filter(
    (name) => schema.properties[name].const === undefined && !schema.properties[name].readOnly,
  );
  const fields = names.map((name) =>
    field(name, schema.properties[name], root, { required: required.has(name), suggest }),
  );
  const shown = fields.filter((item) => first.includes(item.name) || required.has(item.name));
  shown.sort((a, b) => first.indexOf(a.name) - first.indexOf(b.name));
  const rest = fields.filter((item) => !shown.includes(item));
  const more = h(
    "details",
    {},
    h("summary", {}, `More (${rest.map((item) => item.name.replaceAll("_", " ")).join(", ")})`),
    h(
      "div",
      { class: "fields" },
      rest.map((item) => item.element),
    ),
  );
  const element = h(
    "div",
    {},
    h(
      "div",
      { class: "fields" },
      shown.map((item) => item.element),
    ),
    rest.length ? more : null,
  );
  const touched = new Set();
  element.addEventListener("input", (event) => {
    const name = event.target.closest("[data-field]")?.dataset.field;
    if (name) touched.add(name);
    check(false);
    changed();
  });

  function check(all) {
    const values = {};
    let wrong = null;
    for (const item of fields) {
      try {
        const value = item.read();
        if (value !== undefined) values[item.name] = value;
        item.refuse(null);
      } catch (error) {
        if (all || touched.has(item.name)) item.refuse(error.message);
        wrong ??= item;
      }
    }
    for (const [name, property] of Object.entries(schema.properties))
      if (property.const !== undefined) values[name] = property.const;
    return { values, wrong };
  }

  /** The values, or null after the first wrong field was shown. `quiet`: show nothing new. */
  function read({ quiet = false } = {}) {
    const { values, wrong } = check(!quiet);
    if (wrong && !quiet) reveal(wrong);
    return wrong ? null : values;
  }

  function reveal(item) {
    if (rest.includes(item)) more.open = true;
    item.element.querySelector("input, select, textarea")?.focus();
  }

  /** Shows a refusal beside the fields that it names; `quiet`: while somebody still types. */
  function refuse(error, { quiet = false } = {}) {
    const left = [];
    let seen = null;
    for (const { pointer, detail } of error.errors ?? []) {
      const item = fields.find(({ name }) => pointer.split("/")[1] === name);
      if (item) {
        item.refuse(detail);
        seen ??= item;
      } else left.push(`${pointer || "order"}: ${detail}`);
    }
    if (quiet) return;
    if (seen) reveal(seen);
    if (!seen || left.length) tell(left.join("; ") || error.message);
  }

  function write(values) {
    touched.clear();
    fields.forEach((item) => {
      item.write(values[item.name]);
      item.refuse(null);
    });
    if (rest.some((item) => values[item.name] !== undefined)) more.open = true;
    check(false);
    changed();
  }

  return { element, read, write, refuse };
}

/** A form around a schema's fields. What `send` is refused is shown beside the fields it names. */
export function sendForm(form, word, send) {
  const submit = h("button", { class: "primary" }, word);
  const sent = guard(async (event) => {
    event.preventDefault();
    const body = form.read();
    if (!body) return;
    submit.disabled = true;
    try {
      await send(body);
    } catch (error) {
      if (!error.errors?.length) throw error;
      form.refuse(error);
    } finally {
      submit.disabled = false;
    }
  });
  return h(
    "form",
    { novalidate: true, onsubmit: sent },
    form.element,
    h("p", { class: "actions" }, submit),
  );
}
