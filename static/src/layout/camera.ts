/** The camera as arithmetic: a pose and a window give screen positions of points, and rays through screen positions.
 *
 * The flat view is the same camera from straight above with a very long lens, so that one formula serves both.
 * Screen positions are CSS pixels from the window's top left.
 */

import type { Pose } from "../data/pose";
import type { Vec } from "./plates";

/** The window, and how much of each side panels cover. */
export interface Frame {
  width: number;
  height: number;
  left: number;
  top: number;
  right: number;
  bottom: number;
}

export interface Ray {
  origin: Vec;
  direction: Vec; // of length 1
}

/** Half the vertical opening of the lens, as a tangent. */
const LENS = Math.tan((34 / 2) * (Math.PI / 180));
const FLAT_LENS = 0.012;

export const dot = (a: Vec, b: Vec): number => a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
export const add = (a: Vec, b: Vec, scale = 1): Vec => [a[0] + scale * b[0], a[1] + scale * b[1], a[2] + scale * b[2]];

export class Camera {
  readonly pose: Pose;
  readonly frame: Frame;
  readonly right: Vec;
  readonly up: Vec;
  readonly back: Vec; // from the target to the eye
  readonly eye: Vec;
  readonly lens: number; // tangent of half the vertical opening
  readonly focal: number; // pixels
  readonly centre: readonly [number, number]; // where the target is seen

  /** `flatness` from 0 to 1 is the way from the perspective to the flat lens; sizes at the target stay the same. */
  constructor(pose: Pose, frame: Frame, flatness = pose.flat ? 1 : 0) {
    this.pose = pose;
    this.frame = frame;
    const { azimuth: a, elevation: e } = pose;
    this.right = [Math.cos(a), 0, -Math.sin(a)];
    this.up = [-Math.sin(a) * Math.sin(e), Math.cos(e), -Math.cos(a) * Math.sin(e)];
    this.back = [Math.sin(a) * Math.cos(e), Math.sin(e), Math.cos(a) * Math.cos(e)];
    this.lens = LENS ** (1 - flatness) * FLAT_LENS ** flatness;
    this.eye = add(pose.target, this.back, this.distance);
    this.focal = frame.height / 2 / this.lens;
    this.centre = [(frame.left + frame.width - frame.right) / 2, (frame.top + frame.height - frame.bottom) / 2];
  }

  /** From the eye to the target. */
  get distance(): number {
    return (this.pose.distance * LENS) / this.lens;
  }

  /** CSS pixels of one scene unit at the target. */
  get scale(): number {
    return this.focal / this.distance;
  }

  /** Screen position of a point and its distance along the view; null behind the eye. */
  project(point: Vec): [x: number, y: number, depth: number] | null {
    const offset = add(point, this.eye, -1);
    const depth = -dot(offset, this.back);
    if (depth <= 1e-6 * this.distance) return null;
    const scale = this.focal / depth;
    return [this.centre[0] + dot(offset, this.right) * scale, this.centre[1] - dot(offset, this.up) * scale, depth];
  }

  /** The ray through a screen position. */
  ray(x: number, y: number): Ray {
    const across = (x - this.centre[0]) / this.focal;
    const above = (this.centre[1] - y) / this.focal;
    const towards = add(add(add([0, 0, 0], this.right, across), this.up, above), this.back, -1);
    return { origin: this.eye, direction: add([0, 0, 0], towards, 1 / Math.hypot(...towards)) };
  }

  /** The pose after the scene was dragged by so many pixels. */
  panned(dx: number, dy: number): Pose {
    const step = 1 / this.scale;
    return { ...this.pose, target: [...add(add(this.pose.target, this.right, -dx * step), this.up, dy * step)] as [number, number, number] };
  }

  /** The pose nearer by `factor` (below 1) or farther, with what is under the pointer staying there. */
  zoomed(factor: number, x: number, y: number, nearest: number, farthest: number): Pose {
    const distance = Math.min(Math.max(this.pose.distance * factor, nearest), farthest);
    const change = 1 - distance / this.pose.distance;
    const away: [number, number] = [(x - this.centre[0]) / this.scale, (this.centre[1] - y) / this.scale];
    const target = add(add(this.pose.target, this.right, away[0] * change), this.up, away[1] * change);
    return { ...this.pose, distance, target: [...target] as [number, number, number] };
  }
}

/** A pose on the way from one to another, `t` from 0 to 1; the shorter way round, and distances by ratio. */
export function between(from: Pose, to: Pose, t: number): Pose {
  const mix = (a: number, b: number): number => a + (b - a) * t;
  const turn = ((to.azimuth - from.azimuth + Math.PI) % (2 * Math.PI) + 2 * Math.PI) % (2 * Math.PI) - Math.PI;
  return {
    target: [mix(from.target[0], to.target[0]), mix(from.target[1], to.target[1]), mix(from.target[2], to.target[2])],
    distance: from.distance * (to.distance / from.distance) ** t,
    azimuth: from.azimuth + turn * t,
    elevation: mix(from.elevation, to.elevation),
    flat: to.flat,
  };
}
