// Datasets made from one that has ended: a part of it, more of it, it once more.
import { api, openapi } from "./api.js";
import { button, h, put, unfolding } from "./dom.js";
import { schemaForm, sendForm } from "./form.js";
import { guard } from "./notices.js";

/** {element, open(shown)}: `shown` = {where, order} of the gallery fills the form of a part. */
export function another(dataset) {
  const path = `/v1/datasets/${dataset.id}`;
  const order = async (tail, body) => {
    const made = await api(`${path}/${tail}`, { method: "POST", body });
    location.hash = `#/datasets/${made.id}`;
  };
  let wanted = {},
    form = null;
  const part = unfolding("A part of it", guard(async () => {
    const root = await openapi();
    form = schemaForm(root.components.schemas.SubsetIn, root, {
      first: ["where", "order", "limit", "labels"],
      suggest: {},
    });
    form.write(wanted);
    return sendForm(form, "Order the part", (body) => order("subsets", body));
  }));
  const more = unfolding("More of it", guard(async () => {
    const root = await openapi();
    const fields = schemaForm(root.components.schemas.ExtendIn, root, {
      first: ["count", "labels"],
      suggest: {},
    });
    return [
      h("p", {}, "With the same order and model version; keys and seeds go on where it ended."),
      sendForm(fields, "Order more", (body) => order("extend", body)),
    ];
  }));
  const again = unfolding("Once more, to compare", () => [
    h("p", {}, "A dataset by the same plan; its page says whether all bytes are the same."),
    button("Make it again and compare", guard(() => order("regenerate"))),
  ]);
  return {
    element: h("div", {}, part, more, again),
    open: (shown) => {
      wanted = shown;
      form?.write(shown);
      part.open = true;
      part.scrollIntoView({ block: "start" });
      part.querySelector("summary").focus();
    },
  };
}

/** How a dataset that was made once more compares with its original. */
export async function drawComparison(body, dataset, signal) {
  if (dataset.spec.derived_from?.how !== "regenerate") return;
  const found = await api(`/v1/datasets/${dataset.id}/comparison`, { signal });
  const { shards_compared: count, different, identical } = found;
  put(
    body,
    identical
      ? `All ${count} shards have the same bytes as those of `
      : different.length
        ? `Other bytes in ${different.join(", ")} than in `
        : `${count} shards so far have the same bytes as those of `,
    h("a", { href: `#/datasets/${found.original}` }, found.original),
    ".",
  );
}
