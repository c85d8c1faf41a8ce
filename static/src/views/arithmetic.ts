/** On 32-bit floats or on 8-bit integers: the switch, and what either says of the picture, side by side with its time. */

import { button, h } from "../dom";
import type { Api } from "../data/api";
import type { Place } from "../data/link";
import { percent } from "../data/number";
import type { Answer, ModelDetail, WeightsInfo } from "../data/wire";
import { isBlank, type Input } from "../input/picture";
import { Latest } from "../input/latest";
import { messageOf } from "./notices";

const NAMES: Record<string, string> = { fp32: "32-bit floats", int8: "8-bit integers" };
const SHORT: Record<string, string> = { fp32: "32 bits", int8: "8 bits" };

export class Arithmetic {
  readonly element = h("div", { class: "arithmetic", role: "group", "aria-label": "Arithmetic", hidden: true });
  private readonly switches = h("div", { class: "switches" });
  private readonly table = h("div", { "aria-live": "polite" });
  private readonly asked = new Latest<() => Promise<void>>((work) => work());
  private readonly api: Api;
  private readonly place: Place;
  private readonly again: () => void;
  private precisions: readonly string[] = ["fp32"];
  private latest = {}; // what is asked about: another each time

  /** `again` runs the picture once more, with the arithmetic that was chosen. */
  constructor(api: Api, place: Place, again: () => void) {
    this.api = api;
    this.place = place;
    this.again = again;
    this.element.append(h("span", { class: "dim" }, "Arithmetic"), this.switches, this.table);
  }

  /** What the weights that are shown are run with. */
  get precision(): string {
    return this.precisions.find((one) => one === this.place.precision) ?? "fp32";
  }

  /** Offers what these weights can do. */
  fit(weights: WeightsInfo): void {
    this.precisions = weights.precisions;
    this.latest = {}; // what was asked of other weights is no answer of these
    this.element.hidden = weights.precisions.length < 2;
    this.table.replaceChildren();
    this.switches.replaceChildren(...weights.precisions.map((one) => button(NAMES[one] ?? one, () => { this.choose(one); }, { "data-precision": one, "aria-pressed": String(one === this.precision) })));
  }

  private choose(precision: string): void {
    this.place.precision = precision;
    if (precision === "fp32") delete this.place.precision;
    for (const one of this.switches.children) one.setAttribute("aria-pressed", String(one.getAttribute("data-precision") === precision));
    this.table.replaceChildren();
    this.again();
  }

  /** Asks every arithmetic for its answer, while another than the usual one is chosen. */
  compare(model: ModelDetail, weights: WeightsInfo, input: Input): void {
    const asked = (this.latest = {});
    const here = "picture" in input; // or only the run that a link names
    for (const one of this.switches.children) {
      one.toggleAttribute("disabled", !here);
      one.setAttribute("title", here ? "" : "This browser has not got the picture of this link: choose one, and it is run with either.");
    }
    if (this.precision === "fp32" || !("picture" in input) || isBlank(input)) {
      this.table.replaceChildren();
      return;
    }
    this.asked.push(async () => {
      let shown: HTMLElement;
      try {
        const picture = await input.picture();
        const answers: Answer[] = [];
        for (const precision of this.precisions) answers.push(await this.api.predict(model.id, weights.id, precision, picture)); // one by one: each has the processor to itself
        shown = answerTable(answers);
      } catch (error) {
        shown = h("p", { class: "prompt" }, messageOf(error));
      }
      if (this.latest === asked && this.precision !== "fp32") this.table.replaceChildren(shown);
    });
  }
}

function answerTable(answers: readonly Answer[]): HTMLElement {
  const rows = answers.map(({ precision, predictions: [top], elapsed_ms: elapsed }) =>
    h("tr", { "data-precision": precision, "data-probability": top?.probability ?? 0 },
      h("th", { scope: "row" }, SHORT[precision] ?? precision), h("td", {}, top?.label ?? ""), h("td", {}, percent(top?.probability ?? 0)), h("td", {}, `${(elapsed["inference"] ?? 0).toFixed(1)} ms`)));
  const heads = ["", "answer", "", "forward pass"].map((word) => h("th", { scope: "col" }, word));
  return h("table", { class: "answers" }, h("thead", {}, h("tr", {}, ...heads)), h("tbody", {}, ...rows));
}
