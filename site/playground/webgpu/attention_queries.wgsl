// Backward of attention for the queries, one an invocation. With p = e^(score − log Σ) computed again from q and k:
//
//   dp = dy · v    ds = p (dp − Σ p dp) / √C    dq = Σ ds k     and  Σ p dp = dy · y, so nothing has to be stored

@group(0) @binding(0) var<storage, read> qkv: array<f32>; // (B, T, 3 D)
@group(0) @binding(1) var<storage, read> y: array<f32>; // (B, T, D)
@group(0) @binding(2) var<storage, read> dy: array<f32>; // (B, T, D)
@group(0) @binding(3) var<storage, read> logSums: array<f32>; // (B, T, H)
@group(0) @binding(4) var<storage, read_write> means: array<f32>; // (B, T, H): dy · y, for the keys
@group(0) @binding(5) var<storage, read_write> dqkv: array<f32>; // (B, T, 3 D); here the queries' part

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) thread: u32) {
  let head = group.y * C;
  let text = group.z * T;
  let first = group.x * QUERIES;
  let position = first + thread;
  let seen = select(0u, position + 1u, position < T);
  let row = text + min(position, T - 1u);
  var query: array<vec4f, C4>;
  var up: array<vec4f, C4>;
  var dQuery: array<vec4f, C4>;
  var mean = 0.0;
  for (var i = 0u; i < C4; i++) {
    query[i] = quadOf(row * 3u * D + head, i) * COOL;
    dQuery[i] = vec4f();
    for (var c = 0u; c < min(4u, C - i * 4u); c++) {
      let at = row * D + head + i * 4u + c;
      up[i][c] = dy[at];
      mean += dy[at] * y[at];
    }
  }
  let logSum = logSums[row * HEADS + group.y];
  let end = min(first + QUERIES, T);
  for (var key = 0u; key < end; key += TILE) {
    loadTile(text, head, key, T - 1u, thread);
    let count = min(TILE, max(seen, key) - key);
    for (var s = 0u; s < count; s++) {
      var scores = vec4f();
      var products = vec4f();
      for (var i = 0u; i < C4; i++) {
        scores += query[i] * keys[s * C4 + i];
        products += up[i] * values[s * C4 + i];
      }
      let slope = exp(sumOf(scores) - logSum) * (sumOf(products) - mean) * COOL;
      for (var i = 0u; i < C4; i++) {
        dQuery[i] += slope * keys[s * C4 + i];
      }
    }
  }
  if (seen == 0u) {
    return;
  }
  for (var i = 0u; i < C4; i++) {
    for (var c = 0u; c < min(4u, C - i * 4u); c++) {
      dqkv[row * 3u * D + head + i * 4u + c] = dQuery[i][c];
    }
  }
  means[row * HEADS + group.y] = mean;
}
