/** The sliding window of a layer, computed here from the exact tensors: one output cell at a time. No DOM. */

import { ACTIVATION } from "./activation";
import { sizeOf } from "./maps";
import type { Explanation, Layer } from "./wire";

export interface Window {
  kernel: readonly [number, number];
  stride: readonly [number, number];
  padding: readonly [number, number, number, number]; // top, left, bottom, right
  dilation: readonly [number, number];
}

/** What the window does where it stands, for one output map. */
export interface Operator {
  op: string;
  channels: number[]; // input maps that it reads
  kernels: number[][][] | null; // (channels, kh, kw) of a convolution
  coefficient: number; // of a subsampling
  bias: number; // 0 where it has none
  activation: string | null;
  countsPadding: boolean; // an average that counts the padding's zeros
}

/** One output cell. `sum` is before the activation. */
export interface Cell {
  top: number; // of the window, in cells of the input map; may be negative, in the padding
  left: number;
  products: number; // sum of products, of the window's values, or the largest
  count: number; // cells that took part
  sum: number;
  value: number;
}

const SLIDING = new Set(["conv", "max_pool", "average_pool", "subsampling"]);

/** What a ReLU looks at: one cell, and the next one after it. */
const CELL: Window = { kernel: [1, 1], stride: [1, 1], padding: [0, 0, 0, 0], dilation: [1, 1] };

/** The window of a layer over maps, or null for one without. */
export function windowOf(layer: Layer): Window | null {
  const { kernel, stride, padding } = layer;
  if (layer.op === "relu" && layer.shape.length === 3) return CELL;
  if (!SLIDING.has(layer.op) || layer.shape.length < 3 || kernel === null || stride === null) return null;
  return { kernel, stride, padding: padding ?? [0, 0, 0, 0], dilation: layer.dilation ?? [1, 1] };
}

/** The operator of one output map, from the explanation of its first cell: kernels, bias and activation stand there. */
export function operatorOf(explanation: Explanation, layer: Layer): Operator {
  const [first] = explanation.sources;
  const weighted = layer.op === "conv";
  return {
    op: layer.op,
    channels: explanation.sources.map((source) => source.channel),
    kernels: weighted ? explanation.sources.map((source) => source.weights ?? []) : null,
    coefficient: first?.weights?.[0]?.[0] ?? 1,
    bias: explanation.bias ?? 0,
    activation: explanation.activation,
    countsPadding: layer.op === "average_pool" && first !== undefined && (first.top < 0 || first.left < 0),
  };
}

/** Computes the output at row `y`, column `x` from the input layer's tensor (C, H, W). */
export function cellAt(operator: Operator, window: Window, input: Float32Array, shape: readonly number[], y: number, x: number): Cell {
  const [, height, width] = sizeOf({ shape: [...shape] });
  const [top, left] = [y * window.stride[0] - window.padding[0], x * window.stride[1] - window.padding[1]];
  const [kernelRows, kernelColumns] = window.kernel;
  let total = 0;
  let largest = -Infinity;
  let count = 0;
  operator.channels.forEach((channel, index) => {
    const kernel = operator.kernels?.[index];
    for (let i = 0; i < kernelRows; i += 1) {
      const row = top + i * window.dilation[0];
      for (let j = 0; j < kernelColumns; j += 1) {
        const column = left + j * window.dilation[1];
        const inside = row >= 0 && row < height && column >= 0 && column < width;
        const margin = row < height + window.padding[2] && column < width + window.padding[3];
        if (inside || kernel !== undefined || (operator.countsPadding && margin)) count += 1;
        if (!inside) continue;
        const value = input[(channel * height + row) * width + column] ?? 0;
        total += kernel === undefined ? value : value * (kernel[i]?.[j] ?? 0);
        if (value > largest) largest = value;
      }
    }
  });
  const products = operator.op === "max_pool" ? largest : total;
  const sum = finish(operator, products, count);
  const activate = operator.activation === null ? undefined : ACTIVATION[operator.activation];
  return { top, left, products, count, sum, value: activate === undefined ? sum : activate(sum) };
}

function finish(operator: Operator, products: number, count: number): number {
  switch (operator.op) {
    case "average_pool":
      return products / count;
    case "subsampling":
      return operator.coefficient * products + operator.bias;
    case "max_pool":
      return products;
    default:
      return products + operator.bias;
  }
}

/** Numbers under a window; null outside the map, in the padding. */
export type Patch = readonly (readonly (number | null)[])[];

/** The values of one input map under the window (kernel rows x kernel columns). */
export function patchAt(window: Window, input: Float32Array, shape: readonly number[], channel: number, top: number, left: number): Patch {
  const [, height, width] = sizeOf({ shape: [...shape] });
  return Array.from({ length: window.kernel[0] }, (_, i) => Array.from({ length: window.kernel[1] }, (__, j) => {
    const row = top + i * window.dilation[0];
    const column = left + j * window.dilation[1];
    return row < 0 || column < 0 || row >= height || column >= width ? null : input[(channel * height + row) * width + column] ?? 0;
  }));
}

/** Row and column of the largest of them: what lies outside the map never wins. */
export function winnerOf(patch: Patch): [row: number, column: number] {
  let winner: [number, number] = [0, 0];
  let most = -Infinity;
  patch.forEach((row, i) => {
    row.forEach((value, j) => {
      if (value !== null && value > most) [winner, most] = [[i, j], value];
    });
  });
  return winner;
}
