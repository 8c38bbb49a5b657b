// WebGPU as one of ../backends.js: loaded only where a browser has it.

import { parameterCount } from "../layout.js";
import { DeviceFailure, Gpu } from "./device.js";
import { LastingReader, LastingTrainer } from "./lasting.js";
import { Reader } from "./reader.js";
import { Trainer } from "./trainer.js";

async function fetchText(name) {
  const response = await fetch(new URL(`${name}.wgsl`, import.meta.url));
  if (!response.ok) throw new Error(`cannot load ${name}.wgsl: ${response.status}`);
  return response.text();
}

// Each token of a text waits for the device once, which takes longer than a small model's arithmetic.
const LEAST_TO_READ = 4e6; // parameters

/**
 * Open the graphics card.
 *
 * @param {object} options software: whether an adapter that computes on the processor will do; other: (config,
 *   batchSize) → an engine that needs no device
 * @returns {Promise<{create: (config: object, batchSize: number, halves: boolean) => Promise<object>, gpu: object}>}
 * @throws {DeviceFailure} there is none
 */
export async function openWebgpu({ software = false, other }) {
  const gpu = await Gpu.open(globalThis.navigator?.gpu, fetchText, software);
  const create = async (config, batchSize = 0, halves = false) => {
    const instead = () => other(config, batchSize);
    if (!batchSize && parameterCount(config) < LEAST_TO_READ) return instead();
    try {
      if (batchSize) return new LastingTrainer(await Trainer.create(gpu, config, batchSize, halves), instead);
      return new LastingReader(await Reader.create(gpu, config), instead);
    } catch (error) {
      if (!(error instanceof DeviceFailure)) throw error;
      return Object.assign(await instead(), { failure: error });
    }
  };
  return { create, gpu };
}
