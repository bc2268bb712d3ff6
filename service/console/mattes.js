// A person cut out of one's own picture: upload, look, fetch.
import { api } from "./api.js";
import { facts, h, put, short } from "./dom.js";
import { batches } from "./batches.js";
import { guard } from "./notices.js";

const FIRST_PAUSE_MS = 200,
  LONGEST_PAUSE_MS = 2000;

export async function mattesPage({ signal }) {
  const { items: models } = await api("/v1/models", { signal });
  const output = select("output", ["cutout", "alpha", "composite"]);
  const colour = h("input", { "aria-label": "Colour", type: "color", value: "#2f80ed" });
  const behind = select("behind", ["blur", "colour", "picture"]);
  const picture = h("input", { "aria-label": "Picture", type: "file", accept: "image/*" });
  const model = select(
    "matte-model",
    models.map((item) => item.name),
  );
  if (models.some((item) => item.name === "humans")) model.value = "humans"; // as the API's default
  const results = h("ul", { class: "cards" });
  const choose = h("input", {
    id: "pictures",
    type: "file",
    accept: "image/*,.zip",
    multiple: true,
    onchange: async () => {
      await take([...choose.files]);
      choose.value = "";
    },
  });

  function form(name, file) {
    const body = new FormData();
    body.set(name, file);
    body.set("output", output.value);
    if (model.value) body.set("model", model.value);
    if (output.value !== "composite") return body;
    if (behind.value === "picture" && picture.files[0])
      body.set("background_image", picture.files[0]);
    else body.set("background", behind.value === "colour" ? colour.value : "blur");
    return body;
  }

  const many = batches(signal, form);
  const take = guard(async (files) => {
    for (const file of files) {
      if (/\.zip$/i.test(file.name)) {
        await many.send(form("archive", file));
        continue;
      }
      const card = h("li", { class: "card" }, h("h2", {}, file.name), h("p", {}, "working …"));
      results.prepend(card);
      try {
        put(card, cardOf(file, await finished(form("image", file), signal)));
      } catch (error) {
        put(card, h("h2", {}, file.name), h("p", { class: "field-error" }, error.message));
      }
    }
  });

  const composites = h(
    "p",
    { class: "filters", hidden: true },
    label("behind", "Behind it"),
    behind,
    colour,
    picture,
  );
  const show = () => {
    composites.hidden = output.value !== "composite";
    colour.hidden = behind.value !== "colour";
    picture.hidden = behind.value !== "picture";
  };
  output.addEventListener("change", show);
  behind.addEventListener("change", show);
  show();
  const drop = h(
    "div",
    {
      class: "drop",
      ondragover: (event) => {
        event.preventDefault();
        drop.classList.add("over");
      },
      ondragleave: () => drop.classList.remove("over"),
      ondrop: (event) => {
        event.preventDefault();
        drop.classList.remove("over");
        take(event.dataTransfer.files);
      },
    },
    label("pictures", "Choose pictures or a zip of them, or drop them here: "),
    choose,
  );
  return [
    h("h1", {}, "Cut out"),
    h("p", {}, "A person in your own picture, cut out by StyleMatte. Results are kept for a day."),
    h(
      "p",
      { class: "filters" },
      label("output", "Make"),
      output,
      label("matte-model", "Model"),
      model,
    ),
    composites,
    drop,
    results,
    many.element,
    h("p", { class: "quiet" }, "By command: ", h("code", {}, "matteforge matte PHOTO -o OUT.png")),
  ];
}

function select(id, options) {
  return h(
    "select",
    { id },
    options.map((option) => h("option", { value: option }, option)),
  );
}

function label(id, text) {
  return h("label", { for: id }, text);
}

async function finished(body, signal) {
  let made = await api("/v1/mattes", { method: "POST", body, signal });
  let pause = FIRST_PAUSE_MS;
  while (made.state === "waiting") {
    await new Promise((wait) => {
      setTimeout(wait, pause);
    });
    pause = Math.min(1.5 * pause, LONGEST_PAUSE_MS);
    made = await api(made.links.self, { signal });
  }
  if (made.error) throw new Error(made.error.detail);
  return made;
}

function cardOf(file, made) {
  const name = `${file.name.replace(/\.[^.]+$/, "")}.${made.output}.png`;
  const picture = h(
    "div",
    { class: "picture checker result" },
    h("img", { src: made.links.result, alt: `${made.output} of ${file.name}` }),
  );
  return [
    h("h2", {}, file.name),
    picture,
    made.notice ? h("p", { class: "notice warn" }, made.notice) : null,
    facts([
      ["Size", `${made.width} × ${made.height} px`],
      ["Looked at", `${made.side} px`],
      ["Time", `${made.seconds} s`],
      ["Bundle", short(made.bundle)],
    ]),
    h(
      "p",
      { class: "actions" },
      h("a", { class: "button", href: made.links.result, download: name }, name),
    ),
  ];
}
