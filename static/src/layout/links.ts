/** The edges of the graph as curves in space: straight on along a chain, in an arc where a shortcut passes layers by. */

import type { Plate, Vec } from "./plates";
import type { Edges } from "./ranks";

export interface Link {
  from: string;
  to: string;
  shortcut: boolean;
  points: Vec[];
}

const PIECES = 20;

/** Curves between the plates that stand; a layer that is hidden takes its edges with it. */
export function layoutLinks(plates: readonly Plate[], edges: Edges): Link[] {
  const at = new Map(plates.map((plate, index) => [plate.name, { plate, index }]));
  const leaving = new Map<string, number>();
  for (const [from] of edges) leaving.set(from, (leaving.get(from) ?? 0) + 1);
  return edges.flatMap(([from, to]) => {
    const source = at.get(from);
    const target = at.get(to);
    if (source === undefined || target === undefined) return [];
    const passed = plates.slice(source.index + 1, target.index).filter((plate) => Math.abs(plate.x - source.plate.x) < 1e-6);
    const shortcut = passed.length > 0 && (leaving.get(from) ?? 0) > 1 && Math.abs(source.plate.x - target.plate.x) < 1e-6;
    return [{ from, to, shortcut, points: shortcut ? arc(source.plate, target.plate, passed) : step(source.plate, target.plate) }];
  });
}

/** From the far edge of one plate to the near edge of the next, leaving and arriving straight. */
function step(from: Plate, to: Plate): Vec[] {
  const a: Vec = [from.x, from.y, from.z - from.deep / 2];
  const b: Vec = [to.x, to.y, to.z + to.deep / 2];
  const pull = (a[2] - b[2]) / 2;
  return bezier(a, [a[0], a[1], a[2] - pull], [b[0], b[1], b[2] + pull], b);
}

/** From side to side, out beyond the plates that are passed and above them. */
function arc(from: Plate, to: Plate, passed: readonly Plate[]): Vec[] {
  const reach = (plate: Plate): number => plate.x + plate.wide / 2;
  const a: Vec = [reach(from), from.y, from.z];
  const b: Vec = [reach(to), to.y, to.z];
  const way = Math.hypot(b[1] - a[1], b[2] - a[2]);
  const out = Math.max(reach(from), reach(to), ...passed.map(reach)) + 0.42 * way;
  return bezier(a, [out, a[1] + 0.25 * way, a[2] - 0.15 * way], [out, b[1] + 0.25 * way, b[2] + 0.15 * way], b);
}

function bezier(a: Vec, b: Vec, c: Vec, d: Vec): Vec[] {
  return Array.from({ length: PIECES + 1 }, (_, k) => {
    const t = k / PIECES;
    const s = 1 - t;
    const at = (axis: 0 | 1 | 2): number => s ** 3 * a[axis] + 3 * s * s * t * b[axis] + 3 * s * t * t * c[axis] + t ** 3 * d[axis];
    return [at(0), at(1), at(2)];
  });
}
