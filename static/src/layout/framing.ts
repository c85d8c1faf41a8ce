/** Which pose shows what: everything in the part of the window that no panel covers, and tiles large enough to be read. */

import type { Pose } from "../data/pose";
import { add, Camera, type Frame } from "./camera";
import { blockCorners, plateCorners, tileCorner } from "./pick";
import type { Plate, Vec } from "./plates";

/** Tiles smaller than `enough` on the screen are flown at until they have `wanted`, in pixels: maps, and single units. */
const MAP = { enough: 40, wanted: 72 };
const UNIT = { enough: 10, wanted: 18 };

const legible = (plate: Plate): typeof MAP => (Math.max(plate.width, plate.height) > 1 ? MAP : UNIT);

/** The longer side of a tile, in scene units. */
const tileOf = (plate: Plate): number => Math.max(plate.tileWide, plate.tileDeep);

/** What the panels leave of the window, at least so much. */
const LEAST = 40;

/** Width and height of the part of the window that no panel covers, in pixels. */
export function roomOf(frame: Frame): [width: number, height: number] {
  return [Math.max(frame.width - frame.left - frame.right, LEAST), Math.max(frame.height - frame.top - frame.bottom, LEAST)];
}

/** The pose, with the angles of `pose`, from which all points fill `share` of what the panels leave of the frame. */
export function fitting(points: readonly Vec[], pose: Pose, frame: Frame, share = 0.9): Pose {
  const middle = (axis: 0 | 1 | 2): number => {
    const values = points.map((point) => point[axis]);
    return (Math.min(...values) + Math.max(...values)) / 2;
  };
  const centre: Vec = [middle(0), middle(1), middle(2)];
  const extent = Math.max(1e-3, ...points.map((point) => Math.hypot(...add(point, centre, -1))));
  let fitted: Pose = { ...pose, target: [...centre] as [number, number, number], distance: 6 * extent };
  const [wide, high] = roomOf(frame);
  for (let round = 0; round < 14; round += 1) {
    const camera = new Camera(fitted, frame);
    const seen = points.map((point) => camera.project(point));
    if (seen.some((one) => one === null)) {
      fitted = { ...fitted, distance: fitted.distance * 1.6 };
      continue;
    }
    const [xs, ys] = [seen.map((one) => one?.[0] ?? 0), seen.map((one) => one?.[1] ?? 0)];
    const [left, right, top, bottom] = [Math.min(...xs), Math.max(...xs), Math.min(...ys), Math.max(...ys)];
    const recentred = camera.panned(camera.centre[0] - (left + right) / 2, camera.centre[1] - (top + bottom) / 2);
    const factor = Math.max((right - left) / (wide * share), (bottom - top) / (high * share));
    fitted = { ...recentred, distance: Math.max(fitted.distance * factor ** 0.9, 0.05) };
  }
  return fitted;
}

/** The pose moved no more than it takes for all points to be seen clear of the panels; farther where they do not fit. */
export function bringing(points: readonly Vec[], camera: Camera, margin = 8): Pose {
  const { frame } = camera;
  const [wide, high] = roomOf(frame);
  let { pose } = camera;
  for (let round = 0; round < 4; round += 1) {
    const here: Camera = round === 0 ? camera : new Camera(pose, frame);
    const seen = points.map((point) => here.project(point));
    const [xs, ys] = [seen.map((one) => one?.[0] ?? NaN), seen.map((one) => one?.[1] ?? NaN)];
    const [left, right, top, bottom] = [Math.min(...xs), Math.max(...xs), Math.min(...ys), Math.max(...ys)];
    if (!(right - left <= wide - 2 * margin && bottom - top <= high - 2 * margin)) return fitting(points, camera.pose, frame, 0.8);
    const into = (low: number, up: number, from: number, to: number): number => (low < from ? from - low : up > to ? to - up : 0);
    const across = into(left, right, frame.left + margin, frame.width - frame.right - margin);
    const down = into(top, bottom, frame.top + margin, frame.height - frame.bottom - margin);
    if (across === 0 && down === 0) break;
    pose = here.panned(across, down);
  }
  return pose;
}

/** What one sees of a plate after flying to it: all of it where its tiles are large enough then, else the tiles around `slot`. */
export function focusOf(plate: Plate, pose: Pose, frame: Frame, share: number, slot = 0): Vec[] {
  const all = plateCorners(plate);
  const { enough, wanted } = legible(plate);
  const tile = tileOf(plate);
  const camera = new Camera(fitting(all, pose, frame, share), frame);
  if (tile * camera.scale >= enough) return all;
  const [wide, high] = roomOf(frame);
  const perUnit = wanted / tile; // pixels
  const fits = (room: number, step: number, most: number): number => Math.min(Math.max(Math.floor((room * share) / (step * perUnit)), 1), most);
  const columns = fits(wide, plate.tileWide + plate.gap, plate.columns);
  const rows = fits(high, (plate.tileDeep + plate.gap) * Math.max(Math.sin(pose.elevation), 0.2), plate.rows);
  const from = (at: number, count: number, most: number): number => Math.min(Math.max(at - Math.floor(count / 2), 0), most - count);
  const column = from(slot % plate.columns, columns, plate.columns);
  const row = from(Math.floor(slot / plate.columns), rows, plate.rows);
  const [left, far] = tileCorner(plate, row * plate.columns + column);
  const [right, near] = [left + columns * (plate.tileWide + plate.gap) - plate.gap, far + rows * (plate.tileDeep + plate.gap) - plate.gap];
  return [[left, plate.y, far], [right, plate.y, far], [right, plate.y, near], [left, plate.y, near]];
}

/** What is flown to and the plates beside it that feed it, where its tiles can still be told apart then; else it alone. */
export function together(own: readonly Vec[], beside: readonly Plate[], plate: Plate, pose: Pose, frame: Frame, share: number): readonly Vec[] {
  const all = [...own, ...beside.flatMap(plateCorners)];
  return tileOf(plate) * new Camera(fitting(all, pose, frame, share), frame).scale >= legible(plate).enough / 2 ? all : own;
}

/** The map that holds a cell, or the cell alone where the map would not fit the free part of the window. */
export function surroundings(plate: Plate, slot: number, row: number, column: number, camera: Camera): Vec[] {
  const map = blockCorners(plate, { slot, row: 0, column: 0 }, plate.height, plate.width);
  const [wide, high] = roomOf(camera.frame);
  const seen = map.map((point) => camera.project(point));
  const extent = (axis: 0 | 1): number => Math.max(...seen.map((one) => one?.[axis] ?? Infinity)) - Math.min(...seen.map((one) => one?.[axis] ?? -Infinity));
  return extent(0) < 0.8 * wide && extent(1) < 0.8 * high ? map : blockCorners(plate, { slot, row, column });
}
