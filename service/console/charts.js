// Small charts as SVG, each with its figures in words for those who can't see it.
import { format, h, svg } from "./dom.js";

const WIDTH = 260,
  HEIGHT = 96,
  BINS = 24,
  FOOT = 16;

/** How often values occur, with thresholds as dashed lines. */
export function histogram(name, values, thresholds = []) {
  const known = values.filter(Number.isFinite).sort((a, b) => a - b);
  if (!known.length) return h("figure", {}, h("figcaption", {}, `${name}: no values`));
  const inside = thresholds.filter((value) => value !== undefined);
  const low = Math.min(known[0], ...inside),
    high = Math.max(known.at(-1), ...inside);
  const span = high - low || 1;
  const counts = new Array(BINS).fill(0);
  for (const value of known)
    counts[Math.min(BINS - 1, Math.floor(((value - low) / span) * BINS))] += 1;
  const tallest = Math.max(...counts),
    step = WIDTH / BINS;
  const x = (value) => ((value - low) / span) * WIDTH;
  const shapes = counts.map((count, i) =>
    svg("rect", {
      class: "bar",
      x: i * step + 0.5,
      width: step - 1,
      y: HEIGHT - (count / tallest) * HEIGHT,
      height: (count / tallest) * HEIGHT,
    }),
  );
  const marks = inside.map((value) =>
    svg("line", { class: "threshold", x1: x(value), x2: x(value), y1: 0, y2: HEIGHT }),
  );
  const words =
    `${name}: ${known.length} samples, ${format(known[0])} to ${format(known.at(-1))}, median ${format(known[known.length >> 1])}` +
    (inside.length ? `, threshold ${inside.map(format).join(" and ")}` : "");
  return figure(words, [
    ...shapes,
    ...marks,
    svg("text", { x: 0, y: HEIGHT + FOOT - 3 }, format(low)),
    svg("text", { x: WIDTH, y: HEIGHT + FOOT - 3, "text-anchor": "end" }, format(high)),
  ]);
}

/** A count for each name, as bars side by side with their numbers. */
export function bars(title, counts) {
  const most = Math.max(1, ...Object.values(counts));
  const total = Object.values(counts).reduce((sum, count) => sum + count, 0);
  return h(
    "figure",
    { class: "bars" },
    h("figcaption", {}, title),
    h(
      "dl",
      {},
      Object.entries(counts).map(([name, count]) =>
        h(
          "div",
          {},
          h("dt", {}, name),
          h(
            "dd",
            {},
            h("meter", { min: 0, max: most, value: count, "aria-label": name }),
            ` ${count.toLocaleString()} (${Math.round((100 * count) / total)} %)`,
          ),
        ),
      ),
    ),
  );
}

/** A curve of [x, y] points. */
export function curve(name, points) {
  const known = points.filter(([, y]) => Number.isFinite(y));
  if (!known.length) return null;
  const xs = known.map(([x]) => x),
    ys = known.map(([, y]) => y);
  const [left, right, low, high] = [
    Math.min(...xs),
    Math.max(...xs),
    Math.min(...ys),
    Math.max(...ys),
  ];
  const at = ([x, y]) =>
    `${(((x - left) / (right - left || 1)) * WIDTH).toFixed(1)},${(HEIGHT - ((y - low) / (high - low || 1)) * HEIGHT).toFixed(1)}`;
  const words =
    known.length === 1
      ? `${name}: ${format(ys[0])} at ${left.toLocaleString()}`
      : `${name}: ${format(ys[0])} to ${format(ys.at(-1))}, least ${format(low)}`;
  const foot = HEIGHT + FOOT - 3;
  return figure(words, [
    svg("polyline", { class: "curve", points: known.map(at).join(" ") }),
    svg("text", { x: 0, y: foot }, left.toLocaleString()),
    svg("text", { x: WIDTH, y: foot, "text-anchor": "end" }, right.toLocaleString()),
  ]);
}

function figure(words, shapes) {
  return h(
    "figure",
    {},
    svg(
      "svg",
      { viewBox: `0 0 ${WIDTH} ${HEIGHT + FOOT}`, role: "img", "aria-label": words },
      shapes,
    ),
    h("figcaption", {}, words),
  );
}
