/** Every operator in its own words: what a layer is, and how one of its numbers comes about. Text only. */

import { hasBias, shortcutOf } from "../data/lineage";
import { count, figure } from "../data/number";
import type { Explanation, Layer, ModelDetail, Run, WeightsInfo } from "../data/wire";

const NAMES: Record<string, string> = {
  input: "Input",
  conv: "Convolution",
  full: "Full layer",
  subsampling: "Subsampling",
  max_pool: "Max pool",
  average_pool: "Average pool",
  global_average_pool: "Global average pool",
  lrn: "Local response normalisation",
  relu: "ReLU",
  tanh: "tanh",
  sigmoid: "Sigmoid",
  rbf: "Radial-basis output",
  add: "Sum",
  concat: "Concatenation",
  softmax: "Softmax",
  batch_norm: "Batch normalisation",
  dropout: "Dropout",
  flatten: "Flatten",
};

export const ACTIVATIONS: Record<string, string> = {
  relu: "ReLU: max(0, sum)",
  scaled_tanh: "scaled tanh: 1.7159 tanh(2/3 · sum)",
  tanh: "tanh(sum)",
  sigmoid: "sigmoid: 1 / (1 + e^−sum)",
};

const pair = (size: readonly [number, number]): string => `${size[0]} × ${size[1]}`;
const square = (size: readonly [number, number]): string => (size[0] === size[1] ? String(size[0]) : pair(size));

/** What a layer is: operator, kernel, stride, padding, groups and the activation inside. */
export function layerWords(layer: Layer): string {
  const name = NAMES[layer.op] ?? layer.op;
  const parts = [layer.kernel === null || layer.op === "full" ? name : `${name} ${pair(layer.kernel)}`];
  if (layer.stride !== null && layer.op !== "full") parts.push(`stride ${square(layer.stride)}`);
  if (layer.padding?.some((side) => side > 0)) {
    const [top, left, bottom, right] = layer.padding;
    const even = top === left && top === bottom && top === right;
    parts.push(even ? `padding ${top}` : `padding ${layer.padding.join(", ")} (top, left, bottom, right)`);
  }
  if (layer.groups !== null && layer.groups > 1 && layer.op === "conv") parts.push(`${layer.groups} groups`);
  if (layer.activation && !(layer.op in ACTIVATIONS)) parts.push(`${layer.activation.replace("_", " ")} inside`);
  if (layer.op === "concat" || layer.op === "add") parts.push(`of ${layer.inputs.join(", ")}`);
  return parts.join(", ");
}

/** What is told of a run to those who do not see it. */
export function runWords(model: ModelDetail, weights: WeightsInfo, run: Run, blank: boolean): string {
  const [top] = run.predictions;
  return `${model.title}: ${blank ? "nothing is drawn" : weights.trained && top !== undefined ? top.label : "maps are drawn"}`;
}

/** Parameters, fixed numbers and connections, as far as a layer has any. */
export function layerCounts(layer: Layer): string {
  const parts: string[] = [];
  if (layer.parameters > 0) parts.push(`${count(layer.parameters)} parameters`);
  if (layer.fixed !== undefined && layer.fixed > 0) parts.push(`${count(layer.fixed)} fixed numbers`);
  if (layer.nonzero !== null && layer.parameters > 0 && layer.nonzero < layer.parameters) parts.push(`${count(layer.nonzero)} of them not zero`);
  if (layer.connections !== null && layer.connections > 0) parts.push(`${count(layer.connections)} connections`);
  return parts.join(" · ");
}

/** How this one number came about, in a sentence or two. */
export function unitWords(explanation: Explanation, layers: readonly Layer[] = []): string {
  const layer = layers.find((one) => one.name === explanation.layer);
  const sources = explanation.sources.length;
  const cells = explanation.sources.reduce((sum, source) => sum + source.values.flat().length, 0);
  const biased = layer === undefined || hasBias(layer, layers);
  switch (explanation.op) {
    case "conv": {
      const groups = layer?.groups ?? 1;
      const total = layers.find((one) => one.name === explanation.sources[0]?.layer)?.shape[0] ?? sources;
      const part = sources < total ? (layer?.table ? ` (out of ${count(total)}; the connection table joins it to these)` : groups > 1 ? ` (out of ${count(total)}; the layer works in ${groups} groups, and this map belongs to one)` : "") : "";
      const padded = layer?.padding?.some((side) => side > 0) === true ? " Cells in the padding are 0." : "";
      return `${sources === 1 ? "The one input map" : `Each of ${count(sources)} input maps`}${part} is multiplied, cell by cell, with ${sources === 1 ? "the" : "a"} kernel${sources === 1 ? "" : " of its own"}; the ${count(cells)} products${biased ? " and the bias" : ""} add up.${padded}`;
    }
    case "full":
      return `All ${count(cells)} numbers of the layer below, each times a weight of its own, add up${biased ? " with the bias" : ""}.`;
    case "subsampling":
      return `The ${count(cells)} cells of the window add up, are multiplied with the map's one trainable coefficient (${figure(explanation.sources[0]?.weights?.[0]?.[0] ?? 0)}), and a trainable bias is added.`;
    case "max_pool":
      return `The largest of the window's ${count(cells)} cells wins (framed) and is passed on; the others are dropped. Cells outside the map are left out.`;
    case "average_pool":
    case "global_average_pool":
      return `The mean of ${count(cells)} cells: one number stands for the whole ${explanation.op === "average_pool" ? "window" : "map"}.`;
    case "lrn":
      return `The value is divided by a term that grows with the squares of ${count(sources)} maps at the same place, its own and its neighbours': a strong neighbour dampens it. Value / (${figure(explanation.bias ?? 1)} + ${figure(explanation.alpha ?? 0)}/${explanation.size ?? 1} · Σ squares)^${figure(explanation.beta ?? 0)}; its own map is marked.`;
    case "relu":
      return explanation.value > 0 ? "The number below is above 0, so it passes unchanged." : "The number below is not above 0, so this unit is silent: 0 is passed on.";
    case "tanh":
    case "sigmoid":
      return `${ACTIVATIONS[explanation.op] ?? ""} of the one number below.`;
    case "add": {
      const shortcut = layer === undefined ? undefined : shortcutOf(layer, layers);
      if (shortcut === undefined) return "The numbers at the same place of the joined layers add up.";
      const own = explanation.sources.find((source) => source.layer !== shortcut)?.layer ?? "the block";
      return `Two numbers at the same place add up: what the shortcut carries past the block (${shortcut}), and what the block changes about it (${own}).`;
    }
    case "concat":
      return "Passed on unchanged: a concatenation only lays maps side by side.";
    case "rbf":
      return `The squared distance between the ${count(cells)} numbers of the layer below and the unit's fixed code: the smaller, the better the match. Here both are drawn as pictures.`;
    case "softmax":
      return "e to the power of this unit's logit, divided by the sum over all logits, so that all units sum to 1.";
    case "batch_norm":
      return "The number below is multiplied with its map's factor, and its map's shift is added: the mean and the deviation that it had in training, and what was learned to put in their place.";
    case "dropout":
      return "Passed on unchanged: dropout switches units off in training only.";
    case "flatten":
      return "Passed on unchanged: flattening only lays the maps, row by row, in one list of numbers.";
    case "input":
      return "A pixel of the picture as the network saw it, after preprocessing. Here the walk ends.";
    default:
      return `The operator ${explanation.op} in the graph.`;
  }
}
