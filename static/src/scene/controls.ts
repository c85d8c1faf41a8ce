/** Moving about with mouse, wheel, fingers and arrow keys: turns, pans and zooms, and reports clicks and hovering. */

import { Camera } from "../layout/camera";
import type { Pose } from "./stage";

export interface Hand {
  camera: () => Camera;
  reach: () => { nearest: number; farthest: number };
  moved: (pose: Pose) => void;
  hover: (x: number, y: number) => void;
  left: () => void;
  click: (x: number, y: number) => void;
  twice: (x: number, y: number) => void;
}

const TURN = 0.0055; // radians a pixel
const LOWEST = 0.08;
const HIGHEST = Math.PI / 2;

/** A press that moves no farther than this is a click, in pixels. */
const STILL = 5;

interface Finger {
  x: number;
  y: number;
}

export function listen(element: HTMLElement, hand: Hand): void {
  const fingers = new Map<number, Finger>();
  let travelled = 0;
  let panning = false;
  const at = (event: MouseEvent): [number, number] => {
    const box = element.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  };
  const middle = (): [x: number, y: number, spread: number] => {
    const all = [...fingers.values()];
    const [x, y] = [all.reduce((sum, one) => sum + one.x, 0) / all.length, all.reduce((sum, one) => sum + one.y, 0) / all.length];
    return [x, y, all.reduce((sum, one) => sum + Math.hypot(one.x - x, one.y - y), 0) / all.length];
  };

  element.addEventListener("pointerdown", (event) => {
    if (event.button > 2) return;
    element.setPointerCapture(event.pointerId);
    const [x, y] = at(event);
    if (fingers.size === 0) travelled = 0;
    fingers.set(event.pointerId, { x, y });
    if (fingers.size > 1) travelled = STILL + 1; // several fingers never click
    panning = event.button === 2 || event.button === 1 || event.shiftKey;
  });

  element.addEventListener("pointermove", (event) => {
    const [x, y] = at(event);
    const finger = fingers.get(event.pointerId);
    if (finger === undefined) {
      hand.hover(x, y);
      return;
    }
    const [beforeX, beforeY, beforeSpread] = middle();
    Object.assign(finger, { x, y });
    const [nowX, nowY, nowSpread] = middle();
    const [dx, dy] = [nowX - beforeX, nowY - beforeY];
    travelled += Math.abs(dx) + Math.abs(dy);
    if (travelled <= STILL) return;
    const camera = hand.camera();
    if (fingers.size === 1 && !panning && !camera.pose.flat) hand.moved(turned(camera.pose, dx, dy));
    else {
      const panned = camera.panned(dx, dy);
      const { nearest, farthest } = hand.reach();
      const pinched = fingers.size === 2 && beforeSpread > 1 && nowSpread > 1;
      // two fingers pan and zoom, three only pan
      hand.moved(pinched ? new Camera(panned, camera.frame).zoomed(beforeSpread / nowSpread, nowX, nowY, nearest, farthest) : panned);
    }
  });

  const lift = (event: PointerEvent): void => {
    if (!fingers.delete(event.pointerId)) return;
    if (event.type === "pointerup" && fingers.size === 0 && travelled <= STILL && event.button === 0) hand.click(...at(event));
  };
  element.addEventListener("pointerup", lift);
  element.addEventListener("pointercancel", lift);
  element.addEventListener("pointerleave", () => { hand.left(); });
  element.addEventListener("dblclick", (event) => { hand.twice(...at(event)); });
  element.addEventListener("contextmenu", (event) => { event.preventDefault(); });

  element.addEventListener("wheel", (event) => {
    event.preventDefault();
    const lines = event.deltaMode === 1 ? 20 : 1; // some mice report lines
    const factor = Math.exp(Math.min(Math.max(event.deltaY * lines, -240), 240) * (event.ctrlKey ? 0.01 : 0.0016));
    const { nearest, farthest } = hand.reach();
    hand.moved(hand.camera().zoomed(factor, ...at(event), nearest, farthest));
  }, { passive: false });
}

/** The pose turned by a drag of so many pixels. */
export function turned(pose: Pose, dx: number, dy: number): Pose {
  return { ...pose, azimuth: pose.azimuth - dx * TURN, elevation: Math.min(Math.max(pose.elevation + dy * TURN, LOWEST), HIGHEST) };
}

/** The pose after an arrow key or plus and minus; null for other keys. */
export function keyed(camera: Camera, key: string, reach: { nearest: number; farthest: number }): Pose | null {
  const [cx, cy] = camera.centre;
  switch (key) {
    case "ArrowLeft": return camera.panned(70, 0);
    case "ArrowRight": return camera.panned(-70, 0);
    case "ArrowUp": return camera.panned(0, 70);
    case "ArrowDown": return camera.panned(0, -70);
    case "+":
    case "=": return camera.zoomed(0.8, cx, cy, reach.nearest, reach.farthest);
    case "-": return camera.zoomed(1.25, cx, cy, reach.nearest, reach.farthest);
    case "q": return camera.pose.flat ? null : turned(camera.pose, 40, 0);
    case "e": return camera.pose.flat ? null : turned(camera.pose, -40, 0);
    default: return null;
  }
}
