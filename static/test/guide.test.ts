import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { calculate, EXERCISES, sideText } from "../src/data/calculator";
import { addsUp, contributions, unitUnder } from "../src/data/contributions";
import { addingUp, decimalsFor, printed } from "../src/data/ledger";
import { branchesOf, hasBias, scoringLayer, scoreUnit, shortcutOf } from "../src/data/lineage";
import { readPlace, writePlace } from "../src/data/link";
import { difference, matchLayer } from "../src/data/match";
import { fillFigures } from "../src/data/placeholders";
import { figure } from "../src/data/number";
import { mapsOf } from "../src/data/shrink";
import { extent } from "../src/data/tensors";
import { cellAt, operatorOf, patchAt, windowOf, winnerOf } from "../src/data/window";
import type { Explanation, Layer, ModelDetail, Source } from "../src/data/wire";
import { colourIndex, lutFor, USUAL_GAMMA } from "../src/draw/colour";
import { raysOf } from "../src/scene/rays";
import { exerciseOf, ownParameters, ownWords } from "../src/views/calculator";
import { limitOf } from "../src/views/matrix";
import { gammaAt, placeOf, readGamma } from "../src/views/gamma";
import { sumsOf } from "../src/views/steps";
import { unitWords } from "../src/views/words";

function layer(name: string, op: string, shape: number[], inputs: string[] = [], more: Partial<Layer> = {}): Layer {
  return {
    name, op, inputs, shape, kernel: null, stride: null, padding: null, dilation: null, groups: null, parameters: 0, nonzero: null,
    multiply_adds: 0, connections: null, receptive_field: null, formula: null, ...more,
  };
}

function explanation(op: string, sources: Source[], more: Partial<Explanation> = {}): Explanation {
  return { layer: "x", op, unit: [0], value: 0, receptive_field: { top: 0, left: 0, height: 1, width: 1 }, sources, bias: null, sum: null, activation: null, expression: "", ...more };
}

const source = (channel: number, values: number[][], weights: number[][] | null = null, top = 0, left = 0): Source => ({ layer: "in", channel, top, left, values, weights });

/** Numbers that are the same on every run. */
function random(seed: number): () => number {
  let state = seed;
  return () => ((state = (state * 1103515245 + 12345) % 2147483648) / 2147483648) * 2 - 1;
}

describe("sums that add up as printed", () => {
  it("gives the rounded total exactly, and moves no part by a unit", () => {
    for (let seed = 1; seed <= 200; seed += 1) {
      const next = random(seed);
      const parts = Array.from({ length: 1 + (seed % 97) }, () => next() * 10 ** ((seed % 7) - 3));
      const decimals = decimalsFor(parts);
      const scale = 10 ** decimals;
      const units = addingUp(parts, decimals);
      expect(units.reduce((sum, unit) => sum + unit, 0)).toBe(Math.round(parts.reduce((sum, part) => sum + part, 0) * scale));
      units.forEach((unit, index) => { expect(Math.abs(unit - (parts[index] ?? 0) * scale)).toBeLessThan(1 + 1e-6); });
    }
  });
  it("prints a true minus, no negative zero, and the largest number with four digits", () => {
    expect(printed(-1234, 3)).toBe("−1.234");
    expect(printed(-0, 2)).toBe("0.00");
    expect([decimalsFor([123.4]), decimalsFor([0.01234, -0.5]), decimalsFor([0])]).toEqual([1, 4, 2]);
  });
  it("joins sources, bias and sum of an explanation", () => {
    const told = explanation("full", [source(0, [[1]], [[0.3333]]), source(1, [[2]], [[0.3333]]), source(2, [[3]], [[-0.1111]])], { bias: 0.05, sum: 0.7166 });
    const ranked = contributions(told);
    const sums = sumsOf(told, ranked);
    expect(addsUp(told)).toBe(true);
    if (sums === null) throw new Error("it adds up");
    expect([...sums.totals.values()].reduce((a, b) => a + b, 0)).toBe(sums.products);
    expect(sums.products + (sums.bias ?? 0)).toBe(sums.sum);
    expect(printed(sums.sum, sums.decimals)).toBe("0.7166");
    expect(sumsOf(explanation("max_pool", [source(0, [[1, 2]])], { sum: null }), [])).toBeNull();
  });
});

describe("calculator", () => {
  it("gives the course's figures", () => {
    expect(EXERCISES.map((one) => { const { exact, parameters, maps } = calculate(one); return [sideText(exact), maps, parameters]; })).toEqual([
      ["5", 1, 10], ["3", 1, 10], ["2.33", 1, 10], ["7", 1, 10], ["28", 6, 456], ["32", 10, 760], ["2", 1, 0],
    ]);
    expect(EXERCISES.map((one) => calculate(one).fits)).toEqual([true, true, false, true, true, true, true]);
    expect([3, 5, 7].map((filter) => calculate({ pool: false, size: 32, depth: 1, filter, stride: 1, padding: 0, filters: 1 }).same)).toEqual([1, 2, 3]);
  });
  it("is given by a layer of square windows, and says what of the layer it does not know", () => {
    const conv = { name: "C", op: "conv", inputs: ["x"], shape: [16, 10, 10], kernel: [5, 5], stride: [1, 1], padding: [0, 0, 0, 0], dilation: [1, 1], groups: 1, parameters: 1516, table: [[0]] };
    const table = (changes: object): Layer[] => [{ name: "x", shape: [6, 14, 14], inputs: [] }, { ...conv, ...changes }] as unknown as Layer[];
    const given = (changes: object): ReturnType<typeof exerciseOf> => { const all = table(changes); return exerciseOf(all[1] as Layer, all); };
    const own = (changes: object): string | null => { const all = table(changes); const exercise = given(changes); return exercise === null ? null : ownParameters(all[1] as Layer, exercise); };
    expect(given({})).toEqual({ pool: false, size: 14, depth: 6, filter: 5, stride: 1, padding: 0, filters: 16 });
    expect(own({})).toContain("1,516: its maps read only some");
    expect(own({ parameters: 2416, table: null })).toBeNull();
    expect(own({ parameters: 2400, table: null })).toContain("without biases");
    expect(own({ op: "subsampling", kernel: [2, 2], stride: [2, 2], parameters: 12, table: null })).toContain("12: each map learns a coefficient and a bias");
    for (const other of [{ kernel: [1, 7] }, { stride: [1, 2] }, { padding: [0, 0, 1, 1] }, { dilation: [2, 2] }]) expect(given(other)).toBeNull();
  });
  it("leaves a layer its own rounding, and knows no input that is not square", () => {
    const made = (shape: number[], side: number, formula: string): [Layer, Layer] =>
      [layer("in", "relu", shape), layer("p", "max_pool", [64, side, side], ["in"], { kernel: [3, 3], stride: [2, 2], padding: [0, 0, 0, 0], formula })];
    const say = (all: [Layer, Layer]): string[] | null => { const exercise = exerciseOf(all[1], all); return exercise === null ? null : ownWords(all[1], exercise); };
    expect(say(made([64, 112, 112], 56, "ceil((112 - 3 + 2*0)/2) + 1 = 56"))).toEqual(["This layer itself: ceil((112 - 3 + 2*0)/2) + 1 = 56."]);
    expect(say(made([64, 112, 112], 55, "floor((112 - 3 + 2*0)/2) + 1 = 55"))).toEqual([]);
    expect(say(made([64, 112, 100], 56, ""))).toBeNull();
  });
  it("says what cannot be", () => {
    expect(calculate({ pool: false, size: 3, depth: 1, filter: 7, stride: 1, padding: 1, filters: 1 }).problem).toContain("larger than the padded input (5)");
    expect(calculate({ pool: false, size: NaN, depth: 1, filter: 7, stride: 1, padding: 1, filters: 1 }).problem).toContain("Whole numbers");
  });
});

describe("sliding window", () => {
  const input = Float32Array.from({ length: 32 }, (_, k) => k); // (2, 4, 4)
  it("pools the course's example", () => {
    const pool = layer("p", "max_pool", [1, 2, 2], ["in"], { kernel: [2, 2], stride: [2, 2], padding: [0, 0, 0, 0] });
    const window = windowOf(pool);
    if (window === null) throw new Error("a pool has a window");
    const example = Float32Array.from([1, 1, 2, 4, 5, 6, 7, 8, 3, 2, 1, 0, 1, 2, 3, 4]);
    const operator = operatorOf(explanation("max_pool", [source(0, [[1, 1], [5, 6]])]), pool);
    const out = [0, 1].map((y) => [0, 1].map((x) => cellAt(operator, window, example, [1, 4, 4], y, x).value));
    expect(out).toEqual([[6, 8], [3, 4]]);
  });
  it("convolves with stride, padding, dilation and an activation", () => {
    const conv = layer("c", "conv", [1, 2, 2], ["in"], { kernel: [2, 2], stride: [2, 2], padding: [1, 1, 0, 0], dilation: [2, 2] });
    const window = windowOf(conv);
    if (window === null) throw new Error("a convolution has a window");
    const kernels = [[[1, 2], [3, 4]], [[0, 0], [0, -1]]];
    const told = explanation("conv", kernels.map((kernel, channel) => source(channel, [[0, 0], [0, 0]], kernel, -1, -1)), { bias: 0.5, activation: "relu" });
    const cell = cellAt(operatorOf(told, conv), window, input, [2, 4, 4], 0, 0);
    // taps at rows -1 and 1, columns -1 and 1: only (1, 1) exists, 5 of map 0 and 21 of map 1
    expect(cell).toMatchObject({ top: -1, left: -1, count: 8, products: 4 * 5 - 21, sum: -0.5, value: 0 });
    expect(patchAt(window, input, [2, 4, 4], 1, -1, -1)).toEqual([[null, null], [null, 21]]);
    expect(unitUnder(source(0, [[0, 0], [0, 0]], null, -1, -1), [1, 1], [2, 4, 4], [2, 2])).toEqual([0, 1, 1]);
  });
  it("lets no cell outside the map win, also where all others are negative", () => {
    const pool = layer("p", "max_pool", [1, 2, 2], ["in"], { kernel: [2, 2], stride: [2, 2], padding: [1, 1, 1, 1] });
    const window = windowOf(pool);
    if (window === null) throw new Error("a pool has a window");
    const below = Float32Array.from({ length: 4 }, (_, k) => -1 - k); // (1, 2, 2)
    const patch = patchAt(window, below, [1, 2, 2], 0, -1, -1);
    expect(patch).toEqual([[null, null], [null, -1]]);
    expect(winnerOf(patch)).toEqual([1, 1]);
    expect(winnerOf([[null, -4], [-2, -3]])).toEqual([1, 0]);
    expect(cellAt(operatorOf(explanation("max_pool", [source(0, [[-1]])]), pool), window, below, [1, 2, 2], 0, 0)).toMatchObject({ count: 1, value: -1 });
  });
  it("averages what exists, and the padding where that counts; subsamples", () => {
    const pool = layer("a", "average_pool", [1, 2, 2], ["in"], { kernel: [2, 2], stride: [3, 3], padding: [1, 1, 1, 1] });
    const window = windowOf(pool);
    if (window === null) throw new Error("a pool has a window");
    const at = (top: number): number => cellAt(operatorOf(explanation("average_pool", [source(0, [[0]], null, top, top)]), pool), window, input, [2, 4, 4], 1, 1).value;
    expect([at(0), at(-1)]).toEqual([12.5, 12.5]); // rows and columns 2 and 3
    const corner = (top: number): number => cellAt(operatorOf(explanation("average_pool", [source(1, [[0]], null, top, top)]), pool), window, input, [2, 4, 4], 0, 0).value;
    expect([corner(0), corner(-1)]).toEqual([16, 4]);
    const half = layer("s", "subsampling", [1, 2, 2], ["in"], { kernel: [2, 2], stride: [2, 2], padding: [0, 0, 0, 0] });
    const operator = operatorOf(explanation("subsampling", [source(0, [[0, 1], [4, 5]], [[0.5, 0.5], [0.5, 0.5]])], { bias: 1 }), half);
    expect(cellAt(operator, window, input, [2, 4, 4], 0, 0).sum).toBe(1);
    expect(windowOf(layer("f", "full", [10]))).toBeNull();
  });
  it("looks at one cell after the other for a ReLU, which is no exercise", () => {
    const relu = layer("r", "relu", [2, 2, 2]);
    const window = windowOf(relu);
    if (window === null) throw new Error("a ReLU has a window");
    const below = new Float32Array([1, -2, 3, -4, 5, -6, 7, -8]);
    const operator = operatorOf(explanation("relu", [source(1, [[5]])], { activation: "relu" }), relu);
    const values = [0, 1, 2, 3].map((at) => cellAt(operator, window, below, [2, 2, 2], Math.floor(at / 2), at % 2).value);
    expect(values).toEqual([5, 0, 7, 0]);
    expect(windowOf(layer("v", "relu", [4]))).toBeNull();
    expect(exerciseOf(relu, [layer("r", "conv", [2, 2, 2]), relu])).toBeNull();
  });
});

describe("rays", () => {
  it("lead to the cells of a window with gaps", () => {
    const gaps = { layers: [layer("in", "input", [2, 4, 4]), layer("x", "conv", [1, 2, 3], ["in"], { dilation: [2, 1] })] };
    const rays = raysOf(explanation("conv", [source(1, [[9, 9], [2, 3]], [[9, 9], [1, -2]], -1)]), gaps);
    expect(rays.lines.map((line) => line.unit)).toEqual([[1, 1, 0], [1, 1, 1]]); // row -1 is padding, and two further is row 1
    expect(rays.windows).toEqual([{ layer: "in", channel: 1, top: -1, left: 0, height: 3, width: 2 }]);
  });
});

describe("lineage", () => {
  const block = [layer("in", "input", [4, 8, 8]), layer("a", "conv", [4, 8, 8], ["in"]), layer("b", "conv", [4, 8, 8], ["a"]), layer("sum", "add", [4, 8, 8], ["b", "in"]), layer("twin", "add", [4, 8, 8], ["a", "a"])];
  it("finds the shortcut of a sum, and none where both ways are equal", () => {
    expect(block.filter((one) => one.op === "add").map((one) => shortcutOf(one, block))).toEqual(["in", undefined]);
    const projected = [...block.slice(0, 3), layer("p", "conv", [4, 8, 8], ["in"]), layer("sum", "add", [4, 8, 8], ["b", "p"])];
    expect(shortcutOf(projected[4] ?? layer("", "", []), projected)).toBe("p");
  });
  it("counts the branches of a concatenation", () => {
    const joined = layer("j", "concat", [12, 8, 8], ["a", "b", "in"]);
    expect(branchesOf(joined, block)).toEqual([{ layer: "a", first: 0, count: 4 }, { layer: "b", first: 4, count: 4 }, { layer: "in", first: 8, count: 4 }]);
  });
  it("knows a layer without a bias by its parameters, and speaks of none", () => {
    const [below, flat] = [layer("in", "input", [4, 8, 8]), layer("v", "flatten", [256])];
    const conv = (parameters: number): Layer => layer("x", "conv", [6, 8, 8], ["in"], { kernel: [3, 3], groups: 2, parameters });
    const full = (parameters: number): Layer => layer("x", "full", [10], ["v"], { parameters });
    expect([conv(114), conv(108), full(2570), full(2560)].map((one) => hasBias(one, [below, flat]))).toEqual([true, false, true, false]);
    const say = (one: Layer): string => unitWords(explanation(one.op, [source(0, [[1, 2]], [[1, 1]])]), [below, flat, one]);
    expect([conv(114), full(2570)].map(say).every((words) => words.includes("bias"))).toBe(true);
    expect([conv(108), full(2560)].map(say).some((words) => words.includes("bias"))).toBe(false);
  });
  it("finds the scores before the softmax", () => {
    const net = [layer("in", "input", [1, 4, 4]), layer("scores", "rbf", [10], ["in"]), layer("flat", "flatten", [10], ["scores"]), layer("p", "softmax", [10], ["flat"])];
    expect(scoringLayer(net)?.name).toBe("scores");
    expect(scoreUnit(layer("x", "conv", [10, 1, 1]), 3)).toEqual([3, 0, 0]);
  });
});

describe("tour", () => {
  it("fills figures, also of layers with dots", () => {
    const model = {
      title: "Net", year: 1998, parameters: 60000, multiply_adds: 1.5e9, units: 6508, labels: ["a", "b"],
      layers: [layer("a.3x3", "conv", [6, 28, 28], ["in"], { kernel: [5, 5], stride: [2, 2], padding: [1, 1, 1, 1], parameters: 156, receptive_field: [5, 5], formula: "f" })],
    } as unknown as ModelDetail;
    expect(fillFigures("{a.3x3.shape}; {a.3x3.kernel}; {a.3x3.stride}; {a.3x3.padding}; {model.parameters}; {model.multiply_adds}", model)).toBe("6 × 28 × 28; 5×5; 2; 1; 60,000; 1.5 billion");
    expect(() => fillFigures("{a.colour}", model)).toThrow("{a.colour}");
  });
  it("knows every figure that the service allows", () => {
    const allowed = readFileSync(new URL("../../app/tour.py", import.meta.url), "utf8");
    const named = (name: string): string[] => [...(new RegExp(`${name} = \\((.*?)\\)\\n(?=MODEL|\\n)`, "s").exec(allowed)?.[1] ?? "").matchAll(/"(\w+)"/g)].map((match) => match[1] ?? "");
    const model = { title: "", year: 1, parameters: 1, multiply_adds: 1, units: 1, labels: [], layers: [layer("a", "conv", [1, 1, 1])] } as unknown as ModelDetail;
    const [figures, wholes] = [named("LAYER_FIGURES"), named("MODEL_FIGURES")];
    expect(figures.length).toBeGreaterThan(10);
    expect(wholes.length).toBeGreaterThan(5);
    for (const figure of figures) expect(() => fillFigures(`{a.${figure}}`, model)).not.toThrow();
    for (const figure of wholes) expect(() => fillFigures(`{model.${figure}}`, model)).not.toThrow();
  });
});

describe("comparing", () => {
  const own = [layer("in", "input", [3, 8, 8]), layer("c1", "conv", [4, 8, 8]), layer("c2", "conv", [8, 4, 4])];
  const others = [layer("x", "input", [3, 8, 8]), layer("y", "conv", [4, 8, 8]), layer("c2", "conv", [9, 2, 2]), layer("z", "relu", [8, 4, 4])];
  it("matches by name, then shape, then operator", () => {
    expect(own.map((one) => matchLayer(one, own, others)?.name)).toEqual(["x", "y", "c2"]);
    expect(matchLayer(own[2] ?? layer("", "", []), own, others.filter((one) => one.name !== "c2"))?.name).toBe("z");
  });
  it("measures a difference", () => {
    const found = difference(Float32Array.of(1, 2, 3), Float32Array.of(2, 4, 6));
    expect([...found.values]).toEqual([-1, -2, -3]);
    expect([found.mean, found.largest, found.correlation]).toEqual([2, 3, expect.closeTo(1, 12)]);
    expect(difference(Float32Array.of(1, 1), Float32Array.of(1, 2)).correlation).toBeNaN();
  });
  it("leaves out what is not finite, as the service does", async () => {
    const maps = await mapsOf(new Float32Array([NaN, 1, 5, Infinity, NaN, NaN, -Infinity, NaN]), [2, 2, 2], 8);
    expect([...maps.min]).toEqual([1, 0]);
    expect([...maps.max]).toEqual([5, 0]);
    expect([...maps.pixels]).toEqual([0, 0, 255, 0, 0, 0, 0, 0]); // NaN and infinity count as 0, below the range
    expect(extent(new Float32Array([NaN, 2, -Infinity, -3]))).toEqual([-3, 2]);
    expect(extent(new Float32Array([NaN]))).toEqual([0, 0]);
    expect([figure(NaN), figure(Infinity), limitOf([[null, NaN, -2]]), limitOf([[0, null]])]).toEqual(["not finite", "not finite", 2, 0]);
  });
  it("shrinks exact maps by area mean and keeps their ends", async () => {
    const maps = await mapsOf(Float32Array.from({ length: 16 }, (_, k) => k), [1, 4, 4], 2);
    expect([maps.height, maps.width, maps.low, maps.high]).toEqual([2, 2, 0, 15]);
    expect([...maps.pixels]).toEqual([2.5, 4.5, 10.5, 12.5].map((mean) => Math.round((mean / 15) * 255)));
    expect([...(await mapsOf(Float32Array.of(3, 3), [2], 8)).pixels]).toEqual([0, 0]);
  });
});

describe("gamma", () => {
  it("bends the colours on both sides of zero, and keeps the ends and the middle", () => {
    const [plain, bent] = [lutFor("signed", "dark"), lutFor("signed", "dark", 0.5)];
    expect([bent[0], bent[255]]).toEqual([plain[0], plain[255]]);
    expect(bent[colourIndex(0.25, -1, 1)]).toBe(plain[colourIndex(0.5, -1, 1)]);
    expect(bent[colourIndex(-0.25, -1, 1)]).toBe(plain[colourIndex(-0.5, -1, 1)]);
    expect(lutFor("layer", "dark", 2)[colourIndex(0.5, 0, 1)]).toBe(lutFor("layer", "dark")[colourIndex(0.25, 0, 1)]);
  });
  it("slides evenly in ratio and survives the link", () => {
    expect([gammaAt(0), gammaAt(10), gammaAt(20)]).toEqual([0.33, 1, 3]);
    for (let place = 0; place <= 20; place += 1) expect(placeOf(gammaAt(place))).toBeCloseTo(place);
    expect([readGamma(undefined), readGamma("0.5"), readGamma("-3"), readGamma("x")]).toEqual([USUAL_GAMMA, 0.5, USUAL_GAMMA, USUAL_GAMMA]);
    const place = { model: "m", gamma: "0.5", panel: "window", tour: "3", with: "n", withSample: "digit-3" };
    expect(readPlace(writePlace(place))).toEqual(place);
  });
});
