/** What a network answers, as bars; what the answer is worth; for a class under the pointer, what speaks for it and where. */

import { button, byId, h } from "../dom";
import type { Api } from "../data/api";
import { scoreUnit, scoringLayer } from "../data/lineage";
import { canRun } from "../data/weights";
import { count, large, percent } from "../data/number";
import type { ModelDetail, Prediction, Run, WeightsInfo } from "../data/wire";
import { Latest } from "../input/latest";
import { currentTheme } from "../theme";
import { evidenceView } from "./evidence";
import { Looked } from "./looked";
import type { Walk } from "./relations";
import { messageOf } from "./notices";

/** Up to this many classes are named one by one. */
const NAMED = 20;

/** A doubt about the picture is said once it has stood this long, in ms: half a drawn digit looks like nothing yet. */
const DOUBT = 600;

/** The pointer rests this long, in ms, before the evidence is asked for. */
const REST = 140;

export class Predictions {
  readonly element = h("section", { class: "answer" });
  private readonly evidence = h("div", { class: "evidence-place" });
  private readonly asked = new Latest<() => Promise<void>>((work) => work());
  private readonly api: Api;
  private readonly walk: Walk;
  private readonly looked: Looked;
  private explained: Prediction | null = null; // of this very run
  private waiting = 0;
  private doubting = 0;
  private run: Run | null = null;
  private key = "";
  private bars = h("ol", { class: "bars" });
  private readonly time = h("p", { class: "note dim" });

  constructor(api: Api, walk: Walk) {
    this.api = api;
    this.walk = walk;
    this.looked = new Looked(api);
    document.addEventListener("themechange", () => { // its pictures of codes are in the theme's colours
      const chosen = this.evidence.querySelector(".code") === null ? null : this.bars.querySelector<HTMLElement>('[aria-pressed="true"]');
      chosen?.click();
    });
  }

  /** `blank`: nothing is drawn, so what the network says means nothing. */
  show(model: ModelDetail, weights: WeightsInfo, run: Run | null, blank = false): void {
    const trained = weights.trained && !blank;
    this.run = run;
    window.clearTimeout(this.waiting);
    window.clearTimeout(this.doubting);
    const key = JSON.stringify([model.id, weights, run === null, run?.precision, blank]);
    if (key !== this.key) this.build(model, weights, run, blank); // else only the figures are new, as while one draws
    this.key = key;
    if (run === null) return;
    this.element.querySelector("[data-unfamiliar]")?.remove();
    this.bars.replaceChildren(...run.predictions.map((one, rank) => this.row(model, run, one, rank === 0 && trained)));
    this.looked.clear();
    this.evidence.replaceChildren(h("p", { class: "note dim" }, `Choose a class to see ${scoringLayer(model.layers) === undefined ? "" : "what speaks for it, and "}where the network looked.`));
    if (run.unfamiliar && !blank) this.doubting = window.setTimeout(() => { this.evidence.after(unfamiliarNote(model, weights, run)); }, DOUBT);
    const total = run.elapsed_ms["total"];
    this.time.textContent = total === undefined ? "" : `Computed in ${total < 1000 ? `${total.toFixed(1)} ms` : `${(total / 1000).toFixed(2)} s`}.`;
  }

  /** Everything around the figures of a run. */
  private build(model: ModelDetail, weights: WeightsInfo, run: Run | null, blank: boolean): void {
    const trained = weights.trained && !blank;
    const heading = h("h2", {}, run === null ? (canRun(weights) ? "Prediction" : "No prediction") : blank ? "Nothing is drawn" : trained ? "Prediction" : "Output, not a prediction");
    const answer = h("div", { class: "predictions" }, heading);
    this.looked.clear();
    this.evidence.replaceChildren();
    this.element.replaceChildren(aboutModel(model), answer);
    this.element.dataset["trained"] = String(trained);
    if (run === null) {
      if (canRun(weights)) answer.append(h("p", { class: "note dim" }, "Reading the picture"));
      else if (weights.pullable) answer.append(h("p", { class: "note" }, `${weights.title}: these weights are not on this machine yet, so the layers are those of the published structure and there are no maps. They can be fetched where the weights are chosen.`));
      else answer.append(h("p", { class: "note" }, `${weights.title} has no numbers that could be run: only the layer table is shown. Choose other weights to see maps.`));
      return;
    }
    if (blank) answer.append(h("p", { class: "note warning" }, "The page is empty. Draw on it, or take a sample: the maps follow the pen. What the network says of an empty page means nothing."));
    else if (!trained) answer.append(h("p", { class: "note warning" }, "This network has not been trained. Its weights are random numbers, so these bars say nothing about the picture; the maps and the arithmetic are real."));
    this.bars = h("ol", { class: trained ? "bars" : "bars untrained", "aria-label": heading.textContent });
    answer.append(this.bars, this.evidence, aboutClasses(model, weights));
    const accuracy = weights.accuracy;
    if (accuracy !== null) answer.append(h("p", { class: "note" }, `Measured${run.precision === "fp32" ? "" : " on 32-bit floats"}: ${(accuracy.top1 * 100).toFixed(2)} % of ${count(accuracy.images)} images of ${accuracy.dataset} right at the first guess.`));
    answer.append(this.time);
  }

  private row(model: ModelDetail, run: Run, prediction: Prediction, first: boolean): HTMLElement {
    const { label, probability, index } = prediction;
    const bar = h("span", { class: "bar-fill" });
    bar.style.width = `${Math.max(probability * 100, 0.3)}%`;
    const row = h("button", { type: "button", class: "bar-row", "aria-pressed": "false" }, h("span", { class: "label" }, label), h("span", { class: "bar-track" }, bar), h("span", { class: "share" }, percent(probability)));
    const rest = (): void => { if (!this.looked.dear && this.explained !== prediction) ask(REST); };
    const ask = (after: number): void => {
      window.clearTimeout(this.waiting);
      this.waiting = window.setTimeout(() => { this.asked.push(() => this.explain(model, run, prediction, row)); }, after);
    };
    row.addEventListener("pointerenter", (event) => { if (event.pointerType === "mouse") rest(); });
    row.addEventListener("pointerleave", () => { window.clearTimeout(this.waiting); });
    row.addEventListener("focus", rest);
    row.addEventListener("click", () => { ask(0); });
    return h("li", { "data-label": label, "data-probability": probability, "data-index": index, class: first ? "first" : "" }, row);
  }

  private async explain(model: ModelDetail, run: Run, prediction: Prediction, row: HTMLElement): Promise<void> {
    const layer = scoringLayer(model.layers);
    if (run !== this.run) return;
    const shown: HTMLElement[] = [];
    this.explained = prediction;
    try {
      const unit = layer === undefined ? [] : scoreUnit(layer, prediction.index);
      if (layer !== undefined) shown.push(evidenceView(prediction.label, await this.api.explanation(run.id, layer.name, unit), { layers: model.layers, theme: currentTheme(), walk: this.walk }));
    } catch (error) {
      shown.push(h("p", { class: "note" }, messageOf(error)));
      this.explained = null; // to be asked again
    }
    if (run !== this.run) return;
    for (const other of this.element.querySelectorAll(".bar-row")) other.setAttribute("aria-pressed", String(other === row));
    this.looked.show(model, run, prediction);
    this.evidence.replaceChildren(this.looked.element, ...shown);
    byId("status").textContent = `“${prediction.label}”: below the classes stands where the network looked${layer === undefined ? "" : ", and what speaks for it"}.`; // not all of it, which is long
  }
}

/** Which network this is, in its manifest's words. */
function aboutModel(model: ModelDetail): HTMLElement {
  const year = model.year === null ? "" : ` ${model.year}`;
  return h("div", { class: "about-model" }, h("h2", {}, model.title, h("span", { class: "dim" }, year)), h("p", {}, model.summary ?? ""),
    h("p", { class: "note dim" }, `${count(model.parameters)} parameters · ${count(model.units)} units · ${large(model.multiply_adds)} multiply-adds an image`));
}

/** Which classes it knows; a long list opens on demand. */
function aboutClasses(model: ModelDetail, weights: WeightsInfo): HTMLElement {
  const classes = count(weights.classes);
  if (weights.classes <= NAMED && model.labels.length > 0) return h("p", { class: "note", "data-classes": weights.classes }, `It knows only these ${classes} classes: ${model.labels.join(", ")}. Whatever it is shown, it answers with one of them.`);
  const summary = h("summary", {}, `It knows ${classes} classes, and answers with one of them whatever it is shown.`);
  return h("details", { class: "note classes", "data-classes": weights.classes }, summary, h("p", {}, model.labels.join(", ")));
}

/** An image that looks like none of the classes, and the weights that know more of them. */
function unfamiliarNote(model: ModelDetail, weights: WeightsInfo, run: Run): HTMLElement {
  const [top] = run.predictions;
  const note = h("p", { class: "note warning", "data-unfamiliar": "true" }, `This may be none of the ${count(weights.classes)} classes it knows: the most likely one has ${percent(top?.probability ?? 0)}, and pictures of its classes nearly always get more. `);
  const better = model.weights.find((one) => one.classes > weights.classes && one.trained);
  if (better === undefined) return note;
  const words = better.ready ? `Ask the weights that know ${count(better.classes)} classes` : `Get the weights that know ${count(better.classes)} classes`;
  note.append(button(words, () => { document.dispatchEvent(new CustomEvent("weightswanted", { detail: { model: model.id, weights: better.id } })); }));
  return note;
}
