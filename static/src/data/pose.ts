/** The camera as deep links keep it: angles in radians, lengths in scene units. */
export interface Pose {
  target: [number, number, number];
  distance: number;
  azimuth: number;
  elevation: number;
  flat: boolean;
}
