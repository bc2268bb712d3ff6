// One sample, large: arrow keys go on, 1 to 6 choose the view, Escape closes.
import { button, format, h, put, tree } from "./dom.js";
import { MODES, modes, paint } from "./looks.js";

/** `step(index)` gives the items once there is one at `index`, else null. */
export function viewer(look, step) {
  let items = [],
    at = 0;
  const picture = h("div", { class: "picture" }),
    about = h("div", { class: "about" });
  const name = h("h2", { id: "viewer-name" });
  const choice = modes(look, repaint);
  const dialog = h(
    "dialog",
    { class: "viewer", "aria-labelledby": "viewer-name", onkeydown: keys },
    h(
      "div",
      { class: "head" },
      name,
      h(
        "div",
        { class: "actions" },
        button("Previous", () => go(-1)),
        button("Next", () => go(1)),
        button("Close", () => dialog.close()),
      ),
    ),
    choice,
    h("div", { class: "sheet" }, picture, about),
  );

  function keys(event) {
    if (event.target.matches("input")) return;
    if (event.key === "ArrowRight") go(1);
    else if (event.key === "ArrowLeft") go(-1);
    else if (MODES[Number(event.key) - 1]) {
      [look.mode] = MODES[Number(event.key) - 1];
      choice.show();
      repaint();
    } else return;
    event.preventDefault();
  }

  async function go(by) {
    const found = at + by < 0 ? null : await step(at + by);
    if (!found) return;
    items = found;
    at += by;
    show();
  }

  function show() {
    const item = items[at];
    picture.sample = item;
    name.textContent = `Sample ${item.key}`;
    repaint();
    put(
      about,
      scores(item),
      members(item),
      h(
        "details",
        {},
        h("summary", {}, "All that is known"),
        tree({
          shard: item.shard,
          split: item.split,
          seed: item.seed,
          psi: item.psi,
          ...item.attributes,
        }),
      ),
      h("p", { class: "quiet" }, "Arrow keys: previous, next. 1 to 6: view. Escape: close."),
    );
  }

  function repaint() {
    if (picture.sample) paint(picture, look);
    choice.show();
  }

  function open(given, index) {
    items = given;
    at = index;
    show();
    dialog.showModal();
  }

  return {
    element: dialog,
    open,
    repaint: () => {
      if (dialog.open) repaint();
    },
    isOpen: () => dialog.open,
  };
}

function scores({ scores: measured, thresholds = {} }) {
  return h(
    "table",
    {},
    h("caption", {}, "Scores"),
    h(
      "thead",
      {},
      h(
        "tr",
        {},
        ["Score", "Value", "Threshold"].map((head) => h("th", { scope: "col" }, head)),
      ),
    ),
    h(
      "tbody",
      {},
      Object.entries(measured).map(([score, value]) =>
        h(
          "tr",
          {},
          h("th", { scope: "row" }, score),
          h("td", {}, format(value)),
          h("td", {}, limit(score, thresholds)),
        ),
      ),
    ),
  );
}

function limit(score, thresholds) {
  const found = [
    [score, ""],
    [`${score}_min`, "at least "],
    [`${score}_max`, "at most "],
  ].filter(([name]) => name in thresholds);
  return found.map(([name, word]) => word + format(thresholds[name])).join(", ") || "–";
}

function members({ members: given, key }) {
  return h(
    "p",
    { class: "actions" },
    Object.entries(given).map(([name, href]) =>
      h("a", { class: "button small", href, download: `${key}.${href.split("/").pop()}` }, name),
    ),
  );
}
