// The product of matrices, after Goto & van de Geijn (2008, "Anatomy of high-performance matrix multiplication"):
// blocks of both are copied into panels that fit the caches, and a 6 × 8 tile of the result stays in registers: its
// twelve vectors, two of B and one of A are as many as a compiler can use on x86-64.

import { at, madd } from "./common";

const TILE_ROWS: i32 = 6;
const TILE_COLUMNS: i32 = 8;
const BLOCK_ROWS: i32 = 96;
const BLOCK_INNER: i32 = 256;
const BLOCK_COLUMNS: i32 = 512;

// Addresses of the panels, before the heap; the first 64 bytes stay free, so that offset 0 can mean "none".
const PACKED_A: usize = 64;
const PACKED_B: usize = PACKED_A + 4 * BLOCK_ROWS * BLOCK_INNER;
const TILE: usize = PACKED_B + 4 * BLOCK_INNER * BLOCK_COLUMNS;
const ZEROS: usize = TILE + 4 * TILE_ROWS * TILE_COLUMNS; // a row of a block, never written to
const HEAP: usize = ZEROS + 4 * BLOCK_COLUMNS;

const PANELS: i32 = 0; // as a stride of B: B is in panels already

/** Columns of a panel. */
export const panelColumns: i32 = TILE_COLUMNS;

/** First offset that belongs to the caller. */
export const heapStart: i32 = i32(HEAP >> 2);

// Rows of A in groups of TILE_ROWS, inner index outermost within a group; missing rows are zeros.
function packA(a: usize, aRow: i32, aColumn: i32, m: i32, k: i32): void {
  let to = PACKED_A;
  for (let i = 0; i < m; i += TILE_ROWS) {
    const rows = min(TILE_ROWS, m - i);
    const from = a + i * aRow;
    let l = 0;
    if (rows == TILE_ROWS && aRow == 4) {
      for (; l < k; l++, to += 24) {
        const p = from + l * aColumn;
        v128.store(to, v128.load(p));
        store<u64>(to, load<u64>(p, 16), 16);
      }
    } else if (rows == TILE_ROWS && aColumn == 4) {
      for (; l + 4 <= k; l += 4, to += 96) {
        const p = from + l * 4;
        const r0 = v128.load(p);
        const r1 = v128.load(p + aRow);
        const r2 = v128.load(p + 2 * aRow);
        const r3 = v128.load(p + 3 * aRow);
        const r4 = v128.load(p + 4 * aRow);
        const r5 = v128.load(p + 5 * aRow);
        const low01 = v128.shuffle<f32>(r0, r1, 0, 4, 1, 5);
        const low23 = v128.shuffle<f32>(r2, r3, 0, 4, 1, 5);
        const low45 = v128.shuffle<f32>(r4, r5, 0, 4, 1, 5);
        const high01 = v128.shuffle<f32>(r0, r1, 2, 6, 3, 7);
        const high23 = v128.shuffle<f32>(r2, r3, 2, 6, 3, 7);
        const high45 = v128.shuffle<f32>(r4, r5, 2, 6, 3, 7);
        v128.store(to, v128.shuffle<f64>(low01, low23, 0, 2));
        v128.store(to, v128.shuffle<f64>(low45, low01, 0, 3), 16);
        v128.store(to, v128.shuffle<f64>(low23, low45, 1, 3), 32);
        v128.store(to, v128.shuffle<f64>(high01, high23, 0, 2), 48);
        v128.store(to, v128.shuffle<f64>(high45, high01, 0, 3), 64);
        v128.store(to, v128.shuffle<f64>(high23, high45, 1, 3), 80);
      }
    }
    for (; l < k; l++, to += 24) {
      for (let r = 0; r < TILE_ROWS; r++) {
        store<f32>(to + 4 * r, r < rows ? load<f32>(from + r * aRow + l * aColumn) : 0);
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
    let l = 0;
    if (columns == TILE_COLUMNS && bColumn == 4) {
      for (; l < k; l++, to += 32) {
        const p = from + l * bRow;
        v128.store(to, v128.load(p));
        v128.store(to, v128.load(p, 16), 16);
      }
    } else if (columns == TILE_COLUMNS && bRow == 4) {
      for (; l + 4 <= k; l += 4, to += 128) {
        const p = from + l * 4;
        transpose(to, p, bColumn);
        transpose(to + 16, p + 4 * bColumn, bColumn);
      }
    }
    for (; l < k; l++, to += 32) {
      for (let c = 0; c < TILE_COLUMNS; c++) {
        store<f32>(to + 4 * c, c < columns ? load<f32>(from + c * bColumn + l * bRow) : 0);
      }
    }
  }
}

// Four numbers of each of four columns become four rows, 32 bytes apart.
// @ts-ignore: decorator
@inline
function transpose(to: usize, p: usize, column: i32): void {
  const c0 = v128.load(p);
  const c1 = v128.load(p + column);
  const c2 = v128.load(p + 2 * column);
  const c3 = v128.load(p + 3 * column);
  const low01 = v128.shuffle<f32>(c0, c1, 0, 4, 1, 5);
  const high01 = v128.shuffle<f32>(c0, c1, 2, 6, 3, 7);
  const low23 = v128.shuffle<f32>(c2, c3, 0, 4, 1, 5);
  const high23 = v128.shuffle<f32>(c2, c3, 2, 6, 3, 7);
  v128.store(to, v128.shuffle<f64>(low01, low23, 0, 2));
  v128.store(to, v128.shuffle<f64>(low01, low23, 1, 3), 32);
  v128.store(to, v128.shuffle<f64>(high01, high23, 0, 2), 64);
  v128.store(to, v128.shuffle<f64>(high01, high23, 1, 3), 96);
}

// One 6 × 8 tile: c = from + bias + Σ_l a_l b_l over packed panels; `cRow` and `fromRow` are strides in bytes.
function tile(a: usize, b: usize, k: i32, from: usize, fromRow: i32, bias: usize, c: usize, cRow: i32): void {
  const bias0 = v128.load(bias);
  const bias1 = v128.load(bias, 16);
  let s00 = f32x4.add(v128.load(from), bias0);
  let s01 = f32x4.add(v128.load(from, 16), bias1);
  from += fromRow;
  let s10 = f32x4.add(v128.load(from), bias0);
  let s11 = f32x4.add(v128.load(from, 16), bias1);
  from += fromRow;
  let s20 = f32x4.add(v128.load(from), bias0);
  let s21 = f32x4.add(v128.load(from, 16), bias1);
  from += fromRow;
  let s30 = f32x4.add(v128.load(from), bias0);
  let s31 = f32x4.add(v128.load(from, 16), bias1);
  from += fromRow;
  let s40 = f32x4.add(v128.load(from), bias0);
  let s41 = f32x4.add(v128.load(from, 16), bias1);
  from += fromRow;
  let s50 = f32x4.add(v128.load(from), bias0);
  let s51 = f32x4.add(v128.load(from, 16), bias1);
  for (const end = a + 24 * k; a < end; a += 24, b += 32) {
    const b0 = v128.load(b);
    const b1 = v128.load(b, 16);
    const x0 = v128.load32_splat(a);
    s00 = madd(x0, b0, s00);
    s01 = madd(x0, b1, s01);
    const x1 = v128.load32_splat(a, 4);
    s10 = madd(x1, b0, s10);
    s11 = madd(x1, b1, s11);
    const x2 = v128.load32_splat(a, 8);
    s20 = madd(x2, b0, s20);
    s21 = madd(x2, b1, s21);
    const x3 = v128.load32_splat(a, 12);
    s30 = madd(x3, b0, s30);
    s31 = madd(x3, b1, s31);
    const x4 = v128.load32_splat(a, 16);
    s40 = madd(x4, b0, s40);
    s41 = madd(x4, b1, s41);
    const x5 = v128.load32_splat(a, 20);
    s50 = madd(x5, b0, s50);
    s51 = madd(x5, b1, s51);
  }
  v128.store(c, s00);
  v128.store(c, s01, 16);
  c += cRow;
  v128.store(c, s10);
  v128.store(c, s11, 16);
  c += cRow;
  v128.store(c, s20);
  v128.store(c, s21, 16);
  c += cRow;
  v128.store(c, s30);
  v128.store(c, s31, 16);
  c += cRow;
  v128.store(c, s40);
  v128.store(c, s41, 16);
  c += cRow;
  v128.store(c, s50);
  v128.store(c, s51, 16);
}

// A block of the result from the panels of A and B; columns of B are `bColumn` bytes apart.
function tiles(
  from: usize, fromRow: i32, bias: usize, c: usize, cRow: i32, b: usize, bColumn: i32, m: i32, n: i32, k: i32,
): void {
  for (let j = 0; j < n; j += TILE_COLUMNS, b += TILE_COLUMNS * bColumn) {
    const columns = min(TILE_COLUMNS, n - j);
    for (let i = 0; i < m; i += TILE_ROWS) {
      const a = PACKED_A + 4 * i * k;
      const rows = min(TILE_ROWS, m - i);
      let source = from + i * fromRow + 4 * j;
      let to = c + i * cRow + 4 * j;
      if (rows == TILE_ROWS && columns == TILE_COLUMNS) {
        tile(a, b, k, source, fromRow, bias + 4 * j, to, cRow);
      } else {
        tile(a, b, k, ZEROS, 0, ZEROS, TILE, 4 * TILE_COLUMNS);
        for (let r = 0; r < rows; r++, source += fromRow, to += cRow) {
          for (let s = 0; s < 4 * columns; s += 4) {
            const start = load<f32>(source + s) + load<f32>(bias + 4 * j + s);
            store<f32>(to + s, start + load<f32>(TILE + 4 * r * TILE_COLUMNS + s));
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
  for (let j = 0; j < n; j += BLOCK_COLUMNS) {
    const columns = min(BLOCK_COLUMNS, n - j);
    for (let l = 0; l < k; l += BLOCK_INNER) {
      const inner = min(BLOCK_INNER, k - l);
      const added = accumulate || l > 0;
      const start = bias && l == 0 ? at(bias + j) : ZEROS;
      let panels = PACKED_B;
      let column = 4 * inner;
      if (bRow == PANELS) {
        panels = at(b + j * k + l * TILE_COLUMNS);
        column = 4 * k;
      } else {
        packB(at(b + l * bRow + j * bColumn), 4 * bRow, 4 * bColumn, inner, columns);
      }
      for (let i = 0; i < m; i += BLOCK_ROWS) {
        const rows = min(BLOCK_ROWS, m - i);
        const to = at(c + j) + i * cBytes;
        packA(at(a + i * aRow + l * aColumn), 4 * aRow, 4 * aColumn, rows, inner);
        tiles(added ? to : ZEROS, added ? cBytes : 0, start, to, cBytes, panels, column, rows, columns, inner);
      }
    }
  }
}

/** The same for B in panels (n / panelColumns, k, panelColumns), the last one padded with zeros. */
export function matmulPanels(
  c: i32, cRow: i32, a: i32, aRow: i32, panels: i32, m: i32, n: i32, k: i32, accumulate: i32, bias: i32,
): void {
  matmul(c, cRow, a, aRow, 1, panels, PANELS, 0, m, n, k, accumulate, bias);
}

/** y = x B + bias for one row x (k) and B in panels; with `accumulate` added to y. Reads memory in sequence. */
export function rowTimesPanels(y: i32, x: i32, panels: i32, n: i32, k: i32, accumulate: i32, bias: i32): void {
  let p = at(panels);
  for (let j = 0; j < n; j += TILE_COLUMNS) {
    let from = at(x);
    let s0 = f32x4.splat(0);
    let s1 = f32x4.splat(0);
    let t0 = f32x4.splat(0);
    let t1 = f32x4.splat(0);
    let u0 = f32x4.splat(0);
    let u1 = f32x4.splat(0);
    let v0 = f32x4.splat(0);
    let v1 = f32x4.splat(0);
    for (const end = from + 4 * (k & ~3); from < end; from += 16, p += 128) {
      const x0 = v128.load32_splat(from);
      s0 = madd(x0, v128.load(p), s0);
      s1 = madd(x0, v128.load(p, 16), s1);
      const x1 = v128.load32_splat(from, 4);
      t0 = madd(x1, v128.load(p, 32), t0);
      t1 = madd(x1, v128.load(p, 48), t1);
      const x2 = v128.load32_splat(from, 8);
      u0 = madd(x2, v128.load(p, 64), u0);
      u1 = madd(x2, v128.load(p, 80), u1);
      const x3 = v128.load32_splat(from, 12);
      v0 = madd(x3, v128.load(p, 96), v0);
      v1 = madd(x3, v128.load(p, 112), v1);
    }
    for (const end = at(x + k); from < end; from += 4, p += 32) {
      const rest = v128.load32_splat(from);
      s0 = madd(rest, v128.load(p), s0);
      s1 = madd(rest, v128.load(p, 16), s1);
    }
    v128.store(TILE, f32x4.add(f32x4.add(s0, t0), f32x4.add(u0, v0)));
    v128.store(TILE, f32x4.add(f32x4.add(s1, t1), f32x4.add(u1, v1)), 16);
    place(at(y + j), accumulate ? at(y + j) : ZEROS, bias ? at(bias + j) : ZEROS, min(TILE_COLUMNS, n - j));
  }
}

// c = from + bias + the first row of TILE.
// @ts-ignore: decorator
@inline
function place(c: usize, from: usize, bias: usize, n: i32): void {
  if (n == TILE_COLUMNS) {
    for (let i = 0; i < 32; i += 16) {
      const start = f32x4.add(v128.load(from + i), v128.load(bias + i));
      v128.store(c + i, f32x4.add(start, v128.load(TILE + i)));
    }
  } else {
    for (let i = 0; i < 4 * n; i += 4) {
      store<f32>(c + i, load<f32>(from + i) + load<f32>(bias + i) + load<f32>(TILE + i));
    }
  }
}
