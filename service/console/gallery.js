// The samples of a dataset: filtered, ordered, a page at a time.
import { api, ENDED } from "./api.js";
import { button, h, put } from "./dom.js";
import { guard, tell } from "./notices.js";
import { modes, paint } from "./looks.js";
import { viewer } from "./viewer.js";

const PAGE = 48;

/** {element, refresh(dataset)}: a page of samples, more on demand; `subset` takes {where, order}. */
export function gallery(id, signal, subset) {
  const look = { mode: "image", colour: "#3b7dd8", photo: null, split: 50 };
  const state = { items: [], cursor: null, where: "", order: "key", asked: 0, accepted: 0 };
  const grid = h("ul", { class: "grid" });
  const said = h("p", { class: "quiet", role: "status" });
  const more = button(
    "More",
    guard(() => load(true)),
    { hidden: true },
  );
  const order = h(
    "select",
    {
      id: "gallery-order",
      onchange: guard(() => {
        return load(false, { order: order.value });
      }),
    },
    h("option", { value: "key" }, "as delivered"),
  );
  const where = h("input", {
    id: "gallery-where",
    type: "search",
    placeholder: "e.g. iou > 0.98 and coverage < 0.6",
    autocomplete: "off",
    spellcheck: "false",
  });
  const part = button(
    "Make a subset of these",
    () => subset({ where: state.where || undefined, order: state.order }),
    { class: "small", hidden: true },
  );
  const filter = h(
    "form",
    {
      class: "filters",
      role: "search",
      onsubmit: guard((event) => {
        event.preventDefault();
        return load(false, { where: where.value.trim() });
      }),
    },
    h("label", { for: "gallery-where" }, "Only "),
    where,
    h("button", {}, "Filter"),
    h("label", { for: "gallery-order" }, " Order "),
    order,
    part,
  );
  const shown = viewer(look, (index) => step(index));
  const element = h(
    "section",
    { class: "gallery" },
    h("h2", {}, "Samples"),
    modes(look, () => repaint()),
    filter,
    said,
    grid,
    more,
    shown.element,
  );

  function repaint() {
    grid.querySelectorAll(".picture").forEach((picture) => paint(picture, look));
    shown.repaint();
  }

  /** What is asked anew is kept only if the service takes it. */
  async function load(further, asked = {}) {
    const turn = ++state.asked;
    const wanted = { where: state.where, order: state.order, ...asked };
    const parts = new URLSearchParams({ limit: PAGE, order: wanted.order });
    if (wanted.where) parts.set("where", wanted.where);
    if (further && state.cursor) parts.set("cursor", state.cursor);
    let page;
    try {
      page = await api(`/v1/datasets/${id}/samples?${parts}`, { signal });
    } catch (error) {
      if (error.name === "AbortError") return;
      if (error.status === 400 || error.status === 422) tell(error.message);
      else said.textContent = error.message;
      return;
    }
    if (turn !== state.asked) return;
    Object.assign(state, wanted);
    state.items = further ? [...state.items, ...page.items] : page.items;
    state.cursor = page.next_cursor;
    more.hidden = page.next_cursor === null;
    if (order.options.length === 1) columns(page);
    const first = further ? state.items.length - page.items.length : 0;
    const tiles = page.items.map((item, i) =>
      tile(item, look, () => shown.open(state.items, first + i)),
    );
    if (further) grid.append(...tiles);
    else put(grid, tiles);
    said.textContent = words(page);
  }

  function words(page) {
    const found = page.matched ?? state.items.length;
    const count = `${state.items.length.toLocaleString()} of ${Math.max(found, state.items.length).toLocaleString()} samples`;
    return `${count}${state.where ? ` where ${state.where}` : ""}${page.complete === false ? " so far" : ""}`;
  }

  function columns({ columns: names, items }) {
    const scores = Object.keys(items[0]?.scores ?? {});
    for (const name of (names ?? scores).filter((column) => scores.includes(column)))
      order.append(
        h("option", { value: name }, `${name}, smallest first`),
        h("option", { value: `-${name}` }, `${name}, largest first`),
      );
  }

  async function step(index) {
    if (index >= state.items.length && state.cursor) await load(true);
    return state.items[index] ? state.items : null;
  }

  async function refresh(dataset) {
    state.accepted = dataset.counts.accepted;
    filter.hidden = state.accepted === 0;
    part.hidden = !ENDED.has(dataset.state);
    if (state.accepted === 0) {
      said.textContent = "The first pictures appear with the first shard.";
      return;
    }
    if (state.items.length <= PAGE && !shown.isOpen()) await load(false);
    else
      said.textContent = `${state.items.length} shown; ${state.accepted.toLocaleString()} are there. Filter again to see the newest.`;
  }

  return { element, refresh };
}

function tile(item, look, open) {
  const scores = Object.entries(item.scores)
    .map(([name, value]) => `${name} ${Number(value).toPrecision(4)}`)
    .join("\n");
  const picture = h("span", { class: "picture" });
  Object.assign(picture, { sample: item });
  paint(picture, look);
  return h(
    "li",
    {},
    h(
      "button",
      {
        type: "button",
        class: "tile",
        onclick: open,
        title: scores,
        "aria-label": `Sample ${item.key}`,
      },
      picture,
    ),
  );
}
