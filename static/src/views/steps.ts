/** The last lines of an explanation: what the sources sum to, the bias, the activation; printed so that they add up. */

import { h } from "../dom";
import { addsUp, type Contribution } from "../data/contributions";
import { addingUp, decimalsFor, printed } from "../data/ledger";
import { count, figure } from "../data/number";
import type { Explanation } from "../data/wire";
import { curveView } from "./curve";
import { ACTIVATIONS } from "./words";

/** Every source's total and the lines below, in units of one decimal place. */
export interface Sums {
  decimals: number;
  totals: ReadonlyMap<Contribution, number>; // printed units of each source
  products: number;
  bias: number | null;
  sum: number;
}

/** The sums of an explanation whose sources add up; null for operators that do something else. */
export function sumsOf(explanation: Explanation, ranked: readonly Contribution[]): Sums | null {
  const { sum, op } = explanation;
  if (sum === null || !Number.isFinite(sum) || !addsUp(explanation)) return null;
  const bias = op === "rbf" || op === "add" ? null : explanation.bias;
  const exact = sum - (bias ?? 0);
  const decimals = decimalsFor([sum, bias ?? 0, exact, ...ranked.map((item) => item.total)]);
  const [products = 0, biasUnits = 0] = addingUp(bias === null ? [exact] : [exact, bias], decimals, sum);
  const units = addingUp(ranked.map((item) => item.total), decimals, products / 10 ** decimals);
  return {
    decimals, products, sum: products + biasUnits, bias: bias === null ? null : biasUnits,
    totals: new Map(ranked.map((item, index) => [item, units[index] ?? 0])),
  };
}

const NAMES: Record<string, readonly [part: string, whole: string]> = {
  rbf: ["squares", "Squared distance"],
  add: ["terms", "Sum"],
};

/** The lines; `shown` sources are written out above, so the others are one line here. */
export function stepsView(explanation: Explanation, sums: Sums | null, ranked: readonly Contribution[], shown: number): HTMLElement {
  const { op, sum, activation, value } = explanation;
  const list = h("dl", { class: "steps" });
  const line = (name: string, text: string, exact: number, key: string, last = false): void => {
    list.append(h("dt", last ? { class: "last" } : {}, name), h("dd", { class: last ? "last" : "", "data-line": key, "data-value": exact, "data-printed": text.replace("\u2212", "-") }, text));
  };
  if (sums !== null) {
    const [parts, whole] = NAMES[op] ?? ["products", "Sum"];
    const unitsOf = (items: readonly Contribution[]): number => items.reduce((total, item) => total + (sums.totals.get(item) ?? 0), 0);
    const exactOf = (items: readonly Contribution[]): number => items.reduce((total, item) => total + item.total, 0);
    if (shown < ranked.length) {
      const [above, below] = [ranked.slice(0, shown), ranked.slice(shown)];
      line(`The ${count(shown)} above`, printed(unitsOf(above), sums.decimals), exactOf(above), "shown");
      line(`+ the other ${count(below.length)}`, printed(unitsOf(below), sums.decimals), exactOf(below), "others");
    }
    if (sums.bias !== null) {
      line(`= sum of ${parts}`, printed(sums.products, sums.decimals), (sum ?? 0) - (explanation.bias ?? 0), "products");
      line("+ bias", printed(sums.bias, sums.decimals), explanation.bias ?? 0, "bias");
    }
    line(sums.bias === null ? whole : "= sum", printed(sums.sum, sums.decimals), sum ?? 0, "sum", activation === null);
  } else if (sum !== null && op === "lrn") line("Sum of squares", figure(sum), sum, "sum");
  else if (sum !== null && op.endsWith("average_pool")) line("Sum of the cells", figure(sum), sum, "sum");
  if (activation !== null && sum !== null) line(ACTIVATIONS[activation] ?? activation, figure(value), value, "value", true);
  const unfinished = op === "lrn" || op.endsWith("average_pool"); // there the sum is not yet what the activation gets
  const curve = activation === null || sum === null || unfinished ? null : curveView(activation, sum, value);
  return h("div", { class: "steps-box", hidden: list.childElementCount === 0 }, list, ...(curve === null ? [] : [curve]));
}
