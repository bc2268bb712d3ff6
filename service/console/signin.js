// The key is sent once; what stays is a cookie that no script can read.
import { api } from "./api.js";
import { h } from "./dom.js";

export function signInPage(done) {
  const problem = h("p", { class: "field-error", role: "alert", id: "key-problem" });
  const input = h("input", {
    id: "key",
    type: "password",
    name: "key",
    autocomplete: "current-password",
    required: true,
    spellcheck: "false",
    "aria-describedby": "key-problem key-help",
  });
  const submit = h("button", { class: "primary" }, "Sign in");
  const form = h(
    "form",
    {
      onsubmit: async (event) => {
        event.preventDefault();
        submit.disabled = true;
        problem.textContent = "";
        try {
          await api("/session", { method: "POST", body: { key: input.value } });
          await done();
        } catch (error) {
          problem.textContent =
            error.status === 401 ? `That key is not known here. ${error.message}.` : error.message;
          input.select();
        } finally {
          submit.disabled = false;
        }
      },
    },
    h("label", { for: "key" }, "API key"),
    input,
    problem,
    submit,
  );
  return h(
    "div",
    { class: "signin" },
    h("h1", {}, "MatteForge"),
    h("p", {}, "Labelled portraits for matting: order, look, download."),
    form,
    h(
      "div",
      { id: "key-help" },
      h("h2", {}, "Where is my key?"),
      h(
        "ul",
        {},
        h(
          "li",
          {},
          "On your own machine it is kept in ",
          h("code", {}, "matteforge-data/secrets.json"),
          ", as ",
          h("code", {}, "api_key"),
          "; ",
          h("code", {}, "matteforge up"),
          " tells where that file is.",
        ),
        h(
          "li",
          {},
          "With Docker Compose it is ",
          h("code", {}, "MATTEFORGE_API_KEY"),
          " in ",
          h("code", {}, ".env"),
          ".",
        ),
        h("li", {}, "An API that was started without one prints a new key once, in its log."),
      ),
    ),
  );
}
