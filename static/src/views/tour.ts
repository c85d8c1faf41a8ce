/** The guided tour: numbered steps with next, back, keys and a list; each is told to screen readers as it comes. */

import { button, byId, h } from "../dom";
import { fillFigures } from "../data/placeholders";
import { openedSheet, openSheet, type SheetName } from "./sheets";
import type { ModelDetail, Tour } from "../data/wire";

export interface TourEvents {
  go: (step: number) => void; // the step at that place of the list, from 0
  end: () => void;
}

export class TourView {
  readonly element = h("section", { class: "tour", hidden: true, tabindex: -1, "aria-label": "Guided tour" });
  private readonly words = h("div", { class: "tour-words", "aria-live": "polite", "aria-atomic": "true" });
  private readonly name = h("p", { class: "tour-name" });
  private readonly number = h("span", { class: "tour-number" });
  private readonly bar = h("div", { class: "tour-progress", "aria-hidden": "true" }, h("span", {}));
  private readonly list = h("ol", { class: "tour-list", hidden: true });
  private readonly listButton = button("Steps", () => { this.fold(!this.list.hidden); }, { class: "tool", "aria-expanded": "false" });
  private readonly back = button("‹ Back", () => { this.previous(); }, { class: "tool", "aria-keyshortcuts": "b" });
  private readonly forward = button("Next ›", () => { this.next(); }, { class: "tool next", "aria-keyshortcuts": "n" });
  private readonly events: TourEvents;
  private tour: Tour | null = null;
  private step = 0;
  private sheet: SheetName = ""; // that was open before the tour
  private pressed = false; // a tab meanwhile: the reader has chosen

  constructor(events: TourEvents) {
    this.events = events;
    const close = button("×", () => { events.end(); }, { class: "tool", "aria-label": "End the tour" });
    this.element.append(
      h("header", {}, this.name, this.number, this.listButton, close), this.bar, this.list, this.words,
      h("footer", {}, this.back, this.forward));
    byId("sheets").addEventListener("click", () => { this.pressed = true; });
    this.element.addEventListener("keydown", (event) => {
      if (event.key === "ArrowRight") this.next();
      else if (event.key === "ArrowLeft") this.previous();
      else return;
      event.preventDefault();
      event.stopPropagation();
    });
  }

  get open(): boolean {
    return this.tour !== null;
  }

  /** Counted from 0. */
  get at(): number {
    return this.step;
  }

  /** Shows a step of a tour; the number is brought into the tour's range. */
  show(tour: Tour, model: ModelDetail, step: number): void {
    const opening = this.tour !== tour;
    if (this.tour === null) this.makeRoom();
    this.tour = tour;
    this.step = Math.min(Math.max(step, 0), tour.steps.length - 1);
    const here = tour.steps[this.step];
    if (here === undefined) return;
    this.name.textContent = tour.title;
    this.number.textContent = `${this.step + 1} of ${tour.steps.length}`;
    this.words.replaceChildren(h("h2", {}, fillFigures(here.title, model)), h("p", {}, fillFigures(here.text, model)));
    this.back.disabled = this.step === 0;
    this.forward.textContent = this.step === tour.steps.length - 1 ? "End of the tour" : "Next ›";
    this.bar.style.setProperty("--done", `${((this.step + 1) / tour.steps.length) * 100}%`);
    this.list.replaceChildren(...tour.steps.map((one, index) => h("li", {}, button(fillFigures(one.title, model), () => {
      this.fold(true);
      this.events.go(index);
    }, index === this.step ? { "aria-current": "step" } : {}))));
    Object.assign(this.element.dataset, { step: String(this.step + 1), steps: String(tour.steps.length), layer: here.layer ?? "" });
    this.element.hidden = false;
    document.body.classList.add("touring");
    if (opening) this.element.focus({ preventScroll: true });
  }

  hide(): void {
    if (this.tour !== null && !this.pressed && openedSheet() === "") openSheet(this.sheet);
    this.tour = null;
    this.element.hidden = true;
    this.fold(true);
    document.body.classList.remove("touring");
  }

  next(): void {
    if (this.tour === null) return;
    if (this.step === this.tour.steps.length - 1) this.events.end();
    else this.events.go(this.step + 1);
  }

  previous(): void {
    if (this.tour !== null && this.step > 0) this.events.go(this.step - 1);
  }

  /** In a narrow window the tour wants the room of a sheet, until its tab is pressed. */
  private makeRoom(): void {
    this.sheet = openedSheet();
    this.pressed = false;
    openSheet("");
  }

  private fold(folded: boolean): void {
    this.list.hidden = folded;
    this.listButton.setAttribute("aria-expanded", String(!folded));
  }
}
