/** What speaks for a class: the inputs of its score that add most and that take away most. */

import { button, h } from "../dom";
import { contributions, strongestCell, unitUnder, type Contribution } from "../data/contributions";
import { addingUp, printed } from "../data/ledger";
import { count, figure } from "../data/number";
import type { Explanation, Layer } from "../data/wire";
import type { Theme } from "../draw/colour";
import { codeView } from "./code";
import type { Walk } from "./relations";
import { signedBar } from "./sources";
import { sumsOf, type Sums } from "./steps";

/** So many inputs are named on either side. */
const NAMED = 4;

export interface EvidenceOptions {
  layers: readonly Layer[];
  theme: Theme;
  walk: Walk;
}

/** Of the explanation of a class's unit in the scoring layer. */
export function evidenceView(label: string, explanation: Explanation, options: EvidenceOptions): HTMLElement {
  const ranked = contributions(explanation);
  const view = h("section", { class: "evidence", "data-layer": explanation.layer, "data-unit": explanation.unit.join(","), "data-value": explanation.value, "aria-label": `What speaks for ${label}` });
  const walk = button(`${explanation.layer}, unit ${explanation.unit[0] ?? 0}`, () => { options.walk(explanation.layer, explanation.unit); }, { class: "walk" });
  if (explanation.op === "rbf") {
    view.append(h("h3", {}, `What speaks for “${label}”`),
      h("p", {}, `The picture that the network made of the input, against the picture of “${label}”: distance ${figure(explanation.value)}; the smallest distance wins.`), codeView(explanation, options.theme), walk);
    return view;
  }
  const sums = sumsOf(explanation, ranked);
  if (sums === null) {
    view.append(h("h3", {}, `What speaks for “${label}”`), h("p", {}, `Its score is ${figure(explanation.value)}: ${explanation.expression}.`), walk);
    return view;
  }
  const inputs = ranked.length > 1 ? ranked : cellsOf(ranked[0]);
  const units = inputs === ranked ? sums : { ...sums, totals: sumsOfCells(inputs, sums) };
  const forIt = inputs.filter((item) => item.total > 0);
  const against = inputs.filter((item) => item.total < 0);
  const exact = (items: readonly Contribution[]): number => items.reduce((total, item) => total + item.total, 0);
  // of the terms as they are: a thousand small ones, each rounded to what is printed, would be lost
  const [pro = 0, con = 0] = addingUp([exact(forIt), exact(against)], sums.decimals, sums.products / 10 ** sums.decimals);
  const text = (amount: number): string => printed(amount, sums.decimals);
  const largest = Math.max(...inputs.map((item) => Math.abs(item.total)), 1e-12);
  const column = (title: string, items: readonly Contribution[], sum: number, key: string): HTMLElement => h("div", { class: `evidence-${key}` },
    h("h4", {}, `${title} ${text(sum)}`, h("span", { class: "dim" }, ` from ${count(items.length)} of ${count(inputs.length)}`)),
    h("ul", {}, ...items.slice(0, NAMED).map((item) => h("li", { "data-total": item.total, "data-channel": item.source.channel }, sourceButton(item, explanation, options), signedBar(item.total / largest), h("span", { class: "share" }, text(units.totals.get(item) ?? 0))))));
  view.append(h("h3", {}, `What speaks for “${label}”`, h("span", { class: "dim" }, ` out of ${inputs[0]?.source.layer ?? ""}`)),
    h("div", { class: "evidence-columns" }, column("For it", forIt, pro, "for"), column("Against it", against, con, "against")),
    h("p", { class: "evidence-sum", "data-for": decimal(pro, sums), "data-against": decimal(con, sums), "data-bias": decimal(sums.bias ?? 0, sums), "data-sum": decimal(sums.sum, sums) },
      `${text(pro)} ${signed(con, sums)}${sums.bias === null ? "" : ` ${signed(sums.bias, sums)} (bias)`} = ${text(sums.sum)}, the score that softmax turns into a probability. `, walk));
  return view;
}

const decimal = (units: number, sums: Sums): string => (units / 10 ** sums.decimals).toFixed(sums.decimals);
const signed = (units: number, sums: Sums): string => `${units < 0 ? "−" : "+"} ${printed(Math.abs(units), sums.decimals)}`;

/** A single source's cells as inputs of their own: a full layer over one map. */
function cellsOf(item: Contribution | undefined): Contribution[] {
  if (item === undefined) return [];
  const { source, cells } = item;
  return (cells ?? []).flatMap((row, y) => row.map((total, x): Contribution => ({
    source: { ...source, top: source.top + y, left: source.left + x, values: [[source.values[y]?.[x] ?? 0]], weights: [[source.weights?.[y]?.[x] ?? 0]] },
    cells: [[total]], total, strength: Math.abs(total),
  }))).sort((a, b) => b.strength - a.strength);
}

function sumsOfCells(inputs: readonly Contribution[], sums: Sums): Map<Contribution, number> {
  const units = addingUp(inputs.map((item) => item.total), sums.decimals, sums.products / 10 ** sums.decimals);
  return new Map(inputs.map((item, index) => [item, units[index] ?? 0]));
}

function sourceButton(item: Contribution, explanation: Explanation, options: EvidenceOptions): HTMLElement {
  const { source } = item;
  const shape = options.layers.find((layer) => layer.name === source.layer)?.shape ?? [];
  const unit = unitUnder(source, strongestCell(explanation.op, item), shape);
  const label = `${shape.length < 3 ? "unit" : "map"} ${source.channel}`;
  if (unit === null) return h("span", {}, label);
  const value = source.values[0]?.[0] ?? 0;
  const weight = source.weights?.[0]?.[0] ?? 0;
  const single = source.values.length === 1 && source.values[0]?.length === 1;
  return button(label, () => { options.walk(source.layer, unit); }, { class: "walk", title: single ? `${figure(value)} × ${figure(weight)} = ${figure(item.total)}` : `sum of products ${figure(item.total)}` });
}
