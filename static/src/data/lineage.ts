/** What the graph says of how layers hang together: branches, shortcuts, the numbers behind the classes. */

import { sizeOf } from "./maps";
import type { Layer } from "./wire";

/** One branch of a concatenation: which of the joined maps are its own. */
export interface Branch {
  layer: string;
  first: number;
  count: number;
}

/** The branches of a concatenation along its channels, in order. */
export function branchesOf(layer: Layer, layers: readonly Layer[]): Branch[] {
  let first = 0;
  return layer.inputs.map((name) => {
    const source = layers.find((one) => one.name === name);
    const count = source === undefined ? 0 : sizeOf(source)[0];
    const branch = { layer: name, first, count };
    first += count;
    return branch;
  });
}

/** How many layers lie between each ancestor and the layer, on the shortest way. */
function distances(name: string, layers: ReadonlyMap<string, Layer>): Map<string, number> {
  const found = new Map([[name, 0]]);
  const queue = [name];
  for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
    for (const input of layers.get(next)?.inputs ?? []) {
      if (found.has(input)) continue;
      found.set(input, (found.get(next) ?? 0) + 1);
      queue.push(input);
    }
  }
  return found;
}

/** The term of a sum that came the shorter way from where its terms part, or undefined where both ways are equal. */
export function shortcutOf(layer: Layer, layers: readonly Layer[]): string | undefined {
  const byName = new Map(layers.map((one) => [one.name, one]));
  const ways = layer.inputs.map((name) => ({ name, from: distances(name, byName) }));
  const [first, ...others] = ways;
  if (first === undefined || others.length === 0) return undefined;
  const shared = layers.map((one) => one.name).filter((name) => ways.every((way) => way.from.has(name))).at(-1);
  if (shared === undefined) return undefined;
  const sorted = ways.toSorted((a, b) => (a.from.get(shared) ?? 0) - (b.from.get(shared) ?? 0));
  const [shortest, next] = sorted;
  return shortest?.from.get(shared) === next?.from.get(shared) ? undefined : shortest?.name;
}

/** Operators that hand on one number a class without weighing anything. */
const PASSING = new Set(["softmax", "dropout", "flatten", "Identity", "Reshape", "Squeeze", "Neg", "Mul", "Sub", "Div"]);

/** The layer that gives each class its score: the last one before the softmax. */
export function scoringLayer(layers: readonly Layer[]): Layer | undefined {
  const byName = new Map(layers.map((one) => [one.name, one]));
  let layer = layers.at(-1);
  while (layer !== undefined && PASSING.has(layer.op) && layer.inputs.length === 1) layer = byName.get(layer.inputs[0] ?? "");
  return layer;
}

/** The unit of the scoring layer for a class: [i] of a vector, else its first cell. */
export function scoreUnit(layer: Layer, index: number): number[] {
  return layer.shape.length < 3 ? [index] : [index, 0, 0];
}

/** Whether a convolution or full layer adds a bias to its products: without one it has a parameter for each weight and no more. */
export function hasBias(layer: Layer, layers: readonly Layer[]): boolean {
  const source = layers.find((one) => one.name === layer.inputs[0]);
  if (source === undefined) return true;
  const [outputs] = sizeOf(layer);
  const [maps, height, width] = sizeOf(source);
  const [rows, columns] = layer.op === "conv" ? layer.kernel ?? [1, 1] : [height, width];
  return layer.parameters !== (outputs * maps * rows * columns) / (layer.op === "conv" ? layer.groups ?? 1 : 1);
}
