/** The course's pen-and-paper exercise: what a filter makes of an input, and what it costs. No DOM. */

export interface Exercise {
  pool: boolean; // a pool has no parameters and keeps the depth
  size: number; // N: side of the input
  depth: number; // D: input maps
  filter: number; // F: side of the filter
  stride: number; // S
  padding: number; // P
  filters: number; // K: output maps of a convolution
}

export interface Answer {
  exact: number; // (N - F + 2P)/S + 1, as it comes out
  fits: boolean; // it is a whole number, at least 1
  side: number; // rounded down, as networks do where a remainder is left
  maps: number;
  each: number; // parameters of one filter with its bias
  parameters: number;
  formula: string;
  same: number | null; // the padding that keeps the side at stride 1, for an odd filter
  problem: string | null; // why nothing can be computed
}

/** Output side (N - F + 2P)/S + 1, parameters (F F D + 1) K. */
export function calculate(exercise: Exercise): Answer {
  const { pool, size, depth, filter, stride, padding, filters } = exercise;
  const span = size - filter + 2 * padding;
  const exact = span / stride + 1;
  const each = pool ? 0 : filter * filter * depth + 1;
  return {
    exact, fits: Number.isInteger(exact) && exact >= 1, side: Math.floor(span / stride) + 1,
    maps: pool ? depth : filters, each, parameters: pool ? 0 : each * filters,
    formula: `(${size} − ${filter} + 2·${padding})/${stride} + 1`,
    same: filter % 2 === 1 ? (filter - 1) / 2 : null,
    problem: problemOf(exercise, span),
  };
}

function problemOf(exercise: Exercise, span: number): string | null {
  const { size, depth, filter, stride, padding, filters } = exercise;
  if ([size, depth, filter, stride, filters].some((number) => !Number.isInteger(number) || number < 1) || !Number.isInteger(padding) || padding < 0) return "Whole numbers from 1 are wanted; padding from 0.";
  return span < 0 ? `The filter (${filter}) is larger than the padded input (${size + 2 * padding}).` : null;
}

/** Two decimals where it is no whole number. */
export function sideText(exact: number): string {
  return Number.isInteger(exact) ? String(exact) : exact.toFixed(2);
}

/** The course's own exercises. */
export const EXERCISES: readonly (Exercise & { title: string })[] = [
  { title: "7×7, 3×3 filter, stride 1", pool: false, size: 7, depth: 1, filter: 3, stride: 1, padding: 0, filters: 1 },
  { title: "7×7, 3×3 filter, stride 2", pool: false, size: 7, depth: 1, filter: 3, stride: 2, padding: 0, filters: 1 },
  { title: "7×7, 3×3 filter, stride 3", pool: false, size: 7, depth: 1, filter: 3, stride: 3, padding: 0, filters: 1 },
  { title: "7×7, 3×3 filter, padding 1", pool: false, size: 7, depth: 1, filter: 3, stride: 1, padding: 1, filters: 1 },
  { title: "32×32×3, six 5×5 filters", pool: false, size: 32, depth: 3, filter: 5, stride: 1, padding: 0, filters: 6 },
  { title: "32×32×3, ten 5×5 filters, padding 2", pool: false, size: 32, depth: 3, filter: 5, stride: 1, padding: 2, filters: 10 },
  { title: "4×4, 2×2 pool, stride 2", pool: true, size: 4, depth: 1, filter: 2, stride: 2, padding: 0, filters: 1 },
];
