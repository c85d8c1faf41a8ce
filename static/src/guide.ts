/** What explains: the inspector, the tour, comparing, the calculator; and the keys and links that open them. */

import { byId, button, h } from "./dom";
import type { Api, Picture } from "./data/api";
import type { Place } from "./data/link";
import type { Tensors } from "./data/tensors";
import type { Model, ModelDetail, Run, Tour, TourStep } from "./data/wire";
import type { Stage } from "./scene/stage";
import { Calculator } from "./views/calculator";
import { EXERCISES } from "./data/calculator";
import { Compare, type Half, type Other } from "./views/compare";
import type { Inspector, InspectorView, Look } from "./views/inspector";
import { TourView } from "./views/tour";

/** What the guide needs of the page. */
export interface GuideHost {
  place: Place; // the deep link, kept by the page
  stage: () => Stage | null; // null where there is no WebGL
  reveal: (layer: string) => void; // in the list of layers
  inspector: Inspector;
  select: (layer: string, unit: number[]) => void;
  close: () => void; // the inspector
  look: () => Look;
  picture: () => Promise<Picture> | null;
  models: () => readonly Model[]; // the networks that there are by now
  writeLink: () => void;
}

export class Guide {
  /** Buttons that open the tour, the comparison and the calculator. */
  readonly bar = h("div", { class: "guide-bar", role: "group", "aria-label": "Guide" });
  private readonly tourButton = button("Take the tour", () => { this.startTour(); }, { class: "tool tour-button", "aria-keyshortcuts": "g", hidden: true });
  private readonly compareButton = button("Compare", () => { this.compare.show(); }, { class: "tool", "aria-keyshortcuts": "c", disabled: true });
  private readonly tour: TourView;
  private readonly tensors: Tensors;
  private comparison: Compare | null = null; // built when first wanted, as is the calculator: the page opens without
  private calculating: HTMLDialogElement | null = null;
  private readonly api: Api;
  private readonly host: GuideHost;
  private model: ModelDetail | null = null;
  private run: Run | null = null;
  private steps: Tour | null = null;

  constructor(api: Api, tensors: Tensors, host: GuideHost) {
    this.api = api;
    this.host = host;
    this.tour = new TourView({ go: (step) => { this.go(step); }, end: () => { this.endTour(); } });
    this.tensors = tensors;
    this.bar.append(this.tourButton, this.compareButton, button("Calculator", () => { this.calculator.showModal(); }, { class: "tool", "aria-keyshortcuts": "k" }));
    byId("side").prepend(this.bar);
    byId("strip").prepend(this.tour.element); // the scene keeps clear of the strip
    const { panel } = host.place;
    host.inspector.setView(panel === "window" || panel === "calculator" ? panel : "map");
  }

  /** A network was chosen: its tour is fetched. */
  async show(model: ModelDetail): Promise<void> {
    const arriving = this.model === null; // the link's tour belongs to the network that the page opens with
    const known = this.model?.id === model.id; // with other weights
    this.model = model;
    this.run = null;
    this.compareButton.disabled = true;
    if (known) {
      if (this.tour.open && this.steps !== null) this.tour.show(this.steps, model, this.tour.at); // its figures, of these weights
      return;
    }
    this.steps = null;
    if (!arriving && this.tour.open) this.endTour();
    this.tourButton.hidden = true;
    const steps = model.tour ? await this.api.tour(model.id) : null;
    if (this.model !== model) return;
    this.steps = steps;
    this.tourButton.hidden = steps === null;
    this.openLinked();
  }

  /** A run's maps are there. */
  ran(run: Run): void {
    const first = this.run === null;
    this.run = run;
    this.compareButton.disabled = false;
    if (!first) return;
    if (this.tour.open && this.host.place.layer === undefined) this.openUnit(this.steps?.steps[this.tour.at]); // now it can be
    this.openLinked();
  }

  /** Keys of the guide; true where one was meant. */
  key(key: string): boolean {
    const act = {
      g: () => { this.startTour(); }, n: () => { this.tour.next(); }, b: () => { this.tour.previous(); },
      c: () => { if (!this.compareButton.disabled) this.compare.show(); }, k: () => { this.calculator.showModal(); }, w: () => { this.host.inspector.play(); },
    }[key];
    act?.();
    return act !== undefined;
  }

  /** Another view of the inspector's map. */
  view(view: InspectorView): void {
    const { place } = this.host;
    if (view === "map") delete place.panel;
    else place.panel = view;
    this.host.inspector.setView(view);
    if (place.layer !== undefined) this.host.select(place.layer, place.unit ?? [0]);
  }

  private get compare(): Compare {
    const { api, host } = this;
    return this.comparison ??= new Compare(api, this.tensors, {
      models: host.models, left: () => this.half(), picture: host.picture, sample: () => host.place.sample, look: host.look,
      changed: (other) => { this.compared(other); },
    });
  }

  private get calculator(): HTMLDialogElement {
    return this.calculating ??= calculatorDialog();
  }

  private openLinked(): void {
    const { place } = this.host;
    if (this.run === null) return;
    if (place.tour !== undefined && this.steps !== null && !this.tour.open) this.go(Number(place.tour) - 1 || 0);
    if (place.with !== undefined && !this.compare.open) {
      this.compare.show({ model: place.with, ...(place.withSample === undefined ? {} : { sample: place.withSample }), ...(place.withRun === undefined ? {} : { run: place.withRun }) });
    }
  }

  /** Ends the tour; false where none is on. */
  leave(): boolean {
    if (!this.tour.open) return false;
    this.endTour();
    return true;
  }

  private startTour(): void {
    if (this.steps !== null && !this.tour.open) this.go(0);
  }

  private go(index: number): void {
    const { steps, model, host } = this;
    if (steps === null || model === null) return;
    const at = Math.min(Math.max(index, 0), steps.steps.length - 1);
    const step = steps.steps[at];
    if (step === undefined) return;
    host.place.tour = String(at + 1);
    this.tour.show(steps, model, at);
    host.stage()?.emphasise(step.emphasise);
    if (!this.openUnit(step)) host.close();
    if (step.layer === null) host.stage()?.overview();
    else { // last, so that the flight makes room for the panel
      const feeding = step.unit === null ? [] : model.edges.filter(([, to]) => to === step.layer).map(([from]) => from);
      host.stage()?.fly(step.layer, undefined, feeding); // what the unit is made of is spoken of too
      if (host.place.view === "list") host.reveal(step.layer);
    }
    host.writeLink();
  }

  /** Opens the unit that a step speaks of; false where there is none, or no number of it yet. */
  private openUnit(step: TourStep | undefined): boolean {
    if (step === undefined || step.layer === null || step.unit === null || this.run === null) return false;
    Object.assign(this.host.place, { layer: step.layer, unit: step.unit });
    this.view(step.show ?? "map");
    return true;
  }

  private endTour(): void {
    delete this.host.place.tour;
    this.tour.hide();
    this.host.stage()?.emphasise([]);
    this.host.writeLink();
    if (!this.tourButton.hidden) this.tourButton.focus({ preventScroll: true });
  }

  private half(): Half | null {
    return this.model === null || this.run === null ? null : { model: this.model, run: this.run };
  }

  private compared(other: Other | null): void {
    const { place } = this.host;
    delete place.with;
    delete place.withSample;
    delete place.withRun;
    if (other !== null) {
      place.with = other.model;
      if (other.sample !== undefined) place.withSample = other.sample;
      else if (other.run !== undefined) place.withRun = other.run;
    }
    this.host.writeLink();
  }
}

/** The calculator by itself, with the course's first exercise. */
function calculatorDialog(): HTMLDialogElement {
  const [first] = EXERCISES;
  const dialog = h("dialog", { class: "calculator-dialog", "aria-label": "Calculator" });
  dialog.append(h("header", {}, h("h2", {}, "What does a filter make of an input?"), button("×", () => { dialog.close(); }, { class: "tool", "aria-label": "Close" })));
  if (first !== undefined) dialog.append(new Calculator(first).element);
  byId("status").after(dialog);
  return dialog;
}
