// The page's side of the worker: a call is a promise, its progress a callback.

export class Client {
  /**
   * @param {URL} url of worker.js
   */
  constructor(url) {
    this._worker = new Worker(url, { type: "module" });
    this._calls = new Map();
    this._next = 1;
    this.onFailure = () => {}; // called with {message, report} when another backend takes the place of one that failed
    this._worker.onmessage = ({ data }) => this._answer(data);
    this._worker.onerror = (event) => {
      event.preventDefault();
      this._fail(
        new Error(`The worker stopped: ${event.message || "its script could not be loaded"}. Reload the page.`),
      );
    };
  }

  /** Run a task; rejects with an Error whose message is for readers. */
  call(type, message = {}, { progress = () => {}, transfer = [] } = {}) {
    const id = this._next++;
    return new Promise((resolve, reject) => {
      this._calls.set(id, { resolve, reject, progress });
      this._worker.postMessage({ ...message, id, type }, transfer);
    });
  }

  /**
   * "stop", "pause" or "resume" the innermost running task, or that of a type (`of`); "seen" confirms a piece of the
   * progress of one (`id`); "pace" sets the `share` of the time in which tasks compute.
   */
  control(type, which = {}) {
    this._worker.postMessage({ type, ...which });
  }

  /** End the worker at once. */
  close() {
    this._worker.terminate();
    this._calls.clear();
  }

  _answer({ id, type, ...rest }) {
    const call = this._calls.get(id);
    if (!call) return;
    if (type === "progress") {
      if (rest.failure) this.onFailure(rest.failure);
      call.progress(rest);
      this.control("seen", { id });
      return;
    }
    this._calls.delete(id);
    if (type === "done") call.resolve(rest);
    else call.reject(new Error(rest.message));
  }

  _fail(error) {
    for (const { reject } of this._calls.values()) reject(error);
    this._calls.clear();
  }
}
