// How a sample is shown: the browser itself cuts it out, with alpha as a luminance mask.
import { at } from "./base.js";
import { button, h, put } from "./dom.js";

export const MODES = [
  ["image", "Image"],
  ["alpha", "Alpha"],
  ["checker", "Checkerboard"],
  ["colour", "Colour"],
  ["photo", "Photo"],
  ["split", "Slider"],
];

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
  image.style.maskImage = `url("${at(alpha)}")`;
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
