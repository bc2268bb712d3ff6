// Shares of an attribute's values: a number for each value, in per cent; what is empty is left out.
import { h } from "./dom.js";

/** `known`: the values of each attribute. Reads {attribute: {value: share}}, shares from 0 to 1. */
export function shares(known, id) {
  const inputs = new Map();
  const rows = Object.entries(known).map(([attribute, values]) => {
    const fields = values.map((value) => {
      const input = h("input", {
        id: `${id}-${attribute}-${value}`,
        type: "text",
        inputmode: "decimal",
        autocomplete: "off",
        size: 4,
        "aria-label": `${attribute} ${value}, per cent`,
      });
      inputs.set(`${attribute}.${value}`, input);
      return h("label", { for: input.id }, value, input);
    });
    const row = h("div", { class: "numbers" }, fields);
    return h("div", { class: "share" }, h("b", {}, attribute), row);
  });
  const element = h(
    "details",
    {},
    h("summary", {}, "Per cent of each value"),
    h("div", { class: "shares" }, rows),
  );

  function read() {
    const found = {};
    for (const [name, input] of inputs) {
      const text = input.value.trim().replace(",", ".");
      if (!text) continue;
      const [attribute, value] = name.split(".");
      const share = Number(text) / 100;
      if (!(share >= 0 && share <= 1)) throw new Error(`${attribute} ${value} must be 0 to 100`);
      found[attribute] = { ...found[attribute], [value]: +share.toFixed(6) };
    }
    for (const [attribute, values] of Object.entries(found)) {
      const sum = Object.values(values).reduce((total, share) => total + share, 0);
      if (sum > 1 + 1e-9) throw new Error(`${attribute} adds up to more than 100`);
    }
    return Object.keys(found).length ? found : undefined;
  }

  function write(given) {
    for (const [name, input] of inputs) {
      const [attribute, value] = name.split(".");
      const ordered = given?.[attribute];
      const share = typeof ordered === "number" ? { yes: ordered }[value] : ordered?.[value];
      input.value = share === undefined ? "" : +(100 * share).toFixed(4);
    }
    element.open = Object.keys(given ?? {}).length > 0;
  }

  return { group: true, element, focusable: [...inputs.values()], read, write };
}
