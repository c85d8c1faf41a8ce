/** Which layer of one network stands for a layer of another. No DOM. */

import type { Layer } from "./wire";

/** The same name; else the same shape and operator, the same shape, the same operator, anything: nearest in depth. */
export function matchLayer(layer: Layer, own: readonly Layer[], others: readonly Layer[]): Layer | undefined {
  const named = others.find((other) => other.name === layer.name && other.op === layer.op);
  if (named !== undefined) return named;
  const depth = own.indexOf(layer) / Math.max(own.length - 1, 1);
  const shape = layer.shape.join();
  const tests: readonly ((other: Layer) => boolean)[] = [
    (other) => other.shape.join() === shape && other.op === layer.op,
    (other) => other.shape.join() === shape,
    (other) => other.op === layer.op,
    () => true,
  ];
  for (const test of tests) {
    const far = (other: Layer): number => Math.abs(others.indexOf(other) / Math.max(others.length - 1, 1) - depth);
    const [nearest] = others.filter(test).sort((a, b) => far(a) - far(b));
    if (nearest !== undefined) return nearest;
  }
  return undefined;
}

/** What two tensors of one shape have in common. */
export interface Difference {
  values: Float32Array; // a - b
  mean: number; // of |a - b|
  largest: number; // of |a - b|
  correlation: number; // Pearson's, over all numbers; NaN where one of them does not vary
}

export function difference(a: Float32Array, b: Float32Array): Difference {
  const values = new Float32Array(a.length);
  let [sum, largest, sumA, sumB] = [0, 0, 0, 0];
  for (let i = 0; i < a.length; i += 1) {
    const [x, y] = [a[i] ?? 0, b[i] ?? 0];
    values[i] = x - y;
    const size = Math.abs(x - y);
    sum += size;
    if (size > largest) largest = size;
    sumA += x;
    sumB += y;
  }
  const [meanA, meanB] = [sumA / a.length, sumB / a.length];
  let [ab, aa, bb] = [0, 0, 0];
  for (let i = 0; i < a.length; i += 1) {
    const [x, y] = [(a[i] ?? 0) - meanA, (b[i] ?? 0) - meanB];
    ab += x * y;
    aa += x * x;
    bb += y * y;
  }
  return { values, mean: sum / a.length, largest, correlation: ab / Math.sqrt(aa * bb) };
}
