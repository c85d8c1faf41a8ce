/** Sums that add up as they are printed: every line is rounded so that the lines give the rounded total exactly. */

/** Decimals with which the largest of the numbers has four significant digits; 0 to 8. */
export function decimalsFor(numbers: readonly number[]): number {
  const largest = numbers.reduce((most, number) => Math.max(most, Math.abs(number)), 0);
  if (!(largest > 0) || !Number.isFinite(largest)) return 2;
  return Math.min(Math.max(3 - Math.floor(Math.log10(largest)), 0), 8);
}

/** Each part in whole units of 10^-decimals, so that they sum to the rounded `total` (the parts' sum, if left out).
 *
 * The method of largest remainders: round down, then give the missing units to the parts that lost most. No part moves
 * by a whole unit while `total` is the parts' own sum.
 */
export function addingUp(parts: readonly number[], decimals: number, total?: number): number[] {
  const scale = 10 ** decimals;
  const units = parts.map((part) => Math.floor(part * scale));
  const wanted = Math.round((total ?? parts.reduce((sum, part) => sum + part, 0)) * scale);
  let missing = wanted - units.reduce((sum, unit) => sum + unit, 0);
  const order = parts.map((part, index) => ({ index, lost: part * scale - (units[index] ?? 0) })).sort((a, b) => b.lost - a.lost);
  for (let at = 0; missing !== 0 && order.length > 0; at = (at + 1) % order.length) {
    const one = missing > 0 ? order[at] : order[order.length - 1 - at];
    if (one === undefined) break;
    units[one.index] = (units[one.index] ?? 0) + Math.sign(missing);
    missing -= Math.sign(missing);
  }
  return units;
}

/** Whole units as a decimal number with a true minus sign. */
export function printed(units: number, decimals: number): string {
  return (units / 10 ** decimals).toFixed(decimals).replace(/^-(0\.?0*)$/, "$1").replace("-", "\u2212");
}
