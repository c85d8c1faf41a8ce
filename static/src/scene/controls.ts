/** Moving about with mouse, wheel, fingers and arrow keys: turns, pans and zooms, and reports clicks and hovering. */

import { Camera } from "../layout/camera";
import type { Pose } from "../data/pose";

export interface Hand {
  camera: () => Camera;
  reach: () => { nearest: number; farthest: number };
  moved: (pose: Pose) => void;
  hover: (x: number, y: number) => void;
  left: () => void;
  /** `reach`: how far beside a cell the press may have been, in pixels. */
  click: (x: number, y: number, reach: number) => void;
  twice: (x: number, y: number) => void;
}

const TURN = 0.0055; // radians a pixel
const LOWEST = 0.08;
const HIGHEST = Math.PI / 2;

/** A press that strays no farther than `still` from where it began is a click, and may miss a cell by `reach`: pixels. */
const PRESSES: Record<string, { still: number; reach: number }> = { touch: { still: 12, reach: 24 }, pen: { still: 8, reach: 8 } };
const MOUSE = { still: 5, reach: 3 };

interface Finger {
  x: number;
  y: number;
}

export function listen(element: HTMLElement, hand: Hand): void {
  const fingers = new Map<number, Finger>();
  let begun: Finger = { x: 0, y: 0 };
  let strayed = false;
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
    if (fingers.size === 0) [begun, strayed] = [{ x, y }, false];
    fingers.set(event.pointerId, { x, y });
    if (fingers.size > 1) strayed = true; // several fingers never click
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
    strayed ||= Math.hypot(x - begun.x, y - begun.y) > pressOf(event).still;
    if (!strayed) return;
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
    if (event.type === "pointerup" && fingers.size === 0 && !strayed && event.button === 0) hand.click(...at(event), pressOf(event).reach);
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

const pressOf = (event: PointerEvent): typeof MOUSE => PRESSES[event.pointerType] ?? MOUSE;

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
