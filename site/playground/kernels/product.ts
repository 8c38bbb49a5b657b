// The product of matrices, after Goto & van de Geijn (2008, "Anatomy of high-performance matrix multiplication"): blocks
// of both are copied into panels that fit the caches, and a 4 × 8 tile of the result stays in registers.

import { at, madd } from "./common";

const TILE_ROWS: i32 = 4;
const TILE_COLUMNS: i32 = 8;
const BLOCK_ROWS: i32 = 64;
const BLOCK_INNER: i32 = 256;
const BLOCK_COLUMNS: i32 = 256;

// The panels lie before the heap, in bytes; the first 64 stay free, so that offset 0 can mean "none".
const PACKED_A: usize = 64;
const PACKED_B: usize = PACKED_A + 4 * BLOCK_ROWS * BLOCK_INNER;
const TILE: usize = PACKED_B + 4 * BLOCK_INNER * BLOCK_COLUMNS;
const HEAP: usize = TILE + 4 * TILE_ROWS * TILE_COLUMNS;

/** First offset that belongs to the caller. */
export const heapStart: i32 = i32(HEAP >> 2);

// Rows of A in groups of TILE_ROWS, inner index outermost within a group; missing rows are zeros.
function packA(a: usize, aRow: i32, aColumn: i32, m: i32, k: i32): void {
  let to = PACKED_A;
  for (let i = 0; i < m; i += TILE_ROWS) {
    const rows = min(TILE_ROWS, m - i);
    const from = a + i * aRow;
    if (rows == TILE_ROWS && aRow == 4) {
      for (let l = 0; l < k; l++, to += 16) v128.store(to, v128.load(from + l * aColumn));
    } else if (rows == TILE_ROWS && aColumn == 4) {
      let l = 0;
      for (; l + 4 <= k; l += 4, to += 64) {
        const p = from + l * 4;
        const r0 = v128.load(p);
        const r1 = v128.load(p + aRow);
        const r2 = v128.load(p + 2 * aRow);
        const r3 = v128.load(p + 3 * aRow);
        const low01 = v128.shuffle<f32>(r0, r1, 0, 4, 1, 5);
        const high01 = v128.shuffle<f32>(r0, r1, 2, 6, 3, 7);
        const low23 = v128.shuffle<f32>(r2, r3, 0, 4, 1, 5);
        const high23 = v128.shuffle<f32>(r2, r3, 2, 6, 3, 7);
        v128.store(to, v128.shuffle<f64>(low01, low23, 0, 2), 0);
        v128.store(to, v128.shuffle<f64>(low01, low23, 1, 3), 16);
        v128.store(to, v128.shuffle<f64>(high01, high23, 0, 2), 32);
        v128.store(to, v128.shuffle<f64>(high01, high23, 1, 3), 48);
      }
      for (; l < k; l++, to += 16) {
        for (let r = 0; r < TILE_ROWS; r++) store<f32>(to + 4 * r, load<f32>(from + r * aRow + l * 4));
      }
    } else {
      for (let l = 0; l < k; l++, to += 16) {
        for (let r = 0; r < TILE_ROWS; r++) {
          store<f32>(to + 4 * r, r < rows ? load<f32>(from + r * aRow + l * aColumn) : 0);
        }
      }
    }
  }
}

// Columns of B in groups of TILE_COLUMNS, inner index outermost within a group; missing columns are zeros.
function packB(b: usize, bRow: i32, bColumn: i32, k: i32, n: i32): void {
  let to = PACKED_B;
  for (let j = 0; j < n; j += TILE_COLUMNS) {
    const columns = min(TILE_COLUMNS, n - j);
    const from = b + j * bColumn;
    if (columns == TILE_COLUMNS && bColumn == 4) {
      for (let l = 0; l < k; l++, to += 32) {
        const p = from + l * bRow;
        v128.store(to, v128.load(p), 0);
        v128.store(to, v128.load(p, 16), 16);
      }
    } else {
      for (let c = 0; c < TILE_COLUMNS; c++) {
        const column = from + c * bColumn;
        for (let l = 0; l < k; l++) {
          store<f32>(to + 32 * l + 4 * c, c < columns ? load<f32>(column + l * bRow) : 0);
        }
      }
      to += 32 * k;
    }
  }
}

// One 4 × 8 tile: c += Σ_l a_l b_l over packed panels. `c` has rows `cRow` bytes apart.
// @ts-ignore: decorator
@inline
function tile(a: usize, b: usize, k: i32, c: usize, cRow: i32): void {
  const c1 = c + cRow;
  const c2 = c1 + cRow;
  const c3 = c2 + cRow;
  let s00 = v128.load(c);
  let s01 = v128.load(c, 16);
  let s10 = v128.load(c1);
  let s11 = v128.load(c1, 16);
  let s20 = v128.load(c2);
  let s21 = v128.load(c2, 16);
  let s30 = v128.load(c3);
  let s31 = v128.load(c3, 16);
  for (const end = a + 16 * k; a < end; a += 16, b += 32) {
    const b0 = v128.load(b);
    const b1 = v128.load(b, 16);
    const a0 = v128.load32_splat(a);
    s00 = madd(a0, b0, s00);
    s01 = madd(a0, b1, s01);
    const a1 = v128.load32_splat(a, 4);
    s10 = madd(a1, b0, s10);
    s11 = madd(a1, b1, s11);
    const a2 = v128.load32_splat(a, 8);
    s20 = madd(a2, b0, s20);
    s21 = madd(a2, b1, s21);
    const a3 = v128.load32_splat(a, 12);
    s30 = madd(a3, b0, s30);
    s31 = madd(a3, b1, s31);
  }
  v128.store(c, s00);
  v128.store(c, s01, 16);
  v128.store(c1, s10);
  v128.store(c1, s11, 16);
  v128.store(c2, s20);
  v128.store(c2, s21, 16);
  v128.store(c3, s30);
  v128.store(c3, s31, 16);
}

function tiles(c: usize, cRow: i32, m: i32, n: i32, k: i32): void {
  for (let j = 0; j < n; j += TILE_COLUMNS) {
    const b = PACKED_B + 4 * j * k;
    for (let i = 0; i < m; i += TILE_ROWS) {
      const a = PACKED_A + 4 * i * k;
      const to = c + i * cRow + 4 * j;
      const rows = min(TILE_ROWS, m - i);
      const columns = min(TILE_COLUMNS, n - j);
      if (rows == TILE_ROWS && columns == TILE_COLUMNS) {
        tile(a, b, k, to, cRow);
      } else {
        memory.fill(TILE, 0, 4 * TILE_ROWS * TILE_COLUMNS);
        tile(a, b, k, TILE, 4 * TILE_COLUMNS);
        for (let r = 0; r < rows; r++) {
          for (let s = 0; s < columns; s++) {
            const p = to + r * cRow + 4 * s;
            store<f32>(p, load<f32>(p) + load<f32>(TILE + 4 * (r * TILE_COLUMNS + s)));
          }
        }
      }
    }
  }
}

/** c[i, j] = Σ_l a[i, l] b[l, j] + bias[j]; with `accumulate` added to what is there. Bias 0 means none. */
export function matmul(
  c: i32, cRow: i32,
  a: i32, aRow: i32, aColumn: i32,
  b: i32, bRow: i32, bColumn: i32,
  m: i32, n: i32, k: i32,
  accumulate: i32, bias: i32,
): void {
  const cBytes = 4 * cRow;
  if (!accumulate) {
    for (let i = 0; i < m; i++) {
      if (bias) memory.copy(at(c) + i * cBytes, at(bias), 4 * n);
      else memory.fill(at(c) + i * cBytes, 0, 4 * n);
    }
  }
  for (let j = 0; j < n; j += BLOCK_COLUMNS) {
    const columns = min(BLOCK_COLUMNS, n - j);
    for (let l = 0; l < k; l += BLOCK_INNER) {
      const inner = min(BLOCK_INNER, k - l);
      packB(at(b + l * bRow + j * bColumn), 4 * bRow, 4 * bColumn, inner, columns);
      for (let i = 0; i < m; i += BLOCK_ROWS) {
        const rows = min(BLOCK_ROWS, m - i);
        packA(at(a + i * aRow + l * aColumn), 4 * aRow, 4 * aColumn, rows, inner);
        tiles(at(c + j) + i * cBytes, cBytes, rows, columns, inner);
      }
    }
  }
}
