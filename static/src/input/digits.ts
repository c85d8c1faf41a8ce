/** The ten digits as a hand would draw them: strokes through a few points, smoothed. Unit square, from the top left. */

import type { Point } from "./drawing";

/** Points that the pen passes, stroke by stroke; a smooth curve goes through them. */
const KNOTS: readonly (readonly (readonly Point[])[])[] = [
  [[[0.56, 0.17], [0.38, 0.26], [0.3, 0.5], [0.37, 0.75], [0.52, 0.83], [0.66, 0.73], [0.71, 0.48], [0.64, 0.25], [0.54, 0.17]]],
  [[[0.4, 0.31], [0.48, 0.24], [0.54, 0.17], [0.53, 0.4], [0.51, 0.62], [0.5, 0.83]]],
  [[[0.32, 0.32], [0.39, 0.2], [0.53, 0.16], [0.65, 0.25], [0.64, 0.41], [0.52, 0.58], [0.38, 0.73], [0.3, 0.82], [0.5, 0.8], [0.7, 0.81]]],
  [[[0.34, 0.22], [0.5, 0.16], [0.64, 0.25], [0.61, 0.39], [0.46, 0.47], [0.62, 0.53], [0.68, 0.67], [0.58, 0.8], [0.43, 0.83], [0.31, 0.75]]],
  [[[0.46, 0.16], [0.38, 0.35], [0.29, 0.56], [0.45, 0.56], [0.6, 0.55], [0.74, 0.54]], [[0.63, 0.3], [0.6, 0.55], [0.57, 0.84]]],
  [[[0.41, 0.19], [0.39, 0.33], [0.36, 0.46], [0.5, 0.42], [0.64, 0.5], [0.67, 0.65], [0.57, 0.8], [0.42, 0.83], [0.31, 0.76]], [[0.41, 0.19], [0.54, 0.18], [0.68, 0.17]]],
  [[[0.62, 0.16], [0.47, 0.27], [0.36, 0.46], [0.33, 0.66], [0.42, 0.81], [0.57, 0.81], [0.65, 0.68], [0.58, 0.55], [0.45, 0.55], [0.35, 0.67]]],
  [[[0.29, 0.22], [0.42, 0.21], [0.57, 0.2], [0.7, 0.19]], [[0.7, 0.19], [0.6, 0.37], [0.51, 0.57], [0.44, 0.84]]],
  [[[0.62, 0.24], [0.5, 0.16], [0.38, 0.25], [0.41, 0.39], [0.53, 0.49], [0.65, 0.62], [0.63, 0.77], [0.5, 0.84], [0.37, 0.76], [0.38, 0.61], [0.51, 0.49], [0.62, 0.37], [0.62, 0.24]]],
  [[[0.65, 0.3], [0.55, 0.18], [0.41, 0.2], [0.34, 0.33], [0.42, 0.47], [0.55, 0.46], [0.65, 0.32], [0.64, 0.5], [0.6, 0.68], [0.54, 0.84]]],
];

/** Straight pieces between two knots: enough that the curve looks round at any pad size. */
const PIECES = 8;

/** The strokes of one digit (0 to 9) as dense polylines. */
export function digitStrokes(digit: number): Point[][] {
  return (KNOTS[digit] ?? []).map(smooth);
}

/** A Catmull-Rom curve through the points. */
function smooth(points: readonly Point[]): Point[] {
  const at = (index: number): Point => points[Math.min(Math.max(index, 0), points.length - 1)] ?? [0, 0];
  const curve: Point[] = [at(0)];
  for (let k = 0; k < points.length - 1; k += 1) {
    for (let piece = 1; piece <= PIECES; piece += 1) {
      const t = piece / PIECES;
      const blend = (axis: 0 | 1): number => {
        const [a, b, c, d] = [at(k - 1)[axis], at(k)[axis], at(k + 1)[axis], at(k + 2)[axis]];
        return 0.5 * (2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t ** 2 + (3 * b - a - 3 * c + d) * t ** 3);
      };
      curve.push([blend(0), blend(1)]);
    }
  }
  return curve;
}
