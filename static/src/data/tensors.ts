/** Exact tensors, the last few only: a layer can be many megabytes. */

import type { Api } from "./api";
import { parseNpy } from "./npy";
import type { Tensor } from "./safetensors";

const KEPT = 4;

export class Tensors {
  private readonly kept = new Map<string, Promise<Tensor<Float32Array>>>();
  private readonly api: Api;

  constructor(api: Api) {
    this.api = api;
  }

  /** The activations of a layer of a run, (C, H, W) or (N); a failure is not kept. */
  get(run: string, layer: string): Promise<Tensor<Float32Array>> {
    const key = `${run}/${layer}`;
    const known = this.kept.get(key);
    this.kept.delete(key);
    const loading = known ?? this.api.tensor(run, layer).then(parseNpy);
    loading.catch(() => this.kept.delete(key));
    this.kept.set(key, loading); // the newest stands last
    const oldest = this.kept.keys().next();
    if (this.kept.size > KEPT && oldest.done !== true) this.kept.delete(oldest.value);
    return loading;
  }
}

/** Smallest and largest finite number, as the service has them; 0 to 0 where none is finite. */
export function extent(values: Float32Array): [low: number, high: number] {
  let [low, high] = [Infinity, -Infinity];
  for (const value of values) {
    if (value < low && value !== -Infinity) low = value;
    if (value > high && value !== Infinity) high = value;
  }
  return low <= high ? [low, high] : [0, 0];
}
