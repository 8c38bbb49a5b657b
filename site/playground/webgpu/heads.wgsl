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

var<workgroup> keys: array<vec4f, TILE * C4>;
var<workgroup> values: array<vec4f, TILE * C4>;

// Copy a head's keys and values of TILE positions of a sequence; behind its `last` one there are copies of that.
fn loadTile(text: u32, head: u32, first: u32, last: u32, thread: u32) {
  workgroupBarrier();
  for (var s = thread; s < TILE * C4; s += QUERIES) {
    let at = (text + min(first + s / C4, last)) * 3u * D + head;
    keys[s] = quadOf(at + D, s % C4);
    values[s] = quadOf(at + 2u * D, s % C4);
  }
  workgroupBarrier();
}
