/** Where one number came from: sources with patch, kernel and products, sum, bias, activation, and the way back. */

import { button, h } from "../dom";
import { contributions, strongestCell, unitUnder, type Contribution } from "../data/contributions";
import { count, figure } from "../data/number";
import type { Explanation, Layer } from "../data/wire";
import { lutFor, type Lut, type Theme } from "../draw/colour";
import { uprightShape } from "../layout/tiles";
import { linkCells, matrix } from "./matrix";
import { ACTIVATIONS, unitWords } from "./words";

export interface ExplanationOptions {
  theme: Theme;
  labels: readonly string[]; // names of a vector's units, where it has as many
  layer: (name: string) => Layer | undefined;
  walk: (layer: string, unit: number[]) => void;
}

/** Sources a page: blocks of several cells take room, single numbers are lines of a table. */
const BLOCKS = 4;
const LINES = 12;

export function explanationView(explanation: Explanation, options: ExplanationOptions): HTMLElement {
  const view = h("div", {
    class: "explanation", "data-layer": explanation.layer, "data-unit": explanation.unit.join(","), "data-value": explanation.value,
    "data-sum": explanation.sum ?? undefined, "data-bias": explanation.bias ?? undefined, "data-sources": explanation.sources.length,
  });
  view.append(h("p", { class: "words" }, unitWords(explanation)), h("p", { class: "expression" }, explanation.expression));
  if (explanation.sources.length > 0) view.append(sourcesView(explanation, options));
  const steps = stepsView(explanation);
  if (steps !== null) view.append(steps);
  return view;
}

/** Sum of products, bias, sum, activation, value: each number on its own line. */
function stepsView(explanation: Explanation): HTMLElement | null {
  const { op, sum, bias, activation, value } = explanation;
  if (sum === null) return null;
  const line = (name: string, number: number, term = ""): HTMLElement[] => [h("dt", {}, name), h("dd", { "data-value": number }, figure(number), ...(term === "" ? [] : [h("span", { class: "dim" }, ` ${term}`)]))];
  const steps = h("dl", { class: "steps" });
  if (bias !== null && op !== "lrn") steps.append(...line("Sum of products", sum - bias), ...line("+ bias", bias));
  steps.append(...line(op === "rbf" ? "Squared distance" : "Sum", sum));
  if (activation !== null) steps.append(...line("Value", value, ACTIVATIONS[activation] ?? activation));
  return steps;
}

function sourcesView(explanation: Explanation, options: ExplanationOptions): HTMLElement {
  const ranked = contributions(explanation);
  const single = ranked.every(({ source }) => source.values.flat().length === 1);
  const size = single ? LINES : BLOCKS;
  const pages = Math.ceil(ranked.length / size);
  const place = h("div", { class: "sources" });
  const heading = h("p", { class: "dim" });
  let page = 0;

  const show = (): void => {
    const shown = ranked.slice(page * size, (page + 1) * size);
    const weighted = shown.some(({ source }) => source.weights !== null);
    heading.textContent = ranked.length === 1 ? "1 source" : `${count(page * size + 1)} to ${count(page * size + shown.length)} of ${count(ranked.length)} sources, ${weighted ? "largest |sum of products| first" : "largest first"}`;
    const lut = lutFor("signed", options.theme);
    place.replaceChildren(single ? linesView(explanation, shown, options) : h("div", {}, ...shown.map((item) => blockView(explanation, item, lut, options))));
  };
  const turn = (step: number): void => {
    page = Math.min(Math.max(page + step, 0), pages - 1);
    show();
  };
  show();
  const head = h("div", { class: "sources-head" }, heading);
  if (pages > 1) {
    head.append(
      button("‹", () => { turn(-1); }, { class: "tool", "aria-label": "Stronger sources" }),
      button("›", () => { turn(1); }, { class: "tool", "aria-label": "Weaker sources" }),
    );
  }
  const code = explanation.op === "rbf" ? codeView(explanation, options) : [];
  return h("section", { "aria-label": "Sources" }, head, ...code, place);
}

/** The fixed code of a radial-basis unit and the layer it is compared with, as two pictures. */
function codeView(explanation: Explanation, options: ExplanationOptions): HTMLElement[] {
  const values = explanation.sources.flatMap((source) => source.values.flat());
  const code = explanation.sources.flatMap((source) => (source.weights ?? []).flat());
  const shape = uprightShape(values.length);
  const lut = lutFor("signed", options.theme);
  const limit = Math.max(...values.map(Math.abs), ...code.map(Math.abs), 1e-12);
  return [h("div", { class: "blocks" },
    matrix([values], { label: "Layer below", lut, limit, shape, numbers: false }),
    matrix([code], { label: "Fixed code", lut, limit, shape, numbers: false }))];
}

/** Button that leads to the strongest cell of a source, or plain text where that lies in the padding. */
function wayBack(explanation: Explanation, item: Contribution, options: ExplanationOptions): HTMLElement {
  const { source } = item;
  const shape = options.layer(source.layer)?.shape ?? [];
  const unit = unitUnder(source, strongestCell(explanation.op, item), shape);
  const label = shape.length < 3 ? unitName(explanation, source.channel, source.layer, options) : `${source.layer}, map ${source.channel}`;
  if (unit === null) return h("span", {}, label);
  const action = (): void => {
    options.walk(source.layer, unit);
  };
  return button(label, action, { class: "walk", "data-walk": source.layer, title: `Go to ${source.layer} at ${unit.join(", ")}` });
}

function unitName(explanation: Explanation, index: number, layer: string, options: ExplanationOptions): string {
  const label = explanation.op === "softmax" ? options.labels[index] : undefined;
  return label === undefined ? `${layer}, unit ${index}` : `${layer}: ${label}`;
}

/** Single numbers: one line a source. */
function linesView(explanation: Explanation, shown: readonly Contribution[], options: ExplanationOptions): HTMLElement {
  const weighted = shown.some(({ source }) => source.weights !== null);
  const termed = shown.some(({ cells }) => cells !== null);
  const head = h("tr", {}, h("th", { scope: "col" }, "Source"), h("th", { scope: "col" }, "Value"));
  if (weighted) head.append(h("th", { scope: "col" }, explanation.op === "rbf" ? "Code" : "Weight"));
  if (termed) head.append(h("th", { scope: "col" }, explanation.op === "rbf" ? "Difference²" : explanation.op === "lrn" ? "Square" : "Product"));
  const lines = shown.map((item) => {
    const value = item.source.values[0]?.[0] ?? 0;
    const own = explanation.op === "softmax" && item.source.channel === explanation.unit[0];
    const row = h("tr", own ? { class: "own" } : {}, h("td", {}, wayBack(explanation, item, options)), h("td", { "data-value": value }, figure(value)));
    if (weighted) row.append(h("td", {}, figure(item.source.weights?.[0]?.[0] ?? 0)));
    if (termed) row.append(h("td", {}, figure(item.total)));
    return row;
  });
  return h("table", { class: "lines" }, h("thead", {}, head), h("tbody", {}, ...lines));
}

/** A block of cells: patch, kernel and products side by side, and the product under the pointer in words. */
function blockView(explanation: Explanation, item: Contribution, lut: Lut, options: ExplanationOptions): HTMLElement {
  const { source, cells, total } = item;
  const limitOf = (rows: readonly (readonly number[])[]): number => Math.max(...rows.flat().map(Math.abs), 1e-12);
  const marked = explanation.op === "max_pool" ? { marked: strongestCell(explanation.op, item) } : {};
  const blocks = h("div", { class: "blocks" }, matrix(source.values, { label: "Patch", lut, limit: limitOf(source.values), ...marked }));
  if (source.weights !== null) {
    const label = explanation.op === "subsampling" ? "Coefficient" : "Kernel";
    blocks.append(h("span", { class: "sign", "aria-hidden": "true" }, "×"), matrix(source.weights, { label, lut, limit: limitOf(source.weights) }));
  }
  if (cells !== null && source.weights !== null) {
    blocks.append(h("span", { class: "sign", "aria-hidden": "true" }, "="), matrix(cells, { label: "Products", lut, limit: limitOf(cells) }));
  }
  const readout = h("output", { class: "readout" }, "\u00a0");
  linkCells(blocks, (row, column) => {
    const value = source.values[row]?.[column] ?? 0;
    const weight = source.weights?.[row]?.[column];
    readout.textContent = weight === undefined ? `row ${row}, column ${column}: ${figure(value)}` : `${figure(value)} × ${figure(weight)} = ${figure(value * weight)}`;
  });
  const place = `rows ${source.top} to ${source.top + source.values.length - 1}, columns ${source.left} to ${source.left + (source.values[0]?.length ?? 1) - 1}`;
  const sum = cells === null || source.weights === null ? "" : ` · sum of products ${figure(total)}`;
  return h("section", { class: "source", "data-source-layer": source.layer, "data-channel": source.channel, "data-total": total },
    h("p", {}, wayBack(explanation, item, options), h("span", { class: "dim" }, ` ${place}${sum}`)), blocks, readout);
}
