/** Choosing a network, and which of its weights. */

import { h } from "../dom";
import { count, large } from "../data/number";
import type { Model, ModelDetail, WeightsInfo } from "../data/wire";

export class Picker {
  /** The networks, for the bar. */
  readonly networks = h("div", { class: "networks", role: "group", "aria-label": "Networks" });
  /** The weights of the one that is shown. */
  readonly weights = h("div", { class: "weights" });

  constructor(models: readonly Model[], choose: (model: string, weights: string) => void) {
    for (const model of models) {
      const known = model.weights.find((one) => one.id === model.default_weights);
      const card = h("button", { type: "button", class: "network", "data-model": model.id, "aria-pressed": "false" },
        h("span", { class: "network-title" }, model.title, h("span", { class: "year" }, model.year === null ? "" : ` ${model.year}`)),
        h("span", { class: known?.trained === true ? "badge trained" : "badge", title: `${large(model.parameters)} parameters · ${count(known?.classes ?? 0)} classes` }, known?.trained === true ? "trained" : "not trained"));
      card.addEventListener("click", () => { choose(model.id, model.default_weights); });
      this.networks.append(card);
    }
    this.weights.addEventListener("change", (event) => {
      if (event.target instanceof HTMLSelectElement) choose(event.target.dataset["model"] ?? "", event.target.value);
    });
  }

  /** Marks what is shown. */
  show(model: ModelDetail, weights: WeightsInfo): void {
    for (const card of this.networks.querySelectorAll<HTMLElement>(".network")) {
      const shown = card.dataset["model"] === model.id;
      card.setAttribute("aria-pressed", String(shown));
      if (shown) card.scrollIntoView({ block: "nearest", inline: "nearest" });
    }
    const select = h("select", { id: "weights", "data-model": model.id },
      ...model.weights.map((one) => h("option", { value: one.id, selected: one.id === weights.id }, `${one.title} (${count(one.classes)} classes${one.trained ? ", trained" : ""})`)));
    this.weights.replaceChildren(h("label", { for: "weights" }, "Weights"), select);
  }
}
