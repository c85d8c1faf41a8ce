/** The help sheet: every key, and what it does. */

import { button, h } from "../dom";

type Keys = readonly (readonly [key: string, meaning: string])[];

const GROUPS: readonly (readonly [string, Keys])[] = [
  ["Page", [
    ["?", "Open or close this sheet"],
    ["/", "Find a layer"],
    ["1 … 9", "Choose a network, in the order of the list"],
    ["S", "Next colour scale"],
    ["T", "Light or dark"],
    ["C", "Compare with another run"],
    ["K", "Calculator"],
  ]],
  ["Maps and numbers", [
    ["Tab", "Go to the next layer's maps"],
    ["← ↑ → ↓", "Choose a map in a layer, a pixel of the enlarged map, or a cell of a patch"],
    ["Enter", "Enlarge the map, explain the pixel, or walk to the cell"],
    ["Esc", "Close the enlarged map"],
  ]],
  ["Guided tour", [
    ["G", "Start the tour of this network"],
    ["N", "Next step"],
    ["B", "Step back"],
  ]],
  ["Sliding window", [
    ["P", "Open the window of the map that is shown; again: play or pause"],
    ["Space", "Play or pause"],
    ["← →", "One cell back, one cell on"],
    ["↑ ↓", "One row back, one row on"],
    ["Home End", "First cell, last cell"],
    ["Enter", "Explain the cell"],
  ]],
];

export class Help {
  private readonly dialog: HTMLDialogElement;

  constructor() {
    this.dialog = h("dialog", { class: "help", "aria-label": "Keys" },
      h("header", {}, h("h2", {}, "Keys"), button("×", () => { this.dialog.close(); }, { class: "tool", "aria-label": "Close" })),
      ...GROUPS.map(([title, keys]) => h("section", {}, h("h3", {}, title), h("dl", {}, ...keys.flatMap(([key, meaning]) => [h("dt", {}, h("kbd", {}, key)), h("dd", {}, meaning)])))),
      h("p", { class: "dim" }, "Shapes are channels × height × width. Drop or paste a photo anywhere on the page."));
    document.body.append(this.dialog);
  }

  toggle(): void {
    if (this.dialog.open) this.dialog.close();
    else this.dialog.showModal();
  }

  get open(): boolean {
    return this.dialog.open;
  }
}
