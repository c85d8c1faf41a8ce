/** The shader of a plate: which map and cell a point belongs to, its value from 8 bits and the map's range, its colour.
 *
 * All maps of a layer are one texture and one rectangle. Scale, gamma, order and emphasis are uniforms or a small table,
 * so that changing them sends no maps again.
 */

export const VERTEX = `
uniform vec2 size;
out vec2 at;
void main() {
  at = vec2(position.x + 0.5, position.z + 0.5) * size;
  gl_Position = projectionMatrix * modelViewMatrix * vec4(position, 1.0);
}`;

export const FRAGMENT = `
precision highp float;
in vec2 at;                  // scene units from the plate's left far corner
out vec4 colour;

uniform sampler2D atlas;     // 8 bits a cell: 0 is its map's minimum, 255 its maximum
uniform sampler2D table;     // a texel a tile: minimum, maximum, channel
uniform sampler2D lut;
uniform vec2 size;           // of the plate
uniform float margin;
uniform vec2 tile;
uniform float gap;
uniform vec2 grid;           // columns, rows
uniform float count;
uniform vec2 cells;          // of one map as sent
uniform float atlasColumns;
uniform vec2 atlasSize;
uniform int scale;           // 0 signed, 1 layer, 2 map, 3 a picture in colours
uniform vec2 span;           // lowest and highest value of the layer
uniform float gamma;
uniform float strength;      // emphasis, 0 to 1
uniform float lit;           // 0 before its maps have come, 1 after
uniform vec3 slab;
uniform vec3 frame;
uniform float slabAlpha;

const float TABLE = 256.0;

vec3 shade(float share, float low, float high) {
  float index = share;
  if (scale != 2 || high <= low) { // a map of one value has no range of its own
    float value = mix(low, high, share);
    index = scale != 0 ? (value - span.x) / max(span.y - span.x, 1e-30) : value / max(max(abs(span.x), abs(span.y)), 1e-30);
  }
  if (gamma != 1.0) index = sign(index) * pow(min(abs(index), 1.0), gamma);
  if (scale == 0) index = 0.5 + 0.5 * index;
  return texelFetch(lut, ivec2(int(clamp(index, 0.0, 1.0) * 255.0 + 0.5), 0), 0).rgb;
}

void main() {
  vec2 pixel = max(fwidth(at), vec2(1e-9));
  vec2 inner = at - margin;
  vec2 place = floor(inner / (tile + gap));
  vec2 inside = inner - place * (tile + gap);
  float slot = place.y * grid.x + place.x;
  bool drawn = place.x >= 0.0 && place.y >= 0.0 && place.x < grid.x && slot < count;

  vec2 rim = min(at, size - at) / pixel;
  float base = slabAlpha * clamp(min(rim.x, rim.y) + 0.5, 0.0, 1.0);
  vec4 ground = vec4(slab, base);
  if (!drawn) { colour = vec4(ground.rgb, ground.a * strength); if (colour.a < 0.004) discard; return; }

  vec2 near = min(inside, tile - inside) / pixel;   // pixels from the tile's edge, negative in the gap
  float cover = clamp(near.x + 0.5, 0.0, 1.0) * clamp(near.y + 0.5, 0.0, 1.0);
  vec4 entry = texelFetch(table, ivec2(int(mod(slot, TABLE)), int(slot / TABLE)), 0);

  // squares with smooth edges when enlarged, bilinear when shrunk
  vec2 spot = clamp(inside / tile, 0.0, 1.0) * cells;
  vec2 step = pixel / tile * cells;
  vec2 edge = floor(spot + 0.5);
  spot = clamp(edge + clamp((spot - edge) / max(step, vec2(1e-5)), -0.5, 0.5), vec2(0.5), cells - 0.5);
  vec2 corner = vec2(mod(entry.z, atlasColumns), floor(entry.z / atlasColumns)) * cells;
  vec4 texel = texture(atlas, (corner + spot) / atlasSize);

  vec3 paint = scale == 3 ? texel.rgb : shade(texel.r, entry.x, entry.y);
  // a hairline keeps a map that is as dark as the ground apart from it
  float edging = min(near.x, near.y);
  if (edging < 1.5) paint = mix(paint, frame, 0.55 * (1.5 - max(edging, 0.5)) * clamp(min(tile.x / pixel.x, tile.y / pixel.y) / 14.0 - 0.5, 0.0, 1.0));
  paint = mix(slab, paint, lit);
  float alpha = mix(base, 1.0, cover * max(lit, 0.25));
  vec3 mixed = mix(slab, paint, cover);
  colour = vec4(mixed, alpha * strength);
}`;

/** The paper with its names and lines, laid over the plates: `place` is left, bottom, right, top from -1 to 1. */
export const SHEET_VERTEX = `
uniform vec4 place;
out vec2 at;
void main() {
  at = vec2(position.x + 0.5, position.z + 0.5); // downwards, as a canvas has its rows
  gl_Position = vec4(mix(place.x, place.z, at.x), mix(place.w, place.y, at.y), 0.0, 1.0);
}`;

export const SHEET_FRAGMENT = `
precision highp float;
in vec2 at;
out vec4 colour;
uniform sampler2D paper;     // opacity is multiplied in
void main() {
  colour = texture(paper, at);
}`;

/** The ground behind everything: a light behind the network, as the page has it where there is no scene. */
export const GROUND_VERTEX = `
out vec2 at;
void main() {
  at = vec2(position.x, -position.z); // -0.5 to 0.5, upwards
  gl_Position = vec4(2.0 * at, 0.0, 1.0);
}`;

export const GROUND_FRAGMENT = `
precision highp float;
in vec2 at;
out vec4 colour;
uniform vec2 size;           // of the window
uniform vec3 glow;
uniform vec3 ground;
void main() {
  vec2 away = (at - vec2(0.02, 0.04)) * size / (0.62 * max(size.x, size.y));
  vec3 mixed = mix(glow, ground, clamp(length(away), 0.0, 1.0));
  // less than a level of noise keeps the slow slope from showing steps
  float grain = fract(52.9829189 * fract(dot(gl_FragCoord.xy, vec2(0.06711056, 0.00583715)))) - 0.5;
  colour = vec4(mixed + grain / 255.0, 1.0);
}`;
