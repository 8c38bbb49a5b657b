// Shared by the attention's shaders. C is the size of a head, in C4 quads; QUERIES invocations work on one head.

const QUERIES = 64u;

// Numbers 4 i to 4 i + 4 of a head's C, zeros after the last.
fn quadOf(at: u32, i: u32) -> vec4f {
  let c = i * 4u;
  var quad = vec4f(qkv[at + c], 0.0, 0.0, 0.0);
  if (c + 1u < C) {
    quad.y = qkv[at + c + 1u];
  }
  if (c + 2u < C) {
    quad.z = qkv[at + c + 2u];
  }
  if (c + 3u < C) {
    quad.w = qkv[at + c + 3u];
  }
  return quad;
}
