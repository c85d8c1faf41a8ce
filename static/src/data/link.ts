/** The deep link: what is shown, written in the URL's fragment, so that a link shows the same again. */

import type { Pose } from "./pose";

export interface Place {
  model?: string;
  weights?: string;
  precision?: string; // its arithmetic, where it is not the usual one
  sample?: string; // a sample of this page, by name
  run?: string; // a run on the server, for drawings and uploads, as long as it is kept
  layer?: string;
  unit?: number[]; // [c, y, x], [c] for a map, or [i] of a vector
  scale?: string;
  gamma?: string;
  panel?: string; // what stands above the explanation, if not the map
  tour?: string; // step of the guided tour, from 1
  with?: string; // the network that is compared with
  withSample?: string; // its picture: a sample
  withRun?: string; // or a run on the server
  view?: string; // "list" where the layers are listed instead of standing in the scene
  folded?: string[]; // layers that are folded into their mean
  hidden?: string[]; // layers that are not shown
  camera?: string; // the pose, as `writePose` has it; none for the whole network
}

const NAMES = ["model", "weights", "precision", "sample", "run", "layer", "scale", "view", "gamma", "panel", "tour", "with", "withSample", "withRun"] as const;

/** Lists of layers; a name may hold any character. */
const LISTS = ["folded", "hidden"] as const;

/** Nothing is chosen any more. */
export function forgetUnit(place: Place): void {
  delete place.layer;
  delete place.unit;
  delete place.panel;
}

/** What was chosen and seen of a network belongs to no other. */
export function forgetNetwork(place: Place): void {
  forgetUnit(place);
  delete place.run;
  delete place.tour;
  delete place.camera;
  delete place.folded;
  delete place.hidden;
}

/** A unit of a link, brought into a layer's shape: a layer may be smaller than the link has it, as with other weights. */
export function unitWithin(unit: readonly number[], shape: readonly number[]): number[] {
  return unit.slice(0, shape.length).map((at, axis) => Math.min(at, (shape[axis] ?? 1) - 1));
}

export function readPlace(fragment: string): Place {
  const query = new URLSearchParams(fragment.replace(/^#/, ""));
  const place: Place = {};
  for (const name of NAMES) {
    const value = query.get(name);
    if (value !== null && value !== "") place[name] = value;
  }
  for (const name of LISTS) {
    const layers = query.getAll(name).filter((layer) => layer !== "");
    if (layers.length > 0) place[name] = layers;
  }
  const camera = query.get("camera");
  if (camera !== null && /^[-\d.,e]+$/.test(camera)) place.camera = camera;
  const unit = query.get("unit");
  if (unit !== null && /^\d+(,\d+)*$/.test(unit)) place.unit = unit.split(",").map(Number);
  return place;
}

/** `x,y,z,distance,azimuth,elevation,flat`: lengths in scene units, angles in radians. */
export function writePose(pose: Pose): string {
  const short = (value: number): string => String(Number(value.toPrecision(6)));
  return [...pose.target, pose.distance, pose.azimuth, pose.elevation, pose.flat ? 1 : 0].map(short).join(",");
}

export function readPose(text: string | undefined): Pose | null {
  const numbers = (text ?? "").split(",").map(Number);
  const [x, y, z, distance, azimuth, elevation, flat] = numbers;
  if (numbers.length !== 7 || !numbers.every(Number.isFinite) || x === undefined || y === undefined || z === undefined || distance === undefined || azimuth === undefined || elevation === undefined) return null;
  return distance > 0 ? { target: [x, y, z], distance, azimuth, elevation, flat: flat === 1 } : null;
}

export function writePlace(place: Place): string {
  const parts = NAMES.flatMap((name) => (place[name] === undefined ? [] : [`${name}=${encodeURIComponent(place[name])}`]));
  for (const name of LISTS) for (const layer of place[name] ?? []) parts.push(`${name}=${encodeURIComponent(layer)}`);
  if (place.camera !== undefined) parts.push(`camera=${place.camera}`); // figures and commas alone
  if (place.unit !== undefined) parts.push(`unit=${place.unit.join(",")}`);
  return `#${parts.join("&")}`;
}
