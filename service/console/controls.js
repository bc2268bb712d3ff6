// What is typed into or chosen from, for each kind of value: {element, focusable, read(), write(value)}.
import { h } from "./dom.js";
import { shares } from "./shares.js";
import { resolve } from "./schema.js";

export function controlFor(name, schema, root, id, suggest) {
  if (schema.enum) return choice(schema, id);
  if (schema.type === "boolean") return tick(schema, id);
  if (schema.type === "integer" || schema.type === "number") return number(schema, id);
  if (schema.type === "array") {
    const items = resolve(schema.items ?? {}, root);
    const options = items.enum ?? suggest[name];
    return options?.length
      ? ticks(options, schema, id)
      : lines(id, schema, (text) => text, "one a line");
  }
  if (schema["x-values"]) return shares(schema["x-values"], id);
  const named = schema.type === "object" && (suggest[name] ?? examples(schema));
  if (named) return numbers(named, id);
  if (schema.format === "date-time") return moment(id);
  if (schema.patternProperties) return pairs(id);
  if (schema.type === "object" || schema.anyOf) return json(schema, id);
  return word(name, schema, id, suggest[name]);
}

/** What may stand in a field for each name that a schema allows, if it names them. */
function examples({ propertyNames, examples: given }) {
  const names = propertyNames?.enum;
  return (
    names && Object.fromEntries(names.map((name) => [name, `e.g. ${given?.[0]?.[name] ?? 1}`]))
  );
}

function choice(schema, id) {
  const numeric = schema.type === "integer";
  const select = h(
    "select",
    { id },
    schema.enum.map((option) =>
      h("option", { value: option, selected: option === schema.default }, String(option)),
    ),
  );
  return one(
    select,
    () => (numeric ? Number(select.value) : select.value),
    (value) => {
      select.value = value ?? schema.default ?? schema.enum[0];
    },
  );
}

function tick(schema, id) {
  const box = h("input", { id, type: "checkbox", checked: schema.default === true });
  return one(
    box,
    () => box.checked,
    (value) => {
      box.checked = value ?? schema.default ?? false;
    },
  );
}

function number(schema, id) {
  const whole = schema.type === "integer";
  const example = schema.default ?? schema.examples?.[0];
  const input = h("input", {
    id,
    type: "text",
    inputmode: whole ? "numeric" : "decimal",
    autocomplete: "off",
    size: 12,
    placeholder: schema.default ?? (example === undefined ? "" : `e.g. ${example}`),
  });
  const read = () => {
    const text = input.value.trim().replace(",", ".");
    if (!text) return undefined;
    if (whole && /^\d+$/.test(text) && !Number.isSafeInteger(Number(text))) return BigInt(text);
    return text === "" ? undefined : Number(text);
  };
  return one(input, read, (value) => {
    input.value =
      value === undefined || value === null || same(value, schema.default) ? "" : String(value);
  });
}

function word(name, schema, id, options) {
  const list = options?.length
    ? h(
        "datalist",
        { id: `${id}-list` },
        options.map((option) => h("option", { value: option })),
      )
    : null;
  const input = h("input", {
    id,
    type: "text",
    autocomplete: "off",
    list: list ? `${id}-list` : null,
    placeholder: schema.default ?? "",
  });
  return {
    ...one(
      input,
      () => input.value.trim() || undefined,
      (value) => {
        input.value = value === schema.default ? "" : (value ?? "");
      },
    ),
    element: h("span", {}, input, list),
  };
}

function ticks(options, schema, id) {
  const boxes = options.map((option, i) =>
    h("input", {
      id: `${id}-${i}`,
      type: "checkbox",
      value: option,
      checked: schema.default?.includes(option) ?? false,
    }),
  );
  const element = h(
    "div",
    { class: "ticks" },
    boxes.map((box, i) => h("label", { for: box.id }, box, options[i])),
  );
  const read = () => {
    const chosen = boxes.filter((box) => box.checked).map((box) => box.value);
    return chosen.length || schema.default?.length ? chosen : undefined;
  };
  return {
    group: true,
    element,
    focusable: boxes,
    read,
    write: (value) =>
      boxes.forEach((box) => {
        box.checked = (value ?? schema.default ?? []).includes(box.value);
      }),
  };
}

function numbers(known, id) {
  const inputs = Object.entries(known).map(([name, value]) =>
    h("input", {
      id: `${id}-${name}`,
      name,
      type: "text",
      inputmode: "decimal",
      autocomplete: "off",
      size: 9,
      placeholder: typeof value === "number" ? Number(value.toPrecision(4)) : value,
    }),
  );
  const element = h(
    "div",
    { class: "numbers" },
    inputs.map((input) => h("label", { for: input.id }, input.name, input)),
  );
  const read = () => {
    const found = inputs
      .filter((input) => input.value.trim())
      .map((input) => [input.name, Number(input.value.trim().replace(",", "."))]);
    return found.length ? Object.fromEntries(found) : undefined;
  };
  return {
    group: true,
    element,
    focusable: inputs,
    read,
    write: (value) =>
      inputs.forEach((input) => {
        input.value = value?.[input.name] ?? "";
      }),
  };
}

function lines(id, schema, parse, placeholder) {
  const area = h("textarea", { id, rows: 2, placeholder });
  const read = () => {
    const found = area.value
      .split(/[\n,]/)
      .map((line) => line.trim())
      .filter(Boolean)
      .map(parse);
    return found.length ? found : undefined;
  };
  return one(area, read, (value) => {
    area.value = (value ?? []).join("\n");
  });
}

function pairs(id) {
  const area = h("textarea", { id, rows: 2, placeholder: "name=value, one a line" });
  const read = () => {
    const found = area.value
      .split("\n")
      .map((line) => line.trim())
      .filter(Boolean)
      .map((line) => {
        const at = line.indexOf("=");
        if (at < 1) throw new Error(`${line} is not name=value`);
        return [line.slice(0, at).trim(), line.slice(at + 1).trim()];
      });
    return found.length ? Object.fromEntries(found) : undefined;
  };
  return one(area, read, (value) => {
    area.value = Object.entries(value ?? {})
      .map((pair) => pair.join("="))
      .join("\n");
  });
}

function json(schema, id) {
  const example = schema.examples?.[0] ?? schema.default;
  const area = h("textarea", {
    id,
    rows: 3,
    spellcheck: "false",
    placeholder: example ? `e.g. ${JSON.stringify(example)}` : "JSON",
  });
  const read = () => {
    if (!area.value.trim()) return undefined;
    try {
      return JSON.parse(area.value);
    } catch {
      throw new Error("is not JSON");
    }
  };
  return one(area, read, (value) => {
    area.value = value && Object.keys(value).length ? JSON.stringify(value, null, 1) : "";
  });
}

/** A time on this browser's clock, sent with its zone. */
function moment(id) {
  const input = h("input", { id, type: "datetime-local" });
  const read = () => (input.value ? new Date(input.value).toISOString() : undefined);
  return one(input, read, (value) => {
    input.value = value ? new Date(value).toISOString().slice(0, 16) : "";
  });
}

function one(element, read, write) {
  return { element, focusable: [element], read, write };
}

export function same(a, b) {
  return typeof a === "object" ? JSON.stringify(a) === JSON.stringify(b) : a === b;
}
