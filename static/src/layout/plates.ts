/** The network as a place: every layer a horizontal plate of tiles, input in front and low, classes behind and high.
 *
 * Scene units; x to the right, y up, z towards the reader. Plates climb like stairs, so that none hides another from
 * the front, and seen from straight above they lie one behind the other, without overlap: that is the flat view. Row 0
 * of a map lies on its far side (smallest z), so that pictures stand upright from the front and from above.
 */

import { stretchesOf, type Edges, type Stretch } from "./ranks";

export type Vec = readonly [x: number, y: number, z: number];

/** A layer as far as geometry is concerned; a vector of N stands as N maps of 1 x 1. */
export interface Spec {
  name: string;
  channels: number;
  height: number;
  width: number;
}

export interface Plate extends Spec {
  x: number; // centre
  y: number;
  z: number;
  wide: number; // outer size, margin included
  deep: number;
  margin: number;
  columns: number;
  rows: number;
  count: number; // tiles: one a channel, or a single one where the layer is folded
  tileWide: number;
  tileDeep: number;
  gap: number;
  folded: boolean;
}

export interface State {
  folded: ReadonlySet<string>;
  hidden: ReadonlySet<string>;
}

export const ALL_OPEN: State = { folded: new Set(), hidden: new Set() };

/** A map's longer side grows with this power of its pixels: 224 pixels are 8 times as long as 7, not 32 times. */
const POWER = 0.58;

/** Rise of the stairs, as a share of their run. */
const SLOPE = 0.42;

/** Up to so many units, a vector is drawn in large cells, with room for names. */
const FEW = 32;

/** A vector of more units than this is drawn in small cells. */
const MANY = 512;

/** Longer side of one map. */
export function sideOf(pixels: number): number {
  return pixels ** POWER;
}

interface Grid {
  columns: number;
  rows: number;
  count: number;
  tileWide: number;
  tileDeep: number;
  gap: number;
  wide: number; // without margin
  deep: number;
}

/** Tiles of one layer in `available` units of width; `largest` is the longest side of any map of the network. */
export function gridOf(spec: Spec, available: number, largest: number, folded: boolean): Grid {
  const longer = Math.max(spec.height, spec.width);
  const few = longer === 1 && spec.channels <= FEW;
  const unit = spec.channels > MANY ? Math.max(1, 0.05 * largest) : 0.19 * largest;
  const side = folded ? Math.min(Math.max(1.5 * sideOf(longer), 0.3 * largest), available) : few ? Math.min((0.62 * available) / spec.channels, 0.5 * largest) : longer === 1 ? unit : sideOf(longer);
  const tileWide = (side * spec.width) / longer;
  const tileDeep = (side * spec.height) / longer;
  const gap = few ? 0.3 * side : longer === 1 ? 0.2 * unit : 0.1 * side + 0.25;
  const count = folded ? 1 : spec.channels;
  const fitting = Math.max(1, Math.min(count, Math.floor((available + gap) / (tileWide + gap))));
  const rows = Math.ceil(count / fitting);
  const columns = Math.ceil(count / rows); // evenly filled rows
  return { columns, rows, count, tileWide, tileDeep, gap, wide: columns * (tileWide + gap) - gap, deep: rows * (tileDeep + gap) - gap };
}

/** Shares of the width for the lanes of a stretch: by the area of the largest layer of each. */
function shares(specs: readonly Spec[], stretch: Stretch): number[] {
  const areas = Array.from({ length: stretch.lanes }, () => 0);
  for (const row of stretch.ranks) {
    for (const { index, lane } of row) {
      const spec = specs[index];
      if (spec === undefined) continue;
      areas[lane] = Math.max(areas[lane] ?? 0, spec.channels * sideOf(Math.max(spec.height, spec.width)) ** 2);
    }
  }
  const roots = areas.map(Math.sqrt);
  const total = roots.reduce((sum, root) => sum + root, 0);
  return roots.map((root) => root / (total || 1));
}

/** Where every shown layer stands, in a scene `across` units wide; in the order of the table. */
export function layoutPlates(specs: readonly Spec[], edges: Edges, state: State, across: number): Plate[] {
  return stand(specs, stretchesOf(specs, edges), state, across);
}

function stand(specs: readonly Spec[], stretches: readonly Stretch[], state: State, across: number): Plate[] {
  const plates: { index: number; plate: Plate }[] = [];
  const largest = Math.max(...specs.map((spec) => sideOf(Math.max(spec.height, spec.width))));
  const between = 0.16 * largest + 0.6;
  let front = 0; // z of the next row's near edge is -front
  for (const stretch of stretches) {
    const share = shares(specs, stretch);
    const lanes = stretch.lanes > 1 ? between : 0;
    for (const row of stretch.ranks) {
      const shown = row.filter(({ index }) => !state.hidden.has(specs[index]?.name ?? ""));
      let deepest = 0;
      const placed = shown.flatMap(({ index, lane }) => {
        const spec = specs[index];
        if (spec === undefined) return [];
        const available = (across - lanes * (stretch.lanes - 1)) * (share[lane] ?? 1);
        const left = share.slice(0, lane).reduce((sum, one) => sum + one * (across - lanes * (stretch.lanes - 1)) + lanes, -across / 2);
        const folded = state.folded.has(spec.name);
        const grid = gridOf(spec, available, largest, folded);
        const margin = 0.5 * grid.gap + 0.03 * largest;
        deepest = Math.max(deepest, grid.deep + 2 * margin);
        return [{ index, spec, grid, margin, folded, x: stretch.lanes === 1 ? 0 : left + available / 2 }];
      });
      if (placed.length === 0) continue;
      const z = -(front + deepest / 2);
      for (const { index, spec, grid, margin, folded, x } of placed) {
        plates.push({ index, plate: {
          ...spec, x, z, y: -SLOPE * z, wide: grid.wide + 2 * margin, deep: grid.deep + 2 * margin, margin,
          columns: grid.columns, rows: grid.rows, count: grid.count, tileWide: grid.tileWide, tileDeep: grid.tileDeep, gap: grid.gap, folded,
        } });
      }
      front += deepest + between;
    }
  }
  return plates.sort((a, b) => a.index - b.index).map(({ plate }) => plate);
}

/** From the near edge of the first plate to the far edge of the last. */
export function depthOf(plates: readonly Plate[]): number {
  const near = Math.max(...plates.map((plate) => plate.z + plate.deep / 2));
  const far = Math.min(...plates.map((plate) => plate.z - plate.deep / 2));
  return near - far;
}

/** The width with which the open network comes near to so many times as wide as deep; wider networks are less deep. */
export function widthFor(specs: readonly Spec[], edges: Edges, aspect: number): number {
  const stretches = stretchesOf(specs, edges);
  const wider = (width: number): number => {
    const plates = stand(specs, stretches, ALL_OPEN, width);
    return (2 * Math.max(...plates.map((plate) => Math.abs(plate.x) + plate.wide / 2))) / depthOf(plates) / aspect;
  };
  let [narrow, wide] = [8, 40_000];
  while (wide / narrow > 1.02) {
    const width = Math.sqrt(narrow * wide);
    if (wider(width) > 1) wide = width;
    else narrow = width;
  }
  // rows are whole, so that the proportions jump: the nearer side of the jump
  return Math.abs(Math.log(wider(narrow))) < Math.abs(Math.log(wider(wide))) ? narrow : wide;
}
