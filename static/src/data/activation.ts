/** The activations a layer may have inside, as functions of one number. */

export const ACTIVATION: Record<string, (x: number) => number> = {
  relu: (x) => Math.max(0, x),
  scaled_tanh: (x) => 1.7159 * Math.tanh((2 / 3) * x), // LeCun et al. 1998, appendix A
  tanh: Math.tanh,
  sigmoid: (x) => 1 / (1 + Math.exp(-x)),
};
