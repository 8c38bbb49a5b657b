// The graphics card: asking for one, what it allows, and what to say when it fails.
//
// A failure is a DeviceFailure. Its message is one line for readers; its `report` is for finding the cause: the
// adapter, its limits and the browser's own words.

import { Program } from "./program.js";

/** Why WebGPU cannot compute, or no longer can. */
export class DeviceFailure extends Error {
  constructor(message, report = "") {
    super(message);
    this.report = report;
  }
}

// More than the defaults, if the adapter has it: a large model's weights are one buffer.
const WANTED = ["maxBufferSize", "maxStorageBufferBindingSize"];

const HALVES = "shader-f16";

const LOST_MS = 50; // to learn that a device is lost, after a call has failed

const REPORTED = [...WANTED, "maxComputeWorkgroupStorageSize", "maxComputeInvocationsPerWorkgroup"];

/** A device with its compiled shaders; engines share it. */
export class Gpu {
  /**
   * Open the device of this browser, or of Node with Dawn.
   *
   * @param {object} gpu navigator.gpu
   * @param {(name: string) => Promise<string>} read gives a shader's text
   * @param {boolean} software whether an adapter that computes on the processor will do
   * @throws {DeviceFailure} there is none
   */
  static async open(gpu, read, software = false) {
    if (!gpu) throw new DeviceFailure("This browser has no WebGPU.");
    const adapter = await gpu.requestAdapter({ powerPreference: "high-performance" });
    if (!adapter) throw new DeviceFailure("This browser has WebGPU, but no graphics card that it may use.");
    if (isSoftware(adapter.info) && !software) {
      throw new DeviceFailure("WebGPU would compute on the processor here, more slowly than WebAssembly.");
    }
    const requiredLimits = Object.fromEntries(WANTED.map((name) => [name, adapter.limits[name]]));
    const requiredFeatures = [HALVES].filter((name) => adapter.features.has(name));
    try {
      const device = await adapter.requestDevice({ requiredFeatures, requiredLimits });
      return new Gpu(device, adapter.info, read);
    } catch (error) {
      throw new DeviceFailure(`The graphics card could not be opened (${error.message}).`);
    }
  }

  constructor(device, info, read) {
    this.device = device;
    this.info = info;
    this.limits = device.limits;
    this.halves = device.features.has(HALVES); // 16-bit numbers
    this.failure = null;
    this.program = new Program(this, read);
    device.lost.then(({ reason, message }) => this.fail(`The graphics card was lost (${message || reason}).`));
    device.onuncapturederror = ({ error }) => this.fail(`WebGPU reported an error (${firstLine(error.message)}).`, error);
  }

  /** Name of the card, as far as the browser says. */
  get name() {
    const { description, device, vendor, architecture } = this.info;
    return description || [vendor, architecture || device].filter(Boolean).join(" ") || "a graphics card";
  }

  /** Remember the first failure, and make it an error to throw. */
  fail(message, error = null) {
    this.failure ??= new DeviceFailure(message, this.report(error?.message ?? message));
    return this.failure;
  }

  /** Wait for a promise of the device; a failure in the meantime is thrown instead of its value. */
  async settled(promise) {
    try {
      const value = await promise;
      if (this.failure) throw this.failure;
      return value;
    } catch (error) {
      await Promise.race([this.device.lost, new Promise((resolve) => setTimeout(resolve, LOST_MS))]);
      throw this.failure ?? this.fail(`WebGPU stopped (${firstLine(error.message)}).`, error);
    }
  }

  /**
   * Create buffers; returns what `make` returns.
   *
   * @throws {DeviceFailure} the device has no room for them
   */
  async allocate(make) {
    const { device } = this;
    device.pushErrorScope("validation"); // of buffers that there is no memory for
    device.pushErrorScope("out-of-memory");
    const made = make();
    const [memory, other] = await this.settled(Promise.all([device.popErrorScope(), device.popErrorScope()]));
    if (memory) {
      const message = "The graphics card has no memory left for this model.";
      throw new DeviceFailure(message, this.report(memory.message));
    }
    if (other) throw this.fail(`WebGPU reported an error (${firstLine(other.message)}).`, other);
    return made;
  }

  /** The adapter, its limits and a message, to copy. */
  report(message) {
    const { vendor, architecture, device, description } = this.info;
    const limits = REPORTED.map((name) => `${name}: ${this.limits[name]}`);
    const adapter = [vendor, architecture, device, description].filter(Boolean).join(", ");
    const agent = globalThis.navigator?.userAgent ?? "unknown";
    return [`adapter: ${adapter}`, ...limits, `browser: ${agent}`, message].join("\n");
  }

  close() {
    this.device.destroy();
  }
}

const firstLine = (text) => String(text).split("\n", 1)[0];

// Browsers that do not say so have their software adapters known by name.
const isSoftware = (info) => info.isFallbackAdapter ?? /swiftshader|llvmpipe/i.test(`${info.architecture} ${info.device}`);
