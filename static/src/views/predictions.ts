/** What a network answers, as bars; and in plain words what the answer is worth. */

import { button, h } from "../dom";
import { count, large, percent } from "../data/number";
import type { ModelDetail, Run, WeightsInfo } from "../data/wire";

/** Up to this many classes are named one by one. */
const NAMED = 20;

export class Predictions {
  readonly element = h("section", { class: "answer" });

  show(model: ModelDetail, weights: WeightsInfo, run: Run | null): void {
    const trained = weights.trained;
    const heading = h("h2", {}, trained ? "Prediction" : "Output, not a prediction");
    const answer = h("div", { class: "predictions" }, heading);
    this.element.replaceChildren(aboutModel(model), answer);
    this.element.dataset["trained"] = String(trained);
    if (run === null) {
      if (weights.pullable) answer.append(h("p", { class: "note" }, `${weights.title}: these weights are not on this machine yet, so the layers are those of the published structure and there are no maps. They can be fetched where the weights are chosen.`));
      else answer.append(h("p", { class: "note" }, `${weights.title} has no numbers that could be run: only the layer table is shown. Choose other weights to see maps.`));
      return;
    }
    if (!trained) answer.append(h("p", { class: "note warning" }, "This network has not been trained. Its weights are random numbers, so these bars say nothing about the picture; the maps and the arithmetic are real."));
    const rows = run.predictions.map(({ label, probability, index }, rank) => {
      const bar = h("span", { class: "bar-fill" });
      bar.style.width = `${Math.max(probability * 100, 0.3)}%`;
      return h("li", { "data-label": label, "data-probability": probability, "data-index": index, class: rank === 0 && trained ? "first" : "" },
        h("span", { class: "label" }, label), h("span", { class: "bar-track" }, bar), h("span", { class: "share" }, percent(probability)));
    });
    answer.append(h("ol", { class: trained ? "bars" : "bars untrained", "aria-label": heading.textContent }, ...rows));
    if (run.unfamiliar) answer.append(unfamiliarNote(model, weights, run));
    answer.append(aboutClasses(model, weights));
    const accuracy = weights.accuracy;
    if (accuracy !== null) answer.append(h("p", { class: "note" }, `Measured: ${(accuracy.top1 * 100).toFixed(2)} % of ${count(accuracy.images)} images of ${accuracy.dataset} right at the first guess.`));
    const total = run.elapsed_ms["total"];
    if (total !== undefined) answer.append(h("p", { class: "note dim" }, `Computed in ${total.toFixed(1)} ms.`));
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
  const note = h("p", { class: "note warning", "data-unfamiliar": "true" }, `This looks like none of the ${count(weights.classes)} classes it knows: the most likely one has only ${percent(top?.probability ?? 0)}. `);
  const better = model.weights.find((one) => one.classes > weights.classes && one.trained);
  if (better === undefined) return note;
  const words = better.ready ? `Ask the weights that know ${count(better.classes)} classes` : `Get the weights that know ${count(better.classes)} classes`;
  note.append(button(words, () => { document.dispatchEvent(new CustomEvent("weightswanted", { detail: { model: model.id, weights: better.id } })); }));
  return note;
}
