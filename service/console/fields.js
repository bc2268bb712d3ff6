// Form fields made from a schema: each gives its value (undefined: left out) or throws what is wrong with it.
import { controlFor, same } from "./controls.js";
import { h } from "./dom.js";
import { problem, resolve } from "./schema.js";

let numbered = 0;

/** {name, element, read(), write(value), refuse(text)}; `hints` = {criteria, choices} by field name. */
export function field(name, given, root, { required = false, suggest = {} } = {}) {
  const schema = resolve(given, root);
  const id = `field-${name}-${++numbered}`;
  const control = controlFor(name, schema, root, id, suggest);
  const error = h("p", { class: "field-error", id: `${id}-error` });
  const help = [schema.description, range(schema)].filter(Boolean).join("; ");
  const described = `${id}-help ${id}-error`;
  control.focusable.forEach((element) => element.setAttribute("aria-describedby", described));
  const label = control.group
    ? h(
        "fieldset",
        { class: "field", "aria-describedby": described },
        h("legend", {}, title(name)),
        control.element,
      )
    : h(
        "div",
        { class: "field" },
        h("label", { for: id }, title(name), required ? " *" : ""),
        control.element,
      );
  label.append(h("p", { class: "help", id: `${id}-help` }, help), error);
  label.dataset.field = name;
  const refuse = (text) => {
    error.textContent = text ?? "";
    label.classList.toggle("wrong", Boolean(text));
    control.focusable.forEach((element) =>
      text ? element.setAttribute("aria-invalid", "true") : element.removeAttribute("aria-invalid"),
    );
  };
  const read = () => {
    const value = control.read();
    if (value === undefined) {
      if (required) throw new Error("is needed");
      return undefined;
    }
    const wrong = problem(value, given, root);
    if (wrong) throw new Error(wrong);
    return same(value, schema.default) ? undefined : value;
  };
  return { name, element: label, read, write: control.write, refuse };
}

function range({ minimum, maximum, exclusiveMinimum }) {
  const low = minimum ?? exclusiveMinimum;
  if (low === undefined || maximum === undefined) return "";
  return `${exclusiveMinimum === undefined ? "" : "above "}${low.toLocaleString()} to ${maximum.toLocaleString()}`;
}

export function title(name) {
  const text = name.replaceAll("_", " ");
  return text[0].toUpperCase() + text.slice(1);
}
