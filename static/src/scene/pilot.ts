/** Who holds the camera: flights from pose to pose, the hand's own moves, and the window with its panels. */

import { between, Camera, type Frame } from "../layout/camera";
import { bringing, fitting, roomOf } from "../layout/framing";
import type { Vec } from "../layout/plates";
import type { Clock } from "./clock";
import type { Pose } from "../data/pose";

const FLIGHT = 380;
const MAKING_ROOM = 260;
const REST = 160; // after this long without a move the camera is at rest
const HAND = 500; // after this long without one, a hand has let go: frames become sharp again

/** Room for the names of layers at both sides of a network, in pixels. */
const BESIDE = 52;

/** From where a network is first seen. */
export const OPENING: Pose = { target: [0, 0, 0], distance: 100, azimuth: -0.2, elevation: 0.6, flat: false };
export const ABOVE = { azimuth: 0, elevation: Math.PI / 2, flat: true };

/** Windows narrower than this are phones. */
export const NARROW = 760;

export interface Flight {
  /** The corners of everything that stands, once it has come to rest. */
  corners: () => Vec[];
  rested: () => void;
  /** The network has moved into another part of the window. */
  framed: () => void;
}

export class Pilot {
  camera: Camera;
  frame: Frame = { width: 1, height: 1, left: 0, top: 0, right: 0, bottom: 0 };
  private coming = this.frame; // where it is going, while it moves
  /** Whether the camera shows the whole network, and follows when its room or its plates change. */
  whole = false;
  /** What was flown to, while no hand has moved the camera since: it is framed anew when its room changes. */
  private subject: { points: readonly Vec[]; share: number } | null = null;
  private readonly clock: Clock;
  private readonly flight: Flight;
  private farthest = 250;
  private above = 0; // room for the names of the classes behind the last layer, in pixels
  private turned = OPENING; // the last pose that was not flat
  private flatness = 0;
  private resting = 0;

  constructor(clock: Clock, flight: Flight) {
    this.clock = clock;
    this.flight = flight;
    this.camera = new Camera(OPENING, this.frame);
  }

  get reach(): { nearest: number; farthest: number } {
    return { nearest: 0.6, farthest: this.farthest };
  }

  setPose(pose: Pose, animate: boolean, whole = false): void {
    this.whole = whole;
    this.subject = null;
    const from = this.camera.pose;
    const lens = this.flatness;
    if (!pose.flat) this.turned = pose;
    this.clock.move("camera", animate ? FLIGHT : 0, (t) => {
      this.flatness = lens + ((pose.flat ? 1 : 0) - lens) * t;
      this.aim(t >= 1 ? pose : between(from, pose, t));
    }, () => { this.rest(); });
  }

  /** Straight above, or as it was before. */
  setFlat(flat: boolean): void {
    const { pose } = this.camera;
    if (flat === pose.flat) return;
    const { whole, subject } = this;
    const angles = flat ? ABOVE : { azimuth: this.turned.azimuth, elevation: this.turned.elevation, flat: false };
    this.setPose(this.standing({ ...pose, ...angles }), true, whole);
    this.subject = subject;
  }

  overview(): void {
    const { pose } = this.camera;
    this.setPose(this.wholeView(pose.flat ? pose : { ...pose, azimuth: OPENING.azimuth, elevation: OPENING.elevation }), true, true);
  }

  /** To where these points fill a share of the free part of the window. */
  fly(points: readonly Vec[], share: number): void {
    this.setPose(fitting(points, this.camera.pose, this.frame, share), true);
    this.subject = { points, share };
  }

  /** Moves no more than it takes to see these points clear of the panels. */
  bring(points: readonly Vec[]): void {
    const pose = bringing(points, new Camera(this.camera.pose, this.frame));
    if (pose !== this.camera.pose) this.setPose(pose, true);
  }

  /** The pose, with these angles, that shows what the camera shows: everything, what was flown to, or what a hand chose. */
  private standing(pose: Pose): Pose {
    if (this.whole) return this.wholeView(pose);
    return this.subject === null ? pose : fitting(this.subject.points, pose, this.frame, this.subject.share);
  }

  /** A hand moves the camera: at once, and with coarser frames if need be. */
  steer(pose: Pose): void {
    this.whole = false;
    this.subject = null;
    this.clock.stop("camera");
    this.flatness = pose.flat ? 1 : 0;
    if (!pose.flat) this.turned = pose;
    this.aim(pose);
    this.clock.move("hand", HAND, () => undefined, () => { this.rest(); });
  }

  /** The pose, with these angles, that shows everything. */
  wholeView(pose: Pose): Pose {
    const points = this.flight.corners();
    if (points.length === 0) return pose;
    const narrow = this.frame.width < NARROW;
    const beside = narrow ? 0 : BESIDE;
    const above = Math.min(this.above, 0.25 * roomOf(this.frame)[1]);
    const frame = { ...this.frame, top: this.frame.top + above, left: this.frame.left + beside, right: this.frame.right + beside };
    const fitted = fitting(points, pose, frame, 0.94);
    const view = new Camera(fitted, this.frame).panned(0, above / 2);
    this.farthest = 2.5 * view.distance;
    return view;
  }

  /** Keeps so many pixels behind the last layer free for the names of the classes. */
  makeRoom(above: number): void {
    if (above === this.above) return;
    this.above = above;
    if (this.whole && !this.clock.moves("camera")) this.aim(this.wholeView(this.camera.pose));
  }

  /** Another network: the frame no longer moves for the sake of the one before, and is where it was going. */
  settle(): void {
    if (this.clock.moves("frame")) this.frame = this.coming;
    this.clock.stop("frame");
  }

  /** How much of the window panels cover; the network moves into what is left. */
  setFrame(frame: Frame): void {
    const before = this.frame;
    if ((Object.keys(frame) as (keyof Frame)[]).every((side) => frame[side] === before[side])) return;
    const resized = frame.width !== before.width || frame.height !== before.height;
    if (resized) {
      this.frame = frame;
      this.aim(this.standing(this.camera.pose));
      this.clock.ask();
      return;
    }
    const from = this.camera.pose;
    this.frame = this.coming = frame;
    const to = this.standing(from);
    this.clock.move("frame", MAKING_ROOM, (t) => {
      const mix = (side: keyof Frame): number => before[side] + (frame[side] - before[side]) * t;
      this.frame = { width: frame.width, height: frame.height, left: mix("left"), top: mix("top"), right: mix("right"), bottom: mix("bottom") };
      this.aim(to === from ? this.camera.pose : between(from, to, t));
    }, () => {
      this.flight.framed();
      this.rest();
    });
  }

  aim(pose: Pose): void {
    this.camera = new Camera(pose, this.frame, this.flatness);
  }

  rest(): void {
    window.clearTimeout(this.resting);
    this.resting = window.setTimeout(() => {
      if (this.clock.moving) this.rest();
      else this.flight.rested();
    }, REST);
    this.clock.ask();
  }
}
