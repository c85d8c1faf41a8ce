/** Where names go: side by side without running into each other, evenly thinned where there is no room for all. No DOM. */

export type Spot = readonly [x: number, y: number];
export type Box = readonly [left: number, top: number, right: number, bottom: number];

export function overlaps(a: Box, b: Box): boolean {
  return a[0] < b[2] && a[2] > b[0] && a[1] < b[3] && a[3] > b[1];
}

export function within(box: Box, room: Box): boolean {
  return box[0] >= room[0] && box[1] >= room[1] && box[2] <= room[2] && box[3] <= room[3];
}

/** Whether a line through these points touches a box. */
export function crosses(line: readonly Spot[], box: Box): boolean {
  return line.some((to, index) => {
    const from = line[index - 1];
    if (from === undefined) return false;
    // the part of the segment inside each pair of sides (Liang and Barsky 1984)
    let [enter, leave] = [0, 1];
    for (const axis of [0, 1] as const) {
      const step = to[axis] - from[axis];
      const [low, high] = [box[axis], axis === 0 ? box[2] : box[3]];
      if (step === 0) {
        if (from[axis] < low || from[axis] > high) return false;
        continue;
      }
      const [a, b] = [(low - from[axis]) / step, (high - from[axis]) / step];
      enter = Math.max(enter, Math.min(a, b));
      leave = Math.min(leave, Math.max(a, b));
    }
    return enter <= leave;
  });
}

/** Ascending places, each at least `spacing` after the one before, as near as possible to the wanted ones, within `low` to `high`.
 *
 * Least squares by pooling neighbours that would overlap (Barlow et al. 1972, isotonic regression). Where not all fit,
 * they share the room evenly.
 */
export function spread(wanted: readonly number[], spacing: number, low: number, high: number): number[] {
  const last = wanted.length - 1;
  const step = Math.min(spacing, last > 0 ? (high - low) / last : spacing);
  const pools: { sum: number; count: number }[] = [];
  wanted.forEach((place, index) => {
    let pool = { sum: place - index * step, count: 1 };
    for (let before = pools.at(-1); before !== undefined && before.sum / before.count > pool.sum / pool.count; before = pools.at(-1)) {
      pools.pop();
      pool = { sum: before.sum + pool.sum, count: before.count + pool.count };
    }
    pools.push(pool);
  });
  const bases = pools.flatMap(({ sum, count }) => Array.from({ length: count }, () => sum / count));
  return bases.map((base, index) => Math.min(Math.max(base, low), high - last * step) + index * step);
}

/** Indices from 0 to count - 1 so that every beginning of the list is evenly spread: both ends, the middle, the quarters. */
export function evenly(count: number): number[] {
  if (count === 0) return [];
  const order = new Set([0, count - 1]);
  for (let parts = 2; order.size < count; parts *= 2) {
    for (let part = 1; part < parts; part += 2) order.add(Math.round((part / parts) * (count - 1)));
    if (parts > 2 * count) for (let index = 0; index < count; index += 1) order.add(index);
  }
  return [...order];
}
