/** The help sheet: every key, and what it does. */

import { button, h } from "../dom";

const KEYS: readonly (readonly [string, string])[] = [
  ["?", "Open or close this sheet"],
  ["1 … 9", "Choose a network, in the order of the list"],
  ["← ↑ → ↓", "Move the scene; in a list or panel, choose a map or a pixel"],
  ["+  −", "Nearer, farther (or the wheel, towards the pointer)"],
  ["Q  E", "Turn (or drag; Shift and drag, or the right button, moves)"],
  ["O", "The whole network"],
  ["[  ]", "Fly to the layer before, or after"],
  ["Enter", "Open the layer or the map, or explain the pixel"],
  ["/", "Find a layer"],
  ["F  H", "Fold or open, hide the layer pointed at"],
  ["V", "3D or flat"],
  ["L", "The layers as a list, or the scene"],
  ["S", "Next colour scale"],
  ["P", "This view as a PNG"],
  ["T", "Light or dark"],
  ["Esc", "Close the panel"],
];

export class Help {
  private readonly dialog: HTMLDialogElement;

  constructor() {
    this.dialog = h("dialog", { class: "help", "aria-label": "Keys" },
      h("header", {}, h("h2", {}, "Keys"), button("×", () => { this.dialog.close(); }, { class: "tool", "aria-label": "Close" })),
      h("dl", {}, ...KEYS.flatMap(([key, meaning]) => [h("dt", {}, h("kbd", {}, key)), h("dd", {}, meaning)])),
      h("p", { class: "dim" }, "Touch: one finger turns, two zoom and move, three move. Shapes are channels × height × width. Drop or paste a photo anywhere on the page."));
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
