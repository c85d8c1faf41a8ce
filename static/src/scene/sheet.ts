/** The paper laid over the plates by WebGL, in frames that must be quick.
 *
 * A second canvas over the whole window is blended by the browser at the screen's full size with every frame; here it is
 * drawn as coarsely as the rest, in the same pass.
 */

import { CanvasTexture, CustomBlending, GLSL3, LinearFilter, Mesh, NoColorSpace, OneFactor, OneMinusSrcAlphaFactor, ShaderMaterial, Vector4, type PlaneGeometry, type Texture } from "three";
import type { Written } from "./paper";
import { SHEET_FRAGMENT, SHEET_VERTEX } from "./shader";

export class Sheet {
  readonly mesh: Mesh<PlaneGeometry, ShaderMaterial>;
  private readonly uniforms = { paper: { value: null as Texture | null }, place: { value: new Vector4(-1, -1, 1, 1) } };
  private version = -1;
  private size: readonly [number, number] = [0, 0];

  constructor(square: PlaneGeometry, visible = false) {
    const blending = { blending: CustomBlending, blendSrc: OneFactor, blendDst: OneMinusSrcAlphaFactor, transparent: true };
    this.mesh = new Mesh(square, new ShaderMaterial({ glslVersion: GLSL3, vertexShader: SHEET_VERTEX, fragmentShader: SHEET_FRAGMENT, uniforms: this.uniforms, depthWrite: false, depthTest: false, side: 2, ...blending }));
    this.mesh.frustumCulled = false;
    this.mesh.renderOrder = 1e6; // over everything
    this.mesh.visible = visible;
  }

  /** Lays a canvas over the plates, or takes it away; `version` changes with what is on it. */
  lay(paper: Written | null): void {
    this.mesh.visible = paper !== null;
    if (paper === null) return;
    this.uniforms.place.value.set(...paper.place);
    const { width, height } = paper.element;
    if (paper.version === this.version) return;
    let texture = this.uniforms.paper.value;
    if (texture === null || width !== this.size[0] || height !== this.size[1]) {
      texture?.dispose();
      texture = new CanvasTexture(paper.element);
      Object.assign(texture, { minFilter: LinearFilter, magFilter: LinearFilter, generateMipmaps: false, flipY: false, premultiplyAlpha: true, colorSpace: NoColorSpace });
      this.uniforms.paper.value = texture;
      this.size = [width, height];
    }
    texture.needsUpdate = true;
    this.version = paper.version;
  }
}
