/** The help sheet: every gesture and key, and what it does. */

import { button, h } from "../dom";

type Keys = readonly (readonly [key: string, meaning: string])[];

const GROUPS: readonly (readonly [string, Keys])[] = [
  ["Page", [
    ["?", "Open or close this sheet"],
    ["1 … 9", "Choose a network, in the order of the list"],
    ["/", "Find a layer"],
    ["V", "3D or flat"],
    ["L", "The layers as a list, or the scene"],
    ["S", "Next colour scale"],
    ["T", "Light or dark"],
    ["C", "Compare with another run"],
    ["K", "Calculator"],
    ["P", "This view as a PNG"],
    ["Esc", "Close the panel"],
  ]],
  ["Scene", [
    ["← ↑ → ↓", "Move"],
    ["+  −", "Nearer, farther (or the wheel, towards the pointer)"],
    ["Q  E", "Turn (or drag; Shift and drag, or the right button, moves)"],
    ["O", "The whole network"],
    ["[  ]", "Fly to the layer before, or after"],
    ["F  H", "Fold or open, hide the layer pointed at"],
    ["Enter", "Open the layer"],
  ]],
  ["Maps and numbers", [
    ["← ↑ → ↓", "Choose a map of a listed layer, a pixel of the map, or a cell of a patch"],
    ["Enter", "Open the map, explain the pixel, or walk to the cell"],
  ]],
  ["Guided tour", [
    ["G", "Start the tour of this network"],
    ["N", "Next step"],
    ["B", "Step back"],
  ]],
  ["Sliding window", [
    ["W", "Open the window of the map that is shown; again: play or pause"],
    ["Space", "Play or pause"],
    ["← →", "One cell back, one cell on"],
    ["↑ ↓", "One row back, one row on"],
    ["Home End", "First cell, last cell"],
    ["Enter", "Explain the cell"],
  ]],
];

const TOUCH: readonly [string, Keys] = ["Touch", [
  ["Tap", "Open the nearest unit, or the tile of a folded layer"],
  ["1 finger", "Turn"],
  ["2 fingers", "Zoom, and move"],
  ["3 fingers", "Move"],
]];

/** Whether fingers are what this device is used with first. */
const byTouch = (): boolean => window.matchMedia("(hover: none)").matches;

/** The links of the bar once more, for windows in which the bar has no room for them. */
function pages(): Node[] {
  return [...document.querySelectorAll(".bar nav a")].flatMap((link) => [link.cloneNode(true), " "].map((one) => (typeof one === "string" ? document.createTextNode(one) : one)));
}

export class Help {
  private dialog: HTMLDialogElement | null = null; // built when first wanted

  toggle(): void {
    this.dialog ??= sheet();
    if (this.dialog.open) this.dialog.close();
    else this.dialog.showModal();
  }
}

function sheet(): HTMLDialogElement {
  const title = byTouch() ? "Touch and keys" : "Keys and touch";
  const groups = byTouch() ? [TOUCH, ...GROUPS] : [...GROUPS, TOUCH];
  const dialog = h("dialog", { class: "help", "aria-label": title },
    h("header", {}, h("h2", {}, title), button("×", () => { dialog.close(); }, { class: "tool", "aria-label": "Close" })),
    ...groups.map(([group, keys]) => h("section", {}, h("h3", {}, group), h("dl", {}, ...keys.flatMap(([key, meaning]) => [h("dt", {}, h("kbd", {}, key)), h("dd", {}, meaning)])))),
    h("p", { class: "dim" }, "Lines lead to the cells that feed the number under the pointer: orange ones add to it, blue ones take away, the thick one wins a maximum. The frame on the picture is all that the number can see."),
    h("p", { class: "dim" }, "Shapes are channels × height × width. Drop or paste a photo anywhere on the page."),
    h("p", { class: "help-pages" }, ...pages()));
  document.body.append(dialog);
  return dialog;
}
