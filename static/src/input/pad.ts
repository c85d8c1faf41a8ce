/** The draw pad: pencil, eraser, undo, clear; by mouse, touch or pen. Every change is reported while drawing. */

import { button, calm, h, svg } from "../dom";
import { Drawing, partOf, type Point, type Stroke } from "./drawing";
import { drawable, whenDrawable } from "../draw/ready";
import { asStrokes, drawInk, PEN_WIDTH } from "./ink";

const SIDE = 264;
const ERASER_WIDTH = 0.16;

/** How long a digit takes to draw itself, in milliseconds. */
const WRITING_TIME = 900;

export class Pad {
  readonly element: HTMLElement;
  private readonly canvas = h("canvas", { class: "pad", width: 2 * SIDE, height: 2 * SIDE, role: "img", "aria-label": "Draw pad. By keyboard, choose a digit among the samples below." });
  /** What is drawn before the browser's graphics have started. */
  private readonly early = svg("svg", { class: "pad-early", viewBox: "0 0 1 1", "aria-hidden": "true" });
  private readonly drawing = new Drawing();
  private readonly changed: (strokes: readonly Stroke[], byHand: boolean) => void;
  private erasing = false;
  private frame = 0;
  private hand: number | null = null; // the pointer that draws

  /** `changed` is called after every change, also in the middle of a stroke; not by hand where the pad draws by itself. */
  constructor(changed: (strokes: readonly Stroke[], byHand: boolean) => void) {
    this.changed = changed;
    const pencil = button("Pencil", () => { tool(false); }, { class: "tool", "aria-pressed": "true" });
    const eraser = button("Eraser", () => { tool(true); }, { class: "tool", "aria-pressed": "false" });
    const tool = (erase: boolean): void => {
      this.erasing = erase;
      pencil.setAttribute("aria-pressed", String(!erase));
      eraser.setAttribute("aria-pressed", String(erase));
    };
    const change = (how: () => void): void => { this.rest(); how(); this.edited(); }; // a digit that draws itself leaves off
    const undo = button("Undo", () => { change(() => { this.drawing.undo(); }); }, { class: "tool" });
    const clear = button("Clear", () => { change(() => { this.drawing.clear(); }); }, { class: "tool" });
    this.element = h("div", { class: "pad-box" }, this.canvas, this.early, h("div", { class: "tools" }, pencil, eraser, undo, clear));
    this.listen();
    whenDrawable(() => {
      this.early.remove();
      this.paint();
    });
  }

  /** Leaves off where the pad draws by itself. */
  rest(): void {
    cancelAnimationFrame(this.frame);
  }

  clear(): void {
    this.rest();
    this.drawing.clear();
    this.paint();
  }

  /** Draws strokes as a hand would, and reports them while they grow. */
  write(lines: readonly (readonly Point[])[]): void {
    cancelAnimationFrame(this.frame);
    const start = performance.now();
    const step = (now: number): void => {
      const share = calm() ? 1 : Math.min((now - start) / WRITING_TIME, 1);
      this.drawing.clear();
      for (const stroke of asStrokes(partOf(lines, share))) {
        stroke.points.forEach((point, index) => {
          if (index === 0) this.drawing.begin(point, stroke.width, false);
          else this.drawing.extend(point);
        });
      }
      this.edited(false);
      if (share < 1) this.frame = requestAnimationFrame(step);
    };
    this.frame = requestAnimationFrame(step);
  }

  /** Repaints in the colours of the theme. */
  paint(): void {
    if (!drawable()) {
      this.early.replaceChildren(...this.drawing.strokes.map(pathOf));
      return;
    }
    const context = this.canvas.getContext("2d", { willReadFrequently: true });
    const style = getComputedStyle(this.canvas);
    if (context === null) return;
    drawInk(context, this.canvas.width, this.drawing.strokes, style.getPropertyValue("--pad").trim() || "#000", style.getPropertyValue("--ink").trim() || "#fff");
  }

  private edited(byHand = true): void {
    this.paint();
    this.changed(this.drawing.strokes, byHand);
  }

  private listen(): void {
    const at = (event: PointerEvent): Point => {
      const box = this.canvas.getBoundingClientRect();
      return [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height];
    };
    this.canvas.addEventListener("pointerdown", (event) => {
      if (event.button !== 0 || this.hand !== null) return; // a palm beside the pen draws nothing
      this.hand = event.pointerId;
      cancelAnimationFrame(this.frame); // a hand takes over from the drawing that draws itself
      this.canvas.setPointerCapture(event.pointerId);
      this.drawing.begin(at(event), this.erasing ? ERASER_WIDTH : PEN_WIDTH, this.erasing);
      this.edited();
    });
    this.canvas.addEventListener("pointermove", (event) => {
      if (event.pointerId !== this.hand) return;
      // not everywhere: older Safaris, and pages that come neither from HTTPS nor from this machine, have none
      for (const part of "getCoalescedEvents" in event ? event.getCoalescedEvents() : []) this.drawing.extend(at(part));
      this.drawing.extend(at(event));
      this.edited();
    });
    this.canvas.addEventListener("lostpointercapture", (event) => {
      if (event.pointerId === this.hand) this.hand = null;
    });
  }
}

function pathOf(stroke: Stroke): SVGElement {
  const points = stroke.points.map(([x, y]) => `${x.toFixed(3)} ${y.toFixed(3)}`);
  return svg("path", { d: `M${points[0] ?? ""}L${points.join(" ")}`, "stroke-width": stroke.width, class: stroke.erase ? "erased" : "" });
}
