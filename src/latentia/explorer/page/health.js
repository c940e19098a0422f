// The tab Health: what the last evaluation of the run found, or the command that makes one.

import { h, shown } from "./dom.js";

export async function healthTab(app, look) {
  const found = await app.backend.health(look.run.id);
  if (found.command) {
    const words = "This run was not evaluated yet. In a terminal:";
    return h("section", { class: "card" }, h("h2", {}, "Health"), h("p", {}, words), h("pre", { tabIndex: 0 }, found.command));
  }
  const parts = [h("h2", {}, "Diagnosis")];
  if (!found.diagnosis.length) parts.push(h("p", {}, "Nothing is wrong that the evaluation looks for."));
  for (const finding of found.diagnosis) parts.push(diagnosed(finding));
  for (const warning of found.warnings) parts.push(h("p", { class: "remark" }, warning));
  return h("div", { class: "health" }, h("section", { class: "card full" }, parts), h("section", { class: "card full" }, h("h2", {}, "Figures"), table(found)));
}

function diagnosed(finding) {
  const [name, ...texts] = Object.values(finding).filter((value) => typeof value === "string" && value);
  return h("div", { class: "remark" }, h("strong", {}, name), texts.map((text) => h("p", {}, text)));
}

function table({ figures, missing }) {
  const lines = Object.entries(figures).map(([name, figure]) => {
    const many = Array.isArray(figure.value);
    const value = many ? figure.value.slice(0, 12).map((one) => shown(one)).join(", ") + (figure.value.length > 12 ? ", …" : "") : shown(figure.value, 4);
    const error = !many && typeof figure.error === "number" ? ` ± ${shown(figure.error, 2)}` : "";
    return h("tr", {}, h("th", { scope: "row" }, name.replaceAll("_", " ")), h("td", {}, value + error), h("td", {}, figure.unit || ""), h("td", {}, figure.protocol || ""));
  });
  const absent = Object.entries(missing).map(([name, reason]) => h("tr", { class: "absent" }, h("th", { scope: "row" }, name.replaceAll("_", " ")), h("td", {}, "–"), h("td", {}), h("td", {}, reason)));
  const head = h("thead", {}, h("tr", {}, ["figure", "value", "unit", "how"].map((text) => h("th", { scope: "col" }, text))));
  return h("div", { class: "scroll", tabIndex: 0, role: "group", "aria-label": "Figures" }, h("table", {}, head, h("tbody", {}, lines, absent)));
}
