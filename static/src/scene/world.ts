/** Where the plates of a network stand now: folded, hidden, and on their way from one arrangement to the next. */

import { sizeOf } from "../data/maps";
import type { ModelDetail } from "../data/wire";
import { layoutLinks, type Link } from "../layout/links";
import { layoutPlates, widthFor, type Plate, type Spec } from "../layout/plates";
import type { Edges } from "../layout/ranks";

/** The picture as the network saw it, in front of an input of several channels. A name that no layer can have. */
export const PICTURE = "/picture";

export class World {
  readonly folded = new Set<string>();
  readonly hidden = new Set<string>();
  /** Channels by slot of the tiles, by layer. */
  readonly orders = new Map<string, readonly number[]>();
  plates: Plate[] = [];
  links: Link[] = [];
  across = 1;
  private readonly specs: Spec[];
  private readonly edges: Edges;
  private readonly byName = new Map<string, Plate>();
  private from = new Map<string, Plate>();
  private to: Plate[] = [];

  constructor(model: ModelDetail, aspect: number) {
    this.specs = model.layers.map((layer) => {
      const [channels, height, width] = sizeOf(layer);
      return { name: layer.name, channels, height, width };
    });
    this.edges = model.edges;
    const [input] = this.specs;
    if (input !== undefined && input.channels > 1) {
      this.specs.unshift({ ...input, name: PICTURE, channels: 1 });
      this.edges = [[PICTURE, input.name], ...model.edges];
    }
    for (const spec of this.specs) this.orders.set(spec.name, Array.from({ length: spec.channels }, (_, channel) => channel));
    this.across = widthFor(this.specs, this.edges, aspect);
    this.arrange();
    this.settle(1);
  }

  get names(): string[] {
    return this.specs.map((spec) => spec.name);
  }

  plate(name: string): Plate | undefined {
    return this.byName.get(name);
  }

  /** Where a layer will stand when everything has come to rest. */
  target(name: string): Plate | undefined {
    return this.to.find((plate) => plate.name === name);
  }

  /** Where all layers will stand. */
  get resting(): readonly Plate[] {
    return this.to;
  }

  /** The plate on which a receptive field is drawn: the picture, or else the input layer. */
  get ground(): Plate | undefined {
    return this.plates[0];
  }

  /** The slot in which a channel is drawn; 0 where the layer is folded. */
  slotOf(name: string, channel: number): number {
    if (this.folded.has(name)) return 0;
    const order = this.orders.get(name);
    return order?.[channel] === channel ? channel : Math.max(order?.indexOf(channel) ?? 0, 0);
  }

  channelAt(name: string, slot: number): number {
    return this.orders.get(name)?.[slot] ?? slot;
  }

  /** Works out where everything belongs; `settle` moves it there. */
  arrange(): void {
    this.from = new Map(this.byName);
    this.to = layoutPlates(this.specs, this.edges, this, this.across);
  }

  /** Stands the plates at `t` (0 to 1) of the way to where they belong. */
  settle(t: number): void {
    this.plates = this.to.map((plate) => this.on(plate, t));
    this.byName.clear();
    for (const plate of this.plates) this.byName.set(plate.name, plate);
    this.links = layoutLinks(this.plates, this.edges);
  }

  private on(to: Plate, t: number): Plate {
    if (t >= 1) return to;
    const from = this.from.get(to.name) ?? { ...to, deep: 0.01, wide: 0.01 };
    const mix = (a: number, b: number): number => a + (b - a) * t;
    const wide = mix(from.wide, to.wide);
    const deep = mix(from.deep, to.deep);
    const [x, z] = [wide / to.wide, deep / to.deep];
    const even = Math.min(x, z);
    return {
      ...to, x: mix(from.x, to.x), y: mix(from.y, to.y), z: mix(from.z, to.z),
      wide: to.wide * even, deep: to.deep * even, margin: to.margin * even, gap: to.gap * even, tileWide: to.tileWide * even, tileDeep: to.tileDeep * even,
    };
  }
}
