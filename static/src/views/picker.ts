/** Choosing a network, and which of its weights. */

import type { Api } from "../data/api";
import { h } from "../dom";
import { count, large, megabytes } from "../data/number";
import type { Model, ModelDetail, WeightsInfo } from "../data/wire";
import { say } from "./notices";
import { Pulls } from "./pulls";

export class Picker {
  /** The networks, for the bar. */
  readonly networks = h("div", { class: "networks", role: "group", "aria-label": "Networks" });
  /** The weights of the one that is shown, and how those that are not here can be had. */
  readonly weights = h("div", { class: "weights" });
  /** In the order of the bar. */
  models: readonly Model[] = [];
  private readonly pulls: Pulls;
  private readonly choose: (model: string, weights: string) => void;

  constructor(models: readonly Model[], choose: (model: string, weights: string) => void, api: Api) {
    this.choose = choose;
    this.pulls = new Pulls(api, (model) => this.card(model) !== null, (model, weights) => {
      const known = this.card(model) !== null;
      if (known) choose(model, weights);
      void api.models().then((now) => {
        this.models = this.models.map((one) => now.find((other) => other.id === one.id) ?? one); // which weights are ready now
        if (known) return;
        this.add(now.filter((one) => this.card(one.id) === null)); // networks that have come with their weights
        choose(model, weights);
      }).catch((error: unknown) => { say(error); });
    });
    this.add(models);
    document.addEventListener("weightswanted", (event) => {
      const { model, weights } = (event as CustomEvent<{ model: string; weights: string }>).detail;
      choose(model, weights);
      this.weights.scrollIntoView({ block: "nearest" });
    });
    this.weights.addEventListener("change", (event) => {
      if (event.target instanceof HTMLSelectElement) choose(event.target.dataset["model"] ?? "", event.target.value);
    });
  }

  /** For the keys: the first of the bar is at 0. */
  chooseAt(index: number): void {
    const model = this.models[index];
    if (model !== undefined) this.choose(model.id, model.default_weights);
  }

  /** Adds networks to the list. */
  private add(models: readonly Model[]): void {
    this.models = [...this.models, ...models];
    for (const model of models) {
      const known = model.weights.find((one) => one.id === model.default_weights);
      const card = h("button", { type: "button", class: "network", "data-model": model.id, "aria-pressed": "false" },
        h("span", { class: "network-title" }, model.title, h("span", { class: "year" }, model.year === null ? "" : ` ${model.year}`)),
        h("span", { class: known?.trained === true ? "badge trained" : "badge", title: `${large(model.parameters)} parameters · ${count(known?.classes ?? 0)} classes` }, known?.trained === true ? "trained" : "not trained"));
      card.addEventListener("click", () => { this.choose(model.id, model.default_weights); });
      this.networks.append(card);
    }
  }

  private card(model: string): Element | null {
    return this.networks.querySelector(`[data-model="${CSS.escape(model)}"]`);
  }

  /** Marks what is shown. */
  show(model: ModelDetail, weights: WeightsInfo): void {
    for (const card of this.networks.querySelectorAll<HTMLElement>(".network")) {
      const shown = card.dataset["model"] === model.id;
      card.setAttribute("aria-pressed", String(shown));
      if (shown) card.scrollIntoView({ block: "nearest", inline: "nearest" });
    }
    const focused = this.weights.contains(document.activeElement) && document.activeElement instanceof HTMLSelectElement;
    const select = h("select", { id: "weights", "data-model": model.id },
      ...model.weights.map((one) => h("option", { value: one.id, selected: one.id === weights.id }, optionWords(one))));
    this.weights.replaceChildren(h("label", { for: "weights" }, "Weights"), select, this.pulls.element);
    if (focused) select.focus({ preventScroll: true }); // the arrow keys go on from here
    this.pulls.show(model, weights);
  }
}

function optionWords(weights: WeightsInfo): string {
  const notes = weights.title.includes(String(weights.classes)) ? [] : [`${count(weights.classes)} classes`];
  if (weights.pullable && !weights.ready) notes.push(`${megabytes(weights.bytes)} to fetch`);
  else if (weights.trained) notes.push("trained");
  return notes.length === 0 ? weights.title : `${weights.title} (${notes.join(", ")})`;
}
