/** One plate on the graphics card: a rectangle, its maps as one texture, and a table of ranges. */

import {
  DataTexture, FloatType, GLSL3, LinearFilter, Mesh, NearestFilter, NoColorSpace, PlaneGeometry, RedFormat, RGBAFormat, ShaderMaterial, UnsignedByteType,
  Vector2, Vector3, type Texture,
} from "three";
import type { Maps } from "../data/maps";
import type { Scale } from "../draw/colour";
import type { Plate } from "../layout/plates";
import { FRAGMENT, VERTEX } from "./shader";

const TABLE = 256; // texels a row of the table, as in the shader
const MODES: Record<Scale | "picture", number> = { signed: 0, layer: 1, map: 2, picture: 3 };

/** A unit square on the ground, shared by all plates. */
export const SQUARE = new PlaneGeometry(1, 1).rotateX(-Math.PI / 2);

export interface Tint {
  slab: Vector3;
  frame: Vector3;
  slabAlpha: number;
}

/** Maps as rows of an atlas without gutters: columns, and the bytes row by row. */
export function atlasOf(maps: Pick<Maps, "channels" | "height" | "width" | "pixels">): { columns: number; rows: number; pixels: Uint8Array } {
  const { channels, height, width, pixels } = maps;
  const columns = Math.max(1, Math.min(channels, Math.ceil(Math.sqrt((channels * height) / width))));
  const rows = Math.ceil(channels / columns);
  const packed = new Uint8Array(columns * width * rows * height);
  for (let channel = 0; channel < channels; channel += 1) {
    const left = (channel % columns) * width;
    const top = Math.floor(channel / columns) * height;
    for (let row = 0; row < height; row += 1) {
      const from = (channel * height + row) * width;
      packed.set(pixels.subarray(from, from + width), (top + row) * columns * width + left);
    }
  }
  return { columns, rows, pixels: packed };
}

const EMPTY = dataTexture(new Uint8Array([0]), 1, 1);

function dataTexture(pixels: Uint8Array, width: number, height: number): DataTexture {
  const texture = new DataTexture(pixels, width, height, RedFormat, UnsignedByteType);
  Object.assign(texture, { minFilter: LinearFilter, magFilter: LinearFilter, unpackAlignment: 1, colorSpace: NoColorSpace, needsUpdate: true });
  return texture;
}

export class Slab {
  readonly mesh: Mesh<PlaneGeometry, ShaderMaterial>;
  /** What is drawn now: all maps, or their mean while the layer is folded. */
  shown: Maps | null = null;
  private readonly uniforms;
  private order: readonly number[] = [];

  constructor(lut: Texture, tint: Tint) {
    this.uniforms = {
      atlas: { value: EMPTY as Texture }, table: { value: EMPTY as Texture }, lut: { value: lut },
      size: { value: new Vector2(1, 1) }, margin: { value: 0 }, tile: { value: new Vector2(1, 1) }, gap: { value: 0 }, grid: { value: new Vector2(1, 1) },
      count: { value: 0 }, cells: { value: new Vector2(1, 1) }, atlasColumns: { value: 1 }, atlasSize: { value: new Vector2(1, 1) },
      scale: { value: 0 }, span: { value: new Vector2(-1, 1) }, gamma: { value: 1 }, strength: { value: 1 }, lit: { value: 0 },
      slab: { value: tint.slab }, frame: { value: tint.frame }, slabAlpha: { value: tint.slabAlpha },
    };
    this.mesh = new Mesh(SQUARE, new ShaderMaterial({ glslVersion: GLSL3, vertexShader: VERTEX, fragmentShader: FRAGMENT, uniforms: this.uniforms, transparent: true, depthWrite: false, depthTest: false, side: 2 }));
  }

  /** Stands where the plate stands. */
  place(plate: Plate): void {
    const u = this.uniforms;
    this.mesh.position.set(plate.x, plate.y, plate.z);
    this.mesh.scale.set(plate.wide, 1, plate.deep);
    u.size.value.set(plate.wide, plate.deep);
    u.margin.value = plate.margin;
    u.tile.value.set(plate.tileWide, plate.tileDeep);
    u.gap.value = plate.gap;
    u.grid.value.set(plate.columns, plate.rows);
    u.count.value = plate.count;
  }

  /** Shows maps, in this order of channels; null takes them away. */
  paint(maps: Maps | null, order: readonly number[]): void {
    const u = this.uniforms;
    if (maps === null) {
      this.release();
      this.shown = null;
      u.lit.value = 0;
      return;
    }
    const known = this.shown;
    this.shown = maps;
    if (known !== maps) {
      const atlas = atlasOf(maps);
      this.replace("atlas", dataTexture(atlas.pixels, atlas.columns * maps.width, atlas.rows * maps.height), atlas.pixels);
      u.cells.value.set(maps.width, maps.height);
      u.atlasColumns.value = atlas.columns;
      u.atlasSize.value.set(atlas.columns * maps.width, atlas.rows * maps.height);
      u.span.value.set(maps.low, maps.high);
    }
    if (known !== maps || this.order !== order) this.setTable(maps, order);
    this.order = order;
  }

  /** Shows a picture in its own colours. */
  picture(texture: Texture, width: number, height: number): void {
    const u = this.uniforms;
    u.atlas.value = texture;
    const entries = Float32Array.of(0, 1, 0, 0);
    this.replace("table", tableTexture(entries), entries);
    u.cells.value.set(width, height);
    u.atlasSize.value.set(width, height);
    this.look("picture", 1);
  }

  look(scale: Scale | "picture", gamma: number): void {
    this.uniforms.scale.value = MODES[scale];
    this.uniforms.gamma.value = gamma;
  }

  tint(tint: Tint): void {
    this.uniforms.slab.value = tint.slab;
    this.uniforms.frame.value = tint.frame;
    this.uniforms.slabAlpha.value = tint.slabAlpha;
  }

  set strength(value: number) {
    this.uniforms.strength.value = value;
  }

  set lit(value: number) {
    this.uniforms.lit.value = value;
  }

  /** What it draws from: its maps and their table. */
  get textures(): Texture[] {
    return [this.uniforms.atlas.value, this.uniforms.table.value];
  }

  dispose(): void {
    this.release();
    this.mesh.material.dispose();
  }

  private setTable(maps: Maps, order: readonly number[]): void {
    const rows = Math.max(1, Math.ceil(maps.channels / TABLE));
    const width = rows > 1 ? TABLE : maps.channels;
    const entries = new Float32Array(4 * width * rows);
    order.forEach((channel, slot) => {
      entries.set([maps.min[channel] ?? 0, maps.max[channel] ?? 0, channel, 0], 4 * slot);
    });
    this.replace("table", tableTexture(entries, width, rows), entries);
  }

  /** Puts the bytes into the texture that is there, where they fit, else takes the new one. */
  private replace(name: "atlas" | "table", texture: DataTexture, bytes: Uint8Array | Float32Array): void {
    const place = this.uniforms[name];
    const known = place.value;
    if (known instanceof DataTexture && known !== EMPTY && known.image.width === texture.image.width && known.image.height === texture.image.height) {
      (known.image as { data: Uint8Array | Float32Array }).data = bytes;
      known.needsUpdate = true;
      return;
    }
    if (known !== EMPTY) known.dispose();
    place.value = texture;
  }

  private release(): void {
    for (const place of [this.uniforms.atlas, this.uniforms.table]) {
      if (place.value !== EMPTY) place.value.dispose();
      place.value = EMPTY;
    }
  }
}

function tableTexture(entries: Float32Array, width = entries.length / 4, rows = 1): DataTexture {
  const texture = new DataTexture(entries, width, rows, RGBAFormat, FloatType);
  Object.assign(texture, { minFilter: NearestFilter, magFilter: NearestFilter, needsUpdate: true });
  return texture;
}
