// Σ dθ² of every parameter, a workgroup each.

@group(0) @binding(0) var<storage, read> ranges: array<vec2u>; // first quad and number of quads of a parameter
@group(0) @binding(1) var<storage, read> gradients: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> squares: array<f32>;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) thread: u32) {
  let range = ranges[group.x];
  var sum = vec4f();
  for (var i = thread; i < range.y; i += 256u) {
    let quad = gradients[range.x + i];
    sum += quad * quad;
  }
  let total = sumOf(groupSum(thread, sum));
  if (thread == 0u) {
    squares[group.x] = total;
  }
}
