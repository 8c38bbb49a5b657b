// The norm of a gradient, and the AdamW update (tinygpt/optim.py).

import { at } from "./common";

/** Σ x², in float64. */
export function sumSquares(x: i32, n: i32): f64 {
  let total: f64 = 0;
  for (let i = 0; i < n; i++) {
    const value = <f64>load<f32>(at(x + i));
    total += value * value;
  }
  return total;
}

/** One AdamW update: p ← p · keep − rate · m̂ / (√v̂ + eps), with g · clip for the gradient. */
export function adamw(
  p: i32, g: i32, m: i32, v: i32, n: i32,
  clip: f32, keep: f32, rate: f32, beta1: f32, beta2: f32, correction1: f32, correction2: f32, eps: f32,
): void {
  const clip4 = f32x4.splat(clip);
  const keep4 = f32x4.splat(keep);
  const rate4 = f32x4.splat(rate);
  const beta14 = f32x4.splat(beta1);
  const beta24 = f32x4.splat(beta2);
  const rest14 = f32x4.splat(1 - beta1);
  const rest24 = f32x4.splat(1 - beta2);
  const correction14 = f32x4.splat(correction1);
  const correction24 = f32x4.splat(correction2);
  const eps4 = f32x4.splat(eps);
  // Arrays are padded to multiples of four numbers, so there is no rest.
  for (let i = 0; i < n; i += 4) {
    const g4 = f32x4.mul(v128.load(at(g + i)), clip4);
    const m4 = f32x4.add(f32x4.mul(v128.load(at(m + i)), beta14), f32x4.mul(rest14, g4));
    const v4 = f32x4.add(f32x4.mul(v128.load(at(v + i)), beta24), f32x4.mul(f32x4.mul(rest24, g4), g4));
    v128.store(at(m + i), m4);
    v128.store(at(v + i), v4);
    const step = f32x4.div(
      f32x4.mul(rate4, f32x4.div(m4, correction14)),
      f32x4.add(f32x4.sqrt(f32x4.div(v4, correction24)), eps4),
    );
    v128.store(at(p + i), f32x4.sub(f32x4.mul(v128.load(at(p + i)), keep4), step));
  }
}
