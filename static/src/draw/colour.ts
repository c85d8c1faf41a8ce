/** Colours that mean something: which range a map is drawn over, and the 256 colours of that range. */

import { interpolateViridis } from "d3-scale-chromatic";

export type Scale = "signed" | "layer" | "map";
export type Theme = "dark" | "light";

/** 256 colours as little-endian RGBA words, as canvas image data has them on every current machine. */
export type Lut = Uint32Array;

type Rgb = readonly [number, number, number];

/** Blue below zero, orange above: told apart by every common kind of colour blindness. Zero is the ground's tone. */
const SIGNED: Record<Theme, readonly Rgb[]> = {
  dark: [[150, 214, 255], [66, 150, 232], [30, 78, 138], [22, 27, 34], [140, 74, 20], [238, 138, 42], [255, 220, 150]],
  light: [[8, 48, 107], [43, 116, 186], [158, 202, 232], [250, 250, 248], [253, 190, 130], [217, 95, 14], [127, 39, 4]],
};

function word(red: number, green: number, blue: number): number {
  return ((255 << 24) | (blue << 16) | (green << 8) | red) >>> 0;
}

/** 256 colours through the stops, evenly spaced. */
export function gradient(stops: readonly Rgb[]): Lut {
  return Uint32Array.from({ length: 256 }, (_, index) => {
    const at = (index / 255) * (stops.length - 1);
    const from = Math.min(Math.floor(at), stops.length - 2);
    const mix = (k: 0 | 1 | 2): number => {
      const a = stops[from]?.[k] ?? 0;
      return Math.round(a + (at - from) * ((stops[from + 1]?.[k] ?? 0) - a));
    };
    return word(mix(0), mix(1), mix(2));
  });
}

function viridis(): Lut {
  return Uint32Array.from({ length: 256 }, (_, index) => {
    const [red = 0, green = 0, blue = 0] = channelsOf(interpolateViridis(index / 255));
    return word(red, green, blue);
  });
}

/** Red, green and blue of `#rrggbb` or `rgb(r, g, b)`. */
function channelsOf(colour: string): number[] {
  const hex = /^#(..)(..)(..)$/.exec(colour);
  return hex ? hex.slice(1).map((part) => parseInt(part, 16)) : (colour.match(/\d+/g) ?? []).map(Number);
}

const VIRIDIS = viridis();
const DIVERGING: Record<Theme, Lut> = { dark: gradient(SIGNED.dark), light: gradient(SIGNED.light) };

/** The gamma to begin with: a layer's few strongest cells leave most of it near zero, where 1 shows little but ground. */
export const USUAL_GAMMA = 0.64;

/** The colours of a scale; a gamma under 1 brings out what is small, one above 1 what is large. */
export function lutFor(scale: Scale, theme: Theme, gamma = 1): Lut {
  const lut = scale === "signed" ? DIVERGING[theme] : VIRIDIS;
  if (gamma === 1) return lut;
  const key = `${scale} ${theme} ${gamma}`;
  const known = BENT.get(key);
  if (known !== undefined) return known;
  const bent = bend(lut, gamma, scale === "signed");
  if (BENT.size > 64) BENT.clear();
  BENT.set(key, bent);
  return bent;
}

const BENT = new Map<string, Lut>();

/** The colours taken at level^gamma; of a signed scale on both sides of its middle. */
function bend(lut: Lut, gamma: number, signed: boolean): Lut {
  return Uint32Array.from({ length: 256 }, (_, index) => {
    const level = index / 255;
    const away = 2 * level - 1;
    const at = signed ? (1 + Math.sign(away) * Math.abs(away) ** gamma) / 2 : level ** gamma;
    return lut[Math.round(at * 255)] ?? 0;
  });
}

/** The values at both ends of the colours, for a map (`min`, `max`) of a layer (`low`, `high`).
 *
 * A map of one value, such as a unit of a full layer, has no range of its own: the layer's says more.
 */
export function rangeFor(scale: Scale, low: number, high: number, min: number, max: number): [from: number, to: number] {
  if (scale === "map" && max > min) return [min, max];
  if (scale !== "signed") return [low, high];
  const limit = Math.max(Math.abs(low), Math.abs(high));
  return [-limit, limit];
}

/** Index of the colour of `value`, 0 to 255; of an empty range the first, or zero's where the range is signed. */
export function colourIndex(value: number, from: number, to: number): number {
  if (!(to > from)) return Object.is(from, -0) ? 127 : 0;
  const index = Math.round(((value - from) / (to - from)) * 255);
  return index < 0 ? 0 : index > 255 ? 255 : index;
}

/** CSS colour of a value, and black or white for text on it: the one of the two with more contrast, always above 4.5. */
export function cssColour(lut: Lut, value: number, from: number, to: number): { background: string; ink: string } {
  const rgba = lut[colourIndex(value, from, to)] ?? 0;
  const [red, green, blue] = [rgba & 255, (rgba >> 8) & 255, (rgba >> 16) & 255];
  const luminance = (0.2126 * linear(red)) + (0.7152 * linear(green)) + (0.0722 * linear(blue));
  return { background: `rgb(${red}, ${green}, ${blue})`, ink: luminance > 0.179 ? "#000000" : "#ffffff" };
}

/** Linear light of an sRGB channel (WCAG 2, relative luminance). */
function linear(channel: number): number {
  const c = channel / 255;
  return c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
}
