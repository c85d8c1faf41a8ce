/** What stands on the plates, and who draws it: a sketch at once, and WebGL as soon as the browser has started it. */

import type { Maps } from "../data/maps";
import type { Scale, Theme } from "../draw/colour";
import { breathe } from "../dom";
import { freeGraphics } from "../draw/graphics";
import { letDraw } from "../draw/ready";
import type { Camera } from "../layout/camera";
import type { Plate } from "../layout/plates";
import type { Canvas } from "./canvas";
import type { Written } from "./paper";
import { Sketch } from "./sketch";

export interface Shown {
  maps: Maps;
  order: readonly number[]; // channels by slot of the tiles
}

export interface Tone {
  scale: Scale;
  gamma: number;
  theme: Theme;
}

/** So many cells go to the graphics card in one task, so that the page answers in between. */
const PORTION = 150_000;

/** For how long WebGL waits for graphics that have nothing else to do, in milliseconds: while the sketch moves, and then. */
const PATIENCE = 200;
const STANDSTILL = 300;

/** The part of the page that draws with WebGL did not come. */
export class Missing extends Error {}

export class Surface {
  readonly element: HTMLCanvasElement;
  private canvas: Canvas | null = null;
  private sketch: Sketch | null = new Sketch();
  private names: readonly string[] = [];
  private plates: readonly Plate[] = [];
  private readonly shown = new Map<string, Shown>();
  private readonly lights = new Map<string, number>();
  private readonly strengths = new Map<string, number>();
  private photo: { name: string; image: ImageBitmap } | null = null;
  private tone: Tone;
  private size: [number, number] = [1, 1];
  private resting = false;
  private unfinished = false; // the sketch has yet to show some maps
  private detail = 1; // share of the screen's resolution that the last frame had
  private drawn: Camera | null = null; // where WebGL's last frame was seen from, if nothing has changed since

  constructor(element: HTMLCanvasElement, theme: Theme) {
    this.element = element;
    element.style.visibility = "hidden"; // until it has been drawn on
    if (this.sketch !== null) element.after(this.sketch.element);
    this.tone = { scale: "signed", gamma: 1, theme };
  }

  /** Starts WebGL, in pieces between which the page answers. Rejects where the browser gives none. `camera`: as it is then. */
  async begin(camera: () => Camera, changed: (state: "ready" | "lost" | "restored") => void): Promise<void> {
    const coming = import("./canvas").catch((error: unknown) => {
      throw new Missing("The part of the page that draws the scene did not come (reload to try again)", { cause: error });
    });
    coming.catch(() => undefined); // told when it is needed
    await freeGraphics(PATIENCE);
    await this.atRest(() => {
      letDraw();
      return breathe();
    });
    const { askForExtensions, Canvas, openContext } = await coming;
    const context = await this.atRest(async () => {
      const opened = openContext(this.element, this.size);
      await askForExtensions(opened);
      return opened;
    });
    const canvas = new Canvas(this.element, context, this.tone.theme, (state) => {
      this.drawn = null;
      changed(state);
    });
    await breathe();
    canvas.resize(...this.size);
    await canvas.compiled;
    await breathe();
    let names: readonly string[] | null = null;
    while (names !== this.names) { // another network may be chosen meanwhile
      ({ names } = this);
      canvas.stock(names);
      let sent = 0;
      for (const [name, { maps, order }] of this.shown) {
        canvas.paint(name, maps, order);
        canvas.send(name);
        if ((sent += maps.pixels.length) < PORTION) continue;
        sent = 0;
        await breathe();
        if (names !== this.names) break;
      }
      if (names !== this.names) continue;
      await this.atRest(() => {
        this.bring(canvas);
        canvas.draw(this.drawn = camera(), null); // nobody sees it yet, so nobody waits for it
        return canvas.caughtUp();
      });
    }
    this.handOver(canvas);
    changed("ready");
  }

  /** While the sketch stays as it is: the browser's graphics answer when they are done with the frames before. */
  private async atRest<T>(work: () => Promise<T>): Promise<T> {
    this.resting = true;
    try {
      await freeGraphics(STANDSTILL);
      return await work();
    } finally {
      this.resting = false;
    }
  }

  /** Everything as it is now; what was painted before costs nothing again. */
  private bring(canvas: Canvas): void {
    const { scale, gamma, theme } = this.tone;
    canvas.resize(...this.size);
    canvas.place(this.plates);
    for (const [name, { maps, order }] of this.shown) {
      canvas.paint(name, maps, order);
      canvas.send(name);
    }
    canvas.setLook(scale, gamma, theme);
    if (this.photo !== null) canvas.picture(this.photo.name, this.photo.image);
    for (const [name, value] of this.lights) canvas.light(name, value);
    for (const [name, value] of this.strengths) canvas.fade(name, value);
  }

  private handOver(canvas: Canvas): void {
    if (this.drawn === null) this.bring(canvas);
    this.canvas = canvas;
    this.element.style.visibility = "";
    this.sketch?.remove();
    this.sketch = null;
    this.unfinished = false;
  }

  /** Whether frames show the scene itself, and no longer a sketch. */
  get started(): boolean {
    return this.canvas !== null;
  }

  /** Whether the sketch shows less than there is, or stands still. */
  get behind(): boolean {
    return this.unfinished || this.resting;
  }

  get drawCalls(): number {
    return this.canvas?.drawCalls ?? 0;
  }

  /** A plate for each name; earlier ones go. */
  stock(names: readonly string[]): void {
    this.drawn = null;
    this.names = names;
    this.shown.clear();
    this.lights.clear();
    this.strengths.clear();
    this.canvas?.stock(names);
    this.photo?.image.close(); // only now: the graphics may be given back, and then take it again
    this.photo = null;
  }

  place(plates: readonly Plate[]): void {
    this.drawn = null;
    this.plates = plates;
    this.canvas?.place(plates);
  }

  paint(name: string, maps: Maps | null, order: readonly number[]): void {
    this.drawn = null;
    if (maps === null) {
      this.shown.delete(name);
      this.lights.set(name, 0);
    } else this.shown.set(name, { maps, order });
    this.canvas?.paint(name, maps, order);
  }

  /** Sends what has come for a plate now: a frame that had to send all of it would keep the page waiting. */
  send(name: string): void {
    this.canvas?.send(name);
  }

  /** Shows an image on a plate in its own colours. */
  picture(name: string, image: ImageBitmap): void {
    const before = this.photo?.image;
    this.drawn = null;
    this.photo = { name, image };
    this.canvas?.picture(name, image);
    if (before !== image) before?.close(); // no texture has it any more
  }

  setLook(scale: Scale, gamma: number, theme: Theme): void {
    this.drawn = null;
    this.tone = { scale, gamma, theme };
    this.canvas?.setLook(scale, gamma, theme);
  }

  /** From 0, before its maps have come, to 1. */
  light(name: string, value: number): void {
    this.drawn = null;
    this.lights.set(name, value);
    this.canvas?.light(name, value);
  }

  lit(name: string): number {
    return this.lights.get(name) ?? 0;
  }

  /** Emphasis, from 0 to 1. */
  fade(name: string, value: number): void {
    this.drawn = null;
    this.strengths.set(name, value);
    this.canvas?.fade(name, value);
  }

  strength(name: string): number {
    return this.strengths.get(name) ?? 1;
  }

  resize(width: number, height: number): void {
    this.size = [width, height];
    if (this.canvas?.resize(width, height) !== false) this.drawn = null;
  }

  /** The share of the screen's resolution that the next frame has; `hasty`: as coarse as it takes to follow the hand. */
  settle(hasty: boolean, lastFrame: number): number {
    const detail = this.canvas?.settle(hasty, lastFrame) ?? 1;
    if (detail !== this.detail) [this.detail, this.drawn] = [detail, null];
    return detail;
  }

  /** Whether the plates look otherwise from there than they were drawn last; a sketch does not know. */
  changed(camera: Camera): boolean {
    return this.canvas === null || this.drawn !== camera;
  }

  /** Draws one frame, with the paper laid over it where it is given; false where the next frame has to go on with it. */
  draw(camera: Camera, paper: Written | null): boolean {
    if (this.resting) return false;
    if (this.canvas !== null) {
      this.canvas.draw(camera, paper);
      this.drawn = paper === null ? camera : null;
    }
    this.unfinished = this.sketch?.draw(this.plates, camera, this.tone, (name) => ({ shown: this.shown.get(name), lit: this.lit(name), strength: this.strength(name) })) === false;
    return !this.unfinished;
  }
}
