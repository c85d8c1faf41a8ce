/** What weights can do, from what the server says of them. */

import type { WeightsInfo } from "./wire";

/** Whether there are numbers to run, now or as soon as the server has unpacked them. */
export function canRun(weights: WeightsInfo): boolean {
  return weights.ready || (weights.bundled && weights.id !== "structure"); // the contract's name for shapes without numbers
}
