/** What stands for a folded layer. */

import type { Maps } from "./maps";

/** The mean over all maps as one map with its own range. */
export function meanOf(maps: Maps): Maps {
  const { channels, height, width, pixels, min, max } = maps;
  const area = height * width;
  const sums = new Float64Array(area);
  for (let channel = 0; channel < channels; channel += 1) {
    const low = min[channel] ?? 0;
    const step = ((max[channel] ?? 0) - low) / 255;
    for (let i = 0; i < area; i += 1) sums[i] = (sums[i] ?? 0) + low + step * (pixels[channel * area + i] ?? 0);
  }
  const means = sums.map((sum) => sum / channels);
  const low = means.reduce((a, b) => Math.min(a, b), Infinity);
  const high = means.reduce((a, b) => Math.max(a, b), -Infinity);
  const bytes = Uint8Array.from(means, (mean) => (high > low ? Math.round(((mean - low) / (high - low)) * 255) : 0));
  return { channels: 1, height, width, pixels: bytes, min: Float32Array.of(low), max: Float32Array.of(high), low, high };
}
