/** Drawing the plates with WebGL, a frame when something about them has changed and none at rest. */

import { DataTexture, LinearFilter, NearestFilter, NoColorSpace, PerspectiveCamera, RGBAFormat, Scene, Texture, Vector3, WebGLRenderer } from "three";
import type { Maps } from "../data/maps";
import { pause } from "../dom";
import { lutFor, type Scale, type Theme } from "../draw/colour";
import type { Camera } from "../layout/camera";
import type { Plate } from "../layout/plates";
import { Ground } from "./ground";
import { Sheet } from "./sheet";
import { Slab, SQUARE, type Tint } from "./slab";
import type { Written } from "./paper";

/** Frames that took longer than this while something moved are followed by coarser ones, in milliseconds. */
const SLOW = 45;
const COARSEST = 0.5;

/** How often it is asked whether the graphics have caught up, in milliseconds. */
const POLL = 15;

/** Sizes in pixels of the screen of a canvas that is so large in pixels of the page. */
const onScreen = (...sizes: [number, number]): [number, number] => {
  const ratio = Math.min(window.devicePixelRatio, 2);
  return [Math.floor(sizes[0] * ratio), Math.floor(sizes[1] * ratio)];
};

/** The browser's graphics for a canvas of that size; throws where it gives none. */
export function openContext(element: HTMLCanvasElement, size: [number, number]): WebGL2RenderingContext {
  [element.width, element.height] = onScreen(...size); // with another size later, the page would stand still once more
  const context = element.getContext("webgl2", { alpha: false, antialias: false, depth: false, stencil: false, powerPreference: "high-performance" });
  if (context === null) throw new Error("This browser gives no WebGL 2.");
  element.addEventListener("webglcontextlost", (event) => { event.preventDefault(); }); // asks for it back
  return context;
}

/** What the renderer asks for when it begins, and with its first texture. */
const EXTENSIONS = [
  "EXT_color_buffer_float", "WEBGL_clip_cull_distance", "OES_texture_float_linear", "EXT_color_buffer_half_float", "WEBGL_multisampled_render_to_texture",
  "WEBGL_render_shared_exponent", "EXT_texture_filter_anisotropic", "KHR_parallel_shader_compile",
];

/** Asks for them one at a time: each answer waits for what the graphics are at, and is there when it is asked for again. */
export async function askForExtensions(gl: WebGL2RenderingContext): Promise<void> {
  for (const name of EXTENSIONS) {
    await caughtUp(gl);
    gl.getExtension(name);
  }
  await caughtUp(gl);
}

/** After the graphics have done all that was asked of them: what they are asked then is answered without standing still. */
export async function caughtUp(gl: WebGL2RenderingContext): Promise<void> {
  const fence = gl.fenceSync(gl.SYNC_GPU_COMMANDS_COMPLETE, 0);
  if (fence === null) return; // the context is lost: it comes back by itself
  gl.flush();
  while (!gl.isContextLost() && gl.getSyncParameter(fence, gl.SYNC_STATUS) !== gl.SIGNALED) await pause(POLL);
  gl.deleteSync(fence);
}

export class Canvas {
  readonly element: HTMLCanvasElement;
  private readonly slabs = new Map<string, Slab>();
  private readonly renderer: WebGLRenderer;
  private readonly scene = new Scene();
  private readonly eye = new PerspectiveCamera();
  private readonly lut: DataTexture;
  private readonly pictures = new Map<Slab, Texture>();
  private tints: Tint;
  /** The shader is there, and has been used: frames can be drawn. */
  readonly compiled: Promise<void>;
  private readonly sample: Scene;
  private readonly ground = new Ground(SQUARE);
  private readonly sheet = new Sheet(SQUARE);
  private detail = 1; // share of the screen's resolution
  private wide = 1; // pixels of the screen
  private high = 1;

  /** `changed` is told when the browser takes the graphics away and gives them back. */
  constructor(element: HTMLCanvasElement, context: WebGL2RenderingContext, theme: Theme, changed: (state: "lost" | "restored") => void) {
    this.element = element;
    this.renderer = new WebGLRenderer({ canvas: element, context });
    this.renderer.autoClear = false; // the ground covers everything
    this.renderer.sortObjects = true;
    this.eye.matrixAutoUpdate = false;
    this.eye.matrixWorldAutoUpdate = false;
    this.lut = new DataTexture(new Uint8Array(1024), 256, 1, RGBAFormat);
    Object.assign(this.lut, { minFilter: NearestFilter, magFilter: NearestFilter, colorSpace: NoColorSpace });
    this.tints = tintFor(theme);
    this.ground.tint(element);
    this.scene.add(this.ground.mesh, this.sheet.mesh);
    this.setLut("signed", theme);
    element.addEventListener("webglcontextlost", () => { changed("lost"); });
    element.addEventListener("webglcontextrestored", () => { changed("restored"); });
    this.renderer.debug.checkShaderErrors = false; // asking for them stands still until the graphics answer
    this.sample = new Scene().add(new Ground(SQUARE).mesh, new Slab(this.lut, this.tints).mesh, new Sheet(SQUARE, true).mesh);
    this.compiled = this.compile();
  }

  private async compile(): Promise<void> {
    await this.caughtUp();
    if (this.renderer.extensions.has("KHR_parallel_shader_compile")) await this.renderer.compileAsync(this.sample, this.eye);
    else this.renderer.compile(this.sample, this.eye);
    await this.caughtUp();
    for (const mesh of this.sample.children) { // one at a time: the first use of a shader waits for its uniforms
      for (const one of this.sample.children) one.visible = one === mesh;
      this.renderer.setViewport(0, 0, 1, 1);
      this.renderer.render(this.sample, this.eye);
      this.setDetail(this.detail); // the viewport as well
      await this.caughtUp();
    }
  }

  /** Sends the maps of a plate that stands to the graphics card, which else the next frame does. */
  send(name: string): void {
    const slab = this.slabs.get(name);
    if (slab?.mesh.visible === true) for (const texture of slab.textures) this.renderer.initTexture(texture);
  }

  light(name: string, value: number): void {
    const slab = this.slabs.get(name);
    if (slab !== undefined) slab.lit = value;
  }

  fade(name: string, value: number): void {
    const slab = this.slabs.get(name);
    if (slab !== undefined) slab.strength = value;
  }

  get drawCalls(): number {
    return this.renderer.info.render.calls;
  }

  /** A plate for each name; earlier ones go. */
  stock(names: readonly string[]): void {
    for (const slab of this.slabs.values()) {
      this.scene.remove(slab.mesh);
      this.pictures.get(slab)?.dispose();
      slab.dispose();
    }
    this.pictures.clear();
    this.slabs.clear();
    for (const name of names) {
      const slab = new Slab(this.lut, this.tints);
      this.slabs.set(name, slab);
      this.scene.add(slab.mesh);
    }
  }

  /** Stands the plates where they are now; a slab without a plate is not drawn. */
  place(plates: readonly Plate[]): void {
    const standing = new Set<string>();
    for (const plate of plates) {
      standing.add(plate.name);
      this.slabs.get(plate.name)?.place(plate);
    }
    for (const [name, slab] of this.slabs) slab.mesh.visible = standing.has(name);
  }

  paint(name: string, maps: Maps | null, order: readonly number[]): void {
    this.slabs.get(name)?.paint(maps, order);
  }

  /** Shows an image on a plate in its own colours. */
  picture(name: string, image: ImageBitmap): void {
    const slab = this.slabs.get(name);
    if (slab === undefined || this.pictures.get(slab)?.image === image) return;
    this.pictures.get(slab)?.dispose();
    const texture = new Texture(image);
    Object.assign(texture, { minFilter: LinearFilter, magFilter: LinearFilter, generateMipmaps: false, flipY: false, colorSpace: NoColorSpace, needsUpdate: true });
    this.pictures.set(slab, texture);
    slab.picture(texture, image.width, image.height);
  }

  setLook(scale: Scale, gamma: number, theme: Theme): void {
    this.tints = tintFor(theme);
    this.ground.tint(this.element);
    this.setLut(scale, theme);
    for (const slab of this.slabs.values()) {
      slab.tint(this.tints);
      if (!this.pictures.has(slab)) slab.look(scale, gamma);
    }
  }

  /** False where it has that size already. */
  resize(width: number, height: number): boolean {
    const [wide, high] = onScreen(width, height);
    if (wide === this.wide && high === this.high) return false;
    [this.wide, this.high] = [wide, high];
    this.ground.resize(width, height);
    if (this.element.width !== wide || this.element.height !== high) this.renderer.setDrawingBufferSize(wide, high, 1);
    this.setDetail(this.detail);
    return true;
  }

  /** The share of the screen's resolution that the next frames have; `hasty`: as coarse as it takes to follow the hand. */
  settle(hasty: boolean, lastFrame: number): number {
    const detail = !hasty ? 1 : lastFrame > SLOW ? COARSEST : this.detail;
    if (detail !== this.detail) this.setDetail(detail);
    return detail;
  }

  /** Draws one frame, with the paper laid over it where it is given. */
  draw(camera: Camera, paper: Written | null): void {
    this.sheet.lay(paper);
    this.aim(camera);
    this.renderer.render(this.scene, this.eye);
  }

  /** After what was drawn is there: until then, showing it would stand still. */
  caughtUp(): Promise<void> {
    return caughtUp(this.renderer.getContext() as WebGL2RenderingContext);
  }

  /** Draws into a corner of the canvas, enlarged by the browser: with another size of the canvas itself, the page stands
   * still until the graphics have made it.
   */
  private setDetail(detail: number): void {
    this.detail = detail;
    this.renderer.setViewport(0, 0, this.wide * detail, this.high * detail);
    this.element.style.transform = detail === 1 ? "" : `scale(${1 / detail})`;
  }

  /** Basis and projection as the pure camera has them, its centre moved to what the panels leave free. */
  private aim(camera: Camera): void {
    const { right, up, back, eye, frame, lens, distance } = camera;
    this.eye.matrixWorld.set(right[0], up[0], back[0], eye[0], right[1], up[1], back[1], eye[1], right[2], up[2], back[2], eye[2], 0, 0, 0, 1);
    this.eye.matrixWorldInverse.copy(this.eye.matrixWorld).invert();
    const near = distance * 0.01;
    const half = near * lens;
    const wide = (half * frame.width) / frame.height;
    const x = 1 - (2 * camera.centre[0]) / frame.width;
    const y = (2 * camera.centre[1]) / frame.height - 1;
    this.eye.projectionMatrix.makePerspective(wide * (x - 1), wide * (x + 1), half * (y + 1), half * (y - 1), near, distance * 40 + 4000);
    this.eye.projectionMatrixInverse.copy(this.eye.projectionMatrix).invert();
  }

  private setLut(scale: Scale, theme: Theme): void {
    (this.lut.image.data as Uint8Array).set(new Uint8Array(lutFor(scale, theme).buffer));
    this.lut.needsUpdate = true;
  }
}

/** Colours of the ground between the maps: lighter than the window's ground, so that dark maps stand out. */
function tintFor(theme: Theme): Tint {
  return theme === "dark"
    ? { slab: new Vector3(0.2, 0.255, 0.315), frame: new Vector3(0.42, 0.51, 0.6), slabAlpha: 0.42 }
    : { slab: new Vector3(0.78, 0.82, 0.86), frame: new Vector3(0.5, 0.57, 0.64), slabAlpha: 0.55 };
}
