// Samples as pictures: cut out by the browser itself, with alpha as a luminance mask.
import { api } from "/console/api.js";
import { button, h, put } from "/console/dom.js";
import { guard, tell } from "/console/notices.js";
import { viewer } from "/console/viewer.js";

const PAGE = 48;
export const MODES = [
  ["image", "Image"],
  ["alpha", "Alpha"],
  ["checker", "Checkerboard"],
  ["colour", "Colour"],
  ["photo", "Photo"],
  ["split", "Slider"],
];

/** {element, refresh(dataset)}: a page of samples, more on demand. */
export function gallery(id, signal) {
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
        state.order = order.value;
        return load(false);
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
  const filter = h(
    "form",
    {
      class: "filters",
      role: "search",
      onsubmit: guard((event) => {
        event.preventDefault();
        state.where = where.value.trim();
        return load(false);
      }),
    },
    h("label", { for: "gallery-where" }, "Only "),
    where,
    h("button", {}, "Filter"),
    h("label", { for: "gallery-order" }, " Order "),
    order,
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

  async function load(further) {
    const turn = ++state.asked;
    const parts = new URLSearchParams({ limit: PAGE, order: state.order });
    if (state.where) parts.set("where", state.where);
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

/** Shows a sample as `look` says. The cut-out is the image under a mask of its alpha. */
export function paint(picture, look) {
  const { members, key } = picture.sample;
  picture.className = `picture ${look.mode}`;
  picture.style.backgroundColor = look.mode === "colour" ? look.colour : "";
  picture.style.backgroundImage = look.mode === "photo" && look.photo ? `url("${look.photo}")` : "";
  const image = h("img", {
    src: look.mode === "alpha" ? members.alpha : members.image,
    alt: `${look.mode === "alpha" ? "alpha" : "image"} of sample ${key}`,
    loading: "lazy",
  });
  const cut = ["checker", "colour", "photo"].includes(look.mode);
  if (cut) mask(image, members.alpha);
  put(picture, image);
  if (look.mode === "split") {
    const over = h("img", { src: members.alpha, alt: "", class: "over", loading: "lazy" });
    over.style.clipPath = `inset(0 0 0 ${look.split}%)`;
    picture.append(over);
  }
}

function mask(image, alpha) {
  image.style.maskImage = `url("${alpha}")`;
  image.style.maskMode = "luminance";
  image.style.maskSize = "100% 100%";
}

/** The choice of a view; calls `changed` after each change of `look`. */
export function modes(look, changed) {
  const colour = h("input", {
    type: "color",
    value: look.colour,
    "aria-label": "Colour behind",
    oninput: () => {
      look.colour = colour.value;
      choose("colour");
    },
  });
  const photo = h("input", {
    type: "file",
    accept: "image/*",
    "aria-label": "Photo behind",
    onchange: () => {
      if (!photo.files[0]) return;
      if (look.photo) URL.revokeObjectURL(look.photo);
      look.photo = URL.createObjectURL(photo.files[0]);
      choose("photo");
    },
  });
  const split = h("input", {
    type: "range",
    min: 0,
    max: 100,
    value: look.split,
    "aria-label": "Image to the left, alpha to the right",
    oninput: () => {
      look.split = Number(split.value);
      choose("split");
    },
  });
  const extras = { colour, photo, split };
  const buttons = MODES.map(([mode, text]) =>
    button(text, () => choose(mode), {
      "data-mode": mode,
      "aria-pressed": String(mode === look.mode),
    }),
  );
  const box = h(
    "div",
    { class: "modes", role: "group", "aria-label": "View" },
    buttons,
    Object.values(extras),
  );
  const show = () => {
    buttons.forEach((item) =>
      item.setAttribute("aria-pressed", String(item.dataset.mode === look.mode)),
    );
    Object.entries(extras).forEach(([mode, input]) => {
      input.hidden = mode !== look.mode;
    });
  };
  function choose(mode) {
    look.mode = mode;
    show();
    changed();
  }
  box.show = show;
  show();
  return box;
}
