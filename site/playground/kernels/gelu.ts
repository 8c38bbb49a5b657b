// GELU in its tanh form, forward and backward (tinygpt/layers.py has the derivation).

import { at, exp2, LOG2E, madd } from "./common";

// ½ (1 + tanh u) is the logistic function of 2u, so y = x s with the gate s = 1 / (1 + e^(−2u)).
const TWICE_SCALE: f32 = 1.5957691216057308; // 2 √(2/π)
const CUBIC: f32 = 0.044715;

// @ts-ignore: decorator
@inline
function gate4(x: v128): v128 {
  const inner = madd(f32x4.splat(-LOG2E * TWICE_SCALE * CUBIC), f32x4.mul(x, x), f32x4.splat(-LOG2E * TWICE_SCALE));
  return f32x4.div(f32x4.splat(1), f32x4.add(f32x4.splat(1), exp2(f32x4.mul(x, inner))));
}

// @ts-ignore: decorator
@inline
function slope4(x: v128, s: v128): v128 {
  const inner = madd(f32x4.splat(3 * CUBIC * TWICE_SCALE), f32x4.mul(x, x), f32x4.splat(TWICE_SCALE));
  const rise = f32x4.mul(f32x4.mul(x, inner), f32x4.sub(f32x4.splat(1), s));
  return madd(s, rise, s);
}

// @ts-ignore: decorator
@inline
function four(y: usize, gate: usize, x: usize): void {
  const x4 = v128.load(x);
  const s = gate4(x4);
  v128.store(gate, s);
  v128.store(y, f32x4.mul(x4, s));
}

/** y = GELU(x), element-wise; the gate is for the backward. y may be x. */
export function gelu(y: i32, gate: i32, x: i32, n: i32): void {
  let to = at(y);
  let s = at(gate);
  let p = at(x);
  const end = p + 4 * n;
  // Four at a time, because compilers load the constants again in every iteration.
  for (; p + 64 <= end; p += 64, s += 64, to += 64) {
    four(to, s, p);
    four(to + 16, s + 16, p + 16);
    four(to + 32, s + 32, p + 32);
    four(to + 48, s + 48, p + 48);
  }
  for (; p < end; p += 4, s += 4, to += 4) {
    const x4 = v128.load32_splat(p);
    const s4 = gate4(x4);
    store<f32>(s, f32x4.extract_lane(s4, 0));
    store<f32>(to, f32x4.extract_lane(f32x4.mul(x4, s4), 0));
  }
}

/** Replace dy by dx, and compute y again from x and its gate. */
export function geluBackward(dy: i32, y: i32, gate: i32, x: i32, n: i32): void {
  const wide = n & ~3;
  for (let i = 0; i < wide; i += 4) {
    const x4 = v128.load(at(x + i));
    const s = v128.load(at(gate + i));
    v128.store(at(y + i), f32x4.mul(x4, s));
    v128.store(at(dy + i), f32x4.mul(v128.load(at(dy + i)), slope4(x4, s)));
  }
  for (let i = wide; i < n; i++) {
    const x4 = v128.load32_splat(at(x + i));
    const s = v128.load32_splat(at(gate + i));
    store<f32>(at(y + i), f32x4.extract_lane(f32x4.mul(x4, s), 0));
    store<f32>(at(dy + i), load<f32>(at(dy + i)) * f32x4.extract_lane(slope4(x4, s), 0));
  }
}
