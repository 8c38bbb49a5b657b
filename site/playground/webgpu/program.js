// Shaders: a file's text below the model's constants, compiled once for each set of constants.

/** The shaders, and the files that come before each. */
const SHADERS = {
  embed: ["common"],
  norm: ["common"],
  product: ["common"],
  attention: ["common", "heads"],
  loss: ["common"],
  norm_backward: ["common", "sums"],
  attention_queries: ["common", "heads"],
  attention_keys: ["common", "heads"],
  embed_backward: [],
  gather: ["common", "sums"],
  adamw: ["sums"],
};

// A constant, or the name of a type.
const declared = ([name, value]) => {
  if (/^f\d+$/.test(value)) return `alias ${name} = ${value};\n`;
  return `const ${name} = ${Number.isInteger(value) ? `${value}u` : value};\n`; // other numbers come as text
};

export class Program {
  /**
   * @param {object} gpu of device.js
   * @param {(name: string) => Promise<string>} read gives a file's text
   */
  constructor(gpu, read) {
    this._gpu = gpu;
    this._read = read;
    this._sources = new Map(); // shader → its text and the words in it
    this._pipelines = new Map();
  }

  _source(name) {
    if (!this._sources.has(name)) this._sources.set(name, this._readAll([...SHADERS[name], name]));
    return this._sources.get(name);
  }

  async _readAll(names) {
    const code = (await Promise.all(names.map(this._read))).join("\n");
    return { code, words: new Set(code.replaceAll(/\/\/.*/g, "").match(/\w+/g)) };
  }

  /**
   * The pipeline of a shader with some constants.
   *
   * @param {string} name a key of SHADERS
   * @param {Record<string, number | boolean | string>} constants and types; a number that is not whole as WGSL text
   * @returns {Promise<object>} rejects with a DeviceFailure if the driver does not compile it
   */
  async pipeline(name, constants) {
    const { code, words } = await this._source(name);
    const used = Object.entries(constants).filter(([constant]) => words.has(constant));
    const header = used.map(declared).join("");
    const key = `${name}\n${header}`;
    if (!this._pipelines.has(key)) this._pipelines.set(key, this._compile(name, header, code));
    return this._pipelines.get(key);
  }

  async _compile(name, header, code) {
    const { device } = this._gpu;
    device.pushErrorScope("validation");
    const enabled = header.includes(" = f16;") ? "enable f16;\n" : "";
    const module = device.createShaderModule({ label: name, code: `${enabled}${header}\n${code}` });
    const wrong = device.popErrorScope();
    const { messages } = await this._gpu.settled(module.getCompilationInfo());
    const errors = messages.filter(({ type }) => type === "error");
    if (errors.length || (await wrong)) {
      const lines = errors.map(({ lineNum, linePos, message }) => `${lineNum}:${linePos} ${message}`);
      throw this._gpu.fail(`The shader ${name} does not compile on this graphics card.`, {
        message: [`shader ${name}`, header.trim(), ...lines].join("\n"),
      });
    }
    const compute = { module, entryPoint: "main" };
    try {
      return await device.createComputePipelineAsync({ label: name, layout: "auto", compute });
    } catch (error) {
      throw this._gpu.fail(`The shader ${name} does not run on this graphics card.`, {
        message: `shader ${name}\n${header.trim()}\n${error.message}`,
      });
    }
  }
}
