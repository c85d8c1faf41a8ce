import { describe, expect, it } from "vitest";
import type { Api } from "../src/data/api";
import { firstTile, Loader, partsOf } from "../src/data/loader";
import type { Layer, Run } from "../src/data/wire";
import { Busy } from "../src/input/busy";
import { lighting } from "../src/scene/lighting";

/** A safetensors file of grey maps, all alike. */
function overviewOf(layers: readonly Layer[], side: number): ArrayBuffer {
  const header: Record<string, unknown> = {};
  let end = 0;
  const add = (name: string, dtype: string, shape: number[], bytes: number): void => {
    header[name] = { dtype, shape, data_offsets: [end, end + bytes] };
    end += bytes;
  };
  for (const { name, shape } of layers) {
    const [channels = 1] = shape;
    add(name, "U8", [channels, side, side], channels * side * side);
    add(`${name}.min`, "F32", [channels], 4 * channels);
    add(`${name}.max`, "F32", [channels], 4 * channels);
  }
  const text = JSON.stringify(header);
  const head = new TextEncoder().encode(text.padEnd(Math.ceil(text.length / 8) * 8));
  const file = new Uint8Array(8 + head.length + end);
  new DataView(file.buffer).setBigUint64(0, BigInt(head.length), true);
  file.set(head, 8);
  return file.buffer;
}

const layers = Array.from({ length: 40 }, (_, index) => ({ name: `L${index}`, shape: [64, 28, 28] })) as unknown as Layer[];

describe("a run's maps", () => {
  it("come in order, with three answers under way and no more", async () => {
    let underWay = 0;
    let most = 0;
    const api = {
      overview: async (_run: string, tile: number, names: readonly string[]) => {
        underWay += 1;
        most = Math.max(most, underWay);
        // the first asked for is the last to come, as when it has the largest maps
        await new Promise((resolve) => { setTimeout(resolve, names.includes("L0") ? 30 : 1); });
        underWay -= 1;
        return overviewOf(layers.filter((layer) => names.includes(layer.name)), Math.min(tile, 28));
      },
    } as unknown as Api;
    const arrived: string[] = [];
    const loader = new Loader(api, (name) => { arrived.push(name); });
    expect(partsOf(layers, firstTile(layers)).length).toBeGreaterThan(4);
    await loader.load({ id: "run" } as Run, layers);
    expect(arrived).toEqual(layers.map((layer) => layer.name));
    expect(most).toBe(3);
  });
});

describe("lighting up", () => {
  it("begins with the first layer and has the last one lit after 1.3 seconds, however many there are", () => {
    for (const count of [1, 11, 90]) {
      expect(lighting(0, count).at(0.5)).toBeGreaterThan(0);
      const last = lighting(count - 1, count);
      expect(last.duration).toBeLessThanOrEqual(380 + 900);
      expect(last.at(0)).toBe(0);
      expect(last.at(1)).toBeCloseTo(1);
    }
  });
});

describe("busy", () => {
  it("is said until the last of all tasks has ended, also in failure", async () => {
    const element = { dataset: {} as Record<string, string> };
    const busy = new Busy(element as unknown as HTMLElement);
    let end = (): void => undefined;
    const long = busy.during(() => new Promise((resolve) => { end = resolve; }));
    await expect(busy.during(() => Promise.reject(new Error("no")))).rejects.toThrow("no");
    expect(element.dataset["busy"]).toBe("true");
    end();
    await long;
    expect(element.dataset["busy"]).toBe("false");
  });
});
