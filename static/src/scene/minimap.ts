/** The whole network in the corner, seen from above, with what the window shows of it; a click goes there. */

import type { Camera } from "../layout/camera";
import { sizeCanvas } from "../draw/maps";
import { depthOf, type Plate, type Vec } from "../layout/plates";

const SIDE = 132;

/** Fewer plates than this are seen at a glance anyway, as long as all are in view. */
const DEEP = 14;

export class MiniMap {
  private readonly element: HTMLCanvasElement;
  private readonly go: (point: Vec) => void;
  private readonly name: HTMLElement;
  private scale = 1;
  private plates: readonly Plate[] = [];
  private width = 0;
  private height = 0;
  private slope = 0;
  private near = 0;

  /** `point` is told the layer under the pointer, `go` the place that was clicked. */
  constructor({ canvas: element, name }: { canvas: HTMLCanvasElement; name: HTMLElement }, point: (layer: string | null) => void, go: (point: Vec) => void) {
    this.element = element;
    this.name = name;
    this.go = go;
    const aim = (event: PointerEvent): void => {
      const box = element.getBoundingClientRect();
      const z = this.near - (this.height - (event.clientY - box.top)) / this.scale;
      this.go([(event.clientX - box.left - this.width / 2) / this.scale, -this.slope * z, z]);
    };
    element.addEventListener("pointerdown", (event) => {
      element.setPointerCapture(event.pointerId);
      aim(event);
    });
    element.addEventListener("pointermove", (event) => {
      if (element.hasPointerCapture(event.pointerId)) aim(event);
      const box = element.getBoundingClientRect();
      point(this.layerAt(event.clientX - box.left, event.clientY - box.top));
    });
    element.addEventListener("pointerleave", () => { point(null); });
  }

  /** The layer that is drawn nearest to a place of the map, as the finest are a pixel high. */
  private layerAt(x: number, y: number): string | null {
    const away = (plate: Plate): number => {
      const [left, top] = this.spot(plate.x - plate.wide / 2, plate.z - plate.deep / 2);
      const beside = Math.max(left - x, 0, x - left - plate.wide * this.scale);
      return beside + Math.max(top - y, 0, y - top - plate.deep * this.scale);
    };
    let nearest: Plate | null = null;
    for (const plate of this.plates) if (away(plate) < (nearest === null ? 6 : away(nearest))) nearest = plate;
    return nearest?.name ?? null;
  }

  /** Where a point of the stairs stands on the map. */
  private spot(x: number, z: number): [number, number] {
    return [this.width / 2 + x * this.scale, this.height - (this.near - z) * this.scale];
  }

  draw(plates: readonly Plate[], camera: Camera, whole: boolean, marked: string | undefined): void {
    this.element.hidden = whole && plates.length < DEEP;
    const [first, last] = [plates[0], plates.at(-1)];
    this.name.hidden = this.element.hidden || marked === undefined || !plates.some((plate) => plate.name === marked);
    this.name.textContent = marked ?? "";
    if (this.element.hidden || first === undefined || last === undefined) return;
    this.plates = plates;
    const across = 2 * Math.max(...plates.map((plate) => Math.abs(plate.x) + plate.wide / 2));
    const deep = depthOf(plates);
    this.scale = Math.min(SIDE / across, SIDE / deep);
    [this.width, this.height] = [across * this.scale, deep * this.scale];
    this.slope = (last.y - first.y) / (first.z - last.z);
    this.near = Math.max(...plates.map((plate) => plate.z + plate.deep / 2));
    const c = sizeCanvas(this.element, this.width, this.height);
    const style = getComputedStyle(this.element);
    const spot = (x: number, z: number): [number, number] => this.spot(x, z);
    for (const plate of plates) {
      const [left, top] = spot(plate.x - plate.wide / 2, plate.z - plate.deep / 2);
      c.fillStyle = style.getPropertyValue(plate.name === marked ? "--accent" : "--dim");
      c.globalAlpha = plate.name === marked ? 1 : 0.55;
      c.fillRect(left, top, plate.wide * this.scale, Math.max(plate.deep * this.scale - 0.5, 0.75));
    }
    const seen = this.window(camera);
    if (seen === null) return;
    c.globalAlpha = 1;
    c.strokeStyle = style.getPropertyValue("--text");
    c.lineWidth = 1.2;
    c.beginPath();
    seen.forEach(([x, z], index) => {
      const [atX, atY] = spot(x, z);
      const [px, py] = [Math.min(Math.max(atX, 1), this.width - 1), Math.min(Math.max(atY, 1), this.height - 1)];
      if (index === 0) c.moveTo(px, py);
      else c.lineTo(px, py);
    });
    c.closePath();
    c.stroke();
  }

  /** What the free part of the window shows of the stairs' plane: its corners in x and z. */
  private window(camera: Camera): [number, number][] | null {
    const { frame } = camera;
    const corners: [number, number][] = [[frame.left, frame.top], [frame.width - frame.right, frame.top], [frame.width - frame.right, frame.height - frame.bottom], [frame.left, frame.height - frame.bottom]];
    const far = 6 * depthOf(this.plates);
    return corners.map(([x, y]) => {
      const { origin, direction } = camera.ray(x, y);
      const way = -(origin[1] + this.slope * origin[2]) / (direction[1] + this.slope * direction[2]);
      const reached = way > 0 ? Math.min(way, far + camera.distance) : far + camera.distance; // above the horizon: far away
      return [origin[0] + reached * direction[0], origin[2] + reached * direction[2]];
    });
  }
}
