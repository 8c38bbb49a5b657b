// Causal attention of whole sequences, in the products and softmaxes of either kind of kernels: forward and backward.
//
// qkv (B, T, 3 H C) holds queries, keys and values side by side; p (B, H, T, T) the probabilities. A product takes
// `kernels.queries` queries at a time, and skips the keys after the last of them. tinygpt/layers.py has the derivation.

// Calls `visit` for each head with the offsets of its first element in qkv, in y (B, T, H C) and in p.
function eachHead(batch, t, heads, c, visit) {
  for (let n = 0; n < batch * heads; n++) {
    const y = (Math.floor(n / heads) * t * heads + (n % heads)) * c;
    visit(y + Math.floor(n / heads) * t * 2 * heads * c, y, n * t * t);
  }
}

/** y = softmax(q kᵀ / √C, causal) v; p is for the backward. */
export function attention(kernels, y, p, qkv, batch, t, heads, c) {
  const d = heads * c;
  const wide = 3 * d;
  eachHead(batch, t, heads, c, (toQuery, toY, toP) => {
    const q = qkv + toQuery;
    const [k, v] = [q + d, q + 2 * d];
    for (let i = 0; i < t; i += kernels.queries) {
      const rows = Math.min(kernels.queries, t - i);
      const seen = i + rows;
      const scores = p + toP + i * t;
      kernels.matmul(scores, t, q + i * wide, wide, 1, k, 1, wide, rows, seen, c, 0, 0);
      kernels.causalSoftmax(scores, t, i, rows, c);
      kernels.matmul(y + toY + i * d, d, scores, t, 1, v, wide, 1, rows, c, seen, 0, 0);
    }
  });
}

/** dqkv from dy; `scratch` has room for T T numbers. */
export function attentionBackward(kernels, dqkv, dy, p, qkv, scratch, batch, t, heads, c) {
  const d = heads * c;
  const wide = 3 * d;
  eachHead(batch, t, heads, c, (toQuery, toY, toP) => {
    const [q, dq, up, probabilities] = [qkv + toQuery, dqkv + toQuery, dy + toY, p + toP];
    const [k, v, dk, dv] = [q + d, q + 2 * d, dq + d, dq + 2 * d];
    for (let i = 0; i < t; i += kernels.queries) {
      const rows = Math.min(kernels.queries, t - i);
      const seen = i + rows;
      const ds = scratch + i * t;
      kernels.matmul(ds, t, up + i * d, d, 1, v, 1, wide, rows, seen, c, 0, 0);
      kernels.causalSoftmaxBackward(ds, probabilities + i * t, t, rows, seen, c);
      kernels.matmul(dq + i * wide, wide, ds, t, 1, k, wide, 1, rows, c, seen, 0, 0);
    }
    // Only queries from j on see the keys from j on.
    for (let j = 0; j < t; j += kernels.queries) {
      const rows = Math.min(kernels.queries, t - j);
      const [later, from] = [t - j, j * t + j];
      kernels.matmul(dk + j * wide, wide, scratch + from, 1, t, q + j * wide, wide, 1, rows, c, later, 0, 0);
      kernels.matmul(dv + j * wide, wide, probabilities + from, 1, t, up + j * d, d, 1, rows, c, later, 0, 0);
    }
  });
}
