/** The calculator of the course's exercises: N, F, S, P to edit; what does not fit is said in red, with the number. */

import { button, h, svg } from "../dom";
import { calculate, EXERCISES, sideText, type Exercise } from "../data/calculator";
import { sizeOf } from "../data/maps";
import { count } from "../data/number";
import { windowOf } from "../data/window";
import type { Layer } from "../data/wire";

type Field = Exclude<keyof Exercise, "pool">;

const FIELDS: readonly (readonly [Field, string, string])[] = [
  ["size", "N input", "Side of the input"], ["filter", "F filter", "Side of the filter"], ["stride", "S stride", "Stride"], ["padding", "P padding", "Padding on each side"],
  ["depth", "D depth", "Depth: input maps"], ["filters", "K filters", "Filters: output maps"],
];

/** The exercise that a layer is; null where its window or its input is not square, or it has gaps: the exercise knows none of these. */
export function exerciseOf(layer: Layer, layers: readonly Layer[]): Exercise | null {
  const window = windowOf(layer);
  const source = layers.find((one) => one.name === layer.inputs[0]);
  if (window === null || layer.kernel === null || source === undefined) return null;
  const { kernel: [rows, columns], stride: [down, across], padding: [top, left, bottom, right], dilation } = window;
  if (rows !== columns || down !== across || dilation.some((gap) => gap !== 1) || new Set([top, left, bottom, right]).size > 1) return null;
  const [depth, height, width] = sizeOf(source);
  if (height !== width) return null;
  return {
    pool: layer.op !== "conv", size: width, depth: Math.round(depth / (layer.groups ?? 1)), filter: window.kernel[1], stride: window.stride[1],
    padding: window.padding[1], filters: sizeOf(layer)[0],
  };
}

/** What a layer has otherwise than the exercise; nothing where it is the same. */
export function ownWords(layer: Layer, exercise: Exercise): string[] {
  return [ownSide(layer, exercise), ownParameters(layer, exercise)].filter((words) => words !== null);
}

/** Why a layer's maps have another side than the exercise's, or null where they have the same: it may round the other way. */
export function ownSide(layer: Layer, exercise: Exercise): string | null {
  return sizeOf(layer)[1] === calculate(exercise).side ? null : `This layer itself: ${layer.formula ?? `${sizeOf(layer)[1]} on a side`}.`;
}

/** Why a layer has another number of parameters than the exercise, or null where it has the same. */
export function ownParameters(layer: Layer, exercise: Exercise): string | null {
  if (layer.parameters === calculate(exercise).parameters) return null;
  const why = layer.op === "subsampling" ? "each map learns a coefficient and a bias"
    : (layer.table ?? null) !== null ? "its maps read only some of the input maps, as its table says"
      : "it is built differently, perhaps without biases";
  return `This layer itself has ${count(layer.parameters)}: ${why}.`;
}

export class Calculator {
  readonly element: HTMLElement;
  private readonly inputs = new Map<Field, HTMLInputElement>();
  private readonly kind = h("select", { "aria-label": "Kind of layer", "data-field": "kind" }, h("option", { value: "conv" }, "Convolution"), h("option", { value: "pool" }, "Pool"));
  private readonly answer = h("div", { class: "calculator-answer", "aria-live": "polite" });
  private readonly picture = h("div", { class: "calculator-picture" });
  private readonly own: { exercise: Exercise; words: readonly string[] };

  /** `own` is said of the exercise as it is given: what the layer has that it is taken from. */
  constructor(exercise: Exercise, own: readonly string[] = []) {
    this.own = { exercise, words: own };
    const fields = FIELDS.map(([field, letter, title]) => {
      const input = h("input", { type: "number", min: field === "padding" ? 0 : 1, max: 4096, step: 1, "data-field": field, "aria-label": title });
      input.addEventListener("input", () => { this.compute(); });
      this.inputs.set(field, input);
      return h("label", { title }, h("span", {}, letter), input);
    });
    this.kind.addEventListener("change", () => { this.compute(); });
    const preset = h("select", { "aria-label": "Exercises of the course", "data-field": "preset", autofocus: true }, h("option", { value: "" }, "Exercises …"), ...EXERCISES.map((one, index) => h("option", { value: index }, one.title)));
    preset.addEventListener("change", () => {
      const chosen = preset.value === "" ? undefined : EXERCISES[Number(preset.value)];
      if (chosen !== undefined) this.set(chosen);
    });
    const back = button("Reset", () => {
      preset.value = "";
      this.set(exercise);
    }, { class: "tool" });
    this.element = h("section", { class: "calculator", "aria-label": "Calculator" },
      h("div", { class: "calculator-head" }, this.kind, preset, back), h("div", { class: "calculator-fields" }, ...fields), this.answer, this.picture);
    this.set(exercise);
  }

  private set(exercise: Exercise): void {
    this.kind.value = exercise.pool ? "pool" : "conv";
    for (const [field, input] of this.inputs) input.value = String(exercise[field]);
    this.compute();
  }

  private read(): Exercise {
    const number = (field: Field): number => { const text = this.inputs.get(field)?.value ?? ""; return text === "" ? NaN : Number(text); };
    return {
      pool: this.kind.value === "pool", size: number("size"), depth: number("depth"), filter: number("filter"),
      stride: number("stride"), padding: number("padding"), filters: number("filters"),
    };
  }

  private compute(): void {
    const exercise = this.read();
    const filters = this.inputs.get("filters");
    if (filters !== undefined) filters.disabled = exercise.pool;
    const answer = calculate(exercise);
    Object.assign(this.answer.dataset, { fits: String(answer.problem === null && answer.fits), exact: sideText(answer.exact), side: String(answer.side), parameters: String(answer.parameters), maps: String(answer.maps) });
    if (answer.problem !== null) {
      this.answer.replaceChildren(h("p", { class: "misfit" }, answer.problem));
      this.picture.replaceChildren();
      return;
    }
    const result = h("p", { class: answer.fits ? "fit" : "misfit" }, h("span", {}, `${answer.formula} = `), h("strong", {}, sideText(answer.exact)), answer.fits ? "" : ": does not fit");
    const lines: Node[] = [result];
    if (answer.fits) lines.push(h("p", {}, `Output: ${answer.maps} × ${answer.side} × ${answer.side} (C × H × W), on slides ${answer.side}x${answer.side}x${answer.maps}.`));
    else lines.push(h("p", { class: "dim" }, `The last window would hang over the edge. Most networks round down, to ${answer.side}, or pad; some round up.`));
    if (exercise.pool) lines.push(h("p", {}, "Parameters: 0. A pool learns nothing, and keeps the depth."));
    else lines.push(h("p", {}, `Parameters: (${exercise.filter}·${exercise.filter}·${exercise.depth} + 1)·${exercise.filters} = ${count(answer.each)}·${count(exercise.filters)} = `, h("strong", {}, count(answer.parameters))));
    if (exercise.pool === this.own.exercise.pool && FIELDS.every(([field]) => exercise[field] === this.own.exercise[field])) lines.push(...this.own.words.map((words) => h("p", { class: "own" }, words)));
    if (answer.same !== null && exercise.stride === 1 && !exercise.pool) lines.push(h("p", { class: "dim" }, `“Same” padding for F = ${exercise.filter} is (F − 1)/2 = ${answer.same}.`));
    this.answer.replaceChildren(...lines);
    this.picture.replaceChildren(strip(exercise, answer.fits));
  }
}

/** Positions up to which every window is drawn. */
const DRAWN = 9;

/** One row of the input with its padding, and the window at its first positions; what hangs over is red. */
function strip(exercise: Exercise, fits: boolean): Element {
  const { size, filter, stride, padding } = exercise;
  const cells = size + 2 * padding;
  if (cells > 64) return h("p", { class: "dim" }, "");
  const positions = Math.floor((cells - filter) / stride) + 1;
  const drawn = Math.min(positions, DRAWN);
  const over = !fits && positions <= DRAWN ? 1 : 0;
  const width = Math.max(cells, over === 1 ? positions * stride + filter : 0);
  const row = Array.from({ length: cells }, (_, k) => svg("rect", { class: k < padding || k >= cells - padding ? "strip-pad" : "strip-cell", x: k + 0.06, y: 0.06, width: 0.88, height: 0.88 }));
  const windows = Array.from({ length: drawn + over }, (_, k) => svg("rect", { class: k < drawn ? "strip-window" : "strip-over", x: k * stride + 0.06, y: 1.3 + k * 0.62, width: filter - 0.12, height: 0.42, rx: 0.12 }));
  const height = 1.5 + (drawn + over) * 0.62;
  return svg("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", class: "row-picture", "aria-label": `${positions} positions of the window along one row of ${cells} cells${positions > DRAWN ? `, the first ${DRAWN} drawn` : ""}` }, ...row, ...windows);
}
