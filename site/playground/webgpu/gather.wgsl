// Add up the parts of the gradients and divide them by the number of rows, of whose losses the loss is the mean. Sum the
// squares: one partial sum a workgroup.

@group(0) @binding(0) var<storage, read_write> gradients: array<vec4f>; // (SLOTS, parameters); the mean replaces the first
@group(0) @binding(1) var<storage, read_write> squares: array<f32>; // (SUM_GROUPS)

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) thread: u32) {
  var sum = vec4f();
  for (var i = group.x * 256u + thread; i < QUADS; i += SUM_GROUPS * 256u) {
    var quad = gradients[i];
    for (var slot = 1u; slot < SLOTS; slot++) {
      quad += gradients[slot * QUADS + i];
    }
    quad *= 1.0 / f32(ROWS);
    gradients[i] = quad;
    sum += quad * quad;
  }
  let total = sumOf(groupSum(thread, sum));
  if (thread == 0u) {
    squares[group.x] = total;
  }
}
