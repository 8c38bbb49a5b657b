// Backward of attention for keys and values, one of each an invocation: dk = Σ ds q and dv = Σ p dy over the queries
// from its own position on. Runs after attention_queries.wgsl, whose Σ p dp it reads.

@group(0) @binding(0) var<storage, read> qkv: array<f32>; // (B, T, 3 D)
@group(0) @binding(1) var<storage, read> dy: array<f32>; // (B, T, D)
@group(0) @binding(2) var<storage, read> logSums: array<f32>; // (B, T, H)
@group(0) @binding(3) var<storage, read> means: array<f32>; // (B, T, H)
@group(0) @binding(4) var<storage, read_write> dqkv: array<f32>; // (B, T, 3 D); here keys and values

var<workgroup> queries: array<vec4f, TILE * C4>;
var<workgroup> ups: array<vec4f, TILE * C4>;
var<workgroup> sums: array<vec2f, TILE>; // log Σ e^score, Σ p dp

fn upOf(at: u32, i: u32) -> vec4f {
  var quad = vec4f();
  for (var c = 0u; c < min(4u, C - i * 4u); c++) {
    quad[c] = dy[at + i * 4u + c];
  }
  return quad;
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) thread: u32) {
  let head = group.y * C;
  let text = group.z * T;
  let first = group.x * QUERIES;
  let position = first + thread;
  let row = text + min(position, T - 1u);
  let start = row * 3u * D + head;
  var key: array<vec4f, C4>;
  var value: array<vec4f, C4>;
  var dKey: array<vec4f, C4>;
  var dValue: array<vec4f, C4>;
  for (var i = 0u; i < C4; i++) {
    key[i] = quadOf(start + D, i) * COOL;
    value[i] = quadOf(start + 2u * D, i);
    dKey[i] = vec4f();
    dValue[i] = vec4f();
  }
  for (var query = first - first % TILE; query < T; query += TILE) {
    workgroupBarrier();
    for (var s = thread; s < TILE * C4; s += QUERIES) {
      let other = text + min(query + s / C4, T - 1u);
      queries[s] = quadOf(other * 3u * D + head, s % C4);
      ups[s] = upOf(other * D + head, s % C4);
    }
    if (thread < TILE) {
      let other = (text + min(query + thread, T - 1u)) * HEADS + group.y;
      sums[thread] = vec2f(logSums[other], means[other]);
    }
    workgroupBarrier();
    let begin = max(position, query) - query;
    for (var s = begin; s < min(TILE, T - query); s++) {
      var scores = vec4f();
      var products = vec4f();
      for (var i = 0u; i < C4; i++) {
        scores += key[i] * queries[s * C4 + i];
        products += value[i] * ups[s * C4 + i];
      }
      let share = exp(sumOf(scores) - sums[s].x);
      let slope = share * (sumOf(products) - sums[s].y) * COOL;
      for (var i = 0u; i < C4; i++) {
        dValue[i] += share * ups[s * C4 + i];
        dKey[i] += slope * queries[s * C4 + i];
      }
    }
  }
  if (position >= T) {
    return;
  }
  for (var i = 0u; i < C4; i++) {
    for (var c = 0u; c < min(4u, C - i * 4u); c++) {
      dqkv[start + D + i * 4u + c] = dKey[i][c];
      dqkv[start + 2u * D + i * 4u + c] = dValue[i][c];
    }
  }
}
