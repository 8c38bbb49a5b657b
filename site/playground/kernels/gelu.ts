// GELU in its tanh form, forward and backward (tinygpt/layers.py has the derivation).

import { at, exp4 } from "./common";

// ½ (1 + tanh u) is the logistic function of 2u, so y = x s with s = 1 / (1 + e^(−2u)).
const TWICE_SCALE: f32 = 1.5957691216057308; // 2 √(2/π)
const CUBIC: f32 = 0.044715;

// @ts-ignore: decorator
@inline
function gate4(x: v128): v128 {
  const inner = f32x4.mul(x, f32x4.add(f32x4.splat(1), f32x4.mul(f32x4.splat(CUBIC), f32x4.mul(x, x))));
  const e = exp4(f32x4.mul(f32x4.splat(-TWICE_SCALE), inner));
  return f32x4.div(f32x4.splat(1), f32x4.add(f32x4.splat(1), e));
}

// @ts-ignore: decorator
@inline
function slope4(x: v128, s: v128): v128 {
  const inner = f32x4.add(f32x4.splat(1), f32x4.mul(f32x4.splat(3 * CUBIC), f32x4.mul(x, x)));
  const rise = f32x4.mul(f32x4.mul(f32x4.splat(TWICE_SCALE), inner), f32x4.sub(f32x4.splat(1), s));
  return f32x4.mul(s, f32x4.add(f32x4.splat(1), f32x4.mul(x, rise)));
}

/** y = GELU(x), element-wise; y may be x. */
export function gelu(y: i32, x: i32, n: i32): void {
  const wide = n & ~3;
  for (let i = 0; i < wide; i += 4) {
    const x4 = v128.load(at(x + i));
    v128.store(at(y + i), f32x4.mul(x4, gate4(x4)));
  }
  for (let i = wide; i < n; i++) {
    const x4 = f32x4.splat(load<f32>(at(x + i)));
    store<f32>(at(y + i), f32x4.extract_lane(f32x4.mul(x4, gate4(x4)), 0));
  }
}

/** dy becomes dx, and y is made again: both need the same exponential. */
export function geluBackward(dy: i32, y: i32, x: i32, n: i32): void {
  const wide = n & ~3;
  for (let i = 0; i < wide; i += 4) {
    const x4 = v128.load(at(x + i));
    const s = gate4(x4);
    v128.store(at(y + i), f32x4.mul(x4, s));
    v128.store(at(dy + i), f32x4.mul(v128.load(at(dy + i)), slope4(x4, s)));
  }
  for (let i = wide; i < n; i++) {
    const x4 = f32x4.splat(load<f32>(at(x + i)));
    const s = gate4(x4);
    store<f32>(at(y + i), f32x4.extract_lane(f32x4.mul(x4, s), 0));
    store<f32>(at(dy + i), load<f32>(at(dy + i)) * f32x4.extract_lane(slope4(x4, s), 0));
  }
}
