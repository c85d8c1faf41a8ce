/** The samples of this page by name: ten digits as strokes, and scenes. */

import { digitStrokes } from "./digits";
import type { Point } from "./drawing";
import { SCENES, type Scene } from "./scenes";

export type Sample =
  | { kind: "digit"; name: string; title: string; strokes: Point[][] }
  | { kind: "scene"; name: string; title: string; scene: Scene };

const DIGITS: readonly Sample[] = Array.from({ length: 10 }, (_, digit) => ({
  kind: "digit", name: `digit-${digit}`, title: `Digit ${digit}`, strokes: digitStrokes(digit),
}));

export const SAMPLES: readonly Sample[] = [
  ...DIGITS,
  ...SCENES.map((scene): Sample => ({ kind: "scene", name: scene.name, title: scene.title, scene })),
];

export function sampleNamed(name: string | undefined): Sample | undefined {
  return SAMPLES.find((sample) => sample.name === name);
}

/** What a page opens with: a digit for a network of one channel, a scene for one of colours. */
export function firstSample(channels: number): Sample | undefined {
  return sampleNamed(channels === 1 ? "digit-7" : SCENES[0]?.name);
}
