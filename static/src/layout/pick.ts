/** From rays to cells and from cells to points: which number lies under the pointer, and where a number lies. */

import { add, type Camera, type Ray } from "./camera";
import type { Plate, Vec } from "./plates";

/** A place on a plate: the tile (slot in drawing order), and row and column of the map's cell in it. */
export interface Cell {
  slot: number;
  row: number;
  column: number;
}

export interface Hit {
  plate: Plate;
  cell: Cell | null; // null between the tiles
  point: Vec;
}

/** Left and far edge of a tile. */
export function tileCorner(plate: Plate, slot: number): [x: number, z: number] {
  const column = slot % plate.columns;
  const row = Math.floor(slot / plate.columns);
  return [
    plate.x - plate.wide / 2 + plate.margin + column * (plate.tileWide + plate.gap),
    plate.z - plate.deep / 2 + plate.margin + row * (plate.tileDeep + plate.gap),
  ];
}

/** Centre of `high` x `across` cells from row `row` and column `column` of a tile (which may reach outside it). */
export function blockCentre(plate: Plate, cell: Cell, high = 1, across = 1): Vec {
  const [x, z] = tileCorner(plate, cell.slot);
  return [x + ((cell.column + across / 2) / plate.width) * plate.tileWide, plate.y, z + ((cell.row + high / 2) / plate.height) * plate.tileDeep];
}

/** The four corners of a block of cells, from the far left clockwise seen from above. */
export function blockCorners(plate: Plate, cell: Cell, high = 1, across = 1): Vec[] {
  const [x, z] = tileCorner(plate, cell.slot);
  const [left, right] = [x + (cell.column / plate.width) * plate.tileWide, x + ((cell.column + across) / plate.width) * plate.tileWide];
  const [far, near] = [z + (cell.row / plate.height) * plate.tileDeep, z + ((cell.row + high) / plate.height) * plate.tileDeep];
  return [[left, plate.y, far], [right, plate.y, far], [right, plate.y, near], [left, plate.y, near]];
}

/** The four corners of a plate. */
export function plateCorners(plate: Plate): Vec[] {
  const { x, y, z, wide, deep } = plate;
  return [[x - wide / 2, y, z - deep / 2], [x + wide / 2, y, z - deep / 2], [x + wide / 2, y, z + deep / 2], [x - wide / 2, y, z + deep / 2]];
}

/** The cell of a plate at a point of its plane, null between tiles; undefined outside the plate. */
export function cellAt(plate: Plate, x: number, z: number): Cell | null | undefined {
  const across = x - (plate.x - plate.wide / 2);
  const down = z - (plate.z - plate.deep / 2);
  if (across < 0 || down < 0 || across > plate.wide || down > plate.deep) return undefined;
  const column = Math.floor((across - plate.margin) / (plate.tileWide + plate.gap));
  const row = Math.floor((down - plate.margin) / (plate.tileDeep + plate.gap));
  const slot = row * plate.columns + column;
  if (row < 0 || column < 0 || column >= plate.columns || slot >= plate.count) return null;
  const [left, far] = tileCorner(plate, slot);
  const [u, v] = [(x - left) / plate.tileWide, (z - far) / plate.tileDeep];
  if (u < 0 || v < 0 || u >= 1 || v >= 1) return null;
  return { slot, row: Math.floor(v * plate.height), column: Math.floor(u * plate.width) };
}

/** The plate that a ray meets first, and the cell there; null where it meets none. */
export function pick(plates: readonly Plate[], ray: Ray): Hit | null {
  let nearest = Infinity;
  let hit: Hit | null = null;
  for (const plate of plates) {
    const way = (plate.y - ray.origin[1]) / ray.direction[1];
    if (!(way > 0 && way < nearest)) continue;
    const point = add(ray.origin, ray.direction, way);
    const cell = cellAt(plate, point[0], point[2]);
    if (cell === undefined) continue;
    nearest = way;
    hit = { plate, cell, point };
  }
  return hit;
}

/** The cell under a place of the window, or the nearest one at most `reach` pixels away: a finger covers many small cells. */
export function pickNear(plates: readonly Plate[], camera: Camera, x: number, y: number, reach: number): Hit | null {
  const ray = camera.ray(x, y);
  let hit = pick(plates, ray);
  if (hit?.cell != null) return hit;
  let nearest = reach;
  for (const plate of plates) {
    const way = (plate.y - ray.origin[1]) / ray.direction[1];
    if (!(way > 0)) continue;
    const near = clampedTo(plate, add(ray.origin, ray.direction, way));
    const seen = camera.project(near.point);
    const away = seen === null ? Infinity : Math.hypot(seen[0] - x, seen[1] - y);
    if (away > nearest) continue;
    nearest = away;
    hit = near;
  }
  return hit;
}

/** The point of the plate's tiles that is nearest to a point of its plane, and its cell. */
function clampedTo(plate: Plate, point: Vec): Hit & { cell: Cell } {
  const place = (offset: number, step: number, most: number): number => Math.min(Math.max(Math.floor(offset / step), 0), most - 1);
  const row = place(point[2] - (plate.z - plate.deep / 2 + plate.margin) + plate.gap / 2, plate.tileDeep + plate.gap, plate.rows);
  const filled = Math.min(plate.columns, plate.count - row * plate.columns); // the last row may have fewer tiles
  const column = place(point[0] - (plate.x - plate.wide / 2 + plate.margin) + plate.gap / 2, plate.tileWide + plate.gap, filled);
  const slot = row * plate.columns + column;
  const [left, far] = tileCorner(plate, slot);
  const [across, down] = [Math.min(Math.max(point[0] - left, 0), plate.tileWide), Math.min(Math.max(point[2] - far, 0), plate.tileDeep)];
  const cell = (share: number, cells: number): number => Math.min(Math.floor(share * cells), cells - 1);
  return { plate, point: [left + across, plate.y, far + down], cell: { slot, row: cell(down / plate.tileDeep, plate.height), column: cell(across / plate.tileWide, plate.width) } };
}

/** Whether any of a plate may be seen: the box around those of its points that lie before the eye meets the window. */
export function inWindow(plate: Plate, camera: Camera): boolean {
  let [left, right, top, bottom] = [Infinity, -Infinity, Infinity, -Infinity];
  for (let across = -4; across <= 4; across += 1) {
    for (let down = -2; down <= 2; down += 1) {
      const seen = camera.project([plate.x + (across / 8) * plate.wide, plate.y, plate.z + (down / 4) * plate.deep]);
      if (seen === null) continue;
      [left, right, top, bottom] = [Math.min(left, seen[0]), Math.max(right, seen[0]), Math.min(top, seen[1]), Math.max(bottom, seen[1])];
    }
  }
  return right > 0 && left < camera.frame.width && bottom > 0 && top < camera.frame.height;
}

/** The point of a plate that lies nearest to what the camera looks at. */
export function nearestPoint(plate: Plate, target: Vec): Vec {
  const near = (value: number, middle: number, size: number): number => Math.min(Math.max(value, middle - size / 2), middle + size / 2);
  return [near(target[0], plate.x, plate.wide), plate.y, near(target[2], plate.z, plate.deep)];
}
