import type { Pose } from "../data/pose";

export type { Pose };

/** What the rest of the page may ask of the scene. */
export interface Stage {
  /** To a layer or one of its maps in 200 to 400 ms; at once with prefers-reduced-motion. */
  fly(layer: string, channel?: number, beside?: readonly string[]): void;
  /** The whole network in view. */
  overview(): void;
  /** The other layers step back; [] ends it. */
  emphasise(layers: readonly string[]): void;
  pose(): Pose;
  setPose(pose: Pose, animate: boolean): void;
  /** PNG of the view. */
  picture(): Promise<Blob>;
}
