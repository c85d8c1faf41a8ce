/** A still from the camera. Browsers give it only to HTTPS pages and to localhost; elsewhere the page says so. */

import { button, h } from "../dom";
import { pictureOf } from "../input/ink";
import { messageOf } from "./notices";

/** Why this page cannot have the camera, or null. */
export function cameraProblem(): string | null {
  if (!window.isSecureContext) return "Browsers give the camera only to pages over HTTPS or on localhost. This page came over plain HTTP: serve it with a certificate (convscope serve --ssl-certfile … --ssl-keyfile …), or upload a photo.";
  // Older browsers have no mediaDevices at all, whatever the type says.
  return (navigator.mediaDevices as MediaDevices | undefined) === undefined ? "This browser offers no camera to pages. Upload a photo instead." : null;
}

/** What getUserMedia's refusal means, in words. */
function refusal(error: unknown): string {
  const name = error instanceof DOMException ? error.name : "";
  if (name === "NotAllowedError") return "The camera was not allowed. Allow it for this page in the browser's settings, or upload a photo.";
  if (name === "NotFoundError" || name === "OverconstrainedError") return "There is no camera on this machine. Upload a photo instead.";
  if (name === "NotReadableError") return "The camera is in use by another program. Close that, and try again.";
  return `The camera did not start: ${messageOf(error)}`;
}

/** Longest side of a still in pixels: as large as any network looks at, with room to crop. */
const LARGEST = 1024;

export class Camera {
  readonly button = button("Camera", () => { void this.open(); }, { class: "tool camera-button" });
  private readonly video = h("video", { playsinline: true, muted: true, "aria-label": "What the camera sees" });
  private readonly words = h("p", { class: "note", role: "status" });
  private readonly shoot = button("Take the picture", () => { void this.take(); }, { class: "shoot", disabled: true });
  private readonly dialog: HTMLDialogElement;
  private readonly photo: (picture: Blob) => void;
  private stream: MediaStream | null = null;
  private openings = 0; // so far: the browser may ask for longer than the dialog is open

  constructor(photo: (picture: Blob) => void) {
    this.photo = photo;
    this.video.muted = true;
    this.dialog = h("dialog", { class: "camera", "aria-label": "Camera" },
      h("header", {}, h("h2", {}, "Camera"), button("×", () => { this.dialog.close(); }, { class: "tool", "aria-label": "Close" })),
      this.video, this.words, this.shoot);
    this.dialog.addEventListener("close", () => { this.stop(); });
    document.body.append(this.dialog);
  }

  private async open(): Promise<void> {
    const opening = ++this.openings;
    this.shoot.disabled = true;
    this.words.textContent = "";
    this.dialog.showModal();
    const problem = cameraProblem();
    this.video.hidden = problem !== null;
    if (problem !== null) {
      this.words.textContent = problem;
      return;
    }
    this.words.textContent = "The browser asks whether this page may use the camera.";
    try {
      const stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment" }, audio: false });
      if (!this.dialog.open || opening !== this.openings) { // closed while the browser asked, or opened again
        for (const track of stream.getTracks()) track.stop();
        return;
      }
      this.stream = stream;
      this.video.srcObject = stream;
      await this.video.play();
      if (opening !== this.openings) return;
      this.words.textContent = "The picture is sent to this server when you take it, not before.";
      this.shoot.disabled = false;
      this.shoot.focus();
    } catch (error) {
      if (opening !== this.openings) return;
      this.words.textContent = refusal(error);
      this.video.hidden = true;
    }
  }

  private async take(): Promise<void> {
    const { videoWidth, videoHeight } = this.video;
    const scale = Math.min(1, LARGEST / Math.max(videoWidth, videoHeight, 1));
    const canvas = h("canvas", { width: Math.round(videoWidth * scale), height: Math.round(videoHeight * scale) });
    canvas.getContext("2d")?.drawImage(this.video, 0, 0, canvas.width, canvas.height);
    const picture = await pictureOf(canvas);
    this.dialog.close();
    this.photo(picture);
  }

  /** The camera's light goes out as soon as the dialog closes. */
  private stop(): void {
    for (const track of this.stream?.getTracks() ?? []) track.stop();
    this.stream = null;
    this.video.srcObject = null;
  }
}
