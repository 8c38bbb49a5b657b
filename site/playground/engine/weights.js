// A training's settings and starting weights; of every backend.

/** AdamW and clipping as tinygpt.config.TrainConfig has them. */
export const TRAINING = { learningRate: 3e-4, beta1: 0.9, beta2: 0.95, eps: 1e-8, weightDecay: 0.1, gradClip: 1 };

/** Draw starting weights into arrays by name: N(0, 0.02), residual projections N(0, 0.02 / √(2 L)), biases 0, gains 1. */
export function drawWeights(arrays, { nLayers }, normal) {
  const residual = 0.02 / Math.sqrt(2 * nLayers);
  for (const [name, view] of arrays) {
    if (name.endsWith(".bias")) view.fill(0);
    else if (name.includes("ln_")) view.fill(1);
    else {
      const deviation = name.endsWith("c_proj.weight") ? residual : 0.02;
      for (let i = 0; i < view.length; i++) view[i] = normal() * deviation;
    }
  }
}
