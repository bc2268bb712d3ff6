// A person cut out of one's own picture.
import { h } from "/console/dom.js";

export async function mattesPage() {
  return [h("h1", {}, "Cut out")];
}
