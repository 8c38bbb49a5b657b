// A model's buffers and compiled passes on a device: what a trainer and a reader have in common.

import { parameterShapes, size } from "../layout.js";
import { DeviceFailure } from "./device.js";
import { constantsOf } from "./passes.js";

const UNIFORMS = new Set(["span", "update"]);
const SLOT_BYTES = 256; // at which a uniform may begin on every device

export class Model {
  /**
   * Create the buffers of a plan.
   *
   * @throws {DeviceFailure} the device is too small, or has no memory left
   */
  static async create(gpu, plan, passes) {
    if (gpu.failure) throw gpu.failure;
    if (plan.refusal) throw new DeviceFailure(plan.refusal, gpu.report(plan.refusal));
    const model = new this(gpu, plan);
    try {
      await gpu.allocate(() => model._createBuffers(passes));
      await model._compile(passes);
    } catch (error) {
      model.destroy();
      throw error;
    }
    return model;
  }

  constructor(gpu, plan) {
    this.gpu = gpu;
    this.plan = plan;
    this.config = plan.config;
    this.bytes = plan.bytes;
    this.buffers = new Map();
    this.passes = new Map(); // name → dispatches, compiled
  }

  _createBuffers(passes) {
    const { device } = this.gpu;
    for (const [name, bytes] of this.plan.buffers) {
      const kind = UNIFORMS.has(name) ? GPUBufferUsage.UNIFORM : GPUBufferUsage.STORAGE;
      const usage = kind | GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST;
      this.buffers.set(name, device.createBuffer({ label: name, size: bytes, usage }));
    }
    // The whole numbers of every dispatch, one after the other.
    const numbers = [...passes.values()].flat().flatMap(({ bindings }) => bindings.filter(isNumbers));
    const bytes = new Uint32Array((Math.max(1, numbers.length) * SLOT_BYTES) / 4);
    this._places = new Map();
    for (const [i, own] of numbers.entries()) {
      bytes.set(own, (i * SLOT_BYTES) / 4);
      this._places.set(own, i * SLOT_BYTES);
    }
    const usage = GPUBufferUsage.UNIFORM | GPUBufferUsage.COPY_DST;
    const uniform = device.createBuffer({ label: "numbers", size: bytes.byteLength, usage });
    this.buffers.set("numbers", uniform);
    device.queue.writeBuffer(uniform, 0, bytes);
  }

  async _compile(passes) {
    const constants = constantsOf(this.plan);
    const compiled = [...passes].map(async ([name, dispatches]) => {
      const all = dispatches.map(async ({ shader, flags = {}, bindings, groups }) => {
        const pipeline = await this.gpu.program.pipeline(shader, { ...constants, ...flags });
        const entries = bindings.map((bound, binding) => ({ binding, resource: this._resource(bound) }));
        const group = this.gpu.device.createBindGroup({ layout: pipeline.getBindGroupLayout(0), entries });
        return { pipeline, group, groups };
      });
      return [name, await Promise.all(all)];
    });
    this.passes = new Map(await Promise.all(compiled));
  }

  _resource(bound) {
    if (!isNumbers(bound)) return { buffer: this.buffers.get(bound) };
    return { buffer: this.buffers.get("numbers"), offset: this._places.get(bound), size: bound.byteLength };
  }

  /** Add passes to an encoder, for a number of rows. */
  record(encoder, names, rows) {
    const pass = encoder.beginComputePass();
    for (const name of names) {
      for (const { pipeline, group, groups } of this.passes.get(name)) {
        pass.setPipeline(pipeline);
        pass.setBindGroup(0, group);
        pass.dispatchWorkgroups(...groups(rows));
      }
    }
    pass.end();
  }

  /** Encode something and send it. */
  submit(encode) {
    if (this.gpu.failure) throw this.gpu.failure;
    const encoder = this.gpu.device.createCommandEncoder();
    encode(encoder);
    this.gpu.device.queue.submit([encoder.finish()]);
  }

  write(name, data, offset = 0) {
    this.gpu.device.queue.writeBuffer(this.buffers.get(name), offset, data);
  }

  /** The numbers of parts of buffers, [name, first, count] each, after all that was submitted. */
  async readBack(...parts) {
    const total = parts.reduce((sum, [, , count]) => sum + count, 0);
    const usage = GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST;
    const back = await this.gpu.allocate(() => this.gpu.device.createBuffer({ label: "back", size: 4 * total, usage }));
    this.submit((encoder) => {
      let to = 0;
      for (const [name, first, count] of parts) {
        encoder.copyBufferToBuffer(this.buffers.get(name), 4 * first, back, 4 * to, 4 * count);
        to += count;
      }
    });
    await this.gpu.settled(back.mapAsync(GPUMapMode.READ));
    const numbers = new Float32Array(back.getMappedRange().slice(0));
    back.destroy();
    return numbers;
  }

  // ---- parameters ------------------------------------------------------------------------------------------------

  /** Name → view of every parameter in an array as long as all of them. */
  named(array) {
    const { offsets } = this.plan.parameters;
    const views = new Map();
    for (const [name, shape] of parameterShapes(this.config)) {
      const at = offsets.get(name);
      views.set(name, array.subarray(at, at + size(shape)));
    }
    return views;
  }

  /** Write arrays by name into a buffer as long as all parameters. */
  writeNamed(buffer, arrays) {
    const array = new Float32Array(this.plan.parameters.floats);
    for (const [name, view] of this.named(array)) view.set(arrays.get(name));
    this.write(buffer, array);
  }

  /** Copy weights from a map with every name. */
  load(weights) {
    this.writeNamed("weights", weights);
  }

  destroy() {
    for (const buffer of this.buffers.values()) buffer.destroy();
  }
}

const isNumbers = (bound) => bound instanceof Uint32Array;
