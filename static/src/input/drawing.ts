/** A drawing as strokes: points in the unit square, so that undo is taking the last one away. No DOM. */

export type Point = readonly [x: number, y: number]; // 0 to 1, from the top left

export interface Stroke {
  points: Point[];
  width: number; // share of the pad's side
  erase: boolean;
}

export class Drawing {
  private readonly done: Stroke[] = [];

  get strokes(): readonly Stroke[] {
    return this.done;
  }

  get empty(): boolean {
    return !this.done.some((stroke) => !stroke.erase);
  }

  begin(point: Point, width: number, erase: boolean): void {
    this.done.push({ points: [point], width, erase });
  }

  /** Adds a point to the stroke in progress; points nearer than half a hundredth of the side say nothing new. */
  extend(point: Point): void {
    const points = this.done.at(-1)?.points;
    const last = points?.at(-1);
    if (points === undefined || last === undefined) return;
    if (Math.hypot(point[0] - last[0], point[1] - last[1]) > 0.005) points.push(point);
  }

  undo(): void {
    this.done.pop();
  }

  clear(): void {
    this.done.length = 0;
  }
}

/** The first `share` (0 to 1) of the strokes, by length: what has been drawn after that share of the time. */
export function partOf(strokes: readonly (readonly Point[])[], share: number): Point[][] {
  const lengths = strokes.map(lengthOf);
  let left = lengths.reduce((sum, length) => sum + length, 0) * share;
  const part: Point[][] = [];
  for (const [index, stroke] of strokes.entries()) {
    if (left <= 0) break;
    const length = lengths[index] ?? 0;
    part.push(left >= length ? [...stroke] : cut(stroke, left));
    left -= length;
  }
  return part;
}

function lengthOf(points: readonly Point[]): number {
  let length = 0;
  points.forEach((point, index) => {
    const next = points[index + 1];
    if (next !== undefined) length += Math.hypot(next[0] - point[0], next[1] - point[1]);
  });
  return length;
}

function cut(points: readonly Point[], length: number): Point[] {
  const part: Point[] = [];
  let left = length;
  for (const [index, point] of points.entries()) {
    part.push(point);
    const next = points[index + 1];
    if (next === undefined) break;
    const step = Math.hypot(next[0] - point[0], next[1] - point[1]);
    if (step >= left) {
      const t = step === 0 ? 0 : left / step;
      part.push([point[0] + t * (next[0] - point[0]), point[1] + t * (next[1] - point[1])]);
      break;
    }
    left -= step;
  }
  return part;
}
