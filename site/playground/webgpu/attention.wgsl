// Causal attention with one query an invocation: y = softmax(q kᵀ / √C) v, without storing a score.
//
// Keys and values come a tile at a time into workgroup memory. Each invocation keeps the largest score so far, the sum
// of e^(score − largest) and the sum of values so weighted, and scales both sums when a larger score comes. For the
// backward it stores log Σ e^score. Milakov and Gimelshein 2018; Dao et al. 2022.

@group(0) @binding(0) var<uniform> span: Span;
@group(0) @binding(1) var<storage, read> qkv: array<f32>; // (B, T, 3 D): queries, keys, values
@group(0) @binding(2) var<storage, read_write> y: array<f32>; // (B, T, D)
@group(0) @binding(3) var<storage, read_write> logSums: array<f32>; // (B, T, H)

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) thread: u32) {
  let head = group.y * C;
  let text = group.z * T; // first row of the sequence
  let first = span.first + group.x * QUERIES;
  let last = min(T, span.first + span.rows);
  let position = first + thread;
  let seen = select(0u, position + 1u, position < last);
  let row = text + min(position, last - 1u);
  var query: array<vec4f, C4>;
  var sum: array<vec4f, C4>;
  for (var i = 0u; i < C4; i++) {
    query[i] = quadOf(row * 3u * D + head, i) * COOL;
    sum[i] = vec4f();
  }
  var top = -3e38;
  var total = 0.0;
  let end = min(first + QUERIES, last);
  for (var key = 0u; key < end; key += TILE) {
    loadTile(text, head, key, last - 1u, thread);
    let count = min(TILE, max(seen, key) - key);
    for (var s = 0u; s < count; s++) {
      var products = vec4f();
      for (var i = 0u; i < C4; i++) {
        products += query[i] * keys[s * C4 + i];
      }
      let score = sumOf(products);
      if (score > top) {
        let smaller = exp(top - score);
        top = score;
        total *= smaller;
        for (var i = 0u; i < C4; i++) {
          sum[i] *= smaller;
        }
      }
      let share = exp(score - top);
      total += share;
      for (var i = 0u; i < C4; i++) {
        sum[i] += share * values[s * C4 + i];
      }
    }
  }
  if (seen == 0u) {
    return;
  }
  for (var i = 0u; i < C4; i++) {
    let quad = sum[i] / total;
    let at = row * D + head + i * 4u;
    for (var c = 0u; c < min(4u, C - i * 4u); c++) {
      y[at + c] = quad[c];
    }
  }
  logSums[row * HEADS + group.y] = top + log(total);
}
