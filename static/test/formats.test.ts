import { describe, expect, it } from "vitest";
import { problemOf } from "../src/data/api";
import { willGoOn, willPass } from "../src/data/server";
import { readPlace, writePlace } from "../src/data/link";
import { channelOrder, readOverview, tileFor, valueAt } from "../src/data/maps";
import { parseNpy } from "../src/data/npy";
import { parseSafetensors } from "../src/data/safetensors";
import type { Layer } from "../src/data/wire";

/** A safetensors file as the format's own description has it. */
function safetensors(entries: Record<string, { dtype: string; shape: number[]; bytes: Uint8Array }>): ArrayBuffer {
  const header: Record<string, unknown> = {};
  let end = 0;
  for (const [name, { dtype, shape, bytes }] of Object.entries(entries)) {
    header[name] = { dtype, shape, data_offsets: [end, end + bytes.length] };
    end += bytes.length;
  }
  const json = new TextEncoder().encode(JSON.stringify(header));
  const file = new Uint8Array(8 + json.length + end);
  new DataView(file.buffer).setBigUint64(0, BigInt(json.length), true);
  file.set(json, 8);
  let at = 8 + json.length;
  for (const { bytes } of Object.values(entries)) {
    file.set(bytes, at);
    at += bytes.length;
  }
  return file.buffer;
}

const floats = (...values: number[]): Uint8Array => new Uint8Array(Float32Array.from(values).buffer);

/** An NPY file, version 1. */
function npy(descr: string, shape: string, data: Uint8Array): ArrayBuffer {
  const header = `{'descr': '${descr}', 'fortran_order': False, 'shape': (${shape}), }\n`;
  const file = new Uint8Array(10 + header.length + data.length);
  file.set([0x93, ...new TextEncoder().encode("NUMPY"), 1, 0, header.length, 0]);
  file.set(new TextEncoder().encode(header), 10);
  file.set(data, 10 + header.length);
  return file.buffer;
}

describe("safetensors", () => {
  it("reads bytes and floats at any alignment", () => {
    const file = safetensors({ odd: { dtype: "U8", shape: [3], bytes: Uint8Array.of(1, 2, 3) }, "odd.min": { dtype: "F32", shape: [2], bytes: floats(-1.5, 2.25) } });
    const tensors = parseSafetensors(file);
    expect([...(tensors.get("odd")?.data ?? [])]).toEqual([1, 2, 3]);
    expect([...(tensors.get("odd.min")?.data ?? [])]).toEqual([-1.5, 2.25]);
  });
  it("refuses what is cut off or of another type", () => {
    expect(() => parseSafetensors(new ArrayBuffer(4))).toThrow("too short");
    expect(() => parseSafetensors(safetensors({ x: { dtype: "F32", shape: [3], bytes: floats(1) } }))).toThrow("does not fit");
    expect(() => parseSafetensors(safetensors({ x: { dtype: "F16", shape: [1], bytes: Uint8Array.of(0, 0) } }))).toThrow("F16");
  });
});

describe("npy", () => {
  it("reads maps and vectors", () => {
    const tensor = parseNpy(npy("<f4", "1, 2, 2", floats(1, 2, 3, 4)));
    expect(tensor.shape).toEqual([1, 2, 2]);
    expect([...tensor.data]).toEqual([1, 2, 3, 4]);
    expect(parseNpy(npy("<f4", "2,", floats(5, 6))).shape).toEqual([2]);
  });
  it("refuses other types, other bytes and short files", () => {
    expect(() => parseNpy(npy("<f8", "1,", new Uint8Array(8)))).toThrow("float32");
    expect(() => parseNpy(new ArrayBuffer(40))).toThrow("magic");
    expect(() => parseNpy(npy("<f4", "9,", floats(1)))).toThrow("cut off");
  });
});

describe("overview", () => {
  const file = safetensors({
    a: { dtype: "U8", shape: [2, 1, 2], bytes: Uint8Array.of(0, 255, 51, 0) },
    "a.min": { dtype: "F32", shape: [2], bytes: floats(-1, 0) },
    "a.max": { dtype: "F32", shape: [2], bytes: floats(1, 5) },
  });
  const maps = readOverview(file, [{ name: "a" } as Layer, { name: "missing" } as Layer]);
  it("gives back values and the layer's range, and leaves out what was not sent", () => {
    const a = maps.get("a");
    if (a === undefined) throw new Error("a is missing");
    expect([a.low, a.high]).toEqual([-1, 5]);
    expect(valueAt(a, 0, 0, 1)).toBe(1);
    expect(valueAt(a, 1, 0, 0)).toBeCloseTo(1, 6);
    expect(channelOrder(a, false)).toEqual([0, 1]);
    expect(channelOrder(a, true)).toEqual([1, 0]);
    expect(maps.has("missing")).toBe(false);
  });
  it("takes a smaller tile for more maps", () => {
    expect(tileFor([{ shape: [6, 28, 28] }])).toBe(64);
    expect(tileFor([{ shape: [4000, 224, 224] }])).toBeLessThan(48);
  });
});

describe("link and problems", () => {
  it("survives a round trip", () => {
    const place = { model: "x", weights: "w", sample: "digit-7", layer: "a.b", unit: [1, 2, 3], scale: "layer", folded: ["a,b&c", "d"], hidden: ["é/%2C"] };
    expect(readPlace(writePlace(place))).toEqual(place);
  });
  it("ignores what is no unit", () => {
    expect(readPlace("#unit=a,b&model=&folded=")).toEqual({});
    expect(writePlace({ model: "x", folded: [] })).toBe("#model=x");
  });
  it("shows a problem's own sentence", () => {
    expect(problemOf(404, '{"title":"T","detail":"There is no layer x.","type":"layer-not-found"}').message).toBe("There is no layer x.");
    expect(problemOf(502, "<html>").message).toContain("502");
    const missing = problemOf(404, '{"title":"T","type":"urn:convscope:problem:run-not-found"}');
    expect([missing.is("run-not-found"), missing.is("not-found")]).toEqual([true, false]);
  });
  it("tells what passes from what stays", () => {
    expect(willPass(problemOf(409, "", 1))).toBe(true); // numbers that are being unpacked
    expect(willPass(problemOf(409, ""))).toBe(false); // numbers that somebody has to fetch
    expect(willPass(problemOf(503, "<html>"))).toBe(true); // a proxy's
    const words = willGoOn(problemOf(409, '{"title":"T","type":"urn:convscope:problem:weights-not-ready"}', 1));
    expect(words instanceof Error && words.message).toContain("still unpacking");
  });
});
