import { afterEach, describe, expect, it, vi } from "vitest";
import { Api, type Picture } from "../src/data/api";
import { firstTile, Loader, partsOf } from "../src/data/loader";
import type { Layer, ModelDetail, Run, WeightsInfo } from "../src/data/wire";
import { Busy } from "../src/input/busy";
import { Runner } from "../src/input/runner";
import { lighting } from "../src/scene/lighting";

afterEach(() => { vi.unstubAllGlobals(); });

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
  it("is said to be slow after a moment, and no longer than it is", async () => {
    vi.useFakeTimers();
    const element = { dataset: {} as Record<string, string> };
    const busy = new Busy(element as unknown as HTMLElement);
    await busy.during(() => Promise.resolve());
    vi.advanceTimersByTime(5000);
    expect(element.dataset["slow"]).toBeUndefined();
    let end = (): void => undefined;
    const long = busy.during(() => new Promise((resolve) => { end = resolve; }));
    vi.advanceTimersByTime(5000);
    expect(element.dataset["slow"]).toBe("true");
    end();
    await long;
    expect(element.dataset["slow"]).toBeUndefined();
    vi.useRealTimers();
  });
});

describe("an answer", () => {
  const api = new Api("");
  it("that breaks off within its body is a server that does not answer", async () => {
    const broken = { ok: true, json: () => Promise.reject(new TypeError("network error")), arrayBuffer: () => Promise.reject(new TypeError("network error")) };
    vi.stubGlobal("fetch", () => Promise.resolve(broken));
    await expect(api.run("a")).rejects.toMatchObject({ name: "Problem", status: 0 });
    await expect(api.tensor("a", "b")).rejects.toMatchObject({ name: "Problem", status: 0 });
  });
  it("that was given up is no problem", async () => {
    const given = new AbortController();
    given.abort();
    vi.stubGlobal("fetch", () => Promise.reject(new DOMException("given up", "AbortError")));
    await expect(api.saliency("a", "cam", 0, given.signal)).rejects.toMatchObject({ name: "AbortError" });
  });
  it("has NaN where JSON has null for a number", async () => {
    const told = { value: null, bias: null, sources: [{ values: [[1, null]], weights: null }, { values: [[0]], weights: [[null]] }] };
    vi.stubGlobal("fetch", () => Promise.resolve(new Response(JSON.stringify(told))));
    const explanation = await api.explanation("a", "b", [0]);
    expect(explanation.value).toBeNaN();
    expect(explanation.bias).toBeNull();
    expect(explanation.sources.map(({ values, weights }) => [values, weights])).toEqual([[[[1, NaN]], null], [[[0]], [[NaN]]]]);
  });
});

describe("a picture on its way", () => {
  const model = { id: "m" } as ModelDetail;
  const weights = { id: "w" } as WeightsInfo;
  function setUp(): { runner: Runner; sent: AbortSignal[]; answer: (() => void)[]; shown: string[]; said: unknown[] } {
    const [sent, answer, shown, said]: [AbortSignal[], (() => void)[], string[], unknown[]] = [[], [], [], []];
    const api = {
      createRun: (_model: string, _weights: string, _image: unknown, _precision: string, signal: AbortSignal) => new Promise((resolve, reject) => {
        const id = `run ${sent.push(signal)}`;
        answer.push(() => { resolve({ id }); });
        signal.addEventListener("abort", () => { reject(new DOMException("given up", "AbortError")); });
      }),
    } as unknown as Api;
    vi.stubGlobal("document", { body: { dataset: {} } });
    const runner = new Runner(api, {
      served: () => ({ model, weights }), precision: () => "fp32", answered: (run) => { shown.push(run.id); },
      show: () => Promise.resolve(), said: (error) => { if (error !== null) said.push(error); },
    });
    return { runner, sent, answer, shown, said };
  }
  const picture = (): Promise<Picture> => Promise.resolve(new Uint8Array());
  const soon = (): Promise<void> => new Promise((resolve) => { setTimeout(resolve, 5); });

  it("gives way to a newer one at once", async () => {
    const { runner, sent, answer, shown, said } = setUp();
    runner.start({ picture, accepted: () => { throw new Error("never"); } });
    await soon();
    runner.start({ picture });
    await soon();
    expect(sent.map((signal) => signal.aborted)).toEqual([true, false]);
    answer[1]?.();
    await soon();
    expect([shown, said]).toEqual([["run 2"], []]);
  });
  it("is answered where it is a drawing, whose lines follow each other quickly", async () => {
    const { runner, sent, answer, shown } = setUp();
    runner.start({ picture, blank: false });
    await soon();
    runner.start({ picture, blank: false });
    await soon();
    expect(sent.map((signal) => signal.aborted)).toEqual([false]);
    answer[0]?.();
    await soon();
    answer[1]?.();
    await soon();
    expect(shown).toEqual(["run 1", "run 2"]);
  });
});
