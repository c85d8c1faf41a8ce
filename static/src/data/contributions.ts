/** What each source gives to one number: products cell by cell, their sum, and the strongest first. */

import type { Explanation, Source } from "./wire";

export interface Contribution {
  source: Source;
  cells: number[][] | null; // value times weight (or the operator's own term); null where cells have no term
  total: number; // sum of the cells, or the value itself
  strength: number; // what the order goes by
}

type Term = (value: number, weight: number) => number;

/** Operators whose sources' totals add up to the explanation's sum (less its bias). */
const ADDING = new Set(["conv", "full", "subsampling", "rbf", "add"]);

/** The term of one cell, by operator; operators that only pick or scale have none. */
function termOf(op: string, count: number): Term | null {
  switch (op) {
    case "conv":
    case "full":
    case "subsampling":
      return (value, weight) => value * weight;
    case "rbf": // squared distance to the code
      return (value, weight) => (value - weight) ** 2;
    case "lrn": // squares of the neighbours
      return (value) => value * value;
    case "average_pool":
    case "global_average_pool":
      return (value) => value / count;
    default:
      return null;
  }
}

const total = (rows: readonly (readonly number[])[]): number => rows.flat().reduce((sum, cell) => sum + cell, 0);

/** Whether the sources' totals are terms of a sum. */
export function addsUp(explanation: Explanation): boolean {
  return explanation.sum !== null && (ADDING.has(explanation.op) || explanation.sources.some((source) => source.weights !== null));
}

/** Contributions in order of strength: |sum of products| first; the largest value first for a maximum. */
export function contributions(explanation: Explanation): Contribution[] {
  const count = explanation.sources.reduce((sum, source) => sum + source.values.flat().length, 0);
  const weighted = explanation.sources.some((source) => source.weights !== null);
  const term = termOf(explanation.op, count) ?? (weighted ? (value: number, weight: number): number => value * weight : null);
  const found = explanation.sources.map((source): Contribution => {
    const cells = term === null
      ? null
      : source.values.map((row, y) => row.map((value, x) => term(value, source.weights?.[y]?.[x] ?? 1)));
    const sum = total(cells ?? source.values);
    const order = explanation.op === "max_pool" || explanation.op === "softmax" ? sum : Math.abs(sum);
    return { source, cells, total: sum, strength: order };
  });
  // Neighbours of a norm and terms of a sum keep their order: it means something.
  return explanation.op === "lrn" || explanation.op === "add" ? found : found.sort((a, b) => b.strength - a.strength);
}

/** Row and column, inside the source's block, of the cell that gives most (the largest for a maximum). */
export function strongestCell(op: string, contribution: Contribution): [row: number, column: number] {
  const cells = contribution.cells ?? contribution.source.values;
  let best: [number, number] = [0, 0];
  let strength = -Infinity;
  cells.forEach((row, y) => {
    row.forEach((cell, x) => {
      const here = op === "max_pool" ? cell : Math.abs(cell);
      if (here > strength) [strength, best] = [here, [y, x]];
    });
  });
  return best;
}

/** The unit of the source layer under one cell of its block, or null where the cell lies in the padding.
 *
 * `dilation` is the distance of neighbouring cells of the block in the source map.
 */
export function unitUnder(
  source: Source, cell: readonly [number, number], shape: readonly number[], dilation: readonly [number, number] = [1, 1],
): number[] | null {
  if (shape.length < 3) return [source.channel];
  const [, height = 1, width = 1] = shape;
  const y = source.top + cell[0] * dilation[0];
  const x = source.left + cell[1] * dilation[1];
  return y < 0 || x < 0 || y >= height || x >= width ? null : [source.channel, y, x];
}
