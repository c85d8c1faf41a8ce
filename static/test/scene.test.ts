import { describe, expect, it } from "vitest";
import { readPose, writePose } from "../src/data/link";
import { finerTile, firstTile, partsOf } from "../src/data/loader";
import type { Explanation } from "../src/data/wire";
import { between, Camera, dot, type Frame } from "../src/layout/camera";
import { bringing, fitting, focusOf, roomOf, surroundings, together } from "../src/layout/framing";
import { bitmapOf, colourBitmap } from "../src/input/bitmap";
import type { Stroke } from "../src/input/drawing";
import { greyOf } from "../src/input/ink";
import { layoutLinks } from "../src/layout/links";
import { blockCentre, blockCorners, inWindow, nearestPoint, pick, pickNear, plateCorners } from "../src/layout/pick";
import { ALL_OPEN, depthOf, layoutPlates, sideOf, widthFor, type Plate, type Spec } from "../src/layout/plates";
import { inputsOf, ranksOf, stretchesOf, type Edges } from "../src/layout/ranks";
import { raysOf } from "../src/scene/rays";
import { meanOf } from "../src/data/mean";
import { planeOf } from "../src/scene/sketch";
import { atlasOf } from "../src/scene/slab";
import type { Pose } from "../src/data/pose";
import { Turns } from "../src/scene/turns";

const names = (text: string): { name: string }[] => text.split("").map((name) => ({ name }));
const edges = (text: string): Edges => text.split(" ").map((pair) => [pair.charAt(0), pair.charAt(1)] as const);
const spec = (name: string, channels: number, side: number): Spec => ({ name, channels, height: side, width: side });

/** An input, a branch of two lanes, a join, a shortcut past a layer, a vector. */
const SPECS = [spec("a", 3, 64), spec("b", 16, 64), spec("c", 32, 32), spec("d", 8, 64), spec("e", 48, 32), spec("f", 48, 32), spec("g", 48, 32), spec("h", 10, 1)];
const EDGES = edges("ab ad bc ce de ef fg eg gh");
const FRAME: Frame = { width: 1440, height: 900, left: 320, top: 60, right: 250, bottom: 60 };
const POSE: Pose = { target: [1, 2, -30], distance: 90, azimuth: -0.4, elevation: 0.6, flat: false };
const plates = (state = ALL_OPEN): Plate[] => layoutPlates(SPECS, EDGES, state, 60);

describe("turns", () => {
  const both = { names: true, plates: true, apart: true };
  it("are taken where both are wanted, and end", () => {
    const turns = new Turns();
    expect(turns.next(both)).toEqual({ names: false, plates: true, all: false });
    expect(turns.next({ ...both, plates: false })).toEqual({ names: true, plates: false, all: true });
    expect(turns.next(both)).toEqual({ names: false, plates: true, all: false }); // not owed a turn from before
  });
  it("come to names also while the plates change with every frame", () => {
    const turns = new Turns();
    expect([1, 2, 3, 4].map(() => turns.next(both).names)).toEqual([false, true, false, true]);
  });
  it("wait for names that are held up for a frame", () => {
    const turns = new Turns();
    turns.next(both);
    turns.next({ ...both, names: false });
    expect(turns.next(both)).toEqual({ names: true, plates: false, all: false });
  });
  it("are not taken by what has to be seen together", () => {
    const turns = new Turns();
    const joined = { ...both, apart: false };
    expect([1, 2].map(() => turns.next(joined))).toEqual([1, 2].map(() => ({ names: true, plates: true, all: true })));
  });
});

describe("ranks", () => {
  it("are the longest ways from the input", () => {
    expect(ranksOf(inputsOf(names("abcdef"), edges("ab bc cd ad de af ef")))).toEqual([0, 1, 2, 3, 4, 5]);
  });
  it("lay branches in lanes that a chain keeps", () => {
    const stretches = stretchesOf(names("abcdef"), edges("ab ac bd ce df ef"));
    expect(stretches.map((one) => one.lanes)).toEqual([1, 2, 1]);
    expect(stretches[1]?.ranks).toEqual([[{ index: 1, lane: 0 }, { index: 2, lane: 1 }], [{ index: 3, lane: 0 }, { index: 4, lane: 1 }]]);
  });
  it("leave out edges that name no layer or lead backwards", () => {
    expect(inputsOf(names("ab"), edges("ax xb ba ab"))).toEqual([[], [0]]);
  });
});

describe("plates", () => {
  it("climb from the input in front to the classes behind, without overlap from above", () => {
    const all = plates();
    expect(all.map((plate) => plate.name).join("")).toBe("abcdefgh");
    for (const [index, one] of all.entries()) {
      for (const other of all.slice(index + 1)) {
        const apart = Math.abs(one.x - other.x) >= (one.wide + other.wide) / 2 || Math.abs(one.z - other.z) >= (one.deep + other.deep) / 2;
        expect(apart, `${one.name} ${other.name}`).toBe(true);
      }
    }
    const by = (name: string): Plate => all.find((plate) => plate.name === name) as Plate;
    expect(by("h").z).toBeLessThan(by("a").z);
    expect(by("h").y).toBeGreaterThan(by("a").y);
    expect(by("b").z).toBe(by("d").z); // side by side
  });
  it("have every channel on a tile, and a single tile where folded", () => {
    for (const plate of plates()) {
      expect(plate.count).toBe(plate.channels);
      expect(plate.rows * plate.columns).toBeGreaterThanOrEqual(plate.count);
      expect((plate.rows - 1) * plate.columns).toBeLessThan(plate.count);
    }
    const folded = plates({ folded: new Set(["e"]), hidden: new Set(["f"]) });
    expect(folded.find((plate) => plate.name === "e")?.count).toBe(1);
    expect(folded.some((plate) => plate.name === "f")).toBe(false);
    expect(depthOf(folded)).toBeLessThan(depthOf(plates()));
  });
  it("follow the tensor's size, and keep a map's proportions", () => {
    expect(sideOf(224)).toBeGreaterThan(sideOf(112));
    const [plate] = layoutPlates([{ name: "a", channels: 4, height: 20, width: 40 }], [], ALL_OPEN, 50);
    expect(plate?.tileWide).toBeCloseTo(2 * (plate?.tileDeep ?? 0));
  });
  it("come near to the wanted proportions", () => {
    const many = Array.from({ length: 20 }, (_, k) => spec(String.fromCharCode(97 + k), 64, 28));
    const chain = many.slice(1).map((one, k) => [many[k]?.name ?? "", one.name] as const);
    for (const aspect of [0.7, 1.2]) {
      const across = widthFor(many, chain, aspect);
      const laid = layoutPlates(many, chain, ALL_OPEN, across);
      expect(Math.max(...laid.map((plate) => plate.wide)) / depthOf(laid) / aspect).toBeGreaterThan(0.5);
      expect(Math.max(...laid.map((plate) => plate.wide)) / depthOf(laid) / aspect).toBeLessThan(2);
    }
  });
});

describe("camera", () => {
  it("finds every point again through its ray", () => {
    for (const flatness of [0, 0.5, 1]) {
      const camera = new Camera(flatness === 1 ? { ...POSE, azimuth: 0, elevation: Math.PI / 2, flat: true } : POSE, FRAME, flatness);
      for (const point of [[0, 0, 0], [12, 3, -40], [-20, 8, -10]] as const) {
        const seen = camera.project(point) ?? [0, 0, 0];
        const ray = camera.ray(seen[0], seen[1]);
        const way = dot([point[0] - ray.origin[0], point[1] - ray.origin[1], point[2] - ray.origin[2]], ray.direction);
        ray.direction.forEach((one, axis) => { expect((ray.origin[axis] ?? 0) + way * one).toBeCloseTo(point[axis] ?? 0, 4); });
      }
    }
  });
  it("sees its target in the middle of what the panels leave", () => {
    const seen = new Camera(POSE, FRAME).project(POSE.target);
    expect(seen?.[0]).toBeCloseTo((320 + 1440 - 250) / 2);
    expect(seen?.[1]).toBeCloseTo((60 + 900 - 60) / 2);
  });
  it("has the same size at the target, flat or not", () => {
    expect(new Camera(POSE, FRAME, 1).scale).toBeCloseTo(new Camera(POSE, FRAME, 0).scale);
  });
  it("keeps what is under the pointer there while zooming and panning, and knows its limits", () => {
    const camera = new Camera(POSE, FRAME);
    const at = camera.project([4, 2, -30]) ?? [0, 0, 0];
    const ray = camera.ray(at[0], at[1]);
    const way = camera.distance / -dot(ray.direction, camera.back); // on the plane through the target
    const point = [0, 1, 2].map((axis) => (ray.origin[axis] ?? 0) + way * (ray.direction[axis] ?? 0)) as [number, number, number];
    const near = new Camera(camera.zoomed(0.5, at[0], at[1], 1, 1000), FRAME).project(point);
    expect(near?.[0]).toBeCloseTo(at[0], 3);
    expect(near?.[1]).toBeCloseTo(at[1], 3);
    const moved = new Camera(camera.panned(30, -20), FRAME).project(point);
    expect(moved?.[0]).toBeCloseTo(at[0] + 30, 3);
    expect(moved?.[1]).toBeCloseTo(at[1] - 20, 3);
    expect(camera.zoomed(1e-9, 0, 0, 5, 50).distance).toBe(5);
    expect(camera.zoomed(1e9, 0, 0, 5, 50).distance).toBe(50);
  });
  it("fits points into the free part of the window", () => {
    const points = plates().flatMap(plateCorners);
    for (const flat of [false, true]) {
      const pose = fitting(points, flat ? { ...POSE, azimuth: 0, elevation: Math.PI / 2, flat } : POSE, FRAME);
      const seen = points.map((point) => new Camera(pose, FRAME).project(point) ?? ([0, 0, 0] as const));
      expect(Math.min(...seen.map((one) => one[0]))).toBeGreaterThan(FRAME.left);
      expect(Math.max(...seen.map((one) => one[0]))).toBeLessThan(FRAME.width - FRAME.right);
      expect(Math.min(...seen.map((one) => one[1]))).toBeGreaterThan(FRAME.top);
      expect(Math.max(...seen.map((one) => one[1]))).toBeLessThan(FRAME.height - FRAME.bottom);
    }
  });
  it("moves no more than it takes to bring a map out from under a panel", () => {
    const map = plateCorners(plates()[4] as Plate);
    const clear = (pose: Pose, frame: Frame): boolean => map.every((point) => {
      const [x, y] = new Camera(pose, frame).project(point) ?? [-1, -1];
      return x >= frame.left && x <= frame.width - frame.right && y >= frame.top && y <= frame.height - frame.bottom;
    });
    const seen = new Camera(fitting(map, POSE, FRAME, 0.4), FRAME);
    expect(bringing(map, seen)).toBe(seen.pose); // it is in view already
    const away = new Camera(seen.panned(380, 0), FRAME); // behind the panel at the right
    expect(clear(away.pose, FRAME)).toBe(false);
    const back = bringing(map, away);
    expect(clear(back, FRAME)).toBe(true);
    expect(back.distance).toBe(away.pose.distance);
    expect(back.target[1]).toBeCloseTo(away.pose.target[1], 6); // sideways alone
    const phone: Frame = { width: 390, height: 844, left: 0, top: 110, right: 0, bottom: 390 };
    const near = new Camera(fitting(map, POSE, FRAME, 0.9), phone);
    expect(clear(near.pose, phone)).toBe(false);
    expect(clear(bringing(map, near), phone)).toBe(true); // it does not fit as near as that
  });
  it("flies to all of a layer, or to as many of its maps as can be read", () => {
    const wide = { ...spec("w", 400, 28) };
    const [plate] = layoutPlates([wide], [], ALL_OPEN, 900);
    if (plate === undefined) throw new Error("no plate");
    for (const frame of [FRAME, { width: 390, height: 844, left: 0, top: 110, right: 0, bottom: 370 }]) {
      for (const slot of [0, 211, 399]) {
        const points = focusOf(plate, POSE, frame, 0.8, slot);
        const camera = new Camera(fitting(points, POSE, frame, 0.8), frame);
        const [left, right] = blockCorners(plate, { slot, row: 0, column: 0 }, 28, 28).map((point) => camera.project(point) ?? [0, 0, 0] as const);
        expect(Math.hypot((right?.[0] ?? 0) - (left?.[0] ?? 0), (right?.[1] ?? 0) - (left?.[1] ?? 0))).toBeGreaterThan(45);
        expect(left?.[0]).toBeGreaterThan(frame.left); // the wanted map is one of them
        expect(right?.[0]).toBeLessThan(frame.width - frame.right);
      }
    }
    const [few] = layoutPlates([spec("f", 6, 28)], [], ALL_OPEN, 900);
    expect(few === undefined ? [] : focusOf(few, POSE, FRAME, 0.8)).toEqual(few === undefined ? null : plateCorners(few));
  });
  it("flies to what feeds a layer too, as long as the layer's own maps can be told apart", () => {
    const [, b, , , e] = plates();
    if (b === undefined || e === undefined) throw new Error("no plates");
    const own = plateCorners(b);
    expect(together(own, [], b, POSE, FRAME, 0.8)).toEqual(own);
    expect(together(own, [e], b, POSE, FRAME, 0.8)).toEqual([...own, ...plateCorners(e)]);
    const far = { ...e, z: e.z - 4000 };
    expect(together(own, [far], b, POSE, FRAME, 0.8)).toEqual(own);
  });
  it("takes a map as what surrounds a cell, or the cell where the map is larger than the window", () => {
    const plate = plates()[1] as Plate;
    const map = blockCorners(plate, { slot: 3, row: 0, column: 0 }, plate.height, plate.width);
    expect(surroundings(plate, 3, 5, 6, new Camera(fitting(plateCorners(plate), POSE, FRAME), FRAME))).toEqual(map);
    const near = new Camera(fitting(map, POSE, FRAME, 3), FRAME);
    expect(surroundings(plate, 3, 5, 6, near)).toEqual(blockCorners(plate, { slot: 3, row: 5, column: 6 }));
    expect(roomOf({ ...FRAME, right: 1200 })[0]).toBe(40); // panels that meet leave a little all the same
  });
  it("turns the shorter way round, and survives the link", () => {
    expect(between({ ...POSE, azimuth: 3 }, { ...POSE, azimuth: -3 }, 0.5).azimuth).toBeCloseTo(Math.PI, 5);
    const again = readPose(writePose(POSE));
    expect(again).toEqual(POSE);
    expect(readPose("1,2,3")).toBeNull();
    expect(readPose("1,2,3,-4,0,0,1")).toBeNull();
    expect(readPose("1,2,3,NaN,0,0,1")).toBeNull();
    expect(readPose(undefined)).toBeNull();
  });
});

describe("picking", () => {
  it("finds every cell where it is drawn, through perspective and flat cameras", () => {
    const all = plates();
    const whole = fitting(all.flatMap(plateCorners), POSE, FRAME);
    for (const camera of [new Camera(whole, FRAME), new Camera({ ...whole, azimuth: 0, elevation: Math.PI / 2, flat: true }, FRAME)]) {
      for (const plate of all) {
        for (const cell of [{ slot: 0, row: 0, column: 0 }, { slot: plate.count - 1, row: plate.height - 1, column: Math.floor(plate.width / 2) }]) {
          const at = camera.project(blockCentre(plate, cell)) ?? [0, 0, 0];
          const hit = pick(all, camera.ray(at[0], at[1]));
          expect(hit?.plate.name).toBe(plate.name);
          expect(hit?.cell).toEqual(cell);
        }
      }
    }
  });
  it("finds no cell between tiles, and nothing beside the plates", () => {
    const all = plates();
    const plate = all[1] as Plate;
    const corner = blockCorners(plate, { slot: 0, row: 0, column: 0 }, plate.height, plate.width)[2] ?? [0, 0, 0];
    const above = (x: number, z: number): ReturnType<typeof pick> => pick(all, { origin: [x, 500, z], direction: [0, -1, 0] });
    expect(above(corner[0] + plate.gap / 2, corner[2] + plate.gap / 2)).toMatchObject({ plate: { name: "b" }, cell: null });
    expect(above(1000, 0)).toBeNull();
    expect(pick(all, { origin: [0, -50, 0], direction: [0, -1, 0] })).toBeNull();
  });
});

describe("seeing", () => {
  it("finds the nearest cell for a finger that misses all, and none farther away than it reaches", () => {
    const all = plates();
    const pose = fitting(all.flatMap(plateCorners), POSE, { width: 390, height: 844, left: 0, top: 110, right: 0, bottom: 390 });
    const camera = new Camera(pose, { width: 390, height: 844, left: 0, top: 110, right: 0, bottom: 390 });
    let missed = 0;
    for (const plate of all) {
      for (let slot = 0; slot < plate.count; slot += 3) {
        const [x, z] = [blockCorners(plate, { slot, row: 0, column: 0 }, plate.height, plate.width)[1]?.[0] ?? 0, plate.z];
        const seen = camera.project([x + plate.gap / 2, plate.y, z]) ?? [0, 0, 0]; // in the gap beside a tile, or beside the plate
        if (pick(all, camera.ray(seen[0], seen[1]))?.cell == null) missed += 1;
        const found = pickNear(all, camera, seen[0], seen[1], 24);
        expect(found?.cell, `${plate.name} ${slot}`).not.toBeNull();
        const spot = camera.project(found?.point ?? [0, 0, 0]) ?? [0, 0, 0];
        expect(Math.hypot(spot[0] - seen[0], spot[1] - seen[1])).toBeLessThanOrEqual(24);
        expect(found?.cell?.slot).toBeLessThan(found?.plate.count ?? 0);
      }
    }
    expect(missed).toBeGreaterThan(5);
    expect(pickNear(all, camera, 5, 5, 24)).toBeNull();
  });
  it("knows a plate that the eye is over, and one that lies behind it", () => {
    const all = plates();
    const plate = all[4] as Plate;
    const close = fitting(blockCorners(plate, { slot: 3, row: 0, column: 0 }, plate.height, plate.width), POSE, FRAME, 0.4);
    const camera = new Camera(close, FRAME);
    expect(inWindow(plate, camera)).toBe(true);
    expect(inWindow(all[0] as Plate, camera)).toBe(false);
    expect(nearestPoint(plate, [1e6, 0, plate.z])).toEqual([plate.x + plate.wide / 2, plate.y, plate.z]);
  });
});

describe("links", () => {
  it("follow every edge, and swing out where a shortcut passes a layer by", () => {
    const links = layoutLinks(plates(), EDGES);
    expect(links.map((link) => link.from + link.to)).toEqual(["ab", "ad", "bc", "ce", "de", "ef", "fg", "eg", "gh"]);
    expect(links.filter((link) => link.shortcut).map((link) => link.from + link.to)).toEqual(["eg"]);
    const f = plates().find((plate) => plate.name === "f") as Plate;
    expect(Math.max(...(links[7]?.points ?? []).map((point) => point[0]))).toBeGreaterThan(f.x + f.wide / 2);
  });
  it("go with a hidden layer", () => {
    expect(layoutLinks(plates({ folded: new Set(), hidden: new Set(["f"]) }), EDGES).some((link) => link.to === "f")).toBe(false);
  });
});

describe("loading", () => {
  const vgg = [[64, 224], [64, 224], [128, 112], [256, 56], [512, 28], [512, 14], [512, 7], [4096, 1]].map(([channels = 1, side = 1]) => ({ shape: [channels, side, side] }));
  it("chooses a first tile within its budget, and parts that hold every layer once, in order", () => {
    const tile = firstTile(vgg, 400_000);
    const bytes = (side: number): number => vgg.reduce((sum, { shape: [c = 1, h = 1] }) => sum + c * (Math.min(side, h) ** 2 + 8), 0);
    expect(bytes(tile)).toBeLessThanOrEqual(400_000);
    expect(bytes(tile + 4)).toBeGreaterThan(400_000);
    expect(partsOf(vgg, tile).flat()).toEqual(vgg);
    expect(partsOf(vgg, 64).length).toBeGreaterThan(2);
  });
  it("takes as fine a tile as the screen shows, never finer than the map", () => {
    expect(finerTile({ shape: [64, 224, 224] }, 30)).toBe(32);
    expect(finerTile({ shape: [64, 224, 224] }, 2000)).toBe(224);
    expect(finerTile({ shape: [512, 14, 14] }, 200)).toBe(14);
    expect(finerTile({ shape: [4096, 1, 1] }, 9)).toBe(1);
  });
});

describe("bitmaps", () => {
  it("hold the levels from the top, in rows of whole words", () => {
    const bytes = bitmapOf(Uint8Array.of(1, 2, 3, 4, 5, 6), 3, 2);
    expect(String.fromCharCode(...bytes.subarray(0, 2))).toBe("BM");
    expect(bytes.length).toBe(14 + 40 + 1024 + 8);
    expect([...bytes.subarray(-8)]).toEqual([1, 2, 3, 0, 4, 5, 6, 0]);
    expect([...bytes.subarray(54 + 4 * 7, 58 + 4 * 7)]).toEqual([7, 7, 7, 0]);
  });
});

describe("the sketch", () => {
  it("lays a plate where the camera sees it", () => {
    for (const flat of [false, true]) {
      const camera = new Camera(flat ? { ...POSE, azimuth: 0, elevation: Math.PI / 2, flat } : POSE, FRAME);
      for (const plate of plates()) {
        const m = planeOf(plate, camera);
        for (const [across, down] of [[0, 0], [1, 0], [0.3, 0.8], [1, 1]] as const) {
          const [u, v] = [across * plate.wide, down * plate.deep];
          const [x, y, w] = [0, 1, 3].map((row) => (m[row] ?? 0) * u + (m[4 + row] ?? 0) * v + (m[12 + row] ?? 0));
          const seen = camera.project([plate.x - plate.wide / 2 + u, plate.y, plate.z - plate.deep / 2 + v]);
          expect((x ?? 0) / (w ?? 1)).toBeCloseTo(seen?.[0] ?? NaN, 3);
          expect((y ?? 0) / (w ?? 1)).toBeCloseTo(seen?.[1] ?? NaN, 3);
        }
      }
    }
  });
  it("is a picture with opacity, as browsers read it", () => {
    const bytes = colourBitmap(Uint32Array.of(0xff030201, 0x80060504), 2, 1);
    const view = new DataView(bytes.buffer);
    expect([view.getUint16(0), view.getUint32(10, true), view.getInt32(18, true), view.getInt32(22, true)]).toEqual([0x424d, 122, 2, -1]);
    expect([...bytes.slice(122)]).toEqual([1, 2, 3, 255, 4, 5, 6, 128]);
  });
});

describe("ink", () => {
  it("is as wide as the pen, round at its ends, and taken away by the eraser", () => {
    const line: Stroke = { points: [[0.25, 0.5], [0.75, 0.5]], width: 0.1, erase: false };
    const at = (grey: Uint8Array, x: number, y: number): number => grey[y * 100 + x] ?? -1;
    const grey = greyOf([line], 100);
    expect([at(grey, 50, 45), at(grey, 50, 54), at(grey, 50, 43), at(grey, 50, 56)]).toEqual([0, 0, 255, 255]); // 10 of 100 pixels
    expect([at(grey, 22, 49), at(grey, 18, 49)]).toEqual([0, 255]);
    expect(at(grey, 21, 45)).toBeGreaterThan(at(grey, 24, 45)); // a corner is round
    const half = greyOf([line, { points: [[0.5, 0.5], [0.8, 0.5]], width: 0.3, erase: true }], 100);
    expect([at(half, 30, 50), at(half, 70, 50)]).toEqual([0, 255]);
    const disc = greyOf([{ points: [[0.5, 0.5]], width: 0.2, erase: false }], 100);
    expect(Math.abs(disc.reduce((sum, level) => sum + (255 - level) / 255, 0) / (Math.PI * 10 ** 2) - 1)).toBeLessThan(0.02);
    expect(greyOf([], 4)).toEqual(new Uint8Array(16).fill(255));
  });
});

describe("slabs", () => {
  it("pack maps into rows without gutters", () => {
    const maps = { channels: 3, height: 2, width: 2, pixels: Uint8Array.from({ length: 12 }, (_, k) => k) };
    expect(atlasOf(maps)).toEqual({ columns: 2, rows: 2, pixels: Uint8Array.of(0, 1, 4, 5, 2, 3, 6, 7, 8, 9, 0, 0, 10, 11, 0, 0) });
  });
  it("fold into the mean of the values, not of the bytes", () => {
    const maps = { channels: 2, height: 1, width: 2, pixels: Uint8Array.of(0, 255, 0, 255), min: Float32Array.of(0, -10), max: Float32Array.of(2, 10), low: -10, high: 10 };
    const mean = meanOf(maps);
    expect([mean.low, mean.high]).toEqual([-5, 6]);
    expect([...mean.pixels]).toEqual([0, 255]);
  });
});

describe("rays", () => {
  const source = (channel: number, values: number[][], weights: number[][] | null) => ({ layer: "x", channel, top: -1, left: 0, values, weights });
  const explanation = (op: string, sources: ReturnType<typeof source>[]): Explanation => ({
    layer: "y", op, unit: [0, 0, 0], value: 0, receptive_field: { top: 0, left: 0, height: 1, width: 1 }, sources, bias: 0, sum: 0, activation: null, expression: "",
  });
  const model = { layers: [{ name: "x", shape: [2, 4, 4] }] } as unknown as Parameters<typeof raysOf>[1];
  it("carry the products with their signs, the strongest last, and leave the padding out", () => {
    const rays = raysOf(explanation("conv", [source(1, [[9, 9], [2, 3]], [[9, 9], [1, -2]])]), model);
    expect(rays.lines).toEqual([
      { layer: "x", unit: [1, 0, 0], amount: 2, share: 2 / 6, winner: false },
      { layer: "x", unit: [1, 0, 1], amount: -6, share: 1, winner: false },
    ]);
    expect(rays.cells).toBe(2);
    expect(rays.windows).toEqual([{ layer: "x", channel: 1, top: -1, left: 0, height: 2, width: 2 }]);
  });
  it("set the winner of a maximum apart, also where it is negative", () => {
    const rays = raysOf(explanation("max_pool", [{ ...source(0, [[-5, -1], [-7, -3]], null), top: 0 }]), model);
    expect(rays.lines.filter((line) => line.winner).map((line) => line.unit)).toEqual([[0, 0, 1]]);
  });
  it("draw the strongest of very many, and say how many there are", () => {
    const rays = raysOf(explanation("full", Array.from({ length: 2 }, (_, channel) => ({ ...source(channel, Array.from({ length: 4 }, (_, y) => Array.from({ length: 4 }, (_, x) => y * 4 + x + channel)), Array.from({ length: 4 }, () => [1, 1, 1, 1])), top: 0 }))), model);
    expect(rays.cells).toBe(32);
    expect(rays.lines.at(-1)?.amount).toBe(16);
  });
});
