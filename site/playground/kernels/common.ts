// Shared by all kernels: addresses, sums over lanes, multiply-add, and the exponential.
//
// Arguments that name arrays are element offsets into one heap of float32.

// @ts-ignore: decorator
@inline
export function at(offset: i32): usize {
  return (<usize>offset) << 2;
}

// @ts-ignore: decorator
@inline
export function sum4(x: v128): f32 {
  return (
    f32x4.extract_lane(x, 0) + f32x4.extract_lane(x, 1) + (f32x4.extract_lane(x, 2) + f32x4.extract_lane(x, 3))
  );
}

// a b + c; with relaxed SIMD one instruction, rounded once.
// @ts-ignore: decorator
@inline
export function madd(a: v128, b: v128, c: v128): v128 {
  return ASC_FEATURE_RELAXED_SIMD ? f32x4.relaxed_madd(a, b, c) : f32x4.add(f32x4.mul(a, b), c);
}

// Adding 1.5 · 2²³ rounds a float to a whole number, in the low bits of the sum.
const ROUNDING: f32 = 12582912.0;

/** e^x = 2^(x LOG2E). */
export const LOG2E: f32 = 1.4426950408889634;

// 2^x = 2^n 2^r with n = round(x) and |r| ≤ ½, 2^r by a polynomial fitted to it: relative error 1e-7.
// @ts-ignore: decorator
@inline
export function exp2(x: v128): v128 {
  const bounded = f32x4.pmax(f32x4.pmin(x, f32x4.splat(127.4)), f32x4.splat(-126)); // one instruction each; NaN stays
  const rounded = f32x4.add(bounded, f32x4.splat(ROUNDING));
  const r = f32x4.sub(bounded, f32x4.sub(rounded, f32x4.splat(ROUNDING)));
  let p = madd(f32x4.splat(1.5353361817e-4), r, f32x4.splat(1.3398874445e-3));
  p = madd(p, r, f32x4.splat(9.6184373583e-3));
  p = madd(p, r, f32x4.splat(5.5503324710e-2));
  p = madd(p, r, f32x4.splat(2.4022647914e-1));
  p = madd(p, r, f32x4.splat(6.9314720286e-1));
  p = madd(p, r, f32x4.splat(1));
  return i32x4.add(p, i32x4.shl(rounded, 23)); // adds n to the exponent
}
