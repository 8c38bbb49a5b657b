// x (rows, D) = wte[token] + wpe[position].

@group(0) @binding(0) var<uniform> span: Span;
@group(0) @binding(1) var<storage, read> tokens: array<u32>;
@group(0) @binding(2) var<storage, read> weights: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> x: array<vec4f>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
  if (id.x >= D4) {
    return;
  }
  let row = span.first + id.y;
  x[row * D4 + id.x] = weights[WTE + tokens[row] * D4 + id.x] + weights[WPE + (row % T) * D4 + id.x];
}
