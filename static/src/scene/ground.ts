/** The ground behind the plates, drawn by the scene itself: a canvas that lets nothing through costs the browser less. */

import { GLSL3, Mesh, ShaderMaterial, Vector2, Vector3, type PlaneGeometry } from "three";
import { GROUND_FRAGMENT, GROUND_VERTEX } from "./shader";

export class Ground {
  readonly mesh: Mesh<PlaneGeometry, ShaderMaterial>;
  private readonly uniforms = { size: { value: new Vector2(1, 1) }, glow: { value: new Vector3() }, ground: { value: new Vector3() } };

  constructor(square: PlaneGeometry) {
    this.mesh = new Mesh(square, new ShaderMaterial({ glslVersion: GLSL3, vertexShader: GROUND_VERTEX, fragmentShader: GROUND_FRAGMENT, uniforms: this.uniforms, depthWrite: false, depthTest: false, side: 2 }));
    this.mesh.frustumCulled = false; // it fills the window wherever the camera looks
    this.mesh.renderOrder = -1;
  }

  resize(width: number, height: number): void {
    this.uniforms.size.value.set(width, height);
  }

  /** In the colours that the page's styles give. */
  tint(element: HTMLElement): void {
    const style = getComputedStyle(element);
    for (const [name, place] of [["--glow", this.uniforms.glow], ["--ground", this.uniforms.ground]] as const) place.value.set(...channels(style.getPropertyValue(name).trim()));
  }
}

/** Red, green and blue of `#rrggbb` or `#rgb`, from 0 to 1. */
function channels(hex: string): [number, number, number] {
  const digits = (hex.length === 4 ? hex.replace(/[^#]/g, "$&$&") : hex).slice(1);
  const at = (from: number): number => parseInt(digits.slice(from, from + 2), 16) / 255;
  return [at(0), at(2), at(4)];
}
