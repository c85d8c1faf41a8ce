import { describe, expect, it } from "vitest";
import { forgetNetwork, readPlace, unitWithin } from "../src/data/link";
import { goneLayer, openingOf } from "../src/data/opening";
import type { Model, ModelDetail } from "../src/data/wire";
import { sampleFor } from "../src/input/samples";

function model(id: string, channels: number, trained: boolean): Model {
  const weights = ["usual", "other"].map((one) => ({ id: one, trained }));
  return { id, title: id.toUpperCase(), input: { channels, height: 8, width: 8 }, weights, default_weights: "usual" } as unknown as Model;
}

const models = [model("photos", 3, true), model("drafts", 1, false), model("digits", 1, true)];

describe("what a link opens", () => {
  it("is the first trained network of one channel where it names none", () => {
    expect(openingOf({}, models)).toMatchObject({ model: { id: "digits" }, weights: "usual", known: true, told: null });
    expect(openingOf({}, models.slice(0, 2))).toMatchObject({ model: { id: "photos" } });
    expect(openingOf({}, [])).toBeNull();
  });
  it("is what it names", () => {
    expect(openingOf({ model: "photos", weights: "other" }, models)).toMatchObject({ model: { id: "photos" }, weights: "other", told: null });
    expect(openingOf({ weights: "other" }, models)).toMatchObject({ model: { id: "digits" }, weights: "other", told: null });
  });
  it("is the usual instead of what the server has not got, and says so", () => {
    const elsewhere = openingOf({ model: "gone", weights: "other" }, models);
    expect(elsewhere).toMatchObject({ model: { id: "digits" }, weights: "usual", known: false });
    expect(elsewhere?.told).toContain("no network “gone”");
    const weights = openingOf({ model: "photos", weights: "gone" }, models);
    expect(weights).toMatchObject({ model: { id: "photos" }, weights: "usual", known: true });
    expect(weights?.told).toContain("PHOTOS has no weights “gone”");
  });
  it("is no layer that the network has not got, which is said", () => {
    const detail = { ...model("photos", 3, true), layers: [{ name: "conv1" }] } as unknown as ModelDetail;
    const place = { layer: "conv1", unit: [0], panel: "window" };
    expect(goneLayer(place, detail)).toBeNull();
    expect(place).toMatchObject({ layer: "conv1" });
    const gone = { layer: "conv9", unit: [0], panel: "window" };
    expect(goneLayer(gone, detail)).toContain("PHOTOS has no layer “conv9”");
    expect(gone).toEqual({});
  });
  it("takes nothing of another network along", () => {
    const place = readPlace("#model=gone&layer=a&unit=1&panel=window&tour=3&folded=b&hidden=c&camera=1,2,3,4,5,6,0&scale=map");
    forgetNetwork(place);
    expect(place).toEqual({ model: "gone", scale: "map" });
  });
  it("is a unit that there is", () => {
    expect(unitWithin([900, 3, 400], [6, 28, 28])).toEqual([5, 3, 27]);
    expect(unitWithin([2], [6, 28, 28])).toEqual([2]);
    expect(unitWithin([12, 3, 4], [10])).toEqual([9]);
  });
});

describe("the picture to begin with", () => {
  it("suits the network, unless a link asks for another", () => {
    expect(sampleFor(1, "digit-3", false)?.name).toBe("digit-3");
    expect(sampleFor(3, "digit-3", true)?.name).toBe("digit-3");
    expect([sampleFor(3, "digit-3", false)?.kind, sampleFor(1, "church", false)?.kind, sampleFor(1, "nothing", true)?.kind]).toEqual(["scene", "digit", "digit"]);
  });
});
