/** The samples of this page by name: ten digits as strokes, and scenes. */

import { digitStrokes } from "./digits";
import type { Point } from "./drawing";

export type Sample =
  | { kind: "digit"; name: string; title: string; strokes: () => Point[][] }
  | { kind: "scene"; name: string; title: string };

const DIGITS: readonly Sample[] = Array.from({ length: 10 }, (_, digit) => ({
  kind: "digit", name: `digit-${digit}`, title: `Digit ${digit}`, strokes: () => digitStrokes(digit),
}));

/** Names that scenes.ts paints by. */
const SCENES: readonly Sample[] = [
  { kind: "scene", name: "church", title: "Church" },
  { kind: "scene", name: "golf-ball", title: "Golf ball" },
  { kind: "scene", name: "parachute", title: "Parachute" },
  { kind: "scene", name: "gas-pump", title: "Gas pump" },
  { kind: "scene", name: "fish", title: "Fish" },
  { kind: "scene", name: "cassette-player", title: "Cassette player" },
];

export const SAMPLES: readonly Sample[] = [...DIGITS, ...SCENES];

export function sampleNamed(name: string | undefined): Sample | undefined {
  return SAMPLES.find((sample) => sample.name === name);
}

/** What a network is shown: the sample of that name where it suits, or where the link `asks` for it; else a digit for one channel, a scene for colours. */
export function sampleFor(channels: number, name: string | undefined, asks: boolean): Sample | undefined {
  const named = sampleNamed(name);
  if (named !== undefined && (asks || (named.kind === "digit") === (channels === 1))) return named;
  return sampleNamed(channels === 1 ? "digit-7" : SCENES[0]?.name);
}
