// Shared by sums over a workgroup's 256 invocations: 16 of them add 16 values each, then every one adds those.

var<workgroup> values: array<vec4f, 256>;
var<workgroup> parts: array<vec4f, 16>;

// The sum over all invocations, which call it together.
fn groupSum(thread: u32, value: vec4f) -> vec4f {
  values[thread] = value;
  workgroupBarrier();
  if (thread < 16u) {
    var part = vec4f();
    for (var i = 0u; i < 16u; i++) {
      part += values[i * 16u + thread];
    }
    parts[thread] = part;
  }
  workgroupBarrier();
  var total = vec4f();
  for (var i = 0u; i < 16u; i++) {
    total += parts[i];
  }
  workgroupBarrier();
  return total;
}
