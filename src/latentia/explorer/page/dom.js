// Elements without markup: text is always text, so that a script in a label stays a label.

/** Make an element: properties as given, `on` handlers, `data` and `aria` attributes, children as nodes or text. */
export function h(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [key, value] of Object.entries(properties)) {
    if (value === undefined || value === null) continue;
    if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
    else if (key.includes("-") || key === "for" || key === "role" || key === "list") element.setAttribute(key, value);
    else element[key === "class" ? "className" : key] = value;
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

let numbers = 0;

/** A control with its label. */
export function field(text, control, note) {
  control.id ||= `field-${++numbers}`;
  return h("div", { class: "field" }, h("label", { for: control.id }, text), control, note ? h("small", {}, note) : null);
}

/** A choice among options: strings, or [value, text] pairs. */
export function choice(options, value, change) {
  const pairs = options.map((option) => (Array.isArray(option) ? option : [option, option]));
  const select = h("select", { onchange: () => change(select.value) }, pairs.map(([key, text]) => h("option", { value: key }, text)));
  select.value = value;
  return select;
}

/** A switch with its text. */
export function check(text, checked, change) {
  const box = h("input", { type: "checkbox", checked, onchange: () => change(box.checked) });
  return h("label", { class: "check" }, box, text);
}

/** Buttons of which one is pressed. */
export function switcher(name, options, value, change) {
  const buttons = options.map(([key, text, title]) =>
    h("button", { type: "button", title, "data-value": key, "aria-pressed": String(key === value), onclick: () => press(key) }, text),
  );
  const group = h("div", { class: "switcher", role: "group", "aria-label": name }, buttons);
  const press = (key, quiet = false) => {
    for (const button of buttons) button.setAttribute("aria-pressed", String(button.dataset.value === key));
    if (!quiet) change(key);
  };
  group.press = press;
  return group;
}

/** A number as a person reads it. */
export function shown(value, digits = 3) {
  if (value === null || value === undefined || !Number.isFinite(value)) return "–";
  if (value !== 0 && (Math.abs(value) < 1e-3 || Math.abs(value) >= 1e5)) return value.toExponential(2);
  return String(Number(value.toPrecision(digits)));
}

/** A text that begins a sentence. */
export const capital = (text) => text.slice(0, 1).toUpperCase() + text.slice(1);

export const percent = (share) => `${Math.round(100 * share)} %`;

/** Say what is wrong, in place of what cannot be shown. */
export function failure(error) {
  return h("p", { class: "failure", role: "alert" }, error.message ?? String(error));
}

/** Show that something is being computed, with its share where it is known. */
export function loading(text) {
  const bar = h("progress", { max: 1, "aria-label": text });
  const line = h("span", {}, text);
  const box = h("div", { class: "loading", role: "status" }, line, bar);
  box.tick = (share, what) => {
    if (share > 0) bar.value = share;
    if (what) line.textContent = what;
  };
  return box;
}

/** Run work after calls have stopped for a while. */
export function settled(ms, work) {
  let timer = 0;
  return (...given) => {
    clearTimeout(timer);
    timer = setTimeout(() => work(...given), ms);
  };
}
