/** Where one number came from: in words, as a formula, source by source, and the sum that gives it. */

import { h } from "../dom";
import { contributions } from "../data/contributions";
import { hasBias } from "../data/lineage";
import type { Explanation } from "../data/wire";
import { codeView } from "./code";
import { branchesView, tableView } from "./relations";
import { sourcesView, type ExplanationOptions } from "./sources";
import { stepsView, sumsOf } from "./steps";
import { unitWords } from "./words";

export type { ExplanationOptions } from "./sources";

/** Operators that may be without a bias. */
const WEIGHTED = new Set(["conv", "full"]);

export function explanationView(explanation: Explanation, options: ExplanationOptions): HTMLElement {
  const layer = options.layers.find((one) => one.name === explanation.layer);
  const view = h("div", {
    class: "explanation", "data-layer": explanation.layer, "data-unit": explanation.unit.join(","), "data-value": explanation.value,
    "data-sum": explanation.sum ?? undefined, "data-bias": explanation.bias ?? undefined, "data-sources": explanation.sources.length,
  });
  view.append(h("p", { class: "words" }, unitWords(explanation, options.layers)), h("p", { class: "expression" }, explanation.expression));
  const table = layer === undefined ? null : tableView(layer, explanation.unit[0] ?? 0);
  if (table !== null) view.append(table);
  if (explanation.op === "concat" && layer !== undefined) view.append(branchesView(layer, options.layers, explanation.unit, options.walk));
  if (explanation.op === "rbf") view.append(codeView(explanation, options.theme));
  if (explanation.sources.length === 0) return view;
  const ranked = contributions(explanation);
  const told = WEIGHTED.has(explanation.op) && explanation.bias === 0 && layer !== undefined && !hasBias(layer, options.layers) ? { ...explanation, bias: null } : explanation;
  const sums = sumsOf(told, ranked);
  const steps = (shown: number): HTMLElement => stepsView(told, sums, ranked, shown);
  const part = sourcesView(explanation, ranked, sums, options, (shown) => { last.replaceWith((last = steps(shown))); });
  let last = steps(part.shown);
  view.append(part.element, last);
  return view;
}
