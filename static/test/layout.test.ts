import { crosses, evenly, overlaps, spread, within } from "../src/layout/labels";
import { describe, expect, it } from "vitest";
import { colourIndex, cssColour, lutFor, rangeFor } from "../src/draw/colour";
import { contributions, strongestCell, unitUnder } from "../src/data/contributions";
import { brief, figure } from "../src/data/number";
import type { Explanation, Source } from "../src/data/wire";
import { digitStrokes } from "../src/input/digits";
import { Drawing, partOf } from "../src/input/drawing";
import { Latest } from "../src/input/latest";
import { layoutRail } from "../src/layout/rail";
import { hitTile, layoutTiles, stepTile, tileAt, uprightShape } from "../src/layout/tiles";

const layers = (names: string, sum = ""): { name: string; op: string }[] => names.split("").map((name) => ({ name, op: name === sum ? "add" : "conv" }));
const edges = (text: string): [string, string][] => text.split(" ").map((pair) => [pair.charAt(0), pair.charAt(1)]);

describe("names", () => {
  it("keep their distance and stay as near as they can, inside the room", () => {
    expect(spread([10, 60, 90], 17, 0, 200)).toEqual([10, 60, 90]); // room enough
    expect(spread([50, 50, 50], 10, 0, 200)).toEqual([40, 50, 60]); // around where they belong
    expect(spread([1, 2, 3, 150], 20, 0, 200)).toEqual([0, 20, 40, 150]); // pushed in from the edge
    const many = spread(Array.from({ length: 10 }, (_, k) => 180 + k), 17, 0, 190);
    expect(many.at(-1)).toBeCloseTo(190);
    for (const [index, place] of many.entries()) if (index > 0) expect(place - (many[index - 1] ?? 0)).toBeGreaterThanOrEqual(16.99);
    const tight = spread([5, 6, 7, 8, 9], 17, 0, 40); // four gaps of 17 do not fit: they share the room
    expect(tight).toEqual([0, 10, 20, 30, 40]);
    expect(spread([], 17, 0, 40)).toEqual([]);
  });
  it("are thinned evenly, and all there in the end", () => {
    for (const count of [0, 1, 2, 7, 93]) expect([...evenly(count)].sort((a, b) => a - b)).toEqual(Array.from({ length: count }, (_, k) => k));
    expect(evenly(93).slice(0, 5)).toEqual([0, 92, 46, 23, 69]);
  });
  it("see a line that crosses them, and one that passes by", () => {
    const box = [10, 10, 30, 20] as const;
    expect(crosses([[0, 0], [40, 30]], box)).toBe(true); // no corner of either lies in the other
    expect(crosses([[0, 0], [5, 40], [12, 15]], box)).toBe(true);
    expect(crosses([[20, 0], [20, 9]], box)).toBe(false);
    expect(crosses([[0, 15], [0, 18]], box)).toBe(false);
    expect(crosses([[20, 15]], box)).toBe(false); // a point is no line
    expect(overlaps(box, [29, 19, 50, 50])).toBe(true);
    expect(overlaps(box, [30, 10, 50, 20])).toBe(false);
    expect(within([10, 10, 30, 21], box)).toBe(false);
  });
});

describe("rail", () => {
  it("draws a chain as one straight line", () => {
    const rail = layoutRail(layers("abcd"), edges("ab bc cd"));
    expect(rail.lanes).toBe(1);
    expect(rail.rows.map((row) => row.lane)).toEqual([0, 0, 0, 0]);
  });
  it("lays branches side by side and joins them", () => {
    const rail = layoutRail(layers("abcdef"), edges("ab ac ad be ce de ef"));
    expect(rail.rows[0]?.outgoing).toHaveLength(3);
    expect(new Set(rail.rows[0]?.outgoing.map((wire) => wire.lane)).size).toBe(3);
    expect(rail.rows[4]?.incoming).toHaveLength(3);
    expect(rail.rows[5]?.lane).toBe(0);
  });
  it("marks a shortcut, and only it", () => {
    const rail = layoutRail(layers("abcd", "d"), edges("ab bc cd ad"));
    expect(rail.rows[0]?.outgoing.map((wire) => wire.shortcut)).toEqual([false, true]);
    expect(rail.rows[1]?.passing).toEqual([{ lane: 1, shortcut: true }]);
  });
  it("keeps every wire in one lane from row to row", () => {
    const rail = layoutRail(layers("abcdefgh", "g"), edges("ab ac bd ce df ef fg ag gh"));
    rail.rows.slice(1).forEach((row, index) => {
      const above = rail.rows[index];
      const leaving = [...(above?.outgoing ?? []), ...(above?.passing ?? [])].map((wire) => wire.lane).sort();
      expect([...row.incoming, ...row.passing].map((wire) => wire.lane).sort()).toEqual(leaving);
      expect(new Set(leaving).size).toBe(leaving.length);
    });
  });
});

describe("tiles", () => {
  it("fits the width, and finds every tile again", () => {
    for (const [channels, side, width] of [[6, 28, 900], [512, 14, 900], [4096, 1, 300], [3, 224, 320]] as const) {
      const grid = layoutTiles(channels, side, side, width);
      expect(grid.width).toBeLessThanOrEqual(width);
      expect(grid.rows * grid.columns).toBeGreaterThanOrEqual(channels);
      for (const index of [0, Math.floor(channels / 2), channels - 1]) {
        const [left, top] = tileAt(grid, index);
        expect(hitTile(grid, channels, left + grid.tileWidth / 2, top + grid.tileHeight / 2)).toEqual({ index, across: 0.5, down: 0.5 });
      }
    }
  });
  it("enlarges small maps by whole factors and keeps their proportions", () => {
    const grid = layoutTiles(16, 5, 10, 900);
    expect(grid.tileWidth % 10).toBe(0);
    expect(grid.tileWidth).toBe(2 * grid.tileHeight);
  });
  it("finds nothing in a gap, and steps by keys inside the grid", () => {
    const grid = layoutTiles(10, 8, 8, 400);
    expect(hitTile(grid, 10, grid.tileWidth + 1, 4)).toBeNull();
    expect(stepTile(grid, 10, 0, "ArrowLeft")).toBe(0);
    expect(stepTile(grid, 10, 0, "ArrowRight")).toBe(1);
    expect(stepTile(grid, 10, 0, "End")).toBe(9);
  });
  it("stands a code upright", () => {
    expect(uprightShape(84)).toEqual([12, 7]);
    expect(uprightShape(7)).toEqual([1, 7]);
  });
});

describe("colours", () => {
  it("puts zero in the middle of the signed scale", () => {
    const [from, to] = rangeFor("signed", -1, 3, 0, 0);
    expect([from, to]).toEqual([-3, 3]);
    expect(Math.abs(colourIndex(0, from, to) - 127.5)).toBeLessThan(1);
    expect(rangeFor("layer", -1, 3, 0, 1)).toEqual([-1, 3]);
    expect(rangeFor("map", -1, 3, 0, 1)).toEqual([0, 1]);
  });
  it("keeps within the table, also for a flat map", () => {
    expect(colourIndex(9, 0, 1)).toBe(255);
    expect(colourIndex(-9, 0, 1)).toBe(0);
    expect(colourIndex(5, 5, 5)).toBe(0);
    expect(colourIndex(0, ...rangeFor("signed", 0, 0, 0, 0))).toBe(127);
  });
  it("shows a map of one value by its layer's range", () => {
    expect(rangeFor("map", -1, 3, 2, 2)).toEqual([-1, 3]);
    expect(rangeFor("signed", -1, 3, 2, 2)).toEqual([-3, 3]);
  });
  it("has 256 opaque colours, viridis from dark to light", () => {
    for (const theme of ["dark", "light"] as const) {
      const lut = lutFor("signed", theme);
      expect(lut).toHaveLength(256);
      expect(lut.every((word) => word >>> 24 === 255)).toBe(true);
    }
    const viridis = lutFor("layer", "dark");
    expect(cssColour(viridis, 0, 0, 1)).toEqual({ background: "rgb(68, 1, 84)", ink: "#ffffff" });
    expect(cssColour(viridis, 1, 0, 1).ink).toBe("#000000");
  });
});

function explanation(op: string, sources: Source[]): Explanation {
  return { layer: "x", op, unit: [0, 0, 0], value: 0, receptive_field: { top: 0, left: 0, height: 1, width: 1 }, sources, bias: 0, sum: 0, activation: null, expression: "" };
}

describe("contributions", () => {
  const weak: Source = { layer: "a", channel: 0, top: -1, left: 0, values: [[0, 1]], weights: [[9, 1]] };
  const strong: Source = { layer: "a", channel: 1, top: 0, left: 0, values: [[2, 3]], weights: [[1, -2]] };
  it("puts the largest sum of products first, by size", () => {
    const ranked = contributions(explanation("conv", [weak, strong]));
    expect(ranked.map((item) => item.source.channel)).toEqual([1, 0]);
    expect(ranked[0]?.cells).toEqual([[2, -6]]);
    expect(ranked[0]?.total).toBe(-4);
  });
  it("finds the winner of a maximum and the unit under a cell", () => {
    const [only] = contributions(explanation("max_pool", [{ ...strong, values: [[-5, -1], [-2, -3]], weights: null }]));
    if (only === undefined) throw new Error("no source");
    expect(strongestCell("max_pool", only)).toEqual([0, 1]);
    expect(unitUnder(strong, [0, 1], [2, 4, 4])).toEqual([1, 0, 1]);
    expect(unitUnder(weak, [0, 0], [2, 4, 4])).toBeNull();
    expect(unitUnder(weak, [0, 0], [7])).toEqual([0]);
  });
});

describe("numbers, drawing, latest", () => {
  it("writes a true minus and few digits", () => {
    expect(figure(-1.71591)).toBe("−1.716");
    expect(figure(0)).toBe("0");
    expect(brief(-0.25)).toBe("−.25");
  });
  it("has ten digits inside the unit square", () => {
    for (let digit = 0; digit < 10; digit += 1) {
      const points = digitStrokes(digit).flat();
      expect(points.length).toBeGreaterThan(10);
      expect(points.every(([x, y]) => x > 0.1 && x < 0.9 && y > 0.1 && y < 0.9)).toBe(true);
    }
  });
  it("draws a share of a stroke, and takes the last one back", () => {
    expect(partOf([[[0, 0], [1, 0]], [[0, 0], [0, 1]]], 0.75)).toEqual([[[0, 0], [1, 0]], [[0, 0], [0, 0.5]]]);
    const drawing = new Drawing();
    drawing.begin([0, 0], 0.1, false);
    drawing.extend([0.001, 0]);
    drawing.extend([0.5, 0]);
    expect(drawing.strokes[0]?.points).toEqual([[0, 0], [0.5, 0]]);
    drawing.undo();
    expect(drawing.empty).toBe(true);
  });
  it("runs the first and the newest, and skips what is overtaken", async () => {
    const done: number[] = [];
    const gates: (() => void)[] = [];
    const latest = new Latest<number>(async (request) => {
      await new Promise<void>((resolve) => gates.push(resolve));
      done.push(request);
    });
    [1, 2, 3].forEach((request) => { latest.push(request); });
    gates[0]?.();
    await new Promise((resolve) => setTimeout(resolve));
    gates[1]?.();
    await new Promise((resolve) => setTimeout(resolve));
    expect(done).toEqual([1, 3]);
  });
});
