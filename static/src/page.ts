/** What is shown: the network, its run, the chosen unit. Views report what the reader did; this decides what follows. */

import { Problem, type Api } from "./data/api";
import { forgetNetwork, forgetUnit, readPlace, readPose, unitWithin, writePlace, writePose, type Place } from "./data/link";
import { Loader } from "./data/loader";
import { tileFor } from "./data/maps";
import { goneLayer, openingOf } from "./data/opening";
import { Tensors } from "./data/tensors";
import { isGone, untilAlive, willGoOn } from "./data/server";
import type { Model, ModelDetail, Run, WeightsInfo } from "./data/wire";
import { USUAL_GAMMA, type Scale, type Theme } from "./draw/colour";
import { breathe, byId } from "./dom";
import { Guide } from "./guide";
import type { Stroke } from "./input/drawing";
import { inkPicture } from "./input/ink";
import { isBlank, samplePicture } from "./input/picture";
import { Runner } from "./input/runner";
import { sampleFor, type Sample } from "./input/samples";
import { Settled } from "./input/settled";
import type { Stage } from "./scene/stage";
import { currentTheme } from "./theme";
import { canRun } from "./data/weights";
import { Arithmetic } from "./views/arithmetic";
import { InputPanel } from "./views/input";
import { Inspector } from "./views/inspector";
import { LayerList } from "./views/layers";
import { Looks } from "./views/looks";
import { note, pass, say } from "./views/notices";
import { Picker } from "./views/picker";
import { Predictions } from "./views/predictions";
import { SceneView, type View } from "./views/scene";
import { runWords } from "./views/words";

const SCALES: readonly Scale[] = ["signed", "layer", "map"];

export class Page {
  private readonly api: Api;
  readonly picker: Picker;
  private readonly input: InputPanel;
  private readonly predictions: Predictions;
  private readonly arithmetic: Arithmetic;
  private readonly layers: LayerList;
  private readonly inspector: Inspector;
  readonly guide: Guide;
  private readonly looks: Looks;
  private readonly loader: Loader;
  private readonly scene: SceneView;
  private readonly runner: Runner;
  private readonly mark = new Settled(100, () => { this.input.mark(this.place.sample); }); // or with the answer: a frame before it would take its processor
  private readonly link = new Settled(120, () => { history.replaceState(null, "", writePlace(this.place)); });
  private readonly legend = new Settled(60, () => { this.showLegend(undefined); });
  private readonly seen = new Settled(150, () => { this.input.showSeen(this.run === null ? null : this.api.inputUrl(this.run.id)); });
  private model: ModelDetail | null = null;
  private weights: WeightsInfo | null = null;
  private run: Run | null = null;
  private choices = 0; // of a network, so far
  private place: Place;
  private scale: Scale;
  private strongestFirst = false;

  constructor(api: Api, models: readonly Model[], limits: { keepSeconds: number; maxBytes: number }) {
    this.api = api;
    this.place = readPlace(location.hash);
    this.scale = SCALES.find((scale) => scale === this.place.scale) ?? "signed";
    this.picker = new Picker(models, (model, weights) => void this.choose(model, weights), api);
    this.input = new InputPanel(limits, {
      drawn: (strokes, byHand) => { this.drawn(strokes, byHand); },
      photo: (file) => { this.photo(file); },
      refused: (problem) => { this.runner.refuse(); say(problem); },
      sample: (sample) => { pass("choice", "answer"); this.sample(sample); },
    });
    const select = (layer: string, unit: number[]): void => { this.select(layer, unit); };
    this.layers = new LayerList(byId("layers"), { select, opened: (layer, unit) => { this.inspector.takeFocus(); select(layer, unit); } });
    const tensors = new Tensors(api);
    this.predictions = new Predictions(api, select);
    this.inspector = new Inspector(byId("inspector"), api, tensors, { select, close: () => { this.close(); }, view: (view) => { this.guide.view(view); } });
    this.looks = new Looks(this.place.gamma, (scale, strongestFirst) => { this.setLook(scale, strongestFirst); });
    byId("networks").append(this.picker.networks);
    this.arithmetic = new Arithmetic(api, this.place, () => { this.runner.again(); });
    byId("side").append(this.input.element, this.predictions.element, this.picker.weights, this.arithmetic.element);
    byId("strip").append(this.looks.element);
    this.scene = new SceneView(api, this.look, {
      select,
      empty: () => { if (this.place.layer !== undefined) this.close(); },
      rested: () => { this.rested(); },
      hovered: (layer) => { this.showLegend(layer); },
      view: (view) => { this.setView(view); },
      arranged: (layers) => { this.writeLink(layers); },
      failed: (why) => {
        note(`${why}: the same maps are listed flat.`);
        this.setView("list");
      },
    });
    this.looks.stand(byId("shelf").querySelector("header"));
    this.runner = new Runner(api, {
      served: () => (this.model === null || this.weights === null || !canRun(this.weights) ? null : { model: this.model, weights: this.weights }),
      precision: () => this.arithmetic.precision,
      answered: (run, input, { model, weights }) => {
        pass("answer");
        this.arithmetic.compare(model, weights, input);
        this.setRun(run, isBlank(input));
      },
      show: (run, model) => this.showMaps(run, model),
      said: (error) => { say(error); },
    });
    api.lost = (run) => { if (run === this.run?.id) this.runner.renew(); };
    this.loader = new Loader(api, (name, maps) => {
      this.layers.setMaps(name, maps);
      this.scene.setMaps(name, maps);
    });
    this.guide = new Guide(api, tensors, {
      place: this.place, inspector: this.inspector, select, close: () => { this.close(); }, look: () => this.look, writeLink: () => { this.writeLink(); },
      stage: () => this.stage, reveal: (layer) => { this.layers.reveal(layer); },
      picture: () => this.runner.picture(), models: () => this.picker.models,
    });
    document.addEventListener("themechange", () => {
      this.input.pad.paint();
      this.setLook(this.scale, this.strongestFirst);
    });
  }

  /** The scene, for tours and the like; null where the browser gives no WebGL. */
  get stage(): Stage | null {
    return this.scene.theatre;
  }

  /** Opens what the link names, or else the first trained network of one channel with a digit that draws itself. */
  async open(): Promise<void> {
    const opening = openingOf(this.place, this.picker.models);
    if (opening === null) throw new Problem(0, "", "This server serves no network.");
    if (opening.told !== null) note(opening.told, "choice");
    if (!opening.known) forgetNetwork(this.place);
    if (!opening.known) this.inspector.setView("map");
    if (this.place.run !== undefined) this.runner.current = { run: this.place.run };
    const pose = readPose(this.place.camera);
    this.setView(this.place.view === "list" ? "list" : pose?.flat === true || this.place.view === "flat" ? "flat" : "scene");
    await this.choose(opening.model.id, opening.weights, pose);
  }

  /** Starts the browser's graphics, beside everything else. */
  startGraphics(): Promise<void> {
    return this.scene.begin();
  }

  setView(view: View): void {
    if (view === "scene") delete this.place.view;
    else this.place.view = view;
    this.scene.setView(view);
    this.writeLink();
    if (view === "list") this.refine();
  }

  /** What a single key means to the scene; false where nothing. */
  key(key: string): boolean {
    const meant = this.place.view !== "list" && this.scene.key(key);
    if (meant && key === "Enter") this.inspector.takeFocus();
    return meant;
  }

  nextScale(): void {
    this.setLook(SCALES[(SCALES.indexOf(this.scale) + 1) % SCALES.length] ?? "signed", this.strongestFirst);
  }

  focusFind(): void {
    if (this.place.view === "list") this.layers.focusFind();
    else this.scene.focusFind();
  }

  /** Where a unit is seen on the screen, in CSS pixels; null where it is not. */
  readonly screenOf = (layer: string, unit: readonly number[]): { x: number; y: number } | null => this.scene.theatre?.screenOf(layer, unit) ?? null;

  /** Where the middle of a layer is seen on the screen. */
  readonly centreOf = (layer: string): { x: number; y: number } | null => this.scene.theatre?.centreOf(layer) ?? null;

  toggle(view: "flat" | "list"): void {
    if (this.stage !== null) this.setView(this.place.view === view ? "scene" : view);
  }

  close(): void {
    const { layer } = this.place;
    const within = byId("inspector").contains(document.activeElement);
    this.inspector.hide();
    document.body.classList.remove("inspecting");
    forgetUnit(this.place);
    this.layers.mark(undefined, null);
    this.scene.choose(undefined, []);
    this.showLegend(undefined);
    this.writeLink();
    if (!within) return;
    const from = this.place.view !== "list" ? byId("scene") : layer === undefined ? null : byId("layers").querySelector<HTMLElement>(`[data-layer="${CSS.escape(layer)}"] canvas`);
    from?.focus({ preventScroll: true }); // not lost with the panel
  }

  /** Another network: what was chosen and arranged belonged to the one before. */
  private leave(): void {
    this.close();
    pass("choice");
    Object.assign(this.place, { folded: [], hidden: [] });
  }

  private async choose(id: string, weightsId: string, pose: ReturnType<typeof readPose> = null): Promise<void> {
    const chosen = ++this.choices;
    this.input.pad.rest(); // a digit that draws itself is for the network before
    try {
      const model = await this.api.model(id, weightsId);
      if (chosen !== this.choices) return; // the reader has chosen again, and that came first
      const weights = model.weights.find((one) => one.id === weightsId);
      if (weights === undefined) return;
      if (this.model !== null) this.leave();
      [this.model, this.weights] = [model, weights];
      Object.assign(this.place, { model: id, weights: weightsId });
      const gone = goneLayer(this.place, model);
      if (gone !== null) note(gone, "choice");
      this.loader.forget();
      this.setRun(null);
      this.picker.show(model, weights);
      this.arithmetic.fit(weights);
      this.input.fit(model.input.channels);
      this.layers.setLook(this.look);
      await this.layers.show(model);
      const stays = (): Promise<boolean> => breathe().then(() => model === this.model); // or else the reader has gone on to another network
      if (!await stays()) return; // the rows are laid out before the scene is built
      await this.scene.show(model);
      if (!await stays()) return;
      void this.guide.show(model).catch((error: unknown) => { say(error); });
      this.scene.setRun(model, weights, null);
      if (!await stays()) return; // the page's first text has been measured
      if (pose !== null) this.stage?.setPose(pose, false);
      this.scene.arrange(this.place.folded ?? [], this.place.hidden ?? []);
      this.predictions.show(model, weights, null);
      say(null);
      if (canRun(weights)) {
        pass("answer"); // what waited for weights waits no longer
        await this.begin(model);
      } else this.writeLink(); // a structure, or not fetched yet: there is nothing to run
    } catch (error) {
      if (chosen !== this.choices) return;
      say(willGoOn(error));
      if (!isGone(error)) return;
      await untilAlive(this.api);
      if (chosen === this.choices) await this.choose(id, weightsId, pose);
    }
  }

  /** Keeps the reader's own picture; a sample gives way to one that suits the network. */
  private async begin(model: ModelDetail): Promise<void> {
    const { runner } = this;
    if (runner.current !== null && "run" in runner.current && this.run === null) {
      const known = await this.api.runIfKept(runner.current.run);
      if (model !== this.model) return;
      if (known?.model === model.id && known.weights === this.weights?.id) {
        runner.start(runner.current);
        return;
      }
      if (known === null) note("The picture of this link is no longer kept on this server: here is another one.", "choice");
      runner.current = null;
      delete this.place.run;
    }
    if (isBlank(runner.current)) runner.current = null; // another network has more to say of a sample
    if (runner.current !== null && ("accepted" in runner.current || this.place.sample === undefined)) { // a photo, on its way or taken
      runner.start(runner.current);
      return;
    }
    const sample = sampleFor(model.input.channels, this.place.sample, runner.current === null);
    if (sample !== undefined) this.sample(sample);
  }

  private sample(sample: Sample): void {
    this.place.sample = sample.name;
    delete this.place.run;
    this.mark.ask();
    if (sample.kind === "digit" && this.model?.input.channels === 1) {
      this.input.pad.write(sample.strokes());
      return;
    }
    this.input.pad.clear();
    this.runner.start({ picture: () => samplePicture(sample) });
  }

  private drawn(strokes: readonly Stroke[], byHand: boolean): void {
    if (byHand) {
      pass("choice", "answer");
      delete this.place.sample;
      this.mark.ask();
    }
    const blank = !strokes.some((stroke) => !stroke.erase);
    if (blank && !byHand) return; // a sample that begins to draw itself
    const drawing = strokes.map((stroke) => ({ ...stroke, points: [...stroke.points] }));
    this.runner.start({ picture: () => inkPicture(drawing), blank });
  }

  private photo(file: Blob): void {
    this.input.pad.rest();
    pass("choice", "answer");
    if (this.weights !== null && !canRun(this.weights)) note("There is nothing to run here yet: the photo waits for weights with numbers.", "answer");
    this.runner.start({ picture: () => Promise.resolve(file), accepted: () => {
      delete this.place.sample;
      this.input.pad.clear();
    } });
  }

  /** A run's maps, layer by layer, those in view first. */
  private async showMaps(run: Run, model: ModelDetail): Promise<void> {
    const picture = model.input.channels === 1 ? Promise.resolve() : this.scene.setPicture(run.id);
    await Promise.all([this.loader.load(run, this.scene.theatre?.inView() ?? model.layers), picture]);
    const painted = this.scene.theatre?.painted() ?? Promise.resolve();
    void painted.then(() => { document.body.dataset["painted"] = run.id; });
    this.seen.ask();
    this.legend.ask();
    this.refine();
  }

  private setRun(run: Run | null, blank = false): void {
    this.run = run;
    if (run === null) {
      for (const layer of this.model?.layers ?? []) this.layers.setMaps(layer.name, null);
      this.showLegend(undefined);
      this.seen.ask(); // else after its maps, which are wanted first
    }
    document.body.dataset["run"] = run?.id ?? "";
    if (run === null || this.model === null || this.weights === null) return;
    if (this.place.sample === undefined) this.place.run = run.id;
    this.input.mark(this.place.sample);
    this.scene.setRun(this.model, this.weights, run);
    this.predictions.show(this.model, this.weights, run, blank);
    byId("status").textContent = runWords(this.model, this.weights, run, blank);
    if (this.place.layer !== undefined) this.select(this.place.layer, this.place.unit ?? [0], false);
    this.guide.ran(run);
    this.writeLink();
  }

  private select(name: string, wanted: number[], reader = true): void {
    const { model, run } = this;
    const layer = model?.layers.find((one) => one.name === name);
    if (model === null || layer === undefined) return;
    const unit = unitWithin(wanted, layer.shape);
    if (run === null) {
      if (this.weights !== null && canRun(this.weights)) Object.assign(this.place, { layer: name, unit }); // opens with the run
      return;
    }
    const opening = byId("inspector").hidden;
    const moved = this.place.layer !== name;
    Object.assign(this.place, { layer: name, unit });
    document.body.classList.add("inspecting");
    this.inspector.show(model, run, layer, unit, this.look);
    this.layers.mark(name, unit[0] ?? 0);
    this.scene.choose(layer, unit);
    this.showLegend(undefined);
    if (!reader ? opening : moved && !opening) this.layers.reveal(name);
    this.writeLink();
  }

  private setLook(scale: Scale, strongestFirst: boolean): void {
    this.scale = scale;
    this.strongestFirst = strongestFirst;
    if (scale === "signed") delete this.place.scale;
    else this.place.scale = scale;
    if (this.looks.gamma === USUAL_GAMMA) delete this.place.gamma;
    else this.place.gamma = String(this.looks.gamma);
    this.layers.setLook(this.look);
    this.scene.theatre?.setLook(this.look);
    this.showLegend(undefined);
    if (this.place.layer !== undefined) this.select(this.place.layer, this.place.unit ?? [0], false);
    else this.layers.mark(undefined, null);
    this.writeLink();
  }

  private get look(): { scale: Scale; theme: Theme; strongestFirst: boolean; gamma: number } {
    return { scale: this.scale, theme: currentTheme(), strongestFirst: this.strongestFirst, gamma: this.looks.gamma };
  }

  /** The legend of the hovered layer, or else of the one in the panel, or of the first that computes something. */
  private showLegend(hovered: string | undefined): void {
    const name = hovered ?? this.place.layer ?? this.model?.layers[1]?.name;
    this.looks.show(this.look, name, name === undefined ? undefined : this.loader.maps.get(name));
  }

  /** The camera stands still: the link says where, and what is in view becomes finer. */
  private rested(): void {
    const { theatre } = this.scene;
    if (theatre === null) return;
    if (theatre.whole) delete this.place.camera;
    else this.place.camera = writePose(theatre.pose());
    this.writeLink();
    this.refine();
  }

  private refine(): void {
    const { model } = this;
    if (model === null) return;
    const listed = this.place.view === "list" || this.stage === null;
    const tile = tileFor(model.layers);
    this.loader.refine(listed ? model.layers.map((layer) => ({ layer, tile })) : this.scene.theatre?.wishes() ?? []);
  }

  private writeLink(news: Partial<Place> = {}): void {
    Object.assign(this.place, news);
    this.link.ask();
  }
}
