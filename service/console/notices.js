// Messages stay until they are dismissed.
import { button, h } from "./dom.js";

const box = () => document.getElementById("notices");

export function tell(text, kind = "error") {
  const same = [...box().children].find((shown) => shown.dataset.text === text);
  if (same) return;
  const notice = h(
    "div",
    { class: `notice ${kind}`, "data-text": text, role: kind === "error" ? "alert" : "status" },
    h("p", {}, text),
    button("Dismiss", () => notice.remove(), {
      class: "small",
      "aria-label": `Dismiss: ${text.slice(0, 60)}`,
    }),
  );
  box().append(notice);
}

export function clearNotices() {
  box().replaceChildren();
}

/** An action whose failure is told. */
export function guard(action) {
  return async (...given) => {
    try {
      return await action(...given);
    } catch (error) {
      if (error.name !== "AbortError" && error.status !== 401) tell(error.message);
      return undefined;
    }
  };
}

/** A button that acts once `question.expected` was typed. */
export function confirmed(word, question, action, attributes) {
  const label = `Type ${question.expected} to confirm`;
  const act = guard(async () => {
    if (await ask({ ...question, label })) await action();
  });
  return button(word, act, attributes);
}

/** Asks for a sentence or a typed word; null when it was called off. */
export function ask({ title, text, label, expected, confirm, danger }) {
  return new Promise((resolve) => {
    const input = h("input", { id: "asked", autocomplete: "off", required: true });
    const go = h("button", { class: danger ? "danger" : "primary", disabled: true }, confirm);
    input.addEventListener("input", () => {
      go.disabled = expected ? input.value.trim() !== expected : !input.value.trim();
    });
    const form = h(
      "form",
      {
        method: "dialog",
        onsubmit: () => {
          dialog.returnValue = "go";
        },
      },
      h("h2", { id: "asked-title" }, title),
      h("p", {}, text),
      h("label", { for: "asked" }, label),
      input,
      h(
        "p",
        { class: "actions" },
        button("Back", () => dialog.close("")),
        go,
      ),
    );
    const dialog = h("dialog", { class: "ask", "aria-labelledby": "asked-title" }, form);
    dialog.addEventListener("close", () => {
      dialog.remove();
      resolve(dialog.returnValue === "go" ? input.value.trim() : null);
    });
    document.body.append(dialog);
    dialog.showModal();
    input.focus();
  });
}
